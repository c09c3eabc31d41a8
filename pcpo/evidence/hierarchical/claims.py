"""Declare how the claims of hierarchical actor-critic (Luo et al.) are measured; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pcpo.claims.contract import Claim, Control, Mode, Tables
from pcpo.claims.controls import scaled, swapped
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import Measure, share, shift
from pcpo.evidence.hierarchical import measures
from pcpo.evidence.hierarchical.studies_critics import CRITIC, SAMPLES
from pcpo.evidence.hierarchical.studies_exact import COMPLEXITY, DESCENT, FORMULAS, SYSTEMS
from pcpo.evidence.hierarchical.studies_gains import GAINS, WEIGHTS
from pcpo.evidence.hierarchical.studies_learning import ACTORS, LEARNING

__all__ = ["CLAIMS"]

_COMPLEXITY_FIGURE, _CONVERGENCE_FIGURE = "hierarchical_complexity", "hierarchical_convergence"
_UNDECOMPOSED = "natural gradient on the undecomposed problem, with the step (15) of that problem"
_SUMMED = "steps of Assumption 3 with the cost of the whole subpopulation in place of that of one agent"
_PER_AGENT, _TOTAL = measures.exponent("per_agent"), measures.exponent("total")


#: Seeds that support what must always hold, and the share of seeds with a violation that the checks promise to see.
_SEEDS, _SHARE = 10, 0.15


def _always(id: str, measure: Measure, controls: Sequence[Control], mode: Mode = "exact") -> Claim:
    """Return a claim that one violation refutes and `_SEEDS` seeds without a violation support."""
    return Claim(
        id=id,
        measure=measure,
        rule=Never(_SEEDS),
        controls=controls,
        power=share(measure, _SHARE, f"a violation with {100 * _SHARE:g} % of the seeds"),
        figure=_CONVERGENCE_FIGURE,
        mode=mode,
    )


def _smaller(place: int) -> Callable[[Tables], Tables]:
    """Return tables with only one ratio of Q to R, the one at this place in their order."""

    def apply(tables: Tables) -> Tables:
        frame = tables[WEIGHTS.name]
        return {**tables, WEIGHTS.name: frame[frame["ratio"] == np.sort(frame["ratio"].unique())[place]]}

    return apply


def _slowly(tables: Tables) -> Tables:
    """Return tables where the iterations to ε per agent also grow like the size to the power 0.18."""
    frame = tables[COMPLEXITY.name]
    return {**tables, COMPLEXITY.name: frame.assign(per_agent=frame["per_agent"] * frame["size"] ** 0.18)}


def _stand_in(chosen: str, kind: str) -> Callable[[Tables], Tables]:
    """Return tables where the runs of cells whose names start so stand in for all runs with critics of a kind."""

    def apply(tables: Tables) -> Tables:
        frame = tables[LEARNING.name]
        frame = frame[frame["cell"].str.startswith(chosen)]
        return {**tables, LEARNING.name: frame.assign(cell=kind, kind=kind)}

    return apply


def _exact(tables: Tables) -> Tables:
    """Return tables where exact critics stand in for the estimated ones."""
    frame = tables[ACTORS.name].query("kind in ('exact_gtd', 'exact_least_squares')")
    return {**tables, ACTORS.name: frame.assign(kind=frame["kind"].str.removeprefix("exact_"))}


def _in_place_of_gtd(kind: str) -> Callable[[Tables], Tables]:
    """Return tables where another critic stands in for Algorithm 3."""

    def apply(tables: Tables) -> Tables:
        frame = tables[ACTORS.name]
        return {**tables, ACTORS.name: frame[frame["kind"] == kind].assign(kind="gtd")}

    return apply


def _undecomposed(tables: Tables) -> Tables:
    """Return tables where iterations on the undecomposed problem stand in for those with estimated critics."""
    frame = tables[COMPLEXITY.name].query("cell == 'control:undecomposed'")
    counts = frame[["seed", "size", "tried"]].assign(needed=frame["per_agent"], precision=1.0, kind="gtd")
    return {**tables, ACTORS.name: counts}


#: Claims on how cost grows with the size of the subpopulations, with exact critics or on one trajectory.
_ON_SIZES = [
    Claim(
        id="complexity",
        measure=_PER_AGENT,
        rule=AtMost(),
        controls=[
            Control("undecomposed", _UNDECOMPOSED, swapped(COMPLEXITY.name, "control:undecomposed", "printed")),
            Control("summed", _SUMMED, swapped(COMPLEXITY.name, "control:summed", "printed")),
            Control("slowly", "iterations that grow by half for ten times the agents", _slowly),
        ],
        power=shift(_PER_AGENT, 0.1, "a quarter more iterations for ten times the agents (exponent 0.1)"),
        figure=_COMPLEXITY_FIGURE,
        mode="exact",
        primary=True,
    ),
    Claim(
        id="complexity_total",
        measure=_TOTAL,
        rule=AtMost(),
        controls=[Control("undecomposed", _UNDECOMPOSED, swapped(COMPLEXITY.name, "control:undecomposed", "printed"))],
        power=shift(_TOTAL, 0.1, "a quarter more iterations for ten times the agents (exponent 0.1)"),
        figure=_COMPLEXITY_FIGURE,
        mode="exact",
    ),
    Claim(
        id="critic_steps",
        measure=measures.critic_steps,
        rule=AtMost(),
        controls=[
            Control(
                "printed",
                "δ as printed, with which a subpopulation may miss the total by |N^l| times ε/(L + 1)",
                scaled(COMPLEXITY.name, "error_total", 1.0, "error_printed"),
            )
        ],
        power=shift(measures.critic_steps, 0.4, "steps that grow like |N|^3.2"),
        figure=_COMPLEXITY_FIGURE,
        mode="exact",
    ),
    Claim(
        id="growth",
        measure=measures.growth,
        rule=AtMost(),
        controls=[
            Control("undecomposed", _UNDECOMPOSED, swapped(COMPLEXITY.name, "control:undecomposed", "shrinking"))
        ],
        power=shift(measures.growth, 1.0, "twice the bound"),
        figure=_COMPLEXITY_FIGURE,
        mode="exact",
    ),
    _always(
        "theorem_2",
        measures.iteration_bound,
        [
            Control("slow", "steps of a hundredth of (15)", swapped(COMPLEXITY.name, "control:slow", "printed")),
            Control("tenth", "a tenth of the number", scaled(COMPLEXITY.name, "allowed", 0.1)),
        ],
    ),
    Claim(
        id="theorem_2_slack",
        measure=measures.slack,
        rule=AtMost(),
        controls=[
            Control("slow", "steps of a hundredth of (15)", swapped(COMPLEXITY.name, "control:slow", "printed")),
            Control("third", "a third of the number", scaled(COMPLEXITY.name, "allowed", 1 / 3)),
        ],
        power=shift(measures.slack, 0.05, "a quarter of the number"),
        figure=_COMPLEXITY_FIGURE,
        mode="exact",
    ),
    Claim(
        id="samples",
        measure=measures.sample_exponent,
        rule=AtMost(),
        controls=[
            Control(
                "undecomposed",
                "the same critic on the undecomposed problem",
                swapped(SAMPLES.name, "control:undecomposed", "decomposed"),
            )
        ],
        power=shift(measures.sample_exponent, 2.0, "an error in proportion to the unknowns of the whole system (2)"),
        figure=_COMPLEXITY_FIGURE,
    ),
]

#: Claims on identities and inequalities with exact critics.
_EXACT = [
    _always(
        "decomposition",
        measures.decomposition,
        [
            Control("broken", "one agent is not exchangeable", scaled(SYSTEMS.name, "residual", 1.0, "broken")),
            Control(
                "fewer",
                "one agent of each subpopulation is not counted",
                scaled(SYSTEMS.name, "residual", 1.0, "fewer"),
            ),
        ],
    ),
    _always(
        "formulas",
        measures.formula("cost", "gradient", "state_value", "action_value"),
        [
            Control(
                "wrong",
                "no exploration in (13) and Lemma 6, half the gradient, tr(P_KΦ_σ) for tr(P_KΣ_K)",
                scaled(FORMULAS.name, "residual", 1.0, "wrong"),
            )
        ],
    ),
    _always(
        "natural_gradient",
        measures.formula("natural_gradient"),
        [Control("printed", "2E_K, as section 4.2 has it", scaled(FORMULAS.name, "residual", 1.0, "wrong"))],
    ),
    _always(
        "lemma_3",
        measures.gain_ratio("lower", "upper"),
        [
            Control("lower", "‖Σ_K‖/σ_min(R) in the lower bound", scaled(GAINS.name, "lower", 1.0, "lower_loose")),
            Control("upper", "σ_min(Σ_K*) in the upper bound", scaled(GAINS.name, "upper", 1.0, "upper_narrow")),
        ],
    ),
    _always(
        "lemma_4",
        measures.gain_ratio("descent"),
        [Control("far", "20 times the step", scaled(GAINS.name, "descent", 1.0, "descent_far"))],
    ),
    _always(
        "lemma_5",
        measures.weighted_ratio("lemma_5"),
        [Control("blind", "errors as large as E_K", scaled(WEIGHTS.name, "lemma_5", 1.0, "lemma_5_blind"))],
    ),
    _always(
        "lemma_5_mended",
        measures.weighted_ratio("mended"),
        [
            Control("far", "errors 10⁴ times as large", scaled(WEIGHTS.name, "mended", 1.0, "mended_far")),
            Control("printed", "the Λ of the proof", scaled(WEIGHTS.name, "mended", 1.0, "lemma_5")),
        ],
    ),
    _always(
        "theorem_3",
        measures.monotone,
        [Control("far", "20 times the step of (15)", swapped(DESCENT.name, "control:far", "general"))],
    ),
    _always(
        "theorem_3_rate",
        measures.contraction,
        [Control("short", "a hundredth of the step of (15)", swapped(DESCENT.name, "control:short", "section6"))],
    ),
    _always(
        "theorem_3_number",
        measures.allowed,
        [Control("short", "a hundredth of the step of (15)", swapped(DESCENT.name, "control:short", "section6"))],
    ),
    _always(
        "local_rate",
        measures.local_rate,
        [Control("double", "twice the rate", scaled(DESCENT.name, "predicted", 2.0))],
    ),
    _always(
        "lemma_15",
        measures.perturbation_fails,
        [
            Control("drawn", "Q of the order of R", _smaller(0)),
            Control("next", "the second smallest ratio of Q to R", _smaller(1)),
        ],
    ),
]

#: Claims with estimated critics: Algorithm 3 alone and in Algorithm 2, and least squares in its place.
_ESTIMATED = [
    Claim(
        id="complexity_estimated",
        measure=measures.estimated_exponent,
        rule=AtMost(),
        controls=[Control("undecomposed", "exact natural gradient on the undecomposed problem", _undecomposed)],
        power=shift(measures.estimated_exponent, 0.2, "twice as many iterations for ten times the agents (0.3)"),
        figure=_COMPLEXITY_FIGURE,
        mode="calibrated",
    ),
    *(
        Claim(
            id=id,
            measure=measure,
            rule=AtMost(),
            controls=[
                Control("harmonic", "steps α/t", swapped(CRITIC.name, "control:harmonic", cell)),
                Control("ball", "Γ² half of ‖δ*‖", swapped(CRITIC.name, "control:ball", cell)),
            ],
            power=shift(measure, 0.25, "an exponent of −1/4"),
            figure=_CONVERGENCE_FIGURE,
            mode="calibrated",
        )
        for id, cell in (("theorem_4", "gtd"), ("theorem_4_drawn", "drawn"))
        for measure in [measures.critic_exponent(cell)]
    ),
    Claim(
        id="gtd_long",
        measure=measures.too_short,
        rule=AtMost(),
        controls=[
            Control("least_squares", "least squares on the same chains", _in_place_of_gtd("least_squares")),
            Control("exact", "exact critics", _in_place_of_gtd("exact")),
        ],
        power=shift(measures.too_short, 0.3, "steps that are a quarter too short"),
        figure=_CONVERGENCE_FIGURE,
        mode="calibrated",
    ),
    _always(
        "theorem_2_allowed",
        measures.estimated_monotone("allowed"),
        [Control("blind", "errors four times as large as E_K", _stand_in("control:blind", "allowed"))],
    ),
    _always(
        "theorem_2_estimated",
        measures.estimated_monotone("least_squares"),
        [Control("few", "critics from short trajectories", _stand_in("control:few", "least_squares"))],
        "calibrated",
    ),
    _always(
        "premise",
        measures.premise_met,
        [Control("allowed", "critics with errors of 0.9 δ_n", _stand_in("allowed:", "least_squares"))],
        "calibrated",
    ),
    Claim(
        id="assumption_4",
        measure=measures.assumption_4,
        rule=AtMost(),
        controls=[Control("exact", "exact critics, known to rounding", _exact)],
        power=shift(measures.assumption_4, 2.0, "errors of a hundredth of δ_n"),
        figure=_CONVERGENCE_FIGURE,
        mode="calibrated",
    ),
]

CLAIMS: Sequence[Claim] = [*_ON_SIZES, *_EXACT, *_ESTIMATED]
