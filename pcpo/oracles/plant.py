"""Put a user's plant behind the oracle interface: any simulator with `reset` and `step`, linear or not.

A plant is one agent's system in the style of Gymnasium, but for many rollouts at once and without internal state.
`PlantOracle` asks it what PCPO asks of a linear system, under u = −K x and the discount γ of the fleet.  What is *true*
of a plant is unknown: gaps, clusters and calibrated constants stay those of the fleet's linear systems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError, PcpoError
from pcpo.oracles.answers import (
    array_of,
    called,
    check_nan,
    check_real,
    check_takes,
    kind_of,
    numbers_of,
    takes,
    truth_of,
    vector_length,
)
from pcpo.oracles.plants.compiled import by_kernel
from pcpo.oracles.protocol import Estimates, Estimator, Question, Trajectories
from pcpo.oracles.rollout import AgentStreams, LedgerOracle, PartOfEpochs, agent_streams
from pcpo.simulation.kernels import BLOCK, SATURATION, accumulate, folded, saturate
from pcpo.simulation.noise import draw_directions
from pcpo.simulation.trajectories import random_signs

__all__ = [
    "PLANTS",
    "Agents",
    "Plant",
    "PlantFactory",
    "PlantOracle",
    "SingleEnvironment",
    "check_plants",
    "plant_factory",
]

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

        A state or cost that is not finite ends nothing: its rollout counts as saturated.  To mark a failure, return an
        infinite cost.  NaN at a state and an action within ±`answers.ORDINARY` is a fault of the plant and is refused.
        """


class SingleEnvironment:
    """Run a plain Gymnasium environment, or what behaves like one, as a plant: one rollout after another.

    env: `reset(seed=…)` → (observation, info), `step(action)` → (observation, reward, terminated, truncated, info), and
    the spaces' shapes; the stage cost is −reward.  `terminated` is taken for a failure: the rollout's cost is infinite.
    Gymnasium itself is not needed.  Slow, for a first look only: a Python call for every step of every rollout.

    Raises:
        ConfigError: unless both spaces are vectors of real numbers and the methods take these arguments.
    """

    def __init__(self, env: Any) -> None:
        self.name = type(env).__name__
        self._where = f"plant: {self.name}"
        if isinstance(env, type):
            raise ConfigError(f"plant: found the class {env.__name__}, expected an environment made by it")
        self.n = vector_length(self._where, env, "observation_space")
        self.m = vector_length(self._where, env, "action_space")
        check_real(f"{self._where}, action_space", env.action_space)
        check_takes(self._where, env, "reset", "reset(seed=…), as Gymnasium has it", seed=0)
        check_takes(self._where, env, "step", "step(action)", None)
        self._env = env

    def costs(
        self, gains: FloatArray, horizon: int, gamma: float, rng: np.random.Generator, *, where: str | None = None
    ) -> FloatArray:
        """Return costs ``(count,)`` of rollouts under gains ``(count, m, n)``, each seeded from `rng`.

        where: what messages call the plant, by default the class of the environment.

        Raises:
            ConfigError: naming the plant and the method, for answers of another form, NaN that no divergence explains,
                an exception of the environment, or a rollout that is cut off.
        """
        where = where or self._where
        return np.array([self._cost(gain, horizon, gamma, int(rng.integers(2**31)), where) for gain in gains])

    def _cost(self, gain: FloatArray, horizon: int, gamma: float, seed: int, where: str) -> float:
        """Return the cost of one rollout."""
        state = self._first(seed, where)
        total, discount = 0.0, 1.0
        for stage in range(horizon):
            action = -gain @ state
            # A copy, since an environment may change the action that it is given.
            answer = called(f"{where}, step", self._env.step, action.copy())
            after, reward, terminated, truncated = self._answer(answer, where)
            if terminated:
                return float("inf")
            if truncated and stage + 1 < horizon:
                raise ConfigError(
                    f"{where}, step: found a rollout cut off after {stage + 1} steps, expected {horizon}; "
                    "raise the time limit of the environment"
                )
            shown = (state[None], action[None], after[None], np.array([reward]))
            check_nan(f"{where}, step", ("observation", "reward"), *shown)
            state = after
            total -= discount * reward
            discount *= gamma
        return total

    def _first(self, seed: int, where: str) -> FloatArray:
        """Return the first observation ``(n,)`` of a rollout."""
        where = f"{where}, reset"
        answer = called(where, self._env.reset, seed=seed)
        if not isinstance(answer, tuple | list) or len(answer) != 2 or not isinstance(answer[1], Mapping | None):
            raise ConfigError(f"{where}: found {kind_of(answer)}, expected (observation, info), as Gymnasium has it")
        state = array_of(where, "the observation", answer[0], (self.n,))
        if not np.isfinite(state).all():
            raise ConfigError(f"{where}: found {state.tolist()} as the observation, expected finite numbers")
        return state

    def _answer(self, answer: object, where: str) -> tuple[FloatArray, float, bool, bool]:
        """Return observation ``(n,)``, reward, terminated and truncated of an answer of `step`."""
        where = f"{where}, step"
        if not isinstance(answer, tuple | list) or len(answer) != 5:
            old = ", as the old Gym API has them" if isinstance(answer, tuple | list) and len(answer) == 4 else ""
            raise ConfigError(
                f"{where}: found {kind_of(answer)}{old}, expected (observation, reward, terminated, truncated, info)"
            )
        state, reward, *ends = answer[:4]
        observation = array_of(where, "the observation", state, (self.n,))
        number = numbers_of(where, "the reward", reward)
        if number.size != 1:
            raise ConfigError(f"{where}: found shape {number.shape} of the reward, expected one number")
        terminated, truncated = (
            truth_of(where, name, end) for name, end in zip(("terminated", "truncated"), ends, strict=True)
        )
        return observation, number.item(), terminated, truncated


#: Makes the plant of an agent of a fleet.
PlantFactory = Callable[[Any, int], "Plant | SingleEnvironment"]

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
        if not takes(factory, None, 0):
            raise ConfigError(f"plant {name!r}: found other arguments, expected a factory (fleet, agent)")


def plant_factory(name: str) -> PlantFactory:
    """Return the factory of that name; ConfigError for an unknown name, listing the known ones."""
    if name not in PLANTS:
        known = f"one of {', '.join(sorted(PLANTS))}" if PLANTS else "one that a file of extensions defines"
        raise ConfigError(f"plant: found {name!r}, expected {known}")
    return PLANTS[name]


class Agents(Protocol):
    """Define what a plant oracle reads of a fleet: N agents with m inputs, n states and the discount γ."""

    @property
    def N(self) -> int: ...
    @property
    def m(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def gamma(self) -> float: ...


class PlantOracle(LedgerOracle):
    """Answer by rollouts of h stages of each agent's plant: C(K) = Σ_{t<h} γᵗ c(x_t, −K x_t)  (paper, eq. (4)).

    Gradients are those of eq. (5), estimators and baselines as in `pcpo.simulation.estimators`, streams as in
    `RolloutOracle`.  Costs that are not finite or exceed `kernels.SATURATION` are replaced by it.

    Raises:
        ConfigError: naming the plant and the method, if the factory fails or what it makes is no plant of the fleet's
            dimensions, and later, if a plant fails or answers with other shapes.
    """

    def __init__(self, fleet: Agents, make: PlantFactory, *, seed: int, horizon: int) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self.discount = fleet.gamma
        self._plants = [_made(make, fleet, agent) for agent in range(fleet.N)]
        self._gamma, self._horizon = fleet.gamma, horizon
        self._discounts = _powers(fleet.gamma, horizon)
        self._streams = agent_streams(seed, fleet.N)

    def _alone(self, agent: int, discount: float) -> LedgerOracle:
        """Return an oracle of one plant."""
        streams = PartOfEpochs(self._streams, lambda source: [source[agent]])
        powers = _powers(discount, self._horizon)
        return self._copy(_plants=[self._plants[agent]], _gamma=discount, _discounts=powers, _streams=streams)

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
        plant: _Checked,
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

    def _rollouts(self, plant: _Checked, gains: FloatArray, noise: np.random.Generator) -> tuple[FloatArray, int]:
        """Return costs ``(blocks, 64)`` under gains ``(count, m, n)``, zeros at the end, and how many saturated."""
        count = len(gains)
        costs = np.zeros((-(-count // BLOCK), BLOCK))
        if isinstance(plant.plant, SingleEnvironment):
            found = plant.plant.costs(gains, self._horizon, self._gamma, noise, where=plant.where)
            costs.reshape(-1)[:count] = found
        elif (fast := by_kernel(plant.plant, gains, self._horizon, self._gamma, noise)) is not None:
            costs.reshape(-1)[:count] = fast
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
            if isinstance(plant.plant, SingleEnvironment):
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


def _powers(discount: float, horizon: int) -> FloatArray:
    """Return γᵗ for t < h, as a running product: unlike pow, it has the same bits on every machine."""
    return np.multiply.accumulate(np.r_[1.0, np.full(horizon - 1, discount)])


def _chunks(rollouts: int) -> Iterator[int]:
    """Yield how many rollouts are simulated at once, until all are."""
    for first in range(0, rollouts, CHUNK):
        yield min(CHUNK, rollouts - first)


def _simulated(
    plant: _Checked, gains: FloatArray, rng: np.random.Generator, probing: Iterable[FloatArray]
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """Yield x_t ``(count, n)``, u_t = −K x_t + probing_t ``(count, m)`` and costs ``(count,)``, stage by stage."""
    states = plant.reset(rng, len(gains))
    for excitation in probing:
        actions = excitation - np.einsum("kij,kj->ki", gains, states)
        after, costs = plant.step(states, actions, rng)
        yield states, actions, costs
        states = after


@dataclass(frozen=True)
class _Checked:
    """Hold a plant and what messages call it, and check everything that the plant answers."""

    plant: Any
    where: str
    n: int

    def reset(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Return initial states ``(count, n)``, which are finite."""
        where = f"{self.where}, reset"
        states = array_of(where, "the states", called(where, self.plant.reset, rng, count), (count, self.n))
        if not np.isfinite(states).all():
            raise ConfigError(
                f"{where}: found {states[~np.isfinite(states)][0]} in the states, expected finite numbers"
            )
        return states

    def step(self, states: FloatArray, actions: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return next states ``(count, n)`` and stage costs ``(count,)``; the plant gets copies."""
        where = f"{self.where}, step"
        answer = called(where, self.plant.step, states.copy(order="K"), actions.copy(order="K"), rng)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise ConfigError(f"{where}: found {kind_of(answer)}, expected (next states, stage costs)")
        after = array_of(where, "the next states", answer[0], states.shape)
        costs = array_of(where, "the stage costs", answer[1], (len(states),))
        check_nan(where, ("next state", "stage cost"), states, actions, after, costs)
        return after, costs


def _made(make: PlantFactory, fleet: Agents, agent: int) -> _Checked:
    """Return the plant that a factory makes for an agent; ConfigError if it is no plant of the fleet's dimensions."""
    known = next((name for name, factory in PLANTS.items() if factory is make), None)
    if not callable(make):
        raise ConfigError(f"plant: found a {type(make).__name__}, expected a factory (fleet, agent)")
    where = f"plant: {known or getattr(make, '__name__', type(make).__name__)} of agent {agent}"
    if not takes(make, fleet, agent):
        raise ConfigError(f"{where}: found a factory with other arguments, expected a factory (fleet, agent)")
    plant = called(where, make, fleet, agent)
    if plant is None or isinstance(plant, type):
        found = "None" if plant is None else f"the class {plant.__name__}"
        raise ConfigError(f"{where}: found {found} from the factory, expected a plant")
    single = isinstance(plant, SingleEnvironment)
    where = f"plant: {known or (plant.name if single else type(plant).__name__)} of agent {agent}"
    if not single and hasattr(plant, "observation_space"):
        adapter = "VectorEnvironment" if hasattr(plant, "num_envs") else "SingleEnvironment"
        raise ConfigError(f"{where}: found an environment, expected {adapter}(environment)")
    sizes = (getattr(plant, "m", None), getattr(plant, "n", None))
    if not all(isinstance(size, int | np.integer) for size in sizes) or sizes != (fleet.m, fleet.n):
        raise ConfigError(f"{where}: found (m, n) = {sizes}, expected {(fleet.m, fleet.n)}")
    if not single:
        check_takes(where, plant, "reset", "reset(rng, count)", None, 1)
        check_takes(where, plant, "step", "step(states, actions, rng)", None, None, None)
    return _Checked(plant, where, fleet.n)
