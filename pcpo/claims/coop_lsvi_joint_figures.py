"""Figure of agents that share an MDP: one Pareto front, how much of it is recovered, and the two regrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ..plotting.style import PAGE, cluster_colour, new_figure, panel_label
from .contract import FigureSpec, Tables
from .coop_lsvi_figures import curve, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PARETO_FIGURE"]


def _table(tables: Tables) -> pd.DataFrame:
    """panel "front": points x, y, their kind and first episode; "recovered", "bayes", "average": against episodes."""
    points = tables["coop_lsvi_front"]
    points = points[points["seed"] == points["seed"].min()]
    front = pd.DataFrame({"x": points["value_1"], "y": points["value_2"], "series": points["kind"]})
    parts = [front.assign(panel="front", episode=points["episode"])]
    runs = tables["coop_lsvi_pareto"]
    series = [f"S = {S:g}" if S == S else "no communication" for S in runs["threshold"]]
    runs = runs.assign(series=series, average=runs["regret"] / runs["episode"])
    for panel in ("recovered", "bayes", "average"):
        found = summary(runs, ["series", "episode"], panel).rename(columns={"episode": "x"})
        parts.append(found.assign(panel=panel))
    return pd.concat(parts, ignore_index=True)


def _front(axes: Axes, points: pd.DataFrame) -> None:
    """Front, supported points, and what was played."""
    for kind, label, marker, size, filled in (
        ("played", "played", ".", 4.0, True),
        ("front", "Pareto-optimal", "o", 4.0, False),
        ("supported", r"Pareto-optimal, some $\pi^*_v$", "D", 6.0, False),
    ):
        part = points[points["series"] == kind]
        colour = cluster_colour({"played": 3, "front": 0, "supported": 1}[kind])[0]
        inside = colour if filled else "none"
        axes.plot(part["x"], part["y"], marker, ms=size, color=colour, markerfacecolor=inside, label=label)
    axes.set(xlabel="value of agent 1 (reward)", ylabel="value of agent 2 (reward)")
    axes.legend(fontsize=6)


def _draw(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 2.7)
    panels = figure.subplots(1, 3)
    _front(panels[0], numbers[numbers["panel"] == "front"])
    series = sorted({str(s) for s in numbers.loc[numbers["panel"] == "recovered", "series"]}, key=_order)
    for k, name in enumerate(series):
        for axes, panel, label in ((panels[1], "recovered", name), (panels[2], "average", name)):
            curve(axes, _part(numbers, panel, name), k, label)
        part = _part(numbers, "bayes", name)
        panels[2].plot(part["x"], part["y"].clip(lower=1e-6), ":", color=cluster_colour(k)[0])
    panels[1].set(xscale="log", xlabel="episodes", ylabel="fraction of scalarisations", ylim=(-0.02, 1.02))
    panels[2].set(xscale="log", yscale="log", xlabel="episodes, $T$", ylabel="regret (reward)")
    panels[1].legend(fontsize=6)
    labels = ("(a) one front", "(b) front recovered", r"(c) $\mathfrak{R}_C/T$ and (dotted) $\mathfrak{R}_B$")
    for axes, label in zip(panels, labels, strict=True):
        panel_label(axes, label)
    return figure


def _part(numbers: pd.DataFrame, panel: str, series: str) -> pd.DataFrame:
    return numbers[(numbers["panel"] == panel) & (numbers["series"] == series)].sort_values("x")


def _order(series: str) -> float:
    return float(series.removeprefix("S = ")) if series.startswith("S = ") else float("inf")


PARETO_FIGURE = FigureSpec(
    _table,
    _draw,
    r"Algorithm 2 in multi-agent MDPs with two agents. (a) Values, averaged over the initial states, of all "
    r"Pareto-optimal joint policies of one instance, of those among them that are greedy for some scalarisation, and "
    r"of every policy that was played. (b) Fraction of scalarisations $v$ for which a policy played so far is as good "
    r"as $\pi^*_v$ at every initial state, by threshold $S$. (c) $\mathfrak{R}_C(T)/T$ and, dotted, "
    r"$\mathfrak{R}_B(T)$ (below $10^{-6}$ drawn there). Bands: 95 % bootstrap intervals of the mean over runs "
    r"(none below ten runs).",
)
