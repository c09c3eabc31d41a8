"""Declare the claims on Theorem 2, on rollouts and on rounds over the grid."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pcpo.claims.cells import failing_cell, share_of_delta
from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.controls import replaced, scaled
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import share, shift
from pcpo.evidence.grid.measures import (
    MODE,
    NO_ELIMINATION,
    NOISY,
    TRIALS,
    cell_probability,
    collaboration,
    exceeds,
    exponents,
    prediction,
    rollouts_slope,
    rounds_exponent,
    strangers,
    violated_runs,
)
from pcpo.evidence.grid.studies import ALONE

__all__ = ["RESOURCES", "THEOREM_2"]

#: Margins within which "agrees" is claimed, relative to 1; docs/evidence.md says why.
_PREDICTION_MARGIN, _COLLABORATION_MARGIN, _EXPONENT_MARGIN = 0.1, 0.15, 0.06


def _predicted(tables: Tables) -> Finding:
    return prediction(tables, _PREDICTION_MARGIN)


def _collaborates(tables: Tables) -> Finding:
    return collaboration(tables, _COLLABORATION_MARGIN)


def _in_time(tables: Tables) -> Finding:
    return exponents(tables, "rollouts", _EXPONENT_MARGIN)


def _exponent(which: str) -> Callable[[Tables], Finding]:
    return lambda tables: exponents(tables, which)


def _other_exponent(name: str, what: str, column: str, power: float) -> Control:
    """Return the control in which gaps are multiplied by a power of a column: a wrong exponent."""
    return Control(name, what, replaced("grid", "gap", lambda t: t["grid"]["gap"] * t["grid"][column] ** power))


def _leaking(tables: Tables) -> pd.Series[float]:
    """Return gaps of cluster 1 that are larger by half the predicted gap where there are strangers."""
    rows = tables["grid"]
    leak: pd.Series[float] = 0.5 * rows["predicted_first_gap"] * (rows["algorithm"] != ALONE)
    return rows["first_gap"] + leak


_ALONE_TOGETHER = Control("local", "agents that learn alone", scaled("grid", "gap", 1.0, "local_gap"))

THEOREM_2: list[Claim] = [
    Claim(
        "theorem_2_bound",
        cell_probability(exceeds("bound_margin"), "8√|M|·gap > Δ_L̄ for an agent", share_of_delta(1.0)),
        AtMost(),
        [NOISY, NO_ELIMINATION],
        failing_cell("grid", 0.3, share_of_delta(1.0)),
        "population_scaling",
        MODE,
    ),
    Claim(
        "prediction",
        _predicted,
        AtMost(),
        [
            Control("larger", "gaps a quarter larger", scaled("grid", "gap", 1.25)),
            Control("smaller", "gaps a quarter smaller", scaled("grid", "gap", 0.75)),
            _ALONE_TOGETHER,
        ],
        shift(_predicted, 0.1, "mean gaps 20 % off the prediction"),
        "population_scaling",
        MODE,
    ),
    Claim(
        "exponent_of_rollouts",
        _in_time,
        AtMost(),
        [
            _other_exponent("steeper", "an exponent steeper by 1/6", "rollouts", -1 / 6),
            _other_exponent("flatter", "an exponent flatter by 1/6", "rollouts", 1 / 6),
        ],
        shift(_in_time, 1 / 6 - _EXPONENT_MARGIN, "an exponent off by 1/6"),
        "population_scaling",
        MODE,
    ),
    Claim(
        "exponent_of_size",
        _exponent("size"),
        Agrees(0.15),
        [
            _ALONE_TOGETHER,
            _other_exponent("sharp", "gaps larger by N^0.15", "agents", 0.15),
        ],
        shift(_exponent("size"), 0.25, "the exponent −1/4"),
        "population_scaling",
        MODE,
    ),
    Claim(
        "one_exponent",
        _exponent("equal"),
        Agrees(0.15),
        [
            _ALONE_TOGETHER,
            _other_exponent("sharp", "gaps larger by N^0.15", "agents", 0.15),
        ],
        shift(_exponent("equal"), 0.25, "exponents that differ by 1/4"),
        "population_scaling",
        MODE,
    ),
    Claim(
        "collaboration",
        _collaborates,
        AtMost(),
        [
            _ALONE_TOGETHER,
            _other_exponent("quarter", "gaps larger by N^(1/4)", "agents", 0.25),
        ],
        shift(_collaborates, 0.2, "a factor 35 % off |M|^(−1/2)"),
        "population_scaling",
        MODE,
    ),
    Claim(
        "no_strangers",
        strangers,
        Agrees(0.25),
        [
            Control("leak", "a bias of half the predicted gap", replaced("grid", "first_gap", _leaking)),
            NO_ELIMINATION,
        ],
        shift(strangers, 0.5, "a bias of half the predicted gap"),
        "population_scaling",
        MODE,
    ),
]


_BOUND_SLOPE, _ROUNDS_BOUND = -2.0, 0.5


def _constant_rollouts(tables: Tables) -> pd.Series[float]:
    """Return rollouts of a method that clusters once, as precisely as the smallest Δ needs."""
    rows = tables["grid"]
    axis = rows[rows["axis"].isin(["base", "separation"])]
    hardest = axis[axis["separation"] == axis["separation"].min()].groupby("seed")["rollouts"].max()
    return rows["seed"].map(hardest)


def _helps(tables: Tables) -> Finding:
    return rollouts_slope(tables, _BOUND_SLOPE)


def _miscounted(tables: Tables) -> Finding:
    return violated_runs(tables, lambda runs: runs["miscounted"] == 1)


def _few_rounds(tables: Tables) -> Finding:
    return rounds_exponent(tables, _ROUNDS_BOUND)


_CONSTANT = Control(
    "constant",
    "a method that always takes the rollouts of the smallest Δ",
    replaced("grid", "rollouts", _constant_rollouts),
)
_SHALLOW = Control(
    "shallow",
    "rollouts to the power 0.75: they grow more slowly than 1/Δ²",
    replaced("grid", "rollouts", lambda t: t["grid"]["rollouts"] ** 0.75),
)


def _rounds(other: Callable[[pd.DataFrame], pd.Series[float]]) -> Callable[[Tables], Tables]:
    """Return tables with other rounds."""
    return replaced("grid", "rounds", lambda tables: other(tables["grid"]))


RESOURCES: list[Claim] = [
    Claim(
        "rollouts_over_separation",
        rollouts_slope,
        Agrees(0.05, relative=True),
        [_CONSTANT, _SHALLOW],
        shift(rollouts_slope, 0.25, "a slope off by 0.25"),
        "phase_diagram",
        MODE,
    ),
    Claim(
        "heterogeneity_helps",
        _helps,
        AtMost(),
        [_CONSTANT, _SHALLOW],
        shift(_helps, 0.25, "slope −1.75"),
        "phase_diagram",
        MODE,
    ),
    Claim(
        "rounds_counted",
        _miscounted,
        Never(TRIALS),
        [
            Control("one_more", "one round more in epoch 1", _rounds(lambda rows: rows["rounds"] + 1)),
            Control(
                "unfinished",
                "the last round of an epoch, with (7) and (8), not counted",
                _rounds(lambda rows: rows["rounds"] - rows["epoch"]),
            ),
        ],
        share(_miscounted, 0.05),
        "rounds_grid",
        MODE,
    ),
    Claim(
        "rounds_few",
        _few_rounds,
        AtMost(),
        [
            Control(
                "every_rollout",
                "a round after every rollout",
                _rounds(lambda rows: rows["rollouts"]),
            ),
            Control(
                "steeper",
                "rounds as T^0.55",
                _rounds(lambda rows: rows["rollouts"] ** 0.55),
            ),
        ],
        shift(_few_rounds, 0.05, "an exponent of 0.55"),
        "rounds_grid",
        MODE,
    ),
]
