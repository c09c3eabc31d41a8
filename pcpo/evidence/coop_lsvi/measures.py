"""Measure the claims on CoopLSVI.

A replicate is a seed with all its cells, and intervals are over whole replicates.  Exponents are those of regret
over β_T√log(MT), the factor that Õ(·) hides in (64); β is the width with which a run was made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import compared, failures, jackknife, mean, mean_ratio, violations
from pcpo.errors import ResultsError

__all__ = [
    "COMMUNICATION",
    "EXACT",
    "HETEROGENEITY",
    "PARETO",
    "REGRET",
    "agents_exponent",
    "bound_violations",
    "chi_exponent",
    "count_violations",
    "deviation_ratio",
    "joint_exponent",
    "optimism",
    "pooled_ratio",
    "proposition_3",
    "threshold_ratio",
    "thresholds",
    "time_exponent",
]

#: Names of the studies that are measured.
REGRET, COMMUNICATION, HETEROGENEITY = "coop_lsvi_regret", "coop_lsvi_communication", "coop_lsvi_heterogeneity"
PARETO, EXACT = "coop_lsvi_pareto", "coop_lsvi_exact"


def _wide(frame: pd.DataFrame, columns: list[str], value: str, where: str) -> pd.DataFrame:
    """Return a row for each seed and a column for each condition; raise ResultsError if there is no row."""
    if frame.empty:
        raise ResultsError(f"{where}: found no row, expected some")
    return frame.pivot(index="seed", columns=columns, values=value)


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Return the least-squares slope of y ``(n,)`` over log x ``(n,)``."""
    z = np.log(x) - np.log(x).mean()
    return float(y @ (z / (z @ z)))


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last episode."""
    last: pd.DataFrame = frame[frame["episode"] == frame["episode"].max()]
    return last


def _by_contrast(frame: pd.DataFrame, by: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the regrets ``(n, K, C)`` by a column and by contrast, its K values, and β_T√log(MT) of each value."""
    contrasts = sorted(frame["contrast"].unique())
    wide = _wide(frame, [by, "contrast"], "regret", REGRET)
    values = np.sort(frame[by].unique()).astype(np.float64)
    regrets = np.stack([wide[value][contrasts].to_numpy(dtype=np.float64) for value in values], axis=1)
    one = frame.drop_duplicates(by).sort_values(by)
    logs = np.sqrt(np.log(np.maximum(one["agents"].to_numpy() * one["episode"].to_numpy(), 2.0)))
    return regrets, values, np.asarray(one["beta"].to_numpy(dtype=np.float64) * logs)


def _exponent(frame: pd.DataFrame, by: str, predicted: float, name: str, *, logs: bool = True) -> Finding:
    """Compare the slope of log regret over the log of a column, at the worst contrast for each of its values."""
    regrets, values, hidden = _by_contrast(frame, by)
    scale = hidden if logs else np.ones_like(hidden)

    def statistic(runs: FloatArray) -> float:
        return _slope(values, np.log(runs.mean(axis=0).max(axis=-1) / scale))

    return jackknife(regrets, statistic, predicted, name)


def agents_exponent(tables: Tables, algorithm: str, predicted: float, *, logs: bool = True) -> Finding:
    """Compare the slope of log regret over log M at the last episode, at the worst contrast for each M.

    Args:
        tables: of the group.
        algorithm: of `coop_lsvi_regret`.
        predicted: the exponent to compare with.
        logs: whether to divide regret by the factor β_T√log(MT) that Õ(·) hides.
    """
    frame = _last(tables[REGRET])
    name = "slope over log M of log mean regret" + (" less hidden logarithms" if logs else "")
    return _exponent(frame[frame["algorithm"] == algorithm], "agents", predicted, name, logs=logs)


def time_exponent(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare the slope over log T at the algorithm's largest M, at the worst contrast for each T."""
    frame = tables[REGRET]
    frame = frame[frame["algorithm"] == algorithm]
    frame = frame[frame["agents"] == frame["agents"].max()]
    return _exponent(frame, "episode", predicted, "slope over log T of log mean regret less hidden logarithms")


def pooled_ratio(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare the worst mean regret of the group over that of one agent that acts MT times, at the largest M."""
    frame = _last(tables[REGRET])
    frame = frame[frame["agents"] == frame["agents"].max()]
    frame = frame[frame["algorithm"].isin([algorithm, "pooled"])]
    wide = _wide(frame, ["algorithm", "contrast"], "regret", REGRET)
    runs = np.stack([wide[name].to_numpy(dtype=np.float64) for name in (algorithm, "pooled")], axis=1)

    def statistic(some: FloatArray) -> float:
        worst = some.mean(axis=0).max(axis=-1)
        return float(worst[0] / worst[1])

    name = "group regret over that of one agent with all episodes"
    return jackknife(runs, statistic, predicted, name, logarithm=True)


def optimism(tables: Tables, algorithm: str, alpha: float) -> Finding:
    """Compare the fraction of runs in which Q^t < Q* somewhere with its bound α."""
    frame = _last(tables[REGRET])
    frame = frame[frame["algorithm"] == algorithm]
    return failures(int((frame["pessimistic"] > 0).sum()), len(frame), alpha)


def bound_violations(tables: Tables, algorithm: str) -> Finding:
    """Count the runs of a triggered algorithm with more episodes with communication than its lemma allows."""
    frame = tables[COMMUNICATION]
    frame = frame[(frame["algorithm"] == algorithm) & (frame["role"] == "trigger")]
    return violations(int((frame["rounds"] > frame["bound"]).sum()), len(frame))


def deviation_ratio(tables: Tables) -> Finding:
    """Compare the largest mean extra late regret over ξH(H + 1) with 1, over ξ > 0, for agents whose β includes ξ."""
    frame = tables[HETEROGENEITY]
    frame = frame[(frame["kind"] == "xi") & (frame["algorithm"] == "told")]
    wide = _wide(frame, ["amount"], "late", HETEROGENEITY)
    amounts = np.array(sorted(wide.columns), dtype=np.float64)
    H = int(frame["horizon"].iloc[0])
    runs = wide[list(amounts)].to_numpy(dtype=np.float64)
    bound = amounts[amounts > 0] * H * (H + 1)

    extra = (runs[:, amounts > 0] - runs[:, amounts == 0]) / bound
    found = statistics.largest([statistics.mean(column) for column in extra.T])
    return compared(found, 1.0, "largest extra regret of an agent and episode over ξH(H + 1)")


def chi_exponent(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare the slope of log mean regret over log(d + χ)."""
    frame = tables[HETEROGENEITY]
    frame = frame[(frame["kind"] == "chi") & (frame["algorithm"] == algorithm)]
    wide = _wide(frame, ["amount"], "regret", HETEROGENEITY)
    x = np.array(wide.columns, dtype=np.float64) + float(frame["dimension"].iloc[0])

    def statistic(runs: FloatArray) -> float:
        return _slope(x, np.log(runs.mean(axis=0)))

    return jackknife(wide.to_numpy(dtype=np.float64), statistic, predicted, "slope of log mean regret over log(d + χ)")


def count_violations(
    tables: Tables,
    study: str,
    wrong: Callable[[pd.DataFrame], pd.Series[bool]],
    trials: Callable[[pd.DataFrame], int] = len,
) -> Finding:
    """Count the violations in a study's rows.

    Args:
        tables: of the group.
        study: name of the study.
        wrong: from the rows to the violations of each.
        trials: from the rows to the number of trials, by default a trial for each row.
    """
    frame = tables[study]
    return violations(int(wrong(frame).sum()), trials(frame))


def thresholds(tables: Tables) -> list[float]:
    """Return the thresholds S of the runs of Algorithm 2 with communication, ascending."""
    return sorted(tables[PARETO]["threshold"].dropna().unique())


def _with_threshold(tables: Tables, threshold: float) -> pd.DataFrame:
    """Return the runs of Algorithm 2 with a threshold S."""
    frame = tables[PARETO]
    return frame[frame["threshold"] == threshold]


def joint_exponent(tables: Tables, threshold: float, predicted: float) -> Finding:
    """Compare the slope of log R_C over log T, from T/16 on, at a threshold S."""
    frame = _with_threshold(tables, threshold)
    frame = frame[frame["episode"] >= frame["episode"].max() / 16]
    wide = _wide(frame, ["episode"], "regret", PARETO)
    T = np.array(wide.columns, dtype=np.float64)
    one = frame.drop_duplicates("episode").sort_values("episode")
    logs = np.sqrt(np.log(one["agents"].to_numpy() * T))
    hidden = one["beta"].to_numpy(dtype=np.float64) * logs

    def statistic(runs: FloatArray) -> float:
        return _slope(T, np.log(runs.mean(axis=0) / hidden))

    return jackknife(
        wide.to_numpy(dtype=np.float64), statistic, predicted, "slope over log T of log mean R_C less logs"
    )


def threshold_ratio(tables: Tables) -> Finding:
    """Compare mean R_C at the largest threshold over √(ratio of thresholds) times that at the smallest with 1."""
    known = thresholds(tables)
    cells = [_last(_with_threshold(tables, S)).set_index("seed")["regret"] for S in (known[-1], known[0])]
    pairs = pd.concat(cells, axis=1, join="inner")
    runs = pairs.to_numpy(dtype=np.float64)
    factor = float(np.sqrt(known[-1] / known[0]))
    return mean_ratio(runs[:, 0], factor * runs[:, 1], 1.0, "regret over √S times that of the smallest S")


def proposition_3(tables: Tables) -> Finding:
    """Compare the mean of R_B(T) − R_C(T)/T with 0, at the last episode and the smallest S."""
    frame = _last(_with_threshold(tables, thresholds(tables)[0]))
    return mean((frame["bayes"] - frame["regret"] / frame["episode"]).to_numpy(), 0.0, "mean of R_B − R_C/T")
