"""Compare methods by what each ends with, at the same rollouts per agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.arrays import FloatArray

__all__ = ["all_right", "curves", "final_table", "rollouts_saved", "run_means", "share_right"]


def run_means(runs: pd.DataFrame, column: str, by: Sequence[str] = ("seed",)) -> pd.Series:
    """Return the mean over agents of a column of `records.RUN_SCHEMA`, by run, from rows per agent or per cluster."""
    if "agents" not in runs:
        means: pd.Series = runs.groupby(list(by))[column].mean()
        return means
    totals = runs.assign(total=runs[f"mean_{column}"] * runs["agents"]).groupby(list(by))[["total", "agents"]].sum()
    return totals["total"] / totals["agents"]


def all_right(runs: pd.DataFrame) -> pd.Series:
    """Return, for every row, whether the set of its agent, or of all agents of its cluster, is the true cluster."""
    return runs["correct"] == runs["agents"] if "agents" in runs else runs["set_correct"]


def share_right(runs: pd.DataFrame) -> float:
    """Return the fraction of (run, agent) whose set is the true cluster."""
    return float(runs["correct"].sum() / runs["agents"].sum() if "agents" in runs else runs["set_correct"].mean())


def _last(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last epoch of every run."""
    return runs[runs["epoch"] == runs.groupby(["scenario", "algorithm", "seed"])["epoch"].transform("max")]


def final_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Summarise the end of the budget: one row per scenario and algorithm.

    gap: mean over runs of the run's mean gap over agents, 95 % BCa interval; infinite if any run diverged, since
    divergence is not trimmed.  failed: runs with an agent of infinite cost; fail_low, fail_high: Clopper-Pearson 95 %.
    correct: mean over runs of the fraction of agents whose group is their true cluster.  rollouts per agent, rounds and
    kilobytes (both ways, all agents) are means over runs.
    """
    rows = []
    for (scenario, algorithm), part in _last(runs).groupby(["scenario", "algorithm"], sort=False):
        by_run = part.groupby("seed")
        gaps = run_means(part, "global_gap").to_numpy()
        failed = int((~np.isfinite(gaps)).sum())
        found, failing = statistics.mean(gaps), statistics.proportion(failed, len(gaps))
        rows.append(
            {
                "scenario": scenario,
                "algorithm": algorithm,
                "runs": len(gaps),
                "gap": found.estimate,
                "ci_low": found.low,
                "ci_high": found.high,
                "failed": failed,
                "fail_fraction": failing.estimate,
                "fail_low": failing.low,
                "fail_high": failing.high,
                "correct": share_right(part),
                "rollouts": float(by_run["rollouts"].max().mean()),
                "rounds": float(by_run["rounds"].max().mean()),
                "kilobytes": float((by_run["bytes_up"].max() + by_run["bytes_down"].max()).mean() / 1000),
                "mode": part["mode"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def rollouts_saved(base: FloatArray, method: FloatArray, rollouts: FloatArray) -> FloatArray:
    """Return how many times fewer rollouts `method` needs than `base` for the gap that `base` has at each epoch.

    The method's curve is interpolated linearly in logarithms.  NaN where it does not reach that far: no extrapolation.

    Args:
        base: gaps ``(..., epochs)``.
        method: gaps ``(..., epochs)`` at the same rollouts.
        rollouts: rollouts per agent at the end of each epoch, ``(epochs,)``.
    """
    level, reached = -np.log(base), np.maximum.accumulate(-np.log(method), axis=-1)
    flat = zip(level.reshape(-1, len(rollouts)), reached.reshape(-1, len(rollouts)), strict=True)
    logs = [np.interp(a, b, np.log(rollouts), left=np.nan, right=np.nan) for a, b in flat]
    return np.asarray(rollouts / np.exp(np.reshape(logs, base.shape)))


def curves(runs: pd.DataFrame, by: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the mean gap with interval by scenario, algorithm, cluster and epoch, against rollouts per agent.

    The replicate is a cluster of a run: the mean over its agents.  diverged counts the replicates of infinite gap.
    """
    rows = []
    keys = ["scenario", "algorithm", "cluster", "epoch"]
    for values, part in runs.groupby(keys, sort=False):
        gaps = run_means(part, "global_gap").to_numpy()
        found = statistics.mean(gaps)
        rows.append(
            {
                **dict(zip(keys, values, strict=True)),
                "rollouts": float(part["rollouts"].mean()),
                "gap": found.estimate,
                "ci_low": found.low,
                "ci_high": found.high,
                "diverged": int((~np.isfinite(gaps)).sum()),
                "runs": len(gaps),
                "mode": part["mode"].iloc[0],
            }
        )
    return pd.DataFrame(rows)
