"""Hold what several claims on the grid share: probabilities of failure by cell, and the controls of all of them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pcpo.claims.cells import Bound, Failed, failure_probability, share_of_delta
from pcpo.claims.contract import Control, Finding, Mode, Tables
from pcpo.evidence.grid.measures import from_controls, per_run

__all__ = [
    "BAD_CELL",
    "HALF_DELTA",
    "MODE",
    "NOISY",
    "NO_ELIMINATION",
    "TRIALS",
    "cell_probability",
    "control",
    "exceeds",
    "five_percent",
]

#: Mode of the runs behind the claims.
MODE: Mode = "calibrated, oracle auto"
#: Theorem 1 allows δ/2 of the runs to fail.
HALF_DELTA = share_of_delta(0.5)
#: Fraction of failing runs in one cell that the checks of probabilities are meant to see.
BAD_CELL = 0.3
#: Trials that support what must always hold.
TRIALS = 300


def five_percent(rows: pd.DataFrame) -> float:
    """Allow 5 % of the runs of a cell to fail."""
    return 0.05


def cell_probability(failed: Failed, what: str, bound: Bound = HALF_DELTA) -> Callable[[Tables], Finding]:
    """Return the measure "probability of failure at the worst cell of the grid"."""
    return failure_probability("grid", per_run, failed, what, bound)


def exceeds(column: str) -> Failed:
    """Say whether a margin was above 1."""
    return lambda runs: runs[column] > 1.0


def control(role: str, what: str) -> Control:
    """Return the control in which the runs of a control cell stand in for the grid."""
    return Control(role, what, from_controls(role))


NOISY = control("noisy", "minibatches 0.0003 of the calibrated ones")
NO_ELIMINATION = control("no_elimination", "PCPO without the elimination (7)")
