"""Compile the anchors of the moment oracle: moments of estimates at gains, from which it extrapolates.

What an anchor holds is said in `pcpo.oracles.moment_draws`.  Whenever one is computed anew, what the old one says of
the new gain is compared with the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from pcpo.oracles.moment_algebra import MATRICES, ROWS, eigen, inlined, slope_of_any, symmetrise
from pcpo.oracles.moment_draws import ONE_POINT, TWO_POINT, add_slope_terms, covariance
from pcpo.oracles.moment_spheres import moments
from pcpo.simulation.vector import compiled

__all__ = ["costs_kernel", "renew_kernel"]

#: An anchor whose corrections are small serves longer: until they would be off as those of this size by the drift.
_SIZE, _MOST_DRIFT = 0.1, 0.5
#: One whose bias of smoothing is more standard deviations of an estimate than these serves for less, down to a fraction
#: of the drift, of finer rules a larger one, since their anchors take ten times as long.  Near an optimum the bias
#: changes as the root of C, so the square counts.
_BIAS, _LEAST, _LEAST_FINE = 0.25, 1 / 100, 1 / 8


@inlined
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


@inlined
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


@inlined
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
    symmetrise(ratios)
    eigen(ratios, white)
    for a in range(D):
        errors[0] = max(errors[0], abs(ratios[a, a] - 1.0))
    errors[1] = max(errors[1], np.sqrt(samples * square))


@inlined
def _renew_one(  # type: ignore[no-untyped-def]
    systems, gamma, law, i, K, r, narrow, fine, wide, ceiling, drift, samples, estimator, anchor, errors
):  # fmt: skip
    """Compute the anchor of agent i anew."""
    gains, costs, squares, reach2, drifts, bias, matrices, saturated, centres = anchor
    m, n = K.shape
    D = m * n
    mean, G, off, old, zero = np.empty(D), np.empty(D), np.empty(D), np.empty(D), np.zeros(D)
    T, Sigma, vectors, carried = np.empty((4, D, D)), np.empty((D, D)), np.empty((D, D)), np.empty((D, D))
    cost, variance, over, tame, refined, bend = moments(
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
        add_slope_terms(D, r, G, -1.0, T[2])
        covariance(estimator, r, 0.0, 1.0, G, mean, T, Sigma)
    eigen(Sigma, vectors)
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
    middle, spread = _spread(Sigma)
    away = np.sqrt(samples * distance / middle)
    if tame:
        drifts[i] = min(_MOST_DRIFT, drift * max(1.0, _SIZE / max(spread, away)))
    if (tame or not narrow[2]) and over == 0.0 and away > _BIAS:
        drifts[i] = drift * max(_LEAST_FINE if refined else _LEAST, (_BIAS / away) ** 2)
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
    A, B, Q, R = systems
    N, m, n = X.shape
    W, V, G = np.empty((MATRICES, n, n)), np.empty((ROWS, m, n)), np.empty((m, n))
    for i in range(N):
        costs[i], variances[i] = slope_of_any(A[i], B[i], Q[i], R[i], gamma, law, X[i], W, V, G)


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
