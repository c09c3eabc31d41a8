"""Figure of the surrogate: three panels over M."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import ALPHA, EvidenceFigure, Tables
from pcpo.evidence.surrogate.cumulants import edgeworth_distance
from pcpo.evidence.surrogate.measures import Tested, by_cell, mean_width, smirnov_width, thresholds, variance_interval
from pcpo.evidence.surrogate.studies import CONTROLS, KINDS, SURROGATE
from pcpo.figures.style import COLUMN, cluster_colour, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "table"]

_NAMES = {
    "scalar": "$D=1$",
    "two": "$D=2$",
    "three": "$D=6$",
    "narrow": "$D=2$, narrow",
    "cost": "cost",
}


def table(tables: Tables) -> pd.DataFrame:
    """Long table: panel, series, x = M, y, low, high (95 %), critical (of the panel's test), estimates (how many); in
    the panel "distribution" also edgeworth, the distance computed beforehand, and threshold, M* of the series."""
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
        {**row, "role": "control", "y": row["y"] / 1.1, "low": row["low"] / 1.1, "high": row["high"] / 1.1}
        for row in inflated
    ]
    return pd.DataFrame(rows)


def _rows(cell: Tested, cells: int, role: str) -> list[dict[str, Any]]:
    level = ALPHA / cells
    # T² over its critical value is the square of the mean over the radius of its ball.
    S, D = cell.z.shape
    enough = S > D + 2
    centre = cell.z.mean(axis=0)
    square = centre @ np.linalg.solve(np.cov(cell.z, rowvar=False).reshape(D, D), centre) if enough else np.nan
    variance, low, high = variance_interval(cell.z, ALPHA)
    fixed = {"series": cell.kind, "role": role, "x": cell.minibatch, "low": np.nan, "high": np.nan, "estimates": S}
    return [
        {"panel": "distribution", **fixed, "y": cell.distance, "critical": smirnov_width(cell, level)},
        {"panel": "mean", **fixed, "y": float(square / mean_width(cell, level) ** 2), "critical": 1.0},
        {"panel": "covariance", **fixed, "y": variance, "critical": np.nan, "low": low, "high": high},
    ]


def draw(numbers: pd.DataFrame) -> Figure:
    """Three panels, one above the other."""
    figure = new_figure(COLUMN, 5.6)
    axes = figure.subplots(3, 1, sharex=True)
    for axis, panel in zip(axes, ("distribution", "mean", "covariance"), strict=True):
        part = numbers[(numbers["panel"] == panel) & (numbers["role"] == "")]
        for k, (kind, label) in enumerate(_NAMES.items()):
            one = part[part["series"] == kind]
            colour, marker = cluster_colour(k)
            x = one["x"] * 1.18 ** (k - 2)
            axis.plot(x, one["y"], marker, color=colour, label=label, ls="")
            if panel == "distribution":
                axis.plot(one["x"], one["edgeworth"], color=colour, lw=0.7, ls="--")
            if panel == "covariance":
                axis.vlines(x, one["low"], one["high"], color=colour, lw=0.8)
            wrong = numbers[(numbers["panel"] == panel) & (numbers["role"] == "control") & (numbers["series"] == kind)]
            if panel == "mean":
                axis.plot(wrong["x"] * 1.18 ** (k - 2), wrong["y"], "x", color=colour)
        axis.set_xscale("log")
    kinds = axes[0].get_legend_handles_labels()[0]
    _limits(axes[0], numbers)
    least = numbers.loc[numbers["panel"] == "distribution", "y"].min()
    axes[0].set(yscale="log", ylabel="KS distance", ylim=(least / 10, 1.5))
    axes[1].axhline(1, color="black", lw=1)
    axes[1].set(yscale="log", ylabel="$T^2$ / critical value", ylim=(1e-3, None))
    cross = axes[1].plot([], [], "x", color="black", label=r"control: $\nabla C$")
    axes[1].legend(handles=cross, loc="upper left", handlelength=1)
    _inflated(axes[2], numbers)
    axes[2].set(ylabel="variance / surrogate's", xlabel="rollouts of an estimate, $M$")
    sizes = numbers.loc[numbers["role"] == "", "estimates"]
    panel_label(axes[0], f"(a) distribution; {sizes.min():,} to {sizes.max():,} estimates a point")
    panel_label(axes[1], "(b) mean")
    panel_label(axes[2], "(c) variance, 95 % intervals of each point")
    figure.legend(handles=kinds, loc="outside upper center", ncols=5, handlelength=1, columnspacing=1)
    return figure


def _limits(axis, numbers: pd.DataFrame) -> None:  # type: ignore[no-untyped-def]
    """Critical distances, which depend on the number of estimates and on that of directions: the range of them."""
    part = numbers[(numbers["panel"] == "distribution") & (numbers["role"] == "")]
    by = part.groupby("x")["critical"]
    lines = [
        axis.plot([], [], "--", color="black", lw=0.7, label="Edgeworth, computed")[0],
        axis.plot(by.max().index, by.max(), color="black", lw=1, label="critical, Bonferroni 5 %")[0],
    ]
    axis.legend(handles=lines, loc="upper center", handlelength=1.6)
    axis.fill_between(by.min().index, by.min(), by.max(), color="black", alpha=0.25, lw=0)


def _inflated(axis, numbers: pd.DataFrame) -> None:  # type: ignore[no-untyped-def]
    axis.axhline(1, color="black", lw=1)
    line = axis.axhline(1 / 1.1, color="black", lw=1, ls=":", label="control: 10 % too large")
    precise = numbers[(numbers["panel"] == "covariance") & (numbers["role"] == "")]
    spread = float(np.nanmax(np.abs(precise[["low", "high"]].to_numpy(dtype=np.float64) - 1)))
    axis.set_ylim(1 - min(spread, 0.6), 1 + min(spread, 0.9))
    axis.legend(handles=[line], loc="lower left", handlelength=1.5)


assert set(_NAMES) == set(KINDS)


_CAPTION = r"""Estimates by rollouts, standardised by the exact moments of the moment oracle, against $M$: $D=1,2,6$
unknowns with a wide radius, $D=2$ with a narrow one, and costs. (a) Kolmogorov-Smirnov distance to $N(0,1)$, the
worst of fixed random directions; black: what is rejected at 5 % over all cells and directions together (grey: one
direction or four); dashed: the distance that Edgeworth's expansion has from the exact skewness and kurtosis, at most.
Points below the black line measure their own noise. The numbers beside the figure hold $M^*$. (b) Hotelling's $T^2$
over its critical value at 5 % over all cells. (c) Variance over that of the surrogate, 95 % $\chi^2$ intervals of each
point. Controls: crosses, $\nabla C$ in place of $\nabla C_r$; dotted, where the points would lie were the surrogate's
covariance 10 % too large."""


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "surrogate": EvidenceFigure(
        title="Rollouts against the moment oracle",
        caption=_CAPTION,
        table=table,
        draw=draw,
    ),
}
