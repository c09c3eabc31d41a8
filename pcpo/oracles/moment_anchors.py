"""Compile the moments of estimates at gains: the anchors from which the moment oracle extrapolates.

An anchor holds, for a perturbed gain K_U = K + rU with cost C_U and variance V_U of a rollout, the mean ∇C_r and

    T_0 = E V_U UUᵀ,   T_1 = E (C_U − C)UUᵀ,   T_2 = E (C_U − C)²UUᵀ,   T_3 = E ¼(C_U − C_{−U})²UUᵀ

which give the covariance of one sample of every estimator (`covariance`):

    one point (D/r)C_U U, less a baseline b    (D/r)²[T_0 + T_2 + 2(C − b)T_1 + (C − b)²I/D] − ∇C_r ∇C_rᵀ
    two points (D/2r)(C_U − C'_{−U})U          (D/r)²[½T_0 + T_3] − ∇C_r ∇C_rᵀ

Near the anchor T_0 varies as Var C(K; Z), and T_2 and T_3 as their leading term r²(‖∇C‖²I + 2∇C∇Cᵀ)/(D(D + 2)).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

from pcpo.oracles.moment_algebra import MATRICES, ROWS, evaluate
from pcpo.simulation.vector import compiled

__all__ = ["CENTRED", "ONE_POINT", "TWO_POINT", "costs_kernel", "covariance", "draw", "matrices_of", "renew_kernel"]

#: Estimators: (5), (5) with a baseline, pairs.
ONE_POINT, CENTRED, TWO_POINT = 0, 1, 2
_WIDE = 3.0  # cost at a node over that at the centre, from which on rules of slopes are not trusted
_NEARBY = 1 / 64  # of the radius: step of the differences that give the curvature, for rules of values
#: An anchor whose corrections are small serves longer: until they would be off as those of this size by the drift.
_SIZE, _MOST_DRIFT = 0.1, 0.5

_called: Any = numba.njit(error_model="numpy")


@_called
def _symmetrise(T):  # type: ignore[no-untyped-def]
    """Replace a matrix by its symmetric part."""
    for a in range(T.shape[0]):
        for b in range(a):
            T[a, b] = T[b, a] = 0.5 * (T[a, b] + T[b, a])


@_called
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


@_called
def _by_values(r, nodes, weights, C, Var, cost, mean, T):  # type: ignore[no-untyped-def]
    """Set mean and T from values on the sphere."""
    q, D = nodes.shape
    mean[:], T[:] = 0.0, 0.0
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


@_called
def _by_slopes(r, nodes, weights, centre, C, Var, dC, dVar, cost, variance, G, mean, T):  # type: ignore[no-untyped-def]
    """Set mean and T from values and slopes in the ball; return a smoothed ∇²C, (D, D)."""
    q, D = nodes.shape
    trace, curvature = np.zeros(4), np.zeros((D, D))
    T[:] = 0.0
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
        T[j] /= D
        _symmetrise(T[j])
    _symmetrise(curvature)
    return curvature


@_called
def _curvature(systems, gamma, law, i, K, step, W, V):  # type: ignore[no-untyped-def]
    """Return ∇²C(K), (D, D), by differences of gradients."""
    m, n = K.shape
    D = m * n
    X, G, found = K.copy(), np.zeros((m, n)), np.zeros((D, D))
    for d in range(D):
        for sign in (-1.0, 1.0):
            X[d // n, d % n] = K[d // n, d % n] + sign * step
            evaluate(systems, gamma, law, i, X, False, W, V, G, G)
            for a in range(D):
                found[d, a] += 0.5 * sign / step * G[a // n, a % n]
        X[d // n, d % n] = K[d // n, d % n]
    _symmetrise(found)
    return found


@_called
def _add_slope_terms(D, r, G, factor, T):  # type: ignore[no-untyped-def]
    """Add `factor` times r²(‖G‖²I + 2GGᵀ)/(D(D + 2)) to T."""
    size = 0.0
    for a in range(D):
        size += G[a] * G[a]
    scale = factor * r * r / (D * (D + 2.0))
    for a in range(D):
        T[a, a] += scale * size
        for b in range(D):
            T[a, b] += scale * 2.0 * G[a] * G[b]


@_called
def covariance(estimator, r, above, relative, G, mean, T, out):  # type: ignore[no-untyped-def]
    """Set the covariance of one sample.

    above: C − b; relative: Var C(K; Z) over that at the anchor; G: ∇C(K), added to what T_2 and T_3 keep of it; mean:
    ∇C_r; T: T_0, T_1 and T_2 or T_3.
    """
    D = len(mean)
    half = 0.5 if estimator == TWO_POINT else 1.0
    for a in range(D):
        for b in range(D):
            out[a, b] = half * relative * T[0, a, b] + T[2, a, b]
            if estimator != TWO_POINT:
                out[a, b] += 2.0 * above * T[1, a, b]
        if estimator != TWO_POINT:
            out[a, a] += above * above / D
    _add_slope_terms(D, r, G, 1.0, out)
    for a in range(D):
        for b in range(D):
            out[a, b] = D * D / (r * r) * out[a, b] - mean[a] * mean[b]


@_called
def draw(estimator, r, above, relative, bias, T, xi, Sigma, g):  # type: ignore[no-untyped-def]
    """Replace g = ∇C(K) by a normal estimate ∇C_r + Lξ, with the Cholesky factor L of a covariance."""
    m, n = g.shape
    D = m * n
    G = np.empty(D)
    for a in range(D):
        G[a] = g[a // n, a % n]
        g[a // n, a % n] += bias[a // n, a % n]
    mean = g.copy().reshape(D)
    covariance(estimator, r, above, relative, G, mean, T, Sigma)
    least = 0.0
    for a in range(D):
        least = max(least, 1e-13 * Sigma[a, a])
    for a in range(D):
        pivot = Sigma[a, a]
        for k in range(a):
            pivot -= Sigma[a, k] * Sigma[a, k]
        root = np.sqrt(pivot) if pivot > least else 0.0
        total = root * xi[a]
        for k in range(a):
            total += Sigma[a, k] * xi[k]
        for b in range(a + 1, D):
            rest = Sigma[b, a]
            for k in range(a):
                rest -= Sigma[b, k] * Sigma[a, k]
            Sigma[b, a] = rest / root if root > 0.0 else 0.0
        g[a // n, a % n] += total


@_called
def _spread(values):  # type: ignore[no-untyped-def]
    """Return the largest relative distance of eigenvalues from their mean."""
    middle = np.mean(values)
    return np.max(np.abs(values / middle - 1.0)) if middle > 0.0 else np.inf


@_called
def _compare(values, vectors, carried, off, samples, errors):  # type: ignore[no-untyped-def]
    """Enter in `errors` how far a carried covariance and mean are from those with these eigenvalues and vectors."""
    if not values[0] > 0.0:
        return
    white = vectors / np.sqrt(values)
    ratios = np.linalg.eigvalsh(np.dot(white.T, np.dot(carried, white)))
    along = np.dot(white.T, off)
    errors[0] = max(errors[0], np.max(np.abs(ratios - 1.0)))
    errors[1] = max(errors[1], np.sqrt(samples * np.sum(along * along)))


@_called
def _carried(estimator, r, cost, variance, G, anchor, i, out):  # type: ignore[no-untyped-def]
    """Set the covariance that agent i's anchor says for a gain of this cost, variance and gradient; b = C."""
    D = len(G)
    if estimator == ONE_POINT:
        root = anchor[6][i, 0]
        out[:] = (cost * cost + variance) / anchor[2][i] * np.dot(root, root.T)
    else:
        mean = G + anchor[5][i].reshape(D)
        covariance(estimator, r, 0.0, variance / anchor[2][i], G, mean, anchor[6][i], out)


@_called
def _moments(systems, gamma, law, i, K, r, narrow, wide, ceiling, mean, T, G):  # type: ignore[no-untyped-def]
    """Set ∇C_r, T_0 … T_3, ∇C; return C, Var, the saturated fraction, whether by slopes, and the norm of ∇²C."""
    m, n = K.shape
    W, V, H, D = np.empty((MATRICES, n, n)), np.empty((ROWS, m, n)), np.empty((m, n)), m * n
    slope = np.zeros((m, n))
    cost, variance = evaluate(systems, gamma, law, i, K, narrow[2], W, V, slope, H)
    finite = cost <= ceiling
    G[:] = slope.reshape(D)
    if not finite:
        cost, variance = ceiling, 0.0
    nodes, weights, slopes, centre = narrow
    C, Var = np.empty(len(nodes)), np.empty(len(nodes))
    dC, dVar = np.zeros((len(nodes), D)), np.zeros((len(nodes), D))
    tame = finite
    if slopes and finite:
        _at_nodes(systems, gamma, law, i, K, r, nodes, True, ceiling, C, Var, dC, dVar, W, V)
        tame = np.max(C) <= _WIDE * cost
        if tame:
            curvature = _by_slopes(r, nodes, weights, centre, C, Var, dC, dVar, cost, variance, G, mean, T)
    if not (slopes and tame):
        if slopes:
            nodes, weights = wide[0], wide[1]
            C, Var = np.empty(len(nodes)), np.empty(len(nodes))
        _at_nodes(systems, gamma, law, i, K, r, nodes, False, ceiling, C, Var, dC, dVar, W, V)
        _by_values(r, nodes, weights, C, Var, cost, mean, T)
        curvature = _curvature(systems, gamma, law, i, K, r * _NEARBY, W, V) if finite else np.zeros((D, D))
    saturated = np.sum(weights[np.greater_equal(C, ceiling)]) if not (slopes and tame) else 0.0
    bend = np.max(np.abs(np.linalg.eigvalsh(curvature))) if finite and np.all(np.isfinite(curvature)) else np.inf
    return cost if finite else np.inf, variance, saturated, slopes and tame, bend


def _renew(  # type: ignore[no-untyped-def]
    systems, gamma, law, agents, X, radii, narrow, wide, ceiling, drift, samples, estimator, anchor, errors
):  # fmt: skip
    """Compute the anchors of some agents anew."""
    gains, costs, squares, reach2, drifts, bias, matrices, saturated, centres = anchor
    D = X.shape[1] * X.shape[2]
    mean, G, T, Sigma = np.empty(D), np.empty(D), np.empty((4, D, D)), np.empty((D, D))
    for i in agents:
        r, K = radii[i], X[i]
        cost, variance, over, tame, bend = _moments(
            systems, gamma, law, i, K, r, narrow, wide, ceiling, mean, T, G
        )  # fmt: skip
        finite = np.isfinite(cost)
        centre = cost if finite else ceiling
        if not finite:
            G[:] = 0.0
        if estimator == TWO_POINT:
            T[2] = T[3]
        if estimator == ONE_POINT:
            covariance(estimator, r, centre, 1.0, 0.0 * G, mean, T, Sigma)
        else:
            _add_slope_terms(D, r, G, -1.0, T[2])
            covariance(estimator, r, 0.0, 1.0, G, mean, T, Sigma)
        values, vectors = np.linalg.eigh(Sigma)
        off = mean - G
        if finite and np.isfinite(costs[i]) and over == 0.0 and saturated[i] == 0.0:
            carried = np.empty((D, D))
            _carried(estimator, r, cost, variance, G, anchor, i, carried)
            _compare(values, vectors, carried, bias[i].reshape(D) - off, samples, errors)
        if estimator == ONE_POINT:
            matrices[i, 0] = np.dot(vectors * np.sqrt(np.maximum(values, 0.0)), vectors.T)
        else:
            matrices[i] = T[:3]
        drifts[i] = drift
        if tame:
            size = max(_spread(values), np.sqrt(samples * np.sum(off * off) / np.mean(values)))
            drifts[i] = min(_MOST_DRIFT, drift * max(1.0, _SIZE / size))
        gains[i], costs[i], saturated[i], centres[i] = K, cost, over, centre
        squares[i] = cost * cost + variance if estimator == ONE_POINT else variance
        bias[i] = off.reshape(K.shape)
        # Half a hessian times reach² is the drift: how far C stays within it, if C is quadratic around K.
        reach2[i] = 2.0 * drifts[i] * cost / bend if finite else 0.0
        errors[2] += 1.0


def _costs(systems, gamma, law, X, costs, variances):  # type: ignore[no-untyped-def]
    """Fill C(K_i) and Var C(K_i; Z) of all agents."""
    N, m, n = X.shape
    W, V, G = np.empty((MATRICES, n, n)), np.empty((ROWS, m, n)), np.empty((m, n))
    for i in range(N):
        costs[i], variances[i] = evaluate(systems, gamma, law, i, X[i], False, W, V, G, G)


@cache
def renew_kernel() -> Callable[..., None]:
    """Return the kernel that computes anchors anew, for systems of any size.

    renew(systems, gamma, law, agents, X, radii, narrow, wide, ceiling, drift, samples, estimator, anchors, errors)

    systems, law, X, radii, anchors: as in `pcpo.oracles.moment_kernels.descend_kernel`; anchors are changed for
    `agents`; narrow, wide: nodes, weights, slopes, weight of the centre; ceiling: of costs; samples: averaged in one
    estimate; errors (3,): largest relative error of a covariance, of a mean in standard deviations, and the number of
    anchors.
    """
    return compiled(_renew)


@cache
def costs_kernel() -> Callable[..., None]:
    """Return the kernel costs(systems, gamma, law, X, costs, variances), which fills costs and variances (N,)."""
    return compiled(_costs)


def matrices_of(estimator: int) -> int:
    """Return how many matrices (D, D) an anchor holds: Σ^½ for one point, T_0 and T_1 and T_2 or T_3 for others."""
    return 1 if estimator == ONE_POINT else 3
