"""Draw the figures of the group "model_free"."""

from __future__ import annotations

from pcpo.claims.contract import EvidenceFigure
from pcpo.evidence.model_free.figures_annealing import annealing_table, draw_annealing
from pcpo.evidence.model_free.figures_compared import compared_table, draw_compared
from pcpo.evidence.model_free.figures_constants import constants_table, draw_constants
from pcpo.evidence.model_free.figures_guesses import draw_guesses, guesses_table
from pcpo.evidence.model_free.figures_parts import draw_parts, parts_table

__all__ = ["FIGURES"]

FIGURES: dict[str, EvidenceFigure] = {
    "auto_against_calibrated": EvidenceFigure(
        title="PCPO without the model against PCPO with it",
        caption="Random fleets, all methods with the same rollouts. (a) Fraction of fleets that fail (wrong sets, or a "
        "policy of infinite cost) by condition number, with Clopper-Pearson 95 % intervals; known clusters fail by "
        "lost policies alone. (b) Gap $C/C^*-1$ of each fleet, model-free against calibrated with the two-point "
        "estimator; infinite gaps on the frame. (c) Fraction of fleets that fail by $\\Delta/\\sigma$.",
        table=compared_table,
        draw=draw_compared,
        inputs=("model_free_fleets",),
    ),
    "auto_ablation": EvidenceFigure(
        title="What the ingredients bring",
        caption="`pcpo_auto` with one ingredient changed, or with something wrong on purpose (below the line). (a) "
        "Fraction of fleets that fail, with Clopper-Pearson 95 % intervals. (b) Gap over that of `pcpo_auto` on the "
        "same fleet: a tick for each fleet where both are finite, and the median.",
        table=parts_table,
        draw=draw_parts,
        inputs=("model_free_parts",),
    ),
    "auto_guesses": EvidenceFigure(
        title="Wrong guesses, and budgets",
        caption="(a) Fraction of fleets that fail by the factor by which $\\Delta_0$ is wrong: calibrated with the "
        "centred estimator, and `pcpo_auto` where it is made to use (7) and $\\Delta_0$. (b) Fraction that fail by "
        "the rollouts per agent. Clopper-Pearson 95 % intervals.",
        table=guesses_table,
        draw=draw_guesses,
        inputs=("model_free_guesses", "model_free_budgets", "model_free_fleets"),
    ),
    "constants_estimated": EvidenceFigure(
        title="Constants from rollouts",
        caption="Estimate over truth at the initial gains of all agents: median, the middle half (thick), 95 % (thin) "
        "and extremes (dots), with the rollouts of `pcpo_auto`'s probing and with a fiftieth of them. Bands: the "
        "factors of the claims. Numbers: agents whose estimate is off by a factor above 30, drawn on the frame.",
        table=constants_table,
        draw=draw_constants,
        inputs=("model_free_constants",),
    ),
    "auto_annealing": EvidenceFigure(
        title="Fleets without a stabilising gain",
        caption="Unstable plants, first gains $K=0$ of infinite cost. (a) Fraction of fleets in which an agent is left "
        "without a gain of finite cost, and of systems that are wrongly said to have one, with Clopper-Pearson 95 % "
        "intervals: annealing; all steps at $\\gamma$ on exact costs, infinite all around; and discounts that rise as "
        "far as simulated costs are finite. Dotted: the bounds claimed. (b) Rollouts that annealing took, by fleet.",
        table=annealing_table,
        draw=draw_annealing,
        inputs=("model_free_annealing",),
    ),
}
