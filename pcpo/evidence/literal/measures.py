"""Measure runs with the printed constants, and change their table so that claims are false on it.

The replicate is a whole run.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError
from pcpo.experiments.margins import worst_by_run

__all__ = ["as_local", "mean_ratio", "per_run", "shared_ratio"]

_MARGINS = ("margin", "gap_margin", "estimate_margin", "restricted_margin", "late_bound", "late_rate")


def per_run(table: pd.DataFrame) -> pd.DataFrame:
    """Reduce every run to one row.

    Returns:
        A row per cell and seed with δ; the largest margins of all epochs, those of (35) and (9) as late_bound and
        late_rate over the epochs l > L that Theorem 2 is about (0 if there are none); lost (1 if a member was ever
        lost); misclustered (1 if a set was wrong in any epoch l ≥ L).
    """
    late = table["epoch"] > table["L"]
    rows = table.assign(
        late_bound=table["bound_margin"].where(late, 0.0),
        late_rate=table["rate_margin"].where(late, 0.0),
    )
    return worst_by_run(rows, _MARGINS, ("delta",))


def mean_ratio(tables: Tables) -> Finding:
    """Compare the mean of gap/prediction with 1: over local and global policies, cells of the grid and epochs l > L."""
    runs = (_by_run(tables, "local_ratio") + _by_run(tables, "global_ratio")) / 2
    return findings.mean(runs, 1.0, "mean of gap/prediction")


def shared_ratio(tables: Tables) -> Finding:
    """Compare √|M|·E(global gap)/E(local gap) with 1, a ratio of means over runs.

    Gaps are in units of the local prediction, means over the cells of the grid and the epochs l > L.
    """
    name = "sqrt(|M|)·(mean global gap)/(mean local gap)"
    return findings.mean_ratio(_by_run(tables, "scaled_global"), _by_run(tables, "local_ratio"), 1.0, name)


def _by_run(tables: Tables, column: str) -> FloatArray:
    """Average a column over the epochs l > L, then over the cells of the grid: ``(runs,)``.

    The mean is infinite for a run in which a gap or its prediction is infinite or missing.
    """
    table = tables["literal_runs"]
    table = table[(table["role"] == "grid") & (table["epoch"] > table["L"])]
    if table.empty:
        raise ResultsError("study literal_runs: found no epoch after L in the grid, expected some; run more epochs")
    by_cell = table[column].fillna(np.inf).groupby([table["seed"], table["cell"]]).mean()
    return np.asarray(by_cell.groupby(level="seed").mean().to_numpy(), dtype=np.float64)


def as_local(tables: Tables) -> Tables:
    """Put local policies in the place of global ones: no collaboration."""
    table = tables["literal_runs"]
    local = table.assign(scaled_global=table["scaled_local"], global_ratio=table["unshared_ratio"])
    return {**tables, "literal_runs": local}
