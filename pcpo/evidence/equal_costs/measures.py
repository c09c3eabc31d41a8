"""Measure the claims on clusters of equal or nearly equal cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError

__all__ = [
    "EQUAL",
    "NEAR",
    "TOSO",
    "gap_ratio",
    "kept_together",
    "later_than_costs",
    "not_exact",
    "settled",
    "split",
    "toso",
]

EQUAL, NEAR, TOSO = "equal_costs", "equal_costs_near", "equal_costs_toso"
#: Largest fraction of fleets for which the statements of the theorem may fail, and for what holds nearly always.
_BOUND, _NEARLY = 0.05, 0.1
#: The same for the runs on the one fleet of Toso.
_MOSTLY = 0.2
#: Epochs by which gains part Toso's two close clusters before costs could.
_EARLIER = 2


def _rows(tables: Tables, fleets: str, method: str) -> pd.DataFrame:
    """Return the rows of a method on some kind of fleets, by seed; ResultsError if there are none."""
    frame = tables[{"equal": EQUAL, "toso": TOSO}.get(fleets, NEAR)]
    rows = frame[(frame["cell"] == fleets) & (frame["method"] == method)]
    if rows.empty:
        raise ResultsError(f"{fleets}: found no runs of {method}, expected some")
    return rows.set_index("seed").sort_index()


def _failing(failed: pd.Series, bound: float) -> Finding:
    """Compare the fraction of fleets that fail with a bound."""
    return findings.failures(int(failed.sum()), len(failed), bound)


def not_exact(tables: Tables, *, fleets: str) -> Finding:
    """Compare the fraction of fleets whose sets are not exact from L′ on with its bound."""
    rows = _rows(tables, fleets, "pcpo_gains")
    return _failing(rows["exact_from"] > rows["promised"], _BOUND)


def settled(tables: Tables) -> Finding:
    """Compare the fraction of fleets whose sets are not exact when exact costs and gains part all with a bound."""
    rows = _rows(tables, "equal", "pcpo_gains")
    return _failing(rows["exact_from"] > rows["parted"], _NEARLY)


def split(tables: Tables) -> Finding:
    """Compare the fraction of fleets in which a set ever lacks an agent of its cluster, at the worst kind of fleet."""
    counts = {}
    for fleets in ("equal", "close"):
        rows = _rows(tables, fleets, "pcpo_gains")
        counts[fleets] = (int(rows["split"].sum()), len(rows))
    return findings.worst_failures(counts, _BOUND, "a split cluster")


def later_than_costs(tables: Tables) -> Finding:
    """Count the fleets whose sets are exact later than by (7) alone."""
    gains, costs = (_rows(tables, "close", method)["exact_from"] for method in ("pcpo_gains", "pcpo"))
    return findings.violations(int((gains > costs).sum()), len(gains))


def toso(tables: Tables) -> Finding:
    """Compare the fraction of runs in which Toso's clusters part fewer than two epochs before exact costs could."""
    rows = _rows(tables, "toso", "pcpo_gains")
    return _failing(rows["exact_from"] > rows["by_costs"] - _EARLIER, _MOSTLY)


def kept_together(tables: Tables) -> Finding:
    """Compare the fraction of fleets in which agents of one optimal gain and cost are ever parted with its bound."""
    return _failing(_rows(tables, "reflected", "pcpo_gains_sync")["alone"], _BOUND)


def gap_ratio(tables: Tables, *, fleets: str, method: str, other: str, bound: float) -> Finding:
    """Compare the geometric mean over fleets of the gap of a method over that of another with a bound."""
    upper, lower = (_rows(tables, fleets, name)["gap"] for name in (method, other))
    logarithms: FloatArray = np.log((upper / lower.loc[upper.index]).to_numpy())
    return findings.jackknife(
        logarithms, lambda runs: float(np.exp(runs.mean())), bound, f"gap over that of {other}", logarithm=True
    )
