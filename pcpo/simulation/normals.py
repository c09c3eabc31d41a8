"""Transform random words to standard normal numbers by Box–Muller, on vectors of lanes.

Rejection methods, NumPy's among them, branch for every number; this one does not, so it runs at the speed of the
arithmetic. It consumes a fixed number of words, and uses only operations that IEEE 754 rounds correctly: the same
words give the same bits on every machine.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.vector import LANES, Lanes, compiled

__all__ = ["normals", "words_per_column"]

# Taylor polynomials to beyond double precision: atanh(s)/s in s² for |s| ≤ 3 − 2√2, sin(φ)/φ and cos φ in φ² for
# |φ| ≤ π/4; the highest power first.
_ATANH = [1 / (2 * k + 1) for k in range(10, -1, -1)]
_SIN = [(-1) ** k / math.factorial(2 * k + 1) for k in range(8, -1, -1)]
_COS = [(-1) ** k / math.factorial(2 * k) for k in range(8, -1, -1)]

_ONE = 0x3FF0000000000000  # the bits of 1.0, of √½ (its upper half) and of 2^52
_ROOT_HALF = 0x3FE6A09E00000000
_TWO52 = 0x4330000000000000
_FRACTION = 0x000FFFFFFFFFFFFF


def words_per_column(D: int) -> int:
    """Return how many words D normals take: they come in pairs."""
    return D + D % 2


def _polynomial(ops: Lanes, coefficients: list[float], x: Any) -> Any:
    """Evaluate a polynomial by Horner's rule, the highest power first."""
    total = ops.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        total = ops.fma(total, x, ops.constant(coefficient))
    return total


def _bits(value: int) -> Any:
    """Return the vector of integers all of whose lanes are `value`."""
    return ir.Constant(Lanes.integers, [value] * LANES)


def _between_one_and_two(ops: Lanes, word: Any) -> Any:
    """Return 1 + (the upper 52 bits)/2^52."""
    b = ops.builder
    return b.bitcast(b.or_(b.lshr(word, _bits(12)), _bits(_ONE)), ops.vector)


def _logarithm(ops: Lanes, u: Any) -> Any:
    """Return log u for 2^−52 ≤ u ≤ 1, by u = 2^k·f with √½ ≤ f < √2 and log f = 2·atanh((f − 1)/(f + 1))."""
    b, bias = ops.builder, 1024
    shifted = b.add(b.bitcast(u, ops.integers), _bits((bias << 52) - _ROOT_HALF))
    exponent = b.bitcast(b.or_(b.lshr(shifted, _bits(52)), _bits(_TWO52)), ops.vector)
    k = b.fsub(exponent, ops.constant(2.0**52 + bias))
    f = b.bitcast(b.add(b.and_(shifted, _bits(_FRACTION)), _bits(_ROOT_HALF)), ops.vector)
    s = b.fdiv(b.fsub(f, ops.constant(1.0)), b.fadd(f, ops.constant(1.0)))
    half = ops.mul(s, _polynomial(ops, _ATANH, ops.mul(s, s)))
    return ops.fma(k, ops.constant(math.log(2.0)), b.fadd(half, half))


def _pair(ops: Lanes, first: Any, second: Any) -> tuple[Any, Any]:
    """Return ρ·cos θ and ρ·sin θ with ρ = √(−2·log u), u from the first word, θ from the second.

    An angle φ in [−π/4, π/4) from the upper bits is reflected and turned by half a circle, or not, by the two lowest.
    """
    b = ops.builder
    u = b.fsub(ops.constant(2.0), _between_one_and_two(ops, first))
    square = ops.mul(ops.constant(-2.0), _logarithm(ops, u))
    rho = ops.sqrt(square)
    angle = ops.mul(b.fsub(_between_one_and_two(ops, second), ops.constant(1.5)), ops.constant(math.pi / 2))
    angle2 = ops.mul(angle, angle)
    sine, cosine = ops.mul(angle, _polynomial(ops, _SIN, angle2)), _polynomial(ops, _COS, angle2)
    signed_rho = b.select(b.trunc(second, ir.VectorType(ir.IntType(1), LANES)), ops.neg(rho), rho)
    swap = b.trunc(b.lshr(second, _bits(1)), ir.VectorType(ir.IntType(1), LANES))
    x, y = b.select(swap, sine, cosine), b.select(swap, cosine, sine)
    return ops.mul(signed_rho, x), ops.mul(signed_rho, y)


@intrinsic
def _emit_pair(typingctx, words, word_at, out, first_at, second_at):  # type: ignore[no-untyped-def]
    """Set out[second_at:][:LANES], then out[first_at:][:LANES], from the words at word_at and one row below (flat)."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        ops = Lanes(context, builder)
        source = ops.offset(ops.pointer(words, args[0]), args[1])
        target = ops.pointer(out, args[2])
        x, y = _pair(ops, ops.load_words(source), ops.load_words(source, BLOCK))
        ops.store(y, ops.offset(target, args[4]))
        ops.store(x, ops.offset(target, args[3]))
        return context.get_dummy_value()

    return types.void(words, word_at, out, first_at, second_at), codegen


def _normals(words, out):  # type: ignore[no-untyped-def]
    """Fill out (blocks, D, 64) with normals from words (blocks, D or D + 1, 64); of an odd D the last sine is lost."""
    rows, D = words.shape[1], out.shape[1]
    for block in range(out.shape[0]):
        for d in range(0, D, 2):
            partner = min(d + 1, D - 1)
            for lane in range(0, BLOCK, LANES):
                _emit_pair(  # type: ignore[call-arg]
                    words,
                    (block * rows + d) * BLOCK + lane,
                    out,
                    (block * D + d) * BLOCK + lane,
                    (block * D + partner) * BLOCK + lane,
                )


normals = compiled(_normals)
