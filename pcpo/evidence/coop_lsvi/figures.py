"""Draw the figures of CoopLSVI.

`coop_regret`, `coop_communication` and `coop_heterogeneity` show agents with an MDP each: regret by T and M, rounds
against their bounds, heterogeneity.  `coop_pareto` shows agents that share an MDP: one Pareto front, how much of it is
recovered, and the two regrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.coop_lsvi.studies import HETEROGENEITY, REGRET
from pcpo.evidence.coop_lsvi.studies_communication import COMMUNICATION, CONTROL
from pcpo.evidence.coop_lsvi.studies_joint import FRONT, PARETO
from pcpo.figures.style import PAGE, cluster_colour, new_figure, panel_label, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

#: Labels of the algorithms of `coop_regret`, and of `coop_heterogeneity`.
_LABELS = {
    "every": "every episode",
    "shared": "$S=1$",
    "remark": "$S$ of Remark 2",
    "alone": "no communication",
    "pooled": "one agent, $MT$ episodes",
    "theorem": r"$S=1$, $\beta$ as stated, $M=4$",
    "proof": r"$S=1$, $\beta$ of the proofs, $M=4$",
}
_MIXED_LABELS = {
    "told": r"Algorithm 1, $\xi$ in $\beta$",
    "untold": r"Algorithm 1, no $\xi$ in $\beta$",
    "contexts": "Algorithm 3",
    "ignored": "contexts ignored",
    "alone": "no communication",
}


def _summary(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Return the mean over runs of a column with its interval, a row for each value of `by`."""
    rows = []
    for key, part in frame.groupby(by, sort=True, dropna=False):
        found = statistics.mean(part[value].to_numpy(dtype=np.float64))
        rows.append([*key, found.estimate, found.low, found.high, len(part)])
    return pd.DataFrame(rows, columns=[*by, "y", "low", "high", "runs"])


def _curve(axes: Axes, part: pd.DataFrame, k: int, label: str) -> None:
    """Draw the curve x, y with the band low, high; k chooses colour and marker."""
    colour, marker = cluster_colour(k)
    axes.plot(part["x"], part["y"], marker=marker, color=colour, label=label)
    axes.fill_between(part["x"], part["low"], part["high"], color=colour, alpha=0.2, lw=0)


def _regret_table(tables: Tables) -> pd.DataFrame:
    """Return the mean regrets that `_draw_regret` draws.

    Panel "time": regret against T at the middle contrast and the largest M (with printed constants: at their M).  Panel
    "agents": worst mean over contrasts at the last episode against M.
    """
    frame = tables[REGRET.name]
    contrasts = sorted(frame["contrast"].unique())
    middle = frame.loc[frame["algorithm"] == "every", "contrast"].iloc[0] if len(contrasts) > 1 else contrasts[0]
    many = frame["agents"].max()
    shown = frame[(frame["agents"] == many) & (frame["contrast"] == middle)]
    printed = frame[frame["algorithm"].isin(["proof", "theorem"])]
    time = _summary(pd.concat([shown, printed]), ["algorithm", "episode"], "regret").rename(columns={"episode": "x"})
    last = frame[(frame["episode"] == frame["episode"].max()) & frame["algorithm"].isin(["shared", "remark", "alone"])]
    agents = _summary(last, ["algorithm", "agents", "contrast"], "regret")
    agents = agents.loc[agents.groupby(["algorithm", "agents"])["y"].idxmax()].rename(columns={"agents": "x"})
    return pd.concat([time.assign(panel="time", contrast=middle), agents.assign(panel="agents")], ignore_index=True)


def _draw_regret(numbers: pd.DataFrame) -> Figure:
    """Draw regret against T and against M."""
    figure = new_figure(PAGE, 2.9)
    left, right = figure.subplots(1, 2)
    for k, (name, label) in enumerate(_LABELS.items()):
        for axes, panel in ((left, "time"), (right, "agents")):
            part = numbers[(numbers["panel"] == panel) & (numbers["algorithm"] == name)]
            if len(part):
                _curve(axes, part.sort_values("x"), k, label)
    grid = numbers.loc[numbers["panel"] == "agents", "x"]
    M = np.geomspace(grid.min(), grid.max(), 20)
    base = numbers.loc[(numbers["panel"] == "agents") & (numbers["x"] == grid.min()), "y"].max()
    for power, style in ((0.5, ":"), (1.0, "--")):
        right.plot(M, base * (M / M[0]) ** power, style, color="black", lw=0.8, label=f"slope {power:g}")
    left.set(xscale="log", yscale="log", xlabel="episodes, $T$", ylabel="group regret (reward)")
    right.set(xscale="log", yscale="log", xlabel="agents, $M$", ylabel="worst group regret (reward)")
    left.set_ylim(top=4 * left.get_ylim()[1])  # room for the legend
    for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
        plain_log_ticks(axis)
    panel_label(left, "(a) against $T$")
    panel_label(right, "(b) against $M$")
    left.legend(fontsize=6)
    right.legend(fontsize=6)
    return figure


#: What varies in the panels of `coop_communication`, with the labels of the axes.
_SWEPT = {"episodes": "episodes, $T$", "threshold": "threshold, $S$", "agents": "agents, $M$", "dimension": "$d$"}


def _communication_table(tables: Tables) -> pd.DataFrame:
    """Return the mean rounds of Algorithms 1 and 2 and their bounds.

    There is a panel for each of T, S, M and d, in which the other three have their middle values.
    """
    frame = tables[COMMUNICATION.name]
    frame = frame[frame["role"] != CONTROL]
    parts = []
    for algorithm, own in frame.groupby("algorithm"):
        for name in _SWEPT:
            others = [other for other in _SWEPT if other != name]
            base = own.groupby(others)[name].transform("nunique")
            swept = own[base == base.max()]
            found = _summary(swept, [name], "rounds").rename(columns={name: "x"})
            bound = swept.groupby(name)["bound"].first().to_numpy()
            parts.append(found.assign(algorithm=algorithm, panel=name, bound=bound))
    return pd.concat(parts, ignore_index=True)


def _draw_communication(numbers: pd.DataFrame) -> Figure:
    """Draw rounds and bounds against T, S, M and d."""
    figure = new_figure(PAGE, 2.3)
    panels = figure.subplots(1, 4, sharey=True)
    for axes, (name, label) in zip(panels, _SWEPT.items(), strict=True):
        for k, (algorithm, title) in enumerate({"parallel": "Algorithm 1", "joint": "Algorithm 2"}.items()):
            part = numbers[(numbers["panel"] == name) & (numbers["algorithm"] == algorithm)].sort_values("x")
            _curve(axes, part, k, title)
            axes.plot(part["x"], part["bound"], "--", color=cluster_colour(k)[0], lw=0.9, label=f"Lemma {2 * k + 1}")
        axes.set(xscale="log", yscale="log", xlabel=label)
        plain_log_ticks(axes.xaxis)
    panels[0].set_ylabel("episodes with communication")
    panels[0].legend(fontsize=6)
    return figure


def _heterogeneity_table(tables: Tables) -> pd.DataFrame:
    """Return the means that `_draw_heterogeneity` draws.

    Panels "xi" and "chi": group regret; "log_det": information of Algorithm 3 with the bound of Lemma 14.
    """
    frame = tables[HETEROGENEITY.name]
    regret = _summary(frame, ["kind", "algorithm", "amount"], "regret").rename(columns={"kind": "panel", "amount": "x"})
    own = frame[(frame["kind"] == "chi") & (frame["algorithm"] == "contexts")]
    growth = _summary(own, ["algorithm", "amount"], "log_det").rename(columns={"amount": "x"})
    growth["bound"] = own.groupby("amount")["log_det_bound"].first().to_numpy()
    return pd.concat([regret, growth.assign(panel="log_det")], ignore_index=True)


def _draw_heterogeneity(numbers: pd.DataFrame) -> Figure:
    """Draw group regret against ξ and against χ, and the information against χ."""
    figure = new_figure(PAGE, 2.5)
    panels = figure.subplots(1, 3)
    for axes, panel in zip(panels, ("xi", "chi", "log_det"), strict=True):
        for k, (name, label) in enumerate(_MIXED_LABELS.items()):
            part = numbers[(numbers["panel"] == panel) & (numbers["algorithm"] == name)].sort_values("x")
            if len(part):
                _curve(axes, part, k, label)
    part = numbers[numbers["panel"] == "log_det"].sort_values("x")
    panels[2].plot(part["x"], part["bound"], "--", color="black", lw=0.9, label="Lemma 14")
    panels[0].set(xlabel=r"deviation, $\xi$", ylabel="group regret (reward)", yscale="log")
    panels[1].set(xlabel=r"rank of the contexts, $\chi$", ylabel="group regret (reward)", yscale="log")
    panels[2].set(xlabel=r"$\chi$", ylabel=r"$\log\det\tilde\Lambda^T_h$ over that of $\lambda I$", ylim=(0, None))
    for axes in panels[:2]:
        axes.set_ylim(top=1.7 * axes.get_ylim()[1])  # room for the legend
        plain_log_ticks(axes.yaxis)
    for axes, label in zip(panels, ("(a) small deviations", "(b) contexts", "(c) information"), strict=True):
        panel_label(axes, label)
        axes.legend(fontsize=6)
    return figure


def _pareto_table(tables: Tables) -> pd.DataFrame:
    """Return the points and means that `_draw_pareto` draws.

    Panel "front": points x, y with their kind (series) and first episode; "recovered", "bayes" and "average": means
    against episodes, by threshold.
    """
    points = tables[FRONT.name]
    points = points[points["seed"] == points["seed"].min()]
    front = pd.DataFrame({"x": points["value_1"], "y": points["value_2"], "series": points["kind"]})
    parts = [front.assign(panel="front", episode=points["episode"])]
    runs = tables[PARETO.name]
    series = [f"S = {S:g}" if S == S else "no communication" for S in runs["threshold"]]
    runs = runs.assign(series=series, average=runs["regret"] / runs["episode"])
    for panel in ("recovered", "bayes", "average"):
        found = _summary(runs, ["series", "episode"], panel).rename(columns={"episode": "x"})
        parts.append(found.assign(panel=panel))
    return pd.concat(parts, ignore_index=True)


def _front(axes: Axes, points: pd.DataFrame) -> None:
    """Draw the values of played, Pareto-optimal and supported policies."""
    for kind, label, marker, size, filled in (
        ("played", "played", ".", 4.0, True),
        ("front", "Pareto-optimal", "o", 4.0, False),
        ("supported", r"Pareto-optimal, some $\pi^*_v$", "D", 6.0, False),
    ):
        part = points[points["series"] == kind]
        colour = cluster_colour({"played": 3, "front": 0, "supported": 1}[kind])[0]
        inside = colour if filled else "none"
        axes.plot(part["x"], part["y"], marker, ms=size, color=colour, markerfacecolor=inside, label=label)
    axes.set(xlabel="value of agent 1 (reward)", ylabel="value of agent 2 (reward)")
    axes.legend(fontsize=6)


def _draw_pareto(numbers: pd.DataFrame) -> Figure:
    """Draw one front, the fraction recovered, and the two regrets."""
    figure = new_figure(PAGE, 2.7)
    panels = figure.subplots(1, 3)
    _front(panels[0], numbers[numbers["panel"] == "front"])
    series = sorted({str(s) for s in numbers.loc[numbers["panel"] == "recovered", "series"]}, key=_order)
    for k, name in enumerate(series):
        for axes, panel, label in ((panels[1], "recovered", name), (panels[2], "average", name)):
            _curve(axes, _part(numbers, panel, name), k, label)
        part = _part(numbers, "bayes", name)
        panels[2].plot(part["x"], part["y"].clip(lower=1e-6), ":", color=cluster_colour(k)[0])
    panels[1].set(xscale="log", xlabel="episodes", ylabel="fraction of scalarisations", ylim=(-0.02, 1.02))
    panels[2].set(xscale="log", yscale="log", xlabel="episodes, $T$", ylabel="regret (reward)")
    panels[1].legend(fontsize=6)
    labels = ("(a) one front", "(b) front recovered", r"(c) $\mathfrak{R}_C/T$ and (dotted) $\mathfrak{R}_B$")
    for axes, label in zip(panels, labels, strict=True):
        panel_label(axes, label)
    return figure


def _part(numbers: pd.DataFrame, panel: str, series: str) -> pd.DataFrame:
    """Return one series of a panel, by x."""
    return numbers[(numbers["panel"] == panel) & (numbers["series"] == series)].sort_values("x")


def _order(series: str) -> float:
    """Return the threshold of a series, ∞ without communication."""
    return float(series.removeprefix("S = ")) if series.startswith("S = ") else float("inf")


_BANDS = " Bands: 95 % jackknife-t intervals of the mean over runs (none below ten runs)."

_REGRET_CAPTION = r"""Group regret of Algorithm 1 with homogeneous agents. (a) Against $T$, for rewards of the middle
contrast and the largest $M$; with $\beta$ of the proofs (at $M=4$ and the largest contrast) no agent leaves
exploration. (b) At the last episode against $M$, each point at its worst contrast; dotted and dashed: slopes $1/2$ and
$1$."""

_COMMUNICATION_CAPTION = r"""Episodes with communication of Algorithms 1 and 2 as $T$, $S$, $M$ and $d$ vary one at a
time; dashed: the bounds of Lemmas 1 and 3."""

_HETEROGENEITY_CAPTION = r"""Agents with different MDPs. (a) Group regret against the deviation $\xi$ (total variation
and reward), with and without the term $\xi\sqrt{dMT}$ in $\beta$. (b) Group regret against the rank $\chi$ of contexts
with $k$ coordinates. (c) $\log\det\tilde\Lambda$ of all agents' data, and the bound of Lemma 14."""

_PARETO_CAPTION = r"""Algorithm 2 in multi-agent MDPs with two agents. (a) Values, averaged over the initial states, of
all Pareto-optimal joint policies of one instance, of those among them that are greedy for some scalarisation, and of
every policy that was played. (b) Fraction of scalarisations $v$ for which a policy played so far is as good as
$\pi^*_v$ at every initial state, by threshold $S$. (c) $\mathfrak{R}_C(T)/T$ and, dotted, $\mathfrak{R}_B(T)$ (values
below $10^{-6}$ are drawn at $10^{-6}$)."""


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "coop_regret": EvidenceFigure(
        title="Group regret of homogeneous agents",
        caption=_REGRET_CAPTION + _BANDS,
        table=_regret_table,
        draw=_draw_regret,
        inputs=(REGRET.name,),
    ),
    "coop_communication": EvidenceFigure(
        title="Episodes with communication",
        caption=_COMMUNICATION_CAPTION + _BANDS,
        table=_communication_table,
        draw=_draw_communication,
        inputs=(COMMUNICATION.name,),
    ),
    "coop_heterogeneity": EvidenceFigure(
        title="Agents with different MDPs",
        caption=_HETEROGENEITY_CAPTION + _BANDS,
        table=_heterogeneity_table,
        draw=_draw_heterogeneity,
        inputs=(HETEROGENEITY.name,),
    ),
    "coop_pareto": EvidenceFigure(
        title="Pareto-optimal joint policies",
        caption=_PARETO_CAPTION + _BANDS,
        table=_pareto_table,
        draw=_draw_pareto,
        inputs=(FRONT.name, PARETO.name),
    ),
}
