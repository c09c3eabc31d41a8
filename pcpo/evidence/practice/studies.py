"""Declare the studies of the group "practice": the conditions that each of them runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pcpo.claims.contract import Study
from pcpo.claims.options import number, several
from pcpo.errors import ConfigError
from pcpo.evidence.practice.fleets import Cell
from pcpo.evidence.practice.runs import COLUMNS, KEY, MAY_BE_MISSING, simulate

__all__ = ["FAILURES", "FIRST", "GUESS", "KNOBS", "LIMIT", "ROBUSTNESS", "RULE", "SENSITIVITY", "STUDIES"]

Cells = dict[str, Cell]
#: Constants that are varied, by their fields in a cell, with their names in figures.
KNOBS = {
    "step_factor": r"step size $\eta$",
    "radius_factor": r"smoothing radius $r_l$",
    "minibatch_factor": r"minibatch $M_l$",
    "iterations_factor": r"iterations $R_l$",
}
_SWEPT = Cell(agents=4, predict="local")
#: Cells of all studies that stand in for others in negative controls, and do nothing else.
_CONTROLS = frozenset({"never_prune", "adopted_mirror", "averaging", "rule_times_ten"})
_COMMON_START = Cell(start="common", start_gap=2.0)


def _numbers(options: Mapping[str, Any], name: str, *needed: tuple[float, float]) -> tuple[float, ...]:
    """Read a list of numbers from the options.

    Raises:
        ConfigError: if none of the numbers lies in a range (low, high) that the claims need.
    """
    found = options[name]
    for low, high in needed:
        if not any(low <= v <= high for v in found):
            raise ConfigError(f"{name}: found {found!r}, expected a number from {low:g} to {high:g} among them")
    return tuple(_rounded(v) for v in found)


def _rounded(value: float) -> float:
    """Round to six significant digits, so that products such as 6 · 0.1 are the numbers that a person would write."""
    return float(f"{value:g}")


def _first(options: Mapping[str, Any]) -> Cells:
    """Make one cluster of several sizes, and pairs of clusters with and without a common gain."""
    two = Cell(agents=8, Delta0=10.0)
    return {
        "homogeneous": Cell(
            fleet="one",
            draw=4,
            start="common",
            Delta0=9.0,
            predict="both",
            vary="agents",
            values=_numbers(options, "agents", (2, 4), (8, 32)),
        ),
        "two_clusters": two,
        "never_prune": replace(two, algorithm="pcpo_no_elimination"),
        "forced": replace(_COMMON_START, algorithm="naive_average", predict="global"),
        "unforced": _COMMON_START,
        "forced_mirror": Cell(fleet="mirror", algorithm="naive_average"),
        "adopted_mirror": Cell(fleet="mirror", algorithm="naive_average_sync"),
        "unforced_mirror": Cell(fleet="mirror"),
    }


def _sensitivity(options: Mapping[str, Any]) -> Cells:
    """Make a sweep of every constant."""
    needed = ((1.0, 1.0), (0.01, 0.25), (2.0, 100.0))
    return {knob: replace(_SWEPT, vary=knob, values=_numbers(options, knob, *needed)) for knob in KNOBS}


def _robustness(options: Mapping[str, Any]) -> Cells:
    """Make the part of the sweep within a factor of 2, which alone can have enough runs to count rare failures.

    Every seed draws a fleet, so the claim is about a population and not about one fleet; Δ is that of the sweep.
    """
    del options
    first, swept = next(iter(KNOBS)), replace(_SWEPT, draw=-1, keep_separation=True, predict="")
    return {knob: replace(swept, vary=knob, values=(0.5, 1.0, 2.0) if knob == first else (0.5, 2.0)) for knob in KNOBS}


def _failures(options: Mapping[str, Any]) -> Cells:
    """Make a cell with sound constants, and one for every condition that is violated."""
    del options
    base = Cell(agents=8, draw=4)
    return {
        "sound": base,
        "step": replace(base, step_factor=10.0),
        "radius": replace(base, radius_factor=4.0, cap_factor=8.0),
        "averaging": Cell(fleet="mirror", algorithm="pcpo_no_elimination"),
        "adopted": Cell(fleet="mirror", algorithm="pcpo_no_elimination", synchronise=True),
        "noise": replace(base, minibatch_factor=1 / 12, epochs=4),
        "close": replace(base, separation=0.02),
    }


def _guess(options: Mapping[str, Any]) -> Cells:
    """Make a sweep of Δ_0 at a fixed budget, in multiples of Δ."""
    separation = 6.0
    ratios = _numbers(options, "ratios", (1.0, 20.0 / separation), (100.0 / separation, 1e3))
    guesses = tuple(_rounded(separation * ratio) for ratio in ratios)
    return {"fixed": Cell(separation=separation, vary="Delta0", values=guesses, rollouts=60_000)}


def _rule(options: Mapping[str, Any]) -> Cells:
    """Make random fleets with Δ known, with the rule for Δ_0, and with ten times the Δ_0 of the rule."""
    del options
    drawn = Cell(draw=-1, rollouts=100_000)
    return {
        "known": replace(drawn, guess="known"),
        "rule": replace(drawn, guess="rule"),
        "rule_times_ten": replace(drawn, guess="rule", guess_factor=10.0),
    }


def _limit(options: Mapping[str, Any]) -> Cells:
    """Make a sweep of Δ for PCPO and for local learning."""
    separations = _numbers(options, "separations", (1e-3, 0.25), (4.0, 16.0))
    sweep = replace(_COMMON_START, agents=8, Delta0=8.0, vary="separation", values=separations)
    return {"pcpo": replace(sweep, predict="global"), "local": replace(sweep, algorithm="local")}


def _study(name: str, title: str, cells: Callable[[Mapping[str, Any]], Cells], **lists: Sequence[float]) -> Study:
    """Declare a study whose options are lists of positive numbers."""
    return Study(
        name=name,
        title=title,
        cells=cells,
        simulate=simulate,
        columns=COLUMNS,
        key=KEY,
        may_be_missing=MAY_BE_MISSING,
        options={option: several(values, number()) for option, values in lists.items()},
        controls_only=_CONTROLS.__contains__,
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
