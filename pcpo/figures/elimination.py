"""Draw the figure `elimination`: neighbourhood sets epoch by epoch, and estimated costs with the shrinking Δ_l.

Fleets of more than MOST_AGENTS agents, and results with rows per cluster, are drawn by cluster: shares of pairs of
agents for single pairs, means and ranges for single estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.experiments.clusters import by_cluster
from pcpo.figures.registry import ComparisonFigure, Configured, Results, Wanted
from pcpo.figures.style import PAGE, cluster_colour, counted, new_figure, panel_label, separate_clusters, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "MOST_AGENTS", "draw", "table"]

MOST_AGENTS = 300  # agents that have a row and a column of a matrix each

_MAX_PANELS = 6
_MANY = 10  # clusters that a legend can list
_MANY_AGENTS = 100  # points of an epoch that can be told apart
_NAMED = 60  # clusters that a sentence can list
_TITLE = 6.5  # inches from the left end of the axes to the edge of the page


def table(runs: pd.DataFrame, optimal_costs: pd.DataFrame) -> pd.DataFrame:
    """Make a tidy table of two kinds of rows.

    kind = "pair": fraction of runs with j ∈ N_i^(l), agents ranked by optimal cost of their true cluster, then index.
    kind = "cost": estimated cost Ĉ_i of one run (the lowest seed) with C* of its cluster and Δ_l.

    By cluster the rows are, in place of them,
    kind = "share": fraction of (run, i in one cluster, j in another) with j ∈ N_i^(l), clusters ranked likewise.
    kind = "range": mean, smallest and largest estimated cost of the agents of a cluster, in that run.

    Args:
        runs: rows of runs of one scenario, per agent or per cluster.
        optimal_costs: columns cluster, optimal_cost.
    """
    star = optimal_costs.set_index("cluster")["optimal_cost"]
    if "agents" in runs or runs["agent"].nunique() > MOST_AGENTS:
        return _by_cluster(by_cluster(runs), star)
    agents = runs.drop_duplicates("agent")[["agent", "cluster"]]
    order = agents.assign(star=agents["cluster"].map(star)).sort_values(["star", "agent"])
    rank = {agent: k for k, agent in enumerate(order["agent"])}
    return pd.concat([_pairs(_one_Delta(runs), rank), _costs(runs, rank, star)], ignore_index=True)


def _one_Delta(runs: pd.DataFrame) -> pd.DataFrame:
    """Give every run the median Δ_l of its epoch: with a schedule all are equal, without one each run has its own."""
    return runs.assign(Delta=runs.groupby("epoch")["Delta"].transform("median"))


def _by_cluster(runs: pd.DataFrame, star: pd.Series) -> pd.DataFrame:
    """Make the rows of kinds "share" and "range" from rows per cluster."""
    order = star.sort_values(kind="stable").index.to_numpy()
    rank = {cluster: k for k, cluster in enumerate(order)}
    n_runs, H = runs["seed"].nunique(), len(order)
    frames = []
    for (epoch, Delta, cluster), part in _one_Delta(runs).groupby(["epoch", "Delta", "cluster"]):
        place = {"epoch": epoch, "Delta": Delta, "row": rank[cluster], "cluster": cluster, "column": range(H)}
        shares = np.mean(np.stack(part["shares"].to_list()), axis=0)
        frames.append(pd.DataFrame({**place, "fraction": shares[order]}))
    pairs = pd.concat(frames).assign(kind="share", mode=runs["mode"].iloc[0], runs=n_runs)
    one = runs[runs["seed"] == runs["seed"].min()].sort_values(["epoch", "cluster"])
    costs = one[["epoch", "Delta", "cluster", "agents", "mode"]].assign(
        kind="range",
        row=one["cluster"].map(rank),
        cost_estimate=one["mean_cost_estimate"],
        least=one["least_cost_estimate"],
        largest=one["largest_cost_estimate"],
        optimal_cost=one["cluster"].map(star),
        runs=1,
    )
    both: pd.DataFrame = pd.concat([pairs.sort_values(["epoch", "row", "column"]), costs], ignore_index=True)
    return both


def _pairs(runs: pd.DataFrame, rank: dict[int, int]) -> pd.DataFrame:
    n_runs = runs["seed"].nunique()
    long = runs[["epoch", "agent", "cluster", "Delta", "neighbours"]].explode("neighbours")
    counts = long.groupby(["epoch", "Delta", "agent", "cluster", "neighbours"]).size().rename("count").reset_index()
    return pd.DataFrame(
        {
            "kind": "pair",
            "epoch": counts["epoch"],
            "Delta": counts["Delta"],
            "row": counts["agent"].map(rank),
            "column": counts["neighbours"].map(rank),
            "cluster": counts["cluster"],
            "fraction": counts["count"] / n_runs,
            "mode": runs["mode"].iloc[0],
            "runs": n_runs,
        }
    ).sort_values(["epoch", "row", "column"])


def _costs(runs: pd.DataFrame, rank: dict[int, int], star: pd.Series) -> pd.DataFrame:
    one = runs[runs["seed"] == runs["seed"].min()].sort_values(["epoch", "agent"])
    return pd.DataFrame(
        {
            "kind": "cost",
            "epoch": one["epoch"],
            "Delta": one["Delta"],
            "row": one["agent"].map(rank),
            "cluster": one["cluster"],
            "cost_estimate": one["cost_estimate"],
            "optimal_cost": one["cluster"].map(star),
            "mode": one["mode"],
            "runs": 1,
        }
    )


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw the matrices of neighbourhood sets above, the estimated costs below."""
    aggregated = (numbers["kind"] == "share").any()
    kinds = ("share", "range") if aggregated else ("pair", "cost")
    pairs, costs = (numbers[numbers["kind"] == kind] for kind in kinds)
    epochs = sorted(pairs["epoch"].unique())[-_MAX_PANELS:]
    columns = max(3, len(epochs))
    figure = new_figure(PAGE, 1.0 + 0.86 * PAGE / columns + 2.3)
    grid = figure.add_gridspec(2, columns, height_ratios=[0.9 * PAGE / columns, 2.3])
    image = None
    for k, epoch in enumerate(epochs):
        axes = figure.add_subplot(grid[0, k])
        image = _matrix(axes, pairs[pairs["epoch"] == epoch], "cluster" if aggregated else "agent")
        Delta = f"$\\Delta_l$ = {pairs.loc[pairs['epoch'] == epoch, 'Delta'].iloc[0]:.3g}"
        panel_label(axes, wrapped(f"epoch {epoch}, {Delta}", 0.92 * PAGE / columns))
        what = "cluster of $i$" if aggregated else "agent $i$"
        axes.set_ylabel(what if k == 0 else "")
    assert image is not None
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.9, pad=0.01, fraction=0.03)
    n_runs = int(pairs["runs"].iloc[0])
    bar.set_label(
        rf"share of pairs, $j \in N_i$ ({n_runs} runs)" if aggregated else rf"share of {n_runs} runs, $j \in N_i$"
    )
    panel = figure.add_subplot(grid[1, :])
    if not aggregated and costs["cluster"].nunique() <= _MANY and costs["row"].nunique() <= _MANY_AGENTS:
        _cost_panel(panel, costs)
    else:
        _many_costs(panel, costs[costs["epoch"].isin(epochs)])  # as many epochs as matrices
    return figure


def _matrix(axes: Axes, part: pd.DataFrame, what: str):  # type: ignore[no-untyped-def]
    """Draw one matrix of agents or clusters, sorted by true cluster; white lines separate the true clusters."""
    N = int(part["row"].max()) + 1
    matrix = np.zeros((N, N))
    matrix[part["row"].astype(int), part["column"].astype(int)] = part["fraction"]
    image = axes.imshow(matrix, vmin=0, vmax=1, cmap="cividis", interpolation="nearest")
    cluster = part.drop_duplicates("row").sort_values("row")["cluster"].to_numpy()
    if what == "agent":  # lines must not cover the cells between them
        separate_clusters(axes, cluster, 0.8 * min(1.0, _MANY / (np.count_nonzero(np.diff(cluster)) + 1)))
    ends = [0, N - 1] if N > 1 else [0]
    axes.set_xticks(ends, [str(k + 1) for k in ends])
    axes.set_yticks(ends, [str(k + 1) for k in ends])
    axes.set_xlabel("agent $j$" if what == "agent" else "cluster of $j$")
    return image


def _cost_panel(axes: Axes, costs: pd.DataFrame) -> None:
    """Draw estimated costs by epoch, and the band C* ± Δ_l/4 of event (22).

    Agents of one cluster whose estimates stay inside the band are never separated.
    """
    epochs = np.sort(costs["epoch"].unique())
    N = int(costs["row"].max()) + 1
    for cluster, part in costs.groupby("cluster"):
        colour, marker = cluster_colour(int(str(cluster)))
        star = part["optimal_cost"].iloc[0]
        axes.axhline(star, color=colour, lw=0.6, ls=":")
        for epoch in epochs:
            Delta = part.loc[part["epoch"] == epoch, "Delta"].iloc[0]
            axes.fill_between(
                [epoch - 0.42, epoch + 0.42], star - Delta / 4, star + Delta / 4, color=colour, alpha=0.18, lw=0
            )
        x = part["epoch"] + 0.7 * ((part["row"] + 0.5) / N - 0.5)
        size = len(part) // len(epochs)
        axes.plot(
            x, part["cost_estimate"], marker, color=colour, ms=3, label=f"cluster {cluster} ({counted(size, 'agent')})"
        )
    _by_epoch(axes, epochs)
    longest = max(len(str(text)) for text in axes.get_legend_handles_labels()[1])
    axes.figure.legend(loc="outside lower center", ncols=min(5, int(506 // (35 + 3.3 * longest))))
    _explain(axes, r"estimated costs, optimal costs (dotted), bands $C^* \pm \Delta_l/4$ of eq. (22)", costs)


def _many_costs(axes: Axes, costs: pd.DataFrame) -> None:
    """Draw clusters side by side, by optimal cost: the range of the estimates in front of the band C* ± Δ_l/4."""
    epochs = np.sort(costs["epoch"].unique())
    order = costs.sort_values(["optimal_cost", "cluster"])["cluster"].drop_duplicates().to_list()
    slot = 0.9 / len(order)
    size = min(3.0, 72 * 5.9 / len(epochs) * slot)
    for (cluster, epoch), part in costs.groupby(["cluster", "epoch"]):
        colour, marker = cluster_colour(int(str(cluster)))
        star, quarter = part["optimal_cost"].iloc[0], part["Delta"].iloc[0] / 4
        low, middle, high = _estimates(part)
        x = float(str(epoch)) + slot * (order.index(cluster) - (len(order) - 1) / 2)
        sides = [x - slot / 2, x + slot / 2]
        axes.fill_between(sides, star - quarter, star + quarter, color=colour, alpha=0.25, lw=0)
        axes.plot(sides, [star, star], color=colour, lw=0.6)
        if high > low:
            axes.plot([x, x], [low, high], color=colour, lw=min(1.0, size / 2))
        axes.plot(x, middle, marker, color=colour, ms=size, mew=0)
    _by_epoch(axes, epochs)
    first = costs[costs["epoch"] == epochs[0]]
    aggregated = (costs["kind"] == "range").any()
    sizes = first["agents"] if aggregated else first.groupby("cluster").size()
    least, most = int(sizes.min()), int(sizes.max())
    each = counted(most, "agent") if least == most else f"{least} to {counted(most, 'agent')}"
    text = f"{len(order)} clusters of {each}, by optimal cost from left to right"
    text += f": {', '.join(map(str, order))}" if len(order) <= _NAMED else ""
    axes.figure.supxlabel(wrapped(text, 0.97 * PAGE, 7), fontsize=7)
    centre = "mean" if aggregated else "median"
    what = centre if most > 1 else "estimated cost"
    ranges = " and range of estimated costs" if most > 1 else ""
    _explain(axes, rf"{what}{ranges}, $C^*$ (line), bands $C^* \pm \Delta_l/4$ of eq. (22)", costs)


def _estimates(part: pd.DataFrame) -> tuple[float, float, float]:
    """Return the smallest estimated cost of a cluster, its middle and the largest: the mean by cluster, else median."""
    if part["kind"].iloc[0] == "range":
        [row] = part[["least", "cost_estimate", "largest"]].to_numpy()
        return float(row[0]), float(row[1]), float(row[2])
    estimates = part["cost_estimate"]
    return estimates.min(), estimates.median(), estimates.max()


def _by_epoch(axes: Axes, epochs: np.ndarray[Any, Any]) -> None:
    axes.set_xticks(epochs, [str(e) for e in epochs])
    axes.set_xlabel("epoch $l$")
    axes.set_ylabel(r"estimated cost $\hat C_i$ (cost units)")


def _explain(axes: Axes, drawn: str, costs: pd.DataFrame) -> None:
    """Write above the panel what is drawn in it."""
    panel_label(axes, wrapped(f"one run: {drawn}; mode: {costs['mode'].iloc[0]}", _TITLE))


def _wants(configured: Configured) -> dict[str, Wanted]:
    """Draw the featured scenario as `elimination`, every other one as `elimination_<scenario>`."""
    others = [name for name in configured.scenarios if name != configured.featured]
    names = {"elimination": configured.featured, **{f"elimination_{name}": name for name in others}}
    methods = {one: _shown(configured.scenarios[one]["algorithms"]) for one in configured.scenarios}
    return {name: Wanted([scenario], [methods[scenario]], fleets=True) for name, scenario in names.items()}


def _shown(algorithms: Sequence[str]) -> str:
    """Return the method that is drawn: PCPO, or the first where a scenario does not run it."""
    return "pcpo" if "pcpo" in algorithms else algorithms[0]


def _of_results(results: Results) -> pd.DataFrame:
    [fleet] = results.fleets.values()
    return table(results.runs, pd.DataFrame({"cluster": range(fleet.H), "optimal_cost": fleet.optimal_costs}))


FIGURES: dict[str, ComparisonFigure] = {
    "elimination": ComparisonFigure(
        place=20,
        title="Elimination, epoch by epoch",
        caption=r"Fraction of runs in which agent $j$ is in the neighbourhood set $\mathcal{N}_i^{(l)}$, and the "
        r"estimated costs $\hat C_i$ of one run with the shrinking $\Delta_l$ (cost units).",
        wants=_wants,
        table=_of_results,
        draw=draw,
    )
}
