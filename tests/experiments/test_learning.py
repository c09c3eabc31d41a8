"""Learning without a model: plants and a budget are enough, and a fleet's matrices are never read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pcpo.algorithms.model_free.findings import Findings
from pcpo.algorithms.schedule import ModelFree
from pcpo.errors import BudgetError, ConfigError, FleetError
from pcpo.experiments.experiment import Experiment, discounted_horizon
from pcpo.experiments.learning import Plants, learn
from pcpo.fleets.files import example_fleet
from pcpo.fleets.fleet import Fleet, LinearSystem

BUDGET = 60_000


class Scalar:
    """A scalar system x' = a x + b u + w with costs 4x² + u², which has no matrices to be read."""

    n, m = 1, 1

    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b

    def reset(self, rng: np.random.Generator, count: int) -> Any:
        return np.zeros((count, 1))

    def step(self, states: Any, actions: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        costs = (4 * states**2 + actions**2).sum(axis=1)
        return self.a * states + self.b * actions + rng.choice([-1.0, 1.0], size=states.shape), costs


def optimal_gain(a: float, b: float, gamma: float) -> float:
    """Return K* of u = −K x, from the scalar Riccati equation, iterated."""
    P = 4.0
    for _ in range(10_000):
        P = 4 + gamma * a * a * P - (gamma * a * b * P) ** 2 / (1 + gamma * b * b * P)
    return gamma * a * b * P / (1 + gamma * b * b * P)


@pytest.fixture(scope="module")
def found() -> Findings:
    plants = Plants([Scalar(0.9, 1.0), Scalar(0.5, 1.0), Scalar(0.9, 1.0), Scalar(0.5, 1.0)], gamma=0.8)
    return learn(plants, budget=BUDGET, seed=1)


def test_plants_and_a_budget_are_enough(found: Findings) -> None:
    assert sorted(tuple(members.tolist()) for members in found.clusters) == [(0, 2), (1, 3)]
    for agent, a in enumerate((0.9, 0.5, 0.9, 0.5)):
        assert found.gains[agent] == pytest.approx(optimal_gain(a, 1.0, 0.8), abs=0.06)
    assert sum(found.rollouts.values()) <= BUDGET
    assert (found.intervals[:, 0] < found.costs).all()


def test_the_same_seed_gives_the_same_bits() -> None:
    plants = Plants([Scalar(0.9, 1.0), Scalar(0.5, 1.0)], gamma=0.8)
    one, again, other = (learn(plants, budget=6_000, seed=seed, horizon=20).gains for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_fleet_finds_what_its_experiment_finds() -> None:
    fleet = example_fleet()
    experiment = Experiment.model_free(fleet, rollouts=BUDGET)
    last = experiment.run("pcpo_auto", seed=3).groupby("agent").last()
    gains = np.stack(last["global_gain"].to_list()).reshape(fleet.N, fleet.m, fleet.n)
    assert np.array_equal(learn(fleet, budget=BUDGET, seed=3).gains, gains)
    assert set(last["mode"]) == {"model-free"}
    assert (experiment.horizon, experiment.mode) == (discounted_horizon(fleet.gamma), "model-free")
    again = Experiment.from_dict(fleet, experiment.to_dict())
    assert again == experiment


def test_a_method_that_needs_a_schedule_says_so() -> None:
    with pytest.raises(ConfigError, match=r"schedule: found none for epoch 1, expected one \(mode: calibrated\)"):
        Experiment.model_free(example_fleet(), rollouts=BUDGET).run("pcpo", seed=0)
    with pytest.raises(ConfigError, match="schedule: found none"):
        _ = Experiment.model_free(example_fleet(), rollouts=BUDGET).planned


@pytest.mark.parametrize(("gamma", "steps"), [(0.5, 14), (0.8, 42), (0.9, 88)])
def test_the_horizon_is_the_first_at_which_what_is_left_is_small(gamma: float, steps: int) -> None:
    assert discounted_horizon(gamma) == steps
    assert gamma**steps <= 1e-4 < gamma ** (steps - 1)


def test_epochs_of_a_budget_without_a_schedule() -> None:
    assert [ModelFree().epochs_within(rollouts) for rollouts in (1, 30_000, 100_000)] == [2, 3, 5]


class Diverging(Scalar):
    """Every rollout costs infinity."""

    def step(self, states: Any, actions: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        return states, np.full(len(states), np.inf)


class Constant(Scalar):
    """Every rollout costs the same, whatever the gain."""

    def step(self, states: Any, actions: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        return states, np.ones(len(states))


class NotANumber(Scalar):
    """A reward that is NaN."""

    def step(self, states: Any, actions: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        return states, np.full(len(states), np.nan)


class Cauchy(Scalar):
    """Costs whose variance is infinite."""

    def step(self, states: Any, actions: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        return states, np.abs(rng.standard_cauchy(len(states)))


@pytest.mark.parametrize(
    ("plants", "budget", "error", "sentence"),
    [
        ([Scalar(0.9, 1), Scalar(0.5, 1)], 100, BudgetError, "budget: found 100 rollouts per agent, expected at least"),
        ([Scalar(0.9, 1), Diverging(0.9, 1)], BUDGET, ConfigError, "agent 1"),
        ([Scalar(0.9, 1), Constant(0.9, 1)], BUDGET, ConfigError, "agent 1"),
        ([Scalar(0.9, 1), NotANumber(0.9, 1)], BUDGET, ConfigError, "agent 1"),
        ([Scalar(0.9, 1), Cauchy(0.9, 1)], BUDGET, ConfigError, "agent 1"),
        ([], BUDGET, ConfigError, "plants: found none"),
        ([Scalar(0.9, 1), object()], BUDGET, ConfigError, r"plants: found \(m, n\) = \(None, None\) of agent 1"),
    ],
)
def test_bad_plants_end_in_a_sentence(plants: list[Any], budget: int, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        learn(Plants(plants, gamma=0.8), budget=budget)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_a_discount_is_between_0_and_1(gamma: float) -> None:
    with pytest.raises(ConfigError, match="gamma: found"):
        Plants([Scalar(0.9, 1)], gamma=gamma)


def test_initial_gains_have_the_shape_of_the_plants() -> None:
    with pytest.raises(ConfigError, match=r"initial_gains: found shape \(2,\), expected \(1, 1, 1\)"):
        Plants([Scalar(0.9, 1)], gamma=0.8, initial_gains=np.zeros(2))


class Breaking(Scalar):
    """A plant that breaks at |x| = 10⁴ and costs infinity from then on."""

    def step(self, states: Any, actions: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        after, costs = super().step(states, actions, rng)
        return after, np.where(np.abs(states[:, 0]) > 1e4, np.inf, costs)


def unstable() -> Fleet:
    systems = tuple(LinearSystem([[a]], [[1.0]], [[4.0]], [[1.0]], 0.8) for a in (1.5, 1.2))
    return Fleet("unstable", systems, np.array([0, 1, 0, 1]), np.zeros((4, 1, 1)), gains_known=False)


def test_plants_without_a_stabilising_gain() -> None:
    plants = [Scalar(a, 1.0) for a in (1.5, 1.2)]
    found = learn(Plants(plants, gamma=0.8, gains_known=False), budget=45_000, seed=1, horizon=30)
    assert sorted(tuple(members.tolist()) for members in found.clusters) == [(0,), (1,)]
    for agent, a in enumerate((1.5, 1.2)):
        assert found.gains[agent] == pytest.approx(optimal_gain(a, 1.0, 0.8), abs=0.06)
    assert found.rollouts["initial"] > 0
    assert "initial" in str(found)


def test_plants_whose_first_gain_diverges_name_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"initial gain of agent 1: .* gains_known=False in Python") as caught:
        learn(Plants([Breaking(0.5, 1.0), Breaking(1.5, 1.0)], gamma=0.8), budget=BUDGET, seed=1)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="initial_gains: found some with gains_known=False, expected none"):
        Plants([Scalar(0.9, 1)], gamma=0.8, initial_gains=np.zeros((1, 1)), gains_known=False)


def test_a_fleet_without_a_stabilising_gain_finds_what_its_experiment_finds() -> None:
    fleet = unstable()
    found = learn(fleet, budget=100_000, seed=2)
    last = Experiment.model_free(fleet, rollouts=100_000).run("pcpo_auto", seed=2).groupby("agent").last()
    assert set(last["mode"]) == {"model-free, annealed first"}
    assert np.isfinite(last["global_cost"]).all()
    assert np.array_equal(found.gains.ravel(), np.concatenate(last["global_gain"].to_list()))


def test_experiments_that_need_finite_initial_costs_refuse_before_anything_runs() -> None:
    with pytest.raises(FleetError, match=r"initial_gains: found unknown, .* on which a schedule depends"):
        Experiment.calibrated(unstable(), Delta0=1.0, epochs=1)
    known = Experiment.calibrated(example_fleet(), Delta0=24.0, epochs=1)
    with pytest.raises(FleetError, match=r"initial_gains: found unknown, .* on which a schedule depends"):
        Experiment(unstable(), known.schedule, "signs", 10, 1000)
    with pytest.raises(ConfigError, match="initial_gains: found unknown with the method 'local'"):
        Experiment.model_free(unstable(), rollouts=BUDGET).run("local", seed=0)
