"""Draw the figure `fleets`: optimal costs with Δ, spectra of A and of A − BK*, sizes, for every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from pcpo.arrays import FloatArray
from pcpo.figures.registry import ComparisonFigure, Configured, Wanted
from pcpo.figures.style import (
    COLUMN,
    as_written,
    cluster_colour,
    counted,
    labelled_rows,
    new_figure,
    rows_height,
    wrapped,
)
from pcpo.fleets.fleet import Fleet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "table"]

_TITLE = 1.95  # inches from the left end of the axes to the edge of the column
_LINE = 0.14  # inches of a line of a title


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
    """Draw a row for each cluster: its size and optimal cost in words, beside the moduli of its eigenvalues."""
    parts = [part for _, part in numbers.groupby("scenario", sort=False)]
    titles = [_title(part) for part in parts]
    heights = [_LINE * (1.6 + title.count("\n")) + max(0.3, rows_height(part["cluster"].nunique()))
               for title, part in zip(titles, parts, strict=True)]  # fmt: skip
    figure = new_figure(COLUMN, 0.95 + sum(heights))
    panels = figure.subplots(
        len(parts), 1, squeeze=False, height_ratios=heights if len(parts) > 1 else None, sharex=True
    )
    for axes, part, title in zip(panels[:, 0], parts, titles, strict=True):
        _rows(axes, part)
        axes.set_title(title, loc="left", fontsize=7, x=0, pad=2)
    largest = max(1.1, 1.08 * float(_moduli(numbers).max()))
    panels[-1, 0].set_xlim(0, largest)
    panels[-1, 0].set_xlabel("modulus of the eigenvalues")
    keys = [
        Line2D([], [], marker="o", color="0.3", markerfacecolor="none", lw=0, label="$A$"),
        Line2D([], [], marker="o", color="0.3", lw=0, label="$A-BK^*$"),
        Line2D([], [], color="0.4", lw=0.6, label="1 (stability)"),
        Line2D([], [], color="0.4", lw=0.6, ls=":", label=r"$1/\sqrt{\gamma}$ (finite cost)"),
    ]
    figure.legend(handles=keys, loc="outside upper center", ncols=2)
    return figure


def _moduli(part: pd.DataFrame) -> FloatArray:
    """Return the moduli of the eigenvalues among the rows of a table."""
    spectra = part[part["quantity"] != "optimal_cost"]
    return np.asarray(np.hypot(spectra["real"], spectra["imag"]), dtype=np.float64)


def _title(part: pd.DataFrame) -> str:
    """Return a scenario's title, and n, m, N, γ and Δ in a line below."""
    first, low = part.iloc[0], part.loc[part["quantity"] == "optimal_cost", "real"].min()
    gap = "one cluster"
    if np.isfinite(first["separation"]):
        share = f"{100 * first['separation'] / low:.2g}\N{NO-BREAK SPACE}%"
        gap = rf"$\Delta$ = {first['separation']:.3g} ({share})"
    facts = rf"$n$={first['n']}, $m$={first['m']}, $N$={first['N']}, $\gamma$={first['gamma']:g}; {gap}"
    H = part["cluster"].nunique()
    if len(labelled_rows(H)) < H:
        facts += f"; {len(labelled_rows(H))} of {H} clusters labelled"
    return f"{wrapped(as_written(first['title']), _TITLE, 7)}\n{wrapped(facts, _TITLE, 7)}"


def _rows(axes: Axes, part: pd.DataFrame) -> None:
    """Draw the moduli of a scenario's clusters, labelled with optimal cost and size."""
    axes.axvline(1.0, color="0.4", lw=0.6)
    axes.axvline(part["gamma"].iloc[0] ** -0.5, color="0.4", lw=0.6, ls=":")
    spectra = part[part["quantity"] != "optimal_cost"]
    for (cluster, quantity), one in spectra.groupby(["cluster", "quantity"]):
        colour, marker = cluster_colour(int(str(cluster)))
        closed = quantity == "closed"
        level = np.full(len(one), int(str(cluster)) + (-0.14 if closed else 0.14))
        face = colour if closed else "none"
        axes.plot(_moduli(one), level, marker, color=colour, markerfacecolor=face, ms=4, lw=0, clip_on=False)
    costs = part[part["quantity"] == "optimal_cost"].sort_values("cluster")
    shown = zip(costs["size"].tolist(), costs["real"].tolist(), strict=True)
    names = [rf"{counted(size, 'agent')}, $C^*$ = {cost:.4g}" for size, cost in shown]
    named = labelled_rows(len(names))
    axes.set_yticks(list(named), [names[level] for level in named])
    axes.set_ylim(-0.6, len(names) - 0.4)


def _wants(configured: Configured) -> dict[str, Wanted]:
    return {"fleets": Wanted(list(configured.scenarios), fleets=True)}


FIGURES: dict[str, ComparisonFigure] = {
    "fleets": ComparisonFigure(
        place=10,
        title="The fleets",
        caption=r"The fleets of every scenario, a row for each cluster: its size and optimal cost $C^*$ (cost units), "
        r"and the moduli of the eigenvalues of $A$ and of $A-BK^*$; $\Delta$ is the separation of the optimal costs.",
        wants=_wants,
        table=lambda results: table(results.fleets, results.titles),
        draw=draw,
    )
}
