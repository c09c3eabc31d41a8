"""Put plants with compiled dynamics behind the oracle interface: rollouts run in a kernel, ten million in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError, one_line
from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.noise import random_words
from pcpo.simulation.plants import Dynamics, compiled_dynamics, plant_kernel, signs

__all__ = ["CompiledPlant", "by_kernel"]

_KERNELS: dict[tuple[Dynamics, int, int], tuple[Any, Callable[..., None]]] = {}


class CompiledPlant:
    """Run a plant x_{t+1} = f(x_t, u_t) + noise·z_t, x_0 = 0, whose f and stage cost are one function for Numba.

    z_t has independent random signs as entries: mean 0, covariance I, bounded, as assumption (2) of the paper has it.

    `PlantOracle` runs its rollouts in a kernel; `reset` and `step` answer the same, to rounding, one stage at a time.

    Args:
        n: states.
        m: inputs.
        dynamics: dynamics(states (n, k), actions (m, k), parameters, after (n, k), costs (k,)) sets `after` to
            f(x, u) and `costs` to the stage costs, column by column, for any number k of rollouts.  Numba compiles it
            at the first rollout, which takes a second or two.
        parameters: numbers that `dynamics` is given, ``(p,)``.
        noise: scale of the noise, one number or one for each state, 0 or more.

    Raises:
        ConfigError: for sizes, parameters or scales out of range, for a function that Numba cannot compile, and for
            answers at the state 0 that are not finite.
    """

    def __init__(
        self, n: int, m: int, dynamics: Dynamics, parameters: Any = (), *, noise: float | FloatArray = 1.0
    ) -> None:
        self.n, self.m = _size("n", n), _size("m", m)
        if not callable(dynamics):
            raise ConfigError(f"dynamics: found a {type(dynamics).__name__}, expected a function")
        self.parameters = _finite("parameters", np.atleast_1d(np.asarray(parameters, dtype=np.float64)))
        self.noise = _finite("noise", np.broadcast_to(np.asarray(noise, dtype=np.float64), (self.n,)).copy())
        if (self.noise < 0).any():
            raise ConfigError(f"noise: found {self.noise.min():g}, expected 0 or more")
        key = (dynamics, self.n, self.m)
        if key not in _KERNELS:
            found = compiled_dynamics(dynamics)
            _KERNELS[key] = found, plant_kernel(found, self.n, self.m)
        self._dynamics, self._kernel = _KERNELS[key]
        self._try()

    def reset(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Return the state 0 of every rollout, ``(count, n)``; nothing is drawn."""
        return np.zeros((count, self.n))

    def step(self, states: FloatArray, actions: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return next states ``(count, n)`` and stage costs ``(count,)``; draws 64 signs of a coordinate at once."""
        after, costs = self._at(states, actions)
        z = signs(random_words(rng, (-(-len(states) // BLOCK), self.n)))[: len(states)]
        return after + self.noise * z, costs

    def rollouts(self, gains: FloatArray, horizon: int, gamma: float, rng: np.random.Generator) -> FloatArray | None:
        """Return costs ``(count,)`` of rollouts under gains ``(count, m, n)``, with the noise that `step` would draw.

        Returns None, with the generator as it was, if a cost is NaN: `step` then shows where that comes from.
        """
        before, blocks = rng.bit_generator.state, -(-len(gains) // BLOCK)
        columns = np.zeros((blocks * BLOCK, self.m * self.n))
        columns[: len(gains)] = gains.reshape(len(gains), -1)
        packed = np.ascontiguousarray(columns.reshape(blocks, BLOCK, -1).swapaxes(1, 2))
        found = self.costs(packed, self.words(rng, blocks, horizon), gamma).ravel()[: len(gains)]
        if np.isnan(found).any():
            rng.bit_generator.state = before
            return None
        return found

    def words(self, rng: np.random.Generator, blocks: int, horizon: int) -> NDArray[np.uint64]:
        """Draw the noise of blocks of 64 rollouts, ``(h, blocks, n)``: what as many calls of `step` would draw."""
        return random_words(rng, (horizon, blocks, self.n))

    def costs(self, gains: FloatArray, words: NDArray[np.uint64], discount: float) -> FloatArray:
        """Return the costs of rollouts ``(blocks, 64)`` under gains ``(blocks, m·n, 64)`` and noise `words`.

        A cost that is not finite stays as it is.
        """
        found = np.empty((words.shape[1], BLOCK))
        self._kernel(gains, words, discount, self.parameters, self.noise, found)
        return found

    def _at(self, states: FloatArray, actions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return f(x, u) ``(count, n)`` and stage costs ``(count,)``."""
        after, costs = np.empty((self.n, len(states))), np.empty(len(states))
        columns = np.ascontiguousarray(states.T), np.ascontiguousarray(actions.T)
        self._dynamics(*columns, self.parameters, after, costs)
        return np.ascontiguousarray(after.T), costs

    def _try(self) -> None:
        """Compile the dynamics and call them once, at the state 0 without input."""
        try:
            after, costs = self._at(np.zeros((1, self.n)), np.zeros((1, self.m)))
        except Exception as error:  # whatever Numba says of a user's function
            raise ConfigError(f"dynamics: found that they cannot be compiled: {one_line(error)}") from error
        if not (np.isfinite(after).all() and np.isfinite(costs).all()):
            raise ConfigError(
                "dynamics: found a next state or cost at the state 0 that is not finite, expected a number"
            )


def by_kernel(
    plant: object, gains: FloatArray, horizon: int, gamma: float, rng: np.random.Generator
) -> FloatArray | None:
    """Return costs ``(count,)`` of a compiled plant; None where the plain path must simulate, or say what is wrong."""
    return plant.rollouts(gains, horizon, gamma, rng) if isinstance(plant, CompiledPlant) else None


def _size(name: str, value: object) -> int:
    """Return a number of states or inputs; ConfigError unless it is 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ConfigError(f"{name}: found {value!r}, expected a whole number, 1 or more")
    return int(value)


def _finite(name: str, values: FloatArray) -> FloatArray:
    """Return values; ConfigError unless they are finite."""
    if not np.isfinite(values).all():
        raise ConfigError(f"{name}: found {values[~np.isfinite(values)][0]}, expected finite numbers")
    return np.ascontiguousarray(values)
