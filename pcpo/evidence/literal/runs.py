"""Study `literal_runs`: PCPO with the constants of Table 2 as printed, on the moment oracle; one row per run and epoch.

No simulator can afford the minibatches, of 10^13 rollouts and more; the oracle replaces each by a normal draw of its
exact mean and covariance (`pcpo.oracles.moment`).  Everything else is the program that runs on rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import names, number, whole
from pcpo.evidence.clustering.studies import margins
from pcpo.evidence.literal.fleets import CONTROL_KIND, KINDS, LAW, Literal, literal_fleet, promised, small_fleet
from pcpo.experiments.driver import run
from pcpo.experiments.records import evaluate
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.moment import MomentOracle
from pcpo.theory.bounds import bound_by_minibatch, bound_by_rollouts
from pcpo.theory.predictions import steady_state_gap
from pcpo.theory.restricted_set import RESTRICTED

__all__ = ["MODE", "RUNS", "STUDIES"]

#: What every table and figure of these runs says of them.
MODE = "literal, moment oracle"
_TOO_CLOSE = 1 / 20

#: Negative controls: what is changed in the schedule, the fleet or the algorithm.
_CONTROLS: dict[str, dict[str, Any]] = {
    "few_rollouts": {"minibatch_scale": 1e-8},
    "few_iterations": {"iterations_scale": 1e-3},
    "long_steps": {"step_scale": 1e4},
    "close": {"closeness": _TOO_CLOSE},
    "no_elimination": {"eliminate": 0},
}


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    plain = {"minibatch_scale": 1.0, "iterations_scale": 1.0, "step_scale": 1.0, "closeness": 1.0, "eliminate": 1}
    plain |= {"epochs": options["epochs"], "delta": float(options["delta"])}
    cells: dict[str, dict[str, Any]] = {kind: {**plain, "kind": kind, "role": "grid"} for kind in options["kinds"]}
    base = {**plain, "kind": CONTROL_KIND, "epochs": 3}
    for name, changes in _CONTROLS.items():
        cells[name] = {**base, **changes, "role": f"control:{name}"}
    return cells


@dataclass(frozen=True, eq=False)
class _Case:
    """What all runs of a cell share: fleet, schedule, and by epoch and cluster ``(epochs, clusters)`` the bounds (35)
    and (9) and the predicted mean gaps, local and global (units of cost)."""

    literal: Literal
    schedule: Schedule
    by_minibatch: FloatArray
    by_rollouts: FloatArray
    local: FloatArray
    shared: FloatArray


def _case(cell: Mapping[str, Any]) -> _Case:
    return _cached_case(tuple(sorted(cell.items())))


@lru_cache(maxsize=32)
def _cached_case(items: tuple[tuple[str, Any], ...]) -> _Case:
    """Constants and bounds are those of the fleet, whatever the control spoils in the schedule; L is of the separation
    that was wanted."""
    cell = dict(items)
    fleet, Delta0 = small_fleet(cell["kind"], closeness=cell["closeness"])
    literal = literal_fleet(fleet, Delta0, cell["delta"])
    literal = replace(literal, separation=fleet.separation / cell["closeness"])
    true = literal.schedule
    c = true.constants
    spoiled = replace(
        c,
        c1=c.c1 * cell["step_scale"],
        c2=c.c2 * cell["iterations_scale"] / cell["step_scale"],
        c4=c.c4 * cell["minibatch_scale"],
    )
    schedule = replace(true, constants=spoiled)
    plans, sizes = [schedule.plan(epoch) for epoch in range(1, cell["epochs"] + 1)], np.bincount(fleet.labels).tolist()
    totals, scale = np.cumsum([float(plan.rollouts) for plan in plans]), literal.found.Delta0_tilde
    return _Case(
        literal,
        schedule,
        np.array([[bound_by_minibatch(literal.problem, true, plan, size) for size in sizes] for plan in plans]),
        np.array([[bound_by_rollouts(literal.problem, true, scale, T, size) for size in sizes] for T in totals]),
        np.stack([_steady(fleet, plan, shared=False) for plan in plans]),
        np.stack([_steady(fleet, plan, shared=True) for plan in plans]),
    )


def _steady(fleet: Fleet, plan: EpochPlan, *, shared: bool) -> FloatArray:
    """Steady-state mean gaps by cluster: minibatch M_l and r^(loc), or M_l|M_j| and r^(global); NaN if η ≥ 2/h_max."""
    sizes = np.bincount(fleet.labels)
    radii = plan.radius_global(sizes)[0] if shared else np.full(fleet.H, plan.radius_local)
    gaps = np.full(fleet.H, np.nan)
    for j, system in enumerate(fleet.systems):
        if plan.step_size * lqr.hessian_eigenvalues(system)[-1] < 2:
            size = float(sizes[j]) if shared else 1.0
            gaps[j] = steady_state_gap(
                system, step_size=plan.step_size, radius=float(radii[j]), minibatch=plan.minibatch * size, law=LAW
            ).gap
    return gaps


def _rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    case = _case(cell)
    found = pd.concat([_one(cell, case, seed) for seed in seeds], ignore_index=True)
    return found.assign(
        role=cell["role"],
        kind=cell["kind"],
        agents=case.literal.fleet.N,
        delta=cell["delta"],
        Delta=case.literal.separation,
        L=promised(case.literal.separation, case.schedule.Delta0),
        minibatch_scale=cell["minibatch_scale"],
        mode=MODE,
    )


def _one(cell: Mapping[str, Any], case: _Case, seed: int) -> pd.DataFrame:
    """One run: its margins by epoch."""
    fleet, found = case.literal.fleet, case.literal.found
    algorithm = PCPO() if cell["eliminate"] else PCPO(last_elimination=0)
    oracle = MomentOracle(fleet, seed=seed, law=LAW)
    budget = case.schedule.rollouts_for(cell["epochs"])
    result = run(algorithm, oracle, Setting(fleet.initial_gains, case.schedule), budget)
    table = evaluate(fleet, result, scenario=cell["kind"], seed=seed)
    by_cluster = table.groupby(["epoch", "cluster"])
    own, shared = (_wide(by_cluster[f"{series}_gap"].mean()) for series in ("local", "global"))
    worst = _wide(by_cluster["global_gap"].max())
    by_epoch, root = table.groupby("epoch"), np.sqrt(np.bincount(fleet.labels))
    return margins(fleet, table).assign(
        seed=seed,
        bound_margin=(worst / case.by_minibatch).max(axis=1),
        rate_margin=(worst / case.by_rollouts).max(axis=1),
        restricted_margin=by_epoch["local_gap"].max().to_numpy() / (RESTRICTED * found.Delta0_tilde),
        local_gap=own.mean(axis=1),
        global_gap=shared.mean(axis=1),
        bound_35=case.by_minibatch.mean(axis=1),
        bound_9=case.by_rollouts.mean(axis=1),
        local_ratio=(own / case.local).mean(axis=1),
        global_ratio=(shared / case.shared).mean(axis=1),
        scaled_global=(root * shared / case.local).mean(axis=1),
        scaled_local=(root * own / case.local).mean(axis=1),
        unshared_ratio=(own / case.shared).mean(axis=1),
        minibatch=by_epoch["minibatch"].first().to_numpy(),
        iterations=by_epoch["iterations"].first().to_numpy(dtype=np.float64),
        nonfinite=by_epoch["nonfinite"].sum().to_numpy(dtype=np.float64),
        covariance_error=oracle.errors.covariance,
        mean_error=oracle.errors.mean,
    )


def _wide(values: pd.Series[float]) -> FloatArray:
    """By epoch and cluster."""
    return np.asarray(values.unstack("cluster").to_numpy(), dtype=np.float64)


RUNS = Study(
    name="literal_runs",
    title="PCPO with the constants of Table 2 as printed",
    cells=_cells,
    simulate=_rows,
    columns={
        "seed": "seed of the run",
        "epoch": "epoch l",
        "role": "grid (claims) or control:<name>",
        "kind": "kind of fleet",
        "mode": "literal constants; minibatches replaced by normal draws of their exact mean and covariance",
        "agents": "N",
        "delta": "δ, failure probability of a run",
        "Delta": "Δ, separation that L is computed from (cost units); the fleet's own but in control:close",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "minibatch_scale": "factor of M_l, 1 but in control:few_rollouts",
        "Delta_l": "Δ_l (cost units)",
        "minibatch": "M_l (rollouts)",
        "iterations": "R_l",
        "rollouts": "rollouts per agent, up to and including this epoch, as the schedule counts them",
        "margin": "max over agents of |Ĉ(X) − C*|/(Δ_l/4), eq. (22)",
        "gap_margin": "max over agents of (C(X) − C*)/(Δ_l/8), eq. (23a)",
        "estimate_margin": "max over agents of |Ĉ(X) − C(X)|/(Δ_l/8), eq. (23b)",
        "restricted_margin": "max over agents of (C(X) − C*)/(10Δ̃_0); above 1: outside (12)",
        "lost": "1 if an agent's set lacks a member of its true cluster, else 0",
        "exact": "1 if all sets are the true clusters, else 0",
        "bound_margin": "max over agents of (C(K̂) − C*)/(right-hand side of (35), were this the last epoch)",
        "rate_margin": "max over agents of (C(K̂) − C*)/(right-hand side of (9), were this the last epoch)",
        "local_gap": "C(X) − C*, mean over agents, then over clusters (cost units)",
        "global_gap": "C(K̂) − C*, mean over agents, then over clusters (cost units)",
        "bound_35": "right-hand side of (35), mean over clusters (cost units)",
        "bound_9": "right-hand side of (9), mean over clusters (cost units)",
        "local_ratio": "C(X) − C* over its steady-state prediction, mean over agents, then over clusters",
        "global_ratio": "C(K̂) − C* over its steady-state prediction in the true cluster, mean over clusters",
        "scaled_global": "√|M_j|·(C(K̂) − C*) over the prediction of local gaps, mean over clusters",
        "scaled_local": "the same of local policies, as if nobody collaborated",
        "unshared_ratio": "C(X) − C* over the prediction of global gaps, mean over clusters",
        "nonfinite": "saturated rollouts of all agents, up to 2^62 each",
        "covariance_error": "error of the oracle's carried covariance, relative, largest found in the run",
        "mean_error": "error of its carried mean, in standard deviations of a minibatch, largest found in the run",
    },
    key=("seed", "epoch"),
    may_be_missing=frozenset(
        {"local_ratio", "global_ratio", "scaled_global", "scaled_local", "unshared_ratio", "bound_9", "rate_margin"}
    ),
    options={"kinds": names(list(KINDS)), "epochs": whole(4, least=3), "delta": number(0.05, below=1)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "literal_runs": RUNS,
}
