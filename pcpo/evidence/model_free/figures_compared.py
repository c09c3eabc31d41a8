"""Draw `pcpo_auto` beside the methods that read the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.model_free.population import CONDITIONS
from pcpo.evidence.model_free.settings import METHODS
from pcpo.figures.points import Row, explain, fraction_row, points
from pcpo.figures.style import PAGE, cluster_colour, decade_ticks, method_look, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compared_table", "draw_compared"]

_SHOWN = ("auto", "pcpo", "pcpo_two_point", "known")
_OTHER = "pcpo_two_point"


def compared_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the panels, told apart by the column `kind`; gaps have the abscissa `other`, a number."""
    runs, rows = tables["model_free_fleets"], list[Row]()
    for method in _SHOWN:
        own = runs[runs["method"] == method]
        failed = own["failed"] if method != "known" else own["infinite"] > 0
        for kind, by in (("condition", "condition"), ("ratio", "ratio")):
            for value, part in failed.groupby(own[by]):
                rows.append(fraction_row(part > 0, kind=kind, series=method, x=str(value)))
    gaps = runs.pivot(index=["condition", "seed"], columns="method", values="gap").dropna()
    many = len(gaps)
    for condition, pairs in gaps.groupby("condition"):
        rows += [
            {"kind": "gap", "series": condition, "other": other, "y": own, "runs": many}
            for own, other in pairs[["auto", _OTHER]].to_numpy(dtype=float).tolist()
        ]
    return pd.DataFrame(rows).assign(mode=runs.loc[runs["method"] == "auto", "mode"].iloc[0])


def draw_compared(numbers: pd.DataFrame) -> Figure:
    """Draw failures by condition, gaps by fleet, and failures by Δ/σ."""
    figure = new_figure(PAGE, 3.1)
    left, middle, right = figure.subplots(1, 3)
    names = [name for name in CONDITIONS if (numbers["x"] == name).any()]
    _fractions(left, numbers[numbers["kind"] == "condition"], names)
    ends = {"condition_3": "up to 3", "condition_10": "3 to 10", "condition_30": "10 to 30"}
    left.set_xticks(range(len(names)), [ends[name] for name in names])
    left.set_xlabel("condition number at $K^*$")
    panel_label(left, "(a) fraction of fleets that fail")
    _gaps(middle, numbers[numbers["kind"] == "gap"], ends)
    panel_label(middle, "(b) gap $C/C^*-1$ of a fleet")
    part = numbers[numbers["kind"] == "ratio"]
    ratios = sorted(part["x"].unique(), key=float)
    _fractions(right, part, ratios)
    right.set_xticks(range(len(ratios)), [f"{float(ratio):g}" for ratio in ratios])
    right.set_xlabel(r"$\Delta/\sigma$")
    panel_label(right, "(c) fraction of fleets that fail")
    explain(figure, numbers, [left])
    return figure


def _fractions(axes: Axes, part: pd.DataFrame, places: list[str]) -> None:
    """Draw a series for each method."""
    for k, method in enumerate(_SHOWN):
        own = part[part["series"] == method]
        x = np.array([places.index(str(value)) for value in own["x"]]) + 0.08 * (k - 1.5)
        look = method_look(METHODS[method].look)
        face = "none" if method == "known" else look.colour
        points(axes, x, own, look.colour, look.marker, ls="", ms=4, mfc=face, label=METHODS[method].title)
    axes.set_ylim(-0.03, 1.03)


def _gaps(axes: Axes, part: pd.DataFrame, ends: dict[str, str]) -> None:
    """Draw a point for each fleet; infinite gaps lie on the frame."""
    x, y = part["other"].to_numpy(dtype=float), part["y"].to_numpy(dtype=float)
    finite = np.concatenate([x[np.isfinite(x)], y[np.isfinite(y)]])
    low, high = finite.min() / 2, 5 * finite.max()
    for k, condition in enumerate(ends):
        own = (part["series"] == condition).to_numpy()
        colour, marker = cluster_colour(k)
        shown = (np.where(np.isfinite(v[own]), v[own], high) for v in (x, y))
        axes.plot(*shown, marker, color=colour, ms=2.5, ls="", label=ends[condition], clip_on=False)
    axes.plot([low, high], [low, high], "k:", lw=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    decade_ticks(axes.xaxis, 5)
    decade_ticks(axes.yaxis, 5)
    axes.set_xlabel(METHODS[_OTHER].title)
    axes.set_ylabel(METHODS["auto"].title)
    axes.legend(fontsize=7, title="condition", title_fontsize=7)
