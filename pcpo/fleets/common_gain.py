"""Decide whether one gain has finite cost for several systems: by a certificate for one input, else by search.

A gain K has finite cost for all systems if √γ·ρ(A_j − B_jK) < 1 for every j.  With one input the coefficients of the
characteristic polynomial of √γ(A_j − B_jK) are affine in K, and the convex hull of the coefficients of all stable
polynomials of degree n is the simplex with the vertices (z − 1)^i (z + 1)^(n − i) (Fam and Meditch 1978).  So if a
linear program finds no K whose coefficients lie in that simplex for every system, no common gain exists: a certificate.
For n ≤ 2 the stable coefficients are that simplex, so a common gain exists if the program has a solution in its
interior.  With several inputs the coefficients are polynomials in K, and only search is left, which proves nothing when
it finds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import scipy  # loads scipy.optimize at its first use

from pcpo.lqr.optimum import riccati
from pcpo.lqr.system import Array, LinearSystem

__all__ = ["CommonGain", "common_gain", "smallest_radius"]

#: Slack of the linear program beyond which a common gain is taken to be excluded, or to exist.
_CLEAR = 1e-6
#: Raises of the discount in one descent, and the smallest raise that is worth another.
_STAGES, _LEAST_RAISE = 40, 2e-3
#: Part of the largest discounted radius that each stage allows, and the steps of its descent.
_MARGIN, _STEPS = 0.97, 25
_RANDOM_STARTS = 4


class CommonGain(StrEnum):
    """Name what is known of a gain of finite cost for every system."""

    EXISTS = "exists"
    EXCLUDED = "excluded"
    NOT_FOUND = "not found"


def common_gain(systems: Sequence[LinearSystem], rng: np.random.Generator) -> CommonGain:
    """Say whether a gain has finite cost for every system; `rng` draws further starts of the search.

    Args:
        systems: of one size (n, m) and one γ.
        rng: of the random starts; the same number of draws is taken whatever is found.

    Returns:
        EXISTS if such a gain was found, EXCLUDED if there is a certificate that there is none (one input only), and
        NOT_FOUND otherwise.
    """
    best = [riccati(system).K for system in systems]
    spread = float(np.mean([np.linalg.norm(K) for K in best])) + 1.0
    far = [spread * rng.standard_normal(best[0].shape) for _ in range(_RANDOM_STARTS)]
    if systems[0].m == 1:
        slack = _slack(systems)
        if slack < -_CLEAR:
            return CommonGain.EXCLUDED
        if systems[0].n <= 2:
            return CommonGain.EXISTS if slack > _CLEAR else CommonGain.NOT_FOUND
    starts = [*best, np.mean(best, axis=0), np.zeros_like(best[0]), *far]
    return CommonGain.EXISTS if smallest_radius(systems, starts) < 1.0 else CommonGain.NOT_FOUND


def _stable_simplex(n: int) -> Array:
    """Return the coefficients, after the leading 1, of (z − 1)^i (z + 1)^(n − i), i = 0 … n: ``(n + 1, n)``."""
    return np.array([np.poly([1.0] * i + [-1.0] * (n - i))[1:] for i in range(n + 1)])


def _affine_coefficients(A: Array, B: Array) -> tuple[Array, Array]:
    """Return c ``(n,)`` and J ``(n, n)`` with c + J·K the coefficients of the polynomial of A − BK, one input."""
    n = len(A)
    at_zero = _coefficients(A)
    return at_zero, np.stack([_coefficients(A - B @ unit[None, :]) - at_zero for unit in np.eye(n)], axis=1)


def _coefficients(M: Array) -> Array:
    """Return the coefficients of the characteristic polynomial, after the leading 1, ``(n,)``."""
    return np.asarray(np.poly(M)[1:].real, dtype=np.float64)


def _slack(systems: Sequence[LinearSystem]) -> float:
    """Return the largest s ≤ 1 for which a K has all barycentric coordinates of all systems ≥ s.

    Negative: no K has its coefficients in every simplex.  Positive: some K has them in the interior of all.
    """
    n, H, root = systems[0].n, len(systems), float(np.sqrt(systems[0].gamma))
    vertices, width = _stable_simplex(n), n + len(systems) * (n + 1) + 1
    rows, values = [], []
    for j, system in enumerate(systems):
        mine = slice(n + j * (n + 1), n + (j + 1) * (n + 1))
        constant, slopes = _affine_coefficients(root * system.A, root * system.B)
        block, total = np.zeros((n, width)), np.zeros((1, width))
        block[:, :n], block[:, mine], total[0, mine] = slopes, -vertices.T, 1.0
        rows += [block, total]
        values += [-constant, np.ones(1)]
    below = np.zeros((H * (n + 1), width))  # s − λ ≤ 0
    below[:, n:-1], below[:, -1] = -np.eye(H * (n + 1)), 1.0
    objective = np.zeros(width)
    objective[-1] = -1.0
    bounds = [(None, None)] * (width - 1) + [(None, 1.0)]
    found = scipy.optimize.linprog(
        objective, A_ub=below, b_ub=np.zeros(len(below)), A_eq=np.vstack(rows), b_eq=np.concatenate(values),
        bounds=bounds, method="highs",
    )  # fmt: skip
    return 0.0 if found.x is None else float(found.x[-1])


def smallest_radius(systems: Sequence[LinearSystem], starts: Sequence[Array]) -> float:
    """Search for the gain with the smallest max_j √γ·ρ(A_j − B_jK); stop at the first value below 1.

    Discount annealing: from each start, Σ_j C_j at a discount with which it is finite is a barrier that is lowered by
    BFGS, and the discount is raised as far as the gain then allows.  Each descent is local, so the value is an upper
    bound on the smallest.

    Args:
        systems: of one size (n, m) and one γ.
        starts: gains ``(m, n)``.
    """
    A, B = np.stack([s.A for s in systems]), np.stack([s.B for s in systems])
    root, best = float(np.sqrt(systems[0].gamma)), np.inf
    for start in starts:
        K, radius = start, _radius(A, B, start)
        for _ in range(_STAGES):
            if root * radius < 1.0:
                return root * radius
            K = _lowered(A, B, K, _MARGIN / radius)
            reached = _radius(A, B, K)
            raised, radius = reached <= (1.0 - _LEAST_RAISE) * radius, min(radius, reached)
            if not raised:
                break
        best = min(best, root * radius)
    return best


def _radius(A: Array, B: Array, K: Array) -> float:
    """Return max_j ρ(A_j − B_jK)."""
    return float(np.abs(np.linalg.eigvals(A - B @ K)).max())


def _barrier(A: Array, B: Array, K: Array, scale: float) -> tuple[float, Array]:
    """Return Σ_j tr P_j and its gradient, for Q = R = I and the systems scale·(A_j, B_j); infinite where unstable."""
    closed = scale * (A - B @ K)
    if not np.abs(np.linalg.eigvals(closed)).max() < 1.0:
        return np.inf, np.zeros_like(K)
    eye = np.broadcast_to(np.eye(A.shape[-1]), A.shape)
    P, S, power = eye + K.T @ K, eye.copy(), closed
    while np.abs(power).max() > 1e-9:  # doubling: P = Σ_k X'^k W X^k, S = Σ_k X^k X'^k
        P = P + power.swapaxes(1, 2) @ P @ power
        S = S + power @ S @ power.swapaxes(1, 2)
        power = power @ power
    E = K - scale * B.swapaxes(1, 2) @ P @ closed
    return float(np.trace(P, axis1=1, axis2=2).sum()), 2.0 * np.sum(E @ S, axis=0)


def _lowered(A: Array, B: Array, K: Array, scale: float) -> Array:
    """Lower the barrier from K, where it is finite, by BFGS steps that never leave its domain."""
    value, gradient = _barrier(A, B, K, scale)
    inverse = first = np.eye(K.size) / max(1.0, float(np.linalg.norm(gradient)))
    for _ in range(_STEPS):
        direction = -(inverse @ gradient.ravel()).reshape(K.shape)
        slope, step = float(np.sum(direction * gradient)), 1.0
        while True:
            tried, new = _barrier(A, B, K + step * direction, scale)
            if tried <= value + 1e-4 * step * slope or step < 1e-10:
                break
            step /= 2
        if not tried < value:
            break
        s, y = step * direction.ravel(), (new - gradient).ravel()
        K, value, gradient, curvature = K + step * direction, tried, new, float(s @ y)
        if curvature > 1e-12:
            q = inverse @ y
            inverse = inverse + (curvature + y @ q) / curvature**2 * np.outer(s, s)
            inverse -= (np.outer(q, s) + np.outer(s, q)) / curvature
        else:
            inverse = first
        if np.linalg.norm(gradient) < 1e-3 * value:
            break
    return K
