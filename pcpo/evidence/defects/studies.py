"""Run Algorithm 1 where its text, followed to the letter, leads elsewhere than the paper says.

The study `defects_runs` has a fleet for each place: agents of one cluster that keep their offsets, policies that
destabilise, sets that are no partition, clusters of equal cost, a budget that ends when the clusters separate, and a
cluster that is reset long after it has separated.  Answers are exact unless a condition asks for rollouts or for their
moments: these effects do not come from sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.pcpo import PCPO, no_reinitialisation, synchronised
from pcpo.algorithms.protocol import Algorithm, EpochReport, Setting
from pcpo.algorithms.schedule import Schedule
from pcpo.arrays import BoolArray, FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, whole
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import side_information
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.initial_gains import draw_initial_gains
from pcpo.fleets.random import FleetSpec, random_fleet, relative_distance, with_optimal_cost
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import ExactOracle, RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants

__all__ = ["STUDIES", "Cell", "cells", "plateaus", "prepared", "simulate"]

_DELTA0 = 24.0  # Δ_0, in units of cost
_NOISE = noise_law("signs")
_NEWTON = 6  # iterations from K*, with offsets that cost a thousandth of C*

COLUMNS: Mapping[str, str] = {
    "seed": "run: draws the first gains, and the systems where they are random",
    "scenario": "fleet: single, forked, related, chain, pair, late, equal or far",
    "algorithm": "algorithm",
    "answers": "exact, rollouts, or moments: normal draws of a minibatch's exact mean and covariance",
    "mode": "mode of the schedule's constants",
    "epoch": "l",
    "rollouts": "rollouts per agent so far",
    "Delta": "Δ_l, in units of cost",
    "event": "max_i |Ĉ_i − C*_i| / (Δ_l/4): event (22) holds up to 1",
    "separated": "1 if N_i is the true cluster for every agent, 0 if not",
    "symmetric": "1 if j ∈ N_i exactly when i ∈ N_j",
    "transitive": "1 if the sets are a partition",
    "reinitialised": "1 if (8) was applied",
    "destabilised": "agents whose global policy has infinite cost at the end of the epoch",
    "saturated": "rollouts under policies of infinite cost in this epoch, mean over agents",
    "local_output": "1 if every global policy is, bit by bit, some agent's local policy of this epoch",
    "gap": "mean over agents of the global policy's exact gap, in units of cost",
    "first_separated": "1 if N_i is the true cluster for every agent of the first cluster, 0 if not",
    "first_local": "1 if every global policy of the first cluster is, bit by bit, a local policy of this epoch",
    "first_gap": "mean over the first cluster of the global policy's exact gap, in units of cost",
    "offset_change": "largest change of an offset Y_i − Y_j since the start, relative to the largest offset",
    "plateau": "min_x of the mean gap of K* + x + d_i, d_i the start's offset from the mean start, in units of cost",
    "quadratic": "½ d_iᵀHd_i, mean over agents: the plateau for small d_i, in units of cost",
    "distance": "smallest relative Frobenius distance of two clusters' (A, B)",
}

_OPTIONS: Mapping[str, Option] = {"epochs": whole(4, least=4), "equal_epochs": whole(6, least=4)}

_ALGORITHMS: Mapping[str, Callable[[], Algorithm]] = {
    "pcpo": PCPO,
    "pcpo_sync": synchronised,
    "pcpo_no_reinit": no_reinitialisation,
    "pcpo_reset_touched": lambda: PCPO(reset="touched"),
}


@dataclass(frozen=True)
class Cell:
    """Describe a condition of `defects_runs`.

    Args:
        scenario: fleet, by a name of `_RANDOM` or `_built`.
        epochs: number of epochs.
        algorithm: PCPO, or PCPO with another rule for (8), by a name of `_ALGORITHMS`.
        answers: whether the oracle is exact, simulates rollouts, or draws from their moments.
        minibatch_scale: κ_M of the calibration; with exact answers it changes the number of rollouts only.
    """

    scenario: str
    epochs: int
    algorithm: str = "pcpo"
    answers: Literal["exact", "rollouts", "moments"] = "exact"
    minibatch_scale: float = 0.02


def cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the conditions by name: every fleet, with repairs and comparisons where a claim or control needs them."""
    names = ("single", "forked", "related", "chain", "pair")
    grid = {name: Cell(name, options["epochs"]) for name in names}
    for name in ("equal", "far"):
        grid[name] = Cell(name, options["equal_epochs"])
    grid["single_sync"] = replace(grid["single"], algorithm="pcpo_sync")
    grid["single_rollouts"] = Cell("single", 2, answers="rollouts", minibatch_scale=0.5)
    grid["pair_rollouts"] = Cell("pair", 3, answers="rollouts", minibatch_scale=0.1)
    grid["single_sync_rollouts"] = replace(grid["single_rollouts"], algorithm="pcpo_sync")
    grid["forked_no_reinit"] = replace(grid["forked"], algorithm="pcpo_no_reinit")
    grid["late"] = Cell("late", options["epochs"], answers="moments", minibatch_scale=1.0)
    grid["late_touched"] = replace(grid["late"], algorithm="pcpo_reset_touched")
    return grid


def simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run a condition with every seed; return a row per run and epoch, with the columns `COLUMNS`."""
    return pd.concat([_run(cell, seed) for seed in seeds], ignore_index=True)


def _run(cell: Cell, seed: int) -> pd.DataFrame:
    """Run a condition with one seed."""
    fleet, schedule = prepared(cell.scenario, seed, cell.minibatch_scale)
    made: dict[str, Callable[[], Oracle]] = {
        "exact": lambda: ExactOracle(fleet),
        "moments": lambda: MomentOracle(fleet, seed=seed, law=_NOISE),
        "rollouts": lambda: RolloutOracle(
            fleet, seed=seed, horizon=horizon_for(fleet, schedule, cell.epochs), law=_NOISE
        ),
    }
    oracle = made[cell.answers]()
    setting = Setting(fleet.initial_gains, schedule, side_information(fleet))
    result = run(_ALGORITHMS[cell.algorithm](), oracle, setting, schedule.rollouts_for(cell.epochs))
    named = {"seed": seed, "scenario": cell.scenario, "algorithm": cell.algorithm, "answers": cell.answers}
    named |= {"mode": schedule.mode, "distance": _distance(fleet), **plateaus(fleet)}
    return pd.DataFrame([{**named, **_row(fleet, report)} for report in result.epochs])[list(COLUMNS)]


@lru_cache(maxsize=256)
def prepared(scenario: str, seed: int, minibatch_scale: float) -> tuple[Fleet, Schedule]:
    """Return the fleet and the calibrated schedule of a run."""
    rng = stream(seed, Purpose.FLEET)
    fleet = random_fleet(_RANDOM[scenario], rng, scenario) if scenario in _RANDOM else _built(scenario, rng)
    constants = calibrated_constants(
        local_constants(fleet, _NOISE, _DELTA0), D=fleet.D, Delta0=_DELTA0, minibatch_scale=minibatch_scale
    )
    return fleet, Schedule(constants, _DELTA0, 0.05, fleet.N, fleet.D)


_ONE = FleetSpec(n=2, m=1, sizes=(4,), gamma=0.8, optimal_cost=20.0, condition_limit=3.0, initial_gap=0.02)
_PAIR = replace(_ONE, sizes=(2, 2), separation=4.0, gain_distance=0.1, initial="per_cluster")
#: One cluster, two clusters, three with equally spaced optimal costs, and three of which the first stands far apart.
_RANDOM: Mapping[str, FleetSpec] = {
    "single": _ONE,
    "pair": _PAIR,
    "chain": replace(_PAIR, sizes=(2, 2, 2), spacing=(1.0, 1.0)),
    "late": replace(_PAIR, sizes=(4, 2, 2), separation=2.0, spacing=(8.0, 1.0)),
}

_A, _B = np.array([[1.3, 0.2], [0.0, 0.8]]), np.array([[1.0], [0.3]])


def _system(input_matrix: FloatArray, cost: float, A: FloatArray = _A) -> LinearSystem:
    """Return the system (A, B) with C* equal to `cost`."""
    return with_optimal_cost(LinearSystem(A, input_matrix, np.eye(2), np.eye(1), 0.85), cost)


def _built(scenario: str, rng: np.random.Generator) -> Fleet:
    """Build a fleet of unstable systems, two agents each; the first gains have a gap of 1.

    Systems with opposite inputs have no gain of finite cost in common.

    Args:
        scenario: "forked", such a pair with Δ = 2, and a third cluster 20 apart, for which (8) fires before the pair
            separates; "related", the same with inputs of one sign; "equal", a pair whose optimal costs differ by a
            relative 1e-8; "far", by 4.
        rng: draws the first gains.
    """
    third = _system(_B, 40.0, np.array([[0.9, 0.2], [0.0, 0.7]]))
    made: dict[str, Callable[[], tuple[LinearSystem, ...]]] = {
        "forked": lambda: (_system(_B, 20.0), _system(-_B, 22.0), third),
        "related": lambda: (_system(_B, 20.0), _system(0.9 * _B, 22.0), third),
        "equal": lambda: (_system(_B, 20.0), _system(-_B, 20.0 * (1 + 1e-8))),
        "far": lambda: (_system(_B, 20.0), _system(-_B, 24.0)),
    }
    systems = made[scenario]()
    labels = np.repeat(np.arange(len(systems)), 2)
    return Fleet(scenario, systems, labels, draw_initial_gains(systems, labels, "per_agent", 1.0, rng))


def _row(fleet: Fleet, report: EpochReport) -> dict[str, Any]:
    """Evaluate an epoch on the true systems: the columns that differ from epoch to epoch."""
    Delta, sets = report.plan.Delta, report.neighbourhoods.dense()
    error = np.abs(report.cost_estimates - fleet.optimal_costs[fleet.labels])
    local = {gain.tobytes() for gain in report.local_gains}
    gaps = fleet.gaps(report.global_gains)
    adopted = np.array([gain.tobytes() in local for gain in report.global_gains])
    correct, first = report.neighbourhoods.correct(fleet.labels), fleet.labels == 0
    return {
        "epoch": report.plan.epoch,
        "rollouts": float(report.rollouts),
        "Delta": Delta,
        "event": float(np.max(error) / (Delta / 4)),
        "separated": int(correct.all()),
        "symmetric": int(np.array_equal(sets, sets.T)),
        "transitive": int(_partition(sets)),
        "reinitialised": int(report.reinitialised),
        "destabilised": int(np.sum(~np.isfinite(gaps))),
        "saturated": float(report.nonfinite.mean()),
        "local_output": int(adopted.all()),
        "gap": float(np.mean(gaps)),
        "first_separated": int(correct[first].all()),
        "first_local": int(adopted[first].all()),
        "first_gap": float(np.mean(gaps[first])),
        "offset_change": _offset_change(fleet, report.global_gains),
    }


def _partition(sets: BoolArray) -> bool:
    """Say whether the sets ``(N, N)`` are a partition: symmetric, and N_i = N_j for all j ∈ N_i."""
    return bool(np.array_equal(sets, sets.T) and all(np.array_equal(sets[i], sets[j]) for i, j in np.argwhere(sets)))


def _offset_change(fleet: Fleet, gains: FloatArray) -> float:
    """Return max |(Y_i − Y_j) − (K_i⁰ − K_j⁰)| / max |K_i⁰ − K_j⁰| over entries and pairs; NaN for several clusters.

    Args:
        fleet: with the first gains K_i⁰.
        gains: Y_i ``(N, m, n)``.
    """
    if fleet.H > 1:
        return float("nan")
    K = fleet.initial_gains
    start, now = K[:, None] - K[None, :], gains[:, None] - gains[None, :]
    return float(np.max(np.abs(now - start)) / np.max(np.abs(start)))


def plateaus(fleet: Fleet) -> dict[str, float]:
    """Find where gradient descent on x ↦ mean_i C(x + d_i) ends, by Newton's method, d_i the start's offset.

    Returns:
        `plateau`, the mean gap there, and `quadratic`, the mean of ½ d_iᵀHd_i; NaN for several clusters.
    """
    if fleet.H > 1:
        return {"plateau": float("nan"), "quadratic": float("nan")}
    system, K_star = fleet.systems[0], fleet.optimal_gains[0]
    d = fleet.initial_gains - fleet.initial_gains.mean(axis=0)
    flat, H = d.reshape(fleet.N, -1), lqr.hessian_at(system, K_star)
    x = np.zeros_like(K_star)
    for _ in range(_NEWTON):
        at = K_star + x + d
        slope = np.mean(lqr.gradient(fleet.stacked, at), axis=0).ravel()
        curvature = np.mean([lqr.hessian_at(system, K) for K in at], axis=0)
        x = x - np.linalg.solve(curvature, slope).reshape(x.shape)
    return {
        "plateau": float(np.mean(fleet.gaps(K_star + x + d))),
        "quadratic": float(np.mean(0.5 * np.einsum("ia,ab,ib->i", flat, H, flat))),
    }


def _distance(fleet: Fleet) -> float:
    """Return the smallest relative Frobenius distance of [A B] of two clusters; infinite for one cluster."""
    dynamics = [np.hstack([s.A, s.B]) for s in fleet.systems]
    pairs = [(X, Y) for k, X in enumerate(dynamics) for Y in dynamics[:k]]
    return min((relative_distance(X, Y) for X, Y in pairs), default=np.inf)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "defects_runs": Study(
        name="defects_runs",
        title="Where the text of Algorithm 1 leads",
        cells=cells,
        simulate=simulate,
        columns=COLUMNS,
        key=("seed", "epoch"),
        may_be_missing=frozenset({"offset_change", "plateau", "quadratic"}),
        options=_OPTIONS,
    ),
}
