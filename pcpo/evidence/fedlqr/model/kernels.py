"""Simulate rollouts of the finite-horizon setting for all agents at once: a Numba kernel and its NumPy twin.

Minibatches are small here and agents many, so the loop runs over (agent, rollout).  Kernel and twin receive their
random arrays.
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
    """Return the kernel for n states and m inputs, compiled at its first call.

    The kernel's arguments are those of `rollout_costs_twin`, which computes the same in NumPy.
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
    """Fill `costs` with the costs of rollouts, as the kernels of `rollout_kernel` do, in plain NumPy.

    The cost of rollout k of agent i is Σ_{t=first}^{stages−1} x_tᵀ(Q + GᵀRG) x_t with G = K_i + r_i U,
    x_{t+1} = (A_i − B_i G) x_t and x_0 = starts[i, k].

    Args:
        A: ``(N, n, n)``.
        B: ``(N, n, m)``.
        Q: ``(n, n)``.
        R: ``(m, m)``.
        gains: K_i, ``(N, m, n)``.
        radii: r_i, ``(N,)``.
        directions: U by rows, ``(N, M, m·n)``.
        starts: ``(N, M, n)``.
        first: first stage that costs.
        stages: number of stages from t = 0 on.
        costs: output, ``(N, M)``.
    """
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
