"""Compile descent with normal gradients: the inner loop of the moment oracle, one kernel for each (n, m).

Near an *anchor* K_a, a gain whose exact moments are known, the one-point estimate at K from M rollouts is taken as

    g = ∇C(K) + (∇C_r − ∇C)(K_a) + (V(K)/V(K_a))^½ Σ_a^½ ξ/√M,   V = C² + Var C(·; Z),   ξ standard normal,

with ∇C(K) and V(K) exact: only what smoothing adds comes from the anchor, the bias and the shape of the covariance,
both of relative order r².  An anchor is valid while |C(K)/C(K_a) − 1| ≤ drift and ‖K − K_a‖ ≤ reach.  Where C is
infinite at the anchor, it is valid while C(K) is infinite, and g = bias + Σ_a^½ ξ/√M.

The general kernel's helpers are inlined, so that the loops over n and m are unrolled; scratch space is `work`,
(WORK_ROWS, s, s) with s = max(n, m).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

from pcpo.simulation.vector import compiled

__all__ = ["WORK_ROWS", "descend_kernel"]

WORK_ROWS = 9  # M = √γ A_K, P_K, S_K, F, A_K, RK and three more
_DOUBLINGS = 64
_CONVERGED = 1e-18  # of ‖M^(2^j)‖², M = √γ A_K, as in `pcpo.lqr.cost`
_DIVERGED = 1e60

_inlined: Any = numba.njit(inline="always", error_model="numpy")


@_inlined
def _prepare(n, m, A, B, Q, R, gamma, K, work):  # type: ignore[no-untyped-def]
    """Fill A_K, M, RK, and the first terms W of P, I of S and γ²A_K A_Kᵀ of F."""
    M, P, S, F, closed, RK = work[0], work[1], work[2], work[3], work[4], work[5]
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


@_inlined
def _double(n, gamma, work):  # type: ignore[no-untyped-def]
    """Solve P = W + MᵀPM, S = I + MSMᵀ, F = Σ_{k≥1} γ^{2k} A_K^k A_K^{kᵀ} by doubling; return whether it converged."""
    M, P, S, F, PM, MS, MF = work[0], work[1], work[2], work[3], work[6], work[7], work[8]
    if n == 1:  # geometric series
        square = M[0, 0] * M[0, 0]
        P[0, 0] /= 1.0 - square
        S[0, 0] /= 1.0 - square
        F[0, 0] /= 1.0 - gamma * square
        return square < 1.0
    size, power = 0.0, gamma
    for _ in range(_DOUBLINGS):
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
        power *= power
        size = 0.0
        for a in range(n):
            for b in range(n):
                PM[a, b] = 0.0
                for k in range(n):
                    PM[a, b] += M[a, k] * M[k, b]
                size += PM[a, b] * PM[a, b]
        M[:n, :n] = PM[:n, :n]
        if size <= _CONVERGED or not size <= _DIVERGED:
            break
    return size <= _CONVERGED


@_inlined
def _square(n, gamma, quartic, cost, work):  # type: ignore[no-untyped-def]
    """Return V = C² + γ²/(1−γ²) [Var(zᵀPz) + 4 tr(PFP)]."""
    P, F = work[1], work[3]
    variance = 0.0
    for a in range(n):
        for b in range(n):
            total = 0.0
            for k in range(n):
                total += 4.0 * P[a, k] * F[k, b]
                for j in range(n):
                    total += quartic[a, b, k, j] * P[k, j]
            variance += total * P[a, b]
    return cost * cost + gamma * gamma / (1.0 - gamma * gamma) * variance


@_inlined
def _gradient(n, m, B, gamma, work, G):  # type: ignore[no-untyped-def]
    """Set G = 2c E S, E = RK − γBᵀP A_K."""
    P, S, closed, E, BP = work[1], work[2], work[4], work[5], work[6]
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


@_inlined
def _slope(n, m, A, B, Q, R, gamma, quartic, K, work, G):  # type: ignore[no-untyped-def]
    """Return C(K) and V(K), both infinite if C is; set G = ∇C(K)."""
    _prepare(n, m, A, B, Q, R, gamma, K, work)
    finite = _double(n, gamma, work)
    cost, square = 0.0, np.inf
    for a in range(n):
        cost += gamma / (1.0 - gamma) * work[1, a, a]
    if finite and np.isfinite(cost):
        square = _square(n, gamma, quartic, cost, work)
        _gradient(n, m, B, gamma, work, G)
    else:
        cost = np.inf
    return cost, square


@_inlined
def _average(n, m, cover, G, sums, means):  # type: ignore[no-untyped-def]
    """Set the mean of G over every distinct set, block after block (`pcpo.neighbourhoods.Cover`)."""
    inner, leaf, starts, blocks, sizes, _ = cover
    for i in range(G.shape[0]):
        sums[leaf[i]] = G[i]
    for h in range(inner - 1, 0, -1):
        for k in range(m):
            for b in range(n):
                sums[h, k, b] = sums[2 * h, k, b] + sums[2 * h + 1, k, b]
    for s in range(sizes.size):
        means[s] = 0.0
        for p in range(starts[s], starts[s + 1]):
            for k in range(m):
                for b in range(n):
                    means[s, k, b] += sums[blocks[p], k, b]
        for k in range(m):
            for b in range(n):
                means[s, k, b] /= sizes[s]


@_inlined
def _estimate(n, m, cost, square, K, K_a, C_a, V_a, reach2, bias, root, drift, fresh, xi, g):  # type: ignore[no-untyped-def]
    """Set g from ∇C(K), in place; return whether the anchor is valid."""
    away, relative = 0.0, 1.0
    for k in range(m):
        for b in range(n):
            away += (K[k, b] - K_a[k, b]) ** 2
    if np.isinf(C_a):
        serves = fresh or np.isinf(cost)
        g[:] = 0.0
    else:
        serves = abs(cost / C_a - 1.0) <= drift and away <= reach2
        relative = np.sqrt(square / V_a)
    for d in range(m * n):
        total = 0.0
        for j in range(m * n):
            total += root[d, j] * xi[j]
        g[d // n, d % n] += bias[d // n, d % n] + relative * total
    return serves


def _descend_scalar(  # type: ignore[no-untyped-def]
    systems, gamma, quartic, anchors, drift, fresh, normals, step_size, cover, X, G, stale, saturated, work,
):  # fmt: skip
    """Run the kernel for one state and one input.

    It makes the operations of the general kernel in the same order, so the same bits, on flat arrays and without
    scratch space: several times as fast.
    """
    A, B, Q, R = systems[0].ravel(), systems[1].ravel(), systems[2].ravel(), systems[3].ravel()
    K_a, C_a, V_a, reach2 = anchors[0].ravel(), anchors[1], anchors[2], anchors[3]
    bias, root, fraction = anchors[4].ravel(), anchors[5].ravel(), anchors[6]
    K, g, xi = X.reshape(X.size), G.reshape(G.size), normals.reshape(normals.shape[0], X.size)
    which, averaged = cover[5], cover[4].size > 0
    sums, means = np.zeros((max(G.shape[0], 2 * cover[0]), 1, 1)), np.empty((cover[4].size, 1, 1))
    own, scale = quartic[0, 0, 0, 0], gamma / (1.0 - gamma)
    for step in range(normals.shape[0]):
        served = True
        for i in range(K.size):
            Rk, a = R[i] * K[i], A[i] - B[i] * K[i]
            M = np.sqrt(gamma) * a
            power = M * M
            d = 1.0 - power
            P, S, F = (Q[i] + K[i] * Rk) / d, 1.0 / d, gamma * M * M / (1.0 - gamma * power)
            cost = scale * P
            finite = power < 1.0 and np.isfinite(cost)
            square = cost * cost + gamma * gamma / (1.0 - gamma * gamma) * ((4.0 * P * F + own * P) * P)
            if not finite:
                cost = square = np.inf
            if np.isinf(C_a[i]):
                serves, relative, g[i] = fresh or np.isinf(cost), 1.0, 0.0
            else:
                away = (K[i] - K_a[i]) ** 2
                serves, relative = abs(cost / C_a[i] - 1.0) <= drift and away <= reach2[i], np.sqrt(square / V_a[i])
                if finite:
                    g[i] = 2.0 * gamma / (1.0 - gamma) * ((Rk - gamma * B[i] * P * a) * S)
            g[i] += bias[i] + relative * (root[i] * xi[step, i])
            stale[i] = not serves
            served = served and serves
        if not served:
            return step
        if averaged:
            _average(1, 1, cover, G, sums, means)
        for i in range(K.size):
            saturated[i] += fraction[i]
            K[i] -= step_size * (means[which[i], 0, 0] if averaged else g[i])
    return normals.shape[0]


@cache
def descend_kernel(n: int, m: int, *, general: bool = False) -> Callable[..., int]:
    """Return the kernel for n states and m inputs, compiled at its first call.

    One state and one input have a special kernel, which gives the bits of the general one.

    descend(systems, gamma, quartic, anchors, drift, fresh, normals, step_size, cover, X, G, stale,
    saturated, work) makes `len(normals)` steps X_i ← X_i − η g_i, or as many as its anchors are valid for, and returns
    how many.

    systems: A (N, n, n) … R (N, m, m); quartic (n, n, n, n): Var(zᵀPz) = Σ quartic_abcd P_ab P_cd; anchors: K_a
    (N, m, n), C_a (N,), V_a (N,), reach² (N,), bias (N, m, n), Σ_a^½/√M (N, D, D), saturated fraction (N,); fresh:
    anchors with infinite C_a are valid, whatever C(K); normals (steps, N, D); cover: the fields of a
    `pcpo.neighbourhoods.Cover`, over whose sets the mean of g replaces g_i, unless it has no set.
    In place: gains X (N, m, n); last estimates G (N, m, n), before averaging; stale (N,): agents whose anchor is not
    valid at X; saturated (N,): sums over steps of the saturated fraction.
    """
    if (n, m) == (1, 1) and not general:
        return compiled(_descend_scalar, "1_1")

    def descend(  # type: ignore[no-untyped-def]
        systems, gamma, quartic, anchors, drift, fresh, normals, step_size, cover, X, G, stale, saturated,
        work,
    ):  # fmt: skip
        A, B, Q, R = systems
        K_a, C_a, V_a, reach2, bias, root, fraction = anchors
        which, averaged = cover[5], cover[4].size > 0
        sums, means = np.zeros((max(G.shape[0], 2 * cover[0]), m, n)), np.empty((cover[4].size, m, n))
        for step in range(normals.shape[0]):
            served = True
            for i in range(X.shape[0]):
                cost, square = _slope(n, m, A[i], B[i], Q[i], R[i], gamma, quartic, X[i], work, G[i])
                serves = _estimate(
                    n, m, cost, square, X[i], K_a[i], C_a[i], V_a[i], reach2[i], bias[i], root[i], drift, fresh,
                    normals[step, i], G[i],
                )  # fmt: skip
                stale[i] = not serves
                served = served and serves
            if not served:
                return step
            if averaged:
                _average(n, m, cover, G, sums, means)
            for i in range(X.shape[0]):
                saturated[i] += fraction[i]
                for k in range(m):
                    for b in range(n):
                        g = means[which[i], k, b] if averaged else G[i, k, b]
                        X[i, k, b] -= step_size * g
        return normals.shape[0]

    return compiled(descend, f"{n}_{m}")
