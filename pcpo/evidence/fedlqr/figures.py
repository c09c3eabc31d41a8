"""Draw FedLQR's experiment: gaps against rounds, and what the claims measure by both measures of a gain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.fedlqr.measures import QUANTITIES, STUDY, estimated, noise_free
from pcpo.evidence.fedlqr.studies import CONDITIONS, MEASURES
from pcpo.figures.style import PAGE, cluster_colour, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_POINTS = 60  # rounds drawn, evenly in the logarithm

_PANELS = {
    "(a) published: agents differ, ε = 0.01": {"number_1": "M = 1", "number_10": "M = 10", "number_50": "M = 50"},
    "(b) control: identical agents": {"number_1": "M = 1", "copies_10": "M = 10", "copies_50": "M = 50"},
    "(c) published: heterogeneity, M = 10": {"level_0": "ε = 0", "level_0.1": "ε = 0.1", "level_0.5": "ε = 0.5"},
}

#: Claims of figure `fedlqr_measures` by panel, and what stands beside each; linear_… measures the same as speed_….
_RATIOS = {
    "speed_10": "rounds, M = 10",
    "speed_50": "rounds, M = 50",
    "copies_10": "rounds, 10 copies",
    "copies_50": "rounds, 50 copies",
    "spread_10": "spread, 10 copies",
    "spread_50": "spread, 50 copies",
}
_OTHERS = {"bias_low": "gap, ε 0 less 0.1", "bias_high": "gap, ε 0.1 less 0.5", "floor": "|log(growth / floor's)|"}


def replication_table(tables: Tables) -> pd.DataFrame:
    """Compute the mean over runs with its BCa interval, by condition, measure and round, beside the noise-free run.

    Column floor: the exact gap of the best common gain; infinite: runs whose gap is infinite.
    """
    runs = tables[STUDY]
    shown = _rounds(np.unique(runs["round"].to_numpy()))
    rows = []
    for name in [known for known in CONDITIONS if known in set(runs["cell"])]:
        own = runs[(runs["cell"] == name) & runs["round"].isin(shown)]
        for measure in MEASURES:
            for number, part in own.groupby("round"):
                found = statistics.mean(part[measure].to_numpy())
                rows.append(
                    {
                        "condition": name,
                        "agents": CONDITIONS[name].agents,
                        "eps": CONDITIONS[name].eps,
                        "measure": measure,
                        "round": number,
                        "gap": found.estimate,
                        "ci_low": found.low,
                        "ci_high": found.high,
                        "noise_free": part[f"{measure}_noise_free"].iloc[0],
                        "floor": part[f"{measure}_floor"].iloc[0],
                        "infinite": int((~np.isfinite(part[measure])).sum()),
                        "runs": len(part),
                    }
                )
    return pd.DataFrame(rows)


def _rounds(known: Any) -> Any:
    """Choose the first round, the last, and some between, evenly in the logarithm."""
    wanted = np.geomspace(1, len(known), min(_POINTS, len(known))).round().astype(np.int64) - 1
    return known[np.unique(wanted)]


def draw_replication(numbers: pd.DataFrame) -> Figure:
    """Draw a panel per group, logarithmic in rounds, for measure "own": mean with interval, noise-free run, floor."""
    figure = new_figure(PAGE, 3.1)
    own = numbers[(numbers["measure"] == "own") & (numbers["round"] > 0)]
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (title, curves) in zip(panels, _PANELS.items(), strict=True):
        for place, (name, label) in enumerate(curves.items()):
            _curve(axes, own[own["condition"] == name].sort_values("round"), label, place)
        axes.set_xscale("log")
        axes.set_ylim(-0.1, 1.15 * own["gap"].where(np.isfinite(own["gap"])).max())
        axes.set_xlabel("round")
        axes.legend(loc="upper right", handlelength=2.4)
        panel_label(axes, title)
    panels[0].set_ylabel(r"normalised gap $(C_1(K)-C_1^*)/C_1^*$")
    grey: dict[str, Any] = {"color": "0.3"}
    handles = [
        panels[0].plot([], [], ls="-", lw=2, **grey)[0],
        panels[0].plot([], [], ls=(0, (1, 1)), **grey)[0],
        panels[0].plot([], [], ls="none", marker="<", **grey)[0],
    ]
    runs = " or ".join(map(str, sorted(set(own["runs"]))))
    names = [f"mean over {runs} runs, 95 % jackknife-t interval", "without noise", "best common gain (if above 0)"]
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


def _curve(axes: Axes, one: pd.DataFrame, label: str, place: int) -> None:
    """Draw mean, interval, noise-free run, and the floor as a mark at the right edge."""
    if one.empty:
        return
    colour, marker = cluster_colour(place)
    every = max(1, len(one) // 6)
    options: dict[str, Any] = {"color": colour, "marker": marker, "markevery": (place, every), "label": label}
    finite = np.isfinite(one["gap"])
    axes.plot(one["round"], one["gap"].where(finite), **options)
    axes.fill_between(
        one["round"], one["ci_low"].where(finite), one["ci_high"].where(finite), color=colour, alpha=0.25, lw=0
    )
    axes.plot(one["round"], one["noise_free"], color=colour, ls=(0, (1, 1)), lw=0.9)
    if one["floor"].iloc[0] > 1e-9:
        axes.plot(
            1.0, one["floor"].iloc[0], transform=axes.get_yaxis_transform(), marker="<", color=colour, clip_on=False
        )


def measures_table(tables: Tables) -> pd.DataFrame:
    """Compute what every claim measures, by both measures of a gain, beside the same of the noise-free recursion."""
    rows = []
    for claim, quantity in QUANTITIES.items():
        for measure in MEASURES:
            found = estimated(quantity, tables, measure)
            numbers = {"estimate": found.estimate, "ci_low": found.low, "ci_high": found.high}
            numbers |= {"noise_free": noise_free(quantity, tables, measure), "bound": found.predicted}
            rows.append(
                {"claim": claim, "quantity": quantity.name, "measure": measure, **numbers, "runs": found.n_runs}
            )
    return pd.DataFrame(rows)


def draw_measures(numbers: pd.DataFrame) -> Figure:
    """Draw every quantity with its interval by both measures, its bound, and its value without noise."""
    figure = new_figure(PAGE, 2.8)
    left, right = figure.subplots(1, 2)
    _rows(left, numbers, _RATIOS)
    _rows(right, numbers, _OTHERS)
    left.set_xscale("log")
    left.set_xlabel("relative to one agent")
    right.set_xlabel("dimensionless")
    panel_label(left, "(a) rounds and spread")
    panel_label(right, "(b) final gaps")
    handles, labels = left.get_legend_handles_labels()
    runs = " or ".join(map(str, sorted(set(numbers["runs"]))))
    title = f"{runs} runs, 95 % jackknife-t intervals"
    figure.legend(handles, labels, loc="outside upper center", ncols=5, title=title, title_fontsize=7)
    return figure


def _rows(axes: Axes, numbers: pd.DataFrame, shown: dict[str, str]) -> None:
    """Draw a row per claim, from top to bottom: an interval per measure, crosses without noise, bars for the bounds."""
    for place, measure in enumerate(MEASURES):
        own = numbers[numbers["measure"] == measure].set_index("claim").loc[list(shown)]
        y = -np.arange(len(own)) - 0.3 * (place - 0.5)
        x = own["estimate"].where(np.isfinite(own["estimate"]))
        errors = np.nan_to_num(np.stack([x - own["ci_low"], own["ci_high"] - x]), posinf=0.0).clip(min=0)
        colour, marker = cluster_colour(place)
        axes.errorbar(x, y, xerr=errors, fmt=marker, color=colour, lw=1, label=f"measure {measure}")
        quiet: dict[str, Any] = {"color": "0.3", "marker": "x", "ls": "none", "ms": 5}
        axes.plot(own["noise_free"], y, label="without noise" if place else None, **quiet)
    bounds = numbers[numbers["measure"] == MEASURES[0]].set_index("claim")["bound"]
    rows = {claim: -row for row, claim in enumerate(shown)}
    bar: dict[str, Any] = {"marker": "|", "ms": 9, "mew": 1.5, "ls": "none"}
    axes.plot(bounds[list(shown)], list(rows.values()), color="black", label="bound that is claimed", **bar)
    if linear := {claim.replace("speed", "linear"): row for claim, row in rows.items() if claim.startswith("speed")}:
        label = "linear speed-up, 1/M"
        axes.plot(bounds[list(linear)], list(linear.values()), color="grey", label=label, **bar)
    axes.set_yticks(list(rows.values()), list(shown.values()))


FIGURES: dict[str, EvidenceFigure] = {
    "fedlqr_replication": EvidenceFigure(
        title="FedLQR's experiment in its own setting",
        caption="Normalised gap of the nominal agent against rounds, by number of agents $M$ and by heterogeneity "
        "$\\varepsilon$, with the control of identical agents: mean over runs with 95 % jackknife-t interval, and the "
        "run without noise.",
        table=replication_table,
        draw=draw_replication,
    ),
    "fedlqr_measures": EvidenceFigure(
        title="What the claims measure, by both measures of a gain",
        caption="Every quantity of the claims, estimated from the runs (jackknife, 95 %), by the measure that the "
        "agents learn (own) and by that of the authors' programs (published), with the bound that is claimed and the "
        "value of the same recursion with exact gradients. (a) Rounds until the mean gap is half of the initial gap, "
        "and standard deviation over runs, relative to one agent; a linear speed-up would be at $1/M$. (b) Mean final "
        "gap at the lower less that at the higher level of heterogeneity, and how far the growth of the gap is from "
        "that of the floor. All dimensionless.",
        table=measures_table,
        draw=draw_measures,
    ),
}
