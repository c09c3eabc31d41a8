"""Draw the fleet of a cell and a seed, plan its experiment, run an algorithm, and describe all three in columns.

A seed is a fresh fleet of the cell's population with fresh noise.  Cells with the same shape, clusters, γ and open loop
draw the dynamics from the same stream, so that axes such as N and Δ are compared on the same systems; the noise of
their runs is independent.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.protocol import Algorithm
from pcpo.algorithms.schedule import EpochPlan
from pcpo.arrays import FloatArray, IntArray
from pcpo.evidence.grid.cells import Cell
from pcpo.experiments import summaries
from pcpo.experiments.experiment import Experiment, OracleName
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import Clusters, Drawn, PopulationSpec, draw_clusters, draw_fleet
from pcpo.fleets.random import condition, relative_distance
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.predictions import SteadyStates

__all__ = [
    "POPULATION",
    "PREDICTED",
    "SETTINGS",
    "described",
    "draw",
    "experiment",
    "predicted",
    "rows_of",
    "run_seed",
    "settings_of",
]


def draw(cell: Cell, seed: int) -> Drawn:
    """Draw the fleet of a seed; cells with the same population share it."""
    return _drawn(cell.population(), seed)


@lru_cache(maxsize=256)
def _drawn(population: PopulationSpec, seed: int) -> Drawn:
    """Draw the fleet of a seed from a population."""
    clusters = _clusters(replace(population, sizes=(1,) * len(population.sizes), separation=1.0), seed)
    return draw_fleet(population, clusters, stream(seed, Purpose.FLEET, 1), f"random fleet {seed}")


@lru_cache(maxsize=256)
def _clusters(population: PopulationSpec, seed: int) -> Clusters:
    """Draw the clusters of a seed, which populations share that differ in sizes and separation."""
    return draw_clusters(population, stream(seed, Purpose.FLEET, 0))


def experiment(cell: Cell, fleet: Fleet, *, oracle: OracleName | None = None, epochs: int | None = None) -> Experiment:
    """Calibrate the experiment of a cell on a fleet; `oracle` and `epochs` are those of the cell by default."""
    return Experiment.calibrated(
        fleet,
        Delta0=cell.guess * float(fleet.optimal_costs[0]),
        delta=cell.delta,
        minibatch_scale=cell.minibatch_scale,
        noise=cell.noise,
        epochs=cell.epochs if epochs is None else epochs,
        oracle=oracle or cell.oracle,
    )


def run_seed(cell: Cell, seed: int, *purpose: int) -> int:
    """Return the seed of the noise of a run: another one for every cell, fleet and purpose."""
    state = np.random.SeedSequence([seed, *purpose], spawn_key=cell.key()).generate_state(1, np.uint64)
    return int(state[0] >> 1)


def settings_of(cell: Cell) -> dict[str, Any]:
    """Return the columns that say which condition a row is of."""
    return {
        "role": cell.role,
        "axis": cell.axis,
        "agents": cell.agents,
        "clusters": cell.clusters,
        "sizes": cell.sizes,
        "n": cell.shape[0],
        "m": cell.shape[1],
        "gamma": cell.gamma,
        "open_loop": cell.open_loop,
        "noise": cell.noise,
        "separation": cell.separation,
        "guess": cell.guess,
        "minibatch_scale": cell.minibatch_scale,
        "delta": cell.delta,
        "L": cell.L,
        "early": cell.early,
        "checkpoints": " ".join(map(repr, cell.checkpoints)),
    }


SETTINGS = {
    "seed": "number of the fleet, and seed of its run",
    "role": "grid (claims), sweep (smaller minibatches) or control:<name>",
    "axis": "the axis that the cell varies from the base cell",
    "agents": "N",
    "clusters": "H",
    "sizes": "how the agents are divided: equal, or one_large with half of them",
    "n": "states",
    "m": "inputs",
    "gamma": "γ",
    "open_loop": "stable, unstable (without a common gain) or mixed",
    "noise": "law of the noise",
    "separation": "Δ/C*_1",
    "guess": "Δ_0/C*_1",
    "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
    "delta": "δ, failure probability of a run",
    "L": "min{l : Δ_l ≤ Δ/2}",
    "early": "min{l : Δ_l < 2Δ}, the first epoch in which exact costs separate the clusters",
    "checkpoints": "budgets T (rollouts per agent) at which runs are looked at, separated by spaces",
}


def described(drawn: Drawn, law: str) -> dict[str, Any]:
    """Describe a fleet by the numbers that its population is shown by."""
    fleet, rejected = drawn.fleet, drawn.rejected
    systems, labels = fleet.systems, fleet.labels
    gains = [lqr.riccati(system).K for system in systems]
    pairs = [relative_distance(K, other) for k, K in enumerate(gains) for other in gains[:k]]
    sigma = max(np.sqrt(lqr.rollout_variance(s, K, noise_law(law))) for s, K in zip(systems, gains, strict=True))
    count = {word: sum(n for reason, n in rejected.items() if word in reason) for word in _REJECTED}
    return {
        "rho": max(float(np.abs(np.linalg.eigvals(s.A)).max()) for s in systems),
        "discounted_rho": max(float(np.sqrt(s.gamma) * np.abs(np.linalg.eigvals(s.A)).max()) for s in systems),
        "start_ratio": float(np.mean(1 + fleet.gaps(fleet.initial_gains) / fleet.optimal_costs[labels])),
        "condition": max(condition(system) for system in systems),
        "gain_distance": min(pairs, default=np.nan),
        "noise_ratio": (fleet.separation or np.nan) / sigma,
        "common_gain": str(drawn.common),
        **{f"rejected_{name}": count[word] for word, name in _REJECTED.items()},
    }


#: What a reason of rejection contains → the column that counts it.
_REJECTED = {
    "condition at K*": "condition",
    "Riccati": "riccati",
    "within": "close",
    "common gain": "common",
    "a start whose": "starts",
    "such start": "unreachable",
}
POPULATION = {
    "rho": "largest ρ(A) of the fleet",
    "discounted_rho": "largest √γ·ρ(A) of the fleet; K = 0 has infinite cost from 1 on",
    "start_ratio": "C(K⁰)/C*, mean over agents",
    "condition": "largest condition number of a Hessian at K*",
    "gain_distance": "smallest relative distance of two clusters' K*",
    "noise_ratio": "Δ/σ, σ the largest standard deviation of one rollout's cost at K*",
    "common_gain": "whether one gain has finite cost for all clusters: exists, excluded (certified) or not found",
    "rejected_condition": "systems rejected for the condition number at K*",
    "rejected_riccati": "systems rejected for want of a Riccati solution",
    "rejected_close": "systems rejected for being close to another cluster",
    "rejected_common": "fleets rejected since a common gain exists or is not excluded",
    "rejected_starts": "starts rejected for the curvature on their way to K*",
    "rejected_unreachable": "fleets rejected since hardly any start of a cluster fits",
}


def predicted(setting: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """Return the predicted mean gaps of every epoch: of agents alone, and of agents in their true clusters."""
    fleet, schedule, rows = setting.fleet, setting.schedule, []
    sizes, widest = np.bincount(fleet.labels), schedule.plan(1).radius_local
    states = [SteadyStates(system, noise_law(setting.noise), widest) for system in fleet.systems]

    def gaps(plan: EpochPlan, counted: IntArray) -> FloatArray:
        """Return the gaps of clusters in which so many agents average, ``(H,)``."""
        radii = plan.radius_global(counted)[0].tolist()
        pairs = zip(states, counted.tolist(), radii, strict=True)
        eta, M = plan.step_size, plan.minibatch
        return np.array([state.gap(step_size=eta, radius=r, minibatch=M * size) for state, size, r in pairs])

    for epoch in table["epoch"].astype(int):
        plan = schedule.plan(epoch)
        alone, shared = gaps(plan, np.ones_like(sizes)), gaps(plan, sizes)
        rows.append(
            {
                "predicted_local_gap": float(np.average(alone, weights=sizes)),
                "predicted_gap": float(np.average(shared, weights=sizes)),
                "predicted_first_gap": float(shared[0]),
                "predicted_rounds": sum(schedule.plan(k).iterations + 1 for k in range(1, epoch + 1)),
            }
        )
    return pd.DataFrame(rows)


PREDICTED = {
    "predicted_local_gap": "predicted mean gap of agents alone at the end of the epoch (cost units), closed form",
    "predicted_gap": "predicted mean gap of agents in their true clusters (cost units), closed form",
    "predicted_first_gap": "predicted_gap of cluster 1",
    "predicted_rounds": "Σ (R_k + 1) up to this epoch, the rounds of Corollary 3",
}


def rows_of(setting: Experiment, algorithm: Algorithm, seed: int) -> pd.DataFrame:
    """Run once and return the row of every epoch, with predictions."""
    table = summaries.by_epoch(setting.fleet, setting.result(algorithm, seed=seed))
    return pd.concat([table, predicted(setting, table)], axis=1)
