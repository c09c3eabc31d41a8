"""Runs whose messages are counted: PCPO and its comparisons over a grid of budgets, fleets and separations.

Messages do not depend on what the rollouts say, so most runs get exact answers and book their rollouts without
simulating them.  That makes many epochs cheap; one condition has real rollouts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.protocol import Planner, Setting
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.algorithms.server import same_label
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, several, whole
from pcpo.evidence.communication.deviations import COUNTED_ALGORITHMS, planner
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import side_information
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import ExactOracle, RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants

__all__ = ["OPTIONS", "STUDIES", "cells", "communication_study", "separation_at", "simulate"]

DELTA0 = 12.0  # first guess Δ_0, in units of cost; the first cluster's C* is 20
_NOISE = noise_law("signs")
_FAILURE = 0.05  # δ

OPTIONS: Mapping[str, Option] = {
    "epochs": whole(7, least=4),
    "agents": several([4, 12, 36], {**whole(least=2), "multipleOf": 2}, fewest=2),  # two clusters of one size
    "gaps": several([1, 2, 3, 4, 5], whole(), fewest=5),
    "noisy_epochs": whole(1),
}

COLUMNS: Mapping[str, str] = {
    "seed": "run: draws the systems and the first gains",
    "sweep": "comparison that the run belongs to; control:… for a negative control",
    "mode": "mode of the schedule's constants",
    "algorithm": "algorithm",
    "schedule": "table2, constant_minibatch or constant_iterations",
    "agents": "N",
    "unknowns": "D = mn",
    "Delta0": "Δ_0, in units of cost",
    "separation": "Δ, in units of cost",
    "c2": "c_(p,2), iterations",
    "c3": "c_(p,3), in units of cost, squared",
    "epoch": "l",
    "minibatch": "M_l, rollouts",
    "rollouts": "rollouts per agent so far, T at the end of this epoch",
    "rounds": "rounds counted at the server so far",
    "messages_up": "messages from agents so far",
    "messages_down": "messages to agents so far",
    "bytes_up": "bytes from agents so far",
    "bytes_down": "bytes to agents so far",
    "reinitialisations": "epochs so far in which (8) was applied",
    "separated": "1 if N_i is the true cluster for every agent, 0 if not",
}


def budget_of(plans: Planner, epochs: int) -> int:
    """Rollouts per agent of the first `epochs` epochs."""
    return sum(plans.plan(epoch).rollouts for epoch in range(1, epochs + 1))


def separation_at(k: int) -> float:
    """Δ = ¾ Δ_0 2^−k: with exact costs, clusters part in epoch k, the first with Δ_l/2 < Δ."""
    return float(0.75 * DELTA0 / 2.0**k)


def cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Conditions by name."""
    epochs, few = options["epochs"], min(options["agents"])
    base = {"sweep": "agents", "algorithm": "pcpo", "schedule": "table2", "agents": few, "gap": 2, "epochs": epochs}
    grid = {f"agents_{N}": {**base, "agents": N} for N in options["agents"]}
    for k in options["gaps"]:
        at = {**base, "gap": k, "epochs": k + 1}
        grid[f"gap_{k}"] = {**at, "sweep": "gap"}
    for k in sorted(options["gaps"])[::2]:
        at = {**base, "gap": k, "epochs": k + 1, "schedule": "constant_iterations"}
        grid[f"gap_{k}_constant"] = {**at, "sweep": "control:gap_constant"}
    grid["rollouts"] = {**base, "sweep": "rollouts", "epochs": options["noisy_epochs"]}
    grid["fedlqr"] = {**base, "sweep": "time", "algorithm": "fedlqr"}
    flat = {**base, "sweep": "time", "schedule": "constant_minibatch", "epochs": min(epochs, 6)}
    grid["fedlqr_constant"] = {**flat, "algorithm": "fedlqr"}
    grid["pcpo_constant"] = flat
    grid["constant_iterations"] = {**base, "sweep": "control:constant", "schedule": "constant_iterations"}
    grid["one_step"] = {**base, "sweep": "control:one_step", "algorithm": "fedlqr_one_step", "epochs": 3}
    for name in ("every_step", "losing", "repeating", "polling"):
        grid[name] = {**base, "sweep": f"control:{name}", "algorithm": name, "epochs": 2}
    for N in options["agents"]:
        grid[f"polling_{N}"] = {**base, "sweep": "control:polled", "algorithm": "polling", "agents": N, "epochs": 1}
    return grid


def _fleet(seed: int, agents: int, gap: int) -> Fleet:
    """Two clusters of N/2; systems and first gains (one per cluster) depend on the seed alone, cost levels on Δ."""
    spec = FleetSpec(
        n=2,
        m=1,
        sizes=(agents // 2, agents // 2),
        gamma=0.8,
        initial_gap=0.05,
        separation=separation_at(gap),
        optimal_cost=20.0,
        condition_limit=2.0,
        gain_distance=0.1,
        initial="per_cluster",
    )
    return random_fleet(spec, stream(seed, Purpose.FLEET), "counted")


@lru_cache(maxsize=128)
def _constants(seed: int) -> Constants:
    """Calibrated on the seed's systems at the largest Δ of the study: common to all N and Δ, as Corollary 3 has it."""
    fleet = _fleet(seed, 2, 1)
    local = local_constants(fleet, _NOISE, DELTA0)
    return calibrated_constants(local, D=fleet.D, Delta0=DELTA0, minibatch_scale=0.02)


def simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """A row per run and epoch."""
    return pd.concat([_rows(cell, seed) for seed in seeds], ignore_index=True)


def _rows(cell: Mapping[str, Any], seed: int) -> pd.DataFrame:
    fleet = _fleet(seed, cell["agents"], cell["gap"])
    schedule = Schedule(_constants(seed), DELTA0, _FAILURE, fleet.N, fleet.D)
    plans = planner(cell["schedule"], schedule)
    oracle: Oracle = ExactOracle(fleet)
    if cell["sweep"] == "rollouts":
        oracle = RolloutOracle(fleet, seed=seed, horizon=horizon_for(fleet, schedule, cell["epochs"]), law=_NOISE)
    setting = Setting(fleet.initial_gains, plans, side_information(fleet))
    result = run(COUNTED_ALGORITHMS[cell["algorithm"]](), oracle, setting, budget_of(plans, cell["epochs"]))
    truth = same_label(fleet.labels)
    common = {"seed": seed, "mode": plans.mode, "agents": fleet.N, "unknowns": fleet.D, "Delta0": DELTA0}
    common |= {key: cell[key] for key in ("sweep", "algorithm", "schedule")} | {"separation": fleet.separation}
    common |= {"c2": schedule.constants.c2, "c3": schedule.constants.c3}
    rows = [
        {
            **common,
            "epoch": report.plan.epoch,
            "minibatch": report.plan.minibatch,
            "rollouts": float(report.rollouts),
            **vars(report.traffic),
            "reinitialisations": sum(r.reinitialised for r in result.epochs[: report.plan.epoch]),
            "separated": int(np.array_equal(report.neighbourhoods, truth)),
        }
        for report in result.epochs
    ]
    return pd.DataFrame(rows)[list(COLUMNS)]


def communication_study(name: str, title: str, choose: Callable[[str], bool] = lambda cell: True) -> Study:
    """The study, or those of its conditions whose name is chosen."""
    return Study(
        name=name,
        title=title,
        cells=lambda options: {cell: what for cell, what in cells(options).items() if choose(cell)},
        simulate=simulate,
        columns=COLUMNS,
        key=("seed", "epoch"),
        options=OPTIONS,
    )


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "communication": communication_study("communication", "Messages counted at the server"),
}
