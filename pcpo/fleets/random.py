"""Draw random clustered fleets with an exact separation Δ and an exact initial gap.

Dynamics are drawn first and cost levels set afterwards: multiplying Q_j and R_j by a common factor multiplies C_j by
it and leaves K_j* alone. So with one generator state, fleets of different Δ share A, B, K* and the shape of the costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from pcpo.errors import FleetError
from pcpo.fleets.fleet import MAX_AGENTS, Fleet
from pcpo.fleets.initial_gains import INITIAL_RULES, draw_initial_gains
from pcpo.lqr.optimum import hessian_eigenvalues, riccati
from pcpo.lqr.system import MAX_ENTRY, MAX_INPUTS, MAX_STATES, Array, LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["INITIAL_RULES", "FleetSpec", "random_fleet", "sized_fleet", "with_optimal_cost"]

MAX_ATTEMPTS = 2000


def with_optimal_cost(system: LinearSystem, optimal_cost: float) -> LinearSystem:
    """Return the system with (Q, R, N) rescaled so that C* is `optimal_cost`, to rounding; K* stays the same."""
    if not optimal_cost > 0.0 or not np.isfinite(optimal_cost):
        raise FleetError(f"optimal_cost: found {optimal_cost}, expected a positive finite number")
    for _ in range(2):  # the second pass removes the rounding of the first Riccati solution
        factor = optimal_cost / riccati(system).cost
        system = replace(system, Q=factor * system.Q, R=factor * system.R, N=factor * system.N)
    return system


def random_fleet(spec: FleetSpec, rng: np.random.Generator, name: str = "random") -> Fleet:
    """Draw a fleet as `spec` describes it, from `rng` alone.

    A is Gaussian, rescaled to a spectral radius uniform on `spectral_radius`; B is Gaussian / √n; Q and R have random
    eigenvectors and eigenvalues uniform on [1/2, 2], then their level is set. A draw is rejected if the condition
    number of its Hessian at K* exceeds `condition_limit`, or if it lies within `distance` of an earlier cluster in
    [A B] or within `gain_distance` in K* (relative Frobenius distances).

    Raises:
        FleetError: if a cluster needs more than 2000 draws, or if the initial gap cannot be had.
    """
    systems: list[LinearSystem] = []
    for j in range(spec.H):
        systems.append(_draw_cluster(spec, systems, j, rng))
    first = riccati(systems[0]).cost if spec.optimal_cost is None else spec.optimal_cost
    scaled = tuple(with_optimal_cost(s, level) for s, level in zip(systems, spec.cost_levels(first), strict=True))
    labels = np.repeat(np.arange(spec.H), spec.sizes)
    gains = draw_initial_gains(scaled, labels, spec.initial, spec.initial_gap, rng)
    return Fleet(name, scaled, labels, gains, f"random fleet: {spec}")


def sized_fleet(seed: int, sizes: Sequence[int], separation: float | None, shapes: list[tuple[int, int]]) -> Fleet:
    """Draw the fleet of a seed: n and m, the systems, open loop stable or not, and which has which of the sizes.

    γ is .8, C* of the cheapest cluster 20, the initial gap 1, and condition numbers at K* are at most 6.

    Args:
        seed: of the fleet.
        sizes: agents of each cluster.
        separation: Δ (cost units); None for one cluster.
        shapes: (n, m) to choose from.
    """
    rng = stream(seed, Purpose.FLEET)
    n, m = shapes[rng.integers(len(shapes))]
    spec = FleetSpec(
        n=n,
        m=m,
        sizes=tuple(int(size) for size in rng.permutation(sizes)),
        gamma=0.8,
        initial_gap=1.0,
        separation=separation,
        optimal_cost=20.0,
        condition_limit=6.0,
        spectral_radius=(0.6, 1.1),
    )
    return random_fleet(spec, rng, f"fleet {seed}")


def relative_distance(X: Array, Y: Array) -> float:
    """Return ‖X - Y‖ / max(‖X‖, ‖Y‖), Frobenius."""
    return float(np.linalg.norm(X - Y) / max(np.linalg.norm(X), np.linalg.norm(Y)))


def _draw_cluster(spec: FleetSpec, earlier: list[LinearSystem], j: int, rng: np.random.Generator) -> LinearSystem:
    """Draw systems until one can join the earlier clusters."""
    reasons: Counter[str] = Counter()
    for _ in range(MAX_ATTEMPTS):
        try:
            system = draw_system(spec.n, spec.m, spec.gamma, spec.spectral_radius, rng)
            reason = _objection(spec, system, earlier)
        except FleetError:
            reason = "not controllable, or no Riccati solution"
        if reason is None:
            return system
        reasons[reason] += 1
    counts = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common())
    raise FleetError(
        f"cluster {j}: found no acceptable system in {MAX_ATTEMPTS} draws ({counts}); "
        "expected limits that random systems can meet"
    )


def _objection(spec: FleetSpec, system: LinearSystem, earlier: list[LinearSystem]) -> str | None:
    """Say why `system` cannot join the `earlier` clusters; None if it can."""
    if condition(system) > spec.condition_limit:
        return f"Hessian condition number above {spec.condition_limit:g}"
    return too_close(system, earlier, spec.distance, spec.gain_distance)


def condition(system: LinearSystem) -> float:
    """Return the condition number of the Hessian at K*."""
    curvatures = hessian_eigenvalues(system)
    return float(curvatures[-1] / curvatures[0])


def too_close(system: LinearSystem, earlier: list[LinearSystem], distance: float, gain_distance: float) -> str | None:
    """Say in what `system` is within a relative distance of one of the `earlier` clusters; None if in nothing."""
    dynamics, gain = np.hstack([system.A, system.B]), riccati(system).K
    for other in earlier:
        if relative_distance(dynamics, np.hstack([other.A, other.B])) < distance:
            return f"(A, B) within {distance:g} of another cluster"
        if relative_distance(gain, riccati(other).K) < gain_distance:
            return f"optimal gain within {gain_distance:g} of another cluster"
    return None


def draw_system(n: int, m: int, gamma: float, radii: tuple[float, float], rng: np.random.Generator) -> LinearSystem:
    """Draw A, B, Q and R of one system of n states and m inputs, with ρ(A) uniform on `radii`."""
    A = rng.standard_normal((n, n))
    A *= rng.uniform(*radii) / np.abs(np.linalg.eigvals(A)).max()
    B = rng.standard_normal((n, m)) / np.sqrt(n)
    return LinearSystem(A, B, _draw_weight(n, rng), _draw_weight(m, rng), gamma)


def _draw_weight(size: int, rng: np.random.Generator) -> Array:
    """Draw a positive definite matrix with eigenvalues uniform on [1/2, 2]."""
    vectors, _ = np.linalg.qr(rng.standard_normal((size, size)))
    weight = (vectors * rng.uniform(0.5, 2.0, size)) @ vectors.T
    return np.asarray(0.5 * (weight + weight.T), dtype=np.float64)


@dataclass(frozen=True)
class FleetSpec:
    """Describe a random fleet of H = len(sizes) clusters, `sizes[j]` agents in cluster j.

    Attributes:
        separation: Δ, exact: the smallest difference of optimal costs, in units of cost; None if and only if H = 1.
        optimal_cost: C*_1 of the first cluster, in the same units; None keeps the level that was drawn.
        spacing: H − 1 multiples of Δ between successive optimal costs, the smallest exactly 1; None is 1, 1, …
        condition_limit: largest condition number of a cluster's Hessian at K*.
        spectral_radius: range of ρ(A).
        distance: smallest relative distance of two clusters' [A B].
        gain_distance: smallest relative distance of two clusters' K*.
        initial: "common": one initial gain for all; "per_cluster": one per cluster; "per_agent": all different.
        initial_gap: C_σ(i)(K_i⁰) − C*_σ(i), exact; for "common" the largest over clusters.

    Raises FleetError naming the field, what was found and what was expected.
    """

    n: int
    m: int
    sizes: tuple[int, ...]
    gamma: float
    initial_gap: float
    separation: float | None = None
    optimal_cost: float | None = None
    spacing: tuple[float, ...] | None = None
    condition_limit: float = 50.0
    spectral_radius: tuple[float, float] = (0.6, 1.0)
    distance: float = 0.3
    gain_distance: float = 0.2
    initial: str = "per_agent"

    def __post_init__(self) -> None:
        for name in ("sizes", "spectral_radius", "spacing"):
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        self._check_counts()
        self._check_numbers()
        self._check_levels()

    @property
    def H(self) -> int:
        """Return the number of clusters."""
        return len(self.sizes)

    def cost_levels(self, first: float) -> tuple[float, ...]:
        """Return C*_1 = first, C*_{j+1} = C*_j + spacing_j Δ."""
        steps = self.spacing if self.spacing is not None else (1.0,) * (self.H - 1)
        return tuple(first + (self.separation or 0.0) * total for total in np.cumsum((0.0, *steps)).tolist())

    def _check_counts(self) -> None:
        """Raise FleetError for dimensions or cluster sizes out of range."""
        sizes: object = self.sizes
        if not isinstance(sizes, tuple) or not sizes:
            raise FleetError(f"sizes: found {sizes!r}, expected one number of agents per cluster")
        counts: list[tuple[str, object, int]] = [("n", self.n, MAX_STATES), ("m", self.m, MAX_INPUTS)]
        counts += [(f"sizes[{j}]", size, MAX_AGENTS) for j, size in enumerate(self.sizes)]
        for name, value, most in counts:
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
                raise FleetError(f"{name}: found {value!r}, expected an integer from 1 to {most}")
        if sum(self.sizes) > MAX_AGENTS:
            raise FleetError(f"sizes: found {sum(self.sizes)} agents, expected at most {MAX_AGENTS}")
        if self.initial not in INITIAL_RULES:
            raise FleetError(f"initial: found {self.initial!r}, expected one of {', '.join(INITIAL_RULES)}")

    def _check_numbers(self) -> None:
        """Raise FleetError for numbers out of range; NaN fails every test."""
        top = MAX_ENTRY
        ranges: dict[str, tuple[Callable[[float], bool], str]] = {
            "gamma": (lambda v: 0.0 < v < 1.0, "0 < gamma < 1"),
            "initial_gap": (lambda v: 0.0 < v <= top, f"a positive number up to {top:g}"),
            "separation": (lambda v: 0.0 < v <= top, f"a positive number up to {top:g}, or none for one cluster"),
            "optimal_cost": (lambda v: 0.0 < v <= top, f"a positive number up to {top:g}, or none"),
            "condition_limit": (lambda v: v >= 1.0, "a number of at least 1"),
            "distance": (lambda v: 0.0 < v < 2.0, "0 < distance < 2"),
            "gain_distance": (lambda v: 0.0 < v < 2.0, "0 < gain_distance < 2"),
        }
        optional = {f.name for f in fields(self) if f.default is None}
        for name, (test, expected) in ranges.items():
            value = getattr(self, name)
            if value is None and name in optional:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not test(value):
                raise FleetError(f"{name}: found {value!r}, expected {expected}")
        radii: tuple[float, ...] = self.spectral_radius
        if len(radii) != 2 or not 0.0 < radii[0] <= radii[1] <= 100.0:
            raise FleetError(f"spectral_radius: found {radii!r}, expected two numbers 0 < low ≤ high ≤ 100")

    def _check_levels(self) -> None:
        """Raise FleetError for a separation or a spacing that does not fit the number of clusters."""
        if (self.separation is None) != (self.H == 1):
            expected = "none, for one cluster has no separation" if self.H == 1 else f"a number, for H = {self.H}"
            raise FleetError(f"separation: found {self.separation}, expected {expected}")
        if self.spacing is None:
            return
        if len(self.spacing) != self.H - 1:
            raise FleetError(f"spacing: found {len(self.spacing)} multiples, expected H - 1 = {self.H - 1}")
        if self.spacing and not (min(self.spacing) == 1.0 and all(1.0 <= s <= MAX_ENTRY for s in self.spacing)):
            raise FleetError(f"spacing: found {self.spacing}, expected multiples of at least 1, the smallest exactly 1")
