"""Draw fleets whose clusters have equal optimal costs, nearly equal ones, or the same optimal gain.

The number of a fleet decides its stratum by an additive recurrence over (n, m), γ, the open loop and the sizes; systems
and starts are drawn by the law of `pcpo.fleets.population`.  Costs are made equal exactly.

Of *mirrored* clusters the second has the inputs of the first with the other sign, B → −B, so that K* → −K*.  *Matched*
ones are two random systems, Q and R of each scaled so that the optimal costs agree to rounding; *close* ones are two
whose optimal costs differ by Δ = `CLOSE`·C*.  Of *reflected* clusters the second is the first seen in a mirror, x → Tx
with T = I − 2vvᵀ and K*v = 0: other dynamics, the same optimal gain and cost; m < n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.linalg import null_space

from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import OPTIMAL_COST, OpenLoop, PopulationSpec, draw_clusters, draw_fleet
from pcpo.fleets.random import with_optimal_cost
from pcpo.lqr.optimum import riccati
from pcpo.lqr.system import Array, LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["CLOSE", "KINDS", "draw", "kind_of"]

#: Δ/C* of the fleets whose clusters are close.
CLOSE = 0.004
_SHAPES = [(n, m) for n in (1, 2, 3, 4) for m in (1, 2)]
_OPEN_LOOPS: tuple[OpenLoop, ...] = ("stable", "unstable")
_GAMMAS = (0.5, 0.8, 0.9)
#: Agents of the two clusters.
_SIZES = ((4, 4), (2, 6), (5, 3))
#: Range of C(K⁰)/C*, condition at K*, and the largest curvature on the way to K* over the smallest at any K*.
_START, _CONDITION, _PATH = (1.05, 1.5), 10.0, 30.0
#: First key of the streams of this population.
_KEY = 30


def kind_of(cell: str, seed: int) -> str:
    """Return the kind of a fleet: in cell "equal", even numbers are mirrored and odd ones matched."""
    return ("mirrored", "matched")[seed % 2] if cell == "equal" else cell


def _place(seed: int, dimension: int) -> float:
    """Return a coordinate of the additive recurrence of the golden ratio's relatives, in [0, 1)."""
    phi = 2.0
    for _ in range(60):
        phi = (1.0 + phi) ** 0.2
    return (0.5 + (seed // 2) * phi**-dimension) % 1.0


def _mirrored(fleet: Fleet) -> Fleet:
    """Give the second cluster the inputs of the first with the other sign."""
    first = fleet.systems[0]
    second = LinearSystem(first.A, -first.B, first.Q, first.R, first.gamma)
    return _second(fleet, second, lambda gains: -gains)


def _reflected(fleet: Fleet) -> Fleet:
    """Give the second cluster the first system in a mirror that leaves K* as it is."""
    first = fleet.systems[0]
    v = null_space(riccati(first).K)[:, :1]
    T = np.eye(fleet.n) - 2.0 * v @ v.T
    second = LinearSystem(T @ first.A @ T, T @ first.B, T @ first.Q @ T, first.R, first.gamma)
    return _second(fleet, second, lambda gains: gains @ T)


def _second(fleet: Fleet, system: LinearSystem, moved: Callable[[Array], Array]) -> Fleet:
    """Replace the second cluster by a relative of the first, whose starts are those of the first, moved."""
    gains, labels = fleet.initial_gains.copy(), fleet.labels
    own = gains[labels == 0]
    count = int((labels == 1).sum())
    gains[labels == 1] = moved(own[np.arange(count) % len(own)])
    return replace(fleet, systems=(fleet.systems[0], system), initial_gains=gains)


def _matched(fleet: Fleet) -> Fleet:
    """Scale Q and R of both clusters to the same optimal cost."""
    return replace(fleet, systems=tuple(with_optimal_cost(system, OPTIMAL_COST) for system in fleet.systems))


#: What makes the fleet of a kind out of one with separation `CLOSE`.
KINDS: Mapping[str, Callable[[Fleet], Fleet]] = {
    "mirrored": _mirrored,
    "matched": _matched,
    "close": lambda fleet: fleet,
    "reflected": _reflected,
}


@lru_cache(maxsize=64)
def draw(kind: str, seed: int) -> Fleet:
    """Draw the fleet of a kind and number.

    Raises:
        FleetError: if none within the limits was found.
    """
    shapes = [(n, m) for n, m in _SHAPES if m < n] if kind == "reflected" else _SHAPES
    n, m = shapes[int(len(shapes) * _place(seed, 1))]
    spec = PopulationSpec(
        n=n,
        m=m,
        sizes=_SIZES[int(len(_SIZES) * _place(seed, 2))],
        gamma=_GAMMAS[int(len(_GAMMAS) * _place(seed, 3))],
        open_loop=_OPEN_LOOPS[int(2 * _place(seed, 4))],
        separation=CLOSE,
        start=_START,
        condition_limit=_CONDITION,
        path_limit=_PATH,
        common_gain=True,
    )
    systems, starts = (stream(seed, Purpose.FLEET, _KEY, list(KINDS).index(kind), part) for part in (0, 1))
    return KINDS[kind](draw_fleet(spec, draw_clusters(spec, systems), starts, f"{kind}, fleet {seed}").fleet)
