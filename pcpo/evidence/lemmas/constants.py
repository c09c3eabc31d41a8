"""Compute the constants λ, φ, ρ, μ, G∞ of the lemmas on the restricted sets (12) of the example systems.

The restricted set is G⁰ = {C(K) − C* ≤ 10 Δ̃_0}, with Δ̃_0 a fraction of C*.  λ = max ‖∇C‖, φ = max ‖∇²C‖ and G∞ are
searched on the larger set E = {C(K) − C* ≤ 15 Δ̃_0}, with a stream that no study uses; ρ = 5 Δ̃_0/λ.  Along a path of
length ρ that starts in G⁰ the cost rises by at most λρ = 5 Δ̃_0, so the path stays in E, and (λ, φ, ρ) serve all pairs
of Lemmas 4 and 5 if the searches found the maxima.  μ is proved and not searched (`lqr.pl_constant`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pcpo import lqr
from pcpo.algorithms.schedule import ProblemConstants
from pcpo.arrays import FloatArray
from pcpo.fleets.examples import SYSTEMS
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import NoiseLaw, Purpose, noise_law, stream
from pcpo.theory.printed.restricted_set import Value, curvature, largest_on_boundary, steepness

__all__ = ["LAW", "constants", "restricted_gap"]

#: Noise law of all rollouts of the group.
LAW: NoiseLaw = noise_law("signs")

_RESTRICTED = 10.0  # of (12), in Δ̃_0
_ENLARGED = 15.0  # of the set E that is searched, in Δ̃_0


def restricted_gap(system: LinearSystem, start: float) -> float:
    """Return 10 Δ̃_0 (units of cost), the largest gap in the restricted set (12), for Δ̃_0 = start·C*."""
    return _RESTRICTED * start * lqr.riccati(system).cost


@lru_cache(maxsize=64)
def constants(system: LinearSystem, start: float) -> ProblemConstants:
    """Return λ, φ, ρ, μ, G∞ of the restricted set for Δ̃_0 = start·C*, in units of cost and of the gain.

    G∞ is the largest of `lqr.rollout_bound` in only 16 directions: a value that is too small makes (19) and (20) harder
    to satisfy.
    """
    star = lqr.riccati(system).cost
    gap = _ENLARGED * start * star
    lipschitz = _largest(system, gap, steepness, 0)
    return ProblemConstants(
        lipschitz=lipschitz,
        smoothness=_largest(system, gap, curvature, 1),
        radius=(_ENLARGED - _RESTRICTED) * start * star / lipschitz,
        pl=lqr.pl_constant(system),
        rollout_bound=_largest(system, gap, _rollout_bounds, 2, starts=16, rounds=0),
    )


def _largest(system: LinearSystem, gap: float, value: Value, purpose: int, **size: int) -> float:
    """Search the maximum of a value on {C − C* = gap}, with a stream that no study uses."""
    rng = stream(0, Purpose.CALIBRATION, _number_of(system), purpose)
    return largest_on_boundary(system, gap, value, rng, **size)


def _rollout_bounds(system: LinearSystem, gains: FloatArray) -> FloatArray:
    """Return the almost-sure bound of a rollout's cost for gains ``(k, m, n)``: ``(k,)``."""
    return np.array([lqr.rollout_bound(system, K, LAW) for K in gains])


def _number_of(system: LinearSystem) -> int:
    """Return the stable number of an example system; any other system has the number after the last."""
    known = list(SYSTEMS.values())
    return known.index(system) if system in known else len(known)
