"""Draw the figures of the group "literal".

Every number drawn is in the table that is written beside the figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.literal.fleets import KINDS, MODE
from pcpo.evidence.literal.measures import GRID
from pcpo.figures.style import (
    COLUMN,
    GLOBAL_COLOUR,
    LOCAL_COLOUR,
    PAGE,
    bare_minor_ticks,
    cluster_colour,
    decade_ticks,
    heading,
    new_figure,
    panel_label,
    plain_log_ticks,
    whole_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "SECONDS_PER_YEAR"]

SECONDS_PER_YEAR = 365.25 * 86400
_AGE_OF_THE_UNIVERSE = 13.8e9  # years

_TITLES = {"scalar": "1 state, 1 input", "two": "2 states, 1 input", "three": "3 states, 2 inputs"}
_SHORT = {"scalar": "$n=m=1$", "two": "$n=2,m=1$", "three": "$n=3,m=2$"}
_RUNGS = {
    "literal": "literal: Table 2",
    "search": "certified → searched",
    "cap": r"no cap: $1/\rho^2\to\phi$",
    "phi": r"$\phi\to h_{\max}$",
    "rho": r"$\rho\to$ doubling radius",
    "lambda": r"$\lambda\to\sqrt{2h_{\max}\tilde\Delta_0}$",
    "mu": r"$\mu\to 2h_{\min}$",
    "G": r"$G_\infty\to\sqrt{V}$",
    "factors": r"factors: $9216\to16$",
    "condition": r"$Dh_{\max}/h_{\min}\to1$",
    "rate": r"rate: $4/\eta\mu\to1/\eta\mu$",
    "kappa": r"$\kappa_M$",
}


def looseness_table(tables: Tables) -> pd.DataFrame:
    """Tabulate the ladder from the literal to the calibrated constants.

    Returns:
        A row per kind and rung: T, M, R and the decades saved (at the rung, alone, and in the mean over orders) for the
        fleet of the smallest seed, which is that of the runs; range of the decades saved over all fleets of the kind.
    """
    table = tables["literal_ladder"]
    first = table[table["seed"] == table["seed"].min()].set_index(["kind", "rung"])
    by_rung = table.groupby(["kind", "rung"])["saved"].agg(["min", "max", "count"])
    found = first.join(by_rung.rename(columns={"min": "saved_least", "max": "saved_most", "count": "fleets"}))
    columns = ["name", "rollouts", "minibatch", "iterations", "saved", "saved_least", "saved_most", "alone", "shapley"]
    order = {kind: k for k, kind in enumerate(KINDS)}
    chosen: pd.DataFrame = found[[*columns, "Delta_L", "epochs", "fleets"]].reset_index()
    return chosen.sort_values("kind", key=lambda kinds: kinds.map(order), kind="stable").reset_index(drop=True)


def draw_looseness(numbers: pd.DataFrame) -> Figure:
    """Draw T at each rung: bars for the last kind of fleet, markers for the other kinds.

    At the right stand T of the bars and the decades saved at the rung.
    """
    kinds = list(dict.fromkeys(numbers["kind"]))
    figure = new_figure(COLUMN, 4.0)
    axes = figure.subplots()
    shown = numbers[numbers["kind"] == kinds[-1]].reset_index(drop=True)
    y = {name: k for k, name in enumerate(shown["name"])}
    low = 10.0 ** np.floor(np.log10(numbers["rollouts"].min()) - 1)
    axes.barh(list(y.values()), shown["rollouts"] - low, left=low, height=0.62, color=cluster_colour(0)[0], alpha=0.45)
    for k, kind in enumerate(kinds):
        part = numbers[(numbers["kind"] == kind) & numbers["name"].isin(list(y))]
        if kind == kinds[-1]:
            axes.plot([], [], "s", color=cluster_colour(0)[0], alpha=0.45, ms=6, label=f"bars: {_SHORT[kind]}")
            continue
        colour, marker = cluster_colour(k + 1)
        axes.plot(part["rollouts"], part["name"].map(y), marker, color=colour, label=_SHORT[kind], mfc="white")
    axes.set_xscale("log")
    axes.set_xlim(low, numbers["rollouts"].max() * 10)
    decade_ticks(axes.xaxis, most=6)
    axes.set_yticks(list(y.values()), [_RUNGS[name] for name in y])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(list(y.values()), [_rung_label(row) for row in shown.to_dict("records")], fontsize=7)
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)
    first = shown.iloc[0]
    axes.set_xlabel(rf"rollouts per agent to $\Delta_{{\bar L}}$, $\bar L={int(first['epochs'])}$")
    words = "From literal to calibrated constants, a fleet of each size;\n"
    words += "exact (closed forms); right: the bars' value, decades at the rung"
    figure.legend(
        loc="outside upper center", ncols=3, title=words, title_fontsize=7, columnspacing=1, handletextpad=0.3
    )
    return figure


def _rung_label(row: Mapping[Any, Any]) -> str:
    """Write T of a rung, and the decades that the rung saves."""
    text = f"$10^{{{np.log10(row['rollouts']):.1f}}}$"
    if row["name"] == "literal":
        return text
    return text + (f" ($-${row['saved']:.1f})" if abs(row["saved"]) >= 0.05 else " (0)")


_SERIES = {
    "bound_9": (r"bound (9), by $T$", "0.55", "^", ":"),
    "bound_35": (r"bound (35), by $M_l$", "black", "D", "--"),
    "target": (r"$\Delta_l/8$, eq. (23a)", "0.55", "", "-"),
    "local_gap": ("local gap", LOCAL_COLOUR, "s", "--"),
    "global_gap": ("global gap", GLOBAL_COLOUR, "o", "-"),
}


def literal_table(tables: Tables) -> pd.DataFrame:
    """Tabulate gaps and bounds by fleet, epoch and series.

    Returns:
        Mean over runs with a jackknife-t 95 % interval (bounds, which are the same in all runs, have none); decades_35
        and decades_9: log10 of the right-hand sides of (35) and (9) over the mean global gap.
    """
    table = tables["literal_runs"]
    table = table[table["role"] == "grid"].assign(target=lambda t: t["Delta_l"] / 8)
    rows = []
    for (kind, epoch), part in table.groupby(["kind", "epoch"]):
        gap = float(part["global_gap"].mean())
        fixed = {"kind": kind, "epoch": epoch, "L": int(part["L"].iloc[0]), "runs": len(part)}
        fixed |= {"minibatch": part["minibatch"].iloc[0], "iterations": part["iterations"].iloc[0]}
        fixed |= {error: float(part[error].max()) for error in ("covariance_error", "mean_error")}
        fixed |= {"decades_35": np.log10(part["bound_35"].iloc[0] / gap)}
        fixed |= {"decades_9": np.log10(part["bound_9"].iloc[0] / gap)}
        for series in _SERIES:
            values = part[series].to_numpy(dtype=np.float64)
            found = statistics.mean(values)
            rows.append({**fixed, "series": series, "mean": found.estimate, "low": found.low, "high": found.high})
    return pd.DataFrame(rows).assign(mode=MODE)


def draw_literal(numbers: pd.DataFrame) -> Figure:
    """Draw bounds and gaps by epoch, a panel per fleet, with the decades between (35) and the global gap."""
    kinds = [kind for kind in KINDS if kind in set(numbers["kind"])]
    figure = new_figure(PAGE, 3.1)
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axes, kind in zip(panels, kinds, strict=True):
        part = numbers[numbers["kind"] == kind]
        _curves(axes, part)
        last = part[part["epoch"] == part["epoch"].max()].set_index("series")
        x, bound, gap = last["epoch"].iloc[0], last.loc["bound_35", "mean"], last.loc["global_gap", "mean"]
        axes.annotate("", (x, gap), (x, bound), arrowprops={"arrowstyle": "<->", "lw": 0.6, "color": "0.3"})
        middle = float(np.sqrt(bound * gap))
        axes.text(x - 0.08, middle, f"{last['decades_35'].iloc[0]:.1f}\ndecades", ha="right", va="center", fontsize=7)
        panel_label(axes, f"{_TITLES[kind]}: $M_1=10^{{{np.log10(part['minibatch'].min()):.1f}}}$")
    panels[0].set_ylabel("cost units")
    handles, labels = panels[0].get_legend_handles_labels()
    words = f"{int(numbers['runs'].min())} runs of each fleet, jackknife-t 95 %; mode: {numbers['mode'].iloc[0]}\n"
    words += (
        f"moments carried along: covariances within {_power(numbers['covariance_error'].max())} of the exact ones, "
    )
    words += f"means within {_power(numbers['mean_error'].max())} standard deviations"
    figure.legend(handles, labels, loc="outside upper center", ncols=5, title=words, title_fontsize=7)
    return figure


def _power(error: float) -> str:
    """Write an error with one digit and a power of ten, rounded up."""
    decade = math.floor(math.log10(error)) if error > 0 else 0
    return rf"${math.ceil(error / 10**decade)}\times10^{{{decade}}}$"


def _curves(axes: Axes, part: pd.DataFrame) -> None:
    """Draw the series of a fleet, with bands for the intervals of the gaps."""
    for series, (label, colour, marker, line) in _SERIES.items():
        rows = part[part["series"] == series].sort_values("epoch")
        axes.plot(rows["epoch"], rows["mean"], color=colour, marker=marker or None, ls=line, label=label)
        if series.endswith("gap"):
            axes.fill_between(rows["epoch"], rows["low"], rows["high"], color=colour, alpha=0.25, lw=0)
    axes.axvline(float(part["L"].iloc[0]), color="0.8", lw=4, zorder=0)
    axes.set_yscale("log")
    decade_ticks(axes.yaxis, most=8)
    whole_ticks(axes.xaxis)
    axes.set_xlabel("epoch $l$ (band: $L$)")


def years_table(tables: Tables) -> pd.DataFrame:
    """Tabulate every value of Table 2 by fleet and epoch, with the years that T_l and T take on one core per agent.

    The speed is that of the study `literal_speed`.
    """
    table = tables["literal_table"]
    table = table[table["seed"] == table["seed"].min()].drop(columns="seed")
    measured = tables["literal_speed"].groupby("cell").agg(speed=("speed", "max"), horizon=("horizon", "first"))
    found: pd.DataFrame = table.join(measured, on="cell")
    found["years"] = found["rollouts"] / found["speed"] / SECONDS_PER_YEAR
    found["years_total"] = found["total"] / found["speed"] / SECONDS_PER_YEAR
    return found.reset_index(drop=True)


def draw_years(numbers: pd.DataFrame) -> Figure:
    """Draw the years that all epochs of a fleet take on one core per agent."""
    last = numbers[numbers["epoch"] == numbers.groupby("cell")["epoch"].transform("max")].reset_index(drop=True)
    figure = new_figure(COLUMN, 1.3 + 0.24 * len(last))
    axes = figure.subplots()
    y = np.arange(len(last))
    axes.barh(y, last["years_total"], height=0.6, color=cluster_colour(0)[0], alpha=0.6)
    for k, row in enumerate(last.to_dict("records")):
        text = f"$T=10^{{{np.log10(row['total']):.1f}}}$, $R_l$ to $10^{{{np.log10(row['iterations']):.1f}}}$"
        axes.text(1.5, k, text, va="center", fontsize=7)
    axes.axvline(_AGE_OF_THE_UNIVERSE, color="black", ls="--", lw=0.8)
    axes.text(_AGE_OF_THE_UNIVERSE, -0.75, "age of the universe", fontsize=7, ha="center")
    axes.set_xscale("log")
    axes.set_xlim(1.0, last["years_total"].max() * 10)
    decade_ticks(axes.xaxis, most=7)
    shape = [f"{row.cell}\n$n={row.states},m={row.inputs}$" for row in last.itertuples()]
    axes.set_yticks(y, [label.replace("_", " ") for label in shape])
    axes.invert_yaxis()
    axes.set_xlabel("years of one core per agent")
    low, high = last["speed"].min(), last["speed"].max()
    heading(figure, f"mode: literal; at the measured speed, {low / 1e6:.1f} to {high / 1e6:.1f} million rollouts/s")
    return figure


def sizes_table(tables: Tables) -> pd.DataFrame:
    """Tabulate √|M|·(mean gap)/(local prediction) by size, epoch and sequence, with intervals over runs."""
    table = tables["literal_sizes"]
    table = table[(table["cell"] == GRID) & (table["epoch"] > table["L"])]
    rows = []
    for (size, epoch), part in table.groupby(["size", "epoch"]):
        for series in ("local", "global"):
            found = statistics.mean((part[f"{series}_gap"] / part["local_prediction"]).to_numpy(dtype=np.float64))
            numbers = {"mean": found.estimate, "low": found.low, "high": found.high}
            rows.append({"size": size, "epoch": epoch, "series": series, **numbers, "runs": len(part)})
    return pd.DataFrame(rows).assign(mode=MODE)


def draw_sizes(numbers: pd.DataFrame) -> Figure:
    """Draw mean gaps over the local prediction against |M|, beside |M|^(−1/2) and |M|^(−1/4)."""
    figure = new_figure(COLUMN, 2.6)
    axes = figure.subplots()
    sizes = np.array(sorted(numbers["size"].unique()), dtype=np.float64)
    for power, style in ((0.5, "-"), (0.25, ":")):
        axes.plot(
            sizes, sizes**-power, style, color="black", lw=0.8, label=rf"$|\mathcal{{M}}|^{{-1/{round(1 / power)}}}$"
        )
    last = numbers[numbers["epoch"] == numbers["epoch"].max()]
    for series, colour, marker in (("local", LOCAL_COLOUR, "s"), ("global", GLOBAL_COLOUR, "o")):
        part = last[last["series"] == series]
        bars = np.abs(np.stack([part["mean"] - part["low"], part["high"] - part["mean"]]))
        axes.errorbar(part["size"], part["mean"], bars, fmt=marker, color=colour, lw=1, label=f"{series} gap")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    bare_minor_ticks(axes.xaxis)
    plain_log_ticks(axes.yaxis)
    axes.set(xlabel=r"cluster size $|\mathcal{M}|$", ylabel="mean gap / local prediction")
    axes.legend(loc="lower left")
    runs, epoch = int(last["runs"].max()), int(last["epoch"].max())
    panel_label(axes, f"epoch {epoch}, {runs} runs, 95 % jackknife-t;\n{MODE}")
    return figure


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "looseness": EvidenceFigure(
        title="From the printed constants to the calibrated ones",
        caption=(
            r"Rollouts per agent to the same $\Delta_{\bar L}$, from Table 2 as printed (top) to the calibrated "
            "schedule (bottom), one replacement after another, in closed form. In brackets: decades saved at the rung, "
            "for the fleet of the bars. The order matters: for every replacement, the numbers beside the figure hold "
            "what it saves alone, starting from the printed constants, and its mean over all orders (Shapley value). "
            r"$V=E\,C(K;Z)^2$; $h$: eigenvalues of the Hessian."
        ),
        inputs=("literal_ladder",),
        table=looseness_table,
        draw=draw_looseness,
    ),
    "literal": EvidenceFigure(
        title="PCPO with the printed constants",
        caption=(
            "PCPO with the constants of Table 2 as printed (literal, moment oracle): mean gaps over runs with "
            "jackknife-t 95 % intervals, beside the right-hand sides of (35) and (9), were each epoch the last, and "
            r"$\Delta_l/8$ of (23a). Units of cost, $C^*_1=20$. The number in each panel is the distance between (35) "
            "and the mean global gap, in decades."
        ),
        inputs=("literal_runs",),
        table=literal_table,
        draw=draw_literal,
    ),
    "literal_sizes": EvidenceFigure(
        title="The printed constants: gaps against the size of the cluster",
        caption=(
            r"Mean gap over the steady-state prediction for one agent, against $|\mathcal{M}|$, in one fleet with "
            r"clusters "
            "of 1, 4 and 16 agents; 95 % intervals over runs. Local gaps stay at 1. Global gaps follow the square root "
            "(solid), and not the fourth root (dotted)."
        ),
        inputs=("literal_sizes",),
        table=sizes_table,
        draw=draw_sizes,
    ),
    "literal_years": EvidenceFigure(
        title="The time that the printed constants would take",
        caption=(
            "What Table 2 as printed would cost for published fleets and random scenarios at their configured "
            r"$\Delta_0$: years of one core per agent, at the speed of the rollout engine, which was measured once and "
            "is stored with the code. The numbers beside the figure hold every value of Table 2 at every epoch and the "
            "guarantee of each constant."
        ),
        inputs=("literal_table", "literal_speed"),
        table=years_table,
        draw=draw_years,
    ),
}
