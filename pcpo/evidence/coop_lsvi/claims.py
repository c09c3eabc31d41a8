"""Declare how the claims of CoopLSVI (Dubey and Pentland) are measured; their texts are in claims.md.

First the claims on agents with an MDP each (Algorithms 1 and 3): regret, rounds of communication, optimism,
heterogeneity.  Then the claims on agents that share an MDP (Algorithm 2): regrets over random scalarisations, and
Propositions 1 to 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.findings import law_of
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import Measure, probability, share, shift
from pcpo.evidence.coop_lsvi.measures import (
    COMMUNICATION,
    EXACT,
    HETEROGENEITY,
    PARETO,
    REGRET,
    agents_exponent,
    bound_violations,
    chi_exponent,
    count_violations,
    deviation_ratio,
    joint_exponent,
    optimism,
    pooled_ratio,
    proposition_3,
    threshold_ratio,
    thresholds,
    time_exponent,
)
from pcpo.evidence.coop_lsvi.studies_communication import CONTROL

__all__ = ["CLAIMS"]

_REGRET_FIGURE, _COMMUNICATION_FIGURE = "coop_regret", "coop_communication"
_HETEROGENEITY_FIGURE, _PARETO_FIGURE = "coop_heterogeneity", "coop_pareto"
#: Failure probability of the widths of the proofs.
_ALPHA = 0.05
#: The control of Theorem 2: the factor by which agents are further apart than stated.
_FAR = 100
#: Largest difference of values that counts as rounding, units of reward.
_ROUNDING = 1e-9


# Measures: the estimators of measures.py at the values that the claims state.

_TOGETHER: Measure = partial(agents_exponent, algorithm="shared", predicted=0.5)
_ALONE: Measure = partial(agents_exponent, algorithm="alone", predicted=1.0, logs=False)
_BETWEEN: Measure = partial(agents_exponent, algorithm="remark", predicted=0.5)
_RATE: Measure = partial(time_exponent, algorithm="shared", predicted=0.5)
_POOLED: Measure = partial(pooled_ratio, algorithm="shared", predicted=2.0)
_OPTIMISM: Measure = partial(optimism, algorithm="proof", alpha=_ALPHA)
_LEMMA_1: Measure = partial(bound_violations, algorithm="parallel")
_LEMMA_3: Measure = partial(bound_violations, algorithm="joint")
_THEOREM_3: Measure = partial(chi_exponent, algorithm="contexts", predicted=0.5)


def _lemma_14(tables: Tables) -> Finding:
    """Count the runs of Algorithm 3 with more information than Lemma 14 allows."""
    frame = tables[HETEROGENEITY]
    chosen = {HETEROGENEITY: frame[(frame["kind"] == "chi") & (frame["algorithm"] == "contexts")]}
    return count_violations(chosen, HETEROGENEITY, lambda f: f["log_det"] > f["log_det_bound"])


def _same_optimum(tables: Tables) -> Finding:
    """Count the instances in which advantages of agents with contexts differ; an instance is the same in all cells."""
    frame = tables[HETEROGENEITY]
    once = {HETEROGENEITY: frame[frame["kind"] == "chi"].drop_duplicates(["seed", "amount"])}
    return count_violations(once, HETEROGENEITY, lambda f: f["spread"] > _ROUNDING)


def _theorem_4(tables: Tables) -> Finding:
    """Compare the exponent of T in R_C at the largest S with 1/2."""
    return joint_exponent(tables, thresholds(tables)[-1], 0.5)


def _proposition_1(tables: Tables) -> Finding:
    """Count the instances in which V*_v of Proposition 1 is not that of the best policy, among all v tested."""
    return count_violations(tables, EXACT, lambda f: f["gap"] > _ROUNDING, lambda f: int(f["tested"].sum()))


def _proposition_2(tables: Tables) -> Finding:
    """Count the dominated greedy policies, among all v tested."""
    return count_violations(tables, EXACT, lambda f: f["dominated"], lambda f: int(f["tested"].sum()))


def _boundary(tables: Tables) -> Finding:
    """Count the instances in which the greedy policy on the boundary is not dominated."""
    return count_violations(tables, EXACT, lambda f: f["dominated_boundary"] == 0)


# Negative controls.


def _as(name: str, other: str) -> Control:
    """Return the control where the runs of another algorithm stand in for those of an algorithm."""

    def tables(given: Tables) -> Tables:
        frame = given[REGRET]
        wrong = frame[frame["algorithm"] == other].assign(algorithm=name)
        return {**given, REGRET: pd.concat([frame[frame["algorithm"] != name], wrong])}

    what = {
        "alone": "agents that never communicate",
        "shared": "agents that communicate by S = 1",
        "proof": "β with the proofs' constants, with which no agent leaves exploration",
        "no_bonus": "no bonus",
    }
    return Control(other, what[other], tables)


def _every_episode(given: Tables) -> Tables:
    """Return tables where runs that communicate after every episode stand in for triggered runs."""
    frame = given[COMMUNICATION]
    return {**given, COMMUNICATION: frame[frame["role"] == CONTROL].assign(role="trigger")}


def _further_apart(given: Tables) -> Tables:
    """Return tables where agents ξ apart are taken for agents ξ/`_FAR` apart."""
    frame = given[HETEROGENEITY]
    amount = frame["amount"].where(frame["kind"] != "xi", frame["amount"] / _FAR)
    return {**given, HETEROGENEITY: frame.assign(amount=amount)}


def _no_sharing(given: Tables) -> Tables:
    """Return tables where agents do not share once their contexts differ, χ > 1."""
    frame = given[HETEROGENEITY]
    frame = frame[frame["kind"] == "chi"]
    same = frame[(frame["algorithm"] == "contexts") & (frame["amount"] == 1)]
    differ = frame[(frame["algorithm"] == "alone") & (frame["amount"] > 1)]
    return {**given, HETEROGENEITY: pd.concat([same, differ.assign(algorithm="contexts")])}


def _as_rank_one(given: Tables) -> Tables:
    """Return tables where agents with contexts of the largest χ are taken for agents with χ = 1."""
    frame = given[HETEROGENEITY]
    frame = frame[(frame["kind"] == "chi") & (frame["amount"] == frame.loc[frame["kind"] == "chi", "amount"].max())]
    return {**given, HETEROGENEITY: frame.assign(log_det_bound=frame["log_det_bound_1"])}


def _deviating(given: Tables) -> Tables:
    """Return tables where agents with small deviations stand in for agents with contexts."""
    frame = given[HETEROGENEITY]
    return {**given, HETEROGENEITY: frame[(frame["kind"] == "xi") & (frame["amount"] > 0)].assign(kind="chi")}


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


_EVERY = Control("every", "communication after every episode", _every_episode)


# Power.


def _doubled(tables: Tables, level: float) -> float:
    """Return the power of Proposition 3 if R_B exceeds R_C/T by the mean of R_C/T, at the last episode, smallest S."""
    frame = tables[PARETO]
    frame = frame[(frame["episode"] == frame["episode"].max()) & (frame["threshold"] == thresholds(tables)[0])]
    return law_of(proposition_3(tables)).power(0.0, float((frame["regret"] / frame["episode"]).mean()), level)


# The claims.

_PARALLEL = [
    Claim(
        id="together",
        measure=_TOGETHER,
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=shift(_TOGETHER, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
        primary=True,
    ),
    Claim(
        id="alone",
        measure=_ALONE,
        rule=Agrees(0.15),
        controls=[_as("alone", "shared")],
        power=shift(_ALONE, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="between",
        measure=_BETWEEN,
        rule=AtMost(),
        controls=[_as("remark", "alone")],
        power=shift(_BETWEEN, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="rate",
        measure=_RATE,
        rule=AtMost(),
        controls=[_as("shared", "proof")],
        power=shift(_RATE, 0.25, "a slope of 3/4"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="pooled",
        measure=_POOLED,
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=shift(_POOLED, 1.0, "a ratio of 3"),
        figure=_REGRET_FIGURE,
    ),
    Claim(
        id="optimism",
        measure=_OPTIMISM,
        rule=AtMost(),
        controls=[_as("proof", "no_bonus")],
        power=probability(_OPTIMISM, 0.5, "half of the runs fail"),
        figure=_REGRET_FIGURE,
        mode="literal",
    ),
    Claim(
        id="lemma_1",
        measure=_LEMMA_1,
        rule=Never(10),
        controls=[_EVERY],
        power=share(_LEMMA_1, 0.1, "one run in ten violates"),
        figure=_COMMUNICATION_FIGURE,
    ),
    Claim(
        id="theorem_2",
        measure=deviation_ratio,
        rule=AtMost(),
        controls=[Control("far", f"agents {_FAR} times further apart than stated", _further_apart)],
        power=shift(deviation_ratio, 1.0, "a ratio of 2"),
        figure=_HETEROGENEITY_FIGURE,
    ),
    Claim(
        id="theorem_3",
        measure=_THEOREM_3,
        rule=AtMost(),
        controls=[Control("unshared", "agents that stop sharing once their contexts differ", _no_sharing)],
        power=shift(_THEOREM_3, 0.5, "a slope of 1"),
        figure=_HETEROGENEITY_FIGURE,
    ),
    Claim(
        id="lemma_14",
        measure=_lemma_14,
        rule=Never(10),
        controls=[Control("rank", "agents with the largest χ taken for agents with χ = 1", _as_rank_one)],
        power=share(_lemma_14, 0.1, "one run in ten violates"),
        figure=_HETEROGENEITY_FIGURE,
    ),
    Claim(
        id="same_optimum",
        measure=_same_optimum,
        rule=Never(10),
        controls=[Control("deviating", "agents with small deviations (Assumption 1)", _deviating)],
        power=share(_same_optimum, 0.1, "one instance in ten"),
        figure=_HETEROGENEITY_FIGURE,
        mode="exact",
    ),
]

_JOINT = [
    Claim(
        id="lemma_3",
        measure=_LEMMA_3,
        rule=Never(10),
        controls=[_EVERY],
        power=share(_LEMMA_3, 0.1, "one run in ten violates"),
        figure=_COMMUNICATION_FIGURE,
    ),
    Claim(
        id="theorem_4",
        measure=_theorem_4,
        rule=AtMost(),
        controls=[Control("silent", "no communication: rewards are never learnt", _silent)],
        power=shift(_theorem_4, 0.25, "a slope of 3/4"),
        figure=_PARETO_FIGURE,
    ),
    Claim(
        id="theorem_4_threshold",
        measure=threshold_ratio,
        rule=AtMost(),
        controls=[Control("silent", "no communication taken for the largest S", _silent)],
        power=shift(threshold_ratio, 1.0, "a ratio of 2"),
        figure=_PARETO_FIGURE,
    ),
    Claim(
        id="proposition_1",
        measure=_proposition_1,
        rule=Never(100),
        controls=[_exact("gap", "gap_myopic", "policies that are greedy for the immediate reward")],
        power=share(_proposition_1, 0.1, "one in ten violates"),
        figure=_PARETO_FIGURE,
        mode="exact",
    ),
    Claim(
        id="proposition_2",
        measure=_proposition_2,
        rule=Never(100),
        controls=[_exact("dominated", "dominated_contrary", "policies that take the worst action")],
        power=share(_proposition_2, 0.1, "one in ten violates"),
        figure=_PARETO_FIGURE,
        mode="exact",
    ),
    Claim(
        id="boundary",
        measure=_boundary,
        rule=Never(10),
        controls=[
            _exact("dominated_boundary", "dominated", "scalarisations inside the simplex and rewards that differ")
        ],
        power=share(_boundary, 0.1, "one in ten violates"),
        figure=_PARETO_FIGURE,
        mode="exact",
    ),
    Claim(
        id="proposition_3",
        measure=proposition_3,
        rule=AtMost(),
        controls=[Control("last", "the last policy alone in the place of all T", _only_the_last)],
        power=Power("R_B twice as large as R_C/T", _doubled),
        figure=_PARETO_FIGURE,
    ),
]

CLAIMS: Sequence[Claim] = [*_PARALLEL, *_JOINT]
