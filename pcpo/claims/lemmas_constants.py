"""Small systems, their restricted sets (12) and the constants λ, φ, ρ, μ, G∞ that the lemmas speak of.

The restricted set is G⁰ = {C(K) − C* ≤ 10 Δ̃_0}, Δ̃_0 a fraction of C*.  λ = max ‖∇C‖, φ = max ‖∇²C‖ and G∞ are
searched on the larger set E = {C(K) − C* ≤ 15 Δ̃_0}, with a stream that no study uses; ρ = 5 Δ̃_0/λ.  A path of length
ρ from G⁰ cannot leave E, along which C rises by at most λ per unit of length, so (λ, φ, ρ) serve all pairs of
Lemmas 4 and 5 if the searches found the maxima.  μ is proved, not searched (`lqr.pl_constant`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import lqr
from ..contracts import FloatArray
from ..costs import hessian_matrix
from ..errors import ConfigError
from ..fleet import LinearSystem
from ..randomness import NoiseLaw, Purpose, noise_law, stream
from ..schedule import ProblemConstants

__all__ = [
    "EDGE",
    "EDGE_START",
    "LAW",
    "SYSTEMS",
    "at_gap",
    "check_options",
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
_BISECTIONS = 20
_STARTS, _KEPT, _CHILDREN, _ROUNDS = 200, 4, 20, 6


def number_of(system: str) -> int:
    """A stable integer for the streams of a system."""
    return list(SYSTEMS).index(system)


def check_options(study: str, options: Mapping[str, Any], least: Mapping[str, float]) -> None:
    """Raises ConfigError for an unknown option, or a value that is not a number above its limit."""
    for name, value in options.items():
        if name not in least:
            raise ConfigError(f"evidence.{study}.options.{name}: found it, expected one of {', '.join(least)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > least[name]:
            raise ConfigError(
                f"evidence.{study}.options.{name}: found {value!r}, expected a number above {least[name]:g}"
            )


def restricted_gap(system: LinearSystem, start: float) -> float:
    """10 Δ̃_0 (units of cost), the largest gap of G⁰ (12), for Δ̃_0 = start·C*."""
    return _RESTRICTED * start * lqr.riccati(system).cost


def unit_directions(system: LinearSystem, count: int, rng: np.random.Generator) -> FloatArray:
    """Uniform on the unit Frobenius sphere, ``(count, m, n)``."""
    V = rng.standard_normal((count, system.m, system.n))
    return np.asarray(V / np.linalg.norm(V, axis=(1, 2), keepdims=True))


def at_gap(system: LinearSystem, directions: FloatArray, gap: FloatArray | float) -> FloatArray:
    """K* + sV with C − C* = gap, from below and to 1e-6 of s: gains ``(k, m, n)`` for directions V, gaps ``(k,)``."""
    K_star, gap = lqr.riccati(system).K, np.broadcast_to(np.asarray(gap, dtype=np.float64), len(directions))
    star = lqr.riccati(system).cost

    def above(s: FloatArray) -> Any:
        return lqr.cost_array(system, K_star + s[:, None, None] * directions) - star > gap

    low, high = np.zeros(len(directions)), np.sqrt(2 * gap / lqr.hessian_eigenvalues(system)[-1])
    while not (out := above(high)).all():
        low, high = np.where(out, low, high), np.where(out, high, 2 * high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        out = above(middle)
        low, high = np.where(out, low, middle), np.where(out, middle, high)
    return np.asarray(K_star + low[:, None, None] * directions)


def curvature(system: LinearSystem, gains: FloatArray) -> FloatArray:
    """‖∇²C(K)‖, spectral norm, of gains ``(k, m, n)``."""
    H = hessian_matrix(system, gains)
    return np.asarray(np.abs(np.linalg.eigvalsh((H + np.swapaxes(H, -1, -2)) / 2)).max(axis=-1))


def _steepness(system: LinearSystem, gains: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(lqr.gradient(system, gains), axis=(1, 2)))


def _rollout_bounds(system: LinearSystem, gains: FloatArray) -> FloatArray:
    return np.array([lqr.rollout_bound(system, K, LAW) for K in gains])


def _largest(
    system: LinearSystem,
    gap: float,
    value: Callable[[LinearSystem, FloatArray], FloatArray],
    purpose: int,
    starts: int = _STARTS,
    rounds: int = _ROUNDS,
) -> float:
    """Maximum of value on {C − C* = gap}: random directions, then smaller and smaller moves from the best."""
    rng = stream(0, Purpose.CALIBRATION, _number(system), purpose)
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
    lipschitz = _largest(system, gap, _steepness, 0)
    return ProblemConstants(
        lipschitz=lipschitz,
        smoothness=_largest(system, gap, curvature, 1),
        radius=(_ENLARGED - _RESTRICTED) * start * star / lipschitz,
        pl=lqr.pl_constant(system),
        rollout_bound=_largest(system, gap, _rollout_bounds, 2, starts=16, rounds=0),
    )
