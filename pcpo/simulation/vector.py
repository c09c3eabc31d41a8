"""Write explicit vector code for Numba kernels, and compile it with a cache that many processes may share.

LLVM vectorises a straight-line loop over lanes, but spills the state and hoists what should stay in memory; writing
the vectors and the fused multiply-adds out makes the kernels both faster and reproducible: `llvm.fma` rounds once on
every machine, so results do not depend on the CPU's vector width.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba.core import cgutils, config

from pcpo.storage.sources import closure, digest

__all__ = ["LANES", "Lanes", "compiled"]

LANES = 8  # rollouts per vector operation: two AVX2 registers, which interleave and so hide the latency of an FMA

_DOUBLE, _INT, _SHORT = ir.DoubleType(), ir.IntType(64), ir.IntType(16)


@functools.cache
def _fingerprint(module: str | None) -> str:
    """Return a digest of all that compiled code depends on beside its signature.

    That is every file in the closure of the imports of the kernel's module, Numba, and the CPU with its features.  A
    function that is defined in no file has no sources; Numba then caches nothing, or by the text of a notebook's cell.
    """
    features = llvmlite.binding.get_host_cpu_features().flatten()
    chosen = [getattr(config, name) for name in ("CPU_NAME", "CPU_FEATURES")]  # set by environment variables
    cpu = [llvmlite.binding.get_host_cpu_name(), features, *chosen]
    source = getattr(sys.modules.get(module or ""), "__file__", None)
    files = [] if source is None else closure(Path(source))
    return hashlib.sha256(f"{digest(files)} {numba.__version__} {cpu}".encode()).hexdigest()[:12]


def compiled(function: Callable[..., Any], tag: str = "") -> Callable[..., Any]:
    """Compile with Numba and cache on disk, under a separate file name for each (tag, sources, Numba, CPU).

    Numba numbers the entries of one index file, so two processes that add different entries at once can swap their
    machine code, and it does not notice a change of a function in another file. One name per entry rules out both:
    whoever writes a file writes the same content, and Numba replaces files atomically. Without any writable cache
    directory the function is compiled in every process.
    """
    function.__qualname__ = f"{function.__name__}_{tag}_{_fingerprint(function.__module__)}"
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    with contextlib.suppress(RuntimeError):  # Numba's way to say: no directory to write to
        dispatcher.enable_caching()
    return dispatcher


class Lanes:
    """Emit operations on vectors of `LANES` doubles into a function that Numba is compiling.

    Pointers are those of C-contiguous arrays, indices count elements. Formulas are written against the arithmetic
    interface (`fma`, `mul`), so that the same formula also runs on other kinds of number.
    """

    vector = ir.VectorType(_DOUBLE, LANES)
    integers = ir.VectorType(_INT, LANES)

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def _intrinsic(self, name: str, *operands: Any) -> Any:
        """Emit a call of an LLVM intrinsic on vectors."""
        signature = ir.FunctionType(self.vector, [self.vector] * len(operands))
        insert: Any = cgutils.get_or_insert_function
        function = insert(self.builder.module, signature, f"{name}.v{LANES}f64")
        return self.builder.call(function, operands)

    def pointer(self, array_type: Any, array: Any) -> Any:
        """Return the pointer to the data of an array argument."""
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    @staticmethod
    def index(value: int) -> Any:
        """Return an integer constant."""
        return ir.Constant(_INT, value)

    def constant(self, value: float) -> Any:
        """Return the vector all of whose lanes are a constant."""
        return ir.Constant(self.vector, [value] * LANES)

    def offset(self, pointer: Any, *terms: Any) -> Any:
        """Return pointer + the sum of products: each term is an index or a pair (index, stride)."""
        for term in terms:
            index = self.builder.mul(*term) if isinstance(term, tuple) else term
            pointer = self.builder.gep(pointer, [index])
        return pointer

    def _at(self, pointer: Any, element: int) -> Any:
        """Return the pointer to the vector that begins at an element."""
        return self.builder.bitcast(self.offset(pointer, self.index(element)), self.vector.as_pointer())

    def load(self, pointer: Any, element: int = 0) -> Any:
        """Load the vector at an element of an array of doubles."""
        return self.builder.load(self._at(pointer, element), align=8)

    def load_words(self, pointer: Any, element: int = 0) -> Any:
        """Load the vector of 64-bit integers at an element of an array of such."""
        at = self.builder.bitcast(self.offset(pointer, self.index(element)), self.integers.as_pointer())
        return self.builder.load(at, align=8)

    def pieces(self, words: Any, first: Any) -> Any:
        """Return the pointer to a 16-bit piece of an array of words: piece k is bits 16(k mod 4) … of word ⌊k/4⌋."""
        return self.offset(self.builder.bitcast(words, _SHORT.as_pointer()), first)

    def load_pieces(self, pointer: Any) -> Any:
        """Load a vector of 16-bit integers, signed, as doubles."""
        shorts = ir.VectorType(_SHORT, LANES)
        loaded = self.builder.load(self.builder.bitcast(pointer, shorts.as_pointer()), align=2)
        return self.builder.sitofp(loaded, self.vector)

    def look_up(self, table: Any, pieces: Any, bits: int) -> tuple[Any, Any]:
        """Return the pairs of a table at the lowest bits of `LANES` 16-bit pieces, as two vectors."""
        pairs, pair = [], ir.VectorType(_DOUBLE, 2)
        for lane in range(LANES):
            piece = self.builder.zext(self.builder.load(self.offset(pieces, self.index(lane)), align=2), _INT)
            index = self.builder.and_(piece, self.index(2**bits - 1))
            at = self.offset(table, self.builder.shl(index, self.index(1)))
            pairs.append(self.builder.load(self.builder.bitcast(at, pair.as_pointer()), align=16))
        while len(pairs) > 2:
            width = range(2 * pairs[0].type.count)
            pairs = [self._shuffled(a, b, width) for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
        low, high = pairs
        return self._shuffled(low, high, range(0, 2 * LANES, 2)), self._shuffled(low, high, range(1, 2 * LANES, 2))

    def _shuffled(self, a: Any, b: Any, lanes: range) -> Any:
        """Return some lanes of two vectors, one after the other."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
        return self.builder.shuffle_vector(a, b, mask)

    def table(self, name: str, values: list[float]) -> Any:
        """Return the pointer to a constant array of doubles, one of each name in a module."""
        kind = ir.ArrayType(_DOUBLE, len(values))
        found = self.builder.module.globals.get(name)
        if found is None:
            found = ir.GlobalVariable(self.builder.module, kind, name)
            found.initializer, found.global_constant = ir.Constant(kind, values), True
            found.linkage, found.align = "internal", 64
        return self.builder.bitcast(found, _DOUBLE.as_pointer())

    def store(self, value: Any, pointer: Any, element: int = 0) -> None:
        """Store a vector at an element of an array of doubles."""
        self.builder.store(value, self._at(pointer, element), align=8)

    def splat(self, scalar: Any) -> Any:
        """Return the vector all of whose lanes are `scalar` (a double or a 64-bit integer)."""
        vector_type = ir.VectorType(scalar.type, LANES)
        undefined, int32 = ir.Constant(vector_type, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(int32, 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(int32, LANES), [0] * LANES))

    def broadcast(self, pointer: Any, element: int = 0) -> Any:
        """Return the vector all of whose lanes equal one element of an array."""
        return self.splat(self.builder.load(self.offset(pointer, self.index(element))))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Return a·b + c, rounded once."""
        return self._intrinsic("llvm.fma", a, b, c)

    def sqrt(self, a: Any) -> Any:
        """Return the square roots."""
        return self._intrinsic("llvm.sqrt", a)

    def mul(self, a: Any, b: Any) -> Any:
        """Return a·b."""
        return self.builder.fmul(a, b)

    def neg(self, a: Any) -> Any:
        """Return −a."""
        return self.builder.fneg(a)

    def shifts(self, first_lane: Any) -> Any:
        """Return shift counts that bring bit (first_lane + l) of a word to the sign position of lane l."""
        top = ir.Constant(self.integers, [63 - lane for lane in range(LANES)])
        return self.builder.sub(top, self.splat(first_lane))

    def signed(self, word: Any, shifts: Any, magnitude: Any) -> Any:
        """Return −magnitude in the lanes whose bit of `word` is set, +magnitude in the others."""
        bits = self.builder.shl(self.splat(word), shifts)
        negative = self.builder.icmp_signed("<", bits, ir.Constant(self.integers, [0] * LANES))
        return self.builder.select(negative, self.neg(magnitude), magnitude)

    def variable(self) -> Any:
        """Return a vector variable with initial value zero; LLVM keeps it in a register."""
        allocate: Any = cgutils.alloca_once
        slot = allocate(self.builder, self.vector)
        self.builder.store(self.constant(0.0), slot)
        return slot

    def keep_in_memory(self) -> None:
        """Forbid moving loads across this point: matrices stay memory operands and do not crowd out the state."""
        self.builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], True)
