"""Draw what each ingredient of `pcpo_auto` brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.model_free.settings import METHODS
from pcpo.evidence.model_free.studies import CONTROLS, PARTS
from pcpo.figures.points import Row, explain, fraction_row
from pcpo.figures.style import GLOBAL_COLOUR, LOCAL_COLOUR, PAGE, decade_ticks, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_parts", "parts_table"]


def parts_table(tables: Tables) -> pd.DataFrame:
    """Tabulate fractions of failures, and ratios of gaps by fleet, of every variant."""
    runs, rows = tables["model_free_parts"], list[Row]()
    gaps = runs.pivot(index=["condition", "seed"], columns="method", values="gap")
    for place, name in enumerate((*PARTS, *CONTROLS)):
        own = runs.loc[runs["method"] == name, "failed"] > 0
        rows.append(fraction_row(own, kind="failed", series=METHODS[name].title, x=place))
        ratios = (gaps[name] / gaps["auto"]).to_numpy(dtype=float)
        rows += [
            {"kind": "gap", "series": METHODS[name].title, "x": place, "y": float(ratio), "runs": len(ratios)}
            for ratio in ratios[np.isfinite(ratios)]
        ]
    return pd.DataFrame(rows).assign(mode=runs["mode"].iloc[0])


def draw_parts(numbers: pd.DataFrame) -> Figure:
    """Draw failures and gaps, a row for each variant."""
    figure = new_figure(PAGE, 3.6)
    left, right = figure.subplots(1, 2, sharey=True)
    part = numbers[numbers["kind"] == "failed"]
    low, high = part["y"] - part["ci_low"], part["ci_high"] - part["y"]
    left.errorbar(part["y"], part["x"], xerr=np.stack([low, high]), fmt="o", color=GLOBAL_COLOUR, ms=4, elinewidth=0.8)
    left.set_yticks(part["x"], part["series"], fontsize=7)
    left.set_xlim(-0.03, 1.03)
    left.invert_yaxis()
    panel_label(left, "(a) fraction of fleets that fail")
    gaps = numbers[numbers["kind"] == "gap"]
    for place, own in gaps.groupby("x"):
        x = float(str(place))
        right.plot(own["y"], np.full(len(own), x), "|", color=LOCAL_COLOUR, ms=5, alpha=0.6)
        right.plot([own["y"].median()], [x], "D", color="k", ms=3)
    right.axvline(1.0, color="k", lw=0.6, ls=":")
    right.set_xscale("log")
    decade_ticks(right.xaxis, 6)
    panel_label(right, "(b) gap over that of all ingredients together")
    for axes in (left, right):
        axes.axhline(len(PARTS) - 0.5, color="k", lw=0.6)
    explain(figure, numbers)
    return figure
