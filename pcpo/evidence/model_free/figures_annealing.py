"""Draw what annealing does on fleets without a stabilising gain, beside annealing with a part left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.model_free.measures import ANNEALING_FAILURE, FALSE_SUCCESS
from pcpo.evidence.model_free.studies_annealing import PHASES
from pcpo.figures.points import Row, explain, fraction_row, points
from pcpo.figures.style import PAGE, cluster_colour, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["annealing_table", "draw_annealing"]

#: Series of panel (a), with the bounds of the claims.
_SERIES = {
    "fleets that fail": ANNEALING_FAILURE,
    "systems wrongly said to be stabilised": FALSE_SUCCESS,
}


def annealing_table(tables: Tables) -> pd.DataFrame:
    """Tabulate fractions by phase, and the rollouts of annealing by fleet, told apart by the column `kind`."""
    runs, rows = tables["model_free_annealing"], list[Row]()
    for place, (name, phase) in enumerate(PHASES.items()):
        own = runs[runs["phase"] == name]
        count, systems = int(own["false_systems"].sum()), int(own["systems"].sum())
        hits = (own["failed"] > 0, pd.Series(np.arange(systems) < count))
        for series, found in zip(_SERIES, hits, strict=True):
            rows.append(fraction_row(found, kind="fraction", series=series, x=place, phase=phase.title))
    annealed = runs[runs["phase"] == "annealed"]
    for row in annealed.itertuples():
        outcome = "fails" if row.failed else "finds gains"
        rows.append({"kind": "rollouts", "series": outcome, "x": row.n, "y": row.initial, "runs": len(annealed)})
    return pd.DataFrame(rows).assign(mode=annealed["mode"].iloc[0])


def draw_annealing(numbers: pd.DataFrame) -> Figure:
    """Draw fractions by phase, and rollouts by number of states."""
    figure = new_figure(PAGE, 2.9)
    left, right = figure.subplots(1, 2)
    part = numbers[numbers["kind"] == "fraction"]
    for k, (series, bound) in enumerate(_SERIES.items()):
        own = part[part["series"] == series]
        colour, marker = cluster_colour(k)
        points(left, own["x"] + 0.12 * (k - 0.5), own, colour, marker, ls="", ms=4, label=series)
        left.plot([-0.4, 0.4], [bound, bound], color=colour, lw=0.8, ls=":")
    names = part.drop_duplicates("x")
    left.set_xticks(names["x"], names["phase"].str.replace(", ", ",\n").str.replace("γ", r"$\gamma$"), fontsize=7)
    left.set_xlim(-0.5, len(names) - 0.5)
    left.set_ylim(-0.03, 1.03)
    panel_label(left, "(a) fractions, and the bounds claimed")
    fleets = numbers[numbers["kind"] == "rollouts"]
    looks = {"finds gains": ("0.4", "D"), "fails": ("black", "x")}
    for series, (colour, marker) in looks.items():
        own = fleets[fleets["series"] == series]
        spread = 0.3 * (np.arange(len(own)) / max(1, len(own) - 1) - 0.5)
        right.plot(own["x"] + spread, own["y"] / 1000, marker, color=colour, ms=4, label=series)
    right.set_xticks(range(1, int(fleets["x"].max()) + 1))
    right.set_xlabel("states")
    panel_label(right, "(b) thousand rollouts per agent of annealing")
    explain(figure, numbers, [left, right])
    return figure
