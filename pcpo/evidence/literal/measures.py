"""What the literal claims measure.  The replicate is a whole run; probabilities are of the worst cell of the grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims.contract import ALPHA, Control, Finding, Power, Tables
from pcpo.claims.findings import bootstrap
from pcpo.errors import ResultsError
from pcpo.evidence.clustering.measures import Failed, failing_cell_power, failure_probability, relabelled

__all__ = [
    "RUNS_TABLE",
    "as_local",
    "control",
    "exceeds",
    "mean_power",
    "mean_ratio",
    "power_of_cells",
    "probability",
    "shared_ratio",
]

RUNS_TABLE = "literal_runs"
_MARGINS = ("margin", "gap_margin", "estimate_margin", "restricted_margin", "late_bound", "late_rate")
#: The claims of the group but the primary one.  Held to it by a test.
SECONDARY = 9


def _late(table: pd.DataFrame) -> pd.DataFrame:
    """Theorem 2 is of epochs after L: margins of (35) and (9) before count as 0."""
    after = table["epoch"] > table["L"]
    late = {f"late_{name}": table[f"{name}_margin"].where(after, 0.0) for name in ("bound", "rate")}
    return table.assign(**late)


def exceeds(column: str) -> Failed:
    """Whether a margin was above 1 for any agent, in any epoch that counts."""
    return lambda runs: ~(runs[column] <= 1.0)


def probability(failed: Failed, what: str, *, whole: bool = False) -> Callable[[Tables], Finding]:
    """P(failure) at the worst cell against δ/2, or against δ where the theorem allows the whole of it."""

    def measure(tables: Tables) -> Finding:
        table = _late(tables[RUNS_TABLE])
        bound = float(table["delta"].max()) if whole else None
        given = {**tables, RUNS_TABLE: table}
        return failure_probability(given, failed, what, bound, study=RUNS_TABLE, margins=_MARGINS)

    return measure


def power_of_cells(fraction: float, *, whole: bool = False, family: int = SECONDARY) -> Power:
    """Against one cell of the grid in which that fraction of the runs fails."""

    def value(tables: Tables) -> float:
        bound = float(tables[RUNS_TABLE]["delta"].max()) if whole else None
        return failing_cell_power(tables, fraction, bound, family, study=RUNS_TABLE)

    return Power(f"one cell of the grid in which a fraction {fraction:g} of the runs fails", value)


def control(name: str, what: str) -> Control:
    """The cell of that control in place of the grid."""
    return Control(name, what, relabelled(f"control:{name}", RUNS_TABLE))


def as_local(tables: Tables) -> Tables:
    """Local policies in place of global ones: no collaboration."""
    table = tables[RUNS_TABLE]
    local = table.assign(scaled_global=table["scaled_local"], global_ratio=table["unshared_ratio"])
    return {**tables, RUNS_TABLE: local}


def _by_run(tables: Tables, column: str) -> FloatArray:
    """Mean over cells of the grid and epochs after L, by run; infinite where a gap or its prediction is."""
    table = tables[RUNS_TABLE]
    table = table[(table["role"] == "grid") & (table["epoch"] > table["L"])]
    if table.empty:
        raise ResultsError("study literal_runs: found no epoch after L in the grid, expected some; run more epochs")
    by_cell = table[column].fillna(np.inf).groupby([table["seed"], table["cell"]]).mean()
    return np.asarray(by_cell.groupby(level="seed").mean().to_numpy(), dtype=np.float64)


def mean_ratio(tables: Tables) -> Finding:
    """Mean over local and global policies, cells and epochs after L of gap over prediction, against 1."""
    runs = (_by_run(tables, "local_ratio") + _by_run(tables, "global_ratio")) / 2
    return bootstrap(runs, lambda drawn: drawn.mean(axis=1), 1.0, "mean of gap/prediction")


def shared_ratio(tables: Tables) -> Finding:
    """√|M|·E(global gap)/E(local gap), gaps in units of the local prediction, against 1: a ratio of means of runs."""
    runs = np.stack([_by_run(tables, "scaled_global"), _by_run(tables, "local_ratio")], axis=1)

    def ratio(drawn: FloatArray) -> FloatArray:
        means = drawn.mean(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(means[:, 0] / means[:, 1])

    return bootstrap(runs, ratio, 1.0, "sqrt(|M|)·(mean global gap)/(mean local gap)")


def mean_power(found: Finding, shift: float, family: int = SECONDARY) -> float:
    """P(refuted) if the truth were `shift` off, with the interval that was found; normal approximation."""
    error = (found.high - found.low) / (2 * scipy.stats.norm.isf(ALPHA / 2))
    if not np.isfinite(error) or error <= 0:
        return float("nan")
    return float(scipy.stats.norm.sf(scipy.stats.norm.isf(ALPHA / family / 2) - shift / error))
