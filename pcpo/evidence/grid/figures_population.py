"""Draw the fleets themselves, and how often each limit rejects a draw: figure `population`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.grid.panels import base_of, base_words, fleets_words, mode_of, number_words, pcpo_runs
from pcpo.figures.style import (
    COLUMN,
    GLOBAL_COLOUR,
    heading,
    modes,
    new_figure,
    panel_label,
    plain_log_ticks,
    rows_height,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_population", "population_table"]

#: Column → title of its panel, and whether its axis is logarithmic.
_QUANTITIES = {
    "rho": (r"largest $\rho(A)$", False),
    "discounted_rho": (r"largest $\sqrt{\gamma}\,\rho(A)$", False),
    "start_ratio": (r"$C(K^0)/C^*$, mean", False),
    "condition": ("condition at $K^*$", True),
    "gain_distance": ("distance of gains", True),
    "noise_ratio": (r"$\Delta/\sigma$", True),
}
#: Column → what it counts.
_REJECTED = {
    "rejected_condition": "condition at $K^*$",
    "rejected_riccati": "no Riccati solution",
    "rejected_close": "clusters too close",
    "rejected_common": "common gain",
    "rejected_starts": "way from start",
    "rejected_unreachable": "no start in 64",
}
_KIND = ("open_loop", "n", "m")


def population_table(tables: Tables) -> pd.DataFrame:
    """Return a row per fleet, of the first cell of each open loop and shape."""
    frame = pcpo_runs(tables["grid"])
    first = frame.drop_duplicates(list(_KIND))["cell"]
    fleets = frame[frame["cell"].isin(first)].drop_duplicates(["cell", "seed"])
    columns = ["cell", "seed", *_KIND, *_QUANTITIES, "common_gain", *_REJECTED]
    return fleets[columns].reset_index(drop=True).assign(mode=mode_of(frame), base=base_words(base_of(frame)))


def draw_population(numbers: pd.DataFrame) -> Figure:
    """Draw a panel for each quantity, and the rejected draws as a table."""
    kinds = list(dict.fromkeys(numbers["cell"]))
    height = 0.45 + rows_height(len(kinds))
    figure = new_figure(COLUMN, 0.6 + 4 * height + 0.75)
    grid = figure.add_gridspec(4, 2, height_ratios=[height] * 3 + [height + 0.5])
    labels = [_words(numbers[numbers["cell"] == cell].iloc[0]) for cell in kinds]
    for k, (column, (title, logarithmic)) in enumerate(_QUANTITIES.items()):
        axes = figure.add_subplot(grid[k // 2, k % 2])
        _spread(axes, numbers, kinds, column, logarithmic)
        axes.set_yticks(range(len(kinds)), labels if k % 2 == 0 else [])
        panel_label(axes, title)
    _rejections(figure.add_subplot(grid[3, :]), numbers, kinds, labels)
    heading(
        figure,
        f"{fleets_words(numbers.groupby('cell')['seed'].nunique())} per row: ticks are fleets, dots medians, bars 5 to "
        f"95 % of the fleets; {numbers['base'].iloc[0]}; mode: {modes(numbers)}",
    )
    return figure


def _words(row: pd.Series) -> str:
    """Name a kind of fleets."""
    return f"{row['open_loop']}, ({row['n']},{row['m']})"


def _spread(axes: Axes, numbers: pd.DataFrame, kinds: list[str], column: str, logarithmic: bool) -> None:
    """Draw the fleets of each kind, their median and the range from 5 to 95 %."""
    if logarithmic:
        axes.set_xscale("log")
    for y, cell in enumerate(kinds):
        values = numbers.loc[numbers["cell"] == cell, column].dropna().to_numpy(dtype=float)
        if not len(values):
            continue
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        axes.plot(values, np.full(len(values), y), "|", color="0.6", ms=5, mew=0.6, zorder=1)
        axes.plot([low, high], [y, y], color=GLOBAL_COLOUR, lw=1, zorder=2)
        axes.plot(middle, y, "o", color=GLOBAL_COLOUR, ms=3, zorder=3)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    plain_log_ticks(axes.xaxis)
    if not logarithmic:
        axes.locator_params(axis="x", nbins=4)


def _rejections(axes: Axes, numbers: pd.DataFrame, kinds: list[str], labels: list[str]) -> None:
    """Write draws rejected per accepted fleet by limit, and the share of fleets certified to have no common gain."""
    means = numbers.groupby("cell")[list(_REJECTED)].mean().loc[kinds]
    excluded = numbers["common_gain"].eq("excluded").groupby(numbers["cell"]).mean()
    last = len(_REJECTED) + 0.2
    for y, cell in enumerate(kinds):
        for x, column in enumerate(_REJECTED):
            axes.text(x, y, number_words(means[column].to_numpy()[y]), ha="center", va="center", fontsize=7)
        axes.text(last, y, f"{100 * excluded[cell]:.0f} %", ha="center", va="center", fontsize=7)
    axes.set_xlim(-0.5, last + 0.5)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_yticks(range(len(kinds)), labels)
    axes.set_xticks([*range(len(_REJECTED)), last], [*_REJECTED.values(), "certified"], rotation=40, ha="left")
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=7)
    axes.axvline(last - 0.6, color="0.6", lw=0.6)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel(
        "draws rejected per accepted fleet; fleets certified to\nhave no common gain of finite cost", fontsize=7
    )
