"""Draw every method's gap relative to PCPO's on the same fleets, by cell: figure `who_wins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.algorithms.registry import ALGORITHMS, make_algorithm
from pcpo.claims.contract import Tables
from pcpo.errors import ResultsError
from pcpo.evidence.grid.panels import (
    PCPO,
    Row,
    base_of,
    base_words,
    cell_words,
    fleets_words,
    last_epochs,
    mode_of,
    number_words,
)
from pcpo.figures.style import COLUMN, Look, heading, method_look, modes, new_figure, plain_log_ticks
from pcpo.statistics import FEWEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_winners", "winners_table"]

#: Kinds of methods, by what they are given that PCPO is not, with the marks behind their names.
_MARKS = {"rollout costs alone": "", "also told Δ, H or the clusters": " †", "sees trajectories": " ‡"}
_SEES = "sees trajectories"
#: Ratios beyond this factor are not drawn to scale.
_FAR = 20.0


def winners_table(tables: Tables) -> pd.DataFrame:
    """Tabulate by cell and method, best first: gap relative to PCPO's, share of fleets where PCPO is better, lost runs.

    `ratio` is the geometric mean over all fleets, infinite if a run of the method is lost; `ratio_finite` is that over
    the fleets where neither is lost.
    """
    frame = tables["grid_methods"]
    if PCPO not in (found := set(frame["algorithm"])):
        raise ResultsError(f"grid_methods: found the methods {', '.join(sorted(found))}, expected {PCPO!r} among them")
    ends, base = last_epochs(frame), base_of(frame) if "base" in set(frame["cell"]) else frame.iloc[0]
    rows: list[Row] = []
    for cell, part in ends.groupby("cell", sort=False):
        gaps = part.pivot(index="seed", columns="algorithm", values="gap")
        known = {"cell": cell, "label": cell_words(part.iloc[0], base), "pcpo_lost": int(np.isinf(gaps[PCPO]).sum())}
        compared = [{**known, **_compared(name, part, gaps)} for name in part["algorithm"].unique()]
        rows += sorted(compared, key=lambda row: (row["ratio"], row["lost"], row["ratio_finite"]))
    return pd.DataFrame(rows).assign(base=base_words(base))


def _compared(name: str, part: pd.DataFrame, gaps: pd.DataFrame) -> Row:
    """Compare the final gaps of a method with those of PCPO, fleet by fleet."""
    own, other = gaps[PCPO].to_numpy(dtype=float), gaps[name].to_numpy(dtype=float)
    lost = np.isinf(other)
    both = ~lost & np.isfinite(own)
    with np.errstate(divide="ignore"):
        logs = np.log(other[both]) - np.log(own[both])
    ratio = statistics.mean(logs) if both.any() else None
    better = statistics.proportion(int((own < other).sum()), len(own))
    low, middle, high = (np.nan, np.nan, np.nan) if ratio is None else np.exp([ratio.low, ratio.estimate, ratio.high])
    return {
        "algorithm": name,
        "method": _title(name),
        "kind": _kind(name),
        "mode": mode_of(part[part["algorithm"] == name]),
        "ratio": np.inf if lost.any() else float(middle),
        "ratio_finite": float(middle),
        "ci_low": float(low),
        "ci_high": float(high),
        "finite": int(both.sum()),
        "lost": int(lost.sum()),
        "fleets": len(own),
        "pcpo_better": better.estimate if name != PCPO else np.nan,
        "better_low": better.low if name != PCPO else np.nan,
        "better_high": better.high if name != PCPO else np.nan,
        "rollouts": float(part.loc[part["algorithm"] == name, "rollouts"].median()),
    }


def _title(name: str) -> str:
    """Return a method's title; "one_shot, told 4 Δ" becomes "One-shot, told 4 Δ"."""
    known, _, told = name.partition(", ")
    title = ALGORITHMS[known].title
    return f"{title.split(',')[0]}, {told}" if told else title.split(" (")[0]


def _kind(name: str) -> str:
    """Return what a method is given."""
    known = name.partition(", ")[0]
    alone, told, sees = _MARKS
    if ALGORITHMS[known].sees == "trajectories":
        return sees
    return told if make_algorithm(known).uses else alone


def draw_winners(numbers: pd.DataFrame) -> Figure:
    """Draw a row for each cell: ratios of gaps, the same as numbers with the lost runs, shares of fleets."""
    cells = list(dict.fromkeys(numbers["cell"]))
    parts = [numbers[numbers["cell"] == cell].reset_index(drop=True) for cell in cells]
    figure = new_figure(COLUMN, 1.6 + sum(0.3 + 0.145 * len(part) for part in parts))
    panels = figure.subplots(
        len(cells),
        3,
        squeeze=False,
        width_ratios=[1.5, 0.9, 0.8],
        sharex="col",
        height_ratios=[len(part) + 1 for part in parts],
    )
    edges = _edges(numbers)
    for row, part in zip(panels, parts, strict=True):
        _ratios(row[0], part, edges)
        _numbers(row[1], part)
        _shares(row[2], part)
        for axes in row:
            axes.set_ylim(len(part) - 0.5, -0.5)
    panels[-1, 0].set_xlabel("gap /\ngap of PCPO")
    panels[-1, 1].set_xlabel("the same\n(lost runs)")
    panels[-1, 2].set_xlabel("share:\nPCPO\nbetter", fontsize=7)
    heading(figure, _words(numbers))
    return figure


def _words(numbers: pd.DataFrame) -> str:
    """Say what stands behind the points."""
    kind = "jackknife-t" if numbers["fleets"].min() >= FEWEST else f"none (under {FEWEST} fleets)"
    text = (
        f"last epoch, geometric mean over {fleets_words(numbers['fleets'])} per cell; 95 % intervals: {kind} (left), "
        "Clopper-Pearson (right)"
    )
    text += "; hollow: fleets without a lost run" if numbers["lost"].any() else ""
    for kind, mark in _MARKS.items():
        text += f";{mark} {kind}" if mark and kind in set(numbers["kind"]) else ""
    few = numbers[numbers["kind"] == _SEES]
    if len(few):
        own, others = few["rollouts"].median(), numbers.loc[numbers["kind"] != _SEES, "rollouts"].median()
        text += f", with {number_words(own)} rollouts per agent in place of {number_words(others)} (medians)"
    return f"{text}; {numbers['base'].iloc[0]}; mode: {modes(numbers)}"


def _edges(numbers: pd.DataFrame) -> tuple[float, float]:
    """Return the limits of the axis of ratios: what is beyond them is drawn as an arrow at the edge."""
    found = numbers[["ratio_finite", "ci_low", "ci_high"]].to_numpy(dtype=float)
    found = np.clip(found[np.isfinite(found)], 1 / _FAR, _FAR)
    return min(found.min(initial=1.0), 0.7) / 1.3, max(found.max(initial=1.0), 1.5) * 1.3


def _look(row: pd.Series) -> Look:
    """Return the look of a method, whatever it is told."""
    return method_look(row["algorithm"].partition(", ")[0])


def _ratios(axes: Axes, part: pd.DataFrame, edges: tuple[float, float]) -> None:
    """Draw the gaps relative to PCPO's."""
    axes.set_xscale("log")
    axes.set_xlim(*edges)
    axes.axvline(1, color="black", lw=0.8, zorder=0)
    for y, (_, row) in enumerate(part.iterrows()):
        colour, marker, _ = _look(row)
        face, middle = ("white" if row["lost"] else colour), row["ratio_finite"]
        if np.isfinite(row["ci_low"]) and row["algorithm"] != PCPO:
            axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, lw=1)
        if middle > edges[1] or not row["finite"]:
            axes.plot(edges[1], y, ">", color=colour, mfc=face, clip_on=False)
        elif middle < edges[0]:
            axes.plot(edges[0], y, "<", color=colour, mfc=face, clip_on=False)
        else:
            axes.plot(middle, y, marker, color=colour, mfc=face)
    axes.set_yticks(range(len(part)), part["method"] + part["kind"].map(_MARKS))
    axes.grid(axis="y", lw=0.3, color="0.85")
    plain_log_ticks(axes.xaxis)
    lost = int(part["pcpo_lost"].iloc[0])
    title = part["label"].iloc[0] + (f" (PCPO lost in {lost})" if lost else "")
    axes.set_title(title, loc="left", fontsize=8)


def _numbers(axes: Axes, part: pd.DataFrame) -> None:
    """Write the ratios and the lost runs."""
    for y, (_, row) in enumerate(part.iterrows()):
        words = number_words(row["ratio_finite"]) if row["finite"] else "–"
        if row["lost"]:
            words = "all lost" if row["lost"] == row["fleets"] else f"{words} ({row['lost']})"
        axes.text(0.5, y, words, ha="center", va="center", fontsize=7)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _shares(axes: Axes, part: pd.DataFrame) -> None:
    """Draw the share of fleets in which PCPO has the smaller gap."""
    for y, (_, row) in enumerate(part.iterrows()):
        colour, marker, _ = _look(row)
        axes.plot([row["better_low"], row["better_high"]], [y, y], color=colour, lw=1)
        axes.plot(row["pcpo_better"], y, marker, color=colour, clip_on=False)
    axes.axvline(0.5, color="0.6", lw=0.8, ls=":", zorder=0)
    axes.set_xlim(-0.05, 1.05)
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.set_yticks(range(len(part)), [])
    axes.grid(axis="y", lw=0.3, color="0.85")
