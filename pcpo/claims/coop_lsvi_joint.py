"""Claims on agents that share an MDP: Algorithm 2, its regrets over random scalarisations, and Propositions 1 to 3."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from .communication_power import never_power
from .contract import AtMost, Claim, Control, Finding, Never, Power, Tables
from .coop_lsvi_communication import CONTROL
from .coop_lsvi_measures import (
    bound_violations,
    count_violations,
    joint_exponent,
    proposition_3,
    threshold_ratio,
    thresholds,
)
from .scaling_measures import normal_power

__all__ = ["JOINT"]

_EXACT, _PARETO = "coop_lsvi_exact", "coop_lsvi_pareto"
_ROUNDING = 1e-9


def _every_episode(given: Tables) -> Tables:
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
        id="coop.lemma_3",
        title="Episodes with communication are within their bound, rewards shared rarely",
        source="Lemma 3",
        statement=r"$n\le dH\log_S(1+MT/d)+H$ for $S>1$",
        quantity="runs of Algorithm 2 with more rounds than that, over T, S, M and d",
        measure=lambda tables: bound_violations(tables, "joint", "trigger"),
        rule=Never(10),
        controls=[Control("every", "communication after every episode", _every_episode)],
        power=Power(
            "one run in ten violates",
            lambda tables: never_power(bound_violations(tables, "joint", "trigger").n_runs, 0.1),
        ),
        figure="coop_communication",
    ),
    Claim(
        id="coop.theorem_4",
        title="Regret over random scalarisations grows as the square root of the episodes",
        source="Theorem 4",
        statement=r"$\mathfrak R_C(T)=\tilde O(d^{3/2}H^2\sqrt{ST})$",
        quantity=r"slope over log T, from T/16 on, of log(mean R_C / (β_T√log MT)), the largest S",
        measure=_rate,
        rule=AtMost(),
        controls=[Control("silent", "no communication: rewards are never learnt", _silent)],
        power=Power("a slope of 3/4", lambda tables: normal_power(_rate(tables), 0.25)),
        figure="coop_pareto",
    ),
    Claim(
        id="coop.theorem_4_threshold",
        title="Rare communication costs the square root of the threshold at most",
        source="Theorem 4",
        statement=r"$\mathfrak R_C(T)$ grows at most as $\sqrt S$",
        quantity="mean R_C at the largest S over that at the smallest times the root of their ratio",
        measure=_rare,
        rule=AtMost(),
        controls=[Control("silent", "no communication taken for the largest S", _silent)],
        power=Power("a ratio of 2", lambda tables: normal_power(_rare(tables), 1.0)),
        figure="coop_pareto",
    ),
    Claim(
        id="coop.proposition_1",
        title="The scalarised optimum solves Bellman's equations",
        source="Proposition 1, with V*_{v,h+1} on the right",
        statement=r"$Q^*_{v,h}=\mathfrak s_v\mathbf r_h+\mathbb P_hV^*_{v,h+1}$, $V^*_{v,h}=\max_{\mathbf a}Q^*_{v,h}$",
        quantity="instances in which it differs from the best of all joint policies for some v and state",
        measure=_proposition_1,
        rule=Never(100),
        controls=[_exact("gap", "gap_myopic")],
        power=_one_in_ten(_proposition_1),
        figure="coop_pareto",
        mode="exact",
    ),
    Claim(
        id="coop.proposition_2",
        title="Greedy policies of scalarisations inside the simplex are Pareto-optimal",
        source="Proposition 2, for v > 0",
        statement=r"$\pi^*_v\in\Pi^*$ for every $v\in\Upsilon$",
        quantity="greedy policies that some joint policy dominates, among the v tested",
        measure=_proposition_2,
        rule=Never(100),
        controls=[_exact("dominated", "dominated_contrary")],
        power=_one_in_ten(_proposition_2),
        figure="coop_pareto",
        mode="exact",
    ),
    Claim(
        id="coop.boundary",
        title="… and on its boundary they need not be",
        source="Proposition 2 as printed, for all v of the simplex; Definition 4; a counterexample",
        statement=r"for $v=(1,0)$ and an agent 1 whose reward is constant, $\pi^*_v\notin\Pi^*$",
        quantity="instances in which the greedy policy is Pareto-optimal nevertheless",
        measure=_boundary,
        rule=Never(10),
        controls=[_exact("dominated_boundary", "dominated")],
        power=_one_in_ten(_boundary),
        figure="coop_pareto",
        mode="exact",
    ),
    Claim(
        id="coop.proposition_3",
        title="The policies played cover the front as well as they earn",
        source="Proposition 3, o(1) taken for 0",
        statement=r"$\mathfrak R_B(T)\le\frac1T\mathfrak R_C(T)+o(1)$",
        quantity="mean of R_B(T) − R_C(T)/T, units of reward",
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
