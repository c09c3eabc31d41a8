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

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import EpochPlan, Schedule, proof_constants
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import names, number, whole
from pcpo.evidence.literal.fleets import (
    CONTROL_KIND,
    KINDS,
    LAW,
    MODE,
    LiteralFleet,
    changed_schedule,
    literal_fleet,
    small_fleet,
)
from pcpo.experiments.driver import run
from pcpo.experiments.margins import margins
from pcpo.experiments.records import evaluate
from pcpo.oracles.moment import MomentOracle
from pcpo.theory.printed.bounds import bound_by_minibatch, bound_by_rollouts
from pcpo.theory.printed.literal_cases import promised
from pcpo.theory.printed.restricted_set import RESTRICTED

__all__ = ["RUNS", "STUDIES", "RunsCell"]

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
        noise: second term of the right-hand side of (24), ``(epochs,)`` (units of cost).
        left: factor of S_0 in (24), ``(epochs,)``.
    """

    literal: LiteralFleet
    schedule: Schedule
    by_minibatch: FloatArray
    by_rollouts: FloatArray
    noise: FloatArray
    left: FloatArray


@lru_cache(maxsize=32)
def _case(cell: RunsCell) -> _Case:
    """Compute the schedule of a cell with the bounds.

    The bounds are those of the fleet's true constants, whatever a negative control changes in the schedule, and L is
    that of the separation without the factor `closeness`.
    """
    fleet, Delta0 = small_fleet(cell.kind, closeness=cell.closeness)
    literal = literal_fleet(fleet, Delta0, cell.delta)
    literal = replace(literal, separation=fleet.separation / cell.closeness)
    true = literal.schedule
    schedule = changed_schedule(
        true, minibatch=cell.minibatch_scale, iterations=cell.iterations_scale, step=cell.step_scale
    )
    plans = [schedule.plan(epoch) for epoch in range(1, cell.epochs + 1)]
    sizes = np.bincount(fleet.labels).tolist()
    totals, scale = np.cumsum([float(plan.rollouts) for plan in plans]), literal.found.Delta0_tilde
    return _Case(
        literal,
        schedule,
        np.array([[bound_by_minibatch(literal.problem, true, plan, size) for size in sizes] for plan in plans]),
        np.array([[bound_by_rollouts(literal.problem, true, scale, T, size) for size in sizes] for T in totals]),
        np.array([_lemma_9_noise(literal, true.plan(epoch)) for epoch in range(1, cell.epochs + 1)]),
        np.array([_lemma_9_left(literal, true.plan(epoch)) for epoch in range(1, cell.epochs + 1)]),
    )


def _lemma_9_noise(literal: LiteralFleet, plan: EpochPlan) -> float:
    """Return (c_(p,9)D/√M_l)·√log(2D/δ') of (24), with δ' = δ_l/(4NR_l) as Appendix B sets it (units of cost)."""
    fleet, schedule = literal.fleet, literal.schedule
    _, c9, _ = proof_constants(literal.problem, D=fleet.D, Delta0=schedule.Delta0)
    return c9 * fleet.D * float(np.sqrt(plan.log_term / plan.minibatch))


def _lemma_9_left(literal: LiteralFleet, plan: EpochPlan) -> float:
    """Return (1 − ημ/4)^R_l of (24)."""
    return float((1 - plan.step_size * literal.problem.pl / 4) ** plan.iterations)


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
    worst = _wide(by_cluster["global_gap"].max())
    by_epoch = table.groupby("epoch")
    local = _by_agent(table, "local_gap")
    before = np.concatenate([fleet.gaps(fleet.initial_gains)[None], local[:-1]])
    allowed = case.left[:, None] * before + case.noise[:, None]
    with np.errstate(invalid="ignore"):  # ∞/∞ once a control has lost an agent
        lemma_9 = (local / allowed).max(axis=1)
    return margins(fleet, table).assign(
        seed=seed,
        bound_margin=(worst / case.by_minibatch).max(axis=1),
        rate_margin=(worst / case.by_rollouts).max(axis=1),
        restricted_margin=by_epoch["local_gap"].max().to_numpy() / (RESTRICTED * found.Delta0_tilde),
        lemma_9_margin=lemma_9,
        local_gap=_wide(by_cluster["local_gap"].mean()).mean(axis=1),
        global_gap=_wide(by_cluster["global_gap"].mean()).mean(axis=1),
        bound_35=case.by_minibatch.mean(axis=1),
        bound_9=case.by_rollouts.mean(axis=1),
        minibatch=by_epoch["minibatch"].first().to_numpy(),
        iterations=by_epoch["iterations"].first().to_numpy(dtype=np.float64),
        nonfinite=by_epoch["nonfinite"].sum().to_numpy(dtype=np.float64),
        covariance_error=oracle.errors.covariance,
        mean_error=oracle.errors.mean,
    )


def _wide(values: pd.Series[float]) -> FloatArray:
    """Arrange values by epoch and cluster, ``(epochs, clusters)``."""
    return np.asarray(values.unstack("cluster").to_numpy(), dtype=np.float64)


def _by_agent(table: pd.DataFrame, column: str) -> FloatArray:
    """Arrange a column of `evaluate` by epoch and agent, ``(epochs, agents)``."""
    return np.asarray(table.pivot(index="epoch", columns="agent", values=column).to_numpy(), dtype=np.float64)


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
        "lemma_9_margin": "max over agents of (C(X_l) − C*)/(right-hand side of (24) from X_(l−1)); NaN after ∞",
        "lost": "1 if an agent's set lacks a member of its true cluster, else 0",
        "exact": "1 if all sets are the true clusters, else 0",
        "bound_margin": "max over agents of (C(K̂) − C*)/(right-hand side of (35), if this were the last epoch)",
        "rate_margin": "max over agents of (C(K̂) − C*)/(right-hand side of (9), if this were the last epoch)",
        "local_gap": "C(X) − C*, mean over agents, then over clusters (cost units)",
        "global_gap": "C(K̂) − C*, mean over agents, then over clusters (cost units)",
        "bound_35": "right-hand side of (35), mean over clusters (cost units)",
        "bound_9": "right-hand side of (9), mean over clusters (cost units)",
        "nonfinite": "saturated rollouts of all agents, up to 2^62 each",
        "covariance_error": "largest relative error in the run of the covariance that the oracle carries along",
        "mean_error": "the same for the mean that the oracle carries along, in standard deviations of a minibatch",
    },
    key=("seed", "epoch"),
    controls_only=lambda cell: cell not in KINDS,
    may_be_missing=frozenset({"bound_9", "rate_margin", "lemma_9_margin"}),
    options={"kinds": names(list(KINDS)), "epochs": whole(4, least=3), "delta": number(0.05, below=1)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "literal_runs": RUNS,
}
