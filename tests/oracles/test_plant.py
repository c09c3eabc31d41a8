"""Plants behind the oracle interface: ledger, streams, saturation, refusals, and an experiment that names one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.linear_plants import LinearEnvironment, LinearPlant, linear_environment, linear_plant
from support.small_fleets import experiment, one_cluster, three_clusters

from pcpo.errors import ConfigError, PcpoError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.oracles import plant as plants
from pcpo.oracles.plant import PLANTS, PlantFactory, PlantOracle, SingleEnvironment, check_plants
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
    with pytest.raises(ConfigError, match="plant: object: found no observation_space, expected a space of vectors"):
        SingleEnvironment(object())


class TestRefusals:
    def test_other_dimensions_than_the_fleet(self, fleet: Fleet) -> None:
        class Wide(LinearPlant):
            def __init__(self) -> None:
                self.n, self.m = 3, 1

        with pytest.raises(ConfigError, match=r"plant: Wide of agent 0: found \(m, n\) = \(1, 3\), expected \(1, 2\)"):
            oracle_of(fleet, lambda fleet, agent: Wide())
        with pytest.raises(
            ConfigError, match="plant: <lambda> of agent 0: found None from the factory, expected a plant"
        ):
            oracle_of(fleet, lambda fleet, agent: None)  # type: ignore[arg-type, return-value]

    @pytest.mark.parametrize(
        ("what", "states", "costs"),
        [("next states", (100, 3), (100,)), ("stage costs", (100, 2), (100, 1))],
    )
    def test_shapes(self, fleet: Fleet, what: str, states: tuple[int, ...], costs: tuple[int, ...]) -> None:
        class Misshapen(LinearPlant):
            def step(self, *_: object) -> tuple[np.ndarray, np.ndarray]:
                return np.zeros(states), np.zeros(costs)

        oracle = oracle_of(fleet, lambda fleet, agent: Misshapen(fleet.system_of(agent), noise_law("signs")))
        with pytest.raises(
            ConfigError, match=f"plant: Misshapen of agent 0, step: found shape .* of the {what}, expected"
        ):
            ask(oracle, fleet)
        assert oracle.rollouts == 0

    def test_first_states(self, fleet: Fleet) -> None:
        class Misshapen(LinearPlant):
            def reset(self, rng: object, count: int) -> np.ndarray:
                return np.zeros(2)

        oracle = oracle_of(fleet, lambda fleet, agent: Misshapen(fleet.system_of(agent), noise_law("signs")))
        with pytest.raises(ConfigError, match=r"agent 0, reset: found shape \(2,\) of the states, expected \(100, 2\)"):
            ask(oracle, fleet)

    def test_estimators(self, fleet: Fleet) -> None:
        with pytest.raises(ConfigError, match="estimator: found 'three_point'"):
            ask(oracle_of(fleet), fleet, estimator="three_point")
        with pytest.raises(ConfigError, match="minibatch: found 1, expected 2 or more"):
            ask(oracle_of(fleet), fleet, M=1, estimator="two_point")
        with pytest.raises(PcpoError, match="baseline: found shape"):
            ask(oracle_of(fleet), fleet, baseline=np.zeros(3))


def answering(**changed: Any) -> PlantFactory:
    """Return a factory of environments whose methods and attributes are replaced: a function gets what they answer."""

    class Env(LinearEnvironment):
        pass

    def replaced(name: str, value: Any) -> None:
        if name in ("reset", "step") and callable(value):
            original = getattr(LinearEnvironment, name)
            setattr(Env, name, lambda self, *args, **named: value(original(self, *args, **named)))

    for name, value in changed.items():
        replaced(name, value)

    def make(fleet: Fleet, agent: int) -> SingleEnvironment:
        env = Env(fleet.system_of(agent))
        for name in changed.keys() - {"reset", "step"}:
            setattr(env, name, changed[name])
        return SingleEnvironment(env)

    return make


def put(place: int, value: Any) -> Any:
    """Return a function that replaces an item of an answer; `value` may be a function of the item."""

    def changed(answer: tuple[Any, ...]) -> tuple[Any, ...]:
        item = value(answer[place]) if callable(value) else value
        return (*answer[:place], item, *answer[place + 1 :])

    return changed


def refuse(_: object) -> Any:
    raise KeyError("pole")


def space(*shape: int, dtype: Any = None) -> SimpleNamespace:
    return SimpleNamespace(shape=shape, dtype=dtype)


#: What an environment does → what its sentence says after "plant: Env of agent 0, ".
ENVIRONMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "the old Gym API, step": (
        {"step": lambda answer: (answer[0], answer[1], False, {})},
        "step: found 4 values, as the old Gym API has them, expected (observation, reward,",
    ),
    "the old Gym API, reset": (
        {"reset": lambda answer: answer[0]},
        "reset: found a ndarray of shape (2,), expected (observation, info), as Gymnasium has it",
    ),
    "a list as the old observation": (
        {"reset": lambda answer: answer[0].tolist()},
        "reset: found 2 values, expected (observation, info)",
    ),
    "nothing from reset": ({"reset": lambda answer: None}, "reset: found None, expected (observation, info)"),
    "nothing from step": ({"step": lambda answer: None}, "step: found None, expected (observation, reward,"),
    "a reward per coordinate": (
        {"step": put(1, np.zeros(2))},
        "step: found shape (2,) of the reward, expected one number",
    ),
    "no reward": ({"step": put(1, None)}, "step: found dtype object of the reward, expected real numbers"),
    "a reward as text": ({"step": put(1, "-1.0")}, "step: found dtype <U4 of the reward, expected real numbers"),
    "a complex reward": ({"step": put(1, 1j)}, "step: found dtype complex128 of the reward, expected real numbers"),
    "a reward that is NaN": ({"step": put(1, np.nan)}, "step: found NaN as the reward at [0.0, 0.0] under the action"),
    "a column as observation": (
        {"step": put(0, lambda x: x[:, None])},
        "step: found shape (2, 1) of the observation, expected (2,)",
    ),
    "a column at first": (
        {"reset": put(0, lambda x: x[:, None])},
        "reset: found shape (2, 1) of the observation, expected (2,)",
    ),
    "a longer observation": ({"step": put(0, np.zeros(3))}, "step: found shape (3,) of the observation, expected (2,)"),
    "a ragged observation": ({"step": put(0, [[1.0], [1.0, 2.0]])}, "step: found the observation that is no array ("),
    "objects, one of them None": (
        {"step": put(0, np.array([None, 1.0], dtype=object))},
        "step: found dtype object of the observation, expected real numbers",
    ),
    "an observation that is NaN": (
        {"step": put(0, np.full(2, np.nan))},
        "step: found NaN as the observation at [0.0, 0.0] under the action",
    ),
    "a first observation that is NaN": (
        {"reset": put(0, np.full(2, np.nan))},
        "reset: found [nan, nan] as the observation, expected finite numbers",
    ),
    "an end without a truth value": ({"step": put(2, None)}, "step: found dtype object of terminated, expected real"),
    "an end for each of two": (
        {"step": put(2, np.array([True, False]))},
        "step: found array([ True, False]) as terminated, expected True or False",
    ),
    "an exception": ({"step": refuse}, "step: found that it raises KeyError: 'pole' (line "),
    "an exception at first": ({"reset": refuse}, "reset: found that it raises KeyError: 'pole' (line "),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_an_environment_of_another_form_is_refused_by_a_sentence(case: str, fleet: Fleet) -> None:
    changed, message = ENVIRONMENTS[case]
    oracle = oracle_of(fleet, answering(**changed))
    with pytest.raises(ConfigError) as refusal:
        oracle.costs(fleet.initial_gains, 2, purpose=Purpose.COST, epoch=1)
    assert str(refusal.value).startswith(f"plant: Env of agent 0, {message}"), refusal.value
    assert "\n" not in str(refusal.value)
    assert oracle.rollouts == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("observation_space", None, "plant: Env: found no observation_space, expected a space of vectors"),
        ("action_space", None, "plant: Env: found no action_space, expected a space of vectors"),
        ("observation_space", space(2, 3), "plant: Env, observation_space: found a SimpleNamespace of shape (2, 3)"),
        ("action_space", space(), "plant: Env, action_space: found a SimpleNamespace of shape (), expected a space of"),
        (
            "action_space",
            space(1, dtype=np.int64),
            "plant: Env, action_space: found dtype int64, expected real numbers",
        ),
        ("observation_space", space(3), "plant: Env of agent 0: found (m, n) = (1, 3), expected (1, 2)"),
    ],
)
def test_spaces_that_are_not_the_fleets_vectors_are_refused(name: str, value: Any, message: str, fleet: Fleet) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        oracle_of(fleet, answering(**{name: value}))


def test_an_environment_without_a_seed_is_refused_at_once() -> None:
    class Seedless(LinearEnvironment):
        def reset(self) -> Any:  # type: ignore[override]
            return self.state, {}

    class Stepless:
        observation_space = action_space = space(1)

        def reset(self, *, seed: int | None = None, options: object = None) -> None: ...

    seedless = Seedless(three_clusters().systems[0])
    with pytest.raises(
        ConfigError, match=r"plant: Seedless: found reset\(\).*, expected reset\(seed=…\), as Gymnasium"
    ):
        SingleEnvironment(seedless)
    with pytest.raises(ConfigError, match=r"plant: Stepless: found no method step, expected step\(action\)"):
        SingleEnvironment(Stepless())
    with pytest.raises(ConfigError, match="plant: found the class Stepless, expected an environment made by it"):
        SingleEnvironment(Stepless)


@pytest.mark.parametrize(
    "step",
    [
        put(1, np.atleast_1d),
        put(1, lambda reward: np.array([[reward]])),
        put(0, list),
        put(2, np.bool_),
        put(3, np.atleast_1d),
        list,
    ],
    ids=["reward (1,)", "reward (1, 1)", "list as observation", "NumPy's bool", "truncated (1,)", "list as answer"],
)
def test_what_can_only_mean_one_thing_is_accepted(step: Any, fleet: Fleet) -> None:
    plain = ask(oracle_of(fleet, linear_environment), fleet, M=3).values
    assert ask(oracle_of(fleet, answering(step=step)), fleet, M=3).values.tobytes() == plain.tobytes()


def test_what_is_infinite_is_a_failure_and_not_a_fault(fleet: Fleet) -> None:
    oracle = oracle_of(fleet, answering(step=put(1, -np.inf)))
    answer = oracle.costs(fleet.initial_gains, 2, purpose=Purpose.COST, epoch=1)
    np.testing.assert_array_equal(answer.nonfinite, 2)


class Answering(LinearPlant):
    """The linear plant with another answer of `step`."""

    def __init__(self, system: Any, change: Any) -> None:
        super().__init__(system, noise_law("signs"))
        self.change = change

    def step(self, states: np.ndarray, actions: np.ndarray, rng: np.random.Generator) -> Any:
        return self.change(super().step(states, actions, rng))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda answer: None, "found None, expected (next states, stage costs)"),
        (lambda answer: (*answer, False, False, {}), "found 5 values, expected (next states, stage costs)"),
        (put(1, lambda costs: costs + np.nan), "found NaN as the stage cost at [0.0, 0.0] under the action [0.0],"),
        (put(0, lambda states: states * np.nan), "found NaN as the next state at [0.0, 0.0] under the action [0.0],"),
        (put(0, lambda states: states.astype(object)), "found dtype object of the next states, expected real numbers"),
        (refuse, "found that it raises KeyError: 'pole' (line "),
    ],
    ids=["nothing", "as an environment", "NaN costs", "NaN states", "objects", "an exception"],
)
def test_a_plant_of_another_form_is_refused_by_a_sentence(change: Any, message: str, fleet: Fleet) -> None:
    oracle = oracle_of(fleet, lambda fleet, agent: Answering(fleet.system_of(agent), change))
    for question in (
        ask,
        lambda oracle, fleet: oracle.trajectories(fleet.initial_gains, 2, 3, 0.1, purpose=1, epoch=1),
    ):
        with pytest.raises(
            ConfigError,
            match=f"^{re.escape('plant: Answering of agent 0, step: ' + message)}".replace(r"\[0\.0\],", r"\[.*\],"),
        ):
            question(oracle, fleet)


def test_factories_that_make_no_plant_are_refused(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(fleet: Fleet) -> None: ...

    def fails(fleet: Fleet, agent: int) -> None:
        raise RuntimeError("no\nlicence")

    class Short(LinearPlant):
        def reset(self, count: int) -> Any:  # type: ignore[override]
            return np.zeros((count, 2))

    law = noise_law("signs")
    cases: dict[str, tuple[Any, str]] = {
        "another signature": (short, "short of agent 0: found a factory with other arguments, expected a factory (fle"),
        "an exception": (fails, "fails of agent 0: found that it raises RuntimeError: no licence (line "),
        "the class": (lambda f, i: LinearPlant, "<lambda> of agent 0: found the class LinearPlant from the factory"),
        "no factory": (LinearPlant(fleet.systems[0], law), "found a LinearPlant, expected a factory (fleet, agent)"),
        "not wrapped": (
            lambda f, i: LinearEnvironment(f.system_of(i)),
            "LinearEnvironment of agent 0: found an environment, expected SingleEnvironment(environment)",
        ),
        "reset without rng": (
            lambda f, i: Short(f.system_of(i), law),
            "Short of agent 0: found reset(count: 'int') -> 'Any', expected reset(rng, count)",
        ),
        "sizes that are arrays": (
            lambda f, i: SimpleNamespace(n=np.ones(2), m=1),
            "SimpleNamespace of agent 0: found (m, n) = (1, array([1., 1.])), expected (1, 2)",
        ),
    }
    for make, message in cases.values():
        with pytest.raises(ConfigError, match=f"^{re.escape('plant: ' + message)}"):
            oracle_of(fleet, make)
    with pytest.raises(ConfigError, match=r"plant 'short': found other arguments, expected a factory \(fleet, agent\)"):
        check_plants({"short": short})  # type: ignore[dict-item]
    monkeypatch.setitem(PLANTS, "cranes", fails)
    with pytest.raises(ConfigError, match="plant: cranes of agent 0: found that it raises RuntimeError"):
        oracle_of(fleet, fails)


def test_a_plant_may_change_what_it_is_given(fleet: Fleet) -> None:
    """In place, and with one buffer for all its answers: costs, gradients and trajectories stay the same."""

    class InPlace(LinearPlant):
        def reset(self, rng: np.random.Generator, count: int) -> np.ndarray:
            self.buffer = super().reset(rng, count)
            return self.buffer

        def step(self, states: np.ndarray, actions: np.ndarray, rng: np.random.Generator) -> Any:
            after, costs = super().step(states, actions, rng)
            states[:], actions[:] = after, 0.0
            self.buffer[:] = after
            return self.buffer, costs

    def in_place(fleet: Fleet, agent: int) -> LinearPlant:
        return InPlace(fleet.system_of(agent), noise_law("signs"))

    plain, changing = oracle_of(fleet), oracle_of(fleet, in_place)
    assert ask(changing, fleet).values.tobytes() == ask(plain, fleet).values.tobytes()
    shown = [o.trajectories(fleet.initial_gains, 5, 8, 0.3, purpose=1, epoch=1) for o in (plain, changing)]
    np.testing.assert_array_equal(shown[0].states, shown[1].states)
    np.testing.assert_array_equal(shown[0].inputs, shown[1].inputs)


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
