"""Claims of the group "practice" on the initial guess Δ_0."""

from __future__ import annotations

import pandas as pd

from . import practice_measures as measure
from .contract import AtMost, Claim, Control, Finding, Tables
from .practice_first import binomial, replaced
from .practice_measures import cell

__all__ = ["CLAIMS"]

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

CLAIMS = [
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
