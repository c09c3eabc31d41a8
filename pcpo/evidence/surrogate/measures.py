"""Measure what the claims on the moment oracle state: test that standardised estimates are standard normal.

A cell is a kind of estimate with one M, or with all M that a claim covers ("pooled").  Estimates at a fixed gain are
independent, so each is a trial; tests are corrected by Bonferroni for the number of cells and of directions.  Mean and
covariance are exact at every M, but their tests assume nearly normal data and start at M = FROM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims.contract import ALPHA, Finding, Tables
from pcpo.evidence.surrogate.studies import MOST_UNKNOWNS, SURROGATE
from pcpo.statistics import hotelling
from pcpo.theory.normality import DIRECTIONS, directions, visible_below

__all__ = [
    "FROM",
    "TESTS",
    "Tested",
    "by_cell",
    "covariance",
    "distribution",
    "indistinguishable_from",
    "likelihood_ratio",
    "mean",
    "mean_square",
    "mean_width",
    "own_draws",
    "pooled_cells",
    "rows_from",
    "rows_from_thresholds",
    "skewness",
    "smirnov",
    "smirnov_width",
    "standardised",
    "thresholds",
    "variance_interval",
]

#: The M from which on means and covariances are tested.
FROM = 100
#: Tests of each cell: mean, covariance and distribution.
TESTS = 3
_POOLED = 0  # in place of M


# --- cells and their tests ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tested:
    """Hold a cell with its tests.

    Args:
        kind: of estimate.
        minibatch: M, or `_POOLED`.
        z: standardised estimates ``(S, D)``.
        p_mean: p-value of Hotelling's T² that the mean is 0.
        p_covariance: p-value of the likelihood-ratio test that the covariance is I.
        p_distribution: p-value of the Kolmogorov-Smirnov test along the worst direction, corrected for the number of
            directions.
        distance: the largest Kolmogorov-Smirnov distance.
    """

    kind: str
    minibatch: int
    z: FloatArray
    p_mean: float
    p_covariance: float
    p_distribution: float
    distance: float


def standardised(frame: pd.DataFrame) -> FloatArray:
    """Return z ``(S, D)`` of the rows of one kind and source."""
    D = int(frame["unknowns"].iloc[0])
    return frame[[f"z{d}" for d in range(MOST_UNKNOWNS)]].to_numpy(dtype=np.float64)[:, :D]


def likelihood_ratio(z: FloatArray) -> float:
    """Return the p-value of the likelihood-ratio test of Cov z = I with unknown mean.

    Args:
        z: ``(S, D)``.

    Returns:
        With Bartlett's correction; 1 with fewer than D + 3 rows.
    """
    S, D = z.shape
    n = S - 1
    if n <= D + 1:
        return 1.0
    W = np.cov(z, rowvar=False).reshape(D, D)
    statistic = n * (np.trace(W) - np.linalg.slogdet(W)[1] - D)
    correction = 1 - (2 * D + 1 - 2 / (D + 1)) / (6 * n)
    return float(scipy.stats.chi2.sf(correction * statistic, D * (D + 1) / 2))


def smirnov(z: FloatArray) -> tuple[float, float]:
    """Compare z ``(S, D)`` with N(0, 1) along the fixed random directions by Kolmogorov-Smirnov tests.

    Returns:
        The smallest p-value, corrected for the number of directions, and the largest distance.
    """
    along = directions(z.shape[1])
    found = [scipy.stats.kstest(z @ u, "norm") for u in along]
    return min(1.0, len(along) * min(float(f.pvalue) for f in found)), max(float(f.statistic) for f in found)


def by_cell(frame: pd.DataFrame) -> list[Tested]:
    """Test every kind and M in rows of one source."""
    cells = []
    for _, part in frame.groupby(["kind", "minibatch"], sort=False):
        kind, M = part["kind"].iloc[0], part["minibatch"].iloc[0]
        z = standardised(part)
        p, distance = smirnov(z)
        p_mean = hotelling(z, np.zeros(z.shape[1]))
        cells.append(Tested(str(kind), int(M), z, p_mean, likelihood_ratio(z), p, distance))
    return cells


def pooled_cells(frame: pd.DataFrame) -> list[Tested]:
    """Test every kind in rows of one source, all M together."""
    return by_cell(frame.assign(minibatch=_POOLED))


# --- rows and M* ----------------------------------------------------------------------------------------------------


def rows_from(tables: Tables, source: str, least: int = FROM) -> pd.DataFrame:
    """Return the rows of a source with M ≥ `least`."""
    frame = tables[SURROGATE.name]
    return frame[(frame["source"] == source) & (frame["minibatch"] >= least)]


def rows_from_thresholds(tables: Tables) -> pd.DataFrame:
    """Return the rollouts with M ≥ M* of their kind."""
    frame = rows_from(tables, "rollouts", 0)
    return frame[frame["minibatch"] >= frame["kind"].map(thresholds(tables))]


def thresholds(tables: Tables) -> dict[str, float]:
    """Compute M* by kind, from the exact skewness and kurtosis and the number of estimates alone.

    It is for as many estimates as the study has of that kind from M = FROM on, tested together at the level of one
    cell.
    """
    frame = rows_from(tables, "rollouts", 0)
    cells = len(frame[["kind", "minibatch"]].drop_duplicates())
    found = {}
    for kind, part in frame.groupby("kind", sort=False):
        count = DIRECTIONS if int(part["unknowns"].iloc[0]) > 1 else 1
        level = ALPHA / (cells * count)
        samples = max(1, int((part["minibatch"] >= FROM).sum()))
        found[str(kind)] = visible_below(
            float(part["skewness"].iloc[0]), float(part["kurtosis"].iloc[0]), samples, level
        )
    return found


def indistinguishable_from(tables: Tables) -> str:
    """Return the smallest M of the study from which on no test rejects (Bonferroni over cells and tests), as text."""
    cells = by_cell(rows_from(tables, "rollouts", 0))
    level = ALPHA / (TESTS * len(cells))
    bad = [c.minibatch for c in cells if min(c.p_mean, c.p_covariance, c.p_distribution) < level]
    good = sorted({c.minibatch for c in cells if c.minibatch > max(bad, default=0)})
    return f"{good[0]:,}" if good else "none of these"


# --- findings -------------------------------------------------------------------------------------------------------


def _finding(
    frame: pd.DataFrame,
    p_value: Callable[[Tested], float],
    estimate: Callable[[Tested], float],
    width: Callable[[Tested, float], float],
    predicted: float,
    name: str,
) -> Finding:
    """Make one finding of all cells, single and pooled.

    The p-value is that of the worst cell, corrected for the number of cells.  Estimate and interval are those of the
    pooled cell with the smallest p-value; the interval is as wide as the widest of a pooled cell at α over the number
    of cells.

    Args:
        frame: rows of one source.
        p_value: of a cell.
        estimate: of a cell.
        width: half-width of a cell's interval at a level.
        predicted: value of the estimate if z is standard normal.
        name: what is estimated.
    """
    if frame.empty:
        return Finding(f"{name}; no cell", float("nan"), -np.inf, np.inf, predicted, 1.0, 0)
    single, pooled = by_cell(frame), pooled_cells(frame)
    tested = [*single, *pooled]
    worst, shown = min(tested, key=p_value), min(pooled, key=p_value)
    p = min(1.0, len(tested) * p_value(worst))
    half, value = max(width(cell, ALPHA / len(tested)) for cell in pooled), estimate(shown)
    where = "all M" if worst.minibatch == _POOLED else f"M = {worst.minibatch:,}"
    label = f"{name}; p of the worst of {len(tested)} cells ({worst.kind}, {where}), 95 % over all (Bonferroni)"
    return Finding(label, value, value - half, value + half, predicted, p, sum(len(cell.z) for cell in single))


def mean_width(cell: Tested, level: float) -> float:
    """Return the radius of the confidence ball of a mean, in standard deviations of one estimate."""
    S, D = cell.z.shape
    if S < D + 2:
        return float("inf")
    return float(np.sqrt(scipy.stats.f.isf(level, D, S - D) * D * (S - 1) / (S * (S - D))))


def mean_square(cell: Tested) -> float:
    """Return T²/S, the squared mean of z in units of its covariance; nan with fewer than D + 2 rows."""
    S, D = cell.z.shape
    if S < D + 2:
        return float("nan")
    centre = cell.z.mean(axis=0)
    return float(centre @ np.linalg.solve(np.cov(cell.z, rowvar=False).reshape(D, D), centre))


def mean(tables: Tables) -> Finding:
    """Estimate ‖mean of z‖ = √(T²/S), in standard deviations of one estimate, with the p-value of Hotelling's T²."""
    name = "distance of the means in standard deviations of one estimate, Hotelling's T²"
    rows = rows_from(tables, "rollouts")
    return _finding(rows, lambda c: c.p_mean, lambda c: float(np.sqrt(mean_square(c))), mean_width, 0.0, name)


def variance_interval(z: FloatArray, level: float) -> tuple[float, float, float]:
    """Estimate tr Cov z / D, which is 1 for standard normal z ``(S, D)``.

    Returns:
        Estimate, low and high of the χ² interval at 1 − level; nan with a single row.
    """
    freedom = z.size - z.shape[1]
    if freedom < 1:
        return float("nan"), float("nan"), float("nan")
    ratio = float(z.var(axis=0, ddof=1).mean())
    above, below = float(scipy.stats.chi2.isf(level / 2, freedom)), float(scipy.stats.chi2.ppf(level / 2, freedom))
    return ratio, ratio * freedom / above, ratio * freedom / below


def _variance_width(cell: Tested, level: float) -> float:
    """Return the larger half of the χ² interval of tr Cov z / D."""
    ratio, low, high = variance_interval(cell.z, level)
    return max(high - ratio, ratio - low) if np.isfinite(ratio) else float("inf")


def covariance(tables: Tables) -> Finding:
    """Estimate tr Cov z / D, with the p-value of the likelihood-ratio test that Cov z = I."""
    name = "variance over that of the surrogate; p of the likelihood-ratio test of the whole covariance"
    return _finding(
        rows_from(tables, "rollouts"),
        lambda c: c.p_covariance,
        lambda c: variance_interval(c.z, ALPHA)[0],
        _variance_width,
        1.0,
        name,
    )


def smirnov_width(cell: Tested, level: float) -> float:
    """Return the half-width of the band around a distribution function (Dvoretzky, Kiefer, Wolfowitz and Massart)."""
    S, D = cell.z.shape
    count = DIRECTIONS if D > 1 else 1
    return float(np.sqrt(np.log(2 * count / level) / (2 * S)))


def distribution(tables: Tables) -> Finding:
    """Estimate the Kolmogorov-Smirnov distance of rollouts with M ≥ M* along fixed random directions.

    The label names M* and the smallest M from which on no test at all rejected.
    """
    stars = ", ".join(f"{kind} {M:,.0f}" for kind, M in thresholds(tables).items())
    name = (
        f"Kolmogorov-Smirnov distance, random directions, from M* on ({stars}); "
        f"nothing rejected from M = {indistinguishable_from(tables)}"
    )
    rows = rows_from_thresholds(tables)
    return _finding(rows, lambda c: c.p_distribution, lambda c: c.distance, smirnov_width, 0.0, name)


def skewness(tables: Tables) -> Finding:
    """Estimate the third moments of rollouts over the exact ones at all M by least squares: Σ s z³/Σ s².

    z is along the direction of largest |κ_3| and s = κ_3/√M.  Since z is standardised exactly, E z³ = s at every M.
    The interval is the normal interval of the mean of s z³ over independent z.
    """
    products, squares = [], []
    for _, part in rows_from(tables, "rollouts", 0).groupby(["kind", "minibatch"], sort=False):
        u = directions(int(part["unknowns"].iloc[0]))[int(part["direction"].iloc[0])]
        s = float(part["skewness"].iloc[0]) / np.sqrt(float(part["minibatch"].iloc[0]))
        products.append(s * (standardised(part) @ u) ** 3)
        squares.append(len(part) * s**2)
    found, scale = np.concatenate(products), sum(squares)
    ratio = float(found.sum()) / scale
    error = float(np.sqrt(sum(len(x) * x.var(ddof=1) for x in products if len(x) > 1))) / scale
    half = float(scipy.stats.norm.isf(ALPHA / 2)) * error
    p = float(2 * scipy.stats.norm.sf(abs(ratio - 1) / error))
    name = "third moment over the exact one, least squares over all M and questions; normal interval"
    return Finding(name, ratio, ratio - half, ratio + half, 1.0, p, len(found))


def own_draws(tables: Tables) -> Finding:
    """Estimate the mean square of the moment oracle's standardised draws, pooled over cells.

    The p-value is the smallest of the three tests of every cell, corrected for the number of tests.
    """
    cells = by_cell(rows_from(tables, "moments"))
    p = min(1.0, TESTS * len(cells) * min(min(c.p_mean, c.p_covariance, c.p_distribution) for c in cells))
    square = np.concatenate([(c.z**2).ravel() for c in cells])
    half = float(scipy.stats.norm.isf(ALPHA / 2 / TESTS) * np.sqrt(2 / square.size))
    estimate = float(square.mean())
    name = "mean square of standardised draws; p of the smallest of three tests in every cell, Bonferroni"
    return Finding(name, estimate, estimate - half, estimate + half, 1.0, p, sum(len(c.z) for c in cells))
