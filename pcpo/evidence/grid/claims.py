"""Declare the claims on the grid; their texts are in claims.md.

Every run is in calibrated mode, with constants from the true model: a failure refutes that calibration on this
population, not a theorem, which is about the constants as printed.  Here are those on Theorem 1;
`claims_theorem_2` and `claims_methods` have the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pcpo.claims.cells import failing_cell
from pcpo.claims.contract import Claim, Control
from pcpo.claims.controls import replaced
from pcpo.claims.judging import AtMost, Never
from pcpo.claims.power import probability, share
from pcpo.evidence.grid.claims_methods import COMPARISON
from pcpo.evidence.grid.claims_theorem_2 import RESOURCES, THEOREM_2
from pcpo.evidence.grid.measures import (
    BAD_CELL,
    HALF_DELTA,
    MODE,
    NO_ELIMINATION,
    NOISY,
    TRIALS,
    cell_probability,
    control,
    exceeds,
    five_percent,
    implication,
    pooled,
    violated_runs,
    with_lost_member,
)

__all__ = ["CLAIMS"]

_POWER = failing_cell("grid", BAD_CELL, HALF_DELTA)
_NOISIER = control("noisier", "minibatches 0.00001 of the calibrated ones")
_WIDE = control("wide", "(7) with the threshold Δ_l in place of Δ_l/2")
_NARROW = control("narrow", "(7) with the threshold Δ_l/4")
_NARROW_NOISY = control("narrow_noisy", "(7) with the threshold Δ_l/4, and a thousandth of the minibatches")
_MEMORYLESS = control("memoryless", "sets that start from [N] in every epoch, 0.0001 of the minibatches")


def _lost(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["lost"] == 1


def _misclustered(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["misclustered"] == 1


def _either(runs: pd.DataFrame) -> pd.Series[bool]:
    return _lost(runs) | _misclustered(runs)


def _not_early(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["settled"] != runs["early"]


def _at_once(runs: pd.DataFrame) -> pd.Series[bool]:
    """Say whether the sets were exact after epoch 1, of the runs whose schedule is too coarse for that."""
    return (runs["at_once"] == 1) & (runs["early"] > 1)


def _event(claim: str, margin: str, what: str, wrong: Control = NOISY) -> Claim:
    """Return the claim that a margin stays below 1 in all but a share δ/2 of the runs."""
    return Claim(claim, cell_probability(exceeds(margin), what), AtMost(), [wrong], _POWER, "phase_diagram", MODE)


_THEOREM_1: list[Claim] = [
    _event("event_22", "margin", "(22) violated"),
    _event("event_23a", "gap_margin", "(23a) violated", _NOISIER),
    _event("event_23b", "estimate_margin", "(23b) violated"),
    Claim(
        "theorem_1_1",
        cell_probability(_lost, "a true member pruned"),
        AtMost(),
        [NOISY, _NARROW_NOISY],
        _POWER,
        "phase_diagram",
        MODE,
    ),
    Claim(
        "theorem_1_2",
        cell_probability(_misclustered, "wrong sets at l ≥ L"),
        AtMost(),
        [NOISY, NO_ELIMINATION, _NARROW_NOISY],
        _POWER,
        "phase_diagram",
        MODE,
        primary=True,
    ),
    Claim(
        "theorem_1_pooled",
        lambda tables: pooled(tables, _either, 0.5),
        AtMost(),
        [NOISY, NO_ELIMINATION],
        probability(lambda tables: pooled(tables, _either, 0.5), BAD_CELL, "a fraction 0.3 of all runs fails"),
        "phase_diagram",
        MODE,
    ),
    Claim(
        "event_implies_clusters",
        implication,
        Never(TRIALS),
        [
            Control("lost_member", "one run that satisfies (22) loses a true member at its end", with_lost_member),
            NO_ELIMINATION,
        ],
        share(implication, 0.05, "with one seed in 20 some run violates the implication"),
        "phase_diagram",
        MODE,
    ),
    Claim(
        "sets_shrink",
        lambda tables: violated_runs(tables, lambda runs: runs["grew"] == 1),
        Never(TRIALS),
        [_MEMORYLESS],
        share(lambda tables: violated_runs(tables, lambda runs: runs["grew"] == 1), 0.05),
        "phase_diagram",
        MODE,
    ),
    Claim(
        "failure_budget",
        lambda tables: violated_runs(tables, lambda runs: runs["spent"] > runs["delta"] * (1 + 1e-12)),
        Never(TRIALS),
        [
            Control(
                "printed",
                "δ_l = δ/2^(l/2), as Algorithm 1 reads in the copy at hand",
                replaced("grid", "failure_probability", lambda t: t["grid"]["delta"] / 2 ** (t["grid"]["epoch"] / 2)),
            ),
            Control(
                "undivided",
                "δ_l = δ/3 in every epoch",
                replaced("grid", "failure_probability", lambda t: t["grid"]["delta"] / 3),
            ),
        ],
        share(lambda tables: violated_runs(tables, lambda runs: runs["spent"] > runs["delta"]), 0.05),
        "phase_diagram",
        "exact",
    ),
    Claim(
        "settles_early",
        cell_probability(_not_early, "L̃ ≠ min{l : Δ_l < 2Δ}", five_percent),
        AtMost(),
        [_WIDE, _NARROW, NO_ELIMINATION],
        failing_cell("grid", BAD_CELL, five_percent),
        "phase_diagram",
        MODE,
    ),
    Claim(
        "sequential",
        cell_probability(_at_once, "sets exact after epoch 1 though Δ_1 ≥ 2Δ", five_percent),
        AtMost(),
        [_NARROW],
        failing_cell("grid", BAD_CELL, five_percent),
        "phase_diagram",
        MODE,
    ),
]

CLAIMS: Sequence[Claim] = [*_THEOREM_1, *THEOREM_2, *RESOURCES, *COMPARISON]
