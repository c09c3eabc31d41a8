"""Draw gaps with the paper's radius and with the best one, and what the paper's radius loses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.rate.measures import means, rate, series
from pcpo.evidence.rate.studies import METHODS
from pcpo.figures.style import (
    COLUMN,
    Look,
    as_written,
    cluster_colour,
    legend_above,
    method_look,
    new_figure,
    panel_label,
    plain_log_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_PAPER = "pcpo"


def _gaps(tables: Tables) -> pd.DataFrame:
    """Tabulate mean gaps by method and M|M|, with intervals, beside the closed form; and slopes by method.

    Sizes and epochs with (nearly) the same M|M| make one mean, since they are of different systems.
    """
    frame, rows = tables["rate"], []
    base = {name: series(tables, _PAPER, name, "best") for name in ("gap", "predicted")}
    for method in METHODS:
        found, form = (series(tables, method, name, "best") for name in ("gap", "predicted"))
        slope = -rate(tables, method, 0.0, 1.0).estimate
        level = np.round(2 * (found.epoch + np.log(found.size) / np.log(4)))
        for cells in (np.flatnonzero(level == one) for one in np.unique(level)):
            gap = statistics.jackknife(found.runs, partial(_mean, cells), logarithm=True)
            paired = np.concatenate([found.runs, base["gap"].runs], axis=1)
            won = statistics.jackknife(paired, partial(_ratio, cells), logarithm=True)
            predicted = _mean(cells, form.runs)
            rows.append(
                {
                    "algorithm": method,
                    "sizes": len(cells),
                    "rollouts": float(found.rollouts[cells].mean()),
                    "gap": gap.estimate,
                    "ci_low": gap.low,
                    "ci_high": gap.high,
                    "predicted": predicted,
                    "won": won.estimate,
                    "won_low": won.low,
                    "won_high": won.high,
                    "won_predicted": _mean(cells, base["predicted"].runs) / predicted,
                    "slope": slope,
                    "runs": len(found.values),
                }
            )
    return pd.DataFrame(rows).assign(mode=frame["mode"].iloc[0])


def _mean(cells: IntArray, runs: FloatArray) -> float:
    """Return the mean gap of some cells."""
    return float(means(runs)[cells].mean())


def _ratio(cells: IntArray, runs: FloatArray) -> float:
    """Return the mean gap of PCPO over that of a method, whose values and counts come first."""
    return _mean(cells, runs[:, 2:]) / _mean(cells, runs[:, :2])


def _draw_gaps(numbers: pd.DataFrame) -> Figure:
    """Draw gaps of all methods with their closed form, and the factor won over PCPO below."""
    figure = new_figure(COLUMN, 5.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.3, 1])
    for method, part in numbers.groupby("algorithm", sort=False):
        part, look = part.sort_values("rollouts"), method_look(str(method))
        slope = f"{part['slope'].iloc[0]:.2f}".replace("-", "−")
        label = f"{as_written(ALGORITHMS[str(method)].title)}: slope {slope}"
        _with_bars(upper, part, ("gap", "ci_low", "ci_high", "predicted"), look, label)
        if method != _PAPER:
            _with_bars(lower, part, ("won", "won_low", "won_high", "won_predicted"), look)
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.set_yscale("log")
    plain_log_ticks(lower.yaxis)
    plain_log_ticks(lower.xaxis)
    panel_label(upper, "(a) mean gap over the best one-point gap at $10^6$")
    panel_label(lower, "(b) factor won over PCPO at equal rollouts")
    lower.set_xlabel(r"$M_l|\mathcal{M}|$ (rollouts of an averaged gradient)")
    heading = f"{int(numbers['runs'].max())} fleets, 95 % intervals; lines: closed form, nothing fitted; "
    handles, labels = upper.get_legend_handles_labels()
    legend_above(figure, handles, labels, heading + numbers["mode"].iloc[0], 1)
    return figure


def _with_bars(axes: Axes, part: pd.DataFrame, columns: tuple[str, str, str, str], look: Look, label: str = "") -> None:
    """Draw points with intervals, and the closed form as a line."""
    middle, low, high, form = (part[name].to_numpy() for name in columns)
    finite = np.isfinite(middle)
    bars = np.abs(np.stack([middle - low, high - middle]))[:, finite]
    x, colour = part["rollouts"], look.colour
    axes.errorbar(x[finite], middle[finite], bars, fmt=look.marker, color=colour, lw=0.8, label=label or None)
    axes.plot(x, form, color=colour, ls=look.line, lw=0.8)


#: What is lost against the best radius of one-point estimates, or of others: numerator, denominator, label.
_LOST = {
    "paper": ("gap_paper", "gap_best", "paper's radius, to all orders"),
    "no_log": ("closed_no_log", "closed_best", "the same without its logarithm"),
    "combined": ("closed_paper", "closed_centred", "against the best of two-point estimates"),
}


def _lost(tables: Tables) -> pd.DataFrame:
    """Tabulate the factors by system and number of rollouts."""
    frame = tables["rate_closed"]
    parts = [
        frame[["seed", "n", "m", "rollouts"]].assign(series=name, factor=frame[above] / frame[below])
        for name, (above, below, _) in _LOST.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(mode="exact")


def _draw_lost(numbers: pd.DataFrame) -> Figure:
    """Draw a point for each system, and medians as lines."""
    figure = new_figure(COLUMN, 3.4)
    axes = figure.subplots()
    for k, (name, part) in enumerate(numbers.groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        middle = part.groupby("rollouts")["factor"].median()
        axes.plot(part["rollouts"] * 1.25 ** (k - 1), part["factor"], marker, color=colour, alpha=0.35, lw=0)
        axes.plot(middle.index, middle, color=colour, label=_LOST[str(name)][2])
        for x, y in middle.items():
            place = (0, 4) if name == "combined" else (0, -9)
            axes.annotate(f"{y:.3g}", (float(str(x)), y), xytext=place, textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(r"$M|\mathcal{M}|$ (rollouts of an averaged gradient)")
    axes.set_ylabel("gap / smallest gap")
    systems = numbers["seed"].nunique()
    figure.legend(loc="outside upper center", title=f"{systems} random systems, medians", title_fontsize=7)
    return figure


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "radius_rate": EvidenceFigure(
        title="Gaps with the paper's radius and with the best one",
        caption=r"Above: mean global gap of collaborative epochs against the rollouts $M_l|\mathcal M|$ of an averaged "
        r"gradient, in units of the smallest gap that one-point estimates have from $10^6$ rollouts; means over fleets "
        r"and over sizes and epochs with the same $M_l|\mathcal M|$; lines: closed form at the radius that each method "
        r"uses. Below: gap of PCPO over that of the method at equal rollouts. 95 % intervals over fleets; nothing is "
        r"fitted but the slopes in the legend.",
        table=_gaps,
        draw=_draw_gaps,
    ),
    "radius_lost": EvidenceFigure(
        title="What the paper's radius loses",
        caption=r"Mean gap with the paper's radius over the smallest mean gap, against $M|\mathcal M|$, a point for "
        r"each random system, medians as lines and numbers: one-point estimates with the logarithm of Table 2 in the "
        r"radius, to all orders in $r$; without it, closed form; and against the best radius of centred or two-point "
        r"estimates, closed form.",
        table=_lost,
        draw=_draw_lost,
    ),
}
