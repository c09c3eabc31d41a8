"""Runs of the group "practice" as tables: a row per run, value of the varied condition, and epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.arrays import FloatArray
from pcpo.errors import BudgetError
from pcpo.evidence.practice.fleets import CONDITIONS, NOISE, cell_of, experiment_of, fleet_of, resolved, schedule_of
from pcpo.evidence.practice.guess_rule import FIRST_ROLLOUTS, initial_guess
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.simulation.noise import Purpose, noise_law
from pcpo.theory.linearised import local_gaps, shared_gaps
from pcpo.theory.transfer import CommonGain, common_gain

__all__ = ["COLUMNS", "KEY", "MAY_BE_MISSING", "simulate"]

KEY = ("seed", "value", "epoch")
_MEASURED = {
    "seed": "seed of the run",
    "value": "value of the varied condition",
    "epoch": "epoch l; 0 if the budget ends before epoch 1 does",
    "mode": "mode of the schedule's constants",
    "Delta": "Δ_l (cost units)",
    "minibatch": "M_l (rollouts)",
    "iterations": "R_l",
    "radius": "r_l of the local sequence (norm of a gain)",
    "step_curvature": "η·h_max, h_max the largest curvature at the optima",
    "spent": "rollouts per agent so far",
    "local_gap": "mean over agents of C(X_i) − C* (cost units; infinite if one is)",
    "global_gap": "mean over agents of C(K̂_i) − C* (cost units; infinite if one is)",
    "infinite_local": "agents whose local policy has infinite cost",
    "infinite_global": "agents whose global policy has infinite cost",
    "exact": "whether N_i is the true cluster for every agent",
    "sets": "number of different sets N_i",
    "smallest_set": "least |N_i|",
    "reinitialised": "whether (8) was applied at the end of the epoch",
    "saturated": "share of the epoch's rollouts whose cost was not a number below 1e30",
    "worst_estimate": "largest Ĉ_i over the largest C(K_i⁰)",
    "predicted_local": "linearised mean of local_gap (cost units)",
    "predicted_global": "linearised mean of global_gap if N_i = [N] throughout (cost units)",
    "plateau": "Σ_j |M_j|(C_j(K̄) − C_j*)/N (cost units)",
}
#: Conditions that a table repeats; the others are in the study, under the name of the cell.
_RECORDED = ("fleet", "draw", "agents", "separation", "Delta0", "algorithm")
COLUMNS = _MEASURED | {name: CONDITIONS[name][1] for name in _RECORDED}
MAY_BE_MISSING = frozenset({"worst_estimate", "plateau", "predicted_local", "predicted_global"})


def simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """Rows (seed, value, epoch) with `COLUMNS`; a cell that varies a condition runs every value with every seed."""
    frames = []
    for text in cell["values"].split(";") if cell["vary"] else [""]:
        one = cell_of(**{**cell, cell["vary"]: float(text)}) if text else dict(cell)
        value = float(text) if text else 1.0
        frames += [_run(resolved(one, seed), cell, seed).assign(seed=seed, value=value) for seed in seeds]
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


def _run(cell: Mapping[str, Any], declared: Mapping[str, Any], seed: int) -> pd.DataFrame:
    fleet = fleet_of(cell)
    Delta0, spent = _guess(cell, fleet, seed)
    try:
        experiment = experiment_of(cell, Delta0, spent)
    except BudgetError:
        rows = pd.DataFrame([_nothing(fleet, schedule_of(cell, Delta0))])
    else:
        options: dict[str, Any] = {"synchronise_first": True} if cell["synchronise"] else {}
        runs = experiment.run(cell["algorithm"], seed=seed, **options)
        rows = _summary(fleet, experiment, cell, runs, spent)
    return rows.assign(**{name: cell[name] for name in _RECORDED} | {"Delta0": Delta0, "draw": declared["draw"]})


def _guess(cell: Mapping[str, Any], fleet: Fleet, seed: int) -> tuple[float, int]:
    """(Δ_0, rollouts per agent that it took to find)."""
    if cell["guess"] != "rule":
        known = 2 * cell["separation"] if cell["guess"] == "known" else cell["Delta0"]
        return known * cell["guess_factor"], 0
    experiment = experiment_of({**cell, "rollouts": 0, "epochs": 1}, cell["Delta0"])
    oracle = replace(experiment, fleet=fleet).make_oracle(seed)
    estimates = oracle.costs(fleet.initial_gains, FIRST_ROLLOUTS, purpose=Purpose.CALIBRATION, epoch=0).values
    left = cell["rollouts"] - FIRST_ROLLOUTS
    Delta0 = initial_guess(estimates, lambda guess: schedule_of(cell, guess).epochs_within(left))
    return Delta0 * cell["guess_factor"], FIRST_ROLLOUTS


def _nothing(fleet: Fleet, schedule: Schedule) -> dict[str, Any]:
    """The budget ends before epoch 1 does: everyone keeps K_i⁰ and knows of no cluster."""
    gap = float(fleet.gaps(fleet.initial_gains).mean())
    return {
        **_plan_columns(fleet, schedule.plan(1)),
        "epoch": 0,
        "mode": schedule.mode,
        "spent": 0.0,
        "local_gap": gap,
        "global_gap": gap,
        "infinite_local": 0,
        "infinite_global": 0,
        "exact": fleet.H == 1,
        "sets": 1,
        "smallest_set": fleet.N,
        "reinitialised": False,
        "saturated": 0.0,
        "worst_estimate": np.nan,
        "predicted_local": np.nan,
        "predicted_global": np.nan,
        "plateau": np.nan,
    }


def _plan_columns(fleet: Fleet, plan: EpochPlan) -> dict[str, Any]:
    curvature = max(float(lqr.hessian_eigenvalues(s)[-1]) for s in fleet.systems)
    return {
        "Delta": plan.Delta,
        "minibatch": float(plan.minibatch),
        "iterations": plan.iterations,
        "radius": plan.radius_local,
        "step_curvature": plan.step_size * curvature,
    }


def _summary(
    fleet: Fleet, experiment: Experiment, cell: Mapping[str, Any], runs: pd.DataFrame, spent: int
) -> pd.DataFrame:
    """A row per epoch from the rows per agent of a run."""
    epochs = int(runs["epoch"].max())
    predicted = _predictions(fleet, experiment.schedule, epochs, cell["algorithm"], cell["predict"])
    start = float(fleet.costs(fleet.initial_gains).max())
    rows, before = [], 0.0
    for epoch in range(1, epochs + 1):
        part = runs[runs["epoch"] == epoch]
        sets = {tuple(members) for members in part["neighbours"]}
        total = float(part["rollouts"].iloc[0])
        rows.append(
            {
                **_plan_columns(fleet, experiment.schedule.plan(epoch)),
                "epoch": epoch,
                "mode": part["mode"].iloc[0],
                "spent": total + spent,
                "local_gap": float(part["local_gap"].mean()),
                "global_gap": float(part["global_gap"].mean()),
                "infinite_local": int(np.isinf(part["local_gap"]).sum()),
                "infinite_global": int(np.isinf(part["global_gap"]).sum()),
                "exact": bool(part["set_correct"].all()),
                "sets": len(sets),
                "smallest_set": int(part["set_size"].min()),
                "reinitialised": bool(part["reinitialised"].iloc[0]),
                "saturated": float(part["nonfinite"].sum()) / (fleet.N * (total - before)),
                "worst_estimate": float(part["cost_estimate"].max()) / start,
                "predicted_local": predicted[0][epoch - 1],
                "predicted_global": predicted[1][epoch - 1],
                "plateau": _plateau(fleet) if cell["predict"] else np.nan,
            }
        )
        before = total
    return pd.DataFrame(rows)


@lru_cache(maxsize=128)
def _common(fleet: Fleet) -> CommonGain | None:
    """K̄, where the predictions need it: agents with a common start."""
    return common_gain(fleet) if np.ptp(fleet.initial_gains, axis=0).max() == 0 else None


def _plateau(fleet: Fleet) -> float:
    found = _common(fleet)
    plateau = np.nan if found is None else float(found.plateaus @ np.bincount(fleet.labels)) / fleet.N
    return plateau if np.isfinite(plateau) else np.nan


@lru_cache(maxsize=512)
def _predictions(
    fleet: Fleet, schedule: Schedule, epochs: int, algorithm: str, wanted: str
) -> tuple[FloatArray, FloatArray]:
    """(local, global) by epoch, NaN where not wanted; one sequence takes 2R_l + 1 iterations."""
    plans, law = [schedule.plan(epoch) for epoch in range(1, epochs + 1)], noise_law(NOISE)
    iterations = [plan.iterations for plan in plans]
    if not algorithm.startswith("pcpo"):
        iterations = [2 * R + 1 for R in iterations]
        iterations[0] -= algorithm == "naive_average"  # one minibatch of epoch 1 finds the cheapest start
    local, shared = np.full(epochs, np.nan), np.full(epochs, np.nan)
    if wanted in ("local", "both"):
        local = local_gaps(fleet, plans, iterations, law)
    if wanted in ("global", "both") and (found := _common(fleet)) is not None:
        shared = shared_gaps(fleet, found, plans, iterations, law)
    return local, shared
