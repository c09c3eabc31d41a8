"""What a run costs, and what is refused: field cases of budgets that nobody can run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.small_fleets import experiment, three_clusters

from pcpo.algorithms.schedule import Schedule
from pcpo.errors import BudgetError, ConfigError, PcpoError
from pcpo.experiments.cost import (
    DEFAULT_LIMITS,
    Limits,
    check_configured,
    check_run,
    in_words,
    run_cost,
    scenario_cost,
    seconds_per_rollout,
    takes_long,
)
from pcpo.experiments.driver import run
from pcpo.experiments.experiment import Experiment, side_information
from pcpo.fleets.files import fleet_from
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.schema import load_schema, validated
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import noise_law

LABELS = np.array([0, 0, 1, 1])


def carts(gain: list[float], gamma: float = 0.99) -> Fleet:
    """Two double integrators, two agents each."""
    A = [[1, 0.1], [0, 1]]
    inputs = ([[0.005], [0.1]], [[0.01], [0.2]])
    systems = tuple(LinearSystem(A, B, np.eye(2), np.eye(1), gamma) for B in inputs)
    return Fleet("two carts", systems, LABELS, np.tile(np.array([gain]), (4, 1, 1)))


def scalars(*costs: float, gamma: float = 0.8) -> Fleet:
    """Scalar systems with Q = R = cost, from zero gains."""
    systems = tuple(LinearSystem([[0.9]], [[1.0]], [[q]], [[q]], gamma) for q in costs)
    return Fleet("scalars", systems, np.arange(len(costs)), np.zeros((len(costs), 1, 1)))


class TestCounts:
    def test_by_hand(self) -> None:
        small = experiment(three_clusters(), epochs=2, Delta0=16.0, horizon=30)
        cost = run_cost(small)
        assert (cost.rollouts, cost.agents, cost.horizon) == (small.budget, 7, 30)
        assert cost.steps == small.budget * 7 * 30
        assert cost.operations == small.budget * 7 * 29 * 16
        assert cost.core_seconds == pytest.approx(small.budget * 7 * seconds_per_rollout(2, 1, "signs", 30))

    def test_a_scenario(self) -> None:
        cost = run_cost(experiment(three_clusters(), epochs=1, Delta0=16.0))
        scenario: dict[str, Any] = {"algorithms": ["pcpo", "local", "least_squares"], "seeds": {"count": 5}}
        assert (scenario_cost(cost, scenario).runs, scenario_cost(cost, scenario).tuning) == (15, 0)
        grid = {"step_scale": [0.5, 1], "radius_scale": [1, 2, 3]}
        scenario["tuning"] = {"seeds": {"count": 2}, "grid": grid}
        assert scenario_cost(cost, scenario).tuning == 2 * (6 + 6 + 1)

    def test_rates_grow_with_the_system_and_numpy_takes_over(self) -> None:
        for law in ("signs", "sphere", "cube"):
            rates = [seconds_per_rollout(n, 1, law, 100) for n in (1, 2, 3, 4, 6, 8, 12, 13, 20, 50)]
            assert rates == sorted(rates)
            assert rates[7] > 3 * rates[6]
        assert seconds_per_rollout(4, 9, "signs", 100) > 10 * seconds_per_rollout(4, 8, "signs", 100)

    @pytest.mark.parametrize(
        ("number", "text"),
        [(2353, "2353"), (10**23, "1e23"), (1.1e23, "1.1e23"), (0.25, "0.25"), (10**400, "1e400"), (123.4, "123")],
    )
    def test_numbers_in_words(self, number: float, text: str) -> None:
        assert in_words(number) == text


class TestField05:
    """Budgets that nobody can run."""

    def test_zero_gains_of_a_double_integrator(self) -> None:
        made = Experiment.calibrated(carts([0.0, 0.0]), Delta0=1000.0, epochs=2)
        with pytest.raises(BudgetError) as caught:
            check_run(made, DEFAULT_LIMITS, "scenarios.carts.budget", 1.0)
        sentence = str(caught.value)
        assert sentence.startswith("scenarios.carts.budget: found 1.1e23 rollouts per agent of 2353 steps")
        assert re.search(r"about [\d.e]+ core hours in one run, expected at most 10 core hours", sentence)
        assert "initial gains of lower cost would do most: found costs up to 2e6" in sentence
        with pytest.raises(BudgetError, match=r"1\.1e23 rollouts per agent of 2353 steps"):
            made.run(seed=0)

    def test_a_long_run_is_allowed_and_told(self) -> None:
        made = Experiment.calibrated(carts([0.3, 0.9]), Delta0=1000.0, epochs=2)
        cost = check_run(made, DEFAULT_LIMITS)
        assert str(cost).startswith("2.4e8 rollouts per agent of 984 steps")
        assert takes_long(cost)

    def test_proposals_are_affordable(self) -> None:
        made = Experiment.calibrated(carts([0.3, 0.9]), Delta0=1000.0, epochs=5)
        with pytest.raises(BudgetError) as caught:
            check_run(made, DEFAULT_LIMITS, scale=1.0)
        epochs = re.search(r"budget: \{epochs: (\d)\}", str(caught.value))
        scale = re.search(r"schedule\.minibatch_scale: ([\d.e-]+) would be", str(caught.value))
        larger = re.search(r"schedule\.Delta0: ([\d.e]+) would be", str(caught.value))
        assert epochs is not None
        assert scale is not None
        assert larger is not None
        fleet = made.fleet
        check_run(Experiment.calibrated(fleet, Delta0=1000.0, epochs=int(epochs[1])), DEFAULT_LIMITS)
        check_run(
            Experiment.calibrated(fleet, Delta0=1000.0, epochs=5, minibatch_scale=float(scale[1])), DEFAULT_LIMITS
        )
        check_run(Experiment.calibrated(fleet, Delta0=float(larger[1]), epochs=5), DEFAULT_LIMITS)

    def test_a_separation_that_nobody_resolves(self) -> None:
        made = Experiment.calibrated(scalars(1e6, 1e6 * (1 + 1e-9)), Delta0=1e-3, epochs=10)
        with pytest.raises(BudgetError, match=r"schedule.Delta0: found 0.001 beside optimal costs up to 5\.7e6"):
            check_run(made, DEFAULT_LIMITS, scale=1.0)

    def test_a_discount_next_to_one(self) -> None:
        fleet = scalars(1.0, gamma=1 - 1e-10)
        with pytest.raises(BudgetError, match=r"a gamma further below 1: at 0\.9999999999 rollouts have to last"):
            Experiment.calibrated(fleet, Delta0=1e11, epochs=2).run(seed=0)

    def test_memory(self) -> None:
        long = replace(experiment(three_clusters(), epochs=1, Delta0=16.0, c4=1.0), horizon=10**8)
        with pytest.raises(BudgetError, match="GiB of noise at once, expected at most 4 GiB"):
            check_run(long, Limits(core_hours_per_run=1e9))

    def test_a_budget_of_rollouts(self) -> None:
        for rollouts in (10**25, 10**300):
            with pytest.raises(BudgetError, match=r"budget: \{epochs: [45]\} is within the limit"):
                check_run(Experiment.calibrated(scalars(1.0, 2.0), Delta0=4.0, rollouts=rollouts), DEFAULT_LIMITS)

    @pytest.mark.parametrize("settings", [{"Delta0": 1e-300, "epochs": 30}, {"Delta0": 4.0, "rollouts": 10**400}])
    def test_a_plan_beyond_the_range_of_numbers(self, settings: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=r"schedule: found an epoch \d+ with Delta = .*beyond the range"):
            Experiment.calibrated(scalars(1.0, 2.0), **settings)

    def test_limits_can_be_waived(self) -> None:
        small = experiment(three_clusters(), epochs=1, Delta0=16.0, horizon=20)
        with pytest.raises(BudgetError, match="core_hours_per_run"):
            small.run(seed=0, limits=Limits(core_hours_per_run=1e-12))
        assert small.run(seed=0, limits=None).equals(small.run(seed=0))

    def test_the_moment_oracle_costs_what_its_iterations_do(self) -> None:
        """Whatever the minibatch, which it does not simulate."""
        made = replace(experiment(three_clusters(), epochs=2, Delta0=16.0), oracle="moments")
        seconds = run_cost(made).core_seconds
        assert 0 < seconds < 1
        assert run_cost(replace(made, horizon=None)).core_seconds == seconds
        assert run_cost(made, made.schedule.rollouts_for(1)).core_seconds < seconds

    def test_moments_cost_their_draws_whatever_the_minibatch(self) -> None:
        small = replace(experiment(three_clusters(), epochs=1, Delta0=16.0), oracle="moments")
        constants = replace(small.schedule.constants, c4=1e30)
        schedule = replace(small.schedule, constants=constants)
        large = replace(small, schedule=schedule, budget=schedule.rollouts_for(1))
        assert 0 < run_cost(small).core_seconds < 0.01
        assert run_cost(large).core_seconds == run_cost(small).core_seconds
        assert check_run(large, Limits(core_hours_per_run=1e-3)).rollouts == 0


def test_a_scenario_with_too_many_runs() -> None:
    small = experiment(three_clusters(), epochs=1, Delta0=16.0)
    scenario = {
        "algorithms": ["pcpo"],
        "seeds": {"count": 10**6},
        "schedule": {"minibatch_scale": 1.0},
        "rows": "agents",
    }
    config = {"scenarios": {"s": scenario}, "limits": {"core_hours": 0.01}}
    with pytest.raises(BudgetError, match=r"scenarios\.s: found 1000000 runs, about .* \(limits\.core_hours\)"):
        check_configured(small, config, "s")
    scenario["seeds"] = {"count": 1}
    assert check_configured(small, config, "s").runs == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config", "quick", "full", "cluster"])
def test_shipped_configurations_are_within_the_limits(name: str, repository: Path) -> None:
    schema = load_schema(repository / "workflow/schemas/config.schema.yaml")
    config = validated(yaml.safe_load((repository / f"config/{name}.yaml").read_text(encoding="utf-8")), schema)
    for scenario, settings in config["scenarios"].items():
        source = dict(settings["fleet"])
        if "file" in source:
            source["file"] = str(repository / source["file"])
        schedule = {key: settings["schedule"][key] for key in ("Delta0", "delta", "minibatch_scale")}
        made = Experiment.calibrated(
            fleet_from(scenario, source), **schedule, noise=settings["noise"], **settings["budget"]
        )
        assert check_configured(made, config, scenario).core_hours < 50


def test_an_algorithm_that_asks_nothing_would_never_end() -> None:
    small = experiment(three_clusters(), epochs=1, Delta0=16.0, horizon=20)

    class Idle:
        name, uses = "idle", frozenset[str]()

        def init(self, setting: object) -> int:
            return 0

        def next_rollouts(self, state: int) -> int:
            return 0

        def step(self, state: int, oracle: object, server: object) -> tuple[int, object]:
            return state, None

    from pcpo.algorithms.protocol import Setting

    setting = Setting(small.fleet.initial_gains, small.schedule, side_information(small.fleet))
    with pytest.raises(PcpoError, match="algorithm 'idle': found an epoch without rollouts"):
        run(Idle(), small.make_oracle(0), setting, small.budget)  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "m"), [(13, 1), (3, 9)])
def test_where_numpy_simulates_the_chunk_changes_nothing(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    one = LinearSystem(0.1 * rng.standard_normal((n, n)), rng.standard_normal((n, m)), np.eye(n), np.eye(m), 0.8)

    def estimate() -> np.ndarray:
        streams = np.random.default_rng(1), np.random.default_rng(2)
        return gradient_estimate(
            one, np.zeros((m, n)), 0.01, 500, horizon=20, law=noise_law("signs"), directions=streams[0],
            noise=streams[1],
        ).value  # fmt: skip

    whole = estimate()
    monkeypatch.setattr("pcpo.simulation.estimators.UNPACKED_BYTES", 1)
    np.testing.assert_array_equal(estimate(), whole)


def test_schedule_of_the_field_case_has_its_minibatch() -> None:
    made = Experiment.calibrated(carts([0.0, 0.0]), Delta0=1000.0, epochs=2)
    assert isinstance(made.schedule, Schedule)
    assert f"{made.schedule.plan(1).minibatch:.2e}" == "1.06e+11"
