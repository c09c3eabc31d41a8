"""The mean gap at the end of an epoch, to all orders in the radius: the overlay of the scaling claims, nothing fitted.

`pcpo.theory.predictions.steady_state_gap` is its leading order in r, which is too high by a fraction of order r².

Predictions of the group "practice", no fitted parameter: means of gaps through all epochs of a run.

Agents that average their gradients minimise f_r = Σ_i C_(i,r)/|S|, S the set that averages (|S| = 1: local learning).
About its stationary point K_r, Y ← Y − ηg is linear up to the order of the squared noise:

    m ← (I − ηH_r)m,   Σ ← (I − ηH_r)Σ(I − ηH_r) + η²S_r/M,   E f(Y) − f* = f(K_r + m) − f* + ½tr(HΣ),

m = E Y − K_r, H_r = ∇²f_r(K_r), H = ∇²f(K_r), S_r = Σ_i cov_i/|S|², cov_i the covariance of one sample of agent i's
estimate at K_r with radius r (`pcpo.lqr.estimator_moments`).  The bias of smoothing is exact here, not its order r⁴.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from pcpo import lqr
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.moments import QuarticLaw
from pcpo.simulation.noise import NoiseLaw
from pcpo.theory.predictions import steady_state_gap
from pcpo.theory.transfer import CommonGain

__all__ = [
    "Averaging",
    "EpochGaps",
    "Stationary",
    "epoch_gaps",
    "local_gaps",
    "run_of_means",
    "shared_gaps",
    "stationary",
]

_NEWTON_STEPS = 5
_DIFFERENCE = 1e-4
#: Quadrature order on the sphere; exact to degree 7 in U.
_ORDER = 4


@dataclass(frozen=True, eq=False)
class Stationary:
    """Law of Y ← Y − ηg linearised at the minimiser K_r of C_r: mean K_r (m, n), covariance Σ (D, D), ∇²C_r (D, D)."""

    mean: FloatArray
    covariance: FloatArray
    smoothed_hessian: FloatArray
    step_size: float

    def after(self, iterations: int, start: Stationary) -> tuple[FloatArray, FloatArray]:
        """Mean gain and covariance R steps after a draw from the law `start`: J = I − η∇²C_r,
        m_R = K_r + Jᴿ(m_0 − K_r) and Σ_R = Σ + Jᴿ(Σ_0 − Σ)Jᴿ."""
        J = np.eye(len(self.covariance)) - self.step_size * self.smoothed_hessian
        power = np.linalg.matrix_power(J, iterations)
        offset = (power @ (start.mean - self.mean).ravel()).reshape(self.mean.shape)
        return self.mean + offset, self.covariance + power @ (start.covariance - self.covariance) @ power


@lru_cache(maxsize=1024)
def stationary(system: LinearSystem, *, step_size: float, radius: float, minibatch: float, law: NoiseLaw) -> Stationary:
    """The steady state with radius r and effective minibatch M·|M|, to all orders in r.

    K_r by Newton's method on C_r, ∇²C_r by central differences of ∇C_r, and Σ = JΣJ + η²S with the exact covariance S
    of the averaged estimate at K_r.  It neglects higher powers of the noise.
    Raises ConfigError if the smoothed cost is infinite, or if η is too large for a steady state.
    """
    K, D, shape = lqr.riccati(system).K, system.D, (system.m, system.n)

    def gradient(K: FloatArray) -> FloatArray:
        return np.asarray(lqr.smoothed_gradient(system, K, radius, order=_ORDER).value.ravel())

    def hessian(K: FloatArray) -> FloatArray:
        steps = _DIFFERENCE * np.eye(D).reshape(D, *shape)
        columns = np.stack([(gradient(K + v) - gradient(K - v)) / (2 * _DIFFERENCE) for v in steps])
        return np.asarray(0.5 * (columns + columns.T))

    for _ in range(_NEWTON_STEPS):
        H = hessian(K)
        if not np.isfinite(H).all():
            raise ConfigError(f"radius: found {radius:g}, expected one at which the cost is finite around K*")
        K = K - np.linalg.solve(H, gradient(K)).reshape(shape)
    H = hessian(K)
    top = float(np.linalg.eigvalsh(H)[-1])
    if not 0 < step_size * top < 2:
        raise ConfigError(f"step_size: found {step_size:g}, expected a positive number below {2 / top:g}")
    S = lqr.estimator_moments(system, K, radius, law, order=_ORDER).covariance / minibatch
    covariance = np.asarray(solve_discrete_lyapunov(np.eye(D) - step_size * H, step_size**2 * S), dtype=np.float64)
    return Stationary(K, covariance, H, step_size)


def _mean_gap(system: LinearSystem, mean: FloatArray, covariance: FloatArray) -> float:
    """C(m) − C* + ½ tr(∇²C(m) Σ)."""
    return float(lqr.suboptimality_gap(system, mean) + 0.5 * np.trace(lqr.hessian_at(system, mean) @ covariance))


@dataclass(frozen=True)
class EpochGaps:
    """Mean gaps (units of cost): leading order and all orders in r, and what is left of the previous epoch in the
    latter, as a fraction of it."""

    leading: float
    overlay: float
    transient: float


def epoch_gaps(system: LinearSystem, schedule: Schedule, epoch: int, size: int, law: NoiseLaw) -> EpochGaps:
    """The mean gap after R_l iterations of epoch l ≥ 2 in a set of `size` agents (1: the local sequence).

    The start has the law of a local policy of epoch l − 1, as (8) leaves it; after a collaborative epoch it is better,
    so `transient` bounds what R_l iterations leave.
    """
    plan, before = schedule.plan(epoch), schedule.plan(epoch - 1)
    radii, _ = plan.radius_global(np.array([size]))
    radius, minibatch = float(radii[0]), float(plan.minibatch * size)
    eta = plan.step_size
    settled = stationary(system, step_size=eta, radius=radius, minibatch=minibatch, law=law)
    start = stationary(system, step_size=eta, radius=before.radius_local, minibatch=float(before.minibatch), law=law)
    overlay = _mean_gap(system, *settled.after(plan.iterations, start))
    limit = _mean_gap(system, settled.mean, settled.covariance)
    leading = steady_state_gap(system, step_size=eta, radius=radius, minibatch=minibatch, law=law).gap
    return EpochGaps(leading, overlay, overlay / limit - 1)


_MOST_NEWTON_STEPS = 30
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
        for _ in range(_MOST_NEWTON_STEPS):
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
