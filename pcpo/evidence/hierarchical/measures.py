"""Measure the claims on hierarchical actor-critic; rows of cells named "control:…" enter only through controls.

Measures of exact studies count violations; measures of rates fit an exponent to every instance or trajectory and
average over them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import mean, violated, violations
from pcpo.evidence.hierarchical.studies_critics import CRITIC, SAMPLES
from pcpo.evidence.hierarchical.studies_exact import COMPLEXITY, DESCENT, FORMULAS, SYSTEMS
from pcpo.evidence.hierarchical.studies_gains import GAINS, WEIGHTS
from pcpo.evidence.hierarchical.studies_learning import ACTORS, LEARNING

__all__ = [
    "allowed",
    "assumption_4",
    "contraction",
    "critic_exponent",
    "critic_steps",
    "decomposition",
    "estimated_exponent",
    "estimated_monotone",
    "exponent",
    "exponents",
    "formula",
    "gain_ratio",
    "growth",
    "iteration_bound",
    "local_rate",
    "monotone",
    "perturbation_fails",
    "premise_met",
    "sample_exponent",
    "slack",
    "too_short",
    "weighted_ratio",
]

#: Relative rounding of a ratio of gaps, which are known to about 1e-12.
_ROUNDING = 1e-9
#: Relative second-order error of a local rate.  It is measured from gaps of 1e-12 of the first on: there K − K* is of
#: order 1e-6, and so are second-order terms, with constants of order 10.
_SECOND_ORDER = 1e-4


def _cells(tables: Tables, study: str, *names: str) -> pd.DataFrame:
    """Return the rows of the named cells, by default of all cells that are not controls."""
    frame = tables[study]
    return frame[frame["cell"].isin(names)] if names else frame[~frame["cell"].str.startswith("control:")]


def decomposition(tables: Tables) -> Finding:
    """Count the identities that are missed by more than rounding."""
    frame = tables[SYSTEMS.name]
    return violated(~(frame["residual"] <= frame["bound"]), frame["seed"])


def formula(*names: str) -> Callable[[Tables], Finding]:
    """Return a measure that counts the formulas of these names that are missed by more than rounding."""

    def measure(tables: Tables) -> Finding:
        frame = tables[FORMULAS.name]
        frame = frame[frame["formula"].isin(names)]
        return violated(~(frame["residual"] <= frame["bound"]), frame["seed"])

    return measure


def gain_ratio(*columns: str) -> Callable[[Tables], Finding]:
    """Return a measure that counts the ratios above 1 in columns of `hierarchical_gains`."""

    def measure(tables: Tables) -> Finding:
        frame = tables[GAINS.name]
        return violated((~(frame[list(columns)] <= 1 + _ROUNDING)).any(axis=1), frame["seed"])

    return measure


def weighted_ratio(column: str) -> Callable[[Tables], Finding]:
    """Return a measure that counts the values above 1 in a column of `hierarchical_weights`, at all Q/R."""

    def measure(tables: Tables) -> Finding:
        frame = tables[WEIGHTS.name]
        return violated(~(frame[column] <= 1 + _ROUNDING), frame["seed"])

    return measure


def perturbation_fails(tables: Tables) -> Finding:
    """Count the gains at which the bound of Lemma 15 holds, with the largest ratio of Q to R."""
    frame = tables[WEIGHTS.name]
    frame = frame[frame["ratio"] == frame["ratio"].max()]
    return violated(frame["lemma_15"] <= 1, frame["seed"])


def _in_steps(frame: pd.DataFrame, column: str) -> Finding:
    """Count the seeds with a step that a column of `hierarchical_descent` counts, among the steps of all paths."""
    seeds = frame.groupby("seed")[column].sum()
    return violations(int((seeds > 0).sum()), int(frame["steps"].sum()), independent=len(seeds))


def monotone(tables: Tables) -> Finding:
    """Count the exact steps that do not lower the cost."""
    frame = _cells(tables, DESCENT.name)
    return _in_steps(frame, "increases")


def contraction(tables: Tables) -> Finding:
    """Count the exact steps that remove less of the gap than (20) promises."""
    frame = _cells(tables, DESCENT.name)
    return _in_steps(frame, "short")


def local_rate(tables: Tables) -> Finding:
    """Count the paths that near the optimum fall more slowly than by max(1 − ηλ)² in a step."""
    frame = _cells(tables, DESCENT.name).dropna(subset=["rate"])
    return violated(frame["rate"] > frame["predicted"] * (1 - _SECOND_ORDER), frame["seed"])


def allowed(tables: Tables) -> Finding:
    """Count the runs of one regulator that need more iterations than Theorem 3 allows."""
    frame = _cells(tables, DESCENT.name)
    known = frame[np.isfinite(frame["iterations"]) | (frame["tried"] >= frame["allowed"])]
    return violated(known["iterations"] > known["allowed"], known["seed"])


def iteration_bound(tables: Tables) -> Finding:
    """Count the instances and sizes that need more iterations than Theorem 2 allows."""
    frame = _cells(tables, COMPLEXITY.name)
    known = frame[(frame["total"] >= 0) | (frame["tried"] >= frame["allowed"])]
    return violated((known["total"] < 0) | (known["total"] > known["allowed"]), known["seed"])


def estimated_monotone(kind: str) -> Callable[[Tables], Finding]:
    """Return a measure that counts the steps with critics of a kind, from gaps above ε, that do not lower the cost."""

    def measure(tables: Tables) -> Finding:
        frame = _cells(tables, LEARNING.name)
        frame = frame[frame["kind"] == kind].sort_values(["cell", "seed", "iteration"])
        ratios = frame.groupby(["cell", "seed"])["gap"].pct_change().dropna()
        return violated(~(ratios < 0), frame.loc[ratios.index, "seed"])

    return measure


def premise_met(tables: Tables) -> Finding:
    """Count the iterations in which least-squares critics on simulated agents meet Assumption 4."""
    frame = _cells(tables, LEARNING.name)
    frame = frame[frame["kind"] == "least_squares"].dropna(subset=["missed"])
    return violated(frame["missed"] <= 1, frame["seed"])


def exponents(frame: pd.DataFrame, x: str, y: pd.Series) -> FloatArray:
    """Fit the slope of log y on log x by least squares, for every seed.

    Args:
        frame: rows with the columns `seed` and `x`.
        x: name of a column.
        y: a value for each row.

    Returns:
        Slopes in the order of the seeds, ``(seeds,)``.
    """
    logs = pd.DataFrame({"seed": frame["seed"], "x": np.log(frame[x]), "y": np.log(y)})
    centred = logs[["x", "y"]] - logs.groupby("seed")[["x", "y"]].transform("mean")
    products = pd.DataFrame({"xy": centred["x"] * centred["y"], "xx": centred["x"] ** 2}).groupby(logs["seed"]).sum()
    return (products["xy"] / products["xx"]).to_numpy(dtype=np.float64)


def _iterations(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return numbers of iterations, at least 1; where the precision was not reached, the lower bound `tried`."""
    return frame[column].where(frame[column] >= 0, frame["tried"]).clip(lower=1)


def exponent(column: str) -> Callable[[Tables], Finding]:
    """Return a measure of the exponent of the size in the iterations to ε, "per_agent" or "total"."""

    def measure(tables: Tables) -> Finding:
        frame = _cells(tables, COMPLEXITY.name, "printed")
        values = exponents(frame, "size", _iterations(frame, column))
        return mean(values, 0.0, "exponent of the size, mean over instances")

    return measure


def slack(tables: Tables) -> Finding:
    """Estimate the iterations over the number of Theorem 2, for each instance at the size where they come closest."""
    frame = _cells(tables, COMPLEXITY.name, "printed")
    part = (_iterations(frame, "total") / frame["allowed"]).groupby(frame["seed"]).max().to_numpy(dtype=np.float64)
    return mean(part, 0.2, "iterations over their bound, mean over instances")


def critic_steps(tables: Tables) -> Finding:
    """Estimate the exponent of the size in δ⁴, the inverse of the steps that Theorem 1 needs for an error δ."""
    frame = _cells(tables, COMPLEXITY.name, "printed")
    return mean(4 * exponents(frame, "size", frame["error_total"]), -3.6, "exponent of the size, mean over instances")


def growth(tables: Tables) -> Finding:
    """Compare the extra iterations of the largest size over the smallest, to ε on the total cost, with their bound.

    The bound is log(ratio of sizes) times the iterations in which the gap falls by a factor e, plus one for rounding.
    """
    frame = _cells(tables, COMPLEXITY.name, "shrinking").sort_values(["seed", "size"])
    ends = frame.groupby("seed").agg(least=("size", "first"), most=("size", "last"), unit=("per_factor", "max"))
    needed = frame.assign(needed=_iterations(frame, "total")).groupby("seed")["needed"]
    more = (needed.last() - needed.first()).to_numpy(dtype=np.float64)
    predicted = np.log(ends["most"] / ends["least"]) * ends["unit"] + 1
    return mean(more / predicted.to_numpy(), 1.0, "extra iterations over their bound, mean over instances")


def sample_exponent(tables: Tables) -> Finding:
    """Estimate the exponent of the size in the error of least-squares TD, mean over instances."""
    frame = _cells(tables, SAMPLES.name, "decomposed")
    return mean(exponents(frame, "size", frame["error"]), 0.0, "exponent of the size, mean over instances")


def estimated_exponent(tables: Tables) -> Finding:
    """Estimate the exponent of the size in the iterations with estimated critics, mean over critics and instances."""
    frame = tables[ACTORS.name]
    frame = frame[(frame["precision"] > 0) & frame["kind"].isin(["gtd", "least_squares"])]
    values = [exponents(part, "size", _iterations(part, "needed")) for _, part in frame.groupby("kind")]
    return mean(np.mean(values, axis=0), 0.1, "exponent of the size, mean over critics and instances")


def critic_exponent(cell: str) -> Callable[[Tables], Finding]:
    """Return a measure of the exponent of T in ‖δ̂ − δ*‖² over the last half of the checkpoints (in log T)."""

    def measure(tables: Tables) -> Finding:
        frame = _cells(tables, CRITIC.name, cell)
        steps = np.sort(frame["iterations"].unique())
        late = frame[frame["iterations"] >= steps[len(steps) // 2]]
        return mean(exponents(late, "iterations", late["error"]), -0.5, "exponent of T, mean over trajectories")

    return measure


def too_short(tables: Tables) -> Finding:
    """Estimate 1 − ⟨Ê_K, E_K⟩/‖E_K‖² of Algorithm 3, median of a run, with the middle one of its T."""
    frame = tables[ACTORS.name]
    frame = frame[(frame["precision"] == 0) & (frame["kind"] == "gtd")]
    steps = np.sort(frame["steps"].unique())
    frame = frame[frame["steps"] == steps[len(steps) // 2]].sort_values("seed")
    return mean(1 - frame["length"].to_numpy(dtype=np.float64), -0.05, "1 − ⟨Ê, E⟩/‖E‖², mean over instances")


def assumption_4(tables: Tables) -> Finding:
    """Estimate log₁₀ of δ_n of Assumption 4 over the critic's error, at steps that lowered the cost."""
    frame = tables[ACTORS.name]
    frame = frame[frame["kind"].isin(["gtd", "least_squares"])].dropna(subset=["error"])
    room = -frame.groupby("seed")["error"].mean().to_numpy(dtype=np.float64)
    return mean(room, 0.0, "log10 of what Assumption 4 allows over the error, mean over instances")
