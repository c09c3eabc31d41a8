"""Draw failures over wrong guesses of Δ, and over budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.evidence.model_free.measures import WELL_CONDITIONED
from pcpo.evidence.model_free.settings import METHODS
from pcpo.figures.points import Row, explain, fraction_row, points
from pcpo.figures.style import PAGE, method_look, new_figure, panel_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_guesses", "guesses_table"]

_GUESSES = {"guess_": "calibrated, centred", "auto_guess_": "model-free, with (7) and Δ_0"}
_GUESS_LOOKS = {"guess_": "pcpo_centred", "auto_guess_": "pcpo_auto"}
_BUDGETS = ("auto", "pcpo", "pcpo_two_point")


def _factor(name: str, prefix: str) -> float:
    """Return the factor that a method's name says."""
    word = name.removeprefix(prefix)
    return 1 / float(word.removeprefix("1_")) if word.startswith("1_") else float(word)


def guesses_table(tables: Tables) -> pd.DataFrame:
    """Tabulate both panels, told apart by the column `kind`; fleets of condition up to 10."""
    rows = list[Row]()
    guessed = tables["model_free_guesses"]
    guessed = guessed[guessed["condition"].isin(WELL_CONDITIONED)]
    for prefix, title in _GUESSES.items():
        for method, part in guessed[guessed["method"].str.startswith(prefix)].groupby("method"):
            x = _factor(str(method), prefix)
            rows.append(fraction_row(part["failed"] > 0, kind="guess", series=title, look=_GUESS_LOOKS[prefix], x=x))
    runs = pd.concat([tables["model_free_budgets"], tables["model_free_fleets"]])
    runs = runs[runs["condition"].isin(WELL_CONDITIONED)]
    for method in _BUDGETS:
        for budget, part in runs[runs["method"] == method].groupby("budget"):
            x = float(str(budget))
            one = METHODS[method]
            rows.append(fraction_row(part["failed"] > 0, kind="budget", series=one.title, look=one.look, x=x))
    return pd.DataFrame(rows).assign(mode=runs.loc[runs["method"] == "auto", "mode"].iloc[0])


def draw_guesses(numbers: pd.DataFrame) -> Figure:
    """Draw both panels."""
    figure = new_figure(PAGE, 2.9)
    panels = figure.subplots(1, 2)
    for axes, kind, label in zip(
        panels,
        ("guess", "budget"),
        (r"$\Delta_0/\Delta$", "rollouts per agent"),
        strict=True,
    ):
        part = numbers[numbers["kind"] == kind]
        for k, series in enumerate(part["series"].unique()):
            own = part[part["series"] == series].sort_values("x")
            look = method_look(str(own["look"].iloc[0]))
            points(
                axes,
                own["x"] * 1.04 ** (k - 1),
                own,
                look.colour,
                look.marker,
                ms=4,
                label=str(series).replace("Δ_0", r"$\Delta_0$"),
            )
        axes.set_xscale("log")
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel(label)
        panel_label(axes, "(a) fraction of fleets that fail" if kind == "guess" else "(b) fraction of fleets that fail")
        axes.set_xticks(np.unique(part["x"]), [_word(x) for x in np.unique(part["x"])], fontsize=7)
        axes.minorticks_off()
    explain(figure, numbers, panels, ncols=3)
    return figure


def _word(x: float) -> str:
    """Return a factor or a number of rollouts as a label."""
    return f"{x:,.0f}" if x >= 1 else f"1/{1 / x:.0f}"
