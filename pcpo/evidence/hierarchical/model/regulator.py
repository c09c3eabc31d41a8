"""Compute one average-cost LQR exactly: Lemma 2, Lemma 6, the constants of section 4.3 and the errors of Assumption 4.

The system is x' = Ax + Bu + w with w ~ N(0, Φ) and u = −Kx + z with z ~ N(0, Ψ), the stage cost xᵀQx + uᵀRu.  The paper
has Ψ = σ²I.  Methods of `Regulator` that take a gain ``(k, d)`` also take a stack ``(..., k, d)``; unless they say
otherwise the gains must be stable.
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
    "mended_error",
    "operator_norm",
    "require_definite",
    "smallest",
    "stacked",
]


def smallest(matrix: FloatArray) -> float:
    """Return the smallest eigenvalue of a symmetric matrix, which is σ_min if the matrix is positive definite."""
    return float(np.linalg.eigvalsh(matrix)[0])


def operator_norm(matrix: FloatArray) -> FloatArray:
    """Return the largest singular value ‖X‖ of a matrix, or of each matrix of a stack."""
    return np.asarray(np.linalg.norm(matrix, 2, axis=(-2, -1)))


def require_definite(name: str, matrix: FloatArray) -> None:
    """Raise FleetError unless the matrix is symmetric and positive definite (Assumption 1)."""
    if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0):
        raise FleetError(f"{name}: found a matrix that is not symmetric, expected a positive definite one")
    if (least := smallest(matrix)) <= 0:
        raise FleetError(f"{name}: found the eigenvalue {least:.3g}, expected a positive definite matrix")


@dataclass(frozen=True, eq=False)
class Regulator:
    """Hold the matrices of one LQR.

    Args:
        A: ``(d, d)``.
        B: ``(d, k)``.
        Q: ``(d, d)``, positive definite.
        R: ``(k, k)``, positive definite.
        Phi: Φ ``(d, d)``, covariance of the noise, positive definite.
        Psi: Ψ ``(k, k)``, covariance of the exploration.
        name: of the system, for error messages.

    Raises:
        FleetError: if Q, R or Φ is not symmetric and positive definite.
    """

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
        """Return the number of states."""
        return int(self.B.shape[0])

    @property
    def k(self) -> int:
        """Return the number of inputs."""
        return int(self.B.shape[1])

    @cached_property
    def Phi_sigma(self) -> FloatArray:
        """Return Φ_σ = Φ + BΨBᵀ, defined below (12)."""
        return self.Phi + self.B @ self.Psi @ self.B.T

    def radius(self, K: FloatArray) -> FloatArray:
        """Return the spectral radius ρ(A − BK) of any gain."""
        return np.asarray(np.abs(np.linalg.eigvals(self.A - self.B @ K)).max(axis=-1))

    def require_stable(self, K: FloatArray) -> None:
        """Raise FleetError for a gain that does not stabilise the system (Assumption 2)."""
        if not (found := float(np.max(self.radius(K)))) < 1:
            raise FleetError(f"initial gain of {self.name}: found ρ(A − BK) = {found:.4g}, expected less than 1")

    def P(self, K: FloatArray) -> FloatArray:
        """Solve P_K = Q + KᵀRK + (A − BK)ᵀP_K(A − BK)."""
        return solve_stein(self.A - self.B @ K, self.Q + transpose(K) @ self.R @ K)

    def Sigma(self, K: FloatArray) -> FloatArray:
        """Solve Σ_K = Φ_σ + (A − BK)Σ_K(A − BK)ᵀ, the stationary covariance of the state."""
        return solve_stein(transpose(self.A - self.B @ K), self.Phi_sigma)

    def Delta(self, K: FloatArray) -> FloatArray:
        """Return Δ_K = diag(Q, R) + (A B)ᵀP_K(A B), ``(d + k, d + k)``.

        The action-value function is vᵀΔ_K v − const for v = vec(x, u) (Lemma 6).
        """
        AB, d = np.concatenate([self.A, self.B], axis=1), self.d
        Delta = AB.T @ self.P(K) @ AB
        Delta[..., :d, :d] += self.Q
        Delta[..., d:, d:] += self.R
        return np.asarray(Delta)

    def E(self, K: FloatArray) -> FloatArray:
        """Return E_K = (R + BᵀP_K B)K − BᵀP_K A; the natural gradient is 2ΨE_K, as the Fisher matrix is Ψ⁻¹ ⊗ Σ_K."""
        P = self.P(K)
        return np.asarray((self.R + self.B.T @ P @ self.B) @ K - self.B.T @ P @ self.A)

    def gradient(self, K: FloatArray) -> FloatArray:
        """Return ∇C(K) = 2E_K Σ_K (Lemma 2)."""
        return np.asarray(2 * self.E(K) @ self.Sigma(K))

    def cost(self, K: FloatArray) -> FloatArray:
        """Return C(K) = tr(P_K Φ_σ) + tr(RΨ), equation (13)."""
        return np.asarray(np.sum(self.P(K) * self.Phi_sigma, axis=(-2, -1)) + np.sum(self.R * self.Psi))

    def joint(self, K: FloatArray) -> FloatArray:
        """Return Σ̆_K, the stationary covariance of v = vec(x, u), for one gain (Lemma 17)."""
        F = np.concatenate([np.eye(self.d), -K])
        Sigma = F @ self.Sigma(K) @ F.T
        Sigma[self.d :, self.d :] += self.Psi
        return np.asarray(Sigma)

    @cached_property
    def P_star(self) -> FloatArray:
        """Solve the Riccati equation, and refine the solution by one step of policy iteration."""
        P = np.asarray(solve_discrete_are(self.A, self.B, self.Q, self.R), dtype=np.float64)
        return self.P(self._greedy(P))

    def _greedy(self, P: FloatArray) -> FloatArray:
        """Return the gain (R + BᵀPB)⁻¹BᵀPA that is greedy for the value matrix P."""
        return np.asarray(np.linalg.solve(self.R + self.B.T @ P @ self.B, self.B.T @ P @ self.A))

    @cached_property
    def K_star(self) -> FloatArray:
        """Return the optimal gain K* = (R + BᵀP*B)⁻¹BᵀP*A, section 2.2."""
        return self._greedy(self.P_star)

    @cached_property
    def G_star(self) -> FloatArray:
        """Return R + BᵀP*B."""
        return self.R + self.B.T @ self.P_star @ self.B

    @cached_property
    def Sigma_star(self) -> FloatArray:
        """Return Σ_K* of the optimal gain."""
        return self.Sigma(self.K_star)

    def gap(self, K: FloatArray) -> FloatArray:
        """Return C(K) − C(K*) of any gain, ∞ where the gain is not stable.

        Computed as tr[Σ_K (K − K*)ᵀ(R + BᵀP*B)(K − K*)], without cancellation (Lemma 14).
        """
        stable = self.radius(K) < 1
        offset = np.where(stable[..., None, None], K - self.K_star, 0.0)
        Sigma = self.Sigma(self.K_star + offset)
        return np.where(stable, np.sum(Sigma * (transpose(offset) @ self.G_star @ offset), axis=(-2, -1)), np.inf)

    def step(self, K: FloatArray, agents: int = 1) -> float:
        """Return η = [‖R‖ + ‖B‖²C/σ_min(Φ)]⁻¹, the largest step that (15) allows from K_0 = K.

        C is C(K) times `agents`: 1 for Lemma 2's cost of one agent, |N^l| for that of the subpopulation as in (8).
        """
        cost = agents * self.cost(K)
        bound = operator_norm(self.R) + operator_norm(self.B) ** 2 * cost / smallest(self.Phi)
        return float(1 / bound)

    def decrease(self, step: float) -> float:
        """Return η·σ_min(Φ)σ_min(R)/‖Σ_K*‖, the least fraction of the gap that an exact step η removes, (20)."""
        return step * smallest(self.Phi) * smallest(self.R) / float(operator_norm(self.Sigma_star))


@dataclass(frozen=True, eq=False)
class RegulatorStack:
    """Hold n regulators of the same shape, for grids of instances and sizes; gains are ``(n, k, d)``.

    A, Q and Φ_σ are ``(n, d, d)``, B ``(n, d, k)``, R and G_star = R + BᵀP*B ``(n, k, k)``, K_star ``(n, k, d)``.
    """

    A: FloatArray
    B: FloatArray
    Q: FloatArray
    R: FloatArray
    Phi_sigma: FloatArray
    G_star: FloatArray
    K_star: FloatArray

    def E(self, K: FloatArray) -> FloatArray:
        """Return E_K of stable gains, ``(n, k, d)``."""
        P = solve_stein(self.A - self.B @ K, self.Q + transpose(K) @ self.R @ K)
        BtP = transpose(self.B) @ P
        return np.asarray((self.R + BtP @ self.B) @ K - BtP @ self.A)

    def gap(self, K: FloatArray) -> FloatArray:
        """Return C(K) − C(K*) of stable gains, ``(n,)``, without cancellation."""
        Sigma = solve_stein(transpose(self.A - self.B @ K), self.Phi_sigma)
        offset = K - self.K_star
        return np.asarray(np.sum(Sigma * (transpose(offset) @ self.G_star @ offset), axis=(-2, -1)))


def stacked(systems: Sequence[Regulator]) -> RegulatorStack:
    """Stack regulators of the same shape."""
    names = ("A", "B", "Q", "R", "Phi_sigma", "G_star", "K_star")
    return RegulatorStack(*(np.stack([getattr(S, name) for S in systems]) for name in names))


def allowed_change(S: Regulator, K0: FloatArray, precision: float) -> float:
    """Return the right side of (21): ε/2·η·σ_min(Φ)σ_min(R)/‖Σ_K*‖.

    Args:
        S: the regulator.
        K0: initial gain, from which (15) sets the largest η.
        precision: ε, in units of cost.
    """
    return precision / 2 * S.decrease(S.step(K0))


def allowed_error(S: Regulator, K: FloatArray, K0: FloatArray, precision: float) -> float:
    """Return δ_n of (17) at K_n = K: the right side of (21) over Λ(‖K_n‖, C(K_0)) of section 5.6.

    Λ = σ_min(R)‖Σ_K*‖⁻¹Λ_1 + Λ_2 as the proof of Lemma 5 makes it up: Λ_1 from (31), (32) and (34), Λ_2 from (37), (34)
    and (38), with the bound (33) on ‖E_K‖ and ‖A − BK‖ ≤ ‖A‖ + ‖B‖‖K‖.  For L + 1 systems Assumption 4 divides δ_n by
    L + 1.

    Args:
        S: the regulator.
        K: gain of iteration n.
        K0: initial gain.
        precision: ε ≤ 1, in units of cost.
    """
    bound = _bounds(S, K, K0)
    R, Phi, Psi = (float(operator_norm(M)) for M in (S.R, S.Phi, S.Psi))
    noise = 6 * (Phi + Psi * bound.B**2) / smallest(S.Phi)
    second = noise * bound.spread * bound.moved * R * (bound.moved * bound.B * bound.closed + bound.moved * bound.B + 1)
    return allowed_change(S, K0, precision) / (bound.first + second)


def mended_error(S: Regulator, K: FloatArray, K0: FloatArray, precision: float) -> float:
    """Return the error for which (21) holds at all weights Q and R; arguments and symbols as in `allowed_error`.

    (37) bounds the change by Lemma 15, which has no Q.  Lemma 14 gives it exactly: with K' = K'_(n+1) and
    D = K_(n+1) − K' it is tr[Σ(2DᵀE_K' + Dᵀ(R + BᵀP_K'B)D)], Σ of K_(n+1).  Under (31), which also gives
    ‖D‖ ≤ 1/(4‖B‖), ‖Σ‖ ≤ 2‖Σ_K'‖; so Λ_2 = 4d‖Σ_K'‖[‖E_K'‖ + ‖R + BᵀP_K'B‖/(8‖B‖)], each norm by its bound of
    section 5.6.
    A step η > 1, for which the factor η of (17) errs to the wrong side, is allowed 1/η² of that.
    """
    bound = _bounds(S, K, K0)
    curvature = float(operator_norm(S.R)) + bound.B**2 * bound.P
    slope = curvature * bound.moved + bound.B * float(operator_norm(S.A)) * bound.P  # (33) at K'
    second = 4 * S.d * bound.spread * (slope + curvature / (8 * bound.B))
    return allowed_change(S, K0, precision) / (bound.first + second) / max(1.0, S.step(K0)) ** 2


@dataclass(frozen=True)
class _Bounds:
    """Hold bounds of section 5.6 at iteration n.

    Args:
        B: ‖B‖ itself.
        P: on ‖P_K‖, Lemma 16.
        spread: on ‖Σ_K‖, (34).
        closed: on ‖A − BK'_(n+1)‖, (32).
        moved: on ‖K'_(n+1)‖, (38).
        first: σ_min(R)‖Σ_K*‖⁻¹Λ_1.
    """

    B: float
    P: float
    spread: float
    closed: float
    moved: float
    first: float


def _bounds(S: Regulator, K: FloatArray, K0: FloatArray) -> _Bounds:
    """Return the bounds of section 5.6 at K_n = K."""
    cost, step = float(S.cost(K0)), S.step(K0)
    A, B, R, size = (float(operator_norm(M)) for M in (S.A, S.B, S.R, K))
    P, spread = cost / smallest(S.Phi), cost / smallest(S.Q)
    E = (R + B**2 * P) * size + B * A * P  # (33)
    closed, moved = A + B * size + step * B * E, size + step * E
    first = smallest(S.R) / float(operator_norm(S.Sigma_star)) * 4 * (1 + closed) * B * spread
    return _Bounds(B, P, spread, closed, moved, first)
