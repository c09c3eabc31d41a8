"""Draw what a scalar in place of a gradient costs: rounds without noise, and gaps against bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables, named_control
from pcpo.evidence.scalar.measures import collaborative
from pcpo.evidence.scalar.studies import MORE, PLAIN, SCALAR
from pcpo.evidence.scalar.studies_rounds import LARGEST, TABLE
from pcpo.figures.style import (
    COLUMN,
    cluster_colour,
    legend_above,
    method_look,
    new_figure,
    panel_label,
    plain_log_ticks,
    second_look,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_STEPS = {LARGEST: ("o", "(a) largest step"), TABLE: ("^", "(a) Table 2's step")}
_METHODS = {PLAIN: "(b) PCPO", SCALAR: "(b) scalar gradients", MORE: "(b) the same, $D$× rollouts"}


def _numbers(tables: Tables) -> pd.DataFrame:
    """Tabulate a point for each system, size and step, and mean gaps by method and epoch with intervals."""
    frame = tables["scalar_rounds"]
    frame = frame[[not named_control(cell) for cell in frame["cell"]]]
    rounds = frame[["seed", "size", "step"]].assign(
        panel="rounds", x=frame["rounds_law"] / frame["rounds_whole"], y=frame["rounds"] / frame["rounds_whole"]
    )
    rows = []
    for cell in _METHODS:
        runs = _against_bytes(tables, cell)
        for epoch, part in runs.groupby("epoch"):
            by_seed = part.groupby("seed")["value"].mean().to_numpy()
            found = statistics.mean(by_seed)
            rows.append(
                {
                    "panel": "gaps",
                    "step": cell,
                    "epoch": epoch,
                    "x": part["bytes"].mean(),
                    "y": found.estimate,
                    "ci_low": found.low,
                    "ci_high": found.high,
                    "seed": len(by_seed),
                }
            )
    mode = tables["scalar"]["mode"].iloc[0]
    return pd.concat([rounds, pd.DataFrame(rows)], ignore_index=True).assign(mode=mode)


def _against_bytes(tables: Tables, cell: str) -> pd.DataFrame:
    """Return collaborative epochs: gaps in units of PCPO's closed form after the last, bytes over PCPO's of a run."""
    frame = tables["scalar"]
    plain = frame[frame["cell"] == PLAIN]
    last = plain[plain["epoch"] == plain["epoch"].max()]
    units = last[["seed", "cluster", "whole", "bytes_up"]].rename(columns={"whole": "unit", "bytes_up": "all"})
    found = collaborative(tables, cell, "whole").merge(units, on=["seed", "cluster"])
    return found.assign(value=found["gap"] / found["unit"], bytes=found["bytes_up"] / found["all"])


def _draw(numbers: pd.DataFrame) -> Figure:
    """Draw measured prices against the closed form, and gaps against bytes below."""
    figure = new_figure(COLUMN, 5.2)
    upper, lower = figure.subplots(2, 1)
    rounds, gaps = (numbers[numbers["panel"] == panel] for panel in ("rounds", "gaps"))
    for k, (step, (marker, label)) in enumerate(_STEPS.items()):
        part = rounds[rounds["step"] == step]
        colour = cluster_colour(k)[0]
        upper.plot(part["x"], part["y"], marker, color=colour, alpha=0.6, ms=3, lw=0, label=label)
    ends = np.array([0.9, 1.15 * rounds[["x", "y"]].to_numpy(dtype=float).max()])
    upper.plot(ends, ends, color="k", ls=":", lw=0.8)
    for method, label in _METHODS.items():
        look = second_look(method_look(SCALAR if method == MORE else method), second=method == MORE)
        part = gaps[gaps["step"] == method].sort_values("epoch")
        bars = np.abs(part[["ci_low", "ci_high"]].to_numpy(dtype=float).T - part["y"].to_numpy(dtype=float))
        lower.errorbar(part["x"], part["y"], bars, lw=0.8, label=label, **look)
    _label(upper, lower)
    systems, fleets = rounds["seed"].nunique(), int(gaps["seed"].max())
    heading = f"(a) {systems} systems, exact; (b) {fleets} fleets, 95 % intervals; {numbers['mode'].iloc[0]}"
    keys = [axes.get_legend_handles_labels() for axes in (upper, lower)]
    legend_above(figure, keys[0][0] + keys[1][0], keys[0][1] + keys[1][1], heading, 2, length=2.5)
    return figure


def _label(upper: Axes, lower: Axes) -> None:
    """Name axes and panels."""
    for axes in (upper, lower):
        axes.set_xscale("log")
        axes.set_yscale("log")
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis, lower.yaxis):
        plain_log_ticks(axis)
    panel_label(upper, "(a) rounds over those with whole gradients")
    upper.set_xlabel("closed form")
    upper.set_ylabel("measured")
    panel_label(lower, "(b) mean gap over PCPO's last, closed form")
    lower.set_xlabel("bytes up, over PCPO's of the whole run")


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "scalar": EvidenceFigure(
        title="What a scalar in place of a gradient costs",
        caption=r"(a) Rounds to a hundredth of the first gap with projected gradients over those with whole ones, "
        r"without noise: measured against the closed form, a point for each system and size of the set, at the largest "
        r"step $1/(q\,h_{\max})$ (whole gradients: $1/h_{\max}$) and at the step of Table 2. (b) Mean gap of "
        r"collaborative epochs in units of PCPO's closed form after the last epoch, against the bytes sent up, with "
        r"95 % intervals over fleets; $D=mn$.",
        table=_numbers,
        draw=_draw,
    ),
}
