"""Draw the fleets of the group: a seed draws the numbers of states and inputs, the systems, and who has which size."""

from __future__ import annotations

from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import Purpose, stream

__all__ = ["NOISE", "draw_fleet"]

NOISE = "signs"
_SHAPES = [(n, m) for n in range(1, 5) for m in (1, 2)]
_GAMMA, _OPTIMAL_COST, _CONDITION, _OPEN_LOOP, _FIRST_GAP = 0.8, 20.0, 6.0, (0.6, 1.1), 1.0


def draw_fleet(seed: int, sizes: tuple[int, ...], separation: float | None, *, fewest: int = 1) -> Fleet:
    """Draw the fleet of a seed, open loop stable or not.

    Args:
        seed: of the fleet.
        sizes: agents of each cluster; the seed deals them out to its systems.
        separation: Δ (cost units), C* of the cheapest cluster being 20; None for one cluster.
        fewest: smallest number D of unknowns.
    """
    rng = stream(seed, Purpose.FLEET)
    shapes = [(n, m) for n, m in _SHAPES if n * m >= fewest]
    n, m = shapes[rng.integers(len(shapes))]
    spec = FleetSpec(
        n=n,
        m=m,
        sizes=tuple(int(size) for size in rng.permutation(sizes)),
        gamma=_GAMMA,
        initial_gap=_FIRST_GAP,
        separation=separation,
        optimal_cost=_OPTIMAL_COST,
        condition_limit=_CONDITION,
        spectral_radius=_OPEN_LOOP,
    )
    return random_fleet(spec, rng, f"fleet {seed}")
