"""Draw the rollouts of PCPO: mean products by kind, beside two controls, and what the horizon leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.lemmas.draws import DRAWS
from pcpo.evidence.lemmas.horizon import HORIZON
from pcpo.evidence.lemmas.measures import paper_cells
from pcpo.evidence.lemmas.measures_rules import AGENTS, ANSWERS, USES
from pcpo.figures.style import PAGE, cluster_colour, counted, method_look, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RULES_FIGURE"]

_EXPECTED = {**AGENTS, **USES, **ANSWERS}
_SERIES = {"PCPO": method_look("pcpo")[:2], "pair": cluster_colour(4), "cost": cluster_colour(3)}
_NAMES = {"PCPO": "PCPO", "pair": "control: two agents share", "cost": "control: cost from local rollouts"}


def _table(tables: Tables) -> pd.DataFrame:
    """Collect the numbers of both panels: panel, series, label, x, low, high, runs and mode."""
    frame = tables[DRAWS.name]
    rows = []
    for series in _SERIES:
        part = paper_cells(tables, DRAWS.name) if series == "PCPO" else frame[frame["cell"] == f"control:{series}"]
        for kind, expected in _EXPECTED.items():
            found = statistics.mean(part[kind].to_numpy(dtype=np.float64) - expected)
            ends = {"x": found.estimate, "low": found.low, "high": found.high}
            rows.append({"panel": "products", "series": series, "label": kind, **ends, "runs": len(part)})
    left_out = paper_cells(tables, HORIZON.name)
    for cell, part in left_out.groupby("cell", sort=False):
        for column in ("bias", "bias_shorter", "bias_half"):
            ends = {"x": part[column].median(), "low": part[column].min(), "high": part[column].max()}
            rows.append({"panel": "horizon", "series": column, "label": str(cell), **ends, "runs": len(part)})
    return pd.DataFrame(rows).assign(mode="calibrated")


def _draw_products(axes: Axes, part: pd.DataFrame) -> None:
    """Draw panel (a): a row for each kind of product or mean."""
    kinds = list(_EXPECTED)
    for k, (series, (colour, marker)) in enumerate(_SERIES.items()):
        one = part[part["series"] == series].set_index("label").loc[kinds]
        y = np.arange(len(kinds)) + 0.2 * (k - 1)
        axes.plot(one["x"], y, marker, color=colour, ms=2.5, label=_NAMES[series])
        axes.hlines(y, one["low"], one["high"], color=colour, lw=1)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
    axes.invert_yaxis()
    axes.set_xlabel("mean over runs, less its exact value (dimensionless)")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.4, 1.07), ncols=3, handlelength=1, columnspacing=1, borderaxespad=0
    )


_STAGES = {"bias": "$h$", "bias_shorter": "$0.85\\,h$", "bias_half": "$h/2$"}


def _draw_horizon(axes: Axes, part: pd.DataFrame) -> None:
    """Draw panel (b): what is left out, over what is allowed, median and range over fleets."""
    for k, (cell, one) in enumerate(part.groupby("label", sort=False)):
        colour, marker = cluster_colour(k)
        x = np.arange(len(one)) + 0.12 * (k - 1)
        axes.plot(x, one["x"], marker, color=colour, ms=3, label=str(cell).replace("x", "×"))
        axes.vlines(x, one["low"], one["high"], color=colour, lw=1)
    axes.axhline(1, color="black", lw=0.8)
    axes.set_xticks(range(len(_STAGES)), list(_STAGES.values()))
    axes.set(yscale="log", xlabel="stages of a rollout", ylabel="$C-C_h$ over 1 % of $\\Delta_{\\bar L}/8$")
    axes.legend(loc="upper left", handlelength=1)


def _draw(numbers: pd.DataFrame) -> Figure:
    """Draw both panels."""
    figure = new_figure(PAGE, 3.6)
    panels = figure.subplots(1, 2, width_ratios=(1.4, 1))
    for axes, (panel, draw) in zip(panels, (("products", _draw_products), ("horizon", _draw_horizon)), strict=True):
        part = numbers[numbers["panel"] == panel]
        draw(axes, part)
        runs = counted(int(part["runs"].max()), "run")
        words = f"(a) {runs}, 95 % jackknife-t" if panel == "products" else f"(b) median, range of {runs}; $n\\times m$"
        panel_label(axes, words)
    return figure


RULES_FIGURE = EvidenceFigure(
    title="Rollouts of PCPO, one by one",
    caption=r"""(a) Products of standardised rollout costs ("noise") and of directions of two agents (first four rows)
and of two questions of an agent (next seven), and means of the rollouts of each kind, less their exact values: means
over runs with 95 % intervals, beside two controls. (b) Cost that rollouts of $h$ stages leave out at the gains whose
costs are compared, over a hundredth of what (23b) allows, and with fewer stages: median and range over random fleets,
by states × inputs.""",
    inputs=(DRAWS.name, HORIZON.name),
    table=_table,
    draw=_draw,
)
