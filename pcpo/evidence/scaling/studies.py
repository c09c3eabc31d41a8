"""Simulate one system in clusters of several sizes, beside a few strangers, with the same schedule throughout.

The fleets of the study `scaling` differ in the size |M| of cluster 0 and in nothing else: its system, the strangers of
cluster 1, the initial gains and all hyperparameters are the same, because the schedule counts
N̄ = (largest size) + strangers agents in every fleet (an upper bound on N is as good as N for the union bounds behind
L_l and R_l).  So at each epoch M_l, R_l and r̃_l do not depend on |M|, and neither do C* and the Hessian: what differs
between fleets is the effect of collaboration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.baselines.naive_average import NaiveAverage
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Algorithm
from pcpo.algorithms.schedule import Schedule
from pcpo.claims.contract import Study
from pcpo.claims.options import key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.random import with_optimal_cost
from pcpo.simulation.noise import noise_law
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants
from pcpo.theory.linearised import epoch_gaps

__all__ = ["METHODS", "NAIVE_NAME", "PCPO_NAME", "STUDIES", "STUDY", "Cell", "experiment", "scaling_fleet"]

#: Names of the methods in the column `algorithm`.
PCPO_NAME, NAIVE_NAME = "pcpo", "naive_average"
#: The methods by name; their order is part of the seeds.
METHODS: Mapping[str, Algorithm] = {PCPO_NAME: PCPO(), NAIVE_NAME: NaiveAverage()}
_LAW = "signs"
_MOST_AGENTS = 99
#: Initial gain of every agent, as a multiple of its cluster's K*.
_START = 0.75


@dataclass(frozen=True)
class Cell:
    """Describe one condition of the study.

    Args:
        algorithm: name of the method, a key of `METHODS`.
        size: |M|, agents in the cluster under study.
        epochs: how many the budget allows.
        strangers: agents in the second cluster.
        agents_bound: N̄, the number of agents that the schedule counts.
        Delta0: Δ_0 (cost units).
        minibatch_scale: κ_M.
        delta: failure probability δ.
    """

    algorithm: str
    size: int
    epochs: int
    strangers: int
    agents_bound: int
    Delta0: float
    minibatch_scale: float
    delta: float


def _rotation(degrees: float) -> np.ndarray:
    """Return the rotation of the plane by an angle."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@lru_cache(maxsize=1)
def _systems() -> tuple[LinearSystem, LinearSystem]:
    """Make two damped rotations (γ = 0.7, ρ(A) = 0.8) with inputs of opposite sign: C* = 20 and 10, Δ = 10."""
    studied = LinearSystem(0.8 * _rotation(90), np.array([[0.0], [0.7]]), np.eye(2), np.eye(1), 0.7)
    strange = LinearSystem(0.8 * _rotation(60), np.array([[0.0], [-1.0]]), np.eye(2), np.eye(1), 0.7)
    return with_optimal_cost(studied, 20.0), with_optimal_cost(strange, 10.0)


@lru_cache(maxsize=64)
def scaling_fleet(size: int, strangers: int) -> Fleet:
    """Make a fleet of `size` agents in cluster 0 and `strangers` in cluster 1, all with initial gain 0.75 K*."""
    systems = _systems()
    labels = np.repeat([0, 1], [size, strangers])
    starts = np.stack([_START * lqr.riccati(s).K for s in systems])
    return Fleet(f"{size} agents and {strangers} strangers", systems, labels, starts[labels])


def experiment(cell: Cell) -> Experiment:
    """Make the experiment of a cell; what is not simulated is drawn from its exact moments (`pcpo.oracles.auto`)."""
    fleet, (schedule, horizon) = scaling_fleet(cell.size, cell.strangers), _plan(cell)
    return Experiment(fleet, schedule, _LAW, horizon, schedule.rollouts_for(cell.epochs), "auto")


def _plan(cell: Cell) -> tuple[Schedule, int]:
    """Return schedule and horizon of a cell."""
    schedule = _schedule(cell.Delta0, cell.minibatch_scale, cell.delta, cell.agents_bound)
    return schedule, _horizon(schedule, cell.epochs)


@lru_cache(maxsize=64)
def _schedule(Delta0: float, minibatch_scale: float, delta: float, agents_bound: int) -> Schedule:
    """Calibrate the schedule of all sizes, from systems and initial gains whatever the number of agents."""
    fleet = scaling_fleet(1, 1)
    local = local_constants(fleet, noise_law(_LAW), Delta0)
    constants = calibrated_constants(local, D=fleet.D, Delta0=Delta0, minibatch_scale=minibatch_scale)
    return Schedule(constants, Delta0, delta, agents_bound, fleet.D)


@lru_cache(maxsize=64)
def _horizon(schedule: Schedule, epochs: int) -> int:
    """Return the horizon of a rollout (steps), the same for all sizes."""
    return horizon_for(scaling_fleet(1, 1), schedule, epochs)


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell of PCPO for every size, and of naive averaging for the control sizes."""
    sizes, control, strangers = sorted(options["sizes"]), sorted(options["control_sizes"]), options["strangers"]
    if not set(control) <= set(sizes):
        raise ConfigError(f"{key_of('scaling', 'control_sizes')}: found {control}, expected some of the sizes {sizes}")

    def cell(algorithm: str, size: int, epochs: int) -> Cell:
        return Cell(
            algorithm=algorithm,
            size=size,
            epochs=epochs,
            strangers=strangers,
            agents_bound=sizes[-1] + strangers,
            Delta0=float(options["Delta0"]),
            minibatch_scale=float(options["minibatch_scale"]),
            delta=float(options["delta"]),
        )

    cells = {f"size_{k:02d}": cell(PCPO_NAME, k, options["epochs"]) for k in sizes}
    cells |= {f"control_naive_{k:02d}": cell(NAIVE_NAME, k, options["control_epochs"]) for k in control}
    for one in cells.values():  # raises for numbers that give no schedule here, before any job runs
        _plan(one)
    return cells


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Simulate a cell: a row per seed, cluster and epoch from the second, with its overlays."""
    setting = experiment(cell)
    overlays = _overlays(setting, cell.epochs)
    frames = [_of_run(setting, cell, seed) for seed in seeds]
    return pd.concat(frames, ignore_index=True).merge(overlays, on=["epoch", "cluster"])[list(_COLUMNS)]


def _run_seed(cell: Cell, seed: int) -> int:
    """Return a distinct seed for every fleet and method: fleets that share streams would not be independent."""
    return 1000 * int(seed) + 100 * list(METHODS).index(cell.algorithm) + cell.size


def _of_run(setting: Experiment, cell: Cell, seed: int) -> pd.DataFrame:
    """Summarise a run by epoch and cluster: the agents of a cluster are one replicate."""
    runs = setting.run(METHODS[cell.algorithm], seed=_run_seed(cell, seed))
    frame = (
        runs.groupby(["epoch", "cluster"])
        .agg(
            algorithm=("algorithm", "first"),
            size=("agent", "size"),
            Delta=("Delta", "first"),
            minibatch=("minibatch", "first"),
            iterations=("iterations", "first"),
            rollouts=("rollouts", "first"),
            radius_global=("radius_global", "mean"),
            local_cap_active=("local_cap_active", "any"),
            global_cap_active=("global_cap_active", "any"),
            local_gap=("local_gap", "mean"),
            global_gap=("global_gap", "mean"),
            worst_local_gap=("local_gap", "max"),
            worst_global_gap=("global_gap", "max"),
            set_correct=("set_correct", "all"),
            reinitialised=("reinitialised", "any"),
            nonfinite=("nonfinite", "sum"),
        )
        .reset_index()
        .sort_values(["cluster", "epoch"])
    )
    before = frame.groupby("cluster")["set_correct"].shift(1, fill_value=False).astype(bool)
    # After (8) at the end of an epoch the reported policy is a local policy, so the epoch shows no collaboration.
    frame["clean"] = before & frame["set_correct"] & ~frame["reinitialised"]
    return frame[frame["epoch"] >= 2].assign(seed=seed, mode=setting.short_mode, minibatch_scale=cell.minibatch_scale)


def _overlays(setting: Experiment, epochs: int) -> pd.DataFrame:
    """Predict the mean gaps of every epoch and cluster."""
    rows, law = [], noise_law(_LAW)
    sizes = np.bincount(setting.fleet.labels).tolist()
    for epoch in range(2, epochs + 1):
        for cluster, (system, size) in enumerate(zip(setting.fleet.systems, sizes, strict=True)):
            own = epoch_gaps(system, setting.planned, epoch, 1, law)
            joint = epoch_gaps(system, setting.planned, epoch, size, law)
            rows.append(
                {
                    "epoch": epoch,
                    "cluster": cluster,
                    "local_leading": own.leading,
                    "local_overlay": own.overlay,
                    "global_leading": joint.leading,
                    "global_overlay": joint.overlay,
                    "transient": joint.transient,
                }
            )
    return pd.DataFrame(rows)


_COLUMNS = {
    "seed": "seed of the replicate, which has all fleets",
    "algorithm": "method",
    "mode": "mode of the schedule's constants, and the oracle",
    "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
    "epoch": "l, from 2",
    "cluster": "0: the cluster under study, 1: the strangers",
    "size": "|M|, agents",
    "Delta": "Δ_l (cost units)",
    "minibatch": "M_l (rollouts)",
    "iterations": "R_l",
    "rollouts": "T up to the end of the epoch (rollouts per agent)",
    "radius_global": "r^(global), mean over agents",
    "local_cap_active": "whether c_(p,6) cuts r^(loc)",
    "global_cap_active": "whether c_(p,6) cuts r^(global) of an agent",
    "local_gap": "C(X) − C*, mean over agents (cost units)",
    "global_gap": "C(K̂) − C*, mean over agents (cost units)",
    "worst_local_gap": "C(X) − C*, largest over agents (cost units)",
    "worst_global_gap": "C(K̂) − C*, largest over agents (cost units)",
    "set_correct": "whether N_i = M_σ(i) at the end of the epoch, for all agents of the cluster",
    "reinitialised": "whether (8) replaced the global policies at the end of the epoch",
    "clean": "right sets before and after the epoch, and no (8) at its end: a collaborative epoch",
    "nonfinite": "saturated rollouts of the cluster",
    "local_leading": "mean local gap at leading order in r (cost units)",
    "local_overlay": "mean local gap to all orders in r (cost units)",
    "global_leading": "mean global gap at leading order in r, in the true cluster (cost units)",
    "global_overlay": "mean global gap to all orders in r, in the true cluster (cost units)",
    "transient": "excess of global_overlay over the steady state, relative to the latter",
}

STUDY = Study(
    name="scaling",
    title="Gap against cluster size and rollouts",
    cells=_cells,
    simulate=_simulate,
    columns=_COLUMNS,
    key=("seed", "algorithm", "size", "epoch", "cluster"),
    options={
        "sizes": several([1, 2, 4, 8, 16], whole(most=_MOST_AGENTS), fewest=2),
        "strangers": whole(2),
        "epochs": whole(4, least=3),
        "Delta0": number(24.0),
        "minibatch_scale": number(0.08),
        "delta": number(0.05, below=1),
        "control_sizes": several([1, 4], whole(most=_MOST_AGENTS), fewest=2),
        "control_epochs": whole(3, least=3),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "scaling": STUDY,
}
