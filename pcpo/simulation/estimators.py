"""Estimate gradients and costs from simulated rollouts: draw noise and directions, call the kernels, sum up.

Memory is that of one chunk of rollouts, whatever the minibatch; results do not depend on the chunk size.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcpo.errors import ConfigError, FleetError
from pcpo.lqr.system import LinearSystem
from pcpo.simulation import reference as twin
from pcpo.simulation.kernels import (
    BLOCK,
    MAX_INPUTS,
    MAX_STATES,
    accumulate,
    flops_per_step,
    folded,
    rollout_kernel,
    saturate,
)
from pcpo.simulation.noise import NoiseLaw, draw_directions, noise_law
from pcpo.simulation.noise_formulas import words_per_step
from pcpo.simulation.protocol import Estimator, System

__all__ = [
    "DEFAULT_CHUNK",
    "CostEstimate",
    "GradientEstimate",
    "Laid",
    "compilable",
    "cost_estimate",
    "flops_per_rollout",
    "gradient_estimate",
    "noise_bytes",
    "rollout_costs",
]

Array = NDArray[np.float64]

DEFAULT_CHUNK = 1024
UNPACKED_BYTES = 16_000_000  # signs of one chunk as real numbers, at most (but one block), where NumPy simulates
NOISE_BYTES = 1_000_000  # other noise of one chunk, at most (but one block): larger chunks leave the caches


@dataclass(frozen=True)
class GradientEstimate:
    """Hold g = (D/(r q)) Σ_k w_k U_k over q directions; w_k = C(K + r U_k; Z_k), q = M in PCPO's equation (5).

    Attributes:
        value: g, (m, n).
        nonfinite: how many of the costs were saturated.
        mean_cost: mean of the w_k, which are costs, costs less a baseline, or half differences of costs (see
            `gradient_estimate`).
        mean_square_cost: mean of the squares of the w_k.
    """

    value: Array
    nonfinite: int
    mean_cost: float
    mean_square_cost: float


@dataclass(frozen=True)
class CostEstimate:
    """Hold the mean of M rollout costs, their sample variance (infinite for M = 1), and how many were saturated."""

    value: float
    variance: float
    nonfinite: int


def flops_per_rollout(n: int, horizon: int) -> int:
    """Count multiplications and additions of the recursion of one rollout.

    H − 1 steps (see `kernels.flops_per_step`).
    """
    return (horizon - 1) * flops_per_step(n)


def _count(name: str, value: int, least: int = 1) -> int:
    """Return a count as an integer; ConfigError unless it is one of at least `least`."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ConfigError(f"{name}: found {value!r}, expected an integer of at least {least}")
    return number


def _matrix(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Return a private C-contiguous copy: one array type for the kernels, so that each is compiled only once."""
    array = np.array(value, dtype=np.float64, order="C")
    if array.shape != shape:
        raise FleetError(f"{name}: found shape {array.shape}, expected {shape}")
    return array


@dataclass(frozen=True)
class Laid:
    """Hold one system, checked and laid out for a kernel.

    The kernels know no cross term of the stage cost: it is taken away, which leaves every rollout the same.

    Attributes:
        matrices: A, B and symmetric Q, R, without a cross term.
        shift: taken away from every gain (m, n).
        n, m: states and inputs.
        scale: γ^{(t+1)/2} for the steps t ``(h − 1,)``.
        root: √γ.
    """

    matrices: tuple[Array, Array, Array, Array]
    shift: Array
    n: int
    m: int
    scale: Array
    root: float

    @classmethod
    def of(cls, system: System, horizon: int) -> Laid:
        """Check a system and a horizon and lay them out."""
        shift = None
        if isinstance(system, LinearSystem) and system.crossed:
            shift, system = system.shift, system.standard
        if np.ndim(system.A) != 2 or np.ndim(system.B) != 2:
            raise FleetError("A, B: found arrays that are not matrices, expected shapes (n, n) and (n, m)")
        n, m = np.shape(system.B)
        gamma, horizon = float(system.gamma), _count("horizon", horizon)
        if not 0.0 < gamma <= 1.0:
            raise FleetError(f"gamma: found {gamma}, expected 0 < gamma <= 1")
        Q, R = _matrix("Q", system.Q, (n, n)), _matrix("R", system.R, (m, m))
        matrices = _matrix("A", system.A, (n, n)), _matrix("B", system.B, (n, m)), 0.5 * (Q + Q.T), 0.5 * (R + R.T)
        root = math.sqrt(gamma)
        # A running product: unlike pow, it has the same bits on every machine.
        scale = np.multiply.accumulate(np.full(horizon - 1, root))
        return cls(matrices, np.zeros((m, n)) if shift is None else shift, n, m, scale, root)

    def blocks_per_chunk(self, law: NoiseLaw, chunk: int) -> int:
        """Return how many blocks of rollouts are simulated at once."""
        return _blocks_per_chunk(self.n, self.m, self.scale.size, law, chunk)


@dataclass(frozen=True)
class _Rollouts:
    """Hold one system under one gain, checked and laid out for a kernel."""

    laid: Laid
    gain: Array

    @classmethod
    def of(cls, system: System, gain: Array, horizon: int) -> _Rollouts:
        """Check a system, a gain and a horizon and lay them out."""
        laid = Laid.of(system, horizon)
        return cls(laid, _matrix("gain", gain, (laid.m, laid.n)) - laid.shift)

    @property
    def n(self) -> int:
        """Return the number of states."""
        return self.laid.n

    @property
    def m(self) -> int:
        """Return the number of inputs."""
        return self.laid.m

    def costs(
        self, law: NoiseLaw, noise: NDArray[Any], directions: Array, radius: float, valid: int, out: Array
    ) -> int:
        """Fill out (blocks, 64) with costs, zero from rollout `valid` on; return how many were saturated."""
        if compilable(self.n, self.m):
            kernel = rollout_kernel(self.n, self.m, law.kind(self.n) if noise.dtype == np.uint64 else "reals")
        else:
            kernel, noise = twin.rollout_costs, law.reals(noise, self.n)
        kernel(*self.laid.matrices, self.gain, radius, directions, noise, self.laid.scale, self.laid.root, out)
        return int(saturate(out, valid))

    def half_differences(
        self, law: NoiseLaw, noise: NDArray[Any], directions: Array, radius: float, valid: int, out: Array
    ) -> int:
        """Fill out with (C(K + rU; Z) − C(K − rU; Z'))/2; Z the even blocks of the noise, Z' the odd ones.

        Every block has two separate blocks of noise, so results do not depend on the chunk.
        """
        opposite = np.empty_like(out)
        saturated = self.costs(law, np.ascontiguousarray(noise[0::2]), directions, radius, valid, out)
        saturated += self.costs(law, np.ascontiguousarray(noise[1::2]), directions, -radius, valid, opposite)
        np.subtract(out, opposite, out=out)
        out *= 0.5
        return saturated


def compilable(n: int, m: int) -> bool:
    """Return whether there is a compiled kernel for n states and m inputs."""
    return n <= MAX_STATES and m <= MAX_INPUTS


def _numbers(n: int, m: int, law: NoiseLaw) -> int:
    """Return how many numbers of 8 bytes hold the noise of one step of a block."""
    return words_per_step(law.kind(n), n) if compilable(n, m) else BLOCK * n


def _blocks_per_chunk(n: int, m: int, steps: int, law: NoiseLaw, chunk: int) -> int:
    """Return how many blocks are simulated at once; fewer where a step takes many words, or NumPy simulates."""
    blocks, size = -(-_count("chunk", chunk) // BLOCK), 8 * _numbers(n, m, law) * max(1, steps)
    if law.kind(n) == "signs":
        return blocks if compilable(n, m) else min(blocks, max(1, UNPACKED_BYTES // size))
    return min(blocks, max(1, NOISE_BYTES // size))


def noise_bytes(n: int, m: int, horizon: int, law: NoiseLaw, chunk: int = DEFAULT_CHUNK) -> int:
    """Return the bytes of the noise of one chunk of rollouts; the reference in NumPy holds it about three times."""
    copies = 1 if compilable(n, m) else 3
    return copies * 8 * _numbers(n, m, law) * horizon * _blocks_per_chunk(n, m, horizon - 1, law, chunk)


def _chunks(minibatch: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield (blocks, valid rollouts) of each chunk; the last block may be partly ignored."""
    for first in range(0, minibatch, most * BLOCK):
        valid = min(minibatch - first, most * BLOCK)
        yield -(-valid // BLOCK), valid


def gradient_estimate(
    system: System,
    gain: Array,
    radius: float,
    minibatch: int,
    *,
    horizon: int,
    law: NoiseLaw,
    directions: np.random.Generator,
    noise: np.random.Generator,
    chunk: int = DEFAULT_CHUNK,
    estimator: Estimator = "one_point",
    baseline: float | None = None,
) -> GradientEstimate:
    """Estimate ∇C at a gain from `minibatch` rollouts (PCPO, equation (5)).

    "one_point": w_k = C(K + rU_k; Z_k), less `baseline` if there is one (independent of U_k, it adds no bias).
    "two_point", not the paper's: ⌊M/2⌋ directions, w_k = (C(K + rU_k; Z_k) − C(K − rU_k; Z'_k))/2 with independent
    noise; a baseline would cancel and is ignored, and so is the last rollout of an odd M.
    Costs that are not finite or exceed `kernels.SATURATION` are replaced by it, and counted.

    Args:
        system: the system simulated.
        gain: K, (m, n).
        radius: smoothing radius r.
        minibatch: M, rollouts.
        horizon: stages h of a rollout.
        law: law of the noise Z_k.
        directions: generator of the U_k, uniform on the unit Frobenius sphere.
        noise: generator of the Z_k.
        chunk: rollouts held in memory at once.
        estimator: "one_point" or "two_point".
        baseline: subtracted from every cost.

    Raises:
        FleetError: for matrices that do not fit together.
        ConfigError: for a radius, minibatch, horizon or chunk that is not positive, an unknown estimator, or fewer than
            the two rollouts that a pair needs.
    """
    if estimator not in ("one_point", "two_point"):
        raise ConfigError(f"estimator: found {estimator!r}, expected 'one_point' or 'two_point'")
    pairs = estimator == "two_point"
    minibatch, radius = _count("minibatch", minibatch, 1 + pairs) // (1 + pairs), float(radius)
    if not 0.0 < radius < math.inf:
        raise ConfigError(f"radius: found {radius}, expected a finite number > 0")
    rollouts = _Rollouts.of(system, gain, horizon)
    n, m = rollouts.n, rollouts.m
    most = min(max(1, rollouts.laid.blocks_per_chunk(law, chunk) // (1 + pairs)), -(-minibatch // BLOCK))
    U, costs, sums = np.empty((most, m * n, BLOCK)), np.empty((most, BLOCK)), np.zeros((m * n + 2, BLOCK))
    nonfinite = 0
    for blocks, valid in _chunks(minibatch, most):
        draw_directions(directions, U[:blocks])
        Z = law.draw(noise, (1 + pairs) * blocks, horizon - 1, n)
        if pairs:
            nonfinite += rollouts.half_differences(law, Z, U[:blocks], radius, valid, costs[:blocks])
        else:
            nonfinite += rollouts.costs(law, Z, U[:blocks], radius, valid, costs[:blocks])
            if baseline is not None:
                costs[:blocks].reshape(-1)[:valid] -= baseline
        accumulate(costs[:blocks], U[:blocks], sums)
    total = folded(sums)
    value = (total[:-2] * (m * n / (radius * minibatch))).reshape(m, n)
    return GradientEstimate(value, nonfinite, float(total[-2] / minibatch), float(total[-1] / minibatch))


def cost_estimate(
    system: System,
    gain: Array,
    minibatch: int,
    *,
    horizon: int,
    law: NoiseLaw,
    noise: np.random.Generator,
    chunk: int = DEFAULT_CHUNK,
) -> CostEstimate:
    """Estimate the cost of a gain (m, n) by the mean of `minibatch` unperturbed rollouts (PCPO, Algorithm 1).

    Saturation, chunk and errors as in `gradient_estimate`.
    """
    minibatch = _count("minibatch", minibatch)
    rollouts = _Rollouts.of(system, gain, horizon)
    n, m = rollouts.n, rollouts.m
    most = min(rollouts.laid.blocks_per_chunk(law, chunk), -(-minibatch // BLOCK))
    U, costs = np.zeros((most, m * n, BLOCK)), np.empty((most, BLOCK))
    sums, none = np.zeros((2, BLOCK)), np.empty((most, 0, BLOCK))
    nonfinite = 0
    for blocks, valid in _chunks(minibatch, most):
        Z = law.draw(noise, blocks, horizon - 1, n)
        nonfinite += rollouts.costs(law, Z, U[:blocks], 0.0, valid, costs[:blocks])
        accumulate(costs[:blocks], none[:blocks], sums)
    total, square = folded(sums)
    mean = float(total / minibatch)
    spread = max(0.0, float(square) - minibatch * mean * mean)
    return CostEstimate(mean, spread / (minibatch - 1) if minibatch > 1 else math.inf, nonfinite)


def rollout_costs(
    system: System,
    gain: Array,
    noise: NDArray[Any],
    *,
    law: NoiseLaw | None = None,
    directions: Array | None = None,
    radius: float = 0.0,
) -> tuple[Array, int]:
    """Return the costs (blocks, 64) of single rollouts at gain + radius·U, and how many were saturated.

    For estimators that use the same noise or directions several times, and for tests.

    Args:
        system: the system simulated.
        gain: K, (m, n).
        noise: as `NoiseLaw.draw` returns it, for h − 1 steps, or real numbers.
        law: whose noise it is; signs by default.
        directions: (blocks, m·n, 64), U by rows.
        radius: r.

    Raises:
        FleetError: for shapes that do not fit.
    """
    if noise.ndim not in (3, 4) or (noise.ndim == 3) != (noise.dtype == np.uint64):
        raise FleetError(
            f"noise: found {noise.dtype} of shape {noise.shape}, "
            "expected uint64 (blocks, h-1, words) or float64 (blocks, h-1, n, 64)"
        )
    law = law or noise_law("signs")
    rollouts = _Rollouts.of(system, gain, noise.shape[1] + 1)
    blocks, D = noise.shape[0], rollouts.m * rollouts.n
    width = (rollouts.n, BLOCK) if noise.ndim == 4 else (words_per_step(law.kind(rollouts.n), rollouts.n),)
    expected = (blocks, noise.shape[1], *width)
    if noise.shape != expected:
        raise FleetError(f"noise: found shape {noise.shape}, expected {expected}")
    draws = np.array(noise, dtype=np.uint64 if noise.ndim == 3 else np.float64, order="C")
    U = np.zeros((blocks, D, BLOCK)) if directions is None else _matrix("directions", directions, (blocks, D, BLOCK))
    costs = np.empty((blocks, BLOCK))
    return costs, rollouts.costs(law, draws, U, float(radius), blocks * BLOCK, costs)
