"""Estimate E_K from state-action pairs and costs (Appendix A): Algorithm 3, and least-squares TD.

δ* = svec(Δ_K) and E_K = Δ²²K − Δ²¹.  A critic sees v_t = vec(x_t, u_t) and the costs c_t, and knows K.  Below,
p = d + k is the number of entries of v.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.evidence.hierarchical.model.kernels import gtd, quadratic, run_chain
from pcpo.evidence.hierarchical.model.regulator import Regulator, smallest

__all__ = ["LeastSquares", "chain", "gtd_estimates", "gtd_radii", "natural_direction", "smat", "stage_costs", "svec"]

#: Number of pairs whose features are in memory at once; chosen to fit the cache.
_ROWS = 4096


def svec(Z: FloatArray) -> FloatArray:
    """Return the upper triangle of a symmetric matrix or a stack, with off-diagonal entries times √2."""
    rows, columns = np.triu_indices(Z.shape[-1])
    return np.asarray(Z[..., rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0)))


def smat(z: FloatArray) -> FloatArray:
    """Return the symmetric matrix of a vector: the inverse of `svec`."""
    p = int(np.sqrt(2 * len(z)))
    rows, columns = np.triu_indices(p)
    Z = np.zeros((p, p))
    Z[rows, columns] = Z[columns, rows] = z / np.where(rows == columns, 1.0, np.sqrt(2.0))
    return Z


def features(v: FloatArray) -> FloatArray:
    """Return φ(v) = svec(vvᵀ) ``(T, p(p + 1)/2)`` for v ``(T, p)``."""
    T, p = v.shape
    found = np.empty((T, p * (p + 1) // 2))
    quadratic(np.ascontiguousarray(v), found)
    return found


def natural_direction(Delta: FloatArray, K: FloatArray) -> FloatArray:
    """Return E_K = Δ²²K − Δ²¹, Appendix B.1."""
    d = K.shape[1]
    return np.asarray(Delta[d:, d:] @ K - Delta[d:, :d])


def stage_costs(v: FloatArray, Q: FloatArray, R: FloatArray) -> FloatArray:
    """Return xᵀQx + uᵀRu for v = vec(x, u) ``(..., d + k)``."""
    x, u = v[..., : len(Q)], v[..., len(Q) :]
    return np.asarray(np.sum((x @ Q) * x, axis=-1) + np.sum((u @ R) * u, axis=-1))


class LeastSquares:
    """Estimate Δ_K by least-squares TD: (41) without the sets (42), solved for sample means.

    The equations are γ¹ = E[c] and E[φ]γ¹ + E[φ(φ − E_u'φ′)ᵀ]γ² = E[cφ].  The critic knows its policy, so the mean over
    the next action is exact: E_u'φ′ = svec(Fx'x'ᵀFᵀ + diag(0, Ψ)) with F = rows(I, −K).  Pairs are added in any number
    of batches; memory does not grow with their number.

    Args:
        K: gain of the policy ``(k, d)``.
        Psi: Ψ ``(k, k)``, covariance of the exploration.
    """

    def __init__(self, K: FloatArray, Psi: FloatArray) -> None:
        self._K = K
        k, d = K.shape
        self._policy = np.concatenate([np.eye(d), -K])
        spread = np.zeros((d + k, d + k))
        spread[d:, d:] = Psi
        self._spread = svec(spread)
        count = len(self._spread)
        self._pairs = 0
        self._cost = 0.0
        self._mean, self._right = np.zeros(count), np.zeros(count)
        self._matrix = np.zeros((count, count))
        self._moment = np.zeros((d, d))

    def add(self, v: FloatArray, after: FloatArray, costs: FloatArray) -> None:
        """Add a batch of pairs.

        Args:
            v: vec(x, u) ``(pairs, d + k)``.
            after: vec(x', u') of the next step, of the same shape.
            costs: c ``(pairs,)``.
        """
        for start in range(0, len(costs), _ROWS):
            rows = slice(start, start + _ROWS)
            self._add(v[rows], after[rows], costs[rows])

    def _add(self, v: FloatArray, after: FloatArray, costs: FloatArray) -> None:
        """Add pairs whose features fit into memory at once."""
        d = self._K.shape[1]
        now = features(v)
        self._pairs += len(costs)
        self._cost += float(costs.sum())
        self._mean += now.sum(axis=0)
        self._right += costs @ now
        self._matrix += now.T @ (now - features(after[:, :d] @ self._policy.T) - self._spread)
        self._moment += v[:, :d].T @ v[:, :d]

    def E(self) -> FloatArray:
        """Return the estimate of E_K."""
        return natural_direction(self.Delta(), self._K)

    def Delta(self) -> FloatArray:
        """Return the estimate of Δ_K.

        Raises:
            ConfigError: for fewer pairs than unknowns.
        """
        if self._pairs < len(self._mean):
            raise ConfigError(
                f"steps: found {self._pairs} pairs, expected at least one for each of {len(self._mean)} unknowns"
            )
        right = self._right - self._cost / self._pairs * self._mean
        return smat(np.asarray(np.linalg.solve(self._matrix, right), dtype=np.float64))

    def Sigma(self) -> FloatArray:
        """Return the estimate of Σ_K, for the plain gradient 2E_KΣ_K."""
        return np.asarray(self._moment / self._pairs)


def gtd_radii(S: Regulator, K0: FloatArray, K: FloatArray) -> FloatArray:
    """Return the radii Γ¹, Γ², Ξ¹, Ξ² of (42) for the initial gain K_0 and the current gain K.

    In place of its unnamed constant, Ξ² has the explicit bound that the proof of Lemma 7 ends with, where
    ‖Σ_K‖ ≤ C(K_0)/σ_min(Q) by Lemma 16.
    """
    cost = float(S.cost(K0))
    frobenius = {name: float(np.linalg.norm(getattr(S, name))) for name in "ABQR"}
    Gamma = frobenius["Q"] + frobenius["R"]
    Gamma += np.sqrt(S.d) / smallest(S.Phi) * (frobenius["A"] ** 2 + frobenius["B"] ** 2) * cost
    Sigma, size = cost / smallest(S.Q), float(np.linalg.norm(K)) ** 2
    Xi = cost * (float(np.trace(S.Psi)) + (S.d + size) * Sigma) + 4 * (1 + size) ** 2 * Sigma**2 * Gamma
    Xi += 12 * (frobenius["Q"] + frobenius["R"]) * (S.d + size) ** 2 * Sigma**2
    return np.array([cost, Gamma, cost, Xi])


def chain(S: Regulator, K: FloatArray, T: int, rng: np.random.Generator) -> FloatArray:
    """Simulate one stationary trajectory v_0, …, v_T ``(T + 1, d + k)``."""
    x0 = rng.multivariate_normal(np.zeros(S.d), S.Sigma(K), method="cholesky")
    noise = rng.standard_normal((T, S.d)) @ np.linalg.cholesky(S.Phi).T
    exploration = rng.standard_normal((T + 1, S.k)) @ np.linalg.cholesky(S.Psi).T
    v = np.empty((T + 1, S.d + S.k))
    run_chain(S.A, S.B, K, noise, exploration, x0, v)
    return v


def gtd_estimates(
    v: FloatArray,
    costs: FloatArray,
    radii: FloatArray,
    checkpoints: Sequence[int],
    *,
    alpha: float,
    power: float = 0.5,
) -> FloatArray:
    """Run Algorithm 3 from γ_0 = ξ_0 = 0.

    Args:
        v: v_0, …, v_T ``(T + 1, p)``.
        costs: c_0, …, c_(T-1) ``(T,)``.
        radii: Γ¹, Γ², Ξ¹, Ξ² of (42).
        checkpoints: numbers of iterations, ascending.
        alpha: α of the step α/t^power.
        power: exponent of t in the step.

    Returns:
        γ̂ = (Ĉ, δ̂) at each checkpoint, ``(checkpoints, 1 + p(p + 1)/2)``.
    """
    phi = features(v)
    found = np.empty((len(checkpoints), 1 + phi.shape[1]))
    gtd(phi, costs, alpha, power, radii, np.asarray(checkpoints), found)
    return found
