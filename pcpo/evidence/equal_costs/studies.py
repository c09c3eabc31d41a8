"""Simulate PCPO with and without pruning by gains on fleets that costs alone cannot part, or part late.

All methods run on the same fleet, schedule and normal draws.  Estimates are drawn from their exact moments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.baselines.oracle_clusters import OracleClusters
from pcpo.algorithms.pcpo import PCPO, PCPOState, by_gains
from pcpo.algorithms.protocol import Algorithm, EpochReport, RunResult, Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Closing, Server
from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.equal_costs.population import draw, kind_of
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.files import example_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.optimum import growth_constant
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import stream

__all__ = ["STUDIES", "Cell", "Narrow", "Shuffled", "by_costs", "promised"]

#: Control methods run for the seeds that, halved, this divides.
_EVERY = 4
_LAW = "signs"
#: Key of the stream that mixes up names.
_NAMES = 31


class _MixedUp(Server):
    """Take every X_i for that of another agent when an epoch is closed."""

    def __init__(self, server: Server, order: IntArray) -> None:
        self.__dict__ = server.__dict__  # the same sets and the same counts
        self._order = order

    def close_epoch(self, local_gains: FloatArray, *rest: Any, **options: Any) -> Closing:
        """Close the epoch with the gains in another order."""
        return super().close_epoch(local_gains[self._order], *rest, **options)


@dataclass(frozen=True)
class Shuffled(PCPO):
    """Prune by gains that belong to other agents: the control in which names are mixed up."""

    prune_by_gains: bool = True
    seed: int = 0

    def step(self, state: PCPOState, oracle: Oracle, server: Server) -> tuple[PCPOState, EpochReport]:
        """Run an epoch at whose end the gains are in a random order."""
        order = stream(self.seed, _NAMES, state.epoch).permutation(server.n_agents)
        return super().step(state, oracle, _MixedUp(server, order))


@dataclass(frozen=True)
class Narrow(PCPO):
    """Prune by gains at a fraction of the distance: the control in which the growth constant is too large."""

    prune_by_gains: bool = True
    fraction: float = 1.0

    def _gain_distance(self, setting: Setting, plan: EpochPlan) -> float:
        """Return the fraction of √(2Δ_l/μ)."""
        return self.fraction * super()._gain_distance(setting, plan)


def _method(name: str, seed: int, narrow: float) -> Algorithm:
    """Make a method of the study."""
    made: Mapping[str, Algorithm] = {
        "pcpo_gains": by_gains(),
        "pcpo_gains_sync": by_gains(synchronise_first=True),
        "pcpo": PCPO(),
        "oracle_clusters": OracleClusters(),
        "local": Local(),
        "shuffled": Shuffled(seed=seed),
        "narrow": Narrow(fraction=narrow),
    }
    return made[name]


#: Methods by cell.  Where (8) might never fire, because all agents stay together, epoch 1 ends with it.
_METHODS: Mapping[str, tuple[str, ...]] = {
    "equal": ("pcpo_gains", "pcpo", "oracle_clusters", "local"),
    "close": ("pcpo_gains", "pcpo"),
    "reflected": ("pcpo_gains_sync", "oracle_clusters", "local"),
    "toso": ("pcpo_gains", "pcpo"),
}
#: Methods for controls alone, on some fleets of cell "equal".
_CONTROLS = ("shuffled", "narrow")
#: Epochs of a run in which nothing is to be parted.
_TOGETHER = 4


@dataclass(frozen=True)
class Cell:
    """Describe a condition.

    Attributes:
        fleets: "equal", "close", "reflected", or "toso", the fleet of toso2023 of the package.
        Delta0: Δ_0 (cost units; C* is 20).
        most_epochs: fleets that need more are run so long, and count as they are then.
        narrow: fraction of the distance in the control of that name.
    """

    fleets: str
    Delta0: float
    most_epochs: int
    narrow: float


def promised(fleet: Fleet, Delta0: float, *, exact: bool = False) -> int:
    """Return L′ = min{l : Δ_l ≤ Δ_ab/2 or 2√(2Δ_l/μ) < d_ab for all clusters a, b}, by which the sets are exact.

    Args:
        fleet: the clusters: Δ_ab is the difference of their optimal costs, d_ab the distance of their optimal gains.
        Delta0: Δ_0.
        exact: the first epoch in which exact costs and gains part all clusters: Δ_l/2 < Δ_ab or √(2Δ_l/μ) < d_ab.

    Returns:
        The epoch; 1,000 if there is none, where two clusters share cost and gain.
    """
    by_cost, by_gain = _differences(fleet)
    growth = min(map(growth_constant, fleet.systems))

    def parted(Delta: float) -> bool:
        distance = float(np.sqrt(2.0 * Delta / growth))
        if exact:
            return bool(((Delta / 2 < by_cost) | (distance < by_gain)).all())
        return bool(((Delta <= by_cost / 2) | (2.0 * distance < by_gain)).all())

    return _first(parted, Delta0)


def by_costs(fleet: Fleet, Delta0: float) -> int:
    """Return the first epoch in which exact costs alone part all clusters, Δ_l/2 < Δ; 1,000 if there is none."""
    by_cost, _ = _differences(fleet)
    return _first(lambda Delta: bool((Delta / 2 < by_cost).all()), Delta0)


def _differences(fleet: Fleet) -> tuple[FloatArray, FloatArray]:
    """Return |C*_a − C*_b| and ‖K*_a − K*_b‖ of all pairs of clusters; what rounding leaves counts as 0."""
    a, b = np.triu_indices(fleet.H, 1)
    by_cost = np.abs(fleet.optimal_costs[a] - fleet.optimal_costs[b])
    by_gain = np.linalg.norm(fleet.optimal_gains[a] - fleet.optimal_gains[b], axis=(1, 2))
    size = np.linalg.norm(fleet.optimal_gains, axis=(1, 2)).max()
    return np.where(by_cost > 1e-9 * fleet.optimal_costs.max(), by_cost, 0.0), np.where(
        by_gain > 1e-9 * size, by_gain, 0.0
    )


def _first(parted: Callable[[float], bool], Delta0: float) -> int:
    """Return the first epoch l whose Δ_l = Δ_0/2^l parts all clusters; 1,000 if none of the first 99 does."""
    return next((epoch for epoch in range(1, 100) if parted(Delta0 / 2.0**epoch)), 1000)


@lru_cache(maxsize=8)
def _experiment(cell: Cell, seed: int) -> tuple[str, Experiment]:
    """Draw the fleet of a seed and calibrate its schedule, the same for all methods."""
    kind = kind_of(cell.fleets, seed)
    fleet = example_fleet("toso2023") if kind == "toso" else draw(kind, seed)
    epochs = _TOGETHER if kind == "reflected" else min(promised(fleet, cell.Delta0) + 1, cell.most_epochs)
    return kind, Experiment.calibrated(fleet, Delta0=cell.Delta0, noise=_LAW, epochs=epochs, oracle="moments")


def _cells(*fleets: str) -> Callable[[Mapping[str, Any]], dict[str, Cell]]:
    """Return what makes a cell for every kind of fleets out of the options."""

    def made(options: Mapping[str, Any]) -> dict[str, Cell]:
        numbers = options["Delta0"], options["most_epochs"], options["narrow"]
        return {name: Cell(name, *numbers) for name in fleets}

    return made


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Simulate a cell: a row per seed and method."""
    rows = []
    for seed in map(int, seeds):
        some = seed // 2 % _EVERY == 0
        kind, setting = _experiment(cell, seed)
        known = {"seed": seed, "kind": kind, "mode": setting.short_mode, **_described(setting, cell)}
        methods = _METHODS[cell.fleets] + (_CONTROLS if some and cell.fleets == "equal" else ())
        for name in methods:
            result = setting.result(_method(name, seed, cell.narrow), seed=seed)
            rows.append({**known, "method": name, **_outcome(setting.fleet, result)})
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _described(setting: Experiment, cell: Cell) -> dict[str, Any]:
    """Describe the fleet of a run in columns."""
    fleet = setting.fleet
    return {
        "n": fleet.n,
        "m": fleet.m,
        "gamma": fleet.gamma,
        "unstable": int(not np.isfinite(fleet.costs(np.zeros_like(fleet.initial_gains))).all()),
        "agents": fleet.N,
        "separation": fleet.separation / fleet.optimal_costs.min(),
        "distance": float(np.linalg.norm(np.diff(fleet.optimal_gains, axis=0), axis=(1, 2)).min()),
        "growth": min(map(growth_constant, fleet.systems)),
        "promised": promised(fleet, cell.Delta0),
        "parted": promised(fleet, cell.Delta0, exact=True),
        "by_costs": by_costs(fleet, cell.Delta0),
        "epochs": setting.epochs,
    }


def _outcome(fleet: Fleet, result: RunResult) -> dict[str, Any]:
    """Return the columns of a finished run."""
    same = fleet.labels[:, None] == fleet.labels
    sets = [report.neighbourhoods.dense() for report in result.epochs]
    exact = np.array([bool((one == same).all()) for one in sets])
    wrong = np.flatnonzero(~exact)
    first = 1 if not len(wrong) else int(wrong[-1]) + 2
    gaps = fleet.gaps(result.final.global_gains)
    return {
        "exact_from": float(first) if first <= len(sets) else np.inf,
        "split": int(any((same & ~one).any() for one in sets)),
        "alone": int(any(not one.all() for one in sets)),
        "gap": float(gaps.mean()),
        "infinite": int((~np.isfinite(gaps)).sum()),
        "rollouts": float(result.final.rollouts),
    }


_COLUMNS = {
    "seed": "number of the fleet, and seed of its runs",
    "kind": "mirrored, matched, close, reflected or toso",
    "method": "method",
    "mode": "mode of the schedule's constants, and the oracle",
    "n": "states",
    "m": "inputs",
    "gamma": "γ",
    "unstable": "1 if K = 0 has infinite cost for an agent, else 0",
    "agents": "N",
    "separation": "Δ/C*_1",
    "distance": "smallest distance of two clusters' optimal gains (Frobenius)",
    "growth": "μ (cost units over gain units squared)",
    "promised": "L′, from which on the theorem promises exact sets; 1,000 for never",
    "parted": "first epoch in which exact costs and gains part all clusters; 1,000 for never",
    "by_costs": "first epoch in which exact costs alone part all clusters; 1,000 for never",
    "epochs": "epochs of the run",
    "exact_from": "first epoch from which on all sets are the true clusters; infinite for none",
    "split": "1 if an agent of the own cluster is missing from a set in any epoch, else 0",
    "alone": "1 if any agent is missing from a set in any epoch, else 0",
    "gap": "C(K̂) − C*, mean over agents (cost units)",
    "infinite": "agents whose policy has infinite cost",
    "rollouts": "rollouts per agent of the run",
}

_OPTIONS = {"Delta0": number(5.0), "most_epochs": whole(12, least=2), "narrow": number(0.1)}


def _study(name: str, title: str, *fleets: str) -> Study:
    """Declare a study of some kinds of fleets."""
    return Study(
        name=name,
        title=title,
        cells=_cells(*fleets),
        simulate=_simulate,
        columns=_COLUMNS,
        key=("seed", "method"),
        options=_OPTIONS,
    )


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "equal_costs": _study("equal_costs", "Clusters of equal optimal cost", "equal"),
    "equal_costs_near": _study(
        "equal_costs_near", "Clusters of nearly equal cost, or of one gain", "close", "reflected"
    ),
    "equal_costs_toso": _study("equal_costs_toso", "Toso's two clusters of nearly equal cost", "toso"),
}
