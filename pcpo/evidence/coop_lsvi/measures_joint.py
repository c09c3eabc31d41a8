"""Measure the claims on agents that share an MDP: regrets of Algorithm 2 over random scalarisations.

A replicate is a seed with all its cells.  As for Algorithm 1 claims take the contrast of rewards with the largest mean.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import jackknife, mean
from pcpo.evidence.coop_lsvi.measures import last, log_slope, wide

__all__ = ["EXACT", "PARETO", "bayes_exponent", "joint_exponent", "proposition_3", "threshold_ratio", "thresholds"]

#: Names of the studies that are measured.
PARETO, EXACT = "coop_lsvi_pareto", "coop_lsvi_exact"
#: Mean regrets below this count as this, since R_B reaches 0: slopes are the flatter for it, units of reward.
_FLOOR = 1e-6


def thresholds(tables: Tables) -> list[float]:
    """Return the thresholds S of the runs of Algorithm 2 with communication, ascending."""
    return sorted(tables[PARETO]["threshold"].dropna().unique())


def _with_threshold(tables: Tables, threshold: float) -> pd.DataFrame:
    """Return the runs of Algorithm 2 with a threshold S."""
    frame = tables[PARETO]
    return frame[frame["threshold"] == threshold]


def _exponent(frame: pd.DataFrame, value: str, least: float, predicted: float, name: str) -> Finding:
    """Compare the slope over log T, from an episode on, of the log of a worst mean over β_T√log(MT)."""
    frame = frame[frame["episode"] >= least]
    contrasts = sorted(frame["contrast"].unique())
    table = wide(frame, ["episode", "contrast"], value, PARETO)
    T = np.array(sorted(frame["episode"].unique()), dtype=np.float64)
    runs = np.stack([table[t][contrasts].to_numpy(dtype=np.float64) for t in T], axis=1)  # (n, K, C)
    one = frame.drop_duplicates("episode").sort_values("episode")
    hidden = one["beta"].to_numpy(dtype=np.float64) * np.sqrt(np.log(one["agents"].to_numpy() * T))

    def statistic(some: FloatArray) -> float:
        return log_slope(T, np.maximum(some.mean(axis=0).max(axis=-1), _FLOOR) / hidden)

    return jackknife(runs, statistic, predicted, name)


def joint_exponent(tables: Tables, threshold: float, predicted: float) -> Finding:
    """Compare the slope over log T, from T/16 on, of log(R_C/(β_T√log MT)) at a threshold S."""
    frame = _with_threshold(tables, threshold)
    name = "slope over log T of log mean R_C over β_T√log(MT)"
    return _exponent(frame, "regret", frame["episode"].max() / 16, predicted, name)


def bayes_exponent(tables: Tables, threshold: float, predicted: float) -> Finding:
    """Compare the slope over log T, from T/128 on, of log(R_B/(β_T√log MT)) at a threshold S."""
    frame = _with_threshold(tables, threshold)
    name = "slope over log T of log mean R_B over β_T√log(MT)"
    return _exponent(frame, "bayes", frame["episode"].max() / 128, predicted, name)


def threshold_ratio(tables: Tables) -> Finding:
    """Compare R_C at the largest threshold over √(ratio of thresholds) times that at the smallest with 1."""
    known = thresholds(tables)
    cells = [wide(last(_with_threshold(tables, S)), ["contrast"], "regret", PARETO) for S in (known[-1], known[0])]
    shared = cells[0].index.intersection(cells[1].index)
    runs = np.stack([cell.loc[shared].to_numpy(dtype=np.float64) for cell in cells], axis=1)  # (n, 2, C)
    factor = float(np.sqrt(known[-1] / known[0]))

    def statistic(some: FloatArray) -> float:
        worst = some.mean(axis=0).max(axis=-1)
        return float(worst[0] / (factor * worst[1]))

    return jackknife(runs, statistic, 1.0, "worst regret over √S times that of the smallest S", logarithm=True)


def proposition_3(tables: Tables) -> Finding:
    """Compare the mean over seeds of the largest R_B(T) − R_C(T)/T, over S, none and contrasts, with 0."""
    frame = last(tables[PARETO])
    excess = frame["bayes"] - frame["regret"] / frame["episode"]
    return mean(excess.groupby(frame["seed"]).max().to_numpy(), 0.0, "mean of the largest R_B − R_C/T of a seed")
