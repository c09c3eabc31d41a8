"""Run a condition of the group "practice" and tabulate it: a row per seed, value of the varied field, and epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.arrays import FloatArray
from pcpo.errors import BudgetError
from pcpo.evidence.practice.fleets import METHODS, NOISE, Cell, experiment_of, fleet_of, resolved, schedule_of
from pcpo.evidence.practice.guess_rule import FIRST_ROLLOUTS, initial_guess
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.simulation.noise import Purpose, noise_law
from pcpo.theory.linearised import local_gaps, shared_gaps
from pcpo.theory.transfer import CommonGain, common_gain

__all__ = ["COLUMNS", "KEY", "MAY_BE_MISSING", "simulate"]

KEY = ("seed", "value", "epoch")
#: Fields of the cell that a table repeats.
_RECORDED = {
    "fleet": "one: one cluster; pair: two random clusters; mirror: two clusters without a common gain",
    "draw": "number of the random fleet; -1: each seed draws a fleet and Δ",
    "agents": "N",
    "separation": "Δ (cost units)",
    "Delta0": "Δ_0 (cost units)",
    "algorithm": "method",
}
COLUMNS = {
    "seed": "seed of the run",
    "value": "value of the varied field of the cell",
    "epoch": "epoch l; 0 if the budget ends before epoch 1 does",
    "mode": "mode of the schedule's constants",
    "Delta": "Δ_l (cost units)",
    "minibatch": "M_l (rollouts)",
    "iterations": "R_l",
    "radius": "r_l of the local sequence (norm of a gain)",
    "step_curvature": "η·h_max, h_max the largest curvature at the optima",
    "spent": "rollouts per agent so far",
    "local_gap": "mean over agents of C(X_i) − C* (cost units; infinite if any is)",
    "global_gap": "mean over agents of C(K̂_i) − C* (cost units; infinite if any is)",
    "infinite_local": "agents whose local policy has infinite cost",
    "infinite_global": "agents whose global policy has infinite cost",
    "exact": "whether N_i is the true cluster for every agent",
    "sets": "number of different sets N_i",
    "smallest_set": "least |N_i|",
    "reinitialised": "whether (8) was applied at the end of the epoch",
    "saturated": "fraction of the epoch's rollouts whose cost was saturated, not a number below 1e30",
    "worst_estimate": "largest Ĉ_i over the largest C(K_i⁰)",
    "predicted_local": "linearised mean of local_gap (cost units)",
    "predicted_global": "linearised mean of global_gap if N_i = [N] throughout (cost units)",
    "plateau": "Σ_j |M_j|(C_j(K̄) − C_j*)/N (cost units)",
    **_RECORDED,
}
MAY_BE_MISSING = frozenset({"worst_estimate", "plateau", "predicted_local", "predicted_global"})


def simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run a cell with every seed, and with every value of its varied field if it has one.

    Returns:
        A row per seed, value (1 if nothing varies) and epoch, with `COLUMNS`.
    """
    variants = [(value, cell.at(value)) for value in cell.values] if cell.vary else [(1.0, cell)]
    frames = [_run(one, seed).assign(seed=seed, value=value) for value, one in variants for seed in seeds]
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


def _run(declared: Cell, seed: int) -> pd.DataFrame:
    """Run a cell without a varied field; a row per epoch."""
    cell = resolved(declared, seed)
    fleet = fleet_of(cell)
    Delta0, spent = _guess(cell, fleet, seed)
    try:
        experiment = experiment_of(cell, Delta0, spent)
    except BudgetError:
        rows = pd.DataFrame([_nothing(fleet, schedule_of(cell, Delta0))])
    else:
        options = {"synchronise_first": True} if cell.synchronise else {}
        runs = experiment.run(METHODS[cell.algorithm](**options), seed=seed)
        rows = _summary(fleet, experiment, cell, runs, spent)
    recorded = {name: getattr(cell, name) for name in _RECORDED}
    return rows.assign(**recorded | {"Delta0": Delta0, "draw": declared.draw})


def _guess(cell: Cell, fleet: Fleet, seed: int) -> tuple[float, int]:
    """Choose Δ_0; return it with the rollouts per agent that the choice took."""
    if cell.guess != "rule":
        known = 2 * cell.separation if cell.guess == "known" else cell.Delta0
        return known * cell.guess_factor, 0
    experiment = experiment_of(replace(cell, rollouts=0, epochs=1), cell.Delta0)
    oracle = replace(experiment, fleet=fleet).make_oracle(seed)
    estimates = oracle.costs(fleet.initial_gains, FIRST_ROLLOUTS, purpose=Purpose.CALIBRATION, epoch=0).values
    left = cell.rollouts - FIRST_ROLLOUTS
    Delta0 = initial_guess(estimates, lambda guess: schedule_of(cell, guess).epochs_within(left))
    return Delta0 * cell.guess_factor, FIRST_ROLLOUTS


def _nothing(fleet: Fleet, schedule: Schedule) -> dict[str, Any]:
    """Return the row of a budget that ends before epoch 1 does: every agent keeps K_i⁰ and N_i = [N]."""
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
    """Return the columns that the schedule alone decides."""
    curvature = max(float(lqr.hessian_eigenvalues(s)[-1]) for s in fleet.systems)
    return {
        "Delta": plan.Delta,
        "minibatch": float(plan.minibatch),
        "iterations": plan.iterations,
        "radius": plan.radius_local,
        "step_curvature": plan.step_size * curvature,
    }


def _summary(fleet: Fleet, experiment: Experiment, cell: Cell, runs: pd.DataFrame, spent: int) -> pd.DataFrame:
    """Summarise the rows per agent of a run by epoch."""
    epochs = int(runs["epoch"].max())
    predicted = _predictions(fleet, experiment.schedule, epochs, cell.algorithm, cell.predict)
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
                "plateau": _plateau(fleet) if cell.predict else np.nan,
            }
        )
        before = total
    return pd.DataFrame(rows)


@lru_cache(maxsize=128)
def _common(fleet: Fleet) -> CommonGain | None:
    """Find K̄, which the predictions need; None unless the agents have a common initial gain."""
    return common_gain(fleet) if np.ptp(fleet.initial_gains, axis=0).max() == 0 else None


def _plateau(fleet: Fleet) -> float:
    """Return the mean gap of one policy for all (cost units); NaN where it is not known or infinite."""
    found = _common(fleet)
    plateau = np.nan if found is None else float(found.plateaus @ np.bincount(fleet.labels)) / fleet.N
    return plateau if np.isfinite(plateau) else np.nan


@lru_cache(maxsize=512)
def _predictions(
    fleet: Fleet, schedule: Schedule, epochs: int, algorithm: str, wanted: str
) -> tuple[FloatArray, FloatArray]:
    """Predict mean local and global gaps by epoch, NaN where they are not wanted.

    A method with one sequence instead of two takes 2R_l + 1 iterations.
    """
    plans, law = [schedule.plan(epoch) for epoch in range(1, epochs + 1)], noise_law(NOISE)
    iterations = [plan.iterations for plan in plans]
    if not algorithm.startswith("pcpo"):
        iterations = [2 * R + 1 for R in iterations]
        iterations[0] -= algorithm == "naive_average"  # a minibatch of epoch 1 goes into its (8)
    local, shared = np.full(epochs, np.nan), np.full(epochs, np.nan)
    if wanted in ("local", "both"):
        local = local_gaps(fleet, plans, iterations, law)
    if wanted in ("global", "both") and (found := _common(fleet)) is not None:
        shared = shared_gaps(fleet, found, plans, iterations, law)
    return local, shared
