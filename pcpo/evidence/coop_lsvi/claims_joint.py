"""Declare how the claims on agents that share an MDP (Algorithm 2) are measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.findings import law_of
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.coop_lsvi.claims_homogeneous import COMMUNICATION_FIGURE, EVERY, PER_SEED, violated
from pcpo.evidence.coop_lsvi.measures import COMMUNICATION, last
from pcpo.evidence.coop_lsvi.measures_joint import (
    EXACT,
    PARETO,
    bayes_exponent,
    joint_exponent,
    proposition_3,
    threshold_ratio,
    thresholds,
)

__all__ = ["JOINT"]

_FIGURE = "coop_pareto"
#: Largest difference of values that counts as rounding, units of reward.
_ROUNDING = 1e-9
#: Instances that support the propositions.
_INSTANCES = 100


def _every_row(frame: pd.DataFrame) -> pd.Series[bool]:
    """Choose all rows."""
    return frame["seed"].notna()


_LEMMA_3 = violated(
    COMMUNICATION,
    lambda f: (f["algorithm"] == "joint") & (f["role"] == "trigger"),
    lambda f: f["rounds"] > f["counted_bound"],
)
_PROPOSITION_1 = violated(EXACT, _every_row, lambda f: f["gap"] > _ROUNDING)
_PROPOSITION_2 = violated(EXACT, _every_row, lambda f: f["dominated"] > 0)
_BOUNDARY = violated(EXACT, _every_row, lambda f: f["dominated_boundary"] == 0)
_REMARK_6 = violated(EXACT, _every_row, lambda f: f["unsupported"] == 0)


def _theorem_4(tables: Tables) -> Finding:
    """Compare the exponent of T in R_C at the largest S with 1/2."""
    return joint_exponent(tables, thresholds(tables)[-1], 0.5)


def _remark_8(tables: Tables) -> Finding:
    """Compare the exponent of T in R_B at the largest S with −1/2."""
    return bayes_exponent(tables, thresholds(tables)[-1], -0.5)


# Negative controls.


def _eager(given: Tables) -> Tables:
    """Return tables where runs of Algorithm 2 with the smallest S are taken for runs with the largest S."""
    frame = given[COMMUNICATION]
    frame = frame[(frame["algorithm"] == "joint") & (frame["role"] == "trigger")]
    small, large = frame["threshold"].min(), frame["threshold"].max()
    wrong = frame[frame["threshold"] == small]
    bound = wrong["counted_bound"] * np.log(small) / np.log(large)
    return {**given, COMMUNICATION: wrong.assign(threshold=large, counted_bound=bound)}


def _silent(given: Tables) -> Tables:
    """Return tables where agents without communication, which never learn, stand in for those with the largest S."""
    frame = given[PARETO]
    largest = thresholds(given)[-1]
    silent = frame[frame["threshold"].isna()]
    kept = frame[frame["threshold"] != largest]
    return {**given, PARETO: pd.concat([kept, silent.assign(threshold=largest)], ignore_index=True)}


def _only_the_last(given: Tables) -> Tables:
    """Return tables where the last policy alone stands in for all policies that were played."""
    return {**given, PARETO: given[PARETO].assign(bayes=given[PARETO]["bayes_last"])}


def _exact(column: str, other: str, what: str) -> Control:
    """Return the control where another column of `coop_lsvi_exact` stands in for a column."""

    def tables(given: Tables) -> Tables:
        return {**given, EXACT: given[EXACT].assign(**{column: given[EXACT][other]})}

    return Control(other, what, tables)


def _doubled(tables: Tables, level: float) -> float:
    """Return the power of Proposition 3 if R_B exceeds R_C/T by the mean of R_C/T, at the last episode, smallest S."""
    frame = last(tables[PARETO])
    frame = frame[frame["threshold"] == thresholds(tables)[0]]
    return law_of(proposition_3(tables)).power(0.0, float((frame["regret"] / frame["episode"]).mean()), level)


#: The claims on agents that share an MDP.
JOINT: Sequence[Claim] = [
    Claim(
        id="lemma_3",
        measure=_LEMMA_3,
        rule=Never(10),
        controls=[EVERY, Control("eager", "runs with the smallest S taken for runs with the largest S", _eager)],
        power=share(_LEMMA_3, 0.1, PER_SEED),
        figure=COMMUNICATION_FIGURE,
    ),
    Claim(
        id="theorem_4",
        measure=_theorem_4,
        rule=AtMost(),
        controls=[Control("silent", "no communication: rewards are never learnt", _silent)],
        power=shift(_theorem_4, 0.25, "a slope of 3/4"),
        figure=_FIGURE,
    ),
    Claim(
        id="theorem_4_threshold",
        measure=threshold_ratio,
        rule=AtMost(),
        controls=[Control("silent", "no communication taken for the largest S", _silent)],
        power=shift(threshold_ratio, 1.0, "a ratio of 2"),
        figure=_FIGURE,
    ),
    Claim(
        id="proposition_1",
        measure=_PROPOSITION_1,
        rule=Never(_INSTANCES),
        controls=[_exact("gap", "gap_myopic", "policies that are greedy for the immediate reward")],
        power=share(_PROPOSITION_1, 0.03, "three instances in a hundred violate"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="proposition_2",
        measure=_PROPOSITION_2,
        rule=Never(_INSTANCES),
        controls=[_exact("dominated", "dominated_contrary", "policies that take the worst action")],
        power=share(_PROPOSITION_2, 0.03, "three instances in a hundred violate"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="boundary",
        measure=_BOUNDARY,
        rule=Never(10),
        controls=[
            _exact("dominated_boundary", "dominated", "scalarisations inside the simplex and rewards that differ")
        ],
        power=share(_BOUNDARY, 0.1, "one instance in ten violates"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="proposition_3",
        measure=proposition_3,
        rule=AtMost(),
        controls=[Control("last", "the last policy alone in the place of all T", _only_the_last)],
        power=Power("R_B twice as large as R_C/T", _doubled),
        figure=_FIGURE,
    ),
    Claim(
        id="remark_6",
        measure=_REMARK_6,
        rule=Never(10),
        controls=[
            _exact("unsupported", "unsupported_greedy", "the values of greedy policies in the place of the front")
        ],
        power=share(_REMARK_6, 0.1, "one instance in ten violates"),
        figure=_FIGURE,
        mode="exact",
    ),
    Claim(
        id="remark_8",
        measure=_remark_8,
        rule=AtMost(),
        controls=[Control("silent", "no communication: rewards are never learnt", _silent)],
        power=shift(_remark_8, 0.25, "a slope of −1/4"),
        figure=_FIGURE,
    ),
]
