"""Declare the claims on PCPO with its own constants: Theorems 1 and 2 as stated, Table 2 as printed.

All runs are on the moment oracle.  A probability is that of a whole run, at the worst fleet of the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pcpo.claims.cells import Failed, failing_cell, failure_probability, share_of_delta
from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.controls import relabelled, swapped
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.literal.measures import GRID, apart, as_local, gap_ratio, per_run, size_exponent, weaker

__all__ = ["CLAIMS"]

#: Theorem 1 allows δ/2 of the runs to fail, Theorem 2 allows δ.
_HALF_DELTA, _DELTA = share_of_delta(0.5), share_of_delta(1.0)
#: Fraction of failing runs at one fleet that the checks are meant to see.
_BAD_CELL = 0.2
_POWER_1 = failing_cell("literal_runs", _BAD_CELL, _HALF_DELTA)
_POWER_2 = failing_cell("literal_runs", _BAD_CELL, _DELTA)


def _theorem_1(failed: Failed, what: str) -> Callable[[Tables], Finding]:
    """Return the measure "probability of failure at the worst fleet, against δ/2"."""
    return failure_probability("literal_runs", per_run, failed, what, _HALF_DELTA)


def _theorem_2(failed: Failed, what: str) -> Callable[[Tables], Finding]:
    """Return the measure "probability of failure at the worst fleet, against δ"."""
    return failure_probability("literal_runs", per_run, failed, what, _DELTA)


def _exceeds(column: str) -> Failed:
    """Say whether a margin was above 1, or not a number, for any agent in any epoch that counts."""
    return lambda runs: ~(runs[column] <= 1.0)


def _lost(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["lost"] == 1


def _misclustered(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["misclustered"].astype(bool)


def _control(name: str, what: str) -> Control:
    """Return the control that puts the cell of this name in the place of the grid."""
    return Control(name, what, relabelled("literal_runs", f"control:{name}"))


_FEW_ROLLOUTS = _control("few_rollouts", "M_l a hundred million times too small")
_FEW_ITERATIONS = _control("few_iterations", "R_l a thousand times too small")
_LONG_STEPS = _control("long_steps", "steps η ten thousand times too long, as if φ were that much smaller")
_CLOSE = _control("close", "clusters closer by a factor of 20 than the Δ that L is computed from")
_NO_ELIMINATION = _control("no_elimination", "PCPO without the elimination (7)")
_LOCAL = Control("local", "local policies in place of global ones: no collaboration", as_local)
_WEAKER = Control("weaker", "global gaps larger by |M|^(1/4)", weaker)
_FEW_IN_SIZES = Control(
    "few_iterations", "R_l a thousand times too small", swapped("literal_sizes", "control:few_iterations", GRID)
)
_NO_REINIT = Control("no_reinit", "PCPO without (8)", swapped("literal_sizes", "control:no_reinit", GRID))

CLAIMS: Sequence[Claim] = [
    Claim(
        id="event_22",
        measure=_theorem_1(_exceeds("margin"), "(22) violated"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS, _FEW_ITERATIONS],
        power=_POWER_1,
        figure="literal",
        mode="literal, moment oracle",
        primary=True,
    ),
    Claim(
        id="event_23a",
        measure=_theorem_1(_exceeds("gap_margin"), "(23a) violated"),
        rule=AtMost(),
        controls=[_FEW_ITERATIONS, _LONG_STEPS],
        power=_POWER_1,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="event_23b",
        measure=_theorem_1(_exceeds("estimate_margin"), "(23b) violated"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS],
        power=_POWER_1,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="restricted",
        measure=_theorem_1(_exceeds("restricted_margin"), "a policy outside (12)"),
        rule=AtMost(),
        controls=[_LONG_STEPS],
        power=_POWER_1,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_1_1",
        measure=_theorem_1(_lost, "a true member pruned"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS],
        power=_POWER_1,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_1_2",
        measure=_theorem_1(_misclustered, "wrong sets at l ≥ L"),
        rule=AtMost(),
        controls=[_FEW_ROLLOUTS, _NO_ELIMINATION, _CLOSE],
        power=_POWER_1,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_2_minibatch",
        measure=_theorem_2(_exceeds("late_bound"), "(35) violated"),
        rule=AtMost(),
        controls=[_FEW_ITERATIONS, _LONG_STEPS],
        power=_POWER_2,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="theorem_2_rollouts",
        measure=_theorem_2(_exceeds("late_rate"), "(9) violated"),
        rule=AtMost(),
        controls=[_LONG_STEPS],
        power=_POWER_2,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="lemma_9",
        measure=_theorem_1(_exceeds("lemma_9_margin"), "(24) violated"),
        rule=AtMost(),
        controls=[_FEW_ITERATIONS, _LONG_STEPS],
        power=_POWER_1,
        figure="literal",
        mode="literal, moment oracle",
    ),
    Claim(
        id="same_gains",
        measure=apart,
        rule=Never(100),
        controls=[_NO_REINIT],
        power=share(apart, 0.05),
        figure="literal_sizes",
        mode="literal, moment oracle",
    ),
    Claim(
        id="prediction",
        measure=gap_ratio,
        rule=Agrees(0.1),
        controls=[_FEW_IN_SIZES, _LOCAL, _WEAKER],
        power=shift(gap_ratio, 0.2, "a mean gap 20 % off the prediction"),
        figure="literal_sizes",
        mode="literal, moment oracle",
    ),
    Claim(
        id="collaboration",
        measure=size_exponent,
        rule=Agrees(0.1),
        controls=[_LOCAL, _WEAKER],
        power=shift(size_exponent, 0.25, "an exponent of −1/4"),
        figure="literal_sizes",
        mode="literal, moment oracle",
    ),
]
