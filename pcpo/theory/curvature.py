"""Find the largest eigenvalues of Hessians ∇²C(K): of many gains at once, or of large systems without the Hessian."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.lqr.cost import closed_loop, cost_scale, hessian_matrix, solve_stein
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["curvatures"]

_DENSE = 64  # unknowns up to which Hessians are formed
_CHUNK_ENTRIES = 2**18  # entries of the Stein equations of one stack of Hessians, which take about ten such stacks


def curvatures(system: LinearSystem, gains: FloatArray, *, absolute: bool = False) -> FloatArray:
    """Return the largest eigenvalue of ∇²C(K), or with `absolute` the largest modulus, of gains ``(k, m, n)``.

    Their costs are finite, which is not tested.  Beyond 64 unknowns by Lanczos iterations, whose products with the
    Hessian take two Stein equations each.
    """
    if system.D > _DENSE:
        return np.array([_by_lanczos(system, K, absolute) for K in gains])
    size = max(1, _CHUNK_ENTRIES // (system.D * system.n**2))
    found = [_dense(system, gains[first : first + size], absolute) for first in range(0, len(gains), size)]
    return np.concatenate(found) if found else np.empty(0)


def _dense(system: LinearSystem, gains: FloatArray, absolute: bool) -> FloatArray:
    """Return the largest eigenvalues of Hessians, formed."""
    H = hessian_matrix(system, gains)
    return _largest(np.asarray(np.linalg.eigvalsh(0.5 * (H + np.swapaxes(H, -1, -2)))), absolute)


def _by_lanczos(system: LinearSystem, gain: FloatArray, absolute: bool) -> float:
    """Return the largest eigenvalue at one gain by products with the Hessian; formed if they do not converge."""
    operator = LinearOperator((system.D, system.D), matvec=_hessian_product(system, gain), dtype=np.float64)
    v0 = stream(0, Purpose.CALIBRATION, system.D, 1).standard_normal(system.D)
    try:
        values = eigsh(operator, k=1, which="LM" if absolute else "LA", v0=v0, tol=1e-8, return_eigenvectors=False)
    except ArpackNoConvergence:
        return float(_dense(system, gain[None], absolute)[0])
    return float(_largest(np.asarray(values, dtype=np.float64), absolute))


def _largest(eigenvalues: FloatArray, absolute: bool) -> FloatArray:
    """Return the largest of each row of eigenvalues, or the largest modulus."""
    return np.asarray((np.abs(eigenvalues) if absolute else eigenvalues).max(axis=-1))


def _hessian_product(system: LinearSystem, gain: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return V ↦ ∇²C(K)V = 2c(E'S_K + E_K S') on row-major vectors; the formulas of `lqr.cost.hessian_matrix`."""
    gamma, B = system.gamma, system.B
    A_K, P, S = closed_loop(system, gain), lqr.value_matrix(system, gain), lqr.state_gramian(system, gain)
    M, BtP = np.sqrt(gamma) * A_K, gamma * B.T @ P
    E, G = system.R @ gain - BtP @ A_K - system.N.T, system.R + BtP @ B

    def product(vector: FloatArray) -> FloatArray:
        V = vector.reshape(gain.shape)
        VtE, BVSA = V.T @ E, B @ V @ S @ A_K.T
        dP, dS = solve_stein(M, VtE + VtE.T), solve_stein(M.T, -gamma * (BVSA + BVSA.T))
        dE = G @ V - gamma * B.T @ dP @ A_K
        return np.asarray(2.0 * cost_scale(gamma) * (dE @ S + E @ dS)).ravel()

    return product
