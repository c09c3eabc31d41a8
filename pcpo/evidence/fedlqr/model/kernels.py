"""Rollouts of the finite-horizon setting for all agents at once: a Numba kernel and its NumPy twin.

Minibatches are tiny here and agents many, so the loop runs over (agent, rollout).  Both receive their random arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.simulation.vector import compiled

__all__ = ["rollout_costs_twin", "rollout_kernel"]


@cache
def rollout_kernel(n: int, m: int) -> Callable[..., None]:
    """The kernel for n states and m inputs, compiled at its first call.

    kernel(A, B, Q, R, gains, radii, directions, starts, first, stages, costs) fills costs (N, M) with
    Σ_{t=first}^{stages−1} x_tᵀ(Q + GᵀRG) x_t, G = K_i + r_i U, x_{t+1} = (A_i − B_i G) x_t, x_0 = starts[i, k].
    A: (N, n, n); B: (N, n, m); gains: (N, m, n); radii: (N,); directions: (N, M, m·n), U by rows; starts: (N, M, n).
    """

    def finite_horizon_costs(A, B, Q, R, gains, radii, directions, starts, first, stages, costs):  # type: ignore[no-untyped-def]
        G, F, W = np.empty((m, n)), np.empty((n, n)), np.empty((n, n))
        x, y = np.empty(n), np.empty(n)
        for i in range(costs.shape[0]):
            for k in range(costs.shape[1]):
                for a in range(m):
                    for j in range(n):
                        G[a, j] = gains[i, a, j] + radii[i] * directions[i, k, a * n + j]
                for p in range(n):
                    for j in range(n):
                        F[p, j] = A[i, p, j]
                        W[p, j] = Q[p, j]
                        for a in range(m):
                            F[p, j] -= B[i, p, a] * G[a, j]
                            for b in range(m):
                                W[p, j] += G[a, p] * R[a, b] * G[b, j]
                    x[p] = starts[i, k, p]
                total = 0.0
                for t in range(stages):
                    if t >= first:
                        for p in range(n):
                            for j in range(n):
                                total += x[p] * W[p, j] * x[j]
                    for p in range(n):
                        y[p] = 0.0
                        for j in range(n):
                            y[p] += F[p, j] * x[j]
                    x, y = y, x
                costs[i, k] = total

    return compiled(finite_horizon_costs, f"{n}_{m}")


def rollout_costs_twin(
    A: FloatArray, B: FloatArray, Q: FloatArray, R: FloatArray, gains: FloatArray, radii: FloatArray,
    directions: FloatArray, starts: FloatArray, first: int, stages: int, costs: FloatArray,
) -> None:  # fmt: skip
    """The arguments and the result of `rollout_kernel`'s kernels, in plain NumPy."""
    G = gains[:, None] + radii[:, None, None, None] * directions.reshape(*costs.shape, *gains.shape[1:])
    F = A[:, None] - B[:, None] @ G
    x, total = starts[..., None], np.zeros(costs.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(stages):
            if t >= first:
                u = G @ x
                total += (x.swapaxes(2, 3) @ Q @ x + u.swapaxes(2, 3) @ R @ u)[..., 0, 0]
            x = F @ x
    costs[...] = total
