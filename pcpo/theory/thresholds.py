"""Compute M* of a schedule: the minibatch from which moments may stand in for rollouts, by epoch and question.

The promise: with M* rollouts or more, a Kolmogorov-Smirnov test of 1,000 estimates at one gain, at a level of 1 % and
along fixed directions, rejects at most twice as often as if the estimates were normal; mean and covariance are those
of the rollouts at every M.  Skewness and kurtosis are exact for costs, and by quadrature on the sphere for gradients.
M* is the largest over the clusters, over K* and the starts at which the noise or the slope of the cost weighs most,
over the directions, over the radii of the question, and over where a baseline may lie.  It is rounded up to two
digits, and at least 100.  Rollouts count as endless: their horizon changes M* by as little as it changes costs.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import roots_jacobi

from pcpo import lqr
from pcpo.algorithms.schedule import Schedule
from pcpo.arrays import FloatArray, IntArray
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.cumulants import cost_cumulants
from pcpo.oracles.auto import EpochThresholds, GradientThresholds
from pcpo.simulation.noise import NoiseLaw
from pcpo.theory.normality import (
    directions,
    edgeworth_distance,
    lattice_distance,
    raw_moments,
    room,
    shape_along,
    visible_below,
)

__all__ = ["LEAST", "LEVEL", "SAMPLES", "cost_threshold", "gradient_thresholds", "planned_thresholds", "rounded_up"]

#: Estimates in the test, and its level.
SAMPLES, LEVEL = 1000, 0.01
#: No minibatch below this is drawn from moments.  Edgeworth's expansion is for large M, and a baseline from √M rollouts
#: lies within three standard deviations, which are then at most one of a single rollout.
LEAST = 100
_FEW = 12  # unknowns beyond which the quadrature has fewer nodes: a component of U is of order 1/√D
_DEGENERATE = 1e-16  # of a variance over C²: below it estimates are the same, up to rounding
_FINER = 1.02  # steps in M of the search with lattices
_LOG = logging.getLogger("pcpo.planning")


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Hold quadrature rules on the sphere, one for each direction u: U = t u + √(1 − t²) V with V orthogonal to u.

    Attributes:
        points: ``(u, q, D)``.
        weights: ``(q,)``.
        along: t = u·U ``(q,)``.
        opposite: index of −U ``(q,)``.
    """

    points: FloatArray
    weights: FloatArray
    along: FloatArray
    opposite: IntArray


def _nodes(D: int) -> _Nodes:
    """Return the rules for D unknowns: Gauss-Gegenbauer in t; pairs ±V along an orthonormal basis, exact to degree 3.

    Up to D = 12, six values of t, the whole basis and four directions; beyond, four values of t, four vectors of the
    basis and two directions.
    """
    if D == 1:
        points = np.array([[[-1.0], [1.0]]])
        return _Nodes(points, np.array([0.5, 0.5]), points[0, :, 0], np.array([1, 0]))
    few = D <= _FEW
    t, weights = roots_jacobi(6 if few else 4, (D - 3) / 2, (D - 3) / 2)
    pairs = D - 1 if few else 4
    chosen = directions(D, 4 if few else 2)
    rules = []
    for u in chosen:
        basis = np.linalg.qr(np.column_stack([u, np.eye(D)]))[0][:, 1 : pairs + 1].T
        signed = np.stack([basis, -basis], axis=1)  # (pairs, 2, D)
        rules.append((t[:, None, None, None] * u + np.sqrt(1 - t**2)[:, None, None, None] * signed).reshape(-1, D))
    every = np.repeat(weights / weights.sum() / (2 * pairs), 2 * pairs)
    order = np.arange(len(every)).reshape(len(t), pairs, 2)[::-1, :, ::-1].ravel()
    return _Nodes(np.stack(rules), every, np.repeat(t, 2 * pairs), order)


def rounded_up(minibatch: float) -> int | None:
    """Return a number rounded up to two digits and to `LEAST`; None if it is not finite."""
    if not math.isfinite(minibatch):
        return None
    digit: int = 10 ** max(0, math.floor(math.log10(max(minibatch, 1.0))) - 1)
    return max(LEAST, digit * math.ceil(minibatch / digit))


def _worst(variance: FloatArray, skewness: FloatArray, kurtosis: FloatArray, scale: FloatArray | float) -> float:
    """Return the largest M* of estimates with these variances, skewnesses and kurtoses; infinite if one is not finite.

    An estimate without variance, beside the square of a cost, `scale`, is the same by rollouts and by moments.
    """
    shown = variance > _DEGENERATE * scale
    if not np.isfinite(variance).all() or not np.isfinite([skewness[shown], kurtosis[shown]]).all():
        return math.inf
    pairs = zip(skewness[shown].tolist(), kurtosis[shown].tolist(), strict=True)
    return max((visible_below(s, k, SAMPLES, LEVEL) for s, k in pairs), default=1.0)


def cost_threshold(system: LinearSystem, gains: FloatArray, law: NoiseLaw) -> float:
    """Return M* of mean costs at the worst of the gains ``(k, m, n)``; infinite where C(K) is."""
    costs = lqr.cost_array(system, gains)
    if not np.isfinite(costs).all():
        return math.inf
    second, third, fourth = cost_cumulants(system, gains, law)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _worst(second, third / second**1.5, fourth / second**2, costs**2)


def gradient_thresholds(
    system: LinearSystem, gain: FloatArray, radius: float, law: NoiseLaw
) -> tuple[float, float, float]:
    """Return M* of gradient estimates at a gain ``(m, n)``: one-point, with a baseline, two-point.

    Infinite where C(K + rU) is for some U.  A baseline lies between C(K) − σ_C and C(K) + σ_C.
    """
    return _gradient_thresholds(system, [(gain, radius)], law)[0]


def _gradient_thresholds(
    system: LinearSystem, places: Sequence[tuple[FloatArray, float]], law: NoiseLaw
) -> list[tuple[float, float, float]]:
    """Return `gradient_thresholds` at several gains and radii, with the cumulants of all nodes found together."""
    rule = _nodes(system.D)
    nodes = rule.points.reshape(-1, system.m, system.n)
    gains = np.concatenate([gain + radius * nodes for gain, radius in places])
    means = lqr.cost_array(system, gains).reshape(len(places), *rule.points.shape[:2])
    finite = np.asarray(np.isfinite(means).all(axis=(1, 2)))
    kept = gains.reshape(len(places), -1, system.m, system.n)[finite].reshape(-1, system.m, system.n)
    cumulants = np.empty((3, *means.shape))
    if finite.any():
        cumulants[:, finite] = cost_cumulants(system, kept, law).reshape(3, -1, *means.shape[1:])
    return [
        _three_thresholds(rule, system, gain, means[k], cumulants[:, k], law) if finite[k] else (math.inf,) * 3
        for k, (gain, _) in enumerate(places)
    ]


def _three_thresholds(
    rule: _Nodes, system: LinearSystem, gain: FloatArray, mean: FloatArray, cumulants: FloatArray, law: NoiseLaw
) -> tuple[float, float, float]:
    """Return M* of the three estimators, from means ``(u, q)`` and cumulants ``(3, u, q)`` at the nodes."""
    centre, spread = lqr.cost(system, gain), math.sqrt(lqr.rollout_variance(system, gain, law))
    if not math.isfinite(centre):
        return math.inf, math.inf, math.inf
    shape = partial(_gradient_threshold, rule, centre**2)
    centred = max(shape(mean - centre - off, cumulants) for off in (-spread, 0.0, spread))
    mirrored = cumulants[..., rule.opposite] * np.array([1.0, -1.0, 1.0])[:, None, None]
    pairs = shape(mean - mean[:, rule.opposite], cumulants + mirrored)
    return shape(mean, cumulants), centred, 2 * pairs


def _gradient_threshold(rule: _Nodes, scale: float, mean: FloatArray, cumulants: FloatArray) -> float:
    """Return M* of X U along the directions, from mean and cumulants of X at the nodes ``(u, q)``; `scale` is C(K)²."""
    variance, skewness, kurtosis = shape_along(rule.weights, rule.along, raw_moments(mean, cumulants))
    found = _worst(variance, skewness, kurtosis, scale)
    if len(rule.weights) > 2 or not math.isfinite(found) or not variance[0] > _DEGENERATE * scale:
        return found
    # With one unknown U is a sign, and X U is near one of two values: a lattice.
    span, rest, limit = float(abs(mean.sum())), float(cumulants[0].mean()), room(SAMPLES, LEVEL)
    s, k, V = float(skewness[0]), float(kurtosis[0]), float(variance[0])
    while edgeworth_distance(s, k, found) + lattice_distance(span, rest, V, found) > limit:
        found *= _FINER
    return found


def _stated_gains(fleet: Fleet, cluster: int, law: NoiseLaw) -> FloatArray:
    """Return K*, and of the starts those of the largest C, Var C/C² and ‖∇C‖/C: ``(at most 4, m, n)``."""
    system = fleet.systems[cluster]
    starts = np.unique(fleet.initial_gains[fleet.labels == cluster], axis=0)
    costs = lqr.cost_array(system, starts)
    with np.errstate(invalid="ignore"):
        slopes = np.linalg.norm(lqr.gradient(system, starts), axis=(1, 2)) / costs
        spreads = lqr.variance_array(system, starts, law) / costs**2
    chosen = sorted({int(np.argmax(x)) for x in (costs, spreads, slopes)})
    return np.concatenate([fleet.optimal_gains[cluster][None], starts[chosen]])


def _worst_of_radii(
    fleet: Fleet, stated: Sequence[FloatArray], radii: Sequence[float], law: NoiseLaw
) -> list[tuple[float, ...]]:
    """Return M* of the three estimators for each radius, the largest over clusters and their stated gains."""
    together = len(radii) if fleet.D <= _FEW else 1  # small systems: the time of a call, not of its nodes, counts
    groups = [radii[k : k + together] for k in range(0, len(radii), together)]
    worst: list[tuple[float, ...]] = []
    for group in groups:
        found = [
            _gradient_thresholds(system, [(K, radius) for radius in group for K in gains], law)
            for system, gains in zip(fleet.systems, stated, strict=True)
        ]
        for k in range(len(group)):
            places = [
                one for of, gains in zip(found, stated, strict=True) for one in of[k * len(gains) :][: len(gains)]
            ]
            worst.append(tuple(map(max, zip(*places, strict=True))))
    return worst


def planned_thresholds(fleet: Fleet, schedule: Schedule, law: NoiseLaw, epochs: int) -> tuple[EpochThresholds, ...]:
    """Return M* of every epoch l ≤ `epochs` of a schedule."""
    begun = time.monotonic()
    stated = [_stated_gains(fleet, j, law) for j in range(fleet.H)]
    cost = max(cost_threshold(s, K, law) for s, K in zip(fleet.systems, stated, strict=True))
    plans = [schedule.plan(epoch) for epoch in range(1, epochs + 1)]
    radii = {plan.epoch: (plan.radius_local, *plan.radius_global(np.array([1, fleet.N]))[0].tolist()) for plan in plans}
    every = sorted({radius for of_epoch in radii.values() for radius in of_epoch})
    known = dict(zip(every, _worst_of_radii(fleet, stated, every, law), strict=True))

    def of(chosen: Sequence[float]) -> GradientThresholds:
        """Return M* of gradients, the largest over radii."""
        return GradientThresholds(*(rounded_up(max(ways)) for ways in zip(*(known[r] for r in chosen), strict=True)))

    planned = [
        EpochThresholds(epoch, rounded_up(cost), of(of_epoch[:1]), of(of_epoch[1:]))
        for epoch, of_epoch in radii.items()
    ]
    _LOG.info("M* of %d epochs at %d radii (%.1f s)", epochs, len(known), time.monotonic() - begun)
    return tuple(planned)
