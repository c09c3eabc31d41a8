"""Compute how probably a check refutes if the truth is a stated alternative, at the level that the judge uses.

The judge passes the level: α for a primary claim, α/k for one of k secondary claims (the smallest of Holm's method).
`shift`, `probability` and `share` make the `Power` of a claim; the other functions are the probabilities behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import scipy  # loads scipy.stats at its first use

from pcpo import statistics
from pcpo.claims.contract import ALPHA, Finding, Power, Tables

__all__ = [
    "binomial_power",
    "normal_power",
    "probability",
    "share",
    "shift",
    "standard_error",
    "violation_power",
]

Measure = Callable[[Tables], Finding]
Kind = Literal["normal", "student", "arithmetic"]


def shift(
    measure: Measure, by: float | Callable[[Finding], float], alternative: str, *, interval: Kind = "normal"
) -> Power:
    """Return the power against a truth that is off by some amount, in the normal approximation of the interval.

    Args:
        measure: the claim's own measure.
        by: distance of the alternative from the prediction or bound, or a function of the finding that gives it.
        alternative: the alternative in words.
        interval: how the finding's interval was made: from a sample ("normal"; "student" for the jackknife's), or by
            "arithmetic", without chance.
    """

    def value(tables: Tables, level: float) -> float:
        found = measure(tables)
        return normal_power(found, by(found) if callable(by) else by, level, interval=interval)

    return Power(alternative, value)


def probability(measure: Measure, truth: float | Callable[[Finding], float], alternative: str) -> Power:
    """Return the power of `findings.failures` against a true probability, or one that is a function of the finding."""

    def value(tables: Tables, level: float) -> float:
        found = measure(tables)
        return binomial_power(found.n_runs, found.predicted, truth(found) if callable(truth) else truth, level)

    return Power(alternative, value)


def share(measure: Measure, of_trials: float, alternative: str = "") -> Power:
    """Return the power of a check that one violation decides, if a share of independent trials violates."""
    words = alternative or f"a violation in {100 * of_trials:g} % of the trials"
    return Power(words, lambda tables, level: violation_power(measure(tables).n_runs, of_trials))


def standard_error(found: Finding, interval: Kind = "normal") -> float:
    """Return the standard error behind a finding's 95 % interval; nan if it has none.

    Of a distance from a prediction the lower limit may be cut at 0, so with Student's t the upper half counts.
    """
    if interval == "student":
        half, quantile = found.high - found.estimate, statistics.student_quantile(max(2, found.n_runs))
    else:
        half, quantile = (found.high - found.low) / 2, float(scipy.stats.norm.isf(ALPHA / 2))
    return half / quantile if np.isfinite(half) else float("nan")


def normal_power(found: Finding, by: float, level: float, *, interval: Kind = "normal") -> float:
    """Return P(refuted) of a two-sided test if the truth is `by` off; nan where the finding has no interval.

    Without spread, or where the interval is arithmetic, there is no chance in it: 1 if the shift is wider than the
    interval, 0 if not.
    """
    error = standard_error(found, interval)
    if interval == "arithmetic" or error == 0:
        return float(abs(by) > found.high - found.low)
    if not error > 0:
        return float("nan")
    cut = float(scipy.stats.norm.isf(level / 2))
    return float(scipy.stats.norm.sf(cut - abs(by) / error) + scipy.stats.norm.sf(cut + abs(by) / error))


def binomial_power(trials: int, bound: float, truth: float, level: float) -> float:
    """Return P(refuted) of `findings.failures`: the count reaches the smallest one whose p-value is below the level."""
    counts = np.arange(trials + 1)
    refuting = counts[(2 * scipy.stats.binom.sf(counts - 1, trials, bound) < level) & (counts > trials * bound)]
    return float(scipy.stats.binom.sf(refuting[0] - 1, trials, truth)) if len(refuting) else 0.0


def violation_power(trials: int, of_trials: float) -> float:
    """Return P(at least one violation) = 1 − (1 − share)^trials."""
    return float(1 - (1 - of_trials) ** trials)
