"""Findings from samples: the replicate is a whole run, and a p-value is the level at which its interval turns.

The bootstrap resamples whole runs with a stream of its own, so a finding depends on its samples alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding
from pcpo.statistics import FEWEST, binomial_interval

__all__ = ["bootstrap", "failures", "mean", "violations"]

RESAMPLES = 9999
_CHUNK = 2_000_000
_CONFIDENCE = 0.95
#: Relative spread of resamples that is rounding and no scatter of the runs.
_ROUNDING = 1e-12


def failures(count: int, runs: int, bound: float) -> Finding:
    """A probability against its bound: Clopper-Pearson 95 %; p = 2 P(X ≥ count | bound), at most 1."""
    found = binomial_interval(count, runs)
    p = min(1.0, 2 * float(scipy.stats.binom.sf(count - 1, runs, bound)))
    return Finding("fraction of runs, Clopper-Pearson 95 %", found.estimate, found.low, found.high, bound, p, runs)


def violations(count: int, trials: int) -> Finding:
    """Violations of what must always hold; low and high are Clopper-Pearson limits of their number among as many."""
    found = binomial_interval(count, trials)
    p = 0.0 if count else 1.0
    return Finding("number of violations", float(count), found.low * trials, found.high * trials, 0.0, p, trials)


def bootstrap(
    runs: FloatArray, statistic: Callable[[FloatArray], FloatArray], predicted: float, name: str, *, seed: int = 0
) -> Finding:
    """A statistic of whole runs with a BCa interval and the p-value of `predicted` that goes with it.

    runs ``(n, …)``: one entry per run; statistic maps ``(resamples, n, …)`` to ``(resamples,)`` and must not depend on
    the order of the runs.  Fewer than `FEWEST` runs give an estimate without interval.  With an infinite entry the
    estimate is infinite or NaN and the interval [nan, inf]: divergence is not trimmed, and refutes (p = 0) any finite
    prediction.
    """
    runs = np.asarray(runs, dtype=np.float64)
    n, label = len(runs), f"{name}, bootstrap over runs 95 %"
    estimate = float(statistic(runs[None])[0]) if n else np.nan
    if not np.all(np.isfinite(runs)):
        return Finding(label, estimate, np.nan, np.inf, predicted, 0.0, n)
    if n < FEWEST or not np.isfinite(estimate):
        return Finding(label, estimate, np.nan, np.nan, predicted, 1.0, n)
    drawn = np.sort(_resampled(runs, statistic, seed))
    if drawn[-1] - drawn[0] <= _ROUNDING * abs(estimate):  # runs that are all equal have no interval
        return Finding(label, estimate, estimate, estimate, predicted, float(np.isclose(estimate, predicted)), n)
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
    return Finding(label, estimate, low, high, predicted, p, n)


def mean(values: FloatArray, predicted: float, name: str = "mean") -> Finding:
    """Mean over runs ``(n,)`` against a prediction."""
    return bootstrap(values, lambda resampled: resampled.mean(axis=1), predicted, name)


def _resampled(runs: FloatArray, statistic: Callable[[FloatArray], FloatArray], seed: int) -> FloatArray:
    """`RESAMPLES` values of the statistic, some resamples at a time."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    at_once = max(1, _CHUNK // runs.size)
    values = []
    for start in range(0, RESAMPLES, at_once):
        rows = rng.integers(0, len(runs), (min(at_once, RESAMPLES - start), len(runs)))
        values.append(statistic(runs[rows]))
    return np.concatenate(values)


def _depth(drawn: FloatArray, value: float) -> float:
    """Normal quantile of the fraction of sorted resamples below `value`.

    Beyond all of them they say only how far out it is at least; there they are taken for normal.
    """
    known = float(scipy.stats.norm.ppf(_below(drawn, value)))
    if drawn[0] <= value <= drawn[-1]:
        return known
    normal = float((value - drawn.mean()) / drawn.std())
    return normal if abs(normal) > abs(known) else known


def _below(drawn: FloatArray, value: float) -> float:
    """Fraction of the sorted resamples below `value`, ties halved, kept off 0 and 1 by half a resample."""
    count = (np.searchsorted(drawn, value, "left") + np.searchsorted(drawn, value, "right")) / 2
    return float(np.clip(count, 0.5, len(drawn) - 0.5) / len(drawn))
