"""Declare the claims on the lemmas and inequalities behind Theorems 1 and 2.

These are (11), (16) to (20), (26) to (29), (32), (36), (37) and Lemmas 4 to 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from pcpo.claims.contract import Claim, Control, Power, Tables
from pcpo.claims.controls import replaced, scaled, swapped
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import probability, share, shift
from pcpo.evidence.lemmas import claims_rules
from pcpo.evidence.lemmas.costs import BIAS, PAIRS
from pcpo.evidence.lemmas.estimates import ESTIMATES, MEAN
from pcpo.evidence.lemmas.measures import (
    DELTA_PRIME,
    above_one,
    average_exponent,
    bias_bound,
    bias_order,
    budget,
    exceedance_power,
    exceedances,
    failure_probabilities,
    lemma_9,
    mean_estimate,
    mean_power,
    pairs,
    recursion,
    second_moment,
)
from pcpo.evidence.lemmas.proof_steps import PROOF_STEPS
from pcpo.evidence.lemmas.readings import READINGS
from pcpo.evidence.lemmas.trajectories import DESCENT

__all__ = ["CLAIMS"]

_FIGURE = "lemmas"
_STEPS = PROOF_STEPS.name

_RARE = 0.01  # share of violating trials that the checks of inequalities promise to see
_LITTLE, _MUCH = 1.5, 3.0  # factors of the allowed probability that the checks of bounds promise to see

_alone = partial(exceedances, alone=True)
_averaged = partial(exceedances, alone=False)
_lipschitz = partial(pairs, column="lipschitz")
_smoothness = partial(pairs, column="smoothness")
_domination = partial(pairs, column="domination")
_bounded = partial(above_one, column="rollout", once=True)
_error = partial(above_one, column="error")
_step = partial(above_one, column="step")
_enough = partial(above_one, column="needed", once=True)


def _times(factor: float) -> str:
    """Say the alternative that a probability is a multiple of what a bound allows."""
    return f"{factor:g} times the probability that is allowed"


def _as_printed(tables: Tables) -> pd.Series[float]:
    """Rescale deviations so that the limit is √log(2D/δ'), as printed in (19), in place of √(2 log(2/δ'))."""
    frame = tables[ESTIMATES.name]
    printed = np.sqrt(np.log(2 * frame["unknowns"] / DELTA_PRIME))
    rescaled: pd.Series[float] = frame["deviation"] * np.sqrt(2 * np.log(2 / DELTA_PRIME)) / printed
    return rescaled


def _without_square(tables: Tables) -> pd.Series[float]:
    """Rescale squares of errors so that they are compared with the formula with D in place of D²."""
    scaled_up: pd.Series[float] = tables[ESTIMATES.name]["square"] * tables[ESTIMATES.name]["unknowns"]
    return scaled_up


def _shared(tables: Tables) -> Tables:
    """Return tables where the averaged estimates of the two-state system share directions and noise."""
    for agents in (4, 16):
        tables = swapped(ESTIMATES.name, f"control:shared:{agents}", f"two:{agents}")(tables)
    return tables


CLAIMS: Sequence[Claim] = [
    Claim(
        id="unbiased_for_smoothed",
        measure=mean_estimate,
        rule=Agrees(0.05),
        controls=[
            Control("gradient", "∇C in place of ∇C_r", scaled(MEAN.name, "smoothed", 1.0, "gradient")),
            Control(
                "length",
                "simulated with directions of length √D, not 1, in the two-state system",
                swapped(MEAN.name, "control:length", "two"),
            ),
        ],
        power=Power("mean ∇C in place of ∇C_r", mean_power),
        figure=_FIGURE,
        mode="exact",
        primary=True,
    ),
    Claim(
        id="bias_bound",
        measure=bias_bound,
        rule=Never(100),
        controls=[
            Control("length", "directions of length √D, not 1, in E g", scaled(BIAS.name, "bias", 1.0, "bias_long"))
        ],
        power=share(bias_bound, _RARE),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="bias_order",
        measure=bias_order,
        rule=Agrees(0.02),
        controls=[
            Control(
                "one_sided",
                "∇C at K + rV for one direction V: smoothing on one side",
                scaled(BIAS.name, "bias", 1.0, "bias_aside"),
            )
        ],
        power=shift(bias_order, 1.0, "an exponent of 1, which (17) allows"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="failure_probabilities",
        measure=failure_probabilities,
        rule=Never(20),
        controls=[
            Control(
                "algorithm",
                "δ_l = δ/2^(l/2), as Algorithm 1 has it in the copy that was read",
                swapped(READINGS, "algorithm", "appendix"),
            )
        ],
        power=share(failure_probabilities, 0.1),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="second_moment",
        measure=second_moment,
        rule=Agrees(0.05),
        controls=[
            Control(
                "length",
                "simulated with directions of length √D, not 1, in the two-state system",
                swapped(ESTIMATES.name, "control:length", "two:1"),
            ),
            Control("factor", "D in place of D² in the formula", replaced(ESTIMATES.name, "square", _without_square)),
        ],
        power=shift(second_moment, 0.1, "a second moment 10 % off"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="averaging",
        measure=average_exponent,
        rule=Agrees(0.05),
        controls=[
            Control("shared", "agents that share their directions and noise, in the two-state system", _shared),
        ],
        power=shift(average_exponent, 0.1, "a slope of −0.9"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="lemma_7",
        measure=_alone,
        rule=AtMost(),
        controls=[
            Control(
                "printed",
                "(19) as printed: √log(2D/δ') without an absolute constant, which fails where (18) is attained (A = 0)",
                replaced(ESTIMATES.name, "deviation", _as_printed),
            )
        ],
        power=Power(_times(_LITTLE), partial(exceedance_power, alone=True, factor=_LITTLE)),
        figure="lemmas_steps",
        mode="exact",
    ),
    Claim(
        id="corollary_8",
        measure=_averaged,
        rule=AtMost(),
        controls=[
            Control(
                "shared",
                "agents that share their directions and noise, where (18) is attained (A = 0)",
                swapped(ESTIMATES.name, "control:shared:edge", "edge:4"),
            )
        ],
        power=Power(_times(_LITTLE), partial(exceedance_power, alone=False, factor=_LITTLE)),
        figure="lemmas_steps",
        mode="exact",
    ),
    Claim(
        id="lemma_4",
        measure=_lipschitz,
        rule=Never(1000),
        controls=[Control("half", "λ halved", scaled(PAIRS.name, "lipschitz", 2.0))],
        power=share(_lipschitz, _RARE),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="lemma_5",
        measure=_smoothness,
        rule=Never(1000),
        controls=[Control("half", "φ halved", scaled(PAIRS.name, "smoothness", 2.0))],
        power=share(_smoothness, _RARE),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="lemma_6",
        measure=_domination,
        rule=Never(1000),
        controls=[
            Control(
                "local",
                "μ = 2h_min, the best constant near K*, everywhere",
                scaled(PAIRS.name, "domination", 1.0, "local_domination"),
            )
        ],
        power=share(_domination, _RARE),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="recursion",
        measure=recursion,
        rule=Never(100),
        controls=[
            Control(
                "step",
                "ten times the step size, η = 2.5/h_max, with a tenth of the minibatch, in the two-state system",
                swapped(DESCENT.name, "control:step", "rollouts:two"),
            ),
            Control(
                "coefficient",
                "η/4 in place of 3η/4, which shows that the check is sharp",
                scaled(DESCENT.name, "error", 1 / 3),
            ),
        ],
        power=share(recursion, _RARE, "a violation by one learner in 100"),
        figure="lemmas_steps",
    ),
    Claim(
        id="lemma_9_calibrated",
        measure=lemma_9,
        rule=AtMost(),
        controls=[
            Control(
                "minibatch",
                "minibatch divided by 300 in the two-state system",
                swapped(DESCENT.name, "control:minibatch", "rollouts:two"),
            )
        ],
        power=probability(lemma_9, lambda found: _MUCH * found.predicted, _times(_MUCH)),
        figure="lemmas_steps",
    ),
    Claim(
        id="bounded_rollouts",
        measure=_bounded,
        rule=Never(20),
        controls=[Control("half", "G∞ halved", scaled(_STEPS, "rollout", 2.0))],
        power=share(_bounded, 0.1),
        figure="lemmas_steps",
        mode="literal",
    ),
    Claim(
        id="error_bound",
        measure=_error,
        rule=Never(30),
        controls=[Control("wide", "the radius doubled", scaled(_STEPS, "error", 1.0, "error_wide"))],
        power=share(_error, 0.1),
        figure="lemmas_steps",
        mode="literal",
    ),
    Claim(
        id="step_length",
        measure=_step,
        rule=Never(30),
        controls=[Control("long", "η twice as long", scaled(_STEPS, "step", 2.0))],
        power=share(_step, 0.1),
        figure="lemmas_steps",
        mode="literal",
    ),
    Claim(
        id="epochs_of_rollouts",
        measure=budget,
        rule=Never(30),
        controls=[
            Control(
                "without",
                "(37) without the factor log(c_(p,11)T) that (36) brings",
                scaled(_STEPS, "minibatch", 1.0, "minibatch_without"),
            )
        ],
        power=share(budget, 0.1),
        figure="lemmas_steps",
        mode="literal",
    ),
    Claim(
        id="enough_rollouts",
        measure=_enough,
        rule=Never(20),
        controls=[Control("hundredth", "a hundredth of these rollouts", scaled(_STEPS, "needed", 100.0))],
        power=share(_enough, 0.1),
        figure="lemmas_steps",
        mode="literal",
    ),
    *claims_rules.CLAIMS,
]
