"""Bound the probability that a run fails, at the worst cell of a study's grid.

A theorem claims such a bound for every fleet.  So the estimand is the largest probability over the cells with role
"grid", never the probability of the pooled runs, in which good cells could hide a bad one.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pcpo.claims.contract import Finding, Power, Tables
from pcpo.claims.findings import worst_failures
from pcpo.claims.power import binomial_power
from pcpo.errors import ResultsError

__all__ = ["Bound", "Failed", "PerRun", "failing_cell", "failure_probability", "grid", "share_of_delta"]

#: From the rows of the grid, a row per epoch of every run, to one row per cell and seed.
PerRun = Callable[[pd.DataFrame], pd.DataFrame]
#: From the rows of a `PerRun` to whether each run failed.
Failed = Callable[[pd.DataFrame], "pd.Series[bool]"]
#: From the rows of the grid to the largest probability of failure that the claim allows.
Bound = Callable[[pd.DataFrame], float]


def share_of_delta(share: float) -> Bound:
    """Return the bound share·δ, with δ the failure probability of a run, from the column `delta`."""
    return lambda rows: share * float(rows["delta"].max())


def grid(tables: Tables, study: str) -> pd.DataFrame:
    """Select the rows of a study that its claims are about; raises ResultsError if there are none."""
    rows = tables[study][tables[study]["role"] == "grid"]
    if rows.empty:
        raise ResultsError(f"study {study}: found no run with role 'grid', expected the cells that the claims are of")
    return rows


def failure_probability(
    study: str, per_run: PerRun, failed: Failed, what: str, bound: Bound
) -> Callable[[Tables], Finding]:
    """Return the measure "largest probability of failure over the cells of the grid, against a bound".

    Args:
        study: name of the study.
        per_run: reduces the rows of the grid to a row per cell and seed.
        failed: says of each of these rows whether the run failed.
        what: the failure in words.
        bound: gives the probability that the claim allows.
    """

    def measure(tables: Tables) -> Finding:
        rows = grid(tables, study)
        runs = per_run(rows)
        return _worst_cell(runs["cell"], failed(runs), what, bound(rows))

    return measure


def _worst_cell(cells: pd.Series[str], failed: pd.Series[bool], what: str, bound: float) -> Finding:
    """Compare the largest P(failure) of all cells with a bound, by the limits of every cell.

    All cells must be clean enough to support the claim (72 runs without failure in each for a bound of .05, 146 for
    .025), and one bad cell refutes it.
    """
    counts = failed.groupby(cells).agg(["sum", "count"]).astype(int)
    pairs = zip(counts["sum"].tolist(), counts["count"].tolist(), strict=True)
    return worst_failures(dict(zip(counts.index.tolist(), pairs, strict=True)), bound, what)


def failing_cell(study: str, fraction: float, bound: Bound) -> Power:
    """Return the power of `failure_probability` if a fraction of the runs fails in one cell of the grid.

    The probability is exact, for the cell with the fewest runs; the other cells are taken to be without failures.
    """

    def value(tables: Tables, level: float) -> float:
        rows = grid(tables, study)
        runs = rows.groupby("cell")["seed"].nunique()
        return binomial_power(int(runs.min()), bound(rows), fraction, level / len(runs))

    def departure(tables: Tables) -> Finding:
        rows = grid(tables, study)
        runs = rows.groupby("cell")["seed"].nunique()
        counts = {str(cell): (0, int(count)) for cell, count in runs.items()}
        bad = str(runs.idxmin())
        return worst_failures(
            {**counts, bad: (round(fraction * counts[bad][1]), counts[bad][1])}, bound(rows), "failure"
        )

    return Power(f"one cell of the grid in which a fraction {fraction:g} of the runs fails", value, departure)
