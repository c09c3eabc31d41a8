"""Estimate what the claims on FedLQR's experiment are about: rounds, spread and final gaps, compared across conditions.

The replicate is a run.  Runs of one seed share random numbers in all conditions, so the jackknife leaves out a seed in
all conditions at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import jackknife, within
from pcpo.errors import ResultsError

__all__ = ["PRIMARY", "QUANTITIES", "STUDY", "Curves", "Quantity", "curves", "estimated", "noise_free", "rounds_to"]

STUDY = "fedlqr"
#: The measure of a gain that the claims use.
PRIMARY = "own"

_SMALLEST = 1e-9  # growth relative to that of the floors that counts as none


@dataclass(frozen=True)
class Curves:
    """Hold gaps against rounds.

    Args:
        rounds: ``(records,)``.
        gaps: dimensionless, ``(runs, conditions, records)``.
        floors: gaps of the best common gains, ``(conditions,)``.
    """

    rounds: FloatArray
    gaps: FloatArray
    floors: FloatArray


@dataclass(frozen=True)
class Quantity:
    """Describe a dimensionless estimand that compares conditions.

    Args:
        name: in a formula that needs no typesetting.
        conditions: names of the cells.
        statistic: from their curves to a number; infinite or NaN where the runs do not determine it.
        predicted: bound of the statistic; with a margin, the value that it should be near.
        logarithm: whether the statistic is the logarithm of what is reported.
        margin: largest distance from `predicted` that agrees, None for a bound.
        of_chance: whether the quantity is about chance, so that curves without noise have none.
    """

    name: str
    conditions: tuple[str, ...]
    statistic: Callable[[Curves], float]
    predicted: float
    logarithm: bool = False
    margin: float | None = None
    of_chance: bool = False


def rounds_to(gap: FloatArray, rounds: FloatArray, level: float) -> float:
    """Return the first round at which a curve is at or below a level, by linear interpolation; infinite if none is.

    Args:
        gap: ``(records,)``.
        rounds: ``(records,)``.
        level: in units of the gap.
    """
    below = np.flatnonzero(gap <= level)
    if not len(below):
        return np.inf
    k = int(below[0])
    if k == 0:
        return float(rounds[0])
    return float(rounds[k - 1] + (rounds[k] - rounds[k - 1]) * (gap[k - 1] - level) / (gap[k - 1] - gap[k]))


def _log_rounds(found: Curves) -> float:
    """Compute log(T_M/T_1), where T is the number of rounds in which the mean gap falls to half of the initial gap.

    Infinite if only the gap of the second condition never falls so far, NaN if that of the first does not.
    """
    level = 0.5 * float(found.gaps[0, 0, 0])
    one, many = (rounds_to(gap, found.rounds, level) for gap in found.gaps.mean(axis=0))
    return float(np.log(many / one)) if np.isfinite(one) else np.nan


def _log_spread(found: Curves) -> float:
    """Compute log(sd(M)/sd(1)) over runs, root mean square over the rounds; NaN for fewer than two runs."""
    if len(found.gaps) < 2:
        return np.nan
    one, many = found.gaps[:, :, 1:].var(axis=0, ddof=1).mean(axis=1)
    return float(np.log(many / one) / 2) if min(one, many) > 0 else np.nan


def _fall(found: Curves) -> float:
    """Compute the mean final gap at the lower ε less that at the higher ε."""
    low, high = found.gaps[:, :, -1].mean(axis=0)
    return float(low - high)


def _log_share(found: Curves) -> float:
    """Compute the log of the final gap's growth relative to the floors' growth; the least if the gap does not grow."""
    share = -_fall(found) / (found.floors[1] - found.floors[0])
    return float(np.log(max(share, _SMALLEST)))


def _rounds(many: str, bound: float) -> Quantity:
    name = "rounds to half of the initial gap, relative to one agent"
    return Quantity(name, ("number_1", many), _log_rounds, float(np.log(bound)), logarithm=True)


def _spread(many: str) -> Quantity:
    name = "standard deviation over runs, relative to one agent"
    return Quantity(name, ("number_1", many), _log_spread, 0.0, logarithm=True, of_chance=True)


def _growth(low: str, high: str) -> Quantity:
    return Quantity("mean final gap at the lower less that at the higher level", (low, high), _fall, 0.0)


#: Estimands by the ids of the claims.
QUANTITIES: Mapping[str, Quantity] = {
    "speed_10": _rounds("number_10", 1.0),
    "speed_50": _rounds("number_50", 1.0),
    "linear_10": _rounds("number_10", 1 / 10),
    "linear_50": _rounds("number_50", 1 / 50),
    "copies_10": _rounds("copies_10", 1.0),
    "copies_50": _rounds("copies_50", 1.0),
    "spread_10": _spread("copies_10"),
    "spread_50": _spread("copies_50"),
    "bias_low": _growth("level_0", "level_0.1"),
    "bias_high": _growth("level_0.1", "level_0.5"),
    "floor": Quantity(
        "log of the growth of the mean final gap over that of the floor",
        ("level_0", "level_0.5"),
        _log_share,
        0.0,
        margin=float(np.log(2)),
    ),
}


def curves(tables: Tables, conditions: Sequence[str], column: str = PRIMARY, floor: str = PRIMARY) -> Curves:
    """Collect the gaps of some conditions, side by side by seed.

    Args:
        tables: of the group.
        conditions: names of cells.
        column: column of the gaps.
        floor: measure of the floors.

    Raises:
        ResultsError: for a condition without runs, and for conditions with different seeds or rounds.
    """
    frame, parts, floors = tables[STUDY], [], []
    first: pd.DataFrame | None = None
    for name in conditions:
        runs = frame[frame["cell"] == name]
        if runs.empty:
            raise ResultsError(f"condition {name}: found no run, expected some")
        part = runs.pivot(index="seed", columns="round", values=column)
        first = part if first is None else first
        if not (part.index.equals(first.index) and part.columns.equals(first.columns)) or part.isna().any(axis=None):
            raise ResultsError(f"condition {name}: found other seeds or rounds than elsewhere, expected the same")
        parts.append(part.to_numpy())
        floors.append(float(runs[f"{floor}_floor"].iloc[0]))
        rounds = part.columns.to_numpy(dtype=np.float64)
    return Curves(rounds, np.stack(parts, axis=1), np.array(floors))


def estimated(quantity: Quantity, tables: Tables, measure: str = PRIMARY) -> Finding:
    """Compare a quantity with its prediction, by the jackknife over runs.

    Where the runs, or the runs without any one of them, do not determine the statistic, there is no interval and p = 1.
    If it is infinite in all of them (one agent gets to half of the gap, many never do), p = 0.
    """
    found = curves(tables, quantity.conditions, measure, measure)

    def statistic(runs: FloatArray) -> float:
        return quantity.statistic(Curves(found.rounds, runs, found.floors))

    if quantity.margin is not None:
        return within(found.gaps, statistic, quantity.predicted, quantity.margin, quantity.name)
    if quantity.logarithm:
        predicted = float(np.exp(quantity.predicted))
        return jackknife(
            found.gaps, lambda runs: float(np.exp(statistic(runs))), predicted, quantity.name, logarithm=True
        )
    return jackknife(found.gaps, statistic, quantity.predicted, quantity.name)


def noise_free(quantity: Quantity, tables: Tables, measure: str = PRIMARY) -> float:
    """Compute a quantity of the recursion with exact gradients, on the scale of `estimated`; NaN if it is of chance."""
    if quantity.of_chance:
        return np.nan
    found = curves(tables, quantity.conditions, f"{measure}_noise_free", measure)
    value = quantity.statistic(Curves(found.rounds, found.gaps[:1], found.floors))
    if quantity.margin is not None:
        return abs(value - quantity.predicted)
    return float(np.exp(value)) if quantity.logarithm else value
