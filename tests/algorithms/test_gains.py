"""Pruning by gains: sets by brute force, the distance of the theorem, and fleets of equal cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcpo.algorithms.pcpo import PCPO, by_gains
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.server import Server
from pcpo.errors import ConfigError, PcpoError
from pcpo.experiments.experiment import Experiment, side_information
from pcpo.fleets.files import example_fleet
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.optimum import growth_constant
from pcpo.lqr.system import LinearSystem
from pcpo.neighbourhoods import Neighbourhoods


def mirrored() -> Fleet:
    """Two clusters of opposite inputs."""
    one, other = (LinearSystem([[1.1]], [[b]], [[1.0]], [[1.0]], 0.8) for b in (1.0, -1.0))
    return Fleet("mirrored", (one, other), np.array([0, 0, 1, 1]), np.array([[[0.5]], [[0.6]], [[-0.5]], [[-0.6]]]))


@pytest.mark.parametrize("agents", [7, 700])
def test_sets_are_those_of_all_pairs(agents: int) -> None:
    rng = np.random.default_rng(agents)
    points, costs = rng.normal(size=(agents, 2, 3)), rng.normal(size=agents)
    before = Neighbourhoods.everyone(agents).pruned(costs, 2.0)
    found = before.within(points, 2.5).dense()
    distances = np.array([[np.linalg.norm(p - q) for q in points[:40]] for p in points])
    expected = before.dense()[:, :40] & (distances <= 2.5)
    np.testing.assert_array_equal(found[:, :40], expected)
    assert 0.1 < expected.mean() < 0.9
    again = before.within(points, 2.5).within(points[::-1], 2.5).dense()
    np.testing.assert_array_equal(again, found & before.within(points[::-1], 2.5).dense())


def test_points_that_are_all_near_change_nothing_and_one_that_is_not_finite_is_alone() -> None:
    sets = Neighbourhoods.partition(np.array([0, 0, 1, 1]))
    points = np.array([0.0, 0.1, 0.0, 0.2]).reshape(4, 1, 1)
    assert sets.within(points, 0.2) is sets
    points[0] = np.nan
    np.testing.assert_array_equal(sets.within(points, 0.2).sizes, [1, 1, 2, 2])


def test_the_server_prunes_by_both_and_counts_the_same_bytes() -> None:
    gains, costs = np.array([0.0, 0.1, 1.0, 0.05]).reshape(4, 1, 1), np.array([1.0, 1.0, 1.0, 3.0])
    plain, pruning = Server(4), Server(4)
    plain.close_epoch(gains, costs, gains, 2.0)
    closing = pruning.close_epoch(gains, costs, gains, 2.0, gain_distance=0.5)
    np.testing.assert_array_equal(plain.neighbourhoods.sizes, [3, 3, 3, 1])
    np.testing.assert_array_equal(pruning.neighbourhoods.sizes, [2, 2, 1, 1])
    np.testing.assert_array_equal(closing.set_sizes, [2, 2, 1, 1])
    assert plain.traffic == pruning.traffic
    idle = Server(4)
    idle.close_epoch(gains, costs, gains, 2.0, gain_distance=0.5, eliminate=False)
    np.testing.assert_array_equal(idle.neighbourhoods.sizes, [4, 4, 4, 4])


def test_the_distance_is_that_of_the_theorem_and_its_constant_is_side_information() -> None:
    fleet = mirrored()
    mu = side_information(fleet).growth
    assert mu == min(map(growth_constant, fleet.systems))
    assert by_gains().uses == {"growth"}
    assert PCPO().uses == frozenset()
    assert by_gains().name == "pcpo_gains"
    assert by_gains(synchronise_first=True).name == "pcpo_sync_gains"
    assert make_algorithm("pcpo_gains") == by_gains()
    seen: list[float] = []

    class Watching(Server):
        def close_epoch(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
            seen.append(float(options["gain_distance"]))  # type: ignore[arg-type]
            return super().close_epoch(*arguments, **options)  # type: ignore[arg-type]

    experiment = Experiment.calibrated(fleet, Delta0=2.0, epochs=2, oracle="moments")
    side = side_information(fleet).only(by_gains().uses)
    setting = Setting(fleet.initial_gains, experiment.schedule, side)
    state = by_gains().init(setting)
    oracle, server = experiment.make_oracle(1), Watching(fleet.N)
    for _ in range(2):
        state, _ = by_gains().step(state, oracle, server)
    assert seen == [np.sqrt(2.0 * 1.0 / mu), np.sqrt(2.0 * 0.5 / mu)]
    untold = by_gains().init(replace(setting, side=side.only(frozenset())))
    with pytest.raises(ConfigError, match="growth: found no such side information"):
        by_gains().step(untold, experiment.make_oracle(1), Server(fleet.N))


def test_clusters_of_equal_cost_are_found_by_gains_alone() -> None:
    experiment = Experiment.calibrated(mirrored(), Delta0=2.0, epochs=2, oracle="moments")
    assert experiment.run("pcpo_gains", seed=1).groupby("epoch")["set_correct"].all()[2]
    assert not experiment.run("pcpo", seed=1)["set_correct"].any()
    with pytest.raises(ConfigError, match="separation: found 0, expected a positive one, which one_shot is told"):
        experiment.run("one_shot", seed=1)


@pytest.mark.parametrize("name", ["pcpo_gains", "pcpo_soft", "pcpo_auto"])
def test_methods_that_say_so_tell_clusters_of_equal_cost_apart(name: str) -> None:
    assert getattr(make_algorithm(name), "tells_equal_costs", False)
    if name == "pcpo_auto":
        experiment = Experiment.model_free(mirrored(), rollouts=30_000, oracle="moments")
    else:
        experiment = Experiment.calibrated(mirrored(), Delta0=2.0, epochs=3, oracle="moments")
    last = experiment.run(name, seed=2).groupby("agent").last()
    assert last["set_correct"].all()
    assert not getattr(PCPO(), "tells_equal_costs", False)


def test_where_costs_part_all_clusters_at_once_nothing_changes() -> None:
    experiment = Experiment.calibrated(example_fleet(), Delta0=24.0, epochs=2, oracle="moments", minibatch_scale=0.1)
    plain, pruning = (experiment.run(name, seed=4).drop(columns="algorithm") for name in ("pcpo", "pcpo_gains"))
    sizes = plain["set_size"] if "set_size" in plain else plain["set_correct"]
    assert len(sizes) == len(pruning)
    np.testing.assert_array_equal(plain["local_gap"], pruning["local_gap"])
    assert (plain["set_correct"] <= pruning["set_correct"]).all()


def test_an_identical_system_is_refused() -> None:
    with pytest.raises(PcpoError, match="clusters 0 and 1: found the same system twice"):
        Fleet("twice", (mirrored().systems[0],) * 2, np.array([0, 1]), np.zeros((2, 1, 1)) + 0.5)
