"""Predictions of the group "practice", no fitted parameter: means of gaps through all epochs of a run.

Agents that average their gradients minimise f_r = Σ_i C_(i,r)/|S|, S the set that averages (|S| = 1: local learning).
About its stationary point K_r, Y ← Y − ηg is linear up to the order of the squared noise:

    m ← (I − ηH_r)m,   Σ ← (I − ηH_r)Σ(I − ηH_r) + η²S_r/M,   E f(Y) − f* = f(K_r + m) − f* + ½tr(HΣ),

m = E Y − K_r, H_r = ∇²f_r(K_r), H = ∇²f(K_r), S_r = Σ_i cov_i/|S|², cov_i the covariance of one sample of agent i's
estimate at K_r with radius r (`pcpo.lqr.estimator_moments`).  The bias of smoothing is exact here, not its order r⁴.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import lqr
from ..contracts import FloatArray
from ..fleet import Fleet, LinearSystem
from ..moments import QuarticLaw
from ..schedule import EpochPlan
from ..transfer import CommonGain

__all__ = ["Averaging", "local_gaps", "run_of_means", "shared_gaps"]

_NEWTON_STEPS = 30
_DIFFERENCE = 1e-4
_TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class Averaging:
    """Agents that average: distinct systems with their shares of the set, |S|, and the minimiser K of Σ share_j C_j."""

    systems: Sequence[LinearSystem]
    shares: FloatArray
    size: int
    gain: FloatArray

    def cost(self, K: FloatArray) -> float:
        """f(K) = Σ_j share_j C_j(K)."""
        return float(self.shares @ [lqr.cost(s, K) for s in self.systems])

    def smoothed(self, K: FloatArray, radius: float) -> FloatArray:
        """∇f_r(K), ``(D,)``; NaN if its spheres reach infinite cost."""
        values = [lqr.smoothed_gradient(s, K, radius).value.ravel() for s in self.systems]
        return np.asarray(self.shares @ np.stack(values))

    def hessian(self, K: FloatArray) -> FloatArray:
        """∇²f(K), ``(D, D)``."""
        return np.asarray(np.tensordot(self.shares, [lqr.hessian_at(s, K) for s in self.systems], axes=1))

    def stationary(self, radius: float) -> tuple[FloatArray, FloatArray]:
        """K_r ``(m, n)`` by Newton's method with ∇²f for ∇²f_r, and H_r ``(D, D)`` by central differences; NaN where
        there is none."""
        K, D = self.gain, self.gain.size
        for _ in range(_NEWTON_STEPS):
            g = self.smoothed(K, radius)
            if not np.isfinite(g).all():
                return np.full_like(K, np.nan), np.full((D, D), np.nan)
            step = np.linalg.solve(self.hessian(K), g).reshape(K.shape)
            K = K - step
            if np.abs(step).max() < _TOLERANCE:
                break
        return K, self._hessian(K, radius)

    def _hessian(self, K: FloatArray, radius: float) -> FloatArray:
        basis = _DIFFERENCE * np.eye(K.size).reshape(-1, *K.shape)
        rows = [(self.smoothed(K + e, radius) - self.smoothed(K - e, radius)) / (2 * _DIFFERENCE) for e in basis]
        return np.asarray((np.stack(rows) + np.stack(rows).T) / 2)


def run_of_means(
    case: Averaging,
    starts: FloatArray,
    radii: Sequence[float],
    iterations: Sequence[int],
    plans: Sequence[EpochPlan],
    law: QuarticLaw,
) -> FloatArray:
    """E f(Y) − f(K) at the end of every epoch, mean over the starts ``(·, m, n)``; ``(epochs,)``.

    NaN from the first epoch whose spheres of radius r reach infinite cost, infinite where a mean does.
    """
    Sigma = np.zeros((case.gain.size, case.gain.size))
    means, gaps = np.array(starts, dtype=np.float64), np.full(len(plans), np.nan)
    for k, (plan, radius, R) in enumerate(zip(plans, radii, iterations, strict=True)):
        K, H_r = case.stationary(radius)
        if not np.isfinite(H_r).all():
            return gaps
        S = case.shares @ np.stack([lqr.estimator_moments(s, K, radius, law).covariance.ravel() for s in case.systems])
        S = S.reshape(Sigma.shape) / (case.size * plan.minibatch)
        H = case.hessian(K)
        step = np.eye(len(Sigma)) - plan.step_size * H_r
        for _ in range(R):
            Sigma = step @ Sigma @ step + plan.step_size**2 * S
        offsets = (means - K).reshape(len(means), -1) @ np.linalg.matrix_power(step, R).T
        means = K + offsets.reshape(means.shape)
        spread = 0.5 * float(np.trace(H @ Sigma))
        gaps[k] = float(np.mean([case.cost(Y) for Y in means])) - case.cost(case.gain) + spread
    return gaps


def local_gaps(fleet: Fleet, plans: Sequence[EpochPlan], iterations: Sequence[int], law: QuarticLaw) -> FloatArray:
    """Mean over agents of E C(X_i^(l)) − C*, each agent alone from its own start; ``(epochs,)``."""
    radii, total = [plan.radius_local for plan in plans], np.zeros(len(plans))
    for system, members, gain in zip(fleet.systems, fleet.clusters, fleet.optimal_gains, strict=True):
        case = Averaging([system], np.ones(1), 1, gain)
        total += len(members) * run_of_means(case, fleet.initial_gains[members], radii, iterations, plans, law)
    return np.asarray(total / fleet.N)


def shared_gaps(
    fleet: Fleet, common: CommonGain, plans: Sequence[EpochPlan], iterations: Sequence[int], law: QuarticLaw
) -> FloatArray:
    """Mean over agents of E C(K̂_i^(l)) − C* while N_i = [N] for all and the start is common; ``(epochs,)``.

    Σ_j |M_j|(C_j(K̄) − C_j*)/N, the price of one policy for all, plus what noise and smoothing add.  NaN without a
    common gain.
    """
    if not np.isfinite(common.plateaus).all():
        return np.full(len(plans), np.nan)
    shares = np.bincount(fleet.labels) / fleet.N
    radii = [float(plan.radius_global(np.array([fleet.N]))[0][0]) for plan in plans]
    case = Averaging(fleet.systems, shares, fleet.N, common.gain)
    excess = run_of_means(case, fleet.initial_gains[:1], radii, iterations, plans, law)
    return np.asarray(float(common.plateaus @ shares) + excess)
