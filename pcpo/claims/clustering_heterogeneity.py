"""The study `heterogeneity`: how many rollouts PCPO takes until its clusters are right, against the separation Δ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from ..calibration import LocalConstants, calibrated_constants, horizon_for, local_constants
from ..experiment import Experiment
from ..fleet import Fleet
from ..randomness import noise_law
from ..schedule import Schedule
from .clustering_fleets import NOISE, SEPARATION, cluster_sizes, early_epoch, settled, small_fleet
from .contract import Study
from .options import number, several, whole

__all__ = ["HETEROGENEITY"]


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
