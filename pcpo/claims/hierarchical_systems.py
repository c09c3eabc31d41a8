"""Exact studies: the decomposition (Lemma 1, Propositions 1, 2), inequalities at random gains (Lemmas 3, 4, 5, 15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import FloatArray
from ..randomness import Purpose, stream
from ..studies.hierarchical.identities import broken, residuals
from ..studies.hierarchical.perturbation import allowed_change, allowed_error
from ..studies.hierarchical.regulator import Regulator, operator_norm, smallest
from ..studies.hierarchical.section6 import general_system, perturbed, section6_instance
from ..studies.hierarchical.system import Gains
from .contract import Study
from .options import whole

__all__ = ["GAINS", "SYSTEMS", "drawn_regulators"]

_SHAPES = ((3, 4, 5), (2, 3, 1), (1, 2, 2))
_TINY = 1e-6


def _identities(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    del cell
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 0)
        system = general_system(rng, *_SHAPES)
        own = [perturbed(S, rng, float(S.cost(S.K_star))) for S in system.auxiliary]
        mean = perturbed(system.mean_field, rng, float(system.mean_field.cost(system.mean_field.K_star)))
        gains = Gains(own, mean)
        found, wrong, single = (
            residuals(system, full, gains, stream(seed, Purpose.EVALUATION, 1), weighted=weighted)
            for full, weighted in ((system.full, True), (broken(system.full), True), (system.full, False))
        )
        for right, off, one in zip(found, wrong, single, strict=True):
            row = {"residual": right.residual, "broken": off.residual, "unweighted": one.residual}
            rows.append({"seed": seed, "identity": right.name, **row, "bound": right.bound})
    return pd.DataFrame(rows)


SYSTEMS = Study(
    name="hierarchical_systems",
    title="Identities of the decomposition on full systems of twelve agents",
    cells=lambda options: {"general": {**options}},
    simulate=_identities,
    columns={
        "seed": "system and gains",
        "identity": "lemma_1, lemma_1_cost, proposition_1, proposition_1_cost, definition_5, proposition_2 or optimum",
        "residual": "largest difference of the two sides (units of the state or of cost)",
        "broken": "the same if one agent is not exchangeable",
        "unweighted": "the same with one agent's cost in place of |N^l| of them in Proposition 2",
        "bound": "what rounding can leave",
    },
    key=("seed", "identity"),
)


def drawn_regulators(family: str, rng: np.random.Generator) -> list[Regulator]:
    """S_1, S_2 and S̄ (in √|N^l| x̄^l) of a random system: "general", or of "section6" with 50 agents each."""
    system = general_system(rng, (4, 6), (2, 2), (1, 1)) if family == "general" else section6_instance(rng).system(50)
    return [*system.auxiliary, system.balanced]


def _inequalities(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    frames = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 2)
        for number, S in enumerate(drawn_regulators(cell["family"], rng)):
            best = float(S.cost(S.K_star))
            gains = [perturbed(S, rng, best * 10 ** rng.uniform(-3, 1)) for _ in range(int(cell["draws"]))]
            ratios = pd.DataFrame([_ratios(S, K, rng) for K in gains])
            frames.append(ratios.assign(seed=seed, regulator=number, draw=range(len(gains))))
    return pd.concat(frames, ignore_index=True)


def _ratios(S: Regulator, K: FloatArray, rng: np.random.Generator) -> dict[str, float]:
    """Left side over right side of (18), (19), (21) and Lemma 15."""
    gap, E = float(S.gap(K)), S.E(K)
    square, G = float(np.sum(E * E)), S.R + S.B.T @ S.P(K) @ S.B
    step = S.step(K)
    after = {name: float(S.gap(K - factor * step * E)) for name, factor in (("", 1.0), ("far", 20.0))}
    V = rng.standard_normal(K.shape)
    tiny = _TINY * V / np.linalg.norm(V)
    U = rng.standard_normal(K.shape)
    U /= operator_norm(U)
    precision = min(1.0, gap)
    errors = {"": allowed_error(S, K, K, precision), "_blind": float(operator_norm(E))}
    change = {name: abs(float(S.gap(K - step * (E + size * U))) - after[""]) for name, size in errors.items()}
    return {
        "lower": smallest(S.Phi) * square / (float(operator_norm(G)) * gap),
        "upper": gap * smallest(S.R) / (float(operator_norm(S.Sigma_star)) * square),
        "upper_narrow": gap * smallest(S.R) / (smallest(S.Sigma_star) * square),
        "lower_loose": float(np.linalg.norm(S.Sigma(K), 2)) * square / (smallest(S.R) * gap),
        "descent": S.decrease(step) * gap / max(gap - after[""], 0.0) if gap > after[""] else np.inf,
        "descent_far": 20 * S.decrease(step) * gap / (gap - after["far"]) if gap > after["far"] else np.inf,
        **{f"estimated{name}": found / allowed_change(S, K, precision) for name, found in change.items()},
        "perturbation": _perturbation(S, K),
        "perturbation_tiny": _perturbation(S, tiny) if float(S.radius(tiny)) < 1 else np.nan,
    }


def _perturbation(S: Regulator, K: FloatArray) -> float:
    """|C(K') − C(K)| over the bound of Lemma 15, K' = K − tE_K with the largest ‖K' − K‖ that (57) allows."""
    closed, B, spread = (float(operator_norm(M)) for M in (S.A - S.B @ K, S.B, S.Sigma(K)))
    size, R = float(operator_norm(K)), float(operator_norm(S.R))
    sigma_min = smallest(S.Phi)
    distance = sigma_min / (4 * spread * B * (closed + 1))
    E = S.E(K)
    moved = K - distance * E / operator_norm(E)
    noise = float(operator_norm(S.Phi)) + float(operator_norm(S.Psi)) * B**2
    bound = 6 * noise / sigma_min * spread * size * R * (size * B * closed + size * B + 1) * distance
    return abs(float(S.cost(moved) - S.cost(K))) / bound


GAINS = Study(
    name="hierarchical_gains",
    title="Inequalities at random stable gains, gaps from C*/1000 to 10 C*",
    cells=lambda options: {family: {"family": family, **options} for family in ("general", "section6")},
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
        "estimated": "left over right side of (21), K_0 = K_n, ε = min(1, gap), error of norm δ_n of (17)",
        "estimated_blind": "the same for an error of norm ‖E_K‖",
        "perturbation": "|C(K') − C(K)| over the bound of Lemma 15",
        "perturbation_tiny": "the same at a gain of norm 1e-6; NaN if the system needs a larger one",
    },
    key=("seed", "regulator", "draw"),
    may_be_missing=frozenset({"perturbation_tiny"}),
    options={"draws": whole(5)},
)
