"""Figures `hierarchical_complexity` (the paper's Figure 1) and `hierarchical_convergence`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..plotting.style import PAGE, cluster_colour, new_figure, panel_label, plain_log_ticks
from .contract import Tables
from .hierarchical_critics import CRITIC
from .hierarchical_iterations import COMPLEXITY, LEARNING

__all__ = ["complexity_table", "convergence_table", "draw_complexity", "draw_convergence"]

_CURVES = {
    "exact": "natural, exact critic",
    "plain": "plain gradient, exact critic",
    "least_squares": "natural, least squares",
    "least_squares:large": "… largest size",
}
_CRITICS = {
    "gtd": "Algorithm 3",
    "least_squares": "least squares",
    "control:harmonic": r"control: steps $\alpha/t$",
    "control:ball": r"control: $\Gamma^2 = \|\delta^*\|/2$",
}


def complexity_table(tables: Tables) -> pd.DataFrame:
    """Long table: panel (total, per_agent, compared), series (instance, or a method), seed, size, iterations;
    reached is False for a run that was cut short."""
    frame = tables[COMPLEXITY.name]
    own = frame[frame["cell"] == "printed"]
    parts = [_counted(own, column, column, "instance") for column in ("total", "per_agent")]
    for cell, series in (("printed", "hierarchical"), ("control:undecomposed", "undecomposed")):
        parts.append(_counted(frame[frame["cell"] == cell], "per_agent", "compared", series))
    return pd.concat(parts, ignore_index=True)


def _counted(frame: pd.DataFrame, column: str, panel: str, series: str) -> pd.DataFrame:
    reached = frame[column] >= 0
    iterations = frame[column].where(reached, frame["tried"])
    return frame[["seed", "size"]].assign(panel=panel, series=series, iterations=iterations, reached=reached)


def draw_complexity(numbers: pd.DataFrame) -> Figure:
    """Three panels."""
    figure = new_figure(PAGE, 2.6)
    total, per_agent, compared = figure.subplots(1, 3)
    for axes, panel in ((total, "total"), (per_agent, "per_agent")):
        part = numbers[numbers["panel"] == panel]
        _instances(axes, part[part["series"] == "instance"])
        axes.set(xlabel=r"agents in each subpopulation, $|\mathcal{N}^l|$", ylabel="iterations", ylim=(0, None))
    for k, series in enumerate(("hierarchical", "undecomposed")):
        part = numbers[(numbers["panel"] == "compared") & (numbers["series"] == series)]
        mean = part.groupby("size")["iterations"].mean()
        colour, marker = cluster_colour(k)
        compared.plot(mean.index, mean, marker + "-", color=colour, label=series)
    compared.set(xscale="log", yscale="log", xlabel=r"$|\mathcal{N}^l|$ (log scale)", ylabel="iterations, mean")
    plain_log_ticks(compared.xaxis)
    compared.legend()
    panel_label(total, r"(a) $C(K)-C(K^*)\leq 10^{-5}$")
    panel_label(per_agent, "(b) … per agent")
    panel_label(compared, "(c) without decomposition")
    return figure


def _instances(axes: Axes, part: pd.DataFrame) -> None:
    wide = part.pivot(index="size", columns="seed", values="iterations")
    axes.plot(wide.index, wide, "--", lw=0.7, color="0.6")
    mean, spread = wide.mean(axis=1), wide.std(axis=1).fillna(0.0)
    axes.plot(wide.index, mean, color="red")
    axes.fill_between(wide.index, mean - spread, mean + spread, color="red", alpha=0.2, lw=0)


def convergence_table(tables: Tables) -> pd.DataFrame:
    """Long table: panel (gap, critic), series, x (iteration or T), y (gap per agent, or mean error)."""
    frame = tables[LEARNING.name]
    first = frame[(frame["seed"] == frame["seed"].min()) & ~frame["cell"].str.startswith("control:")]
    ends = first["size"].isin([first["size"].min(), first["size"].max()])
    first = first[ends & np.isfinite(first["gap"])]
    smallest = first["size"] == first["size"].min()
    first = first[smallest | (first["kind"] == "least_squares")]
    series = first["kind"] + np.where(first["size"] == first["size"].min(), "", ":large")
    gaps = first.assign(panel="gap", series=series, x=first["iteration"], y=first["gap"])
    errors = tables[CRITIC.name]
    logs = np.log(errors["error"]).groupby([errors["cell"], errors["iterations"]]).mean().reset_index()
    critics = logs.assign(panel="critic", series=logs["cell"], x=logs["iterations"], y=np.exp(logs["error"]))
    drawn: pd.DataFrame = pd.concat(
        [part[["panel", "series", "x", "y"]] for part in (gaps, critics)], ignore_index=True
    )
    return drawn


def draw_convergence(numbers: pd.DataFrame) -> Figure:
    """Two panels."""
    figure = new_figure(PAGE, 2.6)
    gap, critic = figure.subplots(1, 2)
    for axes, panel, names in ((gap, "gap", _CURVES), (critic, "critic", _CRITICS)):
        part = numbers[numbers["panel"] == panel]
        for k, (series, label) in enumerate(names.items()):
            own = part[part["series"] == series]
            colour, marker = cluster_colour(k)
            axes.plot(own["x"], own["y"], marker + "-", color=colour, label=label, ms=2.5, lw=0.8)
        axes.set_yscale("log")
        axes.legend()
    own = numbers[(numbers["panel"] == "critic") & (numbers["series"] == "gtd")].sort_values("x")
    critic.plot(own["x"], own["y"].iloc[0] * (own["x"] / own["x"].iloc[0]) ** -0.5, ":", color="black", lw=0.8)
    gap.set(xlabel="iterations", ylabel=r"$[C(K_n)-C(K^*)]/|\mathcal{N}|$")
    critic.set(
        xscale="log", xlabel="iterations of the critic, $T$", ylabel=r"$\|\hat\delta-\delta^*\|^2/\|\delta^*\|^2$"
    )
    panel_label(gap, "(a) one instance")
    panel_label(critic, "(b) critics of one gain")
    return figure
