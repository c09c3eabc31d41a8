"""One average-cost LQR, exactly: Lemma 2, Lemma 6 and the constants of section 4.3.

x' = Ax + Bu + w, w ~ N(0, Φ), u = −Kx + z, z ~ N(0, Ψ), stage cost xᵀQx + uᵀRu.  The paper has Ψ = σ²I.  Every function
takes one gain (k, d) or a stack (..., k, d) of stable ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import solve_discrete_are

from ...contracts import FloatArray
from ...errors import FleetError
from ...lyapunov import solve_stein, transpose

__all__ = ["Regulator", "operator_norm", "require_definite", "smallest"]


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
