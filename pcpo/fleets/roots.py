"""Find many roots side by side by Brent's method, with the steps of SciPy's `brentq` and so its bits.

SciPy has no `brentq` for arrays, and its root finder for arrays steps otherwise: fleets that were drawn before would
change.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pcpo.errors import FleetError
from pcpo.lqr.system import Array

__all__ = ["brent_roots"]

TOLERANCE = 1e-15  # of a root, relative to it and to the upper end of its bracket
MAX_ITERATIONS = 500


def brent_roots(
    function: Callable[[NDArray[np.int64], Array], Array], upper: Array, at_zero: Array, at_upper: Array
) -> Array:
    """Return a root in [0, upper] of each of k functions, (k,).

    Args:
        function: from the places of some functions and a point for each to their values there.
        upper: upper ends of the brackets, (k,).
        at_zero: values at 0, positive.
        at_upper: values at the upper ends, not positive.

    Raises:
        FleetError: if a bracket holds no change of sign, or a search does not end.
    """
    if not ((at_zero > 0) & (at_upper <= 0)).all():
        raise FleetError("initial_gap: found no gain of that gap along a ray, expected a smaller gap")
    roots = np.where(at_upper == 0, upper, np.nan)
    left = np.flatnonzero(at_upper != 0)
    search = _Search(upper[left], at_zero[left], at_upper[left])
    for _ in range(MAX_ITERATIONS):
        done, points = search.step()
        roots[left[done]] = points[done]
        if done.all():
            return roots
        left = left[~done]
        search.go_on(~done, function(left, points[~done]))
    raise FleetError(f"initial_gap: found no root in {MAX_ITERATIONS} steps, expected one")


class _Search:
    """Hold Brent's searches: current and previous points with their values, the ends opposite, and two steps."""

    def __init__(self, upper: Array, at_zero: Array, at_upper: Array) -> None:
        self.x_pre, self.x_cur, self.x_blk = np.zeros_like(upper), upper.copy(), np.zeros_like(upper)
        self.f_pre, self.f_cur, self.f_blk = at_zero.copy(), at_upper.copy(), np.zeros_like(upper)
        self.s_pre, self.s_cur = np.zeros_like(upper), np.zeros_like(upper)
        self.xtol = TOLERANCE * upper

    def step(self) -> tuple[NDArray[np.bool_], Array]:
        """Return which searches have ended, and their roots, or the next points of the others."""
        apart = (self.f_pre != 0) & (self.f_cur != 0) & (np.signbit(self.f_pre) != np.signbit(self.f_cur))
        self.x_blk, self.f_blk = np.where(apart, self.x_pre, self.x_blk), np.where(apart, self.f_pre, self.f_blk)
        self.s_pre = np.where(apart, self.x_cur - self.x_pre, self.s_pre)
        self.s_cur = np.where(apart, self.x_cur - self.x_pre, self.s_cur)
        swap = np.abs(self.f_blk) < np.abs(self.f_cur)
        x, f = self.x_cur, self.f_cur
        self.x_pre, self.f_pre = np.where(swap, x, self.x_pre), np.where(swap, f, self.f_pre)
        self.x_cur, self.f_cur = np.where(swap, self.x_blk, x), np.where(swap, self.f_blk, f)
        self.x_blk, self.f_blk = np.where(swap, x, self.x_blk), np.where(swap, f, self.f_blk)
        delta = (self.xtol + TOLERANCE * np.abs(self.x_cur)) / 2
        half = (self.x_blk - self.x_cur) / 2
        done = (self.f_cur == 0) | (np.abs(half) < delta)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            trial = self._trial()
        good = (np.abs(self.s_pre) > delta) & (np.abs(self.f_cur) < np.abs(self.f_pre))
        good &= 2 * np.abs(trial) < np.minimum(np.abs(self.s_pre), 3 * np.abs(half) - delta)
        self.s_pre, self.s_cur = np.where(good, self.s_cur, half), np.where(good, trial, half)
        self.x_pre, self.f_pre, root = self.x_cur, self.f_cur, self.x_cur
        least = np.where(half > 0, delta, -delta)
        self.x_cur = self.x_cur + np.where(np.abs(self.s_cur) > delta, self.s_cur, least)
        return done, np.where(done, root, self.x_cur)

    def go_on(self, rows: NDArray[np.bool_], values: Array) -> None:
        """Keep some searches, whose functions have these values at their next points."""
        for name, held in vars(self).items():
            setattr(self, name, held[rows])
        self.f_cur = values

    def _trial(self) -> Array:
        """Return the step by inverse interpolation, linear or quadratic."""
        x_pre, x_cur, x_blk, f_pre, f_cur, f_blk = (
            self.x_pre, self.x_cur, self.x_blk, self.f_pre, self.f_cur, self.f_blk,
        )  # fmt: skip
        d_pre, d_blk = (f_pre - f_cur) / (x_pre - x_cur), (f_blk - f_cur) / (x_blk - x_cur)
        quadratic = -f_cur * (f_blk * d_blk - f_pre * d_pre) / (d_blk * d_pre * (f_blk - f_pre))
        return np.asarray(np.where(x_pre == x_blk, -f_cur * (x_cur - x_pre) / (f_cur - f_pre), quadratic))
