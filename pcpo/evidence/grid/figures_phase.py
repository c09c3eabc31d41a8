"""Draw the probability of exact sets over budgets T and separations Δ, or numbers of agents N: `phase_diagram`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Tables
from pcpo.evidence.grid.panels import (
    Row,
    base_of,
    budgets,
    fleets_words,
    like_base,
    mode_of,
    pcpo_runs,
)
from pcpo.figures.style import COLUMN, decade_ticks, heading, modes, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

__all__ = ["draw_phase", "percent", "phase_table"]

#: Budgets up to which the numbers fit into the cells.
_MOST_NUMBERS = 9
_THEORY = (
    ("T_early", "-", r"exact costs separate, $\Delta_l<2\Delta$"),
    ("T_L", "--", r"Theorem 1, $\Delta_L\leq\Delta/2$"),
)


def phase_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the share of fleets with exact sets by panel, row and budget, with the boundaries T_early and T_L."""
    frame = like_base(pcpo_runs(tables["grid"]), "agents", "separation")
    rows: list[Row] = []
    for panel, axis, part in _panels(frame):
        for value, cell in part.groupby(axis):
            rows += [{"panel": panel, "axis": axis, "value": value, **row} for row in _budgets(cell, budgets(frame))]
    return pd.DataFrame(rows).assign(mode=mode_of(frame))


def _panels(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield title, row axis and rows of the panels: Δ × T for each N with several Δ, then N × T at the base's Δ."""
    base = base_of(frame)
    several = frame.groupby("agents")["separation"].nunique() > 1
    for N in sorted(several.index[several]):
        yield f"$N={N}$", "separation", frame[frame["agents"] == N]
    at_base = frame[frame["separation"] == base["separation"]]
    if set(at_base["agents"]) - set(several.index[several]) and at_base["agents"].nunique() > 1:
        yield rf"$\Delta={base['separation']:g}\,C^*$", "agents", at_base
    if frame["separation"].nunique() == 1 and frame["agents"].nunique() == 1:
        yield rf"$N={base['agents']}$ (no other $N$ or $\Delta$ was run)", "separation", frame


def _budgets(cell: pd.DataFrame, checkpoints: list[float]) -> Iterator[Row]:
    """Yield a row for each budget: the state of a run at T is that of its last epoch that ends within T."""
    fleets = cell.groupby("seed")
    known = {column: float(fleets[column].first().median()) for column, _, _ in _THEORY}
    ends = fleets["rollouts"].max()
    for T in checkpoints:
        reached = cell[cell["rollouts"] <= T].sort_values("epoch").groupby("seed")["exact"].last()
        hits = int(reached.sum())  # before the first epoch the sets are [N]
        found = statistics.proportion(hits, len(ends))
        yield {
            "rollouts": T,
            "exact": found.estimate,
            "ci_low": found.low,
            "ci_high": found.high,
            "fleets": len(ends),
            "ended": float((ends <= T).mean()),
            **known,
        }


def draw_phase(numbers: pd.DataFrame) -> Figure:
    """Draw a map for each panel, with the theory's boundaries."""
    panels = list(dict.fromkeys(numbers["panel"]))
    parts = [numbers[numbers["panel"] == panel] for panel in panels]
    heights = [part["value"].nunique() for part in parts]
    figure = new_figure(COLUMN, 1.25 + sum(0.27 * rows + 0.42 for rows in heights))
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    meshes = [_map(one, part) for one, part in zip(axes, parts, strict=True)]
    for one, panel in zip(axes, panels, strict=True):
        panel_label(one, panel)
    axes[-1].set_xlabel("$T$ (rollouts per agent)")
    words = f"fleets with exact sets, per cent; {fleets_words(numbers['fleets'])} per cell"
    if numbers["rollouts"].nunique() <= _MOST_NUMBERS:
        words += "; italic: half of the runs had ended before $T$"
    else:
        figure.colorbar(meshes[0], ax=list(axes), label="share of fleets")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", title="theory, median over fleets of $T$ until", title_fontsize=7
    )
    heading(figure, f"{words}; mode: {modes(numbers)}")
    return figure


def percent(share: float) -> str:
    """Write a share in per cent; 0 and 100 stand for none and all."""
    return str(round(100 * share) if share in (0, 1) else min(max(round(100 * share), 1), 99))


def _beside(middle: float, lines: FloatArray, step: float) -> float:
    """Return where a number stands in a cell of a given width: in its middle, or beside a line that runs there."""
    nearest = lines[np.argmin(np.abs(lines - middle))]
    away = 0.34 * step - abs(nearest - middle)
    if away <= 0:
        return middle
    return float(middle + (1 if nearest <= middle else -1) * min(away, 0.3 * step))


def _map(axes: Axes, part: pd.DataFrame) -> QuadMesh:
    """Draw the shares of one panel as coloured cells with numbers, and the boundaries."""
    from matplotlib.patheffects import withStroke

    wide = part.pivot(index="value", columns="rollouts", values="exact")
    ended = part.pivot(index="value", columns="rollouts", values="ended").to_numpy()
    x, rows = np.log10(wide.columns.to_numpy(dtype=float)), np.arange(len(wide))
    middle = (x[1:] + x[:-1]) / 2
    edges = np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])
    mesh = axes.pcolormesh(10**edges, np.arange(len(wide) + 1) - 0.5, wide, cmap="cividis", vmin=0, vmax=1)
    axes.set_xscale("log")
    if len(x) <= _MOST_NUMBERS:
        for row in rows:
            own = part[part["value"] == wide.index.to_numpy()[row]]
            crossed = np.log10(own[[name for name, _, _ in _THEORY]].to_numpy(dtype=float)[0])
            for log_T, share, over in zip(x, wide.to_numpy()[row], ended[row], strict=True):
                place = 10 ** _beside(log_T, crossed, step=float(np.diff(edges).min()))
                written = axes.text(place, float(row), percent(share), ha="center", va="center", fontsize=7)
                written.set_color("white" if share < 0.55 else "black")
                written.set_fontstyle("italic" if over >= 0.5 else "normal")
                written.set_path_effects([withStroke(linewidth=2, foreground=mesh.cmap(share))])
    lines = part.drop_duplicates("value").sort_values("value")
    for column, style, label in _THEORY:
        ys = np.concatenate([[k - 0.5, k + 0.5] for k in rows])
        line = np.repeat(lines[column].to_numpy(dtype=float), 2)
        axes.plot(line, ys, color="white", lw=2.6)
        axes.plot(line, ys, color="#D55E00", ls=style, lw=1.4, label=label)
    axes.set_yticks(rows, [f"{value:g}" for value in wide.index])
    axes.set_ylabel(r"$\Delta/C^*$" if part["axis"].iloc[0] == "separation" else "$N$")
    axes.set_xlim(10 ** edges[0], 10 ** edges[-1])
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.tick_params(length=2)
    decade_ticks(axes.xaxis, 9)
    return mesh
