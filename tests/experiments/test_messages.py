"""Test counted runs: schedules, separations and deviations from the protocol."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.experiments.deviations import COUNTED_ALGORITHMS, planner
from pcpo.experiments.messages import COLUMNS, DELTA0, CountedRun, budget_of, separation_at, simulate

RUN = CountedRun(agents=4, epochs=1)


def test_schedules_hold_one_thing_constant() -> None:
    schedule = Schedule(Constants("calibrated", 0.01, 5.0, 2304.0, 50.0, 1.0, 0.3), 12.0, 0.05, 4, 2)
    assert planner("table2", schedule) is schedule
    flat, even = planner("constant_minibatch", schedule), planner("constant_iterations", schedule)
    assert flat.mode == even.mode == "calibrated"
    assert [flat.plan(k).minibatch for k in (1, 3)] == [schedule.plan(1).minibatch] * 2
    assert [flat.plan(k).iterations for k in (1, 2, 3)] == [5, 10, 20]
    assert [even.plan(k).iterations for k in (1, 3)] == [schedule.plan(1).iterations] * 2
    assert even.plan(3).minibatch == schedule.plan(3).minibatch
    assert budget_of(schedule, 3) == schedule.rollouts_for(3)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_clusters_separate_in_the_epoch_that_the_separation_is_made_for(k: int) -> None:
    assert DELTA0 / 2 ** (k + 1) < separation_at(k) < DELTA0 / 2**k
    rows = simulate(replace(RUN, separation_epoch=k, epochs=k), [3])
    assert rows["separated"].tolist() == [0] * (k - 1) + [1]


def test_deviations_change_what_they_say_and_nothing_else() -> None:
    """Compare with PCPO for N = 4 agents, R_1 local steps and gradients of two numbers with 8 bytes each."""
    rows = {name: simulate(replace(RUN, algorithm=name), [3]).iloc[0] for name in COUNTED_ALGORITHMS}
    pcpo = rows["pcpo"]
    R = pcpo["rounds"] - 1

    def changes(name: str) -> dict[str, int]:
        counts = ["rounds", "messages_up", "messages_down", "bytes_up", "bytes_down", "rollouts", "separated"]
        return {
            column: int(rows[name][column] - pcpo[column]) for column in counts if rows[name][column] != pcpo[column]
        }

    assert R >= 5
    assert changes("losing") == {"messages_up": -1, "bytes_up": -16}
    assert changes("repeating") == {"messages_down": 1, "bytes_down": 16}
    assert changes("polling") == {"rounds": 3 * pcpo["rounds"]}
    assert changes("every_step") == {
        "rounds": R, "messages_up": 4 * R, "messages_down": 4 * R, "bytes_up": 64 * R, "bytes_down": 64 * R
    }  # fmt: skip
    assert rows["fedlqr"]["rounds"] < rows["fedlqr_one_step"]["rounds"]


def test_a_run_depends_on_its_seed_alone() -> None:
    noisy = replace(RUN, sweep="rollouts", rollouts=True)
    together = simulate(noisy, [4, 7])
    assert list(together.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(together[together["seed"] == 7].reset_index(drop=True), simulate(noisy, [7]))


def test_exact_answers_and_rollouts_have_the_same_rounds() -> None:
    exact, noisy = (simulate(replace(RUN, rollouts=rollouts), [5]) for rollouts in (False, True))
    for column in ("rounds", "messages_up", "messages_down", "bytes_up", "rollouts"):
        assert exact[column].tolist() == noisy[column].tolist()
