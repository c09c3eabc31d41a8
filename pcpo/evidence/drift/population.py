"""Draw the fleets of the group "drift", and what changes in them.

A seed draws n and m, the open loop (stable, or unstable: K = 0 has infinite cost in every cluster), the sizes of two or
three clusters of eight agents in all, and Δ/Δ_l of the first epoch l after the change, log-uniform on `CLEARANCE`.  The
system of cluster 0 is one of `pcpo.fleets.random`; the others are plants of the same kind: [A B] is that of cluster 0
with a Gaussian matrix added, of a tenth to a half of its norm, Q and R are drawn anew, and costs are rescaled to
C* = 20, 20 + Δ, … in random order.  Then two changes of agent 0, of cluster 0, are found:

- another cluster's system;
- a drift of A in a random direction, so long that |C*_l − C*_{l−1}|/Δ_l of its first epoch is log-uniform on `PACE`.

Changes are within the reach of the schedule: in every epoch the optimal gain of the epoch before costs at most as much
more than the new optimum as the initial gains do, C(K⁰) − C*, for which the schedule is calibrated.  So an agent starts
to learn anew as near as it did at first.  What is not is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.errors import FleetError
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.initial_gains import draw_initial_gains
from pcpo.fleets.random import condition, draw_system, too_close, with_optimal_cost
from pcpo.fleets.timetable import Change, Drift, Switch, Timetable
from pcpo.lqr.optimum import gap_array
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["AFTER", "AGENT", "CLEARANCE", "PACE", "UNTIL", "Drawn", "draw"]

#: The agent that changes, the last epoch before, and the epoch in which a drift ends.
AGENT, AFTER, UNTIL = 0, 3, 6
#: Ranges of Δ and of a drift's first step, over Δ_l of the first epoch after the change.
CLEARANCE, PACE = (1.5, 3.0), (0.03, 4.0)
_GAMMA, _OPTIMAL_COST, _SEPARATION, _FIRST_GAP, _CONDITION = 0.8, 20.0, 4.0, 6.0, 4.0
_SIZES = ((4, 4), (5, 3), (3, 3, 2), (4, 2, 2))
#: Ranges of ρ(A): stable, and unstable with √γ·ρ(A) above 1.
_STABLE, _UNSTABLE = (0.6, 0.98), (1.02 / _GAMMA**0.5, 1.25 / _GAMMA**0.5)
#: Smallest relative distance of two clusters' [A B] and of their K*, and range of the first.
_DISTANCE, _RELATED = 0.1, (0.1, 0.5)
_MOST_DRAWS, _MOST_SYSTEMS, _MOST_DIRECTIONS, _BISECTIONS = 400, 40, 5, 25


@dataclass(frozen=True)
class Drawn:
    """Hold a fleet and what may change in it.

    Attributes:
        fleet: at the start.
        open_loop: "stable" or "unstable".
        Delta0: Δ_0 (units of cost).
        switch: agent 0 gets another cluster's system.
        drift: A of agent 0 moves.
    """

    fleet: Fleet
    open_loop: str
    Delta0: float
    switch: Switch
    drift: Drift

    def changes(self, kind: str) -> tuple[Change, ...]:
        """Return the changes of a kind: "none", "switch" or "drift"."""
        found: dict[str, tuple[Change, ...]] = {"none": (), "switch": (self.switch,), "drift": (self.drift,)}
        return found[kind]


@lru_cache(maxsize=256)
def draw(seed: int) -> Drawn:
    """Draw the fleet of a seed.

    Raises:
        FleetError: if none within the limits was found.
    """
    rng = stream(seed, Purpose.FLEET)
    n, m = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    open_loop = ("stable", "unstable")[rng.integers(2)]
    sizes = _SIZES[rng.integers(len(_SIZES))]
    Delta0 = _SEPARATION * 2.0 ** (AFTER + 1) / _log_uniform(CLEARANCE, rng)
    pace = _log_uniform(PACE, rng)
    radii = _STABLE if open_loop == "stable" else _UNSTABLE
    for _ in range(_MOST_DRAWS):
        systems = _systems(n, m, len(sizes), radii, rng)
        if systems is None:
            continue
        labels = np.repeat(np.arange(len(sizes)), sizes)
        gains = draw_initial_gains(systems, labels, "per_agent", _FIRST_GAP, rng)
        fleet = Fleet(f"fleet {seed}", systems, labels, gains)
        target = Switch(AGENT, AFTER, int(rng.integers(1, fleet.H)))
        drift = _drift(fleet, pace * Delta0 / 2.0 ** (AFTER + 1), rng)
        if drift is not None and _within_reach(fleet, [target]):
            return Drawn(fleet, open_loop, Delta0, target, drift)
    raise FleetError(f"fleet {seed}: found none with changes within reach in {_MOST_DRAWS} draws")


def _systems(
    n: int, m: int, H: int, radii: tuple[float, float], rng: np.random.Generator
) -> tuple[LinearSystem, ...] | None:
    """Draw the systems of all clusters; None if the first one has too few others of its kind."""
    found: list[LinearSystem] = []
    for _ in range(_MOST_SYSTEMS):
        try:
            system = draw_system(n, m, _GAMMA, radii, rng)
            if found:
                system = _related(found[0], system, rng)
                radius = float(np.abs(np.linalg.eigvals(system.A)).max())
                if not radii[0] <= radius <= radii[1] or too_close(system, found, _DISTANCE, _DISTANCE):
                    continue
        except FleetError:
            continue
        if condition(system) <= _CONDITION:
            found.append(system)
        if len(found) == H:
            levels = _OPTIMAL_COST + _SEPARATION * rng.permutation(H)
            return tuple(with_optimal_cost(s, float(level)) for s, level in zip(found, levels, strict=True))
    return None


def _related(first: LinearSystem, other: LinearSystem, rng: np.random.Generator) -> LinearSystem:
    """Return a system near the first in [A B], with the Q and R of another."""
    both = np.hstack([first.A, first.B])
    raw = rng.standard_normal(both.shape)
    moved = both + rng.uniform(*_RELATED) * np.linalg.norm(both) / np.linalg.norm(raw) * raw
    return replace(other, A=moved[:, : first.n], B=moved[:, first.n :])


def _log_uniform(ends: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(*np.log(ends))))


def _within_reach(fleet: Fleet, changes: Sequence[Change]) -> bool:
    """Return whether in every epoch the optimal gain of the epoch before is as near as the initial gains were."""
    try:
        timetable = Timetable(fleet, tuple(changes))
    except FleetError:
        return False
    systems = [timetable.at(epoch).system_of(AGENT) for epoch in range(AFTER, UNTIL + 1)]
    gaps = [
        float(gap_array(new, lqr.riccati(new).G, lqr.riccati(new).K, lqr.riccati(old).K))
        for old, new in pairwise(systems)
    ]
    return max(gaps) <= _FIRST_GAP


def _drift(fleet: Fleet, first_step: float, rng: np.random.Generator) -> Drift | None:
    """Return a drift whose first step of C* has that size (units of cost); None if no direction has one in reach."""
    system = fleet.system_of(AGENT)
    for _ in range(_MOST_DIRECTIONS):
        raw = rng.standard_normal(system.A.shape)
        way = raw * np.linalg.norm(system.A) / np.linalg.norm(raw)
        try:
            length = _length(fleet, way, first_step)
        except FleetError:
            continue
        found = Drift(AGENT, AFTER, UNTIL, system.A + length * way)
        if _within_reach(fleet, [found]):
            return found
    return None


def _length(fleet: Fleet, way: FloatArray, first_step: float) -> float:
    """Return x such that the first third of a drift to A + x·way moves C* by that much; FleetError beyond x = 1."""
    low, high = 0.0, 1.0
    if _moved(fleet, way / 3) < first_step:
        raise FleetError("drift: found a direction in which C* moves too little")
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _moved(fleet, middle * way / 3) < first_step else (low, middle)
    return high


def _moved(fleet: Fleet, by: FloatArray) -> float:
    """Return |C* − C*_σ(0)| with A moved by a matrix; FleetError without a Riccati solution."""
    system = fleet.system_of(AGENT)
    moved = replace(system, A=system.A + by)
    return abs(lqr.riccati(moved).cost - lqr.riccati(system).cost)
