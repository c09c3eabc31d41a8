"""Draw the effect of the initial guess Δ_0 and of the rule that chooses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.practice.measures import CHEAP, cell, ends, to_exact
from pcpo.figures.points import Row, explain, fraction_row, mean_row, points
from pcpo.figures.style import (
    COLUMN,
    GLOBAL_COLOUR,
    LOCAL_COLOUR,
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
    """Draw fractions, mean gaps, and rollouts to exact sets with the rule, a panel each, one below the other."""
    figure = new_figure(COLUMN, 6.9)
    fractions, gaps, rule = figure.subplots(3, 1, height_ratios=[1, 1, 1.15])
    for k, (series, one) in enumerate(numbers[numbers["kind"] == "fraction"].groupby("series", sort=False)):
        colour, marker = cluster_colour(k + 2)
        points(fractions, one["x"], one, colour, marker, label=str(series))
    fractions.set_ylim(-0.04, 1.45)
    fractions.set_yticks([0, 0.5, 1])
    fractions.legend(loc="upper left", ncols=2, columnspacing=0.8)
    _gap_panel(gaps, numbers[numbers["kind"] == "gap"])
    span = numbers.loc[numbers["kind"] == "gap", "x"]
    for axes, label in ((fractions, "(a) fraction of runs"), (gaps, "(b) mean gap at the end (cost units)")):
        axes.set_xscale("log")
        axes.set_xlim(0.6 * span.min(), 1.6 * span.max())
        axes.set_xlabel(r"initial guess $\Delta_0/\Delta$")
        panel_label(axes, label)
    _rule_panel(rule, numbers[numbers["kind"] == "run"])
    explain(figure, numbers[numbers["kind"] != "run"])
    return figure


def _gap_panel(axes: Axes, part: pd.DataFrame) -> None:
    """Draw mean gaps; where a run has an infinite gap, open markers stand in a band of their own above."""
    axes.set_yscale("log")
    finite = part[np.isfinite(part["y"])]
    low, top = float(finite["y"].min()), float(finite["y"].max())
    band = 12 * top
    for series, colour, marker, shift in (("local", LOCAL_COLOUR, "s", 0.93), ("global", GLOBAL_COLOUR, "o", 1.07)):
        one = part[part["series"] == series]
        points(axes, one["x"], one, colour, marker, label=series)
        lost = one[~np.isfinite(one["y"])]
        axes.plot(lost["x"] * shift, np.full(len(lost), band), marker, color=colour, mfc="none")
    if len(finite) < len(part):
        axes.axhline(4 * top, color="0.6", lw=0.6)
        axes.text(0.02, band, "infinite in some run", transform=axes.get_yaxis_transform(), fontsize=7, va="center")
        axes.set_ylim(low / 2, 3 * band)
    axes.legend(loc="lower right")


def _rule_panel(axes: Axes, part: pd.DataFrame) -> None:
    """Draw rollouts to exact sets against those with Δ known; runs without exact sets are counted in words."""
    known = part[np.isfinite(part["x"])]
    finite = known[np.isfinite(known["y"])]
    never = []
    for k, (series, one) in enumerate(known.groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        seen = one[np.isfinite(one["y"])]
        axes.plot(seen["x"], seen["y"], marker, color=colour, label=str(series), alpha=0.5, ms=2.5, mew=0)
        never.append(f"{series}: never in {len(one) - len(seen)} of {len(one)} fleets")
    span = np.array([finite["x"].min(), finite["x"].max()]) if len(finite) else np.array([1.0, 10.0])
    axes.plot(span, span, color="black", lw=0.8, label=r"as with $\Delta$ known")
    axes.plot(span, CHEAP * span, color="black", lw=0.8, ls=":", label="16/3 times that")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.8 * 10 ** np.floor(np.log10(span[0])), 1.25 * 10 ** np.ceil(np.log10(span[1])))  # whole decades
    axes.set_ylim(top=20 * CHEAP * span[1])
    bare_minor_ticks(axes.xaxis)
    axes.set_xlabel(r"rollouts with $\Delta$ known ($\Delta_0=2\Delta$)")
    axes.legend(loc="upper left", ncols=2, columnspacing=0.8)
    panel_label(axes, "\n".join(["(c) rollouts to exact sets", *never]))
