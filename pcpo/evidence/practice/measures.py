"""Measure the claims of the group "practice" on the last epochs of runs, paired by seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError
from pcpo.evidence.practice.studies import KNOBS

__all__ = [
    "CHEAP",
    "CLOSE",
    "FAR",
    "SIGNATURES",
    "WILD",
    "below_forced",
    "best_window",
    "capped",
    "cell",
    "cost_of_rule",
    "ends",
    "forced_plateau",
    "help_when_far",
    "infinite_forced",
    "merged_harm",
    "merged_plateau",
    "robust",
    "rule_failures",
    "rule_failures_by_noise",
    "sensitivity_level",
    "sensitivity_slope",
    "shown",
    "signature",
    "size_rate",
    "size_slope",
    "to_exact",
    "unforced_failures",
    "wild_survivors",
    "window_failures",
    "without_exact_sets",
]

_TEXTS = ("mode", "fleet", "algorithm")
#: What a run may show, see `shown`.
SIGNATURES = ("lost", "shared_lost", "restless", "any")
#: δ of the runs.
_FAILURE = 0.05
#: A signature may mislead, and a lost policy may survive, in at most this fraction of runs.
_MANY = 0.1
#: Σ 4⁻ᵏ = 4/3 for the epochs before, times 4 for the coarseness of halving Δ_l.
CHEAP = 16 / 3
#: Separations Δ (cost units) at which clusters should merge, and at which collaboration should help.
CLOSE, FAR = 0.25, 4.0
#: Δ_0 (cost units) from which policies should be lost: five times C*_1.
WILD = 100.0
#: C*_1 of the fleets of the study `initial_guess` (cost units).
_FIRST_COST = 20.0
#: Predictions count below this gap (cost units), half the initial gap: there the cost is nearly quadratic.
_SMALL_GAP = 0.5
#: Largest distance from linearised predictions of a slope, of a plateau (relative) and of the sweep.
_SLOPE_MARGIN, _PLATEAU_MARGIN, _LEVEL_MARGIN = 0.25, 0.05, 0.15


def cell(tables: Tables, study: str, name: str) -> pd.DataFrame:
    """Select the rows of a cell, without the columns of text.

    Raises:
        ResultsError: if there are none.
    """
    frame = tables[study]
    found = frame[frame["cell"] == name]
    if found.empty:
        raise ResultsError(f"{study}: found no rows of cell {name!r}, expected some; run the workflow")
    return found.drop(columns=["cell", *_TEXTS], errors="ignore")


def ends(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the last epoch of every seed and value, in that order."""
    rows = frame.sort_values(["seed", "value", "epoch"])
    return rows.drop_duplicates(["seed", "value"], keep="last")


def _wide(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Arrange a column of the last epochs as ``(seeds, values)``."""
    return ends(frame).pivot(index="seed", columns="value", values=column)


def _predicted(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a prediction for the last epochs by value, mean over runs."""
    found: pd.Series = ends(frame).groupby("value")[column].mean()
    return found


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Return the least-squares slope of y ``(n,)`` on x ``(n,)``."""
    centred = x - x.mean()
    return float(y @ centred / (centred @ centred))


def _pairs(upper: pd.DataFrame, lower: pd.DataFrame) -> FloatArray:
    """Pair two tables ``(seeds, values)`` by run: ``(seeds, 2, values)``."""
    return np.stack([upper.to_numpy(dtype=float), lower.to_numpy(dtype=float)], axis=1)


def _size_slope(tables: Tables) -> tuple[FloatArray, Callable[[FloatArray], float], float]:
    """Return the runs, their slope of log(mean global gap/mean local gap) in log N, and the predicted slope."""
    frame = cell(tables, "first_runs", "homogeneous")
    sizes = np.log(np.sort(frame["value"].unique()))

    def statistic(drawn: FloatArray) -> float:
        means = np.log(drawn.mean(axis=0))
        return _slope(sizes, means[0] - means[1])

    ratio = _predicted(frame, "predicted_global") / _predicted(frame, "predicted_local")
    target = _slope(sizes, np.log(ratio.to_numpy(dtype=float)))
    return _pairs(_wide(frame, "global_gap"), _wide(frame, "local_gap")), statistic, target


def size_slope(tables: Tables) -> Finding:
    """Compare the slope in log N with the slope of the linearised iteration, up to a margin."""
    return findings.within(*_size_slope(tables), _SLOPE_MARGIN, "slope of log(global/local) in log N")


def size_rate(tables: Tables) -> Finding:
    """Compare the slope in log N with −1/2."""
    runs, statistic, _ = _size_slope(tables)
    return findings.jackknife(runs, statistic, -0.5, "slope of log(global/local) in log N")


def without_exact_sets(tables: Tables) -> Finding:
    """Count runs with other sets than the clusters at an epoch with Δ_l ≤ Δ/2, against δ."""
    frame = cell(tables, "first_runs", "two_clusters")
    late = frame[frame["Delta"] <= frame["separation"] / 2]
    wrong = ~late.groupby("seed")["exact"].all()
    return findings.failures(int(wrong.sum()), len(wrong), _FAILURE)


def _relative(rows: pd.DataFrame, name: str) -> Finding:
    """Compare the mean of (global gap)/(prediction) with 1, up to a margin.

    Raises:
        ResultsError: for a run without a prediction.
    """
    if rows["predicted_global"].isna().any():
        raise ResultsError("predicted_global: found NaN, expected a prediction for every run that is compared with it")
    ratio = (rows["global_gap"] / rows["predicted_global"]).to_numpy(dtype=float)
    return findings.mean_within(ratio, 1.0, _PLATEAU_MARGIN, name)


def forced_plateau(tables: Tables) -> Finding:
    """Compare the mean gap of averaging over everybody with its prediction, up to a margin."""
    rows = ends(cell(tables, "first_runs", "forced"))
    return _relative(rows, "mean gap/prediction")


def below_forced(tables: Tables) -> Finding:
    """Compare (mean gap of PCPO)/(mean gap of averaging over everybody), same seeds and rollouts, with 1/2."""
    runs = [ends(cell(tables, "first_runs", name))["global_gap"].to_numpy() for name in ("unforced", "forced")]
    return findings.mean_ratio(runs[0], runs[1], 0.5)


def _failures(frame: pd.DataFrame) -> Finding:
    """Count seeds for which the last epoch of any value has wrong sets or a policy of infinite cost, against δ."""
    rows = ends(frame)
    failed = _bad(rows).groupby(rows["seed"]).any()
    return findings.failures(int(failed.sum()), len(failed), _FAILURE)


def _bad(rows: pd.DataFrame) -> pd.Series:
    """Return which rows have wrong sets or a policy of infinite cost."""
    found: pd.Series = ~rows["exact"] | (rows["infinite_global"] > 0) | (rows["infinite_local"] > 0)
    return found


def _survivors(frame: pd.DataFrame, column: str) -> Finding:
    """Count seeds for which, at some value, every agent's policy has finite cost at the end, against a tenth."""
    rows = ends(frame)
    alive = (rows[column] == 0).groupby(rows["seed"]).any()
    return findings.failures(int(alive.sum()), len(alive), _MANY)


def infinite_forced(tables: Tables) -> Finding:
    """Count runs of averaging over everybody, from the agents' own gains, with an infinite cost after any epoch."""
    lost = cell(tables, "first_runs", "forced_mirror").groupby("seed")["infinite_global"].max() > 0
    return findings.failures(int(lost.sum()), len(lost), _FAILURE)


def unforced_failures(tables: Tables) -> Finding:
    """Count runs of PCPO, on the fleet without a common gain, that end with wrong sets or an infinite cost."""
    return _failures(cell(tables, "first_runs", "unforced_mirror"))


def _knobs(tables: Tables) -> tuple[FloatArray, FloatArray]:
    """Return local gaps ``(seeds, points)`` and predictions ``(points,)`` of the sweep, for small predicted gaps."""
    gaps, targets = [], []
    for knob in KNOBS:
        frame = cell(tables, "sensitivity", knob)
        target = _predicted(frame, "predicted_local")
        kept = target.index[(target <= _SMALL_GAP).to_numpy()]
        gaps.append(_wide(frame, "local_gap")[kept].to_numpy(dtype=float))
        targets.append(target[kept].to_numpy(dtype=float))
    return np.concatenate(gaps, axis=1), np.concatenate(targets)


def _mean_square(ratios: FloatArray) -> float:
    """Estimate the mean over points of (E ratio − 1)² from runs ``(n, points)``; infinite if a ratio is.

    Without bias, so that it may be below 0.
    """
    if not np.isfinite(ratios).all():
        return float("inf")
    if len(ratios) < 2:
        return float("nan")
    noise = ratios.var(axis=0, ddof=1) / len(ratios)
    return float(np.mean((ratios.mean(axis=0) - 1) ** 2 - noise))


def sensitivity_level(tables: Tables) -> Finding:
    """Compare the mean square over the sweep of (mean local gap)/(prediction) − 1 with that of a margin.

    A square, since deviations of either sign count: 30 % above at one point is not made good by 30 % below at another.
    """
    gaps, target = _knobs(tables)
    return findings.jackknife(gaps / target, _mean_square, _LEVEL_MARGIN**2, "mean square of measured/predicted − 1")


def sensitivity_slope(tables: Tables) -> Finding:
    """Compare the slope of log(mean local gap) on log(prediction) over the sweep with 1, up to a margin."""
    gaps, target = _knobs(tables)
    x = np.log(target)
    name = "slope of log measured on log predicted"
    return findings.within(gaps, lambda r: _slope(x, np.log(r.mean(axis=0))), 1.0, _LEVEL_MARGIN, name)


def robust(tables: Tables) -> Finding:
    """Count seeds that fail at any value within a factor of 2 of any calibrated constant."""
    frame = tables["robustness"]
    place = frame["cell"].map({name: k for k, name in enumerate(KNOBS)})
    return _failures(frame.assign(value=frame["value"] + 10.0 * place))  # each (constant, value) is a value


def capped(tables: Tables) -> Finding:
    """Count seeds that fail with a radius at least twice too large, before the cap."""
    frame = cell(tables, "sensitivity", "radius_factor")
    return _failures(frame[frame["value"] >= 2.0])


def shown(frame: pd.DataFrame, name: str) -> FloatArray:
    """Tell which runs show a signature, from what agents and server see and nothing else.

    Args:
        frame: rows of one cell.
        name: "lost": the largest Ĉ_i at the end is at least twice the largest first cost; "shared_lost": saturated
            rollouts, while all Ĉ_i stay below that; "restless": (8) is applied in at least two epochs; "any" of them.

    Returns:
        ``(runs,)``, 1 for a run with the signature and else 0.

    Raises:
        ResultsError: for an unknown signature.
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
    """Compare the larger of two rates with a tenth: violated runs without the signature, and sound runs with it.

    Both must be small, so they are not pooled.  For the signature "any", runs of the condition with any signature are
    counted.
    """
    violated = shown(cell(tables, "failures", condition), name) > 0
    if name == "any":
        return findings.failures(int(violated.sum()), len(violated), _MANY)
    sound = shown(cell(tables, "failures", "sound"), name) > 0
    halves = {
        "missed in violated runs": (int((~violated).sum()), len(violated)),
        "shown in sound runs": (int(sound.sum()), len(sound)),
    }
    return findings.worst_failures(halves, _MANY, "a misleading signature")


def best_window(tables: Tables) -> pd.DataFrame:
    """Select the runs with Δ ≤ Δ_0 ≤ C*_1 (the values are Δ_0)."""
    frame = cell(tables, "initial_guess", "fixed")
    return frame[(frame["value"] >= frame["separation"]) & (frame["value"] <= _FIRST_COST)]


def window_failures(tables: Tables) -> Finding:
    """Count seeds that fail at any Δ_0 from Δ to C*_1."""
    return _failures(best_window(tables))


def wild_survivors(tables: Tables) -> Finding:
    """Count seeds with finite local costs for all agents at some Δ_0 far above C*_1."""
    frame = cell(tables, "initial_guess", "fixed")
    return _survivors(frame[frame["value"] >= WILD], "infinite_local")


def _affordable(tables: Tables, name: str) -> pd.DataFrame:
    """Select the runs of a cell on the random fleets whose budget reaches the end of epoch 1 when Δ is known."""
    known = cell(tables, "guess_rule", "known")
    frame = cell(tables, "guess_rule", name)
    return frame[frame["seed"].isin(known.loc[known["epoch"] > 0, "seed"])]


def rule_failures(tables: Tables) -> Finding:
    """Count affordable random fleets on which the rule for Δ_0 ends with wrong sets or an infinite cost."""
    return _failures(_affordable(tables, "rule"))


def rule_failures_by_noise(tables: Tables) -> Finding:
    """Compare the failures of the rule with a tenth, in both halves of the fleets by Δ/σ."""
    rows = ends(_affordable(tables, "rule")).set_index("seed")
    failed, ratio = _bad(rows), rows["noise_ratio"]
    low = ratio <= ratio.median()
    halves = {
        f"Δ/σ from {ratio[half].min():.2g} to {ratio[half].max():.2g}": (int(failed[half].sum()), int(half.sum()))
        for half in (low, ~low)
    }
    return findings.worst_failures(halves, _MANY, "wrong sets or an infinite cost")


def cost_of_rule(tables: Tables) -> Finding:
    """Count affordable fleets that need over 16/3 times as many rollouts to exact sets as with Δ known, against δ.

    A fleet on which the rule never has exact sets counts, whatever Δ known does.
    """
    rule, known = (to_exact(_affordable(tables, name)) for name in ("rule", "known"))
    dear = ~(rule <= CHEAP * known.reindex(rule.index)) | np.isinf(rule)
    return findings.failures(int(dear.sum()), len(dear), _FAILURE)


def to_exact(frame: pd.DataFrame) -> pd.Series:
    """Return rollouts per agent until the sets are exact, by seed; infinite if they never are."""
    spent = frame["spent"].where(frame["exact"], np.inf)
    found: pd.Series = spent.groupby(frame["seed"]).min()
    return found


def merged_plateau(tables: Tables) -> Finding:
    """Compare the mean gap of PCPO at the smallest Δ with that of one policy for all, up to a margin.

    Only runs in which (7) removed nobody count, as the claim says; this is a condition on the sets alone.  The name of
    the statistic says how many runs they are.
    """
    frame = cell(tables, "separation_limit", "pcpo")
    rows = ends(frame[frame["value"] == frame["value"].min()])
    whole = rows[rows["smallest_set"] == rows["agents"]]
    return _relative(whole, f"mean gap/prediction where nobody was removed ({len(whole)} of {len(rows)} runs)")


def merged_harm(tables: Tables) -> Finding:
    """Compare (mean gap of local learning)/(mean gap of PCPO) at close clusters with 1."""
    return _gap_ratio(tables, "local", "pcpo", lambda Delta: Delta <= CLOSE)


def help_when_far(tables: Tables) -> Finding:
    """Compare (mean gap of PCPO)/(mean gap of local learning) at far clusters with 1."""
    return _gap_ratio(tables, "pcpo", "local", lambda Delta: Delta >= FAR)


def _gap_ratio(tables: Tables, upper: str, lower: str, keep: Callable[[pd.Series], pd.Series]) -> Finding:
    """Compare the ratio of two methods' mean gaps with 1, over the values of Δ that `keep` selects."""
    runs = []
    for name in (upper, lower):
        frame = cell(tables, "separation_limit", name)
        runs.append(_wide(frame[keep(frame["value"])], "global_gap").mean(axis=1).to_numpy())
    return findings.mean_ratio(runs[0], runs[1], 1.0)
