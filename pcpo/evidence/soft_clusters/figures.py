"""Draw what every choice of sets costs, from equal clusters to far ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.soft_clusters.measures import NEAR_BEST, ratios
from pcpo.evidence.soft_clusters.studies import FAR
from pcpo.figures.points import Row, explain, fraction_row, points
from pcpo.figures.style import COLUMN, method_look, new_figure, panel_label, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

#: Methods that are drawn: the algorithm that they look like, and their name in the key.
_SHOWN = {
    "soft": ("pcpo_soft", "soft clusters"),
    "hard": ("pcpo_sync", "PCPO, synchronised"),
    "alone": ("local", "alone"),
    "known": ("oracle_clusters", "known clusters"),
    "everyone": ("naive_average_sync", "everyone"),
}
#: Largest ratio that is drawn; larger ones lie beyond the panel, and the line goes there.
_TOP = 12.0
_SETS = {"everyone": "everyone in one set", "exact": "the true clusters"}


def _table(tables: Tables) -> pd.DataFrame:
    """Tabulate the ratio of mean gaps by method and distance, and how often the chosen sets are of a kind."""
    frame, rows = tables["soft_clusters"], list[Row]()
    for method in _SHOWN:
        for distance, found in ratios(tables, method).items():
            known: Row = {"kind": "ratio", "series": method, "distance": distance, "y": found.estimate}
            rows.append({**known, "ci_low": found.low, "ci_high": found.high, "runs": found.replicates})
    chosen = frame[frame["method"] == "soft"]
    for kind in _SETS:
        for place, part in chosen.groupby("distance", sort=False):
            rows.append(fraction_row(part[kind] == 1, kind="sets", series=kind, distance=place))
    return pd.DataFrame(rows).assign(mode=frame["mode"].iloc[0])


def _places(numbers: pd.DataFrame) -> list[str]:
    """Return the distances in their order, far ones last."""
    names = [str(name) for name in numbers["distance"].unique()]
    return sorted(names, key=lambda name: float("inf") if name == FAR else float(name))


def _draw(numbers: pd.DataFrame) -> Figure:
    """Draw the ratios above, and below them what sets are chosen, at equal steps of the distance."""
    figure = new_figure(COLUMN, 4.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.7, 1])
    places = _places(numbers)
    for k, (method, (look, name)) in enumerate(_SHOWN.items()):
        own = numbers[(numbers["kind"] == "ratio") & (numbers["series"] == method)]
        _line(upper, own, places, 0.05 * (k - 2), look, name)
    upper.axhline(NEAR_BEST, color="0.5", ls=":", lw=0.8)
    upper.set_yscale("log")
    upper.set_ylim(0.85, _TOP)
    plain_log_ticks(upper.yaxis)
    panel_label(upper, "(a) mean gap over that of the best fixed sets")
    for kind, look in (("everyone", "naive_average_sync"), ("exact", "oracle_clusters")):
        own = numbers[(numbers["kind"] == "sets") & (numbers["series"] == kind)]
        _line(lower, own, places, 0.0, look, "")
        lower.plot([], [], color=method_look(look).colour, marker=method_look(look).marker, label=_SETS[kind])
    lower.set_ylim(-0.04, 1.04)
    lower.legend(loc="upper center", bbox_to_anchor=(0.45, -0.42), ncols=2, fontsize=7)
    panel_label(lower, "(b) fraction of fleets whose chosen sets are …")
    lower.set_xticks(range(len(places)), places)
    lower.set_xlabel(r"distance $\rho$ of the optimal gains (local gaps)")
    explain(figure, numbers, [upper], ncols=3)
    return figure


def _line(axes: Axes, own: pd.DataFrame, places: list[str], shift: float, look: str, name: str) -> None:
    """Draw a series with intervals."""
    x = np.array([places.index(str(value)) for value in own["distance"]]) + shift
    order, style = np.argsort(x), method_look(look)
    points(axes, x[order], own.iloc[order], style.colour, style.marker, ls=style.line, ms=3.5, label=name or None)


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "soft_clusters": EvidenceFigure(
        title="Chosen sets, from equal clusters to far ones",
        caption=r"(a) Mean gap over the smallest of the mean gaps of three fixed choices (alone, the true clusters, "
        r"everyone in one set), at the same rollouts and on the same fleets, against the distance $\rho$ of the "
        r"optimal gains in units of the local gap; far: independent random clusters. Ratios above 12 are not shown. "
        r"Dotted: 1.25. (b) Fraction of fleets whose chosen sets are everyone, or the true clusters. 95 % intervals "
        r"over fleets: jackknife-t for ratios of means, Clopper-Pearson for fractions.",
        table=_table,
        draw=_draw,
    ),
}
