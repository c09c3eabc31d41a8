"""Iterations to a precision with exact critics, for one instance at many sizes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...contracts import FloatArray
from .regulator import operator_norm, smallest
from .stacks import RegulatorStack, stacked
from .system import ExchangeableSystem, Gains

__all__ = ["Counted", "counted", "slowest", "theorem_2", "undecomposed_step"]


@dataclass(frozen=True)
class Counted:
    """Iterations until C(K) − C(K*) ≤ ε and until it is ≤ ε|N|, one entry a system; −1 if there were too few."""

    total: list[int]
    per_agent: list[int]


def undecomposed_step(system: ExchangeableSystem, start: Gains) -> float:
    """(15) for the undecomposed problem, from its parts: x ↦ (x̃, √|N^l| x̄^l) is orthogonal and keeps every norm."""
    parts = (*system.auxiliary, system.balanced)
    R, B = (max(float(operator_norm(getattr(S, name))) for S in parts) for name in "RB")
    Phi = min(smallest(noise) for noise in system.noise)
    return 1 / (R + B**2 * system.cost(start) / Phi)


def theorem_2(system: ExchangeableSystem, start: Gains, precision: float) -> float:
    """2M log{[C(K_0) − C(K*)](L + 1)/ε}: more iterations suffice."""
    pairs = zip((*system.auxiliary, system.mean_field), (*start.own, start.mean_field), strict=True)
    M = max(1 / S.decrease(S.step(K)) for S, K in pairs)
    return 2 * M * float(np.log(system.gap(start) * (len(system.sizes) + 1) / precision))


def counted(
    systems: Sequence[ExchangeableSystem],
    start: Gains,
    precision: float,
    most: int,
    *,
    decomposed: bool = True,
    factor: float = 1.0,
) -> Counted:
    """Algorithm 2 with exact E_K and `factor` times the step of Assumption 3; subpopulations of equal size and shape.

    decomposed=False: natural gradient on (5) itself.  In the orthogonal coordinates of `undecomposed_step` its E_K is
    diag(E_K1, …, E_K̄), so the same recursion runs with one common step.
    """
    own = stacked([S for system in systems for S in system.auxiliary])
    mean = stacked([system.balanced for system in systems])
    K, K_bar = np.stack(list(start.own) * len(systems)), np.stack([start.mean_field] * len(systems))
    if decomposed:
        pairs = [zip(system.auxiliary, start.own, strict=True) for system in systems]
        steps = np.array([[S.step(gain) for S, gain in pair] for pair in pairs])
        bar = np.array([system.balanced.step(start.mean_field) for system in systems])
    else:
        bar = np.array([undecomposed_step(system, start) for system in systems])
        steps = np.repeat(bar[:, None], len(start.own), axis=1)
    move, move_bar = factor * steps.reshape(-1, 1, 1), factor * bar[:, None, None]
    sizes, N = (np.array([f(system.sizes) for system in systems]) for f in (lambda s: s[0], sum))
    found = np.full((2, len(systems)), -1)
    targets = precision * np.stack([np.ones(len(systems)), N])
    for n in range(most + 1):
        gap = _gap(own, K, sizes) + mean.gap(K_bar)
        found[(found < 0) & (gap <= targets)] = n
        if (found >= 0).all():
            break
        K, K_bar = K - move * own.E(K), K_bar - move_bar * mean.E(K_bar)
    return Counted(found[0].tolist(), found[1].tolist())


def _gap(own: RegulatorStack, K: FloatArray, sizes: FloatArray) -> FloatArray:
    """Σ_l |N^l|(C̃_l − C̃_l*) of every system."""
    return np.asarray(sizes * own.gap(K).reshape(len(sizes), -1).sum(axis=1))


def slowest(system: ExchangeableSystem, start: Gains) -> float:
    """Largest (1 − η λ)² over the eigenvalues λ of R + BᵀP*B of the auxiliary systems: K − K* ↦ (I − η(R + BᵀP*B))(K −
    K*) to first order, so this is the factor by which the slowest part of the gap falls."""
    pairs = zip((*system.auxiliary, system.balanced), (*start.own, start.mean_field), strict=True)
    return max(float(np.max((1 - S.step(K) * np.linalg.eigvalsh(S.G_star)) ** 2)) for S, K in pairs)
