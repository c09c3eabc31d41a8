"""Draw the figure `negative_transfer`: what averaging over everybody costs, beside its predicted plateau."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.experiments.comparison import curves, final_table
from pcpo.figures.registry import ComparisonFigure, Configured, Results, Wanted
from pcpo.figures.style import (
    PAGE,
    as_written,
    bare_minor_ticks,
    labelled_rows,
    legend_above,
    method_look,
    modes,
    new_figure,
    panel_label,
    plain_log_ticks,
    rows_height,
    wrapped,
)
from pcpo.statistics import FEWEST
from pcpo.theory.transfer import shifted_plateaus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "table"]

PLATEAU = r"predicted plateau of averaging"
_MANY = 3  # clusters that have a panel each
_UPRIGHT = 0.6  # inches that a scenario's name needs to be written across


def table(
    runs: pd.DataFrame, plateaus: pd.DataFrame, methods: Mapping[str, str], titles: Mapping[str, str]
) -> pd.DataFrame:
    """Make a tidy table of two kinds of rows.

    kind = "curve": mean gap by method, cluster and epoch, with the predicted plateau of averaging over everybody.
    kind = "final": fraction of failed runs by scenario and method.

    Args:
        runs: rows of runs.
        plateaus: columns scenario, cluster, plateau.
        methods: name → title; the first ones are drawn.
        titles: what figures call the scenarios.
    """
    own = runs[runs["algorithm"].isin(list(methods)) & runs["scenario"].isin(list(titles))]
    drawn = curves(own).merge(plateaus, on=["scenario", "cluster"], how="left").assign(kind="curve")
    ends = final_table(own).assign(kind="final")
    both = pd.concat([drawn, ends], ignore_index=True)
    both["title"], both["method"] = both["scenario"].map(titles), both["algorithm"].map(methods)
    return both


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw gaps by cluster on the first fleet (left) and failed runs on every fleet (right).

    More than three clusters have one panel for the range of their curves, and one for the gaps at the end.
    """
    lines, ends = (numbers[numbers["kind"] == kind] for kind in ("curve", "final"))
    known = [s for s, part in lines.groupby("scenario", sort=False) if part["plateau"].notna().any()]
    part = lines[lines["scenario"] == known[0]] if known else lines.iloc[:0]
    H = part["cluster"].nunique()
    many = H > _MANY
    columns = (2 if many else H) + 1
    title = wrapped(f"{as_written(part['title'].iloc[0])},", 0.94 * PAGE / columns) if H else ""
    names, rotation = _names(ends, 0.9 * PAGE / columns)
    below = 0.8 if rotation else 0.12 * max(0, max(name.count("\n") for name in names) - 2)
    height = max(3.0, 1.2 + rows_height(H)) if many else 3.0
    figure = new_figure(PAGE, height + below + 0.14 * title.count("\n"))
    panels = figure.subplots(1, columns, squeeze=False)[0]
    if many:
        _many_clusters(panels, part, title)
    else:
        _few_clusters(panels, part, title)
    _failures(panels[-1], ends)
    panels[-1].set_xticks(range(len(names)), names, rotation=rotation)
    panel_label(panels[-1], "Clopper-Pearson 95 %" if columns <= _MANY else "Clopper-Pearson\n95 %")
    keys = {
        label: handle
        for axes in (panels[: 1 if many else H] if H else panels[-1:])
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    heading = f"Mean over {int(lines['runs'].max())} runs, 95 % jackknife-t interval (of {FEWEST} and more); "
    heading += f"mode: {modes(lines)}"
    legend_above(figure, list(keys.values()), list(keys), heading, ncols=4 if len(keys) <= 4 else 3)
    return figure


def _few_clusters(panels: Sequence[Axes], part: pd.DataFrame, title: str) -> None:
    """Draw a panel for each cluster."""
    clusters = sorted(part["cluster"].unique())
    for axes, cluster in zip(panels, clusters, strict=False):
        _curves(axes, part[part["cluster"] == cluster])
        panel_label(axes, f"{title}\ncluster {int(cluster)}")


def _curves(axes: Axes, part: pd.DataFrame) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    known = part.loc[np.isfinite(part["gap"]), "gap"]
    top = float(known.max()) if len(known) else 1.0
    for method, one in part.groupby("method", sort=False):
        colour, marker, line = method_look(one["algorithm"].iloc[0])
        one = one.sort_values("rollouts")
        finite = np.isfinite(one["gap"])
        label = as_written(str(method))
        axes.plot(one["rollouts"], one["gap"].where(finite), color=colour, marker=marker, ls=line, label=label)
        low, high = one["ci_low"].where(finite), one["ci_high"].where(finite)
        axes.fill_between(one["rollouts"], low, high, color=colour, alpha=0.2, lw=0)
        lost = one.loc[~finite, "rollouts"]
        if len(lost):
            axes.plot(lost, np.full(len(lost), 3 * top), "^", color=colour, mfc="none", clip_on=False)
    if not np.isfinite(part["gap"]).all():
        axes.plot([], [], "^", color="0.3", mfc="none", label="infinite mean")
    bare_minor_ticks(axes.xaxis)
    axes.axhline(part["plateau"].iloc[0], color="black", ls=":", lw=1, label=PLATEAU)
    axes.set_xlabel("rollouts per agent")
    axes.set_ylabel("gap $C-C^*$ (cost units)")


def _many_clusters(panels: Sequence[Axes], part: pd.DataFrame, title: str) -> None:
    """Draw the median and the range over the clusters of their mean gaps, and each cluster's gap at the end."""
    left, middle = panels[:2]
    clusters = sorted(part["cluster"].unique())
    level = {cluster: k for k, cluster in enumerate(clusters)}
    plateaus = part.drop_duplicates("cluster")
    middle.plot(plateaus["plateau"], plateaus["cluster"].map(level), "k|", ms=7)
    for k, (method, own) in enumerate(part.groupby("method", sort=False)):
        colour, marker, line = method_look(own["algorithm"].iloc[0])
        own = own[np.isfinite(own["gap"])]
        by_epoch = own.groupby("epoch")
        rollouts, gaps = by_epoch["rollouts"].mean(), by_epoch["gap"]
        left.plot(rollouts, gaps.median(), color=colour, marker=marker, ls=line, label=as_written(str(method)))
        left.fill_between(rollouts, gaps.min(), gaps.max(), color=colour, alpha=0.2, lw=0)
        end = own[own["epoch"] == part["epoch"].max()]
        middle.plot(end["gap"], end["cluster"].map(level) + 0.22 * (1 - k), marker, color=colour, ms=2.5)
    left.plot([], [], "k|", ms=7, label=PLATEAU)
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_xlabel("rollouts per agent")
    left.set_ylabel("gap $C-C^*$ (cost units)")
    bare_minor_ticks(left.xaxis)
    middle.set_xscale("log")
    middle.set_xlabel("gap $C-C^*$ (cost units)")
    middle.set_ylabel("cluster $j$")
    named = labelled_rows(len(clusters))
    middle.set_yticks(named, [str(int(clusters[k])) for k in named])
    middle.set_ylim(-0.6, len(clusters) - 0.4)
    plain_log_ticks(middle.xaxis)
    bare_minor_ticks(middle.xaxis)
    panel_label(left, f"{title}\nmedian and range of {len(clusters)} clusters")
    panel_label(middle, "at the end, infinite gaps left out" if not np.isfinite(part["gap"]).all() else "at the end")


def _failures(axes: Axes, ends: pd.DataFrame) -> None:
    """Draw the fraction of runs that end with an agent of infinite cost, Clopper-Pearson 95 %."""
    methods = list(dict.fromkeys(ends["method"]))
    scenarios = list(dict.fromkeys(ends["scenario"]))
    for s, scenario in enumerate(scenarios):
        part = ends[ends["scenario"] == scenario].set_index("method")
        for k, method in enumerate(m for m in methods if m in part.index):
            x, row = s + 0.22 * (k - (len(methods) - 1) / 2), part.loc[method]
            colour, marker, _ = method_look(row["algorithm"])
            axes.plot([x, x], [row["fail_low"], row["fail_high"]], color=colour, lw=1)
            axes.plot(x, row["fail_fraction"], marker, color=colour, label=None if s else as_written(method))
    axes.set_xlim(-0.6, len(scenarios) - 0.4)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("fraction of failed runs")


def _names(ends: pd.DataFrame, width: float) -> tuple[list[str], float]:
    """Name the scenarios and their numbers of runs below an axis of so many inches, upright where they fit.

    Returns:
        The names, and their rotation in degrees.
    """
    first = ends.drop_duplicates("scenario")
    room = (width - 0.5) / len(first)
    names = []
    for title, runs in zip(first["title"], first["runs"], strict=True):
        lines = [as_written(line) for line in fill(title, 12).split("\n")]
        if room < _UPRIGHT:
            names.append(wrapped(f"{as_written(title)} ({runs:.0f} runs)", 1.4, 7))
        else:
            names.append("\n".join([*(wrapped(line, room, 7) for line in lines), f"({runs:.0f} runs)"]))
    return names, 90.0 if room < _UPRIGHT else 0.0


#: The methods drawn.
_METHODS = ("naive_average", "pcpo", "local", "naive_average_sync")


def _wants(configured: Configured) -> dict[str, Wanted]:
    methods = configured.compared("method")
    return {"negative_transfer": Wanted(configured.tuned, methods, fleets=True)} if _METHODS[0] in methods else {}


def _of_results(results: Results) -> pd.DataFrame:
    rows = [
        {"scenario": scenario, "cluster": j, "plateau": gap}
        for scenario, fleet in results.fleets.items()
        for j, gap in enumerate(shifted_plateaus(fleet))
    ]
    methods = {name: ALGORITHMS[name].title for name in _METHODS}
    return table(results.runs, pd.DataFrame(rows), methods, results.titles)


FIGURES: dict[str, ComparisonFigure] = {
    "negative_transfer": ComparisonFigure(
        place=60,
        title="Negative transfer",
        caption=r"Averaging over everybody from the agents' own gains, beside the plateau that it must reach: "
        r"$K_i=K_i^{(0)}+x$ with $x=\operatorname{argmin}\sum_iC_i(K_i^{(0)}+x)$, finite whether or not a common gain "
        r"exists. Right: runs that end with an agent of infinite cost, also of averaging that begins with (8), which "
        r"gives everybody the gain of one agent.",
        wants=_wants,
        table=_of_results,
        draw=draw,
    )
}
