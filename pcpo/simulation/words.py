"""Expand seeds to many random words: eight SFC64 generators side by side, at a fraction of the cost of a call for each.

SFC64 is Doty-Humphrey's small fast counting generator, as in NumPy: three words of state, a counter, and 12 steps after
seeding that are thrown away.  `advance` continues one of NumPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from pcpo.simulation.vector import LANES, Lanes, compiled

__all__ = ["SEEDS", "advance", "expand"]

SEEDS = (3, LANES)
_WARM_UP = 12
_SHIFTS = np.uint64(11), np.uint64(3), np.uint64(24), np.uint64(40)
_ONE = np.uint64(1)


def _constant(value: int) -> Any:
    """Return the vector of integers all of whose lanes are `value`."""
    return ir.Constant(Lanes.integers, [value] * LANES)


def _word(builder: Any, state: list[Any]) -> Any:
    """Return the next words of generators with state a, b, c and counter, variables that are advanced."""
    a, b, c, counter = (builder.load(slot) for slot in state)
    word = builder.add(builder.add(a, b), counter)
    turned = builder.or_(builder.shl(c, _constant(24)), builder.lshr(c, _constant(40)))
    after = (
        builder.xor(b, builder.lshr(b, _constant(11))),
        builder.add(c, builder.shl(c, _constant(3))),
        builder.add(turned, word),
        builder.add(counter, _constant(1)),
    )
    for value, slot in zip(after, state, strict=True):
        builder.store(value, slot)
    return word


@intrinsic
def _expand_block(typingctx, seeds, words, block, count):  # type: ignore[no-untyped-def]
    """Fill the words of a block, `LANES` at a time."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        ops: Any = Lanes(context, builder)
        allocate: Any = cgutils.alloca_once
        source = ops.offset(ops.pointer(seeds, args[0]), (args[2], ops.index(SEEDS[0] * SEEDS[1])))
        target = ops.offset(ops.pointer(words, args[1]), (args[2], args[3]))
        state = [allocate(builder, Lanes.integers) for _ in range(4)]
        initial = [*(ops.load_words(source, row * LANES) for row in range(3)), _constant(1)]
        for value, slot in zip(initial, state, strict=True):
            builder.store(value, slot)
        for _ in range(_WARM_UP):
            _word(builder, state)
        with cgutils.for_range(builder, builder.udiv(args[3], ops.index(LANES))) as loop:
            at = ops.offset(target, (loop.index, ops.index(LANES)))
            builder.store(_word(builder, state), builder.bitcast(at, Lanes.integers.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(seeds, words, block, count), codegen


def _expand(seeds, words):  # type: ignore[no-untyped-def]
    """Fill words (blocks, count): word k of a block is output ⌊k/8⌋ of generator g = k mod 8 of seeds[block, :, g].

    The count is a multiple of 8.
    """
    for block in range(words.shape[0]):
        _expand_block(seeds, words, block, words.shape[1])  # type: ignore[call-arg]


expand = compiled(_expand)


def _advance(state, words):  # type: ignore[no-untyped-def]
    """Fill words (count,) with the next outputs of NumPy's SFC64 in a state (4,), and advance the state."""
    right, left, turn, back = _SHIFTS
    a, b, c, counter = state[0], state[1], state[2], state[3]
    for k in range(words.size):
        word = a + b + counter
        counter += _ONE
        a = b ^ (b >> right)
        b = c + (c << left)
        c = ((c << turn) | (c >> back)) + word
        words[k] = word
    state[0], state[1], state[2], state[3] = a, b, c, counter


advance = compiled(_advance)
