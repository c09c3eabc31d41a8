"""Claims on the moment oracle: that its estimates have the law of estimates from rollouts, from a minibatch M on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.claims.contract import ALPHA, Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import Agrees
from pcpo.evidence.surrogate.measures import (
    Tested,
    by_cell,
    covariance,
    distribution,
    mean,
    own_draws,
    pooled_cells,
    rows_from,
    rows_from_thresholds,
    skewness,
    smirnov_width,
)
from pcpo.evidence.surrogate.studies import CONTROLS, MOST_UNKNOWNS, SURROGATE

__all__ = ["CLAIMS"]

_FIGURE = "surrogate"
_LITERAL = 10**12  # M of literal runs, beyond every M*


def _as_rollouts(tables: Tables, source: str, minibatch: int | None = None) -> Tables:
    """Tables whose only rollouts are the rows of a source, or those of one M, presented as an M of literal runs."""
    frame = tables[SURROGATE.name]
    wrong = frame[frame["source"] == source]
    if minibatch is not None:
        wrong = wrong[wrong["minibatch"] == minibatch].assign(minibatch=_LITERAL)
    return {**tables, SURROGATE.name: wrong.assign(source="rollouts")}


def _single(tables: Tables) -> Tables:
    return _as_rollouts(tables, "rollouts", int(tables[SURROGATE.name]["minibatch"].min()))


def _drawn(tables: Tables) -> Tables:
    return _as_rollouts(tables, "moments")


def _inflated(tables: Tables) -> Tables:
    """As if the surrogate's covariance were 10 % too large."""
    frame = tables[SURROGATE.name].copy()
    frame[[f"z{d}" for d in range(MOST_UNKNOWNS)]] /= np.sqrt(1.1)
    return {**tables, SURROGATE.name: frame}


def _swapped(tables: Tables) -> Tables:
    """Single rollouts in place of the moment oracle's draws."""
    wrong = _single(tables)[SURROGATE.name].assign(source="moments")
    return {**tables, SURROGATE.name: wrong}


def _largest(frame: pd.DataFrame) -> tuple[int, Tested]:
    """Number of tests of a frame, and the kind with the most estimates, all its M together."""
    pooled = pooled_cells(frame)
    return len(frame[["kind", "minibatch"]].drop_duplicates()) + len(pooled), max(pooled, key=lambda cell: cell.z.size)


def _mean_power(tables: Tables) -> float:
    """T² → χ²_D, non-central."""
    k, cell = _largest(rows_from(tables, "rollouts"))
    S, D = cell.z.shape
    return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(ALPHA / k, D), D, S * 0.1**2))


def _covariance_power(tables: Tables) -> float:
    """Non-centrality n(D·a − D·log(1 + a)) of the likelihood ratio, to leading order, for a = 10 %."""
    k, cell = _largest(rows_from(tables, "rollouts"))
    S, D = cell.z.shape
    freedom = D * (D + 1) / 2
    return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(ALPHA / k, freedom), freedom, S * D * (0.1 - np.log(1.1))))


def _distribution_power(tables: Tables) -> float:
    """At the point of the largest difference the empirical distribution function is binomial, sd ≤ 1/(2√S)."""
    frame = rows_from_thresholds(tables, "rollouts")
    if frame.empty:
        return float("nan")
    k, cell = _largest(frame)
    return float(scipy.stats.norm.cdf((0.1 - smirnov_width(cell, ALPHA / k)) * 2 * np.sqrt(len(cell.z))))


def _own_power(tables: Tables) -> float:
    cells = by_cell(rows_from(tables, "moments"))
    S, D = max(cells, key=lambda cell: cell.z.size).z.shape
    return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(ALPHA / (3 * len(cells)), D), D, S * 0.2**2))


def _own(tables: Tables) -> Finding:
    return own_draws(tables)


def _skewness_power(tables: Tables) -> float:
    found = skewness(tables)
    error = (found.high - found.low) / (2 * scipy.stats.norm.isf(ALPHA / 2))
    first = scipy.stats.norm.isf(ALPHA / 8)  # Holm's first step for four claims
    return float(scipy.stats.norm.sf(first - 0.5 / error))


CLAIMS: Sequence[Claim] = [
    Claim(
        id="distribution",
        measure=distribution,
        rule=Agrees(0.1),
        controls=[Control("single", "the smallest M of the study, in place of those from M* on", _single)],
        power=Power("a distance of 0.1 of the question with most estimates", _distribution_power),
        figure=_FIGURE,
        mode="exact",
        primary=True,
    ),
    Claim(
        id="skewness",
        measure=skewness,
        rule=Agrees(0.35),
        controls=[Control("surrogate", "draws of the moment oracle in place of rollouts", _drawn)],
        power=Power("a skewness half or one and a half times as large", _skewness_power),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="mean",
        measure=mean,
        rule=Agrees(0.2),
        controls=[
            Control("gradient", "∇C in place of ∇C_r, at a wide radius", lambda t: _as_rollouts(t, CONTROLS[0])),
        ],
        power=Power("means a tenth of a standard deviation apart, of the question with most estimates", _mean_power),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="covariance",
        measure=covariance,
        rule=Agrees(0.2),
        controls=[
            Control("inflated", "a surrogate with a covariance 10 % too large", _inflated),
            Control(
                "isotropic", "(D V_r/r²)·I, the leading term, at a wide radius", lambda t: _as_rollouts(t, CONTROLS[1])
            ),
        ],
        power=Power("a covariance 10 % off, of the question with most estimates", _covariance_power),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="own_draws",
        measure=_own,
        rule=Agrees(0.1),
        controls=[Control("single", "rollouts with the smallest M of the study in place of its draws", _swapped)],
        power=Power("a mean a fifth of a standard deviation off, of the question with most estimates", _own_power),
        figure=_FIGURE,
        mode="exact",
    ),
]

_INTRODUCTION = r"""With the constants of Table 2 as printed an estimate is the mean of $10^{13}$ and more rollouts.
None of them needs to be simulated: by the central limit theorem the mean of $M$ one-point estimates is normal, with
mean $\nabla C_r(K)$ and a covariance that quadrature gives exactly, and a mean of rollout costs likewise. The moment
oracle draws from these laws. Before it is used it is compared here with the rollout oracle, at every $M$ that can be
simulated: mean, covariance, and distribution along random directions. With one rollout the law is far from normal;
how far, and from which $M^*$ on this many estimates cannot show it, is computed beforehand from the exact skewness and
kurtosis of a quadratic form in the noise (Edgeworth). Literal runs have $M$ beyond $10^{10}$, where what is left, of
order $1/\sqrt M$, is under $10^{-5}$."""
