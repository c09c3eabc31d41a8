"""Draw `hierarchical_complexity` (the paper's Figure 1) and `hierarchical_convergence`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.hierarchical.studies_exact import COMPLEXITY
from pcpo.evidence.hierarchical.studies_learning import ACTORS, CRITIC, LEARNING
from pcpo.figures.style import PAGE, bare_minor_ticks, cluster_colour, new_figure, panel_label, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "complexity_table", "convergence_table", "draw_complexity", "draw_convergence"]

_SIZE = r"agents in each subpopulation, $|\mathcal{N}^l|$"
#: Labels of the series in the panels "gap", "critic" and "actor".
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
_ACTORS = {"gtd": "Algorithm 3", "least_squares": "least squares", "control:harmonic": r"control: steps $\alpha/t$"}


def complexity_table(tables: Tables) -> pd.DataFrame:
    """Return the iterations that `draw_complexity` draws.

    Columns: panel (total, per_agent, compared, estimated), series (instance, method or critic), seed, size, iterations,
    and reached, which is False for a run that ended before it reached the precision.
    """
    frame = tables[COMPLEXITY.name]
    own = frame[frame["cell"] == "printed"]
    parts = [_counted(own, column, column, "instance") for column in ("total", "per_agent")]
    for cell, series in (("printed", "hierarchical"), ("control:undecomposed", "undecomposed")):
        parts.append(_counted(frame[frame["cell"] == cell], "per_agent", "compared", series))
    actors = tables[ACTORS.name]
    for kind, own in actors[actors["precision"] > 0].groupby("kind"):
        parts.append(_counted(own, "needed", "estimated", str(kind)))
    return pd.concat(parts, ignore_index=True)


def _counted(frame: pd.DataFrame, column: str, panel: str, series: str) -> pd.DataFrame:
    """Return the iterations in a column, or those that were run if the precision was not reached."""
    reached = frame[column] >= 0
    iterations = frame[column].where(reached, frame["tried"])
    return frame[["seed", "size"]].assign(panel=panel, series=series, iterations=iterations, reached=reached)


def draw_complexity(numbers: pd.DataFrame) -> Figure:
    """Draw iterations against the size: total, per_agent, compared and estimated."""
    figure = new_figure(PAGE, 4.8)
    (total, per_agent), (compared, estimated) = figure.subplots(2, 2)
    for axes, panel in ((total, "total"), (per_agent, "per_agent")):
        part = numbers[numbers["panel"] == panel]
        _instances(axes, part[part["series"] == "instance"])
        axes.set(xlabel=_SIZE, ylabel="iterations", ylim=(0, None))
    for k, series in enumerate(("hierarchical", "undecomposed")):
        _mean(compared, numbers, "compared", series, "-", k, series)
    for k, series in enumerate(("gtd", "least_squares")):
        _mean(estimated, numbers, "estimated", series, "-", k, _ACTORS[series])
        _mean(estimated, numbers, "estimated", f"exact_{series}", "--", k, "exact critic, same precision")
    for axes in (compared, estimated):
        axes.set(xscale="log", xlabel=f"{_SIZE} (log scale)", ylabel="iterations, mean")
        plain_log_ticks(axes.xaxis)
    compared.set(yscale="log")
    compared.legend()
    plain_log_ticks(compared.yaxis)
    estimated.set(ylim=(0, 1.7 * estimated.get_ylim()[1]))  # room for the legend
    estimated.legend(loc="upper right")
    panel_label(total, r"(a) $C(K)-C(K^*)\leq 10^{-5}$")
    panel_label(per_agent, "(b) … per agent")
    panel_label(compared, "(c) without decomposition")
    panel_label(estimated, "(d) estimated critics")
    return figure


def _mean(axes: Axes, numbers: pd.DataFrame, panel: str, series: str, style: str, k: int, label: str) -> None:
    """Draw the mean over seeds of one series against the size."""
    part = numbers[(numbers["panel"] == panel) & (numbers["series"] == series)]
    mean = part.groupby("size")["iterations"].mean()
    colour, marker = cluster_colour(k)
    axes.plot(mean.index, mean, style, marker=marker, color=colour, label=label)


def _instances(axes: Axes, part: pd.DataFrame) -> None:
    """Draw a dashed curve for each instance, their mean, and a band of one standard deviation."""
    wide = part.pivot(index="size", columns="seed", values="iterations")
    axes.plot(wide.index, wide, "--", lw=0.7, color="0.6")
    mean, spread = wide.mean(axis=1), wide.std(axis=1).fillna(0.0)
    axes.plot(wide.index, mean, color="red")
    axes.fill_between(wide.index, mean - spread, mean + spread, color="red", alpha=0.2, lw=0)


def convergence_table(tables: Tables) -> pd.DataFrame:
    """Return the curves that `draw_convergence` draws.

    Columns: panel (gap, critic, actor), series, x (iteration or T), y (gap per agent, or mean error).
    """
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
    actors = tables[ACTORS.name]
    actors = actors[actors["precision"] == 0].groupby(["kind", "steps"])["gap"].median().reset_index()
    actors = actors.assign(panel="actor", series=actors["kind"], x=actors["steps"], y=actors["gap"])
    drawn: pd.DataFrame = pd.concat(
        [part[["panel", "series", "x", "y"]] for part in (gaps, critics, actors)], ignore_index=True
    )
    return drawn


def draw_convergence(numbers: pd.DataFrame) -> Figure:
    """Draw gaps against iterations, errors of critics, and gaps against the steps of the critic."""
    figure = new_figure(PAGE, 2.8)
    gap, critic, actor = figure.subplots(1, 3)
    for axes, panel, names in ((gap, "gap", _CURVES), (critic, "critic", _CRITICS), (actor, "actor", _ACTORS)):
        part = numbers[numbers["panel"] == panel]
        for k, (series, label) in enumerate(names.items()):
            own = part[part["series"] == series]
            colour, marker = cluster_colour(k)
            axes.plot(own["x"], own["y"], marker + "-", color=colour, label=label, ms=2.5, lw=0.8)
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend
        axes.legend(fontsize=6, loc="upper right")
    own = numbers[(numbers["panel"] == "critic") & (numbers["series"] == "gtd")].sort_values("x")
    critic.plot(own["x"], own["y"].iloc[0] * (own["x"] / own["x"].iloc[0]) ** -0.5, ":", color="black", lw=0.8)
    gap.set(xlabel="iterations", ylabel=r"$[C(K_n)-C(K^*)]/|\mathcal{N}|$")
    critic.set(
        xscale="log", xlabel="iterations of the critic, $T$", ylabel=r"$\|\hat\delta-\delta^*\|^2/\|\delta^*\|^2$"
    )
    actor.set(xscale="log", xlabel="steps of the critic, $T$", ylabel=r"$[C(K_n)-C(K^*)]/|\mathcal{N}|$, median")
    bare_minor_ticks(actor.xaxis)
    panel_label(gap, "(a) one instance")
    panel_label(critic, "(b) critics of one gain")
    panel_label(actor, "(c) Algorithm 2, by critic")
    return figure


_COMPLEXITY_CAPTION = r"""Iterations of Algorithm 2 with exact critics to $\varepsilon = 10^{-5}$, against the size of
each of the two subpopulations of section 6: instances (dashed), their mean (red) and one standard deviation (band).
(a) $\varepsilon$ on the total cost, as in Theorem 2. (b) $\varepsilon$ on the cost per agent. (c) Means of (b), and
means of natural gradient on the undecomposed problem with the step (15) of that problem, at the sizes for which it was
run. (d) Means with estimated critics, to an $\varepsilon$ per agent that they can reach (coarser for Algorithm 3 than
for least squares; docs/hierarchical.md), beside the exact critic to the same $\varepsilon$. A run that ended before it
reached $\varepsilon$ counts with the iterations that it had."""

_CONVERGENCE_CAPTION = r"""(a) Gap per agent of the first instance against iterations: natural and plain gradients with
exact critics at the smallest size that was simulated, and natural gradients with least-squares critics on simulated
agents at that size and at the largest. (b) Squared relative error of the value vector against iterations of
Algorithm 3, geometric mean over trajectories, with its two controls and with least-squares TD on the same trajectories;
dotted: $\propto T^{-1/2}$, the bound without logarithms. (c) Gap per agent that Algorithm 2 reaches in a fixed number
of iterations, against the steps of its critic: Algorithm 3, least squares on the same chains, and a control; geometric
mean over the later half of a run, median over instances."""


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "hierarchical_complexity": EvidenceFigure(
        title="Iterations against the size of the subpopulations",
        caption=_COMPLEXITY_CAPTION,
        table=complexity_table,
        draw=draw_complexity,
        inputs=(COMPLEXITY.name, ACTORS.name),
    ),
    "hierarchical_convergence": EvidenceFigure(
        title="Convergence of actors and critics",
        caption=_CONVERGENCE_CAPTION,
        table=convergence_table,
        draw=draw_convergence,
        inputs=(LEARNING.name, CRITIC.name, ACTORS.name),
    ),
}
