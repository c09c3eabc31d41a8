"""Run PCPO with the printed constants on a fleet with clusters of 1, 4 and 16 agents: the study `literal_sizes`.

What collaboration is worth shows where a cluster has several agents, and its exponent where the sizes differ.  The
table has a row per run, epoch and cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study, named_control
from pcpo.claims.options import number, whole
from pcpo.evidence.literal.fleets import (
    LAW,
    MODE,
    SIZES_KIND,
    LiteralFleet,
    changed_schedule,
    literal_fleet,
    small_fleet,
)
from pcpo.experiments.driver import run
from pcpo.experiments.records import evaluate
from pcpo.oracles.moment import MomentOracle
from pcpo.theory.predictions import steady_state_gap
from pcpo.theory.printed.literal_cases import promised

__all__ = ["SIZES", "STUDIES", "SizesCell"]


@dataclass(frozen=True)
class SizesCell:
    """Describe a condition of `literal_sizes`; what a negative control changes has the default "as printed".

    Args:
        epochs: L̄.
        delta: δ, failure probability of a run.
        iterations_scale: factor of R_l.
        reinitialise: whether PCPO applies (8).
    """

    epochs: int
    delta: float
    iterations_scale: float = 1.0
    reinitialise: bool = True


def _cells(options: Mapping[str, Any]) -> dict[str, SizesCell]:
    """Make the cell of the claims, and the controls with three epochs."""
    delta = float(options["delta"])
    return {
        "sizes": SizesCell(options["epochs"], delta),
        "control:few_iterations": SizesCell(3, delta, iterations_scale=1e-3),
        "control:no_reinit": SizesCell(3, delta, reinitialise=False),
    }


@lru_cache(maxsize=8)
def _literal(delta: float) -> LiteralFleet:
    fleet, Delta0 = small_fleet(SIZES_KIND)
    return literal_fleet(fleet, Delta0, delta)


@lru_cache(maxsize=8)
def _predictions(cell: SizesCell) -> tuple[FloatArray, FloatArray]:
    """Predict the mean gaps of local and of global policies in the true clusters, each ``(epochs, clusters)``."""
    literal = _literal(cell.delta)
    schedule = changed_schedule(literal.schedule, iterations=cell.iterations_scale)
    sizes = np.bincount(literal.fleet.labels)
    own, shared = np.empty((cell.epochs, len(sizes))), np.empty((cell.epochs, len(sizes)))
    for epoch in range(cell.epochs):
        plan = schedule.plan(epoch + 1)
        radii = plan.radius_global(sizes)[0]
        for j, system in enumerate(literal.fleet.systems):
            for found, radius, size in ((own, plan.radius_local, 1.0), (shared, float(radii[j]), float(sizes[j]))):
                found[epoch, j] = steady_state_gap(
                    system, step_size=plan.step_size, radius=radius, minibatch=plan.minibatch * size, law=LAW
                ).gap
    return own, shared


def _simulate(cell: SizesCell, seeds: Sequence[int]) -> pd.DataFrame:
    return pd.concat([_one_run(cell, seed) for seed in seeds], ignore_index=True)


def _one_run(cell: SizesCell, seed: int) -> pd.DataFrame:
    """Simulate a run: a row per epoch and cluster."""
    literal = _literal(cell.delta)
    fleet = literal.fleet
    schedule = changed_schedule(literal.schedule, iterations=cell.iterations_scale)
    result = run(
        PCPO(reinitialise=cell.reinitialise),
        MomentOracle(fleet, seed=seed, law=LAW),
        Setting(fleet.initial_gains, schedule),
        schedule.rollouts_for(cell.epochs),
    )
    by = evaluate(fleet, result, scenario=SIZES_KIND, seed=seed).groupby(["epoch", "cluster"])
    frame = by.agg(
        size=("agent", "size"),
        local_gap=("local_gap", "mean"),
        global_gap=("global_gap", "mean"),
        correct=("set_correct", "all"),
        minibatch=("minibatch", "first"),
        iterations=("iterations", "first"),
    ).reset_index()
    own, shared = _predictions(cell)
    return frame.assign(
        seed=seed,
        mode=MODE,
        L=promised(fleet.separation, schedule.Delta0),
        correct=frame["correct"].astype(int),
        iterations=frame["iterations"].astype(np.float64),
        minibatch=frame["minibatch"].astype(np.float64),
        local_prediction=own.ravel(),
        global_prediction=shared.ravel(),
        apart=[_apart(report.global_gains[fleet.labels == j]) for report in result.epochs for j in range(fleet.H)],
    )


def _apart(gains: FloatArray) -> float:
    """Return the largest difference of an entry between two gains ``(agents, m, n)``."""
    return float(np.ptp(gains, axis=0).max())


SIZES = Study(
    name="literal_sizes",
    title="Clusters of 1, 4 and 16 agents with the printed constants",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "seed of the run",
        "epoch": "epoch l",
        "cluster": "cluster",
        "mode": "literal constants; minibatches replaced by normal draws of their exact mean and covariance",
        "size": "|M|, agents of the cluster",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "correct": "1 if all sets of the cluster are the cluster at the end of the epoch, else 0",
        "minibatch": "M_l (rollouts)",
        "iterations": "R_l",
        "local_gap": "C(X) − C*, mean over the cluster (cost units)",
        "global_gap": "C(K̂) − C*, mean over the cluster (cost units)",
        "local_prediction": "steady-state mean of the local gap (cost units)",
        "global_prediction": "steady-state mean of the global gap in the true cluster (cost units)",
        "apart": "largest difference between two agents' global gains, an entry of K; 0 if they are the same bits",
    },
    key=("seed", "epoch", "cluster"),
    controls_only=named_control,
    options={"epochs": whole(4, least=3), "delta": number(0.05, below=1)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "literal_sizes": SIZES,
}
