"""Run PCPO with an alarm: an agent whose costs jump returns to a coarser level and is clustered anew.

Not the paper's.  On the event (22), |Ĉ_i^(l) − C*_i| ≤ Δ_l/4 in every epoch, so successive estimates of an agent whose
system stays differ by at most Δ_l/4 + Δ_{l−1}/4 = 3Δ_l/4.  A larger jump J says that its system has changed: the agent
returns to the last level k with Δ_k > 2J and begins with the set [N] there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcpo.algorithms.pcpo import PCPO, PCPOState
from pcpo.algorithms.protocol import EpochReport, Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.oracles.protocol import Oracle

__all__ = ["AlarmState", "PCPOAlarm", "Watch"]

#: Levels that an agent behind the schedule climbs in an epoch, in which the schedule goes on by one.
_CLIMB = 2


@dataclass(frozen=True)
class Watch:
    """Hold what the server knows of the agents' levels after an epoch.

    Attributes:
        estimates: Ĉ_i of the epoch, ``(N,)``.
        levels: the level of every agent, ``(N,)``: the epoch, or less after an alarm.
        ratios: |Ĉ_i^(l) − Ĉ_i^(l−1)| over the largest distance that (22) allows on the agent's levels, ``(N,)``.
        alarms: whether the ratio is above the threshold, ``(N,)``.
        returning: the agents whose pairs (7) takes anew in this epoch, ``(N,)``: those with an alarm, and those that
            the epoch found behind the schedule.
    """

    estimates: FloatArray
    levels: IntArray
    ratios: FloatArray
    alarms: BoolArray
    returning: BoolArray


@dataclass(frozen=True)
class AlarmState(PCPOState):
    """Hold PCPO's state and the server's watch; no watch before epoch 1."""

    watch: Watch | None


@dataclass(frozen=True)
class PCPOAlarm(PCPO):
    """Run PCPO with an alarm for agents whose systems change.

    Until the first alarm a run is that of PCPO, bit by bit: the server computes alarms from the Ĉ_i that it receives
    anyway.  The rollouts of an epoch stay common, M_l and R_l of the schedule, and so does Δ_l in (7): an agent on a
    level k < l has more accurate estimates than level k asks for.  Its level says how long its pairs are not final:
    until it has climbed back, two levels in an epoch, (7) starts from [N] for every pair with it, in both sets of the
    pair, so sets stay symmetric.  All other pairs stay separated once they are.  In epochs with such agents, (8) goes
    to the sets with a change only.

    Attributes:
        alarm: threshold of a jump, in multiples of 3Δ_l/4; any other than 1 is a named deviation.
    """

    alarm: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.alarm > 0:
            raise ConfigError(f"alarm: found {self.alarm}, expected a positive multiple of 3 Delta_l/4")

    @property
    def name(self) -> str:
        """Return "pcpo_alarm", and PCPO's suffixes."""
        suffix = "" if self.alarm == 1.0 else f"_{self.alarm:g}"
        return f"pcpo_alarm{suffix}{super().name.removeprefix('pcpo')}"

    def init(self, setting: Setting) -> AlarmState:
        """Start as PCPO does."""
        return AlarmState(**vars(super().init(setting)), watch=None)

    def step(self, state: PCPOState, oracle: Oracle, server: Server) -> tuple[AlarmState, EpochReport]:
        """Run an epoch of PCPO, where (7) starts anew for the agents that return."""
        after, report = super().step(state, oracle, server)
        return AlarmState(**vars(after), watch=self._watched(_known(state), report.plan, report.cost_estimates)), report

    def closing_options(self, state: PCPOState, plan: EpochPlan, cost_estimates: FloatArray) -> dict[str, Any]:
        """Add the agents that return, if there are some; (8) then goes to the sets with a change only."""
        options = super().closing_options(state, plan, cost_estimates)
        returning = self._watched(_known(state), plan, cost_estimates).returning
        return {**options, "returning": returning, "reset": "touched"} if returning.any() else options

    def watches(self, epochs: Sequence[EpochReport]) -> list[Watch]:
        """Return what the server knew after each epoch of a run, from its reports."""
        found: list[Watch] = []
        for report in epochs:
            found.append(self._watched(found[-1] if found else None, report.plan, report.cost_estimates))
        return found

    def _watched(self, before: Watch | None, plan: EpochPlan, cost_estimates: FloatArray) -> Watch:
        """Return the watch after the epoch of that plan, given the one after the epoch before."""
        epoch, N = plan.epoch, len(cost_estimates)
        if before is None:
            nobody = np.zeros(N, dtype=np.bool_)
            return Watch(cost_estimates, np.full(N, epoch), np.zeros(N), nobody, nobody)
        levels = np.minimum(before.levels + _CLIMB, epoch)
        jumps = np.abs(cost_estimates - before.estimates)
        ratios = jumps / ((_distance(plan, levels) + _distance(plan, before.levels)) / 4)
        alarms = ratios > self.alarm
        levels = np.where(alarms, _level_above(plan, 2 * jumps), levels)
        return Watch(cost_estimates, levels, ratios, alarms, alarms | (before.levels < epoch - 1))


def _known(state: PCPOState) -> Watch | None:
    """Return the watch of a state."""
    assert isinstance(state, AlarmState)
    return state.watch


def _distance(plan: EpochPlan, levels: IntArray) -> FloatArray:
    """Return Δ_k of some levels k, from the Δ_l of a plan: Δ_k = 2^(l − k) Δ_l."""
    return np.asarray(plan.Delta * 2.0 ** (plan.epoch - levels))


def _level_above(plan: EpochPlan, costs: FloatArray) -> IntArray:
    """Return the last level k ≤ l with Δ_k above some costs; 0, the start, if there is none."""
    levels = np.arange(plan.epoch + 1)
    above = _distance(plan, levels)[None, :] > costs[:, None]
    return np.where(above.any(axis=1), plan.epoch - np.argmax(above[:, ::-1], axis=1), 0)
