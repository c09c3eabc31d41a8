"""Compute how far means of M estimates are from normal, and from which M on a test no longer sees it.

The cost of a rollout has the exact cumulants of `pcpo.lqr.cumulants`; those of a one-point estimate
(D/r) C(K + rU; Z) U along a fixed vector follow by quadrature over U.  By Edgeworth's expansion, the distribution
function of a standardised mean of M differs from the normal one by at most

    d(M) = |κ_3|/(6√M)·sup|He_2 φ| + |κ_4|/(24M)·sup|He_3 φ| + κ_3²/(72M)·sup|He_5 φ|

up to higher orders in 1/√M, where κ_3 and κ_4 are those of the standardised estimate with M = 1.  Values on a lattice
add jumps, which Edgeworth's expansion does not have: a lattice of span s and an independent rest of variance v make the
distribution function jump by s/√(2πMV), damped by exp(−2π²Mv/s²), where V is the variance of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.lqr.cumulants import cost_cumulants
from pcpo.lqr.forms import FormLaw
from pcpo.lqr.system import LinearSystem

__all__ = [
    "DIRECTIONS",
    "answer_cumulants",
    "directions",
    "edgeworth_distance",
    "lattice_distance",
    "raw_moments",
    "room",
    "shape_along",
    "visible_below",
]

#: Number of random directions along which vectors are tested.
DIRECTIONS = 4


def directions(D: int, count: int = DIRECTIONS) -> FloatArray:
    """Return the fixed unit vectors along which estimates are tested: ``(count, D)``, or ``(1, 1)`` if D = 1."""
    drawn = np.random.default_rng(np.random.SeedSequence(D)).standard_normal((count if D > 1 else 1, D))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def raw_moments(mean: FloatArray, cumulants: FloatArray) -> FloatArray:
    """Return E X, E X², E X³, E X⁴ ``(4, …)`` from the mean and κ_2, κ_3, κ_4 ``(3, …)``."""
    second, third, fourth = cumulants
    square = second + mean**2
    cube = third + 3 * mean * second + mean**3
    return np.stack([mean, square, cube, fourth + 4 * mean * third + 3 * second**2 + 6 * mean**2 * second + mean**4])


def shape_along(weights: FloatArray, along: FloatArray, raw: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return variance, skewness and excess kurtosis of a·X, where a and X depend on a node and X is random besides.

    Args:
        weights: of the nodes ``(q,)``.
        along: a ``(…, q)``.
        raw: E X … E X⁴ at each node ``(4, …, q)``.
    """
    m1, m2, m3, m4 = (np.sum(weights * along ** (k + 1) * raw[k], axis=-1) for k in range(4))
    variance = m2 - m1**2
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = (m3 - 3 * m1 * m2 + 2 * m1**3) / variance**1.5
        kurtosis = (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / variance**2 - 3
    return variance, skewness, kurtosis


def answer_cumulants(
    system: LinearSystem, gain: FloatArray, radius: float, law: FormLaw, horizon: int, order: int | None
) -> FloatArray:
    """Return skewness and excess kurtosis of a one-point estimate (5) with M = 1, standardised by its covariance.

    Args:
        system: the system that is rolled out.
        gain: ``(m, n)``.
        radius: smoothing radius.
        law: law of the noise.
        horizon: stages of a rollout.
        order: of the quadrature on the sphere, None for the default.

    Returns:
        ``(2, directions)``, along the fixed `directions`.
    """
    nodes, weights = lqr.sphere_nodes(system.D, order)
    gains = gain + radius * nodes.reshape(-1, system.m, system.n)
    mean = lqr.truncated_cost_array(system, gains, horizon)
    raw = raw_moments(mean, cost_cumulants(system, gains, law, horizon))
    slope = (weights * mean) @ nodes
    covariance = (nodes.T * (weights * raw[1])) @ nodes - np.outer(slope, slope)
    along = nodes @ np.linalg.solve(np.linalg.cholesky(covariance).T, directions(system.D).T)
    _, skewness, kurtosis = shape_along(weights, along.T, raw[:, None])
    return np.stack([skewness, kurtosis])


_X = np.linspace(0.0, 8.0, 8001)
_PHI = np.exp(-(_X**2) / 2) / np.sqrt(2 * np.pi)
_HE2, _HE3, _HE5 = (float(np.max(np.abs(p) * _PHI)) for p in (_X**2 - 1, _X**3 - 3 * _X, _X**5 - 10 * _X**3 + 15 * _X))


def edgeworth_distance(
    skewness: FloatArray | float, kurtosis: FloatArray | float, minibatch: FloatArray | float
) -> Any:
    """Return d(M), at most 1: a bound on the distance of the law of a mean of M from the normal law, to order 1/M."""
    first = np.abs(skewness) / (6 * np.sqrt(minibatch)) * _HE2
    return np.minimum(1.0, first + (np.abs(kurtosis) / 24 * _HE3 + np.square(skewness) / 72 * _HE5) / minibatch)


def lattice_distance(
    span: FloatArray | float, rest: FloatArray | float, variance: FloatArray | float, minibatch: FloatArray | float
) -> Any:
    """Return half the jump of the distribution function of a mean of M: s/(2√(2πMV))·exp(−2π²Mv/s²).

    Args:
        span: s, of the lattice; 0 for none.
        rest: v, variance of what is added to the lattice.
        variance: V, of one estimate.
        minibatch: M.
    """
    square = np.where(np.equal(span, 0), 1.0, np.square(span))
    damping = np.exp(-2 * np.pi**2 * minibatch * rest / square)
    return span / (2 * np.sqrt(2 * np.pi * minibatch * variance)) * damping


def room(samples: int, level: float) -> float:
    """Return the distance at which a Kolmogorov-Smirnov test rejects at most twice as often as at distance 0.

    A test of S samples at level a has the critical distance c = √(log(2/a)/(2S)); at a distance d it rejects with
    probability 2exp(−2S(c − d)²) at most (Dvoretzky, Kiefer, Wolfowitz and Massart), which is 2a for
    c − d = √(log(1/a)/(2S)).
    """
    return float((np.sqrt(np.log(2 / level)) - np.sqrt(np.log(1 / level))) / np.sqrt(2 * samples))


def visible_below(skewness: FloatArray | float, kurtosis: FloatArray | float, samples: int, level: float) -> Any:
    """Return M*, from which on a Kolmogorov-Smirnov test rejects at most twice as often as if means of M were normal.

    Args:
        skewness: of an estimate with M = 1.
        kurtosis: excess kurtosis of an estimate with M = 1.
        samples: S, estimates in the test.
        level: a, of the test.
    """
    most = room(samples, level)
    # d = a/√M + b/M: a quadratic equation in √M.
    a = np.abs(skewness) / 6 * _HE2
    b = np.abs(kurtosis) / 24 * _HE3 + np.square(skewness) / 72 * _HE5
    return ((a + np.sqrt(a**2 + 4 * b * most)) / (2 * most)) ** 2
