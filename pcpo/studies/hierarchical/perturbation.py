"""How exact a critic must be: Λ of (17) as the proof of Lemma 5 makes it up, and what Lemma 5 promises for it."""

from __future__ import annotations

from ...contracts import FloatArray
from .regulator import Regulator, operator_norm, smallest

__all__ = ["allowed_change", "allowed_error"]


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
