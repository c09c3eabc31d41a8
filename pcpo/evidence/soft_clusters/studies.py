"""Simulate `pcpo_soft` beside its alternatives, on random fleets whose clusters are near or far.

A seed draws a fleet at every distance: same cluster 0, same lines from it, same starts.  All methods run on it with the
same rollouts.  The sets that a choice is compared with (alone, known, everyone) run in the same class and with the same
draws, so that two methods with the same sets have the same gap, but for what is left of the start of the last epoch;
the registered methods of these sets run beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.baselines.naive_average import NaiveAverage
from pcpo.algorithms.baselines.oracle_clusters import OracleClusters
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Algorithm
from pcpo.algorithms.soft import PCPOSoft
from pcpo.claims.contract import Study
from pcpo.claims.options import key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.evidence.soft_clusters.population import Drawn, Range, draw, unstable
from pcpo.theory.rates import gap_law, optimal_hessians

__all__ = ["FAR", "METHODS", "REGISTERED", "STUDIES", "WEIGHTS", "Cell", "averaging_gap", "label"]

FAR = "far"
#: Methods by their names in the tables, all with the same draws in an epoch's last R_l iterations.
METHODS: Mapping[str, Algorithm] = {
    "soft": PCPOSoft(),
    "hard": PCPO(synchronise_first=True),
    "alone": PCPOSoft(sets="alone"),
    "known": PCPOSoft(sets="known"),
    "everyone": PCPOSoft(sets="everyone"),
}
#: The choice with something wrong on purpose.
WEIGHTS: Mapping[str, Algorithm] = {
    "bias_tenth": PCPOSoft(bias_weight=0.1),
}
#: Registered methods and their sets, at the same rollouts; they run where optimal gains are equal.
REGISTERED: Mapping[str, str] = {"local": "alone", "oracle_clusters": "known", "naive_average_sync": "everyone"}
_MADE: Mapping[str, Algorithm] = {
    one.name: one for one in (Local(), OracleClusters(), NaiveAverage(synchronise_first=True))
}


@dataclass(frozen=True)
class Cell:
    """Describe the runs of a seed: the distances ρ, to which come far clusters, and what all fleets share.

    wrong_every: one seed in so many has the methods of `WEIGHTS`.
    """

    distances: tuple[float, ...]
    chosen: Range
    wrong_every: int


def label(distance: float) -> str:
    """Return the name of a distance in tables: "0.25", or "far"."""
    return FAR if distance == inf else f"{distance:g}"


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make the one cell, so that the fleets of a seed are drawn together."""
    chosen = Range(
        options["epochs"], float(options["Delta0"]), float(options["minibatch_scale"]), float(options["separation"])
    )
    distances = tuple(sorted(float(one) for one in options["distances"]))
    if not {0.0, 1.0, 4.0} <= set(distances):
        key, found = key_of("soft_clusters", "distances"), ", ".join(f"{one:g}" for one in distances)
        raise ConfigError(f"{key}: found {found}, expected 0, 1 and 4 among them, which claims and controls are about")
    return {"distances": Cell(distances, chosen, options["wrong_every"])}


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run the methods on the fleets of every seed: a row per seed, distance and method."""
    rows = []
    for seed in map(int, seeds):
        methods = dict(METHODS)
        if seed % cell.wrong_every == 0:
            methods |= WEIGHTS
        for distance in (*cell.distances, inf):
            drawn = draw(seed, distance, cell.chosen)
            known = {"seed": seed, "distance": label(distance), **_described(drawn, seed)}
            others = {name: _MADE[name] for name in REGISTERED} if distance == 0 else {}
            rows += [{**known, "method": name, **_run(drawn, one, seed)} for name, one in (methods | others).items()]
    return pd.DataFrame(rows)[list(_COLUMNS)]


def _described(drawn: Drawn, seed: int) -> dict[str, Any]:
    """Describe a fleet and its schedule in columns, gaps in units of the local one."""
    fleet, setting = drawn.experiment.fleet, drawn.experiment
    bias, noise = averaging_gap(drawn)
    return {
        "mode": setting.short_mode,
        "minibatch_scale": drawn.minibatch_scale,
        "n": fleet.n,
        "m": fleet.m,
        "open_loop": "unstable" if unstable(seed) else "stable",
        "agents": fleet.N,
        "clusters": fleet.H,
        "separation": fleet.separation,
        "unit": drawn.local_gap,
        "everyone_form": (bias + noise) / drawn.local_gap,
        "pairs_form": (2 * bias + noise) / drawn.local_gap,
    }


def averaging_gap(drawn: Drawn) -> tuple[float, float]:
    """Return the parts of the mean gap of everyone in one set after the last epoch, closed form (cost units).

    They are the bias of the mean, b([N])/N, and what noise and smoothing leave.  The mean over pairs of
    ½‖K_i* − K_j*‖²_H is twice that bias, for equal curvatures: Σ_ij ‖K_i − K_j‖² = 2N Σ_i ‖K_i − K̄‖².
    """
    fleet, setting = drawn.experiment.fleet, drawn.experiment
    plan = setting.planned.plan(setting.epochs)
    H, K = optimal_hessians(fleet)[fleet.labels], fleet.optimal_gains[fleet.labels].reshape(fleet.N, -1)
    K_S = np.linalg.solve(H.sum(axis=0), np.einsum("nij,nj->i", H, K))
    bias = 0.5 * np.einsum("ni,nij,nj->n", K - K_S, H, K - K_S).mean()
    radius = float(plan.radius_global(np.array([fleet.N]))[0][0])
    rollouts, laws = float(plan.minibatch) * fleet.N, [gap_law(system, drawn.law) for system in fleet.systems]
    noise = [one.gap(radius, rollouts, step_size=plan.step_size, spread=one.second_moment) for one in laws]
    return float(bias), float(np.array(noise)[fleet.labels].mean())


def _run(drawn: Drawn, method: Algorithm, seed: int) -> dict[str, Any]:
    """Run a method and describe the end; a policy that is worse than K⁰, or infinite, counts as K⁰."""
    fleet = drawn.experiment.fleet
    result = drawn.experiment.result(method, seed=seed)
    start, gaps = fleet.gaps(fleet.initial_gains), fleet.gaps(result.final.global_gains)
    kept = np.where(np.isfinite(gaps), np.minimum(gaps, start), start)
    sets, labels = result.final.neighbourhoods, fleet.labels
    together, same = sets.dense(), labels[:, None] == labels
    return {
        "rollouts": float(result.final.rollouts),
        "gap": float(kept.mean()) / drawn.local_gap,
        "infinite": int((~np.isfinite(gaps)).sum()),
        "sets": sets.count,
        "exact": int((together == same).all()),
        "mixed": int((together & ~same).any()),
        "everyone": int(together.all()),
    }


_COLUMNS = {
    "seed": "number of the fleet, and seed of its runs",
    "distance": "ρ = ½‖K_j* − K_0*‖²_H over the local gap, of the clusters from cluster 0; or far",
    "method": "method",
    "mode": "mode of the schedule's constants, and the oracle",
    "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
    "n": "states",
    "m": "inputs",
    "open_loop": "stable, or unstable: K = 0 has infinite cost in cluster 0",
    "agents": "N",
    "clusters": "H",
    "separation": "Δ (cost units, C* = 20)",
    "unit": "local gap of cluster 0 after the last epoch, closed form (cost units): the unit of gaps",
    "rollouts": "T, rollouts per agent",
    "gap": "C(K̂) − C*, mean over agents, that of K⁰ for an agent whose gap is larger (units of the local gap)",
    "infinite": "agents whose policy has infinite cost",
    "sets": "different sets at the end",
    "exact": "1 if all sets are the true clusters, else 0",
    "mixed": "1 if a set holds agents of two clusters, else 0",
    "everyone": "1 if all agents are in one set, else 0",
    "everyone_form": "mean gap of everyone in one set, closed form (units of the local gap)",
    "pairs_form": "the same with the mean over pairs in place of the bias of the mean (units of the local gap)",
}

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "soft_clusters": Study(
        name="soft_clusters",
        title="Gaps with chosen sets, where clusters are near or far",
        cells=_cells,
        simulate=_simulate,
        columns=_COLUMNS,
        key=("seed", "distance", "method"),
        options={
            "distances": several([0, 0.25, 1, 2, 4, 16, 64], number(least=0), fewest=2),
            "epochs": whole(5, least=2),
            "Delta0": number(12.0),
            "minibatch_scale": number(1.0),
            "separation": number(8.0),
            "wrong_every": whole(1),
        },
    ),
}
