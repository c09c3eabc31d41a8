"""Compute the law of a gain's rollouts: variance, truncation at a horizon, almost-sure bound.

A rollout costs C(K;Z) = Σ_t γ^t x_tᵀ W_K x_t with x_0 = 0, x_{t+1} = A_K x_t + z_t (PCPO, equation (4)).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pcpo.errors import FleetError
from pcpo.lqr.cost import (
    closed_loop,
    cost_array,
    cost_scale,
    has_finite_cost,
    solve_stein,
    stage_weight,
    transpose,
    value_matrix,
)
from pcpo.lqr.system import Array, LinearSystem

__all__ = [
    "BoundedLaw",
    "QuarticLaw",
    "cost_and_variance",
    "quartic_pairs",
    "rollout_bound",
    "rollout_variance",
    "truncated_cost",
    "truncated_cost_array",
    "truncated_variance_array",
    "truncation_bias",
    "truncation_horizon",
    "variance_array",
]

MAX_HORIZON = 2**40
MAX_BOUND_TERMS = 200_000


class QuarticLaw(Protocol):
    """Name what the variance needs of a law of z with E z = 0 and E zzᵀ = I."""

    def quartic_term(self, P: Array) -> Array:
        """Return Var(zᵀPz) for symmetric P (..., n, n), shape (...)."""
        ...


class BoundedLaw(Protocol):
    """Name what the almost-sure bound needs of a law of z."""

    def bound(self, n: int) -> float:
        """Return B with ‖z‖² ≤ B almost surely; infinite if there is none."""
        ...


def variance_array(system: LinearSystem, gains: Array, law: QuarticLaw) -> Array:
    """Return Var C(K;Z) for a stack of gains (..., m, n), shape (...); infinite where the cost is not finite.

    γ²/(1-γ²) [Var(zᵀP_K z) + 4 Σ_{k≥1} γ^{2k} ‖P_K A_K^k‖²].
    """
    _, variances = cost_and_variance(system, gains, law)
    return variances


def cost_and_variance(system: LinearSystem, gains: Array, law: QuarticLaw) -> tuple[Array, Array]:
    """Return C(K) and Var C(K;Z) for a stack of gains (..., m, n), as `cost_array` and `variance_array` do.

    The value matrices, which take most of the time, are computed once.
    """
    gamma, values = system.gamma, value_matrix(system, gains)
    finite = np.asarray(np.isfinite(values).all(axis=(-1, -2)))
    keep = finite[..., None, None]
    A_K = np.where(keep, closed_loop(system, gains), 0.0)
    P = np.where(keep, values, 0.0)
    scaled = gamma * transpose(A_K)
    paths = solve_stein(scaled, transpose(scaled) @ scaled)  # Σ_{k≥1} γ^{2k} A^k A^kᵀ
    own = law.quartic_term(P)
    crossed = np.sum((P @ paths) * P, axis=(-1, -2))
    variances: Array = gamma**2 / (1.0 - gamma**2) * (own + 4.0 * crossed)
    costs = cost_scale(gamma) * np.trace(values, axis1=-2, axis2=-1)
    return costs, np.asarray(np.where(finite, variances, np.inf))


def rollout_variance(system: LinearSystem, gain: Array, law: QuarticLaw) -> float:
    """Return σ_C² = Var C(K;Z) of one rollout without truncation; infinite if the cost is not finite."""
    return float(variance_array(system, gain, law))


def _check_horizon(horizon: object) -> None:
    """Raise FleetError unless the horizon is a positive integer."""
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or not 0 <= horizon <= MAX_HORIZON:
        raise FleetError(f"horizon: found {horizon!r}, expected an integer from 0 to {MAX_HORIZON}")


def truncated_cost_array(system: LinearSystem, gains: Array, horizon: int) -> Array:
    """Return C_h(K) = E Σ_{t<h} γ^t x_tᵀ W_K x_t, the expected cost of rollouts of h stages, shape (...).

    C_h(K) = Σ_{s≤h-2} (γ^{s+1} - γ^h)/(1-γ) tr(A_K^sᵀ W_K A_K^s): finite for every finite gain, short of overflow,
    whether or not C(K) is.
    """
    _check_horizon(horizon)
    A_K, W = closed_loop(system, gains), stage_weight(system, np.asarray(gains))
    power = np.broadcast_to(np.eye(system.n), A_K.shape)
    total = np.zeros(A_K.shape[:-2])
    for s in range(horizon - 1):
        weight = (system.gamma ** (s + 1) - system.gamma**horizon) / (1.0 - system.gamma)
        total = total + weight * np.sum(power * (W @ power), axis=(-1, -2))
        power = A_K @ power
    return np.asarray(total)


def quartic_pairs(law: QuarticLaw, n: int) -> Array:
    """Return c and d, (2, n, n), with Var(zᵀPz) = Σ_ab c_ab P_ab² + Σ_ab d_ab P_aa P_bb; c_aa = 0.

    Such numbers exist for every law that a change of the sign of one coordinate leaves as it is.

    Raises:
        FleetError: for another law.
    """
    found, single = np.zeros((2, n, n)), np.zeros((n, n, n))
    single[np.arange(n), np.arange(n), np.arange(n)] = 1.0
    own = law.quartic_term(single)
    for a in range(n):
        crossed = np.zeros((n, n, n))
        crossed[:, a, :] = crossed[:, :, a] = np.eye(n)
        found[0, a] = law.quartic_term(crossed) / 2.0
        found[1, a] = (law.quartic_term(single[a] + single) - own[a] - own) / 2.0
        found[0, a, a], found[1, a, a] = 0.0, own[a]
    P = np.cos(np.arange(1.0, n * n + 1)).reshape(n, n)
    P = P + P.T
    diagonal = np.diagonal(P)
    expected = np.sum(found[0] * P**2) + diagonal @ found[1] @ diagonal
    if not np.isclose(float(law.quartic_term(P)), expected, rtol=1e-9, atol=1e-12):
        raise FleetError("noise: found a law that changes with the sign of a coordinate, expected one that does not")
    return found


def truncated_variance_array(system: LinearSystem, gains: Array, horizon: int, law: QuarticLaw) -> Array:
    """Return the variance of a rollout cut after the stages t = 0 … h-1, for gains (..., m, n), shape (...).

    Σ_{k≤h-2} γ^{2(k+1)} [Var(zᵀP z) + 4 Σ_{1≤i≤k} ‖P A_K^i‖²] with P = Σ_{i≤h-2-k} γ^i A_K^{iᵀ} W_K A_K^i.
    Finite for every finite gain, short of overflow, whether or not C(K) is.
    """
    _check_horizon(horizon)
    A_K, W = closed_loop(system, gains), stage_weight(system, np.asarray(gains))
    values = [np.zeros_like(A_K)]  # P of 0, 1, … terms
    for _ in range(horizon - 1):
        values.append(W + system.gamma * transpose(A_K) @ values[-1] @ A_K)
    total, paths = np.zeros(A_K.shape[:-2]), np.zeros_like(A_K)  # paths = Σ_{1≤i≤k} A^i A^iᵀ
    for k in range(horizon - 1):
        P = values[horizon - 1 - k]
        own = law.quartic_term(P)
        crossed = np.sum((P @ paths) * P, axis=(-1, -2))
        total = total + system.gamma ** (2 * (k + 1)) * (own + 4.0 * crossed)
        paths = A_K @ (np.eye(system.n) + paths) @ transpose(A_K)
    return np.asarray(total)


def truncated_cost(system: LinearSystem, gain: Array, horizon: int) -> float:
    """Return C_h(K), the expected cost of a rollout cut after the stages t = 0 … h-1."""
    return float(truncated_cost_array(system, gain, horizon))


def _discounted_gramian(system: LinearSystem, gain: Array, horizon: int) -> Array:
    """Return γ^h Σ_h, Σ_h = Σ_{s<h} A_K^s A_K^{sᵀ} = Cov x_h, in O(log h) products.

    T_h = γ^h Σ_h obeys T_{a+b} = γ^b T_a + M^a T_b M^{aᵀ}, M = √γ A_K: nothing overflows though ρ(A_K) may exceed 1.
    """
    step = np.sqrt(system.gamma) * closed_loop(system, gain)
    total, power = np.zeros_like(step), np.eye(system.n)
    block, discount = system.gamma * np.eye(system.n), system.gamma
    while horizon:
        if horizon & 1:
            total = discount * total + power @ block @ power.T
            power = power @ step
        block = discount * block + step @ block @ step.T
        step, discount = step @ step, discount * discount
        horizon >>= 1
    return np.asarray(total)


def truncation_bias(system: LinearSystem, gain: Array, horizon: int) -> float:
    """Return C(K) - C_h(K) = γ^h [C(K) + tr(P_K Σ_h)], which decays as γ^h when ρ(A_K) < 1; infinite if C(K) is."""
    _check_horizon(horizon)
    value = float(cost_array(system, gain))
    if not np.isfinite(value):
        return float("inf")
    spread = np.sum(value_matrix(system, gain) * _discounted_gramian(system, gain, int(horizon)))
    return float(system.gamma**horizon * value + spread)


def truncation_horizon(system: LinearSystem, gains: Array, tolerance: float) -> int:
    """Return the smallest h with C(K) - C_h(K) ≤ tolerance at every gain of the stack (m, n) or (..., m, n).

    Raises:
        FleetError: if a gain has no finite cost or the tolerance is not a positive number.
    """
    if not tolerance > 0.0 or not np.isfinite(tolerance):
        raise FleetError(f"tolerance: found {tolerance}, expected a positive finite number")
    stack = np.asarray(gains, dtype=np.float64).reshape(-1, system.m, system.n)
    for index, gain in enumerate(stack):
        if not has_finite_cost(system, gain):
            raise FleetError(f"gain {index}: found infinite cost, expected finite cost (no horizon is long enough)")
    return max(_horizon_of_one(system, gain, tolerance) for gain in stack)


def _horizon_of_one(system: LinearSystem, gain: Array, tolerance: float) -> int:
    """Return the smallest such h for one gain, by doubling and bisection."""
    high = 1
    while not truncation_bias(system, gain, high) <= tolerance:
        high *= 2
        if high > MAX_HORIZON:
            raise FleetError(f"tolerance: found {tolerance:g}, which no horizon up to {MAX_HORIZON} reaches")
    low = high // 2 if high > 1 else -1  # the bias does not grow with h, so bisection is exact
    while high - low > 1:
        middle = (low + high) // 2
        if truncation_bias(system, gain, middle) <= tolerance:
            high = middle
        else:
            low = middle
    return high


def _root(W: Array) -> Array:
    """Return X with XᵀX = W: the Cholesky factor, or the symmetric root of a W that is only semidefinite."""
    try:
        return np.asarray(np.linalg.cholesky(W).T)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(W)
        return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def rollout_bound(system: LinearSystem, gain: Array, law: BoundedLaw) -> float:
    """Return G_∞(K) = B Σ_t γ^t (Σ_{k<t} ‖W_K^½ A_K^k‖)², so that C(K;Z) ≤ G_∞(K) almost surely (spectral norms).

    The remainder of the sum is bounded, not dropped: with p such that q = γ^{p/2} ‖A_K^p‖ < 1, the ℓ² norm of the terms
    from T on is at most (ℓ² norm of terms T … T+p-1 + s_p γ^{(T+p)/2}/√(1-γ)) / (1-q), s_p = Σ_{k<p} ‖W_K^½ A_K^k‖.
    Infinite if the cost is not finite or the law is unbounded, or so close to that as to need over 200 000 terms.
    """
    B = law.bound(system.n)
    if not has_finite_cost(system, gain) or not np.isfinite(B):
        return float("inf")
    gamma, A_K = system.gamma, closed_loop(system, gain)
    root = _root(stage_weight(system, np.asarray(gain)))
    p, power = 1, np.sqrt(gamma) * A_K
    while np.linalg.norm(power, 2) > 0.9:
        p, power = 2 * p, power @ power
        if p > MAX_BOUND_TERMS:
            return float("inf")
    q, total, reach = float(np.linalg.norm(power, 2)), 0.0, 0.0
    first, t = 0.0, 0  # first = γ^{p/2} s_p
    scaled = root  # γ^{k/2} W^½ A_K^k, so that nothing overflows when ρ(A_K) > 1
    while t < MAX_BOUND_TERMS:
        window = 0.0
        for _ in range(p):  # reach = γ^{t/2} Σ_{k<t} ‖W^½ A_K^k‖
            window += reach**2
            reach = np.sqrt(gamma) * (reach + float(np.linalg.norm(scaled, 2)))
            scaled = np.sqrt(gamma) * scaled @ A_K
        first = first if t else reach
        tail = float(np.sqrt(window) + first * gamma ** (t / 2) / np.sqrt(1.0 - gamma)) / (1.0 - q)
        if tail**2 <= 1e-10 * (total + window):
            break
        total, t = total + window, t + p
    return float(B * (total + tail**2))
