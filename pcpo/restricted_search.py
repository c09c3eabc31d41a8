"""Searches on the boundary of a sublevel set of the cost: sampled maxima, which are lower bounds of the true ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import lqr
from .contracts import FloatArray
from .costs import hessian_matrix
from .systems import LinearSystem

__all__ = ["Value", "at_gap", "curvature", "largest_on_boundary", "steepness", "unit_directions"]

_BISECTIONS = 20
_STARTS, _KEPT, _CHILDREN, _ROUNDS = 200, 4, 20, 6

Value = Callable[[LinearSystem, FloatArray], FloatArray]


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


def steepness(system: LinearSystem, gains: FloatArray) -> FloatArray:
    """‖∇C(K)‖_F of gains ``(k, m, n)``."""
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
    """Maximum of value on {C − C* = gap}: random directions, then smaller and smaller moves from the best."""
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
