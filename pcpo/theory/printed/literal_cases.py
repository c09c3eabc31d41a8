"""Draw random fleets with the schedule of Table 2 as printed, for the steps of the proofs that are arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.schedule import Schedule, literal_constants
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import NoiseLaw
from pcpo.theory.printed.bounds import RolloutConstants
from pcpo.theory.printed.restricted_set import FleetConstants, fleet_constants

__all__ = ["SHAPES", "LiteralCase", "draw_case", "promised"]

_ENLARGEMENT = 20.0  # β; a fixed one costs a fortieth of the search for the cheapest
_SEPARATION, _OPTIMAL_COST, _INITIAL_GAP, _DELTA = 0.5, 20.0, 0.1, 0.05

#: Kinds of fleets by name: n, m, sizes of the clusters, limit of the Hessians' condition numbers.
SHAPES: Mapping[str, tuple[int, int, tuple[int, ...], float]] = {
    "scalar": (1, 1, (1, 3), 2.0),
    "two": (2, 1, (2, 4, 6), 3.0),
    "three": (3, 2, (1, 5, 10, 16), 6.0),
}


@dataclass(frozen=True, eq=False)
class LiteralCase:
    """Hold a random fleet with its constants and schedule.

    Args:
        fleet: the fleet; one optimal cost is 20, the separation Δ is .5.
        found: constants of the restricted set (12), exact for n = m = 1 and certified elsewhere.
        schedule: Table 2 as printed, δ = .05.
    """

    fleet: Fleet
    found: FleetConstants
    schedule: Schedule

    @property
    def constants(self) -> RolloutConstants:
        """Return what (36) to (38) need."""
        return RolloutConstants(self.found.problem, self.schedule, self.found.Delta0_tilde)

    @property
    def L(self) -> int:
        """Return L = min{l : Δ_l ≤ Δ/2}."""
        return promised(self.fleet.separation, self.schedule.Delta0)


def promised(separation: float, Delta0: float) -> int:
    """Return L = min{l ≥ 1 : Δ_l ≤ Δ/2} of a separation Δ, in the units of cost of Δ_0."""
    epoch = 1
    while Delta0 / 2.0**epoch > separation / 2:
        epoch += 1
    return epoch


def draw_case(shape: str, ratio: float, law: NoiseLaw, rng: np.random.Generator) -> LiteralCase:
    """Draw a fleet of a shape with Δ_0 = ratio·Δ.

    Args:
        shape: a key of `SHAPES`.
        ratio: Δ_0/Δ.
        law: of the noise, bounded.
        rng: draws the fleet.
    """
    n, m, sizes, limit = SHAPES[shape]
    spec = FleetSpec(
        n=n,
        m=m,
        sizes=sizes,
        gamma=0.5,
        optimal_cost=_OPTIMAL_COST,
        separation=_SEPARATION,
        condition_limit=limit,
        initial_gap=_INITIAL_GAP,
    )
    fleet = random_fleet(spec, rng, shape)
    Delta0 = ratio * fleet.separation
    found = fleet_constants(fleet, law, Delta0, enlargement=_ENLARGEMENT)
    constants = literal_constants(found.problem, D=fleet.D, Delta0=Delta0, Delta0_tilde=found.Delta0_tilde)
    return LiteralCase(fleet, found, Schedule(constants, Delta0, _DELTA, fleet.N, fleet.D))
