"""Estimate with intervals and p-values: one function for each kind of quantity.

The replicate is a whole run, since the agents of a run are coupled.  The bootstrap resamples whole runs with a fixed
stream of its own, so an interval depends on its samples alone.  Nothing here knows claims; `pcpo.claims.findings` turns
estimates into findings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.stats at its first use: it takes long, and figures of few runs need no interval

from pcpo.arrays import FloatArray

__all__ = [
    "FEWEST",
    "Estimate",
    "Interval",
    "binomial_interval",
    "bootstrap",
    "hotelling",
    "jackknife",
    "mean_interval",
    "ratio_interval",
    "student_p",
    "student_quantile",
]

#: Level of the intervals, unless said otherwise.
_CONFIDENCE = 0.95
#: Resamples behind a claim, and behind an interval that is only drawn.
RESAMPLES, _RESAMPLES_DRAWN = 9999, 2000
_CHUNK = 2_000_000
#: Relative spread of resamples that is rounding and no scatter of the runs.
_ROUNDING = 1e-12
#: Fewer runs than this give no bootstrap interval: theirs would exclude the truth too often.
FEWEST = 10


@dataclass(frozen=True)
class Interval:
    """Hold a point estimate with a confidence interval [low, high]."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate(Interval):
    """Hold an interval with the two-sided p-value of the predicted value."""

    p_value: float


def mean_interval(values: FloatArray, *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Estimate the mean over runs with a BCa bootstrap interval.

    values: ``(runs,)``.  An infinite value makes the mean infinite and the interval [nan, inf]: divergence is not
    trimmed.  Fewer than `FEWEST` runs, or runs that are all equal, give no interval (nan).
    """
    values = np.asarray(values, dtype=np.float64)
    mean = float(np.mean(values))
    if not np.all(np.isfinite(values)):
        return Interval(mean, np.nan, np.inf)
    if len(values) < FEWEST or np.ptp(values) == 0:
        return Interval(mean, np.nan, np.nan)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    found = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=confidence, n_resamples=_RESAMPLES_DRAWN, method="BCa", rng=rng
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def binomial_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Estimate a probability with its Clopper-Pearson interval."""
    found = scipy.stats.binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="exact")
    return Interval(successes / trials, float(found.low), float(found.high))


def ratio_interval(above: FloatArray, below: FloatArray, *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Estimate the ratio of the means of paired runs with a percentile bootstrap interval (pairs stay together).

    above, below: ``(runs,)``, the same run at the same place.  An infinite value gives no interval (nan, inf), nor do
    fewer than `FEWEST` runs (nan).
    """
    pairs = np.stack([np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)])
    if not np.all(np.isfinite(pairs)):
        return Interval(float(pairs[0].mean() / pairs[1].mean()), np.nan, np.inf)
    estimate = float(pairs[0].mean() / pairs[1].mean())
    if pairs.shape[1] < FEWEST or np.ptp(pairs[0] / pairs[1]) == 0:
        return Interval(estimate, np.nan, np.nan)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = rng.integers(0, pairs.shape[1], (_RESAMPLES_DRAWN, pairs.shape[1]))
    means = pairs[:, drawn].mean(axis=2)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means[0] / means[1], [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


def bootstrap(
    runs: FloatArray, statistic: Callable[[FloatArray], FloatArray], predicted: float, *, seed: int = 0
) -> Estimate:
    """Estimate a statistic of whole runs with a BCa interval, and the p-value of `predicted` that inverts it.

    The p-value is the smallest α whose 1 − α interval excludes the prediction; beyond all resamples their normal
    approximation says how far out it is.

    Args:
        runs: ``(n, …)``, one entry per run.
        statistic: maps ``(resamples, n, …)`` to ``(resamples,)``; must not depend on the order of the runs.
        predicted: what the p-value is of.
        seed: of the stream that resamples.

    Returns:
        With an infinite entry the interval is [nan, inf] and p = 0: divergence is not trimmed.  Fewer than `FEWEST`
        runs give no interval and p = 1.  Runs that are all equal give an interval of no width.
    """
    runs = np.asarray(runs, dtype=np.float64)
    n = len(runs)
    estimate = float(statistic(runs[None])[0]) if n else np.nan
    if not np.all(np.isfinite(runs)):
        return Estimate(estimate, np.nan, np.inf, 0.0)
    if n < FEWEST or not np.isfinite(estimate):
        return Estimate(estimate, np.nan, np.nan, 1.0)
    drawn = np.sort(_resampled(runs, statistic, seed))
    if drawn[-1] - drawn[0] <= _ROUNDING * abs(estimate):  # runs that are all equal have no interval
        return Estimate(estimate, estimate, estimate, float(np.isclose(estimate, predicted)))
    z0 = scipy.stats.norm.ppf(_below(drawn, estimate))
    jackknife = statistic(np.stack([np.delete(runs, k, axis=0) for k in range(n)]))
    centred = jackknife.mean() - jackknife
    scale = float(np.sum(centred**2)) ** 1.5
    a = float(np.sum(centred**3)) / (6 * scale) if scale > 0 else 0.0
    tails = scipy.stats.norm.ppf([(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    levels = scipy.stats.norm.cdf(z0 + (z0 + tails) / (1 - a * (z0 + tails)))
    low, high = np.quantile(drawn, np.asarray(levels)).tolist()
    u = _depth(drawn, predicted) - z0
    # No level has an interval that ends where 1 + au ≤ 0.
    p = min(1.0, 2 * float(scipy.stats.norm.sf(abs(u / (1 + a * u) - z0)))) if 1 + a * u > 0 else 0.0
    return Estimate(estimate, low, high, p)


def _resampled(runs: FloatArray, statistic: Callable[[FloatArray], FloatArray], seed: int) -> FloatArray:
    """Return `RESAMPLES` values of the statistic, some resamples at a time."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    at_once = max(1, _CHUNK // runs.size)
    values = []
    for start in range(0, RESAMPLES, at_once):
        rows = rng.integers(0, len(runs), (min(at_once, RESAMPLES - start), len(runs)))
        values.append(statistic(runs[rows]))
    return np.concatenate(values)


def _depth(drawn: FloatArray, value: float) -> float:
    """Return the normal quantile of the fraction of sorted resamples below `value`.

    Beyond all of them they say only how far out it is at least; there they are taken for normal.
    """
    known = float(scipy.stats.norm.ppf(_below(drawn, value)))
    if drawn[0] <= value <= drawn[-1]:
        return known
    normal = float((value - drawn.mean()) / drawn.std())
    return normal if abs(normal) > abs(known) else known


def _below(drawn: FloatArray, value: float) -> float:
    """Return the fraction of sorted resamples below `value`, ties halved, kept off 0 and 1 by half a resample."""
    count = (np.searchsorted(drawn, value, "left") + np.searchsorted(drawn, value, "right")) / 2
    return float(np.clip(count, 0.5, len(drawn) - 0.5) / len(drawn))


def jackknife(runs: FloatArray, statistic: Callable[[FloatArray], float], predicted: float) -> Estimate:
    """Estimate a smooth statistic of the runs with the jackknife's standard error and Student's t.

    Its p-values have no floor, so one control among many claims can be refuted with few runs, which a bootstrap with
    finitely many resamples cannot do.

    Args:
        runs: ``(n, …)``, one entry per run.
        statistic: maps ``(n, …)`` to a number.
        predicted: what the p-value is of.

    Returns:
        With an infinite entry the estimate is infinite and p = 0; a single run gives nan and p = 1.
    """
    n = len(runs)
    if not np.isfinite(runs).all():
        return Estimate(np.inf, np.nan, np.inf, 0.0)
    if n < 2:
        return Estimate(np.nan, np.nan, np.nan, 1.0)
    without = np.array([statistic(np.delete(runs, k, axis=0)) for k in range(n)])
    estimate, se = statistic(runs), float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2)))
    half = student_quantile(n) * se
    return Estimate(estimate, estimate - half, estimate + half, student_p(estimate - predicted, se, n))


def student_quantile(n: int) -> float:
    """Return the half-width of a 95 % interval of n runs in standard errors."""
    return float(scipy.stats.t.isf(0.025, n - 1))  # exactly: (1 − 0.95)/2 rounds to a number above it


def student_p(distance: float, se: float, n: int) -> float:
    """Return the two-sided p-value of a distance; without a spread only equality to rounding can be said."""
    if se <= _ROUNDING * abs(distance):
        return float(abs(distance) < 1e-9)
    return float(2 * scipy.stats.t.sf(abs(distance) / se, n - 1))


def hotelling(samples: FloatArray, mean: FloatArray) -> float:
    """Return the p-value of Hotelling's T² that independent rows ``(runs, D)`` have this mean ``(D,)``.

    It is 1 with fewer than D + 2 runs.
    """
    runs, D = samples.shape
    if runs < D + 2:
        return 1.0
    off = samples.mean(axis=0) - mean
    T2 = runs * off @ np.linalg.solve(np.cov(samples, rowvar=False).reshape(D, D), off)
    return float(scipy.stats.f.sf(T2 * (runs - D) / (D * (runs - 1)), D, runs - D))
