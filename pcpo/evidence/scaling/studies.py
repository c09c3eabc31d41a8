"""Study `scaling`: one system in clusters of several sizes, beside a few strangers, with the same schedule throughout.

The fleets differ in the size |M| of cluster 0 and in nothing else: its system, the strangers of cluster 1, the starts
and all hyperparameters are the same, because the schedule counts N̄ = (largest size) + strangers agents in every fleet
(an upper bound on N is as good as N for the union bounds behind L_l and R_l).  So at each epoch M_l, R_l and r̃_l do not
depend on |M|, and neither do C* and the Hessian: what is left is the effect of collaboration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
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

__all__ = ["NAIVE", "PCPO", "STUDIES", "STUDY", "experiment", "scaling_fleet"]

PCPO, NAIVE = "pcpo", "naive_average"
_LAW = "signs"
_MOST_AGENTS = 99
#: Every agent starts at this multiple of its cluster's K*.
_START = 0.75
_ALGORITHMS = (PCPO, NAIVE)


def _rotation(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@lru_cache(maxsize=1)
def _systems() -> tuple[LinearSystem, LinearSystem]:
    """Two damped rotations (γ = .7, ρ(A) = .8) with inputs of opposite sign: C* = 20 and 10, Δ = 10."""
    studied = LinearSystem(0.8 * _rotation(90), np.array([[0.0], [0.7]]), np.eye(2), np.eye(1), 0.7)
    strange = LinearSystem(0.8 * _rotation(60), np.array([[0.0], [-1.0]]), np.eye(2), np.eye(1), 0.7)
    return with_optimal_cost(studied, 20.0), with_optimal_cost(strange, 10.0)


@lru_cache(maxsize=64)
def scaling_fleet(size: int, strangers: int) -> Fleet:
    """`size` agents of cluster 0 and `strangers` of cluster 1, each from ¾ of its cluster's K*."""
    systems = _systems()
    labels = np.repeat([0, 1], [size, strangers])
    starts = np.stack([_START * lqr.riccati(s).K for s in systems])
    return Fleet(f"{size} agents and {strangers} strangers", systems, labels, starts[labels])


def experiment(cell: Mapping[str, Any]) -> Experiment:
    """The experiment of a cell; hyperparameters are those of N̄ = cell["agents_bound"] agents."""
    fleet = scaling_fleet(cell["size"], cell["strangers"])
    schedule = _schedule(*(cell[key] for key in ("Delta0", "minibatch_scale", "delta", "agents_bound")))
    horizon = _horizon(schedule, cell["epochs"])
    return Experiment(fleet, schedule, _LAW, horizon, schedule.rollouts_for(cell["epochs"]))


@lru_cache(maxsize=64)
def _schedule(Delta0: float, minibatch_scale: float, delta: float, agents_bound: int) -> Schedule:
    """The same for all sizes: the calibration sees systems and starts, not how many agents have them."""
    fleet = scaling_fleet(1, 1)
    local = local_constants(fleet, noise_law(_LAW), Delta0)
    constants = calibrated_constants(local, D=fleet.D, Delta0=Delta0, minibatch_scale=minibatch_scale)
    return Schedule(constants, Delta0, delta, agents_bound, fleet.D)


@lru_cache(maxsize=64)
def _horizon(schedule: Schedule, epochs: int) -> int:
    return horizon_for(scaling_fleet(1, 1), schedule, epochs)


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sizes, control, strangers = sorted(options["sizes"]), sorted(options["control_sizes"]), options["strangers"]
    if not set(control) <= set(sizes):
        raise ConfigError(f"{key_of('scaling', 'control_sizes')}: found {control}, expected some of the sizes {sizes}")
    common = {
        "strangers": strangers,
        "agents_bound": sizes[-1] + strangers,
        **{key: float(options[key]) for key in ("Delta0", "minibatch_scale", "delta")},
    }
    epochs, control_epochs = options["epochs"], options["control_epochs"]
    cells = {f"size_{k:02d}": {"algorithm": PCPO, "size": k, "epochs": epochs, **common} for k in sizes}
    for k in control:
        cells[f"control_naive_{k:02d}"] = {"algorithm": NAIVE, "size": k, "epochs": control_epochs, **common}
    for cell in cells.values():  # wrong numbers are named here, not in the middle of a job
        experiment(cell)
    return cells


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    setting = experiment(cell)
    overlays = _overlays(setting, cell)
    frames = [_of_run(setting, cell, seed) for seed in seeds]
    return pd.concat(frames, ignore_index=True).merge(overlays, on=["epoch", "cluster"])[list(_COLUMNS)]


def _run_seed(cell: Mapping[str, Any], seed: int) -> int:
    """A seed of its own for every fleet and algorithm: fleets that share streams would not be independent."""
    return 1000 * int(seed) + 100 * _ALGORITHMS.index(cell["algorithm"]) + int(cell["size"])


def _of_run(setting: Experiment, cell: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """A row per epoch from the second and cluster; agents of a cluster are one replicate."""
    runs = setting.run(cell["algorithm"], seed=_run_seed(cell, seed))
    frame = (
        runs.groupby(["epoch", "cluster"])
        .agg(
            algorithm=("algorithm", "first"),
            mode=("mode", "first"),
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
    # After (8) at the end of an epoch the reported policy is a local one, so such an epoch shows no collaboration.
    frame["clean"] = before & frame["set_correct"] & ~frame["reinitialised"]
    return frame[frame["epoch"] >= 2].assign(seed=seed)


def _overlays(setting: Experiment, cell: Mapping[str, Any]) -> pd.DataFrame:
    rows, law = [], noise_law(_LAW)
    for epoch in range(2, cell["epochs"] + 1):
        for cluster, (system, size) in enumerate(
            zip(setting.fleet.systems, np.bincount(setting.fleet.labels).tolist(), strict=True)
        ):
            own = epoch_gaps(system, setting.schedule, epoch, 1, law)
            joint = epoch_gaps(system, setting.schedule, epoch, size, law)
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
    "seed": "the replicate: all fleets of a seed",
    "algorithm": "method",
    "mode": "of the schedule",
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
    "transient": "part of global_overlay that R_l iterations leave of the start, relative",
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
