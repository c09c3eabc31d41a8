"""Figures of the claims on clustering; every number drawn is in the table that goes with the figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.clustering.measures import per_run
from pcpo.figures.style import COLUMN, PAGE, cluster_colour, new_figure, panel_label, whole_ticks
from pcpo.statistics import binomial_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_MARGINS = {
    "margin": r"(22): $|\hat C-C^*|/(\Delta_l/4)$",
    "gap_margin": r"(23a): $(C(X)-C^*)/(\Delta_l/8)$",
    "estimate_margin": r"(23b): $|\hat C-C(X)|/(\Delta_l/8)$",
}
_ROLES = {"grid": "mid-bin, of the grid", "edge": "elsewhere in the octave"}
_LINES = ["-", "--", "-.", ":", (0, (1, 3)), (0, (5, 3))]


def _of_pcpo(tables: Tables) -> pd.DataFrame:
    """The cells with the calibrated minibatches, without controls."""
    table = tables["clustering"]
    return table[table["role"].isin(list(_ROLES))]


def clustering_table(tables: Tables) -> pd.DataFrame:
    """kind "recovery": fraction of runs with exact sets by N and Δ_l/Δ; kind "delay": counts of L̃ − L."""
    table = _of_pcpo(tables)
    table = table.assign(ratio=(table["Delta_l"] / table["Delta"]).round(6))
    rows = []
    for (agents, ratio), part in table.groupby(["agents", "ratio"]):
        found = binomial_interval(int(part["exact"].sum()), len(part))
        numbers = {"fraction": found.estimate, "low": found.low, "high": found.high, "runs": len(part)}
        rows.append({"kind": "recovery", "agents": agents, "ratio": ratio, **numbers})
    runs = per_run(table)
    runs["delay"] = runs["settled"] - runs["L"]
    for (role, delay), part in runs.groupby(["role", "delay"]):
        rows.append({"kind": "delay", "role": role, "delay": delay, "runs": len(part)})
    mode, cells = table["mode"].iloc[0], table["cell"].nunique()
    return pd.DataFrame(rows).assign(mode=mode, cells=cells, runs_in_all=len(runs))


def draw_clustering(numbers: pd.DataFrame) -> Figure:
    """Left: probability of exact recovery against Δ_l/Δ; right: how many epochs before L the sets settled."""
    figure = new_figure(PAGE, 2.9)
    left, right = figure.subplots(1, 2)
    recovery = numbers[numbers["kind"] == "recovery"]
    groups = [(n, recovery[recovery["agents"] == n]) for n in sorted(recovery["agents"].unique().tolist())]
    for k, (agents, part) in enumerate(groups):
        colour, marker = cluster_colour(k)
        x = part["ratio"].to_numpy() * 1.03 ** (k - (len(groups) - 1) / 2)  # aside, so that the bars do not coincide
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
    """Histogram of L̃ − L; a run that never settled is drawn at the right."""
    finite = delays.loc[np.isfinite(delays["delay"]), "delay"]
    never = max(float(finite.max()), 0.0) + 1.5 if len(finite) else 1.5
    for k, (role, label) in enumerate(_ROLES.items()):
        part = delays[delays["role"] == role]
        if part.empty:
            continue
        x = part["delay"].replace(np.inf, never) + 0.36 * (k - 0.5)
        bars = axes.bar(x, part["runs"] / part["runs"].sum(), 0.34, color=cluster_colour(k)[0], label=label)
        axes.bar_label(bars, [f"{int(n)}" for n in part["runs"]], fontsize=6, padding=1)
    axes.axvline(0.5, color="black", ls="--", lw=1, label=r"later: against Theorem 1")
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
    """Largest margin of every run: kind, κ_M, its value, and the fraction of runs with at least that."""
    table = tables["clustering"]
    runs = per_run(table[table["role"].isin(["grid", "sweep"])])
    parts = []
    for scale, part in runs.groupby("minibatch_scale"):
        for name in _MARGINS:
            values = np.sort(part[name].to_numpy(dtype=np.float64))
            above = 1 - np.arange(len(values)) / len(values)
            one = {"margin": name, "minibatch_scale": scale, "value": values, "fraction_at_least": above}
            parts.append(pd.DataFrame(one).assign(runs=len(values)))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(bound=float(table["delta"].max()) / 2, mode=table["mode"].iloc[0])


def draw_concentration(numbers: pd.DataFrame) -> Figure:
    """The three normalised margins, a panel each: fraction of runs whose worst margin is at least x."""
    figure = new_figure(PAGE, 2.8)
    finite = numbers.loc[np.isfinite(numbers["value"]) & (numbers["value"] > 0), "value"]
    low, high = float(finite.min()) / 1.5, max(float(finite.max()) * 1.5, 2.0)
    bound = float(numbers["bound"].iloc[0])
    scales = sorted(numbers["minibatch_scale"].unique(), reverse=True)
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (name, title) in zip(panels, _MARGINS.items(), strict=True):
        for k, scale in enumerate(scales):
            part = numbers[(numbers["margin"] == name) & (numbers["minibatch_scale"] == scale)]
            x = np.concatenate([[low], part["value"].replace(np.inf, high * 10), [part["value"].max()]])
            y = np.concatenate([[1.0], part["fraction_at_least"], [0.0]])
            label = rf"$\kappa_M={scale:g}$ ({int(part['runs'].iloc[0])} runs)"
            # The fraction falls after a value, not before it.
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
    """Rollouts to L̃ by Δ: mean, smallest and largest run, with the schedule's rollouts to L − 2 and to L."""
    table = tables["heterogeneity"]
    by_Delta = table.groupby("Delta")
    found = by_Delta["rollouts"].agg(["mean", "min", "max", "count"])
    fixed = by_Delta[["predicted_rollouts", "promised_rollouts", "mode"]].first()
    return found.join(fixed).reset_index()


def draw_heterogeneity(numbers: pd.DataFrame) -> Figure:
    """Rollouts to correct clustering against the separation."""
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


FIGURES: dict[str, EvidenceFigure] = {
    "clustering": EvidenceFigure(
        title="Sequential elimination",
        caption="Sequential elimination (7). Left: fraction of runs in which the sets of all agents are the true "
        "clusters, against the precision $\\Delta_l$ in units of the separation $\\Delta$, by the number of agents $N$ "
        "(Clopper-Pearson 95 %). Right: $\\tilde L-L$, where $\\tilde L$ is the first epoch from which the sets stay "
        "exact and $L$ is the epoch that Theorem 1 promises.",
        table=clustering_table,
        draw=draw_clustering,
    ),
    "concentration": EvidenceFigure(
        title="Concentration of estimated costs",
        caption="The event (22) and its parts (23a), (23b), with calibrated constants: fraction of runs whose largest "
        "margin over agents and epochs is at least $x$, by the factor $\\kappa_M$ of the minibatches. A run fails to "
        "the right of 1; Theorem 1 allows a fraction $\\delta/2$ (dotted). Failures at small $\\kappa_M$ refute that "
        "calibration, not the theorem.",
        table=concentration_table,
        draw=draw_concentration,
    ),
    "heterogeneity": EvidenceFigure(
        title="Rollouts until the clusters are right",
        caption="Rollouts per agent until the clusters are right and stay so, against the separation $\\Delta$ (units "
        "of cost): mean and range of the runs, beside what the schedule spends up to epoch $\\max(1,L-2)$ and up to "
        "epoch $L$ of Theorem 1. One schedule for all $\\Delta$, which the agents do not know.",
        table=heterogeneity_table,
        draw=draw_heterogeneity,
    ),
}
