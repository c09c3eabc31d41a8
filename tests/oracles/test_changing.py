"""Test the oracle of fleets that change: each epoch is answered as by the oracle of its fleet, with the same draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pcpo.errors import ConfigError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.timetable import Drift, Switch, Timetable
from pcpo.oracles.changing import ChangingOracle
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.rollout import LedgerOracle, RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law

ONE = np.ones((1, 1))
LAW = noise_law("signs")
GAINS = np.full((3, 1, 1), 0.2)


def fleet() -> Fleet:
    systems = tuple(LinearSystem(a * ONE, ONE, ONE, ONE, 0.8) for a in (0.9, 0.5))
    return Fleet("two", systems, np.array([0, 0, 1]), GAINS)


def moments(of: Fleet) -> LedgerOracle:
    return MomentOracle(of, seed=4, law=LAW)


def rollouts(of: Fleet) -> LedgerOracle:
    return RolloutOracle(of, seed=4, horizon=8, law=LAW)


@pytest.mark.parametrize("make", [moments, rollouts])
def test_every_epoch_is_answered_by_its_own_fleet(make: Any) -> None:
    table = Timetable(fleet(), (Switch(0, 2, 1),), 4)
    oracle, alone = ChangingOracle(table, make), {epoch: make(table.at(epoch)) for epoch in (1, 2, 3)}
    for epoch, other in alone.items():
        asked: dict[str, Any] = {"purpose": Purpose.COST, "epoch": epoch}
        assert np.array_equal(oracle.costs(GAINS, 10, **asked).values, other.costs(GAINS, 10, **asked).values)
        asked["purpose"] = Purpose.LOCAL
        found = [one.gradients(GAINS, 6, np.full(3, 0.1), **asked).values for one in (oracle, other)]
        assert np.array_equal(found[0], found[1])
    assert oracle.rollouts == 3 * 16
    before = make(fleet()).costs(GAINS, 10, purpose=Purpose.COST, epoch=3).values
    now = ChangingOracle(table, make).costs(GAINS, 10, purpose=Purpose.COST, epoch=3).values
    assert now[0] != before[0]
    assert np.array_equal(now[1:], before[1:])


def test_iterations_and_their_ledger_pass_through() -> None:
    table = Timetable(fleet(), (Switch(0, 2, 1),), 4)
    asked: dict[str, Any] = {"purpose": Purpose.GLOBAL, "epoch": 3}
    oracle, other = ChangingOracle(table, moments), moments(table.at(3))
    assert oracle.iterates(100, **asked)
    assert not ChangingOracle(table, rollouts).iterates(100, **asked)
    found = [one.iterate(GAINS, 5, 0.01, 100, np.full(3, 0.1), **asked) for one in (oracle, other)]  # type: ignore[attr-defined]
    assert np.array_equal(found[0], found[1])
    assert oracle.rollouts == 500


def experiment(**options: Any) -> Experiment:
    chosen: dict[str, Any] = {"Delta0": 2.0, "minibatch_scale": 0.02, "epochs": 4, "oracle": "moments"}
    return Experiment.calibrated(fleet(), **{**chosen, **options})


def test_a_run_is_evaluated_by_the_systems_of_each_epoch() -> None:
    changing = experiment(changes=(Switch(0, 2, 1), Drift(1, 3, 4, 0.8 * ONE)))
    rows = changing.run("pcpo", seed=1)
    assert rows.loc[rows["agent"] == 0, "cluster"].tolist() == [0, 0, 1, 1]
    for epoch, part in rows.groupby("epoch"):
        gains = np.array(part["local_gain"].tolist()).reshape(3, 1, 1)
        np.testing.assert_array_equal(part["local_gap"], changing.truth(int(str(epoch))).gaps(gains))
    same = experiment().run("pcpo", seed=1)
    early = [frame[frame["epoch"] <= 2].reset_index(drop=True) for frame in (rows, same)]
    assert early[0].equals(early[1])


def test_changes_are_part_of_the_plan_and_only_where_there_are_some() -> None:
    changing = experiment(changes=(Switch(0, 2, 1), Drift(1, 3, 4, 0.8 * ONE)))
    again = Experiment.from_dict(fleet(), changing.to_dict())
    assert again.to_json() == changing.to_json()
    assert again.truth(4).labels.tolist() == changing.truth(4).labels.tolist() == [1, 0, 1]
    assert "changes" not in experiment().to_dict()
    assert replace(changing, changes=()).timetable is None


def test_rows_of_clusters_and_the_oracle_auto_are_refused() -> None:
    changing = experiment(changes=(Switch(0, 2, 1),))
    with pytest.raises(ConfigError, match=r"^rows: found 'clusters' with changes, expected 'agents'"):
        changing.run("pcpo", seed=1, rows="clusters")
    with pytest.raises(ConfigError, match=r"^oracle: found 'auto' with changes"):
        experiment(changes=(Switch(0, 2, 1),), oracle="auto")
