"""Describe one discounted linear-quadratic system, validated once and immutable.

A system is x' = A x + B u + z, u = -K x, with stage cost xᵀQx + uᵀRu and discount γ (PCPO, equation (1); x_0 = 0,
E zzᵀ = I). This module knows no algorithm and solves no equation of optimal control: see `pcpo.lqr` for that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pcpo.errors import FleetError

__all__ = ["MAX_ENTRY", "MAX_INPUTS", "MAX_STATES", "Array", "LinearSystem", "SystemStack", "real_array"]

Array = NDArray[np.float64]

MAX_STATES = 50
MAX_INPUTS = 50
MAX_ENTRY = 1e12  # beyond this the products inside Riccati equations lose every digit
SYMMETRY_RTOL = 1e-12
CONTROLLABILITY_RTOL = 1e-10


def real_array(name: str, value: ArrayLike) -> Array:
    """Copy `value` to a read-only, C-contiguous float64 array; FleetError unless it is of finite real numbers."""
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise FleetError(f"{name}: found rows of unequal length, expected a rectangular array of numbers") from error
    if found.dtype.kind not in "iuf":
        raise FleetError(f"{name}: found entries of type {found.dtype}, expected real numbers")
    array = np.array(found, dtype=np.float64, order="C", copy=True)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise FleetError(f"{name}: found {array[where]} at index {where}, expected finite numbers")
    if array.size and np.abs(array).max() > MAX_ENTRY:
        raise FleetError(f"{name}: found an entry of size {np.abs(array).max():.3g}, expected at most {MAX_ENTRY:g}")
    array.flags.writeable = False
    return array


def _check_shape(name: str, array: Array, expected: tuple[int, ...], why: str) -> None:
    """Raise FleetError unless the array has the expected shape; `why` says where the expectation comes from."""
    if array.shape != expected:
        raise FleetError(f"{name}: found shape {array.shape}, expected {expected} ({why})")


def _check_positive_definite(name: str, array: Array) -> None:
    """Raise FleetError unless the matrix is symmetric and positive definite, up to rounding."""
    asymmetry = np.abs(array - array.T).max()
    if asymmetry > SYMMETRY_RTOL * np.abs(array).max():
        raise FleetError(
            f"{name}: found entries that differ from the transpose by {asymmetry:.3g}, expected a symmetric matrix"
        )
    eigenvalues = np.linalg.eigvalsh(array)
    if eigenvalues[0] <= array.shape[0] * np.finfo(np.float64).eps * max(eigenvalues[-1], 0.0):
        raise FleetError(f"{name}: found smallest eigenvalue {eigenvalues[0]:.6g}, expected a positive definite matrix")


def _check_discount(gamma: float) -> None:
    """Raise FleetError unless 0 < γ < 1.

    This is the discounted infinite-horizon setting. A finite horizon with γ = 1 would relax this check and nothing
    else.
    """
    if isinstance(gamma, bool) or not isinstance(gamma, int | float | np.floating | np.integer):
        raise FleetError(f"gamma: found {gamma!r}, expected a number with 0 < gamma < 1")
    if not 0.0 < gamma < 1.0:
        raise FleetError(f"gamma: found {gamma}, expected 0 < gamma < 1")


def controllable_dimension(A: Array, B: Array) -> int:
    """Return the dimension of the controllable subspace of (A, B), by the orthogonal staircase form.

    Orthogonal reductions need neither powers of A nor its eigenvalues, which are inaccurate where A is defective; both
    matrices are scaled to unit norm first, so the answer does not depend on units.
    """
    A = A / max(np.linalg.norm(A), np.finfo(np.float64).tiny)
    B = B / max(np.linalg.norm(B), np.finfo(np.float64).tiny)
    dimension = 0
    while A.shape[0]:
        U, singular, _ = np.linalg.svd(B)
        rank = int(np.count_nonzero(singular > CONTROLLABILITY_RTOL))
        dimension += rank
        if rank == 0:
            break
        A = U.T @ A @ U
        A, B = A[rank:, rank:], A[rank:, :rank]
    return dimension


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """Hold the matrices of one system: A (n, n), B (n, m), Q (n, n), R (m, m), Q and R positive definite, 0 < γ < 1.

    The arrays are read-only float64 copies.

    Raises:
        FleetError: naming the matrix, what was found and what was expected, for shapes that do not fit, entries that
            are not finite, Q or R not symmetric positive definite, γ outside (0, 1), (A, B) not controllable, or
            dimensions beyond `MAX_STATES` and `MAX_INPUTS`.
    """

    A: Array
    B: Array
    Q: Array
    R: Array
    gamma: float

    def __post_init__(self) -> None:
        for name in ("A", "B", "Q", "R"):
            array = real_array(name, getattr(self, name))
            if array.ndim != 2 or array.size == 0:
                raise FleetError(f"{name}: found shape {array.shape}, expected a matrix with at least one entry")
            object.__setattr__(self, name, array)
        n, m = self.A.shape[0], self.B.shape[1]
        if n > MAX_STATES or m > MAX_INPUTS:
            raise FleetError(
                f"A, B: found n = {n} states and m = {m} inputs, expected at most {MAX_STATES} and {MAX_INPUTS}"
            )
        _check_shape("A", self.A, (n, n), "square")
        _check_shape("B", self.B, (n, m), f"as many rows as A, n = {n}")
        _check_shape("Q", self.Q, (n, n), f"the shape of A, n = {n}")
        _check_shape("R", self.R, (m, m), f"one row per column of B, m = {m}")
        _check_discount(self.gamma)
        object.__setattr__(self, "gamma", float(self.gamma))
        _check_positive_definite("Q", self.Q)
        _check_positive_definite("R", self.R)
        dimension = controllable_dimension(self.A, self.B)
        if dimension < n:
            raise FleetError(
                f"(A, B): found a controllable subspace of dimension {dimension}, expected a controllable pair, n = {n}"
            )

    @property
    def n(self) -> int:
        """Return the number of states."""
        return int(self.A.shape[0])

    @property
    def m(self) -> int:
        """Return the number of inputs."""
        return int(self.B.shape[1])

    @property
    def D(self) -> int:
        """Return the dimension of a gain, D = m n."""
        return self.m * self.n


@dataclass(frozen=True, eq=False)
class SystemStack:
    """Hold the systems of N agents side by side, A (N, n, n) and so on: what batched formulas broadcast over."""

    A: Array
    B: Array
    Q: Array
    R: Array
    gamma: float

    @classmethod
    def of(cls, systems: tuple[LinearSystem, ...], labels: NDArray[np.int64]) -> SystemStack:
        """Stack the systems so that row i holds the matrices of systems[labels[i]]."""
        A, B, Q, R = (np.stack([getattr(s, name) for s in systems])[labels] for name in ("A", "B", "Q", "R"))
        return cls(A, B, Q, R, systems[0].gamma)
