"""Measure radius caps and curvatures of large systems or many starts, with bounded work and memory.

`pcpo.theory.calibration` tests every pair of a point and a direction at every step of one bisection.  Here every pair
is tested about once, in chunks, and only pairs that fail are refined.  Points and directions are fewer where
all of them would be too many.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from pcpo import lqr
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.lqr.cost import MAX_DOUBLINGS, closed_loop, cost_scale, solve_stein, stage_weight, transpose
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["direction_pairs", "exceeds", "is_large", "largest_curvature", "most_starts", "smallest_radius"]

#: Up to D = 16 and this many entries of all displaced closed loops, everything is tested at once.
SMALL_UNKNOWNS, SMALL_ENTRIES = 16, 2**22
#: Displaced closed loops times n³, about the products of matrices in one pass over all pairs.
WORK = 250_000_000
_FEWEST_DIRECTIONS, _FEWEST_STARTS, _MOST_STARTS = 64, 8, 128
_CHUNK_ENTRIES = 2**18
_FIRST = 1e-3
_DENSE = 64  # unknowns up to which the Hessian is formed
_MAX_STEPS = 2200  # halvings or doublings that cross the range of floating-point numbers


def is_large(system: LinearSystem, points: int, directions: int) -> bool:
    """Return whether points × directions are too many to be tested at once at every step of a bisection."""
    return system.D > SMALL_UNKNOWNS or points * directions * system.n**2 > SMALL_ENTRIES


def most_starts(system: LinearSystem) -> int:
    """Return how many starts of a cluster are looked at: 128, fewer from n = 31 on."""
    return min(_MOST_STARTS, max(_FEWEST_STARTS, WORK // (_FEWEST_DIRECTIONS * system.n**3)))


def direction_pairs(system: LinearSystem, points: int, wanted: int) -> int:
    """Return how many opposite pairs of directions are looked at from every point: `wanted`, or fewer, at least 32."""
    return min(wanted, max(_FEWEST_DIRECTIONS, WORK // (points * system.n**3)) // 2)


def exceeds(system: LinearSystem, gains: FloatArray, limits: FloatArray) -> BoolArray:
    """Return where C(K) > limit, for gains ``(k, m, n)`` and limits ``(k,)`` in units of cost.

    The partial sums of C(K) = c tr Σ_k (Mᵀ)^k W M^k, M = √γ A_K, only grow: no eigenvalues are needed.
    """
    over, left = np.zeros(len(gains), dtype=bool), np.arange(len(gains))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        M, X = np.sqrt(system.gamma) * closed_loop(system, gains), stage_weight(system, gains)
        for _ in range(MAX_DOUBLINGS):
            X = X + transpose(M) @ X @ M
            above = ~(cost_scale(system.gamma) * np.trace(X, axis1=-2, axis2=-1) <= limits[left])
            over[left[above]] = True
            keep = ~above & (np.sum(M**2, axis=(-1, -2)) > 1e-18)
            left, M, X = left[keep], M[keep], X[keep]
            if not left.size:
                return over
            M = M @ M
    over[left] = True
    return over


def smallest_radius(system: LinearSystem, points: FloatArray, limits: FloatArray, directions: FloatArray) -> float:
    """Return the largest r with C(K + rU) ≤ limit(K) for all points K and directions U, if costs grow along lines."""
    size = max(1, _CHUNK_ENTRIES // (len(points) * system.n**2))
    found = np.inf
    for first in range(0, len(directions), size):
        U = directions[first : first + size]
        centres, ways = np.repeat(points, len(U), axis=0), np.tile(U, (len(points), 1, 1))
        found = _refined(system, centres, ways, np.repeat(limits, len(U)), found)
    return found


def _refined(system: LinearSystem, centres: FloatArray, ways: FloatArray, limits: FloatArray, known: float) -> float:
    """Return the smaller of `known` and of the largest radius that fits these pairs."""

    def failing(radius: float, pairs: IntArray) -> IntArray:
        moved = centres[pairs] + radius * ways[pairs]
        return np.asarray(pairs[exceeds(system, moved, limits[pairs])])

    pairs = np.arange(len(centres))
    low, high = 0.0, known
    if np.isfinite(known):
        worst = failing(known, pairs)
        if not worst.size:
            return known
    else:
        high = _FIRST
        while not (worst := failing(high, pairs)).size:
            low, high = high, 2 * high
    for _ in range(_MAX_STEPS):
        if high - low <= 2.0**-40 * high:
            break
        middle = (low + high) / 2
        if (still := failing(middle, worst)).size:
            high, worst = middle, still
        else:
            low = middle
    return low


def largest_curvature(system: LinearSystem, gain: FloatArray, *, absolute: bool = False) -> float:
    """Return the largest eigenvalue of ∇²C(K), or with `absolute` the largest modulus, for a gain of finite cost.

    Beyond 64 unknowns by Lanczos iterations, whose products with the Hessian take two Stein equations each.
    """
    if system.D <= _DENSE:
        return _of_all(np.asarray(np.linalg.eigvalsh(lqr.hessian_at(system, gain)), dtype=np.float64), absolute)
    operator = LinearOperator((system.D, system.D), matvec=_hessian_product(system, gain), dtype=np.float64)
    v0 = stream(0, Purpose.CALIBRATION, system.D, 1).standard_normal(system.D)
    try:
        values = eigsh(operator, k=1, which="LM" if absolute else "LA", v0=v0, tol=1e-8, return_eigenvectors=False)
    except ArpackNoConvergence:
        return _of_all(np.asarray(np.linalg.eigvalsh(lqr.hessian_at(system, gain)), dtype=np.float64), absolute)
    return _of_all(np.asarray(values, dtype=np.float64), absolute)


def _of_all(eigenvalues: FloatArray, absolute: bool) -> float:
    """Return the largest eigenvalue, or the largest modulus."""
    return float(np.abs(eigenvalues).max() if absolute else eigenvalues.max())


def _hessian_product(system: LinearSystem, gain: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return V ↦ ∇²C(K)V = 2c(E'S_K + E_K S') on row-major vectors; the formulas of `lqr.cost.hessian_matrix`."""
    gamma, B = system.gamma, system.B
    A_K, P, S = closed_loop(system, gain), lqr.value_matrix(system, gain), lqr.state_gramian(system, gain)
    M, BtP = np.sqrt(gamma) * A_K, gamma * B.T @ P
    E, G = system.R @ gain - BtP @ A_K, system.R + BtP @ B

    def product(vector: FloatArray) -> FloatArray:
        V = vector.reshape(gain.shape)
        VtE, BVSA = V.T @ E, B @ V @ S @ A_K.T
        dP, dS = solve_stein(M, VtE + VtE.T), solve_stein(M.T, -gamma * (BVSA + BVSA.T))
        dE = G @ V - gamma * B.T @ dP @ A_K
        return np.asarray(2.0 * cost_scale(gamma) * (dE @ S + E @ dS)).ravel()

    return product
