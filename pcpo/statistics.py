"""Estimate with intervals and p-values: one function for each kind of quantity, used by claims and figures alike.

=================  ==================================  ====================================================
quantity           function                            interval
=================  ==================================  ====================================================
mean over runs     `mean`                              jackknife-t with Hall's correction, of log if positive
function of runs   `jackknife`                         jackknife-t: slopes, ratios, differences of means
ratio of means     `ratio`                             jackknife-t of the logarithm
probability        `proportion`                        Clopper-Pearson
maximum            `largest`                           limits of all, Bonferroni below
distance           `distance`                          limits of the estimate on both sides of a target
up to rounding     `known`                             bounds without chance
=================  ==================================  ====================================================

The replicate is a whole run, since the agents of a run are coupled.  Nothing here draws random numbers: an interval
depends on its sample alone.  Nothing here knows claims; `pcpo.claims.findings` turns estimates into findings.
How often the intervals hold the truth is measured in tests/statistical/test_coverage.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.stats at its first use: it takes long, and most intervals do not need it
from scipy.special import bdtr, bdtrc, betaincinv, nctdtr, ndtr, ndtri, stdtr, stdtrit

from pcpo.arrays import FloatArray

__all__ = [
    "FEWEST",
    "TAIL",
    "Estimate",
    "Interval",
    "distance",
    "hotelling",
    "jackknife",
    "known",
    "largest",
    "mean",
    "normal",
    "proportion",
    "ratio",
    "unknown",
]

#: Error probability on either side of an interval, unless said otherwise: exactly, since (1 − 0.95)/2 is larger.
TAIL = 0.025
#: Relative spread of runs that is rounding and no scatter.
_ROUNDING = 1e-12
#: Fewer runs than this give no interval: skewness cannot be told from so few.
FEWEST = 5

#: From a value to a one-sided p-value.
Tail = Callable[[float], float]
#: From a predicted value, the truth and a level to P(two-sided p-value of the prediction is below the level).
Reach = Callable[[float, float, float], float]
#: From the error probability on either side to the limits of an interval.
Limits = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Interval:
    """Hold a point estimate with an interval [low, high]."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate(Interval):
    """Hold an estimate that knows its intervals at every level, and the p-value of every value.

    Args:
        kind: how the interval was made, in words.
        replicates: independent runs or trials behind it.
        below: from a value to the p-value of "the truth is this or larger"; small if the truth is below.
        above: from a value to the p-value of "the truth is this or smaller".
        limits: interval at an error probability on either side.
        power: from a predicted value, the truth and a level to the probability that the value is refuted.
        moved: from a value to the estimate of runs with the same scatter whose estimate is that value: of a mean, runs
            to which a number is added, or which are multiplied by one if the interval is of the logarithm.
    """

    kind: str
    replicates: int
    below: Tail
    above: Tail
    limits: Limits
    power: Reach
    moved: Callable[[float], Estimate]

    def p_value(self, value: float) -> float:
        """Return the two-sided p-value of a value: the smallest α whose 1 − α interval excludes it."""
        return min(1.0, 2 * min(self.below(value), self.above(value)))


def _made(
    estimate: float,
    kind: str,
    replicates: int,
    below: Tail,
    above: Tail,
    limits: Limits,
    power: Reach,
    moved: Callable[[float], Estimate],
) -> Estimate:
    """Return an estimate with its limits at 95 %."""
    return Estimate(estimate, *limits(TAIL), kind, replicates, below, above, limits, power, moved)


def known(estimate: float, low: float, high: float, kind: str, replicates: int = 0) -> Estimate:
    """Estimate up to bounds without chance: values inside have the p-value 1, values outside 0.

    Args:
        estimate: best value.
        low, high: what the value cannot be below and above.
        kind: of the bounds, in words.
        replicates: runs, if there are any.
    """
    return _made(
        estimate,
        kind,
        replicates,
        lambda value: float(not high < value),
        lambda value: float(not low > value),
        lambda tail: (low, high),
        lambda value, truth, level: float(abs(truth - value) > high - low),
        lambda value: known(value, value + low - estimate, value + high - estimate, kind, replicates),
    )


def unknown(estimate: float, why: str, replicates: int, *, refutes: bool = False) -> Estimate:
    """Estimate without an interval: all p-values are 1; or 0, if the data exclude every finite value."""
    p = 0.0 if refutes else 1.0
    high = np.inf if refutes else np.nan
    return _made(
        estimate, why, replicates, lambda v: 1.0, lambda v: p, lambda tail: (float("nan"), high), _undefined, _stays
    )


def _stays(value: float) -> Estimate:
    """Return what becomes of no interval elsewhere: none."""
    return unknown(value, "none", 0)


def _undefined(value: float, truth: float, level: float) -> float:
    """Return NaN, the power of no interval."""
    return float("nan")


def normal(estimate: float, error: float, kind: str, replicates: int) -> Estimate:
    """Estimate with a standard error that is known, and a normal law."""
    return _made(
        estimate,
        kind,
        replicates,
        lambda value: float(ndtr((estimate - value) / error)),
        lambda value: float(ndtr((value - estimate) / error)),
        lambda tail: (estimate + error * float(ndtri(tail)), estimate - error * float(ndtri(tail))),
        lambda value, truth, level: _shifted(-float(ndtri(level / 2)), (truth - value) / error),
        lambda value: normal(value, error, kind, replicates),
    )


def _shifted(cut: float, by: float) -> float:
    """Return P(|statistic| > cut) if the statistic is shifted by some errors; its spread is taken for normal."""
    return float(ndtr(abs(by) - cut) + ndtr(-abs(by) - cut))


def mean(values: FloatArray) -> Estimate:
    """Estimate the mean over runs by Student's t with Hall's correction for skewness, of log(mean) if all are positive.

    values: ``(runs,)``.  An infinite value makes the mean infinite and the interval [nan, inf]: divergence is not
    trimmed.  Fewer than `FEWEST` runs give no interval (nan); runs that are all equal one without width.
    """
    values = np.asarray(values, dtype=np.float64)
    n, estimate = len(values), float(np.mean(values)) if len(values) else float("nan")
    if (found := _without_scatter(values, estimate)) is not None:
        return found
    if np.all(values > 0):
        rest = (n * estimate - values) / (n - 1)
        return _student(float(np.log(estimate)), np.log(rest), n, logarithm=True, skewed=True)
    return _student(estimate, (n * estimate - values) / (n - 1), n, skewed=True)


def jackknife(
    runs: FloatArray, statistic: Callable[[FloatArray], float], *, logarithm: bool = False, skewed: bool = False
) -> Estimate:
    """Estimate a smooth statistic of the runs with the jackknife's standard error and Student's t.

    Its p-values have no floor, so one control among many claims can be refuted with few runs, which a bootstrap with
    finitely many resamples cannot do.

    Args:
        runs: ``(n, …)``, one entry per run.
        statistic: maps ``(n, …)`` to a number.
        logarithm: whether the interval is that of the statistic's logarithm; for ratios and scales.
        skewed: whether to correct for the skewness of a mean; not for slopes and ratios, which are nearly symmetric.

    Returns:
        With an infinite entry the estimate is infinite and every finite value is excluded.  Fewer than `FEWEST` runs,
        or a statistic that is not determined without one of them, give no interval; one that is infinite without any
        of them excludes every finite value.
    """
    n = len(runs)
    if not np.isfinite(runs).all():
        return unknown(float("inf"), "none: a run is infinite", n, refutes=True)
    estimate = float(statistic(runs)) if n else float("nan")
    if (found := _without_scatter(runs, estimate)) is not None:
        return found
    without = np.array([statistic(np.delete(runs, k, axis=0)) for k in range(n)])
    if logarithm:
        estimate, without = float(np.log(estimate)), np.log(without)
    if not (np.isfinite(estimate) and np.isfinite(without).all()):
        value = float(np.exp(estimate)) if logarithm else estimate
        always = bool(np.isposinf([estimate, *without]).all())
        return unknown(value, "none: the runs do not determine it", n, refutes=always)
    return _student(estimate, without, n, logarithm=logarithm, skewed=skewed)


def ratio(above: FloatArray, below: FloatArray) -> Estimate:
    """Estimate the ratio of the means of paired runs ``(n,)``, the same run at the same place."""
    pairs = np.stack([np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)], axis=1)
    if not np.all(np.isfinite(pairs)):
        with np.errstate(invalid="ignore"):
            estimate = float(pairs[:, 0].mean() / pairs[:, 1].mean())
        return unknown(estimate, "none: a run is infinite", len(pairs), refutes=True)
    return jackknife(pairs, lambda r: float(r[:, 0].mean() / r[:, 1].mean()), logarithm=True)


#: ∫ max(v², 1/4) dv from 1 to 1/2, and from 1 to −1/2.
_UPPER, _LOWER = -7 / 24, -13 / 24


def _unskewed(u: float) -> float:
    """Return ∫ max(v², 1/4) dv from 1 to u."""
    if u >= 0.5:
        return (u**3 - 1) / 3
    return _UPPER + (u - 0.5) / 4 if u >= -0.5 else _LOWER + (u**3 + 0.125) / 3


def _skewed(y: float) -> float:
    """Return the u whose `_unskewed` is y."""
    if y >= _UPPER:
        return float(np.cbrt(1 + 3 * y))
    return 0.5 + 4 * (y - _UPPER) if y >= _LOWER else float(np.cbrt(3 * (y - _LOWER) - 0.125))


def _student_power(freedom: int, by: float, level: float) -> float:
    """Return P(|noncentral t| > cut) of a two-sided test at a level, its statistic shifted by some standard errors."""
    cut = -float(stdtrit(freedom, level / 2))
    found = float(1 - nctdtr(freedom, abs(by), cut) + nctdtr(freedom, abs(by), -cut))
    return found if np.isfinite(found) else _shifted(cut, by)  # far shifts, which the noncentral law cannot evaluate


def _without_scatter(runs: FloatArray, estimate: float) -> Estimate | None:
    """Return the estimate of runs that are infinite, too few, or all equal; None for others."""
    n = len(runs)
    if not np.isfinite(runs).all():
        return unknown(estimate, "none: a run is infinite", n, refutes=True)
    if n < FEWEST:
        return unknown(estimate, f"none: fewer than {FEWEST} runs", n)
    if np.all(np.ptp(runs, axis=0) <= _ROUNDING * np.abs(runs).max(axis=0)):
        return _constant(estimate, "none: all runs are equal", n)
    return None


def _constant(estimate: float, kind: str, n: int) -> Estimate:
    """Return the estimate of a quantity without scatter: values that differ from it beyond rounding have p = 0."""
    near = 1e3 * _ROUNDING * max(abs(estimate), 1.0)
    return _made(
        estimate,
        kind,
        n,
        lambda value: float(value <= estimate + near),
        lambda value: float(value >= estimate - near),
        lambda tail: (estimate, estimate),
        lambda value, truth, level: float(abs(truth - value) > near),
        lambda value: _constant(value, kind, n),
    )


def _student(centre: float, without: FloatArray, n: int, *, logarithm: bool = False, skewed: bool = False) -> Estimate:
    """Return the jackknife-t estimate from the statistic without each run, ``(n,)``.

    With influences u_k = (n − 1)(mean of without − without_k), the standard error is √(Σ u²/(n(n − 1))).  Hall's
    monotone transform g(T) = ((1 + aT/3)³ − 1)/a + a/6 of T = (estimate − truth)/error, a = skewness of u over √n,
    takes the skewness out of T; then g(T) is compared with Student's t of n − 1 degrees of freedom.  Where the slope
    (1 + aT/3)² of g is below 1/4 it is taken for 1/4: a flat g would exclude no value on the side of the long tail.
    """
    u = (n - 1) * (without.mean() - without)
    error = float(np.sqrt(np.sum(u**2) / (n * (n - 1))))
    if error <= _ROUNDING * max(abs(centre), 1.0 if logarithm else 0.0):  # the runs differ, the statistic does not
        return _constant(float(np.exp(centre)) if logarithm else centre, "none: the same without any run", n)
    a = float(np.mean(u**3) / np.mean(u**2) ** 1.5 / np.sqrt(n)) if skewed else 0.0

    def straight(value: float, estimate: float = centre) -> float:
        """Return g(T) if the truth were the value and runs of the same scatter had the estimate."""
        if logarithm:
            if value <= 0:
                return np.inf
            value = float(np.log(value))
        T = (estimate - value) / error
        return T if a == 0 else 3 / a * _unskewed(1 + a * T / 3) + a / 6

    def power(value: float, truth: float, level: float) -> float:
        """Return P(refuted), with the shift that runs around the truth have: g is not linear."""
        if logarithm:
            truth = float(np.log(truth)) if truth > 0 else -np.inf
        return _student_power(n - 1, straight(value, truth) - a / 6, level)

    def limit(quantile: float) -> float:
        """Return the value whose g(T) is the quantile."""
        T = quantile if a == 0 else 3 / a * (_skewed(a * (quantile - a / 6) / 3) - 1)
        value = centre - error * T
        return float(np.exp(value)) if logarithm else float(value)

    def moved(value: float) -> Estimate:
        """Return the estimate of runs that are shifted, or multiplied, so that it is the value."""
        other = float(np.log(value)) if logarithm else value
        return _student(other, without + (other - centre), n, logarithm=logarithm, skewed=skewed)

    kind = "jackknife-t" + (" with Hall's correction" if skewed else "") + (" of the logarithm" if logarithm else "")
    return _made(
        float(np.exp(centre)) if logarithm else centre,
        kind,
        n,
        lambda value: float(stdtr(n - 1, straight(value))),
        lambda value: float(stdtr(n - 1, -straight(value))),
        lambda tail: (limit(-float(stdtrit(n - 1, tail))), limit(float(stdtrit(n - 1, tail)))),
        power,
        moved,
    )


def proportion(successes: int, trials: int) -> Estimate:
    """Estimate a probability with its Clopper-Pearson interval; without a trial it has none."""
    if trials == 0:
        return unknown(float("nan"), "none: no trial", 0)
    failures = trials - successes

    def limits(tail: float) -> tuple[float, float]:
        low = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
        return low, float(1 - betaincinv(failures, successes + 1, tail)) if failures else 1.0

    return _made(
        successes / trials,
        "Clopper-Pearson",
        trials,
        lambda value: float(bdtr(successes, trials, value)),
        lambda value: float(bdtrc(successes - 1, trials, value)) if successes else 1.0,
        limits,
        lambda value, truth, level: _binomial_power(trials, value, truth, level),
        lambda value: proportion(round(value * trials), trials),
    )


def _binomial_power(trials: int, bound: float, truth: float, level: float) -> float:
    """Return P(refuted): the count reaches the smallest one above the bound whose p-value is below the level."""
    counts = np.arange(trials + 1)
    refuting = counts[(2 * scipy.stats.binom.sf(counts - 1, trials, bound) < level) & (counts > trials * bound)]
    return float(scipy.stats.binom.sf(refuting[0] - 1, trials, truth)) if len(refuting) else 0.0


def largest(estimates: Sequence[Estimate]) -> Estimate:
    """Estimate the maximum of several quantities, such as a probability over the cells of a grid.

    Upper limit: the largest of all, which needs no correction, since it covers the quantity that is the maximum.  Lower
    limit: the largest at the error probability over their number, since the worst of them is found by looking.  So
    every quantity must be small enough to bound the maximum, and one that is large refutes the bound.  Where several
    are nearly equal the interval is longer than it need be; an interval of the largest mean would not hold.
    """
    k = len(estimates)
    widest = max(estimates, key=lambda one: one.high)
    return _made(
        max(one.estimate for one in estimates),
        f"{estimates[0].kind}, largest of {k}" if k > 1 else estimates[0].kind,
        widest.replicates,
        lambda value: max(one.below(value) for one in estimates),
        lambda value: min(1.0, k * min(one.above(value) for one in estimates)),
        lambda tail: (max(one.limits(tail / k)[0] for one in estimates), max(one.limits(tail)[1] for one in estimates)),
        lambda value, truth, level: min(one.power(value, truth, level / k) for one in estimates),
        lambda value: largest([one.moved(value) if one is widest else one for one in estimates]),
    )


def distance(found: Estimate, target: float) -> Estimate:
    """Estimate how far a quantity is from a target: equivalence by two one-sided tests.

    The interval holds |x − target| for all x of the quantity's interval.
    """

    def limits(tail: float) -> tuple[float, float]:
        low, high = (end - target for end in found.limits(tail))
        nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        return nearest, max(abs(low), abs(high))

    return _made(
        abs(found.estimate - target),
        found.kind,
        found.replicates,
        lambda margin: max(found.below(target + margin), found.above(target - margin)),
        lambda margin: min(found.below(target - margin), found.above(target + margin)),
        limits,
        lambda margin, truth, level: found.power(target + margin, target + truth, level),
        lambda value: distance(found.moved(target + value), target),
    )


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
