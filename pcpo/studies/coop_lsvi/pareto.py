"""Scalarised optima, the Pareto front by enumeration (Definition 4), and the two Bayes regrets."""

from __future__ import annotations

import numpy as np

from ...contracts import BoolArray, FloatArray, IntArray
from .dynamic import optimal
from .mdp import MultiAgentMDP

__all__ = ["bayes_regret", "greedy_policy", "pareto_optimal", "recovered", "scalarised_optimum", "simplex_points"]

#: Values are sums of H terms of order one.
_ROUNDING = 1e-10


def scalarised_optimum(mdp: MultiAgentMDP, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Q*_v ``(n, H, S, A)`` and V*_v ``(n, H, S)`` for weights v ``(n, M)``, by Proposition 1 with V*_{v,h+1}."""
    r = np.tensordot(weights, mdp.r, axes=1)
    return optimal(np.broadcast_to(mdp.P, (len(weights), *mdp.P.shape)), r)


def greedy_policy(Q: FloatArray) -> IntArray:
    """First greedy action of Q ``(..., A)``; a policy ``(..., H, S)``."""
    return np.asarray(np.argmax(Q, axis=-1), dtype=np.int64)


def pareto_optimal(values: FloatArray, among: FloatArray | None = None) -> BoolArray:
    """Which of the values V_1^π ``(n, M, S)`` no other of `among` dominates, ``(n,)``.

    π' dominates π if it is nowhere worse, for no agent and at no initial state, and somewhere better.  As printed,
    Definition 4 does not ask for the latter, and every policy would dominate itself.
    """
    flat = values.reshape(len(values), -1)
    if among is not None:
        others = among.reshape(len(among), -1)
        return np.array([not _dominated(v, others) for v in flat])
    # What dominates has the larger sum, and is itself on the front or dominated by what is.
    front, size, optimal_ones = np.empty_like(flat), 0, np.zeros(len(flat), dtype=np.bool_)
    for k in np.argsort(-flat.sum(axis=1), kind="stable"):
        if not _dominated(flat[k], front[:size]):
            front[size], optimal_ones[k] = flat[k], True
            size += 1
    return optimal_ones


def _dominated(value: FloatArray, others: FloatArray) -> bool:
    """Whether one of the others is nowhere worse and somewhere better."""
    return bool(np.any(np.all(others >= value - _ROUNDING, axis=1) & np.any(others > value + _ROUNDING, axis=1)))


def simplex_points(M: int, count: int) -> FloatArray:
    """Points ``(count, M)`` that stand for the uniform distribution: midpoints for M = 2, else fixed draws."""
    if M == 2:
        first = (np.arange(count) + 0.5) / count
        return np.stack([first, 1 - first], axis=1)
    return np.random.default_rng(np.random.SeedSequence(M)).dirichlet(np.ones(M), count)


def bayes_regret(mdp: MultiAgentMDP, values: FloatArray, weights: FloatArray, at: IntArray) -> FloatArray:
    """R_B of (12) after `at` episodes ``(k,)``: mean over v of max_x [V*_v(x) − max_{t ≤ T} vᵀV^{π_t}(x)], ``(k,)``.

    values: V_1^{π_t} ``(T, S, M)``; weights: v ``(n, M)``.
    """
    best = scalarised_optimum(mdp, weights)[1][:, 0]
    total = np.zeros(len(at))
    for v, optimum in zip(weights, best, strict=True):
        reached = np.maximum.accumulate(values @ v, axis=0)[at - 1]
        total += (optimum - reached).max(axis=1)
    return np.asarray(total / len(weights))


def recovered(mdp: MultiAgentMDP, values: FloatArray, weights: FloatArray) -> IntArray:
    """First episode (from 1; 0: never) that had a policy as good as π*_v at every state, for each v ``(n,)``."""
    best = scalarised_optimum(mdp, weights)[1][:, 0]
    first = np.zeros(len(weights), dtype=np.int64)
    for k, (v, optimum) in enumerate(zip(weights, best, strict=True)):
        reached = np.flatnonzero(np.all(values @ v >= optimum - _ROUNDING, axis=1))
        first[k] = reached[0] + 1 if len(reached) else 0
    return first
