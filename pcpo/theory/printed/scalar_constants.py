"""Compute λ, φ, ρ, μ, G∞ of a system with one state and one input exactly: extrema of rational functions.

With a = A − BK and d(K) = 1 − γa², C(K) = c(Q + RK²)/d(K), finite where d > 0.  Every sublevel set is an interval, and
C′ = p/d², C″ = q/d³, C‴ = t/d⁴ with polynomials p, q, t; so extrema are at real roots of polynomials of degree at most
four or at end points.  "Exact" means up to the rounding of those roots.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Polynomial

from pcpo.errors import ConfigError
from pcpo.lqr.cost import cost_scale
from pcpo.lqr.moments import BoundedLaw
from pcpo.lqr.optimum import riccati
from pcpo.lqr.system import LinearSystem

__all__ = [
    "finite_cost_interval",
    "largest_curvature",
    "largest_rollout",
    "largest_slope",
    "pl_infimum",
    "slope",
    "sublevel_interval",
]

Interval = tuple[float, float]
_REAL = 1e-9  # relative imaginary part up to which a root counts as real: a double root, rounded


def _numbers(system: LinearSystem) -> tuple[float, float, float, float, float]:
    """Return A, B, Q, R of a scalar system; ConfigError for any other."""
    if (system.n, system.m) != (1, 1):
        raise ConfigError(f"system: found n = {system.n}, m = {system.m}, expected one state and one input")
    if system.crossed:
        raise ConfigError(f"N: found {system.N.item():g}, expected no cross term; use the system's `standard` form")
    return float(system.A[0, 0]), float(system.B[0, 0]), float(system.Q[0, 0]), float(system.R[0, 0]), system.gamma


def _closed_loop(system: LinearSystem) -> Polynomial:
    """Return the polynomial a(K) = A − BK."""
    A, B, *_ = _numbers(system)
    return Polynomial([A, -B])


def _stage(system: LinearSystem) -> Polynomial:
    """Return the polynomial Q + RK²."""
    _, _, Q, R, _ = _numbers(system)
    return Polynomial([Q, 0.0, R])


def _margin(system: LinearSystem) -> Polynomial:
    """Return the polynomial d(K) = 1 − γa²."""
    return 1.0 - system.gamma * _closed_loop(system) ** 2


def _derivatives(system: LinearSystem) -> tuple[Polynomial, Polynomial, Polynomial]:
    """Return p, q, t: C′ = p/d², C″ = q/d³, C‴ = t/d⁴."""
    d, N = _margin(system), cost_scale(system.gamma) * _stage(system)
    p = N.deriv() * d - N * d.deriv()
    p = Polynomial(np.resize(np.append(p.coef, np.zeros(3)), 3))  # the cubic terms cancel
    q = p.deriv() * d - 2.0 * p * d.deriv()
    return p, q, q.deriv() * d - 3.0 * q * d.deriv()


def _candidates(critical: Polynomial, interval: Interval) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the end points and the real roots inside."""
    roots = critical.trim().roots()
    real = np.real(roots[np.abs(np.imag(roots)) <= _REAL * (1.0 + np.abs(roots))])
    low, high = interval
    return np.concatenate([[low, high], real[(real > low) & (real < high)]])


def finite_cost_interval(system: LinearSystem) -> Interval:
    """Return the gains of finite cost, |A − BK| < 1/√γ; the ends have infinite cost."""
    A, B, _, _, gamma = _numbers(system)
    ends = sorted(((A - 1 / np.sqrt(gamma)) / B, (A + 1 / np.sqrt(gamma)) / B))
    return float(ends[0]), float(ends[1])


def sublevel_interval(system: LinearSystem, gap: float) -> Interval:
    """Return {K : C(K) − C* ≤ gap}, gap > 0 in units of cost.

    C(K* + Δ) − C* = cG*Δ²/d, so Δ lies between the roots of (cG* + gap·γB²)Δ² − gap·d′(K*)Δ − gap·d(K*).
    """
    if not (np.isfinite(gap) and gap > 0):
        raise ConfigError(f"gap: found {gap}, expected a positive finite number (units of cost): the set is empty")
    _, B, _, _, gamma = _numbers(system)
    best, d = riccati(system), _margin(system)
    K = float(best.K[0, 0])
    u = cost_scale(gamma) * float(best.G[0, 0]) + gap * gamma * B**2
    half, last = 0.5 * gap * float(d.deriv()(K)), gap * float(d(K))
    root = float(np.sqrt(half**2 + u * last))
    far = half + root if half >= 0 else half - root  # no difference of nearly equal numbers
    offsets = sorted((far / u, -last / far))
    return K + offsets[0], K + offsets[1]


def slope(system: LinearSystem, K: float) -> float:
    """Return C′(K) at a gain of finite cost."""
    return float(_derivatives(system)[0](K) / _margin(system)(K) ** 2)


def largest_slope(system: LinearSystem, interval: Interval) -> float:
    """Return max |C′| on an interval of finite cost."""
    p, q, _ = _derivatives(system)
    K = _candidates(q, interval)
    return float(np.max(np.abs(p(K) / _margin(system)(K) ** 2)))


def largest_curvature(system: LinearSystem, interval: Interval) -> float:
    """Return max |C″| on an interval of finite cost."""
    _, q, t = _derivatives(system)
    K = _candidates(t, interval)
    return float(np.max(np.abs(q(K) / _margin(system)(K) ** 3)))


def largest_rollout(system: LinearSystem, interval: Interval, law: BoundedLaw) -> float:
    """Return the supremum of C(K;Z) over the interval and the law, which is attained.

    B(Q + RK²)·γ(1 + γ|a|)/((1 − γ)(1 − γ|a|)(1 − γa²)): `moments.rollout_bound` in closed form.  For a scalar system
    noise of constant size and the signs of the powers of a attains it.
    """
    gamma, a, w = system.gamma, _closed_loop(system), _stage(system)
    zero = float(a.roots()[0])
    low, high = interval
    pieces = [(low, high)] if not low < zero < high else [(low, zero), (zero, high)]
    largest = 0.0
    for piece in pieces:
        sign = 1.0 if float(a(sum(piece) / 2)) >= 0 else -1.0
        above = w * (1.0 + gamma * sign * a)
        below = (1.0 - gamma * sign * a) * _margin(system)
        K = _candidates(above.deriv() * below - above * below.deriv(), piece)
        largest = max(largest, float(np.max(above(K) / below(K))))
    return law.bound(1) * cost_scale(gamma) * largest


def pl_infimum(system: LinearSystem) -> float:
    """Return μ = inf C′²/(C − C*) over all gains of finite cost (Lemma 6).

    C′ = (K − K*)e(K)/d² with e linear, so the ratio is e²/(cG*d³); it is infinite at both ends, where d = 0.
    """
    best, d = riccati(system), _margin(system)
    p, _, _ = _derivatives(system)
    K_star = float(best.K[0, 0])
    e = Polynomial([p.coef[1] + p.coef[2] * K_star, p.coef[2]])
    interval = finite_cost_interval(system)
    K = _candidates(2.0 * e.deriv() * d - 3.0 * e * d.deriv(), interval)[2:]
    K = np.concatenate([K, [K_star]])
    return float(np.min(e(K) ** 2 / d(K) ** 3)) / (cost_scale(system.gamma) * float(best.G[0, 0]))
