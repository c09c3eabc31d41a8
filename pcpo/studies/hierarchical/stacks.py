"""Many regulators of the same shape at once, for grids of instances and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...contracts import FloatArray
from ...lyapunov import solve_stein, transpose
from .regulator import Regulator

__all__ = ["RegulatorStack", "stacked"]


@dataclass(frozen=True, eq=False)
class RegulatorStack:
    """(n, d, d) and so on: A, B, Q, R, Φ_σ, R + BᵀP*B and K* of n regulators; gains are (n, k, d)."""

    A: FloatArray
    B: FloatArray
    Q: FloatArray
    R: FloatArray
    Phi_sigma: FloatArray
    G_star: FloatArray
    K_star: FloatArray

    def E(self, K: FloatArray) -> FloatArray:
        """E_K of stable gains."""
        P = solve_stein(self.A - self.B @ K, self.Q + transpose(K) @ self.R @ K)
        BtP = transpose(self.B) @ P
        return np.asarray((self.R + BtP @ self.B) @ K - BtP @ self.A)

    def gap(self, K: FloatArray) -> FloatArray:
        """C(K) − C(K*) of stable gains, (n,), without cancellation."""
        Sigma = solve_stein(transpose(self.A - self.B @ K), self.Phi_sigma)
        offset = K - self.K_star
        return np.asarray(np.sum(Sigma * (transpose(offset) @ self.G_star @ offset), axis=(-2, -1)))


def stacked(systems: Sequence[Regulator]) -> RegulatorStack:
    """One stack of regulators of the same shape."""
    names = ("A", "B", "Q", "R", "Phi_sigma", "G_star", "K_star")
    return RegulatorStack(*(np.stack([getattr(S, name) for S in systems]) for name in names))
