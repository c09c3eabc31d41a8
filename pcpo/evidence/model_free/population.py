"""Draw the fleets of the group "model_free": what varies over a condition, and the law of a fleet given that.

A *condition* is a range of the condition number of the Hessian of C at K*, of the cluster where it is largest.  Within
a condition the number of the fleet decides, by an additive recurrence in five dimensions, the open loop, (n, m), γ,
Δ/σ and the sizes of the clusters: so any run of successive numbers has each value in nearly equal parts.  Then the
systems and the starts are drawn by the law of `pcpo.fleets.population`, and the cost levels are set so that Δ/σ is
exact, σ the standard deviation of one rollout's cost at K* of the cheapest cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pcpo import lqr
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import OpenLoop, PopulationSpec, draw_clusters, draw_fleet
from pcpo.fleets.random import condition as condition_number
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, noise_law, stream

__all__ = ["CONDITIONS", "NOISE", "Stratum", "deviation", "draw", "largest_condition", "stratum"]

NOISE = "signs"
#: Conditions by their names: the range (above, up to] of the largest condition number of a cluster's Hessian at K*.
CONDITIONS: Mapping[str, tuple[float, float]] = {
    "condition_3": (1.0, 3.0),
    "condition_10": (3.0, 10.0),
    "condition_30": (10.0, 30.0),
}
_SHAPES = tuple((n, m) for n in (1, 2, 3, 4) for m in (1, 2))
_OPEN_LOOPS: tuple[OpenLoop, ...] = ("stable", "unstable")
_GAMMAS = (0.5, 0.8, 0.9)
_RATIOS = (0.1, 0.3, 1.0, 3.0)
#: Agents of the clusters; N is 8 to 12, and one cluster has at least four.
_SIZES = ((4, 4), (6, 3), (4, 2, 2), (5, 4, 3))
#: Range of C(K⁰)/C*, and the largest curvature on the way to K* over the smallest at any K*, in units of the condition.
_START, _PATH = (1.05, 1.5), 3.0
#: Keys of the streams: of the systems and of the starts.
_SYSTEMS, _STARTS = 20, 21


@dataclass(frozen=True)
class Stratum:
    """Hold what the number of a fleet decides before anything is drawn.

    Attributes:
        open_loop: "stable", or "unstable": K = 0 has infinite cost in every cluster.
        shape: n and m.
        gamma: γ.
        ratio: Δ/σ.
        sizes: agents of each cluster.
    """

    open_loop: OpenLoop
    shape: tuple[int, int]
    gamma: float
    ratio: float
    sizes: tuple[int, ...]


def _recurrence(number: int, dimensions: int = 5) -> list[float]:
    """Return the point of an additive recurrence: multiples of φ⁻¹, φ⁻², … modulo 1, φ^(d+1) = φ + 1."""
    phi = 2.0
    for _ in range(60):
        phi = (1.0 + phi) ** (1.0 / (dimensions + 1))
    return [(0.5 + number * phi**-k) % 1.0 for k in range(1, dimensions + 1)]


def stratum(condition: str, number: int) -> Stratum:
    """Return the stratum of a fleet of a condition.

    Where random systems hardly ever have the condition number, the shape or γ is left out: (1, 1) has the condition
    number 1 always, (1, 2) hardly ever one above 10, and stable systems with γ = .5 neither.
    """
    least, _ = CONDITIONS[condition]
    u = _recurrence(number)
    open_loop = _OPEN_LOOPS[int(2 * u[0])]
    shapes = [s for s in _SHAPES if s[0] > 1 or (s[1] == 2 and least < 10) or least < 3]
    gammas = _GAMMAS[1:] if least >= 10 and open_loop == "stable" else _GAMMAS
    shape, gamma = shapes[int(len(shapes) * u[1])], gammas[int(len(gammas) * u[2])]
    return Stratum(open_loop, shape, gamma, _RATIOS[int(len(_RATIOS) * u[3])], _SIZES[int(len(_SIZES) * u[4])])


@lru_cache(maxsize=64)
def draw(condition: str, number: int) -> Fleet:
    """Draw a fleet.

    Args:
        condition: a key of `CONDITIONS`.
        number: of the fleet; it decides the stratum and the streams.

    Raises:
        FleetError: if none within the limits was found.
    """
    chosen, (least, most) = stratum(condition, number), CONDITIONS[condition]
    spec = PopulationSpec(
        n=chosen.shape[0],
        m=chosen.shape[1],
        sizes=chosen.sizes,
        gamma=chosen.gamma,
        open_loop=chosen.open_loop,
        start=_START,
        condition_least=least,
        condition_limit=most,
        path_limit=_PATH * most,
        common_gain=True,
    )
    key = list(CONDITIONS).index(condition)
    clusters = draw_clusters(spec, stream(number, Purpose.FLEET, _SYSTEMS, key))
    first = clusters.systems[0]
    separation = chosen.ratio * deviation(first) / lqr.riccati(first).cost
    starts = stream(number, Purpose.FLEET, _STARTS, key)
    return draw_fleet(replace(spec, separation=separation), clusters, starts, f"{condition}, fleet {number}").fleet


def deviation(system: LinearSystem) -> float:
    """Return the standard deviation of one rollout's cost at K* (units of cost)."""
    return float(np.sqrt(lqr.rollout_variance(system, lqr.riccati(system).K, noise_law(NOISE))))


def largest_condition(fleet: Fleet) -> float:
    """Return the condition number of the Hessian at K*, of the cluster where it is largest."""
    return max(condition_number(system) for system in fleet.systems)
