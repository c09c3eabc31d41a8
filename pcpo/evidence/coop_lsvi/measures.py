"""What the claims on CoopLSVI measure; a replicate is a seed with all its cells, and is resampled whole.

Exponents are of regret over β_T√log(MT), the factor that Õ(·) hides in (64): β is the width with which a run was made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import bootstrap, failures, mean, violations
from pcpo.errors import ResultsError

__all__ = [
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
    "time_exponent",
    "worst_contrast",
]

_REGRET, _MIXED, _PARETO = "coop_lsvi_regret", "coop_lsvi_heterogeneity", "coop_lsvi_pareto"


def _wide(frame: pd.DataFrame, columns: list[str], value: str, where: str) -> pd.DataFrame:
    """A row per seed, a column per condition; raises ResultsError if there is no row."""
    if frame.empty:
        raise ResultsError(f"{where}: found no row, expected some")
    return frame.pivot(index="seed", columns=columns, values=value)


def _slope(x: FloatArray, y: FloatArray) -> FloatArray:
    """Least-squares slopes of y ``(..., n)`` over log x ``(n,)``."""
    z = np.log(x) - np.log(x).mean()
    return np.asarray(y @ (z / (z @ z)))


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    last: pd.DataFrame = frame[frame["episode"] == frame["episode"].max()]
    return last


def worst_contrast(frame: pd.DataFrame, by: str, contrasts: list[float]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Regrets ``(n, K, C)`` by `by` (K values, returned second) and contrast; third: β_T√log(MT) of each value."""
    wide = _wide(frame, [by, "contrast"], "regret", _REGRET)
    values = np.sort(frame[by].unique()).astype(np.float64)
    regrets = np.stack([wide[value][contrasts].to_numpy(dtype=np.float64) for value in values], axis=1)
    one = frame.drop_duplicates(by).sort_values(by)
    logs = np.sqrt(np.log(np.maximum(one["agents"].to_numpy() * one["episode"].to_numpy(), 2.0)))
    return regrets, values, np.asarray(one["beta"].to_numpy(dtype=np.float64) * logs)


def _exponent(frame: pd.DataFrame, by: str, predicted: float, name: str, *, logs: bool = True) -> Finding:
    contrasts = sorted(frame["contrast"].unique())
    regrets, values, hidden = worst_contrast(frame, by, contrasts)
    scale = hidden if logs else np.ones_like(hidden)

    def statistic(drawn: FloatArray) -> FloatArray:
        return _slope(values, np.log(drawn.mean(axis=1).max(axis=-1) / scale))

    return bootstrap(regrets, statistic, predicted, name)


def agents_exponent(tables: Tables, algorithm: str, predicted: float, *, logs: bool = True) -> Finding:
    """Slope of log regret over log M at the last episode, at the worst contrast for each M."""
    frame = _last(tables[_REGRET])
    name = "slope over log M of log mean regret" + (" less hidden logarithms" if logs else "")
    return _exponent(frame[frame["algorithm"] == algorithm], "agents", predicted, name, logs=logs)


def time_exponent(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Slope over log T at the largest M with this algorithm, at the worst contrast for each T."""
    frame = tables[_REGRET]
    frame = frame[frame["algorithm"] == algorithm]
    frame = frame[frame["agents"] == frame["agents"].max()]
    return _exponent(frame, "episode", predicted, "slope over log T of log mean regret less hidden logarithms")


def pooled_ratio(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Worst mean regret of the group over the worst of one agent that acts MT times, at the largest M."""
    frame = _last(tables[_REGRET])
    frame = frame[frame["agents"] == frame["agents"].max()]
    frame = frame[frame["algorithm"].isin([algorithm, "pooled"])]
    wide = _wide(frame, ["algorithm", "contrast"], "regret", _REGRET)
    runs = np.stack([wide[name].to_numpy(dtype=np.float64) for name in (algorithm, "pooled")], axis=1)

    def statistic(drawn: FloatArray) -> FloatArray:
        worst = drawn.mean(axis=1).max(axis=-1)
        return np.asarray(worst[:, 0] / worst[:, 1])

    return bootstrap(runs, statistic, predicted, "group regret over that of one agent with all episodes")


def optimism(tables: Tables, algorithm: str, alpha: float) -> Finding:
    """Fraction of runs in which Q^t < Q* somewhere."""
    frame = _last(tables[_REGRET])
    frame = frame[frame["algorithm"] == algorithm]
    return failures(int((frame["pessimistic"] > 0).sum()), len(frame), alpha)


def bound_violations(tables: Tables, algorithm: str, role: str) -> Finding:
    """Runs with more episodes with communication than the lemma allows."""
    frame = tables["coop_lsvi_communication"]
    frame = frame[(frame["algorithm"] == algorithm) & (frame["role"] == role)]
    return violations(int((frame["rounds"] > frame["bound"]).sum()), len(frame))


def deviation_ratio(tables: Tables, *, stated: float = 1.0) -> Finding:
    """Largest over ξ > 0 of the mean extra late regret over ξH(H + 1), for agents that are told ξ; `stated`: factor by
    which the ξ of the bound is changed."""
    frame = tables[_MIXED]
    frame = frame[(frame["kind"] == "xi") & (frame["algorithm"] == "told")]
    wide = _wide(frame, ["amount"], "late", _MIXED)
    amounts = np.array(sorted(wide.columns), dtype=np.float64)
    H = int(frame["horizon"].iloc[0])
    runs = wide[list(amounts)].to_numpy(dtype=np.float64)
    bound = stated * amounts[amounts > 0] * H * (H + 1)

    def statistic(drawn: FloatArray) -> FloatArray:
        means = drawn.mean(axis=1)
        return np.asarray(np.max((means[:, amounts > 0] - means[:, amounts == 0]) / bound, axis=1))

    return bootstrap(runs, statistic, 1.0, "largest extra regret of an agent and episode over ξH(H + 1)")


def chi_exponent(tables: Tables, algorithm: str, predicted: float) -> Finding:
    """Slope of log mean regret over log(d + χ)."""
    frame = tables[_MIXED]
    frame = frame[(frame["kind"] == "chi") & (frame["algorithm"] == algorithm)]
    wide = _wide(frame, ["amount"], "regret", _MIXED)
    x = np.array(wide.columns, dtype=np.float64) + float(frame["dimension"].iloc[0])

    def statistic(drawn: FloatArray) -> FloatArray:
        return _slope(x, np.log(drawn.mean(axis=1)))

    return bootstrap(wide.to_numpy(dtype=np.float64), statistic, predicted, "slope of log mean regret over log(d + χ)")


def count_violations(
    tables: Tables,
    study: str,
    wrong: Callable[[pd.DataFrame], pd.Series[bool]],
    trials: Callable[[pd.DataFrame], int],
) -> Finding:
    """Rows of a study that violate, among so many trials."""
    frame = tables[study]
    return violations(int(wrong(frame).sum()), trials(frame))


def _joint(tables: Tables, threshold: float | None) -> pd.DataFrame:
    """Runs with a threshold S, or (None) without communication."""
    frame = tables[_PARETO]
    return frame[frame["threshold"].isna() if threshold is None else frame["threshold"] == threshold]


def thresholds(tables: Tables) -> list[float]:
    """The thresholds S with communication, in order."""
    return sorted(tables[_PARETO]["threshold"].dropna().unique())


def joint_exponent(tables: Tables, threshold: float | None, predicted: float) -> Finding:
    """Slope of log R_C over log T from T/16 on."""
    frame = _joint(tables, threshold)
    frame = frame[frame["episode"] >= frame["episode"].max() / 16]
    wide = _wide(frame, ["episode"], "regret", _PARETO)
    T = np.array(wide.columns, dtype=np.float64)
    one = frame.drop_duplicates("episode").sort_values("episode")
    logs = np.sqrt(np.log(one["agents"].to_numpy() * T))
    hidden = one["beta"].to_numpy(dtype=np.float64) * logs

    def statistic(drawn: FloatArray) -> FloatArray:
        return _slope(T, np.log(drawn.mean(axis=1) / hidden))

    return bootstrap(
        wide.to_numpy(dtype=np.float64), statistic, predicted, "slope over log T of log mean R_C less logs"
    )


def threshold_ratio(tables: Tables, *, rare: float | None) -> Finding:
    """Mean R_C at a large threshold over √(ratio of thresholds) times that at the smallest, at the last episode."""
    known = thresholds(tables)
    cells = [_last(_joint(tables, S)).set_index("seed")["regret"] for S in (rare, known[0])]
    pairs = pd.concat(cells, axis=1, join="inner")
    factor = float(np.sqrt(known[-1] / known[0]))

    def statistic(drawn: FloatArray) -> FloatArray:
        means = drawn.mean(axis=1)
        return np.asarray(means[:, 0] / (factor * means[:, 1]))

    return bootstrap(pairs.to_numpy(dtype=np.float64), statistic, 1.0, "regret over √S times that of the smallest S")


def proposition_3(tables: Tables) -> Finding:
    """Mean of R_B(T) − R_C(T)/T at the last episode, smallest S."""
    frame = _last(_joint(tables, thresholds(tables)[0]))
    return mean((frame["bayes"] - frame["regret"] / frame["episode"]).to_numpy(), 0.0, "mean of R_B − R_C/T")
