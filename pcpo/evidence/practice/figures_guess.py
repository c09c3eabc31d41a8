"""Draw the effect of the initial guess Δ_0 and of the rule that chooses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.practice.measures import CHEAP, cell, ends, to_exact
from pcpo.evidence.practice.panels import Row, fraction_row, heading, mean_row, points
from pcpo.figures.style import (
    GLOBAL_COLOUR,
    LOCAL_COLOUR,
    PAGE,
    bare_minor_ticks,
    cluster_colour,
    new_figure,
    panel_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_guess", "guess_table"]


def guess_table(tables: Tables) -> pd.DataFrame:
    """Tabulate fractions and mean gaps by Δ_0/Δ, and the rollouts of each random fleet."""
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


def draw_guess(numbers: pd.DataFrame) -> Figure:
    """Draw fractions, mean gaps, and rollouts to exact sets with the rule, a panel each."""
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
    """Draw rollouts to exact sets against those with Δ known; runs without exact sets are at the upper edge."""
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
