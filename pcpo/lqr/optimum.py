"""Solve for the optimum of one system: Riccati solution with its residual, exact gaps, curvature, PL constant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.linalg import solve_discrete_are

from pcpo.errors import FleetError
from pcpo.lqr.cost import cost_scale, hessian_matrix, state_gramian, value_matrix
from pcpo.lqr.system import Array, LinearSystem, SystemStack

__all__ = [
    "Optimum",
    "growth_constant",
    "hessian_eigenvalues",
    "hessian_trace_gradient",
    "pl_constant",
    "riccati",
    "suboptimality_gap",
]

RESIDUAL_LIMIT = 1e-9
COMPLEX_STEP = 1e-40


@dataclass(frozen=True, eq=False)
class Optimum:
    """Hold P* and K* of a system, with G* = R + γBᵀP*B, S* = S_K*, C* = c tr P* and the relative Riccati residual."""

    P: Array
    K: Array
    G: Array
    S: Array
    cost: float
    residual: float


def _greedy(system: LinearSystem, P: Array) -> tuple[Array, Array]:
    """Return G = R + γBᵀPB and the gain G⁻¹ γBᵀPA."""
    BtP = system.gamma * system.B.T @ P
    G = system.R + BtP @ system.B
    return G, np.asarray(np.linalg.solve(G, BtP @ system.A), dtype=np.float64)


@lru_cache(maxsize=4096)
def riccati(system: LinearSystem) -> Optimum:
    """Solve P* = Q + γAᵀP*A - γAᵀP*B G*⁻¹ γBᵀP*A, K* = G*⁻¹ γBᵀP*A, by SciPy's solver on (√γ A, √γ B).

    A cross term N of the stage cost is taken away before (`LinearSystem.standard`), and K* is that of the given system.
    Two policy-iteration steps polish the solution, so that C* is `cost(system, K*)`. `residual` is the relative
    Frobenius distance of the two sides of the Riccati equation.

    Raises:
        FleetError: if the residual exceeds 1e-9, or SciPy finds no solution.
    """
    if system.crossed:
        best = riccati(system.standard)
        K = best.K + system.shift
        K.flags.writeable = False
        return replace(best, K=K)
    root = np.sqrt(system.gamma)
    try:
        P = solve_discrete_are(root * system.A, root * system.B, system.Q, system.R)
    except (np.linalg.LinAlgError, ValueError) as error:
        raise FleetError(f"(A, B, Q, R): the Riccati equation has no solution that SciPy can find ({error})") from error
    for _ in range(2):
        P = value_matrix(system, _greedy(system, P)[1])
    G, K = _greedy(system, P)
    BtPA = system.gamma * system.B.T @ P @ system.A
    right = system.Q + system.gamma * system.A.T @ P @ system.A - BtPA.T @ K
    size = float(np.linalg.norm(P)) or 1.0  # P* = 0 for Q = 0
    residual = float(np.linalg.norm(right - P) / size)
    if not residual <= RESIDUAL_LIMIT:
        raise FleetError(
            f"(A, B, Q, R): found a relative Riccati residual of {residual:.3g}, expected at most {RESIDUAL_LIMIT:g}"
        )
    S = state_gramian(system, K)
    for array in (P, K, G, S):
        array.flags.writeable = False
    return Optimum(P, K, G, S, cost_scale(system.gamma) * float(np.trace(P)), residual)


def suboptimality_gap(system: LinearSystem, gain: Array) -> float:
    """Return C(K) - C* = c tr[S_K (K-K*)ᵀ G* (K-K*)]: never negative, free of cancellation; infinite if C(K) is."""
    best = riccati(system)
    return float(gap_array(system, best.G, best.K, gain))


def gap_array(
    system: LinearSystem | SystemStack, G: Array, K_star: Array, gains: Array, *, apart: bool = False
) -> Array:
    """Return c tr[S_K (K-K*)ᵀ G* (K-K*)] for stacks that broadcast, shape (...); infinite where C(K) is.

    `apart` as in `pcpo.lqr.cost.solve_stein`.
    """
    S, offset = state_gramian(system, gains, apart=apart), np.asarray(gains) - K_star
    finite = np.asarray(np.isfinite(S).all(axis=(-1, -2)))
    keep = finite[..., None, None]
    S, offset = np.where(keep, S, 0.0), np.where(keep, offset, 0.0)
    values = cost_scale(system.gamma) * np.sum(S * (np.swapaxes(offset, -1, -2) @ G @ offset), axis=(-1, -2))
    return np.where(finite, values, np.inf)


def hessian_eigenvalues(system: LinearSystem) -> Array:
    """Return h_i, ascending (D,): eigenvalues of 2c (G* ⊗ S*), the Hessian at K* in row-major vec K."""
    best = riccati(system)
    products = np.outer(np.linalg.eigvalsh(best.G), np.linalg.eigvalsh(best.S))
    return np.sort(2.0 * cost_scale(system.gamma) * products.ravel())


def growth_constant(system: LinearSystem) -> float:
    """Return μ = 4c σ_min(G*): C(K) − C* ≥ (μ/4)‖K − K*‖² at every K, since S_K ⪰ I in `suboptimality_gap`.

    Near K* the largest such μ is 2 h_min.
    """
    return float(4.0 * cost_scale(system.gamma) * np.linalg.eigvalsh(riccati(system).G)[0])


def pl_constant(system: LinearSystem) -> float:
    """Return μ = 4c σ_min(G*)/‖S*‖: ‖∇C(K)‖² ≥ μ (C(K) - C*) at every K of finite cost; near K* the best is 2 h_min."""
    return growth_constant(system) / float(np.linalg.norm(riccati(system).S, 2))


def hessian_trace_gradient(system: LinearSystem) -> Array:
    """Return g3 = ∇(tr ∇²C)(K*), shape (m, n), by the complex step: exact to rounding, since no difference cancels.

    Smoothing with radius r moves the minimiser by -r² H⁻¹ g3 / (2(D+2)) to leading order.
    """
    steps = np.eye(system.D).reshape(system.D, system.m, system.n)
    H = hessian_matrix(system, riccati(system).K + 1j * COMPLEX_STEP * steps)
    traces: Array = np.trace(H, axis1=-2, axis2=-1).imag / COMPLEX_STEP
    return traces.reshape(system.m, system.n)
