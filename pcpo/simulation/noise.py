"""Draw random streams, noise and directions: everything that is random in rollouts.

Two rules make results independent of the chunk size and of the number of cores: every use has a separate stream,
keyed by stable integers, and a stream is consumed in whole blocks of 64 rollouts, one after the other.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pcpo.errors import ConfigError
from pcpo.lqr.forms import FormMoments, FourthCumulant, independent_moments, spherical_moments
from pcpo.simulation.kernels import BLOCK, MAX_STATES, normalise
from pcpo.simulation.noise_formulas import CUBE_POINTS, Kind, reals, words_per_step
from pcpo.simulation.normals import normals, words_per_column
from pcpo.simulation.words import SEEDS, expand

if TYPE_CHECKING:
    from pcpo.lqr.system import LinearSystem

__all__ = [
    "NOISE_LAWS",
    "NoiseLaw",
    "Purpose",
    "draw_directions",
    "many_words",
    "noise_law",
    "random_words",
    "stream",
    "unit_directions",
]

Array = NDArray[np.float64]


class Purpose(IntEnum):
    """Number the first key of a stream.

    The numbers are part of every result: add new ones, never change or reuse one.
    """

    FLEET = 0
    LOCAL = 1
    COST = 2
    GLOBAL = 3
    CALIBRATION = 4
    EVALUATION = 5
    BASELINE = 6
    TRAJECTORIES = 7
    PROBING = 8
    TESTS = 9
    ANNEALING = 10
    PROJECTION = 11


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of (seed, key): SFC64 seeded by SeedSequence(entropy=seed, spawn_key=key).

    Streams of different keys are independent for all practical purposes; (1,) and (1, 0) are different keys. SFC64 is
    the fastest of NumPy's bit generators and passes the same batteries of tests as the others.

    Raises:
        ConfigError: unless seed and keys are non-negative integers.
    """
    numbers = []
    for name, value in [("seed", seed), *(("stream key", k) for k in key)]:
        try:
            number = -1 if isinstance(value, bool | np.bool_) else operator.index(value)
        except TypeError:
            number = -1
        if number < 0:
            raise ConfigError(f"{name}: found {value!r}, expected a non-negative integer")
        numbers.append(number)
    sequence = np.random.SeedSequence(entropy=numbers[0], spawn_key=tuple(numbers[1:]))
    return np.random.Generator(np.random.SFC64(sequence))


_FULL_WORDS = (np.random.SFC64, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox)


def random_words(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Draw uniform 64-bit words, straight from the bit generator; ConfigError for a generator that gives fewer bits."""
    if not isinstance(rng.bit_generator, _FULL_WORDS):
        found = type(rng.bit_generator).__name__
        raise ConfigError(f"generator: found {found}, expected one of {', '.join(g.__name__ for g in _FULL_WORDS)}")
    return rng.bit_generator.random_raw(math.prod(shape)).reshape(shape)


def many_words(rng: np.random.Generator, blocks: int, count: int) -> NDArray[np.uint64]:
    """Draw (blocks, count) words: those of a block by generators of its own, which `rng` seeds (`words.expand`)."""
    words = np.empty((blocks, count), dtype=np.uint64)
    expand(random_words(rng, (blocks, *SEEDS)), words)
    return words


class NoiseLaw(ABC):
    """Describe a law of the process noise z in Rⁿ: E z = 0, E zzᵀ = I, ‖z‖² ≤ bound(n), independent over time.

    Boundedness is PCPO's assumption (2); Gaussian noise violates it and is not offered.
    """

    name: str

    @abstractmethod
    def kind(self, n: int) -> Kind:
        """Return how the kernels receive it (`noise_formulas`)."""

    @abstractmethod
    def bound(self, n: int) -> float:
        """Return B with ‖z‖² ≤ B for every draw."""

    @abstractmethod
    def quartic_term(self, P: Array) -> Array:
        """Return d = Var(zᵀPz) for symmetric P (..., n, n), shape (...).

        The part of a rollout's variance that the law decides.
        """

    @abstractmethod
    def form_moments(self, P: Array) -> FormMoments:
        """Return the moments of zᵀPz up to the fourth, for symmetric P (..., n, n)."""

    @abstractmethod
    def fourth_cumulant(self, n: int) -> FourthCumulant:
        """Return the fourth cumulant of z in Rⁿ."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], n: int) -> Array:
        """Draw independent vectors as an array of shape (*shape, n); for tests and the reference implementation."""

    def draw(self, rng: np.random.Generator, blocks: int, steps: int, n: int) -> NDArray[Any]:
        """Draw the noise of whole blocks of 64 rollouts, for the kernels: words (blocks, steps, words per step)."""
        kind = self.kind(n)
        count = words_per_step(kind, n)
        if kind == "signs":
            return random_words(rng, (blocks, steps, count))
        return many_words(rng, blocks, steps * count).reshape(blocks, steps, count)

    def reals(self, noise: NDArray[Any], n: int) -> Array:
        """Return what `draw` returned as real numbers (blocks, steps, n, 64)."""
        return noise if noise.dtype == np.float64 else reals(self.kind(n), noise, n)


def _squares(P: Array) -> Array:
    """Return ‖P‖² of every matrix of a stack."""
    squares = P * P
    return np.asarray(squares.reshape(*P.shape[:-2], -1).sum(axis=-1))


def _squared_diagonal(P: Array) -> Array:
    """Return Σ_i P_ii² of every matrix of a stack."""
    return np.asarray((np.diagonal(P, axis1=-2, axis2=-1) ** 2).sum(axis=-1))


class Signs(NoiseLaw):
    """Describe independent coordinates −1 or +1 with probability ½ each: ‖z‖² = n always."""

    name = "signs"

    def kind(self, n: int) -> Kind:
        return "signs"

    def bound(self, n: int) -> float:
        return float(n)

    def quartic_term(self, P: Array) -> Array:
        return np.asarray(2.0 * (_squares(P) - _squared_diagonal(P)))

    def form_moments(self, P: Array) -> FormMoments:
        return independent_moments(P, 1.0, 1.0, 1.0)

    def fourth_cumulant(self, n: int) -> FourthCumulant:
        return FourthCumulant(-2.0, 0.0)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], n: int) -> Array:
        return 2.0 * rng.integers(0, 2, size=(*shape, n)).astype(np.float64) - 1.0


class Sphere(NoiseLaw):
    """Describe the uniform law on the sphere of radius √n: ‖z‖² = n up to rounding.

    The kernels draw from many points of the sphere, equally likely, with its moments up to the fifth degree
    (`pcpo.simulation.designs`); one state has signs, and more states than kernels have normalised normals.
    """

    name = "sphere"

    def kind(self, n: int) -> Kind:
        return "signs" if n == 1 else "sphere" if n <= MAX_STATES else "reals"

    def bound(self, n: int) -> float:
        return float(n)

    def quartic_term(self, P: Array) -> Array:
        n = P.shape[-1]
        trace = np.trace(P, axis1=-2, axis2=-1)
        return np.asarray(2.0 * (n * _squares(P) - trace * trace) / (n + 2))

    def form_moments(self, P: Array) -> FormMoments:
        return spherical_moments(P)  # the points drawn have other moments of degree 6 and 8, by a share of about 1e-6

    def fourth_cumulant(self, n: int) -> FourthCumulant:
        return FourthCumulant(0.0, -6.0 / (n + 2))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], n: int) -> Array:
        z = rng.standard_normal((*shape, n), dtype=np.float64)
        z *= math.sqrt(n) / np.linalg.norm(z, axis=-1, keepdims=True)
        return z

    def draw(self, rng: np.random.Generator, blocks: int, steps: int, n: int) -> NDArray[Any]:
        if self.kind(n) != "reals":
            return super().draw(rng, blocks, steps, n)
        z = np.empty((blocks, steps, n, BLOCK))
        _fill_sphere(rng, z.reshape(blocks * steps, n, BLOCK), math.sqrt(n))
        return z


class Cube(NoiseLaw):
    """Describe independent coordinates, uniform on 2^16 equispaced points about 0 of variance 1: ‖z‖² < 3n.

    In all but name the uniform law on [−√3, √3]: E z⁴ = 9/5 − 2.4/(2^32 − 1).
    """

    name = "cube"

    def kind(self, n: int) -> Kind:
        return "cube"

    def bound(self, n: int) -> float:
        return 3.0 * n * (CUBE_POINTS - 1) / (CUBE_POINTS + 1)

    def quartic_term(self, P: Array) -> Array:
        return np.asarray(2.0 * _squares(P) - (1.2 + 2.4 / (CUBE_POINTS**2 - 1)) * _squared_diagonal(P))

    def form_moments(self, P: Array) -> FormMoments:
        return independent_moments(P, *_cube_moments())

    def fourth_cumulant(self, n: int) -> FourthCumulant:
        return FourthCumulant(_cube_moments()[0] - 3.0, 0.0)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], n: int) -> Array:
        odd = 2.0 * rng.integers(0, CUBE_POINTS, size=(*shape, n)) - (CUBE_POINTS - 1)
        return np.asarray(odd * math.sqrt(3.0 / (CUBE_POINTS**2 - 1)))


def _cube_moments() -> tuple[float, float, float]:
    """Return E z⁴, E z⁶, E z⁸ of a coordinate of the cube: the moments of ±1, ±3, …, ±(N − 1), scaled to variance 1."""
    N = CUBE_POINTS
    fourth = (3 * N**2 - 7) / 15
    sixth = (3 * N**4 - 18 * N**2 + 31) / 21
    eighth = (5 * N**6 - 55 * N**4 + 239 * N**2 - 381) / 45
    unit = (N**2 - 1) / 3
    return fourth * 3 / unit, sixth * 3 / unit**2, eighth * 3 / unit**3


NOISE_LAWS: dict[str, NoiseLaw] = {law.name: law for law in (Signs(), Sphere(), Cube())}


def noise_law(name: str) -> NoiseLaw:
    """Return the law of that name; ConfigError, listing the known ones, if there is none."""
    if name not in NOISE_LAWS:
        raise ConfigError(f"noise: found {name!r}, expected one of {', '.join(sorted(NOISE_LAWS))}")
    return NOISE_LAWS[name]


def draw_directions(rng: np.random.Generator, out: Array) -> None:
    """Fill out (blocks, D, 64) with independent columns, uniform on the unit sphere of R^D."""
    _fill_sphere(rng, out, 1.0)


def unit_directions(system: LinearSystem, count: int, rng: np.random.Generator) -> Array:
    """Draw directions of gains, uniform on the unit Frobenius sphere: ``(count, m, n)``."""
    V = rng.standard_normal((count, system.m, system.n))
    return np.asarray(V / np.linalg.norm(V, axis=(1, 2), keepdims=True))


def _fill_sphere(rng: np.random.Generator, out: Array, radius: float) -> None:
    """Fill out with normal columns, normalised: by symmetry uniform on the sphere of that radius."""
    columns, D, lanes = out.shape
    normals(random_words(rng, (columns, words_per_column(D), lanes)), out)
    normalise(out, radius)
