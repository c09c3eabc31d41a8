"""Measure runs with the printed constants, and change their tables so that claims are false on them.

The replicate is a whole run.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import violated
from pcpo.errors import ResultsError
from pcpo.experiments.margins import worst_by_run

__all__ = ["GRID", "apart", "as_local", "gap_ratio", "per_run", "size_exponent", "weaker"]

#: Cell of `literal_sizes` that the claims are about.
GRID = "sizes"
_MARGINS = ("margin", "gap_margin", "estimate_margin", "restricted_margin", "late_bound", "late_rate", "lemma_9_margin")


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


def gap_ratio(tables: Tables) -> Finding:
    """Compare the mean of (global gap)/prediction with 1: over clusters of several agents and epochs l > L."""
    late = _late(tables)
    ratio = (late["global_gap"] / late["global_prediction"]).fillna(np.inf)
    runs = np.asarray(ratio.groupby(late["seed"]).mean().to_numpy(), dtype=np.float64)
    return findings.mean(runs, 1.0, "mean of gap/prediction, clusters of several agents")


def size_exponent(tables: Tables) -> Finding:
    """Compare the exponent of |M| in E(global gap)/E(local gap) with −1/2, over clusters of several agents.

    The exponent is the least-squares slope through the origin, where the ratio of a single agent is 1, of the logarithm
    of the ratio of means over runs in log|M|; gaps are in units of the local prediction, and each run is the mean over
    the epochs l > L.
    """
    late = _late(tables)
    units = late.assign(
        shared=late["global_gap"] / late["local_prediction"], own=late["local_gap"] / late["local_prediction"]
    )
    by = units.groupby(["seed", "size"])[["shared", "own"]].mean().unstack("size")
    sizes = np.array(sorted(late["size"].unique()), dtype=np.float64)
    runs = np.asarray(by.to_numpy(dtype=np.float64).reshape(len(by), 2, len(sizes)))
    x = np.log(sizes)

    def slope(some: FloatArray) -> float:
        means = some.mean(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.log(means[0] / means[1]) @ x / (x @ x))

    return findings.jackknife(runs, slope, -0.5, "exponent of |M| in (mean global gap)/(mean local gap)")


def apart(tables: Tables) -> Finding:
    """Count the clusters and runs in which two agents differ after an epoch from which on the sets are right."""
    rows = _several(tables)
    right = rows.sort_values("epoch", ascending=False).groupby(["seed", "cluster"])["correct"].cummin()
    counted = rows[right.reindex(rows.index) == 1]
    return violated(counted["apart"] > 0, counted["seed"])


def _several(tables: Tables) -> pd.DataFrame:
    """Select the clusters of several agents in the cell of the claims; raises ResultsError if there are none."""
    table = tables["literal_sizes"]
    table = table[(table["cell"] == GRID) & (table["size"] > 1)]
    if table.empty:
        raise ResultsError(f"study literal_sizes: found no cluster of several agents in the cell {GRID!r}")
    return table


def _late(tables: Tables) -> pd.DataFrame:
    """Select the epochs l > L of `_several`; raises ResultsError if there are none."""
    table = _several(tables)
    table = table[table["epoch"] > table["L"]]
    if table.empty:
        raise ResultsError("study literal_sizes: found no epoch after L, expected some; run more epochs")
    return table


def as_local(tables: Tables) -> Tables:
    """Put local policies in the place of global ones: no collaboration."""
    table = tables["literal_sizes"]
    return {**tables, "literal_sizes": table.assign(global_gap=table["local_gap"])}


def weaker(tables: Tables) -> Tables:
    """Multiply global gaps by |M|^(1/4): collaboration is worth the fourth root of the size."""
    table = tables["literal_sizes"]
    return {**tables, "literal_sizes": table.assign(global_gap=table["global_gap"] * table["size"] ** 0.25)}
