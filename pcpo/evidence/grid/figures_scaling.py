"""Draw measured over predicted gaps of every fleet, and the collapse over |M|·T: figure `population_scaling`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Tables
from pcpo.evidence.grid.panels import (
    Row,
    base_of,
    base_words,
    cell_words,
    fleets_words,
    like_base,
    mode_of,
    pcpo_runs,
)
from pcpo.figures.style import (
    COLUMN,
    GLOBAL_COLOUR,
    cluster_colour,
    heading,
    labelled_rows,
    modes,
    new_figure,
    plain_log_ticks,
    rows_height,
)
from pcpo.statistics import FEWEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_scaling", "scaling_table"]

#: An epoch is drawn if at least this share of the fleets is collaborative in it.
_ENOUGH = 0.5
_ALL = "all cells"


def scaling_table(tables: Tables) -> pd.DataFrame:
    """Tabulate ratios by fleet and their means by cell, curves over |M|·T, and slopes, told apart by `kind`."""
    frame = pcpo_runs(tables["grid"])
    used = frame[(frame["clean"] == 1) & (frame["capped"] == 0)].sort_values("epoch")
    by_run = used.groupby(["cell", "seed"])
    used = used.assign(
        age=by_run.cumcount(),
        measured=used["gap"] / by_run["predicted_local_gap"].transform("first"),
        predicted=used["predicted_gap"] / by_run["predicted_local_gap"].transform("first"),
        time=used["rollouts"] / by_run["rollouts"].transform("first"),
        size=used["agents"] / used["clusters"],
    )
    base = base_of(frame)
    curves = used[(used["sizes"] == "equal") & used["cell"].isin(like_base(frame, "agents")["cell"])]
    points = _curves(curves, frame.groupby("cell")["seed"].nunique())
    rows = _ratios(frame, used, base) + points + _slopes(curves, points)
    return pd.DataFrame(rows).assign(mode=mode_of(frame), base=base_words(base))


def _ratios(frame: pd.DataFrame, used: pd.DataFrame, base: pd.Series) -> list[Row]:
    """Return gap/predicted gap of every fleet, a mean over its collaborative epochs, and the mean of every cell."""
    ratio = (used["gap"] / used["predicted_gap"]).groupby([used["cell"], used["seed"]], sort=False).mean()
    by_fleet = ratio.rename("y").reset_index()
    every = by_fleet.groupby("seed")["y"].mean().rename("y").reset_index().assign(cell=_ALL)
    rows: list[Row] = []
    for cell, part in frame.groupby("cell", sort=False):
        label = cell_words(part.iloc[0], base)
        rows += _ratio_rows(str(cell), label, by_fleet[by_fleet["cell"] == cell], part["seed"].nunique())
    return rows + _ratio_rows(_ALL, "all, by fleet", every, frame["seed"].nunique())


def _ratio_rows(cell: str, label: str, found: pd.DataFrame, fleets: int) -> list[Row]:
    """Return a row per fleet, and the mean with its 95 % jackknife-t interval."""
    known = {"cell": cell, "label": label}
    rows: list[Row] = [
        {"kind": "fleet", **known, "seed": s, "y": y} for s, y in zip(found["seed"], found["y"], strict=True)
    ]
    mean = {"kind": "mean", **known, "fleets": len(found), "without": fleets - len(found)}
    if found.empty:
        return [*rows, {**mean, "y": np.nan, "ci_low": np.nan, "ci_high": np.nan}]
    y = statistics.mean(found["y"].to_numpy(dtype=float))
    return [*rows, {**mean, "y": y.estimate, "ci_low": y.low, "ci_high": y.high}]


def _curves(used: pd.DataFrame, fleets: pd.Series) -> list[Row]:
    """Return the mean over fleets of the scaled gap and of its prediction, by |M| and number of collaborative epochs.

    Gaps are in units of the predicted gap of an agent alone in the fleet's first collaborative epoch, and T in units of
    the rollouts up to its end: the fleets' constants, which differ by orders of magnitude, drop out.
    """
    rows: list[Row] = []
    for (cell, age), part in used.groupby(["cell", "age"], sort=False):
        if len(part) < _ENOUGH * float(fleets.loc[part["cell"].iloc[0]]):
            continue
        y, size = statistics.mean(part["measured"].to_numpy(dtype=float)), float(part["size"].iloc[0])
        rows.append(
            {
                "kind": "curve",
                "cell": cell,
                "size": size,
                "age": age,
                "x": float(size * np.exp(np.log(part["time"]).mean())),
                "y": y.estimate,
                "ci_low": y.low,
                "ci_high": y.high,
                "predicted": float(part["predicted"].mean()),
                "fleets": len(part),
            }
        )
    return rows


def _slopes(used: pd.DataFrame, points: list[Row]) -> list[Row]:
    """Return slopes of the mean gaps in log T and log |M|: least squares over the points, jackknife intervals."""
    at = [(row["cell"], row["age"]) for row in points]
    size = np.array([row["size"] for row in points])
    T = np.array([row["x"] for row in points]) / size
    design = np.stack([np.log(T), np.log(size), np.ones(len(T))], axis=1)
    varied = {name: np.unique(values).size > 1 for name, values in (("T", T), ("|M|", size))}
    if not points or np.linalg.matrix_rank(design) < 1 + sum(varied.values()):
        return []

    def sums(values: str) -> FloatArray:
        """Return values and their number of every fleet and point, ``(fleets, 2, points)``."""
        wide = used.pivot(index="seed", columns=["cell", "age"], values=values)[at]
        return np.stack([wide.fillna(0.0).to_numpy(dtype=float), wide.notna().to_numpy(dtype=float)], axis=1)

    def slope(runs: FloatArray, which: int) -> float:
        total, count = runs.sum(axis=0)
        return float(np.linalg.lstsq(design, np.log(total / count), rcond=None)[0][which])

    rows: list[Row] = []
    measured, predicted = sums("measured"), sums("predicted")
    for which, name in enumerate(varied):
        if varied[name]:
            target = slope(predicted, which)
            found = statistics.jackknife(measured, partial(slope, which=which))
            row = {"y": found.estimate, "ci_low": found.low, "ci_high": found.high, "predicted": target}
            rows.append({"kind": "slope", "label": name, **row, "fleets": len(measured)})
    return rows


def draw_scaling(numbers: pd.DataFrame) -> Figure:
    """Draw the ratios of every fleet by cell above, and the collapse below."""
    means = numbers[numbers["kind"] == "mean"].reset_index(drop=True)
    figure = new_figure(COLUMN, 2.9 + rows_height(len(means)))
    above, below = figure.subplots(2, 1, height_ratios=[0.1 + rows_height(len(means)), 1.5])
    _draw_ratios(above, numbers[numbers["kind"] == "fleet"], means)
    _draw_collapse(below, numbers)
    kind = "95 % jackknife-t" if means["fleets"].min() >= FEWEST else f"none (under {FEWEST} fleets)"
    words = (
        f"ticks: {fleets_words(means['fleets'])} per cell, dots: means, intervals: {kind}; nothing is fitted; "
        f"{numbers['base'].iloc[0]}; mode: {modes(numbers)}"
    )
    heading(figure, words)
    return figure


def _draw_ratios(axes: Axes, fleets: pd.DataFrame, means: pd.DataFrame) -> None:
    """Draw a point per fleet, and the mean of each cell with its interval."""
    row = {cell: k for k, cell in enumerate(means["cell"])}
    finite = fleets[np.isfinite(fleets["y"]) & (fleets["y"] > 0)]
    axes.plot(finite["y"], finite["cell"].map(row), "|", color="0.6", ms=4, mew=0.6, zorder=1)
    axes.axvline(1, color="black", lw=0.8, zorder=0)
    axes.set_xscale("log")
    y, ticks = means["y"].to_numpy(dtype=float), np.arange(len(means))
    ok = np.isfinite(y)
    bars = np.nan_to_num(np.abs(np.stack([y - means["ci_low"], means["ci_high"] - y])))
    axes.errorbar(y[ok], ticks[ok], xerr=bars[:, ok], fmt="o", color=GLOBAL_COLOUR, ms=3, lw=1.2)
    for k in ticks[np.isinf(y)]:
        axes.annotate("infinite", (0.99, k), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=7)
    without = np.where(means["without"] > 0, means["without"].map(lambda count: f" ({count} without)"), "")
    shown = list(labelled_rows(len(means)))
    axes.set_yticks(shown, [means["label"][k] + without[k] for k in shown])
    axes.set_ylim(len(means) - 0.5, -0.5)
    axes.set_xlabel("gap / predicted gap")
    plain_log_ticks(axes.xaxis)


def _draw_collapse(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw mean gaps over |M|·T, with predictions along T (solid) and along |M| (dashed)."""
    curves, slopes = numbers[numbers["kind"] == "curve"], numbers[numbers["kind"] == "slope"]
    axes.set_xscale("log")
    axes.set_yscale("log")
    for k, (size, part) in enumerate(curves.groupby("size")):
        colour, marker = cluster_colour(k)
        part = part.sort_values("age")
        bars = np.nan_to_num(np.abs(np.stack([part["y"] - part["ci_low"], part["ci_high"] - part["y"]])))
        axes.errorbar(part["x"], part["y"], bars, fmt=marker, color=colour, lw=1, label=rf"$|\mathcal{{M}}|={size:g}$")
        axes.plot(part["x"], part["predicted"], color=colour, lw=0.9)
    for _, part in curves.groupby("age"):
        part = part.sort_values("size")
        axes.plot(part["x"], part["predicted"], color="0.35", lw=0.7, ls="--", zorder=0)
    axes.set_xlabel(r"$|\mathcal{M}|\,T/T_1$ ($T_1$: first collaborative epoch)")
    axes.set_ylabel("mean gap / predicted\ngap alone at $T_1$")
    if curves.empty:
        words = "no collaborative epoch\nof clusters of equal size"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", fontsize=7)
        return
    plain_log_ticks(axes.xaxis)
    plain_log_ticks(axes.yaxis)
    axes.legend(loc="lower left", handletextpad=0.2, labelspacing=0.2)
    axes.set_title("\n".join(_slope_words(slopes)), loc="right", fontsize=7)


def _slope_words(slopes: pd.DataFrame) -> list[str]:
    """Write the slopes beside those of theory, or say which is missing."""
    found, words = slopes.set_index("label"), []
    for label, name in (("T", "$T$"), ("|M|", r"$|\mathcal{M}|$")):
        if label not in found.index:
            words.append(f"one value of {name} only: no slope")
            continue
        y, low, high, theory = (f"{float(found[c][label]):.2f}" for c in ("y", "ci_low", "ci_high", "predicted"))
        limits = "" if "nan" in (low, high) else f" [{low}, {high}]"
        words.append(f"slope in {name}: {y}{limits}, theory {theory}".replace("-", "−"))
    if found.empty:
        return words
    return [*words, "(jackknife 95 %)" if found["ci_low"].notna().all() else "(too few fleets for intervals)"]
