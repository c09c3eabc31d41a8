"""Draw the figures of the claims on clustering.

Every number drawn is in the table that is written beside the figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.clustering.measures import MARGINS, per_run
from pcpo.figures.style import COLUMN, PAGE, cluster_colour, new_figure, panel_label, whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_TITLES = {
    "margin": r"(22): $|\hat C-C^*|/(\Delta_l/4)$",
    "gap_margin": r"(23a): $(C(X)-C^*)/(\Delta_l/8)$",
    "estimate_margin": r"(23b): $|\hat C-C(X)|/(\Delta_l/8)$",
}
_ROLES = {"grid": "mid-bin, of the grid", "edge": "elsewhere in the octave"}
_LINES = ["-", "--", "-.", ":", (0, (1, 3)), (0, (5, 3))]


def _of_pcpo(tables: Tables) -> pd.DataFrame:
    """Select the cells with the calibrated minibatches, without controls."""
    table = tables["clustering"]
    return table[table["role"].isin(list(_ROLES))]


def clustering_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the fraction of runs with exact sets, and the counts of L̃ − L.

    Returns:
        Rows of kind "recovery": fraction with its Clopper-Pearson limits, by N and Δ_l/Δ.  Rows of kind "delay": number
        of runs by role and L̃ − L.
    """
    table = _of_pcpo(tables)
    table = table.assign(ratio=(table["Delta_l"] / table["Delta"]).round(6))
    rows = []
    for (agents, ratio), part in table.groupby(["agents", "ratio"]):
        found = statistics.proportion(int(part["exact"].sum()), len(part))
        numbers = {"fraction": found.estimate, "low": found.low, "high": found.high, "runs": len(part)}
        rows.append({"kind": "recovery", "agents": agents, "ratio": ratio, **numbers})
    runs = per_run(table)
    runs["delay"] = runs["settled"] - runs["L"]
    for (role, delay), part in runs.groupby(["role", "delay"]):
        rows.append({"kind": "delay", "role": role, "delay": delay, "runs": len(part)})
    mode, cells = table["mode"].iloc[0], table["cell"].nunique()
    return pd.DataFrame(rows).assign(mode=mode, cells=cells, runs_in_all=len(runs))


def draw_clustering(numbers: pd.DataFrame) -> Figure:
    """Draw the probability of exact recovery against Δ_l/Δ (left), and a histogram of L̃ − L (right)."""
    figure = new_figure(PAGE, 2.9)
    left, right = figure.subplots(1, 2)
    recovery = numbers[numbers["kind"] == "recovery"]
    groups = [(n, recovery[recovery["agents"] == n]) for n in sorted(recovery["agents"].unique().tolist())]
    for k, (agents, part) in enumerate(groups):
        colour, marker = cluster_colour(k)
        # Shifted sideways, so that the error bars do not overlap.
        x = part["ratio"].to_numpy() * 1.03 ** (k - (len(groups) - 1) / 2)
        errors = np.stack([part["fraction"] - part["low"], part["high"] - part["fraction"]]).clip(min=0)
        left.errorbar(x, part["fraction"], errors, fmt=marker, color=colour, lw=1, label=f"$N={int(agents)}$")
    left.axvline(2.0, color="grey", ls=":", lw=1, label=r"$\Delta_l=2\Delta$, accurate estimates")
    left.axvline(0.5, color="black", ls="--", lw=1, label=r"$\Delta_l=\Delta/2$, Theorem 1")
    left.set_xscale("log", base=2)
    left.invert_xaxis()
    left.set_xlabel(r"precision $\Delta_l/\Delta$ (epochs go to the right)")
    left.set_ylabel("fraction of runs, all sets exact")
    panel_label(left, "Exact recovery, Clopper-Pearson 95 %")
    _delays(right, numbers[numbers["kind"] == "delay"])
    first = numbers.iloc[0]
    title = f"{int(first['runs_in_all'])} runs of {int(first['cells'])} cells; mode: {first['mode']}"
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, title=title, title_fontsize=7)
    return figure


def _delays(axes: Axes, delays: pd.DataFrame) -> None:
    """Draw the histogram of L̃ − L, with the runs that never settled at the right."""
    finite = delays.loc[np.isfinite(delays["delay"]), "delay"]
    never = max(float(finite.max()), 0.0) + 1.5 if len(finite) else 1.5
    for k, (role, label) in enumerate(_ROLES.items()):
        part = delays[delays["role"] == role]
        if part.empty:
            continue
        x = part["delay"].replace(np.inf, never) + 0.36 * (k - 0.5)
        bars = axes.bar(x, part["runs"] / part["runs"].sum(), 0.34, color=cluster_colour(k)[0], label=label)
        axes.bar_label(bars, [f"{int(n)}" for n in part["runs"]], fontsize=7, padding=1)
    axes.axvline(0.5, color="black", ls="--", lw=1, label="later: against Theorem 1")
    whole_ticks(axes.xaxis)
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlabel(
        r"$\tilde L-L$ (epochs)" + (f"; never settled at {never:g}" if np.isinf(delays["delay"]).any() else "")
    )
    axes.set_ylabel("fraction of runs")
    axes.legend(loc="center right", bbox_to_anchor=(0.96, 0.6))
    panel_label(axes, r"First epoch with lasting exact sets, $\tilde L$ (counts above)")


def concentration_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the distribution of the runs' largest margins, by κ_M.

    Returns:
        A row per run and margin: name of the margin, κ_M, its largest value over the epochs, and the fraction of runs
        whose value is at least as large.
    """
    table = tables["clustering"]
    runs = per_run(table[table["role"].isin(["grid", "sweep"])])
    parts = []
    for scale, part in runs.groupby("minibatch_scale"):
        for name in MARGINS:
            values = np.sort(part[name].to_numpy(dtype=np.float64))
            above = 1 - np.arange(len(values)) / len(values)
            columns = {"margin": name, "minibatch_scale": scale, "value": values, "fraction_at_least": above}
            parts.append(pd.DataFrame(columns).assign(runs=len(values)))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(bound=float(table["delta"].max()) / 2, mode=table["mode"].iloc[0])


def draw_concentration(numbers: pd.DataFrame) -> Figure:
    """Draw the fraction of runs whose largest margin is at least x, a panel for each of the three margins."""
    figure = new_figure(PAGE, 2.8)
    finite = numbers.loc[np.isfinite(numbers["value"]) & (numbers["value"] > 0), "value"]
    low, high = float(finite.min()) / 1.5, max(float(finite.max()) * 1.5, 2.0)
    bound = float(numbers["bound"].iloc[0])
    scales = sorted(numbers["minibatch_scale"].unique(), reverse=True)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (name, title) in zip(panels, _TITLES.items(), strict=True):
        for k, scale in enumerate(scales):
            part = numbers[(numbers["margin"] == name) & (numbers["minibatch_scale"] == scale)]
            x = np.concatenate([[low], part["value"].replace(np.inf, high * 10), [part["value"].max()]])
            y = np.concatenate([[1.0], part["fraction_at_least"], [0.0]])
            label = rf"$\kappa_M={scale:g}$ ({int(part['runs'].iloc[0])} runs)"
            # The fraction falls just after each value.
            axes.step(x, y, where="pre", color=cluster_colour(k)[0], ls=_LINES[k % len(_LINES)], label=label)
        axes.axvline(1.0, color="black", lw=1)
        axes.axhline(bound, color="grey", ls=":", lw=1, label=rf"bound at 1: $\delta/2={bound:g}$")
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("largest of agents and epochs")
        panel_label(axes, title)
    panels[0].set_ylabel("fraction of runs at least that")
    handles, labels = panels[0].get_legend_handles_labels()
    heading = f"Distribution over runs; fails right of the line at 1; mode: {numbers['mode'].iloc[0]}"
    figure.legend(handles, labels, loc="outside upper center", ncols=3, title=heading, title_fontsize=7)
    return figure


def heterogeneity_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the rollouts to L̃ by Δ: mean, smallest and largest of the runs, and number of runs.

    The schedule's rollouts to epochs max(1, L − 2) and L stand beside them.
    """
    table = tables["heterogeneity"]
    by_Delta = table.groupby("Delta")
    found = by_Delta["rollouts"].agg(["mean", "min", "max", "count"])
    fixed = by_Delta[["predicted_rollouts", "promised_rollouts", "mode"]].first()
    return found.join(fixed).reset_index()


def draw_heterogeneity(numbers: pd.DataFrame) -> Figure:
    """Draw the rollouts until the clusters are right against the separation."""
    figure = new_figure(COLUMN, 3.1)
    axes = figure.subplots()
    x = numbers["Delta"]
    colour, marker = cluster_colour(0)
    axes.plot(x, numbers["promised_rollouts"], color="black", ls="--", label="promised: epoch $L$, Theorem 1")
    axes.plot(x, numbers["predicted_rollouts"], color=cluster_colour(1)[0], label=r"schedule up to $\max(1,L-2)$")
    finite = numbers[np.isfinite(numbers["max"])]
    errors = np.stack([finite["mean"] - finite["min"], finite["max"] - finite["mean"]]).clip(min=0)
    label = r"counted up to $\tilde L$: mean, range of runs"
    axes.errorbar(finite["Delta"], finite["mean"], errors, fmt=marker, ms=5, color=colour, lw=1.5, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(x, [f"{v:g}" for v in x])
    axes.minorticks_off()
    axes.set_xlabel(r"separation $\Delta$ (cost units)")
    axes.set_ylabel("rollouts per agent")
    heading = f"{int(numbers['count'].min())} runs for each separation; mode: {numbers['mode'].iloc[0]}"
    figure.legend(loc="outside upper center", title=heading, title_fontsize=7)
    return figure


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "clustering": EvidenceFigure(
        title="Sequential elimination finds the clusters",
        caption=(
            "Sequential elimination (7). Left: fraction of runs in which the sets of all agents are the true clusters, "
            r"against the precision $\Delta_l$ in units of the separation $\Delta$, by the number of agents $N$ "
            r"(Clopper-Pearson 95 %). Right: $\tilde L-L$, where $\tilde L$ is the first epoch from which the sets "
            "stay exact and $L$ is the epoch that Theorem 1 promises."
        ),
        inputs=("clustering",),
        table=clustering_table,
        draw=draw_clustering,
    ),
    "concentration": EvidenceFigure(
        title="Concentration of the estimated costs",
        caption=(
            "The event (22) and its parts (23a) and (23b), with calibrated constants: fraction of runs whose largest "
            r"margin over agents and epochs is at least $x$, by the factor $\kappa_M$ of the minibatches. A run fails "
            r"to the right of 1; Theorem 1 allows a fraction $\delta/2$ (dotted). Failures at small $\kappa_M$ refute "
            "that calibration, not the theorem."
        ),
        inputs=("clustering",),
        table=concentration_table,
        draw=draw_concentration,
    ),
    "heterogeneity": EvidenceFigure(
        title="Rollouts until the clusters are right",
        caption=(
            r"Rollouts per agent until the clusters are right and stay right, against the separation $\Delta$ (units "
            r"of cost): mean and range of the runs, beside what the schedule spends up to epoch $\max(1,L-2)$ and up "
            r"to the epoch $L$ of Theorem 1. All $\Delta$ have the same schedule: the agents do not know $\Delta$."
        ),
        inputs=("heterogeneity",),
        table=heterogeneity_table,
        draw=draw_heterogeneity,
    ),
}
