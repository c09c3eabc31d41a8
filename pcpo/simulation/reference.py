"""Simulate rollouts in plain NumPy: the formula as it is written down, vectorised over rollouts.

This reference checks the kernels, is the baseline of the benchmarks, and serves systems too large for unrolled code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcpo.simulation.noise import NoiseLaw

__all__ = ["costs_of_rollouts", "gradient_estimate", "rollout_costs"]

Array = NDArray[np.float64]


def costs_of_rollouts(A: Array, B: Array, Q: Array, R: Array, gains: Array, noise: Array, gamma: float) -> Array:
    """Return the costs (M,) of rollouts with gains (M, m, n) and noise (h−1, M, n), from x_0 = 0.

    C = Σ_{t=1}^{h−1} γᵗ x_tᵀ(Q + KᵀRK)x_t, x_{t+1} = (A − BK)x_t + z_t  (PCPO, equation (4)).
    """
    closed_loop = A - B @ gains
    weight = Q + gains.swapaxes(1, 2) @ R @ gains
    x = np.zeros((gains.shape[0], A.shape[0], 1))
    costs, discount = np.zeros(gains.shape[0]), 1.0
    for z in noise:
        x = closed_loop @ x + z[..., None]
        discount *= gamma
        costs += discount * (x.swapaxes(1, 2) @ weight @ x)[:, 0, 0]
    return costs


def gradient_estimate(
    A: Array, B: Array, Q: Array, R: Array, K: Array, radius: float, minibatch: int,
    *, gamma: float, horizon: int, law: NoiseLaw, rng: np.random.Generator,
) -> Array:  # fmt: skip
    """Return g = (1/M) Σ_k C(K + r U_k; Z_k)·(D/r)·U_k  (PCPO, equation (5)), with all M rollouts in memory at once."""
    U = rng.standard_normal((minibatch, *K.shape))
    U /= np.linalg.norm(U, axis=(1, 2), keepdims=True)
    noise = law.sample(rng, (horizon - 1, minibatch), A.shape[0])
    costs = costs_of_rollouts(A, B, Q, R, K + radius * U, noise, gamma)
    g: Array = (K.size / (radius * minibatch)) * np.einsum("k,kij->ij", costs, U)
    return g


def rollout_costs(
    A: Array, B: Array, Q: Array, R: Array, K: Array, radius: float,
    directions: Array, noise: Array, scale: Array, root: float, costs: Array,
) -> None:  # fmt: skip
    """Fill `costs` as the kernels of `rollout_kernel` do, by `costs_of_rollouts`.

    The arguments are those of the kernels, with noise as real numbers.
    """
    blocks, _, lanes = directions.shape
    gains = K + radius * directions.swapaxes(1, 2).reshape(blocks * lanes, *K.shape)
    by_time = noise.transpose(1, 0, 3, 2).reshape(scale.size, blocks * lanes, A.shape[0])
    with np.errstate(over="ignore", invalid="ignore"):
        costs[...] = costs_of_rollouts(A, B, Q, R, gains, by_time, root * root).reshape(costs.shape)
