"""Draw `hierarchical_complexity` (the paper's Figure 1) and `hierarchical_convergence`, for one column of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.hierarchical.studies_critics import CRITIC
from pcpo.evidence.hierarchical.studies_exact import COMPLEXITY
from pcpo.evidence.hierarchical.studies_learning import ACTORS, LEARNING
from pcpo.figures.style import (
    COLUMN,
    bare_minor_ticks,
    cluster_colour,
    heading,
    new_figure,
    panel_label,
    plain_log_ticks,
    runs_words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "complexity_table", "convergence_table", "draw_complexity", "draw_convergence", "quartiles"]

_SIZE = r"agents in each subpopulation, $|\mathcal{N}^l|$"
_METHODS = {"hierarchical": "hierarchical", "undecomposed": "undecomposed"}
_ESTIMATED = {
    "gtd": "Algorithm 3",
    "exact_gtd": "exact, same precision",
    "least_squares": "least squares",
    "exact_least_squares": "exact, same precision",
}
_PATHS = {
    "least_squares": "least squares",
    "least_squares:large": "least squares, largest size",
    "plain": "plain gradient, exact critic",
}
_CRITICS = {
    "gtd": "Algorithm 3",
    "least_squares": "least squares",
    "control:harmonic": r"control: steps $\alpha/t$",
    "control:ball": r"control: $\Gamma^2 = \|\delta^*\|/2$",
}
_ACTORS = {"gtd": "Algorithm 3", "least_squares": "least squares"}


def quartiles(values: pd.DataFrame, by: list[str], column: str) -> pd.DataFrame:
    """Return median, quartiles and number of the values of a column, for each combination of the columns `by`.

    Quartiles are values that occur, so that an infinite one stays infinite.

    Returns:
        The columns `by`, middle, low, high and runs.
    """
    rows = []
    for key, part in values.groupby(by):
        low, middle, high = np.quantile(part[column], [0.25, 0.5, 0.75], method="inverted_cdf")
        rows.append([*key, middle, low, high, len(part)])
    return pd.DataFrame(rows, columns=[*by, "middle", "low", "high", "runs"])


def complexity_table(tables: Tables) -> pd.DataFrame:
    """Return the iterations that `draw_complexity` draws.

    Columns: panel (total, per_agent, compared, estimated), series (instance, method or critic), seed, size, iterations
    (at least 1), and reached, which is False for a run that ended before it reached the precision.
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
    iterations = frame[column].where(reached, frame["tried"]).clip(lower=1)
    return frame[["seed", "size"]].assign(panel=panel, series=series, iterations=iterations, reached=reached)


#: Numbers of the colours of methods and critics, the same in both figures.
_COLOURS = {
    "instance": 2, "hierarchical": 2, "undecomposed": 3, "gtd": 0, "exact_gtd": 0, "least_squares": 1,
    "exact_least_squares": 1, "least_squares:large": 9, "plain": 4, "control:harmonic": 3, "control:ball": 7,
}  # fmt: skip


def draw_complexity(numbers: pd.DataFrame) -> Figure:
    """Draw iterations against the size: total, per_agent, compared and estimated."""
    figure = new_figure(COLUMN, 7.4)
    total, per_agent, compared, estimated = figure.subplots(4, 1)
    for axes, panel in ((total, "total"), (per_agent, "per_agent")):
        part = numbers[numbers["panel"] == panel]
        wide = part.pivot(index="size", columns="seed", values="iterations")
        axes.plot(wide.index, wide, "-", lw=0.4, color="0.75")
        _spread(axes, part, {"instance": "instances"})
    for axes, panel, labels in ((compared, "compared", _METHODS), (estimated, "estimated", _ESTIMATED)):
        _spread(axes, numbers[numbers["panel"] == panel], labels)
    for axes in (total, per_agent, compared, estimated):
        axes.set(xscale="log", yscale="log", ylabel="iterations")
        plain_log_ticks(axes.xaxis)
        plain_log_ticks(axes.yaxis)
    compared.legend(loc="upper right", handlelength=1.5)
    estimated.set(xlabel=_SIZE, ylim=(None, 6 * estimated.get_ylim()[1]))  # room for the legend
    plain_log_ticks(estimated.yaxis)
    estimated.legend(loc="upper left", ncols=2, handlelength=1.5, columnspacing=1.0)
    panel_label(total, r"(a) exact critics, total gap $\leq 10^{-5}$")
    panel_label(per_agent, r"(b) exact critics, gap per agent $\leq 10^{-5}$")
    panel_label(compared, r"(c) without decomposition, per agent $\leq 10^{-5}$")
    panel_label(estimated, "(d) estimated critics, per agent, coarser")
    instances = numbers.groupby(["panel", "series", "size"])["seed"].nunique()
    heading(figure, f"medians, bars: quartiles over {runs_words(instances, 'instance')}, which are grey in (a) and (b)")
    return figure


def _spread(axes: Axes, part: pd.DataFrame, labels: dict[str, str]) -> None:
    """Draw medians with bars from quartile to quartile against the size, the series side by side."""
    found = quartiles(part, ["series", "size"], "iterations")
    shown = [series for series in labels if (found["series"] == series).any()]
    for k, series in enumerate(shown):
        own = found[found["series"] == series]
        place = own["size"] * 1.03 ** (k - (len(shown) - 1) / 2)
        exact = series.startswith("exact_")
        colour, marker = cluster_colour(_COLOURS[series])
        bars = [own["middle"] - own["low"], own["high"] - own["middle"]]
        axes.errorbar(
            place,
            own["middle"],
            bars,
            fmt="--" if exact else "-",
            marker=marker,
            mfc="white" if exact else colour,
            color=colour,
            elinewidth=0.8,
            label=labels[series],
        )


def convergence_table(tables: Tables) -> pd.DataFrame:
    """Return the curves that `draw_convergence` draws: medians and quartiles.

    Columns: panel (gap, critic, actor), series, x (iteration or T), middle, low, high, runs. The values of panel gap
    and actor are ratios to the gap of the exact critic in the same instance; infinite for a gain that is not stable.
    """
    parts = [("gap", _paths(tables[LEARNING.name])), ("critic", _errors(tables[CRITIC.name]))]
    parts.append(("actor", _reached(tables[ACTORS.name])))
    return pd.concat(
        [quartiles(frame, ["series", "x"], "y").assign(panel=panel) for panel, frame in parts], ignore_index=True
    )


def _paths(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps over those of the exact critic, while at least half of the instances have both."""
    frame = frame[~frame["cell"].str.startswith("control:") & (frame["kind"] != "allowed")]
    smallest, largest = frame["size"].min(), frame["size"].max()
    exact = frame[frame["kind"] == "exact"].set_index(["size", "seed", "iteration"])["gap"]
    parts = []
    for kind, size, series in (
        ("least_squares", smallest, "least_squares"),
        ("least_squares", largest, "least_squares:large"),
        ("plain", smallest, "plain"),
    ):
        own = frame[(frame["kind"] == kind) & (frame["size"] == size)]
        both = own.join(exact.rename("exact"), on=["size", "seed", "iteration"], how="inner")
        alive = both.groupby("iteration")["seed"].transform("size") >= own["seed"].nunique() / 2
        ratios = both[alive & (both["iteration"] > 0)]
        parts.append(ratios.assign(series=series, x=ratios["iteration"], y=ratios["gap"] / ratios["exact"]))
    found: pd.DataFrame = pd.concat(parts)
    return found


def _errors(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the errors of the critics of one gain."""
    frame = frame[frame["cell"].isin(_CRITICS)]
    return pd.DataFrame({"series": frame["cell"], "x": frame["iterations"], "y": frame["error"]})


def _reached(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps after a fixed number of iterations over those of the exact critic."""
    frame = frame[frame["precision"] == 0]
    exact = frame[frame["kind"] == "exact"].set_index("seed")["gap"]
    own = frame[frame["kind"].isin(_ACTORS)]
    ratios = own["gap"] / own["seed"].map(exact)
    return pd.DataFrame({"series": own["kind"], "x": own["steps"], "y": ratios})


def draw_convergence(numbers: pd.DataFrame) -> Figure:
    """Draw actors beside the exact critic, the critics' errors, and the actor by its critic's steps."""
    figure = new_figure(COLUMN, 6.4)
    gap, critic, actor = figure.subplots(3, 1)
    for axes, panel, labels in ((gap, "gap", _PATHS), (critic, "critic", _CRITICS), (actor, "actor", _ACTORS)):
        _bands(axes, numbers[numbers["panel"] == panel], labels)
        axes.set(yscale="log")
        plain_log_ticks(axes.yaxis)
    for axes in (gap, actor):
        axes.axhline(1.0, color="k", lw=0.6, ls=":")
        axes.set(ylabel="gap / gap of exact critic")
    rate = numbers[(numbers["panel"] == "critic") & (numbers["series"] == "gtd")]
    first, T = rate["middle"].iloc[0], rate["x"].to_numpy(dtype=np.float64)
    critic.plot(T, first * np.sqrt(T[0] / T), "k:", lw=0.8, label=r"$\propto T^{-1/2}$")
    gap.set(xlabel="iteration $n$")
    critic.set(xscale="log", xlabel="iterations of the critic, $T$")
    critic.set(ylabel=r"$\|\hat\delta-\delta^*\|^2/\|\delta^*\|^2$")
    actor.set(xscale="log", xlabel="iterations of the critic, $T$")
    bare_minor_ticks(actor.xaxis)
    low, high = critic.get_ylim()
    critic.set(ylim=(low * (low / high) ** 0.55, high))  # room for the legend
    critic.legend(loc="lower left", ncols=2, handlelength=1.5, columnspacing=1.0)
    for axes in (gap, actor):
        axes.legend(handlelength=1.5)
    heading(figure, f"medians, bands: quartiles over {runs_words(numbers['runs'], 'instance')}")
    panel_label(gap, "(a) Algorithm 2 beside the exact critic")
    panel_label(critic, "(b) critics of one gain")
    panel_label(actor, "(c) Algorithm 2 by its critic's iterations")
    return figure


def _bands(axes: Axes, part: pd.DataFrame, labels: dict[str, str]) -> None:
    """Draw medians and bands from quartile to quartile; what is infinite is left out."""
    for series, label in labels.items():
        own = part[(part["series"] == series) & np.isfinite(part["middle"])].sort_values("x")
        colour, marker = cluster_colour(_COLOURS[series])
        high = own["high"].where(np.isfinite(own["high"]), own["middle"])
        axes.plot(own["x"], own["middle"], marker=marker, ms=2.5, color=colour, label=label)
        axes.fill_between(own["x"], own["low"], high, color=colour, alpha=0.2, lw=0)


_COMPLEXITY_CAPTION = r"""Iterations of Algorithm 2 against the size of each of the two subpopulations of section 6,
logarithmic axes: medians over instances, bars from the lower to the upper quartile; instances in grey. Exact critics to
$\varepsilon = 10^{-5}$: (a) on the total cost, as in Theorem 2; (b) on the cost per agent; (c) the runs of (b), beside
natural gradient on the undecomposed problem with the step (15) of that problem, at the sizes for which it was run.
(d) Estimated critics, to an $\varepsilon$ per agent that they can reach (coarser for Algorithm 3;
docs/hierarchical.md), beside the exact critic to the same $\varepsilon$. A run that ended before it reached
$\varepsilon$ counts with the iterations that it had, and none with fewer than one."""

_CONVERGENCE_CAPTION = r"""Medians, and bands from the lower to the upper quartile. (a) Gap over that of the exact
critic in the same instance and iteration, while at least half of the instances have not reached $\varepsilon$:
least-squares critics on simulated agents at the smallest and the largest size, and plain gradients with exact critics
at the smallest. (b) Squared relative error of the value vector against iterations of Algorithm 3, with its two controls
and with least-squares TD on the same trajectories; dotted: $\propto T^{-1/2}$, the bound without logarithms. (c) Gap
that Algorithm 2 reaches in a fixed number of iterations, over that of the exact critic, against the steps of its
critic; geometric mean over the later half of a run. Below 1 where an estimate is too long, since (15) makes steps
short. Gains that are not stable have infinite gaps, which are not drawn."""


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
