"""Compare sums over the closed loops of displaced gains K + rU with limits: a compiled kernel, which stops early.

The sum of a pair of a centre K and a direction U is s_θ = Σ_k θ^k tr(A'^kᵀ W' A'^k) with A' = A − B(K + rU) and the
weight W' of a stage.  With θ = γ it is the cost over c = γ/(1 − γ); with larger θ it bounds truncation biases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, cached_property

import numpy as np

from pcpo.arrays import FloatArray, IntArray
from pcpo.lqr.cost import MAX_DOUBLINGS, closed_loop, cost_scale, stage_weight
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.vector import compiled

__all__ = ["DisplacedGains", "exceeding_kernel"]

_FIRST_CHUNK, _CHUNK = 2**6, 2**18
_CONVERGED, _DIVERGED = 1e-18, 1e150  # of ‖M^(2^j)‖², M = √θ A'


def _exceeding(closed, weight, slope, B, R, directions, radius, limits, pairs, over):  # type: ignore[no-untyped-def]
    """Set over[i] to whether the sum of pair i = p·q + u exceeds limits[p], q the number of directions.

    Partial sums of 2^j terms only grow; what they lack of the sum is at most ‖M^(2^j)‖² of it.

    Args:
        closed: √θ(A − BK) of the centres, (p, n, n).
        weight: W of the centres, (p, n, n).
        slope: RK − Nᵀ of the centres, (p, m, n).
        B: √θB.
        R: cost of the input.
        directions: (q, m, n).
        radius: r.
        limits: (p,), of the sums.
        pairs: flat indices.
        over: the result, (len(pairs),).
    """
    n, m, q = B.shape[0], B.shape[1], directions.shape[0]
    M, X, MM, XM, half = np.empty((n, n)), np.empty((n, n)), np.empty((n, n)), np.empty((n, n)), np.empty((m, n))
    for i in range(pairs.size):
        p, u = pairs[i] // q, pairs[i] % q
        for k in range(m):
            for b in range(n):
                half[k, b] = slope[p, k, b]
            for j in range(m):
                for b in range(n):
                    half[k, b] += 0.5 * radius * R[k, j] * directions[u, j, b]
        for a in range(n):
            for b in range(n):
                M[a, b], X[a, b] = closed[p, a, b], weight[p, a, b]
            for k in range(m):
                for b in range(n):
                    M[a, b] -= radius * B[a, k] * directions[u, k, b]
                    X[a, b] += radius * (directions[u, k, a] * half[k, b] + half[k, a] * directions[u, k, b])
        over[i] = True
        for _ in range(MAX_DOUBLINGS):
            total = size = 0.0
            for a in range(n):
                total += X[a, a]
                for b in range(n):
                    size += M[a, b] * M[a, b]
            if not total <= limits[p] or not size <= _DIVERGED:
                break
            if size <= _CONVERGED or total <= limits[p] * (1.0 - size):
                over[i] = False
                break
            for a in range(n):
                for b in range(n):
                    XM[a, b] = MM[a, b] = 0.0
                for k in range(n):
                    for b in range(n):
                        XM[a, b] += X[a, k] * M[k, b]
                        MM[a, b] += M[a, k] * M[k, b]
            for k in range(n):
                for a in range(n):
                    for b in range(n):
                        X[a, b] += M[k, a] * XM[k, b]
            M, MM = MM, M


@cache
def exceeding_kernel() -> Callable[..., None]:
    """Return the kernel `_exceeding` for systems of all sizes, compiled at its first call."""
    return compiled(_exceeding)


class DisplacedGains:
    """Hold the gains K + rU of one system for all centres K ``(p, m, n)`` and unit directions U ``(q, m, n)``.

    A pair is a flat index, p·q + u.
    """

    def __init__(self, system: LinearSystem, centres: FloatArray, directions: FloatArray) -> None:
        self.system, self.centres, self.directions = system, centres, np.ascontiguousarray(directions)

    @cached_property
    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return A_K, W_K and RK − Nᵀ of the centres."""
        slope = self.system.R @ self.centres - self.system.N.T
        return closed_loop(self.system, self.centres), stage_weight(self.system, self.centres), slope

    def chunks(self, order: IntArray) -> Iterator[IntArray]:
        """Yield the pairs of the centres in that order, a few first."""
        q, last = len(self.directions), 0
        while last < len(order) * q:
            first, last = last, min(len(order) * q, last + (_CHUNK if last else _FIRST_CHUNK))
            centres, directions = np.divmod(np.arange(first, last), q)
            yield order[centres] * q + directions

    def gains(self, pairs: IntArray, radius: float) -> FloatArray:
        """Return K + rU of some pairs."""
        centres, directions = np.divmod(pairs, len(self.directions))
        return np.asarray(self.centres[centres] + radius * self.directions[directions])

    def exceeding(self, pairs: IntArray, radius: float, limits: FloatArray, theta: float) -> IntArray:
        """Return those of the pairs with s_θ > limits[p], or whose closed loop does not decay: √θ ρ(A') ≥ 1."""
        over, root = np.empty(len(pairs), dtype=np.bool_), np.sqrt(theta)
        closed, weight, slope = self._parts
        arrays = (root * closed, weight, slope, root * self.system.B, np.array(self.system.R))
        exceeding_kernel()(*arrays, self.directions, float(radius), limits, pairs, over)
        return np.asarray(pairs[over])

    def costlier(self, pairs: IntArray, radius: float, limits: FloatArray) -> IntArray:
        """Return those of the pairs with C(K + rU) > limits[p], in units of cost."""
        gamma = self.system.gamma
        return self.exceeding(pairs, radius, limits / cost_scale(gamma), gamma)
