"""Small systems, their restricted sets (12) and the constants λ, φ, ρ, μ, G∞ that the lemmas speak of.

The restricted set is G⁰ = {C(K) − C* ≤ 10 Δ̃_0}, Δ̃_0 a fraction of C*.  λ = max ‖∇C‖, φ = max ‖∇²C‖ and G∞ are
searched on the larger set E = {C(K) − C* ≤ 15 Δ̃_0}, with a stream that no study uses; ρ = 5 Δ̃_0/λ.  A path of length
ρ from G⁰ cannot leave E, along which C rises by at most λ per unit of length, so (λ, φ, ρ) serve all pairs of
Lemmas 4 and 5 if the searches found the maxima.  μ is proved, not searched (`lqr.pl_constant`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from .. import lqr
from ..contracts import FloatArray
from ..fleet import LinearSystem
from ..randomness import NoiseLaw, Purpose, noise_law, stream
from ..restricted_search import Value, at_gap, curvature, largest_on_boundary, steepness, unit_directions
from ..schedule import ProblemConstants

__all__ = [
    "EDGE",
    "EDGE_START",
    "LAW",
    "SYSTEMS",
    "at_gap",
    "constants",
    "curvature",
    "number_of",
    "restricted_gap",
    "unit_directions",
]


def _system(A: ArrayLike, B: ArrayLike, Q: ArrayLike, R: ArrayLike, gamma: float) -> LinearSystem:
    A, B, Q, R = (np.asarray(X, dtype=np.float64) for X in (A, B, Q, R))
    return LinearSystem(A, B, Q, R, gamma)


#: The systems of the checks, from one unknown to six.
SYSTEMS: dict[str, LinearSystem] = {
    "scalar": _system([[0.9]], [[1.0]], [[1.0]], [[1.0]], 0.9),
    "two": _system([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8),
    "three": _system(
        [[0.9, 0.3, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]],
        [[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]],
        np.diag([1.0, 2.0, 0.5]),
        [[1.0, 0.2], [0.2, 2.0]],
        0.8,
    ),
    # A = 0: at K* = 0 with signs as noise every rollout costs C* exactly, so (18) is attained and Lemma 7 is tight.
    "edge": _system([[0.0]], [[1.0]], [[1.0]], [[1.0]], 0.9),
}
EDGE = "edge"
EDGE_START = 1e-6
LAW: NoiseLaw = noise_law("signs")

_RESTRICTED = 10.0  # (12)
_ENLARGED = 15.0


def number_of(system: str) -> int:
    """A stable integer for the streams of a system."""
    return list(SYSTEMS).index(system)


def restricted_gap(system: LinearSystem, start: float) -> float:
    """10 Δ̃_0 (units of cost), the largest gap of G⁰ (12), for Δ̃_0 = start·C*."""
    return _RESTRICTED * start * lqr.riccati(system).cost


def _rollout_bounds(system: LinearSystem, gains: FloatArray) -> FloatArray:
    return np.array([lqr.rollout_bound(system, K, LAW) for K in gains])


def _largest(system: LinearSystem, gap: float, value: Value, purpose: int, **size: int) -> float:
    """`largest_on_boundary` with a stream that no study uses."""
    rng = stream(0, Purpose.CALIBRATION, _number(system), purpose)
    return largest_on_boundary(system, gap, value, rng, **size)


def _number(system: LinearSystem) -> int:
    """`number_of` for a system of `SYSTEMS`; one more than the last for others."""
    known = list(SYSTEMS.values())
    return known.index(system) if system in known else len(known)


@lru_cache(maxsize=64)
def constants(system: LinearSystem, start: float) -> ProblemConstants:
    """λ, φ, ρ, μ, G∞ of G⁰ for Δ̃_0 = start·C* (see the module), in units of cost and of the gain.

    G∞ is the largest of `lqr.rollout_bound` in 16 directions: a smaller one makes (19) and (20) harder to meet.
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
