"""Where the paper's text, followed to the letter, leads elsewhere than it says; each with the smallest repair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pcpo.claims.contract import Agrees, Claim, Control, Finding, Group, Never, Power, Tables
from pcpo.claims.power import agreement_power, never_power
from pcpo.evidence.communication.measures import degree_two, relabelled
from pcpo.evidence.communication.studies import communication_study
from pcpo.evidence.defects import measures as measured
from pcpo.evidence.defects.arithmetic import NOISE, READINGS
from pcpo.evidence.defects.figures import defects_figure
from pcpo.evidence.defects.measures import RUNS as RUNS_STUDY
from pcpo.evidence.defects.measures import first_correct, swapped
from pcpo.evidence.defects.studies import BUDGET, RUNS

__all__ = ["GROUP"]

_SECONDARY = 11
_ROUNDS = "defects_rounds"
_LEAST = 4  # runs; what is shown is no matter of chance, and a control shows the contrary in every run


def _absent(measure: Callable[[Tables], Finding], share: float = 0.5) -> Power:
    words = f"the claim is false in {100 * share:g} % of the runs"
    return Power(words, lambda tables: never_power(measure(tables).n_runs, share))


def _off(measure: Callable[[Tables], Finding], alternative: float, words: str) -> Power:
    return Power(words, lambda tables: agreement_power(measure(tables), alternative, _SECONDARY))


def _rounds(tables: Tables) -> Finding:
    """Coefficient of L̄² in the counted rounds."""
    return degree_two(tables, _ROUNDS)


def _from_first_reinitialisation(tables: Tables) -> Tables:
    """Sets called right from the first (8) on, although they are not."""
    frame = tables[RUNS_STUDY]
    after = frame.groupby(["cell", "seed"])["reinitialised"].cummax()
    return {**tables, RUNS_STUDY: frame.assign(separated=after)}


def _one_epoch_more(tables: Tables) -> Tables:
    """Runs that go on for one epoch after separation: L̃ is moved by one."""
    frame = tables[RUNS_STUDY]
    first = frame.join(first_correct(frame).rename("first"), on=["cell", "seed"])["first"]
    return {**tables, RUNS_STUDY: frame.assign(separated=(frame["epoch"] > first).astype(int))}


def _wasteful(tables: Tables) -> Tables:
    """The package's `local`, which takes 2R_l + 1 iterations with M_l, in place of R_l with all rollouts."""
    frame = tables["defects_budget"]
    kept = frame[frame["cell"] != "local_whole"]
    return {**tables, "defects_budget": kept.assign(cell=kept["cell"].replace("local", "local_whole"))}


_ALL: dict[str, Any] = {"figure": "defects"}

_H1 = [
    Claim(
        id="offsets",
        title="One cluster, different starts: the offsets stay for ever",
        source="Algorithm 1, lines 9, 10 and 14; Theorem 2",
        statement=r"Theorem 2 asks nothing of the $K_i^{(0)}$, and its proof uses that (8) has fired. With one "
        r"cluster no set ever changes, (8) never fires, and all $Y_i$ move by the same mean: $Y_i-Y_j$ is conserved. "
        r"Repair: apply (8) once at the end of epoch 1, or start from a common policy.",
        quantity="runs in which an offset Y_i − Y_j changes by more than 1e-12 of the largest (rounding)",
        measure=measured.offsets,
        rule=Never(_LEAST),
        controls=[
            Control(
                "synchronised",
                "the repair: (8) at the end of epoch 1",
                swapped(RUNS_STUDY, single="single_sync", single_rollouts="single_sync_rollouts"),
            )
        ],
        power=_absent(measured.offsets),
        primary=True,
        **_ALL,
    ),
    Claim(
        id="plateau",
        title="… and the gap ends at the offsets' own cost",
        source="Theorem 2, eq. (9)",
        statement=r"The mean policy converges, so agent $i$ ends near $\frac12 d_i^\top H d_i$ above $C^*$, with "
        r"$d_i$ "
        r"its start's offset from the mean start and $H=\nabla^2C(K^*)$; all together at "
        r"$\min_x\frac1N\sum_iC(K^*+x+d_i)-C^*$.",
        quantity="runs whose final mean gap is off that minimum by more than a millionth, exact answers",
        measure=measured.plateau,
        rule=Never(_LEAST),
        controls=[Control("synchronised", "the repair", swapped(RUNS_STUDY, single="single_sync"))],
        power=_absent(measured.plateau),
        **_ALL,
    ),
    Claim(
        id="no_progress",
        title="… whatever the number of rollouts",
        source="Theorem 2, eq. (9)",
        statement=r"(9) bounds the gap by $\tilde O(1/\sqrt{|\mathcal M|T})$; from epoch 2 on it does not fall at all.",
        quantity="runs whose mean gap falls by more than 1 % from epoch 2 to the last epoch, exact answers",
        measure=measured.no_progress,
        rule=Never(_LEAST),
        controls=[Control("synchronised", "the repair", swapped(RUNS_STUDY, single="single_sync"))],
        power=_absent(measured.no_progress),
        **_ALL,
    ),
]

_SETS = [
    Claim(
        id="adoption",
        title="Before separation, (8) destabilises agents",
        source="Algorithm 1, eq. (8), “Reinitialization to ensure stability”; event (22)",
        statement=r"On the good event (22), (8) hands an agent the cheapest $X_j^{(l)}$ of its set. While the set "
        r"still holds another cluster, that policy may have infinite cost for it. Without (8) these runs have no such "
        r"policy.",
        quantity="runs in which (22) fails, or (8) hands out no policy of infinite cost before the sets are right",
        measure=measured.adoption,
        rule=Never(_LEAST),
        controls=[
            Control("no_reinit", "the same runs without (8)", swapped(RUNS_STUDY, forked="forked_no_reinit")),
            Control("related", "clusters with stabilising gains in common", swapped(RUNS_STUDY, forked="related")),
        ],
        power=_absent(measured.adoption),
        **_ALL,
    ),
    Claim(
        id="repaired",
        title="… and the (8) of the last change repairs it",
        source="Algorithm 1, eqs. (7), (8)",
        statement=r"(7) looks at $X_i$ and $\hat C_i$ only. At $\tilde L$, the first epoch from which on the sets are "
        r"right, (8) gives all agents a policy of their own cluster; from then on no cost is infinite. No repair is "
        r"needed, but rollouts before $\tilde L$ have to be cut off.",
        quantity="runs with a policy of infinite cost at an epoch l ≥ L̃, or a rollout under one at l > L̃",
        measure=measured.repaired,
        rule=Never(_LEAST),
        controls=[
            Control("any_8", "counted from the first (8) on, not from the right sets", _from_first_reinitialisation)
        ],
        power=_absent(measured.repaired),
        **_ALL,
    ),
    Claim(
        id="no_partition",
        title="Before separation, the sets need not be a partition",
        source="Algorithm 1, eq. (7)",
        statement=r"$\mathcal N_i^{(l)}$ is to estimate a cluster. (7) is symmetric but not transitive: of three "
        r"equally spaced clusters, the middle one keeps both others when these have dropped each other.",
        quantity="runs in which the sets are a partition at every epoch, or are not symmetric at some",
        measure=measured.no_partition,
        rule=Never(_LEAST),
        controls=[Control("two", "two clusters", swapped(RUNS_STUDY, chain="pair"))],
        power=_absent(measured.no_partition),
        **_ALL,
    ),
    Claim(
        id="equal_costs",
        title="Equal optimal costs hide any difference",
        source="Eq. (3), Theorem 2",
        statement=r"Systems may be “arbitrarily different”, as long as $\Delta>0$. Here the inputs are opposite, and "
        r"$\Delta=10^{-8}C^*$: the clusters stay together, and are averaged, for as long as a run lasts. A limit of "
        r"the method, which (3) states. Repair: exchange more than the cost.",
        quantity="runs in which the clusters are separated at some epoch",
        measure=measured.inseparable,
        rule=Never(_LEAST),
        controls=[Control("apart", "the same systems with costs 4 apart", swapped(RUNS_STUDY, equal="far"))],
        power=_absent(measured.inseparable),
        **_ALL,
    ),
    Claim(
        id="local_output",
        title="A budget that ends at separation returns a local policy",
        source="Theorem 2, Algorithm 1, line 15",
        statement=r"At $\tilde L$ the sets change, so (8) replaces every $\hat K_i$ by a local policy. Collaboration "
        r"among the right agents begins in epoch $\tilde L+1$. Repair: a budget of one epoch more, as $\bar L>L$ "
        r"provides.",
        quantity="runs whose policies at L̃ are not all, bit by bit, somebody's local ones (rollouts)",
        measure=measured.local_output,
        rule=Never(_LEAST),
        controls=[Control("one_more", "one epoch more", _one_epoch_more)],
        power=_absent(measured.local_output),
        **_ALL,
    ),
]

_TEXT = [
    Claim(
        id="log_squared",
        title="“Logarithmic” communication is quadratic in log T",
        source="Corollary 3, Appendix D",
        statement=r"A logarithm of $T$ would make the rounds linear in $\bar L$; the counted ones have the term "
        r"$\frac{c_2\log4}{2}\bar L^2$. Repair: “polylogarithmic”, or $R_l$ constant in $l$, which a warm start may "
        r"allow.",
        quantity="coefficient of L̄² in the counted rounds, in units of c2·log 4/2",
        measure=_rounds,
        rule=Agrees(0.15),
        controls=[
            Control("constant", "the repair R_l = R_1", relabelled("control:constant", "agents", _ROUNDS)),
        ],
        power=_off(_rounds, 0.0, "rounds linear in L̄"),
        **_ALL,
    ),
    Claim(
        id="printed_delta",
        title="The printed δ_l of Algorithm 1 overspends δ",
        source=r"Algorithm 1, line 3; Table 2; Appendix B",
        statement=r"Appendix B needs $\sum_l\delta_l/2\le\delta/2$. With the printed $\delta/2^{l/2}$ the sum comes "
        r"to $1.2\,\delta$, and $\prod_l(1-\delta_l/2)$ below $1-\delta/2$. Repair: $\delta_l=\delta/(2l^2)$, which "
        r"Appendix B ends with; $\delta/2^{l^2}$ of Table 2 is summable as well.",
        quantity="values of δ for which the sum or the product keeps within the bound, exact arithmetic",
        measure=measured.printed_delta,
        rule=Never(20),
        controls=[
            Control("appendix", "the repair δ/(2l²)", swapped("defects_readings", algorithm="appendix")),
            Control("table", "Table 2's δ/2^(l²)", swapped("defects_readings", algorithm="table")),
        ],
        power=_absent(measured.printed_delta, 0.1),
        mode="exact",
        **_ALL,
    ),
    Claim(
        id="gaussian",
        title="Gaussian noise is not covered",
        source="Eq. (2), (18)",
        statement=r"(2) asks for $\|z_t\|^2\le B$. The largest $\|z\|^2$ of Gaussian noise grows like "
        r"$2\log(\mathrm{draws})$, so no $B$, and no $G_\infty$, will do. A restriction that the paper states. "
        r"Repair: a sub-exponential bound instead of Hoeffding's.",
        quantity="growth of the largest ‖z‖² per unit of log(draws), n = 2",
        measure=measured.gaussian,
        rule=Agrees(0.4),
        controls=[
            Control(law, f"bounded noise, law {law}", swapped("defects_noise", gaussian=law))
            for law in ("signs", "sphere", "cube")
        ],
        power=_off(measured.gaussian, 0.0, "bounded noise"),
        mode="exact",
        **_ALL,
    ),
    Claim(
        id="break_even",
        title="Half of the rollouts are spent on the local sequence",
        source="Theorem 2 (discussion), Algorithm 1",
        statement=r"(9) compares with $\tilde O(1/\sqrt T)$ for one agent. An agent that learns alone has all $T_l$ "
        r"rollouts for its $R_l$ steps, so the ratio of gaps is $\sqrt{(2+1/R_l)/|\mathcal M|}$ and not "
        r"$1/\sqrt{|\mathcal M|}$: PCPO wins only from $|\mathcal M|=3$ on. A constant, hidden by $O(\cdot)$. Repair: "
        r"stop the local sequence once the sets have settled.",
        quantity="√|M| times the mean gap of PCPO over that of learning alone with the same rollouts",
        measure=measured.break_even,
        rule=Agrees(0.12, relative=True),
        controls=[
            Control(
                "wasteful",
                "an agent alone that spends its rollouts on 2R_l + 1 steps",
                _wasteful,
            )
        ],
        power=_off(measured.break_even, 1.0, "a ratio of 1/√|M|"),
        **_ALL,
    ),
]

GROUP = Group(
    name="defects",
    title="Where the text leads if followed",
    introduction=(
        r"A replication follows the text to the letter, and so meets what a proof may pass over. Each claim here "
        r"states such a place: what the paper says, what happens instead, and the smallest repair. Some are slips "
        r"with an obvious correction, some are conditions that a theorem needs and does not state, some are limits "
        r"that the paper does state. Each negative control is data on which the defect is absent, mostly those with "
        r"the repair: there the claim must be refuted. Answers are exact wherever the effect is no matter of sampling."
    ),
    studies=[
        RUNS,
        communication_study(
            _ROUNDS, "Rounds counted at the server", lambda cell: cell in ("agents_4", "constant_iterations")
        ),
        READINGS,
        NOISE,
        BUDGET,
    ],
    claims=[*_H1, *_SETS, *_TEXT],
    figures={"defects": defects_figure},
)
