"""Test where the paper's text, followed to the letter, leads elsewhere than it says.

Most of these places show in every run or in none: their rule is `Never`, and a run without the defect refutes.  The
others compare a number with its prediction (`Agrees`).  The negative controls are data without the defect, mostly the
repair: there the same rule must refute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from pcpo.claims.contract import Claim, Control, Tables
from pcpo.claims.controls import replaced, scaled
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.defects import measures as measured
from pcpo.evidence.defects.measures import BUDGET, NOISE, PROOFS, ROUNDS, RUNS, first_correct, rows_of

__all__ = ["CLAIMS"]

_LEAST = 4  # runs: the defects do not come from chance, and a control shows the contrary in every run
_ABSENT = 0.5  # share of runs without the defect that the check must reveal
_FLEETS, _SOME = 20, 0.1  # fleets that support a slip of a proof, and the share without it that must be revealed


def _instead(study: str, **cells: str) -> Callable[[Tables], Tables]:
    """Return tables of a study with the claim's cells alone, each made of the rows of another: claim's = control's."""

    def change(tables: Tables) -> Tables:
        frames = [rows_of(tables, study, control).assign(cell=cell) for cell, control in cells.items()]
        return {**tables, study: pd.concat(frames, ignore_index=True)}

    return change


def _from_first_reinitialisation(tables: Tables) -> Tables:
    """Take the sets to be right from the first (8) on, although they are not."""
    frame = tables[RUNS]
    after = frame.groupby(["cell", "seed"])["reinitialised"].cummax()
    return {**tables, RUNS: frame.assign(separated=after)}


def _one_epoch_more(tables: Tables) -> Tables:
    """Take L̃ to be one epoch later, as in a run whose budget has one epoch more than separation needs."""
    frame = tables[RUNS]
    first = frame.join(first_correct(frame).rename("first"), on=["cell", "seed"])["first"]
    return {**tables, RUNS: frame.assign(separated=(frame["epoch"] > first).astype(int))}


def _wasteful(tables: Tables) -> Tables:
    """Take the algorithm `local`, with 2R_l + 1 iterations of M_l rollouts, for R_l iterations with all rollouts."""
    frame = tables[BUDGET]
    kept = frame[frame["cell"] != "local_whole"]
    return {**tables, BUDGET: kept.assign(cell=kept["cell"].replace("local", "local_whole"))}


_ONE_CLUSTER = [
    Claim(
        id="offsets",
        measure=measured.offsets,
        rule=Never(_LEAST),
        controls=[
            Control(
                "synchronised",
                "the repair: (8) at the end of epoch 1",
                _instead(RUNS, single="single_sync", single_rollouts="single_sync_rollouts"),
            )
        ],
        power=share(measured.offsets, _ABSENT),
        figure="defects",
        primary=True,
    ),
    Claim(
        id="plateau",
        measure=measured.plateau,
        rule=Never(_LEAST),
        controls=[Control("synchronised", "the repair", _instead(RUNS, single="single_sync"))],
        power=share(measured.plateau, _ABSENT),
        figure="defects",
    ),
    Claim(
        id="no_progress",
        measure=measured.no_progress,
        rule=Never(_LEAST),
        controls=[Control("synchronised", "the repair", _instead(RUNS, single="single_sync"))],
        power=share(measured.no_progress, _ABSENT),
        figure="defects",
    ),
]

_SEVERAL_CLUSTERS = [
    Claim(
        id="adoption",
        measure=measured.adoption,
        rule=Never(_LEAST),
        controls=[
            Control("no_reinit", "the same runs without (8)", _instead(RUNS, forked="forked_no_reinit")),
            Control("related", "clusters with stabilising gains in common", _instead(RUNS, forked="related")),
        ],
        power=share(measured.adoption, _ABSENT),
        figure="defects",
    ),
    Claim(
        id="repaired",
        measure=measured.repaired,
        rule=Never(_LEAST),
        controls=[
            Control("any_8", "counted from the first (8) on, not from the right sets", _from_first_reinitialisation)
        ],
        power=share(measured.repaired, _ABSENT),
        figure="defects",
    ),
    Claim(
        id="no_partition",
        measure=measured.no_partition,
        rule=Never(_LEAST),
        controls=[Control("two", "two clusters", _instead(RUNS, chain="pair"))],
        power=share(measured.no_partition, _ABSENT),
        figure="defects",
    ),
    Claim(
        id="equal_costs",
        measure=measured.inseparable,
        rule=Never(_LEAST),
        controls=[Control("apart", "the same systems with costs 4 apart", _instead(RUNS, equal="far"))],
        power=share(measured.inseparable, _ABSENT),
        figure="defects",
    ),
    Claim(
        id="local_output",
        measure=measured.local_output,
        rule=Never(_LEAST),
        controls=[Control("one_more", "one epoch more", _one_epoch_more)],
        power=share(measured.local_output, _ABSENT),
        figure="defects",
    ),
]

_PROOFS = [
    Claim(
        id="late_reset",
        measure=measured.late_reset,
        rule=Never(_LEAST),
        controls=[
            Control(
                "touched",
                "the repair: (8) for agents whose set holds one whose set changed",
                _instead(RUNS, late="late_touched"),
            )
        ],
        power=share(measured.late_reset, _ABSENT),
        figure="defects",
    ),
    Claim(
        id="wrong_side",
        measure=measured.wrong_side,
        rule=Never(_FLEETS),
        controls=[
            Control(
                "repaired",
                "the repair: max{16, 64(Δ_0/Δ)²} for (Δ_0/Δ)²",
                scaled(PROOFS, "reached", 1.0, "reached_repaired"),
            )
        ],
        power=share(measured.wrong_side, _SOME),
        figure="defects",
        mode="literal",
    ),
    Claim(
        id="lemma_5_early",
        measure=measured.early_lemma_5,
        rule=Never(_FLEETS),
        controls=[
            Control(
                "enlarged", "the repair: φ of a set that holds the step", scaled(PROOFS, "turn", 1.0, "turn_enlarged")
            )
        ],
        power=share(measured.early_lemma_5, _SOME),
        figure="defects",
        mode="literal",
    ),
    Claim(
        id="whole_epochs",
        measure=measured.whole_epochs,
        rule=Never(_FLEETS),
        controls=[
            Control(
                "whole",
                "the repair: budgets of whole epochs",
                replaced(PROOFS, "leftover", lambda tables: tables[PROOFS]["leftover"] * 0 + 1.0),
            ),
            Control("smaller", "budgets smaller by 15 %", scaled(PROOFS, "leftover", 0.85)),
        ],
        power=share(measured.whole_epochs, _SOME),
        figure="defects",
        mode="literal",
    ),
]

_FORMULAS = [
    Claim(
        id="log_squared",
        measure=measured.log_squared,
        rule=AtMost(),
        controls=[Control("constant", "the repair R_l = R_1", _instead(ROUNDS, agents_4="constant_iterations"))],
        # The coefficient is near 1; that of the alternative is 0.  The interval holds effects of rounding alone.
        power=shift(measured.log_squared, 1.0, "rounds linear in L̄"),
        figure="defects",
    ),
    Claim(
        id="gaussian",
        measure=measured.gaussian,
        rule=Agrees(0.4),
        controls=[
            Control(law, f"bounded noise, law {law}", _instead(NOISE, gaussian=law))
            for law in ("signs", "sphere", "cube")
        ],
        power=shift(measured.gaussian, 2.0, "bounded noise"),  # a growth of 0 instead of 2
        figure="defects",
        mode="exact",
    ),
    Claim(
        id="break_even",
        measure=measured.break_even,
        rule=Agrees(0.12, relative=True),
        controls=[Control("wasteful", "an agent alone that spends its rollouts on 2R_l + 1 steps", _wasteful)],
        power=shift(measured.break_even, lambda found: found.predicted - 1.0, "a ratio of 1/√|M|"),
        figure="defects",
    ),
]

CLAIMS: Sequence[Claim] = [*_ONE_CLUSTER, *_SEVERAL_CLUSTERS, *_PROOFS, *_FORMULAS]
