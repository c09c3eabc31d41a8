"""Claims of the group "practice" on the first experiments and on Δ → 0.

Claims of the group "practice" on the initial guess Δ_0.

Claims of the group "practice" on the choice of constants: sensitivity and failure signatures.

Claims on PCPO in practice: first experiments, sensitivity, failure signatures, the choice of Δ_0, and Δ → 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import AtMost
from pcpo.evidence.practice import measures as measure
from pcpo.evidence.practice.estimates import binomial_power, normal_power
from pcpo.evidence.practice.measures import cell
from pcpo.evidence.practice.studies import KNOBS

__all__ = ["CLAIMS", "binomial", "replaced", "shifted"]

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
        id="size_slope",
        measure=measure.size_slope,
        rule=AtMost(),
        controls=[_ALONE],
        power=shifted(measure.size_slope, 0.3, "a slope 0.3 beyond the margin"),
        figure="first_experiments",
        primary=True,
    ),
    Claim(
        id="size_rate",
        measure=measure.size_rate,
        rule=AtMost(),
        controls=[_ALONE],
        power=shifted(measure.size_rate, 0.3, "a slope of −0.2"),
        figure="first_experiments",
    ),
    Claim(
        id="two_sets",
        measure=measure.without_exact_sets,
        rule=AtMost(),
        controls=[
            Control("never", "sets that are never pruned", replaced("first_runs", "two_clusters", _from("never_prune")))
        ],
        power=binomial(measure.without_exact_sets, 0.2, "wrong sets"),
        figure="first_experiments",
    ),
    Claim(
        id="forced_plateau",
        measure=measure.forced_plateau,
        rule=AtMost(),
        controls=[Control("pcpo", "PCPO's runs", gaps_of("first_runs", "forced", "unforced"))],
        power=shifted(measure.forced_plateau, 0.05, "a gap 10 % off the prediction"),
        figure="first_experiments",
    ),
    Claim(
        id="below_plateau",
        measure=measure.saving,
        rule=AtMost(),
        controls=[
            Control("forced", "averaging's runs in PCPO's place", replaced("first_runs", "unforced", _from("forced")))
        ],
        power=shifted(measure.saving, 0.25, "a ratio of 3/4"),
        figure="first_experiments",
    ),
    Claim(
        id="forced_instability",
        measure=_mirror_forced,
        rule=AtMost(),
        controls=[Control("pcpo", "PCPO's runs", replaced("first_runs", "forced_mirror", _from("unforced_mirror")))],
        power=binomial(_mirror_forced, 0.5, "finite costs"),
        figure="first_experiments",
    ),
    Claim(
        id="unforced_stability",
        measure=_mirror_pcpo,
        rule=AtMost(),
        controls=[
            Control("forced", "averaging's runs", replaced("first_runs", "unforced_mirror", _from("forced_mirror")))
        ],
        power=binomial(_mirror_pcpo, 0.2, "failure"),
        figure="first_experiments",
    ),
    Claim(
        id="merged",
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
        id="merged_harm",
        measure=_harm,
        rule=AtMost(),
        controls=[_SWAPPED],
        power=shifted(_harm, 0.5, "a ratio half off the bound"),
        figure="separation_limit",
    ),
    Claim(
        id="separated_help",
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
        id="guess_window",
        measure=_window,
        rule=AtMost(),
        controls=[Control("wild", "Δ_0 of 100 cost units and more", replaced("initial_guess", "fixed", _wild_rows))],
        power=binomial(_window, 0.2, "failure"),
        figure="initial_guess",
    ),
    Claim(
        id="guess_too_large",
        measure=_wild,
        rule=AtMost(),
        controls=[Control("window", "runs with Δ ≤ Δ_0 ≤ C*_1", replaced("initial_guess", "fixed", _tame_rows))],
        power=binomial(_wild, 0.5, "finite costs"),
        figure="initial_guess",
    ),
    Claim(
        id="rule_exact",
        measure=_rule,
        rule=AtMost(),
        controls=[_TIMES_TEN],
        power=binomial(_rule, 0.2, "failure"),
        figure="initial_guess",
    ),
    Claim(
        id="rule_cost",
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
        id="sensitivity_level",
        measure=measure.sensitivity_level,
        rule=AtMost(),
        controls=[Control("fewer", "runs with an eighth of the rollouts throughout", _fewer)],
        power=shifted(measure.sensitivity_level, 0.2, "gaps 35 % off"),
        figure="sensitivity",
    ),
    Claim(
        id="sensitivity_slope",
        measure=measure.sensitivity_slope,
        rule=AtMost(),
        controls=[Control("insensitive", "runs with the calibrated constants throughout", _insensitive)],
        power=shifted(measure.sensitivity_slope, 0.2, "a slope 0.35 off"),
        figure="sensitivity",
    ),
    Claim(
        id="robust",
        measure=_robust,
        rule=AtMost(),
        controls=[Control("outermost", "the outermost values of the sweep in their place", _beyond)],
        power=binomial(_robust, 0.2, "failure"),
        figure="sensitivity",
    ),
    Claim(
        id="cap",
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

CLAIMS: Sequence[Claim] = [*_FIRST_CLAIMS, *_TUNING_CLAIMS, *_GUESS_CLAIMS]
