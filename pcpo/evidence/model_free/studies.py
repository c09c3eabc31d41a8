"""Declare the studies that run `pcpo_auto`, and the methods that read the model, on random fleets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pcpo.claims.contract import Study
from pcpo.claims.options import names, several, whole
from pcpo.evidence.model_free.population import CONDITIONS
from pcpo.evidence.model_free.runs import COLUMNS, KEY, MAY_BE_MISSING, Cell, simulate
from pcpo.evidence.model_free.settings import METHODS

__all__ = ["COMPARED", "CONTROLS", "GUESSED", "PARTS", "STUDIES"]

#: T, rollouts per agent, of all studies but that of budgets.
_ROLLOUTS = 100_000
#: Methods that are compared on every fleet.
COMPARED = ("auto", "alone", "pcpo", "pcpo_two_point", "pcpo_centred", "local", "local_two_point", "known")
#: `pcpo_auto` with one ingredient changed.
PARTS = (
    "auto",
    "probing_once",
    "curvature_trace",
    "curvature_spread",
    "stopping",
    "constant_steps",
    "sets_by_costs",
    "unsafe",
    "exponent_paper",
    "one_point",
    "centred",
)
#: `pcpo_auto` with something wrong on purpose.
CONTROLS = ("little_probing", "little_probing_once", "of_another")
#: Methods that are told a wrong Δ_0.
GUESSED = tuple(name for name in METHODS if "guess" in name)

Cells = dict[str, Cell]


def _fleets(options: Mapping[str, Any]) -> Cells:
    """Make a cell for every condition."""
    T, every = options["rollouts"], options["others_every"]
    return {name: Cell(name, T, COMPARED, others_every=every) for name in options["conditions"]}


def _parts(options: Mapping[str, Any]) -> Cells:
    """Make a cell for every condition, in which an ingredient is changed or something is wrong."""
    return {name: Cell(name, options["rollouts"], (*PARTS, *CONTROLS)) for name in options["conditions"]}


def _guesses(options: Mapping[str, Any]) -> Cells:
    """Make a cell for every condition, in which Δ_0 is wrong."""
    return {name: Cell(name, options["rollouts"], GUESSED) for name in options["conditions"]}


def _budgets(options: Mapping[str, Any]) -> Cells:
    """Make a cell for every budget."""
    return {
        f"{condition}, {T:,}": Cell(condition, T, ("auto", "pcpo", "pcpo_two_point", "local_two_point", "known"))
        for condition in options["conditions"]
        for T in options["budgets"]
    }


def _audit(options: Mapping[str, Any]) -> Cells:
    """Make the same runs by moments and by rollouts."""
    return {
        f"{condition}, {oracle}": Cell(condition, options["rollouts"], ("auto",), oracle=oracle)
        for condition in options["conditions"]
        for oracle in ("moments", "rollouts")
    }


_CONDITIONS = names(list(CONDITIONS))


def _study(name: str, title: str, cells: Callable[[Mapping[str, Any]], Cells], **options: Any) -> Study:
    """Declare a study whose rows are fleets and methods."""
    return Study(
        name=name,
        title=title,
        cells=cells,
        simulate=simulate,
        columns=COLUMNS,
        key=KEY,
        may_be_missing=MAY_BE_MISSING,
        options={"conditions": _CONDITIONS, **options},
    )


_T = whole(_ROLLOUTS, least=5_000)

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "model_free_fleets": _study(
        "model_free_fleets",
        "PCPO without the model on random fleets",
        _fleets,
        rollouts=_T,
        others_every=whole(1, least=1),
    ),
    "model_free_parts": _study("model_free_parts", "Without one of its ingredients", _parts, rollouts=_T),
    "model_free_guesses": _study("model_free_guesses", "A wrong guess of Δ", _guesses, rollouts=_T),
    "model_free_budgets": _study(
        "model_free_budgets",
        "Smaller and larger budgets",
        _budgets,
        budgets=several([30_000, 1_000_000], whole(least=5_000)),
    ),
    "model_free_audit": _study("model_free_audit", "The moment oracle against rollouts", _audit, rollouts=_T),
}
