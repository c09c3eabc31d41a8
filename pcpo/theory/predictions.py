"""Predict zeroth-order policy gradient near the optimum in closed form, with no fitted parameter.

Near K* the iteration Y ← Y − ηg is a linear recursion with noise of covariance S = (V_r D/(r² M_eff))·I, where
M_eff = M·|M| is the effective minibatch of a cluster of |M| agents in step.  H = ∇²C(K*), h_i its eigenvalues, D = mn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.schedule import Schedule
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.moments import QuarticLaw
from pcpo.oracles.protocol import Estimator

__all__ = [
    "Plateau",
    "SteadyStates",
    "estimator_error",
    "plan_gaps",
    "steady_state_gap",
    "weight_moment",
]


@dataclass(frozen=True)
class Plateau:
    """Hold the steady-state mean gap E C(Y) − C* = noise + bias (units of cost).

    noise = (η/2)·(D V_r/(r² M_eff))·Σ_i 1/(2 − ηh_i);  bias = r⁴ g3ᵀH⁻¹g3 / (8(D + 2)²).
    """

    noise: float
    bias: float

    @property
    def gap(self) -> float:
        """Return the mean gap."""
        return self.noise + self.bias


@dataclass(frozen=True, eq=False)
class _Local:
    """Linearise the iteration of one system at K*."""

    system: LinearSystem
    radius: float
    step_size: float
    minibatch: float
    law: QuarticLaw
    estimator: Estimator = "one_point"
    baseline: float = 0.0

    @cached_property
    def hessian(self) -> FloatArray:
        """Return H = ∇²C(K*), ``(D, D)``."""
        return lqr.hessian_at(self.system, lqr.riccati(self.system).K)

    @cached_property
    def noise_variance(self) -> float:
        """Return the variance of every coordinate of the averaged estimate.

        D W_r / (r² q), W_r, q as in `weight_moment`.
        """
        W_r = weight_moment(
            self.system,
            lqr.riccati(self.system).K,
            self.radius,
            self.law,
            estimator=self.estimator,
            baseline=self.baseline,
        )
        return float(self.system.D * W_r / (self.radius**2 * _directions(self.minibatch, self.estimator)))

    @cached_property
    def shift(self) -> FloatArray:
        """Return ∇C_r(K*) to the order r²: r² g3 / (2(D + 2)), row-major."""
        g3 = lqr.hessian_trace_gradient(self.system).ravel()
        return self.radius**2 * g3 / (2 * (self.system.D + 2))


def _fixed_rng(D: int) -> np.random.Generator:
    """Return the generator of the spherical average where D is too large for quadrature."""
    return np.random.default_rng(np.random.SeedSequence(0, spawn_key=(D,)))


def weight_moment(
    system: LinearSystem,
    gain: FloatArray,
    radius: float,
    law: QuarticLaw,
    *,
    estimator: Estimator = "one_point",
    baseline: float = 0.0,
    rule: tuple[FloatArray, FloatArray] | None = None,
) -> float:
    """Return W_r = E w², where an estimate is (D/(r q)) Σ_k w_k U_k over q directions; infinite if a sphere's cost is.

    "one_point", q = M: w = C(K + rU; Z) − b, so W_r = V_r − 2b E C(K + rU) + b²; V_r for b = 0.
    "two_point", q = M/2: w = (C(K + rU; Z) − C(K − rU; Z'))/2, so
    W_r = ¼E(C(K + rU) − C(K − rU))² + ½E Var C(K + rU; Z).
    The mean over U is that of `rule`, nodes ``(q, D)`` and weights ``(q,)``, by default `lqr.sphere_nodes`.
    """
    K = np.asarray(gain, dtype=np.float64)
    nodes, weights = rule or lqr.sphere_nodes(system.D, rng=_fixed_rng(system.D))
    offsets = radius * nodes.reshape(-1, *K.shape)
    costs, variances = lqr.cost_and_variance(system, K + offsets, law)
    if not np.isfinite(costs).all():
        return float("inf")
    if estimator == "one_point":
        return float(weights @ ((costs - baseline) ** 2 + variances))
    opposite = lqr.cost_array(system, K - offsets)
    return float(weights @ (0.25 * (costs - opposite) ** 2 + 0.5 * variances))


def estimator_error(
    system: LinearSystem,
    gain: FloatArray,
    radius: float,
    minibatch: int,
    law: QuarticLaw,
    *,
    estimator: Estimator = "one_point",
    baseline: float = 0.0,
) -> float:
    """Return E‖g − ∇C_r‖² = (D² W_r/r² − ‖∇C_r‖²)/q, exactly, for an estimate from M rollouts (`weight_moment`)."""
    W_r = weight_moment(system, gain, radius, law, estimator=estimator, baseline=baseline)
    mean = lqr.smoothed_gradient(system, gain, radius, rng=_fixed_rng(system.D)).value
    spread = system.D**2 * W_r / radius**2 - float(np.sum(mean**2))
    return spread / _directions(minibatch, estimator)


def _directions(minibatch: float, estimator: Estimator) -> float:
    """Return q, how many directions M rollouts are."""
    return minibatch if estimator == "one_point" else minibatch / 2


def steady_state_gap(
    system: LinearSystem,
    *,
    step_size: float,
    radius: float,
    minibatch: float,
    law: QuarticLaw,
    estimator: Estimator = "one_point",
    baseline: float = 0.0,
) -> Plateau:
    """Predict the mean gap after many iterations with radius r, step η and effective minibatch M·|M|.

    Leading order in r: the plateau of C_r's linearisation lies lower, by a fraction of order r².
    With an estimator of `weight_moment`, W_r and its number of directions take the place of V_r and M.  For centred
    estimates the baseline is C*, up to its noise.

    Raises:
        ConfigError: unless 0 < ηh_max < 2: there is no steady state otherwise.
    """
    local = _Local(system, radius, step_size, minibatch, law, estimator, baseline)
    h = lqr.hessian_eigenvalues(system)
    if not 0 < step_size * h[-1] < 2:
        raise ConfigError(f"step_size: found {step_size:g}, expected a positive number below 2/h_max = {2 / h[-1]:g}")
    noise = step_size / 2 * local.noise_variance * float(np.sum(1 / (2 - step_size * h)))
    bias = 0.5 * float(local.shift @ np.linalg.solve(local.hessian, local.shift))
    return Plateau(noise, bias)


@dataclass(frozen=True, eq=False)
class SteadyStates:
    """Predict steady-state gaps of one system at many radii and minibatches, as `steady_state_gap` does at one.

    V_r = E_U E C(K* + rU; Z)² is even in r: here it is V_0 plus a term in r², taken from the largest radius by the rule
    ±e_i, which has the sphere's mean of that term.  What is left out is of relative order r⁴.

    Attributes:
        system: the agents' system.
        law: of the noise.
        largest: the largest radius that will be asked for.
    """

    system: LinearSystem
    law: QuarticLaw
    largest: float

    @cached_property
    def _local(self) -> _Local:
        return _Local(self.system, self.largest, 1.0, 1.0, self.law)

    @cached_property
    def _moments(self) -> tuple[float, float]:
        """Return V_0, and V_r − V_0 at the largest radius."""
        best = lqr.riccati(self.system)
        at_zero = best.cost**2 + lqr.rollout_variance(self.system, best.K, self.law)
        axes = np.eye(self.system.D)
        rule = np.concatenate([axes, -axes]), np.full(2 * self.system.D, 0.5 / self.system.D)
        return at_zero, weight_moment(self.system, best.K, self.largest, self.law, rule=rule) - at_zero

    @cached_property
    def _bias(self) -> float:
        """Return the bias at the largest radius; it goes as r⁴."""
        shift = self._local.shift
        return 0.5 * float(shift @ np.linalg.solve(self._local.hessian, shift))

    def gap(self, *, step_size: float, radius: float, minibatch: float) -> float:
        """Return the mean gap (units of cost) with radius r, step η and effective minibatch M·|M|.

        Raises:
            ConfigError: unless 0 < ηh_max < 2.
        """
        h = lqr.hessian_eigenvalues(self.system)
        if not 0 < step_size * h[-1] < 2:
            raise ConfigError(
                f"step_size: found {step_size:g}, expected a positive number below 2/h_max = {2 / h[-1]:g}"
            )
        (at_zero, more), part = self._moments, (radius / self.largest) ** 2
        variance = self.system.D * (at_zero + more * part) / (radius**2 * minibatch)
        return step_size / 2 * variance * float(np.sum(1 / (2 - step_size * h))) + self._bias * part**2


def plan_gaps(fleet: Fleet, schedule: Schedule, epochs: int, law: QuarticLaw) -> pd.DataFrame:
    """Predict steady-state mean gaps at every epoch's hyperparameters, mean over agents: columns epoch, local, global.

    local: radius r_l^(loc), minibatch M_l; global: radius r_(i,l)^(global) and minibatch M_l·|M_j| of the true
    clusters, so it is what a separated fleet should reach.
    """
    rows = []
    sizes = np.bincount(fleet.labels)
    for plan in map(schedule.plan, range(1, epochs + 1)):
        radii, _ = plan.radius_global(sizes)
        local, shared = np.zeros(fleet.H), np.zeros(fleet.H)
        for j, system in enumerate(fleet.systems):
            common: dict[str, Any] = {"system": system, "step_size": plan.step_size, "law": law}
            local[j] = steady_state_gap(**common, radius=plan.radius_local, minibatch=plan.minibatch).gap
            shared[j] = steady_state_gap(**common, radius=float(radii[j]), minibatch=plan.minibatch * sizes[j]).gap
        means = {"local": local @ sizes / fleet.N, "global": shared @ sizes / fleet.N}
        rows.append({"epoch": plan.epoch, **{series: float(mean) for series, mean in means.items()}})
    return pd.DataFrame(rows)
