"""Count messages at the server, in runs of PCPO and of methods that it is compared with.

A run is a random fleet of two clusters of equal size.  How many messages a run exchanges does not depend on the values
of the rollouts, so an exact oracle answers without simulating the rollouts, which are booked all the same.  Many epochs
are then cheap.  A condition may still ask for simulated rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from pcpo.algorithms.protocol import EpochReport, Planner, Setting
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.experiments.deviations import COUNTED_ALGORITHMS, planner
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import side_information
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import ExactOracle, RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants

__all__ = ["COLUMNS", "DELTA0", "CountedRun", "budget_of", "separation_at", "simulate"]

DELTA0 = 12.0  # first guess Δ_0, in units of cost; the first cluster's C* is 20
_NOISE = noise_law("signs")
_FAILURE = 0.05  # δ

#: Columns of the counted runs, and what they hold.
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


@dataclass(frozen=True)
class CountedRun:
    """Describe a condition of counted runs.

    Args:
        agents: N, even: two clusters of N/2.
        epochs: number of epochs.
        sweep: comparison that the runs belong to.
        algorithm: a name of `pcpo.experiments.deviations.COUNTED_ALGORITHMS`.
        schedule: "table2", "constant_minibatch" or "constant_iterations".
        separation_epoch: epoch in which the clusters separate if costs are exact; it sets Δ (`separation_at`).
        rollouts: whether rollouts are simulated, rather than answered by the exact oracle.
    """

    agents: int
    epochs: int
    sweep: str = "agents"
    algorithm: str = "pcpo"
    schedule: str = "table2"
    separation_epoch: int = 2
    rollouts: bool = False


def separation_at(epoch: int) -> float:
    """Return Δ = ¾ Δ_0 2^−k: then k is the first epoch with Δ_k/2 < Δ, where clusters separate if costs are exact."""
    return float(0.75 * DELTA0 / 2.0**epoch)


def budget_of(plans: Planner, epochs: int) -> int:
    """Return the rollouts per agent of the first `epochs` epochs."""
    return sum(plans.plan(epoch).rollouts for epoch in range(1, epochs + 1))


def simulate(cell: CountedRun, seeds: Sequence[int]) -> pd.DataFrame:
    """Run a condition with every seed; return a row per run and epoch, with the columns `COLUMNS`."""
    return pd.concat([_counted(cell, seed) for seed in seeds], ignore_index=True)


def _counted(cell: CountedRun, seed: int) -> pd.DataFrame:
    """Run a condition with one seed."""
    fleet = _fleet(seed, cell.agents, cell.separation_epoch)
    schedule = Schedule(_constants(seed), DELTA0, _FAILURE, fleet.N, fleet.D)
    plans = planner(cell.schedule, schedule)
    oracle: Oracle = ExactOracle(fleet)
    if cell.rollouts:
        oracle = RolloutOracle(fleet, seed=seed, horizon=horizon_for(fleet, schedule, cell.epochs), law=_NOISE)
    setting = Setting(fleet.initial_gains, plans, side_information(fleet))
    result = run(COUNTED_ALGORITHMS[cell.algorithm](), oracle, setting, budget_of(plans, cell.epochs))
    frame = _by_epoch(result.epochs, fleet).assign(
        seed=seed,
        sweep=cell.sweep,
        mode=plans.mode,
        algorithm=cell.algorithm,
        schedule=cell.schedule,
        agents=fleet.N,
        unknowns=fleet.D,
        Delta0=DELTA0,
        separation=fleet.separation,
        c2=schedule.constants.c2,
        c3=schedule.constants.c3,
    )
    return frame[list(COLUMNS)]


def _by_epoch(reports: Sequence[EpochReport], fleet: Fleet) -> pd.DataFrame:
    """Tabulate what differs from epoch to epoch: plan, counts so far, and whether the sets are the clusters."""
    rows = [
        {
            "epoch": report.plan.epoch,
            "minibatch": report.plan.minibatch,
            "rollouts": float(report.rollouts),
            **vars(report.traffic),
            "reinitialisations": sum(r.reinitialised for r in reports[: report.plan.epoch]),
            "separated": int(report.neighbourhoods.correct(fleet.labels).all()),
        }
        for report in reports
    ]
    return pd.DataFrame(rows)


def _fleet(seed: int, agents: int, separation_epoch: int) -> Fleet:
    """Draw two clusters of N/2 agents.

    Systems and first gains (one for each cluster) depend on the seed alone; the cost levels depend on Δ as well.
    """
    spec = FleetSpec(
        n=2,
        m=1,
        sizes=(agents // 2, agents // 2),
        gamma=0.8,
        initial_gap=0.05,
        separation=separation_at(separation_epoch),
        optimal_cost=20.0,
        condition_limit=2.0,
        gain_distance=0.1,
        initial="per_cluster",
    )
    return random_fleet(spec, stream(seed, Purpose.FLEET), "counted")


@lru_cache(maxsize=128)
def _constants(seed: int) -> Constants:
    """Calibrate on the seed's systems at the largest Δ; as in Corollary 3, all N and Δ have the same constants."""
    fleet = _fleet(seed, 2, 1)
    local = local_constants(fleet, _NOISE, DELTA0)
    return calibrated_constants(local, D=fleet.D, Delta0=DELTA0, minibatch_scale=0.02)
