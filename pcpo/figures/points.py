"""Tabulate means and fractions of runs with intervals, and draw them: what figures of several groups share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.figures.style import heading, legend_above, runs_words
from pcpo.statistics import FEWEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Row", "explain", "fraction_row", "mean_row", "points"]

#: A row of a figure's table.
Row = dict[str, Any]


def mean_row(values: pd.Series, **labels: Any) -> Row:
    """Return the mean over runs with its 95 % jackknife-t interval; it is infinite if any run is."""
    found = statistics.mean(values.to_numpy(dtype=float))
    return {**labels, "y": found.estimate, "ci_low": found.low, "ci_high": found.high, "runs": len(values)}


def fraction_row(hits: pd.Series, **labels: Any) -> Row:
    """Return the fraction of runs with its Clopper-Pearson 95 % interval."""
    found = statistics.proportion(int(hits.sum()), len(hits))
    return {**labels, "y": found.estimate, "ci_low": found.low, "ci_high": found.high, "runs": len(hits)}


def points(axes: Axes, x: Any, rows: pd.DataFrame, colour: Any, marker: str, **options: Any) -> None:
    """Draw points with intervals; points without a finite value are left out, and an unknown interval is not drawn."""
    y = rows["y"].to_numpy(dtype=float)
    ok = np.isfinite(y)
    x, y = np.asarray(x, dtype=float)[ok], y[ok]
    low = np.where(np.isfinite(rows["ci_low"].to_numpy()[ok]), rows["ci_low"].to_numpy()[ok], y)
    high = np.where(np.isfinite(rows["ci_high"].to_numpy()[ok]), rows["ci_high"].to_numpy()[ok], y)
    bars = np.maximum(0.0, np.stack([y - low, high - y]))
    style = {"lw": 1.2, "elinewidth": 0.8, **options}
    axes.errorbar(x, y, yerr=bars, color=colour, marker=marker, **style)


def explain(figure: Figure, numbers: pd.DataFrame, keyed: Sequence[Axes] = (), ncols: int = 4) -> None:
    """Write above the figure how many runs each point has, how intervals were made, and the mode.

    Args:
        figure: the figure.
        numbers: its table.
        keyed: panels whose series are explained in one key below that text.
        ncols: columns of the key.
    """
    means = "jackknife-t" if numbers["runs"].min() >= FEWEST else f"none (fewer than {FEWEST} runs)"
    text = f"{runs_words(numbers['runs'])} per point; 95 % intervals: {means} for means and ratios, "
    text += f"Clopper-Pearson for fractions; mode: {numbers['mode'].iloc[0]}"
    shown = {label: line for axes in keyed for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if shown:
        legend_above(figure, list(shown.values()), list(shown), text, ncols)
    else:
        heading(figure, text)
