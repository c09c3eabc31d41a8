"""Episodes of Algorithms 1 and 3 between two rounds of communication: a Numba kernel; noise comes as arrays.

With finitely many states, the sums of (4) are sufficient statistics: u = b + B·V with b = Σ φ r and
B[:, (n, y)] = Σ φ 1{agent n, next state y}, so that the targets of a new V cost one product, and an episode adds rows
of rank one to Λ⁻¹ and to φᵀΛ⁻¹φ (Sherman and Morrison).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ...contracts import FloatArray, IntArray
from ...simd import compiled

__all__ = ["Log", "Model", "Truth", "episodes", "grow", "next_state", "policy_value"]


class Truth(NamedTuple):
    """What the recorder knows and the agents do not.

    P: ``(M, H, S, A, S)``; cumulative: its sums along the last axis; r: ``(M, H, S, A)``; Q, V: optimal values.
    """

    P: FloatArray
    cumulative: FloatArray
    r: FloatArray
    Q: FloatArray
    V: FloatArray


class Model(NamedTuple):
    """What each agent has learnt; D features, G groups of agents (1, or M with contexts).

    inverse: Λ⁻¹ ``(M, H, D, D)``; b: ``(M, H, D)``; B: ``(M, H, D, G·S)``; variance: φᵀΛ⁻¹φ ``(M, H, G·S, A)``;
    growth: log det of (7) ``(M, H)``.
    """

    inverse: FloatArray
    b: FloatArray
    B: FloatArray
    variance: FloatArray
    growth: FloatArray


class Log(NamedTuple):
    """What happened, by episode and agent.

    moves: (x, a, x') of every step ``(T, M, H, 3)``; rewards: ``(T, M, H)``; regret: V*_1 − V_1^π at the initial state
    ``(T, M)``; width: Σ_h ‖φ‖_{Λ⁻¹} along the way ``(T, M)``; pessimism: max of Q* − Q^t ``(T, M)``.
    """

    moves: IntArray
    rewards: FloatArray
    regret: FloatArray
    width: FloatArray
    pessimism: FloatArray


@numba.njit(nogil=True, error_model="numpy")
def _weights(inverse, b, B, V, u, w):  # type: ignore[no-untyped-def]
    """w = Λ⁻¹(b + B V)."""
    D = len(b)
    for i in range(D):
        total = b[i]
        for j in range(len(V)):
            total += B[i, j] * V[j]
        u[i] = total
    for i in range(D):
        total = 0.0
        for j in range(D):
            total += inverse[i, j] * u[j]
        w[i] = total


@numba.njit(nogil=True, error_model="numpy")
def _optimistic(features, w, variance, beta, ceiling, Q):  # type: ignore[no-untyped-def]
    """Q = min(φᵀw + β‖φ‖_{Λ⁻¹}, ceiling) for all (group, state) and actions (eq. (1))."""
    for i in range(Q.shape[0]):
        for a in range(Q.shape[1]):
            total = beta * np.sqrt(max(variance[i, a], 0.0))
            for k in range(len(w)):
                total += features[i, a, k] * w[k]
            Q[i, a] = min(total, ceiling)


@numba.njit(nogil=True, error_model="numpy")
def _greedy(Q, truth, offset, V, policy):  # type: ignore[no-untyped-def]
    """V = max_a Q, the first greedy action at every state, and the largest Q* − Q of the own group."""
    worst = -np.inf
    for i in range(Q.shape[0]):
        best = 0
        for a in range(1, Q.shape[1]):
            if Q[i, a] > Q[i, best]:
                best = a
        V[i] = Q[i, best]
        x = i - offset
        if 0 <= x < len(policy):
            policy[x] = best
            for a in range(Q.shape[1]):
                worst = max(worst, truth[x, a] - Q[i, a])
    return worst


@numba.njit(nogil=True, error_model="numpy")
def grow(inverse, phi, g):  # type: ignore[no-untyped-def]
    """Λ⁻¹ after Λ ← Λ + φφᵀ (Sherman and Morrison); fills g with Λ⁻¹φ of before, returns s = φᵀΛ⁻¹φ of before.

    log det Λ grows by log(1 + s).
    """
    s = 0.0
    for i in range(len(phi)):
        total = 0.0
        for j in range(len(phi)):
            total += inverse[i, j] * phi[j]
        g[i] = total
        s += phi[i] * total
    for i in range(len(phi)):
        for j in range(len(phi)):
            inverse[i, j] -= g[i] * g[j] / (1.0 + s)
    return s


@numba.njit(nogil=True, error_model="numpy")
def _learn(features, inverse, variance, phi, g):  # type: ignore[no-untyped-def]
    """Λ ← Λ + φφᵀ in Λ⁻¹ and in every φᵀΛ⁻¹φ; returns the growth of log det Λ."""
    s = grow(inverse, phi, g)
    for i in range(variance.shape[0]):
        for a in range(variance.shape[1]):
            total = 0.0
            for k in range(len(phi)):
                total += features[i, a, k] * g[k]
            variance[i, a] -= total * total / (1.0 + s)
    return np.log1p(s)


@numba.njit(nogil=True, error_model="numpy")
def next_state(cumulative, uniform):  # type: ignore[no-untyped-def]
    """The state that a number in [0, 1) selects by a distribution function ``(S,)``."""
    y = 0
    while y < len(cumulative) - 1 and uniform >= cumulative[y]:
        y += 1
    return y


@numba.njit(nogil=True, error_model="numpy")
def policy_value(P, r, policy, now, following):  # type: ignore[no-untyped-def]
    """V_1^π of a policy (H, S) into `now`."""
    H, S = policy.shape
    following[:] = 0.0
    for h in range(H - 1, -1, -1):
        for x in range(S):
            a = policy[h, x]
            total = r[h, x, a]
            for y in range(S):
                total += P[h, x, a, y] * following[y]
            now[x] = total
        following[:] = now


def _episodes(features, group, truth, model, log, starts, uniforms, betas, S_threshold, since, first, last):  # type: ignore[no-untyped-def]
    """Episodes first, …, last − 1, or up to the one in which (7) holds for an agent; returns (next episode, held).

    features: ``(G·S, A, D)``; group: ``(M,)``; starts: ``(T, M)``; uniforms: ``(T, M, H)``; betas: β_t ``(T,)``;
    since: episodes up to the last communication, k_t.
    """
    M, H = model.b.shape[0], model.b.shape[1]
    S, A, D = truth.r.shape[2], truth.r.shape[3], features.shape[2]
    u, w, V, Q = np.empty(D), np.empty(D), np.empty(features.shape[0]), np.empty((features.shape[0], A))
    policy, now, following = np.empty((H, S), np.int64), np.empty(S), np.empty(S)
    for t in range(first, last):
        synchronise = False
        for m in range(M):
            offset = group[m] * S
            V[:] = 0.0
            worst = -np.inf
            for h in range(H - 1, -1, -1):
                _weights(model.inverse[m, h], model.b[m, h], model.B[m, h], V, u, w)
                _optimistic(features, w, model.variance[m, h], betas[t], H - h, Q)
                worst = max(worst, _greedy(Q, truth.Q[m, h], offset, V, policy[h]))
            log.pessimism[t, m] = worst
            policy_value(truth.P[m], truth.r[m], policy, now, following)
            x = starts[t, m]
            log.regret[t, m] = truth.V[m, 0, x] - now[x]
            width = 0.0
            for h in range(H):
                a = policy[h, x]
                y = next_state(truth.cumulative[m, h, x, a], uniforms[t, m, h])
                log.moves[t, m, h, 0], log.moves[t, m, h, 1], log.moves[t, m, h, 2] = x, a, y
                log.rewards[t, m, h] = truth.r[m, h, x, a]
                phi = features[offset + x, a]
                width += np.sqrt(max(model.variance[m, h, offset + x, a], 0.0))
                for k in range(D):
                    model.b[m, h, k] += phi[k] * truth.r[m, h, x, a]
                    model.B[m, h, k, offset + y] += phi[k]
                model.growth[m, h] += _learn(features, model.inverse[m, h], model.variance[m, h], phi, u)
                synchronise = synchronise or model.growth[m, h] * (t + 1 - since) >= S_threshold
                x = y
            log.width[t, m] = width
        if synchronise:
            return t + 1, True
    return last, False


episodes = compiled(_episodes)
