"""Draw the figures of group `equal_costs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.algorithms.registry import ALGORITHMS
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.figures.style import COLUMN, Look, legend_above, method_look, new_figure, panel_label, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_SHUFFLED = "shuffled"
_AFTER = range(-2, 4)
_KNOWN = "oracle_clusters"
_FLEETS = {"equal": "equal cost", "reflected": "one gain"}


def _exact(tables: Tables) -> pd.DataFrame:
    """Tabulate the fraction of fleets with exact sets by epoch, with Clopper-Pearson limits."""
    frame, rows = tables["equal_costs"], []
    for method in ("pcpo_gains", "pcpo", _SHUFFLED):
        own = frame[frame["method"] == method]
        for after in _AFTER:
            # An epoch before the first does not count, nor one after the run's last.
            seen = own[(own["parted"] + after >= 1) & (own["parted"] + after <= own["epochs"])]
            if len(seen):
                found = statistics.proportion(int((seen["exact_from"] <= seen["parted"] + after).sum()), len(seen))
                numbers = {"value": found.estimate, "low": found.low, "high": found.high, "fleets": len(seen)}
                rows.append({"panel": "exact", "method": method, "after": after, **numbers})
    return pd.DataFrame(rows)


def _ratios(frame: pd.DataFrame, cell: str, methods: tuple[str, ...]) -> pd.DataFrame:
    """Tabulate the gaps over that of known clusters: geometric means over fleets with 95 % intervals."""
    wide = frame[frame["cell"] == cell].pivot(index="seed", columns="method", values="gap")
    rows = []
    for method in methods:
        runs = np.log((wide[method] / wide[_KNOWN]).dropna().to_numpy())
        found = statistics.mean(runs)
        low, middle, high = np.exp([found.low, found.estimate, found.high]).tolist()
        rows.append({"panel": "gap", "fleets_of": cell, "method": method, "value": middle, "low": low, "high": high,
                     "fleets": len(runs)})  # fmt: skip
    return pd.DataFrame(rows)


def _equal(tables: Tables) -> pd.DataFrame:
    """Tabulate both panels of figure `equal_costs`."""
    frame = tables["equal_costs"]
    gaps = _ratios(frame, "equal", ("pcpo_gains", "local", "pcpo"))
    return pd.concat([_exact(tables), gaps], ignore_index=True).assign(mode=frame["mode"].iloc[0])


def _look(method: str) -> tuple[Look, str]:
    """Return how a method is drawn, and its name."""
    if method == _SHUFFLED:
        return Look("#949494", "x", ":"), "gains of other agents (control)"
    name = method.removesuffix("_sync")
    return method_look(name), ALGORITHMS[name].title


def _points(axes: Axes, part: pd.DataFrame, x: pd.Series, look: Look, label: str) -> None:
    """Draw points with intervals, joined by a line."""
    bars = np.abs(np.stack([part["value"] - part["low"], part["high"] - part["value"]]))
    axes.errorbar(x, part["value"], bars, fmt=look.marker, ls=look.line, color=look.colour, lw=1, label=label)


def _beside_known(axes: Axes, part: pd.DataFrame) -> None:
    """Draw ratios of gaps, one row for a method, on a logarithmic axis."""
    for place, row in enumerate(part.to_dict("records")):
        look, _ = _look(str(row["method"]))
        bars = np.array([[row["value"] - row["low"]], [row["high"] - row["value"]]])
        axes.errorbar([row["value"]], [place], xerr=bars, fmt=look.marker, color=look.colour)
    axes.set_xscale("log")
    axes.axvline(1.0, color="k", ls=":", lw=0.8)
    axes.set_yticks(range(len(part)), [_look(str(method))[1] for method in part["method"]])
    axes.set_ylim(len(part) - 0.5, -0.5)


def _draw_equal(numbers: pd.DataFrame) -> Figure:
    """Draw the fraction of fleets with exact sets, and below it the gaps."""
    figure = new_figure(COLUMN, 4.1)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.5, 1])
    exact, gaps = (numbers[numbers["panel"] == panel] for panel in ("exact", "gap"))
    for shift, (method, part) in enumerate(exact.groupby("method", sort=False)):
        _points(upper, part, part["after"] + 0.06 * (shift - 1), *_look(str(method)))
    upper.set_xlabel("epochs after exact gains part them")
    upper.set_ylabel("fleets with exact sets")
    upper.set_ylim(-0.04, 1.04)
    panel_label(upper, "(a) clusters found")
    _beside_known(lower, gaps)
    lower.set_xlabel("gap / gap of known clusters")
    panel_label(lower, "(b) last epoch, equal rollouts")
    fleets = int(numbers["fleets"].max())
    text = f"{fleets} random fleets of equal cost, 95 % intervals; {numbers['mode'].iloc[0]}"
    handles, labels = upper.get_legend_handles_labels()
    legend_above(figure, handles, labels, text, 1, length=3.0)
    return figure


def _near(tables: Tables) -> pd.DataFrame:
    """Tabulate both panels of figure `equal_costs_near`."""
    frame = tables["equal_costs_near"]
    both = pd.concat([frame, tables["equal_costs_toso"]], ignore_index=True)
    pruned = both[both["cell"].isin(["close", "toso"]) & (both["method"] == "pcpo_gains")]
    earlier = pruned.assign(value=pruned["by_costs"] - pruned["exact_from"])
    counts = earlier.groupby(["cell", "value"]).size().rename("fleets").reset_index().assign(panel="epochs")
    gaps = _ratios(frame, "reflected", ("pcpo_gains_sync", "local"))
    return pd.concat([counts, gaps], ignore_index=True).assign(mode=frame["mode"].iloc[0])


def _draw_near(numbers: pd.DataFrame) -> Figure:
    """Draw the epochs of exact sets against those by costs alone, and below them the gaps of merged clusters."""
    figure = new_figure(COLUMN, 4.1)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.8, 1])
    epochs, gaps = (numbers[numbers["panel"] == panel] for panel in ("epochs", "gap"))
    for place, (cell, colour, hatch, label) in enumerate(
        (
            ("close", method_look("pcpo_gains").colour, "", "random fleets, costs .4 % apart"),
            ("toso", method_look("local").colour, "//", "toso2023, costs .26 % apart"),
        )
    ):
        part = epochs[epochs["cell"] == cell]
        share = part["fleets"] / part["fleets"].sum()
        look: Any = {"color": colour, "hatch": hatch, "edgecolor": "white", "lw": 0}
        upper.bar(
            part["value"] + 0.4 * (place - 0.5), share, 0.38, label=f"{label}: {part['fleets'].sum()} runs", **look
        )
    upper.axvline(0.0, color="k", ls=":", lw=0.8)
    upper.set_xlabel("epochs before exact costs part them")
    upper.set_ylabel("share of runs")
    panel_label(upper, "(a) close clusters, pruned by gains")
    _beside_known(lower, gaps)
    plain_log_ticks(lower.xaxis)
    lower.set_xlabel("gap / gap of known clusters")
    panel_label(lower, "(b) one optimal gain: merged")
    fleets = int(gaps["fleets"].max())
    text = f"{fleets} random fleets, 95 % intervals; {numbers['mode'].iloc[0]}"
    handles, labels = upper.get_legend_handles_labels()
    legend_above(figure, handles, labels, text, 1)
    return figure


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "equal_costs": EvidenceFigure(
        title="Clusters of equal optimal cost",
        caption=r"Above: fraction of random fleets whose sets are the true clusters, by epoch, from the first "
        r"one in which exact gains or costs would part the clusters: (7) with pruning by the distance of gains, (7) "
        r"alone, and gains that belong to other agents; Clopper-Pearson 95 % intervals. Below: gaps in the last epoch "
        r"over those of known clusters at the same rollouts, geometric means over fleets with 95 % intervals.",
        inputs=("equal_costs",),
        table=_equal,
        draw=_draw_equal,
    ),
    "equal_costs_near": EvidenceFigure(
        title="Clusters of nearly equal cost, and of one gain",
        caption=r"Above: by how many epochs sets are exact, with pruning by gains, before exact costs could part the "
        r"clusters; negative: later. Below: clusters of other dynamics but one optimal gain and cost, which stay "
        r"together: gap over that of the two clusters kept apart, at the same rollouts, geometric means over fleets "
        r"with 95 % intervals.",
        inputs=("equal_costs_near", "equal_costs_toso"),
        table=_near,
        draw=_draw_near,
    ),
}
