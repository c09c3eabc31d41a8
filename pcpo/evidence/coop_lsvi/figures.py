"""Declare the figures of CoopLSVI: what each draws, and the numbers behind it; the pictures are made in panels.py.

`coop_regret`, `coop_communication`, `coop_heterogeneity` and `coop_sizes` show agents with an MDP each: regret by T and
M, rounds over their bounds, heterogeneity, the other sizes.  `coop_pareto` shows agents that share an MDP: one Pareto
front, how much of it is recovered, and the two regrets.
"""

from __future__ import annotations

import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.coop_lsvi.panels import (
    SWEPT,
    draw_communication,
    draw_heterogeneity,
    draw_pareto,
    draw_regret,
    draw_sizes,
)
from pcpo.evidence.coop_lsvi.studies import REGRET
from pcpo.evidence.coop_lsvi.studies_communication import COMMUNICATION, CONTROL
from pcpo.evidence.coop_lsvi.studies_heterogeneity import HETEROGENEITY
from pcpo.evidence.coop_lsvi.studies_joint import FRONT, PARETO
from pcpo.evidence.coop_lsvi.studies_sizes import SIZES_STUDY

__all__ = ["FIGURES"]


def _summary(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Return the mean over runs of a column with its interval, a row for each value of `by`."""
    rows = []
    for key, part in frame.groupby(by, sort=True, dropna=False):
        found = statistics.mean(part[value].to_numpy(dtype="float64"))
        rows.append([*key, found.estimate, found.low, found.high, len(part)])
    return pd.DataFrame(rows, columns=[*by, "y", "low", "high", "runs"])


def _worst(frame: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Return the mean with its interval at the contrast with the largest mean, a row for each value of `by`."""
    found = _summary(frame, [*by, "contrast"], value)
    return found.loc[found.groupby(by, dropna=False)["y"].idxmax()].reset_index(drop=True)


def _regret_table(tables: Tables) -> pd.DataFrame:
    """Return the mean regrets that `draw_regret` draws.

    Panel "time": against T, ways to share at the largest M and the contrast at which every episode was run; "agents":
    worst mean over contrasts at the last episode against M; "widths": against T, at M and contrast of the widths.
    """
    frame = tables[REGRET.name]
    every, widths = (frame[frame["algorithm"] == name].iloc[0] for name in ("every", "theorem"))

    def against_time(at: pd.Series[float], names: list[str], panel: str) -> pd.DataFrame:
        own = frame[(frame["agents"] == at["agents"]) & (frame["contrast"] == at["contrast"])]
        found = _summary(own[own["algorithm"].isin(names)], ["algorithm", "episode"], "regret")
        return found.assign(x=found["episode"], panel=panel, agents=at["agents"], contrast=at["contrast"])

    time = against_time(every, ["every", "shared", "remark", "alone", "pooled"], "time")
    width = against_time(widths, ["proof", "theorem", "third", "shared", "greedy", "no_bonus"], "widths")
    last = frame[(frame["episode"] == frame["episode"].max()) & frame["algorithm"].isin(["shared", "remark", "alone"])]
    agents = _worst(last, ["algorithm", "agents"], "regret")
    agents = agents.assign(x=agents["agents"], panel="agents", episode=last["episode"].max())
    return pd.concat([time, agents, width], ignore_index=True).rename(columns={"algorithm": "series"})


def _communication_table(tables: Tables) -> pd.DataFrame:
    """Return counted rounds of Algorithms 1 and 2 over their bounds.

    There is a panel for each of T, S, M and d, in which the other three have the values of the column settings.
    """
    frame = tables[COMMUNICATION.name]
    frame = frame[frame["role"] != CONTROL]
    parts = []
    for algorithm, own in frame.groupby("algorithm"):
        middle = {name: own[name].mode()[0] for name in SWEPT}
        settings = ", ".join(f"${SWEPT[name]}={value:g}$" for name, value in middle.items())
        for name in SWEPT:
            kept = [own[other] == middle[other] for other in SWEPT if other != name]
            swept = own[pd.concat(kept, axis=1).all(axis=1)].drop_duplicates(["seed", name])
            for bound, column in (("lemma", "bound"), ("counted", "counted_bound")):
                found = _summary(swept.assign(ratio=swept["rounds"] / swept[column]), [name], "ratio")
                found = found.rename(columns={name: "x"})
                parts.append(found.assign(algorithm=algorithm, panel=name, bound=bound, settings=settings))
    return pd.concat(parts, ignore_index=True)


def _heterogeneity_table(tables: Tables) -> pd.DataFrame:
    """Return the means that `draw_heterogeneity` draws.

    Panels "xi" and "chi": worst group regret; "log_det": information of Algorithm 3 with the bound of Lemma 14.
    """
    frame = tables[HETEROGENEITY.name]
    regret = _worst(frame, ["kind", "algorithm", "amount"], "regret").rename(columns={"kind": "panel"})
    own = frame[(frame["kind"] == "chi") & (frame["algorithm"] == "contexts")]
    growth = _worst(own, ["algorithm", "amount"], "log_det")
    growth["bound"] = own.groupby("amount")["log_det_bound"].first().to_numpy()
    found = pd.concat([regret, growth.assign(panel="log_det")], ignore_index=True)
    return found.rename(columns={"amount": "x", "algorithm": "series"})


def _sizes_table(tables: Tables) -> pd.DataFrame:
    """Return worst regrets by the size that varies (panels), and widths over the bound of Lemma 9 (panel "width")."""
    frame = tables[SIZES_STUDY.name]
    frame = frame.assign(dk=frame["dimension"] + frame["contexts"])
    columns = {"d": "dimension", "H": "horizon", "S": "threshold", "k": "dk", "M": "agents"}
    parts = []
    for name, column in columns.items():
        own = frame[(frame["varied"] == name) & (frame["alone"] == 0)]
        parts.append(_worst(own, [column], "regret").rename(columns={column: "x"}).assign(panel=name, series="shared"))
    many = frame[frame["varied"] == "many"]
    many = many.assign(ratio=many["width"] / many["width_bound"], series=many["alone"].map({0: "shared", 1: "alone"}))
    parts.append(_summary(many, ["series"], "ratio").assign(panel="width", agents=many["agents"].iloc[0]))
    return pd.concat(parts, ignore_index=True)


def _pareto_table(tables: Tables) -> pd.DataFrame:
    """Return the points and means that `draw_pareto` draws.

    Panel "front": points x, y with their kind (series) and first episode; "recovered", "bayes" and "average": means
    against episodes, by threshold, for rewards of the largest contrast.
    """
    points = tables[FRONT.name]
    points = points[points["seed"] == points["seed"].min()]
    front = pd.DataFrame({"x": points["value_1"], "y": points["value_2"], "series": points["kind"]})
    parts = [front.assign(panel="front", episode=points["episode"])]
    runs = tables[PARETO.name]
    runs = runs[runs["contrast"] == runs["contrast"].max()]
    series = [f"S = {S:g}" if S == S else "alone" for S in runs["threshold"]]
    runs = runs.assign(series=series, average=runs["regret"] / runs["episode"])
    for panel in ("recovered", "bayes", "average"):
        found = _summary(runs, ["series", "episode"], panel).rename(columns={"episode": "x"})
        parts.append(found.assign(panel=panel))
    return pd.concat(parts, ignore_index=True)


_BARS = f" Bars: 95 % jackknife-t intervals of the mean over runs (none below {statistics.FEWEST} runs)."

_REGRET_CAPTION = r"""Group regret of Algorithm 1 with homogeneous agents; contrast: factor of the differences between
rewards. (a) Ways to share, with calibrated $\beta$. (b) At the last episode against $M$, each point at its worst
contrast; the numbers are slopes, not divided by logarithms. (c) Widths $\beta$, with $S=1$: with that of Theorem 1
agents are optimistic and learn slowly, with the calibrated one they are not optimistic, and with that of the proofs
they hardly leave exploration."""

_COMMUNICATION_CAPTION = r"""Episodes with communication of Algorithms 1 and 2, counted by the server, over their
bounds, as $T$, $S$, $M$ and $d$ vary one at a time around the values written below. Solid: the bounds of Lemmas 1 and
3; dashed: those of their proofs with $\log\det\Lambda_h$ of the run, which the claims use."""

_HETEROGENEITY_CAPTION = r"""Agents with different MDPs, each point at its worst contrast of rewards. (a) Group regret
against the deviation $\xi$ (total variation and reward), with and without the term $\xi\sqrt{dMT}$ in $\beta$. (b)
Group regret against the rank $\chi$ of contexts with $k$ coordinates; mean context: Algorithm 3 with the mean of all
contexts in the place of each, which is the same at $\chi=1$, so that the distance is what ignoring contexts costs;
$\phi$ alone: Algorithm 1 on identical agents (Remark 4). (c) $\log\det\tilde\Lambda$ of all agents' data, and the
bound of Lemma 14."""

_SIZES_CAPTION = r"""Worst group regret (reward) against the other sizes of Theorem 1, (a) to (c), and Theorem 3, (d)
and (e), with the fitted slope, not divided by logarithms; dotted: the slope of the bound. (f) Sum of $\|\phi\|$ in
the norm of $\Lambda^{-1}$ over the bound of Lemma 9, with communication and without."""

_PARETO_CAPTION = r"""Algorithm 2 in multi-agent MDPs with two agents. (a) Values, averaged over the initial states,
of all Pareto-optimal joint policies of one instance, of those among them that are greedy for some scalarisation, and
of every policy that was played. (b) Fraction of scalarisations $v$ for which a policy played so far is as good as
$\pi^*_v$ at every initial state, by threshold $S$. (c) $\mathfrak{R}_C(T)/T$ and, dotted, $\mathfrak{R}_B(T)$ (values
below $10^{-6}$ are drawn at $10^{-6}$)."""


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "coop_regret": EvidenceFigure(
        title="Group regret of homogeneous agents",
        caption=_REGRET_CAPTION + _BARS,
        table=_regret_table,
        draw=draw_regret,
        inputs=(REGRET.name,),
    ),
    "coop_communication": EvidenceFigure(
        title="Episodes with communication",
        caption=_COMMUNICATION_CAPTION + _BARS,
        table=_communication_table,
        draw=draw_communication,
        inputs=(COMMUNICATION.name,),
    ),
    "coop_heterogeneity": EvidenceFigure(
        title="Agents with different MDPs",
        caption=_HETEROGENEITY_CAPTION + _BARS,
        table=_heterogeneity_table,
        draw=draw_heterogeneity,
        inputs=(HETEROGENEITY.name,),
    ),
    "coop_sizes": EvidenceFigure(
        title="Regret against the other sizes",
        caption=_SIZES_CAPTION + _BARS,
        table=_sizes_table,
        draw=draw_sizes,
        inputs=(SIZES_STUDY.name,),
    ),
    "coop_pareto": EvidenceFigure(
        title="Pareto-optimal joint policies",
        caption=_PARETO_CAPTION + _BARS,
        table=_pareto_table,
        draw=draw_pareto,
        inputs=(FRONT.name, PARETO.name),
    ),
}
