"""Findings of the group "practice" from smooth statistics of whole runs: the jackknife with Student's t.

Its p-values have no floor, so one control among many claims can be refuted with few runs, which a bootstrap cannot do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims.contract import ALPHA, Finding

__all__ = ["binomial_power", "jackknife", "mean_ratio", "normal_power", "within"]

Statistic = Callable[[FloatArray], float]


def _jackknifed(runs: FloatArray, statistic: Statistic) -> tuple[float, float]:
    """(estimate, standard error) from the statistics of all runs and of all but one; runs ``(n, …)``."""
    n = len(runs)
    without = np.array([statistic(np.delete(runs, k, axis=0)) for k in range(n)])
    return statistic(runs), float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2)))


def _unusable(runs: FloatArray, predicted: float, label: str) -> Finding | None:
    """The finding where there is no standard error: infinite runs refute, a single one says nothing."""
    if not np.isfinite(runs).all():
        return Finding(label, np.inf, np.nan, np.inf, predicted, 0.0, len(runs))
    return Finding(label, np.nan, np.nan, np.nan, predicted, 1.0, len(runs)) if len(runs) < 2 else None


def _p(distance: float, se: float, n: int) -> float:
    """Two-sided p-value of a distance; without a spread only equality (to rounding) can be said."""
    if se <= 1e-12 * abs(distance):
        return float(abs(distance) < 1e-9)
    return float(2 * scipy.stats.t.sf(abs(distance) / se, n - 1))


def jackknife(runs: FloatArray, statistic: Statistic, predicted: float, name: str) -> Finding:
    """A smooth statistic of the runs ``(n, …)`` against a prediction or a bound.

    With an infinite entry the estimate is infinite and p = 0: divergence is not trimmed.
    """
    label = f"{name}, jackknife over runs 95 %"
    if (nothing := _unusable(runs, predicted, label)) is not None:
        return nothing
    estimate, se = _jackknifed(runs, statistic)
    half = float(scipy.stats.t.isf(ALPHA / 2, len(runs) - 1)) * se
    p = _p(estimate - predicted, se, len(runs))
    return Finding(label, estimate, estimate - half, estimate + half, predicted, p, len(runs))


def within(runs: FloatArray, statistic: Statistic, target: float, margin: float, name: str) -> Finding:
    """|statistic − target| against a margin, for predictions that are approximations.

    The interval holds |x − target| for all x of the statistic's interval; p is that of the nearer edge of the margin.
    """
    found = jackknife(runs, statistic, target, name)
    low, high = found.low - target, found.high - target
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    distance = abs(found.estimate - target)
    if not np.isfinite(distance) or len(runs) < 2:
        return Finding(found.statistic, distance, np.nan, np.inf, margin, found.p_value, len(runs))
    p = _p(distance - margin, (found.high - found.low) / (2 * _t(len(runs))), len(runs)) if distance > margin else 1.0
    return Finding(
        f"|{name} − prediction|, jackknife over runs 95 %",
        distance,
        nearest,
        max(abs(low), abs(high)),
        margin,
        p,
        len(runs),
    )


def _t(n: int) -> float:
    return float(scipy.stats.t.isf(ALPHA / 2, n - 1))


def mean_ratio(upper: FloatArray, lower: FloatArray, bound: float) -> Finding:
    """Ratio of means of paired runs ``(n,)``; interval and test for its logarithm."""
    runs = np.stack([upper, lower], axis=1)
    found = jackknife(
        runs, lambda r: float(np.log(r[:, 0].mean() / r[:, 1].mean())), float(np.log(bound)), "ratio of means"
    )
    low, high, estimate = np.exp([found.low, found.high, found.estimate]).tolist()
    return Finding(found.statistic, estimate, low, high, bound, found.p_value, found.n_runs)


def normal_power(found: Finding, half_width: float, shift: float) -> float:
    """Probability that a two-sided test refutes if the truth is `shift` beyond what it may be, `half_width` the
    interval's."""
    critical = scipy.stats.norm.isf(ALPHA / 2)
    se = half_width / _t(max(2, found.n_runs))
    if not (np.isfinite(se) and se > 0):
        return float("nan")
    return float(scipy.stats.norm.sf(critical - abs(shift) / se))


def binomial_power(found: Finding, alternative: float) -> float:
    """Probability that `failures` refutes its bound if the probability is `alternative`."""
    n, bound = found.n_runs, found.predicted
    counts = np.arange(n + 1)
    rejects = (2 * scipy.stats.binom.sf(counts - 1, n, bound) < ALPHA) & (counts > n * bound)
    return float(scipy.stats.binom.pmf(counts[rejects], n, alternative).sum())
