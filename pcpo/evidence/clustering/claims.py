"""Claims on clustering: Theorem 1 with the events of its proof, and "heterogeneity can be helpful".

Every run is in calibrated mode: a failure refutes that calibration of the constants, not the theorem, which is about
the constants as printed.  Only the implication "(22), hence the sets are right" needs no constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pcpo.claims.contract import Claim, Control, Finding, Power, Tables
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.evidence.clustering.measures import (
    SECONDARY,
    Failed,
    constant_rollouts,
    failing_cell_power,
    failure_probability,
    implication,
    relabelled,
    rollout_slope,
    shallow_rollouts,
    slope_power,
    steepness,
    violation_power,
    with_lost_member,
)

__all__ = ["CLAIMS"]

#: What "typically" is taken to mean in "L̃ is typically L − 2": all but this fraction of runs.
_UNTYPICAL = 0.05
#: At least as steep as the 1/Δ² of Theorem 2.
_SLOPE_OF_THE_BOUND = -2.0
_BAD_CELL = 0.2
_TRIALS = 100

_NOISY = Control("noisy", "minibatches a thousandth of the calibrated ones", relabelled("control:noisy"))
_NO_ELIMINATION = Control("no_elimination", "PCPO without the elimination (7)", relabelled("control:no_elimination"))
_CLOSE = Control(
    "close", "clusters closer by a factor of 20 than the Δ that L is computed from", relabelled("control:close")
)
_EDGE = Control("edge", "Δ at the edge of the octave, Δ_(L−2) = 1.996 Δ, and N = 8 agents", relabelled("control:edge"))
_LOST = Control("lost_member", "one run that satisfies (22) loses a true member at its end", with_lost_member)
_CONSTANT = Control("constant", "a method that always takes the rollouts of the smallest Δ", constant_rollouts)
_SHALLOW = Control("shallow", "rollouts replaced by their square root", shallow_rollouts)


def _exceeds(column: str) -> Failed:
    """Whether a margin was above 1 for any agent in any epoch."""
    return lambda runs: runs[column] > 1.0


def _lost(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["lost"] == 1


def _misclustered(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["misclustered"].astype(bool)


def _not_early(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["settled"] != runs["early"]


def _probability(failed: Failed, what: str, bound: float | None = None) -> Callable[[Tables], Finding]:
    return lambda tables: failure_probability(tables, failed, what, bound)


def _cell_power(bound: float | None = None, family: int = SECONDARY) -> Power:
    return Power(
        f"one cell of the grid in which a fraction {_BAD_CELL:g} of the runs fails",
        lambda tables: failing_cell_power(tables, _BAD_CELL, bound, family),
    )


_EVENT = Claim(
    id="event_22",
    measure=_probability(_exceeds("margin"), "(22) violated"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(family=1),
    figure="concentration",
    primary=True,
)

_GAP = Claim(
    id="event_23a",
    measure=_probability(_exceeds("gap_margin"), "(23a) violated"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(),
    figure="concentration",
)

_ESTIMATE = Claim(
    id="event_23b",
    measure=_probability(_exceeds("estimate_margin"), "(23b) violated"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(),
    figure="concentration",
)

_INSIDE = Claim(
    id="theorem_1_1",
    measure=_probability(_lost, "a true member pruned"),
    rule=AtMost(),
    controls=[_NOISY],
    power=_cell_power(),
    figure="clustering",
)

_EXACT = Claim(
    id="theorem_1_2",
    measure=_probability(_misclustered, "wrong sets at l ≥ L"),
    rule=AtMost(),
    controls=[_NOISY, _NO_ELIMINATION, _CLOSE],
    power=_cell_power(),
    figure="clustering",
)

_IMPLICATION = Claim(
    id="event_implies_clusters",
    measure=implication,
    rule=Never(least=_TRIALS),
    controls=[_LOST, _NO_ELIMINATION],
    power=Power("one run in 50 violates the implication", lambda tables: violation_power(tables, 0.02)),
    figure="clustering",
)

_EARLY = Claim(
    id="settles_early",
    measure=_probability(_not_early, "L̃ ≠ max(1, L − 2)", _UNTYPICAL),
    rule=AtMost(),
    controls=[_EDGE, _NO_ELIMINATION],
    power=_cell_power(_UNTYPICAL),
    figure="clustering",
)

_SLOPE = Claim(
    id="heterogeneity_slope",
    measure=rollout_slope,
    rule=Agrees(0.05, relative=True),
    controls=[_CONSTANT, _SHALLOW],
    power=Power("slope −2, without the logarithms", lambda tables: slope_power(tables, _SLOPE_OF_THE_BOUND)),
    figure="heterogeneity",
)

_HELPS = Claim(
    id="heterogeneity_helps",
    measure=lambda tables: steepness(tables, _SLOPE_OF_THE_BOUND),
    rule=AtMost(),
    controls=[_CONSTANT, _SHALLOW],
    power=Power("slope −1", lambda tables: slope_power(tables, -1.0, _SLOPE_OF_THE_BOUND)),
    figure="heterogeneity",
)

CLAIMS: Sequence[Claim] = (_EVENT, _GAP, _ESTIMATE, _INSIDE, _EXACT, _IMPLICATION, _EARLY, _SLOPE, _HELPS)
