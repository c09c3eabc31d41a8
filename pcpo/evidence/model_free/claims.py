"""Declare the claims on PCPO without the model; their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Mode, Tables
from pcpo.claims.controls import relabelled, replaced, scaled
from pcpo.claims.judging import AtMost
from pcpo.claims.power import probability, shift
from pcpo.errors import ResultsError
from pcpo.evidence.model_free.measures import (
    FACTORS,
    WELL_CONDITIONED,
    annealing_failures,
    audited,
    constant,
    failures,
    false_successes,
    gap_ratio,
    probing,
    typical_ratio,
    wrong_guesses,
)

__all__ = ["CLAIMS"]

_MODE: Mode = "model-free, moment oracle"
_ANNEALED: Mode = "model-free, annealed first"
#: By how much the mean gap may be above that of a method that reads the model.
_GAP_MARGIN = 1.25
#: Fraction of fleets that fail, and ratio of gaps over its bound, at the alternatives of the powers.
_OFTEN, _LARGER = 0.12, 2.0
#: Fractions of fleets without a gain of finite cost, and of systems wrongly said to have one, at those alternatives.
_HALF, _QUARTER = 0.5, 0.25
#: Rows of the table of constants from one agent to another that is of another fleet: more than a fleet has agents.
_APART = 13


def _from(study: str, **names: str) -> Callable[[Tables], Tables]:
    """Return tables where runs of a study stand in for those of `pcpo_auto` on the main fleets, by new=old names.

    Raises ResultsError if there are no such runs.
    """

    def apply(tables: Tables) -> Tables:
        rows, main = tables[study], tables["model_free_fleets"]
        found = rows[rows["method"].isin(list(names.values()))]
        if found.empty:
            raise ResultsError(f"{study}: found no runs of {', '.join(names.values())}, expected those of a control")
        found = found.assign(method=found["method"].replace({old: new for new, old in names.items()}))
        rest = main[~main["method"].isin(list(names))]
        return {**tables, "model_free_fleets": pd.concat([rest, found], ignore_index=True)}

    return apply


def _exchanged(**names: str) -> Callable[[Tables], Tables]:
    """Return tables where methods of the main study have each other's names."""

    def apply(tables: Tables) -> Tables:
        rows = tables["model_free_fleets"]
        return {**tables, "model_free_fleets": rows.assign(method=rows["method"].replace(names))}

    return apply


def _phase(name: str) -> Callable[[Tables], Tables]:
    """Return tables where another initial phase stands in for annealing."""

    def apply(tables: Tables) -> Tables:
        rows = tables["model_free_annealing"]
        found = rows[rows["phase"] == name].assign(phase="annealed", role="grid")
        return {**tables, "model_free_annealing": found}

    return apply


def _nothing(tables: Tables) -> Tables:
    """Return tables where every agent of `pcpo_auto` keeps its initial gain."""
    rows = tables["model_free_fleets"].copy()
    auto = rows["method"] == "auto"
    for column in ("gap", "kept_gap", "large_gap"):
        rows.loc[auto, column] = rows.loc[auto, "start_gap"]
    return {**tables, "model_free_fleets": rows}


def _calibrated_guesses(tables: Tables) -> Tables:
    """Return tables where the calibrated schedule with a wrong Δ_0 stands in for `pcpo_auto` with (7)."""
    rows = tables["model_free_guesses"]
    wrong = rows[rows["method"].isin(["guess_1_30", "guess_30"])]
    return {**tables, "model_free_guesses": wrong.assign(method="auto_" + wrong["method"])}


def _of_another(name: str) -> Callable[[Tables], Tables]:
    """Return tables where estimates are compared with the truth of another fleet."""

    def other(tables: Tables) -> pd.Series[float]:
        rows = tables["model_free_constants"]
        truth = rows[f"true_{name}"].to_numpy(dtype=float)
        return pd.Series(rows[name].to_numpy(dtype=float) * truth / np.roll(truth, _APART), index=rows.index)

    return replaced("model_free_constants", name, other)


def _louder(tables: Tables) -> pd.Series[float]:
    """Return the gaps of the audit, those by rollouts doubled."""
    rows = tables["model_free_audit"]
    return rows["kept_gap"] * np.where(rows["oracle"] == "rollouts", 2.0, 1.0)


#: Of the claim on the conditions that every configuration runs with changed ingredients.
_UNSAFE = Control("unsafe", "(7) and (8) as printed", _from("model_free_parts", auto="unsafe"))
_NOTHING = Control("nothing", "every agent keeps its initial gain", _nothing)


def _failing(claim: str, *conditions: str, controls: Sequence[Control] = (), primary: bool = False) -> Claim:
    """Return the claim that few fleets fail in some conditions."""
    measure = failures(*conditions)
    return Claim(
        id=claim,
        measure=measure,
        rule=AtMost(),
        controls=[Control("alone", "every agent alone", _exchanged(auto="", alone="auto")), *controls],
        power=probability(measure, _OFTEN, f"a fraction {_OFTEN:g} of the fleets fails"),
        figure="auto_against_calibrated",
        mode=_MODE,
        primary=primary,
    )


def _compared(claim: str, measure: Callable[[Tables], Finding], departure: float, controls: Sequence[Control]) -> Claim:
    """Return the claim that a ratio of gaps is at most a bound; the departure takes it from the bound to twice that."""
    return Claim(
        id=claim,
        measure=measure,
        rule=AtMost(),
        controls=controls,
        power=shift(measure, departure, f"gaps {_LARGER:g} times the bound"),
        figure="auto_against_calibrated",
        mode=_MODE,
    )


def _estimated(name: str) -> Claim:
    """Return the claim that a constant is within its factor of the truth for all agents of most fleets."""
    measure = constant(name)
    controls = [Control("of_another", "the truth of another fleet", _of_another(name))]
    if name != "sigma":  # its error is that of a variance from as many batches, however many rollouts are in each
        controls.append(Control("little", "a fiftieth of the rollouts", relabelled("model_free_constants", "control")))
    return Claim(
        id=f"constant_{name}",
        measure=measure,
        rule=AtMost(),
        controls=controls,
        power=probability(measure, _OFTEN, f"a fraction {_OFTEN:g} of the fleets with an agent outside"),
        figure="constants_estimated",
        mode=_MODE,
    )


#: From the bound on a ratio of mean gaps to its alternative.
_GAP_LARGER = _GAP_MARGIN * (_LARGER - 1)

CLAIMS: Sequence[Claim] = [
    _failing("failures", *WELL_CONDITIONED, controls=[_UNSAFE], primary=True),
    _failing("failures_condition_30", "condition_30"),
    _compared("gap", gap_ratio("pcpo", _GAP_MARGIN), _GAP_LARGER, [_NOTHING]),
    _compared("gap_same_estimator", gap_ratio("pcpo_two_point", _GAP_MARGIN), _GAP_LARGER, [_NOTHING]),
    _compared("gap_known_clusters", gap_ratio("known", _GAP_MARGIN), _GAP_LARGER, [_NOTHING]),
    _compared("gap_typical", typical_ratio("pcpo_two_point", _GAP_MARGIN), float(np.log(_LARGER)), [_NOTHING]),
    _compared(
        "below_local",
        gap_ratio("local_two_point", 1.0, "large_gap"),
        _LARGER - 1,
        [_NOTHING, Control("exchanged", "exchanged", _exchanged(auto="local_two_point", local_two_point="auto"))],
    ),
    _compared(
        "below_alone",
        gap_ratio("alone", 1.0, "large_gap"),
        _LARGER - 1,
        [_NOTHING, Control("exchanged", "the two exchanged", _exchanged(auto="alone", alone="auto"))],
    ),
    Claim(
        id="probing",
        measure=probing,
        rule=AtMost(),
        controls=[Control("more", "three times the probing", scaled("model_free_fleets", "probing", 3.0))],
        power=shift(probing, 0.05, "five percent of the rollouts more than the bound"),
        figure="auto_ablation",
        mode=_MODE,
    ),
    Claim(
        id="wrong_guess",
        measure=wrong_guesses,
        rule=AtMost(),
        controls=[Control("calibrated", "Table 2 with these guesses", _calibrated_guesses)],
        power=probability(wrong_guesses, 2 * _OFTEN, f"a fraction {2 * _OFTEN:g} of the fleets fails"),
        figure="auto_guesses",
        mode=_MODE,
    ),
    *map(_estimated, FACTORS),
    Claim(
        id="oracle",
        measure=audited,
        rule=AtMost(),
        controls=[
            Control("louder", "gaps by rollouts doubled", replaced("model_free_audit", "kept_gap", _louder)),
        ],
        power=shift(audited, 0.4, "gaps twice as large, or half"),
        figure="auto_ablation",
        mode=_MODE,
    ),
    Claim(
        id="annealing",
        measure=annealing_failures,
        rule=AtMost(),
        controls=[Control("undiscounted", "all steps at γ, exact costs", _phase("undiscounted"))],
        power=probability(annealing_failures, _HALF, "half of the fleets fail"),
        figure="auto_annealing",
        mode=_ANNEALED,
    ),
    Claim(
        id="annealing_false",
        measure=false_successes,
        rule=AtMost(),
        controls=[Control("unbounded", "discounts rise as far as costs are finite", _phase("unbounded"))],
        power=probability(false_successes, _QUARTER, "a quarter of the systems"),
        figure="auto_annealing",
        mode=_ANNEALED,
    ),
]
