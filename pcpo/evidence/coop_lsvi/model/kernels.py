"""Compile the episodes between two rounds of communication: Algorithms 1 and 3, and Algorithm 2.

All noise is passed in as arrays.  With finitely many states, the sums of (4) are sufficient statistics: u = b + B·V
with b = Σ φ r and B[:, (n, y)] = Σ φ 1{agent n, next state y}, so that the targets of a new V cost one product, and an
episode updates Λ⁻¹ and φᵀΛ⁻¹φ by terms of rank one (Sherman and Morrison).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from pcpo.arrays import FloatArray, IntArray
from pcpo.simulation.vector import compiled

__all__ = [
    "Common",
    "History",
    "Log",
    "Model",
    "Truth",
    "World",
    "episodes",
    "grow",
    "joint_episodes",
    "next_state",
    "policy_value",
]


@numba.njit(nogil=True, error_model="numpy")
def grow(inverse, phi, g):  # type: ignore[no-untyped-def]
    """Update Λ⁻¹ for Λ ← Λ + φφᵀ (Sherman and Morrison), and return s = φᵀΛ⁻¹φ of the old Λ.

    Fills g with Λ⁻¹φ of the old Λ.  log det Λ grows by log(1 + s).
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
def next_state(cumulative, uniform):  # type: ignore[no-untyped-def]
    """Return the state that a number in [0, 1) selects by a distribution function ``(S,)``."""
    y = 0
    while y < len(cumulative) - 1 and uniform >= cumulative[y]:
        y += 1
    return y


@numba.njit(nogil=True, error_model="numpy")
def policy_value(P, r, policy, now, following):  # type: ignore[no-untyped-def]
    """Fill `now` ``(S,)`` with V_1^π of a policy ``(H, S)``; `following` is scratch space."""
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


class Truth(NamedTuple):
    """Hold what the recorder of Algorithms 1 and 3 knows and the agents do not.

    P: ``(M, H, S, A, S)``; cumulative: sums of P along the last axis; r: ``(M, H, S, A)``; Q ``(M, H, S, A)`` and
    V ``(M, H, S)``: optimal values.
    """

    P: FloatArray
    cumulative: FloatArray
    r: FloatArray
    Q: FloatArray
    V: FloatArray


class Model(NamedTuple):
    """Hold what each agent has learnt; D features, G groups of agents (1, or M with contexts).

    inverse: Λ⁻¹ ``(M, H, D, D)``; b: ``(M, H, D)``; B: ``(M, H, D, G·S)``; variance: φᵀΛ⁻¹φ ``(M, H, G·S, A)``;
    growth: log det(Λ_t)/det(Λ_{k_t}) of (7) ``(M, H)``.
    """

    inverse: FloatArray
    b: FloatArray
    B: FloatArray
    variance: FloatArray
    growth: FloatArray


class Log(NamedTuple):
    """Hold what happened, by episode and agent.

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
    """Fill w with Λ⁻¹(b + B V), and u with b + B V."""
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
    """Fill Q with min(φᵀw + β‖φ‖_{Λ⁻¹}, ceiling) for all (group, state) and actions (eq. (1))."""
    for i in range(Q.shape[0]):
        for a in range(Q.shape[1]):
            total = beta * np.sqrt(max(variance[i, a], 0.0))
            for k in range(len(w)):
                total += features[i, a, k] * w[k]
            Q[i, a] = min(total, ceiling)


@numba.njit(nogil=True, error_model="numpy")
def _greedy(Q, truth, offset, V, policy):  # type: ignore[no-untyped-def]
    """Fill V with max_a Q and policy with the first greedy actions; return the largest Q* − Q of the agent's group."""
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
def _learn(features, inverse, variance, phi, g):  # type: ignore[no-untyped-def]
    """Update Λ⁻¹ and every φᵀΛ⁻¹φ for Λ ← Λ + φφᵀ, and return the growth of log det Λ."""
    s = grow(inverse, phi, g)
    for i in range(variance.shape[0]):
        for a in range(variance.shape[1]):
            total = 0.0
            for k in range(len(phi)):
                total += features[i, a, k] * g[k]
            variance[i, a] -= total * total / (1.0 + s)
    return np.log1p(s)


def _episodes(features, group, truth, model, log, starts, uniforms, betas, S_threshold, since, first, last):  # type: ignore[no-untyped-def]
    """Run the episodes first, …, last − 1, or up to the first in which (7) holds for an agent.

    Returns (next episode, whether (7) held).  features: ``(G·S, A, D)``; group: ``(M,)``; starts: ``(T, M)``;
    uniforms: ``(T, M, H)``; betas: β_t ``(T,)``; since: k_t, episodes up to the last communication.
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


class World(NamedTuple):
    """Hold what the recorder of Algorithm 2 knows.

    P: ``(H, S, A, S)``; cumulative: sums of P along the last axis; r: ``(M, H, S, A)``.
    """

    P: FloatArray
    cumulative: FloatArray
    r: FloatArray


class Common(NamedTuple):
    """Hold what all agents have since the last round, and the running Λ⁻¹ and log det that trigger the next round.

    inverse, running: ``(H, d, d)``; b = Σ Φ r ``(H, d)``; C = Σ Φ1_M 1{next state} ``(H, d, S)``; bonus of (14)
    ``(H, S, A)``; growth: log det(Λ_t)/det(Λ_{k_t}) ``(H,)``.
    """

    inverse: FloatArray
    running: FloatArray
    b: FloatArray
    C: FloatArray
    bonus: FloatArray
    growth: FloatArray


class History(NamedTuple):
    """Hold what happened in each episode of Algorithm 2.

    moves: (x, a, x') ``(T, H, 3)``; regret: max_x V*_v − V_v^π ``(T,)``; values: V_1^π ``(T, S, M)``.
    """

    moves: IntArray
    regret: FloatArray
    values: FloatArray


@numba.njit(nogil=True, error_model="numpy")
def _plan(columns, common, v, beta, h, V, u, w, policy):  # type: ignore[no-untyped-def]
    """Fill V and policy with the greedy values and actions of min(vᵀΦᵀΛ⁻¹U + β·bonus, H − h), eqs. (14) and (15).

    V is V_{h+1} on entry; u and w are scratch space.
    """
    d, S, A, H = len(u), len(V), columns.shape[2], len(common.b)
    for i in range(d):
        u[i] = common.b[h, i]
        for y in range(S):
            u[i] += common.C[h, i, y] * V[y]
    for i in range(d):
        w[i] = 0.0
        for j in range(d):
            w[i] += common.inverse[h, i, j] * u[j]
    for x in range(S):
        V[x] = -np.inf
        for a in range(A):
            Q = beta * common.bonus[h, x, a]
            for m in range(len(v)):
                for i in range(d):
                    Q += v[m] * columns[m, x, a, i] * w[i]
            Q = min(Q, H - h)
            if V[x] < Q:
                V[x] = Q
                policy[x] = a


@numba.njit(nogil=True, error_model="numpy")
def _evaluate(world, policy, v, values, best, spare):  # type: ignore[no-untyped-def]
    """Fill values ``(S, M)`` with V_1^π and return max_x of V*_v − vᵀV^π; best and spare are scratch space."""
    M, H, S, A = world.r.shape
    for m in range(M):
        policy_value(world.P, world.r[m], policy, best, spare)
        values[:, m] = best
    best[:] = 0.0
    for h in range(H - 1, -1, -1):
        for x in range(S):
            spare[x] = -np.inf
            for a in range(A):
                total = 0.0
                for m in range(M):
                    total += v[m] * world.r[m, h, x, a]
                for y in range(S):
                    total += world.P[h, x, a, y] * best[y]
                spare[x] = max(spare[x], total)
        best[:] = spare
    worst = -np.inf
    for x in range(S):
        total = best[x]
        for m in range(M):
            total -= v[m] * values[x, m]
        worst = max(worst, total)
    return worst


def _joint_episodes(columns, world, common, history, weights, starts, uniforms, betas, log_threshold, first, last):  # type: ignore[no-untyped-def]
    """Run the episodes first, …, last − 1, or up to the first in which the determinant has grown S-fold at some step.

    Returns (next episode, whether it has grown so).  columns: [φ_m; φ_c] ``(M, S, A, d)``; weights: v_t ``(T, M)``;
    starts: ``(T,)``; uniforms: ``(T, H)``; betas: ``(T,)``; log_threshold: log S.
    """
    M, S, d, H = columns.shape[0], columns.shape[1], columns.shape[3], len(common.b)
    u, w, g, V, spare = np.empty(d), np.empty(d), np.empty(d), np.empty(S), np.empty(S)
    policy = np.empty((H, S), np.int64)
    for t in range(first, last):
        synchronise = False
        V[:] = 0.0
        for h in range(H - 1, -1, -1):
            _plan(columns, common, weights[t], betas[t], h, V, u, w, policy[h])
        history.regret[t] = _evaluate(world, policy, weights[t], history.values[t], V, spare)
        x = starts[t]
        for h in range(H):
            a = policy[h, x]
            y = next_state(world.cumulative[h, x, a], uniforms[t, h])
            history.moves[t, h, 0], history.moves[t, h, 1], history.moves[t, h, 2] = x, a, y
            for m in range(M):
                common.growth[h] += np.log1p(grow(common.running[h], columns[m, x, a], g))
            synchronise = synchronise or common.growth[h] >= log_threshold
            x = y
        if synchronise:
            return t + 1, True
    return last, False


joint_episodes = compiled(_joint_episodes)
