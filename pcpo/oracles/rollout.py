"""Answer what an algorithm may ask about the systems, by rollouts, and keep the ledger of what it has asked.

An algorithm never sees A, B, Q, R.  `RolloutOracle` answers with simulated rollouts, `ExactOracle` without noise
(tests); `pcpo.oracles.plant` asks any simulator.  Only the methods that identify the systems may use `trajectories`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import PcpoError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.system import SystemStack
from pcpo.oracles.protocol import Estimates, Estimator, Question, Trajectories
from pcpo.simulation.estimators import DEFAULT_CHUNK, cost_estimate, gradient_estimate
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.minibatches import FleetKernel, Words
from pcpo.simulation.noise import NoiseLaw, stream
from pcpo.simulation.trajectories import random_signs, simulated

__all__ = [
    "AgentStreams",
    "ExactOracle",
    "LedgerOracle",
    "OpenEpochs",
    "PartOfEpochs",
    "RolloutOracle",
    "agent_streams",
]

_MOST = 2**62 - 1  # counts of saturated rollouts stop here: two of them fit in an integer

_Answer = TypeVar("_Answer", Estimates, Trajectories)
_Source = TypeVar("_Source")


class LedgerOracle(ABC):
    """Check the question, count the rollouts it spends and those that are saturated: the base of every oracle.

    Subclasses answer `_gradients` and `_costs`; they return values and saturation counts for all agents.  One whose
    questions may carry discounts sets `discount` to γ and writes `_alone`.
    `on_rollouts`, if set, is called with the number of rollouts after every answer (for progress bars).
    """

    def __init__(self, n_agents: int, gain_shape: tuple[int, int]) -> None:
        self.n_agents = n_agents
        self.gain_shape = gain_shape
        self.rollouts = 0
        self.nonfinite: IntArray = np.zeros(n_agents, dtype=np.int64)
        self.on_rollouts: Callable[[int], object] | None = None
        self.discount: float | None = None
        self._discounted: dict[int, tuple[float, LedgerOracle]] = {}

    def gradients(
        self,
        gains: FloatArray,
        minibatch: int,
        radii: FloatArray,
        *,
        purpose: int,
        epoch: int,
        estimator: Estimator = "one_point",
        baseline: FloatArray | None = None,
        discounts: FloatArray | None = None,
    ) -> Estimates:
        """Estimate ZO_i(K_i, M, r_i) of every agent (paper, eq. (5)), with discounts ``(N,)`` in place of γ if given.

        Spends M rollouts per agent, with either estimator.
        """
        self._check(gains, minibatch)
        self._check_radii(radii)
        if baseline is not None and baseline.shape != (self.n_agents,):
            raise PcpoError(f"baseline: found shape {baseline.shape}, expected one cost per agent ({self.n_agents},)")
        question = Question(gains, minibatch, radii, purpose, epoch, estimator, baseline)
        if discounts is None:
            return self._book(self._gradients(question), minibatch)
        found = [oracle._gradients(question.of(i)) for i, oracle in self._at(discounts)]
        return self._book(_joined(found), minibatch)

    def costs(
        self,
        gains: FloatArray,
        minibatch: int,
        *,
        purpose: int,
        epoch: int,
        discounts: FloatArray | None = None,
    ) -> Estimates:
        """Estimate the cost of every agent's gain by the mean of M rollouts; spends M rollouts per agent."""
        self._check(gains, minibatch)
        if discounts is None:
            return self._book(self._costs(gains, minibatch, purpose, epoch), minibatch)
        found = [oracle._costs(gains[i : i + 1], minibatch, purpose, epoch) for i, oracle in self._at(discounts)]
        return self._book(_joined(found), minibatch)

    @abstractmethod
    def _gradients(self, question: Question) -> Estimates:
        """Answer a checked question for gradients."""

    @abstractmethod
    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Answer a checked question for costs."""

    def trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, *, purpose: int, epoch: int
    ) -> Trajectories:
        """Simulate `count` trajectories per agent of h steps under u = −K_i x + excitation·(random signs).

        Spends `count`.
        """
        self._check(gains, count)
        if horizon < 1:
            raise PcpoError(f"horizon: found {horizon}, expected 1 or more steps")
        answer = self._trajectories(gains, count, horizon, excitation, purpose, epoch)
        self._book(answer, count)
        return answer

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        """Answer a checked question for trajectories; an oracle that answers with costs only need not override this."""
        raise PcpoError(f"trajectories: found a {type(self).__name__}, expected an oracle that shows states and inputs")

    def resume(self, rollouts: int, nonfinite: IntArray) -> None:
        """Enter what a resumed run had spent: rollouts per agent and saturated ones by agent ``(N,)``."""
        self._spend(rollouts, nonfinite)

    def _at(self, discounts: FloatArray) -> Iterator[tuple[int, LedgerOracle]]:
        """Yield every agent and the oracle that answers for it alone with its discount, kept while that stays."""
        if self.discount is None:
            name = type(self).__name__
            raise PcpoError(f"discounts: found a {name}, expected an oracle whose questions may carry a discount")
        if discounts.shape != (self.n_agents,) or not np.all((discounts > 0) & (discounts < 1)):
            raise PcpoError(f"discounts: found {discounts!r}, expected {self.n_agents} numbers between 0 and 1")
        for i, discount in enumerate(discounts.tolist()):
            if self._discounted.get(i, (None,))[0] != discount:
                self._discounted[i] = discount, self._alone(i, discount)
            yield i, self._discounted[i][1]

    def _alone(self, agent: int, discount: float) -> LedgerOracle:
        """Return an oracle of one agent with another discount, which uses the agent's streams of this one."""
        raise NotImplementedError

    def _copy(self, **changes: Any) -> Self:
        """Return a shallow copy for one agent with these attributes."""
        found = copy.copy(self)
        vars(found).update(n_agents=1, _discounted={}, **changes)
        return found

    def _check(self, gains: FloatArray, minibatch: int) -> None:
        """Raise PcpoError for gains of another shape or a minibatch below 1."""
        expected = (self.n_agents, *self.gain_shape)
        if gains.shape != expected:
            raise PcpoError(f"gains: found shape {gains.shape}, expected (N, m, n) = {expected}")
        if minibatch < 1:
            raise PcpoError(f"minibatch: found {minibatch}, expected 1 or more rollouts")

    def _check_radii(self, radii: FloatArray) -> None:
        """Raise PcpoError unless there is a positive radius for every agent."""
        if radii.shape != (self.n_agents,) or not np.all(radii > 0):
            raise PcpoError(f"radii: found {radii!r}, expected {self.n_agents} positive smoothing radii")

    def _book(self, answer: _Answer, minibatch: int) -> _Answer:
        """Enter an answer in the ledger and return it."""
        self._spend(minibatch, answer.nonfinite)
        return answer

    def _spend(self, rollouts: int, nonfinite: IntArray) -> None:
        """Enter rollouts of every agent, and how many of them were saturated ``(N,)``, counted up to 2^62 − 1."""
        self.rollouts += rollouts
        self.nonfinite = np.minimum(self.nonfinite + nonfinite, _MOST)
        if self.on_rollouts is not None:
            self.on_rollouts(rollouts)


def _joined(answers: list[Estimates]) -> Estimates:
    """Return the answers of single agents as one."""
    return Estimates(np.concatenate([a.values for a in answers]), np.concatenate([a.nonfinite for a in answers]))


class OpenEpochs(Generic[_Source]):
    """Keep, for each purpose, the source of random numbers of its latest epoch, made at the first question."""

    def __init__(self, make: Callable[[int, int], _Source]) -> None:
        self._make = make
        self._open: dict[int, tuple[int, _Source]] = {}

    def at(self, purpose: int, epoch: int) -> _Source:
        """Return the source of (purpose, epoch), as far as it has been used."""
        if purpose not in self._open or self._open[purpose][0] != epoch:
            self._open[purpose] = (epoch, self._make(purpose, epoch))
        return self._open[purpose][1]


class PartOfEpochs(OpenEpochs[_Source]):
    """Show a part of the sources of `whole`, such as the streams of one agent, which both advance."""

    def __init__(self, whole: OpenEpochs[_Source], part: Callable[[_Source], _Source]) -> None:
        super().__init__(lambda purpose, epoch: part(whole.at(purpose, epoch)))

    def at(self, purpose: int, epoch: int) -> _Source:
        """Return the part of the source of (purpose, epoch), as far as the whole has been used."""
        return self._make(purpose, epoch)


@dataclass(frozen=True)
class AgentStreams:
    """Hold the generators of one agent for one (purpose, epoch), consumed in the order of its questions."""

    directions: np.random.Generator
    noise: np.random.Generator


def agent_streams(seed: int, n_agents: int) -> OpenEpochs[list[AgentStreams]]:
    """Return the streams of all agents in the run of that seed: (purpose, epoch, agent, 0) directions, (…, 1) noise."""

    def fresh(purpose: int, epoch: int) -> list[AgentStreams]:
        kinds = ((stream(seed, purpose, epoch, agent, kind) for kind in (0, 1)) for agent in range(n_agents))
        return [AgentStreams(*pair) for pair in kinds]

    return OpenEpochs(fresh)


class _FleetStreams:
    """Hold the streams of all agents for one (purpose, epoch), as generators or as the states of compiled ones."""

    def __init__(self, agents: list[AgentStreams]) -> None:
        self._agents = agents
        self._words: Words | None = None

    def _bits(self) -> list[np.random.BitGenerator]:
        """Return the bit generators: of directions and of noise, agent by agent."""
        return [one.bit_generator for agent in self._agents for one in (agent.directions, agent.noise)]

    def generators(self) -> list[AgentStreams]:
        """Return the generators, as far as the streams have been used."""
        if self._words is not None:
            for bits, words in zip(self._bits(), self._words.reshape(-1, 4), strict=True):
                bits.state = {**bits.state, "state": {"state": words}}
            self._words = None
        return self._agents

    def words(self) -> Words:
        """Return the states of the generators ``(N, 2, 4)``, for a kernel that advances them."""
        if self._words is None:
            states = [bits.state["state"]["state"] for bits in self._bits()]
            self._words = np.array(states, dtype=np.uint64).reshape(-1, 2, 4)
        return self._words


class RolloutOracle(LedgerOracle):
    """Answer by simulated rollouts of horizon h.

    seed: the run's; every (purpose, epoch, agent) has separate streams for directions and for noise, so an answer
    depends on the seed and on what was asked before in that epoch for that purpose, and on nothing else.
    """

    def __init__(self, fleet: Fleet, *, seed: int, horizon: int, law: NoiseLaw, chunk: int = DEFAULT_CHUNK) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self.discount = fleet.gamma
        self._systems = [fleet.system_of(agent) for agent in range(fleet.N)]
        self._horizon = horizon
        self._law = law
        self._chunk = chunk
        streams = agent_streams(seed, fleet.N)
        self._streams = OpenEpochs(lambda purpose, epoch: _FleetStreams(streams.at(purpose, epoch)))
        self._kernel = FleetKernel.of(fleet.systems, fleet.labels, horizon, law)

    def _alone(self, agent: int, discount: float) -> LedgerOracle:
        """Return an oracle of one agent, which asks `gradient_estimate`."""
        streams = PartOfEpochs(self._streams, lambda source: _FleetStreams([source.generators()[agent]]))
        system = replace(self._systems[agent], gamma=discount)
        return self._copy(_systems=[system], _streams=streams, _kernel=None)

    def _asked(
        self, gains: FloatArray, purpose: int, epoch: int
    ) -> Iterator[tuple[LinearSystem, FloatArray, AgentStreams]]:
        """Yield system, gain and streams of every agent."""
        return zip(self._systems, gains, self._streams.at(purpose, epoch).generators(), strict=True)

    def _gradients(self, question: Question) -> Estimates:
        """Estimate gradients by rollouts."""
        if self._kernel is not None and question.estimator == "one_point":
            words = self._streams.at(question.purpose, question.epoch).words()
            found = self._kernel.gradients(
                question.gains, question.radii, question.minibatch, words, self._chunk, question.baseline
            )
            return Estimates(*found)
        subtracted = [None] * self.n_agents if question.baseline is None else question.baseline.tolist()
        answers = [
            gradient_estimate(
                system,
                gain,
                float(radius),
                question.minibatch,
                horizon=self._horizon,
                law=self._law,
                directions=streams.directions,
                noise=streams.noise,
                chunk=self._chunk,
                estimator=question.estimator,
                baseline=base,
            )
            for (system, gain, streams), radius, base in zip(
                self._asked(question.gains, question.purpose, question.epoch), question.radii, subtracted, strict=True
            )
        ]
        return Estimates(np.stack([a.value for a in answers]), np.array([a.nonfinite for a in answers]))

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Estimate costs by rollouts."""
        answers = [
            cost_estimate(
                system, gain, minibatch, horizon=self._horizon, law=self._law, noise=streams.noise, chunk=self._chunk
            )
            for system, gain, streams in self._asked(gains, purpose, epoch)
        ]
        return Estimates(np.array([a.value for a in answers]), np.array([a.nonfinite for a in answers]))

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        """Simulate trajectories with process noise and random signs."""
        streams = self._streams.at(purpose, epoch).generators()
        noise = np.stack([self._law.sample(s.noise, (count, horizon), self.gain_shape[1]) for s in streams])
        signs = np.stack([random_signs(s.directions, count, horizon, self.gain_shape[0]) for s in streams])
        return simulated(self._systems, gains, noise, excitation * signs)


class ExactOracle(LedgerOracle):
    """Answer without noise, ∇C(K) and C(K) themselves; radius, minibatch, estimator and baseline do not matter.

    Trajectories have excitation but no process noise.

    At a gain of infinite cost, where there is no gradient, it answers zero: a convention, by which such an agent waits
    and adds nothing to an average.  The cost is `SATURATION`, and all M rollouts count as saturated, which no rollout
    oracle does (`Oracle.nonfinite`).
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self.discount = fleet.gamma
        self._fleet, self._stacked = fleet, fleet.stacked

    def _alone(self, agent: int, discount: float) -> LedgerOracle:
        """Return an oracle of one agent."""
        s, own = self._stacked, slice(agent, agent + 1)
        return self._copy(_stacked=SystemStack(s.A[own], s.B[own], s.Q[own], s.R[own], discount, s.N[own]))

    def _gradients(self, question: Question) -> Estimates:
        """Return exact gradients."""
        values = lqr.gradient(self._stacked, question.gains)
        finite = np.asarray(np.isfinite(values).all(axis=(1, 2)))
        return Estimates(np.where(finite[:, None, None], values, 0.0), np.where(finite, 0, question.minibatch))

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Return exact costs."""
        values = lqr.cost_array(self._stacked, gains)
        finite = np.isfinite(values)
        return Estimates(np.where(finite, values, SATURATION), np.where(finite, 0, minibatch))

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        """Simulate trajectories without process noise."""
        (m, n), N = self.gain_shape, self.n_agents
        signs = np.stack([random_signs(stream(0, purpose, epoch, i), count, horizon, m) for i in range(N)])
        systems = [self._fleet.system_of(agent) for agent in range(N)]
        return simulated(systems, gains, np.zeros((N, count, horizon, n)), excitation * signs)
