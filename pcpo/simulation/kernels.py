"""Simulate rollouts of the discounted LQR and sum them to estimates: the compiled loops, arrays in, arrays out.

A block is 64 rollouts. Arrays over blocks are C-contiguous with the 64 lanes last, except noise, where the lanes are
bits or 16-bit pieces of words. Kernels draw no random numbers. `pcpo.simulation.reference` has the same in plain NumPy.

With x_0 = 0 and u_t = −K x_t, the cost is C_h = Σ_{t=1}^{h−1} γᵗ x_tᵀ W x_t, W = Q + KᵀRK. In ξ_t = γ^{t/2} x_t it is a
plain sum: ξ_{t+1} = √γ(A − BK) ξ_t + γ^{(t+1)/2} z_t. Sign noise then only chooses the sign of a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from pcpo.simulation.noise_formulas import BLOCK, Kind, emitted, words_per_step
from pcpo.simulation.vector import LANES, Lanes, compiled

__all__ = [
    "BLOCK",
    "MAX_INPUTS",
    "MAX_STATES",
    "SATURATION",
    "accumulate",
    "flops_per_step",
    "folded",
    "normalise",
    "rollout_kernel",
    "saturate",
    "step_formula",
]

SATURATION = 1e30
MAX_STATES, MAX_INPUTS = 12, 8  # the loops over coordinates are unrolled; larger systems run on the reference in NumPy


def packed_size(n: int) -> int:
    """Return the rows of scratch of one group of lanes: √γ·A_K by rows, then the upper triangle of W by rows."""
    return n * n + n * (n + 1) // 2


def step_formula(
    ops: Any, matrix: Callable[[int], Any], x: list[Any], z: Callable[[int], Any], cost: Any
) -> tuple[list[Any], Any]:
    """Make one step of the recursion: x' = a·x + z and cost + x'ᵀWx', for any arithmetic with `fma` and `mul`.

    `matrix(k)` is row k of the packed matrices: a_ij for k = i·n + j, then W_ii and 2·W_ij (j > i) of the upper
    triangle. The kernel emits this very function, and the count of its operations is `flops_per_step`.
    """
    n = len(x)
    new = []
    for i in range(n):
        total = z(i)
        for j in range(n):
            total = ops.fma(matrix(i * n + j), x[j], total)
        new.append(total)
    row = n * n
    for i in range(n):
        total = ops.mul(matrix(row), new[i])
        for j in range(i + 1, n):
            total = ops.fma(matrix(row + j - i), new[j], total)
        cost = ops.fma(total, new[i], cost)
        row += n - i
    return new, cost


def flops_per_step(n: int) -> int:
    """Count multiplications and additions of one `step_formula`.

    They are n² + n(n−1)/2 + n fused pairs and n products, 3n² + 2n in all.

    Only the recursion counts: neither the preparation of A_K and W, nor the generation and scaling of the noise.
    """
    return 3 * n * n + 2 * n


def prepare_formula(
    ops: Any, n: int, m: int, load: Mapping[str, Callable[[int], Any]], radius: Any, root: Any
) -> Iterator[Any]:
    """Yield the packed matrices of `step_formula` for the gain G = K + r·U.

    √γ(A − BG), W = Q + GᵀRG (Q, R symmetric).
    """
    gain = [ops.fma(radius, load["U"](d), load["K"](d)) for d in range(m * n)]
    for i in range(n):
        minus_row = [ops.neg(load["B"](i * m + k)) for k in range(m)]
        for j in range(n):
            total = load["A"](i * n + j)
            for k in range(m):
                total = ops.fma(minus_row[k], gain[k * n + j], total)
            yield ops.mul(root, total)
    weighted = []
    for d in range(m * n):
        row, j = divmod(d, n)
        total = ops.mul(load["R"](row * m), gain[j])
        for k in range(1, m):
            total = ops.fma(load["R"](row * m + k), gain[k * n + j], total)
        weighted.append(total)
    for i in range(n):
        for j in range(i, n):
            total = load["Q"](i * n + j)
            for k in range(m):
                total = ops.fma(gain[k * n + i], weighted[k * n + j], total)
            yield total if j == i else ops.mul(ops.constant(2.0), total)


@intrinsic(prefer_literal=True)
def _prepare(typingctx, n, m, A, B, Q, R, K, radius, root, directions, block, lane, packed):  # type: ignore[no-untyped-def]
    """Set packed[:, :] to the matrices of `LANES` rollouts from `lane` of `block`."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        ops, size = Lanes(context, builder), n.literal_value * m.literal_value
        named = zip("ABQRK", (A, B, Q, R, K), args[2:7], strict=True)
        load: dict[str, Callable[[int], Any]] = {
            name: partial(ops.broadcast, ops.pointer(kind, value)) for name, kind, value in named
        }
        own = ops.offset(ops.pointer(directions, args[9]), (args[10], ops.index(size * BLOCK)), args[11])
        load["U"] = lambda d: ops.load(own, d * BLOCK)
        scalars = ops.splat(args[7]), ops.splat(args[8])
        out = ops.pointer(packed, args[12])
        for row, value in enumerate(prepare_formula(ops, n.literal_value, m.literal_value, load, *scalars)):
            ops.store(value, out, row * LANES)
            ops.keep_in_memory()
        return context.get_dummy_value()

    return types.void(n, m, A, B, Q, R, K, radius, root, directions, block, lane, packed), codegen


@intrinsic(prefer_literal=True)
def _propagate(typingctx, n, kind, packed, noise, block, lane, scale, steps, costs):  # type: ignore[no-untyped-def]
    """Set costs[block, lane:lane + LANES] by running `step_formula` over the time steps."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        ops, size = Lanes(context, builder), n.literal_value
        block_, lane_, steps_ = args[4], args[5], args[7]
        matrices, factors = ops.pointer(packed, args[2]), ops.pointer(scale, args[6])
        which = kind.literal_value
        width = words_per_step(which, size)
        draws = ops.offset(ops.pointer(noise, args[3]), (block_, builder.mul(steps_, ops.index(width))))
        state, cost = [ops.variable() for _ in range(size)], ops.variable()
        with cgutils.for_range(builder, steps_) as loop:
            ops.keep_in_memory()
            factor = ops.splat(builder.load(ops.offset(factors, loop.index)))
            now = ops.offset(draws, (loop.index, ops.index(width)))
            z = emitted(ops, which, size, now, lane_, factor)
            x = [builder.load(slot) for slot in state]
            matrix = lambda k: ops.load(matrices, k * LANES)  # noqa: E731
            new, total = step_formula(ops, matrix, x, z.__getitem__, builder.load(cost))
            for value, slot in zip([*new, total], [*state, cost], strict=True):
                builder.store(value, slot)
        out = ops.offset(ops.pointer(costs, args[8]), (block_, ops.index(BLOCK)), lane_)
        ops.store(builder.load(cost), out)
        return context.get_dummy_value()

    return types.void(n, kind, packed, noise, block, lane, scale, steps, costs), codegen


@cache
def rollout_kernel(n: int, m: int, kind: Kind) -> Callable[..., None]:
    """Return the kernel for n states, m inputs and a kind of noise (`noise_formulas`), compiled at its first call.

    kernel(A, B, Q, R, K, radius, directions, noise, scale, root, costs) fills costs (blocks, 64) with the costs of
    rollouts at K + radius·U. All arrays are C-contiguous, Q and R symmetric.

    - directions: (blocks, m·n, 64), U by rows
    - noise: (blocks, h−1, words per step) uint64, or reals (blocks, h−1, n, 64)
    - scale: (h−1,), γ^{(t+1)/2}
    - root: √γ
    """
    rows = packed_size(n)

    def rollout_costs(A, B, Q, R, K, radius, directions, noise, scale, root, costs):  # type: ignore[no-untyped-def]
        packed = np.empty((rows, LANES))
        for block in range(costs.shape[0]):
            for lane in range(0, BLOCK, LANES):
                _prepare(n, m, A, B, Q, R, K, radius, root, directions, block, lane, packed)  # type: ignore[call-arg]
                _propagate(n, kind, packed, noise, block, lane, scale, scale.shape[0], costs)

    return compiled(rollout_costs, f"{n}_{m}_{kind}")


def _normalise(columns, length):  # type: ignore[no-untyped-def]
    """Scale every column of columns (blocks, D, 64), in place, to the Euclidean norm `length`; a zero column to e_1."""
    square = np.empty(BLOCK)
    for block in range(columns.shape[0]):
        square[:] = 0.0
        for d in range(columns.shape[1]):
            for lane in range(BLOCK):
                square[lane] += columns[block, d, lane] * columns[block, d, lane]
        for lane in range(BLOCK):
            if square[lane] == 0.0:
                columns[block, 0, lane] = square[lane] = 1.0
        for lane in range(BLOCK):
            square[lane] = length / np.sqrt(square[lane])
        for d in range(columns.shape[1]):
            for lane in range(BLOCK):
                columns[block, d, lane] *= square[lane]


def _saturate(costs, valid):  # type: ignore[no-untyped-def]
    """Replace costs (blocks, 64) that are not within ±SATURATION by SATURATION; return how many.

    Lanes from `valid` on, counted through the blocks, are set to zero and not counted.
    """
    replaced = 0
    flat = costs.reshape(costs.size)
    for k in range(valid):
        if not abs(flat[k]) <= SATURATION:
            flat[k] = SATURATION
            replaced += 1
    flat[valid:] = 0.0
    return replaced


def _accumulate(costs, directions, sums):  # type: ignore[no-untyped-def]
    """Add, lane by lane and in the order of the blocks: sums[d] += c·U_d for d < D, sums[D] += c, sums[D+1] += c²."""
    last = directions.shape[1]
    for block in range(costs.shape[0]):
        for d in range(last):
            for lane in range(BLOCK):
                sums[d, lane] += costs[block, lane] * directions[block, d, lane]
        for lane in range(BLOCK):
            sums[last, lane] += costs[block, lane]
            sums[last + 1, lane] += costs[block, lane] * costs[block, lane]


def _folded(sums):  # type: ignore[no-untyped-def]
    """Sum over the 64 lanes of sums (rows, 64), by a fixed binary tree; destroys `sums`."""
    width = BLOCK
    while width > 1:
        width //= 2
        for row in range(sums.shape[0]):
            for lane in range(width):
                sums[row, lane] += sums[row, lane + width]
    return sums[:, 0].copy()


normalise = compiled(_normalise)
saturate = compiled(_saturate)
accumulate = compiled(_accumulate)
folded = compiled(_folded)
