"""Describe one discounted linear-quadratic system, validated once and immutable.

A system is x' = A x + B u + z, u = -K x, with stage cost xᵀQx + uᵀRu and discount γ (PCPO, equation (1); x_0 = 0, E zzᵀ
= I), and, beyond the paper, a cross term 2xᵀNu in the stage cost. This module knows no algorithm and solves no equation
of optimal control: see `pcpo.lqr` for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pcpo.errors import FleetError
from pcpo.lqr.modes import slowest_unreached_mode

__all__ = ["MAX_ENTRY", "MAX_INPUTS", "MAX_STATES", "Array", "LinearSystem", "SystemStack", "real_array"]

Array = NDArray[np.float64]

MAX_STATES = 50
MAX_INPUTS = 50
MAX_ENTRY = 1e12  # beyond this the products inside Riccati equations lose every digit
SYMMETRY_RTOL = 1e-12
SINGLE_RTOL = 1e-6  # matrices that were written in single precision are symmetric to this
SEMIDEFINITE_RTOL = 1e-12


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
    return _read_only(array)


def _read_only(array: Array) -> Array:
    """Mark an array as read-only and return it."""
    array.flags.writeable = False
    return array


def _check_shape(name: str, array: Array, expected: tuple[int, ...], why: str) -> None:
    """Raise FleetError unless the array has the expected shape; `why` says where the expectation comes from."""
    if array.shape != expected:
        raise FleetError(f"{name}: found shape {array.shape}, expected {expected} ({why})")


def _symmetric(name: str, array: Array) -> tuple[Array, float]:
    """Return a matrix that is symmetric to single precision, symmetrised, and how far it was off, relatively.

    A matrix that is symmetric up to rounding, 1e-12, keeps its bits; its distance is given as 0.
    """
    asymmetry, size = float(np.abs(array - array.T).max()), float(np.abs(array).max())
    if asymmetry > SINGLE_RTOL * size:
        raise FleetError(
            f"{name}: found entries that differ from the transpose by {asymmetry:.3g}, expected a symmetric matrix"
        )
    if asymmetry <= SYMMETRY_RTOL * size:
        return array, 0.0
    return _read_only(0.5 * (array + array.T)), asymmetry / size


def _is_definite(array: Array) -> bool:
    """Return whether a symmetric matrix is positive definite, beyond what rounding could do."""
    eigenvalues = np.linalg.eigvalsh(array)
    return not eigenvalues[0] <= array.shape[0] * np.finfo(np.float64).eps * max(eigenvalues[-1], 0.0)


def _check_positive_definite(name: str, array: Array) -> None:
    """Raise FleetError unless the symmetric matrix is positive definite, beyond what rounding could do."""
    if not _is_definite(array):
        least = np.linalg.eigvalsh(array)[0]
        raise FleetError(f"{name}: found smallest eigenvalue {least:.6g}, expected a positive definite matrix")


def _check_semidefinite(name: str, array: Array, size: float) -> None:
    """Raise FleetError for an eigenvalue below what rounding does to a zero beside numbers of that size."""
    least = np.linalg.eigvalsh(array)[0]
    if least < -SEMIDEFINITE_RTOL * size:
        raise FleetError(
            f"{name}: found smallest eigenvalue {least:.6g}, expected a positive semidefinite matrix "
            f"(down to -{SEMIDEFINITE_RTOL:g} of the norm counts as 0: compute it in double precision, or add a small "
            "multiple of the identity)"
        )


def _without_rounding(array: Array, size: float) -> Array:
    """Return a semidefinite matrix whose eigenvalues of at most 1e-12·size are exactly 0."""
    values, vectors = np.linalg.eigh(array)
    cut = np.where(values <= SEMIDEFINITE_RTOL * size, 0.0, values)
    if np.array_equal(cut, values):
        return array
    rebuilt = (vectors * cut) @ vectors.T
    return np.asarray(0.5 * (rebuilt + rebuilt.T))


def _mode(mode: complex, gamma: float) -> str:
    """Describe a mode of A in a message."""
    value = f"{mode.real:.6g}" if mode.imag == 0.0 else f"{mode:.6g}"
    return f"{value} of A, sqrt(gamma)·|mode| = {np.sqrt(gamma) * abs(mode):.6g}"


def _check_modes(A: Array, B: Array, Q: Array, gamma: float) -> None:
    """Raise FleetError unless (√γ A, B) is stabilisable and (√γ A, Q^½) detectable."""
    unreached = slowest_unreached_mode(A, B)
    if unreached is not None and not np.sqrt(gamma) * abs(unreached) < 1.0:
        raise FleetError(
            f"(A, B): found the mode {_mode(unreached, gamma)}, which no input reaches, "
            "expected a stabilisable pair: less than 1 for every mode that no input reaches"
        )
    if _is_definite(Q):
        return
    unseen = slowest_unreached_mode(A.T, _without_rounding(Q, float(np.abs(np.linalg.eigvalsh(Q)).max())))
    if unseen is not None and not np.sqrt(gamma) * abs(unseen) < 1.0:
        raise FleetError(
            f"(A, Q): found the mode {_mode(unseen, gamma)}, which costs nothing, "
            "expected a detectable pair: less than 1 for every mode that Q does not see"
        )


def _check_discount(gamma: float) -> None:
    """Raise FleetError unless 0 < γ < 1.

    This is the discounted infinite-horizon setting. A finite horizon with γ = 1 would relax this check and nothing
    else.
    """
    if isinstance(gamma, bool) or not isinstance(gamma, int | float | np.floating | np.integer):
        raise FleetError(f"gamma: found {gamma!r}, expected a number with 0 < gamma < 1")
    if not 0.0 < gamma < 1.0:
        raise FleetError(f"gamma: found {gamma}, expected 0 < gamma < 1")


@dataclass(frozen=True, eq=False)
class LinearSystem:
    """Hold the matrices of one system: A (n, n), B (n, m), Q (n, n), R (m, m), 0 < γ < 1, and N (n, m), by default 0.

    A stage costs xᵀQx + 2xᵀNu + uᵀRu. R is positive definite, Q − N R⁻¹ Nᵀ positive semidefinite (Q itself, without a
    cross term N), (√γ A, B) stabilisable and (√γ A, Q^½) detectable: then the cost of a gain is finite if and only if
    √γ ρ(A − BK) < 1, and K* is unique. The paper assumes more, Q positive definite and (A, B) controllable; what needs
    `definite` says so.

    The arrays are read-only float64 copies. Q and R that are symmetric to single precision, 1e-6 relatively, are
    symmetrised; `symmetrised` names them, with the relative distance from the transpose.

    Raises:
        FleetError: naming the matrix, what was found and what was expected, for shapes that do not fit, entries that
            are not finite, Q or R not symmetric, R not positive definite, a stage cost that can be negative, γ outside
            (0, 1), (A, B) not stabilisable or (A, Q) not detectable, with the mode, or dimensions beyond `MAX_STATES`
            and `MAX_INPUTS`.
    """

    A: Array
    B: Array
    Q: Array
    R: Array
    gamma: float
    N: Array = field(default_factory=lambda: np.zeros((0, 0)))
    crossed: bool = field(init=False, repr=False)
    symmetrised: dict[str, float] = field(init=False, repr=False)

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
        self._set_cross_term()
        _check_discount(self.gamma)
        object.__setattr__(self, "gamma", float(self.gamma))
        self._symmetrise()
        if self.crossed:
            _check_positive_definite("R", self.R)
            _ = self.standard
        else:
            _check_semidefinite("Q", self.Q, float(np.abs(np.linalg.eigvalsh(self.Q)).max()))
            _check_positive_definite("R", self.R)
            _check_modes(self.A, self.B, self.Q, self.gamma)

    def _set_cross_term(self) -> None:
        """Check N; without entries, or with zeros only, there is no cross term."""
        N = real_array("N", self.N)
        if N.size:
            _check_shape("N", N, self.B.shape, f"the shape of B, n = {self.n}, m = {self.m}")
        crossed = bool(N.any())
        object.__setattr__(self, "crossed", crossed)
        object.__setattr__(self, "N", N if crossed else _read_only(np.zeros(self.B.shape)))

    def _symmetrise(self) -> None:
        """Symmetrise Q and R where they are symmetric to single precision only; remember which."""
        distances = {}
        for name in ("Q", "R"):
            array, distance = _symmetric(name, getattr(self, name))
            object.__setattr__(self, name, array)
            if distance:
                distances[name] = distance
        object.__setattr__(self, "symmetrised", distances)

    @cached_property
    def shift(self) -> Array:
        """Return R⁻¹ Nᵀ (m, n): gain K of this system is gain K − R⁻¹ Nᵀ of the `standard` one."""
        return _read_only(np.asarray(np.linalg.solve(self.R, self.N.T)))

    @cached_property
    def standard(self) -> LinearSystem:
        """Return the system with input v, u = −R⁻¹ Nᵀ x + v, whose stage cost has no cross term; itself if N = 0.

        A − B R⁻¹ Nᵀ, B, Q − N R⁻¹ Nᵀ, R. Closed loops, costs, derivatives of costs and rollouts are those of this
        system at gains that differ by `shift`.
        """
        if not self.crossed:
            return self
        product = self.N @ self.shift
        Q = self.Q - product
        Q, size = 0.5 * (Q + Q.T), float(np.abs(np.linalg.eigvalsh(self.Q)).max())
        _check_semidefinite("Q - N R^-1 N', the cost of the state under the best input", Q, size)
        try:
            return LinearSystem(self.A - self.B @ self.shift, self.B, _without_rounding(Q, size), self.R, self.gamma)
        except FleetError as error:
            raise FleetError(f"with A - B R^-1 N' for A and Q - N R^-1 N' for Q: {error}") from error

    @property
    def definite(self) -> bool:
        """Return whether Q, or Q − N R⁻¹ Nᵀ with a cross term, is positive definite, as the paper assumes."""
        return _is_definite(self.standard.Q)

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
    N: Array

    @cached_property
    def crossed(self) -> bool:
        """Return whether any agent's stage cost has a cross term."""
        return bool(self.N.any())

    @classmethod
    def of(cls, systems: tuple[LinearSystem, ...], labels: NDArray[np.int64]) -> SystemStack:
        """Stack the systems so that row i holds the matrices of systems[labels[i]]."""
        A, B, Q, R, N = (np.stack([getattr(s, name) for s in systems])[labels] for name in "ABQRN")
        return cls(A, B, Q, R, systems[0].gamma, N)
