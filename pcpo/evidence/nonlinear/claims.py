"""Declare the claims on nonlinear plants; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Mode, Tables
from pcpo.claims.controls import replaced, scaled
from pcpo.claims.judging import AtMost
from pcpo.claims.power import probability, shift
from pcpo.errors import ResultsError
from pcpo.evidence.nonlinear.fleets import MOST
from pcpo.evidence.nonlinear.measures import gap_below, level_off, slope_off, wrong_sets

__all__ = ["CLAIMS"]

_MODE: Mode = "model-free, rollouts"
#: Fraction of fleets with a wrong set at the alternative of the power.
_OFTEN = 0.15
#: One fleet in so many has a wrong set in the sharp control.
_EVERY = 5
#: Exponent by which the sharp control of slopes is off, and factor by which that of the level is.
_OFF, _HIGHER = 0.25, 1.15


def _equal(tables: Tables) -> Tables:
    """Return tables where clusters of equal cost stand in for the others of the largest level."""
    rows = tables["nonlinear"]
    found = rows[rows["role"] == "control"]
    if found.empty:
        raise ResultsError("nonlinear: found no clusters of equal cost, expected control cells")
    kept = rows[(rows["role"] == "grid") & (rows["level"] != MOST)]
    return {**tables, "nonlinear": pd.concat([kept, found.assign(role="grid")], ignore_index=True)}


def _some_wrong(tables: Tables) -> pd.Series[float]:
    """Return `exact`, with a wrong set in one fleet of five, counted by rank."""
    rows = tables["nonlinear"]
    rank = rows["seed"].rank(method="dense").astype(int) - 1
    return rows["exact"].where(rank % _EVERY > 0, 0)


def _spoiled(level: float) -> Callable[[Tables], pd.Series[float]]:
    """Return gaps that fall more slowly with |M| at a level."""

    def gaps(tables: Tables) -> pd.Series[float]:
        rows = tables["nonlinear"]
        return rows["gap"] * np.where(rows["level"] == level, rows["size"] ** _OFF, 1.0)

    return gaps


def _alone(level: float) -> Callable[[Tables], pd.Series[float]]:
    """Return global gaps, and local ones at a level."""

    def gaps(tables: Tables) -> pd.Series[float]:
        rows = tables["nonlinear"]
        return rows["gap"].where(rows["level"] != level, rows["local_gap"])

    return gaps


def _exchanged(column: str) -> Callable[[Tables], Tables]:
    """Return tables where the global gap and another column have each other's values."""

    def apply(tables: Tables) -> Tables:
        rows = tables["nonlinear"]
        return {**tables, "nonlinear": rows.assign(gap=rows[column], **{column: rows["gap"]})}

    return apply


def _as_slope(level: float) -> Claim:
    """Return the claim that collaboration wins as much in a larger cluster as it does on the linearised fleets."""
    measure = partial(slope_off, level=level)
    return Claim(
        id=f"slope_{100 * level:.0f}",
        measure=measure,
        rule=AtMost(),
        controls=[
            Control(
                "alone", "local gaps in place of global ones: slope 0", replaced("nonlinear", "gap", _alone(level))
            ),
            Control("quarter", "a slope .25 off", replaced("nonlinear", "gap", _spoiled(level))),
        ],
        power=shift(measure, 0.15, "a slope .25 off"),
        figure="nonlinear",
        mode=_MODE,
    )


def _below(claim: str, column: str, times: float) -> Claim:
    """Return the claim that the gap is typically below another one at the largest level."""
    measure: Callable[[Tables], Finding] = gap_below(column, MOST)
    return Claim(
        id=claim,
        measure=measure,
        rule=AtMost(),
        controls=[
            Control("exchanged", "the two exchanged", _exchanged(column)),
            Control("start", "gaps of the first gains", scaled("nonlinear", "gap", 1.0, "start_gap")),
        ],
        power=shift(measure, float(np.log(times)), f"gaps {times:g} times the other ones"),
        figure="nonlinear",
        mode=_MODE,
    )


CLAIMS: Sequence[Claim] = [
    Claim(
        id="sets",
        measure=wrong_sets,
        rule=AtMost(),
        controls=[
            Control("equal", "plants tuned to equal cost of their best gains", _equal),
            Control("some", "a wrong set in one fleet of five", replaced("nonlinear", "exact", _some_wrong)),
        ],
        power=probability(wrong_sets, _OFTEN, f"a fraction {_OFTEN:g} of the fleets with a wrong set"),
        figure="nonlinear",
        mode=_MODE,
        primary=True,
    ),
    _as_slope(0.05),
    _as_slope(MOST),
    Claim(
        id="level",
        measure=level_off,
        rule=AtMost(),
        controls=[
            Control("linear", "costs of the linearised plants", scaled("nonlinear", "change", 0.0)),
            Control("higher", "changes 15 % above the declared ones", scaled("nonlinear", "change", _HIGHER)),
        ],
        power=shift(level_off, 0.1, "changes 20 % off"),
        figure="nonlinear",
        mode=_MODE,
    ),
    _below("below_local", "local_gap", 2.0),
    _below("below_linearised", "linear_gap", 4.0),
]
