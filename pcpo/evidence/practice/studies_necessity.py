"""Run what Algorithm 1 does without one of its parts, on random fleets: averaging over any sets, and PCPO's ablations.

`partitions` iterates (6) with exact gradients and the calibrated step, over sets that are a partition or are not, from
the agents' own gains or after (8): nothing but the sets and the start can lose a policy there.  `necessities` runs
Algorithm 1 and three variants that lack a part of it, drawn from moments.  A seed is a fresh fleet of a population
(`pcpo.fleets.population`): of open loop "unstable", no gain has finite cost for all clusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.pcpo import PCPO, no_radius_scaling, no_reinitialisation, one_sequence
from pcpo.algorithms.protocol import Algorithm
from pcpo.arrays import BoolArray, FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import whole
from pcpo.experiments import summaries
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import Drawn, OpenLoop, PopulationSpec, draw_fleet
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import calibrated_constants, initial_gap, local_constants

__all__ = ["NECESSITIES", "PARTITIONS", "STUDIES", "Population", "growth"]

_NOISE = "signs"
#: Δ_0, δ and κ_M of the runs, Δ_0 and Δ over C*_1.
_GUESS, _SEPARATION, _DELTA, _KAPPA = 0.2, 0.1, 0.1, 0.01
#: L = min{l : Δ_l ≤ Δ/2} is 2; the epoch after it is the first that collaborates.
_EPOCHS = 3
#: A sum of costs that rises by more than this fraction in a step rises beyond rounding.
_ROUNDING = 1e-12

_Starts = tuple[FloatArray, BoolArray]


@dataclass(frozen=True)
class Population:
    """Describe the random fleets of a cell.

    Args:
        open_loop: of the clusters.
        shape: n and m.
        sizes: agents of each cluster.
        steps: iterations with exact gradients; 0 for runs of Algorithm 1.
    """

    open_loop: OpenLoop
    shape: tuple[int, int]
    sizes: tuple[int, ...]
    steps: int = 0

    def draw(self, seed: int) -> Drawn:
        """Draw the fleet of a seed."""
        spec = PopulationSpec(
            n=self.shape[0],
            m=self.shape[1],
            sizes=self.sizes,
            open_loop=self.open_loop,
            separation=_SEPARATION,
        )
        return draw_fleet(
            spec, stream(seed, Purpose.FLEET, 20, *self.shape), stream(seed, Purpose.FLEET, 21, *self.shape)
        )

    @property
    def columns(self) -> dict[str, Any]:
        """Return the columns that say which population a row is of."""
        return {"open_loop": self.open_loop, "n": self.shape[0], "m": self.shape[1], "agents": sum(self.sizes)}


_POPULATIONS: Mapping[str, tuple[OpenLoop, tuple[int, int]]] = {
    "unstable_1x1": ("unstable", (1, 1)),
    "unstable_2x1": ("unstable", (2, 1)),
    "unstable_3x1": ("unstable", (3, 1)),
    "mixed_3x2": ("mixed", (3, 2)),
}
_POPULATION_COLUMNS = {
    "seed": "number of the fleet",
    "open_loop": "unstable (no common gain of finite cost) or mixed",
    "n": "states",
    "m": "inputs",
    "agents": "N",
}


# ------------------------------------------------------------------------------------------------------- partitions


def _starts(fleet: Fleet, rng: np.random.Generator) -> dict[str, _Starts]:
    """Return the first gains ``(N, m, n)`` and the sets ``(N, N)`` of every way to average, by name."""
    own, labels = fleet.initial_gains, fleet.labels
    costs, clusters = fleet.costs(own), np.equal.outer(labels, labels)
    everyone, blocks = np.ones_like(clusters), rng.integers(0, 2, fleet.N)
    linked, (i, j) = clusters.copy(), (rng.choice(fleet.clusters[0]), rng.choice(fleet.clusters[-1]))
    linked[i, j] = linked[j, i] = True
    cheapest = own[np.array([np.where(row, costs, np.inf).argmin() for row in clusters])]
    return {
        "everyone": (own, everyone),
        "blocks": (own, np.equal.outer(blocks, blocks)),
        "linked": (own, linked),
        "everyone_sync": (np.repeat(own[[costs.argmin()]], fleet.N, axis=0), everyone),
        "clusters_sync": (cheapest, clusters),
    }


def growth(fleet: Fleet, sets: BoolArray, step: float) -> float:
    """Return the spectral radius of K ← K − η·(mean of ∇C_j over N_i), linearised at K_i = K*_σ(i).

    With the sets' matrix W (rows of sum 1) it is that of I − η(W ⊗ I)·diag(∇²C_i).  W of a partition is a projection,
    so no eigenvalue is above 1; of sets that are none, W has a negative eigenvalue and K* is unstable.
    """
    N, D = fleet.N, fleet.D
    hessians = [lqr.hessian_at(s, K) for s, K in zip(fleet.systems, fleet.optimal_gains, strict=True)]
    W = sets / sets.sum(axis=1, keepdims=True)
    H = np.stack([hessians[label] for label in fleet.labels])
    J = np.eye(N * D) - step * np.einsum("ij,jab->iajb", W, H).reshape(N * D, N * D)
    return float(np.abs(np.linalg.eigvals(J)).max())


def _averaged(fleet: Fleet, starts: Sequence[_Starts], step: float, steps: int) -> list[dict[str, Any]]:
    """Iterate (6) with exact gradients from every start until a cost is infinite; return what happened to the costs."""
    K = np.stack([gains for gains, _ in starts])
    W = np.stack([sets / sets.sum(axis=1, keepdims=True) for _, sets in starts])
    sums, taken, rises = fleet.costs(K).sum(axis=1), np.zeros(len(K), dtype=int), np.zeros(len(K), dtype=int)
    for _ in range(steps):
        on = np.flatnonzero(np.isfinite(sums))
        K[on] -= step * np.einsum("kij,kjab->kiab", W[on], lqr.gradient(fleet.stacked, K[on]))
        after = fleet.costs(K[on]).sum(axis=1)
        taken[on] += 1
        rises[on] += after > sums[on] * (1 + _ROUNDING)
        sums[on] = after
    columns = {"finite": np.isfinite(sums), "steps": taken, "rises": rises}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _simulate_partitions(cell: Population, seeds: Sequence[int]) -> pd.DataFrame:
    """Average over every kind of sets on the fleet of every seed."""
    return pd.DataFrame([row for seed in seeds for row in _partition_rows(cell, seed)])[list(_PARTITION_COLUMNS)]


def _partition_rows(cell: Population, seed: int) -> Iterator[dict[str, Any]]:
    drawn = cell.draw(seed)
    fleet, guess = drawn.fleet, _GUESS * float(drawn.fleet.optimal_costs[0])
    local = local_constants(fleet, noise_law(_NOISE), max(initial_gap(fleet), guess))
    step = calibrated_constants(local, D=fleet.D, Delta0=guess).c1
    starts = _starts(fleet, stream(seed, Purpose.FLEET, 22, *cell.shape))
    found = _averaged(fleet, list(starts.values()), step, cell.steps)
    for (name, (_, sets)), happened in zip(starts.items(), found, strict=True):
        known = {"seed": seed, "sets": name, "common_gain": str(drawn.common), **cell.columns}
        yield {**known, "growth": growth(fleet, sets, step), **happened}


_PARTITION_COLUMNS = {
    **_POPULATION_COLUMNS,
    "common_gain": "whether one gain has finite cost for all clusters: exists, excluded (certified) or not found",
    "sets": "everyone; blocks: two random blocks; linked: the clusters, and one pair of agents of two of them; "
    "everyone_sync and clusters_sync: begun with (8) over [N] or over the clusters",
    "growth": "spectral radius of the iteration, linearised at the optimal gains",
    "finite": "whether all costs stay finite",
    "steps": "iterations, up to the first infinite cost",
    "rises": "iterations in which the sum of all costs rises",
}

PARTITIONS = Study(
    name="partitions",
    title="Averaging exact gradients over partitions and other sets",
    cells=lambda options: {
        name: Population(*known, sizes=(2, 2, 2), steps=options["steps"]) for name, known in _POPULATIONS.items()
    },
    simulate=_simulate_partitions,
    columns=_PARTITION_COLUMNS,
    key=("seed", "sets"),
    options={"steps": whole(600)},
)


# ------------------------------------------------------------------------------------------------------ necessities

#: Algorithm 1, and variants without one of its parts.
_METHODS: Mapping[str, Algorithm] = {
    method.name: method for method in (PCPO(), one_sequence(), no_reinitialisation(), no_radius_scaling())
}


def _simulate_necessities(cell: Population, seeds: Sequence[int]) -> pd.DataFrame:
    """Run Algorithm 1 and its variants on the fleet of every seed; a row per variant, after the last epoch."""
    rows = []
    for seed in seeds:
        fleet = cell.draw(seed).fleet
        setting = Experiment.calibrated(
            fleet,
            Delta0=_GUESS * float(fleet.optimal_costs[0]),
            delta=_DELTA,
            minibatch_scale=_KAPPA,
            noise=_NOISE,
            epochs=_EPOCHS,
            oracle="moments",
        )
        for method in _METHODS.values():
            last = summaries.by_epoch(fleet, setting.result(method, seed=seed)).iloc[[-1]]
            rows.append(last.assign(seed=seed, **cell.columns))
    return pd.concat(rows, ignore_index=True)[list(_NECESSITY_COLUMNS)]


_NECESSITY_COLUMNS = {**_POPULATION_COLUMNS, **summaries.COLUMNS}

NECESSITIES = Study(
    name="necessities",
    title="Algorithm 1 without one of its parts, on random fleets",
    cells=lambda options: {
        name: Population(*known, sizes=(8, 8)) for name, known in _POPULATIONS.items() if name != "unstable_3x1"
    },
    simulate=_simulate_necessities,
    columns=_NECESSITY_COLUMNS,
    key=("seed", "algorithm"),
    may_be_missing=frozenset({"margin", "estimate_margin"}),
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "partitions": PARTITIONS,
    "necessities": NECESSITIES,
}
