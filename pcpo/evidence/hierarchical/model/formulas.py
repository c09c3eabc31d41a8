"""Check the formulas of one LQR by other means: Lemma 2, Lemma 6 and the natural gradient of section 4.2.

Costs and value functions are summed over time, expectations are taken over points that have the moments of the noise,
and derivatives are complex steps, so that no side of an identity uses the other's formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pcpo.arrays import FloatArray
from pcpo.evidence.hierarchical.model.critics import stage_costs, svec
from pcpo.evidence.hierarchical.model.regulator import Regulator, operator_norm, smallest
from pcpo.lqr.cost import solve_stein

__all__ = ["Formula", "fisher", "formulas"]

_EPS = float(np.finfo(np.float64).eps)
#: Imaginary step of a derivative; its square is below rounding.
_STEP = 1e-30


@dataclass(frozen=True)
class Formula:
    """Hold how far a formula is from what is computed by other means.

    Args:
        name: of the formula.
        residual: largest difference of the two sides.
        wrong: the same with the wrong formula of `formulas`.
        bound: largest difference that rounding can make.
    """

    name: str
    residual: float
    wrong: float
    bound: float


def formulas(S: Regulator, K: FloatArray, rng: np.random.Generator) -> list[Formula]:
    """Compute both sides of every formula at a stable gain, and at a random state and input.

    The wrong formulas, for negative controls: the cost and the action value without the exploration's part, E_KΣ_K for
    the gradient, tr(P_KΦ_σ) for tr(P_KΣ_K) in the state value, and 2E_K for the natural gradient 2ΨE_K.
    """
    x, u = rng.standard_normal(S.d), rng.standard_normal(S.k)
    v, P, Sigma, E, Delta = np.concatenate([x, u]), S.P(K), S.Sigma(K), S.E(K), S.Delta(K)
    cost, at_rest, moment = float(S.cost(K)), float(np.sum(P * Sigma)), float(np.sum(P * S.Phi_sigma))
    value, paid = float(x @ P @ x), float(np.sum((S.Q + K.T @ S.R @ K) * Sigma))
    drawn = float(np.sum(S.R * S.Psi))
    added = float(np.sum((S.R + S.B.T @ P @ S.B) * S.Psi))
    ahead = float(svec(np.outer(v, v)) @ svec(Delta)) - at_rest
    state, action = _values(S, K, x, u)
    gradient, information = _gradient(S, K), fisher(S, K)
    natural = np.linalg.solve(information, gradient.ravel()).reshape(K.shape)
    rounding = _rounding(S, K)
    scale = cost + at_rest + float(v @ Delta @ v)
    steep = float(operator_norm(Delta)) * (1 + float(operator_norm(K))) * float(operator_norm(Sigma))
    spread = steep / smallest(information)

    def off(found: ArrayLike, right: ArrayLike) -> float:
        return float(np.max(np.abs(np.asarray(found) - np.asarray(right))))

    return [
        Formula("cost", off(paid + drawn, cost), off(paid, cost), rounding * scale),
        Formula("gradient", off(2 * E @ Sigma, gradient), off(E @ Sigma, gradient), rounding * steep),
        Formula("state_value", off(value - at_rest, state), off(value - moment, state), rounding * scale),
        Formula("action_value", off(ahead - added, action), off(ahead, action), rounding * scale),
        Formula("natural_gradient", off(2 * S.Psi @ E, natural), off(2 * E, natural), rounding * spread),
    ]


def _rounding(S: Regulator, K: FloatArray) -> float:
    """Return the relative rounding of what is computed from P_K or Σ_K.

    ‖(X ↦ X − MᵀXM)⁻¹‖ is the norm of its value at I; it amplifies the rounding of the equation's n-term sums.
    """
    closed = S.A - S.B @ K
    amplified = float(operator_norm(solve_stein(closed, np.eye(S.d)))) * (1 + float(operator_norm(closed)) ** 2)
    return 64 * (S.d + S.k) * _EPS * amplified


def fisher(S: Regulator, K: FloatArray) -> FloatArray:
    """Return E[vec(s)vec(s)ᵀ] ``(kd, kd)`` of the score s = −Ψ⁻¹zxᵀ of the policy N(−Kx, Ψ), x ~ N(0, Σ_K).

    The mean is over all pairs of points ±√n·(column of the covariance's root) for z and for x, which have the second
    moments of the normal laws; entries of s are products of one entry of z and one of x, so it is exact.
    """
    z, x = _points(S.Psi), _points(S.Sigma(K))
    scores = -np.linalg.solve(S.Psi, z.T).T[:, None, :, None] * x[None, :, None, :]
    rows = scores.reshape(len(z) * len(x), -1)
    return np.asarray(rows.T @ rows / len(rows))


def _points(covariance: FloatArray) -> FloatArray:
    """Return 2n points ``(2n, n)`` of mean 0 with this covariance."""
    root = np.sqrt(len(covariance)) * np.linalg.cholesky(covariance).T
    return np.concatenate([root, -root])


def _gradient(S: Regulator, K: FloatArray) -> FloatArray:
    """Return ∇C(K) by complex steps."""
    found = np.empty(K.shape)
    for at in np.ndindex(*K.shape):
        moved = K.astype(np.complex128)
        moved[at] += 1j * _STEP
        # Regulator is annotated for real gains; its products and sums are analytic in K.
        found[at] = np.imag(S.cost(moved)) / _STEP  # type: ignore[arg-type]
    return found


def _values(S: Regulator, K: FloatArray, x: FloatArray, u: FloatArray) -> tuple[float, float]:
    """Return V_K(x) = Σ_t {E[c_t | x_0 = x] − C(K)} and Q_K(x, u) = c(x, u) − C(K) + E[V_K(x')], (40).

    The sums end where their terms are below rounding.
    """
    closed, weight = S.A - S.B @ K, S.Q + K.T @ S.R @ K
    means, spread, final = np.concatenate([x[None], S.A @ x + S.B @ u + _points(S.Phi)]), np.zeros_like(S.A), S.Sigma(K)
    total, terms = np.zeros(len(means)), int(np.ceil(np.log(_EPS**2) / np.log(max(float(S.radius(K)), 0.1))))
    for _ in range(terms):
        total += np.sum((means @ weight) * means, axis=1) - np.sum(weight * (final - spread))
        means, spread = means @ closed.T, closed @ spread @ closed.T + S.Phi_sigma
    cost = float(stage_costs(np.concatenate([x, u]), S.Q, S.R))
    return float(total[0]), cost - float(S.cost(K)) + float(total[1:].mean())
