"""Compute study `rate_closed`: the closed form of the best radius against mean gaps to all orders in the radius.

A seed draws one system.  Nothing is simulated: the mean gap to all orders is that of the steady state of the linearised
iteration about the minimiser of the smoothed cost, with exact moments of the estimates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import number, several
from pcpo.evidence.rate.studies import draw_fleet
from pcpo.fleets.fleet import LinearSystem
from pcpo.simulation.noise import noise_law
from pcpo.theory.calibration import calibrated_constants, local_constants
from pcpo.theory.linearised import mean_gap, stationary
from pcpo.theory.rates import ESTIMATORS, gap_law

__all__ = ["STUDIES"]

_LAW = "signs"
#: Largest number of unknowns: moments to all orders take 2·4^(D − 1) nodes.
_UNKNOWNS = 4
#: Multiples of the best radius that are looked at beside it.
NEIGHBOURS = {"smaller": 0.8, "larger": 1.25}


@dataclass(frozen=True)
class Cell:
    """Describe one condition: M·|M|, the rollouts of an averaged gradient, and L_l of the paper's radius."""

    rollouts: float
    log_term: float


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Return one cell for each number of rollouts."""
    return {f"rollouts_{E:.0e}": Cell(float(E), float(options["log_term"])) for E in sorted(options["rollouts"])}


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row per seed."""
    return pd.DataFrame([_row(cell, int(seed)) for seed in seeds])[list(_COLUMNS)]


def _row(cell: Cell, seed: int) -> dict[str, float]:
    """Compute gaps of one system at the best radius, at its neighbours and at the paper's radius."""
    fleet, law = draw_fleet(seed, (1,), None, most=_UNKNOWNS), noise_law(_LAW)
    constants = calibrated_constants(local_constants(fleet, law, 1.0), D=fleet.D, Delta0=1.0)
    [system] = fleet.systems
    closed, eta = gap_law(system, law), constants.c1
    spread = {name: closed.spread(name) for name in ESTIMATORS}
    asked = {"step_size": eta, "spread": spread["one_point"]}
    best = closed.best_radius(cell.rollouts, **asked)
    paper = (constants.c5 * (cell.log_term / cell.rollouts) ** 0.5) ** 0.5
    radii = {"best": best, "paper": paper, **{name: factor * best for name, factor in NEIGHBOURS.items()}}
    return {
        "seed": seed,
        "n": system.n,
        "m": system.m,
        "rollouts": cell.rollouts,
        "radius": best,
        "cap": constants.c6,
        "closed_best": closed.best_gap(cell.rollouts, **asked),
        "closed_paper": closed.gap(paper, cell.rollouts, **asked),
        "closed_no_log": closed.gap(paper / cell.log_term**0.25, cell.rollouts, **asked),
        "closed_centred": closed.best_gap(cell.rollouts, step_size=eta, spread=spread["centred"]),
        **{f"gap_{name}": _exact(system, cell.rollouts, radius, eta) for name, radius in radii.items()},
    }


def _exact(system: LinearSystem, rollouts: float, radius: float, step_size: float) -> float:
    """Return the mean gap of the linearised iteration to all orders in the radius (cost units)."""
    law = noise_law(_LAW)
    settled = stationary(system, step_size=step_size, radius=radius, minibatch=rollouts, law=law)
    return mean_gap(system, settled.mean, settled.covariance)


_COLUMNS = {
    "seed": "seed of the system",
    "n": "states",
    "m": "inputs",
    "rollouts": "M|M| of one averaged gradient",
    "radius": "r*, the best radius of one-point estimates (gain units)",
    "cap": "c_(p,6) (gain units)",
    "closed_best": "smallest mean gap of one-point estimates, closed form (cost units)",
    "closed_paper": "mean gap with the paper's radius, closed form (cost units)",
    "closed_no_log": "the same with L_l = 1 (cost units)",
    "closed_centred": "smallest mean gap of centred or two-point estimates, closed form (cost units)",
    "gap_best": "mean gap at r*, to all orders (cost units)",
    "gap_paper": "mean gap with the paper's radius, to all orders (cost units)",
    "gap_smaller": "mean gap at 0.8 r*, to all orders (cost units)",
    "gap_larger": "mean gap at 1.25 r*, to all orders (cost units)",
}

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "rate_closed": Study(
        name="rate_closed",
        title="The best radius in closed form and to all orders",
        cells=_cells,
        simulate=_simulate,
        columns=_COLUMNS,
        options={
            "rollouts": several([1e4, 1e6, 1e8], number(), fewest=2),
            "log_term": number(12.0),
        },
    ),
}
