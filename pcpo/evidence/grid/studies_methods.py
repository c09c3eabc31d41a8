"""Run every method in some cells of the grid, and some cells again by rollouts throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.baselines.cfl import CFL
from pcpo.algorithms.baselines.cluster_sysid import ClusterSysID
from pcpo.algorithms.baselines.fedlqr import FedLQR
from pcpo.algorithms.baselines.ifca import IFCA
from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.baselines.maml_lqr import MAMLLQR
from pcpo.algorithms.baselines.naive_average import NaiveAverage
from pcpo.algorithms.baselines.one_shot import OneShot
from pcpo.algorithms.baselines.oracle_clusters import OracleClusters
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Algorithm
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, several, whole
from pcpo.errors import ConfigError
from pcpo.evidence.grid.cells import AXES, Cell, cells_of_grid
from pcpo.evidence.grid.runs import PREDICTED, SETTINGS, draw, experiment, rows_of, run_seed, settings_of
from pcpo.experiments import summaries
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.tuning import Candidate, scaled
from pcpo.fleets.fleet import Fleet

__all__ = ["AUDIT", "METHODS", "STUDIES", "AuditCell", "MethodCell"]

# ---------------------------------------------------------------------------------------------------------- methods


#: The methods by name, imported here so that a changed method makes the study run again.
_METHODS: Mapping[str, Algorithm] = {
    method.name: method
    for method in (
        PCPO(),
        Local(),
        OracleClusters(),
        NaiveAverage(),
        OneShot(),
        FedLQR(),
        IFCA(),
        CFL(),
        MAMLLQR(),
        ClusterSysID(),
    )
}
#: Those that see trajectories and not only costs.
_IDENTIFYING = ("cluster_sysid",)


@dataclass(frozen=True)
class MethodCell:
    """Describe a cell in which methods are compared.

    Args:
        grid: the cell of the grid.
        algorithms: names of the methods.
        step_scales: factors of η among which every method is tuned, on other noise of the same fleet.
        wrong: factors by which the one-shot method is told a wrong Δ.
        identification: rollouts per agent that system identification gets.
    """

    grid: Cell
    algorithms: tuple[str, ...]
    step_scales: tuple[float, ...]
    wrong: tuple[float, ...]
    identification: int


_OPTIONS: Option = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "cells": several(["base", "open_loop_stable"], {"type": "string"}),
        "algorithms": several(list(_METHODS), {"enum": list(_METHODS)}),
        "step_scales": several([1, 0.5], {"type": "number", "exclusiveMinimum": 0}),
        "wrong": several([0.25, 4], {"type": "number", "exclusiveMinimum": 0}, fewest=0),
        "identification": whole(10_000),
    },
    "default": {},
}


def _method_cells(options: Mapping[str, Any]) -> dict[str, MethodCell]:
    """Return the cells in which methods are compared; ConfigError for one that the grid does not have."""
    given = options["methods"]
    return {
        name: MethodCell(
            cell,
            tuple(given["algorithms"]),
            tuple(map(float, given["step_scales"])),
            tuple(map(float, given["wrong"])),
            int(given["identification"]),
        )
        for name, cell in _chosen(options, "methods").items()
    }


def _chosen(options: Mapping[str, Any], part: str) -> dict[str, Cell]:
    """Return the cells that a part of the key names; ConfigError, with the names there are, for another one."""
    cells, names = cells_of_grid(options), options[part]["cells"]
    for name in names:
        if name not in cells:
            raise ConfigError(f"grid.{part}.cells: found {name!r}, expected one of {', '.join(cells)}")
    return {name: cells[name] for name in names}


def _simulate_methods(cell: MethodCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Tune and run every method on the fleet of every seed."""
    frames = []
    for seed in seeds:
        fleet = draw(cell.grid, seed).fleet
        setting = experiment(cell.grid, fleet)
        methods = {name: _METHODS[name] for name in cell.algorithms}
        if "one_shot" in cell.algorithms:
            methods |= {f"one_shot, told {factor:g} Δ": OneShot(told=factor) for factor in cell.wrong}
        for name, method in methods.items():
            frames.append(_tuned_run(cell, setting, method, seed).assign(seed=seed, algorithm=name))
    return pd.concat(frames, ignore_index=True).assign(**settings_of(cell.grid))[list(_METHOD_COLUMNS)]


def _tuned_run(cell: MethodCell, setting: Experiment, method: Algorithm, seed: int) -> pd.DataFrame:
    """Choose the step of a method on other noise of the fleet, and run it; identification has a budget of its own.

    The step chosen is that of the smallest mean gap after the last epoch; infinite gaps are the largest, and of equal
    gaps the first counts.
    """
    if method.name in _IDENTIFYING:
        few = _with_rollouts(setting, cell.identification)
        table = summaries.by_epoch(few.fleet, few.result(method, seed=run_seed(cell.grid, seed, 2)))
        return table.assign(step_scale=1.0)
    trials = []
    for k, scale in enumerate(cell.step_scales if len(cell.step_scales) > 1 else ()):
        tried = scaled(setting, Candidate(scale, 1.0)).result(method, seed=run_seed(cell.grid, seed, 3, k))
        trials.append(float(np.mean(setting.fleet.gaps(tried.epochs[-1].global_gains))))
    scale = cell.step_scales[int(np.argmin(trials))] if trials else cell.step_scales[0]
    final = scaled(setting, Candidate(scale, 1.0))
    result = final.result(method, seed=run_seed(cell.grid, seed, 2))
    return summaries.by_epoch(setting.fleet, result).assign(step_scale=scale)


def _with_rollouts(setting: Experiment, rollouts: int) -> Experiment:
    """Return the experiment with minibatches that spend about so many rollouts per agent in one epoch, simulated."""
    c, plan = setting.planned.constants, setting.planned.plan(1)
    factor = rollouts / plan.rollouts
    schedule = replace(setting.planned, constants=replace(c, c4=c.c4 * factor))
    budget = schedule.rollouts_for(1)
    return replace(setting, schedule=schedule, budget=budget, oracle="rollouts")


_METHOD_COLUMNS = {
    **SETTINGS,
    **summaries.COLUMNS,
    "step_scale": "the factor of η that the tuning chose",
}

METHODS = Study(
    name="grid_methods",
    title="Every method on random fleets",
    cells=_method_cells,
    simulate=_simulate_methods,
    columns=_METHOD_COLUMNS,
    key=("seed", "algorithm", "epoch"),
    may_be_missing=frozenset({"margin", "estimate_margin"}),
    options={**AXES, "methods": _OPTIONS},
    place="grid",
)

# ------------------------------------------------------------------------------------------------------------ audit


#: How often κ_M is halved at most, and the share of rollouts that auto must draw; costs are a 1,600th of them or less.
_HALVINGS, _MOSTLY = 8, 0.999


@dataclass(frozen=True)
class AuditCell:
    """Describe a cell that is run twice, by `oracle: auto` and by rollouts throughout.

    Args:
        grid: the cell of the grid.
        minibatch_scale: largest κ_M; every fleet has the smallest of κ_M, κ_M/2, … at which auto draws from moments.
        epochs: epochs of a run.
    """

    grid: Cell
    minibatch_scale: float
    epochs: int


_AUDIT: Option = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "cells": several(["base", "agents_4"], {"type": "string"}),
        "minibatch_scale": {"type": "number", "exclusiveMinimum": 0, "default": 0.08},
        "epochs": whole(2),
    },
    "default": {},
}


def _audit_cells(options: Mapping[str, Any]) -> dict[str, AuditCell]:
    """Return the cells of the audit; ConfigError for one that the grid does not have."""
    given = options["audit"]
    return {
        name: AuditCell(cell, float(given["minibatch_scale"]), int(given["epochs"]))
        for name, cell in _chosen(options, "audit").items()
    }


def _simulate_audit(cell: AuditCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run PCPO on the fleet of every seed by both oracles, with noise of their own."""
    frames = []
    for seed in seeds:
        small, setting = _smallest_drawn(cell, draw(cell.grid, seed).fleet)
        for k, oracle in enumerate(("auto", "rollouts")):
            chosen = setting if oracle == "auto" else replace(setting, oracle="rollouts", known_thresholds=())
            table = rows_of(chosen, PCPO(), run_seed(cell.grid, seed, 4, k)).assign(**settings_of(small))
            frames.append(table.assign(seed=seed, oracle=oracle, drawn=_share_drawn(setting)))
    return pd.concat(frames, ignore_index=True)[list(_AUDIT_COLUMNS)]


def _smallest_drawn(cell: AuditCell, fleet: Fleet) -> tuple[Cell, Experiment]:
    """Return the cell and the experiment with the smallest minibatches, near M*, at which auto draws all gradients.

    With smaller minibatches auto simulates too, and rollouts would be compared with rollouts.
    """
    scales = cell.minibatch_scale / 2.0 ** np.arange(_HALVINGS)
    found = None
    for scale in scales.tolist():
        small = replace(cell.grid, minibatch_scale=scale)
        setting = experiment(small, fleet, epochs=cell.epochs)
        if found is None or _share_drawn(setting) >= _MOSTLY:
            found = small, setting
        else:
            break
    assert found is not None
    return found


def _share_drawn(setting: Experiment) -> float:
    """Return the share of the rollouts that `auto` draws from moments."""
    draws = setting.draws()
    return sum(d.drawn for d in draws) / sum(d.drawn + d.simulated for d in draws)


_AUDIT_COLUMNS = {
    **SETTINGS,
    **summaries.COLUMNS,
    **PREDICTED,
    "oracle": "auto, or rollouts throughout",
    "drawn": "share of the rollouts that auto draws from moments",
}

AUDIT = Study(
    name="grid_audit",
    title="The oracle of the grid against rollouts",
    cells=_audit_cells,
    simulate=_simulate_audit,
    columns=_AUDIT_COLUMNS,
    key=("seed", "oracle", "epoch"),
    options={**AXES, "audit": _AUDIT},
    place="grid",
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "grid_methods": METHODS,
    "grid_audit": AUDIT,
}
