"""Draw the figure `variance_reduction`: what a baseline or a difference saves, beside the closed-form prediction."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.arrays import FloatArray
from pcpo.experiments.comparison import all_right, curves, rollouts_saved, run_means
from pcpo.experiments.experiment import Experiment
from pcpo.figures.registry import ComparisonFigure, Configured, Results, Wanted
from pcpo.figures.style import (
    COLUMN,
    as_written,
    legend_above,
    method_look,
    new_figure,
    panel_label,
    plain_log_ticks,
    wrapped,
)
from pcpo.oracles.protocol import Estimator
from pcpo.simulation.noise import noise_law
from pcpo.theory.predictions import steady_state_gap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ESTIMATORS", "FIGURES", "draw", "predicted_gaps", "table"]

ESTIMATORS: dict[str, Estimator] = {"pcpo": "one_point", "pcpo_centred": "one_point", "pcpo_two_point": "two_point"}


def predicted_gaps(experiment: Experiment) -> pd.DataFrame:
    """Predict the steady-state global gap by algorithm and epoch, mean over agents of the separated fleet.

    No parameter is fitted; `pcpo_centred` is predicted with the baseline C*.

    Returns:
        Columns algorithm, epoch, predicted.
    """
    fleet, law = experiment.fleet, noise_law(experiment.noise)
    sizes, rows = np.bincount(fleet.labels), []
    for plan in map(experiment.schedule.plan, range(1, experiment.epochs + 1)):
        radii, _ = plan.radius_global(sizes)
        for algorithm, estimator in ESTIMATORS.items():
            gaps = [
                steady_state_gap(
                    system,
                    step_size=plan.step_size,
                    radius=float(radii[j]),
                    minibatch=plan.minibatch * sizes[j],
                    law=law,
                    estimator=estimator,
                    baseline=float(fleet.optimal_costs[j]) if algorithm == "pcpo_centred" else 0.0,
                ).gap
                for j, system in enumerate(fleet.systems)
            ]
            rows.append({"algorithm": algorithm, "epoch": plan.epoch, "predicted": float(gaps @ sizes / fleet.N)})
    return pd.DataFrame(rows)


def table(runs: pd.DataFrame, predictions: pd.DataFrame, methods: Mapping[str, str]) -> pd.DataFrame:
    """Average gaps over runs by method and epoch, beside the prediction and the ratio to plain PCPO's gap.

    Returns:
        Among the columns, ratio: mean gap of the method over mean gap of PCPO at equal rollouts, runs paired by seed,
        95 % jackknife-t; clean: whether all sets of all runs were correct when the epoch began.
    """
    own = runs[runs["algorithm"].isin(list(methods))].assign(cluster=0)
    numbers = curves(own).merge(predictions, on=["algorithm", "epoch"], how="left")
    by_run = run_means(own, "global_gap", ("algorithm", "epoch", "seed"))
    plain = predictions[predictions["algorithm"] == "pcpo"].set_index("epoch")["predicted"]
    correct = own.assign(right=all_right(own)).groupby("epoch")["right"].all()
    one_cluster = runs["cluster"].nunique() == 1
    for k, row in numbers.iterrows():
        ours, base = by_run[row["algorithm"], row["epoch"]], by_run["pcpo", row["epoch"]]
        found = statistics.ratio(ours.to_numpy(), base.loc[ours.index].to_numpy())
        numbers.loc[k, ["ratio", "ratio_low", "ratio_high"]] = [found.estimate, found.low, found.high]
        numbers.loc[k, "predicted_ratio"] = row["predicted"] / plain[row["epoch"]]
        numbers.loc[k, "clean"] = bool(correct.get(row["epoch"] - 1, one_cluster))
    numbers["method"] = numbers["algorithm"].map(methods)
    return pd.concat([_with_savings(numbers, by_run, algorithm) for algorithm in methods], ignore_index=True)


def _with_savings(numbers: pd.DataFrame, by_run: pd.Series, algorithm: str) -> pd.DataFrame:
    """Add `saved` (95 % jackknife-t over seeds) and `predicted_saved` to a method's rows."""
    part = numbers[numbers["algorithm"] == algorithm].sort_values("epoch").reset_index(drop=True)
    base = numbers[numbers["algorithm"] == "pcpo"].sort_values("epoch")
    rollouts = part["rollouts"].to_numpy()
    runs = np.stack([by_run[name].unstack("epoch").to_numpy() for name in ("pcpo", algorithm)], axis=1)

    def saved(some: FloatArray) -> FloatArray:
        base, own = some.mean(axis=0)
        return rollouts_saved(base, own, rollouts)

    def saved_at(epoch: int, some: FloatArray) -> float:
        return float(saved(some)[epoch])

    part["saved"] = saved(runs)
    part["predicted_saved"] = rollouts_saved(base["predicted"].to_numpy(), part["predicted"].to_numpy(), rollouts)
    found = [statistics.jackknife(runs, partial(saved_at, k), logarithm=True) for k in range(len(part))]
    part["saved_low"], part["saved_high"] = [one.low for one in found], [one.high for one in found]
    return part


def draw(numbers: pd.DataFrame) -> Figure:
    """Draw gaps against rollouts and the ratio to plain PCPO's; rollouts saved for the same gap stand in words."""
    savings = _savings(numbers)
    figure = new_figure(COLUMN, 4.7 + 0.115 * savings.count("\n"))
    upper, lower = figure.subplots(2, 1)
    for k, (_, part) in enumerate(numbers.groupby("method", sort=False)):
        _curve(upper, part.sort_values("epoch"))
        if part["algorithm"].iloc[0] != "pcpo":
            _measured(lower, part[part["clean"]].sort_values("epoch"), k)
    labels = ("gap $C-C^*$ (cost units)", "gap / gap of PCPO")
    for axes, label in zip((upper, lower), labels, strict=True):
        if not any(np.isfinite(np.asarray(line.get_ydata(), dtype=np.float64)).any() for line in axes.lines):
            axes.set_axis_off()  # nothing to draw, and a logarithmic axis needs numbers
            continue
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("rollouts per agent")
        axes.set_ylabel(label)
        plain_log_ticks(axes.yaxis)
    panel_label(upper, "(a) global gap")
    panel_label(lower, "(b) at equal rollouts")
    figure.supxlabel(savings, fontsize=7, x=0.02, ha="left")
    handles, names = upper.get_legend_handles_labels()
    shown = dict(zip(names, handles, strict=True))
    heading = f"{numbers['runs'].iloc[0]} runs, 95 % jackknife-t intervals; mode: {numbers['mode'].iloc[0]}"
    legend_above(figure, list(shown.values()), list(shown), heading, ncols=2)
    return figure


def _savings(numbers: pd.DataFrame) -> str:
    """Write a line for each method: how many times fewer rollouts reach PCPO's gap, at the last epoch it reaches."""
    lines = []
    for _, part in numbers[numbers["algorithm"] != "pcpo"].groupby("method", sort=False):
        reached = part[part["clean"] & part["saved"].notna()].sort_values("epoch")
        if len(reached):
            row = reached.iloc[-1]
            span = "" if np.isnan(row["saved_low"]) else f" [{_times(row['saved_low'])}, {_times(row['saved_high'])}]"
            text = f"{as_written(row['method'])}: PCPO's gap of epoch {row['epoch']:g} with {_times(row['saved'])}"
            text += f"{span} times fewer rollouts (predicted: {_times(row['predicted_saved'])})"
            lines.append(wrapped(text, 0.95 * COLUMN, 7))
    return "\n".join(lines)


def _times(factor: float) -> str:
    """Write a factor with two digits, or as a whole number."""
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"


def _curve(axes: Axes, part: pd.DataFrame) -> None:
    colour, marker, line = method_look(part["algorithm"].iloc[0])
    finite = np.isfinite(part["gap"])
    axes.plot(
        part["rollouts"],
        part["gap"].where(finite),
        color=colour,
        marker=marker,
        ls=line,
        label=as_written(part["method"].iloc[0]),
    )
    low, high = part["ci_low"].where(finite), part["ci_high"].where(finite)
    axes.fill_between(part["rollouts"], low, high, color=colour, alpha=0.2, lw=0)
    clean = part[part["clean"]]
    axes.plot(clean["rollouts"], clean["predicted"], "k:", marker="_", label="steady state predicted, no fit")


def _measured(axes: Axes, part: pd.DataFrame, k: int) -> None:
    """Draw the ratio measured, with interval, and predicted; the two methods stand side by side."""
    colour, marker, _ = method_look(part["algorithm"].iloc[0])
    value = part["ratio"]
    spread = [(value - part["ratio_low"]).clip(lower=0), (part["ratio_high"] - value).clip(lower=0)]
    x = part["rollouts"] * 1.08 ** (k - 1.5)
    axes.errorbar(x, value, yerr=spread, color=colour, marker=marker, lw=0, elinewidth=1)
    axes.plot(part["rollouts"], part["predicted_ratio"], "k:", marker="_", markersize=8)


def _wants(configured: Configured) -> dict[str, Wanted]:
    """Draw the first untuned scenario that runs PCPO's estimators of smaller variance."""
    scenarios = [s for s in configured.untuned if "pcpo_two_point" in configured.scenarios[s]["algorithms"]]
    return {"variance_reduction": Wanted(scenarios[:1], list(ESTIMATORS), fleets=True, plans=True)} if scenarios else {}


def _of_results(results: Results) -> pd.DataFrame:
    [experiment] = results.experiments.values()
    shown = {name: ALGORITHMS[name].title for name in ESTIMATORS}
    return table(results.runs, predicted_gaps(experiment), shown)


FIGURES: dict[str, ComparisonFigure] = {
    "variance_reduction": ComparisonFigure(
        place=70,
        title="Smaller variance",
        caption="What subtracting a baseline, or taking a difference of two rollouts, saves in the gradient estimate: "
        "gap, and ratio to plain PCPO's at equal rollouts, with 95 % jackknife-t intervals over runs; in words, how "
        "many times fewer rollouts reach the gap of PCPO.",
        wants=_wants,
        table=_of_results,
        draw=draw,
    )
}
