"""Draw the figure `negative_transfer`: what averaging over everybody costs, beside its predicted plateau."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.experiments.comparison import curves, final_table
from pcpo.figures.registry import ComparisonFigure, Configured, Results, Wanted
from pcpo.figures.style import PAGE, cluster_colour, modes, new_figure, panel_label
from pcpo.theory.transfer import common_gain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "table"]

_LINES = ["-", "--", ":"]


def table(
    runs: pd.DataFrame, plateaus: pd.DataFrame, methods: Mapping[str, str], titles: Mapping[str, str]
) -> pd.DataFrame:
    """Make a tidy table of two kinds of rows.

    kind = "curve": mean gap by method, cluster and epoch, with the predicted plateau C_j(K̄) − C_j* of averaging.
    kind = "final": fraction of failed runs by scenario and method.

    Args:
        runs: rows of runs.
        plateaus: columns scenario, cluster, plateau (NaN where no gain has finite cost for all clusters).
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
    """Draw gaps by cluster on the fleet with a common gain (left) and failed runs on every fleet (right)."""
    lines, ends = (numbers[numbers["kind"] == kind] for kind in ("curve", "final"))
    shared = [s for s, part in lines.groupby("scenario", sort=False) if part["plateau"].notna().any()]
    clusters = sorted(lines.loc[lines["scenario"] == shared[0], "cluster"].unique()) if shared else []
    figure = new_figure(PAGE, 3.0)
    panels = figure.subplots(1, len(clusters) + 1, squeeze=False)[0]
    for axes, cluster in zip(panels, clusters, strict=False):
        part = lines[(lines["scenario"] == shared[0]) & (lines["cluster"] == cluster)]
        _curves(axes, part)
        panel_label(axes, f"{part['title'].iloc[0]},\ncluster {int(cluster)}")
    _failures(panels[-1], ends)
    handles, labels = panels[0].get_legend_handles_labels()
    heading = f"Mean over {int(lines['runs'].max())} runs, 95 % bootstrap interval; mode: {modes(lines)}"
    figure.legend(handles, labels, loc="outside upper center", ncols=4, title=heading, title_fontsize=7)
    return figure


def _curves(axes: Axes, part: pd.DataFrame) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for k, (method, one) in enumerate(part.groupby("method", sort=False)):
        colour, marker = cluster_colour(k)
        one = one.sort_values("rollouts")
        finite = np.isfinite(one["gap"])
        axes.plot(one["rollouts"], one["gap"].where(finite), color=colour, marker=marker, label=str(method))
        low, high = one["ci_low"].where(finite), one["ci_high"].where(finite)
        axes.fill_between(one["rollouts"], low, high, color=colour, alpha=0.2, lw=0)
    axes.axhline(part["plateau"].iloc[0], color="black", ls=":", lw=1, label=r"predicted plateau $C_j(\bar K)-C_j^*$")
    axes.set_xlabel("rollouts per agent")
    axes.set_ylabel("gap $C-C^*$ (cost units)")


def _failures(axes: Axes, ends: pd.DataFrame) -> None:
    """Draw the fraction of runs that end with an agent of infinite cost, Clopper-Pearson 95 %."""
    methods = list(dict.fromkeys(ends["method"]))
    scenarios = list(dict.fromkeys(ends["scenario"]))
    for s, scenario in enumerate(scenarios):
        part = ends[ends["scenario"] == scenario].set_index("method")
        for k, method in enumerate(m for m in methods if m in part.index):
            colour, marker = cluster_colour(k)
            x, row = s + 0.22 * (k - (len(methods) - 1) / 2), part.loc[method]
            axes.plot([x, x], [row["fail_low"], row["fail_high"]], color=colour, lw=1)
            axes.plot(x, row["fail_fraction"], marker, color=colour)
    first = ends.drop_duplicates("scenario").set_index("scenario")
    names = [f"{fill(first.loc[s, 'title'], 12)}\n({first.loc[s, 'runs']:.0f} runs)" for s in scenarios]
    axes.set_xticks(range(len(scenarios)), names)
    axes.set_xlim(-0.6, len(scenarios) - 0.4)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("fraction of failed runs")
    panel_label(axes, "Clopper-Pearson 95 %")


#: The methods drawn.
_METHODS = ("naive_average", "pcpo", "local")


def _wants(configured: Configured) -> dict[str, Wanted]:
    methods = configured.compared("method")
    return {"negative_transfer": Wanted(configured.tuned, methods, fleets=True)} if _METHODS[0] in methods else {}


def _of_results(results: Results) -> pd.DataFrame:
    rows = []
    for scenario, fleet in results.fleets.items():
        found = common_gain(fleet)
        finite = found.status == "ok"
        rows += [
            {"scenario": scenario, "cluster": j, "plateau": gap if finite else None}
            for j, gap in enumerate(found.plateaus)
        ]
    methods = {name: ALGORITHMS[name].title for name in _METHODS}
    return table(results.runs, pd.DataFrame(rows), methods, results.titles)


FIGURES: dict[str, ComparisonFigure] = {
    "negative_transfer": ComparisonFigure(
        place=60,
        title="Negative transfer",
        caption=r"Averaging over everybody, beside the plateau $C_j(\bar K)-C_j^*$ that it must reach if a common gain "
        r"of finite cost exists, $\bar K=\operatorname{argmin}_K\sum_j|\mathcal{M}_j|\,C_j(K)$, and failed runs where "
        "none does.",
        wants=_wants,
        table=_of_results,
        draw=draw,
    )
}
