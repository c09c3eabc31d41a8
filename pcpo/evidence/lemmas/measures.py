"""What the claims of the lemmas measure, on tables alone; cells named "control:…" are never measured as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims.contract import ALPHA, Finding, Tables
from pcpo.claims.findings import bootstrap, failures, violations
from pcpo.evidence.lemmas.descent import DESCENT
from pcpo.evidence.lemmas.studies import BIAS, ESTIMATES, MEAN, PAIRS

__all__ = [
    "DELTA_PRIME",
    "average_exponent",
    "bias_bound",
    "bias_order",
    "exceedances",
    "hotelling",
    "lemma_9",
    "mean_estimate",
    "mean_power",
    "pairs",
    "paper_cells",
    "recursion",
    "second_moment",
]

#: δ' at which (19) and (20) are tested.
DELTA_PRIME = 0.01
_SYSTEMS = 3


def paper_cells(tables: Tables, study: str) -> pd.DataFrame:
    """The rows of a study that are not of a control."""
    frame = tables[study]
    return frame[~frame["cell"].str.startswith("control:")]


def _estimates(frame: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """g ``(runs, D)``, ∇C_r and ∇C ``(D,)`` of a cell of `lemmas_mean`."""
    g = frame.pivot(index="seed", columns="component", values="estimate").to_numpy(dtype=np.float64)
    fixed = frame.drop_duplicates("component").sort_values("component")
    return g, fixed["smoothed"].to_numpy(dtype=np.float64), fixed["gradient"].to_numpy(dtype=np.float64)


def hotelling(g: FloatArray, mean: FloatArray) -> float:
    """p-value of T² that independent rows ``(runs, D)`` have this mean; 1 if there are too few."""
    runs, D = g.shape
    if runs < D + 2:
        return 1.0
    off = g.mean(axis=0) - mean
    T2 = runs * off @ np.linalg.solve(np.cov(g, rowvar=False).reshape(D, D), off)
    return float(scipy.stats.f.sf(T2 * (runs - D) / (D * (runs - 1)), D, runs - D))


def mean_estimate(tables: Tables) -> Finding:
    """⟨g, ∇C_r⟩/‖∇C_r‖², mean over systems, with the p-value of all components: T² of every system, Bonferroni."""
    ratios, p_values = [], []
    for _, cell in paper_cells(tables, MEAN.name).groupby("cell"):
        g, smoothed, _ = _estimates(cell)
        ratios.append(g @ smoothed / (smoothed @ smoothed))
        p_values.append(hotelling(g, smoothed))
    name = "⟨g, ∇C_r⟩/‖∇C_r‖², mean over systems"
    found = bootstrap(np.stack(ratios, axis=1), lambda x: x.mean(axis=(1, 2)), 1.0, name)
    p = min(1.0, len(p_values) * min(p_values))
    label = f"{found.statistic}; p of Hotelling's T² of all components, Bonferroni over systems"
    return Finding(label, found.estimate, found.low, found.high, 1.0, p, found.n_runs)


def mean_power(tables: Tables) -> float:
    """Power of one system's T² at level α/3, the best of them, if the mean were ∇C."""
    powers = []
    for _, cell in paper_cells(tables, MEAN.name).groupby("cell"):
        g, smoothed, gradient = _estimates(cell)
        runs, D = g.shape
        if runs < D + 2:
            continue
        off = gradient - smoothed
        away = runs * off @ np.linalg.solve(np.cov(g, rowvar=False).reshape(D, D), off)
        limit = scipy.stats.f.isf(ALPHA / _SYSTEMS, D, runs - D)
        # F → χ²/D for the non-central tail, which SciPy cannot evaluate far out.
        powers.append(float(scipy.stats.ncx2.sf(limit * D, D, away)))
    return max(powers, default=float("nan"))


def bias_bound(tables: Tables) -> Finding:
    """Gains and radii where ‖∇C_r − ∇C‖, less the error of the quadrature, exceeds φr."""
    frame = paper_cells(tables, BIAS.name)
    return violations(int((frame["bias"] - frame["error"] > frame["bound"]).sum()), len(frame))


def bias_order(tables: Tables) -> Finding:
    """Exponent of ‖∇C_r − ∇C‖ in r at r → 0: log₂ ratios at ρ, ρ/2, ρ/4, extrapolated, mean over gains.

    With s(r) = log₂ bias(r)/bias(r/2) = p + O(r²), the estimate is (4s(ρ/2) − s(ρ))/3; the interval is its largest
    difference from s(ρ/2), which bounds the error of extrapolation and is no standard error.
    """
    bias = paper_cells(tables, BIAS.name).pivot(index=["cell", "seed"], columns="halvings", values="bias")
    logs = np.log2(bias.to_numpy(dtype=np.float64))
    slopes = logs[:, :-1] - logs[:, 1:]
    exponents = (4 * slopes[:, 1] - slopes[:, 0]) / 3
    estimate, error = float(exponents.mean()), float(np.abs(exponents - slopes[:, 1]).max())
    name = "exponent at r → 0, mean over gains; interval: largest change by extrapolation"
    p = float(abs(estimate - 2) <= error)
    return Finding(name, estimate, estimate - error, estimate + error, 2.0, p, len(logs))


def second_moment(tables: Tables) -> Finding:
    """Mean of ‖g − ∇C_r‖² over its exact value, of one agent, mean over systems; runs resampled."""
    frame = paper_cells(tables, ESTIMATES.name)
    alone = frame[(frame["agents"] == 1) & ~frame["cell"].str.startswith("edge")]
    means = alone.groupby(["seed", "cell"])["square"].mean().unstack().to_numpy(dtype=np.float64)
    return bootstrap(means, lambda x: x.mean(axis=(1, 2)), 1.0, "E‖g − ∇C_r‖² over its exact value")


def average_exponent(tables: Tables) -> Finding:
    """Least-squares slope of log E‖G − ∇C_r‖² in log |M|, one intercept per system; runs resampled."""
    frame = paper_cells(tables, ESTIMATES.name)
    frame = frame[~frame["cell"].str.startswith("edge")]
    means = frame.groupby(["seed", "cell"])["square"].mean().unstack()
    named = frame.drop_duplicates("cell").set_index("cell").loc[means.columns]
    x = np.log(named["agents"].to_numpy(dtype=np.float64))
    systems = pd.factorize(named.index.str.split(":").str[0])[0]
    x = x - np.array([x[systems == s].mean() for s in systems])

    def slope(resampled: FloatArray) -> FloatArray:
        return np.asarray(np.log(resampled.mean(axis=1)) @ x / (x @ x))

    name = "slope of log E‖G − ∇C_r‖² in log |M|"
    return bootstrap(means.to_numpy(dtype=np.float64), slope, -1.0, name)


def exceedances(tables: Tables, *, alone: bool) -> Finding:
    """Fraction of estimates beyond (19) or (20) with Pinelis' constant, c8·(D/r)·√(2 log(2/δ')/(M|M|)).

    The cell with the largest fraction speaks for all, its p-value times the number of cells; estimates of a fixed gain
    are independent, so each of them is a trial.
    """
    frame = paper_cells(tables, ESTIMATES.name)
    frame = frame[(frame["agents"] == 1) == alone]
    beyond = (frame["deviation"] > np.sqrt(2 * np.log(2 / DELTA_PRIME))).groupby(frame["cell"]).agg(["sum", "count"])
    worst = beyond.loc[(beyond["sum"] / beyond["count"]).idxmax()]
    found = failures(int(worst["sum"]), int(worst["count"]), DELTA_PRIME)
    name = "fraction of estimates beyond the bound, worst cell, Clopper-Pearson 95 %"
    p = min(1.0, len(beyond) * found.p_value)
    return Finding(name, found.estimate, found.low, found.high, DELTA_PRIME, p, found.n_runs)


def pairs(tables: Tables, column: str) -> Finding:
    """Pairs (both in the restricted set, for Lemmas 4 and 5) where a ratio of `lemmas_pairs` exceeds 1."""
    frame = paper_cells(tables, PAIRS.name)
    if column != "domination":
        frame = frame[frame["inside"] == 1]
    # A violation in the last digits of a ratio of 1 would be rounding.
    return violations(int((frame[column] > 1 + 1e-9).sum()), len(frame))


def recursion(tables: Tables) -> Finding:
    """Steps from inside the restricted set with S_{k+1} > (1 − ημ/4)S_k + (3η/4)‖e_k‖²."""
    frame = paper_cells(tables, DESCENT.name)
    frame = frame[frame["gap"] <= frame["limit"]]
    right = (1 - frame["step_size"] * frame["slope"] / 4) * frame["gap"] + 0.75 * frame["step_size"] * frame["error"]
    return violations(int((frame["next_gap"] > right * (1 + 1e-9)).sum()), len(frame))


def lemma_9(tables: Tables, source: str) -> Finding:
    """Fraction of learners whose iterates leave the restricted set, or that end above (24); systems pooled."""
    frame = paper_cells(tables, DESCENT.name)
    frame = frame[frame["cell"].str.startswith(source)]
    learners = frame.groupby(["cell", "seed", "learner"])
    out = (frame["next_gap"] > frame["limit"]).groupby([frame[c] for c in ("cell", "seed", "learner")]).any()
    last = learners.last()
    failed = out | (last["next_gap"] > last["bound"])
    found = failures(int(failed.sum()), len(failed), float(frame["allowed"].iloc[0]))
    name = "fraction of learners, systems pooled, Clopper-Pearson 95 %"
    return Finding(name, found.estimate, found.low, found.high, found.predicted, found.p_value, found.n_runs)
