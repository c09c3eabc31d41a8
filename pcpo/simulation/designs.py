"""Tabulate points whose products are a uniform law on a sphere, exact in all moments up to the fifth degree.

A point of the sphere of R^n is put together from n − 1 independent draws: pairs of coordinates are points of circles,
and splits share the square of the norm, 1, among the pairs.  The share B of one pair of n coordinates is
Beta(1, (n − 2)/2); of three coordinates, one is uniform on [−1, 1] (Archimedes).  Every draw takes one of `POINTS`
equally likely values: equispaced points of a circle, whose moments are those of the circle up to degree POINTS − 1;
quantiles of B with its mean and variance; points of [−1, 1] with the second and fourth moment of the uniform law.

Numbers are computed in decimal arithmetic and rounded once, so they have the same bits on every machine.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

__all__ = ["POINTS", "circle", "split"]

POINTS = 2**12
_DIGITS = 28
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")

Pairs = tuple[tuple[float, float], ...]


@cache
def circle() -> Pairs:
    """Return the points (cos φ, sin φ), φ = 2π(k + ½)/POINTS."""
    with localcontext(prec=_DIGITS):
        octant = [_cosine_and_sine(2 * _PI * (2 * k + 1) / (2 * POINTS)) for k in range(POINTS // 8)]
    quarter = [*octant, *((s, c) for c, s in reversed(octant))]
    half = [*quarter, *((-s, c) for c, s in quarter)]
    return tuple([*half, *((-c, -s) for c, s in half)])


@cache
def split(n: int) -> Pairs:
    """Return the norms of the first pair and of the other n − 2 coordinates; for n = 3, the single one is signed."""
    with localcontext(prec=_DIGITS):
        if n == 3:
            return tuple((float((1 - u * u).sqrt()), float(u)) for u in _uniform())
        return tuple((float(B.sqrt()), float((1 - B).sqrt())) for B in _shares(n))


def _cosine_and_sine(angle: Decimal) -> tuple[float, float]:
    """Sum the Taylor series for an angle up to π/4."""
    terms = [Decimal(1)]
    for k in range(1, _DIGITS):
        terms.append(terms[-1] * angle / k)
    cosine, sine = sum(terms[::4]) - sum(terms[2::4]), sum(terms[1::4]) - sum(terms[3::4])
    return float(cosine), float(sine)


def _grid() -> list[Decimal]:
    """Return the midpoints of POINTS equal parts of [−1, 1]."""
    return [Decimal(2 * k + 1 - POINTS) / POINTS for k in range(POINTS)]


def _mean(values: list[Decimal]) -> Decimal:
    return sum(values, Decimal(0)) / len(values)


def _shares(n: int) -> list[Decimal]:
    """Return quantiles of Beta(1, b), b = (n − 2)/2, moved and stretched to its mean and variance."""
    b = Decimal(n - 2) / 2
    quantiles = [1 - ((1 - x) / 2) ** (1 / b) for x in _grid()]
    centre = _mean(quantiles)
    spread = _mean([(x - centre) ** 2 for x in quantiles])
    mean, variance = 1 / (1 + b), b / ((1 + b) ** 2 * (2 + b))
    return [mean + (variance / spread).sqrt() * (x - centre) for x in quantiles]


def _uniform() -> list[Decimal]:
    """Return αx + βx³ of a grid, with the moments E u² = 1/3 and E u⁴ = 1/5; by Newton's method from α = 1, β = 0."""
    grid = _grid()
    m2, m4, m6, m8, m10, m12 = (_mean([x**k for x in grid]) for k in range(2, 14, 2))
    a, b = Decimal(1), Decimal(0)
    for _ in range(6):
        second = a * a * m2 + 2 * a * b * m4 + b * b * m6 - Decimal(1) / 3
        fourth = a**4 * m4 + 4 * a**3 * b * m6 + 6 * a * a * b * b * m8 + 4 * a * b**3 * m10 + b**4 * m12
        fourth -= Decimal(1) / 5
        second_a, second_b = 2 * (a * m2 + b * m4), 2 * (a * m4 + b * m6)
        fourth_a = 4 * (a**3 * m4 + 3 * a * a * b * m6 + 3 * a * b * b * m8 + b**3 * m10)
        fourth_b = 4 * (a**3 * m6 + 3 * a * a * b * m8 + 3 * a * b * b * m10 + b**3 * m12)
        determinant = second_a * fourth_b - second_b * fourth_a
        a -= (second * fourth_b - fourth * second_b) / determinant
        b -= (fourth * second_a - second * fourth_a) / determinant
    return [a * x + b * x**3 for x in grid]
