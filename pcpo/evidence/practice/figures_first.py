"""Draw the first experiments, and clusters whose separation Δ falls to 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import Tables
from pcpo.evidence.practice.measures import cell, ends
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

__all__ = ["draw_first", "draw_limit", "first_table", "limit_table"]

#: Titles of methods and sets, by their cells in the study.
_METHODS = {"unforced": "PCPO", "forced": "averaging over all"}
_SETS = {"two_clusters": "PCPO", "never_prune": "without (7)"}


def first_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the four panels, told apart by the column `kind`."""
    frame = tables["first_runs"]
    rows: list[Row] = []
    for N, part in ends(cell(tables, "first_runs", "homogeneous")).groupby("value"):
        found = statistics.ratio(part["global_gap"].to_numpy(), part["local_gap"].to_numpy())
        target = float(part["predicted_global"].mean() / part["predicted_local"].mean())
        span = {"ci_low": found.low, "ci_high": found.high, "runs": len(part)}
        rows.append({"kind": "ratio", "series": "measured", "x": N, "y": found.estimate, "overlay": target, **span})
    for name, title in _SETS.items():
        for epoch, part in cell(tables, "first_runs", name).groupby("epoch"):
            ratio = float((part["Delta"] / part["separation"]).iloc[0])
            rows.append(fraction_row(part["exact"], kind="sets", series=title, x=epoch, overlay=ratio))
    for name, title in _METHODS.items():
        for epoch, part in cell(tables, "first_runs", name).groupby("epoch"):
            target = float(part["plateau"].mean())
            rows.append(mean_row(part["global_gap"], kind="gap", series=title, x=epoch, overlay=target))
        part = ends(cell(tables, "first_runs", f"{name}_mirror"))
        rows.append(fraction_row(part["infinite_global"] > 0, kind="mirror", series=title, x=len(rows)))
    return pd.DataFrame(rows).assign(mode=frame["mode"].iloc[0])


def draw_first(numbers: pd.DataFrame) -> Figure:
    """Draw gap ratio, exact sets, gaps, and infinite costs, a panel each."""
    figure = new_figure(PAGE, 2.5)
    panels = figure.subplots(1, 4, width_ratios=[1.2, 1, 1, 0.8])
    _ratio_panel(panels[0], numbers[numbers["kind"] == "ratio"])
    for kind, axes, title in (
        ("sets", panels[1], "(b) fraction with\nexact sets"),
        ("gap", panels[2], "(c) mean gap (cost units),\na common gain exists"),
    ):
        part = numbers[numbers["kind"] == kind]
        for k, (series, one) in enumerate(part.groupby("series", sort=False)):
            colour, marker = cluster_colour(k)
            points(axes, one["x"] + 0.06 * (k - 0.5), one, colour, marker, label=str(series))
        axes.set_xticks(sorted(part["x"].unique()))
        axes.set_xlim(part["x"].min() - 0.4, part["x"].max() + 0.4)
        axes.set_xlabel("epoch")
        panel_label(axes, title)
    sets = numbers[numbers["kind"] == "sets"].drop_duplicates("x")
    panels[1].set_xticks(
        sets["x"], [f"{e:g}\n" rf"$\Delta_l={r:.2g}\,\Delta$" for e, r in zip(sets["x"], sets["overlay"], strict=True)]
    )
    panels[1].set_ylim(-0.05, 1.05)
    panels[1].legend(loc="center")
    panels[2].set_yscale("log")
    plateau = numbers.loc[numbers["kind"] == "gap", "overlay"].dropna().iloc[0]
    panels[2].axhline(plateau, color="black", ls=":", lw=1, label="one policy for all")
    panels[2].legend(loc="center", bbox_to_anchor=(0.55, 0.74))
    mirror = numbers[numbers["kind"] == "mirror"]
    for k in range(len(mirror)):
        colour, marker = cluster_colour(k)
        points(panels[3], [k], mirror.iloc[[k]], colour, marker, ls="")
    panels[3].set_xticks(range(len(mirror)), [s.replace(" over all", "") for s in mirror["series"]])
    panels[3].set_xlim(-0.5, len(mirror) - 0.5)
    panels[3].set_ylim(-0.05, 1.05)
    panel_label(panels[3], "(d) infinite cost,\nno common gain")
    heading(figure, numbers)
    return figure


def _ratio_panel(axes: Axes, part: pd.DataFrame) -> None:
    """Draw the ratio of mean global and local gaps against N."""
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    points(axes, part["x"], part, GLOBAL_COLOUR, "o", label="measured", ls="")
    axes.plot(part["x"], part["overlay"], color=GLOBAL_COLOUR, lw=1, label="prediction")
    axes.plot(part["x"], part["x"] ** -0.5, color="black", ls=":", lw=1, label=r"$N^{-1/2}$")
    axes.set_xticks(part["x"], [f"{N:g}" for N in part["x"]])
    ticks = [0.1, 0.2, 0.5, 1.0]
    axes.set_yticks(ticks, [f"{v:g}" for v in ticks])
    bare_minor_ticks(axes.yaxis)
    axes.set_xlim(1.7, 1.2 * part["x"].max())
    axes.set_xlabel("$N$ agents in one cluster")
    axes.legend(loc="lower left")
    panel_label(axes, "(a) mean global gap /\nmean local gap")


def limit_table(tables: Tables) -> pd.DataFrame:
    """Tabulate mean gaps and exact sets by separation and method."""
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


def draw_limit(numbers: pd.DataFrame) -> Figure:
    """Draw mean gaps and exact sets against the separation."""
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
