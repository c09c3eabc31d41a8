"""Derive the smoothing radius at which the mean gap is smallest, and the rates of the gap that radii of any size have.

At the steady state of Y ← Y − ηg with radius r, where E = M·|M| rollouts of a cluster make one averaged gradient, the
mean gap is, at leading order in r (`pcpo.theory.predictions`),

    gap(r) = a v/(r² E) + β r⁴,      a = (ηD/2) Σ_i 1/(2 − ηh_i),      β = g3ᵀH⁻¹g3/(8(D + 2)²).

The first term is noise.  v is what remains of a rollout's second moment: V = C*² + σ² for the one-point estimate (5),
σ² = Var C(K*; Z) for the centred and the two-point estimates, whose weights have mean 0 at K*.  The second term is the
bias of smoothing: ∇C_r(K*) is r²g3/(2(D + 2)) + O(r⁴), g3 = ∇(tr ∇²C)(K*), so it leaves a gap of order r⁴.

*Smallest gap.*  The derivative −2av/(r³E) + 4βr³ vanishes at

    r*⁶ = a v/(2βE),        gap* = 3β r*⁴ = 3 (β/4)^(1/3) (a v/E)^(2/3):

two parts of noise to one of bias.  The radius goes as E^(−1/6) and the gap as E^(−2/3).  With a radius ρ times as large
the gap is (2ρ⁻² + ρ⁴)/3 of the smallest, so a constant that is somewhat off costs little, less on the small side.

*Any exponent.*  r ∝ E^(−p) makes noise fall as E^(2p − 1) and bias as E^(−4p); the slower one is the rate.  The paper's
p = 1/4 balances noise with its bound φr on the bias of the gradient, which is of order r² instead: −1/2.

*What a schedule needs.*  a = ηD²/4 up to a factor between 1 and 8/7 for ηh_i ≤ 1/4, so r*⁶ = η b/E with the balance
b = D²v/(8β) of the system, whatever the step size is.  That factor makes r too small by at most 2.2 %, and the gap too
large by a fraction of at most 0.002.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from pcpo import lqr
from pcpo.algorithms.estimators import baseline_rollouts
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.moments import QuarticLaw

__all__ = ["ESTIMATORS", "GapLaw", "GradientEstimator", "balances", "gap_exponent", "gap_law", "optimal_hessians"]

#: Estimators of `pcpo.algorithms.pcpo.PCPO`.
GradientEstimator = Literal["one_point", "centred", "two_point"]
ESTIMATORS: tuple[GradientEstimator, ...] = ("one_point", "centred", "two_point")


@dataclass(frozen=True, eq=False)
class GapLaw:
    """Hold what the mean gap of one system depends on near K*, at leading order in the radius.

    Attributes:
        curvatures: h_i, eigenvalues of ∇²C(K*), ``(D,)``.
        second_moment: V = C*² + σ², units of cost, squared.
        variance: σ² = Var C(K*; Z), units of cost, squared.
        bias: β; smoothing with radius r leaves a gap of βr⁴.
    """

    curvatures: FloatArray
    second_moment: float
    variance: float
    bias: float

    def spread(self, estimator: GradientEstimator, minibatch: float = inf) -> float:
        """Return v: the noise of an estimate from M rollouts is that of M samples with this second moment.

        Args:
            estimator: of the gradient.
            minibatch: M of one agent, of which a centred estimate spends ⌊√M⌋ on a baseline that has noise of its own;
                v has its limit for large M without it.
        """
        if estimator == "one_point":
            return self.second_moment
        if estimator == "two_point" or minibatch == inf:
            return self.variance
        aside = baseline_rollouts(int(minibatch))
        return self.variance * (1 + 1 / aside) * minibatch / (minibatch - aside)

    def noise(self, step_size: float) -> float:
        """Return a.

        Raises:
            ConfigError: unless 0 < ηh_max < 2: there is no steady state otherwise.
        """
        h = self.curvatures
        if not 0 < step_size * h[-1] < 2:
            raise ConfigError(f"step_size: found {step_size:g}, expected a positive number below {2 / h[-1]:g}")
        return float(step_size * len(h) / 2 * np.sum(1 / (2 - step_size * h)))

    def gap(self, radius: float, rollouts: float, *, step_size: float, spread: float) -> float:
        """Return the mean gap (units of cost) with radius r, E rollouts to a gradient, step size η and v."""
        return self.noise(step_size) * spread / (radius**2 * rollouts) + self.bias * radius**4

    def best_radius(self, rollouts: float, *, step_size: float, spread: float) -> float:
        """Return r*; infinite for a system without bias of this order."""
        return inf if self.bias == 0 else (self.noise(step_size) * spread / (2 * self.bias * rollouts)) ** (1 / 6)

    def best_gap(self, rollouts: float, *, step_size: float, spread: float) -> float:
        """Return gap*, units of cost."""
        return float(3 * (self.bias / 4) ** (1 / 3) * (self.noise(step_size) * spread / rollouts) ** (2 / 3))

    def balance(self, estimator: GradientEstimator) -> float:
        """Return b = D²v/(8β), units of cost; infinite for a system without bias of this order."""
        return inf if self.bias == 0 else len(self.curvatures) ** 2 * self.spread(estimator) / (8 * self.bias)


def gap_law(system: LinearSystem, law: QuarticLaw) -> GapLaw:
    """Compute the law of the mean gap of one system under a law of the noise."""
    best, D = lqr.riccati(system), system.D
    g3 = lqr.hessian_trace_gradient(system).ravel()
    bias = float(g3 @ np.linalg.solve(lqr.hessian_at(system, best.K), g3)) / (8 * (D + 2) ** 2)
    variance = lqr.rollout_variance(system, best.K, law)
    return GapLaw(lqr.hessian_eigenvalues(system), best.cost**2 + variance, variance, bias)


def balances(fleet: Fleet, law: QuarticLaw) -> dict[str, float]:
    """Return b of every estimator, the smallest over clusters: all have one schedule, and a small radius costs less."""
    laws = [gap_law(system, law) for system in fleet.systems]
    return {estimator: min(one.balance(estimator) for one in laws) for estimator in ESTIMATORS}


def optimal_hessians(fleet: Fleet) -> FloatArray:
    """Return ∇²C_j(K_j*) of every cluster, ``(H, D, D)``, gains row by row."""
    return np.stack([lqr.hessian_at(system, lqr.riccati(system).K) for system in fleet.systems])


def gap_exponent(radius_exponent: float) -> float:
    """Return the exponent of E in the mean gap if r ∝ E^(−p): −min(1 − 2p, 4p)."""
    return -min(1 - 2 * radius_exponent, 4 * radius_exponent)
