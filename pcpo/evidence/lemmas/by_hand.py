"""Work out the formulas of the calibration and of Table 2 again, in plain NumPy and without the package's own.

Claims compare what a run did with these numbers, so nothing here may call `pcpo.lqr`, `pcpo.theory` or
`pcpo.algorithms`: a fault there would then be on both sides.  Derivatives are central differences of the cost and
Lyapunov's equation is a linear system of n² unknowns: slow, short, and right to about six digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.system import LinearSystem

__all__ = [
    "Row",
    "average",
    "best_gain",
    "calibrated_rows",
    "cost",
    "derivatives",
    "pruned",
    "ranked",
    "rollout_variance",
    "truncated_cost",
]

_FRACTIONS = (0.25, 0.5, 0.75, 1.0)  # of the way from K* to a start
_STEP = 1e-4  # of central differences
_STILL = 1e-13  # change of K at which the Riccati recursion ends
_Q_BAR_SQUARED, _TAIL = 16.0, 128.0  # of c4


def _stage(system: LinearSystem, K: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return A − BK and Q + KᵀRK."""
    return system.A - system.B @ K, system.Q + K.T @ system.R @ K


def _value(system: LinearSystem, K: FloatArray) -> FloatArray:
    """Return P_K of a gain of finite cost, from its linear equations."""
    A, W = _stage(system, K)
    equations = np.eye(A.size) - system.gamma * np.kron(A.T, A.T)
    return np.asarray(np.linalg.solve(equations, W.ravel()).reshape(W.shape))


def cost(system: LinearSystem, K: FloatArray) -> float:
    """Return C(K) = γ/(1 − γ) tr P_K; infinite unless √γ·ρ(A − BK) < 1."""
    A, _ = _stage(system, K)
    if not system.gamma * np.abs(np.linalg.eigvals(A)).max() ** 2 < 1:
        return math.inf
    return float(system.gamma / (1 - system.gamma) * np.trace(_value(system, K)))


def truncated_cost(system: LinearSystem, K: FloatArray, horizon: int) -> float:
    """Return C_h(K), the sum of γ^t tr(W Cov x_t) over the stages t = 1 … h − 1."""
    A, W = _stage(system, K)
    total, covariance = 0.0, np.zeros_like(A)
    for t in range(1, horizon):
        covariance = A @ covariance @ A.T + np.eye(len(A))
        total += system.gamma**t * float(np.sum(W * covariance))
    return total


def best_gain(system: LinearSystem) -> FloatArray:
    """Return K*, by running the Riccati recursion until it stands still."""
    A, B, Q, R, gamma = system.A, system.B, system.Q, system.R, system.gamma
    P = Q
    K: FloatArray = np.zeros(B.T.shape)
    before = np.full(B.T.shape, np.inf)
    while not np.allclose(K, before, rtol=_STILL, atol=_STILL):
        before = K
        K = np.asarray(gamma * np.linalg.solve(R + gamma * B.T @ P @ B, B.T @ P @ A), dtype=np.float64)
        P = Q + K.T @ R @ K + gamma * (A - B @ K).T @ P @ (A - B @ K)
    return K


def rollout_variance(system: LinearSystem, K: FloatArray) -> float:
    """Return Var C(K; Z) with signs as noise: γ²/(1 − γ²)·[2‖P‖² − 2ΣP_ii² + 4Σ_k γ^(2k)‖P A_K^k‖²]."""
    P, power, gamma = _value(system, K), np.eye(len(system.A)), system.gamma
    total, weight = 2 * float(np.sum(P**2) - np.sum(np.diagonal(P) ** 2)), 1.0
    while weight * np.sum((P @ power) ** 2) > 1e-14 * np.sum(P**2):
        power, weight = power @ _stage(system, K)[0], weight * gamma**2
        total += 4 * weight * float(np.sum((P @ power) ** 2))
    return gamma**2 / (1 - gamma**2) * total


def derivatives(system: LinearSystem, K: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return ∇C and ∇²C by central differences: ``(D,)`` and ``(D, D)``."""
    steps = _STEP * np.eye(K.size).reshape(-1, *K.shape)
    g = np.array([(cost(system, K + e) - cost(system, K - e)) / (2 * _STEP) for e in steps])
    H = np.zeros((K.size, K.size))
    for a, d in enumerate(steps):
        for b, e in enumerate(steps[: a + 1]):
            plus, minus = (cost(system, K + d + f) - cost(system, K - d + f) for f in (e, -e))
            H[a, b] = H[b, a] = (plus - minus) / (4 * _STEP**2)
    return g, H


@dataclass(frozen=True)
class Row:
    """Hold a row of Table 2 with calibrated constants: η, Δ_l, R_l and M_l before they are rounded up, and r̃_l."""

    step_size: float
    Delta: float
    iterations: float
    minibatch: float
    radius: float


@dataclass(frozen=True)
class _Constants:
    """Hold worst cases over clusters and the ways from their starts to K*: curvature, rate, V, σ²; and largest gap."""

    curvature: float
    rate: float
    square: float
    variance: float
    gap: float


def _worst(fleet: Fleet) -> _Constants:
    """Search the worst cases; gains of infinite cost do not count."""
    found = []
    for j, system in enumerate(fleet.systems):
        best = best_gain(system)
        lowest, curvatures = cost(system, best), np.linalg.eigvalsh(derivatives(system, best)[1])
        variance = rollout_variance(system, best)
        found.append((curvatures[-1], curvatures[0], lowest**2 + variance, variance, 0.0))
        for start in fleet.initial_gains[fleet.labels == j]:
            for K in (best + fraction * (start - best) for fraction in _FRACTIONS):
                level = cost(system, K)
                if not math.isfinite(level):
                    continue
                (g, H), variance, gap = derivatives(system, K), rollout_variance(system, K), level - lowest
                found.append((np.linalg.eigvalsh(H)[-1], g @ g / (2 * gap), level**2 + variance, variance, gap))
    tops, rates, squares, variances, gaps = np.array(found).T
    return _Constants(tops.max(), rates.min(), squares.max(), variances.max(), gaps.max())


def calibrated_rows(fleet: Fleet, Delta0: float, delta: float, scale: float, epochs: int) -> list[Row]:
    """Return the rows of Table 2 with η = 1/(4h), c2 = 1/(2ηh_min), c3 = 16Δ̃_0Δ_0, c4 = κ·max{16V, 128σ²}, c5 = √V·D/h.

    Args:
        fleet: with starts of finite cost.
        Delta0: Δ_0 (units of cost).
        delta: δ, the failure probability of a run.
        scale: κ_M.
        epochs: how many rows.
    """
    worst, N, D = _worst(fleet), fleet.N, fleet.D
    eta = 1 / (4 * worst.curvature)
    rows = []
    for epoch in range(1, epochs + 1):
        Delta = Delta0 / 2**epoch
        start = max(worst.gap, Delta0)
        R = max(1.0, math.log(16 * start * Delta0 * N / Delta**2) / (2 * eta * worst.rate))
        log_term = math.log(8 * D * N * math.ceil(R) * 2 * epoch**2 / delta)
        M = scale * max(_Q_BAR_SQUARED * worst.square, _TAIL * worst.variance) / Delta**2 * log_term
        radius = math.sqrt(math.sqrt(worst.square) * D / worst.curvature * math.sqrt(log_term / math.ceil(M)))
        rows.append(Row(eta, Delta, R, M, radius))
    return rows


def pruned(sets: BoolArray, estimates: FloatArray, Delta: float, share: float = 0.5) -> BoolArray:
    """Return the sets after (7), a boolean matrix: j stays in N_i if |Ĉ_j − Ĉ_i| ≤ Δ_l/2."""
    after = sets.copy()
    for i in range(len(sets)):
        for j in range(len(sets)):
            after[i, j] = sets[i, j] and abs(estimates[j] - estimates[i]) <= share * Delta
    return after


def average(sets: BoolArray, values: FloatArray) -> FloatArray:
    """Return the mean over N_i for every agent, (6)."""
    return np.stack([values[np.flatnonzero(row)].mean(axis=0) for row in sets])


def ranked(sets: BoolArray, estimates: FloatArray, place: int) -> IntArray:
    """Return the member of N_i with the `place`-th smallest estimate, 0 the smallest as in (8), −1 the largest."""
    chosen = []
    for row in sets:
        members: Sequence[int] = sorted(np.flatnonzero(row).tolist(), key=lambda j: (estimates[j], j))
        chosen.append(members[min(place, len(members) - 1)])
    return np.array(chosen)
