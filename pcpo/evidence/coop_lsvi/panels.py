"""Draw the pictures of CoopLSVI from their numbers, one column wide, with the lines labelled at their ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.figures.style import (
    COLUMN,
    cluster_colour,
    decade_ticks,
    heading,
    legend_above,
    new_figure,
    panel_label,
    plain_log_ticks,
    runs_words,
)
from pcpo.statistics import FEWEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SWEPT", "draw_communication", "draw_heterogeneity", "draw_pareto", "draw_regret", "draw_sizes", "order"]

#: Labels of the algorithms of `coop_regret`, by panel.
_SHARING = {
    "every": "every episode",
    "shared": "$S=1$",
    "remark": "Remark 2",
    "alone": "alone",
    "pooled": "one agent",
}
_WIDTHS = {
    "proof": r"$\beta$ of the proofs",
    "theorem": r"$\beta$ of Theorem 1",
    "third": r"$0.3\,\beta$",
    "shared": "calibrated",
    "greedy": r"$0.01\,\beta$",
    "no_bonus": r"$\beta=0$",
}
#: Labels of the algorithms of `coop_heterogeneity`.
_MIXED = {
    "told": r"$\xi$ in $\beta$",
    "untold": r"no $\xi$ in $\beta$",
    "contexts": "Algorithm 3",
    "ignored": "mean context",
    "plain": r"$\phi$ alone",
    "alone": "alone",
}
#: What varies in the panels of `coop_communication`, with its symbol.
SWEPT = {"episodes": "T", "threshold": "S", "agents": "M", "dimension": "d"}
_SWEPT_NAMES = {"episodes": "episodes", "threshold": "threshold", "agents": "agents", "dimension": "features"}
#: What varies in the panels of `coop_sizes`: axis, and the exponent of its bound.
_SIZES = {
    "d": ("features, $d$", 1.5),
    "H": ("horizon, $H$", 2.0),
    "S": ("threshold, $S$", 0.5),
    "k": ("with contexts, $d+k$", 1.0),
    "M": ("agents with contexts, $M$", 0.5),
}
#: Numbers of the colours of the algorithms, the same in all figures of this study: "alone" is that of Local PO.
_COLOURS = {
    "shared": 0, "untold": 0, "alone": 1, "remark": 2, "contexts": 2, "theorem": 3, "told": 3, "pooled": 4, "greedy": 4,
    "plain": 4, "third": 5, "ignored": 5, "proof": 7, "every": 9, "no_bonus": 9,
    "S = 2": 0, "S = 8": 2, "S = 32": 3,
}  # fmt: skip
#: Points of a label's height with the space that it needs.
_LINE = 8.0


_MEANS = f"means, 95 % jackknife-t intervals over runs ({FEWEST} and more)"


def _curve(axes: Axes, part: pd.DataFrame, k: int, style: str = "-", label: str = "") -> None:
    """Draw the curve x, y with intervals low, high; k chooses colour and marker."""
    colour, marker = cluster_colour(k)
    off = np.abs(part[["low", "high"]].to_numpy() - part[["y"]].to_numpy()).T
    axes.errorbar(
        part["x"], part["y"], np.nan_to_num(off), color=colour, marker=marker, ls=style, elinewidth=0.8, label=label
    )


def _label_ends(axes: Axes, ends: Mapping[str, tuple[float, int]]) -> None:
    """Write labels beside the right ends of lines, moved apart where they would touch.

    Args:
        axes: with its final scales and limits; its figure has its final size.
        ends: from the label to the height at which its line ends, and the number of its colour.
    """
    height = 72 * axes.bbox.height / axes.figure.dpi
    to_points = axes.transScale + axes.transLimits
    ordered = sorted(ends.items(), key=lambda item: item[1][0])
    wanted = [height * float(to_points.transform((axes.get_xlim()[1], y))[1]) for _, (y, _) in ordered]
    for (label, (_, k)), at in zip(ordered, _apart(wanted, height), strict=True):
        axes.annotate(
            label,
            (1.02, at / height),
            xycoords="axes fraction",
            color=cluster_colour(k)[0],
            fontsize=7,
            va="center",
            annotation_clip=False,
        )


def _apart(wanted: list[float], top: float) -> list[float]:
    """Move ascending heights at least `_LINE` apart, as little as needed from below, and back down below `top`."""
    placed: list[float] = []
    for at in wanted:
        placed.append(max(at, placed[-1] + _LINE) if placed else at)
    limit = max(top, _LINE * (len(placed) - 1))
    for k in reversed(range(len(placed))):
        placed[k] = min(placed[k], limit)
        limit = placed[k] - _LINE
    return placed


def _ends(
    axes: Axes, numbers: pd.DataFrame, labels: Mapping[str, str], style: str = "-"
) -> dict[str, tuple[float, int]]:
    """Draw the series of a panel and return where their lines end."""
    ends = {}
    for place, (name, label) in enumerate(labels.items()):
        part = numbers[numbers["series"] == name].sort_values("x")
        if part.empty:
            continue
        k = _COLOURS.get(name, place)
        _curve(axes, part, k, style)
        x, y = float(part["x"].iloc[-1]), float(part["y"].iloc[-1])
        if len(part) > 1:
            ends[label] = (y, k)
        else:  # a single point, labelled where it is
            axes.annotate(label, (x, y), (6, -3), textcoords="offset points", color=cluster_colour(k)[0], fontsize=7)
    return ends


def _finish(figure: Figure, pending: list[tuple[Axes, dict[str, tuple[float, int]]]], right: float) -> Figure:
    """Lay the figure out, leave room at the right for the labels, and write them."""
    figure.get_layout_engine().set(rect=(0, 0, right, 1))  # type: ignore[union-attr, call-arg]
    figure.draw_without_rendering()
    for axes, ends in pending:
        _label_ends(axes, ends)
    figure.set_layout_engine("none")
    return figure


def _log_log(axes: Axes, title: str, x: str, y: str) -> None:
    """Give a panel its logarithmic axes and title."""
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    plain_log_ticks(axes.xaxis)
    plain_log_ticks(axes.yaxis)
    panel_label(axes, title)


def _slope(part: pd.DataFrame) -> float:
    """Return the least-squares slope of log y over log x."""
    return float(np.polyfit(np.log(part["x"]), np.log(part["y"]), 1)[0])


def draw_regret(numbers: pd.DataFrame) -> Figure:
    """Draw regret against T by ways to share and by widths, and against M."""
    figure = new_figure(COLUMN, 5.6)
    pending = []
    for axes, panel, labels in zip(
        figure.subplots(3, 1), ("time", "agents", "widths"), (_SHARING, _SHARING, _WIDTHS), strict=True
    ):
        part = numbers[numbers["panel"] == panel]
        M, g = part["agents"].max(), part["contrast"].iloc[0]
        titles = {
            "time": f"(a) $M={M:g}$, contrast {g:g}",
            "agents": f"(b) worst contrasts, $T={part['episode'].max():g}$",
            "widths": f"(c) $S=1$, $M={M:g}$, contrast {g:g}",
        }
        if panel == "agents":
            slopes = {name: _slope(part[part["series"] == name]) for name in part["series"].unique()}
            labels = {name: f"{text}: {slopes[name]:.2f}" if name in slopes else text for name, text in labels.items()}
        ends = _ends(axes, part, labels)
        _log_log(axes, titles[panel], "agents, $M$" if panel == "agents" else "episodes, $T$", "group regret (reward)")
        pending.append((axes, ends))
    heading(figure, f"{runs_words(numbers['runs'])}; {_MEANS}; numbers in (b): slopes")
    return _finish(figure, pending, 0.74)


def draw_communication(numbers: pd.DataFrame) -> Figure:
    """Draw counted rounds over their bounds against T, S, M and d."""
    figure = new_figure(COLUMN, 4.4)
    panels = figure.subplots(2, 2, sharey=True).ravel()
    for axes, (name, symbol) in zip(panels, SWEPT.items(), strict=True):
        for k, algorithm in enumerate(("parallel", "joint")):
            part = numbers[(numbers["panel"] == name) & (numbers["algorithm"] == algorithm)].sort_values("x")
            for bound, style, what in (("lemma", "-", ""), ("counted", "--", ", counted")):
                own = part[part["bound"] == bound]
                _curve(axes, own, 2 * k, style, f"Lemma {2 * k + 1}{what}")
        axes.axhline(1, color="black", lw=0.6)
        axes.set(xscale="log", yscale="log", xlabel=f"{_SWEPT_NAMES[name]}, ${symbol}$")
        plain_log_ticks(axes.xaxis)
    for axes in panels[::2]:
        axes.set_ylabel("rounds over bound")
        plain_log_ticks(axes.yaxis)
    handles, labels = panels[0].get_legend_handles_labels()
    words = f"{runs_words(numbers['runs'])}; {_MEANS}; counted: bound of the proof, with its determinants"
    legend_above(figure, handles, labels, words, ncols=2, length=3.2)
    decade_ticks(panels[list(SWEPT).index("threshold")].xaxis, 4)
    settings = numbers.drop_duplicates("algorithm").set_index("algorithm")["settings"]
    figure.supxlabel(
        "\n".join(f"Algorithm {k + 1}: {settings[name]}" for k, name in enumerate(("parallel", "joint"))), fontsize=7
    )
    return figure


def draw_heterogeneity(numbers: pd.DataFrame) -> Figure:
    """Draw group regret against ξ and against χ, and the information against χ."""
    figure = new_figure(COLUMN, 5.4)
    pending = []
    for axes, panel in zip(figure.subplots(3, 1), ("xi", "chi", "log_det"), strict=True):
        part = numbers[numbers["panel"] == panel]
        ends = _ends(axes, part, _MIXED)
        if panel == "log_det":
            bound = part.sort_values("x")
            axes.plot(bound["x"], bound["bound"], "--", color="black", lw=0.9)
            start = (bound["x"].iloc[0], bound["bound"].iloc[0])
            axes.annotate("Lemma 14", start, (0, 18), textcoords="offset points", fontsize=7)
            axes.set(ylim=(0, None), ylabel=r"$\log\det\tilde\Lambda^T_h$ over $\lambda I$")
        else:
            axes.set(yscale="log", ylabel="group regret (reward)")
            plain_log_ticks(axes.yaxis)
        axes.set_xlabel(r"deviation, $\xi$" if panel == "xi" else r"rank of the contexts, $\chi$")
        pending.append((axes, ends))
    titles = ("(a) small deviations", "(b) contexts", "(c) information")
    heading(figure, f"{runs_words(numbers['runs'])}; {_MEANS}")
    for (axes, _), title in zip(pending, titles, strict=True):
        panel_label(axes, title)
    return _finish(figure, pending, 0.78)


def draw_sizes(numbers: pd.DataFrame) -> Figure:
    """Draw worst regret against d, H, S, k and M with the bounds' slopes, and widths over the bound of Lemma 9."""
    figure = new_figure(COLUMN, 5.4)
    panels = figure.subplots(3, 2).ravel()
    for k, (axes, (name, (label, exponent))) in enumerate(zip(panels, _SIZES.items(), strict=False)):
        part = numbers[numbers["panel"] == name].sort_values("x")
        _curve(axes, part, 0)
        x = part["x"].to_numpy(dtype=np.float64)
        axes.plot(x, part["y"].iloc[0] * (x / x[0]) ** exponent, ":", color="black", lw=0.9)
        _log_log(axes, f"({'abcde'[k]}) {round(_slope(part), 2) + 0:g}, bound {exponent:g}", label, "regret (reward)")
        axes.set_xticks(x, [f"{value:g}" for value in x])
        axes.set_xticks([], minor=True)
    part = numbers[numbers["panel"] == "width"]
    places = {"shared": 0, "alone": 1}
    for name, place in places.items():
        own = part[part["series"] == name]
        _curve(panels[5], own.assign(x=place), _COLOURS[name], "")
    panels[5].axhline(1, color="black", lw=0.6)
    panels[5].set(xlim=(-0.5, 1.5), ylim=(0, None), ylabel="widths over bound")
    panels[5].set_xticks(list(places.values()), ["$S=0.01$", "alone"])
    slopes = "above the panels: fitted slope, slope of the bound (dotted)"
    heading(figure, f"{runs_words(numbers['runs'])}; {_MEANS}; {slopes}")
    panel_label(panels[5], f"(f) Lemma 9, $M={part['agents'].iloc[0]:g}$")
    return figure


def _front(axes: Axes, points: pd.DataFrame) -> None:
    """Draw the values of played, Pareto-optimal and supported policies."""
    for kind, label, marker, size, filled in (
        ("played", "played", ".", 4.0, True),
        ("front", "Pareto-optimal", "o", 4.0, False),
        ("supported", r"… and some $\pi^*_v$", "D", 6.0, False),
    ):
        part = points[points["series"] == kind]
        colour = cluster_colour({"played": 3, "front": 0, "supported": 1}[kind])[0]
        inside = colour if filled else "none"
        axes.plot(part["x"], part["y"], marker, ms=size, color=colour, markerfacecolor=inside, label=label)
    axes.set(xlabel="value of agent 1 (reward)", ylabel="value of agent 2\n(reward)")
    legend = axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=0.8, borderaxespad=0)
    legend.set_in_layout(False)  # it has the room of the labels of the other panels


def draw_pareto(numbers: pd.DataFrame) -> Figure:
    """Draw one front, the fraction recovered, and the two regrets."""
    figure = new_figure(COLUMN, 5.6)
    panels = figure.subplots(3, 1)
    _front(panels[0], numbers[numbers["panel"] == "front"])
    recovered = numbers[numbers["panel"] == "recovered"]
    labels = {name: name for name in sorted({str(s) for s in recovered["series"]}, key=order)}
    pending = [(panels[1], _ends(panels[1], recovered, labels))]
    pending.append((panels[2], _ends(panels[2], numbers[numbers["panel"] == "average"], labels)))
    bayes = numbers[numbers["panel"] == "bayes"]
    _ends(panels[2], bayes.assign(**{name: bayes[name].clip(lower=1e-6) for name in ("y", "low", "high")}), labels, ":")
    panels[1].set(xscale="log", xlabel="episodes, $T$", ylabel="fraction of\nscalarisations $v$", ylim=(-0.02, 1.02))
    panels[2].set(xscale="log", yscale="log", xlabel="episodes, $T$", ylabel="regret (reward)")
    heading(figure, f"(a) one instance; (b), (c) {runs_words(numbers['runs'])}; {_MEANS}")
    titles = ("(a) one front", "(b) front recovered", r"(c) $\mathfrak{R}_C/T$, and dotted $\mathfrak{R}_B$")
    for axes, title in zip(panels, titles, strict=True):
        panel_label(axes, title)
    return _finish(figure, pending, 0.68)


def order(series: str) -> float:
    """Return the threshold of a series "S = …", ∞ without communication."""
    return float(series.removeprefix("S = ")) if series.startswith("S = ") else float("inf")
