"""Oracles: what an algorithm may ask about the systems, and the ledger of what it has asked.

An algorithm never sees A, B, Q, R.  `RolloutOracle` answers with simulated rollouts, `ExactOracle` without noise
(tests); `pcpo.oracles.plant` asks any simulator.  `trajectories` is for the methods that identify the systems, and
only for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import PcpoError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.protocol import Estimates, Estimator, Question, Trajectories
from pcpo.simulation.estimators import DEFAULT_CHUNK, cost_estimate, gradient_estimate
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import NoiseLaw, stream
from pcpo.simulation.trajectories import random_signs, simulated

__all__ = ["AgentStreams", "ExactOracle", "LedgerOracle", "OpenEpochs", "RolloutOracle", "agent_streams"]

_Answer = TypeVar("_Answer", Estimates, Trajectories)
_Source = TypeVar("_Source")


class LedgerOracle(ABC):
    """Base of every oracle: checks the question, spends the rollouts, counts the saturated ones.

    Subclasses answer `_gradients` and `_costs`; they return values and saturation counts for all agents.
    on_rollouts, if set, is told of every spending (for progress bars).
    """

    def __init__(self, n_agents: int, gain_shape: tuple[int, int]) -> None:
        self.n_agents = n_agents
        self.gain_shape = gain_shape
        self.rollouts = 0
        self.nonfinite: IntArray = np.zeros(n_agents, dtype=np.int64)
        self.on_rollouts: Callable[[int], object] | None = None

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
    ) -> Estimates:
        """ZO_i(K_i, M, r_i) of every agent (paper, eq. (5)); spends M rollouts per agent, with either estimator."""
        self._check(gains, minibatch)
        self._check_radii(radii)
        if baseline is not None and baseline.shape != (self.n_agents,):
            raise PcpoError(f"baseline: found shape {baseline.shape}, expected one cost per agent ({self.n_agents},)")
        question = Question(gains, minibatch, radii, purpose, epoch, estimator, baseline)
        answer = self._gradients(question)
        return self._book(answer, minibatch)

    def costs(self, gains: FloatArray, minibatch: int, *, purpose: int, epoch: int) -> Estimates:
        """Mean of M rollout costs of every agent at its own gain; spends M rollouts per agent."""
        self._check(gains, minibatch)
        return self._book(self._costs(gains, minibatch, purpose, epoch), minibatch)

    @abstractmethod
    def _gradients(self, question: Question) -> Estimates: ...

    @abstractmethod
    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates: ...

    def trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, *, purpose: int, epoch: int
    ) -> Trajectories:
        """`count` trajectories per agent of h steps under u = −K_i x + excitation·(random signs); spends `count`."""
        self._check(gains, count)
        if horizon < 1:
            raise PcpoError(f"horizon: found {horizon}, expected 1 or more steps")
        answer = self._trajectories(gains, count, horizon, excitation, purpose, epoch)
        self._book(answer, count)
        return answer

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        """An oracle that answers with costs only need not have this."""
        raise PcpoError(f"trajectories: found a {type(self).__name__}, expected an oracle that shows states and inputs")

    def resume(self, rollouts: int, nonfinite: IntArray) -> None:
        """The ledger of a run that goes on: rollouts spent per agent and saturated ones by agent ``(N,)`` so far."""
        self._spend(rollouts, nonfinite)

    def _check(self, gains: FloatArray, minibatch: int) -> None:
        expected = (self.n_agents, *self.gain_shape)
        if gains.shape != expected:
            raise PcpoError(f"gains: found shape {gains.shape}, expected (N, m, n) = {expected}")
        if minibatch < 1:
            raise PcpoError(f"minibatch: found {minibatch}, expected 1 or more rollouts")

    def _check_radii(self, radii: FloatArray) -> None:
        if radii.shape != (self.n_agents,) or not np.all(radii > 0):
            raise PcpoError(f"radii: found {radii!r}, expected {self.n_agents} positive smoothing radii")

    def _book(self, answer: _Answer, minibatch: int) -> _Answer:
        self._spend(minibatch, answer.nonfinite)
        return answer

    def _spend(self, rollouts: int, nonfinite: IntArray) -> None:
        """Enter rollouts of every agent, and how many of them were saturated ``(N,)``."""
        self.rollouts += rollouts
        self.nonfinite = self.nonfinite + nonfinite
        if self.on_rollouts is not None:
            self.on_rollouts(rollouts)


class OpenEpochs(Generic[_Source]):
    """For each purpose the source of random numbers of its last epoch, made when that is first asked about."""

    def __init__(self, make: Callable[[int, int], _Source]) -> None:
        self._make = make
        self._open: dict[int, tuple[int, _Source]] = {}

    def at(self, purpose: int, epoch: int) -> _Source:
        """The source of (purpose, epoch), as far as it has been used."""
        if purpose not in self._open or self._open[purpose][0] != epoch:
            self._open[purpose] = (epoch, self._make(purpose, epoch))
        return self._open[purpose][1]


@dataclass(frozen=True)
class AgentStreams:
    """Generators of one agent for one (purpose, epoch), consumed in the order of its questions."""

    directions: np.random.Generator
    noise: np.random.Generator


def agent_streams(seed: int, n_agents: int) -> OpenEpochs[list[AgentStreams]]:
    """The streams of all agents in the run of that seed: (purpose, epoch, agent, 0) directions, (…, 1) noise."""

    def fresh(purpose: int, epoch: int) -> list[AgentStreams]:
        kinds = ((stream(seed, purpose, epoch, agent, kind) for kind in (0, 1)) for agent in range(n_agents))
        return [AgentStreams(*pair) for pair in kinds]

    return OpenEpochs(fresh)


class RolloutOracle(LedgerOracle):
    """Answers by simulated rollouts of horizon h.

    seed: the run's; every (purpose, epoch, agent) has streams of its own for directions and for noise, so an answer
    depends on the seed and on what was asked before in that epoch for that purpose, and on nothing else.
    """

    def __init__(self, fleet: Fleet, *, seed: int, horizon: int, law: NoiseLaw, chunk: int = DEFAULT_CHUNK) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self._systems = [fleet.system_of(agent) for agent in range(fleet.N)]
        self._horizon = horizon
        self._law = law
        self._chunk = chunk
        self._streams = agent_streams(seed, fleet.N)

    def _asked(
        self, gains: FloatArray, purpose: int, epoch: int
    ) -> Iterator[tuple[LinearSystem, FloatArray, AgentStreams]]:
        return zip(self._systems, gains, self._streams.at(purpose, epoch), strict=True)

    def _gradients(self, question: Question) -> Estimates:
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
        streams = self._streams.at(purpose, epoch)
        noise = np.stack([self._law.sample(s.noise, (count, horizon), self.gain_shape[1]) for s in streams])
        signs = np.stack([random_signs(s.directions, count, horizon, self.gain_shape[0]) for s in streams])
        return simulated(self._systems, gains, noise, excitation * signs)


class ExactOracle(LedgerOracle):
    """Noise-free answers: ∇C(K) and C(K) themselves; radius, minibatch, estimator and baseline do not matter.

    Trajectories have excitation but no process noise.

    At a gain of infinite cost the gradient is zero, the cost is `SATURATION`, and all M rollouts count as saturated.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self._fleet = fleet

    def _gradients(self, question: Question) -> Estimates:
        values = lqr.gradient(self._fleet.stacked, question.gains)
        finite = np.asarray(np.isfinite(values).all(axis=(1, 2)))
        return Estimates(np.where(finite[:, None, None], values, 0.0), np.where(finite, 0, question.minibatch))

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        values = self._fleet.costs(gains)
        finite = np.isfinite(values)
        return Estimates(np.where(finite, values, SATURATION), np.where(finite, 0, minibatch))

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        (m, n), N = self.gain_shape, self.n_agents
        signs = np.stack([random_signs(stream(0, purpose, epoch, i), count, horizon, m) for i in range(N)])
        systems = [self._fleet.system_of(agent) for agent in range(N)]
        return simulated(systems, gains, np.zeros((N, count, horizon, n)), excitation * signs)
