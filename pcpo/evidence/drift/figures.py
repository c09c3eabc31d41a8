"""Draw how PCPO with an alarm follows an agent that changes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import bdtr

from pcpo import statistics
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.arrays import FloatArray
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.drift.population import AFTER
from pcpo.evidence.drift.studies import BLUNT
from pcpo.figures.style import COLUMN, Look, as_written, method_look, new_figure, panel_label, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

#: Conditions of the upper panels, with the method as which each is drawn and what is added to its name.
_SWITCHED = {
    "switch": ("pcpo_alarm", ""),
    "control:blunt": ("pcpo_alarm", f", {BLUNT:g} × threshold"),
    "control:plain": ("pcpo", ""),
}
_EDGES = np.array([0.0, 0.094, 0.188, 0.375, 0.53, 0.75, 1.06, 1.5, 2.1, 3.0, np.inf])


def _table(tables: Tables) -> pd.DataFrame:
    """Tabulate shares of runs with right sets, ratios of gaps, and shares of heard steps, with 95 % intervals."""
    frame = tables["drift"]
    rows = [*_shares(frame), *_ratios(frame), *_heard(frame)]
    return pd.DataFrame(rows).assign(mode=frame["mode"].iloc[0])


def _row(panel: str, series: str, x: float, found: statistics.Estimate) -> dict[str, object]:
    """Return a row of the table."""
    named = {"panel": panel, "series": series, "x": x, "runs": found.replicates}
    return {**named, "y": found.estimate, "low": found.low, "high": found.high}


def _shares(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return the share of runs whose sets are all right, by condition and epoch."""
    return [
        _row("sets", cell, float(str(epoch)), statistics.proportion(int(part["exact"].sum()), len(part)))
        for cell in _SWITCHED
        for epoch, part in frame[frame["cell"] == cell].groupby("epoch")
    ]


def _ratios(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return medians of gaps over those of the undisturbed runs: of the others, and of the agent that changes."""
    rows = []
    for cell in ("switch", "control:plain"):
        for column, base in (("others_gap", "others_gap"), ("own_gap", "hosts_gap")):
            for epoch in range(AFTER, int(frame["epoch"].max()) + 1):
                now = frame[frame["epoch"] == epoch]
                above = now[now["cell"] == cell].set_index("seed")[column]
                below = now[now["cell"] == "undisturbed"].set_index("seed")[base]
                ratio = (above / below).dropna().to_numpy(dtype=np.float64)
                rows.append(_row("gaps", f"{cell} {column}", float(epoch), _median(ratio)))
    return rows


def _median(values: FloatArray) -> statistics.Estimate:
    """Return the median with an interval of order statistics, x_(k) to x_(n+1−k), that holds it in 95 % for any law."""
    ordered, n = np.sort(values), len(values)
    if n == 0:
        return statistics.unknown(float("nan"), "none: no run", 0)
    below = bdtr(np.arange(n), n, 0.5)  # the number of values below the median is binomial (n, 1/2)
    k = max(1, int(np.searchsorted(below, statistics.TAIL, side="right")))
    ends = float(ordered[k - 1]), float(ordered[n - k])
    return statistics.known(float(np.median(values)), *ends, "order statistics", n)


def _heard(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return the share of steps that raise an alarm, by their size, of drifts that have not been heard before."""
    drift = frame[(frame["cell"] == "drift") & (frame["epoch"] > AFTER) & (frame["step"] > 0)]
    before = drift.groupby("seed")["alarm"].cumsum() - drift["alarm"]
    fresh = drift[before == 0]
    rows = []
    for low, high in pairwise(_EDGES.tolist()):
        part = fresh[(fresh["step"] > low) & (fresh["step"] <= high)]
        if len(part):
            found = statistics.proportion(int(part["alarm"].sum()), len(part))
            rows.append(_row("heard", "drift", float(part["step"].median()), found))
    return rows


def _draw(numbers: pd.DataFrame) -> Figure:
    """Draw the three panels."""
    figure = new_figure(COLUMN, 6.2)
    sets, gaps, heard = figure.subplots(3, 1, height_ratios=[1.0, 1.2, 1.0])
    for k, (cell, (method, more)) in enumerate(_SWITCHED.items()):
        look = method_look(method)
        label = as_written(ALGORITHMS[method].title) + more
        line = ":" if more else look.line
        _curve(sets, _part(numbers, "sets", cell), look, line, label=label, shift=0.06 * (k - 1))
    for cell in ("switch", "control:plain"):
        look = method_look(_SWITCHED[cell][0])
        _curve(gaps, _part(numbers, "gaps", f"{cell} own_gap"), look, look.line)
        if cell == "switch":
            _curve(gaps, _part(numbers, "gaps", f"{cell} others_gap"), look, ":", hollow=True, shift=0.08)
    look = method_look("pcpo_alarm")
    _curve(heard, _part(numbers, "heard", "drift"), look, look.line)
    _annotate(sets, gaps, heard)
    runs = numbers[numbers["panel"] == "sets"].groupby("series")["runs"].max()
    heading = f"{runs['switch']} fleets ({runs['control:plain']} of the controls),\n95 % intervals;\n"
    heading += numbers["mode"].iloc[0]
    handles, labels = sets.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=1, title=heading, title_fontsize=7)
    return figure


def _part(numbers: pd.DataFrame, panel: str, series: str) -> pd.DataFrame:
    """Return the rows of a curve."""
    found: pd.DataFrame = numbers[(numbers["panel"] == panel) & (numbers["series"] == series)]
    return found


def _curve(
    axes: Axes, part: pd.DataFrame, look: Look, line: Any, *, label: str = "", shift: float = 0.0, hollow: bool = False
) -> None:
    """Draw a line of points with intervals."""
    bars = np.abs(np.stack([part["y"] - part["low"], part["high"] - part["y"]]))
    axes.errorbar(
        part["x"] + shift,
        part["y"],
        bars,
        fmt=look.marker,
        ls=line,
        color=look.colour,
        mfc="white" if hollow else look.colour,
        lw=0.8,
        label=label or None,
    )


def _annotate(sets: Axes, gaps: Axes, heard: Axes) -> None:
    """Write axes, and mark the change and the thresholds."""
    panel_label(sets, "(a) runs with right sets, agent 0 switches")
    panel_label(gaps, "(b) gap/undisturbed: agent 0 (full), others (hollow)")
    panel_label(heard, "(c) steps of a drift that raise an alarm")
    for axes in (sets, gaps):
        axes.axvline(AFTER + 0.5, color="0.6", lw=0.8)
        axes.set_xlabel("epoch $l$ (grey line: the change)")
        axes.set_xticks(range(1 if axes is sets else AFTER, int(axes.dataLim.x1) + 1))
    sets.set_ylabel("share of runs")
    gaps.set_ylabel("ratio, median")
    gaps.set_yscale("log")
    plain_log_ticks(gaps.yaxis)
    gaps.axhline(1.0, color="k", ls=":", lw=0.8)
    heard.set_ylabel("share of steps")
    heard.set_xscale("log")
    plain_log_ticks(heard.xaxis)
    heard.axvspan(0.75, 1.5, color="0.9")
    heard.set_xlabel(r"step $|C^*_l-C^*_{l-1}|/\Delta_l$ (grey: 3/4 to 3/2)")


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "drift": EvidenceFigure(
        title="An agent that changes, with and without an alarm",
        caption=r"(a) Share of runs whose sets are all the true clusters of the epoch; agent 0 gets the system of "
        r"another cluster after epoch 3. (b) Its gap over that of its new cluster in an undisturbed run, "
        r"and the mean gap of the others over theirs; medians over runs. (c) Share of the steps of a drift "
        r"that raise an alarm, by their size in units of $\Delta_l$, of drifts not heard before; from "
        r"$3\Delta_l/2$ on (22) promises one. 95 % intervals over runs.",
        table=_table,
        draw=_draw,
    ),
}
