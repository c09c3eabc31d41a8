"""Turn samples into findings: the estimate, its interval and p-value, and a label that says how they were made.

The replicate is a whole run.  A p-value is the smallest α whose 1 − α interval excludes the
prediction.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy  # loads scipy.stats at its first use

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding

__all__ = ["bootstrap", "bounded", "failures", "jackknife", "mean", "mean_ratio", "near", "violations", "within"]


def failures(count: int, runs: int, bound: float) -> Finding:
    """Compare a probability with its bound: Clopper-Pearson 95 %; p = 2 P(X ≥ count | bound), at most 1."""
    found = statistics.binomial_interval(count, runs)
    p = min(1.0, 2 * float(scipy.stats.binom.sf(count - 1, runs, bound)))
    return Finding("fraction of runs, Clopper-Pearson 95 %", found.estimate, found.low, found.high, bound, p, runs)


def violations(count: int, trials: int) -> Finding:
    """Count violations of what must always hold; low and high are Clopper-Pearson limits of their number."""
    found = statistics.binomial_interval(count, trials)
    p = 0.0 if count else 1.0
    return Finding("number of violations", float(count), found.low * trials, found.high * trials, 0.0, p, trials)


def bounded(statistic: str, estimate: float, low: float, high: float, predicted: float, runs: int) -> Finding:
    """Compare a quantity that is known up to an arithmetic uncertainty [low, high]: p is 1 inside and 0 outside."""
    inside = bool(low <= predicted <= high)
    return Finding(statistic, estimate, low, high, predicted, float(inside), runs)


def near(statistic: str, found: statistics.Interval, target: float, margin: float, runs: int) -> Finding:
    """Compare the distance from a target with a margin, of a quantity that is known up to an arithmetic uncertainty.

    p is 1 if some value that the uncertainty allows is within the margin, and 0 if none is.
    """
    low, high = found.low - target, found.high - target
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    label = f"distance of {statistic} from {target:g}"
    p = float(nearest <= margin)
    return Finding(label, abs(found.estimate - target), nearest, max(abs(low), abs(high)), margin, p, runs)


def bootstrap(
    runs: FloatArray, statistic: Callable[[FloatArray], FloatArray], predicted: float, name: str, *, seed: int = 0
) -> Finding:
    """Compare a statistic of whole runs ``(n, …)`` with a prediction, by `pcpo.statistics.bootstrap` (BCa)."""
    found = statistics.bootstrap(runs, statistic, predicted, seed=seed)
    return _finding(f"{name}, bootstrap over runs 95 %", found, predicted, len(runs))


def mean(values: FloatArray, predicted: float, name: str = "mean") -> Finding:
    """Compare the mean over runs ``(n,)`` with a prediction."""
    return bootstrap(values, lambda resampled: resampled.mean(axis=1), predicted, name)


def jackknife(runs: FloatArray, statistic: Callable[[FloatArray], float], predicted: float, name: str) -> Finding:
    """Compare a smooth statistic of the runs ``(n, …)`` with a prediction or bound, by `pcpo.statistics.jackknife`."""
    found = statistics.jackknife(runs, statistic, predicted)
    return _finding(f"{name}, jackknife over runs 95 %", found, predicted, len(runs))


def within(
    runs: FloatArray, statistic: Callable[[FloatArray], float], target: float, margin: float, name: str
) -> Finding:
    """Compare |statistic − target| with a margin, for predictions that are approximations.

    The interval holds |x − target| for all x of the statistic's interval; p is that of the nearer edge of the margin.
    """
    found = jackknife(runs, statistic, target, name)
    low, high, n = found.low - target, found.high - target, len(runs)
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    distance = abs(found.estimate - target)
    if not np.isfinite(distance) or n < 2:
        return Finding(found.statistic, distance, np.nan, np.inf, margin, found.p_value, n)
    se = (found.high - found.low) / (2 * statistics.student_quantile(n))
    p = statistics.student_p(distance - margin, se, n) if distance > margin else 1.0
    label = f"|{name} − prediction|, jackknife over runs 95 %"
    return Finding(label, distance, nearest, max(abs(low), abs(high)), margin, p, n)


def mean_ratio(upper: FloatArray, lower: FloatArray, bound: float) -> Finding:
    """Compare the ratio of means of paired runs ``(n,)`` with a bound; interval and test are of its logarithm."""
    runs = np.stack([upper, lower], axis=1)
    found = jackknife(
        runs, lambda r: float(np.log(r[:, 0].mean() / r[:, 1].mean())), float(np.log(bound)), "ratio of means"
    )
    low, high, estimate = np.exp([found.low, found.high, found.estimate]).tolist()
    return Finding(found.statistic, estimate, low, high, bound, found.p_value, found.n_runs)


def _finding(label: str, found: statistics.Estimate, predicted: float, n: int) -> Finding:
    return Finding(label, found.estimate, found.low, found.high, predicted, found.p_value, n)
