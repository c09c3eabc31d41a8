"""Put a user's plant behind the oracle interface: any simulator with `reset` and `step`, linear or not.

A plant is one agent's system in the style of Gymnasium, but for many rollouts at once and without internal state.
`PlantOracle` asks it what PCPO asks of a linear system, under u = −K x and the discount γ of the fleet.  What is *true*
of a plant is unknown: gaps, clusters and calibrated constants stay those of the fleet's linear systems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError, PcpoError
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.protocol import Estimates, Estimator, Question, Trajectories
from pcpo.oracles.rollout import AgentStreams, LedgerOracle, agent_streams
from pcpo.simulation.kernels import BLOCK, SATURATION, accumulate, folded, saturate
from pcpo.simulation.noise import draw_directions
from pcpo.simulation.trajectories import random_signs

__all__ = ["PLANTS", "Plant", "PlantFactory", "PlantOracle", "SingleEnvironment", "check_plants", "plant_factory"]

#: Rollouts that a plant simulates at once. The order of the random numbers depends on it: never change it.
CHUNK = 64 * BLOCK
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


class Plant(Protocol):
    """Describe one agent's system: n states, m inputs, stage costs in the units of the fleet's cost.

    A plant must draw from the generator it is given and from nothing else, and may not depend on earlier calls.
    """

    @property
    def n(self) -> int: ...
    @property
    def m(self) -> int: ...

    def reset(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Return initial states ``(count, n)`` of as many independent rollouts."""

    def step(self, states: FloatArray, actions: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return next states and stage costs ``(count,)`` at states ``(count, n)`` under actions ``(count, m)``.

        A state or cost that is not finite ends nothing: its rollout counts as saturated.
        """


class SingleEnvironment:
    """Run a plain Gymnasium environment, or what behaves like one, as a plant: one rollout after another.

    env: `reset(seed=…)` → (observation, info), `step(action)` → (observation, reward, terminated, truncated, info), and
    the spaces' shapes; the stage cost is −reward.  `terminated` is taken for a failure: the rollout's cost is infinite.
    Gymnasium itself is not needed.  Slow, for a first look only: a Python call for every step of every rollout.
    """

    def __init__(self, env: Any) -> None:
        try:
            (self.n,), (self.m,) = env.observation_space.shape, env.action_space.shape
        except (AttributeError, TypeError, ValueError):
            raise ConfigError(
                f"plant: found a {type(env).__name__} without vectors as observation_space and action_space"
            ) from None
        self._env = env

    def costs(self, gains: FloatArray, horizon: int, gamma: float, rng: np.random.Generator) -> FloatArray:
        """Return costs ``(count,)`` of rollouts under gains ``(count, m, n)``, each seeded from `rng`."""
        return np.array([self._cost(gain, horizon, gamma, int(rng.integers(2**31))) for gain in gains])

    def _cost(self, gain: FloatArray, horizon: int, gamma: float, seed: int) -> float:
        """Return the cost of one rollout."""
        state, _ = self._env.reset(seed=seed)
        total, discount = 0.0, 1.0
        for stage in range(horizon):
            state, reward, terminated, truncated, _ = self._env.step(-gain @ np.asarray(state, dtype=np.float64))
            if terminated:
                return float("inf")
            if truncated and stage + 1 < horizon:
                raise ConfigError(f"plant: found a rollout cut off after {stage + 1} steps, expected {horizon}")
            total -= discount * float(reward)
            discount *= gamma
        return total


#: Makes the plant of an agent of a fleet.
PlantFactory = Callable[[Fleet, int], "Plant | SingleEnvironment"]

#: Plants by name; the package has none, extensions bring them.
PLANTS: dict[str, PlantFactory] = {}


def check_plants(plants: Mapping[str, PlantFactory]) -> None:
    """Raise ConfigError unless names are free and of letters, digits and _, and factories can be called."""
    for name, factory in plants.items():
        if not _NAME.fullmatch(str(name)):
            raise ConfigError(f"plant: found the name {name!r}, expected letters, digits and _")
        if name in PLANTS:
            raise ConfigError(f"plant {name!r}: found that it exists already, expected another name")
        if not callable(factory):
            raise ConfigError(f"plant {name!r}: found a {type(factory).__name__}, expected a factory (fleet, agent)")


def plant_factory(name: str) -> PlantFactory:
    """Return the factory of that name; ConfigError for an unknown name, listing the known ones."""
    if name not in PLANTS:
        known = f"one of {', '.join(sorted(PLANTS))}" if PLANTS else "one that a file of extensions defines"
        raise ConfigError(f"plant: found {name!r}, expected {known}")
    return PLANTS[name]


class PlantOracle(LedgerOracle):
    """Answer by rollouts of h stages of each agent's plant: C(K) = Σ_{t<h} γᵗ c(x_t, −K x_t)  (paper, eq. (4)).

    Gradients are those of eq. (5), estimators and baselines as in `pcpo.simulation.estimators`, streams as in
    `RolloutOracle`.  Costs that are not finite or exceed `kernels.SATURATION` are replaced by it.

    Raises:
        ConfigError: if a plant has other dimensions than the fleet.
        PcpoError: if a plant answers with other shapes.
    """

    def __init__(self, fleet: Fleet, make: PlantFactory, *, seed: int, horizon: int) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self._plants = [make(fleet, agent) for agent in range(fleet.N)]
        for agent, plant in enumerate(self._plants):
            found = (getattr(plant, "m", None), getattr(plant, "n", None))
            if found != self.gain_shape:
                raise ConfigError(f"plant of agent {agent}: found (m, n) = {found}, expected {self.gain_shape}")
        self._gamma, self._horizon = fleet.gamma, horizon
        # A running product: unlike pow, it has the same bits on every machine.
        self._discounts = np.multiply.accumulate(np.r_[1.0, np.full(horizon - 1, fleet.gamma)])
        self._streams = agent_streams(seed, fleet.N)

    def _gradients(self, question: Question) -> Estimates:
        """Estimate gradients by rollouts of the plants."""
        if question.estimator not in ("one_point", "two_point"):
            raise ConfigError(f"estimator: found {question.estimator!r}, expected 'one_point' or 'two_point'")
        if question.estimator == "two_point" and question.minibatch < 2:
            raise ConfigError(f"minibatch: found {question.minibatch}, expected 2 or more rollouts for a pair")
        bases = np.zeros(self.n_agents) if question.baseline is None else question.baseline
        streams = self._streams.at(question.purpose, question.epoch)
        agents = zip(self._plants, question.gains, question.radii, streams, bases, strict=True)
        answers = [self._gradient(*agent, question.minibatch, question.estimator) for agent in agents]
        return Estimates(np.stack([value for value, _ in answers]), np.array([lost for _, lost in answers]))

    def _gradient(
        self,
        plant: Plant | SingleEnvironment,
        gain: FloatArray,
        radius: float,
        streams: AgentStreams,
        base: float,
        minibatch: int,
        estimator: Estimator,
    ) -> tuple[FloatArray, int]:
        """Return (D/(r q)) Σ_k w_k U_k over q directions, as `gradient_estimate`, and how many costs saturated."""
        (m, n), pairs = self.gain_shape, estimator == "two_point"
        directions = minibatch // (1 + pairs)
        sums, lost = np.zeros((m * n + 2, BLOCK)), 0
        for valid in _chunks(directions):
            U = np.empty((-(-valid // BLOCK), m * n, BLOCK))
            draw_directions(streams.directions, U)
            offsets = radius * U.swapaxes(1, 2).reshape(-1, m, n)[:valid]
            w, saturated = self._rollouts(plant, gain + offsets, streams.noise)
            if pairs:
                opposite, more = self._rollouts(plant, gain - offsets, streams.noise)
                w, saturated = 0.5 * (w - opposite), saturated + more
            else:
                w.reshape(-1)[:valid] -= base
            accumulate(w, U, sums)
            lost += saturated
        return (folded(sums)[:-2] * (m * n / (radius * directions))).reshape(m, n), lost

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Estimate costs by rollouts of the plants."""
        found = []
        for plant, gain, streams in zip(self._plants, gains, self._streams.at(purpose, epoch), strict=True):
            parts = [
                self._rollouts(plant, np.broadcast_to(gain, (valid, *gain.shape)), streams.noise)
                for valid in _chunks(minibatch)
            ]
            found.append((sum(float(costs.sum()) for costs, _ in parts) / minibatch, sum(lost for _, lost in parts)))
        return Estimates(np.array([value for value, _ in found]), np.array([lost for _, lost in found]))

    def _rollouts(
        self, plant: Plant | SingleEnvironment, gains: FloatArray, noise: np.random.Generator
    ) -> tuple[FloatArray, int]:
        """Return costs ``(blocks, 64)`` under gains ``(count, m, n)``, zeros at the end, and how many saturated."""
        count = len(gains)
        costs = np.zeros((-(-count // BLOCK), BLOCK))
        if isinstance(plant, SingleEnvironment):
            costs.reshape(-1)[:count] = plant.costs(gains, self._horizon, self._gamma, noise)
        else:
            stages = _simulated(plant, gains, noise, np.zeros((self._horizon, 1, 1)))
            with np.errstate(over="ignore", invalid="ignore"):
                for t, (_, _, stage_costs) in enumerate(stages):
                    costs.reshape(-1)[:count] += self._discounts[t] * stage_costs
        return costs, int(saturate(costs, count))

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        """Simulate trajectories of the plants."""
        (m, n), N = self.gain_shape, self.n_agents
        states, inputs = np.zeros((N, count, horizon + 1, n)), np.zeros((N, count, horizon, m))
        lost = np.zeros((N, count), dtype=np.bool_)
        for i, (plant, streams) in enumerate(zip(self._plants, self._streams.at(purpose, epoch), strict=True)):
            if isinstance(plant, SingleEnvironment):
                raise PcpoError("trajectories: found a plant that simulates one rollout at a time, expected arrays")
            probing = excitation * random_signs(streams.directions, count, horizon, m).swapaxes(0, 1)
            # One step more than asked for: it shows the last state.
            probing = np.concatenate([probing, np.zeros((1, count, m))])
            same = np.broadcast_to(gains[i], (count, m, n))
            with np.errstate(over="ignore", invalid="ignore"):
                for t, (x, u, _) in enumerate(_simulated(plant, same, streams.noise, probing)):
                    states[i, :, t] = x
                    inputs[i, :, t : t + 1] = u[:, None][:, : horizon - t]
            for numbers in (states[i], inputs[i]):
                lost[i] |= ~(np.abs(numbers) < SATURATION).all(axis=(1, 2))
        states[lost], inputs[lost] = 0.0, 0.0
        return Trajectories(states, inputs, lost.sum(axis=1, dtype=np.int64))


def _chunks(rollouts: int) -> Iterator[int]:
    """Yield how many rollouts are simulated at once, until all are."""
    for first in range(0, rollouts, CHUNK):
        yield min(CHUNK, rollouts - first)


def _simulated(
    plant: Plant, gains: FloatArray, rng: np.random.Generator, probing: Iterable[FloatArray]
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """Yield x_t ``(count, n)``, u_t = −K x_t + probing_t ``(count, m)`` and costs ``(count,)``, stage by stage."""
    count, _, n = gains.shape
    states = _of_shape("reset", plant.reset(rng, count), (count, n))
    for excitation in probing:
        actions = excitation - np.einsum("kij,kj->ki", gains, states)
        after, costs = plant.step(states, actions, rng)
        yield states, actions, _of_shape("step, stage costs", costs, (count,))
        states = _of_shape("step, next states", after, (count, n))


def _of_shape(what: str, value: object, shape: tuple[int, ...]) -> FloatArray:
    """Return a plant's answer as an array; PcpoError if it has another shape."""
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        raise PcpoError(f"plant: found shape {array.shape} from {what}, expected {shape}")
    return array
