"""Measure the claims on the best radius.  A replicate is a seed, with all clusters and epochs of all methods.

Systems differ in the level of their gaps, and every seed deals the sizes out anew.  So gaps enter a slope in units of
the closed form in the middle of the range, and a comparison of methods in units of the closed form of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError

__all__ = [
    "SHORT_OF",
    "Series",
    "closed_ratio",
    "gap_left",
    "leading_order",
    "lost_growth",
    "neighbours",
    "rate",
    "series",
]

#: How much of what the closed form promises must be won: the gap that is left may be larger by one over this.
SHORT_OF = 0.8


@dataclass(frozen=True, eq=False)
class Series:
    """Hold gaps of one method over seeds and cells (a size and an epoch each); C cells, n seeds.

    Attributes:
        values: gaps in some unit, 0 where they do not count, ``(n, C)``.
        counts: 1 where they count, else 0, ``(n, C)``.
        position: mean over seeds of log(M_l|M|) less that of the middle, ``(C,)``.
        rollouts: mean over seeds of M_l|M|, ``(C,)``.
        epoch: l, ``(C,)``.
        size: |M|, ``(C,)``.
    """

    values: FloatArray
    counts: FloatArray
    position: FloatArray
    rollouts: FloatArray
    epoch: FloatArray
    size: FloatArray

    @property
    def runs(self) -> FloatArray:
        """Return what the jackknife resamples, ``(n, 2, C)``."""
        return np.stack([self.values, self.counts], axis=1)


def means(runs: FloatArray) -> FloatArray:
    """Return the means over the seeds that count, ``(C,)``."""
    total = runs.sum(axis=0)
    return np.asarray(total[..., 0, :] / total[..., 1, :])


def series(tables: Tables, method: str, column: str, unit: str, *, every: bool = False) -> Series:
    """Read the gaps of a method from epoch 2 on.

    Args:
        tables: those of the group.
        method: its name.
        column: "gap", "local_gap" or "predicted".
        unit: column of the unit.
        every: whether to take all runs, and not the collaborative epochs alone.

    Raises:
        ResultsError: if some size and epoch has no run that counts.
    """
    frame = tables["rate"]
    frame = frame[(frame["algorithm"] == method) & (frame["epoch"] >= 2)]
    counts = np.ones(len(frame), dtype=bool) if every else frame["clean"].to_numpy(dtype=bool)
    with np.errstate(invalid="ignore"):
        ratio = np.where(counts, frame[column] / frame[unit], 0.0)
    frame = frame.assign(
        ratio=ratio,
        counts=counts.astype(float),
        position=np.log(frame["relative"]),
        total=frame["minibatch"] * frame["size"],
    )

    def wide(name: str) -> pd.DataFrame:
        return frame.pivot(index="seed", columns=["size", "epoch"], values=name)

    cells = wide("ratio").columns
    found = Series(
        wide("ratio").to_numpy(dtype=np.float64),
        wide("counts").to_numpy(dtype=np.float64),
        wide("position").to_numpy(dtype=np.float64).mean(axis=0),
        wide("total").to_numpy(dtype=np.float64).mean(axis=0),
        cells.get_level_values("epoch").to_numpy(dtype=np.float64),
        cells.get_level_values("size").to_numpy(dtype=np.float64),
    )
    if not len(found.values) or not found.counts.sum(axis=0).all():
        raise ResultsError(f"rate: found no collaborative epoch of {method} in some cell, expected one in every cell")
    return found


def rate(tables: Tables, method: str, exponent: float, margin: float) -> Finding:
    """Compare the distance of a method's slope of log mean gap in log(M|M|) from an exponent with a margin."""
    found = series(tables, method, "gap", "middle")
    x = found.position - found.position.mean()

    def slope(runs: FloatArray) -> float:
        return float(np.log(means(runs)) @ x / (x @ x))

    return findings.within(found.runs, slope, exponent, margin, "slope of log mean gap in log(M|M|)")


def closed_ratio(tables: Tables, method: str, margin: float) -> Finding:
    """Compare the distance from 1 of the mean over cells of (mean gap)/(closed form) with a margin."""
    found = series(tables, method, "gap", "predicted")
    return findings.within(
        found.runs, lambda runs: float(means(runs).mean()), 1.0, margin, "mean over cells of measured/closed form"
    )


def gap_left(tables: Tables, method: str, base: str) -> Finding:
    """Compare the gap that a method leaves of another's, over that of the closed form, with 1/0.8.

    After the last epoch, at equal rollouts; all runs count, those with wrong sets too.  Gaps are in units of the closed
    form of their own method, and the geometric mean over sizes is taken of ratios of means over seeds.
    """
    runs = np.stack([_last(tables, name, "gap", "predicted") for name in (method, base)], axis=1)

    def left(some: FloatArray) -> float:
        mean = some.mean(axis=0)
        return float(np.exp(np.log(mean[0] / mean[1]).mean()))

    levels = {
        column: [np.log(_last(tables, name, column, "best").mean(axis=0)).mean() for name in (base, method)]
        for column in ("gap", "predicted")
    }
    factors = [np.exp(others - ours) for others, ours in levels.values()]
    name = f"gap over that of {base}, over the closed form's; factor won {factors[0]:.3g}, closed form {factors[1]:.3g}"
    return findings.jackknife(runs, left, 1 / SHORT_OF, name, logarithm=True)


def _last(tables: Tables, method: str, column: str, unit: str) -> FloatArray:
    """Return a column after the last epoch in some unit, by seed and size."""
    found = series(tables, method, column, unit, every=True)
    return found.values[:, found.epoch == found.epoch.max()]


def neighbours(tables: Tables) -> Finding:
    """Count the systems that have a smaller gap at a neighbouring radius than at the best one, to all orders."""
    frame = _largest(tables, 2)
    wrong = frame[["gap_smaller", "gap_larger"]].min(axis=1) <= frame["gap_best"]
    return findings.violated(wrong, frame["seed"])


def leading_order(tables: Tables, margin: float) -> Finding:
    """Compare the distance from 1 of (gap at the best radius, to all orders)/(closed form) with a margin."""
    frame = _largest(tables, 2)
    ratio = frame.assign(ratio=frame["gap_best"] / frame["closed_best"]).groupby("seed")["ratio"].mean()
    return findings.mean_within(ratio.to_numpy(), 1.0, margin, "gap to all orders/closed form")


def lost_growth(tables: Tables, exponent: float, margin: float) -> Finding:
    """Compare the distance from an exponent of the growth in M|M| of what the paper's radius loses with a margin."""
    frame = _largest(tables, 2)
    frame = frame.assign(lost=np.log(frame["gap_paper"] / frame["gap_best"]), x=np.log(frame["rollouts"]))
    ends = frame.sort_values("x").groupby("seed")[["lost", "x"]].agg(["first", "last"])
    growth = (ends["lost", "last"] - ends["lost", "first"]) / (ends["x", "last"] - ends["x", "first"])
    return findings.mean_within(growth.to_numpy(), exponent, margin, "slope of log(gap/best gap) in log(M|M|)")


def _largest(tables: Tables, count: int) -> pd.DataFrame:
    """Return the rows with the largest numbers of rollouts: there, the leading order is what counts."""
    frame = tables["rate_closed"]
    kept: pd.DataFrame = frame[frame["rollouts"].isin(sorted(frame["rollouts"].unique())[-count:])]
    return kept
