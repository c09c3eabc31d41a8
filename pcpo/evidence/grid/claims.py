"""Declare the claims on the grid; their texts are in claims.md.

Every run is in calibrated mode, with constants from the true model: a failure refutes that calibration on this
population, not a theorem, which is about the constants as printed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from pcpo.claims.cells import Bound, Failed, failing_cell, failure_probability, share_of_delta
from pcpo.claims.contract import Claim, Control, Finding, Mode, Tables
from pcpo.claims.controls import replaced, scaled
from pcpo.claims.judging import Agrees, AtMost, Never
from pcpo.claims.power import probability, share, shift
from pcpo.evidence.grid.measures import (
    audit_ratio,
    collaboration,
    exponents,
    from_controls,
    implication,
    per_method,
    per_run,
    pooled,
    prediction,
    rollouts_slope,
    rounds_exponent,
    strangers,
    violated_runs,
    with_lost_member,
)

__all__ = ["CLAIMS"]

_MODE: Mode = "calibrated, oracle auto"
_HALF_DELTA = share_of_delta(0.5)
#: Fraction of failing runs in one cell that the checks of probabilities are meant to see.
_BAD_CELL = 0.2
_POWER = failing_cell("grid", _BAD_CELL, _HALF_DELTA)
#: Trials that support what must always hold.
_TRIALS = 300


def _five_percent(rows: pd.DataFrame) -> float:
    """Allow 5 % of the runs of a cell to fail."""
    return 0.05


def _most(rows: pd.DataFrame) -> float:
    """Allow half of the fleets of a cell to fail."""
    return 0.5


def _probability(failed: Failed, what: str, bound: Bound = _HALF_DELTA) -> Callable[[Tables], Finding]:
    """Return the measure "probability of failure at the worst cell of the grid"."""
    return failure_probability("grid", per_run, failed, what, bound)


def _exceeds(column: str) -> Failed:
    """Say whether a margin was above 1."""
    return lambda runs: runs[column] > 1.0


def _lost(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["lost"] == 1


def _misclustered(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["misclustered"] == 1


def _either(runs: pd.DataFrame) -> pd.Series[bool]:
    return _lost(runs) | _misclustered(runs)


def _not_early(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["settled"] != runs["early"]


def _at_once(runs: pd.DataFrame) -> pd.Series[bool]:
    """Say whether the sets changed in epoch 1, of the runs whose schedule is too coarse for that."""
    return (runs["at_once"] == 1) & (runs["early"] > 1)


def _control(role: str, what: str) -> Control:
    return Control(role, what, from_controls(role))


_NOISY = _control("noisy", "minibatches 0.0003 of the calibrated ones")
_NO_ELIMINATION = _control("no_elimination", "PCPO without the elimination (7)")
_WIDE = _control("wide", "(7) with the threshold Δ_l in place of Δ_l/2")
_NARROW = _control("narrow", "(7) with the threshold Δ_l/4")
_NARROW_NOISY = _control("narrow_noisy", "(7) with the threshold Δ_l/4, and a thousandth of the minibatches")
_MEMORYLESS = _control("memoryless", "sets that start from [N] in every epoch, 0.0003 of the minibatches")

_THEOREM_1: list[Claim] = [
    Claim(
        "event_22",
        _probability(_exceeds("margin"), "(22) violated"),
        AtMost(),
        [_NOISY],
        _POWER,
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "event_23a",
        _probability(_exceeds("gap_margin"), "(23a) violated"),
        AtMost(),
        [_NOISY],
        _POWER,
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "event_23b",
        _probability(_exceeds("estimate_margin"), "(23b) violated"),
        AtMost(),
        [_NOISY],
        _POWER,
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "theorem_1_1",
        _probability(_lost, "a true member pruned"),
        AtMost(),
        [_NOISY, _NARROW_NOISY],
        _POWER,
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "theorem_1_2",
        _probability(_misclustered, "wrong sets at l ≥ L"),
        AtMost(),
        [_NOISY, _NO_ELIMINATION, _NARROW_NOISY],
        _POWER,
        "phase_diagram",
        _MODE,
        primary=True,
    ),
    Claim(
        "theorem_1_pooled",
        lambda tables: pooled(tables, _either, 0.5),
        AtMost(),
        [_NOISY, _NO_ELIMINATION],
        probability(lambda tables: pooled(tables, _either, 0.5), _BAD_CELL, "a fraction 0.2 of all runs fails"),
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "event_implies_clusters",
        implication,
        Never(_TRIALS),
        [
            Control("lost_member", "one run that satisfies (22) loses a true member at its end", with_lost_member),
            _NO_ELIMINATION,
        ],
        share(implication, 0.01, "one run in 100 violates the implication"),
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "sets_shrink",
        lambda tables: violated_runs(tables, lambda runs: runs["grew"] == 1),
        Never(_TRIALS),
        [_MEMORYLESS],
        share(lambda tables: violated_runs(tables, lambda runs: runs["grew"] == 1), 0.01),
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "failure_budget",
        lambda tables: violated_runs(tables, lambda runs: runs["spent"] > runs["delta"] * (1 + 1e-12)),
        Never(_TRIALS),
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
        share(lambda tables: violated_runs(tables, lambda runs: runs["spent"] > runs["delta"]), 0.01),
        "phase_diagram",
        "exact",
    ),
    Claim(
        "settles_early",
        _probability(_not_early, "L̃ ≠ min{l : Δ_l < 2Δ}", _five_percent),
        AtMost(),
        [_WIDE, _NARROW, _NO_ELIMINATION],
        failing_cell("grid", _BAD_CELL, _five_percent),
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "sequential",
        _probability(_at_once, "sets changed in epoch 1 though Δ_1 > 2Δ", _five_percent),
        AtMost(),
        [_NARROW],
        failing_cell("grid", _BAD_CELL, _five_percent),
        "phase_diagram",
        _MODE,
    ),
]

# ---------------------------------------------------------------------------------------------------------- theorem 2

#: Margins within which "agrees" is claimed, relative to 1; docs/evidence.md says why.
_PREDICTION_MARGIN, _COLLABORATION_MARGIN = 0.1, 0.15


def _predicted(tables: Tables) -> Finding:
    return prediction(tables, _PREDICTION_MARGIN)


def _collaborates(tables: Tables) -> Finding:
    return collaboration(tables, _COLLABORATION_MARGIN)


def _exponent(which: str) -> Callable[[Tables], Finding]:
    return lambda tables: exponents(tables, which)


def _gap_grown(power: float, base: Callable[[pd.DataFrame], pd.Series]) -> Callable[[Tables], pd.Series[float]]:
    """Return gaps multiplied by a power of something: a wrong exponent."""
    return lambda tables: tables["grid"]["gap"] * base(tables["grid"]) ** power


_ALONE_TOGETHER = Control("local", "agents that learn alone", scaled("grid", "gap", 1.0, "local_gap"))

_THEOREM_2: list[Claim] = [
    Claim(
        "theorem_2_bound",
        _probability(_exceeds("bound_margin"), "8√|M|·gap > Δ_L̄ for an agent", share_of_delta(1.0)),
        AtMost(),
        [_NOISY, _NO_ELIMINATION],
        failing_cell("grid", 0.3, share_of_delta(1.0)),
        "population_scaling",
        _MODE,
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
        shift(_predicted, 0.1, "mean gaps 20 % off the prediction", interval="student"),
        "population_scaling",
        _MODE,
    ),
    Claim(
        "exponent_of_rollouts",
        _exponent("rollouts"),
        Agrees(0.06),
        [
            Control(
                "steeper",
                "an exponent steeper by 1/6",
                replaced("grid", "gap", _gap_grown(-1 / 6, lambda g: g["rollouts"])),
            ),
            Control(
                "flatter",
                "an exponent flatter by 1/6",
                replaced("grid", "gap", _gap_grown(1 / 6, lambda g: g["rollouts"])),
            ),
        ],
        shift(_exponent("rollouts"), 1 / 6, "the exponent of a radius ∝ (M|M|)^(−1/6)"),
        "population_scaling",
        _MODE,
    ),
    Claim(
        "exponent_of_size",
        _exponent("size"),
        Agrees(0.15),
        [
            _ALONE_TOGETHER,
            Control("quarter", "|M|^(−1/4)", replaced("grid", "gap", _gap_grown(0.25, lambda g: g["agents"]))),
        ],
        shift(_exponent("size"), 0.25, "the exponent −1/4"),
        "population_scaling",
        _MODE,
    ),
    Claim(
        "one_exponent",
        _exponent("equal"),
        Agrees(0.15),
        [
            _ALONE_TOGETHER,
            Control("quarter", "|M|^(−1/4)", replaced("grid", "gap", _gap_grown(0.25, lambda g: g["agents"]))),
        ],
        shift(_exponent("equal"), 0.25, "exponents that differ by 1/4"),
        "population_scaling",
        _MODE,
    ),
    Claim(
        "collaboration",
        _collaborates,
        AtMost(),
        [
            _ALONE_TOGETHER,
            Control(
                "quarter",
                "|M|^(−1/4)",
                replaced("grid", "gap", _gap_grown(0.25, lambda g: g["agents"] / g["clusters"])),
            ),
        ],
        shift(_collaborates, 0.2, "a factor 35 % off |M|^(−1/2)", interval="student"),
        "population_scaling",
        _MODE,
    ),
    Claim(
        "no_strangers",
        strangers,
        Agrees(0.25),
        [
            Control(
                "leak",
                "a bias of half the predicted gap",
                replaced(
                    "grid",
                    "first_gap",
                    lambda t: (
                        t["grid"]["first_gap"]
                        + 0.5 * t["grid"]["predicted_first_gap"] * (t["grid"]["algorithm"] == "pcpo")
                    ),
                ),
            ),
            _NO_ELIMINATION,
        ],
        shift(strangers, 0.5, "a bias of half the predicted gap"),
        "population_scaling",
        _MODE,
    ),
]

# ------------------------------------------------------------------------------------------------ rollouts and rounds

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

_RESOURCES: list[Claim] = [
    Claim(
        "rollouts_over_separation",
        rollouts_slope,
        Agrees(0.05, relative=True),
        [_CONSTANT, _SHALLOW],
        shift(rollouts_slope, 0.25, "a slope off by 0.25"),
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "heterogeneity_helps",
        _helps,
        AtMost(),
        [_CONSTANT, _SHALLOW],
        shift(_helps, 0.25, "slope −1.75"),
        "phase_diagram",
        _MODE,
    ),
    Claim(
        "rounds_counted",
        _miscounted,
        Never(_TRIALS),
        [
            Control(
                "one_more", "one round more in epoch 1", replaced("grid", "rounds", lambda t: t["grid"]["rounds"] + 1)
            ),
            Control(
                "unfinished",
                "the last round of an epoch, with (7) and (8), not counted",
                replaced("grid", "rounds", lambda t: t["grid"]["rounds"] - t["grid"]["epoch"]),
            ),
        ],
        share(_miscounted, 0.01),
        "rounds_grid",
        _MODE,
    ),
    Claim(
        "rounds_few",
        _few_rounds,
        AtMost(),
        [
            Control(
                "every_rollout",
                "a round after every rollout",
                replaced("grid", "rounds", lambda t: t["grid"]["rollouts"]),
            ),
            Control(
                "steeper",
                "rounds as T^0.55",
                replaced("grid", "rounds", lambda t: t["grid"]["rollouts"] ** 0.55),
            ),
        ],
        shift(_few_rounds, 0.05, "an exponent of 0.55", interval="student"),
        "rounds_grid",
        _MODE,
    ),
]

# ------------------------------------------------------------------------------------------------- methods and audit


def _at_least(method: str, factor: float = 1.0) -> Callable[[Tables], Finding]:
    """Return the measure "share of fleets in which PCPO's final gap is not below factor × the method's"."""
    reduce = per_method(lambda gaps: ~(gaps["pcpo"] < factor * gaps[method]))
    what = f"PCPO's gap not below that of {method}" + ("" if factor == 1 else f" times {factor:g}")
    return failure_probability("grid_methods", reduce, lambda runs: runs["failed"].astype(bool), what, _most)


def _renamed(names: dict[str, str]) -> Callable[[Tables], Tables]:
    """Return tables where methods have each other's names."""

    def apply(tables: Tables) -> Tables:
        rows = tables["grid_methods"]
        return {**tables, "grid_methods": rows.assign(algorithm=rows["algorithm"].replace(names))}

    return apply


def _exchanged(method: str) -> Control:
    return Control("exchanged", "the two methods exchanged", _renamed({"pcpo": method, method: "pcpo"}))


_FLEETS = failing_cell("grid_methods", 0.9, _most)


def _better(claim: str, method: str) -> Claim:
    """Return the claim that PCPO ends with the smaller gap in most fleets of every cell compared."""
    return Claim(claim, _at_least(method), AtMost(), [_exchanged(method)], _FLEETS, "who_wins", _MODE)


def _twice(tables: Tables) -> Tables:
    """Return tables where PCPO's gaps are four times those of known clusters."""
    rows = tables["grid_methods"].copy()
    known = rows[rows["algorithm"] == "oracle_clusters"].set_index(["cell", "seed", "epoch"])["gap"]
    mine = rows["algorithm"] == "pcpo"
    index = pd.MultiIndex.from_frame(rows.loc[mine, ["cell", "seed", "epoch"]])
    rows.loc[mine, "gap"] = 4.0 * known.reindex(index).to_numpy()
    return {**tables, "grid_methods": rows}


def _audited(tables: Tables) -> Finding:
    return audit_ratio(tables, 0.2)


def _audit_scaled(factor: float) -> Callable[[Tables], pd.Series[float]]:
    """Return local gaps with those of the oracle auto multiplied."""
    return lambda t: t["grid_audit"]["local_gap"] * np.where(t["grid_audit"]["oracle"] == "auto", factor, 1.0)


_COMPARISON: list[Claim] = [
    _better("better_than_local", "local"),
    _better("better_than_one_shot_far", "one_shot, told 4 Δ"),
    _better("better_than_one_shot_near", "one_shot, told 0.25 Δ"),
    Claim(
        "as_known_clusters",
        _at_least("oracle_clusters", 3.0),
        AtMost(),
        [Control("four_times", "four times the gap of known clusters", _twice)],
        _FLEETS,
        "who_wins",
        _MODE,
    ),
    Claim(
        "oracle_audit",
        _audited,
        AtMost(),
        [
            Control(
                "noisier", "gaps by auto 1.5 times too large", replaced("grid_audit", "local_gap", _audit_scaled(1.5))
            ),
            Control(
                "quieter", "gaps by auto a third too small", replaced("grid_audit", "local_gap", _audit_scaled(2 / 3))
            ),
        ],
        shift(_audited, 0.2, "gaps 40 % off", interval="student"),
        "population_scaling",
        "calibrated",
    ),
]

CLAIMS: Sequence[Claim] = [*_THEOREM_1, *_THEOREM_2, *_RESOURCES, *_COMPARISON]
