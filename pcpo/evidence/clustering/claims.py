"""Claims on clustering: Theorem 1 with the events of its proof, and "heterogeneity can be helpful".

Every run is in calibrated mode: a failure refutes that calibration of the constants, not the theorem, which is about
the constants as printed.  Only the implication "(22), hence the sets are right" needs no constants.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pcpo.claims.contract import Agrees, AtMost, Claim, Control, Finding, Group, Never, Power, Tables
from pcpo.evidence.clustering.figures import FIGURES
from pcpo.evidence.clustering.measures import (
    SECONDARY,
    Failed,
    constant_rollouts,
    failing_cell_power,
    failure_probability,
    implication,
    relabelled,
    rollout_slope,
    shallow_rollouts,
    slope_power,
    steepness,
    violation_power,
    with_lost_member,
)
from pcpo.evidence.clustering.studies import CLUSTERING, HETEROGENEITY

__all__ = ["GROUP"]

#: What "typically" is taken to mean in "L̃ is typically L − 2": all but this fraction of runs.
_UNTYPICAL = 0.05
#: At least as steep as the 1/Δ² of Theorem 2.
_SLOPE_OF_THE_BOUND = -2.0
_BAD_CELL = 0.2
_TRIALS = 100

_NOISY = Control("noisy", "minibatches a thousandth of the calibrated ones", relabelled("control:noisy"))
_NO_ELIMINATION = Control("no_elimination", "PCPO without the elimination (7)", relabelled("control:no_elimination"))
_CLOSE = Control(
    "close", "clusters closer by a factor of 20 than the Δ that L is computed from", relabelled("control:close")
)
_EDGE = Control("edge", "Δ at the edge of the octave, Δ_(L−2) = 1.996 Δ, and N = 8 agents", relabelled("control:edge"))
_LOST = Control("lost_member", "one run that satisfies (22) loses a true member at its end", with_lost_member)
_CONSTANT = Control("constant", "a method that always takes the rollouts of the smallest Δ", constant_rollouts)
_SHALLOW = Control("shallow", "rollouts replaced by their square root", shallow_rollouts)


def _exceeds(column: str) -> Failed:
    """Whether a margin was above 1 for any agent in any epoch."""
    return lambda runs: runs[column] > 1.0


def _lost(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["lost"] == 1


def _misclustered(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["misclustered"].astype(bool)


def _not_early(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["settled"] != runs["early"]


def _probability(failed: Failed, what: str, bound: float | None = None) -> Callable[[Tables], Finding]:
    return lambda tables: failure_probability(tables, failed, what, bound)


def _cell_power(bound: float | None = None, family: int = SECONDARY) -> Power:
    return Power(
        f"one cell of the grid in which a fraction {_BAD_CELL:g} of the runs fails",
        lambda tables: failing_cell_power(tables, _BAD_CELL, bound, family),
    )


_EVENT = Claim(
    id="event-22",
    title="Estimated costs concentrate around the optimal ones",
    source="eqs. (10) and (22), Theorem 1",
    statement=r"With probability at least $1-\delta/2$, for all agents $i$ and in every epoch $l$, "
    r"$|\hat C_{\sigma(i)}(X_i^{(l)})-C_{\sigma(i)}(K^*_{\sigma(i)})|\le\Delta_l/4$.",
    quantity="probability that a run violates (22) for any agent in any epoch, at the worst cell of the grid",
    measure=_probability(_exceeds("margin"), "(22) violated"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(family=1),
    figure="concentration",
    primary=True,
)

_GAP = Claim(
    id="event-23a",
    title="Local policies are good enough",
    source="eq. (23a), Appendix B",
    statement=r"With probability at least $1-\delta/2$, for all agents and in every epoch, "
    r"$C_{\sigma(i)}(X_i^{(l)})-C_{\sigma(i)}(K^*_{\sigma(i)})\le\Delta_l/8$.",
    quantity="probability that a run violates (23a) for any agent in any epoch, at the worst cell of the grid",
    measure=_probability(_exceeds("gap_margin"), "(23a) violated"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(),
    figure="concentration",
)

_ESTIMATE = Claim(
    id="event-23b",
    title="Estimated costs are accurate",
    source="eq. (23b), Appendix B",
    statement=r"With probability at least $1-\delta/2$, for all agents and in every epoch, "
    r"$|\hat C_{\sigma(i)}(X_i^{(l)})-C_{\sigma(i)}(X_i^{(l)})|\le\Delta_l/8$.",
    quantity="probability that a run violates (23b) for any agent in any epoch, at the worst cell of the grid",
    measure=_probability(_exceeds("estimate_margin"), "(23b) violated"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(),
    figure="concentration",
)

_INSIDE = Claim(
    id="theorem-1-1",
    title="True clusters are always inside the sets",
    source="Theorem 1, claim 1",
    statement=r"With probability at least $1-\delta/2$, in every epoch $l$ and for every agent, "
    r"$\mathcal M_{\sigma(i)}\subseteq\mathcal N_i^{(l)}$.",
    quantity="probability that a run ever prunes a true member of a cluster, at the worst cell of the grid",
    measure=_probability(_lost, "a true member pruned"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(),
    figure="clustering",
)

_EXACT = Claim(
    id="theorem-1-2",
    title="Sets are the true clusters from epoch L on",
    source="Theorem 1, claim 2",
    statement=r"With probability at least $1-\delta/2$, $\mathcal M_{\sigma(i)}=\mathcal N_i^{(l)}$ for every agent "
    r"and any epoch $l\ge L=\min\{l:\Delta_l\le\Delta/2\}$.",
    quantity="probability that a run has a wrong set in an epoch l ≥ L, at the worst cell of the grid",
    measure=_probability(_misclustered, "wrong sets at l ≥ L"),
    rule=AtMost(),
    controls=[_NOISY, _NO_ELIMINATION, _CLOSE],
    power=_cell_power(),
    figure="clustering",
)

_IMPLICATION = Claim(
    id="event-implies-clusters",
    title="Concentration implies correct clusters",
    source="Proof of Theorem 1, Appendix B",
    statement=r"On the event (22), $\mathcal M_{\sigma(i)}\subseteq\mathcal N_i^{(l)}$ in every epoch and "
    r"$\mathcal N_i^{(l)}=\mathcal M_{\sigma(i)}$ for all $l\ge L$.",
    quantity="runs misclustered in an epoch up to which (22) held (number); one would be a bug",
    measure=implication,
    rule=Never(least=_TRIALS),
    controls=[_LOST, _NO_ELIMINATION],
    power=Power("one run in 50 violates the implication", lambda tables: violation_power(tables, 0.02)),
    figure="clustering",
)

_EARLY = Claim(
    id="settles-early",
    title="Clusters are right two epochs before Theorem 1 promises",
    source="Theorem 1 and eq. (7); a reading, not stated in the paper",
    statement=r"With accurate estimates (7) separates the clusters as soon as $\Delta_l<2\Delta$: for $\Delta$ "
    r"mid-bin, the first epoch of lasting exact sets is $\tilde L=\max(1,L-2)$ in 95 % of runs.",
    quantity="probability that L̃ is not max(1, L − 2), at the worst cell of the grid (Δ mid-bin)",
    measure=_probability(_not_early, "L̃ ≠ max(1, L − 2)", _UNTYPICAL),
    rule=AtMost(),
    controls=[_EDGE, _NO_ELIMINATION],
    power=_cell_power(_UNTYPICAL),
    figure="clustering",
)

_SLOPE = Claim(
    id="heterogeneity-slope",
    title="Rollouts to correct clusters follow the schedule",
    source="Theorem 1 and Table 2",
    statement=r"Correct clustering comes at an epoch set by $\Delta_l$ against $\Delta$, so rollouts to it scale with "
    r"$\Delta$ as the schedule's own, steeper than $\Delta^{-2}$ by its logarithms and its sum over epochs.",
    quantity="slope of mean log rollouts to L̃ on log Δ (dimensionless), Δ mid-bin",
    measure=rollout_slope,
    rule=Agrees(0.05, relative=True),
    controls=[_CONSTANT, _SHALLOW],
    power=Power("slope −2, without the logarithms", lambda tables: slope_power(tables, _SLOPE_OF_THE_BOUND)),
    figure="heterogeneity",
)

_HELPS = Claim(
    id="heterogeneity-helps",
    title="A larger separation needs fewer rollouts",
    source="Section 2 and Theorem 2, T ≥ Õ(1/Δ²)",
    statement=r"Heterogeneity can be helpful: a larger value of $\Delta$ leads to faster cluster separation using "
    r"fewer rollouts; here at least as fast as $\Delta^{-2}$.",
    quantity="slope of mean log rollouts to L̃ on log Δ (dimensionless), Δ mid-bin",
    measure=lambda tables: steepness(tables, _SLOPE_OF_THE_BOUND),
    rule=AtMost(),
    controls=[_CONSTANT, _SHALLOW],
    power=Power("slope −1", lambda tables: slope_power(tables, -1.0, _SLOPE_OF_THE_BOUND)),
    figure="heterogeneity",
)

GROUP = Group(
    name="clustering",
    title="Clustering by sequential elimination",
    introduction=r"Agents do not know who shares their system. In epoch $l$ every agent estimates the cost "
    r"$\hat C_i$ of its own local policy $X_i^{(l)}$, and (7) keeps $j$ in the set $\mathcal N_i$ only if "
    r"$|\hat C_j-\hat C_i|\le\Delta_l/2$ with $\Delta_l=\Delta_0/2^l$. Theorem 1 rests on one event, (22): all "
    r"estimates lie within $\Delta_l/4$ of the optimal costs. It follows if the local policies are within "
    r"$\Delta_l/8$ of the optimum (23a) and the estimates within $\Delta_l/8$ of the policies' costs (23b). We measure "
    r"the three margins, check that the sets are right whenever (22) holds, and count the rollouts it takes for "
    r"separations $\Delta$ that differ by powers of two. The estimand of every probability is its largest value over "
    r"the cells of the grid. All runs have calibrated constants, so a failure refutes the calibration and not the "
    r"theorem, whose printed constants no simulator can afford.",
    studies=(CLUSTERING, HETEROGENEITY),
    claims=(_EVENT, _GAP, _ESTIMATE, _INSIDE, _EXACT, _IMPLICATION, _EARLY, _SLOPE, _HELPS),
    figures=FIGURES,
)
