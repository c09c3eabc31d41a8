"""Calibrate the constants of Table 2 from the true model, and the horizon of the rollouts.

This is a calibration, not a model-free recipe: it looks at A, B, Q, R.  It keeps every dependence of the paper on
(N, Δ_l, δ_l, D, |N_i|) and replaces worst-case constants by local ones: the worst over the clusters and over the
*region* of each cluster, which is K*, the agents' starts and points of the straight lines between them.  Policy
gradient with ηh ≤ 1/4 has a factor of 8 in hand before it is unstable, which covers the way off those lines.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pcpo import lqr
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.optimum import gap_array
from pcpo.simulation.noise import NoiseLaw, Purpose, stream
from pcpo.theory.curvature import curvatures
from pcpo.theory.displaced import DisplacedGains
from pcpo.theory.truncation import longest_horizon_of_pairs

__all__ = ["Q_BAR", "LocalConstants", "calibrated_constants", "horizon_for", "initial_gap", "local_constants"]

# q̄ in c4: bounds (χ²_D quantile at 1 − δ_l/(4N)) / L_l for small D; κ_M scales it.
Q_BAR = 4.0
# c6: the largest radius at which no sampled K + rU costs more than this multiple of K.
COST_FACTOR = 2.0
_FRACTIONS = (0.25, 0.5, 0.75)
_DIRECTIONS_PER_UNKNOWN = 16
#: Pairs of a gain and a direction, times n³, that are looked at: about the products of matrices in one pass over them.
WORK = 250_000_000
_FEWEST_DIRECTIONS, _FEWEST_STARTS, _MOST_STARTS = 64, 8, 128
_FIRST_RADIUS, _BISECTIONS, _MOST_BISECTIONS = 1e-3, 40, 1000
_LOG = logging.getLogger("pcpo.planning")


@dataclass(frozen=True)
class LocalConstants:
    """Hold worst cases over clusters and regions.

    Attributes:
        h_max: largest eigenvalue of ∇²C.
        h_min: smallest rate, of the eigenvalues h_i at K* and of ‖∇C‖²/(2(C − C*)).
        V: C² + Var C(K;Z), in units of cost, squared.
        variance: σ² = Var C(K;Z), in units of cost, squared.
        radius_cap: the largest r with C(K + rU) ≤ 2 C(K) on sampled directions.
        Delta0_tilde: Δ̃_0 = max(largest initial gap, Δ_0), eq. (12).
    """

    h_max: float
    h_min: float
    V: float
    variance: float
    radius_cap: float
    Delta0_tilde: float


def initial_gap(fleet: Fleet) -> float:
    """Return max_i C_σ(i)(K_i⁰) − C*_σ(i), in units of cost."""
    fleet.require_gains("the initial gap")
    return float(np.max(fleet.gaps(fleet.initial_gains)))


def _most_starts(system: LinearSystem) -> int:
    """Return how many starts of a large cluster are looked at: 128, fewer from n = 31 on."""
    return min(_MOST_STARTS, max(_FEWEST_STARTS, WORK // (_FEWEST_DIRECTIONS * system.n**3)))


def _pairs_of_directions(system: LinearSystem, points: int) -> int:
    """Return how many opposite pairs of directions are looked at from every point: 16 D, or fewer, at least 32."""
    most = max(_FEWEST_DIRECTIONS, WORK // (points * system.n**3)) // 2
    return min(_DIRECTIONS_PER_UNKNOWN * system.D, most)


def region(fleet: Fleet, cluster: int) -> FloatArray:
    """Return K*, the starts, and points of the lines between, of finite cost; ``(points, m, n)``.

    Of the different starts of a cluster too large for all directions (`WORK`), only those of the largest costs.
    """
    K_star, system = fleet.optimal_gains[cluster], fleet.systems[cluster]
    starts = np.unique(fleet.initial_gains[fleet.labels == cluster], axis=0)
    points, most = 1 + len(starts) * (1 + len(_FRACTIONS)), _most_starts(system)
    if len(starts) > most and _pairs_of_directions(system, points) < _DIRECTIONS_PER_UNKNOWN * fleet.D:
        starts = starts[np.sort(np.argsort(lqr.cost_array(system, starts), kind="stable")[-most:])]
    between = [K_star + f * (starts - K_star) for f in _FRACTIONS]
    found = np.concatenate([K_star[None], starts, *between])
    return found[np.isfinite(lqr.cost_array(system, found))]


def sampled_directions(fleet: Fleet, points: int) -> FloatArray:
    """Return fixed unit directions in opposite pairs, ``(k, m, n)``, for regions of at most so many points.

    k = 32 D, or fewer, but at least 64, if those would take too long from every point (`WORK`).
    """
    rng = stream(0, Purpose.CALIBRATION, fleet.D)
    raw = rng.standard_normal((_pairs_of_directions(fleet.systems[0], points), fleet.m, fleet.n))
    unit = raw / np.linalg.norm(raw, axis=(1, 2), keepdims=True)
    return np.concatenate([unit, -unit])


def regions_and_directions(fleet: Fleet) -> tuple[list[FloatArray], FloatArray]:
    """Return the regions of all clusters, and the directions in which their points are displaced."""
    regions = [region(fleet, j) for j in range(fleet.H)]
    return regions, sampled_directions(fleet, max(map(len, regions)))


def _radius_cap(system: LinearSystem, points: FloatArray, directions: FloatArray) -> float:
    """Return the largest r with C(K + rU) ≤ 2 C(K) for all K of `points` and U of `directions`.

    If costs grow along lines from K: pairs of a gain and a direction that fit the smallest radius so far are left out,
    the others are bisected together.
    """
    costs, displaced = lqr.cost_array(system, points), DisplacedGains(system, points, directions)
    found = np.inf
    for pairs in displaced.chunks(np.argsort(-costs, kind="stable")):
        if np.isfinite(found):
            pairs = displaced.costlier(pairs, found, COST_FACTOR * costs)
        if pairs.size:
            found = min(found, _bisected(lambda r, among: displaced.costlier(among, r, COST_FACTOR * costs), pairs))
    return found


def _bisected(failing: Callable[[float, IntArray], IntArray], pairs: IntArray) -> float:
    """Return the largest radius of the bisection at which no pair fails; pairs that fit one that fails are dropped."""
    low, high = 0.0, _FIRST_RADIUS
    while not (worst := failing(high, pairs)).size:
        low, high = high, 2 * high
    steps = 0
    while steps < _BISECTIONS or (low < (1 - 2.0**-20) * high and steps < _MOST_BISECTIONS):
        middle, steps = (low + high) / 2, steps + 1
        if (still := failing(middle, worst)).size:
            high, worst = middle, still
        else:
            low = middle
    return low


def _of_cluster(
    fleet: Fleet, cluster: int, points: FloatArray, directions: FloatArray, law: NoiseLaw
) -> tuple[float, float, float, float, float]:
    """Return (h_max, h_min, V, σ², radius_cap) of one cluster."""
    system = fleet.systems[cluster]
    if not (optimal_cost := lqr.riccati(system).cost) > 0:
        raise ConfigError(
            f"cluster {cluster}: found an optimal cost of {optimal_cost:g}, expected a positive one: the smoothing "
            "radius is chosen so that no cost is more than doubled; give some state a cost in Q"
        )
    begun = time.monotonic()
    costs, variances = lqr.cost_and_variance(system, points, law)
    h_max, h_min = float(curvatures(system, points).max()), _slowest_rate(system, points)
    _log_stage(f"cluster {cluster + 1} of {fleet.H}: curvatures and variances at {len(points)} gains", begun)
    begun = time.monotonic()
    cap = _radius_cap(system, points, directions)
    _log_stage(f"cluster {cluster + 1} of {fleet.H}: radius cap {cap:.3g} on {len(directions)} directions", begun)
    return h_max, h_min, float(np.max(costs**2 + variances)), float(np.max(variances)), cap


def _slowest_rate(system: LinearSystem, points: FloatArray) -> float:
    """Return the smallest of the eigenvalues h_i at K* = points[0] and of ‖∇C‖²/(2(C − C*)) at the other points."""
    best, others = lqr.riccati(system), points[1:]
    gaps, squares = gap_array(system, best.G, best.K, others), np.sum(lqr.gradient(system, others) ** 2, axis=(-1, -2))
    rates = squares[gaps > 0] / (2 * gaps[gaps > 0])
    return min(float(lqr.hessian_eigenvalues(system)[0]), float(rates.min(initial=np.inf)))


def local_constants(fleet: Fleet, law: NoiseLaw, Delta0: float) -> LocalConstants:
    """Measure `LocalConstants` for a fleet, a law of the noise and an initial guess Δ_0 (units of cost).

    They need no positive definite Q, but C* > 0.

    Raises:
        ConfigError: naming a cluster with C* = 0, which only Q = 0 has.
        FleetError: if no gains of finite cost are known.
    """
    fleet.require_gains("calibration")
    regions, directions = regions_and_directions(fleet)
    found = [_of_cluster(fleet, j, points, directions, law) for j, points in enumerate(regions)]
    h_max, h_min, V, variance, cap = zip(*found, strict=True)
    return LocalConstants(max(h_max), min(h_min), max(V), max(variance), min(cap), max(initial_gap(fleet), Delta0))


def calibrated_constants(
    local: LocalConstants, *, D: int, Delta0: float, minibatch_scale: float = 1.0, q_bar: float = Q_BAR
) -> Constants:
    """Return c_(p,1..6) from local constants; κ_M = minibatch_scale is the only free parameter.

    η = 1/(4h_max), c2 = 1/(2ηh_min), c3 = 16 Δ̃_0 Δ_0, c4 = κ_M max{q̄²V, 128σ²}, c5 = √V·D/h_max, c6 = radius_cap.

    Raises:
        ConfigError: if κ_M is not positive.
    """
    if not minibatch_scale > 0:
        raise ConfigError(f"minibatch_scale: found {minibatch_scale}, expected a positive number")
    eta = 1 / (4 * local.h_max)
    return Constants(
        mode="calibrated",
        c1=eta,
        c2=1 / (2 * eta * local.h_min),
        c3=16 * local.Delta0_tilde * Delta0,
        c4=minibatch_scale * max(q_bar**2 * local.V, 128 * local.variance),
        c5=float(np.sqrt(local.V)) * D / local.h_max,
        c6=local.radius_cap,
    )


def horizon_for(fleet: Fleet, schedule: Schedule, epochs: int) -> int:
    """Return the smallest h whose truncation bias C − C_h is under 1 % of Δ_L̄/8 at the worst policy of the plan.

    Policies: the regions of all clusters, and the same displaced by r_1^(loc) in the sampled directions.
    """
    tolerance, radius = 0.01 * schedule.plan(epochs).Delta / 8, schedule.plan(1).radius_local
    regions, directions = regions_and_directions(fleet)
    directions = np.concatenate([np.zeros((1, fleet.m, fleet.n)), directions])
    begun = time.monotonic()
    displaced = [DisplacedGains(s, points, directions) for s, points in zip(fleet.systems, regions, strict=True)]
    found = max(longest_horizon_of_pairs(gains, radius, tolerance) for gains in displaced)
    _log_stage(f"horizon: {found} steps for a truncation bias of {tolerance:.3g}", begun)
    return found


def _log_stage(what: str, begun: float) -> None:
    """Log a stage of planning and the seconds that it took."""
    _LOG.info("%s (%.1f s)", what, time.monotonic() - begun)
