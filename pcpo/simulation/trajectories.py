"""Simulate trajectories of linear systems under excitation: data for the methods that identify A and B."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.protocol import System, Trajectories
from pcpo.simulation.vector import compiled

__all__ = ["random_signs", "simulated"]


def random_signs(rng: np.random.Generator, count: int, horizon: int, m: int) -> FloatArray:
    """Draw independent coordinates −1 or +1, ``(count, horizon, m)``."""
    return 2.0 * rng.integers(0, 2, size=(count, horizon, m)).astype(np.float64) - 1.0


def simulated(systems: Sequence[System], gains: FloatArray, noise: FloatArray, probing: FloatArray) -> Trajectories:
    """Simulate x' = Ax + Bu + z, u = −Kx + probing, from x_0 = 0.

    A trajectory with an entry that is not finite or exceeds `SATURATION` becomes all zeros, and is counted.

    Args:
        systems: N systems with n states and m inputs.
        gains: K of every system, ``(N, m, n)``.
        noise: z, ``(N, count, h, n)``.
        probing: excitation of the inputs, ``(N, count, h, m)``.
    """
    A, B = (np.stack([getattr(s, name) for s in systems]) for name in ("A", "B"))
    N, count, horizon, n = noise.shape
    # Trajectories run along the last axis, where loops over them are vector code and products with them are fast.
    states = np.zeros((N, horizon + 1, n, count))
    inputs = np.empty((N, horizon, gains.shape[1], count))
    lost = np.zeros((N, count), dtype=np.bool_)
    _simulate(A, B, np.ascontiguousarray(gains), noise, probing, SATURATION, states, inputs, lost)
    states, inputs = states.transpose(0, 3, 1, 2), inputs.transpose(0, 3, 1, 2)
    states[lost], inputs[lost] = 0.0, 0.0
    return Trajectories(states, inputs, lost.sum(axis=1, dtype=np.int64))


@compiled
def _simulate(A, B, gains, noise, probing, limit, states, inputs, lost):  # type: ignore[no-untyped-def]
    """Fill states, inputs and lost, step by step."""
    N, count, horizon, n = noise.shape
    m = probing.shape[3]
    for i in range(N):
        for t in range(horizon):
            x, u, after = states[i, t], inputs[i, t], states[i, t + 1]
            for a in range(m):
                for j in range(count):
                    u[a, j] = probing[i, j, t, a]
                for b in range(n):
                    gain = gains[i, a, b]
                    for j in range(count):
                        u[a, j] -= gain * x[b, j]
                for j in range(count):
                    lost[i, j] |= not abs(u[a, j]) < limit
            for a in range(n):
                for j in range(count):
                    after[a, j] = noise[i, j, t, a]
                for b in range(n):
                    coefficient = A[i, a, b]
                    for j in range(count):
                        after[a, j] += coefficient * x[b, j]
                for b in range(m):
                    coefficient = B[i, a, b]
                    for j in range(count):
                        after[a, j] += coefficient * u[b, j]
                for j in range(count):
                    lost[i, j] |= not abs(after[a, j]) < limit
