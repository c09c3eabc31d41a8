"""Run a condition of the group "practice" and tabulate it: a row per seed, value of the varied field, and epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.protocol import EpochReport
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
Row = dict[str, Any]
#: Fields of the cell that a table repeats.
_RECORDED = {
    "fleet": "one: one cluster; pair: two random clusters; mirror: two clusters without a common gain",
    "draw": "number of the random fleet; -1: each seed draws a fleet, and Δ unless it is kept",
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
    "saturated": "fraction of the epoch's rollouts whose cost was saturated, not a number below 1e30; a lower bound "
    "of the rollouts of infinite cost, since one that is cut after h steps may end below that",
    "worst_estimate": "largest Ĉ_i over the largest C(K_i⁰)",
    "predicted_local": "linearised mean of local_gap (cost units)",
    "predicted_global": "linearised mean of global_gap if N_i = [N] throughout (cost units)",
    "plateau": "Σ_j |M_j|(C_j(K̄) − C_j*)/N (cost units)",
    "noise_ratio": "Δ/σ, σ the largest standard deviation of one rollout's cost at K*",
    **_RECORDED,
}
MAY_BE_MISSING = frozenset({"worst_estimate", "plateau", "noise_ratio", "predicted_local", "predicted_global"})


def simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run a cell with every seed, and with every value of its varied field if it has one.

    Returns:
        A row per seed, value (1 if nothing varies) and epoch, with `COLUMNS`.
    """
    variants = [(value, cell.at(value)) for value in cell.values] if cell.vary else [(1.0, cell)]
    runs = ((value, one, seed) for value, one in variants for seed in seeds)
    rows = [{**row, "seed": seed, "value": value} for value, one, seed in runs for row in _run(one, seed)]
    return pd.DataFrame(rows)[list(COLUMNS)]


def _run(declared: Cell, seed: int) -> Iterator[Row]:
    """Run a cell without a varied field; yield a row per epoch."""
    cell = resolved(declared, seed)
    fleet = fleet_of(cell)
    Delta0, spent = _guess(cell, fleet, seed)
    try:
        experiment = experiment_of(cell, Delta0, spent)
    except BudgetError:
        rows: Iterable[Row] = [_nothing(fleet, schedule_of(cell, Delta0))]
    else:
        options = {"synchronise_first": True} if cell.synchronise else {}
        result = experiment.result(METHODS[cell.algorithm](**options), seed=seed)
        rows = _summary(experiment, cell, result.epochs, spent)
    recorded = {name: getattr(cell, name) for name in _RECORDED} | {"Delta0": Delta0, "draw": declared.draw}
    recorded["noise_ratio"] = _noise_ratio(fleet)
    for row in rows:
        yield {**row, **recorded}


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


def _nothing(fleet: Fleet, schedule: Schedule) -> Row:
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


def _plan_columns(fleet: Fleet, plan: EpochPlan) -> Row:
    """Return the columns that the schedule alone decides."""
    return {
        "Delta": plan.Delta,
        "minibatch": float(plan.minibatch),
        "iterations": plan.iterations,
        "radius": plan.radius_local,
        "step_curvature": plan.step_size * _largest_curvature(fleet),
    }


@lru_cache(maxsize=128)
def _noise_ratio(fleet: Fleet) -> float:
    """Return Δ/σ; NaN for one cluster."""
    variances = [lqr.rollout_variance(s, lqr.riccati(s).K, noise_law(NOISE)) for s in fleet.systems]
    return (fleet.separation or np.nan) / float(np.sqrt(max(variances)))


@lru_cache(maxsize=128)
def _largest_curvature(fleet: Fleet) -> float:
    """Return h_max, the largest eigenvalue of a Hessian at the optima."""
    return max(float(lqr.hessian_eigenvalues(s)[-1]) for s in fleet.systems)


def _summary(experiment: Experiment, cell: Cell, reports: Sequence[EpochReport], spent: int) -> Iterator[Row]:
    """Summarise the reports of a run, a row per epoch."""
    fleet, before = experiment.fleet, 0
    predicted = _predictions(fleet, experiment.schedule, len(reports), cell.algorithm, cell.predict)
    start = float(fleet.costs(fleet.initial_gains).max())
    for report, local, shared in zip(reports, *predicted, strict=True):
        gaps = fleet.gaps(np.stack([report.local_gains, report.global_gains]))
        infinite = np.isinf(gaps).sum(axis=1)
        sets = report.neighbourhoods
        yield {
            **_plan_columns(fleet, report.plan),
            "epoch": report.plan.epoch,
            "mode": experiment.mode,
            "spent": float(report.rollouts + spent),
            "local_gap": float(gaps[0].mean()),
            "global_gap": float(gaps[1].mean()),
            "infinite_local": int(infinite[0]),
            "infinite_global": int(infinite[1]),
            "exact": bool(sets.correct(fleet.labels).all()),
            "sets": sets.count,
            "smallest_set": int(sets.sizes.min()),
            "reinitialised": report.reinitialised,
            "saturated": float(report.nonfinite.sum()) / (fleet.N * (report.rollouts - before)),
            "worst_estimate": float(report.cost_estimates.max()) / start,
            "predicted_local": float(local),
            "predicted_global": float(shared),
            "plateau": _plateau(fleet) if cell.predict else np.nan,
        }
        before = report.rollouts


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
        iterations[0] -= algorithm.endswith("_sync")  # a minibatch of epoch 1 goes into its (8)
    local, shared = np.full(epochs, np.nan), np.full(epochs, np.nan)
    if wanted in ("local", "both"):
        local = local_gaps(fleet, plans, iterations, law)
    if wanted in ("global", "both") and (found := _common(fleet)) is not None:
        shared = shared_gaps(fleet, found, plans, iterations, law)
    return local, shared
