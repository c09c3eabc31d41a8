"""Figures `first_experiments` and `sensitivity` of the group "practice".

Figures `failure_signatures`, `initial_guess` and `separation_limit` of the group "practice".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Tables
from pcpo.evidence.practice.measures import CHEAP, cell, ends, shown, to_exact
from pcpo.evidence.practice.studies import KNOBS
from pcpo.figures.style import (
    GLOBAL_COLOUR,
    LOCAL_COLOUR,
    PAGE,
    bare_minor_ticks,
    cluster_colour,
    new_figure,
    panel_label,
)
from pcpo.statistics import FEWEST, binomial_interval, mean_interval, ratio_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "FAILURE_SIGNATURES",
    "FIGURES",
    "FIRST_EXPERIMENTS",
    "INITIAL_GUESS",
    "SENSITIVITY_FIGURE",
    "SEPARATION_LIMIT",
    "Row",
    "fraction_row",
    "heading",
    "mean_row",
    "points",
]

Row = dict[str, Any]
_METHODS = {"unforced": "PCPO", "forced": "averaging over all"}
_SETS = {"two_clusters": "PCPO", "never_prune": "without (7)"}


def mean_row(values: pd.Series, **labels: Any) -> Row:
    """Mean over runs with its 95 % bootstrap interval; infinite if a run is."""
    found = mean_interval(values.to_numpy(dtype=float))
    return {**labels, "y": found.estimate, "ci_low": found.low, "ci_high": found.high, "runs": len(values)}


def fraction_row(hits: pd.Series, **labels: Any) -> Row:
    """Fraction of runs with its Clopper-Pearson 95 % interval."""
    found = binomial_interval(int(hits.sum()), len(hits))
    return {**labels, "y": found.estimate, "ci_low": found.low, "ci_high": found.high, "runs": len(hits)}


def points(axes: Axes, x: Any, rows: pd.DataFrame, colour: Any, marker: str, **options: Any) -> None:
    """Points with their intervals; those without a finite value are left out, those without an interval have none."""
    y = rows["y"].to_numpy(dtype=float)
    ok = np.isfinite(y)
    x, y = np.asarray(x, dtype=float)[ok], y[ok]
    low = np.where(np.isfinite(rows["ci_low"].to_numpy()[ok]), rows["ci_low"].to_numpy()[ok], y)
    high = np.where(np.isfinite(rows["ci_high"].to_numpy()[ok]), rows["ci_high"].to_numpy()[ok], y)
    bars = np.maximum(0.0, np.stack([y - low, high - y]))
    style = {"lw": 1.2, "elinewidth": 0.8, **options}
    axes.errorbar(x, y, yerr=bars, color=colour, marker=marker, **style)


def _first_table(tables: Tables) -> pd.DataFrame:
    frame = tables["first_runs"]
    rows: list[Row] = []
    for N, part in ends(cell(tables, "first_runs", "homogeneous")).groupby("value"):
        found = ratio_interval(part["global_gap"].to_numpy(), part["local_gap"].to_numpy())
        target = float(part["predicted_global"].mean() / part["predicted_local"].mean())
        span = {"ci_low": found.low, "ci_high": found.high, "runs": len(part)}
        rows.append({"kind": "ratio", "series": "measured", "x": N, "y": found.estimate, "overlay": target, **span})
    for name, title in _SETS.items():
        for epoch, part in cell(tables, "first_runs", name).groupby("epoch"):
            ratio = float((part["Delta"] / part["separation"]).iloc[0])
            rows.append(fraction_row(part["exact"], kind="sets", series=title, x=epoch, overlay=ratio))
    for name, title in _METHODS.items():
        for epoch, part in cell(tables, "first_runs", name).groupby("epoch"):
            target = float(part["plateau"].mean())
            rows.append(mean_row(part["global_gap"], kind="gap", series=title, x=epoch, overlay=target))
        part = ends(cell(tables, "first_runs", f"{name}_mirror"))
        rows.append(fraction_row(part["infinite_global"] > 0, kind="mirror", series=title, x=len(rows)))
    return pd.DataFrame(rows).assign(mode=frame["mode"].iloc[0])


def _draw_first(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 2.5)
    panels = figure.subplots(1, 4, width_ratios=[1.2, 1, 1, 0.8])
    _ratio_panel(panels[0], numbers[numbers["kind"] == "ratio"])
    for kind, axes, title in (
        ("sets", panels[1], "(b) fraction with\nexact sets"),
        ("gap", panels[2], "(c) mean gap (cost units),\na common gain exists"),
    ):
        part = numbers[numbers["kind"] == kind]
        for k, (series, one) in enumerate(part.groupby("series", sort=False)):
            colour, marker = cluster_colour(k)
            points(axes, one["x"] + 0.06 * (k - 0.5), one, colour, marker, label=str(series))
        axes.set_xticks(sorted(part["x"].unique()))
        axes.set_xlim(part["x"].min() - 0.4, part["x"].max() + 0.4)
        axes.set_xlabel("epoch")
        panel_label(axes, title)
    sets = numbers[numbers["kind"] == "sets"].drop_duplicates("x")
    panels[1].set_xticks(
        sets["x"], [f"{e:g}\n" rf"$\Delta_l={r:.2g}\,\Delta$" for e, r in zip(sets["x"], sets["overlay"], strict=True)]
    )
    panels[1].set_ylim(-0.05, 1.05)
    panels[1].legend(loc="center")
    panels[2].set_yscale("log")
    plateau = numbers.loc[numbers["kind"] == "gap", "overlay"].dropna().iloc[0]
    panels[2].axhline(plateau, color="black", ls=":", lw=1, label="one policy for all")
    panels[2].legend(loc="center", bbox_to_anchor=(0.55, 0.74))
    mirror = numbers[numbers["kind"] == "mirror"]
    for k in range(len(mirror)):
        colour, marker = cluster_colour(k)
        points(panels[3], [k], mirror.iloc[[k]], colour, marker, ls="")
    panels[3].set_xticks(range(len(mirror)), [s.replace(" over all", "") for s in mirror["series"]])
    panels[3].set_xlim(-0.5, len(mirror) - 0.5)
    panels[3].set_ylim(-0.05, 1.05)
    panel_label(panels[3], "(d) infinite cost,\nno common gain")
    heading(figure, numbers)
    return figure


def heading(figure: Figure, numbers: pd.DataFrame) -> None:
    """What the points are means of, read from the table."""
    runs = numbers["runs"].dropna().astype(int)
    many = f"{runs.min()}" if runs.min() == runs.max() else f"{runs.min()} to {runs.max()}"
    means = "bootstrap" if runs.min() >= FEWEST else f"none (fewer than {FEWEST} runs)"
    text = f"{many} runs per point; 95 % intervals: {means} for means and ratios, Clopper-Pearson for fractions"
    figure.suptitle(f"{text}; mode: {numbers['mode'].iloc[0]}", fontsize=7)


def _ratio_panel(axes: Axes, part: pd.DataFrame) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    points(axes, part["x"], part, GLOBAL_COLOUR, "o", label="measured", ls="")
    axes.plot(part["x"], part["overlay"], color=GLOBAL_COLOUR, lw=1, label="prediction")
    axes.plot(part["x"], part["x"] ** -0.5, color="black", ls=":", lw=1, label=r"$N^{-1/2}$")
    axes.set_xticks(part["x"], [f"{N:g}" for N in part["x"]])
    ticks = [0.1, 0.2, 0.5, 1.0]
    axes.set_yticks(ticks, [f"{v:g}" for v in ticks])
    bare_minor_ticks(axes.yaxis)
    axes.set_xlim(1.7, 1.2 * part["x"].max())
    axes.set_xlabel("$N$ agents in one cluster")
    axes.legend(loc="lower left")
    panel_label(axes, "(a) mean global gap /\nmean local gap")


def _sensitivity_table(tables: Tables) -> pd.DataFrame:
    rows: list[Row] = []
    for knob in KNOBS:
        for value, part in ends(cell(tables, "sensitivity", knob)).groupby("value"):
            labels: Row = {"knob": knob, "x": value}
            overlay = float(part["predicted_local"].mean())
            rows.append(mean_row(part["local_gap"], kind="local", **labels, overlay=overlay))
            rows.append(mean_row(part["global_gap"], kind="global", **labels))
            infinite = (part["infinite_local"] > 0) | (part["infinite_global"] > 0)
            rows.append(fraction_row(infinite, kind="infinite", **labels))
            rows.append(fraction_row(~part["exact"], kind="wrong sets", **labels))
    return pd.DataFrame(rows).assign(mode=tables["sensitivity"]["mode"].iloc[0])


def _draw_sensitivity(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 3.6)
    panels = figure.subplots(2, len(KNOBS), sharex="col", sharey="row", height_ratios=[2, 1])
    for column, (knob, title) in enumerate(KNOBS.items()):
        part = numbers[numbers["knob"] == knob]
        _gap_panel(panels[0, column], part)
        panel_label(panels[0, column], title)
        axes = panels[1, column]
        for k, kind in enumerate(("wrong sets", "infinite")):
            one = part[part["kind"] == kind]
            colour, marker = cluster_colour(k + 2)
            label = {"infinite": "infinite cost"}.get(kind, kind)
            points(axes, one["x"] * (0.96, 1.04)[k], one, colour, marker, label=label)
        axes.set_xscale("log", base=2)
        x = sorted(part["x"].unique())
        axes.set_xticks([v for v in x if round(np.log2(v)) % 2 or len(x) < 5], minor=False)
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}" if v >= 1 else f"1/{1 / v:g}")
        axes.set_xlabel("multiple of calibrated")
    panels[0, 0].set_ylabel("mean gap (cost units)")
    panels[1, 0].set_ylabel("fraction of runs")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    more, names = panels[1, 0].get_legend_handles_labels()
    figure.legend(handles + more, labels + names, loc="outside lower center", ncols=5)
    heading(figure, numbers)
    return figure


def _gap_panel(axes: Axes, part: pd.DataFrame) -> None:
    series: tuple[tuple[str, Any, str], ...] = (("local", LOCAL_COLOUR, "s"), ("global", GLOBAL_COLOUR, "o"))
    for kind, colour, marker in series:
        one = part[part["kind"] == kind]
        points(axes, one["x"], one, colour, marker, label=f"{kind}, measured", ls="")
    local = part[part["kind"] == "local"]
    shown = local[local["overlay"] < 3 * local.loc[np.isfinite(local["y"]), "y"].max()]
    axes.plot(shown["x"], shown["overlay"], color=LOCAL_COLOUR, lw=1, label="local, predicted")
    axes.set_yscale("log")


FIRST_EXPERIMENTS = EvidenceFigure(
    title="First experiments",
    table=_first_table,
    draw=_draw_first,
    caption="The first experiments. (a) One cluster, common start: ratio of mean global and local gaps against the number of "
    "agents, with the prediction of the linearised iteration (no fitted parameter). (b) Two clusters: fraction of runs "
    "whose sets are the clusters, by epoch. (c) Two clusters with a common gain: mean gap of PCPO and of averaging "
    "over "
    "everybody at the same rollouts, with the plateau of one policy for all. (d) Two clusters without a common gain. "
    "Intervals are 95 %: bootstrap over runs for means and ratios, Clopper-Pearson for fractions.",
)
SENSITIVITY_FIGURE = EvidenceFigure(
    title="Sensitivity to the constants",
    table=_sensitivity_table,
    draw=_draw_sensitivity,
    caption="One constant at a time, others calibrated. Above: mean gaps after the last epoch (cost units; absent where a run "
    "has an infinite one) and the predicted mean local gap. Below: fraction of runs with wrong sets and with an "
    "infinite "
    "cost. The cap of the radius is in place. Intervals are 95 %: bootstrap over runs, Clopper-Pearson.",
)


_CONDITIONS = {
    "sound": "sound",
    "step": "$\\eta$\n$\\times10$",
    "radius": "$r\\times4$,\nno cap",
    "averaging": "forced\naveraging",
    "noise": "$M_l/12$",
    "close": r"$\Delta\to0$",
}
_SIGNATURES = {
    "lost": r"$\hat C_i$ lost (twice the first or more)",
    "shared_lost": r"saturated rollouts, sound $\hat C_i$",
    "restless": "(8) in two epochs or more",
}


def _failures_table(tables: Tables) -> pd.DataFrame:
    rows: list[Row] = []
    for name, title in _CONDITIONS.items():
        frame = cell(tables, "failures", name)
        for signature in _SIGNATURES:
            rows.append(
                fraction_row(pd.Series(shown(frame, signature)), kind="signature", condition=title, series=signature)
            )
        for epoch, part in frame.groupby("epoch"):
            labels: Row = {"kind": "epoch", "condition": title, "x": epoch}
            rows.append(mean_row(part["saturated"], series="saturated", **labels))
            rows.append(mean_row(part["smallest_set"] / part["agents"], series="smallest_set", **labels))
    return pd.DataFrame(rows).assign(mode=tables["failures"]["mode"].iloc[0])


def _draw_failures(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 3.0)
    panels = figure.subplots(1, 3, width_ratios=[2.4, 1, 1])
    marks = numbers[numbers["kind"] == "signature"]
    titles = list(dict.fromkeys(marks["condition"]))
    for k, (signature, title) in enumerate(_SIGNATURES.items()):
        colour, marker = cluster_colour(k)
        one = marks[marks["series"] == signature].set_index("condition").loc[titles]
        points(panels[0], np.arange(len(titles)) + 0.2 * (k - 1), one, colour, marker, label=title, ls="")
    panels[0].set_xticks(range(len(titles)), titles)
    panels[0].set_ylim(-0.04, 1.04)
    panels[0].set_ylabel("fraction of runs")
    panel_label(panels[0], "(a) signatures by violated condition")
    for axes, series, label in (
        (panels[1], "saturated", "(b) share of rollouts\nsaturated"),
        (panels[2], "smallest_set", r"(c) least $|\mathcal{N}_i|/N$"),
    ):
        _epochs(axes, numbers[(numbers["kind"] == "epoch") & (numbers["series"] == series)])
        panel_label(axes, label)
    titles_of_signatures = panels[0].get_legend_handles_labels()
    figure.legend(*titles_of_signatures, loc="outside lower left", ncols=1, title="(a)", title_fontsize=7)
    conditions = panels[2].get_legend_handles_labels()
    figure.legend(*conditions, loc="outside lower right", ncols=3, title="(b), (c)", title_fontsize=7)
    heading(figure, numbers)
    return figure


def _epochs(axes: Axes, part: pd.DataFrame) -> None:
    for k, (condition, one) in enumerate(part.groupby("condition", sort=False)):
        colour, marker = cluster_colour(k)
        points(axes, one["x"] + 0.05 * k, one, colour, marker, label=str(condition).replace("\n", " "))
    axes.set_xticks(sorted(part["x"].unique()))
    axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel("epoch")


def _guess_table(tables: Tables) -> pd.DataFrame:
    rows: list[Row] = []
    for _, part in ends(cell(tables, "initial_guess", "fixed")).groupby("value"):
        labels: Row = {"x": float((part["value"] / part["separation"]).iloc[0])}
        rows.append(fraction_row(part["exact"], kind="fraction", series="exact sets", **labels))
        lost = (part["infinite_local"] > 0) | (part["infinite_global"] > 0)
        rows.append(fraction_row(lost, kind="fraction", series="infinite cost", **labels))
        rows.append(fraction_row(part["epoch"] == 0, kind="fraction", series="no epoch in the budget", **labels))
        rows.append(mean_row(part["local_gap"], kind="gap", series="local", **labels))
        rows.append(mean_row(part["global_gap"], kind="gap", series="global", **labels))
    known, rule, wild = (to_exact(cell(tables, "guess_rule", n)) for n in ("known", "rule", "rule_times_ten"))
    for series, spent in (("rule", rule), ("ten times the rule", wild)):
        both = pd.concat([known, spent], axis=1, keys=["x", "y"]).dropna()
        rows += [{"kind": "run", "series": series, "x": x, "y": y} for x, y in zip(both["x"], both["y"], strict=True)]
    return pd.DataFrame(rows).assign(mode=tables["initial_guess"]["mode"].iloc[0])


def _draw_guess(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 3.1)
    panels = figure.subplots(1, 3)
    for k, (series, one) in enumerate(numbers[numbers["kind"] == "fraction"].groupby("series", sort=False)):
        colour, marker = cluster_colour(k + 2)
        points(panels[0], one["x"], one, colour, marker, label=str(series))
    gaps = numbers[numbers["kind"] == "gap"]
    for series, colour, marker in (("local", LOCAL_COLOUR, "s"), ("global", GLOBAL_COLOUR, "o")):
        one = gaps[gaps["series"] == series]
        points(panels[1], one["x"], one, colour, marker, label=series)
    for axes, label in ((panels[0], "(a) fraction of runs"), (panels[1], "(b) mean gap at the end (cost units)")):
        axes.set_xscale("log")
        axes.set_xlim(0.6 * gaps["x"].min(), 1.6 * gaps["x"].max())
        axes.set_xlabel(r"initial guess $\Delta_0/\Delta$")
        panel_label(axes, label)
    panels[1].set_yscale("log")
    _rule_panel(panels[2], numbers[numbers["kind"] == "run"])
    panels[0].set_ylim(-0.04, 1.04)
    found = [axes.get_legend_handles_labels() for axes in panels]
    for (handles, labels), place, title in zip(found, ("left", "center", "right"), "abc", strict=True):
        options: dict[str, Any] = {"loc": f"outside lower {place}", "title": f"({title})", "title_fontsize": 7}
        figure.legend(handles, labels, **options)
    heading(figure, numbers[numbers["kind"] != "run"])
    return figure


def _rule_panel(axes: Axes, part: pd.DataFrame) -> None:
    """Rollouts to exact sets of the same fleet; runs that never get there are at the upper edge."""
    finite = part[np.isfinite(part["x"]) & np.isfinite(part["y"])]
    top = 3 * CHEAP * max(finite["x"].max(), 1.0) if len(finite) else 1.0
    for k, (series, one) in enumerate(part[np.isfinite(part["x"])].groupby("series", sort=False)):
        colour, marker = cluster_colour(k)
        axes.plot(one["x"], np.minimum(one["y"], top), marker, color=colour, label=str(series), alpha=0.7)
    span = np.array([finite["x"].min(), finite["x"].max()]) if len(finite) else np.array([1.0, 10.0])
    axes.plot(span, span, color="black", lw=0.8, label=r"as with $\Delta$ known")
    axes.plot(span, CHEAP * span, color="black", lw=0.8, ls=":", label="16/3 times that")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.8 * 10 ** np.floor(np.log10(span[0])), 1.25 * 10 ** np.ceil(np.log10(span[1])))  # whole decades
    bare_minor_ticks(axes.xaxis)
    axes.set_xlabel(r"rollouts with $\Delta$ known ($\Delta_0=2\Delta$)")
    panel_label(axes, "(c) rollouts to exact sets\n(upper edge: never)")


def _limit_table(tables: Tables) -> pd.DataFrame:
    rows: list[Row] = []
    for method in ("pcpo", "local"):
        for Delta, part in ends(cell(tables, "separation_limit", method)).groupby("value"):
            labels: Row = {"series": method, "x": Delta, "last": float(part["Delta"].mean())}
            rows.append(
                mean_row(part["global_gap"], kind="gap", **labels, overlay=float(part["predicted_global"].mean()))
            )
            if method == "pcpo":
                rows.append(fraction_row(part["exact"], kind="exact", **labels))
    return pd.DataFrame(rows).assign(mode=tables["separation_limit"]["mode"].iloc[0])


def _draw_limit(numbers: pd.DataFrame) -> Figure:
    figure = new_figure(PAGE, 2.6)
    panels = figure.subplots(1, 2, width_ratios=[1.6, 1])
    gaps = numbers[numbers["kind"] == "gap"]
    for series, title, colour, marker in (("pcpo", "PCPO", GLOBAL_COLOUR, "o"), ("local", "alone", LOCAL_COLOUR, "s")):
        one = gaps[gaps["series"] == series]
        points(panels[0], one["x"], one, colour, marker, label=title)
    own = gaps[gaps["series"] == "pcpo"]
    panels[0].plot(own["x"], own["overlay"], color="black", ls=":", lw=1, label="predicted if merged")
    panels[0].set_yscale("log")
    panels[0].legend(loc="center left", bbox_to_anchor=(0.0, 0.45))
    panel_label(panels[0], "(a) mean gap at the end (cost units)")
    exact = numbers[numbers["kind"] == "exact"]
    points(panels[1], exact["x"], exact, GLOBAL_COLOUR, "o")
    panels[1].set_ylim(-0.04, 1.04)
    panel_label(panels[1], "(b) fraction of runs with exact sets")
    last = float(numbers["last"].iloc[0])
    for axes in panels:
        axes.set_xscale("log")
        axes.axvline(last, color="grey", lw=0.8, ls="--")
        axes.set_xlabel(r"separation $\Delta$ (cost units); dashed: $\Delta_{\bar L}$")
    heading(figure, numbers)
    return figure


FAILURE_SIGNATURES = EvidenceFigure(
    title="Signatures of failures",
    caption="Conditions violated on purpose. (a) Fraction of runs that show each signature, Clopper-Pearson 95 %. (b) Share of "
    "rollouts whose cost is beyond all numbers and (c) size of the smallest set, by epoch, means with bootstrap 95 % "
    "intervals. Lost cost estimates are all equal, so the sets of a lost fleet never split.",
    table=_failures_table,
    draw=_draw_failures,
)
INITIAL_GUESS = EvidenceFigure(
    title="The initial guess of the separation",
    caption="The initial guess at a fixed budget. (a) Fraction of runs, Clopper-Pearson 95 %: a small guess leaves no "
    "epoch, a large one loses the policies. (b) Mean gaps (cost units) with bootstrap 95 % intervals; absent where a run "
    "has an infinite one. (c) Random fleets: rollouts per agent to exact sets with the rule, against those with Δ known.",
    table=_guess_table,
    draw=_draw_guess,
)
SEPARATION_LIMIT = EvidenceFigure(
    title="Clusters of nearly equal cost",
    caption="Two clusters of different dynamics whose optimal costs approach each other, with the same epochs. (a) "
    "Mean gap (cost units) of PCPO and of learning alone with the same rollouts, bootstrap 95 %; dotted: the "
    "linearised mean gap "
    "of one policy for all. (b) Fraction of runs with exact sets, Clopper-Pearson 95 %.",
    table=_limit_table,
    draw=_draw_limit,
)


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "first_experiments": FIRST_EXPERIMENTS,
    "sensitivity": SENSITIVITY_FIGURE,
    "failure_signatures": FAILURE_SIGNATURES,
    "initial_guess": INITIAL_GUESS,
    "separation_limit": SEPARATION_LIMIT,
}
