"""Put steps of the proofs that say less than they need into numbers: the study `defects_proofs`.

Everything is arithmetic on the constants of random fleets; nothing is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pcpo.claims.contract import Study
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.printed import scalar_constants
from pcpo.theory.printed.literal_cases import SHAPES, LiteralCase, draw_case
from pcpo.theory.printed.restricted_set import RESTRICTED

__all__ = ["STUDIES", "ProofCell"]

_LAW = noise_law("signs")
_SMALLEST, _LARGEST = 1e-3, 0.25  # of Δ_0/Δ, where L = 1


@dataclass(frozen=True)
class ProofCell:
    """Describe a condition of `defects_proofs`: a kind of random fleet, by a key of `SHAPES`."""

    shape: str


def _cells(options: Mapping[str, Any]) -> dict[str, ProofCell]:
    """Return a condition for every shape."""
    return {shape: ProofCell(shape) for shape in SHAPES}


def _rows(cell: ProofCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Draw a fleet and Δ_0/Δ with every seed, and evaluate the steps."""
    return pd.DataFrame([{"seed": seed, **_row(cell, seed)} for seed in seeds])


def _row(cell: ProofCell, seed: int) -> dict[str, float]:
    """Evaluate the steps for one fleet."""
    rng = stream(seed, Purpose.FLEET, list(SHAPES).index(cell.shape))
    ratio = _SMALLEST * (_LARGEST / _SMALLEST) ** rng.random()
    case = draw_case(cell.shape, ratio, _LAW, rng)
    printed = case.constants.rollouts_that_suffice(ratio**2)
    repaired = case.constants.rollouts_that_suffice(max(16.0, 64 * ratio**2))
    spent, next_ = (case.schedule.rollouts_for(epochs) for epochs in (case.L + 1, case.L + 2))
    return {
        "ratio": ratio,
        "L": case.L,
        "reached": case.schedule.epochs_within(int(printed)),
        "reached_repaired": case.schedule.epochs_within(int(repaired)),
        "leftover": (next_ - 1) / spent,
        **_turns(case),
    }


def _turns(case: LiteralCase) -> dict[str, float]:
    """Compare both sides of (14) for a step of length ρ out of G⁰, at the end of G⁰ where |C″| is largest; scalar only.

    Returns:
        `turn`, |∇C(K′) − ∇C(K)|/(φρ) with φ the largest |C″| of G⁰, and `turn_enlarged`, with φ of the enlarged set.
    """
    if (case.fleet.n, case.fleet.m) != (1, 1):
        return {"turn": math.nan, "turn_enlarged": math.nan}
    system, scale = case.fleet.systems[0], case.found.Delta0_tilde
    own = case.found.clusters[0]
    inner = scalar_constants.sublevel_interval(system, RESTRICTED * scale)
    phi, rho = scalar_constants.largest_curvature(system, inner), own.radius.value
    ends = [(K, K + sign * rho) for K, sign in zip(inner, (-1.0, 1.0), strict=True)]
    turns = [abs(scalar_constants.slope(system, b) - scalar_constants.slope(system, a)) / rho for a, b in ends]
    return {"turn": max(turns) / phi, "turn_enlarged": max(turns) / own.smoothness.value}


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "defects_proofs": Study(
        name="defects_proofs",
        title="Steps of the proofs, in numbers",
        cells=_cells,
        simulate=_rows,
        columns={
            "seed": "draws the fleet and Δ_0/Δ",
            "ratio": "Δ_0/Δ, log-uniform on [1/1000, 1/4]",
            "L": "min{l : Δ_l ≤ Δ/2}",
            "reached": "L̄ within the T that the last line of Appendix C asks for, with (Δ_0/Δ)²",
            "reached_repaired": "the same with max{16, 64(Δ_0/Δ)²}",
            "leftover": "largest T that allows L + 1 epochs and no more, over the rollouts of these epochs",
            "turn": "|∇C(K') − ∇C(K)|/(φ‖K' − K‖), K at the edge of G⁰, K' a step ρ outside, φ = max |C″| on G⁰",
            "turn_enlarged": "the same with φ of the enlarged set, which holds K'",
        },
        may_be_missing=frozenset({"turn", "turn_enlarged"}),
    ),
}
