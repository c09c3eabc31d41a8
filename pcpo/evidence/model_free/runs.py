"""Run the methods of a condition on random fleets and tabulate them: a row per fleet and method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.protocol import RunResult
from pcpo.errors import BudgetError, ConfigError
from pcpo.evidence.model_free.population import deviation, draw, largest_condition, stratum
from pcpo.evidence.model_free.settings import METHODS, experiment, separation
from pcpo.experiments.experiment import OracleName
from pcpo.fleets.fleet import Fleet

__all__ = ["COLUMNS", "KEY", "LARGE", "MAY_BE_MISSING", "Cell", "simulate"]

KEY = ("seed", "method")
#: Agents from which on a cluster is large.
LARGE = 4
COLUMNS = {
    "seed": "number of the fleet, and seed of its runs",
    "role": "grid (claims) or control",
    "condition": "range of the largest condition number of a cluster's Hessian at K*, by name",
    "method": "method",
    "oracle": "moments, or rollouts",
    "mode": "mode of the schedule's constants, and how the estimates were drawn",
    "budget": "T, rollouts per agent that the method may spend",
    "spent": "rollouts per agent that it spent",
    "probing": "of these, on probing at the start and on curvatures later; NaN for a method that reads the model",
    "epochs": "epochs of the run; 0 if the budget ends before epoch 1 does, and every agent keeps its gain and [N]",
    "exact": "1 if all sets are the true clusters, else 0",
    "infinite": "agents whose policy has infinite cost",
    "failed": "1 if a set is not the true cluster or a policy has infinite cost, else 0",
    "cause": "of a failure: no epoch, lost policy, merged, split or mixed sets; '' without one",
    "gap": "C(K̂)/C* − 1, mean over agents; infinite if that of one agent is",
    "kept_gap": "the same, with the gap of K⁰ for every agent whose gap is larger",
    "large_gap": "kept_gap of the agents in clusters of four and more",
    "start_gap": "C(K⁰)/C* − 1, mean over agents",
    "warnings": "warnings of the run; 0 for a method that has none",
    "n": "states",
    "m": "inputs",
    "gamma": "γ",
    "open_loop": "stable, or unstable: K = 0 has infinite cost",
    "ratio": "Δ/σ, σ of one rollout's cost at K* of the cheapest cluster",
    "noise_ratio": "Δ/σ, σ the largest of all clusters",
    "agents": "N",
    "clusters": "H",
    "condition_number": "largest condition number of a cluster's Hessian at K*",
}
MAY_BE_MISSING = frozenset({"probing"})


@dataclass(frozen=True)
class Cell:
    """Describe a condition of a study.

    Attributes:
        condition: a key of `population.CONDITIONS`.
        rollouts: T, per agent.
        methods: keys of `settings.METHODS`, run on the same fleets.
        role: "grid" or "control".
        oracle: of the runs.
        others_every: methods after the first run on the fleets whose number this divides; their strata are spread as
            those of all are.

    Raises:
        ConfigError: for an unknown method.
    """

    condition: str
    rollouts: int
    methods: tuple[str, ...]
    role: str = "grid"
    oracle: OracleName = "moments"
    others_every: int = 1

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in METHODS:
                raise ConfigError(f"methods: found {name!r}, expected one of {', '.join(METHODS)}")


def simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run the methods of a cell on the fleet of every seed."""
    rows = []
    for seed in seeds:
        fleet = draw(cell.condition, seed)
        known = {"seed": seed, "role": cell.role, "condition": cell.condition, "oracle": cell.oracle,
                 "budget": float(cell.rollouts), **_described(fleet, cell.condition, seed)}  # fmt: skip
        methods = cell.methods[: 1 if seed % cell.others_every else None]
        rows += [{**known, "method": name, **_run(cell, fleet, name, seed)} for name in methods]
    return pd.DataFrame(rows)[list(COLUMNS)]


def _described(fleet: Fleet, condition: str, seed: int) -> dict[str, Any]:
    """Describe a fleet in columns."""
    chosen = stratum(condition, seed)
    return {
        "n": fleet.n,
        "m": fleet.m,
        "gamma": chosen.gamma,
        "open_loop": chosen.open_loop,
        "ratio": chosen.ratio,
        "noise_ratio": separation(fleet) / max(map(deviation, fleet.systems)),
        "agents": fleet.N,
        "clusters": fleet.H,
        "condition_number": largest_condition(fleet),
        "start_gap": float(_relative(fleet, fleet.initial_gains).mean()),
    }


def _run(cell: Cell, fleet: Fleet, name: str, seed: int) -> dict[str, Any]:
    """Run a method; a budget that is too small leaves every agent with its gain and [N]."""
    method = METHODS[name]
    try:
        setting = experiment(fleet, cell.rollouts, method.factor, cell.oracle, method.least)
    except BudgetError:
        return _outcome(fleet, None)
    return _outcome(fleet, setting.result(method.make(fleet, cell.condition, seed), seed=seed))


def _relative(fleet: Fleet, gains: np.ndarray) -> np.ndarray:
    """Return C(K)/C* − 1 of every agent, ``(N,)``."""
    return fleet.gaps(gains) / fleet.optimal_costs[fleet.labels]


def _outcome(fleet: Fleet, result: RunResult | None) -> dict[str, Any]:
    """Return the columns of a finished run; None for one without an epoch."""
    start = _relative(fleet, fleet.initial_gains)
    gaps = start if result is None else _relative(fleet, result.final.global_gains)
    kept = np.where(np.isfinite(gaps), np.minimum(gaps, start), start)
    sizes = np.bincount(fleet.labels)[fleet.labels]
    infinite = int((~np.isfinite(gaps)).sum())
    cause = "no epoch" if result is None else _cause(fleet, result, infinite)
    found = None if result is None else result.findings
    return {
        "mode": "" if result is None else result.mode,
        "spent": 0.0 if result is None else float(result.final.rollouts),
        "probing": np.nan if found is None else float(found.rollouts["probing"]),
        "epochs": 0 if result is None else len(result.epochs),
        "exact": int(cause in ("", "lost policy") and result is not None and _exact(fleet, result)),
        "infinite": infinite,
        "failed": int(cause != ""),
        "cause": cause,
        "gap": float(gaps.mean()),
        "kept_gap": float(kept.mean()),
        "large_gap": float(kept[sizes >= LARGE].mean()),
        "warnings": 0 if found is None else len(found.warnings),
    }


def _exact(fleet: Fleet, result: RunResult) -> bool:
    """Return whether all sets are the true clusters."""
    return bool(result.final.neighbourhoods.correct(fleet.labels).all())


def _cause(fleet: Fleet, result: RunResult, infinite: int) -> str:
    """Name what is wrong with the last policies and sets; '' for nothing."""
    if infinite:
        return "lost policy"
    if _exact(fleet, result):
        return ""
    together, true = result.final.neighbourhoods.dense(), fleet.labels[:, None] == fleet.labels
    strangers, missing = bool((together & ~true).any()), bool((true & ~together).any())
    return "mixed" if strangers and missing else "merged" if strangers else "split"
