"""Simulate PCPO with an alarm on fleets whose agents change their systems, beside the same runs without a change.

All conditions of a seed have the same fleet, schedule and normal draws, so they are compared pairwise.  Estimates are
drawn from their exact moments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.alarm import PCPOAlarm, Watch
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import EpochReport
from pcpo.arrays import BoolArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.drift.population import AGENT, UNTIL, Drawn, draw
from pcpo.experiments.experiment import Experiment

__all__ = ["BLUNT", "STUDIES", "Cell"]

#: Threshold of the control that hears too little, in multiples of that of (22).
BLUNT = 2.5
_LAW = "signs"


@dataclass(frozen=True)
class Cell:
    """Describe one condition.

    Attributes:
        change: "none", "switch" or "drift".
        alarm: threshold, in multiples of 3Δ_l/4; None for PCPO without an alarm.
        epochs: of the run.
        minibatch_scale: κ_M.
    """

    change: str
    alarm: float | None
    epochs: int
    minibatch_scale: float


_CELLS: Mapping[str, tuple[str, float | None]] = {
    "undisturbed": ("none", 1.0),
    "switch": ("switch", 1.0),
    "drift": ("drift", 1.0),
    "control:plain": ("switch", None),
    "control:blunt": ("switch", BLUNT),
}


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make the conditions."""
    return {name: Cell(*what, options["epochs"], options["minibatch_scale"]) for name, what in _CELLS.items()}


@lru_cache(maxsize=256)
def _experiment(seed: int, epochs: int, minibatch_scale: float) -> Experiment:
    """Calibrate the schedule of the fleet of a seed at the start."""
    drawn = draw(seed)
    return Experiment.calibrated(
        drawn.fleet,
        Delta0=drawn.Delta0,
        minibatch_scale=minibatch_scale,
        noise=_LAW,
        epochs=epochs,
        oracle="moments",
    )


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Simulate a condition: a row per seed and epoch."""
    return pd.DataFrame([row for seed in seeds for row in _of_run(cell, int(seed))])[list(_COLUMNS)]


def _of_run(cell: Cell, seed: int) -> list[dict[str, Any]]:
    """Run a condition on the fleet of a seed."""
    drawn = draw(seed)
    setting = replace(_experiment(seed, cell.epochs, cell.minibatch_scale), changes=drawn.changes(cell.change))
    algorithm = PCPO() if cell.alarm is None else PCPOAlarm(alarm=cell.alarm)
    epochs = setting.result(algorithm, seed=seed).epochs
    known = {
        "seed": seed,
        "algorithm": algorithm.name,
        "change": cell.change,
        "mode": setting.short_mode,
        "minibatch_scale": cell.minibatch_scale,
        "n": drawn.fleet.n,
        "m": drawn.fleet.m,
        "open_loop": drawn.open_loop,
        "clusters": drawn.fleet.H,
    }
    watches = PCPOAlarm(alarm=cell.alarm or 1.0).watches(epochs)
    heard = cell.alarm is not None
    return [
        known | _of_epoch(setting, drawn, report, watch, heard) for report, watch in zip(epochs, watches, strict=True)
    ]


def _of_epoch(setting: Experiment, drawn: Drawn, report: EpochReport, watch: Watch, heard: bool) -> dict[str, Any]:
    """Return the columns of an epoch, by the systems that are true in it."""
    epoch, Delta = report.plan.epoch, report.plan.Delta
    true, before = setting.truth(epoch), setting.truth(max(1, epoch - 1))
    best = true.optimal_costs[true.labels]
    step = abs(best[AGENT] - before.optimal_costs[before.labels[AGENT]])
    gaps, local_gaps = true.gaps(report.global_gains), true.gaps(report.local_gains)
    others = np.arange(true.N) != AGENT
    hosts = others & (drawn.fleet.labels == drawn.switch.cluster)
    return {
        "epoch": epoch,
        "Delta": Delta,
        "step": float(step / Delta),
        "jump": float(watch.ratios[AGENT]),
        "largest": float(watch.ratios[others].max() if setting.changes else watch.ratios.max()),
        "level": int(watch.levels[AGENT]),
        "alarm": int(heard and watch.alarms[AGENT]),
        "false_alarms": int(heard and _wrong(watch.alarms, others, bool(setting.changes)).sum()),
        "exact": int(report.neighbourhoods.correct(true.labels).all()),
        "own_gap": float(gaps[AGENT]),
        "others_gap": float(gaps[others].mean()),
        "others_local_gap": float(local_gaps[others].mean()),
        "hosts_gap": float(gaps[hosts].mean()),
        "worst": float(np.max(np.abs(report.cost_estimates - best)) / (Delta / 4)),
    }


def _wrong(alarms: BoolArray, others: BoolArray, disturbed: bool) -> BoolArray:
    """Return the alarms of agents that have not changed: of all, or of the others in a disturbed run."""
    return alarms & others if disturbed else alarms


_COLUMNS = {
    "seed": "seed of the fleet and of the run",
    "algorithm": "method",
    "change": "what changes after epoch 3: nothing, the cluster of agent 0, or its A until epoch 6",
    "mode": "mode of the schedule's constants, and the oracle",
    "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
    "n": "states",
    "m": "inputs",
    "open_loop": "stable, or unstable: K = 0 has infinite cost",
    "clusters": "H at the start",
    "epoch": "l",
    "Delta": "Δ_l (cost units)",
    "step": "|C*_l − C*_{l−1}|/Δ_l of agent 0",
    "jump": "|Ĉ_l − Ĉ_{l−1}| of agent 0 over the largest distance that (22) allows",
    "largest": "the same, the largest of all agents whose system stays",
    "level": "level of agent 0 after the epoch",
    "alarm": "1 if agent 0 raises an alarm, else 0; 0 for a method without",
    "false_alarms": "alarms of agents whose system stays",
    "exact": "1 if all sets are the true clusters of the epoch, else 0",
    "own_gap": "C(K̂) − C* of agent 0 (cost units)",
    "others_gap": "C(K̂) − C*, mean over the other agents (cost units)",
    "others_local_gap": "C(X) − C*, mean over the other agents (cost units)",
    "hosts_gap": "C(K̂) − C*, mean over the agents that a switch of agent 0 leads to, without it (cost units)",
    "worst": "largest |Ĉ − C*|/(Δ_l/4) of all agents: (22) holds up to 1",
}

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "drift": Study(
        name="drift",
        title="PCPO with an alarm, where an agent's system changes",
        cells=_cells,
        simulate=_simulate,
        columns=_COLUMNS,
        key=("seed", "epoch"),
        options={
            "epochs": whole(UNTIL + 1, least=UNTIL + 1, most=12),
            "minibatch_scale": number(0.2),
        },
        controls_only=lambda cell: cell.startswith("control:"),
    ),
}
