"""Draw mean gaps of the collaborative epochs with their overlay, and exponents: figures `scaling` and `collapse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import EvidenceFigure, Finding, Tables
from pcpo.evidence.scaling.measures import Cells, paired_ratio, read_cells, size_exponent, total_exponent
from pcpo.figures.style import COLUMN, LOCAL_COLOUR, PAGE, bare_minor_ticks, cluster_colour, new_figure, panel_label

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
        "slope in\n" r"$\log(M|\mathcal{M}|)$": total_exponent(tables),
        "slope in\n" r"$\log|\mathcal{M}|$": size_exponent(tables),
        r"$\sqrt{|\mathcal{M}|}\times$" "\nglobal/local": paired_ratio(tables),
    }
    exponents = [
        {"kind": "number", "label": k, "gap": f.estimate, "ci_low": f.low, "ci_high": f.high, "overlay": f.predicted}
        for k, f in found.items()
    ]
    return pd.concat([_curves(tables), pd.DataFrame(exponents)], ignore_index=True)


def _heading(lines: pd.DataFrame) -> str:
    """Say how many runs the points are means of, and their mode."""
    seeds, mode = int(lines["seeds"].max()), lines["mode"].iloc[0]
    return f"mean over {seeds} runs with 95 % jackknife-t intervals; lines: overlay, nothing fitted; mode: {mode}"


def _draw_scaling(numbers: pd.DataFrame) -> Figure:
    """Draw a panel of gaps for each size, and one of exponents."""
    lines = numbers[numbers["kind"] == "gap"]
    sizes = sorted(lines["size"].unique().astype(int))
    figure = new_figure(PAGE, 3.6 if len(sizes) > 2 else 2.2)
    columns = 3
    rows = int(np.ceil((len(sizes) + 1) / columns))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    low = 0.6 * float(lines[["ci_low", "gap", "overlay"]].min().min())  # few runs have no interval
    high = 1.6 * float(lines[["ci_high", "local_high", "gap", "local_gap"]].max().max())
    for axes, size in zip(panels, sizes, strict=False):
        _panel(axes, lines[lines["size"] == size].sort_values("epoch"))
        axes.set_ylim(low, high)
        bare_minor_ticks(axes.xaxis)
        axes.set_xlim(0.6 * lines["minibatch"].min(), 1.8 * lines["minibatch"].max())
        panel_label(axes, rf"$|\mathcal{{M}}|={size}$")
    for axes in panels[len(sizes) + 1 :]:
        axes.remove()
    _exponents(panels[len(sizes)], numbers[numbers["kind"] == "number"])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, title=_heading(lines), title_fontsize=7)
    figure.supxlabel("minibatch $M_l$ (rollouts per agent and iteration)", fontsize=8)
    figure.supylabel("mean gap $C-C^*$ (cost units)", fontsize=8)
    return figure


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    """Draw the gaps of one size against the minibatch."""
    colour, marker = cluster_colour(0)
    x = part["minibatch"]
    axes.set_xscale("log")
    axes.set_yscale("log")
    for name, tint, mark, shift in (("local", LOCAL_COLOUR, "x", 1.06), ("global", colour, marker, 1.0)):
        prefix = "local_" if name == "local" else ""
        low, high = (part[f"{'local' if prefix else 'ci'}_{end}"] for end in ("low", "high"))
        middle = part[f"{prefix}gap"]
        bars = np.abs(np.stack([middle - low, high - middle]))
        axes.errorbar(x * shift, middle, bars, fmt=mark, color=tint, lw=1, label=f"{name} gap")
        axes.plot(x, part[f"{prefix}overlay"], color=tint, lw=1, label=f"{name}, all orders in $r$")
    axes.plot(x, part["leading"], color="black", ls=":", lw=1, label="global, leading order in $r$")


def _exponents(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw two slopes and the paired ratio beside the overlay's values."""
    ticks = np.arange(len(numbers))[::-1]
    middle = numbers["gap"].to_numpy()
    bars = np.abs(np.stack([middle - numbers["ci_low"], numbers["ci_high"] - middle]))
    colour, marker = cluster_colour(0)
    axes.errorbar(middle, ticks, xerr=bars, fmt=marker, color=colour, lw=1.2)
    axes.plot(numbers["overlay"], ticks, "|", color="black", ms=12, mew=1.2)
    for reference in (-0.5, 1.0):
        axes.axvline(reference, color="0.6", ls="--", lw=0.8)
    axes.set_yticks(ticks, numbers["label"])
    axes.set_ylim(-0.6, len(numbers) - 0.4)
    panel_label(axes, "bars: overlay; dashed: $-1/2$, 1")


def _draw_collapse(numbers: pd.DataFrame) -> Figure:
    """Draw the gaps of all sizes against the rollouts of the cluster, and measured over predicted below."""
    figure = new_figure(COLUMN, 3.6)
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
    lower.set_ylabel("measured\n/ overlay")
    lower.set_ylim(bottom=0)
    lower.set_xlabel(r"$|\mathcal{M}|\,T$ (rollouts of the cluster)")
    bare_minor_ticks(lower.xaxis)
    seeds, mode = int(numbers["seeds"].max()), numbers["mode"].iloc[0]
    upper.legend(fontsize=6, ncols=2, loc="lower left")
    panel_label(upper, f"{seeds} runs, 95 % jackknife-t; mode: {mode}")
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
        title="The gap against minibatch and cluster size",
        caption=r"Mean gap (cost units) after the collaborative epochs against the minibatch $M_l$, by cluster size, "
        r"with 95 % jackknife-t intervals over runs. Lines are predictions without a fitted parameter: solid to all "
        r"orders in the radius, dotted at leading order. Last panel: exponents of the mean global gap and the paired "
        r"ratio, with the same intervals, beside the overlay's values at the same points.",
        table=_scaling_table,
        draw=_draw_scaling,
    ),
    "collapse": EvidenceFigure(
        title="One curve for rollouts and agents together",
        caption=r"The same mean global gaps against the rollouts $|\mathcal{M}|T$ of the whole cluster: one curve for "
        r"all cluster sizes, above; measured over predicted, below. 95 % jackknife-t intervals over runs; nothing is "
        r"fitted.",
        table=_curves,
        draw=_draw_collapse,
    ),
}
