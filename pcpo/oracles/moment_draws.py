"""Compile draws of estimates from what an anchor holds: the moments at a gain where they are known exactly.

An anchor holds, for a perturbed gain K_U = K + rU with cost C_U and variance V_U of a rollout, the mean ∇C_r and

    T_0 = E V_U UUᵀ,   T_1 = E (C_U − C)UUᵀ,   T_2 = E (C_U − C)²UUᵀ,   T_3 = E ¼(C_U − C_{−U})²UUᵀ

which give the covariance of one sample of every estimator (`covariance`):

    one point (D/r)C_U U, less a baseline b    (D/r)²[T_0 + T_2 + 2(C − b)T_1 + (C − b)²I/D] − ∇C_r ∇C_rᵀ
    two points (D/2r)(C_U − C'_{−U})U          (D/r)²[½T_0 + T_3] − ∇C_r ∇C_rᵀ

Near the anchor T_0 varies as Var C(K; Z), and T_2 and T_3 as their leading term r²(‖∇C‖²I + 2∇C∇Cᵀ)/(D(D + 2)).
"""

from __future__ import annotations

import numpy as np

from pcpo.oracles.moment_algebra import called

__all__ = ["CENTRED", "ONE_POINT", "TWO_POINT", "add_slope_terms", "covariance", "draw", "matrices_of"]

#: Estimators: (5), (5) with a baseline, pairs.
ONE_POINT, CENTRED, TWO_POINT = 0, 1, 2


def matrices_of(estimator: int) -> int:
    """Return how many matrices (D, D) an anchor holds: Σ^½ for one point, T_0 and T_1 and T_2 or T_3 for others."""
    return 1 if estimator == ONE_POINT else 3


@called
def add_slope_terms(D, r, G, factor, T):  # type: ignore[no-untyped-def]
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
    add_slope_terms(D, r, G, 1.0, out)
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
