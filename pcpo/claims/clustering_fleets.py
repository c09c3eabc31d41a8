"""The fleets and options of the studies on clustering.

The fleets are random (`pcpo.generators`), small, and chosen for cheap rollouts: γ = ½ and a well-conditioned draw.
Their separation lies at a chosen place of the schedule, Δ = p·Δ_0·2^(−k): p in [½, 1) is the *position* in the octave
between two precisions Δ_l (¾ is mid-bin) and k the number of *halvings*, so that L = min{l : Δ_l ≤ Δ/2} = k + 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..fleet import Fleet
from ..generators import FleetSpec, random_fleet
from ..randomness import Purpose, stream

__all__ = ["NOISE", "SEPARATION", "cluster_sizes", "early_epoch", "settled", "small_fleet"]

_GAMMA = 0.5
_OPTIMAL_COST = 4.0  # C*_1; Δ and the initial gap are in the same units
SEPARATION = 4.0
_INITIAL_GAP = 0.5
NOISE = "signs"


def early_epoch(L: int) -> int:
    """max(1, L − 2): where accurate estimates separate the clusters, for Δ_(L−2) < 2Δ ≤ Δ_(L−3) away from the edges."""
    return max(1, L - 2)


def settled(exact: Sequence[bool]) -> float:
    """L̃: the first epoch from which the sets stay exact to the end of the run; infinite if the last are not exact."""
    wrong = np.flatnonzero(~np.asarray(exact, dtype=bool))
    if len(wrong) == 0:
        return 1.0
    return math.inf if wrong[-1] == len(exact) - 1 else float(wrong[-1] + 2)


def small_fleet(states: int, sizes: Sequence[int], separation: float, fleet_seed: int) -> Fleet:
    """A fleet with one input whose first cluster depends on the seed and the number of states alone."""
    spec = FleetSpec(
        n=states,
        m=1,
        sizes=tuple(sizes),
        gamma=_GAMMA,
        initial_gap=_INITIAL_GAP,
        separation=separation,
        optimal_cost=_OPTIMAL_COST,
        condition_limit=3.0,
    )
    return random_fleet(spec, stream(fleet_seed, Purpose.FLEET), "clustering")


def cluster_sizes(agents: int, clusters: int) -> list[int]:
    """As equal as possible, the first clusters larger."""
    return [agents // clusters + (j < agents % clusters) for j in range(clusters)]
