"""What the claims of the group "practice" measure: the last epoch of each run, paired by seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError
from pcpo.evidence.practice.estimates import jackknife, mean_ratio, within
from pcpo.evidence.practice.studies import KNOBS

__all__ = [
    "CHEAP",
    "SIGNATURES",
    "affordable",
    "best_window",
    "cell",
    "collaboration",
    "cost_of_rule",
    "ends",
    "forced_plateau",
    "merged_plateau",
    "not_exact",
    "saving",
    "sensitivity_level",
    "sensitivity_slope",
    "shown",
    "signature",
    "size_rate",
    "size_slope",
    "survivors",
    "to_exact",
    "without_exact_sets",
]

_TEXTS = ("mode", "fleet", "algorithm")
SIGNATURES = ("lost", "shared_lost", "restless", "any")
#: δ of the runs.
FAILURE = 0.05
#: A signature may mislead in at most this fraction of runs.
MANY = 0.1
#: Σ 4⁻ᵏ = 4/3 for the epochs before, times 4 for the coarseness of halving Δ_l.
CHEAP = 16 / 3
#: Predictions count below this gap (cost units), half the first one: where the cost is nearly quadratic.
SMALL_GAP = 0.5
#: How far from linearised predictions a slope, a plateau (relative) and the sweep may be.
SLOPE_MARGIN, PLATEAU_MARGIN, LEVEL_MARGIN = 0.25, 0.05, 0.15


def cell(tables: Tables, study: str, name: str) -> pd.DataFrame:
    """Rows of a cell, without the columns of text; raises ResultsError if there are none."""
    frame = tables[study]
    found = frame[frame["cell"] == name]
    if found.empty:
        raise ResultsError(f"{study}: found no rows of cell {name!r}, expected some; run the workflow")
    return found.drop(columns=["cell", *_TEXTS], errors="ignore")


def ends(frame: pd.DataFrame) -> pd.DataFrame:
    """The last epoch of every (seed, value), in that order."""
    rows = frame.sort_values(["seed", "value", "epoch"])
    return rows.drop_duplicates(["seed", "value"], keep="last")


def wide(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Last epochs as (seeds, values)."""
    return ends(frame).pivot(index="seed", columns="value", values=column)


def predicted(frame: pd.DataFrame, column: str) -> pd.Series:
    """A prediction of the last epochs by value, mean over runs."""
    found: pd.Series = ends(frame).groupby("value")[column].mean()
    return found


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Least-squares slope of y ``(n,)`` on x ``(n,)``."""
    centred = x - x.mean()
    return float(y @ centred / (centred @ centred))


def _pairs(upper: pd.DataFrame, lower: pd.DataFrame) -> FloatArray:
    """(seeds, 2, values)."""
    return np.stack([upper.to_numpy(dtype=float), lower.to_numpy(dtype=float)], axis=1)


def _size_slope(tables: Tables) -> tuple[FloatArray, Callable[[FloatArray], float], float]:
    """Runs, slope of log(mean global gap/mean local gap) in log N, and that of the linearised iteration."""
    frame = cell(tables, "first_runs", "homogeneous")
    sizes = np.log(np.sort(frame["value"].unique()))

    def statistic(drawn: FloatArray) -> float:
        means = np.log(drawn.mean(axis=0))
        return _slope(sizes, means[0] - means[1])

    ratio = predicted(frame, "predicted_global") / predicted(frame, "predicted_local")
    target = _slope(sizes, np.log(ratio.to_numpy(dtype=float)))
    return _pairs(wide(frame, "global_gap"), wide(frame, "local_gap")), statistic, target


def size_slope(tables: Tables) -> Finding:
    """How far the slope is from the predicted one."""
    return within(*_size_slope(tables), SLOPE_MARGIN, "slope of log(global/local) in log N")


def size_rate(tables: Tables) -> Finding:
    """The slope against −1/2."""
    runs, statistic, _ = _size_slope(tables)
    return jackknife(runs, statistic, -0.5, "slope of log(global/local) in log N")


def without_exact_sets(tables: Tables) -> Finding:
    """Runs with other sets than the clusters at an epoch with Δ_l ≤ Δ/2."""
    frame = cell(tables, "first_runs", "two_clusters")
    late = frame[frame["Delta"] <= frame["separation"] / 2]
    wrong = ~late.groupby("seed")["exact"].all()
    return findings.failures(int(wrong.sum()), len(wrong), FAILURE)


def _relative(rows: pd.DataFrame, name: str) -> Finding:
    """|mean global gap/prediction − 1|; raises ResultsError without a prediction."""
    if rows["predicted_global"].isna().any():
        raise ResultsError("predicted_global: found NaN, expected a prediction for every run that is compared with it")
    ratio = (rows["global_gap"] / rows["predicted_global"]).to_numpy(dtype=float)
    return within(ratio, lambda r: float(r.mean()), 1.0, PLATEAU_MARGIN, name)


def forced_plateau(tables: Tables) -> Finding:
    """Mean gap of averaging over everybody against its prediction."""
    rows = ends(cell(tables, "first_runs", "forced"))
    return _relative(rows, "mean gap/prediction")


def saving(tables: Tables) -> Finding:
    """Mean gap of PCPO over that of averaging over everybody, same seeds and rollouts, against 1/2."""
    runs = [ends(cell(tables, "first_runs", name))["global_gap"].to_numpy() for name in ("unforced", "forced")]
    return mean_ratio(runs[0], runs[1], 0.5)


def failed(frame: pd.DataFrame) -> pd.Series:
    """By seed: whether the last epoch of any value has wrong sets or a policy of infinite cost."""
    rows = ends(frame)
    bad = ~rows["exact"] | (rows["infinite_global"] > 0) | (rows["infinite_local"] > 0)
    return bad.groupby(rows["seed"]).any()


def not_exact(frame: pd.DataFrame) -> Finding:
    """Fraction of runs that fail, against δ."""
    bad = failed(frame)
    return findings.failures(int(bad.sum()), len(bad), FAILURE)


def survivors(frame: pd.DataFrame, column: str = "infinite_global") -> Finding:
    """Fraction of runs in which no agent's policy has infinite cost at the end, against `MANY`."""
    rows = ends(frame)
    alive = (rows[column] == 0).groupby(rows["seed"]).any()
    return findings.failures(int(alive.sum()), len(alive), MANY)


def _knobs(tables: Tables) -> tuple[FloatArray, FloatArray]:
    """Local gaps ``(seeds, cells)`` and predictions ``(cells,)`` of the sweep, where the prediction is below
    `SMALL_GAP`."""
    gaps, targets = [], []
    for knob in KNOBS:
        frame = cell(tables, "sensitivity", knob)
        target = predicted(frame, "predicted_local")
        kept = target.index[(target <= SMALL_GAP).to_numpy()]
        gaps.append(wide(frame, "local_gap")[kept].to_numpy(dtype=float))
        targets.append(target[kept].to_numpy(dtype=float))
    return np.concatenate(gaps, axis=1), np.concatenate(targets)


def sensitivity_level(tables: Tables) -> Finding:
    """Mean over the sweep of (mean local gap)/(prediction)."""
    gaps, target = _knobs(tables)
    return within(gaps / target, lambda r: float(r.mean()), 1.0, LEVEL_MARGIN, "mean of measured/predicted")


def sensitivity_slope(tables: Tables) -> Finding:
    """Slope of log(mean local gap) on log(prediction) over the sweep."""
    gaps, target = _knobs(tables)
    x = np.log(target)
    return within(
        gaps, lambda r: _slope(x, np.log(r.mean(axis=0))), 1.0, LEVEL_MARGIN, "slope of log measured on log predicted"
    )


def shown(frame: pd.DataFrame, name: str) -> FloatArray:
    """By run: whether it shows a signature, from what the agents and the server see, nothing else.

    "lost": the largest Ĉ_i at the end is twice the largest first cost or more; "shared_lost": saturated rollouts, while
    all Ĉ_i stay below that; "restless": (8) is applied in two epochs or more; "any" of them.
    """
    if name not in SIGNATURES:
        raise ResultsError(f"signature: found {name!r}, expected one of {', '.join(SIGNATURES)}")
    runs = frame.sort_values(["seed", "epoch"]).groupby("seed")
    lost = runs["worst_estimate"].last() >= 2
    shared_lost = (runs["saturated"].max() > 0) & (runs["worst_estimate"].max() < 2)
    restless = runs["reinitialised"].sum() >= 2
    found = {"lost": lost, "shared_lost": shared_lost, "restless": restless, "any": lost | shared_lost | restless}
    return np.asarray(found[name].to_numpy(), dtype=np.float64)


def signature(tables: Tables, name: str, condition: str) -> Finding:
    """Fraction misled: violated runs without the signature and sound runs with it; for "any", runs with it."""
    violated = shown(cell(tables, "failures", condition), name)
    if name == "any":
        return findings.failures(int(violated.sum()), len(violated), MANY)
    sound = shown(cell(tables, "failures", "sound"), name)
    wrong = int((1 - violated).sum() + sound.sum())
    return findings.failures(wrong, len(violated) + len(sound), MANY)


def best_window(tables: Tables) -> pd.DataFrame:
    """Runs with Δ ≤ Δ_0 ≤ C*_1 = 20 (the values are Δ_0)."""
    frame = cell(tables, "initial_guess", "fixed")
    return frame[(frame["value"] >= frame["separation"]) & (frame["value"] <= 20.0)]


def affordable(tables: Tables, name: str) -> pd.DataFrame:
    """Runs of a cell on the random fleets whose budget reaches the end of epoch 1 when Δ is known."""
    known = cell(tables, "guess_rule", "known")
    frame = cell(tables, "guess_rule", name)
    return frame[frame["seed"].isin(known.loc[known["epoch"] > 0, "seed"])]


def cost_of_rule(tables: Tables) -> Finding:
    """Fraction of affordable fleets that need over 16/3 times the rollouts to exact sets that a known Δ needs."""
    rule, known = (to_exact(affordable(tables, name)) for name in ("rule", "known"))
    dear = ~(rule <= CHEAP * known.reindex(rule.index))
    return findings.failures(int(dear.sum()), len(dear), FAILURE)


def to_exact(frame: pd.DataFrame) -> pd.Series:
    """By seed: rollouts per agent until the sets are exact; infinite if they never are."""
    spent = frame["spent"].where(frame["exact"], np.inf)
    found: pd.Series = spent.groupby(frame["seed"]).min()
    return found


def merged_plateau(tables: Tables) -> Finding:
    """Mean gap of PCPO at the smallest Δ against one policy for all, in the runs in which (7) removed nobody.

    That is what the claim speaks of, and a condition on the sets alone; how many runs they are is part of the name.
    """
    frame = cell(tables, "separation_limit", "pcpo")
    rows = ends(frame[frame["value"] == frame["value"].min()])
    whole = rows[rows["smallest_set"] == rows["agents"]]
    return _relative(whole, f"mean gap/prediction where nobody was removed ({len(whole)} of {len(rows)} runs)")


def collaboration(tables: Tables, upper: str, keep: Callable[[Any], Any]) -> Finding:
    """Mean gap of `upper` over that of the other method at the values of Δ that `keep` keeps, against 1."""
    lower = "local" if upper == "pcpo" else "pcpo"
    runs = []
    for name in (upper, lower):
        frame = cell(tables, "separation_limit", name)
        runs.append(wide(frame[keep(frame["value"])], "global_gap").mean(axis=1).to_numpy())
    return mean_ratio(runs[0], runs[1], 1.0)
