"""Interval estimates.  The replicate is a whole run: agents of a run are coupled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.stats at its first use: it takes long, and figures of few runs need no interval

from pcpo.arrays import FloatArray

__all__ = ["FEWEST", "Interval", "binomial_interval", "mean_interval", "ratio_interval"]

_RESAMPLES = 2000
#: Fewer runs than this give no bootstrap interval: theirs would exclude the truth too often.
FEWEST = 10


@dataclass(frozen=True)
class Interval:
    """A point estimate with a confidence interval [low, high]."""

    estimate: float
    low: float
    high: float


def mean_interval(values: FloatArray, *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Mean over runs with a BCa bootstrap interval (whole runs resampled; own fixed stream).

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
        (values,), np.mean, confidence_level=confidence, n_resamples=_RESAMPLES, method="BCa", rng=rng
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


def binomial_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Clopper-Pearson interval of a probability."""
    found = scipy.stats.binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="exact")
    return Interval(successes / trials, float(found.low), float(found.high))


def ratio_interval(above: FloatArray, below: FloatArray, *, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Ratio of the means of paired runs, with a percentile bootstrap interval (pairs resampled together).

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
    drawn = rng.integers(0, pairs.shape[1], (_RESAMPLES, pairs.shape[1]))
    means = pairs[:, drawn].mean(axis=2)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means[0] / means[1], [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))
