"""Compute moments of zᵀPz up to the fourth for laws of a random vector z with E z = 0 and E zzᵀ = I, exactly.

Two families cover the laws of the package.  Independent coordinates of one symmetric law have E z_i^4, E z_i^6 and
E z_i^8; products of entries of z have a mean only if every index occurs an even number of times, which leaves double
edges, triangles and squares of the graph whose edges are the entries of P off the diagonal.  The uniform law on the
sphere of radius √n has E(zᵀPz)^k = n^k/(n(n+2)…(n+2k−2)) times the moment of a normal z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pcpo.lqr.system import Array

__all__ = ["FormLaw", "FormMoments", "FourthCumulant", "independent_moments", "spherical_moments"]


@dataclass(frozen=True, eq=False)
class FormMoments:
    """Hold moments of ζ = zᵀPz − tr P for symmetric P ``(..., n, n)``.

    Attributes:
        second: E ζ².
        third: E ζ³.
        fourth: κ_4(ζ) = E ζ⁴ − 3(E ζ²)².
        square: E ζ²zzᵀ − E ζ²·I, ``(..., n, n)``.
    """

    second: Array
    third: Array
    fourth: Array
    square: Array


@dataclass(frozen=True)
class FourthCumulant:
    """Hold the fourth cumulant of z: κ_4(wᵀz) = α Σ_i w_i⁴ + β‖w‖⁴ for every vector w."""

    alpha: float
    beta: float

    def contracted(self, N: Array) -> Array:
        """Return E(zᵀNz)zzᵀ − tr(N) I − 2N for symmetric N ``(..., n, n)``: zero for a normal z."""
        n = N.shape[-1]
        trace = np.trace(N, axis1=-2, axis2=-1)[..., None, None]
        return np.asarray(self.alpha * N * np.eye(n) + self.beta / 3 * (trace * np.eye(n) + 2 * N))

    def product(self, N: Array, O: Array) -> Array:  # noqa: E741  # a matrix
        """Return tr(contracted(N)·O) for symmetric N and O."""
        diagonals = np.diagonal(N, axis1=-2, axis2=-1), np.diagonal(O, axis1=-2, axis2=-1)
        traces = diagonals[0].sum(axis=-1) * diagonals[1].sum(axis=-1)
        own = np.sum(diagonals[0] * diagonals[1], axis=-1)
        return np.asarray(self.alpha * own + self.beta / 3 * (traces + 2 * np.sum(N * O, axis=(-2, -1))))

    def carried(self, C: Array) -> Array:
        """Return the contraction of the fourth cumulant of Cz with that of z, for C ``(..., n, n)``."""
        squares = C * C
        columns, rows = squares.sum(axis=-2), squares.sum(axis=-1)
        found = self.alpha**2 * np.sum(squares * squares, axis=(-2, -1))
        if self.beta:
            both = np.sum(columns**2, axis=-1) + np.sum(rows**2, axis=-1)
            gram = C @ np.swapaxes(C, -1, -2)
            spherical = rows.sum(axis=-1) ** 2 + 2 * np.sum(gram * gram, axis=(-2, -1))
            found = found + self.alpha * self.beta * both + self.beta**2 / 3 * spherical
        return np.asarray(found)


class FormLaw(Protocol):
    """Name what cumulants of a rollout need of a law of z."""

    def form_moments(self, P: Array) -> FormMoments:
        """Return the moments of zᵀPz for symmetric P ``(..., n, n)``."""
        ...

    def fourth_cumulant(self, n: int) -> FourthCumulant:
        """Return the fourth cumulant of z in Rⁿ."""
        ...


def independent_moments(P: Array, m4: float, m6: float, m8: float) -> FormMoments:
    """Return the moments of zᵀPz for independent coordinates with E z_i² = 1, E z_i⁴ = m4, E z_i⁶ = m6, E z_i⁸ = m8.

    With p the diagonal of P, O the rest and u_i = z_i² − 1, ζ = pᵀu + zᵀOz.
    """
    a2, a3, a4 = m4 - 1, m6 - 3 * m4 + 2, m8 - 4 * m6 + 6 * m4 - 3  # E u², E u³, E u⁴
    n = P.shape[-1]
    p = np.diagonal(P, axis1=-2, axis2=-1)
    off = P * (1 - np.eye(n))
    two = off @ off
    own = np.diagonal(two, axis1=-2, axis2=-1)  # Σ_j O_ij²
    three = np.sum(two * off, axis=-1)  # diagonal of O³
    entries = off * off
    squares, norm = np.sum(p**2, axis=-1), own.sum(axis=-1)
    quadruple, shared = np.sum(entries**2, axis=(-2, -1)), np.sum(own**2, axis=-1)

    second = a2 * squares + 2 * norm
    third = a3 * np.sum(p**3, axis=-1) + 12 * a2 * np.sum(p * own, axis=-1) + 8 * three.sum(axis=-1)
    diagonal = a4 * np.sum(p**4, axis=-1) - 3 * a2**2 * np.sum(p**4, axis=-1)  # less 3 a2² (Σp²)²
    mixed = 2 * a3 * np.sum(p**2 * own, axis=-1) + 2 * a2**2 * np.sum(p * (entries @ p[..., None])[..., 0], axis=-1)
    cycles = 48 * np.sum(two * two, axis=(-2, -1)) - 96 * shared + 32 * quadruple  # κ_4(zᵀOz) for signs
    repeated = 8 * (m4**2 - 1) * quadruple + 48 * a2 * (shared - quadruple)
    fourth = diagonal + 12 * mixed + 96 * a2 * np.sum(p * three, axis=-1) + cycles + repeated
    square = 4 * a2 * off * (p[..., :, None] + p[..., None, :]) + 8 * two * (1 - np.eye(n))
    square = square + (a3 * p**2 + 4 * a2 * own)[..., :, None] * np.eye(n)
    return FormMoments(second, third, fourth, square)


def spherical_moments(P: Array) -> FormMoments:
    """Return the moments of zᵀPz for z uniform on the sphere of radius √n in Rⁿ."""
    n, unit = P.shape[-1], np.eye(P.shape[-1])
    mean = np.trace(P, axis1=-2, axis2=-1)
    P = P - mean[..., None, None] / n * unit  # zᵀPz − tr P is that of this P, without a trace
    two = P @ P
    t2, t3 = np.trace(two, axis1=-2, axis2=-1), np.sum(two * P, axis=(-2, -1))
    t4 = np.sum(two * two, axis=(-2, -1))
    to2 = n / (n + 2)
    to3 = to2 * n / (n + 4)
    to4 = to3 * n / (n + 6)
    second = to2 * 2 * t2
    fourth = to4 * (12 * t2**2 + 48 * t4) - 3 * second**2
    square = to3 * (2 * t2[..., None, None] * unit + 8 * two) - second[..., None, None] * unit
    return FormMoments(second, to3 * 8 * t3, fourth, square)
