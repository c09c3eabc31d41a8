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

import numpy as np

from pcpo.oracles.moment_algebra import MATRICES, ROWS, called, evaluate
from pcpo.simulation.vector import compiled

__all__ = ["CENTRED", "ONE_POINT", "TWO_POINT", "costs_kernel", "covariance", "draw", "matrices_of", "renew_kernel"]

#: Estimators: (5), (5) with a baseline, pairs.
ONE_POINT, CENTRED, TWO_POINT = 0, 1, 2
_WIDE = 3.0  # cost at a node over that at the centre, from which on rules of slopes are not trusted
#: A rule of degree 3 serves while a covariance's relative distance from isotropy s, and the bias of smoothing b in
#: standard deviations of an estimate, leave its errors, about 4s² and b·s, below these.
_COVARIANCE_ERROR, _MEAN_ERROR = 0.02, 0.05
_NEARBY = 1 / 64  # of the radius: step of the differences that give the curvature, for rules of values
#: An anchor whose corrections are small serves longer: until they would be off as those of this size by the drift.
_SIZE, _MOST_DRIFT = 0.1, 0.5
_SWEEPS, _DIAGONAL = 30, 1e-30  # of Jacobi's method: at most, and squares off the diagonal over all, at the end


@called
def _eigen(S, vectors):  # type: ignore[no-untyped-def]
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


@called
def _clear(T):  # type: ignore[no-untyped-def]
    """Set the matrices T_k to zero."""
    for k in range(len(T)):
        for a in range(T.shape[1]):
            for b in range(T.shape[1]):
                T[k, a, b] = 0.0


@called
def _symmetrise(T):  # type: ignore[no-untyped-def]
    """Replace a matrix by its symmetric part."""
    for a in range(T.shape[0]):
        for b in range(a):
            T[a, b] = T[b, a] = 0.5 * (T[a, b] + T[b, a])


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


@called
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
        _symmetrise(T[j])
    _symmetrise(curvature)
    return curvature


@called
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


@called
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


@called
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


@called
def draw(estimator, r, above, relative, bias, T, xi, Sigma, g):  # type: ignore[no-untyped-def]
    """Replace g = ∇C(K) by a normal estimate ∇C_r + Lξ, with the Cholesky factor L of a covariance."""
    m, n = g.shape
    D = m * n
    G, mean = np.empty(D), np.empty(D)
    for a in range(D):
        G[a] = g[a // n, a % n]
        mean[a] = g[a // n, a % n] = G[a] + bias[a // n, a % n]
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


@called
def _spread(values):  # type: ignore[no-untyped-def]
    """Return the mean of the diagonal, and the largest relative distance of its entries from it."""
    middle = worst = 0.0
    for a in range(len(values)):
        middle += values[a, a] / len(values)
    if not middle > 0.0:
        return middle, np.inf
    for a in range(len(values)):
        worst = max(worst, abs(values[a, a] / middle - 1.0))
    return middle, worst


@called
def _compare(values, vectors, carried, off, samples, errors):  # type: ignore[no-untyped-def]
    """Enter in `errors` how far a carried covariance and mean are from those with these eigenvalues and vectors."""
    D = len(values)
    white, half, ratios = np.empty((D, D)), np.empty((D, D)), np.empty((D, D))
    for a in range(D):
        if not values[a, a] > 0.0:
            return
        for b in range(D):
            white[b, a] = vectors[b, a] / np.sqrt(values[a, a])
    square = 0.0
    for a in range(D):
        along = 0.0
        for b in range(D):
            along += white[b, a] * off[b]
            half[b, a] = 0.0
            for k in range(D):
                half[b, a] += carried[b, k] * white[k, a]
        square += along * along
    for a in range(D):
        for b in range(D):
            ratios[a, b] = 0.0
            for k in range(D):
                ratios[a, b] += white[k, a] * half[k, b]
    _symmetrise(ratios)
    _eigen(ratios, white)
    for a in range(D):
        errors[0] = max(errors[0], abs(ratios[a, a] - 1.0))
    errors[1] = max(errors[1], np.sqrt(samples * square))


@called
def _carried(estimator, r, cost, variance, G, off, squares, T, out):  # type: ignore[no-untyped-def]
    """Set the covariance that an anchor says for a gain of this cost, variance and gradient, with b = C."""
    D = len(G)
    mean = np.empty(D)
    for a in range(D):
        mean[a] = G[a] + off[a]
        for b in range(D):
            out[a, b] = 0.0
            for k in range(D):
                out[a, b] += T[0, a, k] * T[0, b, k] * (cost * cost + variance) / squares
    if estimator != ONE_POINT:
        covariance(estimator, r, 0.0, variance / squares, G, mean, T, out)


@called
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


@called
def _moments(systems, gamma, law, i, K, r, narrow, fine, wide, ceiling, samples, mean, T, G):  # type: ignore[no-untyped-def]
    """Set ∇C_r, T_0 … T_3, ∇C; return C, Var, the saturated fraction, whether by slopes, and the norm of ∇²C."""
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
    tame, saturated, bend = slopes and finite, 0.0, np.inf
    if tame:
        _at_nodes(systems, gamma, law, i, K, r, nodes, True, ceiling, C, Var, dC, dVar, W, V)
        for k in range(len(nodes)):
            tame = tame and C[k] <= _WIDE * cost
    if tame:
        curvature = _by_slopes(r, nodes, weights, centre, C, Var, dC, dVar, cost, variance, G, mean, T)
        if len(fine[0]) > len(nodes) and _is_rough(r, cost, samples, G, mean, T):
            nodes, weights, centre = fine[0], fine[1], fine[3]
            C, Var = np.empty(len(nodes)), np.empty(len(nodes))
            dC, dVar = np.zeros((len(nodes), D)), np.zeros((len(nodes), D))
            _at_nodes(systems, gamma, law, i, K, r, nodes, True, ceiling, C, Var, dC, dVar, W, V)
            for k in range(len(nodes)):
                tame = tame and C[k] <= _WIDE * cost
            if tame:
                curvature = _by_slopes(r, nodes, weights, centre, C, Var, dC, dVar, cost, variance, G, mean, T)
    if not tame:
        if slopes:
            nodes, weights = wide[0], wide[1]
            C, Var = np.empty(len(nodes)), np.empty(len(nodes))
        _at_nodes(systems, gamma, law, i, K, r, nodes, False, ceiling, C, Var, dC, dVar, W, V)
        _by_values(r, nodes, weights, C, Var, cost, mean, T)
        for k in range(len(nodes)):
            saturated += weights[k] if C[k] == ceiling else 0.0
        if finite:
            curvature = _curvature(systems, gamma, law, i, K, r * _NEARBY, W, V)
    if finite:
        vectors, bend = np.empty((D, D)), 0.0
        _eigen(curvature, vectors)
        for a in range(D):
            bend = max(bend, abs(curvature[a, a]))
    return cost if finite else np.inf, variance, saturated, tame, bend


@called
def _renew_one(  # type: ignore[no-untyped-def]
    systems, gamma, law, i, K, r, narrow, fine, wide, ceiling, drift, samples, estimator, anchor, errors
):  # fmt: skip
    """Compute the anchor of agent i anew."""
    gains, costs, squares, reach2, drifts, bias, matrices, saturated, centres = anchor
    m, n = K.shape
    D = m * n
    mean, G, off, old, zero = np.empty(D), np.empty(D), np.empty(D), np.empty(D), np.zeros(D)
    T, Sigma, vectors, carried = np.empty((4, D, D)), np.empty((D, D)), np.empty((D, D)), np.empty((D, D))
    cost, variance, over, tame, bend = _moments(
        systems, gamma, law, i, K, r, narrow, fine, wide, ceiling, samples, mean, T, G
    )
    finite = np.isfinite(cost)
    centre = cost if finite else ceiling
    for a in range(D):
        off[a], old[a] = mean[a] - G[a], bias[i, a // n, a % n]
        for b in range(D):
            T[2, a, b] = T[3, a, b] if estimator == TWO_POINT else T[2, a, b]
    if estimator == ONE_POINT:
        covariance(estimator, r, centre, 1.0, zero, mean, T, Sigma)
    else:
        _add_slope_terms(D, r, G, -1.0, T[2])
        covariance(estimator, r, 0.0, 1.0, G, mean, T, Sigma)
    _eigen(Sigma, vectors)
    if finite and np.isfinite(costs[i]) and over == 0.0 and saturated[i] == 0.0:
        _carried(estimator, r, cost, variance, G, old, squares[i], matrices[i], carried)
        for a in range(D):
            old[a] -= off[a]
        _compare(Sigma, vectors, carried, old, samples, errors)
    distance = 0.0
    for a in range(D):
        distance += off[a] * off[a]
        bias[i, a // n, a % n], gains[i, a // n, a % n] = off[a], K[a // n, a % n]
        for b in range(D):
            for k in range(matrices.shape[1]):
                matrices[i, k, a, b] = T[k, a, b]
            if estimator == ONE_POINT:
                matrices[i, 0, a, b] = 0.0
                for k in range(D):
                    matrices[i, 0, a, b] += vectors[a, k] * np.sqrt(max(Sigma[k, k], 0.0)) * vectors[b, k]
    drifts[i] = drift
    if tame:
        middle, spread = _spread(Sigma)
        size = max(spread, np.sqrt(samples * distance / middle))
        drifts[i] = min(_MOST_DRIFT, drift * max(1.0, _SIZE / size))
    costs[i], saturated[i], centres[i] = cost, over, centre
    squares[i] = cost * cost + variance if estimator == ONE_POINT else variance
    # Half a hessian times reach² is the drift: how far C stays within it, if C is quadratic around K.
    reach2[i] = 2.0 * drifts[i] * cost / bend if finite else 0.0
    errors[2] += 1.0


def _renew(  # type: ignore[no-untyped-def]
    systems, gamma, law, agents, X, radii, narrow, fine, wide, ceiling, drift, samples, estimator, anchor, errors
):  # fmt: skip
    """Compute the anchors of some agents anew."""
    for i in agents:
        _renew_one(
            systems, gamma, law, i, X[i], radii[i], narrow, fine, wide, ceiling, drift, samples, estimator, anchor,
            errors,
        )  # fmt: skip


def _costs(systems, gamma, law, X, costs, variances):  # type: ignore[no-untyped-def]
    """Fill C(K_i) and Var C(K_i; Z) of all agents."""
    N, m, n = X.shape
    W, V, G = np.empty((MATRICES, n, n)), np.empty((ROWS, m, n)), np.empty((m, n))
    for i in range(N):
        costs[i], variances[i] = evaluate(systems, gamma, law, i, X[i], False, W, V, G, G)


@cache
def renew_kernel() -> Callable[..., None]:
    """Return the kernel that computes anchors anew, for systems of any size.

    renew(systems, gamma, law, agents, X, radii, narrow, fine, wide, ceiling, drift, samples, estimator, anchors,
    errors)

    systems, law, X, radii, anchors: as in `pcpo.oracles.moment_kernels.descend_kernel`; anchors are changed for
    `agents`; narrow, fine, wide: nodes, weights, slopes, weight of the centre; ceiling: of costs; samples: averaged in
    one estimate; errors (3,): largest relative error of a covariance, of a mean in standard deviations, and number of
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
