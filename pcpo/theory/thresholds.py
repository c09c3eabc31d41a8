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
from pcpo.oracles.auto import EpochThresholds, GradientThresholds
from pcpo.simulation.noise import NoiseLaw
from pcpo.theory.cumulant_kernels import cumulants_of, mean_costs
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
_FINER, _ROUNDING = 1.02, 1e-9  # steps in M of the search with lattices; of distances, which may equal the limit
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


def _worst(variance: FloatArray, skewness: FloatArray, kurtosis: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the largest M*, over the last axis, of estimates with these moments; infinite if one is not finite.

    An estimate without variance, beside the square of a cost, `scale`, is the same by rollouts and by moments.
    """
    shown = variance > _DEGENERATE * scale
    known = np.isfinite(variance) & (~shown | np.isfinite(skewness) & np.isfinite(kurtosis))
    counted = shown & known
    least = visible_below(np.where(counted, skewness, 0.0), np.where(counted, kurtosis, 0.0), SAMPLES, LEVEL)
    return np.asarray(np.where(known, np.where(shown, least, 1.0), np.inf).max(axis=-1))


def cost_threshold(system: LinearSystem, gains: FloatArray, law: NoiseLaw) -> float:
    """Return M* of mean costs at the worst of the gains ``(k, m, n)``; infinite where C(K) is."""
    costs = mean_costs(system, gains)
    if not np.isfinite(costs).all():
        return math.inf
    second, third, fourth = cumulants_of(system, gains, law)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(_worst(second, third / second**1.5, fourth / second**2, costs**2))


def gradient_thresholds(system: LinearSystem, gains: FloatArray, radii: FloatArray, law: NoiseLaw) -> FloatArray:
    """Return M* of gradient estimates ``(k, 3)`` at gains ``(k, m, n)`` with one radius each ``(k,)``.

    The columns are one-point, with a baseline, two-point.  A row is infinite where C(K + rU) is for some U.  A baseline
    lies between C(K) − σ_C and C(K) + σ_C.
    """
    rule = _nodes(system.D)
    shape = (len(gains), *rule.points.shape[:2])
    nodes = rule.points.reshape(-1, system.m, system.n)
    near = gains[:, None] + radii[:, None, None, None] * nodes
    mean, centre = mean_costs(system, near.reshape(-1, system.m, system.n)).reshape(shape), mean_costs(system, gains)
    finite = np.isfinite(mean).all(axis=(1, 2)) & np.isfinite(centre)
    found = np.full((len(gains), 3), np.inf)
    if finite.any():
        cumulants = cumulants_of(system, near[finite].reshape(-1, system.m, system.n), law).reshape(3, -1, *shape[1:])
        spread = np.sqrt(cumulants_of(system, gains[finite], law)[0])
        found[finite] = _three_thresholds(rule, centre[finite], spread, mean[finite], cumulants)
    return found


def _three_thresholds(
    rule: _Nodes, centre: FloatArray, spread: FloatArray, mean: FloatArray, cumulants: FloatArray
) -> FloatArray:
    """Return M* of the three estimators ``(k, 3)``.

    Args:
        rule: quadrature on the sphere.
        centre: C(K) ``(k,)``.
        spread: σ_C ``(k,)``.
        mean: costs at the nodes ``(k, u, q)``.
        cumulants: of costs at the nodes ``(3, k, u, q)``.
    """
    shape = partial(_gradient_threshold, rule, centre**2)
    above = mean - centre[:, None, None]
    centred = [shape(above - off * spread[:, None, None], cumulants) for off in (-1.0, 0.0, 1.0)]
    mirrored = cumulants[..., rule.opposite] * np.array([1.0, -1.0, 1.0])[:, None, None, None]
    pairs = shape(mean - mean[..., rule.opposite], cumulants + mirrored)
    return np.column_stack([shape(mean, cumulants), np.max(centred, axis=0), 2 * pairs])


def _gradient_threshold(rule: _Nodes, scale: FloatArray, mean: FloatArray, cumulants: FloatArray) -> FloatArray:
    """Return M* of X U along the directions ``(k,)``, from mean and cumulants of X at the nodes ``(k, u, q)``.

    `scale` is C(K)² ``(k,)``.
    """
    variance, skewness, kurtosis = shape_along(rule.weights, rule.along, raw_moments(mean, cumulants))
    found = _worst(variance, skewness, kurtosis, scale[:, None])
    if len(rule.weights) > 2:
        return found
    # With one unknown U is a sign, and X U is near one of two values: a lattice.
    span, rest, limit = np.abs(mean.sum(axis=-1)), cumulants[0].mean(axis=-1), room(SAMPLES, LEVEL)
    left = np.flatnonzero(np.isfinite(found) & (variance[:, 0] > _DEGENERATE * scale))
    while left.size:
        M, s, k = found[left], skewness[left, 0], kurtosis[left, 0]
        jump = lattice_distance(span[left, 0], rest[left, 0], variance[left, 0], M)
        left = left[edgeworth_distance(s, k, M) + jump > limit * (1 + _ROUNDING)]
        found[left] *= _FINER
    return found


def _stated_gains(fleet: Fleet, cluster: int, law: NoiseLaw) -> FloatArray:
    """Return K*, and of the starts those of the largest C, Var C/C² and ‖∇C‖/C: ``(at most 4, m, n)``."""
    system = fleet.systems[cluster]
    starts = np.unique(fleet.initial_gains[fleet.labels == cluster], axis=0)
    costs, variances = lqr.cost_and_variance(system, starts, law)
    with np.errstate(invalid="ignore"):
        slopes = np.linalg.norm(lqr.gradient(system, starts), axis=(1, 2)) / costs
        spreads = variances / costs**2
    chosen = sorted({int(np.argmax(x)) for x in (costs, spreads, slopes)})
    return np.concatenate([fleet.optimal_gains[cluster][None], starts[chosen]])


def _worst_of_radii(system: LinearSystem, stated: FloatArray, radii: FloatArray, law: NoiseLaw) -> FloatArray:
    """Return M* of the three estimators for each radius ``(r, 3)``, the largest over the stated gains of a cluster."""
    gains = np.tile(stated, (len(radii), 1, 1))
    each = gradient_thresholds(system, gains, np.repeat(radii, len(stated)), law)
    return np.asarray(each.reshape(len(radii), len(stated), 3).max(axis=1))


def planned_thresholds(fleet: Fleet, schedule: Schedule, law: NoiseLaw, epochs: int) -> tuple[EpochThresholds, ...]:
    """Return M* of every epoch l ≤ `epochs` of a schedule."""
    begun = time.monotonic()
    stated = [_stated_gains(fleet, j, law) for j in range(fleet.H)]
    cost = max(cost_threshold(s, K, law) for s, K in zip(fleet.systems, stated, strict=True))
    plans = [schedule.plan(epoch) for epoch in range(1, epochs + 1)]
    radii = {plan.epoch: (plan.radius_local, *plan.radius_global(np.array([1, fleet.N]))[0].tolist()) for plan in plans}
    every = np.unique([radius for of_epoch in radii.values() for radius in of_epoch])
    worst = [_worst_of_radii(s, K, every, law) for s, K in zip(fleet.systems, stated, strict=True)]
    known = dict(zip(every.tolist(), np.max(worst, axis=0).tolist(), strict=True))

    def of(chosen: Sequence[float]) -> GradientThresholds:
        """Return M* of gradients, the largest over radii."""
        return GradientThresholds(*(rounded_up(max(ways)) for ways in zip(*(known[r] for r in chosen), strict=True)))

    planned = [
        EpochThresholds(epoch, rounded_up(cost), of(of_epoch[:1]), of(of_epoch[1:]))
        for epoch, of_epoch in radii.items()
    ]
    _LOG.info("M* of %d epochs at %d radii (%.1f s)", epochs, len(known), time.monotonic() - begun)
    return tuple(planned)
