"""Simulate rollouts of nonlinear plants in compiled loops: 64 rollouts at a time, noise of random signs.

A plant's dynamics are one function of arrays with a column for each rollout, which the kernel of the plant calls in
every stage.  Loops over the 64 columns have no branches, so LLVM turns them into vector code; nothing is reordered and
no product is fused, so results have the same bits on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from pcpo.simulation.noise_formulas import BLOCK
from pcpo.simulation.vector import compiled

__all__ = ["Dynamics", "compiled_dynamics", "limited", "plant_kernel", "signs", "sine"]

Array = NDArray[np.float64]

#: A function of states ``(n, k)``, actions ``(m, k)`` and parameters that sets the next states and the costs ``(k,)``.
Dynamics = Callable[[Array, Array, Array, Array, Array], None]

# π in three parts, of which the first two have 33 bits and products with whole numbers below 2²⁰ are exact.
_PI = (3.1415926534682512, 1.2154201012607932e-10, 4.044532497591901e-21)
_INVERSE = 0.3183098861837907


@numba.njit(inline="always", error_model="numpy")
def sine(x):  # type: ignore[no-untyped-def]
    """Return sin x to rounding for |x| < 10⁵: x − kπ with |x − kπ| ≤ π/2, and the Taylor series to order 21.

    Other than `math.sin`, it has no branches and no table, so that loops that call it become vector code.
    """
    k = np.floor(x * _INVERSE + 0.5)
    r = ((x - k * _PI[0]) - k * _PI[1]) - k * _PI[2]
    q = r * r
    t = 1.9572941063391263e-20  # 1/21!
    t = t * q - 8.22063524662433e-18
    t = t * q + 2.8114572543455206e-15
    t = t * q - 7.647163731819816e-13
    t = t * q + 1.6059043836821613e-10
    t = t * q - 2.505210838544172e-08
    t = t * q + 2.7557319223985893e-06
    t = t * q - 0.0001984126984126984
    t = t * q + 0.008333333333333333
    t = t * q - 0.16666666666666666
    odd = k - 2.0 * np.floor(0.5 * k)
    return (1.0 - 2.0 * odd) * (r + r * q * t)


@numba.njit(inline="always", error_model="numpy")
def limited(u, limit):  # type: ignore[no-untyped-def]
    """Return u cut to ±limit."""
    return min(max(u, -limit), limit)


def compiled_dynamics(function: Dynamics) -> Any:
    """Compile the dynamics of a plant; those of the package are cached on disk, others in every process anew.

    Others may be defined in a notebook, where the text of a function changes and its name does not.
    """
    if _cached(function):
        return compiled(function)
    return numba.njit(nogil=True, error_model="numpy")(function)


def plant_kernel(dynamics: Any, n: int, m: int) -> Callable[..., None]:
    """Return the kernel of compiled dynamics for n states and m inputs, compiled at its first call.

    kernel(gains, words, discount, parameters, noise, costs) fills costs (blocks, 64) with Σ_t γᵗ c_t of rollouts from
    the state 0 under u = −K x; the next state is that of the dynamics plus noise·(random signs).

    - gains: (blocks, m·n, 64), K by rows
    - words: (h, blocks, n) uint64; bit k of a word is the sign of a coordinate in rollout k
    - discount: γ
    - parameters: of the dynamics
    - noise: (n,)
    """
    function = dynamics.py_func
    # Numba keeps machine code of functions with globals on disk, but not of those that enclose compiled functions.
    named = {**globals(), "_dynamics": dynamics, "_N": n, "_M": m}
    own = FunctionType(_rollout_costs.__code__, named, "plant_costs")
    if _cached(function):
        return compiled(own, f"{function.__qualname__}_{n}_{m}")  # the name holds a digest of the plant's module
    return numba.njit(nogil=True, error_model="numpy")(own)


def _cached(function: Any) -> bool:
    """Say whether a function is one of the package."""
    return str(getattr(function, "__module__", "")).startswith("pcpo.")


_dynamics: Any = None
_N = _M = 0


def _rollout_costs(gains, words, discount, parameters, noise, costs):  # type: ignore[no-untyped-def]
    """Simulate; `plant_kernel` gives the names _dynamics, _N and _M their values."""
    x, after = np.empty((_N, BLOCK)), np.empty((_N, BLOCK))
    u, stage, total = np.empty((_M, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    for block in range(costs.shape[0]):
        x[:] = 0.0
        total[:] = 0.0
        power = 1.0
        for t in range(words.shape[0]):
            u[:] = 0.0
            for i in range(_M):
                for j in range(_N):
                    for k in range(BLOCK):
                        u[i, k] -= gains[block, i * _N + j, k] * x[j, k]
            _dynamics(x, u, parameters, after, stage)
            for k in range(BLOCK):
                total[k] += power * stage[k]
            for j in range(_N):
                word, plus, minus = words[t, block, j], noise[j], -noise[j]
                for k in range(BLOCK):
                    x[j, k] = after[j, k] + (plus if (word >> np.uint64(k)) & np.uint64(1) else minus)
            power *= discount
        for k in range(BLOCK):
            costs[block, k] = total[k]


def signs(words: NDArray[np.uint64]) -> Array:
    """Return the signs ±1 that words ``(blocks, n)`` hold, ``(blocks·64, n)``: what the kernels add."""
    bits = (words[:, None, :] >> np.arange(BLOCK, dtype=np.uint64)[:, None]) & np.uint64(1)
    return np.where(bits.reshape(-1, words.shape[1]) == 1, 1.0, -1.0)
