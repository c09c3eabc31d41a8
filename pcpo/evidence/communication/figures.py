"""Draw the figure `communication`: counted rounds against T, N and 1/Δ."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.communication.measures import STUDY, counted
from pcpo.figures.style import COLUMN, method_look, new_figure, panel_label, second_look, whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_NAMES = {
    ("pcpo", "table2"): "PCPO",
    ("fedlqr", "table2"): "FedLQR (5 local steps)",
    ("pcpo", "constant_minibatch"): "PCPO, constant minibatch",
    ("fedlqr", "constant_minibatch"): "FedLQR, constant minibatch",
}


def _table(tables: Tables) -> pd.DataFrame:
    """Collect the rounds of the run with the lowest seed.

    Returns:
        Rows by `panel` ("time", "agents", "gap"), with the counted `rounds` and `closed`, Σ(R_l + 1) without rounding.
    """
    everything = tables[STUDY]
    frame = everything[everything["seed"] == everything["seed"].min()]
    few = frame["agents"].min()
    time = frame[frame["sweep"].isin(["agents", "time"]) & (frame["agents"] == few)]
    agents = counted({STUDY: frame}, ("agents",))
    agents = agents[agents["epoch"] == agents["epoch"].max()]
    gap = counted({STUDY: frame}, ("gap",))
    gap = gap[gap["separated"] == 1].sort_values("epoch").groupby("cell", as_index=False).first()
    parts = {"time": time, "agents": agents, "gap": gap}
    found = pd.concat([part.assign(panel=panel) for panel, part in parts.items()], ignore_index=True)
    found["closed"] = _closed(found)
    found["runs"] = everything["seed"].nunique()
    keep = ["panel", "algorithm", "schedule", "mode", "seed", "runs", "epoch", "agents", "Delta0", "separation"]
    drawn: pd.DataFrame = found[[*keep, "rollouts", "rounds", "closed"]]
    return drawn


def _closed(frame: pd.DataFrame) -> pd.Series:
    """Return Σ(R_l + 1) without rounding: L̄(1 + c_2·log(c_3 N/Δ_0²)) + c_2·log 4·L̄(L̄ + 1)/2."""
    L, c2 = frame["epoch"], frame["c2"]
    first = 1 + c2 * np.log(frame["c3"] * frame["agents"] / frame["Delta0"] ** 2)
    return L * first + c2 * math.log(4) * L * (L + 1) / 2


def _draw(numbers: pd.DataFrame) -> Figure:
    """Draw the rounds against T, and below against N and against Δ_0/Δ."""
    figure = new_figure(COLUMN, 4.8)
    [upper, lower] = figure.subfigures(2, 1, height_ratios=[1.25, 1], squeeze=False)[:, 0]
    time, (agents, gap) = upper.subplots(), lower.subplots(1, 2)
    _time(time, numbers[numbers["panel"] == "time"])
    _against(agents, numbers[numbers["panel"] == "agents"], "agents", "agents $N$")
    part = numbers[numbers["panel"] == "gap"]
    _against(gap, part.assign(ratio=part["Delta0"] / part["separation"]), "ratio", r"$\Delta_0/\Delta$")
    gap.set_ylabel("")
    runs, mode = int(numbers["runs"].iloc[0]), numbers["mode"].iloc[0]
    panel_label(time, f"one of {runs} random fleets; mode: {mode};\ndashed: $\\Sigma_l(R_l+1)$ without rounding $R_l$")
    L = int(numbers.loc[numbers["panel"] == "agents", "epoch"].max())
    panel_label(agents, rf"after $\bar L$ = {L} epochs")
    panel_label(gap, "until all sets are right")
    handles, labels = time.get_legend_handles_labels()
    upper.legend(handles, labels, loc="outside lower center", ncols=2, columnspacing=1)
    return figure


def _time(axes: Axes, part: pd.DataFrame) -> None:
    """Draw the rounds of every method and schedule against T, and the closed form of PCPO's."""
    for (algorithm, schedule), name in _NAMES.items():
        runs = part[(part["algorithm"] == algorithm) & (part["schedule"] == schedule)].sort_values("rollouts")
        look = second_look(method_look(algorithm), second=schedule != "table2")
        axes.plot(runs["rollouts"], runs["rounds"], label=name, **look)
        if (algorithm, schedule) == ("pcpo", "table2"):
            axes.plot(runs["rollouts"], runs["closed"], "--", color="black", lw=0.8)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("rollouts per agent $T$ (log scale)")
    axes.set_ylabel("rounds counted")


def _against(axes: Axes, part: pd.DataFrame, x: str, label: str) -> None:
    """Draw counted rounds and their closed form against a column, on a logarithmic axis with a tick for every value."""
    part = part.sort_values(x)
    colour, marker, _ = method_look("pcpo")
    axes.plot(part[x], part["rounds"], marker, color=colour)
    axes.plot(part[x], part["closed"], "--", color="black", lw=0.8)
    axes.set_xscale("log")
    ticks = part[x].tolist()
    axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 1.15 * part["rounds"].max())  # from zero: the growth that there is, and no more
    whole_ticks(axes.yaxis, most=5)
    axes.set_xlabel(label)
    axes.set_ylabel("rounds counted")


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "communication": EvidenceFigure(
        title="Rounds of communication against rollouts, agents and separation",
        caption="Rounds of communication counted at the server, for one random fleet of two clusters. "
        "Above: against rollouts per agent, on a logarithmic axis, where a logarithm is a straight line. PCPO bends "
        "upwards, like the square of the logarithm; so does FedLQR under the same schedule. With a constant minibatch "
        "the rounds of both are proportional to $T$. "
        r"Below, left: against the number of agents after the last epoch, a straight line in $\log N$; the axis "
        r"begins at 0. Right: rounds until every set is the true cluster, against $\Delta_0/\Delta$. "
        r"Dashed: $\sum_l(R_l+1)$ without rounding $R_l$. Counts have no error, so there are no intervals.",
        table=_table,
        draw=_draw,
    ),
}
