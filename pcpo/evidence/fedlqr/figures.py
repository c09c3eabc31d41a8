"""Figure `fedlqr_replication`: normalised gap of the nominal agent against rounds, by fleet size and heterogeneity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.evidence.fedlqr.studies import CONDITIONS, MEASURES
from pcpo.figures.style import PAGE, cluster_colour, new_figure, panel_label
from pcpo.statistics import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "table"]

_POINTS = 60  # rounds drawn, evenly in the logarithm

_PANELS = {
    "(a) published: agents differ, ε = 0.01": {"number_1": "M = 1", "number_10": "M = 10", "number_50": "M = 50"},
    "(b) control: identical agents": {"number_1": "M = 1", "copies_10": "M = 10", "copies_50": "M = 50"},
    "(c) published: heterogeneity, M = 10": {"level_0": "ε = 0", "level_0.1": "ε = 0.1", "level_0.5": "ε = 0.5"},
}


def table(runs: pd.DataFrame, floors: pd.DataFrame) -> pd.DataFrame:
    """Mean over runs with 95 % BCa interval, by condition, measure and round; beside it the run without noise.

    floors: columns condition, measure, floor (`fedlqr_conditions.floors`), the exact gap of the best common gain.
    infinite: runs whose gap is infinite.
    """
    floor = floors.set_index(["condition", "measure"])["floor"]
    sampled = runs[runs["oracle"] == "rollouts"]
    quiet = runs[runs["oracle"] == "exact"].set_index(["condition", "round"])
    shown = _rounds(np.unique(runs["round"].to_numpy()))
    rows = []
    for name in [known for known in CONDITIONS if known in set(runs["condition"])]:
        own = sampled[(sampled["condition"] == name) & sampled["round"].isin(shown)]
        for measure in MEASURES:
            for number, part in own.groupby("round"):
                found = mean_interval(part[measure].to_numpy())
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
                        "noise_free": quiet.loc[(name, number), measure],
                        "floor": floor[(name, measure)],
                        "infinite": int((~np.isfinite(part[measure])).sum()),
                        "runs": len(part),
                    }
                )
    return pd.DataFrame(rows)


def _rounds(known: Any) -> Any:
    """The first round, the last, and some between, evenly in the logarithm."""
    wanted = np.geomspace(1, len(known), min(_POINTS, len(known))).round().astype(np.int64) - 1
    return known[np.unique(wanted)]


def draw(numbers: pd.DataFrame) -> Figure:
    """A panel per group, logarithmic in rounds, of the learnt cost: mean with interval, run without noise, floor."""
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
    names = [f"mean over {runs} runs, 95 % bootstrap interval", "without noise", "best common gain (if above 0)"]
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


def _curve(axes: Axes, one: pd.DataFrame, label: str, place: int) -> None:
    """Mean, interval, noise-free run, and the floor as a mark at the right edge."""
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
