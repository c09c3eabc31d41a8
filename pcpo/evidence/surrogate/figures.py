"""Draw the figure of the moment oracle against rollouts: three panels over M, and the numbers behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import ALPHA, EvidenceFigure, Tables
from pcpo.evidence.surrogate.measures import (
    Tested,
    by_cell,
    mean_square,
    mean_width,
    smirnov_width,
    thresholds,
    variance_interval,
)
from pcpo.evidence.surrogate.studies import CONTROLS, SURROGATE
from pcpo.figures.style import COLUMN, cluster_colour, new_figure, panel_label
from pcpo.theory.normality import edgeworth_distance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_NAMES = {
    "scalar": "$D=1$",
    "two": "$D=2$",
    "three": "$D=6$",
    "narrow": "$D=2$, narrow",
    "cost": "cost",
}
_PANELS = ("distribution", "mean", "covariance")
_INFLATION = 1.1  # of the covariance, in a control


# --- numbers --------------------------------------------------------------------------------------------------------


def _table(tables: Tables) -> pd.DataFrame:
    """Collect the numbers of all panels.

    Returns:
        Columns panel, series, role ("" or "control"), x = M, y, low and high (95 %), critical (value of the panel's
        test) and estimates (their number).  The panel "distribution" also has edgeworth, the distance computed
        beforehand, and threshold, M* of the series.
    """
    frame = tables[SURROGATE.name]
    cells = by_cell(frame[frame["source"] == "rollouts"])
    rows = [row for cell in cells for row in _rows(cell, len(cells), "")]
    exact, least = frame.groupby("kind")[["skewness", "kurtosis"]].first(), thresholds(tables)
    for row in rows:
        if row["panel"] == "distribution":
            found = exact.loc[row["series"]]
            row["edgeworth"] = edgeworth_distance(float(found["skewness"]), float(found["kurtosis"]), row["x"])
            row["threshold"] = least[row["series"]]
    wrong = by_cell(frame[frame["source"] == CONTROLS[0]])
    rows += [row for cell in wrong for row in _rows(cell, len(cells), "control") if row["panel"] == "mean"]
    inflated = [row for row in rows if row["panel"] == "covariance"]
    rows += [
        {**row, "role": "control"} | {key: row[key] / _INFLATION for key in ("y", "low", "high")} for row in inflated
    ]
    return pd.DataFrame(rows)


def _rows(cell: Tested, cells: int, role: str) -> list[dict[str, Any]]:
    """Make a row of each panel for a cell; critical values are at α over the number of cells."""
    level = ALPHA / cells
    S, D = cell.z.shape
    # T² over its critical value is the square of the mean over the radius of its ball.
    square = mean_square(cell) if S > D + 2 else np.nan
    variance, low, high = variance_interval(cell.z, ALPHA)
    fixed = {"series": cell.kind, "role": role, "x": cell.minibatch, "low": np.nan, "high": np.nan, "estimates": S}
    return [
        {"panel": "distribution", **fixed, "y": cell.distance, "critical": smirnov_width(cell, level)},
        {"panel": "mean", **fixed, "y": float(square / mean_width(cell, level) ** 2), "critical": 1.0},
        {"panel": "covariance", **fixed, "y": variance, "critical": np.nan, "low": low, "high": high},
    ]


# --- picture --------------------------------------------------------------------------------------------------------


def _draw(numbers: pd.DataFrame) -> Figure:
    """Draw three panels, one above the other."""
    numbers = numbers.fillna({"role": ""})  # as read from the CSV
    figure = new_figure(COLUMN, 5.6)
    axes = figure.subplots(3, 1, sharex=True)
    for axis, panel in zip(axes, _PANELS, strict=True):
        _draw_points(axis, numbers, panel)
    kinds = axes[0].get_legend_handles_labels()[0]
    _finish_distribution(axes[0], numbers)
    _finish_mean(axes[1])
    _finish_covariance(axes[2], numbers)
    sizes = numbers.loc[numbers["role"] == "", "estimates"]
    panel_label(axes[0], f"(a) distribution; {sizes.min():,} to {sizes.max():,} estimates a point")
    panel_label(axes[1], "(b) mean")
    panel_label(axes[2], r"(c) variance, 95 % $\chi^2$ intervals")
    figure.legend(handles=kinds, loc="outside upper center", ncols=5, handlelength=1, columnspacing=1)
    return figure


def _draw_points(axis: Axes, numbers: pd.DataFrame, panel: str) -> None:
    """Draw the points of a panel, with the intervals, predictions and controls that it has."""
    part = numbers[numbers["panel"] == panel]
    for k, (kind, label) in enumerate(_NAMES.items()):
        series = part[part["series"] == kind]
        one, wrong = series[series["role"] == ""], series[series["role"] == "control"]
        colour, marker = cluster_colour(k)
        aside = 1.18 ** (k - 2)
        axis.plot(one["x"] * aside, one["y"], marker, color=colour, label=label, ls="")
        if panel == "distribution":
            axis.plot(one["x"], one["edgeworth"], color=colour, lw=0.7, ls="--")
        if panel == "covariance":
            axis.vlines(one["x"] * aside, one["low"], one["high"], color=colour, lw=0.8)
        if panel == "mean":
            axis.plot(wrong["x"] * aside, wrong["y"], "x", color=colour)
    axis.set_xscale("log")


def _finish_distribution(axis: Axes, numbers: pd.DataFrame) -> None:
    """Draw the range of critical distances, which depend on the numbers of estimates and of directions."""
    part = numbers[(numbers["panel"] == "distribution") & (numbers["role"] == "")]
    by = part.groupby("x")["critical"]
    lines = [
        axis.plot([], [], "--", color="black", lw=0.7, label="Edgeworth, computed")[0],
        axis.plot(by.max().index, by.max(), color="black", lw=1, label="critical, Bonferroni 5 %")[0],
    ]
    axis.legend(handles=lines, loc="upper center", handlelength=1.6)
    axis.fill_between(by.min().index, by.min(), by.max(), color="black", alpha=0.25, lw=0)
    axis.set(yscale="log", ylabel="KS distance", ylim=(part["y"].min() / 10, 1.5))


def _finish_mean(axis: Axes) -> None:
    """Draw the critical value and the legend of the control."""
    axis.axhline(1, color="black", lw=1)
    axis.set(yscale="log", ylabel="$T^2$ / critical value", ylim=(1e-3, None))
    cross = axis.plot([], [], "x", color="black", label=r"control: $\nabla C$")
    axis.legend(handles=cross, loc="upper left", handlelength=1)


def _finish_covariance(axis: Axes, numbers: pd.DataFrame) -> None:
    """Draw the variance of the moment oracle, and where points would lie if it were 10 % too large."""
    axis.axhline(1, color="black", lw=1)
    line = axis.axhline(1 / _INFLATION, color="black", lw=1, ls=":", label="control: 10 % too large")
    points = numbers[(numbers["panel"] == "covariance") & (numbers["role"] == "")]
    spread = float(np.nanmax(np.abs(points[["low", "high"]].to_numpy(dtype=np.float64) - 1)))
    axis.set_ylim(1 - min(spread, 0.6), 1 + min(spread, 0.9))
    axis.legend(handles=[line], loc="lower left", handlelength=1.5)
    axis.set(ylabel="variance / oracle's", xlabel="rollouts of an estimate, $M$")


_CAPTION = r"""Estimates by rollouts, standardised by the exact moments of the moment oracle, against $M$: gradients
with $D=1,2,6$ unknowns and a wide radius, gradients with $D=2$ and a narrow radius, and costs. (a) Kolmogorov-Smirnov
distance to $N(0,1)$, the largest along fixed random directions. Black: critical distance at 5 % over all cells and
directions together (grey: between one direction and four). Dashed: upper bound on the distance by Edgeworth's
expansion from the exact skewness and kurtosis. Points below the black line show sampling noise. The numbers beside
the figure include $M^*$. (b) Hotelling's $T^2$ over its critical value at 5 % over all cells; crosses: control,
$\nabla C$ in place of $\nabla C_r$. (c) Variance over that of the moment oracle, with 95 % $\chi^2$ intervals of each
point; dotted: where the points would lie if the oracle's covariance were 10 % too large."""


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "surrogate": EvidenceFigure(
        title="Mean, variance and distribution of minibatches, by rollouts and by the moment oracle",
        caption=_CAPTION,
        inputs=(SURROGATE.name,),
        table=_table,
        draw=_draw,
    ),
}
