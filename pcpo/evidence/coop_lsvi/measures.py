"""Measure the claims on agents with an MDP each: regret, rounds of communication, heterogeneity, other sizes.

A replicate is a seed with all its cells, since its MDP is the same in all of them: violations count seeds, and the
jackknife leaves out whole seeds.  Exponents are those of regret over β_T√log(MT), the factor that Õ(·) hides in (64);
β is the width with which a run was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import compared, failures, jackknife, mean_ratio, violations, within
from pcpo.errors import ResultsError
from pcpo.evidence.coop_lsvi.model.bounds import remark_4

__all__ = [
    "COMMUNICATION",
    "HETEROGENEITY",
    "REGRET",
    "SIZES",
    "agents_exponent",
    "bonus_exceeded",
    "chi_exponent",
    "chi_ratio",
    "deviation_growth",
    "deviation_ratio",
    "identical_ratio",
    "last",
    "learnt_ratio",
    "log_slope",
    "optimism",
    "pooled_ratio",
    "rounds_exponent",
    "seeds_with",
    "share_ratio",
    "size_exponent",
    "threshold_growth",
    "time_exponent",
    "told_ratio",
    "wide",
]

#: Names of the studies that are measured.
REGRET, COMMUNICATION, HETEROGENEITY = "coop_lsvi_regret", "coop_lsvi_communication", "coop_lsvi_heterogeneity"
SIZES = "coop_lsvi_sizes"


# What all measures share.


def wide(frame: pd.DataFrame, columns: list[str], value: str, where: str) -> pd.DataFrame:
    """Return a row for each seed and a column for each condition; raise ResultsError if there is no row."""
    if frame.empty:
        raise ResultsError(f"{where}: found no row, expected some")
    return frame.pivot(index="seed", columns=columns, values=value)


def log_slope(x: FloatArray, y: FloatArray) -> float:
    """Return the least-squares slope of log y over log x, each ``(n,)``."""
    z = np.log(x) - np.log(x).mean()
    return float(np.log(y) @ z / (z @ z))


def last(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last episode."""
    rows: pd.DataFrame = frame[frame["episode"] == frame["episode"].max()]
    return rows


def seeds_with(frame: pd.DataFrame, wrong: pd.Series[bool]) -> Finding:
    """Count the seeds with a violation in any of their rows; a seed is one trial, however many rows it has."""
    by_seed = wrong.groupby(frame["seed"]).any()
    return violations(int(by_seed.sum()), len(by_seed))


def _worst(frame: pd.DataFrame, by: str, value: str, where: str) -> tuple[FloatArray, FloatArray]:
    """Return values ``(n, K, C)`` by a column and by contrast, and the K values of the column, ascending."""
    contrasts, values = sorted(frame["contrast"].unique()), sorted(frame[by].unique())
    table = wide(frame, [by, "contrast"], value, where)
    runs = np.stack([table[one][contrasts].to_numpy(dtype=np.float64) for one in values], axis=1)
    return runs, np.array(values, dtype=np.float64)


def _worst_mean(runs: FloatArray) -> FloatArray:
    """Return the largest mean over contrasts, of runs ``(n, ..., C)``."""
    return np.asarray(runs.mean(axis=0).max(axis=-1))


# Theorem 1 and Remark 2.


def _exponent(frame: pd.DataFrame, by: str, predicted: float, size: str, *, logs: bool = True) -> Finding:
    """Compare the slope of log regret over the log of a column, at the worst contrast for each of its values."""
    runs, x = _worst(frame, by, "regret", REGRET)
    one = frame.drop_duplicates(by).sort_values(by)
    counted = np.sqrt(np.log(np.maximum(one["agents"].to_numpy() * one["episode"].to_numpy(), 2.0)))
    if logs:
        return _divided(runs, x, one["beta"].to_numpy(dtype=np.float64) * counted, predicted, size)
    name = f"slope over log {size} of log mean regret"
    return jackknife(runs, lambda some: log_slope(x, _worst_mean(some)), predicted, name)


def _divided(runs: FloatArray, x: FloatArray, hidden: FloatArray, predicted: float, size: str) -> Finding:
    """Compare the slope of log(worst regret/hidden) over log x; the statistic names the slope of the regret itself too.

    Args:
        runs: regrets ``(n, K, C)``.
        x: values of the size ``(K,)``.
        hidden: β_T√log(MT), which Õ(·) hides ``(K,)``.
        predicted: the exponent to compare with.
        size: its symbol.
    """
    name = f"slope over log {size} of log mean regret over β_T√log(MT)"
    found = jackknife(runs, lambda some: log_slope(x, _worst_mean(some) / hidden), predicted, name)
    raw = jackknife(runs, lambda some: log_slope(x, _worst_mean(some)), predicted, name)
    plain = f"; not divided {raw.estimate:.3f} [{raw.low:.3f}, {raw.high:.3f}]"
    return replace(found, statistic=found.statistic + plain)


def agents_exponent(tables: Tables, algorithm: str, predicted: float, *, logs: bool = True) -> Finding:
    """Compare the slope of log regret over log M at the last episode, at the worst contrast for each M.

    Args:
        tables: of the group.
        algorithm: of `coop_lsvi_regret`.
        predicted: the exponent to compare with.
        logs: whether to divide regret by the factor β_T√log(MT) that Õ(·) hides; the statistic then names the slope of
            the regret itself too.
    """
    frame = last(tables[REGRET])
    return _exponent(frame[frame["algorithm"] == algorithm], "agents", predicted, "M", logs=logs)


def time_exponent(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare the slope over log T at the algorithm's largest M, at the worst contrast for each T."""
    frame = tables[REGRET]
    frame = frame[frame["algorithm"] == algorithm]
    frame = frame[frame["agents"] == frame["agents"].max()]
    return _exponent(frame, "episode", predicted, "T")


def pooled_ratio(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare the worst mean regret of the group over that of one agent that acts MT times, at the largest M."""
    frame = last(tables[REGRET])
    frame = frame[frame["agents"] == frame["agents"].max()]
    frame = frame[frame["algorithm"].isin([algorithm, "pooled"])]
    runs, _ = _worst(frame.assign(pooled=frame["algorithm"] == "pooled"), "pooled", "regret", REGRET)
    return jackknife(
        runs, lambda some: float(np.divide(*_worst_mean(some))), predicted, "ratio of worst means", logarithm=True
    )


def optimism(tables: Tables, algorithm: str, alpha: float) -> Finding:
    """Compare the fraction of seeds in which Q^t < Q* somewhere in a run with its bound α."""
    return _failing(tables, algorithm, lambda frame: frame["pessimistic"] > 0, alpha)


def learnt_ratio(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare regret of the second half over that of always taking the first action; its only M and contrast."""
    frame = tables[REGRET]
    frame = frame[frame["algorithm"] == algorithm]
    T = frame["episode"].max()
    ends = [frame[frame["episode"] == t].set_index("seed")[["regret", "first"]] for t in (T // 2, T)]
    late = (ends[1] - ends[0]).to_numpy(dtype=np.float64)
    return mean_ratio(late[:, 0], late[:, 1], predicted)


def bonus_exceeded(tables: Tables, algorithm: str, alpha: float) -> Finding:
    """Compare the fraction of seeds in which some run's regret exceeds twice its bonuses along the way with α."""
    return _failing(tables, algorithm, lambda frame: frame["regret"] > frame["bonus"], alpha)


def _failing(tables: Tables, algorithm: str, fails: Callable[[pd.DataFrame], pd.Series[bool]], alpha: float) -> Finding:
    """Compare the fraction of seeds in which some run of an algorithm fails, at the last episode, with α."""
    frame = last(tables[REGRET])
    frame = frame[frame["algorithm"] == algorithm]
    failed = fails(frame).groupby(frame["seed"]).any()
    return failures(int(failed.sum()), len(failed), alpha)


# Rounds of communication.


def rounds_exponent(tables: Tables, target: float, margin: float) -> Finding:
    """Compare |slope over log S of log(1 + mean rounds) − target| with a margin, Algorithm 1 at the middle sizes.

    The 1 gives agents that never communicate the slope 0.
    """
    frame = tables[COMMUNICATION]
    frame = frame[(frame["algorithm"] == "parallel") & (frame["role"] == "trigger")]
    others = frame.groupby(["episodes", "agents", "dimension"])["threshold"].transform("nunique")
    table = wide(frame[others == others.max()], ["threshold"], "rounds", COMMUNICATION)
    S = np.array(table.columns, dtype=np.float64)
    name = "slope over log S of log(1 + mean rounds)"
    return within(
        table.to_numpy(dtype=np.float64), lambda some: log_slope(S, 1 + some.mean(axis=0)), target, margin, name
    )


# Heterogeneous agents.


def _deviating(tables: Tables, algorithms: Sequence[str], value: str) -> tuple[list[FloatArray], FloatArray, int]:
    """Return values ``(n, K, C)`` of each algorithm by ξ and contrast, the K values of ξ, and H."""
    frame = tables[HETEROGENEITY]
    frame = frame[frame["kind"] == "xi"]
    found = [_worst(frame[frame["algorithm"] == name], "amount", value, HETEROGENEITY) for name in algorithms]
    return [runs for runs, _ in found], found[0][1], int(frame["horizon"].iloc[0])


def deviation_ratio(tables: Tables) -> Finding:
    """Compare extra late regret over ξH(H + 1) with 1, the largest over ξ and contrasts, for agents told ξ.

    Values of ξ with ξ(H + 1) ≥ 1 are left out, since no agent can lose more than H.
    """
    (runs,), xi, H = _deviating(tables, ["told"], "late")
    name = "extra regret of an agent and late episode over ξH(H + 1)"
    chosen = np.flatnonzero((xi > 0) & (xi * (H + 1) < 1))
    extra = [(runs[:, k] - runs[:, 0]) / (xi[k] * H * (H + 1)) for k in chosen]
    members = [statistics.mean(e[:, c]) for e in extra for c in range(e.shape[1])]
    return compared(statistics.largest(members), 1.0, f"largest {name}")


def deviation_growth(tables: Tables) -> Finding:
    """Compare extra late regret over ξ at the smallest ξ > 0 less the same at the largest with 0, worst contrasts."""
    (runs,), xi, _ = _deviating(tables, ["told"], "late")

    def statistic(some: FloatArray) -> float:
        extra = (_worst_mean(some)[1:] - _worst_mean(some)[0]) / xi[1:]
        return float(extra[0] - extra[-1])

    return jackknife(runs, statistic, 0.0, "extra regret over ξ, at the smallest ξ less at the largest")


def told_ratio(tables: Tables) -> Finding:
    """Compare mean regret without ξ in β over that with it with 1, the largest over ξ > 0 and contrasts."""
    (untold, told), xi, _ = _deviating(tables, ["untold", "told"], "regret")
    return _largest_ratio(untold[:, xi > 0], told[:, xi > 0], "regret without ξ in β over that with it")


def share_ratio(tables: Tables, least: float) -> Finding:
    """Compare mean regret without communication over that of sharing with ξ in β with 1, the largest over ξ ≥ least."""
    (alone, told), xi, _ = _deviating(tables, ["alone", "told"], "regret")
    chosen = xi >= least
    if not chosen.any():
        raise ResultsError(f"{HETEROGENEITY}: found ξ up to {xi.max():g}, expected some of at least {least:g}")
    return _largest_ratio(alone[:, chosen], told[:, chosen], "regret alone over that of sharing, ξ in β")


def _largest_ratio(above: FloatArray, below: FloatArray, name: str, bound: float = 1.0) -> Finding:
    """Compare the largest ratio of means of paired runs ``(n, ...)`` with a bound."""
    pairs = zip(above.reshape(len(above), -1).T, below.reshape(len(below), -1).T, strict=True)
    members = [statistics.ratio(a, b) for a, b in pairs]
    return compared(statistics.largest(members), bound, f"largest {name}, of {len(members)}")


def _with_contexts(tables: Tables, algorithm: str) -> tuple[FloatArray, FloatArray, pd.Series[float]]:
    """Return regrets ``(n, K, C)`` of an algorithm by χ and contrast, the K values of χ, and a row with the sizes."""
    frame = tables[HETEROGENEITY]
    frame = frame[(frame["kind"] == "chi") & (frame["algorithm"] == algorithm)]
    runs, chi = _worst(frame, "amount", "regret", HETEROGENEITY)
    return runs, chi, frame.iloc[0]


def chi_exponent(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare the slope of log regret over log(d + χ), at the worst contrast for each χ."""
    runs, chi, sizes = _with_contexts(tables, algorithm)
    x = chi + float(sizes["dimension"])
    name = "slope of log mean regret over log(d + χ)"
    return jackknife(runs, lambda some: log_slope(x, _worst_mean(some)), predicted, name)


def chi_ratio(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Compare worst regret over that of agents alone, in units of √((d + χ)/(d + 1)M), with a bound; largest over χ.

    Alone an agent has χ = 1: the root is the ratio of the bounds of Theorem 3 for M agents that share and for M groups
    of one.
    """
    runs, chi, sizes = _with_contexts(tables, algorithm)
    alone = _with_contexts(tables, "alone")[0]
    d, M = float(sizes["dimension"]), float(sizes["agents"])
    unit = np.sqrt((d + chi) / ((d + 1) * M))
    name = "regret over that alone, in units of √((d + χ)/(d + 1)M)"
    members = [
        statistics.jackknife(
            np.stack([runs[:, k], alone[:, k]], axis=1),
            lambda some, k=k: float(np.divide(*_worst_mean(some)) / unit[k]),  # type: ignore[misc]
            logarithm=True,
        )
        for k in range(len(chi))
    ]
    return compared(statistics.largest(members), predicted, f"largest {name}")


def identical_ratio(tables: Tables, algorithm: str) -> Finding:
    """Compare regret at χ = 1 over that of Algorithm 1 with the factor of Remark 4, the largest over contrasts."""
    runs, chi, sizes = _with_contexts(tables, algorithm)
    plain = _with_contexts(tables, "plain")[0][:, 0]
    same = runs[:, int(np.flatnonzero(chi == 1)[0])]
    bound = remark_4(float(sizes["dimension"]), float(tables[HETEROGENEITY]["contexts"].max()))
    name = "regret over that of Algorithm 1, identical agents"
    return _largest_ratio(same, plain, name, bound)


# Other sizes.


def _sized(tables: Tables, varied: str) -> pd.DataFrame:
    """Return the runs of agents that communicate where a size varies."""
    frame = tables[SIZES]
    return frame[(frame["varied"] == varied) & (frame["alone"] == 0)]


def size_exponent(tables: Tables, varied: str, predicted: float) -> Finding:
    """Compare the slope over the log of a size of log(regret/(β_T√log MT)), at the worst contrast for each value.

    Args:
        tables: of the group.
        varied: "d", "H", "k" (the size is then d + k) or "M".
        predicted: the exponent to compare with; β_T grows as H√d, with contexts as H√(d + k).
    """
    frame = _sized(tables, varied)
    column = {"d": "dimension", "H": "horizon", "k": "contexts", "M": "agents"}[varied]
    runs, x = _worst(frame, column, "regret", SIZES)
    size = x + float(frame["dimension"].iloc[0]) if varied == "k" else x
    one = frame.drop_duplicates(column).sort_values(column)
    hidden = one["beta"].to_numpy() * np.sqrt(np.log((one["agents"] * one["episodes"]).to_numpy()))
    return _divided(runs, size, hidden, predicted, "d + k" if varied == "k" else varied)


def threshold_growth(tables: Tables) -> Finding:
    """Compare worst regret at S over √(S/S_0) times that at the smallest S_0 with 1, the largest over S > S_0."""
    runs, S = _worst(_sized(tables, "S"), "threshold", "regret", SIZES)
    name = "regret over √S times that of the smallest S"

    def member(k: int) -> statistics.Estimate:
        factor = np.sqrt(S[k] / S[0])
        return statistics.jackknife(
            runs[:, [k, 0]], lambda some: float(np.divide(*_worst_mean(some)) / factor), logarithm=True
        )

    return compared(statistics.largest([member(k) for k in range(1, len(S))]), 1.0, f"largest {name}")
