"""Draw measured over predicted gaps of every fleet, and the collapse over |M|·T: figure `population_scaling`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Tables
from pcpo.evidence.grid.panels import (
    Row,
    base_of,
    base_words,
    cell_words,
    fleets_words,
    heading,
    like_base,
    mode_of,
    pcpo_runs,
)
from pcpo.figures.style import (
    COLUMN,
    GLOBAL_COLOUR,
    bare_minor_ticks,
    cluster_colour,
    labelled_rows,
    modes,
    new_figure,
    panel_label,
    rows_height,
    wrapped,
)
from pcpo.statistics import FEWEST, jackknife, mean_interval

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
    used = frame[(frame["clean"] == 1) & (frame["capped"] == 0)]
    first = used.sort_values("epoch").groupby(["cell", "seed"])["predicted_local_gap"].first().rename("scale")
    used = used.join(first, on=["cell", "seed"])
    rows = _ratios(frame, used)
    curves = used[used["sizes"] == "equal"]
    curves = like_base(curves, "agents") if (curves["cell"] == "base").any() else curves.iloc[:0]
    points = _curves(curves, frame)
    rows += points + _slopes(curves, points)
    return pd.DataFrame(rows).assign(mode=mode_of(frame), base=base_words(base_of(frame)))


def _ratios(frame: pd.DataFrame, used: pd.DataFrame) -> list[Row]:
    """Return gap/predicted gap of every fleet, a mean over its collaborative epochs, and the mean of every cell."""
    base = base_of(frame)
    ratio = (used["gap"] / used["predicted_gap"]).groupby([used["cell"], used["seed"]], sort=False).mean()
    by_fleet = ratio.rename("y").reset_index()
    every = by_fleet.groupby("seed")["y"].mean().rename("y").reset_index().assign(cell=_ALL)
    rows: list[Row] = []
    for cell, part in frame.groupby("cell", sort=False):
        label = cell_words(part.iloc[0], base)
        rows += _ratio_rows(str(cell), label, by_fleet[by_fleet["cell"] == cell], part["seed"].nunique())
    return rows + _ratio_rows(_ALL, "all, by fleet", every, frame["seed"].nunique())


def _ratio_rows(cell: str, label: str, found: pd.DataFrame, fleets: int) -> list[Row]:
    """Return a row per fleet, and the mean with its 95 % bootstrap interval."""
    known = {"cell": cell, "label": label}
    rows: list[Row] = [
        {"kind": "fleet", **known, "seed": s, "y": y} for s, y in zip(found["seed"], found["y"], strict=True)
    ]
    mean = {"kind": "mean", **known, "fleets": len(found), "without": fleets - len(found)}
    if found.empty:
        return [*rows, {**mean, "y": np.nan, "ci_low": np.nan, "ci_high": np.nan}]
    y = mean_interval(found["y"].to_numpy(dtype=float))
    return [*rows, {**mean, "y": y.estimate, "ci_low": y.low, "ci_high": y.high}]


def _curves(used: pd.DataFrame, frame: pd.DataFrame) -> list[Row]:
    """Return the mean over fleets of gap/scale and its prediction, by |M| and epoch; x is the geometric mean of |M|·T.

    The scale is the predicted gap of an agent alone in the fleet's first collaborative epoch.
    """
    rows: list[Row] = []
    fleets = frame.groupby("cell")["seed"].nunique()
    for (cell, epoch), part in used.groupby(["cell", "epoch"], sort=False):
        if len(part) < _ENOUGH * fleets[cell]:
            continue
        size = part["agents"].iloc[0] / part["clusters"].iloc[0]
        y = mean_interval((part["gap"] / part["scale"]).to_numpy(dtype=float))
        rows.append(
            {
                "kind": "curve",
                "cell": cell,
                "size": float(size),
                "epoch": int(epoch),
                "x": float(size * np.exp(np.log(part["rollouts"]).mean())),
                "y": y.estimate,
                "ci_low": y.low,
                "ci_high": y.high,
                "predicted": float((part["predicted_gap"] / part["scale"]).mean()),
                "fleets": len(part),
            }
        )
    return rows


def _slopes(used: pd.DataFrame, points: list[Row]) -> list[Row]:
    """Return slopes of the mean gaps in log T and log |M|: least squares over the points, jackknife intervals."""
    if not points:
        return []
    at = [(row["cell"], row["epoch"]) for row in points]
    size = np.array([row["size"] for row in points])
    T = np.array([row["x"] for row in points]) / size
    design = np.stack([np.log(T), np.log(size), np.ones(len(T))], axis=1)

    def wide(values: pd.Series) -> FloatArray:
        table = used.assign(value=values).pivot(index="seed", columns=["cell", "epoch"], values="value")[at]
        return np.asarray(table.to_numpy(), dtype=np.float64)

    measured, predicted = wide(used["gap"] / used["scale"]), wide(used["predicted_gap"] / used["scale"])
    there = ~np.isnan(measured)
    runs = np.stack([np.where(there, measured, 0.0), there], axis=1)

    def slope(values: FloatArray, which: int) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            means = np.log(values[:, 0].sum(axis=0) / values[:, 1].sum(axis=0))
        if not np.isfinite(means).all():
            return float("nan")
        return float(np.linalg.lstsq(design, means, rcond=None)[0][which])

    rows: list[Row] = []
    for which, (name, varied) in enumerate((("T", T), ("|M|", size))):
        if len(np.unique(size)) * (which == 1) == 1 or np.ptp(np.log(varied)) < 0.1:
            continue
        target = slope(np.stack([np.where(there, predicted, 0.0), there], axis=1), which)
        found = jackknife(runs, lambda values, which=which: slope(values, which), target)  # type: ignore[misc]
        rows.append(
            {
                "kind": "slope",
                "label": name,
                "y": found.estimate,
                "ci_low": found.low,
                "ci_high": found.high,
                "predicted": target,
                "fleets": len(runs),
            }
        )
    return rows


def draw_scaling(numbers: pd.DataFrame) -> Figure:
    """Draw the ratios of every fleet by cell above, and the collapse below."""
    means = numbers[numbers["kind"] == "mean"].reset_index(drop=True)
    figure = new_figure(COLUMN, 3.6 + rows_height(len(means)))
    above, below = figure.subplots(2, 1, height_ratios=[0.6 + rows_height(len(means)), 2.0])
    _draw_ratios(above, numbers[numbers["kind"] == "fleet"], means)
    _draw_collapse(below, numbers)
    kind = "95 % bootstrap over fleets" if means["fleets"].min() >= FEWEST else f"none (under {FEWEST} fleets)"
    words = (
        f"{fleets_words(means['fleets'])} per cell; {numbers['base'].iloc[0]}; intervals of means: {kind}; "
        f"nothing is fitted; mode: {modes(numbers)}"
    )
    heading(figure, words)
    return figure


def _draw_ratios(axes: Axes, fleets: pd.DataFrame, means: pd.DataFrame) -> None:
    """Draw a point per fleet, and the mean of each cell with its interval."""
    row = {cell: k for k, cell in enumerate(means["cell"])}
    finite = fleets[np.isfinite(fleets["y"]) & (fleets["y"] > 0)]
    axes.plot(finite["y"], finite["cell"].map(row), "|", color="0.6", ms=4, mew=0.6, zorder=1, label="a fleet")
    axes.axvline(1, color="black", lw=0.8, zorder=0)
    axes.set_xscale("log")
    y, ticks = means["y"].to_numpy(dtype=float), np.arange(len(means))
    ok = np.isfinite(y)
    bars = np.nan_to_num(np.abs(np.stack([y - means["ci_low"], means["ci_high"] - y])))
    axes.errorbar(
        y[ok], ticks[ok], xerr=bars[:, ok], fmt="o", color=GLOBAL_COLOUR, ms=3, lw=1.2, label="mean over fleets"
    )
    for k in ticks[np.isinf(y)]:
        axes.annotate("infinite", (0.99, k), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=7)
    without = np.where(means["without"] > 0, means["without"].map(lambda count: f" ({count} without)"), "")
    shown = list(labelled_rows(len(means)))
    axes.set_yticks(shown, [means["label"][k] + without[k] for k in shown])
    axes.set_ylim(len(means) - 0.5, -0.5)
    axes.set_xlabel("gap / predicted gap")
    bare_minor_ticks(axes.xaxis)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0, handletextpad=0.2)


def _draw_collapse(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw mean gaps over |M|·T, with predictions along T (solid) and along |M| (dashed)."""
    curves, slopes = numbers[numbers["kind"] == "curve"], numbers[numbers["kind"] == "slope"]
    axes.set_xscale("log")
    axes.set_yscale("log")
    for k, (size, part) in enumerate(curves.groupby("size")):
        colour, marker = cluster_colour(k)
        part = part.sort_values("epoch")
        bars = np.nan_to_num(np.abs(np.stack([part["y"] - part["ci_low"], part["ci_high"] - part["y"]])))
        axes.errorbar(part["x"], part["y"], bars, fmt=marker, color=colour, lw=1, label=rf"$|\mathcal{{M}}|={size:g}$")
        axes.plot(part["x"], part["predicted"], color=colour, lw=0.9)
    for _, part in curves.groupby("epoch"):
        part = part.sort_values("size")
        axes.plot(part["x"], part["predicted"], color="0.35", lw=0.7, ls="--", zorder=0)
    axes.set_xlabel(r"$|\mathcal{M}|\,T$ (rollouts of a cluster, geometric mean)")
    axes.set_ylabel("mean gap /\npredicted gap alone,\nfirst collab. epoch")
    if curves.empty:
        axes.text(
            0.5, 0.5, "no collaborative epoch\nof equal clusters", transform=axes.transAxes, ha="center", fontsize=7
        )
        panel_label(axes, "no slopes")
        return
    axes.legend(loc="lower left", ncols=1 if curves["size"].nunique() < 5 else 2, handletextpad=0.2)
    names = {"T": "$T$", "|M|": r"$|\mathcal{M}|$"}
    words = [
        f"slope in {names[row['label']]}: {row['y']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}], "
        f"theory {row['predicted']:.2f}"
        for _, row in slopes.iterrows()
    ]
    if "|M|" not in set(slopes["label"]):
        words.append(r"one $|\mathcal{M}|$ only: no slope in $|\mathcal{M}|$")
    panel_label(
        axes,
        wrapped("\n".join([*words, "jackknife 95 %; lines: theory along $T$, dashed along $|\\mathcal{M}|$"]), 2.6, 8),
    )
