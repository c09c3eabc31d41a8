"""Compute costs and their cumulants at many gains: `pcpo.lqr.cumulants` with what takes its time compiled.

That is Stein equations and the sum over lags.  From 31 states on, products by BLAS are as fast, and NumPy has the work.

Gains are worked on in groups of `LANES`: a group of n × n matrices is an array (n, n, `LANES`), whose products are
vector code in loops over n, so that one kernel serves all sizes.  Each gain has its own number of lags.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from pcpo.arrays import FloatArray
from pcpo.lqr import cumulants
from pcpo.lqr.cost import MAX_DOUBLINGS, closed_loop, cost_scale, stage_weight
from pcpo.lqr.cumulants import PLAIN, Algebra, cost_cumulants, too_many_lags
from pcpo.lqr.forms import FormLaw, FourthCumulant
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.moment_algebra import called
from pcpo.simulation.vector import LANES, Lanes, compiled

__all__ = ["cumulants_of", "lags_kernel", "mean_costs", "solve_kernel"]

_MOST_STATES = 30  # of systems that the kernels are faster for
_CONVERGED, _DIVERGED = 1e-18, 1e60  # of ‖M^(2^j)‖²
_NEGLIGIBLE = 1e-12  # what the lags left out weigh, relative; a stack in NumPy has as many lags as its slowest gain


def _multiplying(first_turned: bool, second_turned: bool) -> Any:
    """Return an intrinsic that sets the group `out` to the products of two groups, either of them transposed."""

    def product(typingctx, n, X, Y, out):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            ops, size, loop = Lanes(context, builder), args[0], cgutils.for_range
            x, y, target = (ops.pointer(kind, value) for kind, value in zip((X, Y, out), args[1:], strict=True))
            wide = ops.index(LANES)

            def at(pointer: Any, row: Any, column: Any, turned: bool = False) -> Any:
                row, column = (column, row) if turned else (row, column)
                return ops.offset(pointer, (builder.add(builder.mul(row, size), column), wide))

            with loop(builder, size) as a, loop(builder, size) as b:
                total = ops.variable()
                with loop(builder, size) as k:
                    left = ops.load(at(x, a.index, k.index, first_turned))
                    right = ops.load(at(y, k.index, b.index, second_turned))
                    builder.store(ops.fma(left, right, builder.load(total)), total)
                ops.store(builder.load(total), at(target, a.index, b.index))
            return context.get_dummy_value()

        return types.void(n, X, Y, out), codegen

    return intrinsic(product)


_product = _multiplying(False, False)
_product_turned = _multiplying(False, True)
_turned_product = _multiplying(True, False)


@called
def _load(stack, first, out):  # type: ignore[no-untyped-def]
    """Set a group of matrices to those of a stack (k, n, n) from `first` on; beyond its end, its last one."""
    n = out.shape[0]
    for g in range(LANES):
        i = min(first + g, stack.shape[0] - 1)
        for a in range(n):
            for b in range(n):
                out[a, b, g] = stack[i, a, b]


@called
def _add_trace(X, Y, factor, total):  # type: ignore[no-untyped-def]
    """Add factor·tr(XYᵀ)."""
    n = X.shape[0]
    for a in range(n):
        for b in range(n):
            for g in range(LANES):
                total[g] += factor * X[a, b, g] * Y[a, b, g]


@called
def _add_product(alpha, beta, X, Y, factor, sums, total):  # type: ignore[no-untyped-def]
    """Add factor·tr(contracted(X)·Y), as `FourthCumulant.product` has it; `sums` (2, g) is scratch."""
    n = X.shape[0]
    sums[:] = 0.0
    for a in range(n):
        for g in range(LANES):
            total[g] += factor * alpha * X[a, a, g] * Y[a, a, g]
            sums[0, g] += X[a, a, g]
            sums[1, g] += Y[a, a, g]
    if beta != 0.0:
        for g in range(LANES):
            total[g] += factor * beta / 3.0 * sums[0, g] * sums[1, g]
        _add_trace(X, Y, 2.0 * factor * beta / 3.0, total)


def _solve(M, W, out):  # type: ignore[no-untyped-def]
    """Solve X = W + MᵀXM for stacks (k, n, n); infinite where it has no solution."""
    count, n = M.shape[0], M.shape[1]
    scratch, norm = np.empty((4, n, n, LANES)), np.empty(LANES)
    power, X, one, two = scratch[0], scratch[1], scratch[2], scratch[3]
    for first in range(0, count, LANES):
        _load(M, first, power)
        _load(W, first, X)
        for _ in range(MAX_DOUBLINGS):
            _product(n, X, power, one)
            _turned_product(n, power, one, two)
            _product(n, power, power, one)
            left, norm[:] = 0, 0.0
            for a in range(n):
                for b in range(n):
                    for g in range(LANES):
                        X[a, b, g] += two[a, b, g]
                        power[a, b, g] = one[a, b, g]
                        norm[g] += one[a, b, g] * one[a, b, g]
            for g in range(LANES):
                left += norm[g] > _CONVERGED and norm[g] <= _DIVERGED
            if left == 0:
                break
        for g in range(min(LANES, count - first)):
            for a in range(n):
                for b in range(n):
                    out[first + g, a, b] = X[a, b, g] if norm[g] <= _CONVERGED else np.inf


@called
def _own_lag(alpha, beta, B, C, D, W, sums, each):  # type: ignore[no-untyped-def]
    """Set each = κ(BᵀNB, BᵀQB) + 16 κ⊗κ(C) with N = P², C = PB and D = QB."""
    n, CC, BQB = B.shape[0], W[0], W[1]
    _turned_product(n, C, C, CC)
    _turned_product(n, B, D, BQB)
    each[:] = 0.0
    _add_product(alpha, beta, CC, BQB, 1.0, sums[:2], each)
    sums[:] = 0.0
    for a in range(n):
        for b in range(n):
            for g in range(LANES):
                square = C[a, b, g] * C[a, b, g]
                each[g] += 16.0 * alpha * alpha * square * square
                sums[a, g] += square
    if beta != 0.0:
        _add_trace(CC, CC, 32.0 * beta * beta / 3.0, each)
        for a in range(n):
            for g in range(LANES):
                each[g] += 16.0 * alpha * beta * (sums[a, g] * sums[a, g] + CC[a, a, g] * CC[a, a, g])
                sums[n, g] += sums[a, g]
        for g in range(LANES):
            each[g] += 16.0 * beta * beta / 3.0 * sums[n, g] * sums[n, g]


@called
def _paired(alpha, beta, P, Q, Y, W, sums, paired):  # type: ignore[no-untyped-def]
    """Set paired = 2 tr(Y P² Y Q) + 48 κ(PYP, PYP)."""
    n, PY, X, YQ = P.shape[0], W[0], W[1], W[2]
    _product(n, P, Y, PY)
    _product(n, P, PY, X)
    _product(n, Y, Q, YQ)
    paired[:] = 0.0
    _add_trace(X, YQ, 2.0, paired)
    _product(n, PY, P, X)
    _add_product(alpha, beta, X, X, 48.0, sums[:2], paired)


@called
def _settle(weight, gamma, negligible, each, paired, sums, done, total):  # type: ignore[no-untyped-def]
    """Add a lag to the totals that are not done; return how many of them are left."""
    left, beyond = 0, weight * gamma**4 / (1.0 - gamma**4)
    for g in range(LANES):
        if done[g]:
            continue
        total[g] += weight * (each[g] / (1.0 - gamma**4) + paired[g])
        # Where B no longer counts beside Y, Y stays: the sum over t is geometric.
        if sums[0, g] <= negligible * sums[1, g]:
            total[g] += beyond * paired[g]
            done[g] = True
        else:
            done[g] = beyond * abs(paired[g]) <= negligible * abs(total[g])
        left += not done[g]
    return left


def _lags(closed, values, weights, gamma, alpha, beta, negligible, most, found):  # type: ignore[no-untyped-def]
    """Set found (k,) to the sum over lags of `pcpo.lqr.cumulants`; return whether all sums end within `most` lags."""
    count, n = closed.shape[0], closed.shape[1]
    W, rows, done = np.empty((10, n, n, LANES)), np.empty((n + 4, LANES)), np.empty(LANES, np.bool_)
    A, P, Q, Y, B, C, D, scratch = W[0], W[1], W[2], W[3], W[4], W[5], W[6], W[7:]
    each, paired, total, sums = rows[0], rows[1], rows[2], rows[3:]
    for first in range(0, count, LANES):
        _load(closed, first, A)
        _load(values, first, P)
        _load(weights, first, Q)
        _load(closed, first, B)
        Y[:] = 0.0
        total[:] = 0.0
        done[:] = False
        left, weight = LANES, gamma**8
        for _ in range(most):
            _product(n, P, B, C)
            _product(n, Q, B, D)
            _own_lag(alpha, beta, B, C, D, scratch, sums, each)
            _product_turned(n, B, B, C)
            for a in range(n):
                for b in range(n):
                    for g in range(LANES):
                        Y[a, b, g] += C[a, b, g]
            _paired(alpha, beta, P, Q, Y, scratch, sums, paired)
            sums[:2] = 0.0
            for a in range(n):
                for g in range(LANES):
                    sums[0, g] += C[a, a, g]
                    sums[1, g] += Y[a, a, g]
            left = _settle(weight, gamma, negligible, each, paired, sums, done, total)
            if left == 0:
                break
            _product(n, A, B, C)
            B, C = C, B
            weight *= gamma**4
        if left:
            return False
        for g in range(min(LANES, count - first)):
            found[first + g] = total[g]
    return True


@cache
def solve_kernel() -> Callable[..., None]:
    """Return the kernel `_solve`, for systems of all sizes, compiled at its first call."""
    return compiled(_solve)


@cache
def lags_kernel() -> Callable[..., bool]:
    """Return the kernel `_lags`, for systems of all sizes, compiled at its first call."""
    return compiled(_lags)


def _solved(M: FloatArray, W: FloatArray) -> FloatArray:
    """Return the solutions of X = W + MᵀXM ``(k, n, n)``; infinite where there is none."""
    found = np.empty(M.shape)
    solve_kernel()(np.ascontiguousarray(M), np.ascontiguousarray(W), found)
    return found


def _summed(gamma: float, A: FloatArray, P: FloatArray, weight: FloatArray, fourth: FourthCumulant) -> FloatArray:
    """Return the sum over lags as `pcpo.lqr.cumulants` has it."""
    found = np.empty(len(A))
    stacks = (np.ascontiguousarray(stack) for stack in (A, P, weight))
    if not lags_kernel()(*stacks, gamma, fourth.alpha, fourth.beta, _NEGLIGIBLE, cumulants.MOST_LAGS, found):
        raise too_many_lags(gamma)
    return found


def _values(system: LinearSystem, gains: FloatArray) -> FloatArray:
    """Return P_K ``(k, n, n)`` at gains ``(k, m, n)``; infinite where C(K) is."""
    values = _solved(np.sqrt(system.gamma) * closed_loop(system, gains), stage_weight(system, gains))
    values[~np.isfinite(values).all(axis=(1, 2))] = np.inf
    return values


_COMPILED = Algebra(_values, _solved, _summed)


def _algebra(system: LinearSystem) -> Algebra:
    """Return the faster way for systems of this size."""
    return _COMPILED if system.n <= _MOST_STATES else PLAIN


def mean_costs(system: LinearSystem, gains: FloatArray) -> FloatArray:
    """Return C(K) at gains ``(k, m, n)``, as `pcpo.lqr.cost_array` does."""
    values = _algebra(system).values(system, gains)
    return np.asarray(cost_scale(system.gamma) * np.trace(values, axis1=1, axis2=2))


def cumulants_of(system: LinearSystem, gains: FloatArray, law: FormLaw) -> FloatArray:
    """Return κ_2, κ_3, κ_4 ``(3, k)`` of rollouts without an end, as `pcpo.lqr.cumulants.cost_cumulants` does."""
    return cost_cumulants(system, gains, law, algebra=_algebra(system))
