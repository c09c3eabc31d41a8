"""Predict mean gaps by linearising the iteration at the minimiser of the smoothed cost: nothing is fitted.

Agents that average their gradients descend f_r = Σ_j share_j C_(j,r), the smoothed mean of their costs f (one agent
alone: f_r = C_r).  About the minimiser K_r of f_r, Y ← Y − ηg is linear up to the order of the squared noise::

    m ← K_r + J(m − K_r),   Σ ← JΣJ + η²S,   J = I − ηH_r,   E f(Y) − f* = f(m) − f* + ½ tr(∇²f Σ),

with m = E Y, Σ = Cov Y, H_r = ∇²f_r(K_r) and S = Σ_j share_j cov_j/(M|S|), where M is the minibatch, |S| the number of
agents that average and cov_j the covariance of one sample of the estimate (5) at K_r with radius r
(`pcpo.lqr.estimator_moments`).  Smoothing bias and covariance are exact in r; `pcpo.theory.predictions` has the leading
order, which is too high by a fraction of order r².

Two predictions rest on this linearisation:

* `stationary` and `epoch_gaps`: one cluster at its steady state, and how much of the previous epoch R_l iterations
  leave.  Σ solves Lyapunov's equation, so there must be a steady state.  K_r comes from a fixed number of Newton steps
  with ∇²f_r.
* `run_of_means`, `local_gaps` and `shared_gaps`: a whole run from given initial gains, epoch by epoch, for one system
  or several that average.  Σ is iterated R_l times, so the prediction exists for step sizes without a steady state too.
  K_r comes from steps with ∇²f, which is cheaper than ∇²f_r, until they are small.

The numbers of both are parts of published tables, so neither borrows the other's order of quadrature or stopping rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    "mean_gap",
    "run_of_means",
    "shared_gaps",
    "stationary",
]

#: Steps to K_r with ∇²f_r, which converge quadratically.
_NEWTON_STEPS = 5
#: Largest number of steps to K_r with ∇²f, and the step below which they end.
_MOST_STEPS, _TOLERANCE = 30, 1e-7
#: Half-width of the central differences that give ∇²f_r.
_DIFFERENCE = 1e-4
#: Order of the sphere quadrature of a steady state; exact to degree 7 in U.
_STEADY_ORDER = 4


@dataclass(frozen=True, eq=False)
class Averaging:
    """Describe agents that average their gradients, and evaluate their mean cost f = Σ_j share_j C_j.

    Args:
        systems: the distinct systems among the agents.
        shares: fraction of the agents with each system, ``(H,)``.
        size: |S|, the number of agents that average.
        gain: the minimiser of f, ``(m, n)``.
        order: of the quadrature on the sphere; by default the largest that `pcpo.lqr` allows.
    """

    systems: Sequence[LinearSystem]
    shares: FloatArray
    size: int
    gain: FloatArray
    order: int | None = None

    def cost(self, K: FloatArray) -> float:
        """Return f(K)."""
        return float(self.shares @ [lqr.cost(s, K) for s in self.systems])

    def hessian(self, K: FloatArray) -> FloatArray:
        """Return ∇²f(K), ``(D, D)``."""
        return np.asarray(np.tensordot(self.shares, [lqr.hessian_at(s, K) for s in self.systems], axes=1))

    def smoothed_gradient(self, K: FloatArray, radius: float) -> FloatArray:
        """Return ∇f_r(K), ``(D,)``; not finite if the sphere of that radius about K reaches infinite cost."""
        values = [lqr.smoothed_gradient(s, K, radius, order=self.order).value.ravel() for s in self.systems]
        return np.asarray(self.shares @ np.stack(values))

    def smoothed_hessian(self, K: FloatArray, radius: float) -> FloatArray:
        """Return ∇²f_r(K), ``(D, D)``, by central differences of ∇f_r."""
        basis = _DIFFERENCE * np.eye(K.size).reshape(-1, *K.shape)
        rows = np.stack(
            [
                (self.smoothed_gradient(K + e, radius) - self.smoothed_gradient(K - e, radius)) / (2 * _DIFFERENCE)
                for e in basis
            ]
        )
        return np.asarray((rows + rows.T) / 2)

    def noise(self, K: FloatArray, radius: float, minibatch: float, law: QuarticLaw) -> FloatArray:
        """Return S ``(D, D)``, the covariance of the averaged gradient estimate at K with M rollouts per agent."""
        moments = [lqr.estimator_moments(s, K, radius, law, order=self.order) for s in self.systems]
        S = self.shares @ np.stack([found.covariance.ravel() for found in moments])
        return np.asarray(S.reshape(K.size, K.size) / (self.size * minibatch))

    def smoothed_minimiser(
        self, radius: float, curvature: Callable[[FloatArray], FloatArray], *, steps: int, tolerance: float = 0.0
    ) -> FloatArray | None:
        """Find K_r ``(m, n)`` by steps K ← K − curvature(K)⁻¹∇f_r(K) from the minimiser of f.

        Args:
            radius: smoothing radius r.
            curvature: ∇²f_r, or ∇²f in its place, ``(D, D)``.
            steps: how many at most.
            tolerance: end after a step with no entry as large as this.

        Returns:
            K_r, or None if the spheres of radius r reach infinite cost on the way.
        """
        K = self.gain
        for _ in range(steps):
            g = self.smoothed_gradient(K, radius)
            if not np.isfinite(g).all():
                return None
            H = curvature(K)
            if not np.isfinite(H).all():
                return None
            step = np.linalg.solve(H, g).reshape(K.shape)
            K = K - step
            if np.abs(step).max() < tolerance:
                break
        return K


def _contraction(smoothed_hessian: FloatArray, step_size: float) -> FloatArray:
    """Return J = I − ηH_r, ``(D, D)``."""
    return np.asarray(np.eye(len(smoothed_hessian)) - step_size * smoothed_hessian)


@dataclass(frozen=True, eq=False)
class Stationary:
    """Hold the steady state of the linearised iteration: K_r ``(m, n)``, Σ and H_r ``(D, D)``, and η."""

    mean: FloatArray
    covariance: FloatArray
    smoothed_hessian: FloatArray
    step_size: float

    def after(self, iterations: int, start: Stationary) -> tuple[FloatArray, FloatArray]:
        """Return mean ``(m, n)`` and covariance ``(D, D)`` of the gain R iterations after a draw from the law `start`.

        m_R = K_r + Jᴿ(m_0 − K_r) and Σ_R = Σ + Jᴿ(Σ_0 − Σ)Jᴿ.
        """
        power = np.linalg.matrix_power(_contraction(self.smoothed_hessian, self.step_size), iterations)
        offset = (power @ (start.mean - self.mean).ravel()).reshape(self.mean.shape)
        return self.mean + offset, self.covariance + power @ (start.covariance - self.covariance) @ power


@lru_cache(maxsize=1024)
def stationary(system: LinearSystem, *, step_size: float, radius: float, minibatch: float, law: NoiseLaw) -> Stationary:
    """Compute the steady state of the linearised iteration of one system.

    Args:
        system: the system that all agents of the set share.
        step_size: η.
        radius: smoothing radius r.
        minibatch: rollouts per iteration of the whole set, M·|S|.
        law: of the noise.

    Raises:
        ConfigError: if the smoothed cost is infinite, or if η is too large for a steady state.
    """
    case = Averaging([system], np.ones(1), 1, lqr.riccati(system).K, _STEADY_ORDER)

    def curvature(K: FloatArray) -> FloatArray:
        return case.smoothed_hessian(K, radius)

    K = case.smoothed_minimiser(radius, curvature, steps=_NEWTON_STEPS)
    if K is None or not np.isfinite(H := curvature(K)).all():
        raise ConfigError(f"radius: found {radius:g}, expected one at which the cost is finite around K*")
    top = float(np.linalg.eigvalsh(H)[-1])
    if not 0 < step_size * top < 2:
        raise ConfigError(f"step_size: found {step_size:g}, expected a positive number below {2 / top:g}")
    S = case.noise(K, radius, minibatch, law)
    covariance = np.asarray(solve_discrete_lyapunov(_contraction(H, step_size), step_size**2 * S), dtype=np.float64)
    return Stationary(K, covariance, H, step_size)


def mean_gap(system: LinearSystem, mean: FloatArray, covariance: FloatArray) -> float:
    """Return C(m) − C* + ½ tr(∇²C(m) Σ)."""
    return float(lqr.suboptimality_gap(system, mean) + 0.5 * np.trace(lqr.hessian_at(system, mean) @ covariance))


@dataclass(frozen=True)
class EpochGaps:
    """Hold predicted mean gaps at the end of an epoch (cost units).

    Args:
        leading: at the steady state, at leading order in r.
        overlay: after R_l iterations, to all orders in r.
        transient: how far `overlay` is above the gap of the steady state, relative to the latter.
    """

    leading: float
    overlay: float
    transient: float


def epoch_gaps(system: LinearSystem, schedule: Schedule, epoch: int, size: int, law: NoiseLaw) -> EpochGaps:
    """Predict the mean gap after R_l iterations of epoch l ≥ 2 in a set of `size` agents (1: the local sequence).

    The start has the law of a local policy of epoch l − 1, as (8) leaves it.  After a collaborative epoch the start is
    better than that, so `transient` bounds what R_l iterations leave of it.
    """
    plan, before = schedule.plan(epoch), schedule.plan(epoch - 1)
    radii, _ = plan.radius_global(np.array([size]))
    radius, minibatch = float(radii[0]), float(plan.minibatch * size)
    eta = plan.step_size
    settled = stationary(system, step_size=eta, radius=radius, minibatch=minibatch, law=law)
    start = stationary(system, step_size=eta, radius=before.radius_local, minibatch=float(before.minibatch), law=law)
    overlay = mean_gap(system, *settled.after(plan.iterations, start))
    limit = mean_gap(system, settled.mean, settled.covariance)
    leading = steady_state_gap(system, step_size=eta, radius=radius, minibatch=minibatch, law=law).gap
    return EpochGaps(leading, overlay, overlay / limit - 1)


def run_of_means(
    case: Averaging,
    starts: FloatArray,
    radii: Sequence[float],
    iterations: Sequence[int],
    plans: Sequence[EpochPlan],
    law: QuarticLaw,
) -> FloatArray:
    """Predict E f(Y) − f* at the end of every epoch of a run, mean over the initial gains.

    Args:
        case: the agents that average.
        starts: initial gains ``(·, m, n)``.
        radii: smoothing radius of every epoch.
        iterations: number of iterations of every epoch.
        plans: step size and minibatch of every epoch.
        law: of the noise.

    Returns:
        ``(epochs,)``: NaN from the first epoch whose spheres of radius r reach infinite cost, infinite where a mean
        gain has infinite cost.
    """
    Sigma = np.zeros((case.gain.size, case.gain.size))
    means, gaps = np.array(starts, dtype=np.float64), np.full(len(plans), np.nan)
    for k, (plan, radius, R) in enumerate(zip(plans, radii, iterations, strict=True)):
        K = case.smoothed_minimiser(radius, case.hessian, steps=_MOST_STEPS, tolerance=_TOLERANCE)
        if K is None or not np.isfinite(H_r := case.smoothed_hessian(K, radius)).all():
            return gaps
        S = case.noise(K, radius, plan.minibatch, law)
        J = _contraction(H_r, plan.step_size)
        for _ in range(R):
            Sigma = J @ Sigma @ J + plan.step_size**2 * S
        offsets = (means - K).reshape(len(means), -1) @ np.linalg.matrix_power(J, R).T
        means = K + offsets.reshape(means.shape)
        spread = 0.5 * float(np.trace(case.hessian(K) @ Sigma))
        gaps[k] = float(np.mean([case.cost(Y) for Y in means])) - case.cost(case.gain) + spread
    return gaps


def local_gaps(fleet: Fleet, plans: Sequence[EpochPlan], iterations: Sequence[int], law: QuarticLaw) -> FloatArray:
    """Predict the mean over agents of E C(X_i^(l)) − C*, ``(epochs,)``, each agent alone from its own initial gain."""
    radii, total = [plan.radius_local for plan in plans], np.zeros(len(plans))
    for system, members, gain in zip(fleet.systems, fleet.clusters, fleet.optimal_gains, strict=True):
        case = Averaging([system], np.ones(1), 1, gain)
        total += len(members) * run_of_means(case, fleet.initial_gains[members], radii, iterations, plans, law)
    return np.asarray(total / fleet.N)


def shared_gaps(
    fleet: Fleet, common: CommonGain, plans: Sequence[EpochPlan], iterations: Sequence[int], law: QuarticLaw
) -> FloatArray:
    """Predict the mean over agents of E C(K̂_i^(l)) − C* while N_i = [N] for all agents, from a common initial gain.

    It is Σ_j |M_j|(C_j(K̄) − C_j*)/N, the price of one policy for all, plus what noise and smoothing add.

    Args:
        fleet: the fleet, whose first initial gain is that of all agents.
        common: K̄ = argmin Σ_j |M_j|C_j and its gaps.
        plans: schedule of every epoch.
        iterations: number of iterations of every epoch.
        law: of the noise.

    Returns:
        ``(epochs,)``, cost units; NaN for a fleet without a common gain.
    """
    if not np.isfinite(common.plateaus).all():
        return np.full(len(plans), np.nan)
    shares = np.bincount(fleet.labels) / fleet.N
    radii = [float(plan.radius_global(np.array([fleet.N]))[0][0]) for plan in plans]
    case = Averaging(fleet.systems, shares, fleet.N, common.gain)
    excess = run_of_means(case, fleet.initial_gains[:1], radii, iterations, plans, law)
    return np.asarray(float(common.plateaus @ shares) + excess)
