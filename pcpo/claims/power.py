"""Compute how probably a check refutes if the truth is a stated alternative, at the level that the judge uses.

The judge passes the level, with the correction for all that is judged beside the claim.  How an interval was made, and
so the probability that it excludes a value, is known to the finding (`pcpo.statistics.Estimate.power`).
"""

from __future__ import annotations

from collections.abc import Callable

from pcpo import statistics
from pcpo.claims.contract import Finding, Power, Tables
from pcpo.claims.findings import compared, law_of, violations

__all__ = ["binomial_power", "probability", "share", "shift", "violation_power"]

Measure = Callable[[Tables], Finding]


def shift(measure: Measure, by: float | Callable[[Finding], float], alternative: str) -> Power:
    """Return the power against a truth that is off by some amount.

    Args:
        measure: the claim's own measure.
        by: distance of the alternative from the prediction or bound, or a function of the finding that gives it.
        alternative: the alternative in words.
    """

    def value(tables: Tables, level: float) -> float:
        found = measure(tables)
        distance = by(found) if callable(by) else by
        return law_of(found).power(found.predicted, found.predicted + distance, level)

    def departure(tables: Tables) -> Finding:
        found = measure(tables)
        distance = by(found) if callable(by) else by
        return _moved(found, found.predicted + distance)

    return Power(alternative, value, departure)


def _moved(found: Finding, truth: float) -> Finding:
    """Return the finding of runs with the same scatter whose estimate is the truth."""
    return compared(law_of(found).moved(truth), found.predicted, found.statistic)


def probability(measure: Measure, truth: float | Callable[[Finding], float], alternative: str) -> Power:
    """Return the power of a bound on a probability against a true probability, or a function of the finding."""

    def value(tables: Tables, level: float) -> float:
        found = measure(tables)
        return law_of(found).power(found.predicted, truth(found) if callable(truth) else truth, level)

    def departure(tables: Tables) -> Finding:
        found = measure(tables)
        return _moved(found, truth(found) if callable(truth) else truth)

    return Power(alternative, value, departure)


def share(measure: Measure, of_trials: float, alternative: str = "") -> Power:
    """Return the power of a check that one violation decides, if a share of independent trials violates."""
    words = alternative or f"a violation in {100 * of_trials:g} % of the trials"

    def departure(tables: Tables) -> Finding:
        return violations(1, measure(tables).n_runs)

    return Power(words, lambda tables, level: violation_power(measure(tables).n_runs, of_trials), departure)


def binomial_power(trials: int, bound: float, truth: float, level: float) -> float:
    """Return P(refuted) of `findings.failures` with some trials."""
    return statistics.proportion(0, trials).power(bound, truth, level)


def violation_power(trials: int, of_trials: float) -> float:
    """Return P(at least one violation) = 1 − (1 − share)^trials."""
    return float(1 - (1 - of_trials) ** trials)
