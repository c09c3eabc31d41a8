"""Run PCPO on small random fleets of known separation: the studies `clustering` and `heterogeneity`.

`clustering` records the margins and the neighbourhood sets of every epoch, for many kinds of fleets and minibatches.
`heterogeneity` counts the rollouts until the sets are right, for separations Δ that differ by powers of two.

The fleets are chosen for cheap rollouts: γ = ½ and a well-conditioned draw.  Their separation lies at a chosen place of
the schedule, Δ = p·Δ_0·2^(−k): p in [½, 1) is the *position* in the octave between two precisions Δ_l (¾ is mid-bin)
and k the number of *halvings*, so that L = min{l : Δ_l ≤ Δ/2} = k + 2.

The oracle is "auto": minibatches below M* are simulated, those from M* on are drawn from their exact moments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from pcpo.experiments.margins import margins
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import cluster_sizes
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import LocalConstants, calibrated_constants, horizon_for, local_constants

__all__ = [
    "CLUSTERING",
    "HETEROGENEITY",
    "STUDIES",
    "ClusteringCell",
    "HeterogeneityCell",
    "early_epoch",
    "settled",
]

# -------------------------------------------------------------------------------------------------- what both share

_NOISE = "signs"
_GAMMA = 0.5
#: C*_1 of every fleet, largest separation and initial gap, in the same units of cost.
_OPTIMAL_COST = 4.0
_SEPARATION = 4.0
_INITIAL_GAP = 0.5
_MID_BIN = 0.75


def early_epoch(L: int) -> int:
    """Return max(1, L − 2), the epoch in which accurate estimates separate the clusters.

    For Δ away from the edges of the octave, Δ_(L−2) < 2Δ ≤ Δ_(L−3).
    """
    return max(1, L - 2)


def settled(exact: Sequence[bool]) -> float:
    """Return L̃, the first epoch from which the sets stay exact to the end of the run.

    Args:
        exact: for each epoch from the first on, whether all sets are the true clusters.

    Returns:
        The epoch, infinite if the sets of the last epoch are not exact.
    """
    wrong = np.flatnonzero(~np.asarray(exact, dtype=bool))
    if len(wrong) == 0:
        return 1.0
    return math.inf if wrong[-1] == len(exact) - 1 else float(wrong[-1] + 2)


def _small_fleet(states: int, sizes: Sequence[int], separation: float, fleet_seed: int) -> Fleet:
    """Draw a fleet with one input; its first cluster depends on the seed and the number of states alone."""
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


# ------------------------------------------------------------------------------------------------------- clustering

#: Factors of which one at a time is varied; each is an option with a list of values, of which the first is the base.
_FACTORS = ("agents", "clusters", "halvings", "states", "after")
#: Separation of the fleet over the Δ that L is computed from, in the control "close".
_TOO_CLOSE = 1 / 20


@dataclass(frozen=True)
class ClusteringCell:
    """Describe one condition of the study `clustering`.

    Args:
        role: "grid", "sweep", "edge" or "control:<name>", as in the column `role`.
        agents: N.
        clusters: H.
        halvings: k, with Δ = p·Δ_0·2^(−k).
        states: n.
        after: epochs simulated after epoch L.
        position: p.
        minibatch_scale: κ_M, the factor of the calibrated minibatches.
        closeness: separation of the fleet over the Δ that L is computed from.
        eliminate: whether PCPO applies the elimination (7).
        delta: δ, failure probability of a run.
        fleet_seed: seed of the random fleet.
    """

    role: str
    agents: int
    clusters: int
    halvings: int
    states: int
    after: int
    position: float
    minibatch_scale: float
    closeness: float
    eliminate: bool
    delta: float
    fleet_seed: int

    @property
    def L(self) -> int:
        """Return L = min{l : Δ_l ≤ Δ/2}."""
        return self.halvings + 2


def _clustering_cells(options: Mapping[str, Any]) -> dict[str, ClusteringCell]:
    """Vary one factor at a time from a base cell; then the minibatches, the position, and the negative controls."""
    scale = float(options["minibatch_scale"])
    base = ClusteringCell(
        **{factor: options[factor][0] for factor in _FACTORS},
        role="grid",
        position=_MID_BIN,
        minibatch_scale=scale,
        closeness=1.0,
        eliminate=True,
        delta=float(options["delta"]),
        fleet_seed=options["fleet_seed"],
    )
    cells = {"base": base}
    for factor in _FACTORS:
        cells |= {f"{factor}_{value}": replace(base, **{factor: value}) for value in options[factor][1:]}
    for s in options["smaller_minibatches"]:
        cells[f"scale_{s:g}"] = replace(base, role="sweep", minibatch_scale=scale * s)
    for p in options["positions"]:
        cells[f"position_{p:g}"] = replace(base, role="edge", halvings=2, position=p)
    cells |= _clustering_controls(base)
    for name, cell in cells.items():
        if cell.agents <= cell.clusters:
            key = key_of("clustering", "agents")
            raise ConfigError(
                f"{key}: found {cell.agents} in cell {name}, expected more than its {cell.clusters} clusters"
            )
    return cells


def _clustering_controls(base: ClusteringCell) -> dict[str, ClusteringCell]:
    """Return the cells of the negative controls.

    They have small minibatches, since few rollouts are enough to be wrong; (22) still holds at 0.3 of the calibrated
    ones.
    """
    scale = base.minibatch_scale
    noisy = replace(base, minibatch_scale=0.001 * scale)
    no_elimination = replace(base, eliminate=False, minibatch_scale=0.3 * scale)
    close = replace(base, closeness=_TOO_CLOSE, minibatch_scale=0.3 * scale)
    edge = replace(base, position=0.501, agents=8, minibatch_scale=0.1 * scale)
    cells = {"noisy": noisy, "no_elimination": no_elimination, "close": close, "edge": edge}
    return {name: replace(cell, role=f"control:{name}") for name, cell in cells.items()}


def _clustering_experiment(cell: ClusteringCell) -> Experiment:
    sizes = cluster_sizes(cell.agents, cell.clusters)
    return Experiment.calibrated(
        _small_fleet(cell.states, sizes, cell.closeness * _SEPARATION, cell.fleet_seed),
        Delta0=_SEPARATION / (cell.position * 2.0**-cell.halvings),
        delta=cell.delta,
        minibatch_scale=cell.minibatch_scale,
        noise=_NOISE,
        epochs=cell.L + cell.after,
        oracle="auto",
    )


def _simulate_clustering(cell: ClusteringCell, seeds: Sequence[int]) -> pd.DataFrame:
    experiment = _clustering_experiment(cell)
    algorithm = PCPO() if cell.eliminate else PCPO(last_elimination=0)
    frames = [margins(experiment.fleet, experiment.run(algorithm, seed=seed)).assign(seed=seed) for seed in seeds]
    return pd.concat(frames, ignore_index=True).assign(
        role=cell.role,
        states=cell.states,
        agents=cell.agents,
        clusters=cell.clusters,
        minibatch_scale=cell.minibatch_scale,
        delta=cell.delta,
        Delta=_SEPARATION,
        L=cell.L,
        mode=experiment.short_mode,
    )


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
        "Delta": "Δ, separation that L is computed from (units of cost): that of the fleet, except in control:close",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "Delta_l": "Δ_l (units of cost)",
        "margin": "max over agents of |Ĉ(X) − C*|/(Δ_l/4), eq. (22)",
        "gap_margin": "max over agents of (C(X) − C*)/(Δ_l/8), eq. (23a); infinite for a policy of infinite cost",
        "estimate_margin": "max over agents of |Ĉ(X) − C(X)|/(Δ_l/8), eq. (23b)",
        "lost": "1 if an agent's set lacks a member of its true cluster, else 0",
        "exact": "1 if all sets are the true clusters, else 0",
        "rollouts": "rollouts per agent, up to and including this epoch",
        "mode": "mode of the schedule's constants, and the oracle",
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

# ---------------------------------------------------------------------------------------------------- heterogeneity


@dataclass(frozen=True)
class HeterogeneityCell:
    """Describe one condition of the study `heterogeneity`.

    Args:
        halvings: k, with Δ = ¾Δ_0·2^(−k).
        least_halvings: smallest k of the study.
        most_halvings: largest k of the study.
        agents: N.
        minibatch_scale: κ_M, the factor of the calibrated minibatches.
        delta: δ, failure probability of a run.
        fleet_seed: seed of the random fleet.
    """

    halvings: int
    least_halvings: int
    most_halvings: int
    agents: int
    minibatch_scale: float
    delta: float
    fleet_seed: int


def _heterogeneity_cells(options: Mapping[str, Any]) -> dict[str, HeterogeneityCell]:
    halvings = sorted(options["halvings"])
    shared = {name: value for name, value in options.items() if name != "halvings"}
    shared |= {"least_halvings": halvings[0], "most_halvings": halvings[-1]}
    return {f"halvings_{k}": HeterogeneityCell(halvings=k, **shared) for k in halvings}


def _separated(cell: HeterogeneityCell) -> Fleet:
    """Draw the fleet with Δ = ¾Δ_0·2^(−k); cluster 1, and the dynamics and K* of cluster 2, are the same for all k."""
    separation = _SEPARATION * 2.0 ** (cell.least_halvings - cell.halvings)
    return _small_fleet(1, cluster_sizes(cell.agents, 2), separation, cell.fleet_seed)


def _common_schedule(cell: HeterogeneityCell) -> Schedule:
    """Return the schedule of all Δ, which the agents do not know."""
    return _cached_schedule(replace(cell, halvings=cell.least_halvings))


@lru_cache(maxsize=8)
def _cached_schedule(easiest: HeterogeneityCell) -> Schedule:
    """Calibrate a schedule by the worst constants of the fleets of all k, from the cell with the smallest k."""
    Delta0 = _SEPARATION / (_MID_BIN * 2.0**-easiest.least_halvings)
    halvings = range(easiest.least_halvings, easiest.most_halvings + 1)
    fleets = [_separated(replace(easiest, halvings=k)) for k in halvings]
    found = [local_constants(fleet, noise_law(_NOISE), Delta0) for fleet in fleets]
    worst = LocalConstants(
        h_max=max(c.h_max for c in found),
        h_min=min(c.h_min for c in found),
        V=max(c.V for c in found),
        variance=max(c.variance for c in found),
        radius_cap=min(c.radius_cap for c in found),
        Delta0_tilde=max(c.Delta0_tilde for c in found),
    )
    D, N = fleets[0].D, fleets[0].N
    constants = calibrated_constants(worst, D=D, Delta0=Delta0, minibatch_scale=easiest.minibatch_scale)
    return Schedule(constants, Delta0, easiest.delta, N, D)


def _simulate_heterogeneity(cell: HeterogeneityCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run PCPO for one epoch more than the expected L̃; sets that are not exact by then count as infinitely late."""
    fleet, schedule, L = _separated(cell), _common_schedule(cell), cell.halvings + 2
    epochs = early_epoch(L) + 1
    horizon, budget = horizon_for(fleet, schedule, epochs), schedule.rollouts_for(epochs)
    experiment = Experiment(fleet, schedule, _NOISE, horizon, budget, "auto")
    rows = []
    for seed in seeds:
        by_epoch = experiment.run(PCPO(), seed=seed).groupby("epoch")
        first = settled(by_epoch["set_correct"].all().tolist())
        spent = by_epoch["rollouts"].first()
        rows.append(
            {
                "seed": seed,
                "agents": fleet.N,
                "minibatch_scale": cell.minibatch_scale,
                "Delta": fleet.separation,
                "L": L,
                "settled": first,
                "rollouts": float(spent.loc[int(first)]) if math.isfinite(first) else math.inf,
                "predicted_rollouts": float(schedule.rollouts_for(early_epoch(L))),
                "promised_rollouts": float(schedule.rollouts_for(L)),
                "mode": experiment.short_mode,
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
        "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
        "Delta": "Δ, exact separation of the fleet (units of cost)",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "settled": "L̃, first epoch from which the sets stay exact; infinite if they are not exact in epoch L − 1",
        "rollouts": "rollouts per agent up to the end of epoch L̃, as counted; infinite if L̃ is",
        "predicted_rollouts": "rollouts per agent that the schedule spends up to epoch max(1, L − 2)",
        "promised_rollouts": "rollouts per agent that the schedule spends up to epoch L",
        "mode": "mode of the schedule's constants, and the oracle",
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
