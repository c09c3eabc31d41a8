"""Compute how far means of M are from normal: exact cumulants of an estimate with M = 1, for signs as noise.

The cost of a rollout is C + zᵀAz, where z ∈ {−1, 1}^{n(h−1)} is all of its noise and A is symmetric with a zero
diagonal, so

    κ_2 = 2 tr A²,  κ_3 = 8 tr A³,  κ_4 = 48 tr A⁴ − 96 Σ_i (Σ_j A_ij²)² + 32 Σ_ij A_ij⁴

(a product of entries of z has a mean only if every index occurs an even number of times: double edges, triangles,
squares).  By Edgeworth's expansion, the distribution function of a standardised mean of M differs from the normal one
by at most

    d(M) = |κ_3|/(6√M)·sup|He_2 φ| + |κ_4|/(24M)·sup|He_3 φ| + κ_3²/(72M)·sup|He_5 φ|

up to higher orders in 1/√M, where κ_3 and κ_4 are those of the standardised estimate with M = 1.
"""

from __future__ import annotations

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.lqr.cost import closed_loop, stage_weight
from pcpo.lqr.moments import truncated_cost_array
from pcpo.lqr.smoothing import sphere_nodes
from pcpo.lqr.system import LinearSystem

__all__ = ["DIRECTIONS", "answer_cumulants", "cost_cumulants", "directions", "edgeworth_distance", "visible_below"]

#: Number of random directions along which vectors are tested.
DIRECTIONS = 4
_CHUNK = 64  # gains at a time


def directions(D: int) -> FloatArray:
    """Return the fixed unit vectors along which estimates are tested: ``(4, D)``, or ``(1, 1)`` if D = 1."""
    drawn = np.random.default_rng(np.random.SeedSequence(D)).standard_normal((DIRECTIONS if D > 1 else 1, D))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def _forms(system: LinearSystem, gains: FloatArray, horizon: int) -> FloatArray:
    """Return A ``(gains, n(h−1), n(h−1))`` of the cost C + zᵀAz under each gain.

    Its blocks are γ^{s+1}·P_{h−1−s} A_K^{s−s′} for s′ ≤ s, with P_k = Σ_{i<k} γ^i A_K^{iᵀ}WA_K^i.
    """
    n, steps, gamma = system.n, horizon - 1, system.gamma
    A_K, W = closed_loop(system, gains), stage_weight(system, gains)
    transposed = np.swapaxes(A_K, -1, -2)
    powers, values = [np.broadcast_to(np.eye(n), A_K.shape)], [np.zeros_like(A_K)]
    for _ in range(steps):
        powers.append(A_K @ powers[-1])
        values.append(W + gamma * transposed @ values[-1] @ A_K)
    form = np.zeros((len(gains), steps, n, steps, n))
    for s in range(steps):
        for earlier in range(s + 1):
            block = gamma ** (s + 1) * values[steps - s] @ powers[s - earlier]
            form[:, s, :, earlier, :] = block
            form[:, earlier, :, s, :] = np.swapaxes(block, -1, -2)
    flat = form.reshape(len(gains), n * steps, n * steps)
    diagonal = np.arange(n * steps)
    flat[:, diagonal, diagonal] = 0.0
    return flat


def cost_cumulants(system: LinearSystem, gains: FloatArray, horizon: int) -> FloatArray:
    """Return κ_2, κ_3, κ_4 of the cost of a rollout with signs as noise.

    Args:
        system: the system that is rolled out.
        gains: ``(gains, m, n)``.
        horizon: stages of the rollout.

    Returns:
        ``(3, gains)``.
    """
    parts = []
    for start in range(0, len(gains), _CHUNK):
        A = _forms(system, gains[start : start + _CHUNK], horizon)
        square, entries = A @ A, A**2
        third = 8 * np.sum(square * A, axis=(1, 2))
        fourth = 48 * np.sum(square**2, axis=(1, 2)) - 96 * np.sum(entries.sum(axis=2) ** 2, axis=1)
        parts.append([2 * entries.sum(axis=(1, 2)), third, fourth + 32 * np.sum(entries**2, axis=(1, 2))])
    return np.concatenate(parts, axis=1)


def answer_cumulants(
    system: LinearSystem, gain: FloatArray, radius: float, horizon: int, order: int | None
) -> FloatArray:
    """Return skewness and excess kurtosis of a one-point estimate (5) with M = 1, standardised by its covariance.

    Args:
        system: the system that is rolled out.
        gain: ``(m, n)``.
        radius: smoothing radius.
        horizon: stages of a rollout.
        order: of the quadrature on the sphere, None for the default.

    Returns:
        ``(2, directions)``, along the fixed `directions`.
    """
    nodes, weights = sphere_nodes(system.D, order)
    gains = gain + radius * nodes.reshape(-1, system.m, system.n)
    mean = truncated_cost_array(system, gains, horizon)
    second, third, fourth = cost_cumulants(system, gains, horizon)
    second = second + mean**2
    raw = [mean, second, third + 3 * mean * second - 2 * mean**3]
    raw.append(fourth + 4 * mean * raw[2] + 3 * second**2 - 12 * mean**2 * second + 6 * mean**4)
    slope = (weights * mean) @ nodes
    covariance = (nodes.T * (weights * second)) @ nodes - np.outer(slope, slope)
    along = nodes @ np.linalg.solve(np.linalg.cholesky(covariance).T, directions(system.D).T)
    m1, m2, m3, m4 = ((weights * raw[k]) @ along ** (k + 1) for k in range(4))
    spread = m2 - m1**2
    skewness = (m3 - 3 * m1 * m2 + 2 * m1**3) / spread**1.5
    kurtosis = (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / spread**2 - 3
    return np.stack([skewness, kurtosis])


_X = np.linspace(0.0, 8.0, 8001)
_PHI = np.exp(-(_X**2) / 2) / np.sqrt(2 * np.pi)
_HE2, _HE3, _HE5 = (float(np.max(np.abs(p) * _PHI)) for p in (_X**2 - 1, _X**3 - 3 * _X, _X**5 - 10 * _X**3 + 15 * _X))


def edgeworth_distance(skewness: float, kurtosis: float, minibatch: float) -> float:
    """Return d(M), at most 1: a bound on the distance of the law of a mean of M from the normal law, to order 1/M."""
    first = abs(skewness) / (6 * np.sqrt(minibatch)) * _HE2
    return float(min(1.0, first + (abs(kurtosis) / 24 * _HE3 + skewness**2 / 72 * _HE5) / minibatch))


def visible_below(skewness: float, kurtosis: float, samples: int, level: float) -> float:
    """Return M*, from which on a Kolmogorov-Smirnov test rejects at most twice as often as if means of M were normal.

    A test of S samples at level a has the critical distance c = √(log(2/a)/(2S)); at a distance d it rejects with
    probability 2exp(−2S(c − d)²) at most (Dvoretzky, Kiefer, Wolfowitz and Massart), which is 2a for
    c − d = √(log(1/a)/(2S)).

    Args:
        skewness: of an estimate with M = 1.
        kurtosis: excess kurtosis of an estimate with M = 1.
        samples: S.
        level: a.
    """
    room = (np.sqrt(np.log(2 / level)) - np.sqrt(np.log(1 / level))) / np.sqrt(2 * samples)
    # d = a/√M + b/M: a quadratic equation in 1/√M.
    a = abs(skewness) / 6 * _HE2
    b = abs(kurtosis) / 24 * _HE3 + skewness**2 / 72 * _HE5
    root = (np.sqrt(a**2 + 4 * b * room) - a) / (2 * b) if b > 0 else (room / a if a > 0 else np.inf)
    return float(1 / root**2)
