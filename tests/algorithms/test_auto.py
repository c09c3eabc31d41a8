"""`pcpo_auto` as a whole: nothing but rollouts, what it finds, resuming, refusals, ablations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.linear_plants import LinearPlant, linear_plant
from support.rollout_only import FunctionOracle, NoSchedule, bowl, bowls
from support.small_fleets import experiment, forked_fleet, one_cluster, three_clusters

from pcpo.algorithms.model_free.auto import PCPOAuto
from pcpo.algorithms.model_free.findings import doubts
from pcpo.algorithms.model_free.state import AutoState, Known
from pcpo.algorithms.protocol import RunResult, Setting
from pcpo.algorithms.registry import make_algorithm
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import BudgetError, ConfigError
from pcpo.experiments.driver import run
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.plant import PlantOracle
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import noise_law
from pcpo.storage.checkpoints import Checkpoint

SIGNS = noise_law("signs")


def moments(fleet: Fleet, seed: int = 0) -> MomentOracle:
    return MomentOracle(fleet, seed=seed, law=SIGNS)


def on_fleet(fleet: Fleet, budget: int, oracle: Oracle | None = None, **options: Any) -> RunResult:
    setting = Setting(fleet.initial_gains, NoSchedule())
    return run(PCPOAuto(**options), oracle or moments(fleet), setting, budget)


def exact(fleet: Fleet, result: RunResult) -> bool:
    return bool(result.final.neighbourhoods.correct(fleet.labels).all())


def test_a_plain_function_of_gains_and_a_generator_is_enough() -> None:
    costs, starts, best = bowls()
    oracle = FunctionOracle(costs, (1, 2))
    result = run(PCPOAuto(), oracle, Setting(starts, NoSchedule()), 20_000)
    found = result.findings
    assert result.mode == "model-free"
    assert [members.tolist() for members in found.clusters] == [[0, 1, 2], [3, 4, 5]]
    np.testing.assert_allclose(found.gains, best, atol=0.05)
    inside = (found.intervals[:, 0] < [2.0] * 3 + [2.5] * 3) & (found.intervals[:, 1] > [2.0] * 3 + [2.5] * 3)
    assert inside.sum() >= 5
    assert not found.warnings
    assert sum(found.rollouts.values()) == oracle.rollouts <= 20_000
    assert all(found.rollouts[key] > 0 for key in ("probing", "local", "costs", "tests", "global"))
    first, error = found.costs[:3].mean(), np.sqrt((found.errors[:3] ** 2).sum()) / 3
    limits = f"[{first - 1.96 * error:.4g}, {first + 1.96 * error:.4g}]"
    assert str(found).startswith(f"cluster 1: agents 0, 1, 2; mean cost {first:.4g} {limits}")


@pytest.mark.parametrize("fleet", [three_clusters(), forked_fleet()], ids=["three clusters", "forked"])
def test_clusters_are_found_and_no_policy_is_lost(fleet: Fleet) -> None:
    result = on_fleet(fleet, 40_000)
    assert exact(fleet, result)
    assert all(np.isfinite(fleet.costs(report.global_gains)).all() for report in result.epochs)
    assert all(np.isfinite(fleet.costs(report.local_gains)).all() for report in result.epochs)
    assert (fleet.gaps(result.final.global_gains) < 0.01 * fleet.optimal_costs.min()).all()
    assert fleet.gaps(result.final.global_gains).mean() < fleet.gaps(result.final.local_gains).mean()


def test_7_and_8_as_printed_lose_policies_where_tests_do_not() -> None:
    """A negative control on fleets whose clusters have no common gain and nearly the same cost."""
    lost = {True: 0, False: 0}
    for seed in range(4):
        for safe in lost:
            fleet = forked_fleet(10.3)
            result = on_fleet(fleet, 12_000, moments(fleet, seed), sets="costs", safe=safe)
            lost[safe] += any(not np.isfinite(fleet.costs(report.global_gains)).all() for report in result.epochs)
    assert lost[True] == 0
    assert lost[False] > 0


def test_rollouts_and_moments_find_the_same() -> None:
    fleet = three_clusters()
    result = on_fleet(fleet, 20_000, RolloutOracle(fleet, seed=1, horizon=60, law=SIGNS))
    assert exact(fleet, result)
    assert (fleet.gaps(result.final.global_gains) < 0.05 * fleet.optimal_costs.min()).all()


def test_the_constants_of_another_fleet_are_worse() -> None:
    fleet = three_clusters()

    def gap(**options: Any) -> float:
        gaps = [fleet.gaps(on_fleet(fleet, 20_000, moments(fleet, s), **options).final.global_gains) for s in range(3)]
        return float(np.mean(gaps))

    assert gap(constants=(0.5, 4_000.0, 4.0)) > 3 * gap()  # of a fleet whose curvature is far larger


def test_the_same_seed_has_the_same_bits_and_a_resumed_run_too(tmp_path: Path) -> None:
    fleet, setting = three_clusters(), Setting(three_clusters().initial_gains, NoSchedule())
    whole = on_fleet(fleet, 30_000)
    again = on_fleet(fleet, 30_000)
    saved = Checkpoint(tmp_path / "run.npz", "key")

    class Stopped(Exception):
        pass

    def stop(report: Any) -> None:
        if report.plan.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        run(PCPOAuto(), moments(fleet), setting, 30_000, checkpoint=saved, on_epoch=stop)
    assert saved.epochs() == 2
    resumed = run(PCPOAuto(), moments(fleet), setting, 30_000, checkpoint=saved)
    for other in (again, resumed):
        assert len(other.epochs) == len(whole.epochs) == 3
        for a, b in zip(whole.epochs, other.epochs, strict=True):
            np.testing.assert_array_equal(a.global_gains, b.global_gains)
            np.testing.assert_array_equal(a.cost_estimates, b.cost_estimates)
            assert a.traffic == b.traffic
            assert a.rollouts == b.rollouts
        assert other.findings.rollouts == whole.findings.rollouts


@pytest.mark.parametrize("budget", [6_000, 10_000, 33_333, 100_000])
def test_the_budget_is_used_and_never_exceeded(budget: int) -> None:
    fleet = three_clusters()
    oracle = moments(fleet)
    on_fleet(fleet, budget, oracle)
    assert 0.9 * budget < oracle.rollouts <= budget


def test_no_epoch_spends_more_than_it_announces() -> None:
    fleet, algorithm = three_clusters(), PCPOAuto(stopping=True)
    oracle, server = moments(fleet), Server(fleet.N)
    state = algorithm.init(Setting(fleet.initial_gains, NoSchedule(), budget=30_000))
    for _ in range(3):
        announced, before = algorithm.next_rollouts(state), oracle.rollouts
        state, report = algorithm.step(state, oracle, server)
        assert 0 < oracle.rollouts - before <= announced
        assert report.rollouts == oracle.rollouts == sum(state.spent.values())


def test_without_a_budget_epochs_double() -> None:
    fleet, algorithm = three_clusters(), PCPOAuto()
    oracle, server = moments(fleet), Server(fleet.N)
    state, announced = algorithm.init(Setting(fleet.initial_gains, NoSchedule())), []
    for _ in range(3):
        announced.append(algorithm.next_rollouts(state))
        state, _ = algorithm.step(state, oracle, server)
    assert announced == [9_000, 6_000, 12_000]


def test_a_budget_below_what_probing_needs_says_how_much_is_needed() -> None:
    fleet = three_clusters()
    with pytest.raises(BudgetError, match=r"budget: found 1,000 .* at least 4,707, .*first epoch of pcpo_auto"):
        on_fleet(fleet, 1_000)


def known(labels: list[int], before: list[int], **values: list[float]) -> Known:
    """Return what three agents know, all of it certain but for `values`."""
    start = AutoState.start(Setting(np.zeros((3, 1, 1)), NoSchedule())).known
    certain = {
        "distances": [0.0] * 3,
        "nearest": [np.inf] * 3,
        "output_costs": [1.0, 1.0, 2.0],
        "output_errors": [0.1] * 3,
    }
    arrays = {key: np.array(value) for key, value in {**certain, **values}.items()}
    return replace(start, labels=np.array(labels), labels_before=np.array(before), **arrays)


def test_agents_that_the_data_do_not_separate_are_named() -> None:
    one = [0, 0, 2]
    assert doubts(known(one, one), 0.5, 4.0) == []
    told = doubts(known(one, [0, 1, 2], distances=[0.0, 3.2, 0.0]), 0.5, 4.0)
    assert told[0].startswith("the cluster of agents 0, 1 changed in the last epoch")
    assert told[1].startswith("agent 1 is 3.2 standard errors from its cluster, 4 would separate it")
    assert doubts(known(one, one, nearest=[9.0, 9.0, 4.4]), 0.5, 4.0) == [
        "agent 2 is only 4.4 standard errors from another cluster, 4 separate it"
    ]
    assert doubts(known(one, one, worst=[0.2, 0.8, 0.7]), 0.5, 4.0) == [
        "the costs of agent 1 have heavy tails: one of 16 batches of rollouts has 80% of all variance; if the variance "
        "is infinite, intervals and tests mean nothing"
    ]
    assert doubts(known(one, one, output_costs=[1.5, 1.0, 2.0]), 0.5, 4.0) == [
        "agents 0 and 1 share a gain whose costs for them differ by 3.5 standard errors: they may be two clusters"
    ]


def test_plants_need_no_more_and_a_plant_that_answers_nan_is_refused() -> None:
    fleet = one_cluster([[0.3, 0.1], [-0.2, 0.2]])
    oracle = PlantOracle(fleet, linear_plant, seed=1, horizon=20)
    result = on_fleet(fleet, 5_000, oracle)
    assert fleet.gaps(result.final.global_gains).mean() < 0.5 * fleet.gaps(fleet.initial_gains).mean()

    class Broken(LinearPlant):
        def step(
            self, states: FloatArray, actions: FloatArray, rng: np.random.Generator
        ) -> tuple[FloatArray, FloatArray]:
            after, costs = super().step(states, actions, rng)
            return after, np.full_like(costs, np.nan)

    broken = PlantOracle(fleet, lambda f, i: Broken(f.system_of(i), SIGNS), seed=1, horizon=20)
    with pytest.raises(ConfigError, match="Broken of agent 0, step: found NaN as the stage cost"):
        on_fleet(fleet, 5_000, broken)


@dataclass(frozen=True)
class FixedStart:
    """An initial phase that knows gains of finite cost, for ten rollouts."""

    name = "fixed"

    def rollouts(self, setting: Setting) -> int:
        return 10

    def gains(self, setting: Setting, oracle: Oracle, server: Server) -> FloatArray:
        oracle.costs(setting.initial_gains, 10, purpose=2, epoch=1)
        return three_clusters().initial_gains


def test_an_initial_phase_finds_the_gains_where_probing_begins() -> None:
    fleet = three_clusters()
    bad = replace(fleet, initial_gains=fleet.initial_gains)
    setting = Setting(fleet.initial_gains + 1e3, NoSchedule())
    with pytest.raises(ConfigError, match="initial gain of agent 0"):
        run(PCPOAuto(), moments(bad), setting, 10_000)
    algorithm = PCPOAuto(initial=FixedStart())
    result = run(algorithm, moments(bad), setting, 10_000)
    assert algorithm.name == "pcpo_auto_fixed"
    assert result.findings.rollouts["initial"] == 10
    assert np.isfinite(fleet.costs(result.final.global_gains)).all()


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ({"probe_share": 0.02}, "_probe_0.02"),
        ({"reprobe": False}, "_probe_once"),
        ({"curvature": "trace"}, "_trace"),
        ({"curvature": "spread"}, "_spread"),
        ({"stopping": True}, "_stopping"),
        ({"cooling": False}, "_constant_steps"),
        ({"sets": "costs"}, "_costs"),
        ({"sets": "costs", "safe": False}, "_costs_unsafe"),
        ({"sets": "costs", "Delta0": 3.0}, "_costs_Delta0_3"),
        ({"collaborate": False}, "_alone"),
        ({"radius_exponent": 0.25}, "_exponent_0.25"),
        ({"estimator": "centred"}, "_centred"),
        ({"estimator": "one_point"}, "_one_point"),
        ({"constants": (0.1, 80.0, 4.0)}, "_given_constants"),
        ({"iterations": 16}, "_iterations_16"),
        ({"errors": 3.0}, "_errors_3"),
        ({"step_scale": 0.25}, "_step_0.25"),
    ],
)
def test_every_ablation_runs_and_is_named(options: Mapping[str, Any], suffix: str) -> None:
    fleet = three_clusters()
    result = on_fleet(fleet, 8_000, **options)
    assert result.algorithm == "pcpo_auto" + suffix == make_algorithm("pcpo_auto", **options).name
    assert np.isfinite(result.final.global_gains).all()
    assert str(result.findings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"curvature": "half"}, "curvature: found 'half', expected one of full, spread, trace"),
        ({"estimator": "three_point"}, "estimator: found 'three_point'"),
        ({"sets": "x"}, "sets: found 'x'"),
        ({"Delta0": 1.0}, "Delta0: found it with sets 'tests', expected sets 'costs'"),
        ({"safe": False}, "safe: found it with sets 'tests'"),
        ({"Delta0": -1.0, "sets": "costs"}, "Delta0: found -1.0, expected a positive finite number"),
        ({"probe_share": 0.0}, "probe_share: found 0.0, expected a number between 0 and 0.5"),
        ({"iterations": 0}, "iterations: found 0, expected 1 or more"),
    ],
)
def test_options_out_of_range_are_refused(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        PCPOAuto(**options)


@pytest.mark.parametrize(
    ("wrong", "budget", "found"), [(1 / 30, 100_000, True), (30.0, 100_000, True), (30.0, 8_000, False)]
)
def test_a_wrong_guess_of_the_separation_costs_epochs_and_no_clusters(wrong: float, budget: int, found: bool) -> None:
    """Where costs alone group; tests of gains have no guess.  (7) asks for k standard errors at least, and forgets."""
    fleet = three_clusters()
    assert exact(fleet, on_fleet(fleet, budget, sets="costs", Delta0=wrong * fleet.separation)) == found


def test_experiments_run_it_and_name_its_mode() -> None:
    fleet = three_clusters()
    made = replace(experiment(fleet, epochs=2, Delta0=16.0), budget=20_000)
    frame = made.run("pcpo_auto", seed=1)
    assert frame["epoch"].max() == 2
    assert made.result(PCPOAuto(), seed=1).mode == "model-free"


def test_one_agent_and_one_unknown_are_no_special_cases() -> None:
    cost = bowl(np.array([[0.5]]), 2.0, np.array([[3.0]]))
    result = run(PCPOAuto(), FunctionOracle([cost], (1, 1)), Setting(np.zeros((1, 1, 1)), NoSchedule()), 8_000)
    assert result.findings.gains.item() == pytest.approx(0.5, abs=0.1)
