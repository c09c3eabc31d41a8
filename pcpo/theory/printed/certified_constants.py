"""Bound λ, φ, ρ, G∞ on a sublevel set with certainty, for any n and m: inequalities, no sampling.

Q must be positive definite, as in the paper.  E = {K : C(K) − C* ≤ g}, Δ = K − K*, c = γ/(1−γ), norms spectral unless
marked F.  On E:

- P_K − P* ⪰ 0 has trace (C − C*)/c, so ‖P_K‖ ≤ ‖P*‖ + g/c and ‖G_K‖ ≤ ‖G*‖ + γ‖B‖²g/c, G_K = R + γBᵀP_K B;
- C − C* = c tr(S_K ΔᵀG*Δ), so ‖ΔS_K^½‖_F ≤ τ = √(g/(c σ_min(G*))); with X = I + γA*ᵀXA*, A* = A − BK*, this gives
  s ≤ tr X + 2γ‖A*ᵀXB‖τ√s + γ‖BᵀXB‖τ² for s = tr S_K; also C ≥ c(tr Q + σ_min(Q)(s − n)).  ‖S_K‖ ≤ s − (n − 1);
- a greedy step from K gains c tr(S E_KᵀG_K⁻¹E_K) ≥ c‖E_K‖_F²/‖G_K‖, so ‖E_K‖_F ≤ √(g‖G_K‖/c), and ∇C = 2cE_K S_K;
- ∇²C[V, V] = 2c tr(VᵀG_K V S) − 4cγ tr(VᵀBᵀP′A_K S), where ‖P′‖ ≤ 2‖V‖‖E_K‖·‖Σ_k γ^k A_KᵏᵀA_Kᵏ‖, and
  γ‖A_K S‖_F² ≤ ‖S‖(tr S − n) by the equation of S;
- γA_KᵀP_K A_K ⪯ (1 − θ)P_K, θ = σ_min(Q)/‖P_K‖, bounds every rollout.

As g → 0 the bounds of tr S, ‖E‖ and ‖G‖ tend to the values at K*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.errors import ConfigError
from pcpo.lqr.cost import closed_loop, cost_scale, solve_stein
from pcpo.lqr.moments import BoundedLaw
from pcpo.lqr.optimum import riccati
from pcpo.lqr.system import LinearSystem

__all__ = ["Bounds", "bounds_on_sublevel"]


@dataclass(frozen=True)
class Bounds:
    """Hold upper bounds on {C − C* ≤ gap}: slope ‖∇C‖_F, curvature ‖∇²C‖, rollout C(K;Z), trace tr S_K, value ‖P_K‖."""

    slope: float
    curvature: float
    rollout: float
    trace: float
    value: float


def _norm(matrix: object) -> float:
    """Return the spectral norm."""
    return float(np.linalg.norm(np.asarray(matrix), 2))


def _trace_bound(system: LinearSystem, gap: float) -> float:
    """Return an upper bound of tr S_K: the smaller of the two in the module's docstring."""
    best, c = riccati(system), cost_scale(system.gamma)
    n, gamma = system.n, system.gamma
    A, G = closed_loop(system, best.K), np.linalg.eigvalsh(best.G)
    X = solve_stein(np.sqrt(gamma) * A, np.eye(n))
    tau = float(np.sqrt(gap / (c * G[0])))
    half = gamma * _norm(A.T @ X @ system.B) * tau
    by_offset = (half + float(np.sqrt(half**2 + np.trace(X) + gamma * _norm(system.B.T @ X @ system.B) * tau**2))) ** 2
    room = (best.cost + gap) / c - float(np.trace(system.Q))
    return min(by_offset, n + room / float(np.linalg.eigvalsh(system.Q)[0]))


def _rollout_bound(system: LinearSystem, value: float, law: BoundedLaw) -> float:
    """Return B‖P‖ times the smaller of two sums.

    The first: ‖P^½A^k‖ ≤ ‖P‖^½((1 − θ)/γ)^(k/2) term by term, as for a scalar system with γa² = 1 − θ.  The second, by
    a storage function: (1 + θs − s)·Σ γ^t xᵀWx ≤ c(1 + 1/(θs))‖P‖B for s in (0, 1].
    """
    gamma, c = system.gamma, cost_scale(system.gamma)
    theta = float(np.linalg.eigvalsh(system.Q)[0]) / value
    ratio = float(np.sqrt(gamma * max(0.0, 1 - theta)))
    by_terms = c * (1 + ratio) / ((1 - ratio) * theta)
    s = np.linspace(0.01, 0.99, 99)
    by_storage = c * float(np.min((1 + 1 / (theta * s)) / (1 - s * (1 - theta))))
    return law.bound(system.n) * value * min(by_terms, by_storage)


def bounds_on_sublevel(system: LinearSystem, gap: float, law: BoundedLaw) -> Bounds:
    """Return upper bounds on {C − C* ≤ gap}, gap > 0 in units of cost.

    Raises:
        ConfigError: for a system whose Q is only semidefinite, since θ = σ_min(Q)/‖P_K‖ divides the bound of a rollout.
    """
    system = system.standard
    least = float(np.linalg.eigvalsh(system.Q)[0])
    if not system.definite:
        raise ConfigError(
            f"Q: found smallest eigenvalue {least:.6g}, expected a positive definite matrix: the certified bound of a "
            "rollout divides by it; use the method 'sampled' with an enlargement, or add a small multiple of I to Q"
        )
    best, c = riccati(system), cost_scale(system.gamma)
    n, gamma, B = system.n, system.gamma, _norm(system.B)
    value = _norm(best.P) + gap / c
    G = _norm(best.G) + gamma * B**2 * gap / c
    s = _trace_bound(system, gap)
    S = s - (n - 1)
    E = float(np.sqrt(gap * G / c))
    powers = min(S, value / least)
    bent = 8 * c * float(np.sqrt(gamma)) * B * E * powers * float(np.sqrt(max(0.0, s - n) * S))
    return Bounds(2 * c * E * S, 2 * c * G * S + bent, _rollout_bound(system, value, law), s, value)
