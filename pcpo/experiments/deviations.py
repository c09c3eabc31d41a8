"""Deviate from Algorithm 1 in what is communicated: other schedules, and servers or agents that break the protocol.

A deviation changes one thing.  Runs with deviations are what the counted runs of `pcpo.experiments.messages` are
compared with; most are negative controls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pcpo.algorithms.baselines.fedlqr import FedLQR
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Algorithm, EpochReport, Planner, Setting
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray, IntArray
from pcpo.oracles.protocol import Estimates, Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["COUNTED_ALGORITHMS", "planner"]

_AFFECTED_ROUND = 5  # the round in which a faulty server loses or repeats a message
_FIRST_ITERATIONS = 5  # R_1 with constant minibatches


@dataclass(frozen=True)
class _Replanned:
    """Replace part of every plan of a schedule.

    Args:
        schedule: Table 2.
        change: from the plans of epoch l and of epoch 1 to the plan of epoch l that is used instead.
        mode: mode of the schedule's constants.
    """

    schedule: Schedule
    change: Callable[[EpochPlan, EpochPlan], EpochPlan]
    mode: str

    def plan(self, epoch: int) -> EpochPlan:
        """Return the plan of epoch l."""
        return self.change(self.schedule.plan(epoch), self.schedule.plan(1))


def _constant_minibatch(plan: EpochPlan, first: EpochPlan) -> EpochPlan:
    """Keep M_l = M_1, as in FedLQR's published experiment; epochs grow by their iterations, R_l = 5·2^(l−1)."""
    return replace(plan, minibatch=first.minibatch, iterations=_FIRST_ITERATIONS * 2 ** (plan.epoch - 1))


def _constant_iterations(plan: EpochPlan, first: EpochPlan) -> EpochPlan:
    """Keep R_l = R_1; the minibatches are those of Table 2."""
    return replace(plan, iterations=first.iterations)


_CHANGES: Mapping[str, Callable[[EpochPlan, EpochPlan], EpochPlan]] = {
    "constant_minibatch": _constant_minibatch,
    "constant_iterations": _constant_iterations,
}


def planner(name: str, schedule: Schedule) -> Planner:
    """Return the schedule itself for "table2", or Table 2 with "constant_minibatch" or "constant_iterations"."""
    return schedule if name == "table2" else _Replanned(schedule, _CHANGES[name], schedule.mode)


class _LosingServer(Server):
    """Lose one message from an agent to the server, in the fifth round."""

    def up(self, *payload: FloatArray | IntArray) -> None:
        super().up(*payload)
        if self.traffic.rounds == _AFFECTED_ROUND:
            size = sum(array[0].nbytes for array in payload)
            up, bytes_up = self.traffic.messages_up - 1, self.traffic.bytes_up - size
            self.traffic = replace(self.traffic, messages_up=up, bytes_up=bytes_up)


class _RepeatingServer(Server):
    """Send one message from the server to an agent twice, in the fifth round."""

    def down(self, *payload: FloatArray | IntArray) -> None:
        super().down(*payload)
        if self.traffic.rounds == _AFFECTED_ROUND:
            size = sum(array[0].nbytes for array in payload)
            down, bytes_down = self.traffic.messages_down + 1, self.traffic.bytes_down + size
            self.traffic = replace(self.traffic, messages_down=down, bytes_down=bytes_down)


class _PollingServer(Server):
    """Serve the agents one after another, in a round for each agent."""

    def open_round(self) -> None:
        self.traffic = replace(self.traffic, rounds=self.traffic.rounds + self.n_agents)


@dataclass(frozen=True)
class _PCPOThrough:
    """Run PCPO through a server of another class, in place of the driver's."""

    server_class: type[Server]
    name: str = "pcpo"
    uses: frozenset[str] = frozenset()

    def init(self, setting: Setting) -> Any:
        """Return PCPO's state before the first epoch, and the server."""
        return PCPO().init(setting), self.server_class(len(setting.initial_gains))

    def next_rollouts(self, state: Any) -> int:
        """Return the rollouts per agent that PCPO needs for its next epoch."""
        return PCPO().next_rollouts(state[0])

    def step(self, state: Any, oracle: Oracle, server: Server) -> tuple[Any, EpochReport]:
        """Run one epoch of PCPO."""
        inner, report = PCPO().step(state[0], oracle, state[1])
        return (inner, state[1]), report


class _ReportingOracle:
    """Exchange a message with the server after every local gradient estimate, in a round of communication each."""

    def __init__(self, oracle: Oracle, server: Server) -> None:
        self._oracle, self._server = oracle, server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._oracle, name)

    def gradients(self, gains: FloatArray, minibatch: int, radii: FloatArray, **keys: Any) -> Estimates:
        """Return the oracle's estimates, and send local ones to the server and back."""
        answer = self._oracle.gradients(gains, minibatch, radii, **keys)
        if keys["purpose"] == Purpose.LOCAL:
            self._server.open_round()
            self._server.up(answer.values)
            self._server.down(answer.values)
        return answer


class _EveryStep(PCPO):
    """Run PCPO with agents that also communicate in every local step."""

    def step(self, state: Any, oracle: Oracle, server: Server) -> tuple[Any, EpochReport]:
        reporting: Any = _ReportingOracle(oracle, server)
        return super().step(state, reporting, server)


#: Algorithms whose messages are counted, by name.
COUNTED_ALGORITHMS: Mapping[str, Callable[[], Algorithm]] = {
    "pcpo": PCPO,
    "fedlqr": FedLQR,
    "fedlqr_one_step": lambda: FedLQR(local_steps=1),
    "every_step": _EveryStep,
    "losing": lambda: _PCPOThrough(_LosingServer),
    "repeating": lambda: _PCPOThrough(_RepeatingServer),
    "polling": lambda: _PCPOThrough(_PollingServer),
}
