"""The studies of the group "practice": which conditions each of them runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pcpo.claims.contract import Study
from pcpo.claims.options import number, several
from pcpo.errors import ConfigError
from pcpo.evidence.practice.fleets import cell_of
from pcpo.evidence.practice.runs import COLUMNS, KEY, MAY_BE_MISSING, simulate

__all__ = ["FAILURES", "FIRST", "GUESS", "KNOBS", "LIMIT", "ROBUSTNESS", "RULE", "SENSITIVITY", "STUDIES"]

Cells = dict[str, dict[str, Any]]
#: Varied constants, as the conditions call them, with their names in figures.
KNOBS = {
    "step_factor": r"step size $\eta$",
    "radius_factor": r"smoothing radius $r_l$",
    "minibatch_factor": r"minibatch $M_l$",
    "iterations_factor": r"iterations $R_l$",
}
_FOUR: dict[str, Any] = {"agents": 4, "predict": "local"}
_SHARED: dict[str, Any] = {"start": "common", "start_gap": 2.0}


def _numbers(options: Mapping[str, Any], name: str, *needed: tuple[float, float]) -> str:
    """A list of numbers as the text of a cell; raises ConfigError if none lies in a range that the claims need."""
    found = options[name]
    for low, high in needed:
        if not any(low <= v <= high for v in found):
            raise ConfigError(f"{name}: found {found!r}, expected a number from {low:g} to {high:g} among them")
    return ";".join(f"{v:g}" for v in found)


def _whole_cells(cells: Callable[[Mapping[str, Any]], Cells]) -> Callable[[Mapping[str, Any]], Cells]:
    """The same with what a condition leaves open filled in."""

    def of(options: Mapping[str, Any]) -> Cells:
        return {name: cell_of(condition=name, **conditions) for name, conditions in cells(options).items()}

    return of


def _first(options: Mapping[str, Any]) -> Cells:
    agents = _numbers(options, "agents", (2, 4), (8, 32))
    two = {"agents": 8, "Delta0": 10.0}
    return {
        "homogeneous": {
            "fleet": "one",
            "draw": 4,
            "start": "common",
            "Delta0": 9.0,
            "predict": "both",
            "vary": "agents",
            "values": agents,
        },
        "two_clusters": two,
        "never_prune": {**two, "algorithm": "pcpo_no_elimination"},
        "forced": {**_SHARED, "algorithm": "naive_average", "predict": "global"},
        "unforced": _SHARED,
        "forced_mirror": {"fleet": "mirror", "algorithm": "naive_average"},
        "unforced_mirror": {"fleet": "mirror"},
    }


def _sensitivity(options: Mapping[str, Any]) -> Cells:
    needed = ((1.0, 1.0), (0.01, 0.25), (2.0, 100.0))
    return {knob: {**_FOUR, "vary": knob, "values": _numbers(options, knob, *needed)} for knob in KNOBS}


def _robustness(options: Mapping[str, Any]) -> Cells:
    """The runs with factors within 2 again, without the rest of the sweep: a rare failure takes many to be counted."""
    del options
    first = next(iter(KNOBS))
    return {knob: {**_FOUR, "vary": knob, "values": "0.5;1;2" if knob == first else "0.5;2"} for knob in KNOBS}


def _failures(options: Mapping[str, Any]) -> Cells:
    del options
    base = {"agents": 8, "draw": 4}
    return {
        "sound": base,
        "step": {**base, "step_factor": 10.0},
        "radius": {**base, "radius_factor": 4.0, "cap_factor": 8.0},
        "averaging": {"fleet": "mirror", "algorithm": "pcpo_no_elimination", "synchronise": 1},
        "noise": {**base, "minibatch_factor": 1 / 12, "epochs": 4},
        "close": {**base, "separation": 0.02},
    }


def _guess(options: Mapping[str, Any]) -> Cells:
    separation = 6.0
    ratios = _numbers(options, "ratios", (1.0, 20.0 / separation), (100.0 / separation, 1e3))
    values = ";".join(f"{separation * float(ratio):g}" for ratio in ratios.split(";"))
    return {"fixed": {"separation": separation, "vary": "Delta0", "values": values, "rollouts": 60_000}}


def _rule(options: Mapping[str, Any]) -> Cells:
    del options
    drawn = {"draw": -1, "rollouts": 100_000}
    return {
        "known": {**drawn, "guess": "known"},
        "rule": {**drawn, "guess": "rule"},
        "rule_times_ten": {**drawn, "guess": "rule", "guess_factor": 10.0},
    }


def _limit(options: Mapping[str, Any]) -> Cells:
    vary = {
        **_SHARED,
        "agents": 8,
        "Delta0": 8.0,
        "vary": "separation",
        "values": _numbers(options, "separations", (1e-3, 0.25), (4.0, 16.0)),
    }
    return {"pcpo": {**vary, "predict": "global"}, "local": {**vary, "algorithm": "local"}}


def _study(name: str, title: str, cells: Callable[[Mapping[str, Any]], Cells], **lists: Sequence[float]) -> Study:
    """A study whose options are lists of positive numbers."""
    return Study(
        name=name,
        title=title,
        cells=_whole_cells(cells),
        simulate=simulate,
        columns=COLUMNS,
        key=KEY,
        may_be_missing=MAY_BE_MISSING,
        options={option: several(values, number()) for option, values in lists.items()},
    )


FIRST = _study("first_runs", "First experiments", _first, agents=[2, 4, 8, 16])
SENSITIVITY = _study(
    "sensitivity",
    "One constant at a time",
    _sensitivity,
    step_factor=[0.125, 0.25, 0.5, 1, 2, 4, 8],
    radius_factor=[0.25, 0.5, 1, 2, 4, 8],
    minibatch_factor=[0.125, 0.25, 0.5, 1, 2, 4],
    iterations_factor=[0.125, 0.25, 0.5, 1, 2, 4],
)
ROBUSTNESS = _study("robustness", "A factor of two in one constant", _robustness)
FAILURES = _study("failures", "Conditions violated on purpose", _failures)
GUESS = _study("initial_guess", "Choice of Δ_0", _guess, ratios=[0.01, 0.1, 0.5, 1, 2, 3, 10, 100])
RULE = _study("guess_rule", "A rule for Δ_0 on random fleets", _rule)
LIMIT = _study("separation_limit", "Δ → 0", _limit, separations=[0.05, 0.25, 0.5, 1, 2, 4, 8])


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "first_runs": FIRST,
    "sensitivity": SENSITIVITY,
    "robustness": ROBUSTNESS,
    "failures": FAILURES,
    "initial_guess": GUESS,
    "guess_rule": RULE,
    "separation_limit": LIMIT,
}
