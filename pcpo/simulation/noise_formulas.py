"""Turn random words into noise vectors, for the kernels and in NumPy: one formula for each kind of noise.

A step of a block of 64 rollouts takes `words_per_step` words.  Signs are bits; the other laws take 16-bit pieces of
words, 64 for each number drawn, one for each lane.  Reals are given as they are.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pcpo.simulation.designs import POINTS, circle, split

__all__ = ["BLOCK", "CUBE_POINTS", "Kind", "emitted", "reals", "words_per_step"]

Array = NDArray[np.float64]
Kind = Literal["signs", "cube", "sphere", "reals"]

BLOCK = 64
CUBE_POINTS = 2**16
#: The points (2k + 1)·step, k = −2^15 … 2^15 − 1, have variance 1.
_CUBE_STEP = math.sqrt(3.0 / (CUBE_POINTS**2 - 1))
_PIECES = 16  # words that hold the 64 pieces of one number
_BITS = POINTS.bit_length() - 1


def words_per_step(kind: Kind, n: int) -> int:
    """Return how many words, or reals, a step of a block takes."""
    return {"signs": n, "cube": _PIECES * n, "sphere": _PIECES * (n - 1), "reals": BLOCK * n}[kind]


def emitted(ops: Any, kind: Kind, n: int, now: Any, lane: Any, factor: Any) -> list[Any]:
    """Emit the noise of `LANES` rollouts from a lane on, times `factor`; `now` points to the words of the step."""
    load = ops.builder.load
    if kind == "signs":
        shifts = ops.shifts(lane)
        return [ops.signed(load(ops.offset(now, ops.index(i))), shifts, factor) for i in range(n)]
    if kind == "reals":
        own = ops.offset(now, lane)
        return [ops.mul(factor, ops.load(own, i * BLOCK)) for i in range(n)]
    own = ops.pieces(now, lane)
    if kind == "cube":
        step = ops.mul(factor, ops.constant(_CUBE_STEP))
        twice = ops.mul(factor, ops.constant(2.0 * _CUBE_STEP))
        pieces = [ops.load_pieces(ops.offset(own, ops.index(i * BLOCK))) for i in range(n)]
        return [ops.fma(twice, piece, step) for piece in pieces]
    tables = [("circle", circle()), *((f"split_{k}", split(k)) for k in range(n, 2, -2))]
    named = {name: ops.table(f"pcpo_{name}", [x for pair in values for x in pair]) for name, values in tables}

    def drawn(name: str, draw: int) -> tuple[Any, Any]:
        cosine, sine = ops.look_up(named[name], ops.offset(own, ops.index(draw * BLOCK)), _BITS)
        return cosine, sine

    return _put_together(n, ops.mul(factor, ops.constant(math.sqrt(n))), drawn, ops.mul)


def _put_together(n: int, norm: Any, drawn: Any, mul: Any) -> list[Any]:
    """Return a point of the sphere of that norm in R^n, n ≥ 2, from n − 1 draws of pairs by name and number."""
    z, draw = [], 0
    for left in range(n, 1, -2):
        own = norm
        if left > 2:
            of_pair, of_rest = drawn(f"split_{left}", draw)
            own, norm, draw = mul(norm, of_pair), mul(norm, of_rest), draw + 1
        cosine, sine = drawn("circle", draw)
        z += [mul(own, cosine), mul(own, sine)]
        draw += 1
    return [*z, norm] if n % 2 else z


def reals(kind: Kind, words: NDArray[np.uint64], n: int) -> Array:
    """Return the noise (blocks, steps, n, 64) of words (blocks, steps, `words_per_step`)."""
    if kind == "signs":
        bits = (words[..., None] >> np.arange(BLOCK, dtype=np.uint64)) & np.uint64(1)
        return np.asarray(1.0 - 2.0 * bits.astype(np.float64))
    shifts = np.arange(0, BLOCK, _PIECES, dtype=np.uint64)
    pieces = ((words[..., None] >> shifts) & np.uint64(CUBE_POINTS - 1)).reshape(*words.shape[:2], -1, BLOCK)
    if kind == "cube":
        signed = pieces.astype(np.uint16).view(np.int16).astype(np.float64)
        return np.asarray((2.0 * signed + 1.0) * _CUBE_STEP)
    tables = {f"split_{k}": np.array(split(k)) for k in range(n, 2, -2)} | {"circle": np.array(circle())}

    def drawn(name: str, draw: int) -> tuple[Array, Array]:
        pairs = tables[name][pieces[:, :, draw] & np.uint64(POINTS - 1)]
        return pairs[..., 0], pairs[..., 1]

    return np.stack(_put_together(n, math.sqrt(n), drawn, np.multiply), axis=2)
