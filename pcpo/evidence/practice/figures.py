"""Declare the figures of the group "practice"."""

from __future__ import annotations

from pcpo.claims.contract import EvidenceFigure
from pcpo.evidence.practice.figures_constants import (
    draw_failures,
    draw_sensitivity,
    failures_table,
    sensitivity_table,
)
from pcpo.evidence.practice.figures_first import draw_first, draw_limit, first_table, limit_table
from pcpo.evidence.practice.figures_guess import draw_guess, guess_table
from pcpo.evidence.practice.figures_necessity import draw_necessities, necessities_table

__all__ = ["FIGURES"]

#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "first_experiments": EvidenceFigure(
        title="First experiments",
        caption="The first experiments. (a) One cluster, common initial gain: ratio of mean global and local gaps "
        "against the number of agents, with the prediction of the linearised iteration (no fitted parameter). (b) Two "
        "clusters with a common gain: mean gap of PCPO and of averaging over everybody at the same rollouts, with the "
        "plateau of one policy for all. Below, as numbers: two clusters, runs whose sets are the clusters, by epoch; "
        "two clusters without a common gain, runs that end with an infinite cost, of PCPO, of averaging from the "
        "agents' own gains, and of averaging that begins with (8). Intervals are 95 %: "
        "jackknife-t over runs for means and ratios, Clopper-Pearson for fractions.",
        inputs=("first_runs",),
        table=first_table,
        draw=draw_first,
    ),
    "sensitivity": EvidenceFigure(
        title="Sensitivity to the constants",
        caption="One constant at a time is scaled, the others are calibrated. Above: mean gaps after the last epoch "
        "(cost units; absent where a run has an infinite gap) and the predicted mean local gap. Below: fraction of "
        "runs with wrong sets and with an infinite cost. The cap of the radius is in place. Intervals are 95 %: "
        "jackknife-t over runs for means, Clopper-Pearson for fractions.",
        inputs=("sensitivity",),
        table=sensitivity_table,
        draw=draw_sensitivity,
    ),
    "failure_signatures": EvidenceFigure(
        title="Signatures of failures",
        caption="Conditions violated on purpose. (a) Fraction of runs that show each signature, Clopper-Pearson 95 %. "
        "(b) Fraction of rollouts whose cost is saturated and (c) size of the smallest set relative to N, by epoch, "
        "means with jackknife-t 95 % intervals. Lost cost estimates are all equal, so the sets of a lost fleet never "
        "split.",
        inputs=("failures",),
        table=failures_table,
        draw=draw_failures,
    ),
    "initial_guess": EvidenceFigure(
        title="The initial guess of the separation",
        caption="The initial guess at a fixed budget. (a) Fraction of runs, Clopper-Pearson 95 %: a small guess leaves "
        "no epoch, a large guess loses the policies. (b) Mean gaps (cost units) with 95 % intervals; where some run "
        "has an infinite gap, an open marker stands in the band above. (c) Random fleets: rollouts per agent to exact "
        "sets with the rule, against those with Δ known; fleets that never get exact sets are counted in the title.",
        inputs=("initial_guess", "guess_rule"),
        table=guess_table,
        draw=draw_guess,
    ),
    "necessities": EvidenceFigure(
        title="What the parts of Algorithm 1 are for",
        caption="Random fleets, most of them without a common gain of finite cost. (a) Averaging exact gradients with "
        "the calibrated step: fraction of fleets in which a cost becomes infinite, by sets and start. (b) Algorithm 1 "
        "and variants without one of its parts: fraction of fleets whose sets are exact at the end. (c) Final mean gap "
        "over that of PCPO on the same fleet. Intervals are Clopper-Pearson 95 %.",
        inputs=("partitions", "necessities"),
        table=necessities_table,
        draw=draw_necessities,
    ),
    "separation_limit": EvidenceFigure(
        title="Clusters of nearly equal cost",
        caption="Two clusters of different dynamics whose optimal costs approach each other, with the same epochs. (a) "
        "Mean gap (cost units) of PCPO and of learning alone with the same rollouts, jackknife-t 95 %; dotted: the "
        "linearised mean gap of one policy for all. (b) Fraction of runs with exact sets, Clopper-Pearson 95 %.",
        inputs=("separation_limit",),
        table=limit_table,
        draw=draw_limit,
    ),
}
