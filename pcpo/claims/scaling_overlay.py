"""The mean gap at the end of an epoch, to all orders in the radius: the overlay of the scaling claims, nothing fitted.

`pcpo.predictions.steady_state_gap` is its leading order in r, which is too high by a fraction of order r².
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from .. import lqr
from ..contracts import FloatArray
from ..errors import ConfigError
from ..fleet import LinearSystem
from ..predictions import steady_state_gap
from ..randomness import NoiseLaw
from ..schedule import Schedule

__all__ = ["EpochGaps", "Stationary", "epoch_gaps", "stationary"]

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
