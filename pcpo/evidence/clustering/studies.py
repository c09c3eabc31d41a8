"""The study `clustering`: runs of PCPO on fleets of known separation, one row per run and epoch.

The fleets and options of the studies on clustering.

The fleets are random (`pcpo.fleets.random`), small, and chosen for cheap rollouts: γ = ½ and a well-conditioned draw.
Their separation lies at a chosen place of the schedule, Δ = p·Δ_0·2^(−k): p in [½, 1) is the *position* in the octave
between two precisions Δ_l (¾ is mid-bin) and k the number of *halvings*, so that L = min{l : Δ_l ≤ Δ/2} = k + 2.

The study `heterogeneity`: how many rollouts PCPO takes until its clusters are right, against the separation Δ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.schedule import Schedule
from pcpo.claims.contract import Study
from pcpo.claims.options import key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import LocalConstants, calibrated_constants, horizon_for, local_constants

__all__ = [
    "CLUSTERING",
    "HETEROGENEITY",
    "NOISE",
    "SEPARATION",
    "STUDIES",
    "cluster_sizes",
    "early_epoch",
    "margins",
    "settled",
    "small_fleet",
]

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


_GAMMA = 0.5
_OPTIMAL_COST = 4.0  # C*_1; Δ and the initial gap are in the same units
SEPARATION = 4.0
_INITIAL_GAP = 0.5
NOISE = "signs"


def early_epoch(L: int) -> int:
    """max(1, L − 2): where accurate estimates separate the clusters, for Δ_(L−2) < 2Δ ≤ Δ_(L−3) away from the edges."""
    return max(1, L - 2)


def settled(exact: Sequence[bool]) -> float:
    """L̃: the first epoch from which the sets stay exact to the end of the run; infinite if the last are not exact."""
    wrong = np.flatnonzero(~np.asarray(exact, dtype=bool))
    if len(wrong) == 0:
        return 1.0
    return math.inf if wrong[-1] == len(exact) - 1 else float(wrong[-1] + 2)


def small_fleet(states: int, sizes: Sequence[int], separation: float, fleet_seed: int) -> Fleet:
    """A fleet with one input whose first cluster depends on the seed and the number of states alone."""
    spec = FleetSpec(
        n=states,
        m=1,
        sizes=tuple(sizes),
        gamma=_GAMMA,
        initial_gap=_INITIAL_GAP,
        separation=separation,
        optimal_cost=_OPTIMAL_COST,
        condition_limit=3.0,
    )
    return random_fleet(spec, stream(fleet_seed, Purpose.FLEET), "clustering")


def cluster_sizes(agents: int, clusters: int) -> list[int]:
    """As equal as possible, the first clusters larger."""
    return [agents // clusters + (j < agents % clusters) for j in range(clusters)]


def _heterogeneity_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    halvings = sorted(options["halvings"])
    shared = {name: value for name, value in options.items() if name != "halvings"}
    shared |= {"least_halvings": halvings[0], "most_halvings": halvings[-1]}
    return {f"halvings_{k}": {**shared, "halvings": k} for k in halvings}


def _separated(cell: Mapping[str, Any], halvings: int) -> Fleet:
    """Fleet with Δ = ¾ Δ_0 2^(−k); cluster 1, and the dynamics and K* of cluster 2, are the same for all k."""
    separation = SEPARATION * 2.0 ** (cell["least_halvings"] - halvings)
    return small_fleet(1, cluster_sizes(cell["agents"], 2), separation, cell["fleet_seed"])


@lru_cache(maxsize=8)
def _common_schedule(items: tuple[tuple[str, Any], ...]) -> Schedule:
    """One schedule for all Δ, as the agents do not know Δ: constants that are the worst over the fleets in between."""
    cell = dict(items)
    Delta0 = SEPARATION / (0.75 * 2.0 ** -cell["least_halvings"])
    fleets = [_separated(cell, k) for k in range(cell["least_halvings"], cell["most_halvings"] + 1)]
    found = [local_constants(fleet, noise_law(NOISE), Delta0) for fleet in fleets]
    worst = LocalConstants(
        h_max=max(c.h_max for c in found),
        h_min=min(c.h_min for c in found),
        V=max(c.V for c in found),
        variance=max(c.variance for c in found),
        radius_cap=min(c.radius_cap for c in found),
        Delta0_tilde=max(c.Delta0_tilde for c in found),
    )
    D, N = fleets[0].D, fleets[0].N
    constants = calibrated_constants(worst, D=D, Delta0=Delta0, minibatch_scale=cell["minibatch_scale"])
    return Schedule(constants, Delta0, cell["delta"], N, D)


def _simulate_heterogeneity(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """Runs to epoch L − 1 at least, one after the expected L̃; a run that is not exact by then counts as infinite."""
    k = cell["halvings"]
    fleet, L = _separated(cell, k), k + 2
    schedule = _common_schedule(tuple(sorted((n, v) for n, v in cell.items() if n != "halvings")))
    epochs = early_epoch(L) + 1
    experiment = Experiment(fleet, schedule, NOISE, horizon_for(fleet, schedule, epochs), schedule.rollouts_for(epochs))
    rows = []
    for seed in seeds:
        by_epoch = experiment.run("pcpo", seed=seed).groupby("epoch")
        first = settled(by_epoch["set_correct"].all().tolist())
        spent = by_epoch["rollouts"].first()
        rows.append(
            {
                "seed": seed,
                "agents": fleet.N,
                "Delta": fleet.separation,
                "L": L,
                "settled": first,
                "rollouts": float(spent.loc[int(first)]) if math.isfinite(first) else math.inf,
                "predicted_rollouts": float(schedule.rollouts_for(early_epoch(L))),
                "promised_rollouts": float(schedule.rollouts_for(L)),
                "mode": schedule.mode,
            }
        )
    return pd.DataFrame(rows)


HETEROGENEITY = Study(
    name="heterogeneity",
    title="Rollouts to correct clustering against the separation",
    cells=_heterogeneity_cells,
    simulate=_simulate_heterogeneity,
    columns={
        "seed": "seed of the run",
        "agents": "N",
        "Delta": "Δ, exact separation of the fleet (units of cost)",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "settled": "L̃, first epoch from which the sets stay exact; infinite if they were not by epoch L − 1",
        "rollouts": "rollouts per agent up to the end of epoch L̃, as counted; infinite with L̃",
        "predicted_rollouts": "rollouts per agent that the schedule spends up to epoch max(1, L − 2)",
        "promised_rollouts": "rollouts per agent that the schedule spends up to epoch L",
        "mode": "mode of the schedule's constants",
    },
    options={
        "halvings": several([1, 2, 3, 4], whole(), fewest=2),
        "agents": whole(4, least=2),
        "minibatch_scale": number(0.1),
        "delta": number(0.1, below=1),
        "fleet_seed": whole(8, least=0),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "clustering": CLUSTERING,
    "heterogeneity": HETEROGENEITY,
}
