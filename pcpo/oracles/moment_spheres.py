"""Compile moments on a sphere of gains, from values or slopes at the nodes of a rule (`pcpo.oracles.moment_rules`)."""

from __future__ import annotations

import numpy as np

from pcpo.oracles.moment_algebra import MATRICES, ROWS, called, eigen, evaluate, inlined, slope_of_any, symmetrise

__all__ = ["moments"]

_WIDE = 1.7  # cost at a node over that at the centre, from which on rules of slopes are not trusted
#: A rule of degree 3 serves while a covariance's relative distance from isotropy s, and the bias of smoothing b in
#: standard deviations of an estimate, leave its errors, about 4s² and b·s, below these.
_COVARIANCE_ERROR, _MEAN_ERROR = 0.02, 0.05
_NEARBY = 1 / 64  # of the radius: step of the differences that give the curvature, for rules of values


@called
def _clear(T):  # type: ignore[no-untyped-def]
    """Set the matrices T_k to zero."""
    for k in range(len(T)):
        for a in range(T.shape[1]):
            for b in range(T.shape[1]):
                T[k, a, b] = 0.0


@called
def _at_nodes(systems, gamma, law, i, K, r, nodes, slopes, ceiling, C, Var, dC, dVar, W, V):  # type: ignore[no-untyped-def]
    """Fill costs, at most `ceiling`, and variances at the nodes, and their gradients if these are wanted."""
    m, n = K.shape
    X, G, H = np.empty((m, n)), np.zeros((m, n)), np.zeros((m, n))
    for q in range(len(nodes)):
        for d in range(m * n):
            X[d // n, d % n] = K[d // n, d % n] + r * nodes[q, d]
        C[q], Var[q] = evaluate(systems, gamma, law, i, X, slopes, W, V, G, H)
        if not C[q] <= ceiling:
            C[q], Var[q] = ceiling, 0.0
        elif slopes:
            for d in range(m * n):
                dC[q, d], dVar[q, d] = G[d // n, d % n], H[d // n, d % n]


@inlined
def _by_values(r, nodes, weights, C, Var, cost, mean, T):  # type: ignore[no-untyped-def]
    """Set mean and T from values on the sphere."""
    q, D = nodes.shape
    _clear(T)
    for a in range(D):
        mean[a] = 0.0
    for k in range(q):
        above, half = C[k] - cost, 0.5 * (C[k] - C[q - 1 - k])
        for a in range(D):
            mean[a] += D / r * weights[k] * above * nodes[k, a]
            for b in range(D):
                UU = weights[k] * nodes[k, a] * nodes[k, b]
                T[0, a, b] += Var[k] * UU
                T[1, a, b] += above * UU
                T[2, a, b] += above * above * UU
                T[3, a, b] += half * half * UU


@called
def _by_slopes(r, nodes, weights, centre, C, Var, dC, dVar, cost, variance, G, mean, T):  # type: ignore[no-untyped-def]
    """Set mean and T from values and slopes in the ball; return a smoothed ∇²C, (D, D)."""
    q, D = nodes.shape
    trace, curvature = np.zeros(4), np.zeros((D, D))
    _clear(T)
    for a in range(D):
        mean[a] = centre * G[a]
    trace[0] = centre * variance
    for k in range(q):
        w, other = weights[k], q - 1 - k
        above, half = C[k] - cost, 0.5 * (C[k] - C[other])
        trace[0] += w * Var[k]
        trace[1] += w * above
        trace[2] += w * above * above
        trace[3] += w * half * half
        for a in range(D):
            mean[a] += w * dC[k, a]
            change, both = dC[k, a] - G[a], dC[k, a] + dC[other, a]
            for b in range(D):
                V = w * r * nodes[k, b]
                curvature[a, b] += (D + 2) / (r * r) * V * change
                T[0, a, b] += V * dVar[k, a]
                T[1, a, b] += V * change
                T[2, a, b] += V * 2.0 * above * dC[k, a]
                T[3, a, b] += V * half * both
    for j in range(4):
        for a in range(D):
            T[j, a, a] += trace[j]
        for a in range(D):
            for b in range(D):
                T[j, a, b] /= D
        symmetrise(T[j])
    symmetrise(curvature)
    return curvature


@inlined
def _curvature(systems, gamma, law, i, K, step, W, V):  # type: ignore[no-untyped-def]
    """Return ∇²C(K), (D, D), by differences of gradients."""
    A, B, Q, R = systems[0][i], systems[1][i], systems[2][i], systems[3][i]
    m, n = K.shape
    D = m * n
    X, G, found = K.copy(), np.zeros((m, n)), np.zeros((D, D))
    for d in range(D):
        for sign in (-1.0, 1.0):
            X[d // n, d % n] = K[d // n, d % n] + sign * step
            slope_of_any(A, B, Q, R, gamma, law, X, W, V, G)
            for a in range(D):
                found[d, a] += 0.5 * sign / step * G[a // n, a % n]
        X[d // n, d % n] = K[d // n, d % n]
    symmetrise(found)
    return found


@inlined
def _is_rough(r, cost, samples, G, mean, T):  # type: ignore[no-untyped-def]
    """Return whether a rule of degree 3 is too coarse for these moments."""
    D = len(mean)
    trace = off = bias = 0.0
    for a in range(D):
        trace += T[0, a, a] + T[2, a, a] + 2.0 * cost * T[1, a, a] + cost * cost / D
    for a in range(D):
        bias += (mean[a] - G[a]) ** 2
        for b in range(D):
            entry = T[0, a, b] + T[2, a, b] + 2.0 * cost * T[1, a, b]
            off += (entry + cost * cost / D - trace / D) ** 2 if a == b else entry * entry
    away = np.sqrt(off) * D / trace
    bias = np.sqrt(samples * bias * r * r / (D * trace))
    return 4.0 * away * away > _COVARIANCE_ERROR or bias * away > _MEAN_ERROR


@inlined
def moments(systems, gamma, law, i, K, r, narrow, fine, wide, ceiling, samples, mean, T, G):  # type: ignore[no-untyped-def]
    """Set ∇C_r, T_0 … T_3, ∇C; return C, Var, the saturated fraction, whether by slopes, by a finer rule; ‖∇²C‖."""
    m, n = K.shape
    W, V, H, D = np.empty((MATRICES, n, n)), np.empty((ROWS, m, n)), np.empty((m, n)), m * n
    slope = np.zeros((m, n))
    cost, variance = evaluate(systems, gamma, law, i, K, narrow[2], W, V, slope, H)
    finite = cost <= ceiling
    for d in range(D):
        G[d] = slope[d // n, d % n] if finite else 0.0
    if not finite:
        cost, variance = ceiling, 0.0
    nodes, weights, slopes, centre = narrow
    C, Var, curvature = np.empty(len(nodes)), np.empty(len(nodes)), np.zeros((D, D))
    dC, dVar = np.zeros((len(nodes), D)), np.zeros((len(nodes), D))
    tame, refined, saturated, bend = slopes and finite, False, 0.0, np.inf
    if tame:
        _at_nodes(systems, gamma, law, i, K, r, nodes, slopes, ceiling, C, Var, dC, dVar, W, V)
        for k in range(len(nodes)):
            tame = tame and C[k] <= _WIDE * cost
    if tame:
        curvature = _by_slopes(r, nodes, weights, centre, C, Var, dC, dVar, cost, variance, G, mean, T)
        if len(fine[0]) > len(nodes) and _is_rough(r, cost, samples, G, mean, T):
            refined = True
            nodes, weights, centre = fine[0], fine[1], fine[3]
            C, Var = np.empty(len(nodes)), np.empty(len(nodes))
            dC, dVar = np.zeros((len(nodes), D)), np.zeros((len(nodes), D))
            _at_nodes(systems, gamma, law, i, K, r, nodes, slopes, ceiling, C, Var, dC, dVar, W, V)
            for k in range(len(nodes)):
                tame = tame and C[k] <= _WIDE * cost
            if tame:
                curvature = _by_slopes(r, nodes, weights, centre, C, Var, dC, dVar, cost, variance, G, mean, T)
    if not tame:
        if slopes:
            nodes, weights = wide[0], wide[1]
            C, Var = np.empty(len(nodes)), np.empty(len(nodes))
        _at_nodes(systems, gamma, law, i, K, r, nodes, wide[2], ceiling, C, Var, dC, dVar, W, V)
        _by_values(r, nodes, weights, C, Var, cost, mean, T)
        for k in range(len(nodes)):
            saturated += weights[k] if C[k] == ceiling else 0.0
        if finite:
            curvature = _curvature(systems, gamma, law, i, K, r * _NEARBY, W, V)
    if finite:
        vectors, bend = np.empty((D, D)), 0.0
        eigen(curvature, vectors)
        for a in range(D):
            bend = max(bend, abs(curvature[a, a]))
    return cost if finite else np.inf, variance, saturated, tame, refined, bend
