"""Draw the figure `fleets`: optimal costs with Δ, spectra of A and of A − BK*, sizes, for every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from pcpo.figures.fonts import beside_mathematics
from pcpo.figures.registry import ComparisonFigure, Configured, Wanted
from pcpo.figures.style import (
    PAGE,
    as_written,
    cluster_colour,
    counted,
    labelled_rows,
    new_figure,
    panel_label,
    rows_height,
    wrapped,
)
from pcpo.fleets.fleet import Fleet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "table"]

_TITLE = 5.9  # inches from the left end of the axes to the edge of the page


def table(fleets: Mapping[str, Fleet], titles: Mapping[str, str]) -> pd.DataFrame:
    """List the optimal cost and the eigenvalues of A and of A − BK*, by scenario and cluster."""
    rows = []
    for scenario, fleet in fleets.items():
        common = {
            "scenario": scenario,
            "title": titles[scenario],
            "N": fleet.N,
            "n": fleet.n,
            "m": fleet.m,
            "gamma": fleet.gamma,
            "separation": fleet.separation,
        }
        for j, system in enumerate(fleet.systems):
            size = int((fleet.labels == j).sum())
            spectra = {"open": system.A, "closed": system.A - system.B @ fleet.optimal_gains[j]}
            values = [("optimal_cost", complex(fleet.optimal_costs[j]))]
            values += [(kind, complex(v)) for kind, M in spectra.items() for v in np.linalg.eigvals(M)]
            rows += [
                {**common, "cluster": j, "size": size, "quantity": kind, "real": v.real, "imag": v.imag}
                for kind, v in values
            ]
    return pd.DataFrame(rows)


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a row for each scenario: optimal costs on the left, moduli of the eigenvalues on the right."""
    parts = [part for _, part in numbers.groupby("scenario", sort=False)]
    titles = [_title(part) for part in parts]
    heights = [max(1.35, 0.55 + rows_height(part["cluster"].nunique())) for part in parts]
    heights = [height + 0.14 * title.count("\n") for height, title in zip(heights, titles, strict=True)]
    figure = new_figure(PAGE, 0.7 + sum(heights))
    ratios = heights if len(set(heights)) > 1 else None
    panels = figure.subplots(len(parts), 2, squeeze=False, width_ratios=[1.35, 1], height_ratios=ratios)
    for (left, right), part, title in zip(panels, parts, titles, strict=True):
        _costs(left, part[part["quantity"] == "optimal_cost"])
        _spectra(right, part[part["quantity"] != "optimal_cost"])
        panel_label(left, title)
    panels[-1, 0].set_xlabel("optimal cost $C_j^*$ (cost units; axes do not start at zero)")
    panels[-1, 1].set_xlabel("modulus of the eigenvalues")
    keys = [
        Line2D([], [], marker="o", color="0.3", markerfacecolor="none", lw=0, label="$A$"),
        Line2D([], [], marker="o", color="0.3", lw=0, label="$A-BK^*$"),
        Line2D([], [], color="0.4", lw=0.6, label="1 (stability)"),
        Line2D([], [], color="0.4", lw=0.6, ls=":", label=r"$1/\sqrt{\gamma}$ (finite cost)"),
    ]
    figure.legend(handles=keys, loc="outside upper right", ncols=4)
    return figure


def _title(part: pd.DataFrame) -> str:
    """Return a scenario's title with n, m, N, γ and Δ, which stand in a line below where one line does not do."""
    first, low = part.iloc[0], part.loc[part["quantity"] == "optimal_cost", "real"].min()
    gap = "one cluster"
    if np.isfinite(first["separation"]):
        gap = rf"$\Delta$ = {first['separation']:.3g} ({100 * first['separation'] / low:.2g} %)"
    facts = rf"$n$={first['n']}, $m$={first['m']}, $N$={first['N']}, $\gamma$={first['gamma']:g}; {gap}"
    H = part["cluster"].nunique()
    if len(labelled_rows(H)) < H:
        facts += f"; {len(labelled_rows(H))} of {H} clusters labelled"
    title = as_written(first["title"])
    line = f"{title}: {facts}"
    if beside_mathematics(first["title"]) and wrapped(line, _TITLE) == line:
        return line
    return f"{wrapped(title, _TITLE)}\n{facts}"


def _costs(axes: Axes, part: pd.DataFrame) -> None:
    low, high, named = part["real"].min(), part["real"].max(), labelled_rows(len(part))
    span = high - low or 0.1 * high
    for level, (_, row) in enumerate(part.iterrows()):
        colour, marker = cluster_colour(row["cluster"])
        axes.axhline(level, color=colour, lw=0.4, ls=":")
        axes.plot(row["real"], level, marker, color=colour, ms=5)
        if level in named:
            at = (row["real"], level)
            axes.annotate(f"{row['real']:.5g}", at, xytext=(6, 2), textcoords="offset points", fontsize=7)
    names = [f"{row['cluster']}  ({counted(row['size'], 'agent')})" for _, row in part.iterrows()]
    axes.set_yticks(named, [names[level] for level in named])
    axes.set_ylabel("cluster $j$")
    axes.set_ylim(-0.6, len(part) - 0.4)
    axes.set_xlim(low - 0.15 * span, high + 0.35 * span)


def _spectra(axes: Axes, part: pd.DataFrame) -> None:
    axes.axvline(1.0, color="0.4", lw=0.6)
    axes.axvline(part["gamma"].iloc[0] ** -0.5, color="0.4", lw=0.6, ls=":")
    for (cluster, quantity), one in part.groupby(["cluster", "quantity"]):
        colour, marker = cluster_colour(int(str(cluster)))
        closed = quantity == "closed"
        modulus = np.hypot(one["real"], one["imag"])
        level = np.full(len(one), int(str(cluster)) + (-0.14 if closed else 0.14))
        axes.plot(modulus, level, marker, color=colour, markerfacecolor=colour if closed else "none", ms=4, lw=0)
    clusters = sorted(part["cluster"].unique())
    named = [clusters[level] for level in labelled_rows(len(clusters))]
    axes.set_yticks(named, [str(c) for c in named])
    axes.set_ylim(-0.6, len(clusters) - 0.4)
    axes.set_xlim(left=0)


def _wants(configured: Configured) -> dict[str, Wanted]:
    return {"fleets": Wanted(list(configured.scenarios), fleets=True)}


FIGURES: dict[str, ComparisonFigure] = {
    "fleets": ComparisonFigure(
        place=10,
        title="The fleets",
        caption=r"Optimal costs $C^*$ of the clusters with their separation $\Delta$ (cost units), and the eigenvalues "
        r"of $A$ and of $A-BK^*$ in the complex plane, for every scenario.",
        wants=_wants,
        table=lambda results: table(results.fleets, results.titles),
        draw=draw,
    )
}
