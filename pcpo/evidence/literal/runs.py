"""Run PCPO with the constants of Table 2 as printed, on the moment oracle: the study `literal_runs`.

No simulator can afford the minibatches, of 10^13 rollouts and more.  The oracle replaces each by a normal draw of its
exact mean and covariance (`pcpo.oracles.moment`); the algorithm is the same as on simulated rollouts.  The table has a
row per run and epoch.
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
from pcpo.evidence.literal.fleets import CONTROL_KIND, KINDS, LAW, LiteralFleet, literal_fleet, small_fleet
from pcpo.experiments.driver import run
from pcpo.experiments.margins import margins
from pcpo.experiments.records import evaluate
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.moment import MomentOracle
from pcpo.theory.bounds import bound_by_minibatch, bound_by_rollouts
from pcpo.theory.literal_cases import promised
from pcpo.theory.predictions import steady_state_gap
from pcpo.theory.restricted_set import RESTRICTED

__all__ = ["MODE", "RUNS", "STUDIES", "RunsCell"]

#: Mode that tables and figures of these runs are labelled with.
MODE = "literal, moment oracle"
#: Separation of the fleet over the Δ that L is computed from, in the control "close".
_TOO_CLOSE = 1 / 20


@dataclass(frozen=True)
class RunsCell:
    """Describe one condition of the study `literal_runs`; what a negative control changes has the default "as printed".

    Args:
        kind: name of the kind of fleet.
        role: "grid" or "control:<name>".
        epochs: L̄.
        delta: δ, failure probability of a run.
        minibatch_scale: factor of M_l.
        iterations_scale: factor of R_l.
        step_scale: factor of η.
        closeness: separation of the fleet over the Δ that L is computed from.
        eliminate: whether PCPO applies the elimination (7).
    """

    kind: str
    role: str
    epochs: int
    delta: float
    minibatch_scale: float = 1.0
    iterations_scale: float = 1.0
    step_scale: float = 1.0
    closeness: float = 1.0
    eliminate: bool = True


def _cells(options: Mapping[str, Any]) -> dict[str, RunsCell]:
    """Make a cell of each kind of fleet, and the negative controls on the cheapest fleet, with three epochs."""
    delta = float(options["delta"])
    cells = {kind: RunsCell(kind, "grid", options["epochs"], delta) for kind in options["kinds"]}
    base = RunsCell(CONTROL_KIND, "control", 3, delta)
    controls = {
        "few_rollouts": replace(base, minibatch_scale=1e-8),
        "few_iterations": replace(base, iterations_scale=1e-3),
        "long_steps": replace(base, step_scale=1e4),
        "close": replace(base, closeness=_TOO_CLOSE),
        "no_elimination": replace(base, eliminate=False),
    }
    return cells | {name: replace(cell, role=f"control:{name}") for name, cell in controls.items()}


@dataclass(frozen=True, eq=False)
class _Case:
    """Hold what all runs of a cell share.

    Args:
        literal: the fleet with its constants.
        schedule: of the runs, changed by the negative control if the cell is one.
        by_minibatch: right-hand side of (35), ``(epochs, clusters)`` like the arrays below (units of cost).
        by_rollouts: right-hand side of (9).
        local: predicted mean gap of local policies.
        shared: predicted mean gap of global policies in the true cluster.
    """

    literal: LiteralFleet
    schedule: Schedule
    by_minibatch: FloatArray
    by_rollouts: FloatArray
    local: FloatArray
    shared: FloatArray


@lru_cache(maxsize=32)
def _case(cell: RunsCell) -> _Case:
    """Compute the schedule of a cell with the bounds and predictions.

    The bounds are those of the fleet's true constants, whatever a negative control changes in the schedule, and L is
    that of the separation without the factor `closeness`.
    """
    fleet, Delta0 = small_fleet(cell.kind, closeness=cell.closeness)
    literal = literal_fleet(fleet, Delta0, cell.delta)
    literal = replace(literal, separation=fleet.separation / cell.closeness)
    true = literal.schedule
    schedule = _changed(true, cell)
    plans = [schedule.plan(epoch) for epoch in range(1, cell.epochs + 1)]
    sizes = np.bincount(fleet.labels).tolist()
    totals, scale = np.cumsum([float(plan.rollouts) for plan in plans]), literal.found.Delta0_tilde
    return _Case(
        literal,
        schedule,
        np.array([[bound_by_minibatch(literal.problem, true, plan, size) for size in sizes] for plan in plans]),
        np.array([[bound_by_rollouts(literal.problem, true, scale, T, size) for size in sizes] for T in totals]),
        np.stack([_steady(fleet, plan, shared=False) for plan in plans]),
        np.stack([_steady(fleet, plan, shared=True) for plan in plans]),
    )


def _changed(schedule: Schedule, cell: RunsCell) -> Schedule:
    """Scale η, R_l and M_l as the cell says; R_l is inversely proportional to η, hence the second factor of c2."""
    c = schedule.constants
    changed = replace(
        c,
        c1=c.c1 * cell.step_scale,
        c2=c.c2 * cell.iterations_scale / cell.step_scale,
        c4=c.c4 * cell.minibatch_scale,
    )
    return replace(schedule, constants=changed)


def _steady(fleet: Fleet, plan: EpochPlan, *, shared: bool) -> FloatArray:
    """Predict the steady-state mean gaps by cluster ``(H,)``; NaN where η ≥ 2/h_max.

    Local policies have the minibatch M_l and the radius r^(loc), shared ones M_l·|M_j| and r^(global).
    """
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


def _simulate(cell: RunsCell, seeds: Sequence[int]) -> pd.DataFrame:
    case = _case(cell)
    found = pd.concat([_one_run(cell, case, seed) for seed in seeds], ignore_index=True)
    return found.assign(
        role=cell.role,
        kind=cell.kind,
        agents=case.literal.fleet.N,
        delta=cell.delta,
        Delta=case.literal.separation,
        L=promised(case.literal.separation, case.schedule.Delta0),
        minibatch_scale=cell.minibatch_scale,
        mode=MODE,
    )


def _one_run(cell: RunsCell, case: _Case, seed: int) -> pd.DataFrame:
    """Simulate a run and compare it with bounds and predictions, a row per epoch."""
    fleet, found = case.literal.fleet, case.literal.found
    algorithm = PCPO() if cell.eliminate else PCPO(last_elimination=0)
    oracle = MomentOracle(fleet, seed=seed, law=LAW)
    budget = case.schedule.rollouts_for(cell.epochs)
    result = run(algorithm, oracle, Setting(fleet.initial_gains, case.schedule), budget)
    table = evaluate(fleet, result, scenario=cell.kind, seed=seed)
    by_cluster = table.groupby(["epoch", "cluster"])
    local, shared = (_wide(by_cluster[f"{series}_gap"].mean()) for series in ("local", "global"))
    worst = _wide(by_cluster["global_gap"].max())
    by_epoch, root = table.groupby("epoch"), np.sqrt(np.bincount(fleet.labels))
    return margins(fleet, table).assign(
        seed=seed,
        bound_margin=(worst / case.by_minibatch).max(axis=1),
        rate_margin=(worst / case.by_rollouts).max(axis=1),
        restricted_margin=by_epoch["local_gap"].max().to_numpy() / (RESTRICTED * found.Delta0_tilde),
        local_gap=local.mean(axis=1),
        global_gap=shared.mean(axis=1),
        bound_35=case.by_minibatch.mean(axis=1),
        bound_9=case.by_rollouts.mean(axis=1),
        local_ratio=(local / case.local).mean(axis=1),
        global_ratio=(shared / case.shared).mean(axis=1),
        scaled_global=(root * shared / case.local).mean(axis=1),
        scaled_local=(root * local / case.local).mean(axis=1),
        unshared_ratio=(local / case.shared).mean(axis=1),
        minibatch=by_epoch["minibatch"].first().to_numpy(),
        iterations=by_epoch["iterations"].first().to_numpy(dtype=np.float64),
        nonfinite=by_epoch["nonfinite"].sum().to_numpy(dtype=np.float64),
        covariance_error=oracle.errors.covariance,
        mean_error=oracle.errors.mean,
    )


def _wide(values: pd.Series[float]) -> FloatArray:
    """Arrange values by epoch and cluster, ``(epochs, clusters)``."""
    return np.asarray(values.unstack("cluster").to_numpy(), dtype=np.float64)


RUNS = Study(
    name="literal_runs",
    title="PCPO with the constants of Table 2 as printed",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "seed of the run",
        "epoch": "epoch l",
        "role": "grid (claims) or control:<name>",
        "kind": "kind of fleet",
        "mode": "literal constants; minibatches replaced by normal draws of their exact mean and covariance",
        "agents": "N",
        "delta": "δ, failure probability of a run",
        "Delta": "Δ, separation that L is computed from (cost units): that of the fleet, except in control:close",
        "L": "min{l : Δ_l ≤ Δ/2}",
        "minibatch_scale": "factor of M_l: 1, except in control:few_rollouts",
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
        "bound_margin": "max over agents of (C(K̂) − C*)/(right-hand side of (35), if this were the last epoch)",
        "rate_margin": "max over agents of (C(K̂) − C*)/(right-hand side of (9), if this were the last epoch)",
        "local_gap": "C(X) − C*, mean over agents, then over clusters (cost units)",
        "global_gap": "C(K̂) − C*, mean over agents, then over clusters (cost units)",
        "bound_35": "right-hand side of (35), mean over clusters (cost units)",
        "bound_9": "right-hand side of (9), mean over clusters (cost units)",
        "local_ratio": "C(X) − C* over its steady-state prediction, mean over agents, then over clusters",
        "global_ratio": "C(K̂) − C* over its steady-state prediction in the true cluster, mean over clusters",
        "scaled_global": "√|M_j|·(C(K̂) − C*) over the prediction of local gaps, mean over clusters",
        "scaled_local": "the same for local policies, as if nobody collaborated",
        "unshared_ratio": "C(X) − C* over the prediction of global gaps, mean over clusters",
        "nonfinite": "saturated rollouts of all agents, up to 2^62 each",
        "covariance_error": "largest relative error in the run of the covariance that the oracle carries along",
        "mean_error": "the same for the mean that the oracle carries along, in standard deviations of a minibatch",
    },
    key=("seed", "epoch"),
    controls_only=lambda cell: cell not in KINDS,
    may_be_missing=frozenset(
        {"local_ratio", "global_ratio", "scaled_global", "scaled_local", "unshared_ratio", "bound_9", "rate_margin"}
    ),
    options={"kinds": names(list(KINDS)), "epochs": whole(4, least=3), "delta": number(0.05, below=1)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "literal_runs": RUNS,
}
