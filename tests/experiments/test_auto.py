"""Experiments with the oracle "auto": label, plan, cost, resumption, bad input, and the law of what runs end with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.small_fleets import experiment, one_cluster, three_clusters

from pcpo.algorithms.protocol import EpochReport
from pcpo.algorithms.schedule import ProblemConstants
from pcpo.errors import ConfigError, PcpoError
from pcpo.experiments.cost import run_cost
from pcpo.experiments.draws import least_minibatches
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.tuning import Candidate, final_gaps, scaled
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.oracles.auto import EpochThresholds, GradientThresholds
from pcpo.oracles.moment import DRIFT
from pcpo.pipeline.config import check_oracles
from pcpo.simulation.noise import stream
from pcpo.storage.checkpoints import Checkpoint
from pcpo.theory.calibration import region


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


@pytest.fixture(scope="module")
def simulated(fleet: Fleet) -> Experiment:
    """M_1 = 154 and M_2 = 612, between which M* of costs lies."""
    return experiment(fleet, epochs=2, Delta0=16.0, horizon=60, c4=1000.0)


@pytest.fixture(scope="module")
def auto(simulated: Experiment) -> Experiment:
    return replace(simulated, oracle="auto")


def with_thresholds(auto: Experiment, M: int | None) -> Experiment:
    at = GradientThresholds(M, M, M)
    return replace(auto, known_thresholds=[EpochThresholds(epoch, M, at, at) for epoch in (1, 2)])


class TestRuns:
    @pytest.mark.parametrize("algorithm", ["pcpo", "fedlqr", "least_squares"])
    def test_below_all_thresholds_they_are_simulated_runs(
        self, auto: Experiment, simulated: Experiment, algorithm: str
    ) -> None:
        below = with_thresholds(auto, None).run(algorithm, seed=1).drop(columns="mode")
        assert below.equals(simulated.run(algorithm, seed=1).drop(columns="mode"))

    @pytest.mark.parametrize("algorithm", ["pcpo", "fedlqr"])
    def test_above_all_thresholds_they_are_runs_on_moments(
        self, auto: Experiment, algorithm: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pcpo.oracles.auto.DRIFT", DRIFT)
        above = with_thresholds(auto, 1).run(algorithm, seed=1).drop(columns="mode")
        exact = replace(auto, oracle="moments", horizon=None).run(algorithm, seed=1).drop(columns="mode")
        assert above.equals(exact)

    def test_a_resumed_run_has_the_same_bits(self, auto: Experiment, tmp_path: Path) -> None:
        assert auto.draws()[0].kind == "both"  # epoch 1 is simulated in part, epoch 2 is not
        whole = auto.run(seed=2)

        def stop(report: EpochReport) -> None:
            raise KeyboardInterrupt

        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                auto.run(seed=2, on_epoch=stop, checkpoint=Checkpoint(tmp_path / "run", {"seed": 2}))
        assert auto.run(seed=2, checkpoint=Checkpoint(tmp_path / "run", {"seed": 2})).equals(whole)

    @pytest.mark.statistical
    def test_final_gaps_have_the_law_of_simulated_runs(self) -> None:
        """Compare the logarithms of mean gaps over 8 agents, 20 runs each, by t-tests at 1 %.

        A factor of 2 in the gap, which minibatches four times as large make, is seen with a power above .9, computed
        from the spread of the runs; it is the negative control.
        """
        fleet = one_cluster([[0.1, 0.0], [0.0, 0.1]] * 4)
        first = experiment(fleet, epochs=2, Delta0=16.0, horizon=40)
        second = replace(first, oracle="auto")
        assert second.draws()[-1].kind == "moments"
        schedule = replace(first.schedule, constants=replace(first.schedule.constants, c4=16_000.0))
        larger = replace(second, schedule=schedule, budget=schedule.rollouts_for(2))

        def logs(made: Experiment) -> np.ndarray:
            frames = [made.run("local", seed=seed, limits=None) for seed in range(20)]
            return np.log(np.concatenate([final_gaps(frame).to_numpy() for frame in frames]))

        x, y, wrong = logs(first), logs(second), logs(larger)
        assert stats.ttest_ind(x, y).pvalue > 0.01
        assert stats.ks_2samp(x, y).pvalue > 0.01
        spread = float(np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 20))
        assert stats.norm.cdf(np.log(2) / spread - stats.norm.isf(0.005)) > 0.9
        assert stats.ttest_ind(x, wrong).pvalue < 0.01


class TestPlan:
    def test_the_label_says_which_epochs_are_drawn_how(self, auto: Experiment) -> None:
        assert auto.mode == "calibrated, oracle auto: both in epoch 1, moments in epoch 2"
        assert set(auto.run(seed=1)["mode"]) == {auto.mode}
        assert with_thresholds(auto, None).mode == "calibrated, oracle auto: rollouts in epochs 1 to 2"
        assert with_thresholds(auto, 500).mode == "calibrated, oracle auto: rollouts in epoch 1, moments in epoch 2"
        assert auto.short_mode == with_thresholds(auto, 500).short_mode == "calibrated, oracle auto"
        assert replace(auto, oracle="moments").mode == "calibrated, moment oracle"
        assert replace(auto, oracle="rollouts").short_mode == "calibrated"

    def test_the_plan_lists_thresholds_and_draws_and_holds_them(self, fleet: Fleet, auto: Experiment) -> None:
        data = json.loads(auto.to_json())
        assert [plan["drawn"] for plan in data["epochs"]] == [
            {"local": "moments", "cost": "rollouts", "global": "moments"},
            {"local": "moments", "cost": "moments", "global": "moments"},
        ]
        assert data["epochs"][0]["minibatch"] < data["thresholds"][0]["cost"] <= data["epochs"][1]["minibatch"]
        assert set(data["thresholds"][0]["global"]) == {"one_point", "centred", "two_point"}
        assert Experiment.from_dict(fleet, data) == auto
        data["thresholds"][0]["cost"] = 1  # what is read decides, and is not computed anew
        assert Experiment.from_dict(fleet, data).draws()[0].kind == "moments"
        with pytest.raises(ConfigError, match=r"experiment: found a description.*'thresholds'"):
            Experiment.from_dict(fleet, {key: value for key, value in data.items() if key != "thresholds"})

    def test_plans_on_rollouts_say_nothing_of_it(self, simulated: Experiment) -> None:
        data = simulated.to_dict()
        assert "thresholds" not in data
        assert "drawn" not in data["epochs"][0]

    def test_one_line_lists_the_thresholds(self, auto: Experiment) -> None:
        of = auto.thresholds[0]
        line = least_minibatches(auto.thresholds)
        assert line.startswith(f"M* by epoch (local, costs, global): 1: {of.local.one_point}, {of.cost}, ")
        assert "none, none, none" in least_minibatches(with_thresholds(auto, None).thresholds)

    def test_other_radii_have_other_thresholds_and_another_step_has_not(self, auto: Experiment) -> None:
        marked = with_thresholds(auto, 777)
        assert scaled(marked, Candidate(0.5, 1.0)).thresholds == marked.thresholds
        assert scaled(marked, Candidate(1.0, 0.5)).thresholds != marked.thresholds
        assert (
            scaled(auto, Candidate(1.0, 0.5)).thresholds
            == replace(auto, schedule=scaled(auto, Candidate(1.0, 0.5)).schedule).thresholds
        )

    def test_the_cost_counts_what_is_simulated_and_the_moments(self, auto: Experiment, simulated: Experiment) -> None:
        plans = [auto.schedule.plan(epoch) for epoch in (1, 2)]
        cost, all_simulated = run_cost(auto), run_cost(simulated)
        assert cost.rollouts == plans[0].minibatch  # the costs of epoch 1
        assert cost.rollouts + cost.drawn == auto.budget
        assert f"besides {cost.drawn} rollouts per agent drawn from their moments" in str(cost)
        exact = run_cost(with_thresholds(auto, 1))
        assert exact.rollouts == exact.steps == exact.memory == 0
        share = cost.rollouts / simulated.budget * all_simulated.core_seconds
        answers = 2 * sum(plan.iterations for plan in plans) + 1
        assert cost.core_seconds == pytest.approx(share + exact.core_seconds * answers / (answers + 1))
        assert run_cost(with_thresholds(auto, None)) == all_simulated
        assert str(exact).startswith(f"{auto.budget} rollouts per agent drawn from their moments, for 7 agents")

    def test_calibrated_experiments(self) -> None:
        fleet = one_cluster([[0.1, 0.0], [0.0, 0.1]])
        made = {
            oracle: Experiment.calibrated(fleet, Delta0=8.0, epochs=2, oracle=oracle)  # type: ignore[arg-type]
            for oracle in ("rollouts", "moments", "auto")
        }
        assert made["moments"].horizon is None
        assert made["auto"].horizon == made["rollouts"].horizon
        assert made["auto"].schedule == made["moments"].schedule == made["rollouts"].schedule
        assert len(made["auto"].thresholds) == 2
        # Moments are of C, rollouts of C_h: less than 1 % of Δ_2/8 apart where runs are.
        tolerance = 0.01 * made["auto"].schedule.plan(2).Delta / 8
        horizon = made["auto"].horizon
        assert horizon is not None
        from pcpo import lqr

        biases = [lqr.truncation_bias(fleet.systems[0], K, horizon) for K in region(fleet, 0)]
        assert 0 < max(biases) < tolerance

    def test_literal_experiments_take_a_horizon(self, fleet: Fleet) -> None:
        problem = ProblemConstants(lipschitz=1.0, smoothness=1.0, radius=0.1, pl=1.0, rollout_bound=10.0)
        options: dict[str, Any] = {"Delta0": 4.0, "Delta0_tilde": 4.0, "epochs": 1}
        made = Experiment.literal(fleet, problem, oracle="auto", horizon=50, **options)
        assert made.mode == "literal, oracle auto: moments in epoch 1"
        with pytest.raises(ConfigError, match="horizon: found None"):
            Experiment.literal(fleet, problem, oracle="auto", **options)


class TestBadInput:
    def test_another_word(self, simulated: Experiment) -> None:
        with pytest.raises(ConfigError, match="oracle: found 'both', expected 'rollouts', 'moments' or 'auto'"):
            replace(simulated, oracle="both")  # type: ignore[arg-type]

    @pytest.mark.parametrize("oracle", ["moments", "auto"])
    def test_a_plant_has_no_moments(self, simulated: Experiment, oracle: Any) -> None:
        sentence = (
            f"plant: found one with the oracle '{oracle}', expected the oracle 'rollouts': the moments of a plant"
        )
        with pytest.raises(ConfigError, match=sentence):
            replace(simulated, oracle=oracle, plant="mine")
        with pytest.raises(ConfigError, match=sentence):
            Experiment.calibrated(simulated.fleet, Delta0=8.0, epochs=1, oracle=oracle, plant="mine")

    def test_a_plant_in_a_configuration(self) -> None:
        scenarios = {"a": {"oracle": "auto"}, "b": {"oracle": "rollouts", "plant": "cart"}}
        check_oracles(scenarios)
        scenarios["b"]["oracle"] = "moments"
        with pytest.raises(ConfigError, match=r"scenarios\.b\.oracle: found 'moments' with the plant 'cart', expected"):
            check_oracles(scenarios)

    @pytest.mark.parametrize("oracle", ["moments", "auto"])
    def test_more_unknowns_than_moments_are_offered_for(self, oracle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit is met before a constant is computed."""
        monkeypatch.setattr("pcpo.experiments.experiment.local_constants", None)
        spec = FleetSpec(n=31, m=2, sizes=(2,), gamma=0.8, optimal_cost=20.0, condition_limit=1e6, initial_gap=1.0)
        large = random_fleet(spec, stream(1, 0), "large")
        with pytest.raises(PcpoError, match=r"found m n = 62 unknowns, expected at most \d+ for exact moments"):
            Experiment.calibrated(large, Delta0=8.0, epochs=1, oracle=oracle)

    def test_an_unknown_law(self, fleet: Fleet) -> None:
        with pytest.raises(ConfigError, match="noise: found 'gauss', expected one of"):
            Experiment.calibrated(fleet, Delta0=8.0, epochs=1, oracle="auto", noise="gauss")
