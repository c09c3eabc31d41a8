"""Measure runs of the studies on clustering, and change their tables so that claims are false on them.

The replicate is a whole run.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import jackknife, violated
from pcpo.errors import ResultsError
from pcpo.evidence.clustering.studies import early_epoch
from pcpo.experiments.margins import worst_by_run

__all__ = [
    "MARGINS",
    "constant_rollouts",
    "implication",
    "per_run",
    "rollout_slope",
    "shallow_rollouts",
    "with_lost_member",
]

#: Roles of the cells with PCPO as it is, whatever the minibatches and the position in the octave.
_PCPO = ("grid", "sweep", "edge")
#: Columns with the margins of (22), (23a) and (23b).
MARGINS = ("margin", "gap_margin", "estimate_margin")


def per_run(table: pd.DataFrame) -> pd.DataFrame:
    """Reduce every run to one row.

    Returns:
        A row per cell and seed: what is fixed in a run; the largest margins of all epochs; lost (1 if a member was ever
        lost); misclustered (1 if a set was wrong in any epoch l ≥ L); settled, L̃ (infinite if the sets of the last
        epoch were wrong); early, max(1, L − 2).
    """
    fixed = ("role", "agents", "minibatch_scale", "delta", "L", "mode")
    found = worst_by_run(table, MARGINS, fixed)
    return found.assign(early=found["L"].map(early_epoch))


def implication(tables: Tables) -> Finding:
    """Count the runs in which a member was lost, or a set wrong at l ≥ L, while (22) had held in every epoch so far.

    Counted are all runs of PCPO, with smaller minibatches and other positions too.  A trial is a run in which (22) held
    in epoch 1 at least.
    """
    table = tables["clustering"]
    rows = table[table["role"].isin(_PCPO)].sort_values(["cell", "seed", "epoch"])
    good = rows[rows.groupby(["cell", "seed"])["margin"].cummax() <= 1.0]
    wrong = (good["lost"] == 1) | ((good["epoch"] >= good["L"]) & (good["exact"] == 0))
    if good.empty:
        raise ResultsError("study clustering: found no run that satisfies (22) in epoch 1, expected at least one")
    return violated(wrong, good["seed"])


def rollout_slope(tables: Tables, predicted: float | None = None) -> Finding:
    """Estimate the slope of mean log rollouts-to-L̃ on log Δ.

    Runs of the same seed at all Δ are one replicate, as they share random numbers.

    Args:
        tables: with the study `heterogeneity`.
        predicted: slope to compare with; by default that of the schedule's rollouts to epoch max(1, L − 2).
    """
    table = tables["heterogeneity"]
    weights, runs = _slope_runs(table, "rollouts")
    _, planned = _slope_runs(table, "predicted_rollouts")

    def slope(some: FloatArray) -> float:
        return float(some.mean(axis=0) @ weights)

    target = slope(planned) if predicted is None else predicted
    return jackknife(runs, slope, target, "slope of mean log rollouts on log separation")


def _slope_runs(table: pd.DataFrame, column: str) -> tuple[FloatArray, FloatArray]:
    """Return the weights of the least-squares slope on log Δ, and log(column) as ``(runs, separations)``."""
    wide = table.pivot(index="seed", columns="Delta", values=column).dropna()
    if wide.shape[0] == 0 or wide.shape[1] < 2:
        raise ResultsError(f"study heterogeneity: found {wide.shape} runs × separations, expected at least (1, 2)")
    x = np.log(wide.columns.to_numpy(dtype=np.float64))
    x = x - x.mean()
    return x / float(np.sum(x**2)), np.log(wide.to_numpy(dtype=np.float64))


# ---------------------------------------------------------------------------------------------------------- controls


def with_lost_member(tables: Tables) -> Tables:
    """Let an agent lose a member of its true cluster in the last epoch of one run that satisfies (22)."""
    table = tables["clustering"].copy()
    runs = per_run(table[table["role"].isin(_PCPO)])
    first = runs.sort_values("margin").iloc[0]
    mine = (table["cell"] == first["cell"]) & (table["seed"] == first["seed"])
    last = mine & (table["epoch"] == table.loc[mine, "epoch"].max())
    table.loc[last, ["lost", "exact"]] = [1, 0]
    return {**tables, "clustering": table}


def constant_rollouts(tables: Tables) -> pd.Series[float]:
    """Return rollouts of a method that clusters once, as precisely as the smallest Δ needs: the same for all Δ."""
    table = tables["heterogeneity"]
    hardest = table[table["Delta"] == table["Delta"].min()].set_index("seed")["rollouts"]
    return table["seed"].map(hardest)


def shallow_rollouts(tables: Tables) -> pd.Series[float]:
    """Return the square root of the rollouts counted: they grow more slowly than 1/Δ²."""
    roots: pd.Series[float] = np.sqrt(tables["heterogeneity"]["rollouts"])
    return roots
