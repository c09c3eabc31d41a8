"""Compile the matrix algebra of one gain: cost, variance of a rollout, and the slopes of both.

With c = γ/(1−γ), κ = γ²/(1−γ²), M = √γ A_K and Var(zᵀPz) = Σ_ab pairs_ab P_ab² + Σ_ab squares_ab P_aa P_bb,

    C = c tr P,              P = W_K + MᵀPM,           ∇C = 2c E S,   E = RK − γBᵀP A_K,   S = I + MSMᵀ
    Var = κ[Var(zᵀPz) + 4 tr(PFP)],   F = Σ_{k≥1} γ^{2k} A_K^k A_K^{kᵀ} = γ²A_K(I + F)A_Kᵀ
    ∇Var = κ[2E Z − 8γ²BᵀX A_K(I + F)],   Z = Y + MZMᵀ,   X = P² + γ²A_KᵀX A_K,
    Y = ∂[Var(zᵀPz) + 4 tr(PFP)]/∂P at fixed F

(the adjoint method: Z and X are the multipliers of the equations of P and F).  Stein equations are solved by doubling,
as in `pcpo.lqr.cost`.  Functions are inlined, so that loops over constant n and m are unrolled; from `_BLAS` states on
products are those of BLAS.

Scratch space is `W` (MATRICES, n, n) and `V` (ROWS, m, n).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["BLAS", "MATRICES", "ROWS", "called", "eigen", "evaluate", "inlined", "slope", "slope_of_any", "symmetrise"]

MATRICES = 9  # M, P, S, F, A_K and four more; S serves as scratch once ∇C is known
ROWS = 2  # RK, which becomes E, and BᵀP
BLAS = 9  # from so many states on a call of BLAS is faster than loops
_DOUBLINGS = 64
_CONVERGED = 1e-18  # of ‖M^(2^j)‖², as in `pcpo.lqr.cost`
_DIVERGED = 1e60
_SWEEPS, _DIAGONAL = 30, 1e-30  # of Jacobi's method: at most, and squares off the diagonal over all, at the end

inlined: Any = numba.njit(inline="always", error_model="numpy")
_CALLED: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: Compile a function that only kernels call: once, whatever the size; without the wrappers that Python would need.
called: Any = numba.njit(**_CALLED)


@inlined
def _prepare(n, m, A, B, Q, R, gamma, K, W, V):  # type: ignore[no-untyped-def]
    """Fill A_K, M, RK, and the first terms W of P, I of S and γ²A_K A_Kᵀ of F."""
    M, P, S, F, closed, RK = W[0], W[1], W[2], W[3], W[4], V[0]
    root = np.sqrt(gamma)
    for b in range(n):
        for k in range(m):
            RK[k, b] = 0.0
            for j in range(m):
                RK[k, b] += R[k, j] * K[j, b]
        for a in range(n):
            closed[a, b], P[a, b], S[a, b] = A[a, b], Q[a, b], 1.0 if a == b else 0.0
            for k in range(m):
                closed[a, b] -= B[a, k] * K[k, b]
                P[a, b] += K[k, a] * RK[k, b]
            M[a, b] = root * closed[a, b]
    for a in range(n):
        for b in range(n):
            F[a, b] = 0.0
            for k in range(n):
                F[a, b] += gamma * M[a, k] * M[b, k]


@inlined
def _squared(n, M, MM):  # type: ignore[no-untyped-def]
    """Replace M by M²; return the squared norm of the new M."""
    for a in range(n):
        for b in range(n):
            MM[a, b] = 0.0
            for k in range(n):
                MM[a, b] += M[a, k] * M[k, b]
    size = 0.0
    for a in range(n):
        for b in range(n):
            size += MM[a, b] * MM[a, b]
            M[a, b] = MM[a, b]
    return size


@inlined
def _grow(n, power, W):  # type: ignore[no-untyped-def]
    """Double the number of terms of P, S and F."""
    M, P, S, F, PM, MS, MF = W[0], W[1], W[2], W[3], W[5], W[6], W[7]
    for a in range(n):
        for b in range(n):
            p = s = f = 0.0
            for k in range(n):
                p += P[a, k] * M[k, b]
                s += M[a, k] * S[k, b]
                f += M[a, k] * F[k, b]
            PM[a, b], MS[a, b], MF[a, b] = p, s, power * f
    for a in range(n):
        for b in range(a, n):
            p = s = f = 0.0
            for k in range(n):
                p += M[k, a] * PM[k, b]
                s += MS[a, k] * M[b, k]
                f += MF[a, k] * M[b, k]
            P[a, b], S[a, b], F[a, b] = P[a, b] + p, S[a, b] + s, F[a, b] + f
            P[b, a], S[b, a], F[b, a] = P[a, b], S[a, b], F[a, b]


@called
def _grow_large(n, M, turned, X, power, first, second):  # type: ignore[no-untyped-def]
    """Add power·MᵀXM to X with products by BLAS; `turned` is Mᵀ."""
    np.dot(X, M, first)
    np.dot(turned, first, second)
    for a in range(n):
        for b in range(n):
            X[a, b] += power * second[a, b]


@called
def _square_large(n, M, turned, square):  # type: ignore[no-untyped-def]
    """Replace M by M² and `turned` by its transpose; return the squared norm of M²."""
    np.dot(M, M, square)
    size = 0.0
    for a in range(n):
        for b in range(n):
            M[a, b] = turned[b, a] = square[a, b]
            size += square[a, b] * square[a, b]
    return size


@called
def _solve_large(n, gamma, W):  # type: ignore[no-untyped-def]
    """Solve for P, S and F by doubling with products by BLAS; return whether it converged."""
    M, P, S, F, first, second, turned = W[0], W[1], W[2], W[3], W[5], W[6], W[7]
    for a in range(n):
        for b in range(n):
            turned[a, b] = M[b, a]
    size, power = 0.0, gamma
    for _ in range(_DOUBLINGS):
        _grow_large(n, M, turned, P, 1.0, first, second)
        _grow_large(n, turned, M, S, 1.0, first, second)
        _grow_large(n, turned, M, F, power, first, second)
        power *= power
        size = _square_large(n, M, turned, first)
        if size <= _CONVERGED or not size <= _DIVERGED:
            break
    return size <= _CONVERGED


@inlined
def _double(n, gamma, W):  # type: ignore[no-untyped-def]
    """Solve for P, S and F by doubling; return whether it converged."""
    M, P, S, F = W[0], W[1], W[2], W[3]
    if n == 1:  # geometric series
        square = M[0, 0] * M[0, 0]
        P[0, 0] /= 1.0 - square
        S[0, 0] /= 1.0 - square
        F[0, 0] /= 1.0 - gamma * square
        return square < 1.0
    size, power = 0.0, gamma
    for _ in range(_DOUBLINGS):
        _grow(n, power, W)
        power *= power
        size = _squared(n, M, W[5])
        if size <= _CONVERGED or not size <= _DIVERGED:
            break
    return size <= _CONVERGED


@inlined
def _variance(n, gamma, law, P, F):  # type: ignore[no-untyped-def]
    """Return κ[Var(zᵀPz) + 4 tr(PFP)]."""
    total = 0.0
    for a in range(n):
        for b in range(n):
            crossed = 0.0
            for k in range(n):
                crossed += P[a, k] * F[k, b]
            total += 4.0 * crossed * P[a, b] + law[0, a, b] * P[a, b] * P[a, b] + law[1, a, b] * P[a, a] * P[b, b]
    return gamma * gamma / (1.0 - gamma * gamma) * total


@inlined
def _gradient(n, m, B, gamma, W, V, G):  # type: ignore[no-untyped-def]
    """Set E in place of RK, and G = ∇C."""
    P, S, closed, E, BP = W[1], W[2], W[4], V[0], V[1]
    for k in range(m):
        for b in range(n):
            BP[k, b] = 0.0
            for a in range(n):
                BP[k, b] += gamma * B[a, k] * P[a, b]
    for k in range(m):
        for b in range(n):
            for a in range(n):
                E[k, b] -= BP[k, a] * closed[a, b]
    for k in range(m):
        for b in range(n):
            total = 0.0
            for a in range(n):
                total += E[k, a] * S[a, b]
            G[k, b] = 2.0 * gamma / (1.0 - gamma) * total


@inlined
def _finish(n, m, B, gamma, law, finite, W, V, G):  # type: ignore[no-untyped-def]
    """Return cost and variance, and set G, from the solutions of the Stein equations."""
    cost, variance = 0.0, np.inf
    for a in range(n):
        cost += gamma / (1.0 - gamma) * W[1, a, a]
    if finite and np.isfinite(cost):
        variance = _variance(n, gamma, law, W[1], W[3])
        _gradient(n, m, B, gamma, W, V, G)
    else:
        cost = np.inf
    return cost, variance


@inlined
def slope(n, m, A, B, Q, R, gamma, law, K, W, V, G):  # type: ignore[no-untyped-def]
    """Return C(K) and Var C(K; Z), both infinite if C is; set G = ∇C(K)."""
    _prepare(n, m, A, B, Q, R, gamma, K, W, V)
    return _finish(n, m, B, gamma, law, _double(n, gamma, W), W, V, G)


@called
def slope_of_any(A, B, Q, R, gamma, law, K, W, V, G):  # type: ignore[no-untyped-def]
    """Do what `slope` does, for any size."""
    m, n = K.shape
    _prepare(n, m, A, B, Q, R, gamma, K, W, V)
    finite = _double(n, gamma, W) if n < BLAS else _solve_large(n, gamma, W)
    return _finish(n, m, B, gamma, law, finite, W, V, G)


@called
def _multiplier(n, M, X, XM, MM, turned):  # type: ignore[no-untyped-def]
    """Solve X = W + MᵀXM by doubling, in place of W and M."""
    for a in range(n):
        for b in range(n):
            turned[a, b] = M[b, a]
    for _ in range(_DOUBLINGS):
        if n < BLAS:
            for a in range(n):
                for b in range(n):
                    XM[a, b] = 0.0
                    for k in range(n):
                        XM[a, b] += X[a, k] * M[k, b]
            for a in range(n):
                for b in range(n):
                    for k in range(n):
                        X[a, b] += M[k, a] * XM[k, b]
            size = _squared(n, M, MM)
        else:
            _grow_large(n, M, turned, X, 1.0, XM, MM)
            size = _square_large(n, M, turned, MM)
        if size <= _CONVERGED or not size <= _DIVERGED:
            break


@inlined
def _multipliers(n, gamma, law, W):  # type: ignore[no-untyped-def]
    """Set W[5] = Z and W[6] = X from P, F and A_K."""
    M, P, F, closed, Z, X = W[0], W[1], W[3], W[4], W[5], W[6]
    for a in range(n):
        Z[a, a] = 0.0
        for b in range(n):
            both = square = 0.0
            for k in range(n):
                both += P[a, k] * F[k, b] + F[a, k] * P[k, b]
                square += P[a, k] * P[k, b]
            Z[a, b], X[a, b] = 4.0 * both + 2.0 * law[0, a, b] * P[a, b], square
        for b in range(n):
            Z[a, a] += 2.0 * law[1, a, b] * P[b, b]
    for a in range(n):
        for b in range(n):
            M[a, b] = gamma * closed[a, b]
    _multiplier(n, M, X, W[7], W[8], W[2])
    for a in range(n):
        for b in range(n):
            M[a, b] = np.sqrt(gamma) * closed[b, a]
    _multiplier(n, M, Z, W[7], W[8], W[2])


@called
def _variance_gradient(n, m, B, gamma, law, W, V, H):  # type: ignore[no-untyped-def]
    """Set H = ∇Var, after `_gradient`."""
    F, closed, Z, X, E, BX, AF = W[3], W[4], W[5], W[6], V[0], V[1], W[7]
    _multipliers(n, gamma, law, W)
    for a in range(n):
        for b in range(n):
            AF[a, b] = closed[a, b]
            for k in range(n):
                AF[a, b] += closed[a, k] * F[k, b]
    scale = gamma * gamma / (1.0 - gamma * gamma)
    for k in range(m):
        for b in range(n):
            BX[k, b] = 0.0
            for a in range(n):
                BX[k, b] += B[a, k] * X[a, b]
        for b in range(n):
            total = 0.0
            for a in range(n):
                total += 2.0 * E[k, a] * Z[a, b] - 8.0 * gamma * gamma * BX[k, a] * AF[a, b]
            H[k, b] = scale * total


@inlined
def evaluate(systems, gamma, law, i, K, slopes, W, V, G, H):  # type: ignore[no-untyped-def]
    """Return C(K) and Var C(K; Z) for agent i, both infinite if C is; with `slopes` set G = ∇C and H = ∇Var."""
    A, B, Q, R = systems[0][i], systems[1][i], systems[2][i], systems[3][i]
    m, n = K.shape
    cost, variance = slope_of_any(A, B, Q, R, gamma, law, K, W, V, G)
    if slopes and np.isfinite(cost):
        _variance_gradient(n, m, B, gamma, law, W, V, H)
    return cost, variance


@called
def symmetrise(T):  # type: ignore[no-untyped-def]
    """Replace a matrix by its symmetric part."""
    for a in range(T.shape[0]):
        for b in range(a):
            T[a, b] = T[b, a] = 0.5 * (T[a, b] + T[b, a])


@called
def eigen(S, vectors):  # type: ignore[no-untyped-def]
    """Diagonalise a symmetric matrix in place by Jacobi's cyclic method, and set its eigenvectors, by columns."""
    D = len(S)
    for a in range(D):
        for b in range(D):
            vectors[a, b] = 1.0 if a == b else 0.0
    for _ in range(_SWEEPS):
        off = total = 0.0
        for a in range(D):
            for b in range(D):
                total += S[a, b] * S[a, b]
                off += S[a, b] * S[a, b] if a != b else 0.0
        if not off > _DIAGONAL * total:
            break
        for a in range(D):
            for b in range(a + 1, D):
                if S[a, b] == 0.0:
                    continue
                half = (S[b, b] - S[a, a]) / (2.0 * S[a, b])
                t = 1.0 / (abs(half) + np.sqrt(half * half + 1.0))
                t = t if half >= 0.0 else -t
                c = 1.0 / np.sqrt(t * t + 1.0)
                s = t * c
                for k in range(D):
                    x, y = S[k, a], S[k, b]
                    S[k, a], S[k, b] = c * x - s * y, s * x + c * y
                for k in range(D):
                    x, y = S[a, k], S[b, k]
                    S[a, k], S[b, k] = c * x - s * y, s * x + c * y
                    x, y = vectors[k, a], vectors[k, b]
                    vectors[k, a], vectors[k, b] = c * x - s * y, s * x + c * y
                S[a, b] = S[b, a] = 0.0
