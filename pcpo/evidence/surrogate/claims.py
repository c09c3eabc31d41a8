"""Declare the claims on the moment oracle: from some M on, its estimates have the law of estimates from rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from pcpo.claims.contract import Claim, Control, Power, Tables
from pcpo.claims.judging import Agrees
from pcpo.claims.power import shift
from pcpo.evidence.surrogate.measures import covariance, distribution, mean, own_draws, skewness
from pcpo.evidence.surrogate.power import covariance_power, distribution_power, mean_power, own_power
from pcpo.evidence.surrogate.studies import CONTROLS, MOST_UNKNOWNS, SURROGATE

__all__ = ["CLAIMS"]

_FIGURE = "surrogate"
_LITERAL = 10**12  # M of literal runs, beyond every M*


def _as_rollouts(tables: Tables, source: str) -> Tables:
    """Return tables whose only rollouts are the rows of another source."""
    frame = tables[SURROGATE.name]
    return {**tables, SURROGATE.name: frame[frame["source"] == source].assign(source="rollouts")}


def _smallest(tables: Tables) -> pd.DataFrame:
    """Return the rollouts with the smallest M of the study, labelled with an M of literal runs."""
    frame = tables[SURROGATE.name]
    chosen = (frame["source"] == "rollouts") & (frame["minibatch"] == frame["minibatch"].min())
    smallest: pd.DataFrame = frame[chosen].assign(minibatch=_LITERAL)
    return smallest


def _single(tables: Tables) -> Tables:
    """Return tables whose only rollouts are those with the smallest M."""
    return {**tables, SURROGATE.name: _smallest(tables)}


def _single_as_moments(tables: Tables) -> Tables:
    """Return tables where rollouts with the smallest M stand in for the moment oracle's draws."""
    return {**tables, SURROGATE.name: _smallest(tables).assign(source="moments")}


def _inflated(tables: Tables) -> Tables:
    """Return tables as if the moment oracle's covariance were 10 % too large."""
    frame = tables[SURROGATE.name].copy()
    frame[[f"z{d}" for d in range(MOST_UNKNOWNS)]] /= np.sqrt(1.1)
    return {**tables, SURROGATE.name: frame}


CLAIMS: Sequence[Claim] = [
    Claim(
        id="distribution",
        measure=distribution,
        rule=Agrees(0.1),
        controls=[Control("single", "the smallest M of the study, in place of those from M* on", _single)],
        power=Power("a distance of 0.1, for the kind with most estimates", distribution_power),
        figure=_FIGURE,
        mode="exact",
        primary=True,
    ),
    Claim(
        id="skewness",
        measure=skewness,
        rule=Agrees(0.35),
        controls=[
            Control(
                "surrogate", "draws of the moment oracle in place of rollouts", partial(_as_rollouts, source="moments")
            )
        ],
        power=shift(skewness, 0.5, "a skewness half or one and a half times as large"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="mean",
        measure=mean,
        rule=Agrees(0.2),
        controls=[
            Control("gradient", "∇C in place of ∇C_r, at a wide radius", partial(_as_rollouts, source=CONTROLS[0])),
        ],
        power=Power("means a tenth of a standard deviation apart, for the kind with most estimates", mean_power),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="covariance",
        measure=covariance,
        rule=Agrees(0.2),
        controls=[
            Control("inflated", "a moment oracle with a covariance 10 % too large", _inflated),
            Control(
                "isotropic",
                "(D V_r/r²)·I, the leading term, at a wide radius",
                partial(_as_rollouts, source=CONTROLS[1]),
            ),
        ],
        power=Power("a covariance 10 % off, for the kind with most estimates", covariance_power),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="own_draws",
        measure=own_draws,
        rule=Agrees(0.1),
        controls=[
            Control(
                "single",
                "rollouts with the smallest M of the study in place of the moment oracle's draws",
                _single_as_moments,
            )
        ],
        power=Power("a mean a fifth of a standard deviation off, for the kind with most estimates", own_power),
        figure=_FIGURE,
        mode="exact",
    ),
]
