"""Claims of the group "practice" on the first experiments and on Δ → 0.

Claims of the group "practice" on the initial guess Δ_0.

Claims of the group "practice" on the choice of constants: sensitivity and failure signatures.

Claims on PCPO in practice: first experiments, sensitivity, failure signatures, the choice of Δ_0, and Δ → 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import AtMost, Claim, Control, Finding, Group, Power, Tables
from pcpo.evidence.practice import measures as measure
from pcpo.evidence.practice.estimates import binomial_power, normal_power
from pcpo.evidence.practice.figures import (
    FAILURE_SIGNATURES,
    FIRST_EXPERIMENTS,
    INITIAL_GUESS,
    SENSITIVITY_FIGURE,
    SEPARATION_LIMIT,
)
from pcpo.evidence.practice.measures import cell
from pcpo.evidence.practice.studies import FAILURES, FIRST, GUESS, KNOBS, LIMIT, ROBUSTNESS, RULE, SENSITIVITY

__all__ = ["GROUP", "binomial", "replaced", "shifted"]

Measure = Callable[[Tables], Finding]
_CLOSE, _FAR = 0.25, 4.0


def replaced(study: str, name: str, by: Callable[[Tables], pd.DataFrame]) -> Callable[[Tables], Tables]:
    """Tables in which the rows of a cell are others."""

    def tables_of(tables: Tables) -> Tables:
        frame = tables[study]
        others = frame[frame["cell"] != name]
        return {**tables, study: pd.concat([others, by(tables).assign(cell=name)], ignore_index=True)}

    return tables_of


def shifted(found: Measure, shift: float, alternative: str) -> Power:
    """Power against a truth that is `shift` beyond the bound or margin."""

    def value(tables: Tables) -> float:
        finding = found(tables)
        # Of a distance from a prediction, `low` may be cut at 0; `high` never is.
        return normal_power(finding, finding.high - finding.estimate, shift)

    return Power(alternative, value)


def binomial(found: Measure, probability: float, what: str) -> Power:
    """Power against a truth in which a fraction of runs does what it should not."""
    return Power(f"{what} in {probability:.0%} of runs", lambda t: binomial_power(found(t), probability))


def _as_local(tables: Tables) -> pd.DataFrame:
    frame = cell(tables, "first_runs", "homogeneous")
    return frame.assign(global_gap=frame["local_gap"])


def _from(name: str) -> Callable[[Tables], pd.DataFrame]:
    return lambda tables: cell(tables, "first_runs", name)


def gaps_of(study: str, name: str, other: str) -> Callable[[Tables], Tables]:
    """Tables in which a cell has the global gaps of another, by run, and keeps its own predictions."""

    def rows_of(tables: Tables) -> pd.DataFrame:
        own, keys = cell(tables, study, name), ["seed", "value", "epoch"]
        gaps = cell(tables, study, other).set_index(keys)["global_gap"]
        return own.assign(global_gap=gaps.reindex(pd.MultiIndex.from_frame(own[keys])).to_numpy())

    return replaced(study, name, rows_of)


def _swapped_methods(tables: Tables) -> Tables:
    frame = tables["separation_limit"]
    return {**tables, "separation_limit": frame.assign(cell=frame["cell"].map({"pcpo": "local", "local": "pcpo"}))}


def _mirror_forced(tables: Tables) -> Finding:
    return measure.survivors(cell(tables, "first_runs", "forced_mirror"))


def _mirror_pcpo(tables: Tables) -> Finding:
    return measure.not_exact(cell(tables, "first_runs", "unforced_mirror"))


def _near(values: Any) -> Any:
    return values <= _CLOSE


def _far(values: Any) -> Any:
    return values >= _FAR


def _harm(tables: Tables) -> Finding:
    return measure.collaboration(tables, "local", _near)


def _help(tables: Tables) -> Finding:
    return measure.collaboration(tables, "pcpo", _far)


_ALONE = Control(
    "alone", "local gaps in place of global ones: no collaboration", replaced("first_runs", "homogeneous", _as_local)
)
_SWAPPED = Control("swapped", "PCPO and local learning exchanged", _swapped_methods)

_FIRST_CLAIMS = [
    Claim(
        id="practice.size_slope",
        title="One cluster: what N agents gain over one",
        source="Theorem 2, eqs. (9) and (11)",
        statement=r"With all agents in one cluster, $E\,\mathrm{gap}_{global}/E\,\mathrm{gap}_{local}$ falls with $N$ "
        r"as "
        r"the linearised iteration says: $N^{-1/2}$ at small radius, a little steeper at a finite one.",
        quantity="distance of the least-squares slope of log(mean global gap/mean local gap) in log N from the "
        "prediction",
        measure=measure.size_slope,
        rule=AtMost(),
        controls=[_ALONE],
        power=shifted(measure.size_slope, 0.3, "a slope 0.3 beyond the margin"),
        figure="first_experiments",
        primary=True,
    ),
    Claim(
        id="practice.size_rate",
        title="One cluster: at least the square root of N",
        source="Theorem 2, eq. (9)",
        statement=r"All agents in one cluster gain at least $\sqrt N$: gap ratio $\le N^{-1/2}$ in exponent.",
        quantity="least-squares slope of log(mean global gap/mean local gap) in log N, dimensionless",
        measure=measure.size_rate,
        rule=AtMost(),
        controls=[_ALONE],
        power=shifted(measure.size_rate, 0.3, "a slope of −0.2"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.two_sets",
        title="Two clusters: the sets split exactly",
        source="Theorem 1.2",
        statement=r"$\mathcal{N}_i^{(l)}=\mathcal{M}_{\sigma(i)}$ for all $i$ from $L=\min\{l:\Delta_l\le\Delta/2\}$ "
        r"on.",
        quantity=r"fraction of runs with other sets at an epoch with Δ_l ≤ Δ/2",
        measure=measure.without_exact_sets,
        rule=AtMost(),
        controls=[
            Control("never", "sets that are never pruned", replaced("first_runs", "two_clusters", _from("never_prune")))
        ],
        power=binomial(measure.without_exact_sets, 0.2, "wrong sets"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.forced_plateau",
        title="Forced averaging stops at one policy for all",
        source="Section 3, negative transfer",
        statement=r"With $\mathcal{N}_i=[N]$ for ever the gap does not fall below "
        r"$\sum_j|\mathcal{M}_j|(C_j(\bar K)-C_j^*)/N$, $\bar K=\arg\min\sum_j|\mathcal{M}_j|C_j$, plus noise.",
        quantity="relative distance of the mean gap over agents from the plateau with its linearised noise",
        measure=measure.forced_plateau,
        rule=AtMost(),
        controls=[Control("pcpo", "PCPO's runs", gaps_of("first_runs", "forced", "unforced"))],
        power=shifted(measure.forced_plateau, 0.05, "a gap 10 % off the prediction"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.below_plateau",
        title="PCPO is below forced averaging at the same rollouts",
        source="Section 3, negative transfer",
        statement="Two sequences and sequential elimination prevent negative transfer: PCPO's gap is at most half of "
        "that of forced averaging.",
        quantity="mean gap of PCPO over mean gap of averaging over everybody, same seeds and rollouts",
        measure=measure.saving,
        rule=AtMost(),
        controls=[
            Control("forced", "averaging's runs in PCPO's place", replaced("first_runs", "unforced", _from("forced")))
        ],
        power=shifted(measure.saving, 0.25, "a ratio of 3/4"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.forced_instability",
        title="Where no gain suits both clusters, forced averaging destabilises",
        source="Section 3, negative transfer",
        statement="Collaborating with agents from a different cluster can lead to destabilising policies.",
        quantity="fraction of runs of forced averaging that end with finite costs for all agents",
        measure=_mirror_forced,
        rule=AtMost(),
        controls=[Control("pcpo", "PCPO's runs", replaced("first_runs", "forced_mirror", _from("unforced_mirror")))],
        power=binomial(_mirror_forced, 0.5, "finite costs"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.unforced_stability",
        title="PCPO does not, on the same fleet",
        source="Theorems 1 and 2",
        statement=r"With probability $\ge1-\delta$ PCPO's sets are the clusters and its policies have finite cost.",
        quantity="fraction of runs that end with wrong sets or an infinite cost",
        measure=_mirror_pcpo,
        rule=AtMost(),
        controls=[
            Control("forced", "averaging's runs", replaced("first_runs", "unforced_mirror", _from("forced_mirror")))
        ],
        power=binomial(_mirror_pcpo, 0.2, "failure"),
        figure="first_experiments",
    ),
    Claim(
        id="practice.merged",
        title="Δ → 0 at a fixed budget: clusters merge, and pay the price of one policy for all",
        source="open question 4 (soft clusters); eq. (7)",
        statement=r"Where $\Delta$ is far below $\Delta_{\bar L}$ and (7) removes nobody, the global gap is that of "
        r"$\bar K$: PCPO is outside the $T\ge\tilde O(1/\Delta^2)$ of Theorem 2.",
        quantity="relative distance of the mean gap over agents at the smallest Δ from the plateau with its noise, in "
        "runs in which nobody was removed",
        measure=measure.merged_plateau,
        rule=AtMost(),
        controls=[
            Control(
                "local",
                "local learners in the place of PCPO",
                gaps_of("separation_limit", "pcpo", "local"),
            )
        ],
        power=shifted(measure.merged_plateau, 0.05, "a gap 10 % off the prediction"),
        figure="separation_limit",
    ),
    Claim(
        id="practice.merged_harm",
        title="Δ → 0 at a fixed budget: learning alone is better",
        source="open question 4 (soft clusters)",
        statement=rf"For $\Delta\le{_CLOSE:g}$ (cost units) local learning at the same rollouts has the smaller gap.",
        quantity="mean gap of local learning over that of PCPO, same seeds and rollouts",
        measure=_harm,
        rule=AtMost(),
        controls=[_SWAPPED],
        power=shifted(_harm, 0.5, "a ratio half off the bound"),
        figure="separation_limit",
    ),
    Claim(
        id="practice.separated_help",
        title="Far clusters: PCPO is better than learning alone",
        source="Theorem 2",
        statement=rf"For $\Delta\ge{_FAR:g}$ and four agents a cluster PCPO has the smaller gap, although half of its "
        "rollouts are local.",
        quantity="mean gap of PCPO over that of local learning, same seeds and rollouts",
        measure=_help,
        rule=AtMost(),
        controls=[
            Control(
                "merged",
                "runs whose clusters are too close to be told apart",
                lambda tables: {
                    **tables,
                    "separation_limit": tables["separation_limit"][_near(tables["separation_limit"]["value"])].assign(
                        value=lambda frame: frame["value"] + _FAR
                    ),
                },
            )
        ],
        power=shifted(_help, 0.3, "a ratio of 1.3"),
        figure="separation_limit",
    ),
]


#: Δ_0 (cost units) from which policies should be lost: five times C*_1.
_WILD = 100.0


def _window(tables: Tables) -> Finding:
    return measure.not_exact(measure.best_window(tables))


def _wild(tables: Tables) -> Finding:
    frame = cell(tables, "initial_guess", "fixed")
    return measure.survivors(frame[frame["value"] >= _WILD], "infinite_local")


def _wild_rows(tables: Tables) -> pd.DataFrame:
    frame = cell(tables, "initial_guess", "fixed")
    return frame[frame["value"] >= _WILD].assign(value=lambda rows: rows["separation"] + 1e-3 * rows["value"])


def _tame_rows(tables: Tables) -> pd.DataFrame:
    frame = measure.best_window(tables)
    return frame.assign(value=frame["value"] + _WILD)


def _rule(tables: Tables) -> Finding:
    return measure.not_exact(measure.affordable(tables, "rule"))


_TIMES_TEN = Control(
    "times_ten",
    "ten times the Δ_0 of the rule",
    replaced("guess_rule", "rule", lambda tables: cell(tables, "guess_rule", "rule_times_ten")),
)

_GUESS_CLAIMS = [
    Claim(
        id="practice.guess_window",
        title="Between Δ and the cost itself, the guess Δ_0 does not matter for the clusters",
        source="Algorithm 1; Section 3 (Δ is unknown a priori)",
        statement=r"For $\Delta\le\Delta_0\le C^*_1$ the sets are exact within the budget and all policies have "
        r"finite cost.",
        quantity="fraction of seeds for which this fails at any such Δ_0",
        measure=_window,
        rule=AtMost(),
        controls=[Control("wild", "Δ_0 of 100 cost units and more", replaced("initial_guess", "fixed", _wild_rows))],
        power=binomial(_window, 0.2, "failure"),
        figure="initial_guess",
    ),
    Claim(
        id="practice.guess_too_large",
        title="A guess far above the cost is not cheap: it loses the policies",
        source="Table 2, c_(p,4); calibrated constants",
        statement=r"For $\Delta_0\ge100$ (five times $C^*_1$) calibrated epochs are too short to keep the local "
        r"policies: "
        r"the calibrated $c_4$ lacks the $\Delta_0^2$ of the printed $c_{(p,4)}$.",
        quantity="fraction of seeds with finite local costs for all agents at any such Δ_0",
        measure=_wild,
        rule=AtMost(),
        controls=[Control("window", "runs with Δ ≤ Δ_0 ≤ C*_1", replaced("initial_guess", "fixed", _tame_rows))],
        power=binomial(_wild, 0.5, "finite costs"),
        figure="initial_guess",
    ),
    Claim(
        id="practice.rule_exact",
        title="A rule for Δ_0 finds the clusters of random fleets",
        source="Algorithm 1 (an initial guess of Δ); the rule is ours",
        statement=r"$\Delta_0=\min\{\overline{\hat C},\max\{2(\max\hat C_i-\min\hat C_i),\Delta_T\}\}$ from 200 "
        r"rollouts at "
        r"$K_i^{(0)}$, $\Delta_T$ the smallest that leaves two epochs (or one, if two need more than $\overline{\hat "
        r"C}$).",
        quantity="fraction of random fleets (whose budget allows an epoch with Δ known) with wrong sets or infinite "
        "costs",
        measure=_rule,
        rule=AtMost(),
        controls=[_TIMES_TEN],
        power=binomial(_rule, 0.2, "failure"),
        figure="initial_guess",
    ),
    Claim(
        id="practice.rule_cost",
        title="Not knowing Δ costs a constant factor",
        source="Algorithm 1; proof of Theorem 2 (geometric epochs)",
        statement=r"With the rule, exact sets cost at most $\frac43\cdot4$ times the rollouts of $\Delta_0=2\Delta$: "
        r"the "
        r"epochs before, $\sum4^{-k}$, and the coarseness of halving.",
        quantity="fraction of random fleets that need more than 16/3 times as many",
        measure=measure.cost_of_rule,
        rule=AtMost(),
        controls=[_TIMES_TEN],
        power=binomial(measure.cost_of_rule, 0.2, "dearer runs"),
        figure="initial_guess",
    ),
]


_ROBUST = (0.5, 2.0)


def _insensitive(tables: Tables) -> Tables:
    """Every run of the sweep replaced by that with the calibrated constant: a method on which nothing has effect."""
    frame = tables["sensitivity"]
    base = frame[frame["value"] == 1.0].set_index(["cell", "seed", "epoch"])["local_gap"]
    gaps = base.reindex(pd.MultiIndex.from_frame(frame[["cell", "seed", "epoch"]])).to_numpy()
    return {**tables, "sensitivity": frame.assign(local_gap=gaps)}


def _fewer(tables: Tables) -> Tables:
    """Every run of the sweep replaced by that with the fewest rollouts."""
    frame = tables["sensitivity"]
    few = frame[frame["cell"] == "minibatch_factor"]
    few = few[few["value"] == few["value"].min()].set_index(["seed", "epoch"])["local_gap"]
    gaps = few.reindex(pd.MultiIndex.from_frame(frame[["seed", "epoch"]])).to_numpy()
    return {**tables, "sensitivity": frame.assign(local_gap=gaps)}


def _box(tables: Tables) -> pd.DataFrame:
    """Runs with one constant within a factor of 2 of the calibrated one; each (constant, value) is a value."""
    frame = tables["robustness"]
    return frame.assign(value=frame["value"] + 10.0 * frame["cell"].map({name: k for k, name in enumerate(KNOBS)}))


def _robust(tables: Tables) -> Finding:
    return measure.not_exact(_box(tables))


def _beyond(tables: Tables) -> Tables:
    """The outermost values in place of those near 1."""
    frame = tables["sensitivity"]
    edges = frame.groupby("cell")["value"].agg(["min", "max"]).reindex(frame["cell"]).to_numpy()
    low, high = frame["value"].to_numpy() <= edges[:, 0], frame["value"].to_numpy() >= edges[:, 1]
    outer = frame.assign(value=np.where(low, _ROBUST[0], _ROBUST[1]))[low | high]
    return {**tables, "robustness": outer}


def _capped(tables: Tables) -> Finding:
    frame = cell(tables, "sensitivity", "radius_factor")
    return measure.not_exact(frame[frame["value"] >= 2.0])


def _uncapped(tables: Tables) -> pd.DataFrame:
    return cell(tables, "failures", "radius").assign(value=4.0)


def _signature(name: str, condition: str, title: str, statement: str, quantity: str) -> Claim:
    found = partial(measure.signature, name=name, condition=condition)
    return Claim(
        id=f"practice.signature_{condition}",
        title=title,
        source="Section 3 and Table 2 (conditions on η, r, M, sets)",
        statement=statement,
        quantity=quantity,
        measure=found,
        rule=AtMost(),
        controls=[
            Control(
                "relabelled",
                "noisy runs taken for it" if name == "any" else "sound runs taken for it",
                replaced(
                    "failures",
                    condition,
                    lambda tables: cell(tables, "failures", "noise" if name == "any" else "sound"),
                ),
            )
        ],
        power=binomial(found, 0.3, "a misleading signature"),
        figure="failure_signatures",
    )


_MISLED = "fraction of runs misled: violated ones without the signature, sound ones with it"


_TUNING_CLAIMS = [
    Claim(
        id="practice.sensitivity_level",
        title="The effect of every constant is the one that the closed form says",
        source="Table 2; eqs. (11) and (16)-(19)",
        statement=r"One at a time, $\eta$, $r_l$, $M_l$ and $R_l$ change the mean local gap as the iteration "
        r"linearised at "
        r"the minimiser of $C_r$ says: near $\frac{\eta}{2}\frac{DV_r}{r^2M}\sum_i\frac1{2-\eta h_i}$ plus bias and "
        "what is left of the start.",
        quantity="distance from 1 of the mean over the sweep of (mean local gap)/(prediction), predictions ≤ 0.5 cost "
        "units",
        measure=measure.sensitivity_level,
        rule=AtMost(),
        controls=[Control("fewer", "runs with an eighth of the rollouts throughout", _fewer)],
        power=shifted(measure.sensitivity_level, 0.2, "gaps 35 % off"),
        figure="sensitivity",
    ),
    Claim(
        id="practice.sensitivity_slope",
        title="Over the sweep, measured gaps are proportional to predicted ones",
        source="Table 2; eqs. (11) and (16)-(19)",
        statement=r"The mean local gap is proportional to its prediction over the sweep of $\eta$, $r_l$, $M_l$, "
        r"$R_l$.",
        quantity="distance from 1 of the slope of log mean local gap on log prediction, dimensionless",
        measure=measure.sensitivity_slope,
        rule=AtMost(),
        controls=[Control("insensitive", "runs with the calibrated constants throughout", _insensitive)],
        power=shifted(measure.sensitivity_slope, 0.2, "a slope 0.35 off"),
        figure="sensitivity",
    ),
    Claim(
        id="practice.robust",
        title="A factor of two in any one constant costs no cluster and no policy",
        source="Theorem 1; Table 2",
        statement=r"Within a factor 2 of the calibrated $\eta$, $r_l$, $M_l$ or $R_l$, all sets are exact and all "
        "policies have finite cost at the end.",
        quantity="fraction of seeds for which this fails at any value of any constant in [1/2, 2]",
        measure=_robust,
        rule=AtMost(),
        controls=[Control("outermost", "the outermost values of the sweep in their place", _beyond)],
        power=binomial(_robust, 0.2, "failure"),
        figure="sensitivity",
    ),
    Claim(
        id="practice.cap",
        title="The cap on the radius forgives radii that are too large",
        source="Table 2, c_(p,6)",
        statement=r"With $r=\min\{c_{(p,6)},\tilde r_l\}$ a $\tilde r_l$ at least twice too large loses neither sets "
        r"nor "
        "policies.",
        quantity="fraction of seeds with wrong sets or an infinite cost at any radius factor ≥ 2",
        measure=_capped,
        rule=AtMost(),
        controls=[
            Control(
                "uncapped",
                "radii four times too large without the cap",
                replaced("sensitivity", "radius_factor", _uncapped),
            )
        ],
        power=binomial(_capped, 0.2, "failure"),
        figure="sensitivity",
    ),
    _signature(
        "lost",
        "step",
        "Signature of a step size that is too large",
        r"With $\eta h_{max}>2$ the local costs $\hat C_i$ exceed twice the first cost and stay there; in sound runs "
        r"never.",
        _MISLED + " (largest Ĉ_i above twice the largest first cost at the end)",
    ),
    _signature(
        "lost",
        "radius",
        "Signature of a radius beyond the finite-cost margin",
        r"With spheres $K+rU$ that reach infinite cost the local costs $\hat C_i$ are lost in the same way: cost "
        "estimates do not tell the radius from the step size.",
        _MISLED + " (largest Ĉ_i above twice the largest first cost at the end)",
    ),
    _signature(
        "shared_lost",
        "averaging",
        "Signature of averaging over strangers",
        r"Averaging over the wrong sets destabilises the global sequence alone: saturated rollouts while all $\hat "
        r"C_i$ "
        "stay below twice the first cost.",
        _MISLED + " (saturated rollouts with sound Ĉ_i)",
    ),
    _signature(
        "restless",
        "noise",
        "Signature of too few rollouts",
        r"With $M_l$ a twelfth of the calibrated, the sets keep changing: (8) is applied in two epochs or more.",
        _MISLED + " (two or more epochs with a reinitialisation)",
    ),
    _signature(
        "any",
        "close",
        "Clusters that are too close leave no signature",
        r"With $\Delta$ far below $\Delta_{\bar L}$ and sound constants, none of these signatures appears: a silent "
        r"failure.",
        "fraction of runs with any of the signatures",
    ),
]


GROUP = Group(
    name="practice",
    title="In practice: what to try first, what breaks, and how to tell",
    introduction=(
        r"The experiments that one would run first with PCPO, and those that break it on purpose, on fleets of two "
        r"states, "
        r"one input and at most 16 agents. One cluster shows what $N$ agents gain; two clusters show the sets; forced "
        r"averaging shows what the sets are for. Then one constant at a time is multiplied: the mean local gap is "
        r"predicted without a fitted parameter by the iteration linearised at the minimiser of $C_r$, with its "
        r"transient, "
        r"so the sweep tests the formula and not a trend. A signature is a test on what agents and server see: the "
        r"cost "
        r"estimates $\hat C_i$, rollouts beyond all numbers (saturated), and how often (8) is applied. It must appear "
        r"in "
        r"the runs whose condition was violated and not in sound ones. The initial guess $\Delta_0$ has a window. "
        r"Below "
        r"it epoch 1 costs $M_1\propto\Delta_0^{-2}$ and no epoch is left to collaborate. Above it the first epochs "
        r"are "
        r"not merely cheap: they promise gaps of $\Delta_l/8$, and where that exceeds what the cost may rise before "
        r"it is "
        r"infinite, local policies are lost for good. The printed $c_{(p,4)}\ge\Delta_0^2$ would prevent it at the "
        r"price "
        r"of $T\propto\Delta_0^2$; the calibrated constant does not. Last, clusters of nearly equal optimal cost but "
        r"different dynamics merge: PCPO's global policy then is the one policy for all, silently. All runs are "
        "calibrated; a replicate is a seed."
    ),
    studies=[FIRST, SENSITIVITY, ROBUSTNESS, FAILURES, GUESS, RULE, LIMIT],
    claims=[*_FIRST_CLAIMS, *_TUNING_CLAIMS, *_GUESS_CLAIMS],
    figures={
        "first_experiments": FIRST_EXPERIMENTS,
        "sensitivity": SENSITIVITY_FIGURE,
        "failure_signatures": FAILURE_SIGNATURES,
        "initial_guess": INITIAL_GUESS,
        "separation_limit": SEPARATION_LIMIT,
    },
)
