"""Draw the figures of the lemmas, three panels each, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.lemmas.costs import BIAS, PAIRS
from pcpo.evidence.lemmas.estimates import ESTIMATES
from pcpo.evidence.lemmas.figures_rules import RULES_FIGURE
from pcpo.evidence.lemmas.measures import paper_cells, recursion_bound
from pcpo.evidence.lemmas.trajectories import DESCENT
from pcpo.figures.style import COLUMN, GLOBAL_COLOUR, LOCAL_COLOUR, cluster_colour, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_LEVELS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002)  # δ' of the panel on (19)
_UNKNOWNS = {"scalar": "$D=1$", "two": "$D=2$", "three": "$D=6$"}
_AT_MOST = 300  # steps drawn of each source; the claim uses all
_HIGHEST = 1e3  # value of the panel on Lemma 9 at which larger ones are drawn


# --- numbers --------------------------------------------------------------------------------------------------------


def _points(panel: str, series: str, runs: int, **columns: object) -> pd.DataFrame:
    """Make rows of one series, without an interval unless `columns` has one."""
    return pd.DataFrame({"panel": panel, "series": series, "runs": runs, "low": np.nan, "high": np.nan, **columns})


def _runs(frame: pd.DataFrame) -> int:
    """Count the runs of a table."""
    return int(frame["seed"].nunique())


def _bias(tables: Tables) -> pd.DataFrame:
    """Compute bias/(φr) at r = ρ, ρ/2, ρ/4: median and range over gains."""
    parts = []
    for cell, frame in paper_cells(tables, BIAS.name).groupby("cell", sort=False):
        by = frame.assign(ratio=frame["bias"] / frame["bound"]).groupby("halvings")["ratio"]
        x = 0.5 ** by.mean().index.to_numpy(dtype=np.float64)
        spread = {"low": by.min().to_numpy(), "high": by.max().to_numpy()}
        parts.append(_points("bias", str(cell), _runs(frame), x=x, y=by.median().to_numpy()).assign(**spread))
    return pd.concat(parts)


def _steps(tables: Tables) -> pd.DataFrame:
    """Pick steps from inside the restricted set: S_{k+1} against the right-hand side of (29), in units of 10 Δ̃_0."""
    parts = []
    frame = paper_cells(tables, DESCENT.name)
    frame = frame[frame["gap"] <= frame["limit"]]
    for source, part in frame.groupby(frame["cell"].str.split(":").str[0], sort=False):
        scale = part["limit"]
        x = (recursion_bound(part) / scale).to_numpy()
        points = _points("steps", str(source), _runs(part), x=x, y=part["next_gap"] / scale)
        parts.append(points.iloc[:: max(1, len(points) // _AT_MOST)])
    return pd.concat(parts)


def _averages(tables: Tables) -> pd.DataFrame:
    """Estimate E‖G − ∇C_r‖² over its exact value for one agent, against the number of agents."""
    parts = []
    frame = tables[ESTIMATES.name]
    frame = frame[~frame["cell"].str.contains("edge|length")]
    for cell, part in frame.groupby("cell", sort=False):
        found = statistics.mean(part.groupby("seed")["square"].mean().to_numpy(dtype=np.float64))
        series = "shared" if str(cell).startswith("control") else str(cell).split(":")[0]
        at = {"x": [float(part["agents"].iloc[0])], "y": [found.estimate]}
        parts.append(_points("averages", series, _runs(part), **at).assign(low=found.low, high=found.high))
    return pd.concat(parts)


def _tails(tables: Tables) -> pd.DataFrame:
    """Estimate the probability of an error beyond (19), with Pinelis' constant and as printed, at several δ'."""
    parts = []
    frame = tables[ESTIMATES.name]
    edge = frame[frame["cell"] == "edge:1"]
    typical = frame[frame["cell"] == "two:1"]
    limits: dict[str, tuple[pd.DataFrame, Callable[[float, float], float]]] = {
        "pinelis": (edge, lambda level, D: float(np.sqrt(2 * np.log(2 / level)))),
        "printed": (edge, lambda level, D: float(np.sqrt(np.log(2 * D / level)))),
        "typical": (typical, lambda level, D: float(np.sqrt(np.log(2 * D / level)))),
    }
    for series, (part, limit) in limits.items():
        D = float(part["unknowns"].iloc[0])
        counts = [int((part["deviation"] > limit(level, D)).sum()) for level in _LEVELS]
        found = [statistics.proportion(count, len(part)) for count in counts]
        ends = {"low": [f.low for f in found], "high": [f.high for f in found]}
        points = _points("tails", series, _runs(part), x=list(_LEVELS), y=[f.estimate for f in found])
        parts.append(points.assign(**ends))
    return pd.concat(parts)


def _ratios(tables: Tables) -> pd.DataFrame:
    """Compute quantiles of left side over right side of (13), (14) and (15) over pairs."""
    parts = []
    frame = paper_cells(tables, PAIRS.name)
    inside = frame[frame["inside"] == 1]
    for series, values in {
        "lipschitz": inside["lipschitz"],
        "smoothness": inside["smoothness"],
        "domination": frame["domination"],
        "local_domination": frame["local_domination"],
    }.items():
        levels = np.linspace(0, 1, 101)
        x = np.quantile(values.to_numpy(dtype=np.float64), levels)
        parts.append(_points("ratios", series, _runs(frame), x=x, y=levels))
    return pd.concat(parts)


def _ends(tables: Tables) -> pd.DataFrame:
    """Compute the final gap of every learner over the right-hand side of (24)."""
    parts = []
    frame = tables[DESCENT.name]
    frame = frame[frame["cell"].str.contains("rollouts|minibatch")]
    for k, (cell, part) in enumerate(frame.groupby("cell", sort=False)):
        last = part.groupby(["seed", "learner"]).last()
        y = (last["next_gap"] / last["bound"]).to_numpy(dtype=np.float64)
        parts.append(_points("ends", str(cell), _runs(part), x=k + np.linspace(-0.25, 0.25, len(y)), y=y))
    return pd.concat(parts)


# --- picture --------------------------------------------------------------------------------------------------------


def _draw_first(numbers: pd.DataFrame) -> Figure:
    """Draw the panels of the cost and of the mean and variance of estimates."""
    return _stacked(numbers, _FIRST)


def _draw_second(numbers: pd.DataFrame) -> Figure:
    """Draw the panels of concentration and of gradient descent."""
    return _stacked(numbers, _SECOND)


def _stacked(numbers: pd.DataFrame, drawn: Mapping[str, tuple[str, Callable[[Axes, pd.DataFrame], None]]]) -> Figure:
    """Draw panels one below the other; the title of each says its number of runs."""
    figure = new_figure(COLUMN, 2.3 * len(drawn))
    panels = dict(zip(drawn, figure.subplots(len(drawn), 1), strict=True))
    for letter, (panel, (title, draw_panel)) in zip("abc", drawn.items(), strict=True):
        part = numbers[numbers["panel"] == panel]
        draw_panel(panels[panel], part)
        panel_label(panels[panel], f"({letter}) {title}, {int(part['runs'].max())} runs")
    return figure


def _draw_bias(axes: Axes, part: pd.DataFrame) -> None:
    """Draw bias over its bound, against the radius."""
    for k, (series, one) in enumerate(part.groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        x = one["x"] * 1.07 ** (k - 1)
        axes.plot(x, one["y"], color=colour, marker=marker, ls="", label=_UNKNOWNS[str(series)])
        axes.vlines(x, one["low"], one["high"], color=colour, lw=1)
    ends = np.array([0.22, 1.15])
    axes.plot(ends, np.ones(2), color="black", label=r"bound $\phi r$")
    # The ratio of a bias ∝ r² to φr is proportional to r.
    middle = part.loc[part["x"] == 1, "y"].median()
    axes.plot(ends, middle * ends, color="black", ls=":", lw=1, label=r"$\propto r$: bias $\propto r^2$")
    axes.set(xscale="log", yscale="log", xlabel=r"$r/\rho$", ylabel=r"$\|\nabla C_r-\nabla C\|/(\phi r)$")
    axes.set_xticks([0.25, 0.5, 1], ["1/4", "1/2", "1"])
    axes.minorticks_off()
    axes.set_ylim(None, 300)
    axes.legend(loc="upper left", handlelength=1.4, ncols=2, columnspacing=0.8)


_SOURCES = {"rollouts": "calibrated, rollouts", "moments": "literal, moments", "adversary": "worst error"}


def _draw_steps(axes: Axes, part: pd.DataFrame) -> None:
    """Draw steps below the recursion's bound."""
    for k, (series, one) in enumerate(part.groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        label = _SOURCES[str(series)]
        axes.plot(one["x"], one["y"], marker, color=colour, label=label, ls="", ms=2, alpha=0.6, mew=0)
    ends = [part["x"].min(), part["x"].max()]
    axes.plot(ends, ends, color="black", lw=1, label="bound")
    axes.set(xscale="log", yscale="log", xlabel="right-hand side of (29) / $10\\tilde\\Delta_0$")
    axes.set_ylabel(r"$S_{k+1}/(10\tilde\Delta_0)$")
    axes.set_ylim(max(part["y"].min(), 1e-7) / 100, 2 * part["x"].max())
    axes.legend(loc="lower right", markerscale=2, handlelength=1.2)


def _draw_averages(axes: Axes, part: pd.DataFrame) -> None:
    """Draw second moment against the number of agents averaged."""
    for k, (series, one) in enumerate(part.groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        x = one["x"] * 1.08 ** (k - 1)
        label = _UNKNOWNS.get(str(series), "control: shared draws")
        axes.plot(x, one["y"], color=colour, marker=marker, ls="", label=label)
        axes.vlines(x, one["low"], one["high"], color=colour, lw=1)
    ends = np.array([1.0, 16.0])
    axes.plot(ends, 1 / ends, color="black", lw=1, label=r"exact, $1/|\mathcal{M}|$")
    axes.set(xscale="log", yscale="log", xlabel=r"agents averaged, $|\mathcal{M}|$", ylim=(0.004, 2))
    axes.set_ylabel(r"$E\|G-\nabla C_r\|^2$ / exact at $|\mathcal{M}|=1$")
    axes.set_xticks([1, 4, 16], ["1", "4", "16"])
    axes.minorticks_off()
    axes.legend(loc="lower left", handlelength=1)


_TAILS = {
    "pinelis": ("$A=0$, with $\\sqrt{2}$ (Pinelis)", GLOBAL_COLOUR, "o"),
    "printed": ("$A=0$, as printed", LOCAL_COLOUR, "s"),
    "typical": ("$D=2$, as printed", cluster_colour(2)[0], "D"),
}


def _draw_tails(axes: Axes, part: pd.DataFrame) -> None:
    """Draw fraction beyond (19) against δ'."""
    floor = 1e-5
    for series, (label, colour, marker) in _TAILS.items():
        one = part[part["series"] == series]
        seen, none = one[one["y"] > 0], one[one["y"] == 0]
        if len(seen):
            axes.plot(seen["x"], seen["y"], marker, color=colour, label=label)
            axes.vlines(seen["x"], seen["low"].clip(lower=floor), seen["high"], color=colour, lw=1)
        if len(none):  # no estimate was beyond: the upper limit, with a mark that points down
            name = None if len(seen) else f"{label}: none, upper limit"
            axes.plot(none["x"], none["high"], marker=11, ls="", color=colour, mfc="none", label=name)
    x = np.array([min(_LEVELS), max(_LEVELS)])
    axes.plot(x, x, color="black", lw=1, label=r"nominal $\delta'$")
    axes.set(xscale="log", yscale="log", xlabel=r"$\delta'$", ylim=(floor, 200))
    axes.set_ylabel("fraction beyond (19)")
    axes.legend(loc="upper left", handlelength=1)


_RATIOS = {
    "lipschitz": ("Lemma 4, $\\lambda$", "-"),
    "smoothness": ("Lemma 5, $\\phi$", "--"),
    "domination": ("Lemma 6, $\\mu$", "-."),
    "local_domination": ("control: $2h_{\\min}$", ":"),
}


def _draw_ratios(axes: Axes, part: pd.DataFrame) -> None:
    """Draw cumulative fraction of pairs against left side over right side."""
    for k, (series, (label, line)) in enumerate(_RATIOS.items()):
        one = part[part["series"] == series]
        axes.plot(one["x"], one["y"], ls=line, color=cluster_colour(k)[0], label=label)
    axes.axvline(1, color="black", lw=1)
    axes.set(xlabel="left side / right side", ylabel="fraction of pairs", ylim=(0, 1.02), xlim=(0, 2.6))
    axes.legend(loc="lower right", handlelength=1.6)


def _draw_ends(axes: Axes, part: pd.DataFrame) -> None:
    """Draw one dot for each learner."""
    names = []
    for k, (series, one) in enumerate(part.groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        shown = one["y"].clip(upper=_HIGHEST)
        axes.plot(one["x"], shown, marker, color=colour, ms=2.5)
        kind, system = str(series).split(":")
        names.append("control, $M/300$" if kind == "control" else _UNKNOWNS[system])
    axes.axhline(1, color="black", lw=1)
    axes.set(yscale="log", ylabel="final gap / right side of (24)")
    axes.set_xticks(range(len(names)), names)


_Panels = Mapping[str, tuple[str, Callable[["Axes", pd.DataFrame], None]]]
_FIRST: _Panels = {
    "bias": ("bias (17): median, range", _draw_bias),
    "averages": ("averaging: 95 % jackknife-t", _draw_averages),
    "ratios": ("Lemmas 4 to 6", _draw_ratios),
}
_SECOND: _Panels = {
    "steps": ("recursion (29)", _draw_steps),
    "tails": ("(19): 95 % Clopper-Pearson", _draw_tails),
    "ends": ("Lemma 9: every learner", _draw_ends),
}


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "lemmas": EvidenceFigure(
        title="Inequalities and exact moments behind the theorems",
        caption=r"(a) Bias of the smoothed gradient over its bound $\phi r$, by quadrature: median and range over "
        r"random gains; dotted: $\propto r$, the slope of a bias $\propto r^2$. (b) Second moment of averaged "
        r"estimates over the exact value for one agent, with 95 % intervals over runs; in the control, agents share "
        r"directions and noise. (c) Left side over right side of (13), (14) and (15) on random pairs, cumulative.",
        inputs=(PAIRS.name, BIAS.name, ESTIMATES.name),
        table=lambda tables: pd.concat([_bias(tables), _averages(tables), _ratios(tables)], ignore_index=True),
        draw=_draw_first,
    ),
    "lemmas_steps": EvidenceFigure(
        title="Concentration and gradient descent behind the theorems",
        caption=r"(a) Steps of logged trajectories against the right-hand side of (29), in units of "
        r"$10\tilde\Delta_0$. (b) Fraction of estimates beyond (19) against the nominal $\delta'$, with "
        r"Clopper-Pearson 95 % intervals; an arrow ends at the upper limit where no estimate was beyond. (c) Final "
        r"gap over the right-hand side of (24) with calibrated constants, one dot for each learner; values above 1000 "
        r"are drawn at 1000.",
        inputs=(ESTIMATES.name, DESCENT.name),
        table=lambda tables: pd.concat([_steps(tables), _tails(tables), _ends(tables)], ignore_index=True),
        draw=_draw_second,
    ),
    "lemmas_rules": RULES_FIGURE,
}
