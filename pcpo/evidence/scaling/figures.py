"""Draw mean gaps of the collaborative epochs with their overlay, and exponents: figures `scaling` and `collapse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Finding, Tables
from pcpo.evidence.scaling.measures import Cells, paired_ratio, read_cells, size_exponent, total_exponent
from pcpo.figures.style import COLUMN, bare_minor_ticks, cluster_colour, legend_above, new_figure, runs_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]


def _curves(tables: Tables) -> pd.DataFrame:
    """Tabulate by size and epoch: mean gaps with 95 % jackknife-t intervals over runs, overlays, number of runs."""
    c = read_cells(tables)
    mode = tables["scaling"]["mode"].iloc[0]
    rows = []
    for k in range(len(c.size)):
        shared, own = _mean_of(c, k, "shared"), _mean_of(c, k, "own")
        rows.append(
            {
                "kind": "gap",
                "size": int(c.size[k]),
                "epoch": int(c.epoch[k]),
                "minibatch": c.minibatch[k],
                "rollouts": c.rollouts[k],
                "gap": shared.estimate,
                "ci_low": shared.low,
                "ci_high": shared.high,
                "overlay": c.shared_overlay[k],
                "local_gap": own.estimate,
                "local_low": own.low,
                "local_high": own.high,
                "local_overlay": c.own_overlay[k],
                "runs": int(c.clean[:, k].sum()),
                "seeds": len(c.clean),
                "mode": mode,
            }
        )
    frame = pd.DataFrame(rows)
    leading = tables["scaling"].drop_duplicates(["cluster", "size", "epoch"])
    leading = leading[leading["cluster"] == 0][["size", "epoch", "global_leading"]]
    return frame.merge(leading.rename(columns={"global_leading": "leading"}), on=["size", "epoch"], how="left")


def _mean_of(c: Cells, cell: int, series: str) -> Finding:
    """Estimate the mean gap of a cell, "shared" or "own"."""
    return c.finding(lambda gaps: gaps[..., cell], np.nan, "mean gap", series, logarithm=True)


def _scaling_table(tables: Tables) -> pd.DataFrame:
    """Tabulate mean gaps (kind "gap"), and two exponents and the paired ratio (kind "number")."""
    found = {
        r"slope in $\log(M|\mathcal{M}|)$": total_exponent(tables),
        r"slope in $\log|\mathcal{M}|$": size_exponent(tables),
        r"$\sqrt{|\mathcal{M}|}\cdot$global/local": paired_ratio(tables),
    }
    exponents = [
        {"kind": "number", "label": k, "gap": f.estimate, "ci_low": f.low, "ci_high": f.high, "overlay": f.predicted}
        for k, f in found.items()
    ]
    return pd.concat([_curves(tables), pd.DataFrame(exponents)], ignore_index=True)


def _draw_scaling(numbers: pd.DataFrame) -> Figure:
    """Draw measured over predicted gaps of all sizes, and the exponents as distances from the overlay's."""
    figure = new_figure(COLUMN, 4.2)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.7, 1])
    lines = numbers[numbers["kind"] == "gap"]
    _ratios(upper, lines)
    _distances(lower, numbers[numbers["kind"] == "number"])
    handles, labels = upper.get_legend_handles_labels()
    legend_above(figure, handles, labels, _words(lines), ncols=3)
    return figure


def _words(lines: pd.DataFrame) -> str:
    """Say how many runs stand behind the points, how the intervals were made, and the mode."""
    return f"{runs_words(lines['seeds'])}, 95 % jackknife-t intervals; mode: {lines['mode'].iloc[0]}"


def _ratios(axes: Axes, lines: pd.DataFrame) -> None:
    """Draw measured over overlay against the minibatch, the sizes side by side; local gaps in light grey."""
    groups = list(lines.groupby("size"))
    for k, (size, part) in enumerate(groups):
        colour, marker = cluster_colour(k)
        x = part["minibatch"] * 1.1 ** (k - (len(groups) - 1) / 2)
        own = [part[f"local_{name}"] / part["local_overlay"] for name in ("low", "gap", "high")]
        axes.errorbar(x, own[1], np.abs([own[1] - own[0], own[2] - own[1]]), fmt="_", color="0.7", lw=0.8)
        low, gap, high = (part[name] / part["overlay"] for name in ("ci_low", "gap", "ci_high"))
        bars = np.abs([gap - low, high - gap])
        axes.errorbar(x, gap, bars, fmt=marker, color=colour, lw=1, label=rf"$|\mathcal{{M}}|={size:g}$")
    axes.errorbar([], [], [], fmt="_", color="0.7", lw=0.8, label="local gaps / theirs")
    axes.axhline(1, color="black", lw=0.8)
    middle = lines.drop_duplicates("minibatch").sort_values("minibatch")
    leading = middle["leading"] / middle["overlay"]
    axes.plot(middle["minibatch"], leading, color="black", ls=":", lw=1, label="leading order in $r$")
    axes.set_xscale("log")
    axes.set_xticks(middle["minibatch"], [f"{M:,.0f}" for M in middle["minibatch"]])
    axes.minorticks_off()
    axes.set(xlabel="minibatch $M_l$ (rollouts)", ylabel="measured / predicted gap")


def _distances(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw two slopes and the paired ratio as distances from the predicted values, which stand beside them."""
    ticks = np.arange(len(numbers))[::-1]
    middle = (numbers["gap"] - numbers["overlay"]).to_numpy()
    bars = np.abs([numbers["gap"] - numbers["ci_low"], numbers["ci_high"] - numbers["gap"]])
    colour, marker = cluster_colour(0)
    axes.errorbar(middle, ticks, xerr=bars, fmt=marker, color=colour, lw=1.2)
    axes.axvline(0, color="black", lw=0.8)
    predicted = [f"{value:.3f}".replace("-", "−") for value in numbers["overlay"]]
    axes.set_yticks(ticks, [f"{label}\n({value})" for label, value in zip(numbers["label"], predicted, strict=True)])
    axes.set_ylim(-0.6, len(numbers) - 0.4)
    axes.set_xlabel("measured − predicted (in brackets)")


def _draw_collapse(numbers: pd.DataFrame) -> Figure:
    """Draw the gaps of all sizes against the rollouts of the cluster, and measured over predicted below."""
    figure = new_figure(COLUMN, 4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    for k, (size, part) in enumerate(numbers.groupby("size")):
        colour, marker = cluster_colour(k)
        part = part.sort_values("epoch")
        x = part["rollouts"] * part["size"]
        bars = np.abs(np.stack([part["gap"] - part["ci_low"], part["ci_high"] - part["gap"]]))
        upper.errorbar(x, part["gap"], bars, fmt=marker, color=colour, lw=1, label=rf"$|\mathcal{{M}}|={size}$")
        upper.plot(x, part["overlay"], color=colour, lw=0.8)
        ratio = part["gap"] / part["overlay"]
        lower.errorbar(x, ratio, bars / part["overlay"].to_numpy(), fmt=marker, color=colour, lw=1)
    _guide(upper, numbers)
    upper.set_xscale("log")
    upper.set_yscale("log")
    upper.set_ylabel("mean gap $C-C^*$\n(cost units)")
    lower.axhline(1, color="black", lw=0.8)
    lower.set_ylabel("measured /\npredicted")
    lower.set_ylim(bottom=0)
    lower.set_xlabel(r"$|\mathcal{M}|\,T$ (rollouts of the cluster)")
    bare_minor_ticks(lower.xaxis)
    handles, labels = upper.get_legend_handles_labels()
    legend_above(figure, handles, labels, f"{_words(numbers)}; coloured lines: predicted, no fit", ncols=3)
    missed = int(((numbers["ci_low"] > numbers["overlay"]) | (numbers["ci_high"] < numbers["overlay"])).sum())
    words = f"{missed} of {len(numbers)} intervals miss 1; {0.05 * len(numbers):.1g} expected"
    lower.text(0.02, 0.04, words, transform=lower.transAxes, fontsize=7)
    return figure


def _guide(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw a line of slope −1/2 above the points."""
    total = numbers["rollouts"] * numbers["size"]
    x = np.array([total.min(), total.max()])
    level = 2.5 * float((numbers["overlay"] * np.sqrt(total)).max())
    axes.plot(x, level / np.sqrt(x), color="0.6", ls="--", lw=0.8, label=r"slope $-1/2$")


#: Figures by their ids.
FIGURES: dict[str, EvidenceFigure] = {
    "scaling": EvidenceFigure(
        title="Measured over predicted gaps, by minibatch and cluster size",
        caption=r"Above: mean global gap of the collaborative epochs over its prediction, the linearised iteration "
        r"to all orders in the radius without a fitted parameter, against the minibatch $M_l$; cluster sizes side by "
        r"side, local gaps over theirs in grey, 95 % intervals over runs; dotted: leading order in the radius. Below: "
        r"exponents of the mean global gap and the paired ratio, as distances from the predicted values at the same "
        r"points.",
        table=_scaling_table,
        draw=_draw_scaling,
    ),
    "collapse": EvidenceFigure(
        title="Gaps of all cluster sizes against the rollouts of the cluster",
        caption=r"The same mean global gaps against the rollouts $|\mathcal{M}|T$ of the whole cluster, with the "
        r"prediction for every size (lines), above; measured over predicted, below, where a text counts the intervals "
        r"that miss 1. 95 % intervals over runs; nothing is fitted.",
        table=_curves,
        draw=_draw_collapse,
    ),
}
