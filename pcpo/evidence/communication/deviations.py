"""What the counted runs are compared with: schedules with one thing held constant, and servers and agents that
communicate otherwise than they should.
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


@dataclass(frozen=True)
class _Replanned:
    """A schedule with one thing of Table 2 held at its value in epoch 1."""

    schedule: Schedule
    change: Callable[[EpochPlan, EpochPlan], EpochPlan]
    mode: str = "calibrated"

    def plan(self, epoch: int) -> EpochPlan:
        """Plan of epoch l."""
        return self.change(self.schedule.plan(epoch), self.schedule.plan(1))


#: constant_minibatch: as FedLQR's published experiment; epochs get longer by iterations instead, R_l = 5·2^(l−1).
_SCHEDULES: Mapping[str, Callable[[EpochPlan, EpochPlan], EpochPlan]] = {
    "constant_minibatch": lambda own, first: replace(
        own, minibatch=first.minibatch, iterations=5 * 2 ** (own.epoch - 1)
    ),
    "constant_iterations": lambda own, first: replace(own, iterations=first.iterations),
}


def planner(name: str, schedule: Schedule) -> Planner:
    """The schedule of that name: "table2", or Table 2 with a constant minibatch or constant iterations."""
    return schedule if name == "table2" else _Replanned(schedule, _SCHEDULES[name], schedule.mode)


class _LosingServer(Server):
    """Loses one message of the fifth round on its way up."""

    def up(self, *payload: FloatArray | IntArray) -> None:
        super().up(*payload)
        if self.traffic.rounds == 5:
            size = sum(array[0].nbytes for array in payload)
            up, bytes_up = self.traffic.messages_up - 1, self.traffic.bytes_up - size
            self.traffic = replace(self.traffic, messages_up=up, bytes_up=bytes_up)


class _RepeatingServer(Server):
    """Sends one message of the fifth round twice."""

    def down(self, *payload: FloatArray | IntArray) -> None:
        super().down(*payload)
        if self.traffic.rounds == 5:
            size = sum(array[0].nbytes for array in payload)
            down, bytes_down = self.traffic.messages_down + 1, self.traffic.bytes_down + size
            self.traffic = replace(self.traffic, messages_down=down, bytes_down=bytes_down)


class _PollingServer(Server):
    """Serves one agent after the other: a round each."""

    def open_round(self) -> None:
        self.traffic = replace(self.traffic, rounds=self.traffic.rounds + self.n_agents)


@dataclass(frozen=True)
class _OnServer:
    """PCPO over a server of another kind."""

    kind: type[Server]
    name: str = "pcpo"
    uses: frozenset[str] = frozenset()

    def init(self, setting: Setting) -> Any:
        return PCPO().init(setting), self.kind(len(setting.initial_gains))

    def next_rollouts(self, state: Any) -> int:
        return PCPO().next_rollouts(state[0])

    def step(self, state: Any, oracle: Oracle, server: Server) -> tuple[Any, EpochReport]:
        inner, report = PCPO().step(state[0], oracle, state[1])
        return (inner, state[1]), report


class _Telling:
    """An oracle that reports every local step to the server, and is told to go on."""

    def __init__(self, oracle: Oracle, server: Server) -> None:
        self._oracle, self._server = oracle, server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._oracle, name)

    def gradients(self, gains: FloatArray, minibatch: int, radii: FloatArray, **keys: Any) -> Estimates:
        answer = self._oracle.gradients(gains, minibatch, radii, **keys)
        if keys["purpose"] == Purpose.LOCAL:
            self._server.open_round()
            self._server.up(answer.values)
            self._server.down(answer.values)
        return answer


class _EveryStep(PCPO):
    """PCPO that communicates in every local step as well."""

    def step(self, state: Any, oracle: Oracle, server: Server) -> tuple[Any, EpochReport]:
        telling: Any = _Telling(oracle, server)
        return super().step(state, telling, server)


COUNTED_ALGORITHMS: Mapping[str, Callable[[], Algorithm]] = {
    "pcpo": PCPO,
    "fedlqr": FedLQR,
    "fedlqr_one_step": lambda: FedLQR(local_steps=1),
    "every_step": _EveryStep,
    "losing": lambda: _OnServer(_LosingServer),
    "repeating": lambda: _OnServer(_RepeatingServer),
    "polling": lambda: _OnServer(_PollingServer),
}
