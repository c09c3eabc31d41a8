"""Make the tables of the negative controls: data of the group "practice" on which its claims are false."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.practice.measures import CLOSE, FAR, WILD, best_window, cell

__all__ = [
    "calibrated_throughout",
    "close_as_far",
    "fewest_rollouts_throughout",
    "gaps_of",
    "in_turn",
    "methods_exchanged",
    "noisy_failures",
    "outermost_as_robust",
    "uncapped",
    "wild_as_window",
    "window_as_wild",
    "with_rows",
]


def with_rows(study: str, name: str, rows: Callable[[Tables], pd.DataFrame]) -> Callable[[Tables], Tables]:
    """Return tables in which other rows stand in for those of a cell."""

    def tables_of(tables: Tables) -> Tables:
        frame = tables[study]
        others = frame[frame["cell"] != name]
        return {**tables, study: pd.concat([others, rows(tables).assign(cell=name)], ignore_index=True)}

    return tables_of


def gaps_of(study: str, name: str, other: str) -> Callable[[Tables], Tables]:
    """Return tables in which a cell has the global gaps of another cell, run by run, and keeps its predictions."""

    def rows_of(tables: Tables) -> pd.DataFrame:
        kept, keys = cell(tables, study, name), ["seed", "value", "epoch"]
        gaps = cell(tables, study, other).set_index(keys)["global_gap"]
        return kept.assign(global_gap=gaps.reindex(pd.MultiIndex.from_frame(kept[keys])).to_numpy())

    return with_rows(study, name, rows_of)


def methods_exchanged(tables: Tables) -> Tables:
    """Exchange PCPO and local learning in the study of the separation."""
    frame = tables["separation_limit"]
    return {**tables, "separation_limit": frame.assign(cell=frame["cell"].map({"pcpo": "local", "local": "pcpo"}))}


def close_as_far(tables: Tables) -> Tables:
    """Present the runs at close clusters as runs at far clusters."""
    frame = tables["separation_limit"]
    close = frame[frame["value"] <= CLOSE]
    return {**tables, "separation_limit": close.assign(value=close["value"] + FAR)}


def calibrated_throughout(tables: Tables) -> Tables:
    """Replace every run of the sweep by the run with the calibrated constant: a method that no constant affects."""
    frame = tables["sensitivity"]
    base = frame[frame["value"] == 1.0].set_index(["cell", "seed", "epoch"])["local_gap"]
    gaps = base.reindex(pd.MultiIndex.from_frame(frame[["cell", "seed", "epoch"]])).to_numpy()
    return {**tables, "sensitivity": frame.assign(local_gap=gaps)}


def fewest_rollouts_throughout(tables: Tables) -> Tables:
    """Replace every run of the sweep by the run with the fewest rollouts."""
    frame = tables["sensitivity"]
    few = frame[frame["cell"] == "minibatch_factor"]
    few = few[few["value"] == few["value"].min()].set_index(["seed", "epoch"])["local_gap"]
    gaps = few.reindex(pd.MultiIndex.from_frame(frame[["seed", "epoch"]])).to_numpy()
    return {**tables, "sensitivity": frame.assign(local_gap=gaps)}


def in_turn(tables: Tables) -> Tables:
    """Make the gaps of the sweep 30 % larger and 30 % smaller in turn, over the values of every constant."""
    frame = tables["sensitivity"]
    odd = frame.groupby("cell")["value"].rank(method="dense").astype(int) % 2
    return {**tables, "sensitivity": frame.assign(local_gap=frame["predicted_local"] * np.where(odd, 1.3, 0.7))}


def noisy_failures(tables: Tables) -> Tables:
    """Give the half of the fleets with the smaller Δ/σ wrong sets under the rule."""
    frame = tables["guess_rule"]
    ruled = frame[frame["cell"] == "rule"].drop_duplicates("seed").sort_values("noise_ratio")
    failing = ruled["seed"].iloc[: len(ruled) // 2]
    wrong = (frame["cell"] == "rule") & frame["seed"].isin(failing)
    return {**tables, "guess_rule": frame.assign(exact=frame["exact"] & ~wrong)}


def outermost_as_robust(tables: Tables) -> Tables:
    """Present the outermost values of every constant in the sweep as values within a factor of 2."""
    frame = tables["sensitivity"]
    edges = frame.groupby("cell")["value"].agg(["min", "max"]).reindex(frame["cell"]).to_numpy()
    low, high = frame["value"].to_numpy() <= edges[:, 0], frame["value"].to_numpy() >= edges[:, 1]
    return {**tables, "robustness": frame.assign(value=np.where(low, 0.5, 2.0))[low | high]}


def uncapped(tables: Tables) -> pd.DataFrame:
    """Select the runs with a radius four times too large and no cap."""
    return cell(tables, "failures", "radius").assign(value=4.0)


def wild_as_window(tables: Tables) -> pd.DataFrame:
    """Present the runs with Δ_0 far above C*_1 as runs with Δ ≤ Δ_0 ≤ C*_1."""
    frame = cell(tables, "initial_guess", "fixed")
    wild = frame[frame["value"] >= WILD]
    return wild.assign(value=wild["separation"] + 1e-3 * wild["value"])


def window_as_wild(tables: Tables) -> pd.DataFrame:
    """Present the runs with Δ ≤ Δ_0 ≤ C*_1 as runs with Δ_0 far above C*_1."""
    frame = best_window(tables)
    return frame.assign(value=frame["value"] + WILD)
