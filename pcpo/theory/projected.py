"""Predict what sending one scalar in place of a gradient costs: in rounds, and in the gap that noise leaves.

Near K*, agents of one set |N| step along the mean of rebuilt gradients D⟨v_j, g_j⟩v_j (`pcpo.algorithms.projection`)
with g_j = He + ξ_j, e = K − K*, and independent noise ξ_j of covariance S.  With v of random signs over √D,

    E (D v vᵀ) X (D v vᵀ) = Π(X) = tr(X) I + 2(X − Diag X),

since E v_a v_b v_c v_d is 1/D² where the indices pair up and 0 elsewhere.  So Σ_k = E e_k e_kᵀ obeys, with G = HΣH,

    Σ' = (I − ηH)Σ(I − ηH) + (η²/|N|)[Π(G) − G + Π(S)],

exactly for a quadratic C, and the mean gap is ½ tr(HΣ).  Whole gradients have S in place of the bracket.  For S = s²I
is Π(S) = D s²I: the noise is D times that of whole gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.lqr.system import LinearSystem

__all__ = ["ProjectedLaw", "projected_law", "rebuilt_moment"]


def rebuilt_moment(X: FloatArray) -> FloatArray:
    """Return Π(X) = E (D v vᵀ) X (D v vᵀ) = tr(X) I + 2(X − Diag X), of symmetric X ``(D, D)``."""
    return np.asarray(np.trace(X) * np.eye(len(X)) + 2 * (X - np.diag(np.diag(X))))


@dataclass(frozen=True, eq=False)
class ProjectedLaw:
    """Hold the Hessian at K* of one system, of row-major gains ``(D, D)``; sets are of agents with this system."""

    hessian: FloatArray

    def largest_step(self, agents: int) -> float:
        """Return 1/(q h_max), q = 1 + (D − 1)/|N|: half the step below which the mean square distance falls."""
        D = len(self.hessian)
        return float(1 / ((1 + (D - 1) / agents) * np.linalg.eigvalsh(self.hessian)[-1]))

    def gaps(self, error: FloatArray, step_size: float, rounds: int, *, agents: int | None) -> FloatArray:
        """Return the mean gap at the start and after every round, without noise: ``(rounds + 1,)``.

        Args:
            error: e = K − K* at the start, ``(D,)``.
            step_size: η, of the step that is really taken.
            rounds: how many.
            agents: |N|; None for whole gradients.
        """
        second, found = np.outer(error, error), []
        for _ in range(rounds + 1):
            found.append(float(np.sum(self.hessian * second)) / 2)
            second = self._after(second, step_size, agents)
        return np.array(found)

    def noise_gap(self, step_size: float, variance: float, *, agents: int, whole: bool = False) -> float:
        """Return the mean gap at the steady state (units of cost).

        Args:
            step_size: η, of the step that is really taken.
            variance: s² of one coordinate of one agent's gradient estimate.
            agents: |N|.
            whole: whether gradients are sent whole.

        Raises:
            ConfigError: for a step with which there is no steady state.
        """
        D = len(self.hessian)
        S = variance * np.eye(D)
        source = step_size**2 / agents * (S if whole else rebuilt_moment(S))
        basis = np.eye(D * D).reshape(-1, D, D)
        carried = np.stack([self._after(X, step_size, None if whole else agents).ravel() for X in basis], axis=1)
        if not np.max(np.abs(np.linalg.eigvals(carried))) < 1:
            raise ConfigError(f"step_size: found {step_size:g}, expected one with which the mean square does not grow")
        second = np.linalg.solve(np.eye(D * D) - carried, source.ravel()).reshape(D, D)
        return float(np.sum(self.hessian * second)) / 2

    def _after(self, second: FloatArray, step_size: float, agents: int | None) -> FloatArray:
        """Return Σ after one round without noise."""
        stepped = second - step_size * self.hessian @ second
        stepped = stepped - step_size * stepped @ self.hessian
        if agents is None:
            return np.asarray(stepped)
        G = self.hessian @ second @ self.hessian
        return np.asarray(stepped + step_size**2 / agents * (rebuilt_moment(G) - G))


def projected_law(system: LinearSystem) -> ProjectedLaw:
    """Return the law of one system."""
    return ProjectedLaw(np.asarray(lqr.hessian_at(system, lqr.riccati(system).K)))
