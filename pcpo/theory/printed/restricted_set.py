"""Find λ, φ, ρ, μ, G∞ of the restricted sets G⁰_j = {C_j(K) − C*_j ≤ 10 Δ̃_0} (12) of a fleet, each with its guarantee.

Lemmas 4 to 6 say that such constants exist; every choice of ρ gives others.  Here λ = sup‖∇C‖, φ = sup‖∇²C‖ and G∞ are
taken on the larger set E = {C − C* ≤ βΔ̃_0}, β > 10, and ρ is a distance at which no gain of G⁰ is outside E: then
(13), (14), (17) and (18) hold, for all their segments and spheres lie in E.  β, the *enlargement*, makes the first
epoch of Table 2 cheapest, which is the reading kindest to the theorem.  μ is over all gains of finite cost.  Searches
on the boundary of a sublevel set give sampled maxima, which are lower bounds of the true ones.

The constants have units of cost and of the gain: they change when the cost is rescaled, and so does Table 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np

from pcpo import lqr
from pcpo.algorithms.schedule import ProblemConstants, Schedule, literal_constants
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.moments import rollout_bound
from pcpo.lqr.optimum import pl_constant
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import NoiseLaw, Purpose, stream, unit_directions
from pcpo.theory.calibration import initial_gap
from pcpo.theory.curvature import curvatures
from pcpo.theory.printed import certified_constants, scalar_constants

__all__ = [
    "ENLARGEMENTS",
    "METHODS",
    "FleetConstants",
    "Guarantee",
    "Guaranteed",
    "Value",
    "at_gap",
    "cluster_constants",
    "curvature",
    "fleet_constants",
    "largest_on_boundary",
    "restricted_scale",
    "steepness",
    "unit_directions",
]

_BISECTIONS = 20
_DOUBLINGS = 2200  # cross the range of floating-point numbers
_STARTS, _KEPT, _CHILDREN, _ROUNDS = 200, 4, 20, 6

Value = Callable[[LinearSystem, FloatArray], FloatArray]


def at_gap(system: LinearSystem, directions: FloatArray, gap: FloatArray | float) -> FloatArray:
    """Return K* + sV with C − C* = gap, from below and to 1e-6 of s: ``(k, m, n)`` for directions V, gaps ``(k,)``."""
    K_star, gap = lqr.riccati(system).K, np.broadcast_to(np.asarray(gap, dtype=np.float64), len(directions))
    star = lqr.riccati(system).cost

    def above(s: FloatArray) -> Any:
        return lqr.cost_array(system, K_star + s[:, None, None] * directions) - star > gap

    low, high = np.zeros(len(directions)), np.sqrt(2 * gap / lqr.hessian_eigenvalues(system)[-1])
    for _ in range(_DOUBLINGS):
        if (out := above(high)).all():
            break
        low, high = np.where(out, low, high), np.where(out, high, 2 * high)
    else:
        raise ConfigError(f"gap: found {np.max(gap):g}, which no gain of a direction reaches, expected a finite gap")
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        out = above(middle)
        low, high = np.where(out, low, middle), np.where(out, middle, high)
    return np.asarray(K_star + low[:, None, None] * directions)


def curvature(system: LinearSystem, gains: FloatArray) -> FloatArray:
    """Return ‖∇²C(K)‖, spectral norm, of gains ``(k, m, n)``; beyond 64 unknowns by Lanczos iterations."""
    return curvatures(system, gains, absolute=True)


def steepness(system: LinearSystem, gains: FloatArray) -> FloatArray:
    """Return ‖∇C(K)‖_F of gains ``(k, m, n)``."""
    return np.asarray(np.linalg.norm(lqr.gradient(system, gains), axis=(1, 2)))


def largest_on_boundary(
    system: LinearSystem,
    gap: float,
    value: Value,
    rng: np.random.Generator,
    *,
    starts: int = _STARTS,
    rounds: int = _ROUNDS,
) -> float:
    """Search the maximum of `value` on {C − C* = gap}: random directions, then ever smaller moves from the best."""
    V = unit_directions(system, starts, rng)
    found, size = value(system, at_gap(system, V, gap)), 0.5
    for _ in range(rounds if system.D > 1 else 0):
        best = np.argsort(found)[-_KEPT:]
        moved = V[best, None] + size * rng.standard_normal((_KEPT, _CHILDREN, system.m, system.n)) / np.sqrt(system.D)
        moved = moved.reshape(-1, system.m, system.n)
        moved /= np.linalg.norm(moved, axis=(1, 2), keepdims=True)
        V = np.concatenate([V[best], moved])
        found = np.concatenate([found[best], value(system, at_gap(system, moved, gap))])
        size /= 2
    return float(found.max())


#: 10 in (12).
RESTRICTED = 10.0
#: Values of β that are tried; β − 10 from 0.01 to 100.
ENLARGEMENTS: tuple[float, ...] = tuple(RESTRICTED + float(x) for x in np.geomspace(0.01, 100.0, 41))
METHODS = ("certified", "sampled")


class Guarantee(StrEnum):
    """Name what is known of a number that stands for a supremum or an infimum."""

    EXACT = "exact"
    UPPER = "certified upper bound"
    LOWER = "certified lower bound"
    SAMPLED_BELOW = "sampled, lower bound of the supremum"
    SAMPLED_ABOVE = "sampled, upper bound of the largest valid radius"


@dataclass(frozen=True)
class Guaranteed:
    """Hold a number and what is known of it."""

    value: float
    guarantee: Guarantee


@dataclass(frozen=True)
class ClusterConstants:
    """Hold λ_j, φ_j, ρ_j, μ_j, G∞^(j) of one cluster."""

    lipschitz: Guaranteed
    smoothness: Guaranteed
    radius: Guaranteed
    pl: Guaranteed
    rollout_bound: Guaranteed


@dataclass(frozen=True)
class FleetConstants:
    """Hold the fleet's constants: the worst over its clusters, with the weakest of their guarantees.

    Delta0_tilde Δ̃_0 (units of cost); enlargement β; method "certified" (exact for n = m = 1) or "sampled".
    """

    problem: ProblemConstants
    guarantees: dict[str, Guarantee]
    Delta0_tilde: float
    enlargement: float
    method: str
    clusters: tuple[ClusterConstants, ...]


def restricted_scale(fleet: Fleet, Delta0: float) -> float:
    """Return Δ̃_0 = max(max_i C_σ(i)(K_i⁰) − C*_σ(i), Δ_0), eq. (12).

    Raises:
        ConfigError: if Δ_0 is not positive and finite, or an initial gain has infinite cost.
    """
    if not (np.isfinite(Delta0) and Delta0 > 0):
        raise ConfigError(f"Delta0: found {Delta0}, expected a positive finite number (units of cost)")
    gap = initial_gap(fleet)
    if not np.isfinite(gap):
        raise ConfigError(
            f"initial_gains: found an initial gap of {gap}, expected finite costs: the restricted set (12) would hold "
            "policies of infinite cost"
        )
    return max(gap, Delta0)


def cluster_constants(
    system: LinearSystem, scale: float, law: NoiseLaw, *, enlargement: float, method: str = "certified"
) -> ClusterConstants:
    """Find the constants of one cluster for Δ̃_0 = scale and β = enlargement.

    Raises:
        ConfigError: for an empty G⁰ (Δ̃_0 ≤ 0), β ≤ 10, an unknown method, noise without a bound, or the method
            "certified" where Q is only semidefinite.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise ConfigError(
            f"Delta0_tilde: found {scale}, expected a positive finite number: (12) is empty or everything"
        )
    if not (np.isfinite(enlargement) and enlargement > RESTRICTED):
        raise ConfigError(f"enlargement: found {enlargement}, expected a finite number above {RESTRICTED:g}")
    if method not in METHODS:
        raise ConfigError(f"method: found {method!r}, expected one of {', '.join(METHODS)}")
    if not np.isfinite(law.bound(system.n)):
        raise ConfigError(f"noise: found an unbounded law ({law.name}), expected one with a bound B, as in (2)")
    system = system.standard  # sets, costs and derivatives are those of the system, moved by a constant gain
    if (system.n, system.m) == (1, 1):
        return _exact(system, scale, law, enlargement)
    return (_certified if method == "certified" else _sampled)(system, scale, law, enlargement)


def _exact(system: LinearSystem, scale: float, law: NoiseLaw, enlargement: float) -> ClusterConstants:
    """Compute the constants of a cluster with one state and one input."""
    inner = scalar_constants.sublevel_interval(system, RESTRICTED * scale)
    outer = scalar_constants.sublevel_interval(system, enlargement * scale)
    values = (
        scalar_constants.largest_slope(system, outer),
        scalar_constants.largest_curvature(system, outer),
        min(inner[0] - outer[0], outer[1] - inner[1]),
        scalar_constants.pl_infimum(system),
        scalar_constants.largest_rollout(system, outer, law),
    )
    return ClusterConstants(*(Guaranteed(value, Guarantee.EXACT) for value in values))


def _certified(system: LinearSystem, scale: float, law: NoiseLaw, enlargement: float) -> ClusterConstants:
    """Bound the constants of a cluster."""
    found = certified_constants.bounds_on_sublevel(system, enlargement * scale, law)
    return ClusterConstants(
        Guaranteed(found.slope, Guarantee.UPPER),
        Guaranteed(found.curvature, Guarantee.UPPER),
        Guaranteed((enlargement - RESTRICTED) * scale / found.slope, Guarantee.LOWER),
        Guaranteed(pl_constant(system), Guarantee.LOWER),
        Guaranteed(found.rollout, Guarantee.UPPER),
    )


def _sampled(system: LinearSystem, scale: float, law: NoiseLaw, enlargement: float) -> ClusterConstants:
    """Search the constants of a cluster."""
    gap = enlargement * scale

    def largest(value: Callable[[LinearSystem, FloatArray], FloatArray], purpose: int, **size: int) -> Guaranteed:
        rng = stream(0, Purpose.CALIBRATION, system.n, system.m, purpose)
        return Guaranteed(largest_on_boundary(system, gap, value, rng, **size), Guarantee.SAMPLED_BELOW)

    def rollouts(of: LinearSystem, gains: FloatArray) -> FloatArray:
        return np.array([rollout_bound(of, K, law) for K in gains])

    slope = largest(steepness, 0)
    return ClusterConstants(
        slope,
        largest(curvature, 1),
        Guaranteed((enlargement - RESTRICTED) * scale / slope.value, Guarantee.SAMPLED_ABOVE),
        Guaranteed(pl_constant(system), Guarantee.LOWER),
        largest(rollouts, 2, starts=16, rounds=0),
    )


_FIELDS = ("lipschitz", "smoothness", "radius", "pl", "rollout_bound")
_WORST: dict[str, Callable[[list[float]], float]] = {
    "lipschitz": max,
    "smoothness": max,
    "radius": min,
    "pl": min,
    "rollout_bound": max,
}
_STRONG_TO_WEAK = list(Guarantee)


def _combined(fleet: Fleet, scale: float, law: NoiseLaw, enlargement: float, method: str) -> FleetConstants:
    """Take the worst of the clusters' constants."""
    found = tuple(cluster_constants(s, scale, law, enlargement=enlargement, method=method) for s in fleet.systems)
    values = {name: _WORST[name]([getattr(c, name).value for c in found]) for name in _FIELDS}
    weakest = {name: max((getattr(c, name).guarantee for c in found), key=_STRONG_TO_WEAK.index) for name in _FIELDS}
    return FleetConstants(ProblemConstants(**values), weakest, scale, enlargement, method, found)


def fleet_constants(
    fleet: Fleet, law: NoiseLaw, Delta0: float, *, enlargement: float | None = None, method: str = "certified"
) -> FleetConstants:
    """Find the constants of a fleet for Δ_0 (units of cost).

    Args:
        enlargement: β; without it, the value of `ENLARGEMENTS` whose first epoch of Table 2 takes the fewest rollouts,
            by certified constants.

    Raises:
        ConfigError: with the reason, if there are no such constants.
    """
    scale = restricted_scale(fleet, Delta0)
    if enlargement is None:
        enlargement = _cheapest(fleet, law, Delta0, scale)
    return _combined(fleet, scale, law, enlargement, method)


@lru_cache(maxsize=64)
def _cheapest(fleet: Fleet, law: NoiseLaw, Delta0: float, scale: float) -> float:
    """Return the β with the fewest rollouts in epoch 1, at δ = .05; failure probabilities enter by a logarithm only."""

    def rollouts(enlargement: float) -> int:
        problem = _combined(fleet, scale, law, enlargement, "certified").problem
        constants = literal_constants(problem, D=fleet.D, Delta0=Delta0, Delta0_tilde=scale)
        return Schedule(constants, Delta0, 0.05, fleet.N, fleet.D).plan(1).rollouts

    return min(ENLARGEMENTS, key=rollouts)
