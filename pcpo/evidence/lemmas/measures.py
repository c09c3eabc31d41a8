"""Measure what the claims on the lemmas state, from tables alone.

The rows of cells named "control:…" enter no measure, unless a negative control puts them in the place of other rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import bounded, failures, jackknife, mean, violated, violations, worst_failures
from pcpo.claims.power import binomial_power
from pcpo.evidence.lemmas.costs import BIAS, PAIRS
from pcpo.evidence.lemmas.estimates import ESTIMATES, MEAN
from pcpo.evidence.lemmas.proof_steps import PROOF_STEPS
from pcpo.evidence.lemmas.readings import READINGS
from pcpo.evidence.lemmas.trajectories import DESCENT
from pcpo.statistics import hotelling

__all__ = [
    "DELTA_PRIME",
    "above_one",
    "average_exponent",
    "bias_bound",
    "bias_order",
    "budget",
    "exceedance_power",
    "exceedances",
    "failure_probabilities",
    "lemma_9",
    "mean_estimate",
    "mean_power",
    "pairs",
    "paper_cells",
    "recursion",
    "recursion_bound",
    "second_moment",
]

#: δ' at which (19) and (20) are tested.
DELTA_PRIME = 0.01
_ROUNDING = 1e-9  # relative excess over a bound that is a violation in the last digits only


def paper_cells(tables: Tables, study: str) -> pd.DataFrame:
    """Return the rows of a study that do not belong to a control."""
    frame = tables[study]
    return frame[~frame["cell"].str.startswith("control:")]


# --- mean and bias of the estimate ----------------------------------------------------------------------------------


def _estimates(frame: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return g ``(runs, D)``, ∇C_r ``(D,)`` and ∇C ``(D,)`` of one cell of `lemmas_mean`."""
    g = frame.pivot(index="seed", columns="component", values="estimate").to_numpy(dtype=np.float64)
    fixed = frame.drop_duplicates("component").sort_values("component")
    return g, fixed["smoothed"].to_numpy(dtype=np.float64), fixed["gradient"].to_numpy(dtype=np.float64)


def mean_estimate(tables: Tables) -> Finding:
    """Estimate ⟨g, ∇C_r⟩/‖∇C_r‖², averaged over systems.

    The p-value is of all components: Hotelling's T² of every system, with Bonferroni's correction over systems.
    """
    ratios, p_values = [], []
    for _, cell in paper_cells(tables, MEAN.name).groupby("cell"):
        g, smoothed, _ = _estimates(cell)
        ratios.append(g @ smoothed / (smoothed @ smoothed))
        p_values.append(hotelling(g, smoothed))
    name = "⟨g, ∇C_r⟩/‖∇C_r‖², mean over systems"
    found = mean(np.mean(ratios, axis=0), 1.0, name)
    p = min(1.0, len(p_values) * min(p_values))
    label = f"{found.statistic}; p of Hotelling's T² of all components, Bonferroni over systems"
    return replace(found, statistic=label, p_value=p)


def mean_power(tables: Tables, level: float) -> float:
    """Return the power of `mean_estimate` if the mean were ∇C: that of the best system's T² at level/systems."""
    cells = [_estimates(cell) for _, cell in paper_cells(tables, MEAN.name).groupby("cell")]
    powers = []
    for g, smoothed, gradient in cells:
        runs, D = g.shape
        if runs < D + 2:
            continue
        off = gradient - smoothed
        away = runs * off @ np.linalg.solve(np.cov(g, rowvar=False).reshape(D, D), off)
        limit = scipy.stats.f.isf(level / len(cells), D, runs - D)
        # χ²/D in place of the non-central F, whose far tail SciPy cannot evaluate.
        powers.append(float(scipy.stats.ncx2.sf(limit * D, D, away)))
    return max(powers, default=float("nan"))


def bias_bound(tables: Tables) -> Finding:
    """Count gains and radii where ‖∇C_r − ∇C‖, less the error of the quadrature, exceeds φr."""
    frame = paper_cells(tables, BIAS.name)
    return violations(int((frame["bias"] - frame["error"] > frame["bound"]).sum()), len(frame))


def bias_order(tables: Tables) -> Finding:
    """Extrapolate the exponent of ‖∇C_r − ∇C‖ in r to r → 0, from r = ρ, ρ/2, ρ/4; mean over gains.

    With s(r) = log₂ bias(r)/bias(r/2) = p + O(r²), the estimate is (4s(ρ/2) − s(ρ))/3.  The half-width of the interval
    is the largest difference between this and s(ρ/2) over gains: it bounds the error of extrapolation and is no
    standard error.
    """
    bias = paper_cells(tables, BIAS.name).pivot(index=["cell", "seed"], columns="halvings", values="bias")
    logs = np.log2(bias.to_numpy(dtype=np.float64))
    slopes = logs[:, :-1] - logs[:, 1:]
    exponents = (4 * slopes[:, 1] - slopes[:, 0]) / 3
    estimate, error = float(exponents.mean()), float(np.abs(exponents - slopes[:, 1]).max())
    name = "exponent at r → 0, mean over gains; bound: largest change by extrapolation"
    return bounded(name, estimate, estimate - error, estimate + error, 2.0, len(logs), "extrapolation bound")


# --- deviations of the estimate -------------------------------------------------------------------------------------


def second_moment(tables: Tables) -> Finding:
    """Estimate the mean of ‖g − ∇C_r‖² over its exact value, for one agent; mean over systems."""
    frame = paper_cells(tables, ESTIMATES.name)
    alone = frame[(frame["agents"] == 1) & ~frame["cell"].str.startswith("edge")]
    means = alone.groupby(["seed", "cell"])["square"].mean().unstack().to_numpy(dtype=np.float64)
    return mean(means.mean(axis=1), 1.0, "E‖g − ∇C_r‖² over its exact value")


def average_exponent(tables: Tables) -> Finding:
    """Estimate the slope of log E‖G − ∇C_r‖² in log |M| by least squares, with an intercept for each system."""
    frame = paper_cells(tables, ESTIMATES.name)
    frame = frame[~frame["cell"].str.startswith("edge")]
    means = frame.groupby(["seed", "cell"])["square"].mean().unstack()
    named = frame.drop_duplicates("cell").set_index("cell").loc[means.columns]
    x = np.log(named["agents"].to_numpy(dtype=np.float64))
    systems = pd.factorize(named.index.str.split(":").str[0])[0]
    x = x - np.array([x[systems == s].mean() for s in systems])

    def slope(runs: FloatArray) -> float:
        return float(np.log(runs.mean(axis=0)) @ x / (x @ x))

    name = "slope of log E‖G − ∇C_r‖² in log |M|"
    return jackknife(means.to_numpy(dtype=np.float64), slope, -1.0, name)


def _beyond(tables: Tables, *, alone: bool) -> pd.DataFrame:
    """Count estimates beyond (19), or (20) with alone=False, with Pinelis' constant: "sum" of "count" in each cell."""
    frame = paper_cells(tables, ESTIMATES.name)
    frame = frame[(frame["agents"] == 1) == alone]
    beyond = frame["deviation"] > np.sqrt(2 * np.log(2 / DELTA_PRIME))
    cells = beyond.groupby(frame["cell"])
    return pd.DataFrame({"sum": cells.sum(), "count": cells.count()})


def exceedances(tables: Tables, *, alone: bool) -> Finding:
    """Estimate the probability of an error beyond (19) or (20), c8·(D/r)·√(2 log(2/δ')/(M|M|)), in the worst cell.

    Estimates at a fixed gain are independent, so each is a trial.

    Args:
        tables: of the group.
        alone: (19), estimates of one agent; otherwise (20), estimates averaged over agents.
    """
    beyond = _beyond(tables, alone=alone)
    counts = {str(cell): (int(row["sum"]), int(row["count"])) for cell, row in beyond.iterrows()}
    return worst_failures(counts, DELTA_PRIME, "an error beyond the bound")


def exceedance_power(tables: Tables, level: float, *, alone: bool, factor: float) -> float:
    """Return the power of `exceedances` if the worst cell exceeds the bound with `factor` times the probability δ'."""
    cells = _beyond(tables, alone=alone)
    worst = int((cells["sum"] / cells["count"]).to_numpy().argmax())
    return binomial_power(int(cells["count"].iloc[worst]), DELTA_PRIME, factor * DELTA_PRIME, level / len(cells))


# --- Lemmas 4 to 6, the recursion and Lemma 9 -----------------------------------------------------------------------


def pairs(tables: Tables, column: str) -> Finding:
    """Count pairs whose ratio in a column of `lemmas_pairs`, left side over right side of the lemma, exceeds 1.

    Lemmas 4 and 5 ("lipschitz", "smoothness") are about pairs with both gains in the restricted set; Lemma 6
    ("domination") is about all gains of finite cost.
    """
    frame = paper_cells(tables, PAIRS.name)
    if column != "domination":
        frame = frame[frame["inside"] == 1]
    return violations(int((frame[column] > 1 + _ROUNDING).sum()), len(frame))


def recursion_bound(steps: pd.DataFrame) -> pd.Series[float]:
    """Return (1 − ημ/4)S_k + (3η/4)‖e_k‖², the right-hand side of (29), for steps of `lemmas_descent`."""
    contraction = 1 - steps["step_size"] * steps["slope"] / 4
    bound: pd.Series[float] = contraction * steps["gap"] + 0.75 * steps["step_size"] * steps["error"]
    return bound


def failure_probabilities(tables: Tables) -> Finding:
    """Count the δ for which Σ_l δ_l/2 exceeds δ/2, or Π_l (1 − δ_l/2) is below 1 − δ/2, with δ_l = δ/(2l²)."""
    frame = tables[READINGS]
    frame = frame[frame["cell"] == "appendix"]
    last = frame[frame["epoch"] == frame["epoch"].max()]
    return violations(int(((last["union_exceeds"] == 1) | (last["product_exceeds"] == 1)).sum()), len(last))


def recursion(tables: Tables) -> Finding:
    """Count learners with a step from inside the restricted set that ends above the right-hand side of (29).

    The steps of a learner depend on each other, so a learner is a trial.
    """
    frame = paper_cells(tables, DESCENT.name)
    frame = frame[frame["gap"] <= frame["limit"]]
    above = frame["next_gap"] > recursion_bound(frame) * (1 + _ROUNDING)
    return violated(above, frame["cell"], frame["seed"], frame["learner"])


def lemma_9(tables: Tables) -> Finding:
    """Estimate the probability that a learner on rollouts leaves the restricted set or ends above (24)."""
    frame = paper_cells(tables, DESCENT.name)
    frame = frame[frame["cell"].str.startswith("rollouts")]
    learners = frame.groupby(["cell", "seed", "learner"])
    out = (frame["next_gap"] > frame["limit"]).groupby([frame[c] for c in ("cell", "seed", "learner")]).any()
    last = learners.last()
    failed = out | (last["next_gap"] > last["bound"])
    found = failures(int(failed.sum()), len(failed), float(frame["allowed"].iloc[0]))
    return replace(found, statistic="fraction of learners, systems pooled")


# --- steps without a lemma ------------------------------------------------------------------------------------------


def above_one(tables: Tables, column: str, *, once: bool = False) -> Finding:
    """Count the fleets and epochs in which a ratio of `lemmas_proof_steps`, left side over right side, exceeds 1.

    Args:
        tables: of the group.
        column: of the ratio.
        once: the ratio is the same in all epochs, so a fleet is one trial.
    """
    frame = paper_cells(tables, PROOF_STEPS.name)
    if once:
        frame = frame[frame["epoch"] == frame["epoch"].min()]
    return violated(frame[column] > 1 + _ROUNDING, frame["cell"], frame["seed"])


def budget(tables: Tables) -> Finding:
    """Count the fleets and epochs that violate (36), the bound on R_l after it, or the bound on M_l that (37) gives."""
    frame = paper_cells(tables, PROOF_STEPS.name)
    worst = frame[["epochs", "iterations", "minibatch"]].max(axis=1)
    return violated(worst > 1 + _ROUNDING, frame["cell"], frame["seed"])
