"""Compute the cumulants κ_2, κ_3, κ_4 of the cost of a rollout, exactly, for every law of the noise.

Less its mean, the cost of a rollout of h stages is the sum of the martingale differences

    D_t = g_t (ζ_t + 2 z_tᵀP_t y_t),  g_t = γ^{t+1},  ζ_t = z_tᵀP_t z_t − tr P_t,  y_t = A_K x_t,  x_{t+1} = y_t + z_t,

with P_t = Σ_{i<h−1−t} γ^i A_K^{iᵀ}W_K A_K^i.  With S_t = Σ_{s<t} D_s, the moments that are left over,

    Y_t = E y_t y_tᵀ,  X_t = E S_t x_t x_tᵀ,  W_t = E S_t² x_t x_tᵀ − E S_t²·E x_t x_tᵀ,

follow recursions of n × n matrices; of the law of z they need the moments of `pcpo.lqr.forms`.  Only the fourth
cumulant of y_t, a sum over all earlier steps, is not carried along: h stages take O(h²) products.  Without an end P_t
is P_K at every t, sums over t solve Stein equations, and one loop over lags is left: O(h) products, until their
discounted weight is negligible.  These two take the time, and small systems have them compiled:
`pcpo.theory.cumulant_kernels`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pcpo.errors import FleetError
from pcpo.lqr.cost import closed_loop, solve_stein, stage_weight, transpose, value_matrix
from pcpo.lqr.forms import FormLaw, FourthCumulant
from pcpo.lqr.system import Array, LinearSystem

__all__ = ["MOST_LAGS", "PLAIN", "Algebra", "cost_cumulants", "too_many_lags"]

_CHUNK_ENTRIES = 2**18  # of one stack of matrices
_NEGLIGIBLE = 1e-11  # what the lags left out weigh, relative
#: Lags after which a sum over them is given up.
MOST_LAGS = 100_000


def _trace(X: Array, Z: Array) -> Array:
    """Return tr(XZ) of symmetric matrices."""
    return np.asarray(np.sum(X * Z, axis=(-2, -1)))


def _both(X: Array) -> Array:
    """Return X + Xᵀ."""
    return np.asarray(X + transpose(X))


def _truncated(system: LinearSystem, gains: Array, law: FormLaw, horizon: int) -> Array:
    """Return the cumulants of rollouts of h stages by the recursions."""
    A, W = closed_loop(system, gains), stage_weight(system, gains)
    fourth = law.fourth_cumulant(system.n)
    values = [np.zeros_like(A)]
    for _ in range(horizon - 1):
        values.append(W + system.gamma * transpose(A) @ values[-1] @ A)
    second, third, kurtosis = np.zeros((3, len(gains)))
    X, rest = np.zeros_like(A), np.zeros_like(A)  # X_t and W_t
    Y, paths = np.zeros_like(A), np.zeros((len(gains), 0, system.n, system.n))  # paths: A^1 … A^t
    power = A
    for t in range(horizon - 1):
        g, P = system.gamma ** (t + 1), values[horizon - 1 - t]
        own, F = law.form_moments(P), 2 * P + fourth.contracted(P)
        N, M, carried = P @ P, P @ Y @ P, A @ X @ transpose(A)
        beyond = _beyond_normal(fourth, paths, N)
        second = second + g**2 * (own.second + 4 * _trace(N, Y))
        third = third + 12 * g**2 * _trace(N, carried) + g**3 * (own.third + 12 * _trace(P @ F @ P, Y))
        kurtosis = kurtosis + 24 * g**2 * _trace(N, A @ rest @ transpose(A)) + 48 * g**3 * _trace(P @ F @ P, carried)
        last = own.fourth + 24 * _trace(P @ own.square @ P, Y) + 96 * _trace(M, M) + 48 * _trace(N, beyond)
        last = last + 48 * fourth.product(M, M) + 16 * fourth.carried(P[:, None] @ paths).sum(axis=1)
        kurtosis = kurtosis + g**4 * last
        mixed = 4 * (2 * Y @ N @ Y + beyond) + 4 * _both(Y @ P @ F) + own.square + 8 * M + 4 * fourth.contracted(M)
        rest = A @ rest @ transpose(A) + 4 * g * _both(carried @ P) + g**2 * mixed
        X = carried + g * (2 * _both(Y @ P) + F)
        Y = Y + power @ transpose(power)
        paths = np.concatenate([paths, power[:, None]], axis=1)
        power = A @ power
    return np.stack([second, third, kurtosis])


def _beyond_normal(fourth: FourthCumulant, paths: Array, N: Array) -> Array:
    """Return E (yᵀNy)yyᵀ − tr(NY) Y − 2YNY, zero for normal noise: Σ_k B_k κ(B_kᵀNB_k) B_kᵀ with y = Σ_k B_k z_k."""
    middle = fourth.contracted(transpose(paths) @ N[:, None] @ paths)
    return np.asarray((paths @ middle @ transpose(paths)).sum(axis=1))


def too_many_lags(gamma: float) -> FleetError:
    """Say that sums over lags take too long for this discount."""
    return FleetError(f"gamma: found {gamma}, expected it further below 1: more than {MOST_LAGS} lags would count")


def _over_lags(gamma: float, A: Array, P: Array, weight: Array, fourth: FourthCumulant) -> Array:
    """Return the part of κ_4 that is quadratic in Y_t = Σ_{k<t} B_k B_kᵀ, or a sum over the B_k = A^{k+1}.

    Σ_t g_t⁴ [2 tr(Y N Y Q) + 48 κ(PYP, PYP) + Σ_{k<t} (κ(B_kᵀNB_k, B_kᵀQB_k) + 16 κ⊗κ(PB_k))] with N = P² and Q the
    `weight`; κ(·, ·) are the products of the fourth cumulant of z.
    """
    total, N = np.zeros(len(A)), P @ P
    Y, B, g4 = np.zeros_like(A), A, gamma**8
    for _ in range(MOST_LAGS):
        Y = Y + B @ transpose(B)
        C, YN = P @ B, Y @ N
        R, Q = transpose(C) @ C, transpose(B) @ weight @ B
        each = fourth.product(R, Q) + 16 * fourth.carried(C)
        paired = 2 * _trace(YN @ Y, weight)
        if fourth.alpha or fourth.beta:
            M = P @ Y @ P
            paired = paired + 48 * fourth.product(M, M)
        total = total + g4 * (each / (1 - gamma**4) + paired)
        # Where B no longer counts beside Y, Y stays: the sum over t is geometric.
        still = np.sum(B * B, axis=(-2, -1)) <= _NEGLIGIBLE * np.trace(Y, axis1=-2, axis2=-1)
        left = g4 * gamma**4 / (1 - gamma**4) * np.abs(paired)
        if np.all(still | (left <= _NEGLIGIBLE * np.abs(total)) | (paired == 0)):
            return np.asarray(total + np.where(still, g4 * gamma**4 / (1 - gamma**4) * paired, 0.0))
        B, g4 = A @ B, g4 * gamma**4
    raise too_many_lags(gamma)


class Algebra(NamedTuple):
    """Hold what takes the time of cumulants without an end.

    Attributes:
        values: P_K ``(k, n, n)`` of a system at gains ``(k, m, n)``; infinite where C(K) is.
        solve: X = W + MᵀXM for stacks M and W ``(k, n, n)``, all M of spectral radius below 1.
        over_lags: the sum over lags ``(k,)`` from γ, A_K, P_K, the weight Q ``(k, n, n)`` and the fourth cumulant of z.
    """

    values: Callable[[LinearSystem, Array], Array]
    solve: Callable[[Array, Array], Array]
    over_lags: Callable[[float, Array, Array, Array, FourthCumulant], Array]


#: In NumPy, for systems of all sizes.
PLAIN = Algebra(value_matrix, solve_stein, _over_lags)


def _endless(gamma: float, A: Array, P: Array, law: FormLaw, algebra: Algebra) -> Array:
    """Return the cumulants of rollouts without an end, at gains of finite cost.

    Y_p = Σ_t g_t^p Y_t, Z_p = Σ_t g_t^p A_K X_t A_Kᵀ, e_p = Σ_t g_t^p.  Through Ω = Σ_j γ^{2j} (A_K^{j+1})ᵀP²A_K^{j+1}
    go tr(P²Y_2) = e_2 γ² tr Ω, tr(P²Z_2), and what W_t adds to κ_4: 24 γ² tr(Ω·Σ_t g_t² (W_{t+1} − A_K W_t A_Kᵀ)).
    """
    own, fourth = law.form_moments(P), law.fourth_cumulant(A.shape[-1])
    F, N = 2 * P + fourth.contracted(P), P @ P

    def e(p: int) -> float:
        return float(gamma**p / (1 - gamma**p))

    def summed(p: int, source: Array) -> Array:
        """Return A(Σ_k γ^{pk} A^k source A^{kᵀ})Aᵀ γ^p, the sum for a state that `source` feeds."""
        M = gamma ** (p / 2) * transpose(A)
        return algebra.solve(M, transpose(M) @ source @ M)

    omega = algebra.solve(gamma * A, transpose(A) @ N @ A)
    Y3, Y4 = (summed(p, e(p) * np.eye(A.shape[-1])) for p in (3, 4))
    second = e(2) * (own.second + 4 * gamma**2 * np.trace(omega, axis1=-2, axis2=-1))
    PF = P @ F
    PFP, M4 = PF @ P, P @ Y4 @ P
    third = 12 * gamma**2 * _trace(omega, 2 * _both(Y3 @ P) + e(3) * F) + e(3) * own.third + 12 * _trace(PFP, Y3)
    Z3 = summed(3, 2 * _both(Y4 @ P) + e(4) * F)
    source = 4 * _both(Z3 @ P) + 4 * _both(Y4 @ PF) + e(4) * own.square + 8 * M4 + 4 * fourth.contracted(M4)
    kurtosis = 24 * gamma**2 * _trace(omega, source) + 48 * _trace(PFP, Z3)
    kurtosis = kurtosis + e(4) * own.fourth + 24 * _trace(own.square, M4)
    kurtosis = kurtosis + algebra.over_lags(gamma, A, P, 96 * gamma**2 * omega + 48 * N, fourth)
    return np.stack([second, third, kurtosis])


def _where_finite(system: LinearSystem, gains: Array, law: FormLaw, algebra: Algebra) -> Array:
    """Return the cumulants without an end; infinite where C(K) is."""
    found, P = np.full((3, len(gains)), np.inf), algebra.values(system, gains)
    finite = np.isfinite(P).all(axis=(1, 2))
    if finite.any():
        found[:, finite] = _endless(system.gamma, closed_loop(system, gains[finite]), P[finite], law, algebra)
    return found


def cost_cumulants(
    system: LinearSystem, gains: Array, law: FormLaw, horizon: int | None = None, *, algebra: Algebra = PLAIN
) -> Array:
    """Return κ_2, κ_3, κ_4 of the cost of a rollout.

    Args:
        system: the system that is rolled out.
        gains: ``(k, m, n)``.
        law: law of the noise.
        horizon: stages of the rollout, None for no end.
        algebra: of rollouts without an end.

    Returns:
        ``(3, k)``, in units of cost to the powers 2, 3, 4; without a horizon infinite where C(K) is.

    Raises:
        FleetError: without a horizon, if γ is so close to 1 that more than 100,000 lags would count.
    """
    size = max(1, _CHUNK_ENTRIES // (system.n**2 * (1 if horizon is None else max(1, horizon))))
    parts = [gains[start : start + size] for start in range(0, len(gains), size)]
    if horizon is not None:
        return np.concatenate([_truncated(system, part, law, horizon) for part in parts], axis=1)
    return np.concatenate([_where_finite(system, part, law, algebra) for part in parts], axis=1)
