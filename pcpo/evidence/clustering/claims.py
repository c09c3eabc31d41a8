"""Declare the claims on clustering: Theorem 1 with the events of its proof, and "heterogeneity can be helpful".

Every run is in calibrated mode: a failure refutes that calibration of the constants, not the theorem, which is about
the constants as printed.  Only the implication "(22), hence the sets are right" needs no constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pcpo.claims.cells import Failed, failing_cell, failure_probability, share_of_delta
from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.controls import relabelled, replaced
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.clustering.measures import (
    constant_rollouts,
    implication,
    per_run,
    rollout_slope,
    shallow_rollouts,
    with_lost_member,
)

__all__ = ["CLAIMS"]

#: Theorem 1 allows δ/2 of the runs to fail.
_HALF_DELTA = share_of_delta(0.5)
#: Fraction of failing runs in one cell that the checks are meant to see.
_BAD_CELL = 0.2
_POWER = failing_cell("clustering", _BAD_CELL, _HALF_DELTA)
#: Trials of the implication that are enough to support it.
_TRIALS = 60
#: Slope of rollouts on Δ, both in logarithms, by the condition T ≥ Õ(1/Δ²) of Theorem 2.
_SLOPE_OF_THE_BOUND = -2.0


def _theorem_1(failed: Failed, what: str) -> Callable[[Tables], Finding]:
    """Return the measure "probability of failure at the worst cell, against δ/2"."""
    return failure_probability("clustering", per_run, failed, what, _HALF_DELTA)


def _untypical(rows: pd.DataFrame) -> float:
    """Allow 5 % of the runs to settle in an epoch other than max(1, L − 2)."""
    return 0.05


def _exceeds(column: str) -> Failed:
    """Say whether a margin was above 1 for any agent in any epoch."""
    return lambda runs: runs[column] > 1.0


def _lost(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["lost"] == 1


def _misclustered(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["misclustered"].astype(bool)


def _not_early(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["settled"] != runs["early"]


def _control(name: str, what: str) -> Control:
    """Return the control that puts the cell of this name in the place of the grid."""
    return Control(name, what, relabelled("clustering", f"control:{name}"))


_NOISY = _control("noisy", "minibatches a thousandth of the calibrated ones")
_NO_ELIMINATION = _control("no_elimination", "PCPO without the elimination (7)")
_CLOSE = _control("close", "clusters closer by a factor of 20 than the Δ that L is computed from")
_EDGE = _control("edge", "Δ at the edge of the octave, Δ_(L−2) = 1.996 Δ, and N = 8 agents")
_LOST_MEMBER = Control("lost_member", "one run that satisfies (22) loses a true member at its end", with_lost_member)
_CONSTANT = Control(
    "constant",
    "a method that always takes the rollouts of the smallest Δ",
    replaced("heterogeneity", "rollouts", constant_rollouts),
)
_SHALLOW = Control(
    "shallow",
    "rollouts replaced by their square root",
    replaced("heterogeneity", "rollouts", shallow_rollouts),
)

CLAIMS: Sequence[Claim] = [
    Claim(
        id="event_22",
        measure=_theorem_1(_exceeds("margin"), "(22) violated"),
        rule=AtMost(),
        controls=[_NOISY],
        power=_POWER,
        figure="concentration",
        mode="calibrated, oracle auto",
        primary=True,
    ),
    Claim(
        id="event_23a",
        measure=_theorem_1(_exceeds("gap_margin"), "(23a) violated"),
        rule=AtMost(),
        controls=[_NOISY],
        power=_POWER,
        figure="concentration",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="event_23b",
        measure=_theorem_1(_exceeds("estimate_margin"), "(23b) violated"),
        rule=AtMost(),
        controls=[_NOISY],
        power=_POWER,
        figure="concentration",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="theorem_1_1",
        measure=_theorem_1(_lost, "a true member pruned"),
        rule=AtMost(),
        controls=[_NOISY],
        power=_POWER,
        figure="clustering",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="theorem_1_2",
        measure=_theorem_1(_misclustered, "wrong sets at l ≥ L"),
        rule=AtMost(),
        controls=[_NOISY, _NO_ELIMINATION, _CLOSE],
        power=_POWER,
        figure="clustering",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="event_implies_clusters",
        measure=implication,
        rule=Never(least=_TRIALS),
        controls=[_LOST_MEMBER, _NO_ELIMINATION],
        power=share(implication, 0.05, "with one seed in 20 some run violates the implication"),
        figure="clustering",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="settles_early",
        measure=failure_probability("clustering", per_run, _not_early, "L̃ ≠ max(1, L − 2)", _untypical),
        rule=AtMost(),
        controls=[_EDGE, _NO_ELIMINATION],
        power=failing_cell("clustering", _BAD_CELL, _untypical),
        figure="clustering",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="heterogeneity_slope",
        measure=rollout_slope,
        rule=Agrees(0.05, relative=True),
        controls=[_CONSTANT, _SHALLOW],
        power=shift(
            rollout_slope,
            lambda found: _SLOPE_OF_THE_BOUND - found.predicted,
            "slope −2, without the logarithms",
        ),
        figure="heterogeneity",
        mode="calibrated, oracle auto",
    ),
    Claim(
        id="heterogeneity_helps",
        measure=lambda tables: rollout_slope(tables, _SLOPE_OF_THE_BOUND),
        rule=AtMost(),
        controls=[_CONSTANT, _SHALLOW],
        power=shift(lambda tables: rollout_slope(tables, _SLOPE_OF_THE_BOUND), 1.0, "slope −1"),
        figure="heterogeneity",
        mode="calibrated, oracle auto",
    ),
]
