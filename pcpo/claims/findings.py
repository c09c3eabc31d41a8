"""Turn samples into findings: an estimate of `pcpo.statistics` beside what it is compared with.

The replicate is a whole run.  A p-value is the smallest α whose 1 − α interval excludes the prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any

import pandas as pd

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding
from pcpo.statistics import Estimate

__all__ = [
    "bounded",
    "compared",
    "failures",
    "jackknife",
    "law_of",
    "mean",
    "mean_ratio",
    "mean_within",
    "near",
    "violated",
    "violations",
    "within",
    "worst_failures",
]


def compared(found: Estimate, predicted: float, name: str, *, trials: int = 0) -> Finding:
    """Compare an estimate with a prediction or bound.

    Args:
        found: the estimate.
        predicted: what it is compared with.
        name: of what was estimated.
        trials: how many things were looked at, if they are more than the independent replicates.
    """
    return Finding(
        name,
        found.estimate,
        found.low,
        found.high,
        predicted,
        found.p_value(predicted),
        found.replicates,
        interval=found.kind,
        trials=trials,
        law=found,
    )


def failures(count: int, runs: int, bound: float) -> Finding:
    """Compare a probability with its bound."""
    return compared(statistics.proportion(count, runs), bound, "fraction of runs")


def worst_failures(counts: Mapping[str, tuple[int, int]], bound: float, what: str) -> Finding:
    """Compare the largest of several probabilities with a bound that each must keep.

    They are never pooled, so good ones cannot hide a bad one.

    Args:
        counts: by name, failures and runs.
        bound: the largest probability allowed.
        what: the failure in words.
    """
    found = statistics.largest([statistics.proportion(*count) for count in counts.values()])
    worst = max(counts, key=lambda name: counts[name][0] / max(1, counts[name][1]))
    named = f"; worst: {worst}" if counts[worst][0] else ""
    name = f"largest fraction of runs with {what}, of {len(counts)} cells{named}"
    return compared(found, bound, name, trials=sum(runs for _, runs in counts.values()))


def violations(count: int, trials: int, *, independent: int | None = None) -> Finding:
    """Count violations of what must always hold; low and high are Clopper-Pearson limits of their rate.

    Args:
        count: violations; with `independent`, of units in which there is one.
        trials: what was looked at.
        independent: units that are independent of each other, if trials are not: runs of which each has many steps.
    """
    units = trials if independent is None else independent
    if units == 0:
        return Finding("violations; no trial", 0.0, float("nan"), float("nan"), 0.0, 1.0, 0, interval="none: no trial")
    rate = statistics.proportion(count, units)
    return Finding(
        "violations",
        float(count),
        rate.low,
        rate.high,
        0.0,
        0.0 if count else 1.0,
        units,
        interval="rate, Clopper-Pearson",
        trials=trials if units != trials else 0,
        law=rate,
    )


def violated(flags: pd.Series[bool], *units: pd.Series[Any]) -> Finding:
    """Count the independent units in which something violates what must always hold.

    Args:
        flags: of everything that was looked at, true for a violation.
        units: columns with the index of `flags`, whose values together tell independent units apart: the seed alone
            where cells share what is drawn.
    """
    by_unit = flags.groupby(list(units)).any()
    return violations(int(by_unit.sum()), len(flags), independent=len(by_unit))


def bounded(
    statistic: str, estimate: float, low: float, high: float, predicted: float, runs: int, kind: str = "rounding bound"
) -> Finding:
    """Compare a quantity that is known up to an arithmetic uncertainty [low, high]: p is 1 inside and 0 outside.

    kind names the bound: of rounding, of extrapolation.
    """
    return compared(statistics.known(estimate, low, high, kind, runs), predicted, statistic)


def jackknife(
    runs: FloatArray,
    statistic: Callable[[FloatArray], float],
    predicted: float,
    name: str,
    *,
    logarithm: bool = False,
) -> Finding:
    """Compare a smooth statistic of the runs ``(n, …)`` with a prediction or bound, by `pcpo.statistics.jackknife`."""
    return compared(statistics.jackknife(runs, statistic, logarithm=logarithm), predicted, name)


def mean(values: FloatArray, predicted: float, name: str = "mean") -> Finding:
    """Compare the mean over runs ``(n,)`` with a prediction, by `pcpo.statistics.mean`."""
    return compared(statistics.mean(values), predicted, name)


def within(
    runs: FloatArray, statistic: Callable[[FloatArray], float], target: float, margin: float, name: str
) -> Finding:
    """Compare |statistic − target| with a margin, for predictions that are approximations."""
    return _distance(statistics.jackknife(runs, statistic), target, margin, name)


def mean_within(values: FloatArray, target: float, margin: float, name: str) -> Finding:
    """Compare |mean over runs − target| with a margin."""
    return _distance(statistics.mean(values), target, margin, name)


def _distance(found: Estimate, target: float, margin: float, name: str) -> Finding:
    return compared(statistics.distance(found, target), margin, f"|{name} − prediction|")


def near(statistic: str, found: statistics.Interval, target: float, margin: float, runs: int) -> Finding:
    """Compare |value − target| with a margin, of a value that is known up to a rounding bound."""
    known = statistics.known(found.estimate, found.low, found.high, "rounding bound", runs)
    return _distance(known, target, margin, statistic)


def mean_ratio(upper: FloatArray, lower: FloatArray, bound: float, name: str = "ratio of means") -> Finding:
    """Compare the ratio of means of paired runs ``(n,)`` with a prediction or bound, by `pcpo.statistics.ratio`."""
    return compared(statistics.ratio(upper, lower), bound, name)


def law_of(finding: Finding) -> Estimate:
    """Return the estimate behind a finding; without one, its interval is taken for normal."""
    if finding.law is not None:
        return finding.law
    error = (finding.high - finding.low) / 2 / NormalDist().inv_cdf(1 - statistics.TAIL)
    if not error > 0 or not math.isfinite(error):
        infinite = finding.high == math.inf
        return statistics.unknown(finding.estimate, finding.interval, finding.n_runs, refutes=infinite)
    return statistics.normal(finding.estimate, error, finding.interval, finding.n_runs)
