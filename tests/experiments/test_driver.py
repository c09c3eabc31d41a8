"""The driver, with an algorithm and an oracle of a few lines: whole epochs within the budget, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_fleets import one_cluster, schedule_for

from pcpo.algorithms.protocol import EpochReport, Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.schedule import Schedule
from pcpo.algorithms.server import Server
from pcpo.errors import BudgetError, ConfigError
from pcpo.experiments.driver import run
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import ExactOracle

FLEET = one_cluster([[0.0, 0.0], [0.1, 0.1]])
SCHEDULE = schedule_for(FLEET, Delta0=4.0)


@dataclass(frozen=True)
class Spender:
    """Spends the rollouts of a list, one entry an epoch, and reports on its gains as they were."""

    spendings: tuple[int, ...]
    name: str = "spender"
    uses: frozenset[str] = frozenset()

    def init(self, setting: Setting) -> tuple[Setting, int]:
        return setting, 0

    def next_rollouts(self, state: tuple[Setting, int]) -> int:
        return self.spendings[state[1] % len(self.spendings)]

    def step(self, state: tuple[Setting, int], oracle: Oracle, server: Any) -> tuple[Any, EpochReport]:
        setting, epoch = state
        assert isinstance(server, Server)
        gains = setting.initial_gains
        costs = oracle.costs(gains, self.next_rollouts(state), purpose=2, epoch=epoch + 1)
        report = EpochReport(
            plan=setting.schedule.plan(epoch + 1),
            local_gains=gains,
            global_gains=gains,
            cost_estimates=costs.values,
            neighbourhoods=server.neighbourhoods,
            radii_global=np.ones(len(gains)),
            global_cap_active=np.zeros(len(gains), dtype=bool),
            reinitialised=False,
            nonfinite=costs.nonfinite,
            rollouts=oracle.rollouts,
            traffic=server.traffic,
        )
        return (setting, epoch + 1), report


def spend(spendings: tuple[int, ...], budget: int, **options: Any) -> list[int]:
    """Cumulative rollouts after each epoch."""
    result = run(Spender(spendings), ExactOracle(FLEET), Setting(FLEET.initial_gains, SCHEDULE), budget, **options)
    assert (result.algorithm, result.mode) == ("spender", "calibrated")
    assert result.final is result.epochs[-1]
    return [report.rollouts for report in result.epochs]


@pytest.mark.parametrize(("budget", "epochs"), [(10, 1), (29, 1), (30, 2), (31, 2), (59, 2), (60, 3)])
def test_stops_before_the_epoch_that_would_exceed_the_budget(budget: int, epochs: int) -> None:
    assert spend((10, 20, 30), budget) == [10, 30, 60][:epochs]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6).map(tuple), st.integers(50, 400))
def test_never_over_the_budget_and_never_an_epoch_short(spendings: tuple[int, ...], budget: int) -> None:
    spent = spend(spendings, budget)
    assert spent[-1] <= budget
    assert spent[-1] + spendings[len(spent) % len(spendings)] > budget


def test_the_budget_error_says_how_many_rollouts_are_needed() -> None:
    with pytest.raises(BudgetError, match=r"found 1,233 rollouts per agent, expected at least 1,234,.*spender needs"):
        spend((1234,), 1233)


def test_on_epoch_is_told_of_every_finished_epoch_in_order() -> None:
    told: list[EpochReport] = []
    spend((10,), 35, on_epoch=told.append)
    assert [report.plan.epoch for report in told] == [1, 2, 3]


@pytest.mark.parametrize("name", ["pcpo", "pcpo_sync"])
def test_pcpo_spends_what_the_schedule_says(name: str) -> None:
    schedule: Schedule = SCHEDULE
    for budget, epochs in [(schedule.rollouts_for(3), 3), (schedule.rollouts_for(3) - 1, 2)]:
        result = run(make_algorithm(name), ExactOracle(FLEET), Setting(FLEET.initial_gains, schedule), budget)
        assert result.algorithm == name
        assert [r.rollouts for r in result.epochs] == [schedule.rollouts_for(k) for k in range(1, epochs + 1)]
    needed = f"{schedule.rollouts_for(1):,}"
    with pytest.raises(BudgetError, match=f"expected at least {needed}, which the first epoch of {name} needs"):
        run(make_algorithm(name), ExactOracle(FLEET), Setting(FLEET.initial_gains, schedule), 10)


def test_unknown_algorithms_are_refused_with_the_known_names() -> None:
    with pytest.raises(ConfigError, match=r"algorithm: found 'sgd', expected one of .*pcpo"):
        make_algorithm("sgd")
