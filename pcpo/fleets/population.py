"""Draw fleets from a population: the law of random clustered fleets over which the grid's intervals are made.

A draw is one fleet.  For each of its H clusters

    A = a·G,  G Gaussian, a such that ρ(A) or √γ·ρ(A) is uniform on the range of its kind,
    B = Gaussian/√n,  Q and R with random eigenvectors and eigenvalues uniform on [1/2, 2],

then Q_j and R_j are rescaled so that C*_j = C*_1 + (j − 1)Δ exactly.  Each agent starts at its own gain on a random ray
from K*, with C(K⁰)/C* log-uniform on `start`.  Draws that miss the limits are rejected and counted, so the population
is this law conditioned on the limits:

- a cluster whose Hessian at K* has a condition number above `condition_limit`, that has no Riccati solution, or that is
  close to an earlier cluster in [A B] or in K*; with `condition_least`, one cluster at random has at least that;
- of open loop "unstable", a fleet whose clusters are not certified to have no common gain of finite cost, unless
  `common_gain` allows one;
- a start from which the straight way to K* has a curvature above `path_limit` times the smallest one at any cluster's
  K*, or a rate ‖∇C‖²/(2(C − C*)) below half of the latter, in units of each cluster's C*; a fleet with a cluster where
  hardly any start fits.

The kinds of open loop: "stable", ρ(A) < 1; "unstable", √γ·ρ(A) > 1 in every cluster, so that K = 0 has infinite cost,
and no gain has finite cost for all clusters (unless `common_gain`); "mixed", every other cluster unstable, whether or
not there is a common gain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pcpo.errors import FleetError
from pcpo.fleets.common_gain import CommonGain, common_gain
from pcpo.fleets.fleet import MAX_AGENTS, Fleet
from pcpo.fleets.initial_gains import gains_at_gaps
from pcpo.fleets.random import condition, draw_system, too_close, with_optimal_cost
from pcpo.lqr.cost import gradient, hessian_matrix
from pcpo.lqr.optimum import gap_array, hessian_eigenvalues, riccati
from pcpo.lqr.system import MAX_INPUTS, MAX_STATES, Array, LinearSystem

__all__ = ["Clusters", "Drawn", "OpenLoop", "PopulationSpec", "cluster_sizes", "draw_clusters", "draw_fleet"]

OpenLoop = Literal["stable", "unstable", "mixed"]

#: C*_1 of every fleet (units of cost); all other costs scale with it.
OPTIMAL_COST = 20.0
#: Ranges of ρ(A) of stable systems, and of √γ·ρ(A) of unstable ones.
_STABLE, _UNSTABLE = (0.6, 0.98), (1.02, 1.25)
_DISTANCE, _GAIN_DISTANCE = 0.3, 0.2
_MOST_CLUSTERS, _MOST_FLEETS, _MOST_STARTS, _CANDIDATES = 2000, 300, 200, 16
#: Starts that are tried in every cluster before its agents draw theirs, and how many must be within the limit.
_TRIALS, _ENOUGH = 64, 1
#: Smallest rate on the way from a start, over the smallest curvature of all clusters at their K*.
_SLOWER = 0.5
_START = "a start whose way to K* is beyond {:g} times the slowest curvature"
#: Fractions of the way from K* to a start at which curvatures and rates are taken.
_FRACTIONS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class PopulationSpec:
    """Describe a population of fleets of H = len(sizes) clusters, `sizes[j]` agents in cluster j.

    Attributes:
        n: states.
        m: inputs.
        sizes: agents of each cluster.
        gamma: γ.
        open_loop: "stable", "unstable" or "mixed".
        separation: Δ/C*_1, the distance of successive optimal costs; not used for one cluster.
        start: range of C(K⁰)/C*, above 1.
        condition_limit: largest condition number of a cluster's Hessian at K*.
        condition_least: the condition number that one of the clusters exceeds; 1 for no such limit.
        common_gain: whether unstable clusters may have a gain of finite cost for all.
        path_limit: largest curvature on the ways from the starts to K*, over the smallest one at any cluster's K*.

    Raises FleetError naming the field, what was found and what was expected.
    """

    n: int = 2
    m: int = 1
    sizes: tuple[int, ...] = (4, 4)
    gamma: float = 0.9
    open_loop: OpenLoop = "unstable"
    separation: float = 0.1
    start: tuple[float, float] = (1.5, 5.0)
    condition_limit: float = 30.0
    path_limit: float = 200.0
    condition_least: float = 1.0
    common_gain: bool = False

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1 or sum(self.sizes) > MAX_AGENTS:
            raise FleetError(f"sizes: found {self.sizes}, expected at least one agent per cluster, {MAX_AGENTS} in all")
        if not (1 <= self.n <= MAX_STATES and 1 <= self.m <= MAX_INPUTS):
            raise FleetError(f"shape: found {self.n, self.m}, expected up to {MAX_STATES} states, {MAX_INPUTS} inputs")
        if self.open_loop not in get_args(OpenLoop):
            raise FleetError(f"open_loop: found {self.open_loop!r}, expected {', '.join(get_args(OpenLoop))}")
        if self.open_loop == "unstable" and len(self.sizes) == 1 and not self.common_gain:
            raise FleetError("open_loop: found 'unstable' with one cluster, expected two: one system has a common gain")
        if not 0 < self.gamma < 1:
            raise FleetError(f"gamma: found {self.gamma}, expected 0 < gamma < 1")
        if not 0 < self.separation < np.inf:
            raise FleetError(f"separation: found {self.separation}, expected a positive number (units of C*)")
        if not 1 <= self.condition_least < self.condition_limit:
            raise FleetError(
                f"condition_least: found {self.condition_least}, expected a number from 1 to below condition_limit, "
                f"{self.condition_limit:g}"
            )
        if not 1 < self.start[0] <= self.start[1] < np.inf:
            raise FleetError(f"start: found {self.start}, expected 1 < low ≤ high, the range of C(K⁰)/C*")

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return the cluster of every agent, ``(N,)``."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def unstable(self, cluster: int) -> bool:
        """Return whether a cluster is unstable in open loop."""
        return self.open_loop == "unstable" or (self.open_loop == "mixed" and cluster % 2 == 0)


@dataclass(frozen=True)
class Drawn:
    """Hold a fleet, what is known of a common gain of its clusters, and how many draws each limit rejected."""

    fleet: Fleet
    common: CommonGain
    rejected: Mapping[str, int]


@dataclass(frozen=True)
class Clusters:
    """Hold the systems of the clusters, before their cost levels are set, and what is known and was rejected."""

    systems: tuple[LinearSystem, ...]
    common: CommonGain
    rejected: Mapping[str, int]


def draw_clusters(spec: PopulationSpec, rng: np.random.Generator) -> Clusters:
    """Draw the systems of a fleet; they do not depend on the sizes of the clusters and on the separation.

    Raises:
        FleetError: if none within the limits were found, with the number of draws that each limit rejected.
    """
    rejected: Counter[str] = Counter()
    for _ in range(_MOST_FLEETS):
        systems = tuple(_draw_systems(spec, rng, rejected))
        known = CommonGain.EXISTS if len(systems) == 1 else common_gain(systems, rng)
        excluded = spec.open_loop == "unstable" and not spec.common_gain
        if excluded and known != (CommonGain.EXCLUDED if spec.m == 1 else CommonGain.NOT_FOUND):
            rejected["a common gain of finite cost exists, or is not excluded"] += 1
        elif not _reachable(spec, systems, rng):
            rejected[f"a cluster with under {_ENOUGH} such starts in {_TRIALS} draws"] += 1
        else:
            return Clusters(systems, known, dict(rejected))
    raise _none(f"found no acceptable fleet in {_MOST_FLEETS} draws", rejected)


def draw_fleet(
    spec: PopulationSpec, clusters: np.random.Generator | Clusters, starts: np.random.Generator, name: str = ""
) -> Drawn:
    """Draw a fleet from the population.

    Args:
        spec: the population.
        clusters: draws the clusters, or clusters that were drawn from a population that differs in nothing but sizes
            and separation.
        starts: draws the initial gains.
        name: of the fleet.

    Raises:
        FleetError: if no fleet within the limits was found, with the number of draws that each limit rejected.
    """
    found = clusters if isinstance(clusters, Clusters) else draw_clusters(spec, clusters)
    rejected = Counter(found.rejected)
    levels = OPTIMAL_COST * (1.0 + spec.separation * np.arange(len(found.systems)))
    scaled = tuple(with_optimal_cost(s, level) for s, level in zip(found.systems, levels.tolist(), strict=True))
    gains = _draw_starts(spec, scaled, starts, rejected)
    fleet = Fleet(name or "random fleet", scaled, spec.labels, gains, f"population: {spec}")
    return Drawn(fleet, found.common, dict(rejected))


def _none(what: str, rejected: Counter[str]) -> FleetError:
    """Return the error of a population that is too rare, with what rejects how many draws."""
    counts = "; ".join(f"{reason}: {count}" for reason, count in rejected.most_common())
    return FleetError(f"population: {what}, rejected ({counts}); expected limits that random fleets can meet")


def _draw_systems(spec: PopulationSpec, rng: np.random.Generator, rejected: Counter[str]) -> list[LinearSystem]:
    """Draw the systems of all clusters, without their cost levels."""
    systems: list[LinearSystem] = []
    hardest = int(rng.integers(len(spec.sizes))) if spec.condition_least > 1 else -1
    for _ in range(_MOST_CLUSTERS):
        if len(systems) == len(spec.sizes):
            return systems
        low, high = _STABLE
        if spec.unstable(len(systems)):
            low, high = (edge / np.sqrt(spec.gamma) for edge in _UNSTABLE)
        try:
            system = draw_system(spec.n, spec.m, spec.gamma, (low, high), rng)
            found, least = condition(system), spec.condition_least if len(systems) == hardest else 0.0
            reason = f"condition at K* above {spec.condition_limit:g}"
            if found <= least:
                reason = f"condition at K* up to {least:g}"
            elif found <= spec.condition_limit:
                reason = too_close(system, systems, _DISTANCE, _GAIN_DISTANCE) or ""
        except FleetError:
            reason = "no Riccati solution"
        if reason:
            rejected[reason] += 1
        else:
            systems.append(system)
    raise _none(f"found no {len(spec.sizes)} acceptable clusters in {_MOST_CLUSTERS} draws", rejected)


def _reachable(spec: PopulationSpec, systems: tuple[LinearSystem, ...], rng: np.random.Generator) -> bool:
    """Return whether enough of `_TRIALS` starts of every cluster are within `path_limit`; the sizes do not matter."""
    trials = np.repeat(np.arange(len(systems)), _TRIALS)
    good = _starts(spec, systems, trials, rng)[1]
    return bool((good.reshape(len(systems), _TRIALS).sum(axis=1) >= _ENOUGH).all())


def _draw_starts(
    spec: PopulationSpec, systems: tuple[LinearSystem, ...], rng: np.random.Generator, rejected: Counter[str]
) -> Array:
    """Draw the initial gains ``(N, m, n)``; FleetError, with the number rejected, if one is not found."""
    labels = spec.labels
    gains, left = np.empty((len(labels), spec.m, spec.n)), np.arange(len(labels))
    for _ in range(_MOST_STARTS):
        found, good = _starts(spec, systems, np.repeat(labels[left], _CANDIDATES), rng)
        good = good.reshape(len(left), _CANDIDATES)
        first, any_good = good.argmax(axis=1), good.any(axis=1)
        rejected[_START.format(spec.path_limit)] += int(np.where(any_good, first, _CANDIDATES).sum())
        gains[left[any_good]] = found.reshape(len(left), _CANDIDATES, spec.m, spec.n)[any_good, first[any_good]]
        left = left[~any_good]
        if not len(left):
            return gains
    raise _none(f"found no start of agent {left[0]} in {_MOST_STARTS * _CANDIDATES} draws", rejected)


def _starts(
    spec: PopulationSpec, systems: tuple[LinearSystem, ...], labels: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """Draw a start ``(m, n)`` for every label, and say whether its way to K* is within `path_limit`.

    Curvatures and rates are in units of each cluster's C*, so that the cost levels do not matter.
    """
    best = np.array([riccati(system).cost for system in systems])
    slowest = min(float(hessian_eigenvalues(s)[0]) / cost for s, cost in zip(systems, best.tolist(), strict=True))
    low, high = np.log(spec.start).tolist()
    ratios = np.exp(rng.uniform(low, high, len(labels)))
    found, good = gains_at_gaps(systems, labels, (ratios - 1.0) * best[labels], rng), np.empty(len(labels), dtype=bool)
    for j in np.unique(labels):
        curvature, rate = _way(systems[j], found[labels == j])
        limits = spec.path_limit * slowest * best[j], _SLOWER * slowest * best[j]
        good[labels == j] = (curvature <= limits[0]) & (rate >= limits[1])
    return found, good


def _way(system: LinearSystem, starts: Array) -> tuple[Array, Array]:
    """Return the largest curvature and the slowest rate on the straight ways from starts ``(k, m, n)`` to K*.

    The rate is ‖∇C‖²/(2(C − C*)), and the smallest curvature at K*.
    """
    best, local = riccati(system), hessian_eigenvalues(system)
    points = np.stack([best.K + f * (starts - best.K) for f in _FRACTIONS], axis=1)
    flat = points.reshape(-1, *best.K.shape)
    H = hessian_matrix(system, flat)
    curvature = np.linalg.eigvalsh(0.5 * (H + np.swapaxes(H, -1, -2)))[:, -1].reshape(len(starts), -1)
    squares = np.sum(gradient(system, flat) ** 2, axis=(-1, -2))
    rate = (squares / (2.0 * gap_array(system, best.G, best.K, flat))).reshape(len(starts), -1)
    return np.maximum(curvature.max(axis=1), local[-1]), np.minimum(rate.min(axis=1), local[0])


def cluster_sizes(agents: int, clusters: int, kind: str = "equal") -> tuple[int, ...]:
    """Return sizes of clusters of N agents: "equal" as far as possible, or "one_large" with half of the agents.

    Raises:
        FleetError: for fewer agents than clusters.
    """
    if agents < clusters:
        raise FleetError(f"agents: found {agents}, expected at least one for each of {clusters} clusters")
    if kind == "one_large" and clusters > 1:
        large = max(agents // 2, 1)
        if agents - large >= clusters - 1:
            return (large, *_equal(agents - large, clusters - 1))
    return _equal(agents, clusters)


def _equal(agents: int, clusters: int) -> tuple[int, ...]:
    """Divide agents into clusters as equal as possible, the first ones larger."""
    return tuple(agents // clusters + (j < agents % clusters) for j in range(clusters))


#: Kinds of cluster sizes that `cluster_sizes` knows.
SIZES: Sequence[str] = ("equal", "one_large")
