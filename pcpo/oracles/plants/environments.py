"""Put Gymnasium's vectorised environments behind the plant interface: many copies step at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pcpo.arrays import BoolArray, FloatArray
from pcpo.errors import ConfigError
from pcpo.oracles.answers import (
    array_of,
    called,
    check_nan,
    check_real,
    check_takes,
    kind_of,
    numbers_of,
    vector_length,
)
from pcpo.oracles.plant import SingleEnvironment

__all__ = ["VectorEnvironment"]


class VectorEnvironment(SingleEnvironment):
    """Run a vectorised Gymnasium environment, or what behaves like one, as a plant: `num_envs` rollouts at once.

    env: what `gymnasium.make_vec` returns, or an environment of your own with `num_envs`, the spaces of a single copy,
    `reset(seed=…)` → (observations, info) and `step(actions)` → (observations, rewards, terminations, truncations,
    info).  The stage cost is −reward, a termination makes the rollout's cost infinite, and a truncation before the
    horizon is refused.  A copy whose rollout has ended may reset itself; what it answers then is not read.

    Every copy has a seed of its own where `reset` takes a list of seeds; otherwise one seed draws the starts of all
    copies, so that the draws depend on their number.  Gymnasium itself is not needed.

    Args:
        env: the environment.
        options: what `reset` is given as options, such as the bounds of the first states; None for nothing.

    Raises:
        ConfigError: unless the spaces of a copy are vectors of real numbers and the methods take these arguments, and
            for an environment that waits for its user to reset copies (AutoresetMode.DISABLED).
    """

    def __init__(self, env: Any, options: Mapping[str, Any] | None = None) -> None:
        self.name = type(env).__name__
        self._where = f"plant: {self.name}"
        if isinstance(env, type):
            raise ConfigError(f"plant: found the class {env.__name__}, expected an environment made by it")
        count = getattr(env, "num_envs", None)
        if not isinstance(count, int | np.integer) or count < 1:
            raise ConfigError(
                f"{self._where}: found num_envs = {count}, expected a vectorised environment; "
                "SingleEnvironment runs a plain one"
            )
        self.n = vector_length(self._where, env, "single_observation_space")
        self.m = vector_length(self._where, env, "single_action_space")
        check_real(f"{self._where}, single_action_space", env.single_action_space)
        check_takes(self._where, env, "reset", "reset(seed=…), as Gymnasium has it", seed=0)
        check_takes(self._where, env, "step", "step(actions)", None)
        mode = dict(getattr(env, "metadata", None) or {}).get("autoreset_mode")
        if getattr(mode, "name", mode) == "DISABLED":
            raise ConfigError(f"{self._where}: found AutoresetMode.DISABLED, expected one that resets its copies")
        self._env, self._copies = env, int(count)
        self._options = {} if options is None else {"options": dict(options)}
        self._dtype = getattr(env.single_action_space, "dtype", None) or np.float64
        self._many_seeds: bool | None = None

    def costs(
        self, gains: FloatArray, horizon: int, gamma: float, rng: np.random.Generator, *, where: str | None = None
    ) -> FloatArray:
        """Return costs ``(count,)`` of rollouts under gains ``(count, m, n)``, each seeded from `rng`.

        where: what messages call the plant, by default the class of the environment.

        Raises:
            ConfigError: as `SingleEnvironment.costs`.
        """
        where, k = where or self._where, self._copies
        seeds = [int(rng.integers(2**31)) for _ in gains]
        found = []
        for first in range(0, len(gains), k):
            part, own = gains[first : first + k], seeds[first : first + k]
            spare = k - len(part)  # copies without a rollout repeat the last gain
            filled = np.concatenate([part, np.broadcast_to(part[-1], (spare, *part.shape[1:]))])
            found.append(self._batch(filled, [*own, *[own[-1]] * spare], horizon, gamma, len(part), where))
        return np.concatenate(found)

    def _batch(
        self, gains: FloatArray, seeds: Sequence[int], horizon: int, gamma: float, count: int, where: str
    ) -> FloatArray:
        """Return the costs of a rollout in each of the first `count` copies."""
        states = self._starts(seeds, count, where)
        running = np.arange(len(gains)) < count
        totals, discount = np.zeros(len(gains)), 1.0
        for stage in range(horizon):
            with np.errstate(over="ignore", invalid="ignore"):
                actions = -np.einsum("kij,kj->ki", gains, states)
                answer = called(f"{where}, step", self._env.step, actions.astype(self._dtype))
            after, rewards, terminated, truncated = self._answers(answer, where)
            check_nan(f"{where}, step", ("observation", "reward"), states[running], actions[running], after[running],
                      rewards[running])  # fmt: skip
            totals[running] -= discount * rewards[running]
            totals[running & terminated] = np.inf
            running &= ~terminated
            if (running & truncated).any() and stage + 1 < horizon:
                raise ConfigError(
                    f"{where}, step: found a rollout cut off after {stage + 1} steps, expected {horizon}; "
                    "raise the time limit of the environment"
                )
            states, discount = np.where(running[:, None], after, 0.0), discount * gamma
            if not running.any():
                break
        return totals[:count]

    def _starts(self, seeds: Sequence[int], count: int, where: str) -> FloatArray:
        """Return the first observations ``(copies, n)``; tries once whether every copy takes a seed of its own."""
        where = f"{where}, reset"
        if self._many_seeds is None:
            try:
                self._env.reset(seed=list(seeds), **self._options)
                self._many_seeds = True
            except Exception:  # Gymnasium's own error, a TypeError, …: what is wrong besides shows below
                self._many_seeds = False
        seed = list(seeds) if self._many_seeds else seeds[0]
        answer = called(where, self._env.reset, seed=seed, **self._options)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise ConfigError(f"{where}: found {kind_of(answer)}, expected (observations, info), as Gymnasium has it")
        states = array_of(where, "the observations", answer[0], (self._copies, self.n))
        if not np.isfinite(states[:count]).all():
            raise ConfigError(f"{where}: found observations that are not finite, expected finite numbers")
        return states

    def _answers(self, answer: object, where: str) -> tuple[FloatArray, FloatArray, BoolArray, BoolArray]:
        """Return observations ``(copies, n)``, rewards, terminations and truncations of an answer of `step`."""
        where = f"{where}, step"
        if not isinstance(answer, tuple | list) or len(answer) != 5:
            raise ConfigError(
                f"{where}: found {kind_of(answer)}, expected (observations, rewards, terminations, truncations, info)"
            )
        k = (self._copies,)
        observations = array_of(where, "the observations", answer[0], (*k, self.n))
        rewards = array_of(where, "the rewards", answer[1], k)
        ends = []
        for name, values in zip(("terminations", "truncations"), answer[2:4], strict=True):
            flags = array_of(where, name, numbers_of(where, name, values), k)
            if not np.isin(flags, (0.0, 1.0)).all():
                raise ConfigError(f"{where}: found {flags.max():g} in {name}, expected True or False")
            ends.append(flags == 1.0)
        return observations, rewards, ends[0], ends[1]
