"""Say what the grid of a configuration takes before anything runs, and refuse cells beyond the limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pcpo.errors import BudgetError
from pcpo.experiments.cost import limits_of
from pcpo.pipeline.config import OF_GRID, studies_of

__all__ = ["check_grid", "core_seconds", "in_sentences"]

#: Core seconds of a run of a method over those of a cell of the grid: of methods that answer in Python round by round,
#: and of the others, whose iterations are compiled.
_BY_ROUNDS = {"fedlqr": 10.0, "ifca": 25.0, "maml_lqr": 11.0}
_OTHERS = 0.25
#: Core seconds of the rollouts of one audited fleet.
_AUDIT = 15.0


def core_seconds(config: Mapping[str, Any]) -> dict[str, tuple[int, float]]:
    """Return the runs and the expected core seconds of one fleet, by study and cell ("grid, cell base")."""
    if not config.get("grid"):
        return {}
    from pcpo.claims.options import cells_of
    from pcpo.evidence.grid.cells import cell_seconds
    from pcpo.evidence.registry import study_named

    found = {}
    studies = studies_of(config)
    for study in OF_GRID.values():
        settings = studies[study]
        for name, cell in cells_of(study_named(study), settings["options"]).items():
            each = cell_seconds(getattr(cell, "grid", cell))
            if study == "grid_methods":
                each *= _runs_of_methods(cell)
            elif study == "grid_audit":
                each += _AUDIT
            found[f"{study}, cell {name}"] = (int(settings["count"]), each)
    return found


def _runs_of_methods(cell: Any) -> float:
    """Return what all methods take on one fleet, in units of a cell: a run, and one for each step that is tried."""
    runs = 1 + (len(cell.step_scales) if len(cell.step_scales) > 1 else 0)
    return runs * (sum(_BY_ROUNDS.get(name, _OTHERS) for name in cell.algorithms) + _OTHERS * len(cell.wrong))


def check_grid(config: Mapping[str, Any]) -> None:
    """Refuse a grid with a cell, or as a whole, beyond `limits`.

    Raises:
        BudgetError: naming the cell and its core hours.
    """
    limits, found = limits_of(config), core_seconds(config)
    for name, (_, each) in found.items():
        if each / 3600 > limits.core_hours_per_run:
            raise BudgetError(
                f"{name}: found about {each / 3600:.3g} core hours for one fleet, expected at most "
                f"limits.core_hours_per_run = {limits.core_hours_per_run:g}; fewer agents, states or epochs take less"
            )
    total = sum(count * each for count, each in found.values()) / 3600
    if total > limits.core_hours:
        name = max(found, key=lambda key: found[key][0] * found[key][1])
        hours = found[name][0] * found[name][1] / 3600
        raise BudgetError(
            f"grid: found about {total:.3g} core hours, of which {hours:.3g} in {name}, expected at most "
            f"limits.core_hours = {limits.core_hours:g}"
        )


def in_sentences(config: Mapping[str, Any]) -> list[str]:
    """Return a line on the cells, runs and core hours of the grid; none without a grid."""
    found = core_seconds(config)
    if not found:
        return []
    runs = sum(count for count, _ in found.values())
    hours = sum(count * each for count, each in found.values()) / 3600
    return [f"The grid has {len(found)} cells with {runs:,} fleets in all: about {hours:.2g} core hours."]
