"""Draw what Algorithm 1's parts are for: lost policies by kind of sets, and the variants of PCPO on random fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.figures.points import Row, explain, fraction_row, points
from pcpo.figures.style import PAGE, Look, method_look, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_necessities", "necessities_table"]

_SETS = {
    "everyone": "[N]",
    "blocks": "two\nrandom\nblocks",
    "linked": "clusters,\none pair\nlinked",
    "everyone_sync": "[N],\n(8) first",
    "clusters_sync": "clusters,\n(8) first",
}
_METHODS = {
    "pcpo": "PCPO",
    "pcpo_one_sequence": "one\nsequence",
    "pcpo_no_reinit": "without\n(8)",
    "pcpo_no_radius_scaling": r"$r=\tilde r_l$",
}


def necessities_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the panels, told apart by the column `kind`: lost fleets, exact sets, and gaps over PCPO's by fleet."""
    rows: list[Row] = []
    averaged = tables["partitions"]
    for name, title in _SETS.items():
        part = averaged[averaged["sets"] == name]
        rows.append(fraction_row(~part["finite"], kind="lost", series=title, x=len(rows)))
    runs = tables["necessities"]
    gaps = runs.pivot(index=["cell", "seed"], columns="algorithm", values="gap")
    for x, (name, title) in enumerate(_METHODS.items()):
        exact = runs.loc[runs["algorithm"] == name, "exact"].astype(bool)
        rows.append(fraction_row(exact, kind="exact", series=title, x=x))
        ratios = (gaps[name] / gaps["pcpo"]).to_numpy(dtype=float)
        rows += [{"kind": "gap", "series": title, "x": x, "y": float(ratio), "runs": len(ratios)} for ratio in ratios]
    return pd.DataFrame(rows).assign(mode=runs["mode"].iloc[0])


def draw_necessities(numbers: pd.DataFrame) -> Figure:
    """Draw lost fleets, exact sets, and gaps relative to PCPO's, a panel each."""
    figure = new_figure(PAGE, 2.7)
    panels = figure.subplots(1, 3, width_ratios=[1.25, 1, 1])
    for axes, kind, title in (
        (panels[0], "lost", "(a) fraction of fleets with an infinite\ncost, exact gradients"),
        (panels[1], "exact", "(b) fraction of fleets\nwith exact sets"),
    ):
        part = numbers[numbers["kind"] == kind]
        for _, one in part.groupby("x"):
            colour, marker, _ = _look(str(one["series"].iloc[0]))
            points(axes, one["x"], one, colour, marker, ls="")
        axes.set_xticks(part["x"], part["series"], fontsize=7)
        axes.set_ylim(-0.05, 1.05)
        axes.margins(x=0.05 if kind == "lost" else 0.12)
        panel_label(axes, title)
    _gaps(panels[2], numbers[numbers["kind"] == "gap"])
    explain(figure, numbers)
    return figure


def _look(title: str) -> Look:
    """Return the look of a method by its title; what is no method, such as a kind of sets, is drawn as averaging."""
    return method_look({title: name for name, title in _METHODS.items()}.get(title, "naive_average"))


def _gaps(axes: Axes, part: pd.DataFrame) -> None:
    """Draw a tick for each fleet, the median, and how many fleets end with an infinite cost."""
    axes.set_yscale("log")
    finite = part[np.isfinite(part["y"])]
    top = 10 * finite["y"].max()
    for place, own in part.groupby("x"):
        x = float(str(place))
        known = own.loc[np.isfinite(own["y"]), "y"]
        colour, marker, _ = _look(str(own["series"].iloc[0]))
        axes.plot(np.full(len(known), x), known, "_", color=colour, ms=8)
        if len(known):
            axes.plot(x, known.median(), marker, color=colour, mec="white", mew=0.5, ms=5)
        if lost := len(own) - len(known):
            axes.text(x, top, f"{lost} of {len(own)}\ninfinite", ha="center", va="bottom", fontsize=7)
    axes.axhline(1, color="black", ls=":", lw=0.8)
    axes.set_ylim(top=30 * top)
    ticks = part.drop_duplicates("x")
    axes.set_xticks(ticks["x"], ticks["series"], fontsize=7)
    axes.margins(x=0.12)
    panel_label(axes, "(c) gap / gap of PCPO\n(ticks: fleets, dots: medians)")
