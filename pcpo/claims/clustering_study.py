"""The study `clustering`: runs of PCPO on fleets of known separation, one row per run and epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..algorithms.pcpo import PCPO
from ..errors import ConfigError
from ..experiment import Experiment
from ..fleet import Fleet
from .clustering_fleets import NOISE, SEPARATION, cluster_sizes, small_fleet
from .contract import Study
from .options import key_of, number, several, whole

__all__ = ["CLUSTERING", "margins"]

_TOO_CLOSE = 1 / 20


def _clustering_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """One factor at a time: a base cell and, from it, every other value of N, H, k, the number of states and of
    epochs after L; then smaller minibatches, other positions in the octave, and the negative controls."""
    factors = ("agents", "clusters", "halvings", "states", "after")
    scale = float(options["minibatch_scale"])
    base = {name: options[name][0] for name in factors}
    base |= {"role": "grid", "position": 0.75, "minibatch_scale": scale, "closeness": 1.0, "eliminate": 1}
    base |= {"delta": float(options["delta"]), "fleet_seed": options["fleet_seed"]}
    cells = {"base": base}
    for name in factors:
        cells |= {f"{name}_{value}": {**base, name: value} for value in options[name][1:]}
    small = {**base, "role": "sweep"}
    cells |= {f"scale_{s:g}": {**small, "minibatch_scale": scale * s} for s in options["smaller_minibatches"]}
    edge = {**base, "role": "edge", "halvings": 2}
    cells |= {f"position_{p:g}": {**edge, "position": p} for p in options["positions"]}
    # The controls have smaller minibatches, for they need few rollouts to be wrong; (22) still holds at 0.3.
    cells["noisy"] = {**base, "role": "control:noisy", "minibatch_scale": 0.001 * scale}
    cells["no_elimination"] = {**base, "role": "control:no_elimination", "eliminate": 0, "minibatch_scale": 0.3 * scale}
    cells["close"] = {**base, "role": "control:close", "closeness": _TOO_CLOSE, "minibatch_scale": 0.3 * scale}
    boundary = {"role": "control:edge", "position": 0.501, "agents": 8, "minibatch_scale": 0.1 * scale}
    cells["edge"] = {**base, **boundary}
    for name, cell in cells.items():
        if cell["agents"] <= cell["clusters"]:
            key, N = key_of("clustering", "agents"), cell["agents"]
            raise ConfigError(f"{key}: found {N} in cell {name}, expected more than its {cell['clusters']} clusters")
    return cells


def _clustering_experiment(cell: Mapping[str, Any]) -> tuple[Experiment, int]:
    """The experiment of a cell and its L; with closeness < 1 the fleet's own separation is that fraction of Δ."""
    Delta0 = SEPARATION / (cell["position"] * 2.0 ** -cell["halvings"])
    sizes = cluster_sizes(cell["agents"], cell["clusters"])
    fleet = small_fleet(cell["states"], sizes, cell["closeness"] * SEPARATION, cell["fleet_seed"])
    L = cell["halvings"] + 2
    scale, delta, epochs = cell["minibatch_scale"], cell["delta"], L + cell["after"]
    return Experiment.calibrated(
        fleet, Delta0=Delta0, delta=delta, minibatch_scale=scale, noise=NOISE, epochs=epochs
    ), L


def _simulate_clustering(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    experiment, L = _clustering_experiment(cell)
    algorithm = PCPO() if cell["eliminate"] else PCPO(last_elimination=0)
    fixed = {
        "role": cell["role"],
        "states": cell["states"],
        "agents": cell["agents"],
        "clusters": cell["clusters"],
        "minibatch_scale": cell["minibatch_scale"],
        "delta": cell["delta"],
        "Delta": SEPARATION,
        "L": L,
    }
    frames = [margins(experiment.fleet, experiment.run(algorithm, seed=s)).assign(seed=s, **fixed) for s in seeds]
    return pd.concat(frames, ignore_index=True)


def margins(fleet: Fleet, run: pd.DataFrame) -> pd.DataFrame:
    """Per epoch: the margins of (22) and (23), the worst of the agents, and the state of the neighbourhood sets."""
    optimal = fleet.optimal_costs[run["cluster"].to_numpy()]
    labels = fleet.labels
    lost = [
        not set(np.flatnonzero(labels == labels[agent]).tolist()) <= set(kept)
        for agent, kept in zip(run["agent"], run["neighbours"], strict=True)
    ]
    rows = run.assign(
        margin=(run["cost_estimate"] - optimal).abs() / (run["Delta"] / 4),
        gap_margin=run["local_gap"] / (run["Delta"] / 8),
        estimate_margin=(run["cost_estimate"] - run["local_cost"]).abs() / (run["Delta"] / 8),
        lost=np.array(lost, dtype=np.int64),
        wrong=(~run["set_correct"]).astype(np.int64),
    )
    names = ["margin", "gap_margin", "estimate_margin", "lost", "wrong"]
    found = rows.groupby("epoch")[names].max().join(rows.groupby("epoch")[["Delta", "rollouts", "mode"]].first())
    found["exact"] = 1 - found.pop("wrong")
    found["epoch"] = found.index.astype(np.int64)
    return found.rename(columns={"Delta": "Delta_l"}).reset_index(drop=True)


CLUSTERING = Study(
    name="clustering",
    title="Sequential elimination on small calibrated fleets",
    cells=_clustering_cells,
    simulate=_simulate_clustering,
    columns={
        "seed": "seed of the run",
        "epoch": "epoch l",
        "role": "grid (claims), sweep (smaller minibatches), edge (other positions in the octave) or control:<name>",
        "states": "n; there is one input, so D = n",
        "agents": "N",
        "clusters": "H",
        "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
        "delta": "δ, failure probability of a run",
        "Delta": "Δ, separation that L is computed from (units of cost); the fleet's own but in control:close",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "Delta_l": "Δ_l (units of cost)",
        "margin": "max over agents of |Ĉ(X) − C*|/(Δ_l/4), eq. (22)",
        "gap_margin": "max over agents of (C(X) − C*)/(Δ_l/8), eq. (23a); infinite for a policy of infinite cost",
        "estimate_margin": "max over agents of |Ĉ(X) − C(X)|/(Δ_l/8), eq. (23b)",
        "lost": "1 if an agent's set lacks a member of its true cluster, else 0",
        "exact": "1 if all sets are the true clusters, else 0",
        "rollouts": "rollouts per agent, up to and including this epoch",
        "mode": "mode of the schedule's constants",
    },
    key=("seed", "epoch"),
    options={
        "agents": several([4, 8], whole(least=2)),
        "clusters": several([2, 3], whole(least=2)),
        "halvings": several([1, 2], whole()),
        "states": several([1], whole()),
        "after": several([0], whole(least=0)),
        "minibatch_scale": number(1.0),
        "smaller_minibatches": several([0.3, 0.1, 0.03, 0.01], number(), fewest=0),
        "positions": several([0.505, 0.6, 0.9, 0.99], number(least=0.5, below=1), fewest=0),
        "delta": number(0.1, below=1),
        "fleet_seed": whole(8, least=0),
    },
)
