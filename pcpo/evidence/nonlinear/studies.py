"""Run `pcpo_auto` on random fleets of nonlinear plants, and of the same plants linearised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.protocol import RunResult
from pcpo.claims.contract import Study, named_control
from pcpo.claims.options import whole
from pcpo.errors import ConfigError
from pcpo.evidence.nonlinear.fleets import HORIZON, MOST, SIZES, PlantFleet, at_level
from pcpo.experiments.learning import result

__all__ = ["EQUAL", "LEVELS", "STUDIES", "Cell"]

#: Relative changes of the cost that the nonlinearity makes, by the names of cells.
LEVELS: Mapping[str, float] = {"linear": 0.0, "level_5": 0.05, "level_20": MOST}
#: Cell of plants whose best gains cost the same.
EQUAL = "control:equal"


@dataclass(frozen=True)
class Cell:
    """Describe a condition.

    Attributes:
        level: relative change of the cost by the nonlinearity.
        rollouts: T, per agent.
        paths: S, of what is true.
        equal: whether the best gains of all clusters cost the same.
    """

    level: float
    rollouts: int
    paths: int
    equal: bool = False


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for every level, and one of equal costs at the largest."""
    T, S = options["rollouts"], options["paths"]
    cells = {name: Cell(level, T, S) for name, level in LEVELS.items()}
    return {**cells, EQUAL: Cell(MOST, T, S, equal=True)}


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run every fleet; a row per fleet and cluster."""
    return pd.concat([_of_fleet(cell, int(seed)) for seed in seeds], ignore_index=True)[list(_COLUMNS)]


def _of_fleet(cell: Cell, seed: int) -> pd.DataFrame:
    """Run a fleet, and compare what was learned with what is true."""
    fleet = at_level(seed, cell.level, cell.paths, 0.0 if cell.equal else None)
    try:
        run = result(fleet.agents, budget=cell.rollouts, seed=seed, horizon=HORIZON)
    except ConfigError:  # costs at K⁰ that cannot be learned from
        run = None
    named = {
        "seed": seed,
        "role": "control" if cell.equal else "grid",
        "level": cell.level,
        "mode": "model-free, rollouts",
        "plant": fleet.drawn.kind,
        "n": fleet.plants[0].n,
        "m": fleet.plants[0].m,
        "ratio": fleet.ratio,
        "budget": float(cell.rollouts),
        "spent": 0.0 if run is None else float(run.final.rollouts),
        "refused": int(run is None),
        "exact": int(run is not None and run.final.neighbourhoods.correct(fleet.drawn.labels).all()),
        "agents": len(fleet.drawn.labels),
    }
    return pd.DataFrame(_by_cluster(fleet, run)).assign(**named)


def _by_cluster(fleet: PlantFleet, run: RunResult | None) -> dict[str, Any]:
    """Return the columns that differ between clusters."""
    labels, H = fleet.drawn.labels, len(SIZES)
    optima = np.stack([lqr.riccati(fleet.drawn.system(h)).K for h in labels])
    start = np.broadcast_to(fleet.drawn.start, optima.shape)
    gains = {
        "start_gap": start,
        "linear_gap": optima,
        "local_gap": start if run is None else run.final.local_gains,
        "gap": start if run is None else run.final.global_gains,
    }

    def mean(values: np.ndarray) -> list[float]:
        return [float(values[labels == h].mean()) for h in range(H)]

    return {
        "cluster": np.arange(H),
        "size": np.bincount(labels),
        "noise": fleet.noise,
        "change": fleet.change,
        "cost": [best.cost for best in fleet.best],
        "cost_error": [best.error / best.cost for best in fleet.best],
        "gap_error": [best.gap_error / best.cost for best in fleet.best],
        **{name: mean(fleet.gaps(gain)) for name, gain in gains.items()},
    }


_COLUMNS = {
    "seed": "number of the fleet, and seed of its run",
    "role": "grid (claims) or control: clusters whose best gains cost the same",
    "level": "relative change of the cost by the nonlinearity, declared; 0 is the linearised fleet",
    "mode": "mode of the run, and how the estimates were drawn",
    "plant": "pendulum or cart_pole",
    "n": "states",
    "m": "inputs",
    "ratio": "Δ/σ, σ of one rollout's cost at the best gain of the first cluster",
    "budget": "T, rollouts per agent that the run may spend",
    "spent": "rollouts per agent that it spent",
    "refused": "1 if pcpo_auto refuses the costs at K⁰, and every agent keeps its gain, else 0",
    "exact": "1 if all sets of the fleet are the true clusters, else 0",
    "agents": "N",
    "cluster": "number of the cluster",
    "size": "|M|, agents",
    "noise": "noise level of the cluster's plants (rad, rad/s, m, m/s)",
    "change": "C(K)/C_lin(K) − 1 at K* of the linearised plant, on other paths than the noise was found with",
    "cost": "C*, of the best linear gain (cost units)",
    "cost_error": "standard error of the cost, over C*; 0 where it is exact",
    "gap_error": "gap of the best gain that the choice of its paths leaves on average, and the last decrement, over C*",
    "start_gap": "C(K⁰)/C* − 1",
    "linear_gap": "the same at the optimal gain of the linearised plant",
    "local_gap": "the same at X, mean over agents; infinite if that of one is",
    "gap": "the same at K̂, mean over agents; infinite if that of one is",
}

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "nonlinear": Study(
        name="nonlinear",
        title="Fleets of pendulums and of carts with poles",
        cells=_cells,
        simulate=_simulate,
        columns=_COLUMNS,
        key=("seed", "cluster"),
        options={"rollouts": whole(100_000, least=5_000), "paths": whole(8192, least=2048)},
        controls_only=named_control,
    ),
}
