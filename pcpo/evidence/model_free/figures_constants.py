"""Draw constants that were estimated from rollouts over those of the true model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.model_free.measures import FACTORS
from pcpo.figures.style import COLUMN, GLOBAL_COLOUR, LOCAL_COLOUR, new_figure, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["constants_table", "draw_constants"]

_TITLES = {
    "cost": "$C(K^0)$",
    "sigma": r"$\sigma$",
    "mean_curvature": r"$\mathrm{tr}\,H/D$",
    "largest_curvature": r"$h_{\max}$",
    "radius": "radius",
}
#: Estimates further off than this factor are drawn on the frame and counted.
_TOP = 30.0
_QUANTILES = {
    "least": 0.0,
    "low": 0.025,
    "quarter": 0.25,
    "median": 0.5,
    "three_quarters": 0.75,
    "high": 0.975,
    "most": 1.0,
}


def constants_table(tables: Tables) -> pd.DataFrame:
    """Tabulate quantiles over agents of estimate/truth, by constant and role."""
    found = tables["model_free_constants"]
    rows = []
    for role, part in found.groupby("role"):
        for name, factor in FACTORS.items():
            values = part[name].dropna().to_numpy(dtype=float)
            shown = {key: float(np.quantile(values, q)) if len(values) else np.nan for key, q in _QUANTILES.items()}
            beyond = int(((values > _TOP) | (values < 1 / _TOP)).sum())
            refused = int(part.groupby(["condition", "seed"])[name].apply(lambda v: v.isna().any()).sum())
            fleets = part.groupby(["condition", "seed"]).ngroups
            spent = float(part["spent"].median())
            rows.append({"role": role, "constant": name, "factor": factor, **shown, "agents": len(values),
                         "beyond": beyond, "fleets": fleets, "refused": refused, "rollouts": spent})  # fmt: skip
    return pd.DataFrame(rows).assign(mode="model-free, moment oracle")


def draw_constants(numbers: pd.DataFrame) -> Figure:
    """Draw a bar of quantiles for each constant and role."""
    figure = new_figure(COLUMN, 3.0)
    axes = figure.subplots()
    for k, name in enumerate(FACTORS):
        factor = FACTORS[name]
        axes.fill_between([k - 0.4, k + 0.4], 1 / factor, factor, color="0.9", lw=0)
        for shift, colour, role in ((-0.15, GLOBAL_COLOUR, "grid"), (0.15, LOCAL_COLOUR, "control")):
            own = numbers[(numbers["constant"] == name) & (numbers["role"] == role)]
            for values in own[list(_QUANTILES)].to_numpy(dtype=float):
                shown = np.clip(values, 1 / _TOP, _TOP)
                least, low, quarter, median, three_quarters, high, most = shown.tolist()
                x = k + shift
                axes.plot([x, x], [low, high], color=colour, lw=0.8)
                axes.plot([x, x], [quarter, three_quarters], color=colour, lw=3, solid_capstyle="butt")
                axes.plot([x, x], [least, most], ".", color=colour, ms=2)
                axes.plot([x], [median], "_", color="k", ms=6)
            for count in own.loc[own["beyond"] > 0, "beyond"].tolist():
                axes.text(
                    k + shift, 0.7 * _TOP, f"{count} ", rotation=90, fontsize=7, ha="right", va="top", color=colour
                )
    axes.axhline(1.0, color="k", lw=0.6, ls=":")
    axes.set_yscale("log")
    axes.set_ylim(0.8 / _TOP, 1.25 * _TOP)
    plain_log_ticks(axes.yaxis)
    axes.set_xticks(range(len(FACTORS)), [_TITLES[name] for name in FACTORS])
    axes.set_ylabel("estimate / truth")
    texts = []
    for role in numbers["role"].unique():
        first = numbers[numbers["role"] == role].iloc[0]
        side = {"grid": "left", "control": "right"}[str(role)]
        texts.append(f"{side}: {first['rollouts']:,.0f} rollouts, {first['fleets']} fleets, {first['refused']} refused")
    axes.set_title("\n".join(sorted(texts)), fontsize=7)
    return figure
