"""Measure the claims of the group "nonlinear"; a fleet is the unit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError

__all__ = [
    "FAILURE",
    "SLOPE_MARGIN",
    "gap_below",
    "grid",
    "level_off",
    "log_ratios",
    "slope_of",
    "slope_off",
    "wrong_sets",
]

#: Largest fraction of fleets with a wrong set.
FAILURE = 0.05
#: Of |slope − slope of the linearised fleets|, and of |change/level − 1|.
SLOPE_MARGIN, _LEVEL_MARGIN = 0.1, 0.1


def grid(tables: Tables, level: float | None = None) -> pd.DataFrame:
    """Return the rows of the claims, of one level if it is given; ResultsError if there are none."""
    rows = tables["nonlinear"]
    rows = rows[(rows["role"] == "grid") & ((rows["level"] == level) if level is not None else True)]
    if rows.empty:
        raise ResultsError(f"nonlinear: found no runs of level {level}, expected one or more")
    return rows


def wrong_sets(tables: Tables) -> Finding:
    """Compare the largest fraction, over levels, of fleets with a wrong set with its bound."""
    fleets = grid(tables).groupby(["level", "seed"])["exact"].min()
    counts = {
        f"level {level:g}": (int((exact == 0).sum()), len(exact)) for level, exact in fleets.groupby(level="level")
    }
    return findings.worst_failures(counts, FAILURE, "a wrong set")


def level_off(tables: Tables) -> Finding:
    """Compare the distance from 1 of (change of the cost)/(declared level), mean over clusters, with a margin."""
    rows = grid(tables)
    rows = rows[rows["level"] > 0]
    ratio = (rows["change"].abs() / rows["level"]).groupby(rows["seed"]).mean()
    return findings.mean_within(ratio.to_numpy(dtype=float), 1.0, _LEVEL_MARGIN, "mean of |change|/level")


def log_ratios(tables: Tables, level: float) -> pd.DataFrame:
    """Return log(global/local gap) by fleet (rows) and size (columns), of fleets whose sets are all exact.

    A gap that is below what is known of the best gain counts as that.
    """
    rows = grid(tables, level)
    rows = rows[rows.groupby("seed")["exact"].transform("min") == 1]
    floor = np.maximum(rows["gap_error"], 1e-12)
    ratio = np.log(np.maximum(rows["gap"], floor) / np.maximum(rows["local_gap"], floor))
    return rows.assign(ratio=ratio).pivot(index="seed", columns="size", values="ratio")


def slope_of(ratios: FloatArray, sizes: FloatArray) -> float:
    """Return the slope of the mean over fleets ``(n, k)`` in log |M|."""
    x = np.log(sizes) - np.log(sizes).mean()
    return float(ratios.mean(axis=0) @ x / (x @ x))


def slope_off(tables: Tables, level: float) -> Finding:
    """Compare the distance of the slope of log(global/local gap) from that of the linearised fleets with a margin."""
    linear, here = log_ratios(tables, 0.0), log_ratios(tables, level)
    both = linear.index.intersection(here.index)
    if len(both) < 2:
        raise ResultsError(f"nonlinear: found {len(both)} fleets with exact sets, expected two or more")
    sizes = here.columns.to_numpy(dtype=float)
    runs = np.stack([here.loc[both].to_numpy(dtype=float), linear.loc[both].to_numpy(dtype=float)], axis=1)
    reference = slope_of(runs[:, 1], sizes)
    return findings.within(
        runs,
        lambda some: slope_of(some[:, 0], sizes) - slope_of(some[:, 1], sizes),
        0.0,
        SLOPE_MARGIN,
        f"slope of log(global/local gap) in log|M| less that of the linearised fleets, {reference:.3g}",
    )


def gap_below(column: str, level: float) -> Callable[[Tables], Finding]:
    """Return the measure "mean over fleets of log(gap/other gap)", gaps being means over clusters, against 0."""
    return partial(_gap_below, column=column, level=level)


def _gap_below(tables: Tables, column: str, level: float) -> Finding:
    """Measure `gap_below`."""
    means = grid(tables, level).groupby("seed")[["gap", column, "gap_error"]].mean()
    own, other = (means[[name, "gap_error"]].to_numpy(dtype=float).max(axis=1) for name in ("gap", column))
    return findings.mean(np.log(own / other), 0.0, f"mean log of gap over {column}")
