"""Draw the sensitivity to the constants, and the signatures of violated conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.practice.measures import cell, ends, shown
from pcpo.evidence.practice.studies import KNOBS
from pcpo.figures.points import Row, explain, fraction_row, mean_row, points
from pcpo.figures.style import GLOBAL_COLOUR, LOCAL_COLOUR, PAGE, cluster_colour, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_failures", "draw_sensitivity", "failures_table", "sensitivity_table"]

#: Titles of the conditions, by their cells in the study.
_CONDITIONS = {
    "sound": "sound",
    "step": "$\\eta$\n$\\times10$",
    "radius": "$r\\times4$,\nno cap",
    "averaging": "forced\naver-\naging",
    "adopted": "aver-\naging\nand (8)",
    "noise": "$M_l/12$",
    "close": r"$\Delta\to0$",
}
#: Titles of the signatures.
_SIGNATURES = {
    "lost": r"$\hat C_i$ lost (twice the first or more)",
    "shared_lost": r"saturated rollouts, sound $\hat C_i$",
    "restless": "(8) in two epochs or more",
}


def sensitivity_table(tables: Tables) -> pd.DataFrame:
    """Tabulate mean gaps and fractions of failed runs by constant and value."""
    rows: list[Row] = []
    for knob in KNOBS:
        for value, part in ends(cell(tables, "sensitivity", knob)).groupby("value"):
            labels: Row = {"knob": knob, "x": value}
            overlay = float(part["predicted_local"].mean())
            rows.append(mean_row(part["local_gap"], kind="local", **labels, overlay=overlay))
            rows.append(mean_row(part["global_gap"], kind="global", **labels))
            infinite = (part["infinite_local"] > 0) | (part["infinite_global"] > 0)
            rows.append(fraction_row(infinite, kind="infinite", **labels))
            rows.append(fraction_row(~part["exact"], kind="wrong sets", **labels))
    return pd.DataFrame(rows).assign(mode=tables["sensitivity"]["mode"].iloc[0])


def draw_sensitivity(numbers: pd.DataFrame) -> Figure:
    """Draw a column for each constant: mean gaps above, fractions of failed runs below."""
    figure = new_figure(PAGE, 3.6)
    panels = figure.subplots(2, len(KNOBS), sharex="col", sharey="row", height_ratios=[2, 1])
    for column, (knob, title) in enumerate(KNOBS.items()):
        part = numbers[numbers["knob"] == knob]
        _gap_panel(panels[0, column], part)
        panel_label(panels[0, column], title)
        axes = panels[1, column]
        for k, kind in enumerate(("wrong sets", "infinite")):
            one = part[part["kind"] == kind]
            colour, marker = cluster_colour(k + 2)
            label = {"infinite": "infinite cost"}.get(kind, kind)
            points(axes, one["x"] * (0.96, 1.04)[k], one, colour, marker, label=label)
        axes.set_xscale("log", base=2)
        x = sorted(part["x"].unique())
        axes.set_xticks([v for v in x if round(np.log2(v)) % 2 or len(x) < 5], minor=False)
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}" if v >= 1 else f"1/{1 / v:g}")
        axes.set_xlabel("multiple of calibrated")
    panels[0, 0].set_ylabel("mean gap (cost units)")
    panels[1, 0].set_ylabel("fraction of runs")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    more, names = panels[1, 0].get_legend_handles_labels()
    figure.legend(handles + more, labels + names, loc="outside lower center", ncols=5)
    explain(figure, numbers)
    return figure


def _gap_panel(axes: Axes, part: pd.DataFrame) -> None:
    """Draw measured and predicted mean gaps against the multiple of the constant."""
    series: tuple[tuple[str, Any, str], ...] = (("local", LOCAL_COLOUR, "s"), ("global", GLOBAL_COLOUR, "o"))
    for kind, colour, marker in series:
        one = part[part["kind"] == kind]
        points(axes, one["x"], one, colour, marker, label=f"{kind}, measured", ls="")
    local = part[part["kind"] == "local"]
    near = local[local["overlay"] < 3 * local.loc[np.isfinite(local["y"]), "y"].max()]
    axes.plot(near["x"], near["overlay"], color=LOCAL_COLOUR, lw=1, label="local, predicted")
    axes.set_yscale("log")


def failures_table(tables: Tables) -> pd.DataFrame:
    """Tabulate signatures by violated condition, and saturation and set sizes by condition and epoch."""
    rows: list[Row] = []
    for name, title in _CONDITIONS.items():
        frame = cell(tables, "failures", name)
        for signature in _SIGNATURES:
            rows.append(
                fraction_row(pd.Series(shown(frame, signature)), kind="signature", condition=title, series=signature)
            )
        for epoch, part in frame.groupby("epoch"):
            labels: Row = {"kind": "epoch", "condition": title, "x": epoch}
            rows.append(mean_row(part["saturated"], series="saturated", **labels))
            rows.append(mean_row(part["smallest_set"] / part["agents"], series="smallest_set", **labels))
    return pd.DataFrame(rows).assign(mode=tables["failures"]["mode"].iloc[0])


def draw_failures(numbers: pd.DataFrame) -> Figure:
    """Draw signatures by condition, and what happens epoch by epoch."""
    figure = new_figure(PAGE, 3.0)
    panels = figure.subplots(1, 3, width_ratios=[3, 1, 1])
    marks = numbers[numbers["kind"] == "signature"]
    titles = list(dict.fromkeys(marks["condition"]))
    for k, (signature, title) in enumerate(_SIGNATURES.items()):
        colour, marker = cluster_colour(k)
        one = marks[marks["series"] == signature].set_index("condition").loc[titles]
        points(panels[0], np.arange(len(titles)) + 0.2 * (k - 1), one, colour, marker, label=title, ls="")
    panels[0].set_xticks(range(len(titles)), titles)
    panels[0].set_ylim(-0.04, 1.04)
    panels[0].set_ylabel("fraction of runs")
    panel_label(panels[0], "(a) signatures by violated condition")
    for axes, series, label in (
        (panels[1], "saturated", "(b) share of rollouts\nsaturated"),
        (panels[2], "smallest_set", r"(c) least $|\mathcal{N}_i|/N$"),
    ):
        _epochs(axes, numbers[(numbers["kind"] == "epoch") & (numbers["series"] == series)])
        panel_label(axes, label)
    titles_of_signatures = panels[0].get_legend_handles_labels()
    figure.legend(*titles_of_signatures, loc="outside lower left", ncols=1, title="(a)", title_fontsize=7)
    conditions = panels[2].get_legend_handles_labels()
    figure.legend(*conditions, loc="outside lower right", ncols=3, title="(b), (c)", title_fontsize=7)
    explain(figure, numbers)
    return figure


def _epochs(axes: Axes, part: pd.DataFrame) -> None:
    """Draw a curve over the epochs for each condition."""
    for k, (condition, one) in enumerate(part.groupby("condition", sort=False)):
        colour, marker = cluster_colour(k)
        label = str(condition).replace("-\n", "").replace("\n", " ")
        points(axes, one["x"] + 0.1 * k, one, colour, marker, label=label)
    axes.set_xticks(sorted(part["x"].unique()))
    axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel("epoch")
