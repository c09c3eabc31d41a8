"""Test what FedLQR's experiment is taken to show, with the numbers that its paper states.

The claims use one measure of a gain, the cost that the agents learn ("own").  The measure "published" judges the same
gains of the same runs: a second set of claims would hardly say more, and would halve the level of each.  Figure
`fedlqr_measures` shows every quantity by both measures.  Bounds were fixed before the runs of the published size, after
a trial of three runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.controls import scaled, swapped
from pcpo.claims.judging import AtMost
from pcpo.claims.power import shift
from pcpo.evidence.fedlqr.measures import PRIMARY, QUANTITIES, STUDY, estimated

__all__ = ["CLAIMS"]

_BY_ROUNDS, _BY_MEASURE = "fedlqr_replication", "fedlqr_measures"


def _measure(claim: str) -> Callable[[Tables], Finding]:
    return partial(estimated, QUANTITIES[claim])


def _factor(claim: str, factor: float, alternative: str) -> Power:
    """Return the power against a ratio that is `factor` times its bound."""
    return shift(_measure(claim), lambda found: (factor - 1) * found.predicted, alternative)


def _slower(claim: str) -> Power:
    return _factor(claim, 1.5, "1.5 times the rounds of one agent")


def _off(claim: str, by: float, alternative: str) -> Power:
    return shift(_measure(claim), by, alternative)


def _exchanged(first: str, second: str) -> Callable[[Tables], Tables]:
    """Return tables where two conditions bear each other's name."""

    def apply(tables: Tables) -> Tables:
        frame = tables[STUDY]
        return {**tables, STUDY: frame.assign(cell=frame["cell"].replace({first: second, second: first}))}

    return apply


def _instead(cell: str, gaps: Callable[[pd.DataFrame], pd.Series[float]]) -> Callable[[Tables], Tables]:
    """Return tables where changed gaps of the one agent stand in for those of a condition.

    Args:
        cell: the condition.
        gaps: from the rows of one run of the one agent, in the order of the rounds, to other gaps.
    """

    def apply(tables: Tables) -> Tables:
        frame = tables[STUDY]
        one = frame[frame["cell"] == "number_1"].sort_values(["seed", "round"])
        changed = pd.concat([gaps(run) for _, run in one.groupby("seed")])
        wrong = one.assign(cell=cell, **{PRIMARY: changed})
        return {**tables, STUDY: pd.concat([frame[frame["cell"] != cell], wrong], ignore_index=True)}

    return apply


def _slowed(run: pd.DataFrame) -> pd.Series[float]:
    """Return the gaps of a run that takes two rounds where the given run takes one; infinite gaps stay infinite."""
    with np.errstate(invalid="ignore"):
        gaps = np.interp(run["round"] / 2, run["round"], run[PRIMARY])
    return pd.Series(np.where(np.isnan(gaps), np.inf, gaps), index=run.index)


def _widened(run: pd.DataFrame) -> pd.Series[float]:
    """Return gaps at twice the distance from those without noise."""
    quiet = run[f"{PRIMARY}_noise_free"]
    return quiet + 2 * (run[PRIMARY] - quiet)


def _without_growth(tables: Tables) -> Tables:
    """Return tables where the runs of ε = 0 stand in for those of ε = 0.5, whose floor stays."""
    frame, floor = tables[STUDY], f"{PRIMARY}_floor"
    high = frame["cell"] == "level_0.5"
    wrong = frame[frame["cell"] == "level_0"].assign(cell="level_0.5", **{floor: frame.loc[high, floor].iloc[0]})
    return {**tables, STUDY: pd.concat([frame[~high], wrong], ignore_index=True)}


def _rounds(claim: str, controls: Sequence[Control], power: Power, *, primary: bool = False) -> Claim:
    """Declare a claim on T_M/T_1."""
    return Claim(
        id=claim,
        measure=_measure(claim),
        rule=AtMost(),
        controls=controls,
        power=power,
        figure=_BY_ROUNDS,
        mode="literal",
        primary=primary,
    )


def _exchange(first: str, second: str, what: str) -> Control:
    return Control("exchanged", what, _exchanged(first, second))


def _counted(cell: str, stand_in: str, what: str) -> Control:
    return Control(stand_in, what, swapped(STUDY, stand_in, cell))


def _slow(cell: str) -> Control:
    return Control("half_the_pace", "one agent at half the pace, counted as many", _instead(cell, _slowed))


def _spread(claim: str, copies: str) -> Claim:
    """Declare a claim on the spread over runs."""
    return Claim(
        id=claim,
        measure=_measure(claim),
        rule=AtMost(),
        controls=[
            Control("wider", "one agent's runs with twice the noise, counted as copies", _instead(copies, _widened))
        ],
        power=_factor(claim, 2.0, "twice the spread of one agent"),
        figure=_BY_MEASURE,
        mode="literal",
    )


def _bias(claim: str, low: str, high: str) -> Claim:
    """Declare a claim on the growth of the final gap."""
    return Claim(
        id=claim,
        measure=_measure(claim),
        rule=AtMost(),
        controls=[_exchange(low, high, "the two levels exchanged")],
        power=_off(claim, 0.05, "a final gap that is lower by 0.05 at the higher level"),
        figure=_BY_ROUNDS,
        mode="literal",
    )


CLAIMS: Sequence[Claim] = (
    _rounds(
        "linear_10",
        [
            _counted("number_10", "number_1", "one agent counted as ten"),
            _exchange("number_1", "number_10", "one agent and ten exchanged"),
        ],
        _factor("linear_10", 2.0, "half of the speed-up that is claimed"),
        primary=True,
    ),
    _rounds(
        "linear_50",
        [
            _counted("number_50", "number_1", "one agent counted as fifty"),
            _exchange("number_1", "number_50", "one agent and fifty exchanged"),
        ],
        _factor("linear_50", 2.0, "half of the speed-up that is claimed"),
    ),
    _rounds(
        "speed_10",
        [_exchange("number_1", "number_10", "one agent and ten exchanged"), _slow("number_10")],
        _slower("speed_10"),
    ),
    _rounds(
        "speed_50",
        [_exchange("number_1", "number_50", "one agent and fifty exchanged"), _slow("number_50")],
        _slower("speed_50"),
    ),
    _rounds("copies_10", [_slow("copies_10")], _slower("copies_10")),
    _rounds("copies_50", [_slow("copies_50")], _slower("copies_50")),
    _spread("spread_10", "copies_10"),
    _spread("spread_50", "copies_50"),
    _bias("bias_low", "level_0", "level_0.1"),
    _bias("bias_high", "level_0.1", "level_0.5"),
    Claim(
        id="floor",
        measure=_measure("floor"),
        rule=AtMost(),
        controls=[
            Control("no_growth", "the runs of ε = 0 in the place of those of ε = 0.5", _without_growth),
            Control("low_floors", "floors that are ten times lower", scaled(STUDY, f"{PRIMARY}_floor", 0.1)),
        ],
        power=_off("floor", math.log(2), "a growth of four times the floor's, or of a quarter of it"),
        figure=_BY_MEASURE,
        mode="literal",
    ),
)
