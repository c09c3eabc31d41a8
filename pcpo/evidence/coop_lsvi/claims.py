"""Claims on Algorithms 1 and 3: group regret, rounds of communication, optimism, heterogeneity.

Claims on agents that share an MDP: Algorithm 2, its regrets over random scalarisations, and Propositions 1 to 3.

Group `coop_lsvi`: cooperative least-squares value iteration (Dubey and Pentland, arXiv:2103.04972), in small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import never_power
from pcpo.evidence.coop_lsvi.measures import (
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
from pcpo.evidence.coop_lsvi.studies import CONTROL
from pcpo.evidence.scaling.measures import normal_power

__all__ = ["CLAIMS", "JOINT", "PARALLEL"]

_REGRET, _MIXED = "coop_lsvi_regret", "coop_lsvi_heterogeneity"
_ALPHA = 0.05
_FAR = 100  #: The control of Theorem 2: agents further apart than stated, by this factor.


def _as(name: str, other: str) -> Control:
    """The runs of another algorithm in the place of one."""

    def tables(given: Tables) -> Tables:
        frame = given[_REGRET]
        wrong = frame[frame["algorithm"] == other].assign(algorithm=name)
        return {**given, _REGRET: pd.concat([frame[frame["algorithm"] != name], wrong])}

    what = {
        "alone": "agents that never communicate",
        "shared": "agents that communicate by S = 1",
        "proof": "β with the proofs' constants, with which no agent leaves exploration",
        "no_bonus": "no bonus",
    }
    return Control(other, what[other], tables)


def _every_episode(given: Tables) -> Tables:
    frame = given["coop_lsvi_communication"]
    wrong = frame[frame["role"] == CONTROL].assign(role="trigger")
    return {**given, "coop_lsvi_communication": wrong}


def _further_apart(given: Tables) -> Tables:
    """Agents ξ apart judged as if they were ξ/`_FAR` apart."""
    frame = given[_MIXED]
    return {**given, _MIXED: frame.assign(amount=frame["amount"].where(frame["kind"] != "xi", frame["amount"] / _FAR))}


def _no_sharing(given: Tables) -> Tables:
    """Agents that stop sharing once their contexts differ, χ > 1."""
    frame = given[_MIXED]
    frame = frame[frame["kind"] == "chi"]
    same = frame[(frame["algorithm"] == "contexts") & (frame["amount"] == 1)]
    differ = frame[(frame["algorithm"] == "alone") & (frame["amount"] > 1)]
    return {**given, _MIXED: pd.concat([same, differ.assign(algorithm="contexts")])}


def _taken_for_one(given: Tables) -> Tables:
    """Agents with contexts of the largest χ taken for agents with χ = 1."""
    frame = given[_MIXED]
    frame = frame[(frame["kind"] == "chi") & (frame["amount"] == frame.loc[frame["kind"] == "chi", "amount"].max())]
    return {**given, _MIXED: frame.assign(log_det_bound=frame["log_det_bound_1"])}


def _deviating(given: Tables) -> Tables:
    frame = given[_MIXED]
    return {**given, _MIXED: frame[(frame["kind"] == "xi") & (frame["amount"] > 0)].assign(kind="chi")}


def _lemma_14(tables: Tables) -> Finding:
    chosen = {_MIXED: _of_contexts(tables[_MIXED])}
    return count_violations(chosen, _MIXED, lambda f: f["log_det"] > f["log_det_bound"], len)


def _of_contexts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["kind"] == "chi") & (frame["algorithm"] == "contexts")]


def _same_optimum(tables: Tables) -> Finding:
    """Advantages of agents with contexts; one row for each instance is enough, all have the same MDPs."""
    frame = tables[_MIXED]
    once = {_MIXED: frame[(frame["kind"] == "chi")].drop_duplicates(["seed", "amount"])}
    return count_violations(once, _MIXED, lambda f: f["spread"] > 1e-9, len)


def _few_pessimistic(tables: Tables) -> float:
    """P(refuted) if half of the runs are pessimistic somewhere."""
    runs = optimism(tables, "proof", _ALPHA).n_runs
    return 1 - 0.5**runs


def _trials(algorithm: str) -> Power:
    def value(tables: Tables) -> float:
        return never_power(bound_violations(tables, algorithm, "trigger").n_runs, 0.1)

    return Power("one run in ten violates", value)


PARALLEL = [
    Claim(
        id="together",
        measure=lambda tables: agents_exponent(tables, "shared", 0.5),
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=Power("a slope of 3/4", lambda tables: normal_power(agents_exponent(tables, "shared", 0.5), 0.25)),
        figure="coop_regret",
        primary=True,
    ),
    Claim(
        id="alone",
        measure=lambda tables: agents_exponent(tables, "alone", 1.0, logs=False),
        rule=Agrees(0.15),
        controls=[_as("alone", "shared")],
        power=Power(
            "a slope of 3/4", lambda tables: normal_power(agents_exponent(tables, "alone", 1.0, logs=False), 0.25)
        ),
        figure="coop_regret",
    ),
    Claim(
        id="between",
        measure=lambda tables: agents_exponent(tables, "remark", 0.5),
        rule=AtMost(),
        controls=[_as("remark", "alone")],
        power=Power("a slope of 3/4", lambda tables: normal_power(agents_exponent(tables, "remark", 0.5), 0.25)),
        figure="coop_regret",
    ),
    Claim(
        id="rate",
        measure=lambda tables: time_exponent(tables, "shared", 0.5),
        rule=AtMost(),
        controls=[_as("shared", "proof")],
        power=Power("a slope of 3/4", lambda tables: normal_power(time_exponent(tables, "shared", 0.5), 0.25)),
        figure="coop_regret",
    ),
    Claim(
        id="pooled",
        measure=lambda tables: pooled_ratio(tables, "shared", 2.0),
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=Power("a ratio of 3", lambda tables: normal_power(pooled_ratio(tables, "shared", 2.0), 1.0)),
        figure="coop_regret",
    ),
    Claim(
        id="optimism",
        measure=lambda tables: optimism(tables, "proof", _ALPHA),
        rule=AtMost(),
        controls=[_as("proof", "no_bonus")],
        power=Power("half of the runs fail", _few_pessimistic),
        figure="coop_regret",
        mode="literal",
    ),
    Claim(
        id="lemma_1",
        measure=lambda tables: bound_violations(tables, "parallel", "trigger"),
        rule=Never(10),
        controls=[Control("every", "communication after every episode", _every_episode)],
        power=_trials("parallel"),
        figure="coop_communication",
    ),
    Claim(
        id="theorem_2",
        measure=deviation_ratio,
        rule=AtMost(),
        controls=[Control("far", f"agents {_FAR} times further apart than stated", _further_apart)],
        power=Power("a ratio of 2", lambda tables: normal_power(deviation_ratio(tables), 1.0)),
        figure="coop_heterogeneity",
    ),
    Claim(
        id="theorem_3",
        measure=lambda tables: chi_exponent(tables, "contexts", 0.5),
        rule=AtMost(),
        controls=[Control("unshared", "agents that stop sharing once their contexts differ", _no_sharing)],
        power=Power("a slope of 1", lambda tables: normal_power(chi_exponent(tables, "contexts", 0.5), 0.5)),
        figure="coop_heterogeneity",
    ),
    Claim(
        id="lemma_14",
        measure=_lemma_14,
        rule=Never(10),
        controls=[Control("rank", "agents with the largest χ taken for agents with χ = 1", _taken_for_one)],
        power=Power("one run in ten violates", lambda tables: never_power(_lemma_14(tables).n_runs, 0.1)),
        figure="coop_heterogeneity",
    ),
    Claim(
        id="same_optimum",
        measure=_same_optimum,
        rule=Never(10),
        controls=[Control("deviating", "agents with small deviations (Assumption 1)", _deviating)],
        power=Power("one instance in ten", lambda tables: never_power(_same_optimum(tables).n_runs, 0.1)),
        figure="coop_heterogeneity",
        mode="exact",
    ),
]


_EXACT, _PARETO = "coop_lsvi_exact", "coop_lsvi_pareto"
_ROUNDING = 1e-9


def _every_joint_episode(given: Tables) -> Tables:
    frame = given["coop_lsvi_communication"]
    return {**given, "coop_lsvi_communication": frame[frame["role"] == CONTROL].assign(role="trigger")}


def _silent(given: Tables) -> Tables:
    """Agents that never communicate in the place of those with any threshold: the learner never learns."""
    frame = given[_PARETO]
    known = thresholds(given)
    silent = frame[frame["threshold"].isna()]
    kept = frame[frame["threshold"] != known[-1]]
    return {**given, _PARETO: pd.concat([kept, silent.assign(threshold=known[-1])], ignore_index=True)}


def _only_the_last(given: Tables) -> Tables:
    """One policy, the last, in the place of all that were played."""
    return {**given, _PARETO: given[_PARETO].assign(bayes=given[_PARETO]["bayes_last"])}


def _exact(column: str, other: str) -> Control:
    def tables(given: Tables) -> Tables:
        return {**given, _EXACT: given[_EXACT].assign(**{column: given[_EXACT][other]})}

    what = {
        "gap_myopic": "policies that are greedy for the immediate reward",
        "dominated_contrary": "policies that take the worst action",
        "dominated": "scalarisations inside the simplex and rewards that differ",
    }
    return Control(other, what[other], tables)


def _proposition_1(tables: Tables) -> Finding:
    return count_violations(tables, _EXACT, lambda f: f["gap"] > _ROUNDING, lambda f: int(f["tested"].sum()))


def _proposition_2(tables: Tables) -> Finding:
    return count_violations(tables, _EXACT, lambda f: f["dominated"], lambda f: int(f["tested"].sum()))


def _boundary(tables: Tables) -> Finding:
    return count_violations(tables, _EXACT, lambda f: f["dominated_boundary"] == 0, len)


def _rare(tables: Tables) -> Finding:
    return threshold_ratio(tables, rare=thresholds(tables)[-1])


def _rate(tables: Tables) -> Finding:
    return joint_exponent(tables, thresholds(tables)[-1], 0.5)


def _average_regret(tables: Tables) -> float:
    """Mean of R_C(T)/T at the last episode, smallest S."""
    frame = tables[_PARETO]
    frame = frame[(frame["episode"] == frame["episode"].max()) & (frame["threshold"] == thresholds(tables)[0])]
    return float((frame["regret"] / frame["episode"]).mean())


def _one_in_ten(measure: Callable[[Tables], Finding]) -> Power:
    return Power("one in ten violates", lambda tables: never_power(measure(tables).n_runs, 0.1))


JOINT = [
    Claim(
        id="lemma_3",
        measure=lambda tables: bound_violations(tables, "joint", "trigger"),
        rule=Never(10),
        controls=[Control("every", "communication after every episode", _every_joint_episode)],
        power=Power(
            "one run in ten violates",
            lambda tables: never_power(bound_violations(tables, "joint", "trigger").n_runs, 0.1),
        ),
        figure="coop_communication",
    ),
    Claim(
        id="theorem_4",
        measure=_rate,
        rule=AtMost(),
        controls=[Control("silent", "no communication: rewards are never learnt", _silent)],
        power=Power("a slope of 3/4", lambda tables: normal_power(_rate(tables), 0.25)),
        figure="coop_pareto",
    ),
    Claim(
        id="theorem_4_threshold",
        measure=_rare,
        rule=AtMost(),
        controls=[Control("silent", "no communication taken for the largest S", _silent)],
        power=Power("a ratio of 2", lambda tables: normal_power(_rare(tables), 1.0)),
        figure="coop_pareto",
    ),
    Claim(
        id="proposition_1",
        measure=_proposition_1,
        rule=Never(100),
        controls=[_exact("gap", "gap_myopic")],
        power=_one_in_ten(_proposition_1),
        figure="coop_pareto",
        mode="exact",
    ),
    Claim(
        id="proposition_2",
        measure=_proposition_2,
        rule=Never(100),
        controls=[_exact("dominated", "dominated_contrary")],
        power=_one_in_ten(_proposition_2),
        figure="coop_pareto",
        mode="exact",
    ),
    Claim(
        id="boundary",
        measure=_boundary,
        rule=Never(10),
        controls=[_exact("dominated_boundary", "dominated")],
        power=_one_in_ten(_boundary),
        figure="coop_pareto",
        mode="exact",
    ),
    Claim(
        id="proposition_3",
        measure=proposition_3,
        rule=AtMost(),
        controls=[Control("last", "the last policy alone in the place of all T", _only_the_last)],
        power=Power(
            "R_B twice as large as R_C/T",
            lambda tables: normal_power(proposition_3(tables), _average_regret(tables)),
        ),
        figure="coop_pareto",
    ),
]


_INTRODUCTION = r"""The same question in episodic MDPs: how much do $M$ agents gain by sharing, under heterogeneity,
with how little communication? CoopLSVI answers with optimism, least squares on everybody's transitions, and a round of
communication only once the determinant of an agent's own data has grown by (7). The paper has no experiments. Here are
some, in random finite MDPs that are linear exactly, with values by dynamic programming: regrets have no sampling error
of their own. Rates that hold for all MDPs are tested on a worst one: the rewards of every MDP come in several
contrasts, and at each $M$ and $T$ the contrast with the largest mean regret counts. With the widths $\beta$ of the
proofs no agent leaves exploration at such sizes, and with those of the theorems it takes long; the calibrated ones have
the theorems' form times a named scale. Numbers of rounds are what the server counted."""

CLAIMS: Sequence[Claim] = [*PARALLEL, *JOINT]
