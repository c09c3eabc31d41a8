"""Negative controls as changes of tables, and the power of the rules; nothing here knows a claim."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.claims.contract import ALPHA, Finding, Power, Tables

__all__ = ["Measure", "binomial", "binomial_power", "normal_power", "rare", "replaced", "scaled", "swapped"]

Measure = Callable[[Tables], Finding]

_RARE = 0.01


def swapped(study: str, control: str, cell: str) -> Callable[[Tables], Tables]:
    """Tables where the rows of a control cell stand in for those of `cell`."""

    def apply(tables: Tables) -> Tables:
        frame = tables[study]
        wrong = frame[frame["cell"] == control].assign(cell=cell)
        return {**tables, study: pd.concat([frame[frame["cell"] != cell], wrong], ignore_index=True)}

    return apply


def replaced(study: str, column: str, new: Callable[[Tables], pd.Series[float]]) -> Callable[[Tables], Tables]:
    """Tables with a column of a study replaced."""

    def apply(tables: Tables) -> Tables:
        frame = tables[study].copy()
        frame[column] = new(tables)
        return {**tables, study: frame}

    return apply


def scaled(study: str, column: str, factor: float, source: str = "") -> Callable[[Tables], Tables]:
    """Tables with a column of a study replaced by `factor` times `source`, by default itself."""
    return replaced(study, column, lambda tables: factor * tables[study][source or column])


def rare(measure: Measure) -> Power:
    """Power of a check that one violation decides."""
    return Power(
        f"a violation in {100 * _RARE:g} % of the trials", lambda t: float(1 - (1 - _RARE) ** measure(t).n_runs)
    )


def binomial(measure: Measure, factor: float) -> Power:
    """Power of a check of a probability against its bound, if the truth is `factor` times the bound."""

    def value(tables: Tables) -> float:
        found = measure(tables)
        return binomial_power(found.n_runs, found.predicted, factor * found.predicted)

    return Power(f"{factor:g} times the probability that is allowed", value)


def binomial_power(trials: int, bound: float, truth: float) -> float:
    """P(refuted) of `failures`: X ~ Bin(trials, truth) reaches the smallest count whose p-value is below α."""
    counts = np.arange(trials + 1)
    refuting = counts[2 * scipy.stats.binom.sf(counts - 1, trials, bound) < ALPHA]
    return float(scipy.stats.binom.sf(refuting[0] - 1, trials, truth)) if len(refuting) else 0.0


def normal_power(found: Finding, shift: float) -> float:
    """P(refuted) of an estimate with this finding's standard error, a quarter of its interval, if off by `shift`."""
    z = abs(shift) / ((found.high - found.low) / (2 * scipy.stats.norm.isf(ALPHA / 2)))
    return float(scipy.stats.norm.sf(scipy.stats.norm.isf(ALPHA / 2) - z))
