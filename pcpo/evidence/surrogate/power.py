"""Compute the power of the checks of the moment oracle: how probably their tests reject stated alternatives.

Each function returns the power of one test, in the cell with most estimates, at the judge's level divided by the number
of tests for which the measure corrects.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.claims.contract import Tables
from pcpo.evidence.surrogate.measures import (
    TESTS,
    Tested,
    by_cell,
    pooled_cells,
    rows_from,
    rows_from_thresholds,
    smirnov_width,
)

__all__ = ["covariance_power", "distribution_power", "mean_power", "own_power"]

_TENTH, _FIFTH = 0.1, 0.2  # the alternatives: relative, or in standard deviations of one estimate


def _largest(frame: pd.DataFrame) -> tuple[int, Tested]:
    """Return the number of cells of rows, single and pooled, and the pooled cell with most estimates."""
    pooled = pooled_cells(frame)
    return len(frame[["kind", "minibatch"]].drop_duplicates()) + len(pooled), max(pooled, key=lambda cell: cell.z.size)


def mean_power(tables: Tables, level: float) -> float:
    """Return the power against means a tenth of a standard deviation apart; T² is non-central χ²_D for many rows."""
    cells, cell = _largest(rows_from(tables, "rollouts"))
    S, D = cell.z.shape
    return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(level / cells, D), D, S * _TENTH**2))


def covariance_power(tables: Tables, level: float) -> float:
    """Return the power against a covariance that is a = 10 % too large in all directions.

    The non-centrality of the likelihood ratio is S(D·a − D·log(1 + a)) to leading order.
    """
    cells, cell = _largest(rows_from(tables, "rollouts"))
    S, D = cell.z.shape
    freedom = D * (D + 1) / 2
    away = S * D * (_TENTH - np.log(1 + _TENTH))
    return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(level / cells, freedom), freedom, away))


def distribution_power(tables: Tables, level: float) -> float:
    """Return the power against a distance of 0.1; nan without rollouts from M* on.

    At the point of the largest difference the empirical distribution function is binomial, with a standard deviation of
    1/(2√S) at most.
    """
    frame = rows_from_thresholds(tables)
    if frame.empty:
        return float("nan")
    cells, cell = _largest(frame)
    return float(scipy.stats.norm.cdf((_TENTH - smirnov_width(cell, level / cells)) * 2 * np.sqrt(len(cell.z))))


def own_power(tables: Tables, level: float) -> float:
    """Return the power of T² against draws of the moment oracle whose mean is a fifth of a standard deviation off."""
    cells = by_cell(rows_from(tables, "moments"))
    S, D = max(cells, key=lambda cell: cell.z.size).z.shape
    return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(level / (TESTS * len(cells)), D), D, S * _FIFTH**2))
