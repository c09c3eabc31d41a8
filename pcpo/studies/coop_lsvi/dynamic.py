"""Exact dynamic programming: optimal values, values of policies, and all deterministic policies of a small MDP."""

from __future__ import annotations

import numpy as np

from ...contracts import FloatArray, IntArray
from ...errors import ConfigError

__all__ = ["all_policies", "optimal", "policy_values"]

#: Most policies that `all_policies` lists.
MOST = 1_000_000


def optimal(P: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Q* and V* by Bellman's recursion V_h = max_a (r_h + P_h V_{h+1}), V_{H+1} = 0.

    P: ``(..., H, S, A, S)``; r: ``(..., H, S, A)``; Q*: as r; V*: ``(..., H, S)``.
    """
    H = r.shape[-3]
    Q, V = np.empty_like(r), np.zeros(r.shape[:-1])
    following = np.zeros_like(V[..., 0, :])
    for h in reversed(range(H)):
        Q[..., h, :, :] = r[..., h, :, :] + np.einsum("...xay,...y->...xa", P[..., h, :, :, :], following)
        following = Q[..., h, :, :].max(axis=-1)
        V[..., h, :] = following
    return Q, V


def policy_values(P: FloatArray, r: FloatArray, policies: IntArray) -> FloatArray:
    """V_1^π of deterministic policies ``(n, H, S)`` in one MDP with P ``(H, S, A, S)``.

    r: ``(..., H, S, A)``, one reward per agent, say; values ``(n, ..., S)``.
    """
    H, S = r.shape[-3], r.shape[-2]
    states = np.arange(S)
    values = np.zeros((len(policies), *r.shape[:-3], S))
    for h in reversed(range(H)):
        chosen = policies[:, h]
        gained = np.moveaxis(r[..., h, states, chosen], -2, 0)  # (n, ..., S)
        values = gained + np.einsum("nxy,n...y->n...x", P[h, states, chosen], values)
    return values


def all_policies(H: int, S: int, A: int) -> IntArray:
    """The A^(SH) deterministic policies ``(n, H, S)``; raises ConfigError for more than a million."""
    count = A ** (S * H)
    if count > MOST:
        raise ConfigError(f"policies: found {A}^({S}·{H}) = {count:,}, expected at most {MOST:,} to enumerate")
    digits = np.arange(count)[:, None] // A ** np.arange(S * H) % A
    return np.asarray(digits.reshape(count, H, S), dtype=np.int64)
