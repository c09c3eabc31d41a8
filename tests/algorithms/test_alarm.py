"""Test PCPO with an alarm: levels and alarms by hand, sets against (7), and runs against exact answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pcpo.algorithms.alarm import PCPOAlarm, Watch
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import EpochReport, RunResult, Setting, Traffic
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.algorithms.server import Server
from pcpo.errors import ConfigError
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.random import with_optimal_cost
from pcpo.fleets.timetable import Change, Switch, Timetable
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.changing import ChangingOracle
from pcpo.oracles.rollout import ExactOracle

SCHEDULE = Schedule(Constants("calibrated", 0.01, 1.0, 16.0, 10.0, 1.0, 0.1), Delta0=16.0, delta=0.05, n_agents=4, D=1)


def reports(*estimates: Any) -> list[EpochReport]:
    """Make the reports of epochs with these cost estimates, Δ_l = 16/2^l."""
    gains, nobody = np.zeros((4, 1, 1)), np.zeros(4, dtype=np.int64)
    return [
        EpochReport(
            plan=SCHEDULE.plan(k + 1),
            local_gains=gains,
            global_gains=gains,
            cost_estimates=np.array(costs, dtype=np.float64),
            neighbourhoods=Neighbourhoods.everyone(4),
            radii_global=np.ones(4),
            global_cap_active=np.zeros(4, dtype=np.bool_),
            reinitialised=False,
            nonfinite=nobody,
            rollouts=k + 1,
            traffic=Traffic(),
        )
        for k, costs in enumerate(estimates)
    ]


def watched(*estimates: Any, alarm: float = 1.0) -> list[Watch]:
    return PCPOAlarm(alarm=alarm).watches(reports(*estimates))


def test_the_threshold_is_three_quarters_of_the_distance() -> None:
    _, second = watched([20, 20, 20, 20], [23.0, 17.0, 23.001, 20.0])  # Δ_2 = 4
    assert second.alarms.tolist() == [False, False, True, False]
    np.testing.assert_allclose(second.ratios, [1.0, 1.0, 3.001 / 3, 0.0], rtol=1e-12)
    _, third = watched([20, 20, 20, 20], [20.2, 20.4, 20.2, 20], alarm=0.1)
    assert third.alarms.tolist() == [False, True, False, False]


def test_no_estimates_on_the_event_raise_an_alarm() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        within = [20 + 4 / 2.0**k * rng.choice([-1.0, 1.0], 4) for k in range(1, 8)]  # at the ends of (22)
        found = watched(*within)
        assert not any(watch.alarms.any() or watch.returning.any() for watch in found)
        assert [watch.levels.tolist() for watch in found] == [[k] * 4 for k in range(1, 8)]


@pytest.mark.parametrize(
    ("jump", "level"),
    [(1.1, 1), (3.9, 1), (4.0, 0), (0.99, 3), (7.9, 0), (900.0, 0)],  # Δ_0 … Δ_4 = 16, 8, 4, 2, 1
)
def test_an_alarm_leads_to_the_last_level_above_twice_the_jump(jump: float, level: int) -> None:
    *_, last = watched([20] * 4, [20] * 4, [20] * 4, [20 + jump, 20, 20, 20])
    below = [k for k in range(5) if 16 / 2**k > 2 * jump]
    assert last.levels.tolist() == [max(below, default=0), 4, 4, 4]
    if jump != 1.1:
        assert last.levels[0] == level
    assert last.alarms.tolist() == [True, False, False, False]


def test_an_agent_climbs_two_levels_in_an_epoch_and_its_pairs_stay_open_until_then() -> None:
    costs = [[20.0] * 4] * 3 + [[23.0, 20, 20, 20]] * 6
    found = watched(*costs)
    assert [watch.levels[0] for watch in found] == [1, 2, 3, 1, 3, 5, 7, 8, 9]
    assert [bool(watch.returning[0]) for watch in found] == [False] * 3 + [True] * 4 + [False] * 2
    assert not any(watch.returning[1:].any() for watch in found)
    lag = 4 - 1
    assert lag == np.ceil(np.log2(3.0 / 1.0)) + 1  # J = 3, Δ_4 = 1: back after so many epochs
    assert found[3 + lag].levels[0] == 4 + lag


def test_the_server_takes_pairs_anew_and_keeps_the_others() -> None:
    server, X = Server(4), np.arange(4.0).reshape(4, 1, 1)
    server.close_epoch(X, np.array([0.0, 0.1, 5.0, 5.1]), X, Delta=2.0)
    server.close_epoch(X, np.array([5.0, 0.1, 5.0, 0.2]), X, Delta=2.0, returning=np.array([1, 0, 0, 0], dtype=bool))
    expected = np.eye(4, dtype=bool)
    expected[0, 2] = expected[2, 0] = True  # 1 and 3 are near now, and were separated before
    assert np.array_equal(server.neighbourhoods.dense(), expected)


def test_a_set_that_keeps_its_size_counts_as_changed() -> None:
    server, X = Server(4), np.arange(4.0).reshape(4, 1, 1)
    server.neighbourhoods = Neighbourhoods.partition(np.array([0, 0, 1, 2]))
    closing = server.close_epoch(
        X, np.array([5.0, 0.0, 4.9, 9.0]), -X - 1, Delta=2.0, reset="touched", returning=np.array([1, 0, 0, 0], bool)
    )
    assert [list(members) for members in server.neighbourhoods.lists()] == [[0, 2], [1], [0, 2], [3]]
    assert closing.global_gains.ravel().tolist() == [2.0, 1.0, 2.0, -4.0]  # agent 3 is not touched


def test_bad_thresholds_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        PCPOAlarm(alarm=0.0)
    assert str(error.value) == "alarm: found 0.0, expected a positive multiple of 3 Delta_l/4"
    assert PCPOAlarm().name == "pcpo_alarm"
    assert PCPOAlarm(alarm=2.5, reinitialise=False).name == "pcpo_alarm_2.5_no_reinit"


def fleet() -> Fleet:
    """Make three clusters of scalar systems, of optimal costs 20, 24 and 32."""
    one = np.ones((1, 1))
    made = [LinearSystem(a * one, b * one, one, one, 0.8) for a, b in ((0.9, 1.0), (0.7, 0.8), (0.5, 1.2))]
    systems = tuple(with_optimal_cost(s, cost) for s, cost in zip(made, (20.0, 24.0, 32.0), strict=True))
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    return Fleet("three", systems, labels, np.full((8, 1, 1), 0.3))


CHANGES: tuple[Change, ...] = (Switch(0, 3, 1),)


def exact_run(algorithm: PCPO, changes: tuple[Change, ...]) -> RunResult:
    """Run with exact answers, Δ_0 = 16."""
    setting = Experiment.calibrated(fleet(), Delta0=16.0, epochs=7, oracle="moments")
    oracle = ChangingOracle(Timetable(fleet(), changes, 7), ExactOracle)
    return run(algorithm, oracle, Setting(fleet().initial_gains, setting.schedule), setting.budget)


def test_sets_are_right_again_in_the_first_epoch_after_a_switch() -> None:
    timetable = Timetable(fleet(), CHANGES, 7)

    def exact(found: RunResult) -> list[bool]:
        truths = [timetable.at(report.plan.epoch).labels for report in found.epochs]
        return [bool(r.neighbourhoods.correct(t).all()) for r, t in zip(found.epochs, truths, strict=True)]

    found = exact_run(PCPOAlarm(), CHANGES)
    assert exact(found)[2:] == [True] * 5
    assert exact(exact_run(PCPO(), CHANGES))[2:] == [True] + [False] * 4
    assert exact(exact_run(PCPOAlarm(alarm=8.0), CHANGES))[2:] == [True] + [False] * 4  # J = 4, 3Δ_4/4 = 3/4
    gains = found.final.global_gains[:, 0, 0]
    assert gains[0] == gains[3]
    np.testing.assert_allclose(timetable.at(7).gaps(found.final.global_gains), 0.0, atol=1e-3)


def test_agents_of_a_cluster_that_nobody_enters_or_leaves_are_not_disturbed() -> None:
    options: dict[str, Any] = {"Delta0": 16.0, "epochs": 6, "oracle": "moments", "minibatch_scale": 0.3}
    frames = [
        Experiment.calibrated(fleet(), **options, changes=changes).run("pcpo_alarm", seed=5)
        for changes in ((), CHANGES)
    ]
    third = [frame.loc[frame["agent"] >= 6, ["global_gap", "local_gap", "cost_estimate"]] for frame in frames]
    assert third[0].equals(third[1])
    first = [frame.loc[frame["agent"] == 1, "global_gap"].to_numpy() for frame in frames]
    assert np.array_equal(first[0][:3], first[1][:3])
    assert not np.array_equal(first[0][3:], first[1][3:])


def test_without_an_alarm_the_run_is_that_of_pcpo() -> None:
    setting = Experiment.calibrated(fleet(), Delta0=16.0, epochs=5, oracle="moments", minibatch_scale=0.3)
    plain, alarmed = (setting.run(name, seed=3).drop(columns="algorithm") for name in ("pcpo", "pcpo_alarm"))
    assert plain.equals(alarmed)
