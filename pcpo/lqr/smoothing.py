"""Compute the smoothed cost C_r and the exact moments of the one-point estimator, by quadrature on the sphere.

C_r(K) = E C(K + rV), V uniform on the unit Frobenius ball; ∇C_r(K) = (D/r) E[C(K + rU) U], U uniform on the sphere
(PCPO, proof of (16); Flaxman et al. 2005).

Up to D = 7 the rule is a product of Gauss-Gegenbauer rules, exact for polynomials of degree 2q-1 in U; its `error` is
the change from order q-1 to q, which overestimates the error at order q while the integrand is analytic at the nodes.
Beyond, antithetic Monte Carlo, with the exact gradient as control variate, so its noise is O(r²); `error` is a standard
error. Either way `error` is a Frobenius norm in the units of the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_jacobi

from pcpo.errors import FleetError
from pcpo.lqr.cost import cost_array, gradient
from pcpo.lqr.moments import QuarticLaw, truncated_cost_array, truncated_variance_array, variance_array
from pcpo.lqr.system import Array, LinearSystem

__all__ = [
    "EstimatorMoments",
    "Smoothed",
    "estimator_moments",
    "second_moment",
    "simplex_rule",
    "smoothed_gradient",
    "sphere_nodes",
    "sphere_rule",
]

MAX_ORDER = 8
MIN_ORDER = 4
MAX_NODES = 10_000
MONTE_CARLO_NODES = 20_000


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Hold a value, its error (see the module) and its method, "quadrature" or "monte_carlo"."""

    value: Any
    error: float
    method: str


@dataclass(frozen=True, eq=False)
class EstimatorMoments:
    """Hold mean (m, n), covariance (D, D), row-major, and V_r = E C(K + rU; Z)² of one sample g = (D/r) C(K + rU; Z) U.

    saturated: probability that the sample's cost exceeds the ceiling, if there is one.
    """

    mean: Array
    covariance: Array
    second_moment: float
    saturated: float = 0.0


@lru_cache(maxsize=64)
def sphere_rule(D: int, order: int) -> tuple[Array, Array]:
    """Return nodes (q, D) on the unit sphere of R^D and weights (q,) of sum 1, exact to degree 2·order - 1.

    There are q = 2·order^(D-1) nodes.

    U = (t, √(1-t²) U') with U' on the sphere of R^(D-1) and t of density ∝ (1-t²)^((D-3)/2).
    """
    if D == 1:
        nodes, weights = np.array([[-1.0], [1.0]]), np.array([0.5, 0.5])
    else:
        inner, inner_weights = sphere_rule(D - 1, order)
        t, outer_weights = roots_jacobi(order, (D - 3) / 2, (D - 3) / 2)
        outer_weights = outer_weights / outer_weights.sum()
        height = np.repeat(t, len(inner))[:, None]
        nodes = np.hstack([height, np.sqrt(1.0 - height**2) * np.tile(inner, (order, 1))])
        weights = np.outer(outer_weights, inner_weights).ravel()
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def simplex_rule(D: int) -> tuple[Array, Array]:
    """Return nodes (q, D) on the unit sphere of R^D, D ≥ 2, and weights (q,) of sum 1, exact to degree 5.

    There are q = (D + 1)(D + 2) nodes: the vertices of a regular simplex, the middles of its edges on the sphere, and
    their opposites; nodes[::-1] = -nodes (Mysovskikh 1964; Stroud's U_n 5-1). Weights of vertices are negative for D >
    7.
    """
    vertices = np.zeros((D + 1, D))
    for i in range(D):
        vertices[i, i] = np.sqrt((D + 1) * (D - i) / (D * (D - i + 1)))
        vertices[i + 1 :, i] = -np.sqrt((D + 1) / (D * (D - i + 1) * (D - i)))
    first, second = np.triu_indices(D + 1, 1)
    middles = vertices[first] + vertices[second]
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    own, between = D * (7 - D) / (2 * (D + 1) ** 2 * (D + 2)), 2 * (D - 1) ** 2 / (D * (D + 1) ** 2 * (D + 2))
    half = np.concatenate([vertices, middles])
    weights = np.concatenate([np.full(D + 1, own), np.full(len(middles), between)])
    return np.concatenate([half, -half[::-1]]), np.concatenate([weights, weights[::-1]])


def _order(D: int, asked: int | None) -> int | None:
    """Return the given order, else the largest that MAX_NODES allows, at most MAX_ORDER; None if that is too coarse."""
    if asked is not None:
        if asked < 2 or 2 * asked ** (D - 1) > 100 * MAX_NODES:
            raise FleetError(f"order: found {asked}, expected at least 2 and at most {100 * MAX_NODES} nodes in all")
        return asked
    if D == 1:
        return MAX_ORDER
    order = min(MAX_ORDER, int((MAX_NODES / 2) ** (1.0 / (D - 1)) + 1e-9))
    return order if order >= MIN_ORDER else None


def _random_nodes(D: int, rng: np.random.Generator | None) -> Array:
    """Draw antithetic pairs of nodes, uniform on the sphere, with equal weights."""
    if rng is None:
        raise FleetError(f"rng: found None, expected a random generator, since D = {D} is too large for quadrature")
    half = rng.standard_normal((MONTE_CARLO_NODES // 2, D))
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    return np.concatenate([half, -half])


def sphere_nodes(D: int, order: int | None = None, rng: np.random.Generator | None = None) -> tuple[Array, Array]:
    """Return nodes (q, D), weights (q,) of the quadrature that D allows, else of antithetic Monte Carlo with `rng`."""
    order = _order(D, order)
    if order is not None:
        return sphere_rule(D, order)
    nodes = _random_nodes(D, rng)
    return nodes, np.full(len(nodes), 1.0 / len(nodes))


def _check_radius(radius: float) -> None:
    """Raise FleetError unless the radius is a positive finite number."""
    if isinstance(radius, bool) or not radius > 0.0 or not np.isfinite(radius):
        raise FleetError(f"radius: found {radius}, expected a positive finite smoothing radius")


def _values(system: LinearSystem, gain: Array, radius: float, nodes: Array, horizon: int | None) -> Array:
    """Return the costs at the nodes around the gain, of rollouts of that horizon if there is one."""
    gains = gain + radius * nodes.reshape(-1, system.m, system.n)
    return cost_array(system, gains) if horizon is None else truncated_cost_array(system, gains, horizon)


def smoothed_gradient(
    system: LinearSystem,
    gain: Array,
    radius: float,
    *,
    horizon: int | None = None,
    order: int | None = None,
    rng: np.random.Generator | None = None,
) -> Smoothed:
    """Return ∇C_r(K) = (D/r) E_U[C(K + rU) U], value (m, n); with `horizon`, of the truncated cost C_h.

    NaN if C is infinite somewhere on the nodes.

    Raises:
        FleetError: for a radius that is not a positive number, and for D > 7 without an `rng`.
    """
    _check_radius(radius)
    K, D = np.asarray(gain, dtype=np.float64), system.D

    def by_rule(q: int) -> Array:
        nodes, weights = sphere_rule(D, q)
        values = _values(system, K, radius, nodes, horizon)
        if not np.isfinite(values).all():
            return np.full(D, np.nan)
        return D / radius * (weights * (values - weights @ values)) @ nodes  # E U = 0: centring removes cancellation

    order = _order(D, order)
    if order is not None:
        fine = by_rule(order)
        change = 0.0 if D == 1 else float(np.linalg.norm(fine - by_rule(order - 1)))
        centre = float(_values(system, K, radius, np.zeros((1, D)), horizon)[0])
        rounding = D / radius * np.finfo(np.float64).eps * centre
        return Smoothed(fine.reshape(K.shape), change + rounding, "quadrature")
    nodes = _random_nodes(D, rng)
    values = _values(system, K, radius, nodes, horizon)
    base = gradient(system, K).ravel()
    half = len(nodes) // 2
    odd = 0.5 * (values[:half] - values[half:]) - radius * nodes[:half] @ base
    samples = D / radius * odd[:, None] * nodes[:half]
    error = float(np.sqrt(samples.var(axis=0, ddof=1).sum() / half))
    return Smoothed((base + samples.mean(axis=0)).reshape(K.shape), error, "monte_carlo")


def second_moment(
    system: LinearSystem,
    gain: Array,
    radius: float,
    law: QuarticLaw,
    *,
    order: int | None = None,
    rng: np.random.Generator | None = None,
) -> Smoothed:
    """Return V_r = E_U[C(K + rU)² + Var C(K + rU; Z)], a float; infinite if C is, somewhere on the nodes."""
    _check_radius(radius)
    K, D = np.asarray(gain, dtype=np.float64), system.D

    def squares(nodes: Array) -> Array:
        gains = K + radius * nodes.reshape(-1, system.m, system.n)
        total: Array = cost_array(system, gains) ** 2 + variance_array(system, gains, law)
        return total

    order = _order(D, order)
    if order is not None:
        nodes, weights = sphere_rule(D, order)
        fine = float(weights @ squares(nodes))
        change = 0.0
        if D > 1 and np.isfinite(fine):
            coarse_nodes, coarse_weights = sphere_rule(D, order - 1)
            change = abs(fine - float(coarse_weights @ squares(coarse_nodes)))
        return Smoothed(fine, change + 4.0 * np.finfo(np.float64).eps * fine, "quadrature")
    values = squares(_random_nodes(D, rng))
    pairs = 0.5 * (values[: len(values) // 2] + values[len(values) // 2 :])
    return Smoothed(float(pairs.mean()), float(pairs.std(ddof=1) / np.sqrt(len(pairs))), "monte_carlo")


def estimator_moments(
    system: LinearSystem,
    gain: Array,
    radius: float,
    law: QuarticLaw,
    *,
    horizon: int | None = None,
    ceiling: float | None = None,
    order: int | None = None,
    rng: np.random.Generator | None = None,
) -> EstimatorMoments:
    """Return mean ∇C_r and covariance (D/r)² E[C(K + rU; Z)² UUᵀ] - ∇C_r ∇C_rᵀ of one one-point sample.

    A minibatch of M has covariance / M; with `horizon`, of rollouts cut after that many stages. A node where C exceeds
    `ceiling` costs `ceiling`, without variance, as a saturated rollout does; without a ceiling, mean and covariance are
    NaN if C is infinite somewhere on the nodes.
    """
    _check_radius(radius)
    K, D = np.asarray(gain, dtype=np.float64), system.D
    nodes, weights = sphere_nodes(D, order, rng)
    gains = K + radius * nodes.reshape(-1, system.m, system.n)
    values = _values(system, K, radius, nodes, horizon)
    most = np.inf if ceiling is None else ceiling
    over = ~(values <= most)
    if ceiling is None and not np.isfinite(values).all():
        return EstimatorMoments(np.full(K.shape, np.nan), np.full((D, D), np.nan), float("inf"))
    tame = np.where(over[:, None, None], K, gains) if over.any() else gains
    spread = (
        variance_array(system, tame, law) if horizon is None else truncated_variance_array(system, tame, horizon, law)
    )
    if over.any():
        values, spread = np.where(over, most, values), np.where(over, 0.0, spread)
    squares: NDArray[np.float64] = weights * (values**2 + spread)
    mean = D / radius * (weights * (values - weights @ values)) @ nodes
    second = (D / radius) ** 2 * (nodes.T * squares) @ nodes
    covariance = second - np.outer(mean, mean)
    return EstimatorMoments(mean.reshape(K.shape), covariance, float(squares.sum()), float(weights @ over))
