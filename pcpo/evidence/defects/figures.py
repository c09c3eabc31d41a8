"""Draw the figure `defects`: four defects of the printed algorithm, each with its repair."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.defects.measures import ROUNDS, RUNS, rows_of
from pcpo.figures.style import PAGE, method_look, new_figure, panel_label, second_look, whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

#: Titles of the cells, and the method that each draws; the second of two of one method is hollow and dotted.
_SERIES = {
    "single": ("as printed", "pcpo"),
    "single_sync": ("(8) once at epoch 1", "pcpo_sync"),
    "forked": ("as printed", "pcpo"),
    "forked_no_reinit": ("without (8)", "pcpo_no_reinit"),
    "agents_4": (r"$R_l$ of Table 2", "pcpo"),
    "constant_iterations": (r"$R_l=R_1$", "pcpo"),
    "late": ("as printed", "pcpo"),
    "late_touched": ("(8) for agents it concerns", "pcpo_sync"),
}
_COLUMNS = ["panel", "cell", "x", "y", "low", "high", "reference", "mode", "runs"]


def _table(tables: Tables) -> pd.DataFrame:
    """Collect rows by `panel`: gap (one run), destabilised (share of runs), rounds (one run), late (mean of runs)."""
    return pd.concat([_gaps(tables), _destabilised(tables), _rounds(tables), _late(tables)], ignore_index=True)


def _first_run(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the run with the lowest seed; add a column `runs`, the number of all runs."""
    run: pd.DataFrame = frame[frame["seed"] == frame["seed"].min()].assign(runs=frame["seed"].nunique())
    return run


def _gaps(tables: Tables) -> pd.DataFrame:
    """Collect the mean gap of one cluster against rollouts, as printed and with (8) at the end of epoch 1."""
    run = _first_run(rows_of(tables, RUNS, "single", "single_sync"))
    drawn = run.assign(panel="gap", x=run["rollouts"], y=run["gap"], reference=run["quadratic"])
    return drawn.reindex(columns=_COLUMNS)


def _destabilised(tables: Tables) -> pd.DataFrame:
    """Estimate the share of runs with an agent whose global policy has infinite cost, by epoch."""
    rows = []
    frame = rows_of(tables, RUNS, "forked", "forked_no_reinit")
    for (cell, epoch), part in frame.groupby(["cell", "epoch"]):
        share = statistics.proportion(int((part["destabilised"] > 0).sum()), len(part))
        named = {"panel": "destabilised", "cell": cell, "x": epoch, "mode": part["mode"].iloc[0], "runs": len(part)}
        rows.append({**named, "y": share.estimate, "low": share.low, "high": share.high})
    return pd.DataFrame(rows).reindex(columns=_COLUMNS)


def _rounds(tables: Tables) -> pd.DataFrame:
    """Collect the counted rounds against epochs, with R_l of Table 2 and with R_l = R_1."""
    run = _first_run(tables[ROUNDS])
    return run.assign(panel="rounds", x=run["epoch"], y=run["rounds"]).reindex(columns=_COLUMNS)


def _late(tables: Tables) -> pd.DataFrame:
    """Estimate the mean gap of the cluster that separated early, by epoch; geometric mean of the runs.

    The interval is that of the mean of logarithms.
    """
    rows = []
    frame = rows_of(tables, RUNS, "late", "late_touched")
    for (cell, epoch), part in frame.groupby(["cell", "epoch"]):
        log = statistics.mean(np.log(part["first_gap"].to_numpy(dtype=np.float64)))
        named = {"panel": "late", "cell": cell, "x": epoch, "mode": part["mode"].iloc[0], "runs": len(part)}
        y, low, high = (math.exp(value) for value in (log.estimate, log.low, log.high))
        rows.append({**named, "y": y, "low": low, "high": high})
    return pd.DataFrame(rows).reindex(columns=_COLUMNS)


def _draw(numbers: pd.DataFrame) -> Figure:
    """Draw the four panels, two by two."""
    figure = new_figure(PAGE, 5.0)
    grid = figure.subplots(2, 2)
    panels = dict(zip(("gap", "destabilised", "rounds", "late"), grid.ravel(), strict=True))
    for name, axes in panels.items():
        _lines(axes, numbers[numbers["panel"] == name])
    runs = {name: int(numbers.loc[numbers["panel"] == name, "runs"].max()) for name in panels}
    mode = numbers.loc[numbers["panel"] == "gap", "mode"].iloc[0]
    _gap_axes(panels["gap"], numbers[numbers["panel"] == "gap"])
    panel_label(panels["gap"], f"one cluster, different starts (one of {runs['gap']} runs, exact answers)")
    panels["destabilised"].set(xlabel="epoch $l$", ylabel="share of runs", ylim=(-0.04, 1.04))
    panel_label(
        panels["destabilised"], f"an agent has infinite cost ({runs['destabilised']} runs,\nClopper-Pearson 95 %)"
    )
    panels["rounds"].set(xlabel=r"epochs $\bar L$", ylabel="rounds counted")
    panels["rounds"].set_ylim(bottom=0)
    panel_label(panels["rounds"], f"communication (one of {runs['rounds']} fleets)")
    panels["late"].set(xlabel="epoch $l$", ylabel="gap of the first cluster (cost units)", yscale="log")
    words = f"a cluster that separated in epoch 1\n({runs['late']} runs, geometric mean, 95 % jackknife-t)"
    panel_label(panels["late"], words)
    low, high = panels["late"].get_ylim()
    panels["late"].set_ylim(low, high * (high / low) ** 0.3)  # room for the key
    places = {"gap": "center right", "destabilised": "upper right", "rounds": "upper left", "late": "upper right"}
    for name, axes in panels.items():
        axes.legend(loc=places[name])
    for name in ("destabilised", "rounds", "late"):
        whole_ticks(panels[name].xaxis)
    figure.suptitle(f"mode of the runs: {mode}", fontsize=7)
    return figure


def _lines(axes: Axes, part: pd.DataFrame) -> None:
    """Draw a line for every cell, with intervals where there are any."""
    for k, (cell, line) in enumerate(part.groupby("cell", sort=False)):
        label, name = _SERIES[str(cell)]
        look = second_look(method_look(name), second=k > 0)
        line = line.sort_values("x")
        bars = bool(line["low"].notna().all())
        x = line["x"] + 0.06 * k if bars else line["x"]  # intervals side by side
        axes.plot(x, line["y"], label=label, **look)
        if bars:
            axes.vlines(x, line["low"], line["high"], color=look["color"], lw=1)


def _gap_axes(axes: Axes, part: pd.DataFrame) -> None:
    """Make both axes logarithmic and draw the predicted plateau; an exact gap below 1e-12 is rounding."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-12, 10 ** math.ceil(np.log10(part["y"].max()) + 0.5))
    axes.axhline(
        part["reference"].iloc[0], color="black", ls=":", lw=1, label=r"predicted $\frac{1}{2}d_i^\top Hd_i$, mean"
    )
    axes.set(xlabel="rollouts per agent", ylabel="mean gap $C-C^*$ (cost units)")


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "defects": EvidenceFigure(
        title="Four defects of the printed algorithm, and their repairs",
        caption="Upper left: one cluster whose agents start apart. As printed, the gap stays at the predicted plateau "
        "for any number of rollouts; with (8) applied once it vanishes (values below 1e-12 are not shown). "
        "Upper right: share of runs in which some agent's global policy has infinite cost, on a fleet with two "
        "clusters that have no stabilising gain in common. (8) causes it before the sets are right, and the (8) of "
        "the last change ends it. "
        "Lower left: counted rounds against epochs. "
        "Lower right: gap of a cluster whose sets are right from epoch 1 on, while two others part in epoch 3: as "
        "printed, (8) gives it a local policy there, too (geometric means over runs with 95 % "
        "intervals, moments of rollouts).",
        table=_table,
        draw=_draw,
        inputs=("defects_runs", "defects_rounds"),
    ),
}
