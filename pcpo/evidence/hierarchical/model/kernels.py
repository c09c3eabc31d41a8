"""Compile the loops: agents that step together, one chain, and Algorithm 3.  All noise is passed in as arrays."""

from __future__ import annotations

import numpy as np

from pcpo.simulation.vector import compiled

__all__ = ["gtd", "quadratic", "run_agents", "run_chain"]


@compiled
def run_agents(group, A, B, pull_A, pull_B, K, K_bar, sizes, noise, exploration, x, u, x_bar, u_bar):  # type: ignore[no-untyped-def]
    """Simulate (6) with u^i = −K_l(x^i − x̄^l) − [K̄x̄]^l + σz^i; one step costs O(N).

    group ``(N,)``; A ``(L, d, d)``, B ``(L, d, k)``, pull_A ``(L, L, d, d)``, pull_B ``(L, L, d, k)``, K ``(L, k, d)``,
    K_bar ``(L, L, k, d)``; sizes ``(L,)``; noise = w ``(T, N, d)``, exploration = σz ``(T + 1, N, k)``.  Fills
    x ``(T + 1, N, d)`` from x[0], u ``(T + 1, N, k)``, x_bar ``(T + 1, L, d)`` and u_bar ``(T + 1, L, k)``.
    """
    T, N, d = noise.shape
    L, k = K.shape[0], K.shape[1]
    for t in range(T + 1):
        x_bar[t, :, :], u_bar[t, :, :] = 0.0, 0.0
        for i in range(N):
            for a in range(d):
                x_bar[t, group[i], a] += x[t, i, a] / sizes[group[i]]
        for i in range(N):
            g = group[i]
            for b in range(k):
                value = exploration[t, i, b]
                for a in range(d):
                    value -= K[g, b, a] * (x[t, i, a] - x_bar[t, g, a])
                    for m in range(L):
                        value -= K_bar[g, m, b, a] * x_bar[t, m, a]
                u[t, i, b] = value
                u_bar[t, g, b] += value / sizes[g]
        if t == T:
            break
        for i in range(N):
            g = group[i]
            for c in range(d):
                value = noise[t, i, c]
                for a in range(d):
                    value += A[g, c, a] * x[t, i, a]
                    for m in range(L):
                        value += pull_A[g, m, c, a] * x_bar[t, m, a]
                for b in range(k):
                    value += B[g, c, b] * u[t, i, b]
                    for m in range(L):
                        value += pull_B[g, m, c, b] * u_bar[t, m, b]
                x[t + 1, i, c] = value


@compiled
def run_chain(A, B, K, noise, exploration, x0, v):  # type: ignore[no-untyped-def]
    """Simulate x' = Ax + Bu + w with u = −Kx + z.

    noise = w ``(T, d)``, exploration = z ``(T + 1, k)``.  Fills v = vec(x_t, u_t) ``(T + 1, d + k)`` from x0.
    """
    T, d = noise.shape
    k = exploration.shape[1]
    v[0, :d] = x0
    for t in range(T + 1):
        for b in range(k):
            value = exploration[t, b]
            for a in range(d):
                value -= K[b, a] * v[t, a]
            v[t, d + b] = value
        if t == T:
            break
        for c in range(d):
            value = noise[t, c]
            for a in range(d):
                value += A[c, a] * v[t, a]
            for b in range(k):
                value += B[c, b] * v[t, d + b]
            v[t + 1, c] = value


@compiled
def quadratic(v, features):  # type: ignore[no-untyped-def]
    """Fill features ``(T, p(p + 1)/2)`` with φ(v) = svec(vvᵀ) of v ``(T, p)``."""
    for t in range(v.shape[0]):
        j = 0
        for a in range(v.shape[1]):
            features[t, j] = v[t, a] * v[t, a]
            twice = v[t, a] * 2.0**0.5
            for b in range(a + 1, v.shape[1]):
                features[t, j + b - a] = twice * v[t, b]
            j += v.shape[1] - a


@compiled
def gtd(features, costs, alpha, power, radii, checkpoints, found):  # type: ignore[no-untyped-def]
    """Run Algorithm 3: stochastic gradient descent-ascent on (41) with α_t = α/t^power, projected on the sets (42).

    features = φ(v_t) ``(T + 1, p)``, costs = c_t ``(T,)``; radii = Γ¹, Γ², Ξ¹, Ξ².  Fills row j of found
    ``(len(checkpoints), 1 + p)`` with γ̂, the average of γ_1, …, γ_t weighted by α_t, at t = checkpoints[j].
    """
    T, p = costs.shape[0], features.shape[1]
    gamma, xi, average = np.zeros(1 + p), np.zeros(1 + p), np.zeros(1 + p)
    total, done = 0.0, 0
    for t in range(1, T + 1):
        step = alpha / t**power
        now, after, cost = features[t - 1], features[t], costs[t - 1]
        dual = difference = 0.0
        for j in range(p):
            dual += now[j] * xi[1 + j]
            difference += (now[j] - after[j]) * gamma[1 + j]
        error = gamma[0] + difference - cost
        ascent = gamma[0] - cost - xi[0]
        gamma[0] = min(max(gamma[0] - step * (xi[0] + dual), 0.0), radii[0])
        xi[0] = min(max(xi[0] + step * ascent, -radii[2]), radii[2])
        size_gamma = size_xi = 0.0
        for j in range(p):
            gamma[1 + j] -= step * dual * (now[j] - after[j])
            xi[1 + j] += step * (error * now[j] - xi[1 + j])
            size_gamma += gamma[1 + j] ** 2
            size_xi += xi[1 + j] ** 2
        shrink_gamma = min(1.0, radii[1] / max(size_gamma, 1e-300) ** 0.5)
        shrink_xi = min(1.0, radii[3] / max(size_xi, 1e-300) ** 0.5)
        total += step
        average[0] += step * gamma[0]
        for j in range(p):
            gamma[1 + j] *= shrink_gamma
            xi[1 + j] *= shrink_xi
            average[1 + j] += step * gamma[1 + j]
        if done < checkpoints.shape[0] and t == checkpoints[done]:
            found[done] = average / total
            done += 1
