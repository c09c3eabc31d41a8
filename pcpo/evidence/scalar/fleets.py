"""Draw the fleets of the group: a seed draws the numbers of states and inputs, the systems, and who has which size."""

from __future__ import annotations

from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import sized_fleet

__all__ = ["NOISE", "draw_fleet"]

NOISE = "signs"
_SHAPES = [(n, m) for n in range(1, 5) for m in (1, 2)]


def draw_fleet(seed: int, sizes: tuple[int, ...], separation: float | None, *, fewest: int = 1) -> Fleet:
    """Draw the fleet of a seed, open loop stable or not.

    Args:
        seed: of the fleet.
        sizes: agents of each cluster; the seed deals them out to its systems.
        separation: Δ (cost units), C* of the cheapest cluster being 20; None for one cluster.
        fewest: smallest number D of unknowns.
    """
    return sized_fleet(seed, sizes, separation, [(n, m) for n, m in _SHAPES if n * m >= fewest])
