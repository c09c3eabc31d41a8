"""Draw counted rounds of communication over N, T and Δ beside Corollary 3's closed form: figure `rounds_grid`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import Tables
from pcpo.evidence.grid.panels import BASE, Row, fleets_words, like_base, mode_of, pcpo_runs
from pcpo.figures.style import COLUMN, GLOBAL_COLOUR, bare_minor_ticks, heading, modes, new_figure, panel_label
from pcpo.statistics import FEWEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_rounds", "rounds_table"]

_AXES = {
    "agents": ("$N$ (agents)", "(a) to epoch $L$"),
    "rollouts": ("$T$ (rollouts\nper agent)", "(b) by epoch"),
    "separation": (r"$\Delta/C^*$", "(c) to epoch $L$"),
}


def rounds_table(tables: Tables) -> pd.DataFrame:
    """Tabulate mean rounds over fleets, counted and predicted: by N and by Δ up to epoch L, by T in the base cell."""
    frame = pcpo_runs(tables["grid"])
    rows: list[Row] = []
    for axis in ("agents", "separation"):
        part = like_base(frame, axis)
        for value, cell in part[part["epoch"] == part["L"]].groupby(axis):
            rows.append({"axis": axis, "x": value, **_mean(cell)})
    for _, epoch in frame[frame["cell"] == BASE].groupby("epoch"):
        rows.append({"axis": "rollouts", "x": float(np.exp(np.log(epoch["rollouts"]).mean())), **_mean(epoch)})
    drawn = like_base(frame, "agents", "separation")
    return pd.DataFrame(rows).assign(mode=mode_of(drawn))


def _mean(rows: pd.DataFrame) -> Row:
    """Return mean rounds of some runs with a 95 % interval, and in how many runs count and formula agree."""
    found = statistics.mean(rows["rounds"].to_numpy(dtype=float))
    return {
        "rounds": found.estimate,
        "ci_low": found.low,
        "ci_high": found.high,
        "predicted": float(rows["predicted_rounds"].mean()),
        "fleets": len(rows),
        "equal": int((rows["rounds"] == rows["predicted_rounds"]).sum()),
    }


def draw_rounds(numbers: pd.DataFrame) -> Figure:
    """Draw three panels with a common axis of rounds."""
    figure = new_figure(COLUMN, 2.6)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (axis, (label, title)) in zip(panels, _AXES.items(), strict=True):
        part = numbers[numbers["axis"] == axis].sort_values("x")
        axes.set_xscale("log", base=2 if axis == "agents" else 10)
        _points(axes, part)
        axes.set_xlabel(label)
        panel_label(axes, title)
        if axis != "rollouts":
            axes.set_xticks(part["x"], [f"{x:g}" for x in part["x"]])
            bare_minor_ticks(axes.xaxis)
            axes.set_xlim(0.7 * part["x"].min(), 1.4 * part["x"].max())
        if len(part) == 1:
            axes.text(0.5, 0.04, "no other\nwas run", transform=axes.transAxes, ha="center", fontsize=7)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("rounds of communication")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    agree, total = numbers["equal"].sum(), numbers["fleets"].sum()
    kind = "95 % jackknife-t intervals" if numbers["fleets"].min() >= FEWEST else "no intervals"
    heading(
        figure,
        f"mean over {fleets_words(numbers['fleets'])}, {kind}; count and closed form are equal in {agree} of {total} "
        f"runs and epochs drawn; mode: {modes(numbers)}",
    )
    return figure


def _points(axes: Axes, part: pd.DataFrame) -> None:
    """Draw the counted rounds as points on the line of the closed form."""
    y = part["rounds"].to_numpy()
    bars = np.nan_to_num(np.abs(np.stack([y - part["ci_low"], part["ci_high"] - y])))
    axes.plot(part["x"], part["predicted"], color="black", lw=1, label=r"closed form $\sum_l(R_l+1)$")
    axes.errorbar(part["x"], y, bars, fmt="o", color=GLOBAL_COLOUR, lw=1, label="counted")
