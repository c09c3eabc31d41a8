"""Test timetables of changes: systems by hand, truth by epoch, and the sentence of every refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pcpo.errors import ConfigError, FleetError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.timetable import Change, Drift, Switch, Timetable, changes_of, check_changes

ONE = np.ones((1, 1))


def scalar(a: float, q: float = 1.0) -> LinearSystem:
    return LinearSystem(a * ONE, ONE, q * ONE, ONE, 0.8)


def fleet() -> Fleet:
    """Make clusters of 2, 2 and 1 agents."""
    labels = np.array([0, 0, 1, 1, 2])
    return Fleet("made up", (scalar(0.9), scalar(0.5), scalar(0.3)), labels, np.zeros((5, 1, 1)))


def test_a_switch_is_true_from_the_epoch_after() -> None:
    start = fleet()
    table = Timetable(start, (Switch(0, 2, 1), Switch(0, 4, 0)), 6)
    assert table.at(1) is start
    assert table.at(2) is start
    assert table.at(3).labels.tolist() == [1, 0, 1, 1, 2]
    assert table.at(4).labels.tolist() == [1, 0, 1, 1, 2]
    assert table.at(5) is start  # back where it was
    assert table.at(60) is table.at(6)
    assert table.at(3).gaps(np.zeros((5, 1, 1)))[0] == start.gaps(np.zeros((5, 1, 1)))[2]


def test_a_drift_is_linear_and_has_a_cluster_of_its_own() -> None:
    table = Timetable(fleet(), changes_of([{"agent": 1, "from_epoch": 2, "until_epoch": 5, "A": [[0.6]]}]), 9)
    found = [float(table.at(epoch).system_of(1).A[0, 0]) for epoch in range(1, 8)]
    np.testing.assert_allclose(found, [0.9, 0.9, 0.8, 0.7, 0.6, 0.6, 0.6], rtol=1e-15)
    assert table.at(3).labels.tolist() == [0, 3, 1, 1, 2]
    assert table.at(3).systems[3].Q[0, 0] == 1.0


def test_a_drift_may_end_in_another_cluster_or_move_a_cluster_of_one() -> None:
    table = Timetable(fleet(), (Drift(0, 1, 3, 0.5 * ONE), Drift(4, 1, 2, 0.2 * ONE)), 4)
    assert [table.at(epoch).labels.tolist() for epoch in (2, 3)] == [[3, 0, 1, 1, 2], [1, 0, 1, 1, 2]]
    assert [float(table.at(epoch).systems[2].A[0, 0]) for epoch in (1, 2)] == [0.3, 0.2]


def test_changes_are_written_as_they_were_read() -> None:
    documents: list[dict[str, Any]] = [
        {"agent": 3, "after_epoch": 3, "cluster": 1},
        {"agent": 2, "from_epoch": 3, "until_epoch": 6, "A": [[0.25]]},
    ]
    assert [change.to_dict() for change in changes_of(documents)] == documents


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (Switch(5, 1, 0), "changes.0.agent: found 5, expected an agent of the fleet, 0 to 4"),
        (Switch(0, 1, 3), "changes.0.cluster: found 3, expected a cluster of the fleet, 0 to 2"),
        (Switch(0, 0, 1), "changes.0.after_epoch: found 0, expected 1 or more, an epoch of the run"),
        (Switch(0, 6, 1), "changes.0.after_epoch: found 6, expected at most 5, as the budget has 6 epochs"),
        (Drift(0, 2, 7, ONE), "changes.0.until_epoch: found 7, expected at most 6, as the budget has 6 epochs"),
        (Drift(0, 3, 3, ONE), "changes.0.until_epoch: found 3, expected more than from_epoch, 3"),
        (Drift(0, 3, 4, np.eye(2)), "changes.0.A: found shape (2, 2), expected (n, n) = (1, 1)"),
        (Switch(4, 2, 0), "changes: found no agent left in cluster 2 in epoch 3, expected one at least"),
        (  # .8 P² − .448 P − 1 = 0 and K = .72 P/(1 + .8 P) = .48063
            Drift(0, 2, 3, 9.0 * ONE),
            "changes.0: found sqrt(gamma) rho(A - BK) = 7.61996 in epoch 3 at the optimal gain of agent 0 in epoch 2, "
            "expected less than 1: rollouts of infinite cost tell an agent nothing",
        ),
    ],
)
def test_what_cannot_be_is_refused(change: Change, sentence: str) -> None:
    with pytest.raises(FleetError) as error:
        Timetable(fleet(), (change,), 6)
    assert str(error.value) == sentence


def test_two_changes_at_once_are_refused() -> None:
    with pytest.raises(FleetError) as error:
        Timetable(fleet(), (Switch(0, 3, 1), Drift(0, 2, 5, 0.8 * ONE)), 6)
    assert str(error.value) == (
        "changes: found two changes of agent 0 at once, epochs 2 to 5 and 3 to 4, expected one after the other"
    )
    Timetable(fleet(), (Drift(0, 2, 5, 0.8 * ONE), Switch(0, 5, 1)), 6)


def test_other_keys_are_refused() -> None:
    with pytest.raises(FleetError) as error:
        changes_of([{"agent": 0, "cluster": 1}])
    assert str(error.value) == (
        "changes.0: found the keys agent, cluster, expected agent, after_epoch and cluster, or agent, from_epoch, "
        "until_epoch and A"
    )


@pytest.mark.parametrize(("oracle", "rows", "key"), [("auto", "agents", "oracle"), ("moments", "clusters", "rows")])
def test_what_changes_exclude_is_refused(oracle: str, rows: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^scenarios\.x\.{key}: found '{oracle if key == 'oracle' else rows}'"):
        check_changes(oracle, rows, "scenarios.x.")
    check_changes("moments", "agents")
