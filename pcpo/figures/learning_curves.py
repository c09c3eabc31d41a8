"""Draw the figure `learning_curves`: exact gap of the local and the global gain against rollouts per agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.algorithms.schedule import ModelFree
from pcpo.experiments.comparison import all_right, run_means, share_right
from pcpo.figures.registry import ComparisonFigure, Configured, Results, Wanted
from pcpo.figures.style import (
    GLOBAL_COLOUR,
    LOCAL_COLOUR,
    PAGE,
    as_written,
    bare_minor_ticks,
    legend_above,
    modes,
    new_figure,
    panel_label,
    plain_log_ticks,
    wrapped,
)
from pcpo.simulation.noise import noise_law
from pcpo.statistics import FEWEST
from pcpo.theory.predictions import plan_gaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "table"]

_SERIES: dict[str, tuple[str, Any, str, str]] = {
    "local": ("local $X_i$", LOCAL_COLOUR, "s", "--"),
    "global": (r"global $\hat K_i$", GLOBAL_COLOUR, "o", "-"),
}


def table(runs: pd.DataFrame, predictions: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Average the runs' mean gaps over agents, with 95 % jackknife-t intervals over runs, by scenario and epoch.

    Args:
        runs: rows of runs, of PCPO or, where a scenario has none, of a method with a schedule of its own,
            whose rollouts are means over runs.
        predictions: columns scenario, epoch, local, global (`pcpo.theory.predictions.plan_gaps`), not fitted; without
            rows for a scenario that has no schedule.
        titles: what figures call the scenarios.

    Returns:
        Among the columns, clean: fraction of runs in which every set is correct *before* the epoch, so that only
        gradients of the cluster enter; correct: fraction of (run, agent) whose set is the true cluster at the end of
        the epoch; infinite: number of runs with at least one agent of infinite cost.
    """
    rows = []
    predicted = predictions.set_index(["scenario", "epoch"])
    for scenario, title in titles.items():
        own = runs[runs["scenario"] == scenario]
        own = own[own["algorithm"] == next(name for name in _methods() if (own["algorithm"] == name).any())]
        clean = _clean_before(own)
        for epoch, part in own.groupby("epoch"):
            for series in _SERIES:
                gaps = run_means(part, f"{series}_gap").to_numpy()
                found = statistics.mean(gaps)
                rows.append(
                    {
                        "scenario": scenario,
                        "title": title,
                        "series": series,
                        "epoch": epoch,
                        "rollouts": part["rollouts"].mean(),
                        "gap": found.estimate,
                        "ci_low": found.low,
                        "ci_high": found.high,
                        "predicted": predicted[series].get((scenario, epoch), np.nan),
                        "clean": clean[epoch],
                        "correct": share_right(part),
                        "infinite": int((~np.isfinite(gaps)).sum()),
                        "runs": len(gaps),
                        "mode": part["mode"].iloc[0],
                    }
                )
    return pd.DataFrame(rows)


def _clean_before(own: pd.DataFrame) -> dict[object, float]:
    """Return, by epoch, the fraction of runs whose sets were all correct at its begin; epoch 1 begins with [N]."""
    after = own.assign(right=all_right(own)).groupby(["epoch", "seed"])["right"].all().groupby("epoch").mean()
    clean: dict[object, float] = {int(str(epoch)) + 1: share for epoch, share in after.items()}
    return {**clean, 1: float(own["cluster"].nunique() == 1)}


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw a panel for each scenario, log-log: means with intervals, predictions dotted."""
    scenarios = list(dict.fromkeys(numbers["scenario"]))
    columns = min(3, len(scenarios))
    rows = -(-len(scenarios) // columns)
    titles = {s: _title(part["title"].iloc[0], columns) for s, part in numbers.groupby("scenario", sort=False)}
    lines = max(title.count("\n") for title in titles.values())
    figure = new_figure(PAGE, 0.7 + (2.1 + 0.14 * lines) * rows)
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for axes, scenario in zip(panels, scenarios, strict=False):
        _panel(axes, numbers[numbers["scenario"] == scenario], titles[scenario])
    for axes in panels[len(scenarios) :]:
        axes.set_axis_off()
    runs = sorted(set(numbers["runs"]))
    counted = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    shown = dict(zip(*reversed(_legend_of(panels)), strict=True))
    heading = f"Mean over {counted} runs with 95 % jackknife-t interval (of {FEWEST} and more); mode: {modes(numbers)}"
    legend_above(figure, list(shown.values()), list(shown), heading, ncols=4 if len(shown) <= 4 else 3)
    return figure


def _legend_of(panels: Any) -> tuple[list[Any], list[Any]]:
    handles, labels = [], []
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.append(handle)
            labels.append(label)
    return handles, labels


def _title(title: str, columns: int) -> str:
    """Break a title into lines that do not run into the panel beside it."""
    return wrapped(as_written(title), 0.9 * PAGE / columns - (0.5 if columns == 1 else 0.0))


def _panel(axes: Axes, part: pd.DataFrame, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for series in _SERIES:
        _series(axes, part[part["series"] == series].sort_values("rollouts"), series, part)
    clean = part.loc[part["clean"] > 0.5, "rollouts"]
    if len(clean):
        label = "clusters found before the epoch"
        axes.axvspan(clean.min() / 1.6, part["rollouts"].max() * 1.6, color="0.93", zorder=0, lw=0, label=label)
    axes.set_xlim(part["rollouts"].min() / 1.6, part["rollouts"].max() * 1.6)
    axes.set_xlabel("rollouts per agent")
    axes.set_ylabel(r"gap $C(K)-C^*$ (cost units)")
    last = part.sort_values("epoch")["correct"].iloc[-1]
    plain_log_ticks(axes.yaxis)
    bare_minor_ticks(axes.xaxis)
    panel_label(axes, f"{title}\nsets right at the end: {100 * last:.0f} %")


def _series(axes: Axes, one: pd.DataFrame, series: str, panel: pd.DataFrame) -> None:
    """Draw a curve, its interval and its prediction; an infinite mean is a triangle above, with the count of runs."""
    from matplotlib.patheffects import withStroke

    label, colour, marker, line = _SERIES[series]
    finite = np.isfinite(one["gap"])
    axes.plot(one["rollouts"], one["gap"].where(finite), color=colour, marker=marker, linestyle=line, label=label)
    low, high = one["ci_low"].where(finite), one["ci_high"].where(finite)
    axes.fill_between(one["rollouts"], low, high, color=colour, alpha=0.25, lw=0)
    known = one[((one["clean"] > 0.5) | (series == "local")) & one["predicted"].notna()]
    if len(known):
        name = "steady state predicted, no fit"
        axes.plot(known["rollouts"], known["predicted"], color="black", linestyle=":", marker="_", ms=5, label=name)
    top = 3 * panel.loc[np.isfinite(panel["gap"]), "gap"].max()
    for place, (_, row) in enumerate(one[~finite].iterrows()):
        key = None if place else f"{label}: infinite in k/n runs"
        axes.plot(row["rollouts"], top, "^", color=colour, mfc="none", clip_on=False, label=key)
        axes.annotate(
            f"{row['infinite']}/{row['runs']}",
            (row["rollouts"], top),
            ha="center",
            textcoords="offset points",
            xytext=(0, 5),
            fontsize=7,
            color=colour,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )


def _methods() -> list[str]:
    """List the methods whose curves may be drawn: of a scenario the first that it runs."""
    return ["pcpo", *(name for name, entry in ALGORITHMS.items() if entry.own_schedule)]


def _wants(configured: Configured) -> dict[str, Wanted]:
    scenarios = configured.untuned
    return {"learning_curves": Wanted(scenarios, _methods(), fleets=True, plans=True)} if scenarios else {}


def _of_results(results: Results) -> pd.DataFrame:
    predicted = [
        plan_gaps(e.fleet, e.planned, e.epochs, noise_law(e.noise)).assign(scenario=name)
        for name, e in results.experiments.items()
        if not isinstance(e.schedule, ModelFree)
    ]
    nothing = pd.DataFrame({"scenario": [], "epoch": [], "local": [], "global": []})
    return table(results.runs, pd.concat(predicted) if predicted else nothing, results.titles)


FIGURES: dict[str, ComparisonFigure] = {
    "learning_curves": ComparisonFigure(
        place=30,
        title="Learning curves",
        caption=r"Exact gap $C-C^*$ (cost units) of the local and the global gain against rollouts per agent: mean "
        "over runs with 95 % jackknife-t interval, beside the predicted steady state, which has no fitted "
        "parameter and needs a schedule.",
        wants=_wants,
        table=_of_results,
        draw=draw,
    )
}
