"""Episodes of Algorithm 2 between two rounds of communication: a Numba kernel; noise comes as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ...contracts import FloatArray, IntArray
from ...simd import compiled
from .kernels import grow, next_state, policy_value

__all__ = ["Common", "History", "World", "joint_episodes"]


class World(NamedTuple):
    """What the recorder knows: P ``(H, S, A, S)``, its sums along the last axis, and r ``(M, H, S, A)``."""

    P: FloatArray
    cumulative: FloatArray
    r: FloatArray


class Common(NamedTuple):
    """What all agents have since the last round, and the running Λ⁻¹ and log det that trigger the next.

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
    """moves: (x, a, x') ``(T, H, 3)``; regret: max_x V*_v − V_v^π ``(T,)``; values: V_1^π ``(T, S, M)``."""

    moves: IntArray
    regret: FloatArray
    values: FloatArray


@numba.njit(nogil=True, error_model="numpy")
def _plan(columns, common, v, beta, h, V, u, w, policy):  # type: ignore[no-untyped-def]
    """V and the greedy policy of min(vᵀΦᵀΛ⁻¹U + β·bonus, H − h), eqs. (14) and (15); V is V_{h+1} on entry."""
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
    """Fills values (S, M) with V_1^π; returns max_x of V*_v − vᵀV^π."""
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
    """Episodes first, …, last − 1, or up to the one in which the determinant has grown S-fold at some step.

    columns: [φ_m; φ_c] ``(M, S, A, d)``; weights: v_t ``(T, M)``; starts: ``(T,)``; uniforms: ``(T, H)``; betas:
    ``(T,)``; log_threshold: log S.  Returns (next episode, whether it has).
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
