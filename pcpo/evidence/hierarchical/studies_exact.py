"""Exact studies: the decomposition (Lemma 1, Propositions 1, 2), inequalities at random gains (Lemmas 3, 4, 5, 15).

Exact natural policy gradient: monotone decrease, contraction, rate and number of iterations (Theorem 3, Lemma 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.hierarchical.model.identities import broken, residuals
from pcpo.evidence.hierarchical.model.instances import general_system, perturbed, section6_instance
from pcpo.evidence.hierarchical.model.regulator import (
    Regulator,
    allowed_change,
    allowed_error,
    operator_norm,
    smallest,
    stacked,
)
from pcpo.evidence.hierarchical.model.system import Gains
from pcpo.simulation.noise import Purpose, stream

__all__ = ["DESCENT", "GAINS", "STUDIES", "SYSTEMS", "drawn_regulators"]

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
        for place, S in enumerate(drawn_regulators(cell["family"], rng)):
            best = float(S.cost(S.K_star))
            gains = [perturbed(S, rng, best * 10 ** rng.uniform(-3, 1)) for _ in range(int(cell["draws"]))]
            ratios = pd.DataFrame([_ratios(S, K, rng) for K in gains])
            frames.append(ratios.assign(seed=seed, regulator=place, draw=range(len(gains))))
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


#: Gaps, relative to the first one, between which the final rate is measured.
_TAIL = (1e-12, 1e-16)
#: Relative rounding of a ratio of gaps: at 1e-16 of the first, K − K* is of order 1e-8 and known to 1e-16.
_ROUNDING = 1e-7


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kinds = {"general": ("general", 1.0), "section6": ("section6", 1.0)}
    kinds |= {"control:far": ("general", 20.0), "control:short": ("section6", 0.01)}
    return {name: {"family": family, "factor": factor, **options} for name, (family, factor) in kinds.items()}


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 3)
        drawn = drawn_regulators(cell["family"], rng)
        starts = [perturbed(S, rng, float(cell["start"]) * float(S.cost(S.K_star))) for S in drawn]
        for systems, K in ((drawn[:2], starts[:2]), (drawn[2:], starts[2:])):
            steps = np.array([S.step(gain) for S, gain in zip(systems, K, strict=True)])
            gaps = _descended(systems, np.stack(K), float(cell["factor"]) * steps, int(cell["most"]))
            for k, (S, step) in enumerate(zip(systems, steps, strict=True)):
                regulator = k if len(systems) == 2 else 2
                rows.append({"seed": seed, "regulator": regulator, **_summary(S, step, gaps[:, k], cell)})
    return pd.DataFrame(rows)


def _descended(systems: Sequence[Regulator], K: FloatArray, steps: FloatArray, most: int) -> FloatArray:
    """C(K_n) − C(K*) for n = 0, 1, …, ``(iterations + 1, systems)``, until all are as small as can be told."""
    stack, gaps = stacked(systems), []
    for _ in range(most + 1):
        with np.errstate(all="ignore"):  # gains that left the stable ones have no cost
            gap = stack.gap(K)
        gaps.append(np.where(np.isfinite(gap) & (gap >= 0), gap, np.inf))
        if not np.isfinite(gaps[-1]).all() or (gaps[-1] <= _TAIL[1] * gaps[0]).all():
            break
        K = K - steps[:, None, None] * stack.E(K)
    return np.array(gaps)


def _summary(S: Regulator, step: float, gaps: FloatArray, cell: Mapping[str, Any]) -> dict[str, float]:
    """step: η of (15); the run had `factor` times that."""
    relative = gaps / gaps[0]
    kept = gaps[: 1 + int(np.argmax(relative <= _TAIL[1]))] if (relative <= _TAIL[1]).any() else gaps
    ratios = kept[1:] / kept[:-1]
    target = relative <= float(cell["precision"])
    slowest = (1 - float(cell["factor"]) * step * np.linalg.eigvalsh(S.G_star)) ** 2
    first, last = (int(np.argmax(relative <= level)) if (relative <= level).any() else -1 for level in _TAIL)
    measured = np.log(relative[last] / relative[first]) / (last - first) if 0 < first < last else np.nan
    return {
        "steps": float(len(ratios)),
        "increases": float(np.sum(~(ratios < 1))),
        "short": float(np.sum(~(ratios <= (1 - S.decrease(step)) * (1 + _ROUNDING)))),
        "iterations": float(np.argmax(target)) if target.any() else np.inf,
        "allowed": float(np.ceil(2 / S.decrease(step) * np.log(1 / float(cell["precision"])))),
        "tried": float(len(gaps) - 1),
        "rate": float(measured),
        "predicted": float(np.log(slowest.max())),
        "worst_case": float(np.log1p(-S.decrease(step))),
    }


DESCENT = Study(
    name="hierarchical_descent",
    title="Natural policy gradient with exact critics and the step (15)",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "system and start",
        "regulator": "0, 1: the subpopulations, 2: the mean field",
        "steps": "steps until the gap is 1e-16 of the first, or the last",
        "increases": "steps that did not lower the cost, or left the stable gains",
        "short": "steps that removed less of the gap than (20) promises",
        "iterations": "to a gap of `precision` times the first; ∞ if more than were run",
        "allowed": "number of Theorem 3",
        "tried": "iterations that were run",
        "rate": "mean log(gap_(n+1)/gap_n) between gaps of 1e-12 and 1e-16 of the first; NaN if not reached",
        "predicted": "2 log(1 − ησ_min(R + BᵀP*B)) (largest over eigenvalues)",
        "worst_case": "log of the factor in (20)",
    },
    key=("seed", "regulator"),
    may_be_missing=frozenset({"rate"}),
    options={"start": number(1.0), "precision": number(1e-5), "most": whole(600)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "hierarchical_systems": SYSTEMS,
    "hierarchical_gains": GAINS,
    "hierarchical_descent": DESCENT,
}
