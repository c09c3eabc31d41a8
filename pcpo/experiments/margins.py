"""Measure how far a run is from violating the events (22) and (23) behind Theorem 1.

A margin is an error divided by the largest one that the event allows: the event holds as long as its margin is at
most 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pcpo.fleets.fleet import Fleet

__all__ = ["margins", "worst_by_run"]


def margins(fleet: Fleet, run: pd.DataFrame) -> pd.DataFrame:
    """Compute the margins of every epoch of a run, each the largest over the agents, and the state of the sets.

    Args:
        fleet: the true systems.
        run: table of one run, with the columns of `pcpo.experiments.records.RUN_SCHEMA`.

    Returns:
        A row per epoch with the columns

        - epoch l, Delta_l (units of cost), rollouts (per agent, up to and including the epoch), mode;
        - margin |Ĉ(X) − C*|/(Δ_l/4) of eq. (22);
        - gap_margin (C(X) − C*)/(Δ_l/8) of eq. (23a), and estimate_margin |Ĉ(X) − C(X)|/(Δ_l/8) of eq. (23b);
        - lost: 1 if an agent's set lacks a member of its true cluster, else 0;
        - exact: 1 if all sets are the true clusters, else 0.
    """
    optimal = fleet.optimal_costs[run["cluster"].to_numpy()]
    labels = fleet.labels
    own, counts = labels[run["agent"].to_numpy()], run["neighbours"].map(len).to_numpy()
    row = np.repeat(np.arange(len(run)), counts)
    alike = labels[np.concatenate(run["neighbours"].to_list()).astype(np.int64)] == own[row]
    lost = np.bincount(row, weights=alike, minlength=len(run)) < np.bincount(labels)[own]
    rows = run.assign(
        margin=(run["cost_estimate"] - optimal).abs() / (run["Delta"] / 4),
        gap_margin=run["local_gap"] / (run["Delta"] / 8),
        estimate_margin=(run["cost_estimate"] - run["local_cost"]).abs() / (run["Delta"] / 8),
        lost=lost.astype(np.int64),
        wrong=(~run["set_correct"]).astype(np.int64),
    )
    names = ["margin", "gap_margin", "estimate_margin", "lost", "wrong"]
    found = rows.groupby("epoch")[names].max().join(rows.groupby("epoch")[["Delta", "rollouts", "mode"]].first())
    found["exact"] = 1 - found.pop("wrong")
    found["epoch"] = found.index.astype(np.int64)
    return found.rename(columns={"Delta": "Delta_l"}).reset_index(drop=True)


def worst_by_run(table: pd.DataFrame, largest: Sequence[str], fixed: Sequence[str]) -> pd.DataFrame:
    """Reduce the epochs of every run to the largest margins and to whether any set was wrong.

    Args:
        table: a row per cell, seed and epoch, with the columns epoch, L, lost and exact and those named below.
        largest: columns whose maximum over the epochs is taken; NaN counts as absent.
        fixed: columns that have one value in a run.

    Returns:
        A row per cell and seed: `fixed`, the maxima of `largest`, lost (1 if a member was ever lost), misclustered (1
        if a set was wrong in any epoch l ≥ L) and settled (L̃, the first epoch from which all sets stay exact; infinite
        if those of the last epoch were wrong).
    """
    wrong = table["exact"] == 0
    late_and_wrong = (table["epoch"] >= table["L"]) & wrong
    epochs = {"last_wrong": table["epoch"].where(wrong, 0), "last": table["epoch"]}
    by_run = table.assign(misclustered=late_and_wrong.astype(np.int64), **epochs).groupby(["cell", "seed"])
    found = by_run[[*fixed]].first().join(by_run[[*largest, "lost", "misclustered", *epochs]].max()).reset_index()
    found["settled"] = (found["last_wrong"] + 1.0).where(found["last_wrong"] != found["last"], np.inf)
    return found.drop(columns=[*epochs])
