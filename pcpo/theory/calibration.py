"""Calibrate the constants of Table 2 from the true model, and the horizon of the rollouts.

This is a calibration, not a model-free recipe: it looks at A, B, Q, R.  It keeps every dependence of the paper on
(N, Δ_l, δ_l, D, |N_i|) and replaces worst-case constants by local ones: the worst over the clusters and over the
*region* of each cluster, which is K*, the agents' starts and points of the straight lines between them.  Policy
gradient with ηh ≤ 1/4 has a factor of 8 in hand before it is unstable, which covers the way off those lines.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np

from pcpo import lqr
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.simulation.noise import NoiseLaw, Purpose, stream
from pcpo.theory.large import direction_pairs, is_large, largest_curvature, most_starts, smallest_radius
from pcpo.theory.truncation import longest_horizon

__all__ = ["Q_BAR", "LocalConstants", "calibrated_constants", "horizon_for", "initial_gap", "local_constants"]

# q̄ in c4: bounds (χ²_D quantile at 1 − δ_l/(4N)) / L_l for small D; κ_M scales it.
Q_BAR = 4.0
# c6: the largest radius at which no sampled K + rU costs more than this multiple of K.
COST_FACTOR = 2.0
_FRACTIONS = (0.25, 0.5, 0.75)
_DIRECTIONS_PER_UNKNOWN = 16
_BISECTIONS, _MOST_BISECTIONS = 40, 1000
_CHUNK_ENTRIES = 2**22
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
    return float(np.max(fleet.gaps(fleet.initial_gains)))


def _points_of(starts: FloatArray) -> int:
    """Return how many points `region` has for these starts."""
    return 1 + len(starts) * (1 + len(_FRACTIONS))


def region(fleet: Fleet, cluster: int) -> FloatArray:
    """Return K*, the starts, and points of the lines between, of finite cost; ``(points, m, n)``.

    Of the different starts of a large cluster (`pcpo.theory.large`), only those of the largest costs.
    """
    K_star, system = fleet.optimal_gains[cluster], fleet.systems[cluster]
    starts = np.unique(fleet.initial_gains[fleet.labels == cluster], axis=0)
    most = most_starts(system)
    if len(starts) > most and is_large(system, _points_of(starts), 2 * _DIRECTIONS_PER_UNKNOWN * fleet.D):
        starts = starts[np.sort(np.argsort(lqr.cost_array(system, starts), kind="stable")[-most:])]
    between = [K_star + f * (starts - K_star) for f in _FRACTIONS]
    points = np.concatenate([K_star[None], starts, *between])
    return points[np.isfinite(lqr.cost_array(fleet.systems[cluster], points))]


def sampled_directions(fleet: Fleet) -> FloatArray:
    """Return fixed unit directions in opposite pairs, ``(k, m, n)``.

    k = 32 D, or fewer if those would take too long from every point of the largest region (`pcpo.theory.large`).
    """
    rng = stream(0, Purpose.CALIBRATION, fleet.D)
    pairs, points = _DIRECTIONS_PER_UNKNOWN * fleet.D, max(len(region(fleet, j)) for j in range(fleet.H))
    if is_large(fleet.systems[0], points, 2 * pairs):
        pairs = direction_pairs(fleet.systems[0], points, pairs)
    raw = rng.standard_normal((pairs, fleet.m, fleet.n))
    unit = raw / np.linalg.norm(raw, axis=(1, 2), keepdims=True)
    return np.concatenate([unit, -unit])


def _radius_cap(system: LinearSystem, points: FloatArray, directions: FloatArray) -> float:
    """Return the largest r with C(K + rU) ≤ 2 C(K) for all K of `points` and U of `directions`.

    By bisection on the worst pair.
    """
    limits = COST_FACTOR * lqr.cost_array(system, points)
    if is_large(system, len(points), len(directions)):
        return smallest_radius(system, points, limits, directions)

    def fits(radius: float) -> bool:
        moved = points[:, None] + radius * directions[None, :]
        return bool(np.all(lqr.cost_array(system, moved) <= limits[:, None]))

    low, high = 0.0, 1e-3
    while fits(high):
        low, high = high, 2 * high
    steps = 0
    while steps < _BISECTIONS or (low < (1 - 2.0**-20) * high and steps < _MOST_BISECTIONS):
        middle, steps = (low + high) / 2, steps + 1
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _of_cluster(fleet: Fleet, cluster: int, law: NoiseLaw) -> tuple[float, float, float, float, float]:
    """Return (h_max, h_min, V, σ², radius_cap) of one cluster."""
    system, points = fleet.systems[cluster], region(fleet, cluster)
    if not (optimal_cost := lqr.riccati(system).cost) > 0:
        raise ConfigError(
            f"cluster {cluster}: found an optimal cost of {optimal_cost:g}, expected a positive one: the smoothing "
            "radius is chosen so that no cost is more than doubled; give some state a cost in Q"
        )
    begun = time.monotonic()
    costs, variances = lqr.cost_array(system, points), lqr.variance_array(system, points, law)
    h_max = max(largest_curvature(system, K) for K in points)
    h_min = float(lqr.hessian_eigenvalues(system)[0])
    for K in points[1:]:
        if (gap := lqr.suboptimality_gap(system, K)) > 0:
            h_min = min(h_min, float(np.sum(lqr.gradient(system, K) ** 2)) / (2 * gap))
    directions = sampled_directions(fleet)
    _log_stage(f"cluster {cluster + 1} of {fleet.H}: curvatures and variances at {len(points)} gains", begun)
    begun = time.monotonic()
    cap = _radius_cap(system, points, directions)
    _log_stage(f"cluster {cluster + 1} of {fleet.H}: radius cap {cap:.3g} on {len(directions)} directions", begun)
    return h_max, h_min, float(np.max(costs**2 + variances)), float(np.max(variances)), cap


def local_constants(fleet: Fleet, law: NoiseLaw, Delta0: float) -> LocalConstants:
    """Measure `LocalConstants` for a fleet, a law of the noise and an initial guess Δ_0 (units of cost).

    They need no positive definite Q, but C* > 0.

    Raises:
        ConfigError: naming a cluster with C* = 0, which only Q = 0 has.
    """
    found = [_of_cluster(fleet, j, law) for j in range(fleet.H)]
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
    tolerance = 0.01 * schedule.plan(epochs).Delta / 8
    displacements = schedule.plan(1).radius_local * sampled_directions(fleet)
    begun = time.monotonic()
    found = max(_worst_horizon(s, region(fleet, j), displacements, tolerance) for j, s in enumerate(fleet.systems))
    _log_stage(f"horizon: {found} steps for a truncation bias of {tolerance:.3g}", begun)
    return found


def _worst_horizon(system: LinearSystem, points: FloatArray, displacements: FloatArray, tolerance: float) -> int:
    """Return the smallest h with C − C_h ≤ tolerance at all points of finite cost, displaced or not."""
    found = longest_horizon(system, points, tolerance)
    size = max(1, _CHUNK_ENTRIES // (len(points) * system.n * max(system.n, system.m)))
    for first in range(0, len(displacements), size):
        moved = (points[:, None] + displacements[None, first : first + size]).reshape(-1, system.m, system.n)
        found = max(found, longest_horizon(system, moved, tolerance))
    return found


def _log_stage(what: str, begun: float) -> None:
    """Log a stage of planning and the seconds that it took."""
    _LOG.info("%s (%.1f s)", what, time.monotonic() - begun)
