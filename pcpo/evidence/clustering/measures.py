"""How the claims on clustering are measured, and the tables on which they must be refuted.

The replicate is a whole run.  A probability is claimed of every fleet, so the estimand is its largest value over the
cells of the grid, never the pooled one, which good cells could dilute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims.contract import ALPHA, Finding, Tables
from pcpo.claims.findings import bootstrap, violations
from pcpo.errors import ResultsError
from pcpo.evidence.clustering.studies import early_epoch
from pcpo.statistics import Interval, binomial_interval

__all__ = [
    "Failed",
    "constant_rollouts",
    "failing_cell_power",
    "failure_probability",
    "implication",
    "per_run",
    "relabelled",
    "rollout_slope",
    "shallow_rollouts",
    "slope_power",
    "steepness",
    "violation_power",
    "with_lost_member",
]

Failed = Callable[[pd.DataFrame], "pd.Series[bool]"]

#: Claims of the group but the primary one: they share the level.  Held to the group by a test.
SECONDARY = 8
_GOOD = ("grid", "sweep", "edge")
_MARGINS = ("margin", "gap_margin", "estimate_margin")


def per_run(table: pd.DataFrame, margins: Sequence[str] = _MARGINS) -> pd.DataFrame:
    """One row per (cell, seed): the largest margins of all epochs, whether a member was ever lost, whether a set was
    wrong at l ≥ L, L̃ (as `settled`: infinite if the last sets were wrong), and what is fixed in a run."""
    late_and_wrong = (table["epoch"] >= table["L"]) & (table["exact"] == 0)
    wrong_epoch = table["epoch"].where(table["exact"] == 0, 0)
    rows = table.assign(misclustered=late_and_wrong.astype(np.int64), wrong_epoch=wrong_epoch)
    by_run = rows.groupby(["cell", "seed"])
    fixed = by_run[["role", "agents", "minibatch_scale", "delta", "L", "mode"]].first()
    largest = [*margins, "lost", "misclustered", "epoch", "wrong_epoch"]
    found = fixed.join(by_run[largest].max()).reset_index()
    never = found["wrong_epoch"] == found["epoch"]
    found["settled"] = (found["wrong_epoch"] + 1.0).where(~never, np.inf)
    found["early"] = found["L"].map(early_epoch)
    return found.drop(columns=["epoch", "wrong_epoch"])


def _grid(tables: Tables, study: str) -> pd.DataFrame:
    table = tables[study]
    grid = table[table["role"] == "grid"]
    if grid.empty:
        raise ResultsError(f"study {study}: found no run with role 'grid', expected the cells that the claims are of")
    return grid


@lru_cache(maxsize=1024)
def _limits(failures: int, runs: int, confidence: float) -> Interval:
    """Clopper-Pearson; most cells have the same counts."""
    return binomial_interval(failures, runs, confidence=confidence)


def failure_probability(
    tables: Tables,
    failed: Failed,
    what: str,
    bound: float | None = None,
    *,
    study: str = "clustering",
    margins: Sequence[str] = _MARGINS,
) -> Finding:
    """max over the cells j of the grid of P_j(failure), against δ/2 or another bound.

    Clopper-Pearson limits of every cell.  Upper limit of the maximum: the largest upper limit at one-sided 97.5 %,
    without correction, as it covers the cell that has the maximum.  Lower limit and p-value: Bonferroni over the
    cells, as the worst of them is found by looking.  So all cells must be clean enough to support the claim (72 runs
    each for a bound of .05, 146 for .025), and one bad cell refutes it.
    """
    runs = per_run(_grid(tables, study), margins)
    counts = runs.assign(failed=failed(runs)).groupby("cell")["failed"].agg(["sum", "count"])
    limit = float(runs["delta"].max()) / 2 if bound is None else bound
    cells = len(counts)
    lows, highs, p_values = [], [], []
    for x, n in zip(counts["sum"].astype(int).tolist(), counts["count"].tolist(), strict=True):
        lows.append(_limits(x, n, 1 - ALPHA / cells).low)
        highs.append(_limits(x, n, 1 - ALPHA).high)
        p_values.append(2 * cells * float(scipy.stats.binom.sf(x - 1, n, limit)))
    fractions = counts["sum"] / counts["count"]
    worst = f"; worst: {fractions.idxmax()}" if fractions.max() > 0 else ""
    statistic = (
        f"largest fraction of runs with {what}, of {cells} cells{worst}; Clopper-Pearson 95 %, Bonferroni over cells"
    )
    estimate, p = float(fractions.max()), min(1.0, *p_values)
    return Finding(statistic, estimate, max(lows), max(highs), limit, p, int(counts["count"].sum()))


def implication(tables: Tables) -> Finding:
    """Runs in which, while (22) had held in every epoch so far, a true member was lost or a set wrong at l ≥ L.

    Of all runs of PCPO, smaller minibatches and other positions included; a trial is a run where (22) held in epoch 1
    at least.
    """
    table = tables["clustering"]
    rows = table[table["role"].isin(_GOOD)].sort_values(["cell", "seed", "epoch"])
    good = rows[rows.groupby(["cell", "seed"])["margin"].cummax() <= 1.0]
    wrong = (good["lost"] == 1) | ((good["epoch"] >= good["L"]) & (good["exact"] == 0))
    by_run = wrong.groupby([good["cell"], good["seed"]]).any()
    if by_run.empty:
        raise ResultsError("study clustering: found no run that satisfies (22) in epoch 1, expected at least one")
    return violations(int(by_run.sum()), len(by_run))


def _slope_runs(table: pd.DataFrame, column: str) -> tuple[FloatArray, FloatArray]:
    """(weights of the least-squares slope on log Δ, log of `column` as ``(runs, separations)``)."""
    wide = table.pivot(index="seed", columns="Delta", values=column).dropna()
    if wide.shape[0] == 0 or wide.shape[1] < 2:
        raise ResultsError(f"study heterogeneity: found {wide.shape} runs × separations, expected at least (1, 2)")
    x = np.log(wide.columns.to_numpy(dtype=np.float64))
    x = x - x.mean()
    return x / float(np.sum(x**2)), np.log(wide.to_numpy(dtype=np.float64))


def rollout_slope(tables: Tables, predicted: float | None = None) -> Finding:
    """Slope of mean log rollouts-to-L̃ on log Δ; predicted: the slope of the schedule's own rollouts to max(1, L − 2).

    Runs of one seed at all Δ are resampled together, as they share random numbers.
    """
    table = tables["heterogeneity"]
    weights, runs = _slope_runs(table, "rollouts")
    _, planned = _slope_runs(table, "predicted_rollouts")

    def slope(resampled: FloatArray) -> FloatArray:
        # Sums in one order, so that runs equal to the plan have its slope to the last bit.
        return np.asarray(np.sum(resampled.mean(axis=1) * weights, axis=1))

    target = float(slope(planned[None])[0]) if predicted is None else predicted
    return bootstrap(runs, slope, target, "slope of mean log rollouts on log separation")


def steepness(tables: Tables, bound: float) -> Finding:
    """`rollout_slope` as a bound: only a slope above it speaks against it."""
    found = rollout_slope(tables, bound)
    return replace(found, p_value=1.0) if found.estimate <= bound else found


# ---------------------------------------------------------------------------------------------------------- controls


def relabelled(role: str, study: str = "clustering") -> Callable[[Tables], Tables]:
    """The control cells of that role take the place of the grid, and nothing else is left."""

    def change(tables: Tables) -> Tables:
        table = tables[study]
        chosen = table[table["role"] == role]
        if chosen.empty:
            raise ResultsError(f"study {study}: found no run with role {role!r}, expected control cells")
        return {**tables, study: chosen.assign(role="grid")}

    return change


def with_lost_member(tables: Tables) -> Tables:
    """One run that satisfies (22), in which an agent nevertheless loses a member of its true cluster at the end."""
    table = tables["clustering"].copy()
    runs = per_run(table[table["role"].isin(_GOOD)])
    first = runs.sort_values("margin").iloc[0]
    mine = (table["cell"] == first["cell"]) & (table["seed"] == first["seed"])
    last = mine & (table["epoch"] == table.loc[mine, "epoch"].max())
    table.loc[last, ["lost", "exact"]] = [1, 0]
    return {**tables, "clustering": table}


def constant_rollouts(tables: Tables) -> Tables:
    """A method that clusters once, as precisely as the smallest Δ needs: the same rollouts for all Δ."""
    table = tables["heterogeneity"]
    hardest = table[table["Delta"] == table["Delta"].min()].set_index("seed")["rollouts"]
    return {**tables, "heterogeneity": table.assign(rollouts=table["seed"].map(hardest))}


def shallow_rollouts(tables: Tables) -> Tables:
    """Rollouts that grow with the square root of those counted: slower than 1/Δ²."""
    table = tables["heterogeneity"]
    return {**tables, "heterogeneity": table.assign(rollouts=np.sqrt(table["rollouts"]))}


# ------------------------------------------------------------------------------------------------------------- power


def failing_cell_power(
    tables: Tables,
    probability: float,
    bound: float | None = None,
    family: int = SECONDARY,
    *,
    study: str = "clustering",
) -> float:
    """P(refuted) if one cell of the grid fails with this probability: exact binomial, for the cell with fewest runs."""
    runs = per_run(_grid(tables, study), ())
    limit = float(runs["delta"].max()) / 2 if bound is None else bound
    counts = runs.groupby("cell")["seed"].count()
    n, cells = int(counts.min()), len(counts)
    x = np.arange(n + 1)
    refuting = x[np.minimum(1.0, family * cells * 2 * scipy.stats.binom.sf(x - 1, n, limit)) < ALPHA]
    return float(scipy.stats.binom.sf(refuting.min() - 1, n, probability)) if len(refuting) else 0.0


def violation_power(tables: Tables, probability: float) -> float:
    """P(at least one violation) if a run violates with this probability."""
    return 1 - float((1 - probability) ** implication(tables).n_runs)


def slope_power(tables: Tables, slope: float, predicted: float | None = None) -> float:
    """P(refuted) if the true slope were `slope`, with the interval that was found; normal approximation."""
    found = rollout_slope(tables, predicted)
    error = (found.high - found.low) / (2 * scipy.stats.norm.ppf(1 - ALPHA / 2))
    if not np.isfinite(error):
        return float("nan")
    distance = abs(slope - found.predicted)
    if error == 0:
        return float(distance > 0)
    return float(scipy.stats.norm.sf(scipy.stats.norm.ppf(1 - ALPHA / SECONDARY / 2) - distance / error))
