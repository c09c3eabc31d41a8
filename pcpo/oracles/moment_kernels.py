"""Compile descent with normal gradients: the inner loop of the moment oracle, one kernel for each (n, m).

Near an *anchor* K_a, a gain whose exact moments are known, the one-point estimate at K from M rollouts is taken as

    g = ∇C(K) + (∇C_r − ∇C)(K_a) + (V(K)/V(K_a))^½ Σ_a^½ ξ/√M,   V = C² + Var C(·; Z),   ξ standard normal,

with ∇C(K) and V(K) exact: only what smoothing adds comes from the anchor, the bias and the shape of the covariance,
both of relative order r².  Estimates with a baseline or of pairs are drawn by a Cholesky factor of their covariance
(`pcpo.oracles.moment_draws`).  An anchor is valid while |C(K)/C(K_a) − 1| ≤ drift and ‖K − K_a‖ ≤ reach.  Where C is
infinite at the anchor, it is valid while C(K) is infinite, and its mean and covariance are those of K.

Up to 8 states the kernel's helpers are inlined, so that the loops over n and m are unrolled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from pcpo.oracles.moment_algebra import BLAS, MATRICES, ROWS, inlined, slope, slope_of_any
from pcpo.oracles.moment_draws import ONE_POINT, draw
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.vector import compiled

__all__ = ["descend_kernel"]


@inlined
def _average(n, m, cover, G, sums, means):  # type: ignore[no-untyped-def]
    """Set the mean of G over every distinct set, block after block (`pcpo.neighbourhoods.Cover`)."""
    inner, leaf, starts, blocks, sizes, _ = cover
    for i in range(G.shape[0]):
        for k in range(m):
            for b in range(n):
                sums[leaf[i], k, b] = G[i, k, b]
    for h in range(inner - 1, 0, -1):
        for k in range(m):
            for b in range(n):
                sums[h, k, b] = sums[2 * h, k, b] + sums[2 * h + 1, k, b]
    for s in range(sizes.size):
        for k in range(m):
            for b in range(n):
                means[s, k, b] = 0.0
        for p in range(starts[s], starts[s + 1]):
            for k in range(m):
                for b in range(n):
                    means[s, k, b] += sums[blocks[p], k, b]
        for k in range(m):
            for b in range(n):
                means[s, k, b] /= sizes[s]


@inlined
def _serves(n, m, cost, K, K_a, C_a, reach2, drift, fresh):  # type: ignore[no-untyped-def]
    """Return whether an anchor is valid."""
    away = 0.0
    for k in range(m):
        for b in range(n):
            away += (K[k, b] - K_a[k, b]) ** 2
    if np.isinf(C_a):
        return fresh or np.isinf(cost)
    return abs(cost / C_a - 1.0) <= drift and away <= reach2


@inlined
def _one_point(n, m, relative, bias, root, xi, g):  # type: ignore[no-untyped-def]
    """Add bias and noise to g = ∇C(K)."""
    for d in range(m * n):
        total = 0.0
        for j in range(m * n):
            total += root[d, j] * xi[j]
        g[d // n, d % n] += bias[d // n, d % n] + relative * total


@inlined
def _baseline(cost, variance, aside, given, zeta):  # type: ignore[no-untyped-def]
    """Return the mean of `aside` costs, as `MomentOracle.costs` draws it, or what was given if there are none."""
    if aside == 0.0:
        return given
    if not cost <= SATURATION:
        return SATURATION
    return cost + np.sqrt(variance / aside) * zeta


def _descend_scalar(  # type: ignore[no-untyped-def]
    systems, gamma, law, anchors, radii, question, fresh, normals, zetas, step_size, cover, X, G, stale, saturated,
):  # fmt: skip
    """Run the kernel for one state, one input and one-point estimates.

    It makes the operations of the general kernel in the same order, so the same bits, on flat arrays and without
    scratch space: several times as fast.
    """
    A, B, Q, R = systems[0].ravel(), systems[1].ravel(), systems[2].ravel(), systems[3].ravel()
    K_a, C_a, V_a, reach2, drift = anchors[0].ravel(), anchors[1], anchors[2], anchors[3], anchors[4]
    bias, root, fraction, centre = anchors[5].ravel(), anchors[6].ravel(), anchors[7], anchors[8]
    K, g, xi = X.reshape(X.size), G.reshape(G.size), normals.reshape(normals.shape[0], X.size)
    which, averaged = cover[5], cover[4].size > 0
    sums, means = np.zeros((max(G.shape[0], 2 * cover[0]), 1, 1)), np.empty((cover[4].size, 1, 1))
    own, scale = law[1, 0, 0], gamma / (1.0 - gamma)
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
            square = cost * cost + gamma * gamma / (1.0 - gamma * gamma) * (4.0 * (P * F) * P + own * P * P)
            if not finite:
                cost = square = np.inf
            if np.isinf(C_a[i]):
                serves, relative, g[i] = fresh or np.isinf(cost), 1.0, 0.0
            else:
                away = (K[i] - K_a[i]) ** 2
                serves, relative = abs(cost / C_a[i] - 1.0) <= drift[i] and away <= reach2[i], np.sqrt(square / V_a[i])
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
            saturated[0, i] += fraction[i]
            if centre[i] >= SATURATION:
                saturated[1, i] += 1.0
            K[i] -= step_size * (means[which[i], 0, 0] if averaged else g[i])
    return normals.shape[0]


@cache
def descend_kernel(n: int, m: int, *, general: bool = False) -> Callable[..., int]:
    """Return the kernel for n states and m inputs, compiled at its first call.

    One state and one input have a special kernel, which gives the bits of the general one.

    descend(systems, gamma, law, anchors, radii, question, fresh, normals, zetas, step_size, cover, X, G, stale,
    saturated) makes `len(normals)` steps X_i ← X_i − η g_i, or as many as its anchors are valid for, and returns how
    many.

    systems: A (N, n, n) … R (N, m, m); law (2, n, n): pairs and squares (`pcpo.oracles.moment_algebra`); anchors: K_a
    (N, m, n), C_a (N,), V_a (N,), reach² (N,), drift (N,), bias (N, m, n), Σ_a^½ or T (N, k, D, D), saturated fraction
    (N,), clipped C_a (N,); question: estimator, rollouts of the baseline (0.0 for a given one), given baseline (N,);
    fresh: anchors with infinite C_a are valid, whatever C(K); normals ξ/√M (steps, N, D); zetas (steps, N): those of
    the baseline; cover: the fields of a `pcpo.neighbourhoods.Cover`, over whose sets the mean of g replaces g_i, unless
    it has no set.
    In place: gains X (N, m, n); last estimates G (N, m, n), before averaging; stale (N,): agents whose anchor is not
    valid at X; saturated (2, N): sums over steps of the saturated fraction, and of saturated baselines.
    """
    if (n, m) == (1, 1) and not general:
        return compiled(_descend_scalar, "1_1")

    def descend(  # type: ignore[no-untyped-def]
        systems, gamma, law, anchors, radii, question, fresh, normals, zetas, step_size, cover, X, G, stale, saturated,
    ):  # fmt: skip
        A, B, Q, R = systems
        K_a, C_a, V_a, reach2, drift, bias, matrices, fraction, centre = anchors
        estimator, aside, baseline = question
        which, averaged = cover[5], cover[4].size > 0
        sums, means = np.zeros((max(G.shape[0], 2 * cover[0]), m, n)), np.empty((cover[4].size, m, n))
        Sigma, W, V = np.empty((m * n, m * n)), np.empty((MATRICES, n, n)), np.empty((ROWS, m, n))
        for step in range(normals.shape[0]):
            served = True
            for i in range(X.shape[0]):
                if n < BLAS:
                    cost, variance = slope(n, m, A[i], B[i], Q[i], R[i], gamma, law, X[i], W, V, G[i])
                else:
                    cost, variance = slope_of_any(A[i], B[i], Q[i], R[i], gamma, law, X[i], W, V, G[i])
                stale[i] = not _serves(n, m, cost, X[i], K_a[i], C_a[i], reach2[i], drift[i], fresh)
                served = served and not stale[i]
                known = not np.isinf(C_a[i])
                if not known:
                    G[i] = 0.0
                if estimator == ONE_POINT:
                    relative = np.sqrt((cost * cost + variance) / V_a[i]) if known else 1.0
                    _one_point(n, m, relative, bias[i], matrices[i, 0], normals[step, i], G[i])
                elif served:
                    b = _baseline(cost, variance, aside, baseline[i], zetas[step, i])
                    above, relative = (cost - b, variance / V_a[i]) if known else (centre[i] - b, 1.0)
                    draw(estimator, radii[i], above, relative, bias[i], matrices[i], normals[step, i], Sigma, G[i])
            if not served:
                return step
            if averaged:
                _average(n, m, cover, G, sums, means)
            for i in range(X.shape[0]):
                saturated[0, i] += fraction[i]
                if centre[i] >= SATURATION:
                    saturated[1, i] += 1.0
                for k in range(m):
                    for b in range(n):
                        g = means[which[i], k, b] if averaged else G[i, k, b]
                        X[i, k, b] -= step_size * g
        return normals.shape[0]

    return compiled(descend, f"{n}_{m}")
