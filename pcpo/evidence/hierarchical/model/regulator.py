"""One average-cost LQR, exactly: Lemma 2, Lemma 6 and the constants of section 4.3.

x' = Ax + Bu + w, w ~ N(0, Φ), u = −Kx + z, z ~ N(0, Ψ), stage cost xᵀQx + uᵀRu.  The paper has Ψ = σ²I.  Every function
takes one gain (k, d) or a stack (..., k, d) of stable ones.

Many regulators of the same shape at once, for grids of instances and sizes.

How exact a critic must be: Λ of (17) as the proof of Lemma 5 makes it up, and what Lemma 5 promises for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import solve_discrete_are

from pcpo.arrays import FloatArray
from pcpo.errors import FleetError
from pcpo.lqr.cost import solve_stein, transpose

__all__ = [
    "Regulator",
    "RegulatorStack",
    "allowed_change",
    "allowed_error",
    "operator_norm",
    "require_definite",
    "smallest",
    "stacked",
]


def require_definite(name: str, matrix: FloatArray) -> None:
    """Raises FleetError unless the matrix is symmetric and positive definite (Assumption 1)."""
    if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
        raise FleetError(f"{name}: found a matrix that is not symmetric, expected a positive definite one")
    if (least := smallest(matrix)) <= 0:
        raise FleetError(f"{name}: found the eigenvalue {least:.3g}, expected a positive definite matrix")


def smallest(matrix: FloatArray) -> float:
    """σ_min of a symmetric matrix, with its sign."""
    return float(np.linalg.eigvalsh(matrix)[0])


def operator_norm(matrix: FloatArray) -> FloatArray:
    """‖X‖, the largest singular value, of one matrix or a stack."""
    return np.asarray(np.linalg.norm(matrix, 2, axis=(-2, -1)))


@dataclass(frozen=True, eq=False)
class Regulator:
    """A (d, d), B (d, k), Q (d, d), R (k, k), Phi = Φ (d, d), Psi = Ψ (k, k); Q, R and Φ positive definite."""

    A: FloatArray
    B: FloatArray
    Q: FloatArray
    R: FloatArray
    Phi: FloatArray
    Psi: FloatArray
    name: str = "system"

    def __post_init__(self) -> None:
        for letter in ("Q", "R", "Phi"):
            require_definite(f"{letter} of {self.name}", getattr(self, letter))

    @property
    def d(self) -> int:
        """Number of states."""
        return int(self.B.shape[0])

    @property
    def k(self) -> int:
        """Number of inputs."""
        return int(self.B.shape[1])

    @cached_property
    def Phi_sigma(self) -> FloatArray:
        """Φ_σ = Φ + BΨBᵀ, below (12)."""
        return self.Phi + self.B @ self.Psi @ self.B.T

    def radius(self, K: FloatArray) -> FloatArray:
        """ρ(A − BK)."""
        return np.asarray(np.abs(np.linalg.eigvals(self.A - self.B @ K)).max(axis=-1))

    def require_stable(self, K: FloatArray) -> None:
        """Raises FleetError for a gain that is not stabilising (Assumption 2)."""
        if not (found := float(np.max(self.radius(K)))) < 1:
            raise FleetError(f"initial gain of {self.name}: found ρ(A − BK) = {found:.4g}, expected less than 1")

    def P(self, K: FloatArray) -> FloatArray:
        """P_K = Q + KᵀRK + (A − BK)ᵀP_K(A − BK)."""
        return solve_stein(self.A - self.B @ K, self.Q + transpose(K) @ self.R @ K)

    def Sigma(self, K: FloatArray) -> FloatArray:
        """Σ_K = Φ_σ + (A − BK)Σ_K(A − BK)ᵀ."""
        return solve_stein(transpose(self.A - self.B @ K), self.Phi_sigma)

    def Delta(self, K: FloatArray) -> FloatArray:
        """Δ_K = diag(Q, R) + (A B)ᵀP_K(A B): the action-value function is vᵀΔ_K v − const, v = vec(x, u) (Lemma 6)."""
        AB, d = np.concatenate([self.A, self.B], axis=1), self.d
        Delta = AB.T @ self.P(K) @ AB
        Delta[..., :d, :d] += self.Q
        Delta[..., d:, d:] += self.R
        return np.asarray(Delta)

    def E(self, K: FloatArray) -> FloatArray:
        """E_K = (R + BᵀP_K B)K − BᵀP_K A: half of the natural gradient."""
        P = self.P(K)
        return np.asarray((self.R + self.B.T @ P @ self.B) @ K - self.B.T @ P @ self.A)

    def gradient(self, K: FloatArray) -> FloatArray:
        """∇C(K) = 2E_K Σ_K (Lemma 2)."""
        return np.asarray(2 * self.E(K) @ self.Sigma(K))

    def cost(self, K: FloatArray) -> FloatArray:
        """C(K) = tr(P_K Φ_σ) + tr(RΨ), equation (13)."""
        return np.asarray(np.sum(self.P(K) * self.Phi_sigma, axis=(-2, -1)) + np.sum(self.R * self.Psi))

    def joint(self, K: FloatArray) -> FloatArray:
        """Σ̆_K, the stationary covariance of v = vec(x, u) (Lemma 17)."""
        F = np.concatenate([np.eye(self.d), -K])
        Sigma = F @ self.Sigma(K) @ F.T
        Sigma[self.d :, self.d :] += self.Psi
        return np.asarray(Sigma)

    @cached_property
    def P_star(self) -> FloatArray:
        """The solution of the Riccati equation, polished by a step of policy iteration."""
        P = np.asarray(solve_discrete_are(self.A, self.B, self.Q, self.R), dtype=np.float64)
        return self.P(self._greedy(P))

    def _greedy(self, P: FloatArray) -> FloatArray:
        return np.asarray(np.linalg.solve(self.R + self.B.T @ P @ self.B, self.B.T @ P @ self.A))

    @cached_property
    def K_star(self) -> FloatArray:
        """K* = (R + BᵀP*B)⁻¹BᵀP*A, section 2.2."""
        return self._greedy(self.P_star)

    @cached_property
    def G_star(self) -> FloatArray:
        """R + BᵀP*B."""
        return self.R + self.B.T @ self.P_star @ self.B

    @cached_property
    def Sigma_star(self) -> FloatArray:
        """Σ_K*."""
        return self.Sigma(self.K_star)

    def gap(self, K: FloatArray) -> FloatArray:
        """C(K) − C(K*) = tr[Σ_K (K − K*)ᵀ(R + BᵀP*B)(K − K*)], without cancellation (Lemma 14); ∞ if K is unstable."""
        stable = self.radius(K) < 1
        offset = np.where(stable[..., None, None], K - self.K_star, 0.0)
        Sigma = self.Sigma(self.K_star + offset)
        return np.where(stable, np.sum(Sigma * (transpose(offset) @ self.G_star @ offset), axis=(-2, -1)), np.inf)

    def step(self, K: FloatArray) -> float:
        """η = [‖R‖ + ‖B‖²C(K)/σ_min(Φ)]⁻¹: the largest step that (15) allows from K_0 = K."""
        bound = operator_norm(self.R) + operator_norm(self.B) ** 2 * self.cost(K) / smallest(self.Phi)
        return float(1 / bound)

    def decrease(self, step: float) -> float:
        """η·σ_min(Φ)σ_min(R)/‖Σ_K*‖: the part of the gap that one exact step removes at least, (20)."""
        return step * smallest(self.Phi) * smallest(self.R) / float(operator_norm(self.Sigma_star))


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


def allowed_change(S: Regulator, K0: FloatArray, precision: float) -> float:
    """Right side of (21): ε/2·η·σ_min(Φ)σ_min(R)/‖Σ_K*‖, with the largest η that (15) allows from K_0."""
    return precision / 2 * S.decrease(S.step(K0))


def allowed_error(S: Regulator, K: FloatArray, K0: FloatArray, precision: float) -> float:
    """δ_n of (17) at K_n = K, ε ≤ 1: the right side of (21) over Λ(‖K_n‖, C(K_0)) of section 5.6.

    Λ = σ_min(R)‖Σ_K*‖⁻¹Λ_1 + Λ_2: Λ_1 from (31), (32) and (34), Λ_2 from (37), (34) and (38), the bounds (33) on ‖E_K‖
    and ‖A − BK‖ ≤ ‖A‖ + ‖B‖‖K‖ in them.  For L + 1 systems Assumption 4 divides by L + 1.
    """
    cost, step = float(S.cost(K0)), S.step(K0)
    A, B, R, Phi, Psi, size = (float(operator_norm(M)) for M in (S.A, S.B, S.R, S.Phi, S.Psi, K))
    P, spread = cost / smallest(S.Phi), cost / smallest(S.Q)  # of ‖P_K‖ and ‖Σ_K‖, Lemma 16
    E = (R + B**2 * P) * size + B * A * P  # (33)
    closed, moved = A + B * size + step * B * E, size + step * E  # (32), (38)
    first = 4 * (1 + closed) * B * spread
    noise = 6 * (Phi + Psi * B**2) / smallest(S.Phi)
    second = noise * spread * moved * R * (moved * B * closed + moved * B + 1)
    polynomial = smallest(S.R) / float(operator_norm(S.Sigma_star)) * first + second
    return allowed_change(S, K0, precision) / polynomial
