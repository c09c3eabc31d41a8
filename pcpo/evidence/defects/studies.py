"""Runs that show where the paper's text leads if followed: offsets that stay, policies that destabilise, sets that are
no partition, clusters that cannot be told apart, and a budget that ends at separation.

Answers are exact (no rollout noise) unless a condition says so: what happens here is not a matter of sampling.

PCPO against agents that learn alone and spend their whole budget well: rollouts, one cluster, a common start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.baselines.base import Progress, State, alone
from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.protocol import Algorithm, EpochReport, Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.algorithms.server import Server, same_label
from pcpo.arrays import BoolArray, FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, several, whole
from pcpo.evidence.communication.studies import communication_study
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import side_information
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.initial_gains import draw_initial_gains
from pcpo.fleets.random import FleetSpec, random_fleet, relative_distance, with_optimal_cost
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import ExactOracle, RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants

__all__ = ["BUDGET", "RUNS", "STUDIES", "cells", "expected_ratio", "simulate"]

_DELTA0 = 24.0  # Δ_0, in units of cost
_NOISE = noise_law("signs")
_NEWTON = 6  # from K*, with offsets that cost a thousandth of C*
# κ_M; what rollouts say matters only where they are simulated.
_SCALES: Mapping[str, Mapping[str, float]] = {"exact": {}, "rollouts": {"single": 0.5, "pair": 0.1}}

COLUMNS: Mapping[str, str] = {
    "seed": "run: draws the first gains, and the systems where they are random",
    "scenario": "fleet: single, forked, related, chain, pair, equal or far",
    "algorithm": "algorithm",
    "answers": "exact or rollouts",
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
    "offset_change": "largest change of an offset Y_i − Y_j since the start, relative to the largest offset",
    "plateau": "min_x of the mean gap of K* + x + d_i, d_i the start's offset from the mean start, in units of cost",
    "quadratic": "½ d_iᵀHd_i, mean over agents: the plateau for small d_i, in units of cost",
    "distance": "smallest relative Frobenius distance of two clusters' (A, B)",
}

OPTIONS: Mapping[str, Option] = {"epochs": whole(4, least=4), "equal_epochs": whole(6, least=4)}


def cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Conditions by name."""
    base = {"algorithm": "pcpo", "answers": "exact", "epochs": options["epochs"]}
    names = ("single", "forked", "related", "chain", "pair")
    grid = {name: {**base, "scenario": name} for name in names}
    for name in ("equal", "far"):
        grid[name] = {**base, "scenario": name, "epochs": options["equal_epochs"]}
    grid["single_sync"] = {**grid["single"], "algorithm": "pcpo_sync"}
    grid["single_rollouts"] = {**grid["single"], "answers": "rollouts", "epochs": 2}
    grid["pair_rollouts"] = {**grid["pair"], "answers": "rollouts", "epochs": 3}
    grid["single_sync_rollouts"] = {**grid["single_rollouts"], "algorithm": "pcpo_sync"}
    grid["forked_no_reinit"] = {**grid["forked"], "algorithm": "pcpo_no_reinit"}
    return grid


def simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """A row per run and epoch."""
    return pd.concat([_run(cell, seed) for seed in seeds], ignore_index=True)


def _run(cell: Mapping[str, Any], seed: int) -> pd.DataFrame:
    fleet, schedule = _prepared_scenario(cell["scenario"], seed, _SCALES[cell["answers"]].get(cell["scenario"], 0.02))
    oracle: Oracle = ExactOracle(fleet)
    if cell["answers"] == "rollouts":
        oracle = RolloutOracle(fleet, seed=seed, horizon=horizon_for(fleet, schedule, cell["epochs"]), law=_NOISE)
    setting = Setting(fleet.initial_gains, schedule, side_information(fleet))
    result = run(make_algorithm(cell["algorithm"]), oracle, setting, schedule.rollouts_for(cell["epochs"]))
    named = {"seed": seed, "mode": schedule.mode, "distance": _distance(fleet)}
    named |= {key: cell[key] for key in ("scenario", "algorithm", "answers")} | _plateaus(fleet)
    return pd.DataFrame([{**named, **_row(fleet, report)} for report in result.epochs])[list(COLUMNS)]


@lru_cache(maxsize=256)
def _prepared_scenario(scenario: str, seed: int, minibatch_scale: float) -> tuple[Fleet, Schedule]:
    """Fleet and calibrated schedule of a run."""
    rng = stream(seed, Purpose.FLEET)
    fleet = random_fleet(_RANDOM[scenario], rng, scenario) if scenario in _RANDOM else _built(scenario, rng)
    constants = calibrated_constants(
        local_constants(fleet, _NOISE, _DELTA0), D=fleet.D, Delta0=_DELTA0, minibatch_scale=minibatch_scale
    )
    return fleet, Schedule(constants, _DELTA0, 0.05, fleet.N, fleet.D)


_ONE = FleetSpec(n=2, m=1, sizes=(4,), gamma=0.8, optimal_cost=20.0, condition_limit=3.0, initial_gap=0.02)
_PAIR = replace(_ONE, sizes=(2, 2), separation=4.0, gain_distance=0.1, initial="per_cluster")
_RANDOM: Mapping[str, FleetSpec] = {
    "single": _ONE,
    "pair": _PAIR,
    "chain": replace(_PAIR, sizes=(2, 2, 2), spacing=(1.0, 1.0)),
}

_A, _B = np.array([[1.3, 0.2], [0.0, 0.8]]), np.array([[1.0], [0.3]])


def _system(input_matrix: FloatArray, cost: float, A: FloatArray = _A) -> LinearSystem:
    return with_optimal_cost(LinearSystem(A, input_matrix, np.eye(2), np.eye(1), 0.85), cost)


def _built(scenario: str, rng: np.random.Generator) -> Fleet:
    """Unstable systems with opposite inputs have no gain of finite cost in common; two agents each, starts at gap 1.

    forked: such a pair 2 apart, and a third cluster 20 apart, which makes (8) fire before the pair is separated;
    related: the same with inputs of one sign; equal: a pair whose costs differ by 1e-8 of themselves; far: by 4.
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
    Delta, sets = report.plan.Delta, report.neighbourhoods
    error = np.abs(report.cost_estimates - fleet.optimal_costs[fleet.labels])
    local = {gain.tobytes() for gain in report.local_gains}
    gaps = fleet.gaps(report.global_gains)
    return {
        "epoch": report.plan.epoch,
        "rollouts": float(report.rollouts),
        "Delta": Delta,
        "event": float(np.max(error) / (Delta / 4)),
        "separated": int(np.array_equal(sets, same_label(fleet.labels))),
        "symmetric": int(np.array_equal(sets, sets.T)),
        "transitive": int(_partition(sets)),
        "reinitialised": int(report.reinitialised),
        "destabilised": int(np.sum(~np.isfinite(gaps))),
        "saturated": float(report.nonfinite.mean()),
        "local_output": int(all(gain.tobytes() in local for gain in report.global_gains)),
        "gap": float(np.mean(gaps)),
        "offset_change": _offset_change(fleet, report.global_gains),
    }


def _partition(sets: BoolArray) -> bool:
    """Reflexive and symmetric, and N_i = N_j for all j ∈ N_i."""
    return bool(np.array_equal(sets, sets.T) and all(np.array_equal(sets[i], sets[j]) for i, j in np.argwhere(sets)))


def _offset_change(fleet: Fleet, gains: FloatArray) -> float:
    """max |(Y_i − Y_j) − (K_i⁰ − K_j⁰)| / max |K_i⁰ − K_j⁰| over entries and pairs; NaN for several clusters."""
    if fleet.H > 1:
        return float("nan")
    K = fleet.initial_gains
    start, now = K[:, None] - K[None, :], gains[:, None] - gains[None, :]
    return float(np.max(np.abs(now - start)) / np.max(np.abs(start)))


def _plateaus(fleet: Fleet) -> dict[str, float]:
    """Where gradient descent on x ↦ mean_i C(x + d_i) ends, by Newton's method, and ½ d_iᵀHd_i; NaN for several
    clusters."""
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
    """min over pairs of clusters of ‖[A B] − [A' B']‖ / max; infinite for one cluster."""
    dynamics = [np.hstack([s.A, s.B]) for s in fleet.systems]
    pairs = [(X, Y) for k, X in enumerate(dynamics) for Y in dynamics[:k]]
    return min((relative_distance(X, Y) for X, Y in pairs), default=np.inf)


RUNS = Study(
    name="defects_runs",
    title="Where the text of Algorithm 1 leads",
    cells=cells,
    simulate=simulate,
    columns=COLUMNS,
    key=("seed", "epoch"),
    may_be_missing=frozenset({"offset_change", "plateau", "quadratic"}),
    options=OPTIONS,
)


_WIDE_DELTA0 = 40.0  # Δ_0, in units of cost: so wide that no noise of Ĉ_i eliminates anybody, and (8) never fires


@dataclass(frozen=True)
class _LocalWhole(Local):
    """Every agent alone, R_l iterations as PCPO's local half, but all T_l rollouts in them: M = ⌊T_l/R_l⌋, about
    2M_l, and the radius that Table 2 has for that M."""

    name = "local_whole"

    def advance(self, state: State, plan: Any, oracle: Oracle, server: Server) -> Progress:
        """R_l iterations; the rest of the division is not spent."""
        assert isinstance(plan, EpochPlan)
        M = plan.rollouts // plan.iterations
        larger = replace(plan, minibatch=M, radius_uncapped=plan.radius_uncapped * (plan.minibatch / M) ** 0.25)
        return Progress(alone(state.gains, plan.iterations, larger, oracle))


def expected_ratio(iterations: float) -> float:
    """√|M|·E gap_PCPO/E gap_alone = √(T_l/(R_l M_l)) = √(2 + 1/R_l): both gaps go as the effective minibatch to −½."""
    return float(np.sqrt(2 + 1 / iterations))


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sizes = options["sizes"]
    largest = max(sizes)
    grid = {f"pcpo_{size}": {"algorithm": "pcpo", "size": size, "largest": largest} for size in sizes}
    for name in ("local_whole", "local"):
        grid[name] = {"algorithm": name, "size": largest, "largest": largest}
    return grid


@lru_cache(maxsize=8)
def _prepared_budget(size: int, largest: int) -> tuple[Fleet, Schedule, int]:
    """One system, all agents at one start near K*; the schedule of the largest cluster for all sizes.

    c5 is a quarter of the calibrated one, so that the cap c6 cuts no radius: radii are half as large.
    """
    spec = FleetSpec(
        n=2, m=1, sizes=(size,), gamma=0.7, optimal_cost=20.0, condition_limit=2.0, initial="common", initial_gap=0.02
    )
    fleet = random_fleet(spec, stream(8, Purpose.FLEET), "one cluster")
    local = local_constants(fleet, _NOISE, _WIDE_DELTA0)
    constants = calibrated_constants(local, D=fleet.D, Delta0=_WIDE_DELTA0, minibatch_scale=2.0)
    schedule = Schedule(replace(constants, c5=constants.c5 / 4), _WIDE_DELTA0, 0.05, largest, fleet.D)
    return fleet, schedule, horizon_for(fleet, schedule, 1)


def _rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    fleet, schedule, horizon = _prepared_budget(cell["size"], cell["largest"])
    rows = []
    for seed in seeds:
        algorithm: Algorithm = (
            _LocalWhole() if cell["algorithm"] == "local_whole" else make_algorithm(cell["algorithm"])
        )
        oracle = RolloutOracle(fleet, seed=seed, horizon=horizon, law=_NOISE)
        last = run(algorithm, oracle, Setting(fleet.initial_gains, schedule), schedule.rollouts_for(1)).final
        rows.append(
            {
                "seed": seed,
                "algorithm": cell["algorithm"],
                "mode": schedule.mode,
                "size": cell["size"],
                "iterations": last.plan.iterations,
                "minibatch": last.plan.minibatch,
                "rollouts": float(last.rollouts),
                "capped": int(last.plan.local_cap_active),
                "reinitialised": int(last.reinitialised),
                "gap": float(np.mean(fleet.gaps(last.global_gains))),
            }
        )
    return pd.DataFrame(rows)


BUDGET = Study(
    name="defects_budget",
    title="PCPO against learning alone at an equal budget",
    cells=_cells,
    simulate=_rows,
    columns={
        "seed": "run: seed of the rollouts",
        "algorithm": "pcpo; local_whole: R_l iterations with all rollouts; local: 2R_l + 1 iterations with M_l",
        "mode": "mode of the schedule's constants",
        "size": "|M|: agents of the one cluster",
        "iterations": "R_1",
        "minibatch": "M_1, rollouts",
        "rollouts": "rollouts per agent spent",
        "capped": "1 if the cap c6 cuts the local radius",
        "reinitialised": "1 if (8) was applied",
        "gap": "mean over agents of the exact gap after epoch 1, in units of cost",
    },
    options={"sizes": several([1, 2, 4], whole())},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "defects_runs": RUNS,
    "defects_rounds": communication_study(
        "defects_rounds", "Rounds counted at the server", lambda cell: cell in ("agents_4", "constant_iterations")
    ),
    "defects_budget": BUDGET,
}
