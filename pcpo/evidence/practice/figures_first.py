"""Draw the first experiments, and clusters whose separation Δ falls to 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import Tables
from pcpo.evidence.practice.measures import cell, ends
from pcpo.figures.points import Row, explain, fraction_row, mean_row, points
from pcpo.figures.style import (
    COLUMN,
    GLOBAL_COLOUR,
    PAGE,
    bare_minor_ticks,
    method_look,
    new_figure,
    panel_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_first", "draw_limit", "first_table", "limit_table"]

#: Titles of methods and sets, by their cells in the study.
_METHODS = {"unforced": "PCPO", "forced": "averaging over all"}
_ALGORITHMS = {"PCPO": "pcpo", "averaging over all": "naive_average"}
_MIRROR = {"unforced_mirror": "PCPO", "forced_mirror": "averaging", "adopted_mirror": "averaging,\n(8) first"}
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
    for name, title in _MIRROR.items():
        part = ends(cell(tables, "first_runs", name))
        rows.append(fraction_row(part["infinite_global"] > 0, kind="mirror", series=title, x=len(rows)))
    return pd.DataFrame(rows).assign(mode=frame["mode"].iloc[0])


def draw_first(numbers: pd.DataFrame) -> Figure:
    """Draw gap ratio and gaps, a panel each, and write exact sets and infinite costs as a small table below."""
    figure = new_figure(COLUMN, 5.4)
    ratio, gap, words = figure.subplots(3, 1, height_ratios=[1.2, 1, 0.75])
    _ratio_panel(ratio, numbers[numbers["kind"] == "ratio"])
    part = numbers[numbers["kind"] == "gap"]
    for k, (series, one) in enumerate(part.groupby("series", sort=False)):
        colour, marker, line = method_look(_ALGORITHMS[str(series)])
        points(gap, one["x"] + 0.06 * (k - 0.5), one, colour, marker, label=str(series), ls=line)
    gap.set_yscale("log")
    gap.axhline(part["overlay"].dropna().iloc[0], color="black", ls=":", lw=1, label="one policy for all")
    gap.set_xticks(sorted(part["x"].unique()))
    gap.set_xlim(part["x"].min() - 0.4, part["x"].max() + 0.4)
    gap.set_xlabel("epoch")
    gap.legend(loc="best")
    panel_label(gap, "(b) mean gap (cost units), a common gain exists")
    words.set_axis_off()
    words.text(0, 1, _in_words(numbers), transform=words.transAxes, fontsize=7, va="top", linespacing=1.4)
    explain(figure, numbers)
    return figure


def _in_words(numbers: pd.DataFrame) -> str:
    """Write the fractions with exact sets by epoch, and those with infinite cost, with their intervals."""
    lines = ["Two clusters: runs with exact sets after epoch"]
    sets = numbers[numbers["kind"] == "sets"]
    for series, one in sets.groupby("series", sort=False):
        lines.append(f"  {series}: " + "; ".join(f"{row.x:g}: {row.y:.2f}" for row in one.itertuples()))
    reach = "; ".join(f"{row.x:g}: {row.overlay:.2g}" for row in sets.drop_duplicates("x").itertuples())
    lines += [rf"  ($\Delta_l/\Delta$ at {reach})", "No common gain: runs that end with an infinite cost"]
    for row in numbers[numbers["kind"] == "mirror"].itertuples():
        name = " ".join(str(row.series).split())
        lines.append(f"  {name}: {row.y:.2f} [{row.ci_low:.2f}, {row.ci_high:.2f}]")
    return "\n".join(lines)


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
    panel_label(axes, "(a) mean global gap / mean local gap")


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
    for series, title in (("pcpo", "PCPO"), ("local", "alone")):
        one = gaps[gaps["series"] == series]
        colour, marker, line = method_look(series)
        points(panels[0], one["x"], one, colour, marker, label=title, ls=line)
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
    explain(figure, numbers)
    return figure
