"""Declare the studies of inequalities at random stable gains.

`hierarchical_gains` checks Lemmas 3 and 4; `hierarchical_weights` Lemmas 5 and 15 with Q larger and larger
against R, since the bound of Lemma 15 has no Q.  Only the ratio matters: costs that are a hundred times as large are
the same problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.hierarchical.model.instances import Family, drawn_regulators, perturbed
from pcpo.evidence.hierarchical.model.regulator import (
    Regulator,
    allowed_change,
    allowed_error,
    mended_error,
    operator_norm,
    smallest,
)
from pcpo.simulation.noise import Purpose, stream

__all__ = ["GAINS", "STUDIES", "WEIGHTS", "perturbation"]


@dataclass(frozen=True)
class GainsCell:
    """Describe a condition of `hierarchical_gains`.

    Args:
        family: of the systems.
        draws: number of random gains of each regulator.
    """

    family: Family
    draws: int


def _gains_cells(options: Mapping[str, Any]) -> dict[str, GainsCell]:
    """Return a cell for each family of systems."""
    families: tuple[Family, ...] = ("general", "section6")
    return {family: GainsCell(family, **options) for family in families}


def _inequalities(cell: GainsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each random gain of each regulator."""
    frames = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 2)
        for place, S in enumerate(drawn_regulators(cell.family, rng)):
            ratios = pd.DataFrame([_ratios(S, K) for K in _drawn_gains(S, rng, cell.draws)])
            frames.append(ratios.assign(seed=seed, regulator=place, draw=range(cell.draws)))
    return pd.concat(frames, ignore_index=True)


def _drawn_gains(S: Regulator, rng: np.random.Generator, draws: int) -> list[FloatArray]:
    """Draw gains whose gaps are at most C*/1000 to 10 C*, uniform in the logarithm."""
    best = float(S.cost(S.K_star))
    return [perturbed(S, rng, best * 10 ** rng.uniform(-3, 1)) for _ in range(draws)]


def _ratios(S: Regulator, K: FloatArray) -> dict[str, float]:
    """Return the left side over the right side of (18) and (19)."""
    gap, E = float(S.gap(K)), S.E(K)
    square, G = float(np.sum(E * E)), S.R + S.B.T @ S.P(K) @ S.B
    step = S.step(K)
    after, far = (float(S.gap(K - factor * step * E)) for factor in (1.0, 20.0))
    return {
        "lower": smallest(S.Phi) * square / (float(operator_norm(G)) * gap),
        "upper": gap * smallest(S.R) / (float(operator_norm(S.Sigma_star)) * square),
        "upper_narrow": gap * smallest(S.R) / (smallest(S.Sigma_star) * square),
        "lower_loose": float(np.linalg.norm(S.Sigma(K), 2)) * square / (smallest(S.R) * gap),
        "descent": S.decrease(step) * gap / (gap - after) if gap > after else np.inf,
        "descent_far": 20 * S.decrease(step) * gap / (gap - far) if gap > far else np.inf,
    }


GAINS = Study(
    name="hierarchical_gains",
    title="Lemmas 3 and 4 at random stable gains, gaps from C*/1000 to 10 C*",
    cells=_gains_cells,
    simulate=_inequalities,
    columns={
        "seed": "system",
        "regulator": "0, 1: the subpopulations, 2: the mean field",
        "draw": "gain",
        "lower": "first over second term of (18)",
        "upper": "second over third term of (18)",
        "upper_narrow": "the same with σ_min(Σ_K*) in place of ‖Σ_K*‖",
        "lower_loose": "the first with ‖Σ_K‖/σ_min(R) in place of σ_min(Φ)/‖R + BᵀP_K B‖",
        "descent": "the decrease that (19) promises over that of one exact step; ∞ without a decrease",
        "descent_far": "the same for a step 20 times as long",
    },
    key=("seed", "regulator", "draw"),
    options={"draws": whole(5)},
)


@dataclass(frozen=True)
class WeightsCell:
    """Describe a condition of `hierarchical_weights`.

    Args:
        ratio: by which R of a general system is divided, so that Q is larger against it.
        draws: number of random gains of each regulator.
    """

    ratio: float
    draws: int


def _weights_cells(options: Mapping[str, Any]) -> dict[str, WeightsCell]:
    """Return a cell for each ratio."""
    return {f"Q/R={ratio:g}": WeightsCell(float(ratio), options["draws"]) for ratio in sorted(options["ratios"])}


def _weighted(cell: WeightsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each random gain of each regulator."""
    frames = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 9)
        for place, drawn in enumerate(drawn_regulators("general", rng)):
            S = replace(drawn, R=drawn.R / cell.ratio)
            rows = pd.DataFrame(
                [{"lemma_15": perturbation(S, K), **_changes(S, K, rng)} for K in _drawn_gains(S, rng, cell.draws)]
            )
            frames.append(rows.assign(seed=seed, regulator=place, draw=range(cell.draws)))
    return pd.concat(frames, ignore_index=True).assign(ratio=cell.ratio)


def perturbation(S: Regulator, K: FloatArray) -> float:
    """Return |C(K') − C(K)| over the bound of Lemma 15, K' = K − tE_K with the largest ‖K' − K‖ that (57) allows."""
    closed, B, spread = (float(operator_norm(M)) for M in (S.A - S.B @ K, S.B, S.Sigma(K)))
    size, R = float(operator_norm(K)), float(operator_norm(S.R))
    sigma_min = smallest(S.Phi)
    distance = sigma_min / (4 * spread * B * (closed + 1))
    E = S.E(K)
    moved = K - distance * E / operator_norm(E)
    noise = float(operator_norm(S.Phi)) + float(operator_norm(S.Psi)) * B**2
    bound = 6 * noise / sigma_min * spread * size * R * (size * B * closed + size * B + 1) * distance
    return abs(float(S.cost(moved) - S.cost(K))) / bound


def _changes(S: Regulator, K: FloatArray, rng: np.random.Generator) -> dict[str, float]:
    """Return the left side over the right side of (21) for errors of several norms, in a random direction.

    K_0 = K_n = K and ε = min(1, gap); of the error and its opposite the one that changes the cost more counts.
    """
    E, step = S.E(K), S.step(K)
    U = rng.standard_normal(K.shape)
    U /= operator_norm(U)
    precision = min(1.0, float(S.gap(K)))
    after, most = float(S.gap(K - step * E)), allowed_change(S, K, precision)
    mended = mended_error(S, K, K, precision)
    sizes = {
        "lemma_5": allowed_error(S, K, K, precision),
        "lemma_5_blind": float(operator_norm(E)),
        "mended": mended,
        "mended_far": 1e4 * mended,
    }
    return {
        name: max(abs(float(S.gap(K - step * (E + sign * size * U))) - after) for sign in (1, -1)) / most
        for name, size in sizes.items()
    }


WEIGHTS = Study(
    name="hierarchical_weights",
    title="Lemmas 5 and 15 at random stable gains, with Q larger and larger against R",
    cells=_weights_cells,
    simulate=_weighted,
    columns={
        "seed": "system",
        "regulator": "0, 1: the subpopulations, 2: the mean field",
        "draw": "gain",
        "ratio": "by which R is divided",
        "lemma_15": "|C(K') − C(K)| over the bound of Lemma 15, at the largest ‖K' − K‖ that (57) allows",
        "lemma_5": "left over right side of (21), K_0 = K_n, ε = min(1, gap), error of norm δ_n of (17)",
        "lemma_5_blind": "the same for an error of norm ‖E_K‖",
        "mended": "the same for the norm that the mended Λ allows",
        "mended_far": "the same for 10⁴ times that norm",
    },
    key=("seed", "regulator", "draw"),
    options={"draws": whole(5), "ratios": several([1.0, 1e2, 1e4, 1e6], number(), fewest=2)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {"hierarchical_gains": GAINS, "hierarchical_weights": WEIGHTS}
