"""Draw the figures `baselines` and `ablations`: methods side by side at the same rollouts per agent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.errors import ResultsError
from pcpo.experiments.comparison import final_table
from pcpo.figures.registry import ComparisonFigure, Configured, Results, Wanted
from pcpo.figures.style import (
    PAGE,
    as_written,
    heading,
    method_look,
    modes,
    new_figure,
    panel_label,
    plain_log_ticks,
    wrapped,
)
from pcpo.statistics import FEWEST

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "table"]

_TITLE = 5.2  # inches from the left end of the axes to the edge of the page
_NAME = 1.9  # inches that the name of a method may take beside the axes
_SEES = "trajectories"
#: Stands behind the names of methods that see trajectories, and in the heading.
_MARK = " ‡"


def table(runs: pd.DataFrame, methods: Mapping[str, tuple[str, str]], titles: Mapping[str, str]) -> pd.DataFrame:
    """Make `comparison.final_table` with each method's title and what it sees.

    Args:
        runs: rows of runs.
        methods: name → (title, sees), in the order drawn.
        titles: what figures call the scenarios.

    Raises:
        ResultsError: if the methods of a scenario have not spent the same rollouts.
    """
    numbers = final_table(runs[runs["algorithm"].isin(list(methods))])
    for scenario, spent in numbers.groupby("scenario")["rollouts"]:
        if spent.nunique() > 1:
            raise ResultsError(
                f"scenario {scenario}: found budgets of {spent.min():,.0f} to {spent.max():,.0f} rollouts per agent, "
                "expected methods at matched rollouts"
            )
    numbers["title"] = numbers["scenario"].map(titles)
    numbers["method"] = numbers["algorithm"].map({name: title for name, (title, _) in methods.items()})
    numbers["sees"] = numbers["algorithm"].map({name: sees for name, (_, sees) in methods.items()})
    rank = {name: k for k, name in enumerate(methods)}
    order = {scenario: k for k, scenario in enumerate(titles)}
    return numbers.sort_values(
        ["scenario", "algorithm"], key=lambda column: column.map(order if column.name == "scenario" else rank)
    )


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a row of panels for each scenario: gap, failed runs, rounds, bytes."""
    scenarios = list(dict.fromkeys(numbers["scenario"]))
    methods = dict(zip(numbers["method"], numbers["sees"], strict=True))
    names = {
        method: wrapped(as_written(method) + (_MARK if sees == _SEES else ""), _NAME, 7)
        for method, sees in methods.items()
    }
    extra = 0.12 * sum(name.count("\n") for name in names.values())
    figure = new_figure(PAGE, 0.9 + len(scenarios) * (0.55 + 0.16 * len(methods) + extra))
    panels = figure.subplots(len(scenarios), 4, squeeze=False, width_ratios=[2.2, 1, 1, 1], sharey="row")
    for row, scenario in zip(panels, scenarios, strict=True):
        part = numbers[numbers["scenario"] == scenario].reset_index(drop=True)
        _gaps(row[0], part)
        _failures(row[1], part)
        _bars(row[2], part, "rounds", "communication\nrounds")
        _bars(row[3], part, "kilobytes", "kilobytes\n(all agents)")
        spent, runs = part["rollouts"].iloc[0], part["runs"].iloc[0]
        title = f"{as_written(part['title'].iloc[0])}: {spent:,.0f} rollouts per agent, {runs} runs"
        panel_label(row[0], wrapped(title, _TITLE))
        row[0].set_yticks(range(len(part)), part["method"].map(names))
        row[0].set_ylim(len(part) - 0.5, -0.5)
    heading(figure, _heading(numbers))
    return figure


def _heading(numbers: pd.DataFrame) -> str:
    """Say how intervals were made, in which mode, and what the marks mean that occur."""
    gaps = "jackknife-t over runs" if numbers["runs"].min() >= FEWEST else f"none under {FEWEST} runs"
    text = f"95 % intervals: {gaps} (gap), Clopper-Pearson (failed); mode: {modes(numbers)}"
    if (numbers["sees"] == _SEES).any():
        text += f";{_MARK} sees trajectories, the others see costs of rollouts"
    return text + ("; ▶ the mean is infinite" if not np.isfinite(numbers["gap"]).all() else "")


def _gaps(axes: Axes, part: pd.DataFrame) -> None:
    axes.set_xscale("log")
    finite = part[np.isfinite(part["gap"])]
    edge = 4 * finite["gap"].max() if len(finite) else 1.0
    for y, (_, row) in enumerate(part.iterrows()):
        colour, marker, _ = method_look(row["algorithm"])
        if not np.isfinite(row["gap"]):
            axes.plot(edge, y, ">", color=colour, clip_on=False)
            continue
        axes.plot(row["gap"], y, marker, color=colour)
        if np.isfinite(row["ci_low"]):
            axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, lw=1)
    axes.set_xlim(right=edge)
    if edge < 10 * axes.get_xlim()[0]:  # where Matplotlib would label every minor tick
        plain_log_ticks(axes.xaxis)
    axes.set_xlabel("mean gap $C-C^*$ (cost units)")
    axes.grid(axis="y", lw=0.3, color="0.85")


def _failures(axes: Axes, part: pd.DataFrame) -> None:
    for y, (_, row) in enumerate(part.iterrows()):
        colour, marker, _ = method_look(row["algorithm"])
        axes.plot([row["fail_low"], row["fail_high"]], [y, y], color=colour, lw=1)
        axes.plot(row["fail_fraction"], y, marker, color=colour)
    axes.set_xlim(-0.05, 1.05)
    axes.set_xlabel("fraction of\nfailed runs")
    axes.grid(axis="y", lw=0.3, color="0.85")


def _bars(axes: Axes, part: pd.DataFrame, column: str, label: str) -> None:
    axes.barh(range(len(part)), part[column], color="0.6", height=0.6)
    axes.set_xlabel(label)
    axes.locator_params(axis="x", nbins=3)


def _wants(name: str, group: str, fewest: int, configured: Configured) -> dict[str, Wanted]:
    """Draw a group of methods if the configuration tunes, and has at least so many of them."""
    found = configured.compared(group)
    return {name: Wanted(configured.tuned, found)} if configured.tuned and len(found) >= fewest else {}


def _of_results(results: Results) -> pd.DataFrame:
    present = set(results.runs["algorithm"])
    shown = {name: (entry.title, entry.sees) for name, entry in ALGORITHMS.items() if name in present}
    return table(results.runs, shown, results.titles)


FIGURES: dict[str, ComparisonFigure] = {
    "baselines": ComparisonFigure(
        place=40,
        title="Other methods",
        caption="All methods, tuned alike, at the same rollouts per agent: mean gap with 95 % t interval over "
        "runs; failed runs with Clopper-Pearson 95 %; communication. The gap is infinite if any run diverged.",
        wants=partial(_wants, "baselines", "method", 1),
        table=_of_results,
        draw=draw,
    ),
    "ablations": ComparisonFigure(
        place=50,
        title="Ablations",
        caption="PCPO with one part taken away, on the same fleets and at the same rollouts: mean gap with 95 % "
        "jackknife-t interval over runs; failed runs with Clopper-Pearson 95 %; communication.",
        wants=partial(_wants, "ablations", "ablation", 2),
        table=_of_results,
        draw=draw,
    ),
}
