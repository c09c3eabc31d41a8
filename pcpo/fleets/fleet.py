"""Describe fleets: N agents, each with the system of one of H clusters and an initial gain.

`LinearSystem` is defined in `pcpo.lqr.system`; files are read and written by `pcpo.fleets.files`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pcpo.errors import FleetError
from pcpo.lqr.cost import cost_array, spectral_radius
from pcpo.lqr.optimum import gap_array, riccati
from pcpo.lqr.system import Array, LinearSystem, SystemStack, real_array

__all__ = ["MAX_AGENTS", "UNKNOWN_GAINS", "Fleet", "LinearSystem", "checked_labels", "checked_systems"]

MAX_AGENTS = 10_000
MAX_GAIN_ENTRIES = 4_000_000
MAX_TEXT = 10_000
#: How a fleet says that no gain of finite cost is known.
UNKNOWN_GAINS = "the word unknown in a fleet file (initial_gains: unknown) or gains_known=False in Python"
EQUAL_COST_RTOL = 1e-10  # optimal costs are computed to about 1e-13; closer than this is not a separation


def checked_systems(systems: object) -> tuple[LinearSystem, ...]:
    """Return the systems of a fleet; FleetError unless there are some, all with the same n, m and γ."""
    found: tuple[object, ...] = tuple(systems) if isinstance(systems, Iterable) else (systems,)
    if not found:
        raise FleetError("systems: found none, expected at least one cluster")
    checked = []
    for j, item in enumerate(found):
        if not isinstance(item, LinearSystem):
            raise FleetError(f"cluster {j}: found a {type(item).__name__}, expected a LinearSystem")
        checked.append(item)
    first = checked[0]
    for j, system in enumerate(checked):
        if (system.n, system.m) != (first.n, first.m):
            raise FleetError(
                f"cluster {j}: found (n, m) = {(system.n, system.m)}, expected {(first.n, first.m)} as in cluster 0"
            )
        if system.gamma != first.gamma:
            raise FleetError(f"cluster {j}: found gamma = {system.gamma}, expected {first.gamma} as in cluster 0")
    return tuple(checked)


def checked_labels(labels: object, H: int) -> NDArray[np.int64]:
    """Return labels as a read-only array; FleetError unless they are integers and all of 0 … H − 1 occur."""
    found = np.asarray(labels)
    if found.ndim != 1 or found.size == 0 or found.dtype.kind not in "iu":
        raise FleetError(
            f"labels: found shape {found.shape} of type {found.dtype}, expected a list of integers, one per agent"
        )
    if found.size > MAX_AGENTS:
        raise FleetError(f"labels: found {found.size} agents, expected at most {MAX_AGENTS}")
    array = np.array(found, dtype=np.int64, copy=True)
    outside = np.flatnonzero((array < 0) | (array >= H))
    if outside.size:
        i = int(outside[0])
        raise FleetError(f"labels: found {array[i]} for agent {i}, expected 0 to {H - 1}")
    empty = sorted(set(range(H)) - set(array.tolist()))
    if empty:
        raise FleetError(f"labels: found no agent in cluster {empty[0]}, expected one in each of {H}")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Fleet:
    """Hold N agents in H clusters: agent i has system `systems[labels[i]]` and starts from `initial_gains[i]`, (m, n).

    All systems share n, m and γ; every label 0 … H-1 occurs; every initial gain has finite cost for its agent's system,
    √γ ρ(A - BK) < 1, unless `gains_known` is False: no gain of finite cost is known, and all are zero; no two clusters
    have the same system. Clusters of equal optimal cost, up to 1e-10 relatively, cannot be told apart by cost, whatever
    their dynamics (`equal_costs`). `source` says where the numbers come from.

    Raises:
        FleetError: naming the agent, cluster or field, what was found and what was expected.
    """

    name: str
    systems: tuple[LinearSystem, ...]
    labels: NDArray[np.int64]
    initial_gains: Array
    source: str = ""
    gains_known: bool = True

    def __post_init__(self) -> None:
        self._check_text()
        object.__setattr__(self, "systems", checked_systems(self.systems))
        object.__setattr__(self, "labels", checked_labels(self.labels, self.H))
        self._check_initial_gains()
        self._check_distinct()

    def _check_text(self) -> None:
        texts: dict[str, object] = {"name": self.name, "source": self.source}
        for field, text in texts.items():
            if not isinstance(text, str) or len(text) > MAX_TEXT or "\0" in text:
                raise FleetError(f"{field}: found {type(text).__name__}, expected text, at most {MAX_TEXT} characters")
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise FleetError(f"{field}: found half a Unicode character (a surrogate), expected text")
        if not self.name.strip():
            raise FleetError("name: found no text, expected a name")

    def _check_initial_gains(self) -> None:
        if self.N * self.D > MAX_GAIN_ENTRIES:
            raise FleetError(f"initial_gains: found N m n = {self.N * self.D}, expected at most {MAX_GAIN_ENTRIES}")
        gains = real_array("initial_gains", self.initial_gains)
        if gains.shape != (self.N, self.m, self.n):
            raise FleetError(
                f"initial_gains: found shape {gains.shape}, expected (N, m, n) = ({self.N}, {self.m}, {self.n})"
            )
        object.__setattr__(self, "initial_gains", gains)
        if not self.gains_known:
            if gains.any():
                raise FleetError("initial_gains: found others than zeros with gains_known=False, expected zeros")
            return
        discounted = np.sqrt(self.gamma) * spectral_radius(self.stacked, gains)
        unstable = np.flatnonzero(~(discounted < 1.0))
        if unstable.size:
            i = int(unstable[0])
            raise FleetError(
                f"initial_gains: found sqrt(gamma) rho(A - BK) = {discounted[i]:.6g} for agent {i} "
                f"of cluster {self.labels[i]}, expected less than 1 (finite cost), or, if no such gain is known, "
                f"{UNKNOWN_GAINS}"
            )

    def require_gains(self, what: str) -> None:
        """Raise FleetError if no gain of finite cost is known; `what` says what depends on their costs."""
        if not self.gains_known:
            raise FleetError(
                f"initial_gains: found unknown, expected gains of finite cost, on which {what} depends; without them "
                "pcpo_auto runs, without a schedule, and finds some first"
            )

    def require_separation(self, what: str) -> None:
        """Raise FleetError if two clusters have equal optimal costs; `what` says what tells clusters by costs alone."""
        if pair := self.equal_costs:
            i, j = pair
            raise FleetError(
                f"clusters {i} and {j}: found equal optimal costs {self.optimal_costs[i]:.12g} and "
                f"{self.optimal_costs[j]:.12g}, expected a relative difference above {EQUAL_COST_RTOL:g} for {what}, "
                "which tells clusters by their costs alone; pcpo_gains tells them by their gains too"
            )

    def _check_distinct(self) -> None:
        """Raise FleetError if two clusters have the same system."""
        _ = self.optimal_costs  # an unsolvable system is the clearer error
        seen: dict[tuple[bytes, ...], int] = {}
        for j, s in enumerate(self.systems):
            i = seen.setdefault(tuple(matrix.tobytes() for matrix in (s.A, s.B, s.Q, s.R, s.N)), j)
            if i < j:
                raise FleetError(f"clusters {i} and {j}: found the same system twice, expected one cluster of both")

    @property
    def N(self) -> int:
        """Return the number of agents."""
        return int(self.labels.size)

    @property
    def H(self) -> int:
        """Return the number of clusters."""
        return len(self.systems)

    @property
    def n(self) -> int:
        """Return the number of states."""
        return self.systems[0].n

    @property
    def m(self) -> int:
        """Return the number of inputs."""
        return self.systems[0].m

    @property
    def D(self) -> int:
        """Return the dimension of a gain, D = m n."""
        return self.systems[0].D

    @property
    def gamma(self) -> float:
        """Return the common discount γ."""
        return self.systems[0].gamma

    @cached_property
    def clusters(self) -> list[NDArray[np.int64]]:
        """List the agents of each cluster, ascending."""
        return [np.flatnonzero(self.labels == j) for j in range(self.H)]

    def system_of(self, agent: int) -> LinearSystem:
        """Return the system σ(i) of agent i."""
        return self.systems[int(self.labels[agent])]

    @cached_property
    def stacked(self) -> SystemStack:
        """Return the matrices of all agents side by side, for batched formulas."""
        return SystemStack.of(self.systems, self.labels)

    def costs(self, gains: Array) -> Array:
        """Return C_σ(i)(K_i) of every agent: gains (..., N, m, n) to (..., N); infinite where not finite."""
        return cost_array(self.stacked, gains)

    def gaps(self, gains: Array) -> Array:
        """Return C_σ(i)(K_i) − C*_σ(i) of every agent: gains (..., N, m, n) to (..., N); infinite as `costs`."""
        G = np.stack([riccati(s).G for s in self.systems])[self.labels]
        return gap_array(self.stacked, G, self.optimal_gains[self.labels], gains)

    @cached_property
    def optimal_costs(self) -> Array:
        """Return C*_j of each cluster, (H,)."""
        return np.array([riccati(system).cost for system in self.systems])

    @cached_property
    def optimal_gains(self) -> Array:
        """Return K*_j of each cluster, (H, m, n)."""
        return np.stack([riccati(system).K for system in self.systems])

    @cached_property
    def equal_costs(self) -> tuple[int, int] | None:
        """Return two clusters whose optimal costs are equal up to 1e-10 relatively; None if there are none."""
        order = np.argsort(self.optimal_costs, kind="stable")
        costs = self.optimal_costs[order]
        for k in np.flatnonzero(np.diff(costs) <= EQUAL_COST_RTOL * costs[1:])[:1]:
            i, j = sorted(order[k : k + 2].tolist())
            return i, j
        return None

    @cached_property
    def separation(self) -> float:
        """Return Δ, the smallest difference of two clusters' optimal costs; infinite if there is one cluster."""
        return float(np.diff(np.sort(self.optimal_costs)).min(initial=np.inf))
