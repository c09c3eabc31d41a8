"""Claims on PCPO in practice: first experiments, the choice of constants, signatures of failures, the initial guess.

Every claim is a bound: `measures.py` turns tables into findings, `AtMost` judges them, and the negative controls
(`pcpo.claims.controls`, `wrong_tables.py`) are tables on which the same check must refute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pcpo.claims import power
from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.controls import scaled, swapped
from pcpo.claims.judging import AtMost
from pcpo.evidence.practice import measures as measure
from pcpo.evidence.practice import wrong_tables as wrong
from pcpo.evidence.practice.claims_necessity import NECESSITY

__all__ = ["CLAIMS"]

Measure = Callable[[Tables], Finding]


def _beyond(measured: Measure, by: float, alternative: str) -> Power:
    """Return the power against a truth beyond the bound or margin, for findings by the jackknife."""
    return power.shift(measured, by, alternative)


def _in_runs(measured: Measure, truth: float, what: str) -> Power:
    """Return the power against a truth in which a fraction of runs does what it should not."""
    return power.probability(measured, truth, f"{what} in {truth:.0%} of runs")


_ALONE = Control(
    "alone",
    "local gaps in place of global ones: no collaboration",
    scaled("first_runs", "global_gap", 1.0, "local_gap"),
)

_FIRST_EXPERIMENTS = [
    Claim(
        id="size_slope",
        measure=measure.size_slope,
        rule=AtMost(),
        controls=[_ALONE],
        power=_beyond(measure.size_slope, 0.3, "a slope 0.3 beyond the margin"),
        figure="first_experiments",
        primary=True,
    ),
    Claim(
        id="size_rate",
        measure=measure.size_rate,
        rule=AtMost(),
        controls=[_ALONE],
        power=_beyond(measure.size_rate, 0.3, "a slope of −0.2"),
        figure="first_experiments",
    ),
    Claim(
        id="two_sets",
        measure=measure.without_exact_sets,
        rule=AtMost(),
        controls=[Control("never", "sets that are never pruned", swapped("first_runs", "never_prune", "two_clusters"))],
        power=_in_runs(measure.without_exact_sets, 0.2, "wrong sets"),
        figure="first_experiments",
    ),
    Claim(
        id="forced_plateau",
        measure=measure.forced_plateau,
        rule=AtMost(),
        controls=[Control("pcpo", "PCPO's runs", wrong.gaps_of("first_runs", "forced", "unforced"))],
        power=_beyond(measure.forced_plateau, 0.05, "a gap 10 % off the prediction"),
        figure="first_experiments",
    ),
    Claim(
        id="below_plateau",
        measure=measure.below_forced,
        rule=AtMost(),
        controls=[Control("forced", "averaging's runs in PCPO's place", swapped("first_runs", "forced", "unforced"))],
        power=_beyond(measure.below_forced, 0.25, "a ratio of 3/4"),
        figure="first_experiments",
    ),
    Claim(
        id="forced_stability",
        measure=measure.infinite_forced,
        rule=AtMost(),
        controls=[
            Control(
                "adopted", "averaging that begins with (8)", swapped("first_runs", "adopted_mirror", "forced_mirror")
            )
        ],
        power=_in_runs(measure.infinite_forced, 0.2, "infinite costs"),
        figure="first_experiments",
    ),
    Claim(
        id="unforced_stability",
        measure=measure.unforced_failures,
        rule=AtMost(),
        controls=[
            Control(
                "adopted", "averaging that begins with (8)", swapped("first_runs", "adopted_mirror", "unforced_mirror")
            )
        ],
        power=_in_runs(measure.unforced_failures, 0.2, "failure"),
        figure="first_experiments",
    ),
]

_SEPARATION = [
    Claim(
        id="merged",
        measure=measure.merged_plateau,
        rule=AtMost(),
        controls=[
            Control("local", "local learners in the place of PCPO", wrong.gaps_of("separation_limit", "pcpo", "local"))
        ],
        power=_beyond(measure.merged_plateau, 0.05, "a gap 10 % off the prediction"),
        figure="separation_limit",
    ),
    Claim(
        id="merged_harm",
        measure=measure.merged_harm,
        rule=AtMost(),
        controls=[Control("swapped", "PCPO and local learning exchanged", wrong.methods_exchanged)],
        power=_beyond(measure.merged_harm, 0.5, "a ratio half off the bound"),
        figure="separation_limit",
    ),
    Claim(
        id="separated_help",
        measure=measure.help_when_far,
        rule=AtMost(),
        controls=[Control("merged", "runs whose clusters are too close to be told apart", wrong.close_as_far)],
        power=_beyond(measure.help_when_far, 0.3, "a ratio of 1.3"),
        figure="separation_limit",
    ),
]

_CONSTANTS = [
    Claim(
        id="sensitivity_level",
        measure=measure.sensitivity_level,
        rule=AtMost(),
        controls=[
            Control("fewer", "runs with an eighth of the rollouts throughout", wrong.fewest_rollouts_throughout),
            Control("opposite", "gaps 30 % larger and 30 % smaller in turn: right on average", wrong.in_turn),
        ],
        power=_beyond(measure.sensitivity_level, 0.35**2 - 0.15**2, "gaps 35 % off, in either direction"),
        figure="sensitivity",
    ),
    Claim(
        id="sensitivity_slope",
        measure=measure.sensitivity_slope,
        rule=AtMost(),
        controls=[Control("insensitive", "runs with the calibrated constants throughout", wrong.calibrated_throughout)],
        power=_beyond(measure.sensitivity_slope, 0.2, "a slope 0.35 off"),
        figure="sensitivity",
    ),
    Claim(
        id="robust",
        measure=measure.robust,
        rule=AtMost(),
        controls=[Control("outermost", "the outermost values of the sweep in their place", wrong.outermost_as_robust)],
        power=_in_runs(measure.robust, 0.2, "failure"),
        figure="sensitivity",
    ),
    Claim(
        id="cap",
        measure=measure.capped,
        rule=AtMost(),
        controls=[
            Control(
                "uncapped",
                "radii four times too large without the cap",
                wrong.with_rows("sensitivity", "radius_factor", wrong.uncapped),
            )
        ],
        power=_in_runs(measure.capped, 0.2, "failure"),
        figure="sensitivity",
    ),
]


_STRANGERS = Control(
    "averaging", "averaging over strangers without (8) taken for it", swapped("failures", "averaging", "adopted")
)


def _signature(name: str, condition: str, *more: Control, others: str = "sound") -> Claim:
    """Declare the claim that runs of a violated condition show a signature and sound runs do not.

    Args:
        name: of the signature, one of `measures.SIGNATURES`; for "any", the claim is that no run shows one.
        condition: cell of the violated condition.
        more: further controls.
        others: cell whose runs stand in for it in the negative control.
    """
    measured = partial(measure.signature, name=name, condition=condition)
    kind = {"sound": "sound", "noise": "noisy"}[others]
    control = Control("relabelled", f"{kind} runs taken for it", swapped("failures", others, condition))
    return Claim(
        id=f"signature_{condition}",
        measure=measured,
        rule=AtMost(),
        controls=[control, *more],
        power=_in_runs(measured, 0.3, "a misleading signature"),
        figure="failure_signatures",
    )


_SIGNATURES = [
    _signature("lost", "step"),
    _signature("lost", "radius"),
    _signature("shared_lost", "adopted", _STRANGERS),
    _signature("restless", "noise"),
    _signature("any", "close", others="noise"),
]

_TIMES_TEN = Control("times_ten", "ten times the Δ_0 of the rule", swapped("guess_rule", "rule_times_ten", "rule"))

_INITIAL_GUESS = [
    Claim(
        id="guess_window",
        measure=measure.window_failures,
        rule=AtMost(),
        controls=[
            Control(
                "wild",
                "Δ_0 of 100 cost units and more",
                wrong.with_rows("initial_guess", "fixed", wrong.wild_as_window),
            )
        ],
        power=_in_runs(measure.window_failures, 0.2, "failure"),
        figure="initial_guess",
    ),
    Claim(
        id="guess_too_large",
        measure=measure.wild_survivors,
        rule=AtMost(),
        controls=[
            Control(
                "window",
                "runs with Δ ≤ Δ_0 ≤ C*_1",
                wrong.with_rows("initial_guess", "fixed", wrong.window_as_wild),
            )
        ],
        power=_in_runs(measure.wild_survivors, 0.5, "finite costs"),
        figure="initial_guess",
    ),
    Claim(
        id="rule_exact",
        measure=measure.rule_failures,
        rule=AtMost(),
        controls=[_TIMES_TEN],
        power=_in_runs(measure.rule_failures, 0.2, "failure"),
        figure="initial_guess",
    ),
    Claim(
        id="rule_noise",
        measure=measure.rule_failures_by_noise,
        rule=AtMost(),
        controls=[
            _TIMES_TEN,
            Control("noisy_half", "failures on the noisier half of the fleets", wrong.noisy_failures),
        ],
        power=_in_runs(measure.rule_failures_by_noise, 0.35, "failure"),
        figure="initial_guess",
    ),
    Claim(
        id="rule_cost",
        measure=measure.cost_of_rule,
        rule=AtMost(),
        controls=[_TIMES_TEN],
        power=_in_runs(measure.cost_of_rule, 0.2, "dearer runs"),
        figure="initial_guess",
    ),
]

CLAIMS: Sequence[Claim] = [
    *_FIRST_EXPERIMENTS,
    *NECESSITY,
    *_SEPARATION,
    *_CONSTANTS,
    *_SIGNATURES,
    *_INITIAL_GUESS,
]
