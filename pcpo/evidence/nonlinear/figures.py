"""Draw what `pcpo_auto` finds on nonlinear plants: wrong sets, what clusters win, and gaps, by level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.nonlinear.measures import FAILURE, grid, log_ratios, slope_of
from pcpo.figures.style import PAGE, cluster_colour, legend_above, new_figure, panel_label, plain_log_ticks, runs_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_GAPS = {
    "start_gap": "start",
    "linear_gap": "LQR, plant\nlinearised",
    "local_gap": "local",
    "gap": "global",
}


def _levels(tables: Tables) -> pd.DataFrame:
    """Tabulate wrong sets, ratios of gaps by size, and gaps by kind, at each level."""
    rows: list[dict[str, object]] = []
    for level, part in grid(tables).groupby("level"):
        exact = part.groupby("seed")["exact"].min()
        share = statistics.proportion(int((exact == 0).sum()), len(exact))
        known = {"level": level, "runs": len(exact), "mode": part["mode"].iloc[0]}
        rows.append({**known, "panel": "sets", "x": level, **_limits(share)})
        ratios = log_ratios(tables, float(str(level)))
        if len(ratios) > 1:
            values, sizes = ratios.to_numpy(dtype=float), ratios.columns.to_numpy(dtype=float)
            slope = slope_of(values, sizes)
            for size, column in zip(sizes, values.T, strict=True):
                rows.append({**known, "panel": "slope", "x": size, **_geometric(column), "slope": slope})
        means = part.groupby("seed")[list(_GAPS)].mean()
        for k, name in enumerate(_GAPS):
            positive = means[name][np.isfinite(means[name]) & (means[name] > 0)]
            if len(positive) > 1:
                rows.append({**known, "panel": "gaps", "x": k, **_geometric(np.log(positive.to_numpy(dtype=float)))})
    return pd.DataFrame(rows)


def _limits(found: statistics.Estimate) -> dict[str, float]:
    """Return an estimate and its interval as columns."""
    return {"value": found.estimate, "low": found.low, "high": found.high}


def _geometric(logs: FloatArray) -> dict[str, float]:
    """Return the geometric mean and its interval as columns."""
    return {name: float(np.exp(value)) for name, value in _limits(statistics.mean(logs)).items()}


def _draw_levels(numbers: pd.DataFrame) -> Figure:
    """Draw the three panels."""
    figure = new_figure(PAGE, 2.7)
    sets, slope, gaps = figure.subplots(1, 3, width_ratios=[0.8, 1, 1.3])
    levels = sorted(numbers["level"].unique())
    handles = []
    for k, level in enumerate(levels):
        own = numbers[numbers["level"] == level]
        for axes, panel in ((slope, "slope"), (gaps, "gaps")):
            handle = _bars(axes, own[own["panel"] == panel], k, len(levels), panel == "slope")
        handles.append(handle)
        share = own[own["panel"] == "sets"]
        _points(sets, np.array([float(k)]), share, k)
    sets.axhline(FAILURE, color="k", ls=":", lw=0.8)
    sets.set_xticks(range(len(levels)), [f"{100 * level:g} %" for level in levels])
    sets.set_xlim(-0.5, len(levels) - 0.5)
    sets.set_ylim(bottom=0)
    sets.set_xlabel("level")
    slope.set_xscale("log")
    slope.set_yscale("log")
    sizes = sorted(numbers.loc[numbers["panel"] == "slope", "x"].unique())
    slope.set_xticks(sizes, [f"{size:g}" for size in sizes])
    slope.minorticks_off()
    plain_log_ticks(slope.yaxis)
    slope.set_xlabel(r"$|\mathcal{M}|$ (agents of a cluster)")
    gaps.set_yscale("log")
    gaps.set_xticks(range(len(_GAPS)), list(_GAPS.values()), fontsize=7)
    panel_label(sets, "(a) fleets with a wrong set")
    panel_label(slope, "(b) global gap / local gap")
    panel_label(gaps, r"(c) gap $C/C^*-1$, mean of a fleet")
    text = f"Level of nonlinearity; {runs_words(numbers['runs'], 'fleet')}; 95 % intervals; {numbers['mode'].iloc[0]}"
    names = [_name(numbers, level) for level in levels]
    legend_above(figure, handles, names, text, len(levels))
    return figure


def _name(numbers: pd.DataFrame, level: float) -> str:
    """Return the name of a level, with the slope of panel b."""
    slopes = numbers.loc[(numbers["level"] == level) & (numbers["panel"] == "slope"), "slope"]
    words = f"{100 * level:g} %"
    return words if slopes.empty else f"{words}: slope {slopes.iloc[0]:.2f}".replace("-", "−")


def _bars(axes: Axes, part: pd.DataFrame, k: int, levels: int, joined: bool) -> object:
    """Draw the points of a level, beside those of the others, and return their handle."""
    x = part["x"].to_numpy(dtype=float)
    x = x * 1.06 ** (k - (levels - 1) / 2) if joined else x + 0.2 * (k - (levels - 1) / 2)
    return _points(axes, x, part, k, "-" if joined else "")


def _points(axes: Axes, x: FloatArray, part: pd.DataFrame, k: int, line: str = "") -> object:
    """Draw points with intervals."""
    colour, marker = cluster_colour(k)
    middle = part["value"].to_numpy(dtype=float)
    bars = np.abs(np.stack([middle - part["low"].to_numpy(dtype=float), part["high"].to_numpy(dtype=float) - middle]))
    return axes.errorbar(x, middle, bars, fmt=marker, color=colour, ls=line, lw=0.8, ms=4)


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "nonlinear": EvidenceFigure(
        title="Nonlinear plants",
        caption=r"`pcpo_auto` on fleets of pendulums and of carts with poles whose nonlinearity changes costs by 0, 5 "
        r"and 20 %. (a) fleets with a set that is not the true cluster, exact (Clopper–Pearson) intervals; dotted: the "
        r"bound of the claim. (b) gap of the averaged gains over that of the agents' own, geometric means over fleets "
        r"with exact sets. (c) gaps over the best linear gain, geometric means over fleets of means over clusters; at "
        r"0 % the LQR of the linearised plant is optimal and has no gap. 95 % intervals.",
        table=_levels,
        draw=_draw_levels,
    ),
}
