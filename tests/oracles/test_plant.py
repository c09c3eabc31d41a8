"""Plants behind the oracle interface: ledger, streams, saturation, refusals, and an experiment that names one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.linear_plants import LinearEnvironment, LinearPlant, linear_environment, linear_plant
from support.small_fleets import experiment, one_cluster, three_clusters

from pcpo.errors import ConfigError, PcpoError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.oracles import plant as plants
from pcpo.oracles.plant import PLANTS, PlantFactory, PlantOracle, SingleEnvironment
from pcpo.oracles.protocol import Estimates
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import Purpose, noise_law

HORIZON = 12


def oracle_of(fleet: Fleet, make: PlantFactory = linear_plant, *, seed: int = 1) -> PlantOracle:
    return PlantOracle(fleet, make, seed=seed, horizon=HORIZON)


def ask(oracle: PlantOracle, fleet: Fleet, *, M: int = 100, epoch: int = 1, **options: Any) -> Estimates:
    radii = np.full(fleet.N, 0.1)
    return oracle.gradients(fleet.initial_gains, M, radii, purpose=Purpose.LOCAL, epoch=epoch, **options)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


def test_every_question_is_entered_in_the_ledger(fleet: Fleet) -> None:
    oracle = oracle_of(fleet)
    ask(oracle, fleet, M=30)
    oracle.costs(fleet.initial_gains, 5, purpose=Purpose.COST, epoch=1)
    assert oracle.rollouts == 35
    np.testing.assert_array_equal(oracle.nonfinite, np.zeros(7))


def test_answers_depend_on_seed_purpose_epoch_agent_and_question_and_on_nothing_else() -> None:
    fleet = one_cluster([[0.0, 0.0]] * 3)
    answers = []
    for seed in (1, 2):
        oracle = oracle_of(fleet, seed=seed)
        answers += [ask(oracle, fleet, epoch=epoch).values for epoch in (1, 2) for _ in range(2)]
    numbers = np.concatenate(answers)[:, 0, 0]
    assert len(np.unique(numbers)) == len(numbers) == 2 * 2 * 2 * 3
    quiet, disturbed = oracle_of(fleet), oracle_of(fleet)
    disturbed.costs(fleet.initial_gains, 10, purpose=Purpose.COST, epoch=1)
    assert ask(disturbed, fleet).values.tobytes() == ask(quiet, fleet).values.tobytes()


def test_one_rollout_is_the_sum_of_its_stage_costs() -> None:
    """A plant that draws nothing: C = Σ γᵗ c_t by hand, and w = C less the baseline, or half a difference."""
    fleet = one_cluster([[0.0, 0.0]])

    class Still(LinearPlant):
        def reset(self, rng: np.random.Generator, count: int) -> np.ndarray:
            return np.ones((count, 2))

        def step(self, states: np.ndarray, actions: np.ndarray, rng: object) -> tuple[np.ndarray, np.ndarray]:
            return states, 3.0 + 0.0 * actions[:, 0]

    def still(fleet: Fleet, agent: int) -> Still:
        return Still(fleet.systems[0], noise_law("signs"))

    oracle = oracle_of(fleet, still)
    cost = 3.0 * sum(fleet.gamma**t for t in range(HORIZON))
    found = oracle.costs(fleet.initial_gains, 70, purpose=Purpose.COST, epoch=1).values
    np.testing.assert_allclose(found, cost, rtol=1e-13)
    plain = ask(oracle, fleet, epoch=3).values
    assert np.abs(plain).max() > 1
    halved = ask(oracle_of(fleet, still), fleet, epoch=3, baseline=found / 2).values  # the same directions
    np.testing.assert_allclose(halved, plain / 2, rtol=1e-12)
    np.testing.assert_array_equal(ask(oracle, fleet, estimator="two_point", epoch=5).values, 0.0)


def test_more_rollouts_than_a_chunk_are_all_counted(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plants, "CHUNK", 128)
    seen: list[int] = []

    class Counting(LinearPlant):
        def reset(self, rng: np.random.Generator, count: int) -> np.ndarray:
            seen.append(count)
            return super().reset(rng, count)

    oracle = oracle_of(fleet, lambda fleet, agent: Counting(fleet.system_of(agent), noise_law("signs")))
    ask(oracle, fleet, M=300)
    assert seen == [128, 128, 44] * 7
    seen.clear()
    ask(oracle, fleet, M=301, estimator="two_point")
    assert seen == [128, 128, 22, 22] * 7


def test_saturated_rollouts_give_finite_numbers_and_are_counted(fleet: Fleet) -> None:
    oracle, gains = oracle_of(fleet), fleet.initial_gains.copy()
    gains[2] = 1e6
    gains[4] = np.nan
    answers = [
        oracle.gradients(gains, 50, np.full(7, 0.1), purpose=Purpose.GLOBAL, epoch=1),
        oracle.costs(gains, 50, purpose=Purpose.COST, epoch=1),
    ]
    for answer in answers:
        assert np.isfinite(answer.values).all()
        np.testing.assert_array_equal(answer.nonfinite, [0, 0, 50, 0, 50, 0, 0])
    np.testing.assert_allclose(answers[1].values[[2, 4]], SATURATION, rtol=1e-12)
    shown = oracle.trajectories(gains, 5, 8, 0.1, purpose=Purpose.TRAJECTORIES, epoch=1)
    assert shown.nonfinite[4] == 5
    assert not shown.states[4].any()


def test_trajectories_follow_the_system(fleet: Fleet) -> None:
    """x_(t+1) − Ax_t − Bu_t is a sign in every coordinate, and the excitation is what is left of the input."""
    shown = oracle_of(fleet).trajectories(fleet.initial_gains, 20, 8, 0.3, purpose=Purpose.TRAJECTORIES, epoch=1)
    assert (shown.states.shape, shown.inputs.shape) == ((7, 20, 9, 2), (7, 20, 8, 1))
    for i in range(fleet.N):
        s, x, u = fleet.system_of(i), shown.states[i], shown.inputs[i]
        np.testing.assert_allclose(np.abs(x[:, 1:] - x[:, :-1] @ s.A.T - u @ s.B.T), 1.0, rtol=1e-9)
        np.testing.assert_allclose(np.abs(u + x[:, :-1] @ fleet.initial_gains[i].T), 0.3, rtol=1e-9)


def test_an_environment_answers_like_the_plant_it_is(fleet: Fleet) -> None:
    oracle = oracle_of(fleet, linear_environment)
    first = ask(oracle, fleet, M=4).values
    assert np.isfinite(first).all()
    assert ask(oracle_of(fleet, linear_environment), fleet, M=4).values.tobytes() == first.tobytes()
    with pytest.raises(PcpoError, match="trajectories: found a plant that simulates one rollout at a time"):
        oracle.trajectories(fleet.initial_gains, 5, 8, 0.1, purpose=Purpose.TRAJECTORIES, epoch=1)


def test_an_environment_that_fails_costs_infinitely_and_one_that_stops_is_refused(fleet: Fleet) -> None:
    def made(**ends: int) -> PlantFactory:
        return lambda fleet, agent: SingleEnvironment(LinearEnvironment(fleet.system_of(agent), **ends))

    failing = oracle_of(fleet, made(fails_at=3)).costs(fleet.initial_gains, 2, purpose=Purpose.COST, epoch=1)
    np.testing.assert_array_equal(failing.nonfinite, 2)
    np.testing.assert_allclose(failing.values, SATURATION, rtol=1e-12)
    with pytest.raises(ConfigError, match="found a rollout cut off after 5 steps, expected 12"):
        oracle_of(fleet, made(ends_at=5)).costs(fleet.initial_gains, 2, purpose=Purpose.COST, epoch=1)
    last = oracle_of(fleet, made(ends_at=HORIZON)).costs(fleet.initial_gains, 2, purpose=Purpose.COST, epoch=1)
    assert last.nonfinite.sum() == 0
    with pytest.raises(ConfigError, match="found a object without vectors as observation_space and action_space"):
        SingleEnvironment(object())


class TestRefusals:
    def test_other_dimensions_than_the_fleet(self, fleet: Fleet) -> None:
        class Wide(LinearPlant):
            def __init__(self) -> None:
                self.n, self.m = 3, 1

        with pytest.raises(ConfigError, match=r"plant of agent 0: found \(m, n\) = \(1, 3\), expected \(1, 2\)"):
            oracle_of(fleet, lambda fleet, agent: Wide())
        with pytest.raises(ConfigError, match=r"plant of agent 0: found \(m, n\) = \(None, None\)"):
            oracle_of(fleet, lambda fleet, agent: None)  # type: ignore[arg-type, return-value]

    @pytest.mark.parametrize(
        ("what", "states", "costs"),
        [("step, next states", (100, 3), (100,)), ("step, stage costs", (100, 2), (100, 1))],
    )
    def test_shapes(self, fleet: Fleet, what: str, states: tuple[int, ...], costs: tuple[int, ...]) -> None:
        class Misshapen(LinearPlant):
            def step(self, *_: object) -> tuple[np.ndarray, np.ndarray]:
                return np.zeros(states), np.zeros(costs)

        oracle = oracle_of(fleet, lambda fleet, agent: Misshapen(fleet.system_of(agent), noise_law("signs")))
        with pytest.raises(PcpoError, match=f"plant: found shape .* from {what}, expected"):
            ask(oracle, fleet)
        assert oracle.rollouts == 0

    def test_first_states(self, fleet: Fleet) -> None:
        class Misshapen(LinearPlant):
            def reset(self, rng: object, count: int) -> np.ndarray:
                return np.zeros(2)

        oracle = oracle_of(fleet, lambda fleet, agent: Misshapen(fleet.system_of(agent), noise_law("signs")))
        with pytest.raises(PcpoError, match=r"plant: found shape \(2,\) from reset, expected \(100, 2\)"):
            ask(oracle, fleet)

    def test_estimators(self, fleet: Fleet) -> None:
        with pytest.raises(ConfigError, match="estimator: found 'three_point'"):
            ask(oracle_of(fleet), fleet, estimator="three_point")
        with pytest.raises(ConfigError, match="minibatch: found 1, expected 2 or more"):
            ask(oracle_of(fleet), fleet, M=1, estimator="two_point")
        with pytest.raises(PcpoError, match="baseline: found shape"):
            ask(oracle_of(fleet), fleet, baseline=np.zeros(3))


def test_an_experiment_on_a_plant(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANTS, "linear", linear_plant)
    plain = experiment(fleet, epochs=1, Delta0=16.0, c4=40.0, horizon=HORIZON)
    named = replace(plain, plant="linear")
    assert "plant" not in plain.to_dict()
    assert Experiment.from_dict(fleet, plain.to_dict()) == plain
    written = json.loads(named.to_json())
    assert written == {**json.loads(plain.to_json()), "plant": "linear"}
    assert Experiment.from_dict(fleet, written) == named
    runs = named.run("pcpo", seed=2)
    assert set(runs["mode"]) == {"calibrated, plant linear"}
    assert runs.equals(replace(plain, plant=linear_plant).run("pcpo", seed=2).assign(mode="calibrated, plant linear"))
    assert replace(plain, plant=linear_plant).mode == "calibrated, plant linear_plant"
    assert not runs["global_gap"].equals(plain.run("pcpo", seed=2)["global_gap"])  # other draws


def test_plants_that_an_experiment_refuses(fleet: Fleet) -> None:
    plain = experiment(fleet, epochs=1, Delta0=16.0, c4=40.0)
    with pytest.raises(ConfigError, match="plant: found a factory, expected the name of a plant"):
        replace(plain, plant=linear_plant).to_dict()
    with pytest.raises(ConfigError, match="plant: found one with the oracle 'moments'"):
        replace(plain, plant="linear", oracle="moments")
    with pytest.raises(ConfigError, match="plant: found 'unheard_of', expected"):
        replace(plain, plant="unheard_of").run("pcpo", seed=0)
