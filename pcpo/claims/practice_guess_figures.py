"""Figures `failure_signatures`, `initial_guess` and `separation_limit` of the group "practice"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..plotting.style import (
    GLOBAL_COLOUR,
    LOCAL_COLOUR,
    PAGE,
    bare_minor_ticks,
    cluster_colour,
    new_figure,
    panel_label,
)
from .contract import FigureSpec, Tables
from .practice_figures import Row, fraction_row, heading, mean_row, points
from .practice_measures import CHEAP, cell, ends, shown, to_exact

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FAILURE_SIGNATURES", "INITIAL_GUESS", "SEPARATION_LIMIT"]

_CONDITIONS = {
    "sound": "sound",
    "step": "$\\eta$\n$\\times10$",
    "radius": "$r\\times4$,\nno cap",
    "averaging": "forced\naveraging",
    "noise": "$M_l/12$",
    "close": r"$\Delta\to0$",
}
_SIGNATURES = {
    "lost": r"$\hat C_i$ lost (twice the first or more)",
    "shared_lost": r"saturated rollouts, sound $\hat C_i$",
    "restless": "(8) in two epochs or more",
}


def _failures_table(tables: Tables) -> pd.DataFrame:
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


def _draw_failures(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 3.0)
    panels = figure.subplots(1, 3, width_ratios=[2.4, 1, 1])
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
    heading(figure, numbers)
    return figure


def _epochs(axes: Axes, part: pd.DataFrame) -> None:
    for k, (condition, one) in enumerate(part.groupby("condition", sort=False)):
        colour, marker = cluster_colour(k)
        points(axes, one["x"] + 0.05 * k, one, colour, marker, label=str(condition).replace("\n", " "))
    axes.set_xticks(sorted(part["x"].unique()))
    axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel("epoch")


def _guess_table(tables: Tables) -> pd.DataFrame:
    rows: list[Row] = []
    for _, part in ends(cell(tables, "initial_guess", "fixed")).groupby("value"):
        labels: Row = {"x": float((part["value"] / part["separation"]).iloc[0])}
        rows.append(fraction_row(part["exact"], kind="fraction", series="exact sets", **labels))
        lost = (part["infinite_local"] > 0) | (part["infinite_global"] > 0)
        rows.append(fraction_row(lost, kind="fraction", series="infinite cost", **labels))
        rows.append(fraction_row(part["epoch"] == 0, kind="fraction", series="no epoch in the budget", **labels))
        rows.append(mean_row(part["local_gap"], kind="gap", series="local", **labels))
        rows.append(mean_row(part["global_gap"], kind="gap", series="global", **labels))
    known, rule, wild = (to_exact(cell(tables, "guess_rule", n)) for n in ("known", "rule", "rule_times_ten"))
    for series, spent in (("rule", rule), ("ten times the rule", wild)):
        both = pd.concat([known, spent], axis=1, keys=["x", "y"]).dropna()
        rows += [{"kind": "run", "series": series, "x": x, "y": y} for x, y in zip(both["x"], both["y"], strict=True)]
    return pd.DataFrame(rows).assign(mode=tables["initial_guess"]["mode"].iloc[0])


def _draw_guess(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 3.1)
    panels = figure.subplots(1, 3)
    for k, (series, one) in enumerate(numbers[numbers["kind"] == "fraction"].groupby("series", sort=False)):
        colour, marker = cluster_colour(k + 2)
        points(panels[0], one["x"], one, colour, marker, label=str(series))
    gaps = numbers[numbers["kind"] == "gap"]
    for series, colour, marker in (("local", LOCAL_COLOUR, "s"), ("global", GLOBAL_COLOUR, "o")):
        one = gaps[gaps["series"] == series]
        points(panels[1], one["x"], one, colour, marker, label=series)
    for axes, label in ((panels[0], "(a) fraction of runs"), (panels[1], "(b) mean gap at the end (cost units)")):
        axes.set_xscale("log")
        axes.set_xlim(0.6 * gaps["x"].min(), 1.6 * gaps["x"].max())
        axes.set_xlabel(r"initial guess $\Delta_0/\Delta$")
        panel_label(axes, label)
    panels[1].set_yscale("log")
    _rule_panel(panels[2], numbers[numbers["kind"] == "run"])
    panels[0].set_ylim(-0.04, 1.04)
    found = [axes.get_legend_handles_labels() for axes in panels]
    for (handles, labels), place, title in zip(found, ("left", "center", "right"), "abc", strict=True):
        options: dict[str, Any] = {"loc": f"outside lower {place}", "title": f"({title})", "title_fontsize": 7}
        figure.legend(handles, labels, **options)
    heading(figure, numbers[numbers["kind"] != "run"])
    return figure


def _rule_panel(axes: Axes, part: pd.DataFrame) -> None:
    """Rollouts to exact sets of the same fleet; runs that never get there are at the upper edge."""
    finite = part[np.isfinite(part["x"]) & np.isfinite(part["y"])]
    top = 3 * CHEAP * max(finite["x"].max(), 1.0) if len(finite) else 1.0
    for k, (series, one) in enumerate(part[np.isfinite(part["x"])].groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        axes.plot(one["x"], np.minimum(one["y"], top), marker, color=colour, label=str(series), alpha=0.7)
    span = np.array([finite["x"].min(), finite["x"].max()]) if len(finite) else np.array([1.0, 10.0])
    axes.plot(span, span, color="black", lw=0.8, label=r"as with $\Delta$ known")
    axes.plot(span, CHEAP * span, color="black", lw=0.8, ls=":", label="16/3 times that")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.8 * 10 ** np.floor(np.log10(span[0])), 1.25 * 10 ** np.ceil(np.log10(span[1])))  # whole decades
    bare_minor_ticks(axes.xaxis)
    axes.set_xlabel(r"rollouts with $\Delta$ known ($\Delta_0=2\Delta$)")
    panel_label(axes, "(c) rollouts to exact sets\n(upper edge: never)")


def _limit_table(tables: Tables) -> pd.DataFrame:
    rows: list[Row] = []
    for method in ("pcpo", "local"):
        for Delta, part in ends(cell(tables, "separation_limit", method)).groupby("value"):
            labels: Row = {"series": method, "x": Delta, "last": float(part["Delta"].mean())}
            rows.append(
                mean_row(part["global_gap"], kind="gap", **labels, overlay=float(part["predicted_global"].mean()))
            )
            if method == "pcpo":
                rows.append(fraction_row(part["exact"], kind="exact", **labels))
    return pd.DataFrame(rows).assign(mode=tables["separation_limit"]["mode"].iloc[0])


def _draw_limit(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 2.6)
    panels = figure.subplots(1, 2, width_ratios=[1.6, 1])
    gaps = numbers[numbers["kind"] == "gap"]
    for series, title, colour, marker in (("pcpo", "PCPO", GLOBAL_COLOUR, "o"), ("local", "alone", LOCAL_COLOUR, "s")):
        one = gaps[gaps["series"] == series]
        points(panels[0], one["x"], one, colour, marker, label=title)
    own = gaps[gaps["series"] == "pcpo"]
    panels[0].plot(own["x"], own["overlay"], color="black", ls=":", lw=1, label="predicted if merged")
    panels[0].set_yscale("log")
    panels[0].legend(loc="center left", bbox_to_anchor=(0.0, 0.45))
    panel_label(panels[0], "(a) mean gap at the end (cost units)")
    exact = numbers[numbers["kind"] == "exact"]
    points(panels[1], exact["x"], exact, GLOBAL_COLOUR, "o")
    panels[1].set_ylim(-0.04, 1.04)
    panel_label(panels[1], "(b) fraction of runs with exact sets")
    last = float(numbers["last"].iloc[0])
    for axes in panels:
        axes.set_xscale("log")
        axes.axvline(last, color="grey", lw=0.8, ls="--")
        axes.set_xlabel(r"separation $\Delta$ (cost units); dashed: $\Delta_{\bar L}$")
    heading(figure, numbers)
    return figure


FAILURE_SIGNATURES = FigureSpec(
    _failures_table,
    _draw_failures,
    "Conditions violated on purpose. (a) Fraction of runs that show each signature, Clopper-Pearson 95 %. (b) Share of "
    "rollouts whose cost is beyond all numbers and (c) size of the smallest set, by epoch, means with bootstrap 95 % "
    "intervals. Lost cost estimates are all equal, so the sets of a lost fleet never split.",
)
INITIAL_GUESS = FigureSpec(
    _guess_table,
    _draw_guess,
    "The initial guess at a fixed budget. (a) Fraction of runs, Clopper-Pearson 95 %: a small guess leaves no epoch, a "
    "large one loses the policies. (b) Mean gaps (cost units) with bootstrap 95 % intervals; absent where a run has an "
    "infinite one. (c) Random fleets: rollouts per agent to exact sets with the rule, against those with Δ known.",
)
SEPARATION_LIMIT = FigureSpec(
    _limit_table,
    _draw_limit,
    "Two clusters of different dynamics whose optimal costs approach each other, with the same epochs. (a) Mean gap "
    "(cost units) of PCPO and of learning alone with the same rollouts, bootstrap 95 %; dotted: the linearised mean "
    "gap "
    "of one policy for all. (b) Fraction of runs with exact sets, Clopper-Pearson 95 %.",
)
