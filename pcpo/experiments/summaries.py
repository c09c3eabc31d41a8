"""Summarise a run by epoch: one row of numbers for all agents, from the reports of the algorithm and the true systems.

The rows need no table of agents, so a run of ten thousand agents takes as little as their policies do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.protocol import EpochReport, RunResult
from pcpo.fleets.fleet import Fleet
from pcpo.neighbourhoods import Neighbourhoods

__all__ = ["COLUMNS", "by_epoch"]

#: What the columns of `by_epoch` hold.
COLUMNS = {
    "algorithm": "method",
    "mode": "mode of the schedule's constants, and how the estimates were drawn",
    "epoch": "l",
    "Delta_l": "Δ_l (cost units)",
    "failure_probability": "δ_l",
    "iterations": "R_l",
    "minibatch": "M_l (rollouts)",
    "rollouts": "T, rollouts per agent up to and including this epoch",
    "rounds": "rounds of communication up to and including this epoch, as counted",
    "messages": "messages of all agents, both ways, as counted",
    "margin": "largest over agents of |Ĉ(X) − C*|/(Δ_l/4), eq. (22); NaN for a method without cost estimates",
    "gap_margin": "largest over agents of (C(X) − C*)/(Δ_l/8), eq. (23a); infinite for a policy of infinite cost",
    "estimate_margin": "largest over agents of |Ĉ(X) − C(X)|/(Δ_l/8), eq. (23b)",
    "lost": "1 if an agent's set lacks a member of its true cluster, else 0",
    "exact": "1 if all sets are the true clusters, else 0",
    "grew": "1 if an agent's set has a member that it did not have after the epoch before, else 0",
    "everyone": "1 if all sets are still [N], else 0",
    "reinitialised": "1 if (8) replaced the global policies at the end of the epoch, else 0",
    "clean": "1 for a collaborative epoch: sets exact before and after it, and no (8) at its end; else 0",
    "gap": "C(K̂) − C*, mean over agents (cost units); infinite if that of one agent is",
    "local_gap": "C(X) − C*, mean over agents (cost units)",
    "first_gap": "C(K̂) − C*, mean over the agents of cluster 1 (cost units)",
    "bound_margin": "largest over agents of 8 √|M| (C(K̂) − C*)/Δ_l, the bound of Theorem 2",
    "infinite": "agents whose policy K̂ has infinite cost",
    "nonfinite": "rollouts that were saturated in this epoch, all agents; a lower bound of those of infinite cost",
    "capped": "1 if c_(p,6) cuts a smoothing radius, else 0",
}

_DENSE = 2048  # agents up to which sets are compared member by member


def by_epoch(fleet: Fleet, result: RunResult) -> pd.DataFrame:
    """Return a row per epoch with the columns `COLUMNS`.

    Args:
        fleet: the true systems.
        result: a run on this fleet.
    """
    rows, before = [], Neighbourhoods.everyone(fleet.N)
    for report in result.epochs:
        rows.append({"algorithm": result.algorithm, "mode": result.mode, **_row(fleet, report, before)})
        before = report.neighbourhoods
    return pd.DataFrame(rows)[list(COLUMNS)]


def _row(fleet: Fleet, report: EpochReport, before: Neighbourhoods) -> dict[str, Any]:
    """Return the numbers of one epoch; `before` are the sets at its begin."""
    plan, traffic, sets, labels = report.plan, report.traffic, report.neighbourhoods, fleet.labels
    best, sizes = fleet.optimal_costs[labels], np.bincount(labels)
    gaps, local = fleet.gaps(report.global_gains), fleet.gaps(report.local_gains)
    estimates, pairs, quarter = report.cost_estimates, sets.pairs(labels), plan.Delta / 4
    exact = bool(sets.correct(labels).all())
    return {
        "epoch": plan.epoch,
        "Delta_l": plan.Delta,
        "failure_probability": plan.failure_probability,
        "iterations": plan.iterations,
        "minibatch": float(plan.minibatch),
        "rollouts": float(report.rollouts),
        "rounds": traffic.rounds,
        "messages": traffic.messages_up + traffic.messages_down,
        "margin": float(np.max(np.abs(estimates - best))) / quarter,
        "gap_margin": float(np.max(local)) / (quarter / 2),
        "estimate_margin": _distance(estimates, best + local) / (quarter / 2),
        "lost": int((np.diagonal(pairs) < sizes**2).any()),
        "exact": int(exact),
        "grew": int(_grew(before, sets)),
        "everyone": int((sets.sizes == fleet.N).all()),
        "reinitialised": int(report.reinitialised),
        "clean": int(exact and bool(before.correct(labels).all()) and not report.reinitialised),
        "gap": float(np.mean(gaps)),
        "local_gap": float(np.mean(local)),
        "first_gap": float(np.mean(gaps[labels == 0])),
        "bound_margin": float(np.max(8 * np.sqrt(sizes[labels]) * gaps / plan.Delta)),
        "infinite": int((~np.isfinite(gaps)).sum()),
        "nonfinite": int(report.nonfinite.sum()),
        "capped": int(plan.local_cap_active or bool(report.global_cap_active.any())),
    }


def _distance(estimates: np.ndarray, costs: np.ndarray) -> float:
    """Return max |Ĉ − C|; infinite where a cost is."""
    if np.isnan(estimates).any():
        return float("nan")
    return float(np.max(np.abs(estimates - costs))) if np.isfinite(costs).all() else float("inf")


def _grew(before: Neighbourhoods, after: Neighbourhoods) -> bool:
    """Return whether a set has a new member; of large fleets, whether a set has become larger."""
    if after.n_agents > _DENSE:
        return bool((after.sizes > before.sizes).any())
    return bool((after.dense() & ~before.dense()).any())
