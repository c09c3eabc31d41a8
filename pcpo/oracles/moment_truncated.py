"""Compute the moments of estimates from rollouts of a finite horizon, of one agent: the option of the moment oracle."""

from __future__ import annotations

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.lqr.moments import QuarticLaw, truncated_cost_array, truncated_variance_array
from pcpo.lqr.smoothing import simplex_rule
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.moment_draws import ONE_POINT, TWO_POINT
from pcpo.oracles.moment_rules import Rule, wide_rule
from pcpo.simulation.kernels import SATURATION

__all__ = ["truncated_anchor"]

_PRODUCTS = 7  # largest D of products of rules


def truncated_anchor(
    system: LinearSystem, K: FloatArray, radius: float, horizon: int, law: QuarticLaw, estimator: int
) -> tuple[FloatArray, FloatArray, float, float]:
    """Return what an anchor holds at exactly this gain: ∇C_r, its matrices, C(K) clipped, and the saturated fraction.

    By values on the sphere: product rules of degree 15 down to 5 up to D = 7, the simplex rule of degree 5 beyond,
    and where costs are clipped, which needs positive weights, those of `wide_rule`.
    """
    nodes = wide_rule(system.D) if system.D <= _PRODUCTS else Rule(*simplex_rule(system.D))
    C, variance = _clipped(system, K, radius, horizon, law, nodes)
    if not (C < SATURATION).all():
        nodes = wide_rule(system.D)
        C, variance = _clipped(system, K, radius, horizon, law, nodes)
    with np.errstate(over="ignore", invalid="ignore"):
        cost = float(truncated_cost_array(system, K, horizon))
    centre = cost if cost <= SATURATION else SATURATION
    above, U, w, D = C - centre, nodes.nodes, nodes.weights, system.D
    mean = D / radius * (w * above) @ U
    weights = [variance, above, (0.25 * (C - C[::-1]) ** 2) if estimator == TWO_POINT else above**2]
    T = np.stack([(U.T * (w * h)) @ U for h in weights])
    if estimator == ONE_POINT:
        second = T[0] + T[2] + 2.0 * centre * T[1] + centre**2 / D * np.eye(D)
        values, vectors = np.linalg.eigh((D / radius) ** 2 * second - np.outer(mean, mean))
        T = ((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)[None]
    return mean.reshape(K.shape), T, centre, float(w @ (C >= SATURATION))


def _clipped(
    system: LinearSystem, K: FloatArray, radius: float, horizon: int, law: QuarticLaw, rule: Rule
) -> tuple[FloatArray, FloatArray]:
    """Return costs, at most `SATURATION`, and variances at the nodes; clipped costs have none."""
    gains = K + radius * rule.nodes.reshape(-1, system.m, system.n)
    with np.errstate(over="ignore", invalid="ignore"):
        C = truncated_cost_array(system, gains, horizon)
        variance = truncated_variance_array(system, gains, horizon, law)
    over = ~(C <= SATURATION)
    return np.where(over, SATURATION, C), np.where(over, 0.0, variance)
