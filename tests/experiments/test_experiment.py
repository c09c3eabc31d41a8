"""An experiment: its description gives the same bits, a progress bar changes none, both modes name themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.small_fleets import experiment, one_cluster, three_clusters

from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import EpochReport
from pcpo.algorithms.schedule import ProblemConstants, literal_constants
from pcpo.errors import BudgetError, ConfigError
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.records import RUN_SCHEMA
from pcpo.fleets.fleet import Fleet
from pcpo.simulation.noise import noise_law
from pcpo.theory.calibration import horizon_for, local_constants

# Not those of any fleet: they make the literal minibatch small enough to be run.
SMALL_PROBLEM = ProblemConstants(lipschitz=0.01, smoothness=1.0, radius=1.0, pl=100.0, rollout_bound=0.1)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


@pytest.fixture(scope="module")
def small(fleet: Fleet) -> Experiment:
    return experiment(fleet, epochs=2, Delta0=16.0, horizon=30)


class TestDescription:
    def test_through_json_it_is_the_same_experiment(self, fleet: Fleet, small: Experiment) -> None:
        back = Experiment.from_dict(fleet, json.loads(small.to_json()))
        assert back == small
        assert back.to_json() == small.to_json()

    def test_and_gives_the_same_bits(self, fleet: Fleet, small: Experiment) -> None:
        back = Experiment.from_dict(fleet, json.loads(small.to_json()))
        assert back.run(seed=3).equals(small.run(seed=3))

    @pytest.mark.parametrize("change", [{"noise": "cube"}, {"horizon": 29}])
    def test_what_it_holds_matters(self, small: Experiment, change: dict[str, Any]) -> None:
        other = replace(small, **change).run(seed=3)
        assert not other.equals(small.run(seed=3))

    def test_the_plan_of_every_epoch_can_be_read(self, small: Experiment) -> None:
        data = small.to_dict()
        assert [plan["epoch"] for plan in data["epochs"]] == [1, 2]
        assert sum(plan["rollouts"] for plan in data["epochs"]) == data["budget"] == small.budget
        assert data["epochs"][1]["Delta"] == 4.0

    def test_a_damaged_description_is_refused(self, fleet: Fleet, small: Experiment) -> None:
        data = small.to_dict()
        for key in ("noise", "horizon", "budget", "schedule"):
            with pytest.raises(ConfigError, match=f"experiment: found a description.*{key}"):
                Experiment.from_dict(fleet, {k: v for k, v in data.items() if k != key})
        with pytest.raises(ConfigError, match="kappa"):
            Experiment.from_dict(fleet, {**data, "schedule": {**data["schedule"], "kappa": 1}})


class TestRun:
    def test_a_progress_bar_changes_nothing_but_the_screen(
        self, small: Experiment, capsys: pytest.CaptureFixture[str]
    ) -> None:
        quiet = small.run(seed=3)
        assert capsys.readouterr().err == ""
        assert small.run(seed=3, progress=True).equals(quiet)
        shown = capsys.readouterr().err
        assert "pcpo" in shown
        assert "100%" in shown

    def test_the_table(self, fleet: Fleet, small: Experiment) -> None:
        frame = small.run(seed=3)
        assert list(frame.columns) == RUN_SCHEMA.names
        assert len(frame) == 2 * fleet.N
        assert set(frame["scenario"]) == {"three clusters"}
        assert set(small.run(seed=3, scenario="x")["scenario"]) == {"x"}
        assert frame["rollouts"].max() == small.budget

    def test_algorithms_by_name_by_value_and_with_options(self, small: Experiment) -> None:
        named = small.run("pcpo_sync", seed=3)
        assert set(named["algorithm"]) == {"pcpo_sync"}
        assert small.run(PCPO(synchronise_first=True), seed=3).equals(named)
        assert small.run("pcpo", seed=3, synchronise_first=True).equals(named)

    def test_on_epoch_is_told(self, small: Experiment) -> None:
        told: list[EpochReport] = []
        small.run(seed=3, on_epoch=told.append)
        assert [report.plan.epoch for report in told] == [1, 2]

    @pytest.mark.parametrize("seed", [-1, 1.5, "1"])
    def test_bad_seeds(self, small: Experiment, seed: Any) -> None:
        with pytest.raises(ConfigError, match="seed: found"):
            small.run(seed=seed)


class TestCalibrated:
    def test_constants_budget_and_horizon(self, fleet: Fleet) -> None:
        made = Experiment.calibrated(fleet, Delta0=16.0, epochs=3, noise="sphere", minibatch_scale=0.1)
        assert made.schedule.mode == "calibrated"
        assert made.epochs == 3
        assert made.budget == made.schedule.rollouts_for(3)
        assert made.horizon == horizon_for(fleet, made.schedule, 3)
        local = local_constants(fleet, noise_law("sphere"), 16.0)
        assert made.schedule.constants.c6 == local.radius_cap
        by_rollouts = Experiment.calibrated(
            fleet, Delta0=16.0, rollouts=made.budget + 5, noise="sphere", minibatch_scale=0.1
        )
        assert by_rollouts == replace(made, budget=made.budget + 5)

    @pytest.mark.parametrize("Delta0", [0.0, -1.0, np.nan])
    def test_bad_Delta0(self, fleet: Fleet, Delta0: float) -> None:
        with pytest.raises(ConfigError, match="Delta0: found"):
            Experiment.calibrated(fleet, Delta0=Delta0, epochs=1)

    def test_bad_noise(self, fleet: Fleet) -> None:
        with pytest.raises(ConfigError, match="noise: found 'gauss'"):
            Experiment.calibrated(fleet, Delta0=1.0, epochs=1, noise="gauss")

    @pytest.mark.parametrize("amount", [{}, {"epochs": 1, "rollouts": 10}, {"epochs": 0}])
    def test_bad_amounts(self, fleet: Fleet, amount: dict[str, int]) -> None:
        with pytest.raises(ConfigError, match=r"(budget|epochs): found"):
            Experiment.calibrated(fleet, Delta0=16.0, **amount)

    def test_a_budget_that_is_too_small_says_what_is_needed(self, fleet: Fleet) -> None:
        needed = Experiment.calibrated(fleet, Delta0=16.0, epochs=1).budget
        with pytest.raises(
            BudgetError, match=f"found a budget of {needed - 1:,} per agent, expected at least {needed:,}"
        ):
            Experiment.calibrated(fleet, Delta0=16.0, rollouts=needed - 1)
        assert Experiment.calibrated(fleet, Delta0=16.0, rollouts=needed).epochs == 1


class TestLiteral:
    def test_constants_are_those_of_the_paper_and_the_mode_is_in_the_table(self) -> None:
        fleet = one_cluster([[0.0, 0.0], [0.01, 0.0]])
        made = Experiment.literal(
            fleet, SMALL_PROBLEM, Delta0=1e4, Delta0_tilde=1e4, horizon=10, epochs=1, noise="cube"
        )
        assert made.schedule.constants == literal_constants(SMALL_PROBLEM, D=2, Delta0=1e4, Delta0_tilde=1e4)
        assert (made.schedule.mode, made.horizon, made.noise, made.epochs) == ("literal", 10, "cube", 1)
        short = replace(made, schedule=replace(made.schedule, constants=replace(made.schedule.constants, c2=1e-3)))
        frame = replace(short, budget=short.schedule.rollouts_for(1)).run(seed=1)
        assert set(frame["mode"]) == {"literal, moment oracle"}
        simulated = replace(short, oracle="rollouts", budget=short.schedule.rollouts_for(1)).run(seed=1)
        assert set(simulated["mode"]) == {"literal"}

    def test_astronomical_numbers_do_not_overflow(self, fleet: Fleet) -> None:
        problem = ProblemConstants(lipschitz=1e4, smoothness=1e4, radius=1e-3, pl=1e-2, rollout_bound=1e5)
        made = Experiment.literal(fleet, problem, Delta0=1.0, Delta0_tilde=1.0, horizon=10, epochs=4)
        assert made.budget > 2**63
        assert Experiment.from_dict(fleet, json.loads(made.to_json())) == made
