"""Answer as oracles of the finite-horizon setting: zeroth-order estimates from rollouts, or exact values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.evidence.fedlqr.model.finite_horizon import FiniteHorizon, costs, gradients
from pcpo.evidence.fedlqr.model.kernels import rollout_kernel
from pcpo.oracles.protocol import Estimates, Question
from pcpo.oracles.rollout import LedgerOracle, OpenEpochs
from pcpo.simulation.kernels import BLOCK, SATURATION
from pcpo.simulation.noise import draw_directions, random_words, stream
from pcpo.simulation.normals import normals, words_per_column

__all__ = ["ExactFiniteHorizonOracle", "FiniteHorizonOracle"]

_BLOCKS = 16  # blocks of 64 rollouts drawn ahead for every agent; results do not depend on their number


class _Supply:
    """Draw directions and initial states of all agents for one (purpose, epoch), in the order of the requests.

    Agent i has the streams (seed, purpose, epoch, i, 0) and (…, 1), consumed in whole blocks of 64 rollouts.
    """

    def __init__(self, key: tuple[int, ...], N: int, D: int, n: int) -> None:
        self._directions = [stream(*key, agent, 0) for agent in range(N)]
        self._starts = [stream(*key, agent, 1) for agent in range(N)]
        self._left = (np.empty((N, 0, D)), np.empty((N, 0, n)))
        self._at = 0

    def take(self, count: int) -> tuple[FloatArray, FloatArray]:
        """Return the next `count` directions ``(N, count, D)`` and initial states ``(N, count, n)`` of every agent."""
        if self._at + count > self._left[0].shape[1]:
            self._draw(count)
        first, self._at = self._at, self._at + count
        directions, starts = (array[:, first : self._at] for array in self._left)
        return directions, starts

    def _draw(self, count: int) -> None:
        blocks = max(_BLOCKS, -(-count // BLOCK))
        columns = [np.empty((blocks, array.shape[2], BLOCK)) for array in self._left]
        fresh = tuple(np.empty((len(self._starts), blocks * BLOCK, array.shape[2])) for array in self._left)
        for i, (direction, start) in enumerate(zip(self._directions, self._starts, strict=True)):
            draw_directions(direction, columns[0])
            normals(random_words(start, (blocks, words_per_column(columns[1].shape[1]), BLOCK)), columns[1])
            for target, drawn in zip(fresh, columns, strict=True):
                target[i] = drawn.swapaxes(1, 2).reshape(blocks * BLOCK, -1)
        kept = (array[:, self._at :] for array in self._left)
        joined = [np.concatenate(pair, axis=1) for pair in zip(kept, fresh, strict=True)]
        self._left, self._at = (joined[0], joined[1]), 0


class FiniteHorizonOracle(LedgerOracle):
    """Estimate by rollouts of h stages from x_0 ~ N(0, I), drawn anew for every rollout; U uniform on the sphere.

    g_i = (1/M) Σ_k c_ik·(D/r_i)·U_ik: the one-point estimator, as in PCPO's (5).  A cost that is not finite or exceeds
    `kernels.SATURATION` is replaced by it, and counted.

    Args:
        setting: the systems.
        seed: seed of the run; see `_Supply` for the streams.
        kernel: for tests; by default the kernel of `rollout_kernel`.
    """

    def __init__(self, setting: FiniteHorizon, *, seed: int, kernel: Callable[..., None] | None = None) -> None:
        super().__init__(setting.N, (setting.m, setting.n))
        self._setting = setting
        # Private writable copies have one array type, so that the kernel is compiled only once.
        self._matrices = tuple(np.array(matrix) for matrix in (setting.A, setting.B, setting.Q, setting.R))
        self._seed = seed
        self._kernel = rollout_kernel(setting.n, setting.m) if kernel is None else kernel
        self._supplies = OpenEpochs(self._fresh_supply)

    def _take(self, purpose: int, epoch: int, count: int) -> tuple[FloatArray, FloatArray]:
        return self._supplies.at(purpose, epoch).take(count)

    def _fresh_supply(self, purpose: int, epoch: int) -> _Supply:
        s = self._setting
        return _Supply((self._seed, purpose, epoch), s.N, s.m * s.n, s.n)

    def _roll(self, gains: FloatArray, radii: FloatArray, U: FloatArray, x0: FloatArray) -> Estimates:
        """Return costs ``(N, M)``, cut at SATURATION, and how many of each agent were cut."""
        s, values = self._setting, np.empty(U.shape[:2])
        arrays = [np.array(array, dtype=np.float64, order="C") for array in (gains, radii, U, x0)]
        self._kernel(*self._matrices, *arrays, s.first_stage, s.first_stage + s.horizon, values)
        cut = ~(np.abs(values) <= SATURATION)
        values[cut] = SATURATION
        return Estimates(values, cut.sum(axis=1))

    def _gradients(self, question: Question) -> Estimates:
        if question.estimator != "one_point":
            raise ConfigError(
                f"estimator: found {question.estimator!r}, expected 'one_point', the only one in this setting"
            )
        U, x0 = self._take(question.purpose, question.epoch, question.minibatch)
        rolled = self._roll(question.gains, question.radii, U, x0)
        values = rolled.values if question.baseline is None else rolled.values - question.baseline[:, None]
        sums = (values[:, None, :] @ U)[:, 0]
        scale = U.shape[2] / (question.minibatch * question.radii)
        return Estimates((scale[:, None] * sums).reshape(question.gains.shape), rolled.nonfinite)

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        U, x0 = self._take(purpose, epoch, minibatch)
        rolled = self._roll(gains, np.zeros(self.n_agents), U, x0)
        return Estimates(rolled.values.mean(axis=1), rolled.nonfinite)


class ExactFiniteHorizonOracle(LedgerOracle):
    """Answer without noise, by ∇C_i(K_i) and C_i(K_i); radius and minibatch only enter the ledger.

    Where doubles overflow the gradient is zero, the cost is `SATURATION`, and all M rollouts count as saturated.
    """

    def __init__(self, setting: FiniteHorizon) -> None:
        super().__init__(setting.N, (setting.m, setting.n))
        self._setting = setting

    def _gradients(self, question: Question) -> Estimates:
        found = gradients(self._setting, question.gains)
        broken = np.flatnonzero(~np.isfinite(found).all(axis=(1, 2)))
        saturated = np.zeros(self.n_agents, dtype=np.int64)
        found[broken], saturated[broken] = 0.0, question.minibatch
        return Estimates(found, saturated)

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        found = np.minimum(costs(self._setting, gains), SATURATION)
        return Estimates(found, np.where(found < SATURATION, 0, minibatch))
