"""Claims on Algorithms 1 and 3: group regret, rounds of communication, optimism, heterogeneity."""

from __future__ import annotations

import pandas as pd

from .communication_power import never_power
from .contract import Agrees, AtMost, Claim, Control, Finding, Never, Power, Tables
from .coop_lsvi_communication import CONTROL
from .coop_lsvi_measures import (
    agents_exponent,
    bound_violations,
    chi_exponent,
    count_violations,
    deviation_ratio,
    optimism,
    pooled_ratio,
    time_exponent,
)
from .scaling_measures import normal_power

__all__ = ["PARALLEL"]

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
        id="coop.together",
        title="Together, regret grows as the square root of the number of agents",
        source="Theorem 1 and Remark 2, S = O(1)",
        statement=r"$\mathfrak R(T)=\tilde O(d^{3/2}H^2\sqrt{MT})$ for $S=O(1)$",
        quantity=r"slope over log M of log(worst mean regret / (β_T√log MT)), S = 1",
        measure=lambda tables: agents_exponent(tables, "shared", 0.5),
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=Power("a slope of 3/4", lambda tables: normal_power(agents_exponent(tables, "shared", 0.5), 0.25)),
        figure="coop_regret",
        primary=True,
    ),
    Claim(
        id="coop.alone",
        title="Alone, it grows with the number of agents",
        source="Remark 2, no communication",
        statement=r"$\mathfrak R(T)=\tilde O(M\sqrt T)$, and no better, for isolated agents",
        quantity=r"slope over log M of log(worst mean regret) without communication",
        measure=lambda tables: agents_exponent(tables, "alone", 1.0, logs=False),
        rule=Agrees(0.15),
        controls=[_as("alone", "shared")],
        power=Power(
            "a slope of 3/4", lambda tables: normal_power(agents_exponent(tables, "alone", 1.0, logs=False), 0.25)
        ),
        figure="coop_regret",
    ),
    Claim(
        id="coop.between",
        title="With the threshold of Remark 2 it still grows as the square root",
        source="Remark 2, S = T log(MT)/(dM²)",
        statement=r"$\mathfrak R(T)=\tilde O(d^{3/2}H^2\sqrt{MT})$ for $S=O(T\log(MT)/dM^2)$",
        quantity=r"slope over log M of log(worst mean regret / (β_T√log MT)), S of Remark 2",
        measure=lambda tables: agents_exponent(tables, "remark", 0.5),
        rule=AtMost(),
        controls=[_as("remark", "alone")],
        power=Power("a slope of 3/4", lambda tables: normal_power(agents_exponent(tables, "remark", 0.5), 0.25)),
        figure="coop_regret",
    ),
    Claim(
        id="coop.rate",
        title="Regret grows as the square root of the episodes",
        source="Theorem 1",
        statement=r"$\mathfrak R(T)=\tilde O(\sqrt T)$ at fixed $M$ and $S$",
        quantity=r"slope over log T of log(worst mean regret / (β_T√log MT)), S = 1, the largest M",
        measure=lambda tables: time_exponent(tables, "shared", 0.5),
        rule=AtMost(),
        controls=[_as("shared", "proof")],
        power=Power("a slope of 3/4", lambda tables: normal_power(time_exponent(tables, "shared", 0.5), 0.25)),
        figure="coop_regret",
    ),
    Claim(
        id="coop.pooled",
        title="The group is as good as one agent with all episodes, but for a constant",
        source="Remark 2; the constant 2 is a reading",
        statement=r"for $S=O(1)$ the rate matches the centralised setting",
        quantity="group regret with S = 1 over that of one LSVI-UCB agent that acts MT times, worst contrasts",
        measure=lambda tables: pooled_ratio(tables, "shared", 2.0),
        rule=AtMost(),
        controls=[_as("shared", "alone")],
        power=Power("a ratio of 3", lambda tables: normal_power(pooled_ratio(tables, "shared", 2.0), 1.0)),
        figure="coop_regret",
    ),
    Claim(
        id="coop.optimism",
        title="With the constants as printed, Q-values are optimistic",
        source="Lemma 6, β of Lemma 5 with c_β = 1",
        statement=r"with probability at least $1-\delta'/2$, $Q^t_{m,h}\ge Q^*_{m,h}$ everywhere",
        quantity="fraction of runs with Q^t < Q* for some agent, episode, step, state and action",
        measure=lambda tables: optimism(tables, "proof", _ALPHA),
        rule=AtMost(),
        controls=[_as("proof", "no_bonus")],
        power=Power("half of the runs fail", _few_pessimistic),
        figure="coop_regret",
        mode="literal",
    ),
    Claim(
        id="coop.lemma_1",
        title="Episodes with communication are within their bound",
        source="Lemma 1",
        statement=r"$n\le 2H\sqrt{d(T/S)\log(MT)}+4H$",
        quantity="runs of Algorithm 1 with more rounds than that, over T, S, M and d",
        measure=lambda tables: bound_violations(tables, "parallel", "trigger"),
        rule=Never(10),
        controls=[Control("every", "communication after every episode", _every_episode)],
        power=_trials("parallel"),
        figure="coop_communication",
    ),
    Claim(
        id="coop.theorem_2",
        title="Small deviations cost regret in proportion at most",
        source="Theorem 2, Assumption 1; the constant is of the simulation lemma, a reading",
        statement=r"the regret that $\xi$ adds is at most proportional to $\xi T$; here $\le\xi H(H+1)$ an episode",
        quantity="largest over ξ of the extra regret of an agent and late episode, β told ξ, over ξH(H + 1)",
        measure=deviation_ratio,
        rule=AtMost(),
        controls=[Control("far", f"agents {_FAR} times further apart than stated", _further_apart)],
        power=Power("a ratio of 2", lambda tables: normal_power(deviation_ratio(tables), 1.0)),
        figure="coop_heterogeneity",
    ),
    Claim(
        id="coop.theorem_3",
        title="Regret grows with the rank of the contexts as a square root at most",
        source="Theorem 3, S = O(1)",
        statement=r"$\mathfrak R(T)=\tilde O((d+k)H^2\sqrt{(d+\chi)MT})$",
        quantity="slope over log(d + χ) of log mean regret at fixed k, Algorithm 3",
        measure=lambda tables: chi_exponent(tables, "contexts", 0.5),
        rule=AtMost(),
        controls=[Control("unshared", "agents that stop sharing once their contexts differ", _no_sharing)],
        power=Power("a slope of 1", lambda tables: normal_power(chi_exponent(tables, "contexts", 0.5), 0.5)),
        figure="coop_heterogeneity",
    ),
    Claim(
        id="coop.lemma_14",
        title="The information of all agents grows with the rank of the contexts",
        source="Lemma 14, λ = 1",
        statement=r"$\log\det\tilde\Lambda_h^T\le(d+\lambda+\chi)\log(MT)$",
        quantity="runs of Algorithm 3 in which it does not hold at some step",
        measure=_lemma_14,
        rule=Never(10),
        controls=[Control("rank", "agents with the largest χ taken for agents with χ = 1", _taken_for_one)],
        power=Power("one run in ten violates", lambda tables: never_power(_lemma_14(tables).n_runs, 0.1)),
        figure="coop_heterogeneity",
    ),
    Claim(
        id="coop.same_optimum",
        title="Contexts never change what is optimal",
        source="Definition 2; a consequence that is not stated in the paper",
        statement=r"$Q^*_{m,h}-V^*_{m,h}$ is the same for all agents $m$",
        quantity="instances in which two agents' advantages differ by more than rounding",
        measure=_same_optimum,
        rule=Never(10),
        controls=[Control("deviating", "agents with small deviations (Assumption 1)", _deviating)],
        power=Power("one instance in ten", lambda tables: never_power(_same_optimum(tables).n_runs, 0.1)),
        figure="coop_heterogeneity",
        mode="exact",
    ),
]
