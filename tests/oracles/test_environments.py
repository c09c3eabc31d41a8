"""Gymnasium's vectorised environments as plants: the same rollouts as one after another, and faults by name."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.linear_plants import LinearEnvironment
from support.small_fleets import three_clusters

from pcpo import Plants, VectorEnvironment, learn
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.oracles.plant import PlantOracle, SingleEnvironment

GAMMA, HORIZON = 0.8, 12
SYSTEM = three_clusters().systems[0]


class Copies:
    """Copies of an environment that step at once, as Gymnasium's SyncVectorEnv; every copy takes its own seed."""

    def __init__(self, count: int, **ends: Any) -> None:
        self.envs = [LinearEnvironment(SYSTEM, **ends) for _ in range(count)]
        self.num_envs = count
        self.single_observation_space, self.single_action_space = (
            SimpleNamespace(shape=(k,), dtype=np.float64) for k in (SYSTEM.n, SYSTEM.m)
        )
        self.given: list[Any] = []

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[FloatArray, dict[str, Any]]:
        self.given.append((seed, options))
        return np.stack([env.reset(seed=one)[0] for env, one in zip(self.envs, seed, strict=True)]), {}

    def step(self, actions: FloatArray) -> tuple[Any, ...]:
        answers = [env.step(action) for env, action in zip(self.envs, actions, strict=True)]
        return (*(np.array([answer[k] for answer in answers]) for k in range(4)), {})


class OneSeed(Copies):
    """Copies that one seed starts."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[FloatArray, dict[str, Any]]:
        return super().reset(seed=[seed + k for k in range(self.num_envs)], options=options)  # type: ignore[operator]


def gains(count: int) -> FloatArray:
    """Gains of finite cost, all different."""
    rng = np.random.default_rng(1)
    return three_clusters().initial_gains[0] + 0.02 * rng.normal(size=(count, SYSTEM.m, SYSTEM.n))


@pytest.mark.parametrize("copies", [1, 4, 5, 16])
def test_rollouts_are_those_of_the_plain_environment(copies: int) -> None:
    """Ten rollouts with 1, 4, 5 or 16 copies: seeds and costs do not depend on how many run at once."""
    alone = SingleEnvironment(LinearEnvironment(SYSTEM)).costs(gains(10), HORIZON, GAMMA, np.random.default_rng(7))
    together = VectorEnvironment(Copies(copies)).costs(gains(10), HORIZON, GAMMA, np.random.default_rng(7))
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert len(set(alone.tolist())) == 10


def test_one_seed_starts_all_copies_where_reset_takes_no_list() -> None:
    env = OneSeed(4)
    found = VectorEnvironment(env).costs(gains(8), HORIZON, GAMMA, np.random.default_rng(7))
    assert np.isfinite(found).all()
    assert len({seeds[0] for seeds, _ in env.given}) == 2  # two batches
    same = VectorEnvironment(OneSeed(4)).costs(gains(8), HORIZON, GAMMA, np.random.default_rng(7))
    np.testing.assert_array_equal(found, same)


def test_options_go_to_every_reset() -> None:
    env = Copies(4)
    VectorEnvironment(env, options={"low": -1.0}).costs(gains(8), HORIZON, GAMMA, np.random.default_rng(7))
    assert [options for _, options in env.given] == [{"low": -1.0}] * len(env.given)


class Falling(Copies):
    """Every second copy terminates at its third step, and starts anew at the next one, with a reward that is NaN."""

    def step(self, actions: FloatArray) -> tuple[Any, ...]:
        states, rewards, terminated, truncated, info = super().step(actions)
        at = self.envs[0].t
        terminated = np.arange(self.num_envs) % 2 == 1 if at == 3 else terminated
        if at > 3:
            rewards[1::2], states[1::2] = np.nan, 1e300
        return states, rewards, terminated, truncated, info


def test_a_termination_costs_infinitely_and_nothing_later_is_read() -> None:
    whole = VectorEnvironment(Copies(4)).costs(gains(8), HORIZON, GAMMA, np.random.default_rng(7))
    found = VectorEnvironment(Falling(4)).costs(gains(8), HORIZON, GAMMA, np.random.default_rng(7))
    np.testing.assert_array_equal(np.isinf(found), np.arange(8) % 2 == 1)
    np.testing.assert_array_equal(found[::2], whole[::2])


class Changed(Copies):
    """Copies that answer otherwise: the part of the answer of that number is what a function makes of it."""

    def __init__(self, part: int, change: Callable[[Any], Any]) -> None:
        super().__init__(2)
        self.part, self.change = part, change

    def step(self, actions: FloatArray) -> tuple[Any, ...]:
        answer = list(super().step(actions))
        answer[self.part] = self.change(answer[self.part])
        return tuple(answer)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Changed(0, lambda x: x[:1]), r"Changed, step: found shape \(1, \d\) of the observations, expected \(2, \d\)"),
        (Changed(1, lambda x: x[0]), r"Changed, step: found shape \(\) of the rewards, expected \(2,\)"),
        (Changed(1, lambda x: x * np.nan), "Changed, step: found NaN as the reward"),
        (Changed(2, lambda x: x + 2), "Changed, step: found 2 in terminations, expected True or False"),
        (
            Copies(2, ends_at=5),
            "Copies, step: found a rollout cut off after 5 steps, expected 12; raise the time limit",
        ),
    ],
)
def test_faults_are_named(env: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VectorEnvironment(env).costs(gains(2), HORIZON, GAMMA, np.random.default_rng(7))


def test_a_rollout_may_be_cut_off_at_the_horizon() -> None:
    found = VectorEnvironment(Copies(2, ends_at=HORIZON)).costs(gains(2), HORIZON, GAMMA, np.random.default_rng(7))
    assert np.isfinite(found).all()


def _with(env: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(env, name, value)
    return env


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Copies, "plant: found the class Copies, expected an environment made by it"),
        (LinearEnvironment(SYSTEM), "LinearEnvironment: found num_envs = None, .* SingleEnvironment runs a plain one"),
        (_with(Copies(2), single_action_space=SimpleNamespace(shape=(), dtype=np.int64)), "single_action_space: found"),
        (_with(Copies(2), metadata={"autoreset_mode": SimpleNamespace(name="DISABLED")}), "AutoresetMode.DISABLED"),
    ],
)
def test_what_is_no_vectorised_environment_is_refused(env: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VectorEnvironment(env)


def test_it_is_a_plant_of_the_oracle() -> None:
    fleet = three_clusters()

    def vector(fleet: Any, agent: int) -> VectorEnvironment:
        return VectorEnvironment(_with(Copies(8), envs=[LinearEnvironment(fleet.system_of(agent)) for _ in range(8)]))

    def single(fleet: Any, agent: int) -> SingleEnvironment:
        return SingleEnvironment(LinearEnvironment(fleet.system_of(agent)))

    costs = [
        PlantOracle(fleet, make, seed=5, horizon=HORIZON).costs(fleet.initial_gains, 20, purpose=2, epoch=1).values
        for make in (vector, single)
    ]
    np.testing.assert_allclose(*costs, rtol=1e-12)


class TestGymnasium:
    """Gymnasium's own environments, where it is installed."""

    gymnasium = pytest.importorskip("gymnasium")

    def test_pendulums_roll_out_as_one_after_another(self) -> None:
        near = {"x_init": 0.2, "y_init": 0.2}

        class Near(self.gymnasium.Wrapper):  # type: ignore[name-defined, misc]
            def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
                return self.env.reset(seed=seed, options=near)

        plain = SingleEnvironment(Near(self.gymnasium.make("Pendulum-v1")))
        many = self.gymnasium.make_vec("Pendulum-v1", num_envs=4, vectorization_mode="sync")
        chosen = np.broadcast_to(np.array([[0.0, 12.0, 3.0]]), (6, 1, 3))
        alone = plain.costs(chosen, 20, GAMMA, np.random.default_rng(3))
        together = VectorEnvironment(many, options=near).costs(chosen, 20, GAMMA, np.random.default_rng(3))
        np.testing.assert_allclose(together, alone, rtol=1e-5)  # actions travel in single precision
        assert np.ptp(alone) > 0.1 * alone.mean()

    @pytest.fixture
    def example(self, repository: Path) -> dict[str, Any]:
        return runpy.run_path(str(repository / "examples/gymnasium_environments.py"))

    def test_cart_poles_fall_without_control_and_stand_with_the_first_gain(self, example: dict[str, Any]) -> None:
        for plant in example["cart_poles"](16).plants:
            costs = plant.costs(np.broadcast_to(example["START"], (16, 1, 4)), 60, GAMMA, np.random.default_rng(3))
            assert np.isfinite(costs).all()
            wrong = plant.costs(np.broadcast_to(-example["START"], (16, 1, 4)), 60, GAMMA, np.random.default_rng(3))
            assert np.isinf(wrong).all()

    def test_pendulums_differ_by_their_masses(self, example: dict[str, Any]) -> None:
        made = example["pendulums"](8)
        costs = [
            plant.costs(np.broadcast_to(made.gains[0], (8, 1, 3)), 20, GAMMA, np.random.default_rng(3)).mean()
            for plant in made.plants
        ]
        assert costs[0] == costs[1]
        assert costs[2] == costs[3] != costs[0]

    @pytest.mark.slow
    def test_gains_are_learned_for_cart_poles(self, example: dict[str, Any]) -> None:
        made = example["cart_poles"](64)
        two = Plants([made.plants[0], made.plants[2]], gamma=GAMMA, initial_gains=example["START"])
        findings = learn(two, budget=10_000, seed=1)
        assert sum(findings.rollouts.values()) <= 10_000
        assert np.isfinite(findings.gains).all()
        for plant, gain in zip(two.plants, findings.gains, strict=True):
            costs = [
                plant.costs(np.broadcast_to(one, (64, 1, 4)), 60, GAMMA, np.random.default_rng(9)).mean()
                for one in (gain, example["START"])
            ]
            assert costs[0] < costs[1]
