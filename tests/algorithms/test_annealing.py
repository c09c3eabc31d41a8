"""Discount annealing: unstable plants from the zero gain, controls that must fail, the ledger, refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.linear_plants import linear_plant
from support.rollout_only import FunctionOracle, NoSchedule, bowl

from pcpo import lqr
from pcpo.algorithms.model_free.annealing import Annealed, Annealing, anneal
from pcpo.algorithms.model_free.auto import PCPOAuto
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import BudgetError, ConfigError, PcpoError
from pcpo.experiments.driver import run
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.plant import PlantOracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import noise_law

SIGNS = noise_law("signs")
HORIZON = 150


def unstable(n_agents: int = 4) -> Fleet:
    """√γ ρ(A) is 1.33 and 1.24: the zero gain has infinite cost for every agent; the fleet's own gains are optimal."""
    systems = (
        LinearSystem([[1.4, 0.5], [0.0, 0.8]], [[1.0], [0.4]], np.eye(2), np.eye(1), 0.9),
        LinearSystem([[1.0, 0.4], [0.4, 0.8]], [[0.5], [1.0]], np.eye(2), np.eye(1), 0.9),
    )
    labels = np.arange(n_agents) % 2
    return Fleet("unstable", systems, labels, np.stack([lqr.riccati(systems[j]).K for j in labels]))


def steep() -> Fleet:
    """√γ ρ(A) is 1.12, and gains that make the cost finite are far from zero."""
    A, B = [[0.26, -1.23], [0.8, 2.2]], [[-0.39], [-0.04]]
    system = LinearSystem(A, B, np.eye(2), [[0.5]], 0.8)
    return Fleet("steep", (system,), np.zeros(2, dtype=np.int64), np.stack([lqr.riccati(system).K] * 2))


def zeros(fleet: Fleet) -> FloatArray:
    return np.zeros_like(fleet.initial_gains)


def rollouts(fleet: Fleet, seed: int = 1) -> RolloutOracle:
    return RolloutOracle(fleet, seed=seed, horizon=HORIZON, law=SIGNS)


def moments(fleet: Fleet, seed: int = 1) -> MomentOracle:
    return MomentOracle(fleet, seed=seed, law=SIGNS)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return unstable()


@pytest.fixture(scope="module")
def found(fleet: Fleet) -> Annealed:
    return anneal(zeros(fleet), rollouts(fleet))


def test_the_zero_gain_has_infinite_cost(fleet: Fleet) -> None:
    assert np.isinf(fleet.costs(zeros(fleet))).all()


@pytest.mark.parametrize("make", [rollouts, moments])
@pytest.mark.parametrize("seed", [2, 3])
def test_agents_reach_gains_of_finite_cost(fleet: Fleet, make: type[RolloutOracle], seed: int) -> None:
    found = anneal(zeros(fleet), make(fleet, seed))  # type: ignore[call-arg]
    assert found.reached.all()
    assert found.shortfall is None
    assert np.isfinite(fleet.costs(found.gains)).all()
    assert (fleet.gaps(found.gains) < 0.5 * fleet.optimal_costs[fleet.labels]).all()


def test_first_discounts_are_finite_and_rise_and_costs_are_those_of_the_discounts(
    fleet: Fleet, found: Annealed
) -> None:
    path = np.array([stage.discounts for stage in found.stages])
    assert (np.diff(path, axis=0) >= 0).all()
    assert len(path) > 2
    for i, first in enumerate(path[0]):
        assert 0.1 < math.sqrt(first) * lqr.spectral_radius(fleet.system_of(i), zeros(fleet)[i]) < 1
    np.testing.assert_array_equal(path[-1], fleet.gamma)
    exact = fleet.costs(found.gains)
    spread = [lqr.rollout_variance(fleet.system_of(i), K, SIGNS) / 256 for i, K in enumerate(found.gains)]
    assert (np.abs(found.costs - exact) < 5 * np.sqrt(spread)).all()
    assert (found.errors < 5 * np.sqrt(spread)).all()


def test_every_rollout_is_in_the_ledger_and_the_same_seed_gives_the_same_bits(fleet: Fleet, found: Annealed) -> None:
    oracle = rollouts(fleet)
    oracle.costs(zeros(fleet), 7, purpose=1, epoch=5)
    again = anneal(zeros(fleet), oracle)
    assert oracle.rollouts == found.rollouts + 7
    assert again.gains.tobytes() == found.gains.tobytes()
    assert found.rollouts <= Annealing().rollouts(Setting(zeros(fleet), NoSchedule()))  # type: ignore[arg-type]
    assert [s.rollouts for s in found.stages] == sorted(s.rollouts for s in found.stages)


class TestControls:
    """What annealing does that these leave out; each ends without a gain of finite cost for some agent."""

    @pytest.mark.parametrize("option", [{"bound": 1e300}, {"growth": 1e300, "margin": 1e300}])
    def test_a_bound_that_bounds_nothing(self, option: dict[str, float]) -> None:
        """`bound`: the first discount is γ itself. `growth` and `margin`: the second is.

        Rollouts of h steps have a number for a cost at any gain, so both end at γ, with gains of infinite cost.
        """
        fleet, lost = steep(), {}
        for name, how in (("bounded", Annealing()), ("unbounded", Annealing(**option))):  # type: ignore[arg-type]
            results = [anneal(zeros(fleet), rollouts(fleet, seed), how=how) for seed in range(3)]
            assert all(result.reached.all() for result in results)
            lost[name] = sum(int(np.isinf(fleet.costs(result.gains)).sum()) for result in results)
        assert lost["bounded"] == 0
        assert lost["unbounded"] > 0

    def test_a_budget_that_ends_early_says_where_agents_stand(self, fleet: Fleet, found: Annealed) -> None:
        budget = found.stages[1].rollouts + 500
        short = anneal(zeros(fleet), rollouts(fleet), how=Annealing(budget=budget))
        assert not short.reached.all()
        assert short.rollouts <= budget
        behind = int(np.flatnonzero(~short.reached)[0])
        assert f"agent {behind} at {short.discounts[behind]:.3g}" in str(short.shortfall)
        assert short.discounts[behind] < fleet.gamma
        setting = Setting(zeros(fleet), NoSchedule())  # type: ignore[arg-type]
        with pytest.raises(BudgetError, match=f"annealing: found .*agent {behind} at 0.* expected all at the fleet's"):
            Annealing(budget=budget).gains(setting, rollouts(fleet), Server(fleet.N))


class Pendulum:
    """θ″ = sin θ + u with friction, upright at zero, in steps of .2 with little noise: nobody gives its A and B."""

    n, m = 2, 1

    def reset(self, rng: np.random.Generator, count: int) -> FloatArray:
        return rng.uniform(-0.1, 0.1, (count, 2))

    def step(self, x: FloatArray, u: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        speed = x[:, 1] + 0.2 * (3 * np.sin(x[:, 0]) - 0.1 * x[:, 1] + u[:, 0])
        after = np.stack([x[:, 0] + 0.2 * speed, speed], axis=1) + 0.02 * rng.standard_normal(x.shape)
        cost = x[:, 0] ** 2 + 0.1 * x[:, 1] ** 2 + 0.01 * u[:, 0] ** 2
        return after, np.where(np.abs(x[:, 0]) > 1.0, np.inf, cost)


def test_a_plant_of_ones_own_that_falls_over() -> None:
    """On the floor a pendulum costs 2 a step while it learns; later it falls in none of 200 rollouts."""
    system = LinearSystem([[1.12, 0.2], [0.6, 0.98]], [[0.04], [0.2]], np.eye(2), np.eye(1), 0.95)
    fleet = Fleet("pendulum", (system,), np.zeros(2, dtype=np.int64), np.stack([lqr.riccati(system).K] * 2))

    class Unending(Pendulum):
        def step(self, x: FloatArray, u: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
            after, cost = super().step(x, u, rng)
            return np.clip(after, -100, 100), np.where(np.isinf(cost), 2.0 + 0.01 * u[:, 0] ** 2, cost)

    oracle = PlantOracle(fleet, lambda fleet, agent: Unending(), seed=3, horizon=40)
    found = anneal(zeros(fleet), oracle, how=Annealing(costs=64))
    assert found.reached.all()
    trial = PlantOracle(fleet, lambda fleet, agent: Pendulum(), seed=4, horizon=60)
    trial.costs(found.gains, 200, purpose=1, epoch=1)
    np.testing.assert_array_equal(trial.nonfinite, 0)
    trial.costs(zeros(fleet), 200, purpose=1, epoch=1)
    assert (trial.nonfinite > 100).all()


def test_the_fleets_systems_behind_the_adapter() -> None:
    fleet = unstable(2)
    oracle = PlantOracle(fleet, linear_plant, seed=3, horizon=40)
    found = anneal(zeros(fleet), oracle, how=Annealing(costs=64))
    assert found.reached.all()
    assert np.isfinite(fleet.costs(found.gains)).all()


def test_pcpo_auto_begins_with_annealing(fleet: Fleet) -> None:
    setting = Setting(zeros(fleet), NoSchedule())  # type: ignore[arg-type]
    algorithm = PCPOAuto(initial=Annealing())
    assert algorithm.name == "pcpo_auto_annealed"
    result = run(algorithm, moments(fleet), setting, budget=300_000)
    assert (fleet.gaps(result.final.global_gains) < 0.05 * fleet.optimal_costs[fleet.labels]).all()
    assert result.final.rollouts <= 300_000
    with pytest.raises(ConfigError, match="initial gain of agent 0: found costs that diverge"):
        run(PCPOAuto(), moments(fleet), setting, budget=300_000)


class TestUnknownGains:
    """A setting without gains of finite cost: pcpo_auto anneals by itself, other methods refuse."""

    @staticmethod
    def setting(fleet: Fleet) -> Setting:
        return Setting(zeros(fleet), NoSchedule(), gains_known=False)  # type: ignore[arg-type]

    def test_pcpo_auto_anneals_by_itself_and_says_so(self, fleet: Fleet) -> None:
        result = run(PCPOAuto(), moments(fleet), self.setting(fleet), budget=100_000)
        assert (result.algorithm, result.mode) == ("pcpo_auto", "model-free, annealed first")
        assert (fleet.gaps(result.final.global_gains) < 0.05 * fleet.optimal_costs[fleet.labels]).all()
        spent = result.findings.rollouts
        assert 0 < spent["initial"] <= 75_000
        assert sum(spent.values()) == result.final.rollouts <= 100_000
        explicit = run(PCPOAuto(initial=Annealing()), moments(fleet), self.setting(fleet), budget=100_000)
        assert explicit.algorithm == "pcpo_auto_annealed"
        assert explicit.mode == result.mode
        assert explicit.final.global_gains.tobytes() == result.final.global_gains.tobytes()

    def test_what_annealing_leaves_is_spread_over_epochs(self, fleet: Fleet) -> None:
        """Epoch 1 does not get all that annealing might have spent: later epochs have more rollouts."""
        result = run(PCPOAuto(), moments(fleet), self.setting(fleet), budget=100_000)
        known = result.findings.rollouts
        ends = np.array([report.rollouts for report in result.epochs])
        assert len(ends) > 2
        first = ends[0] - known["initial"] - 8000  # 8 % of the budget is for probing
        assert 0 < first < np.diff(ends)[0] < np.diff(ends)[1]

    def test_another_method_refuses(self, fleet: Fleet) -> None:
        with pytest.raises(ConfigError, match="initial_gains: found unknown with the method 'pcpo', expected gains of"):
            run(PCPO(), moments(fleet), self.setting(fleet), budget=100_000)

    def test_a_budget_that_is_too_small_says_how_much_is_needed(self, fleet: Fleet) -> None:
        """The number is the same whatever the budget below it, and the rollouts of `first_stage` are among them."""
        needed = set()
        for budget in (1000, 10_000):
            with pytest.raises(BudgetError, match="which the first epoch of pcpo_auto_annealed needs") as caught:
                run(PCPOAuto(), moments(fleet), self.setting(fleet), budget=budget)
            needed.add(str(caught.value).split("at least ")[1])
        assert len(needed) == 1
        assert int(needed.pop().split()[0].replace(",", "")) > Annealing().first_stage(2)

    def test_first_gains_that_diverge_name_the_way_out(self, fleet: Fleet) -> None:
        known = Setting(zeros(fleet), NoSchedule())  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"initial gain of agent 0.*gains_known=False.*initial_gains: unknown"):
            run(PCPOAuto(), moments(fleet), known, budget=100_000)

    def test_the_budget_is_a_share_of_the_runs_or_what_is_given(self, fleet: Fleet) -> None:
        for budget, expected in ((None, 100_000), (400_000, 300_000), (10, 512 + Annealing().first_stage(2))):
            assert Annealing().rollouts(replace(self.setting(fleet), budget=budget)) == expected
        assert Annealing(budget=7000).rollouts(replace(self.setting(fleet), budget=400_000)) == 7000

    def test_control_without_annealing_exact_costs_lead_nowhere(self, fleet: Fleet) -> None:
        """All steps at γ: exact costs are infinite all around, and the phase that says that it has arrived has not."""
        with np.errstate(all="ignore"):
            found = anneal(zeros(fleet), moments(fleet), how=Annealing(budget=20_000, discounted=False))
        assert found.reached.all()
        assert np.isinf(fleet.costs(found.gains)).all()
        assert found.rollouts <= 20_000


def test_a_server_counts_a_round_per_stage(fleet: Fleet) -> None:
    server = Server(fleet.N)
    found = anneal(zeros(fleet), moments(fleet), server)
    assert server.traffic.rounds == len(found.stages)
    assert server.traffic.messages_up == server.traffic.messages_down == fleet.N * len(found.stages)


class TestRefusals:
    def test_an_oracle_of_one_discount(self) -> None:
        oracle = FunctionOracle([bowl(np.zeros((1, 2)), 1.0, np.eye(2))], (1, 2))
        with pytest.raises(
            PcpoError, match="annealing: found a FunctionOracle, expected an oracle whose questions may"
        ):
            anneal(np.zeros((1, 1, 2)), oracle)

    def test_a_gain_whose_cost_is_infinite_at_every_discount(self, fleet: Fleet) -> None:
        gains = zeros(fleet)
        gains[1] = 1e9
        with pytest.raises(ConfigError, match=r"first gain of agent 1: found costs that grow .* from every discount"):
            anneal(gains, moments(fleet))

    def test_negative_costs(self) -> None:
        fleet = unstable(2)

        class Rewarding(Pendulum):
            def step(self, x: FloatArray, u: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
                return x, np.full(len(x), -1.0)

        oracle = PlantOracle(fleet, lambda fleet, agent: Rewarding(), seed=3, horizon=20)
        with pytest.raises(ConfigError, match=r"costs of agent 0: found -.*, expected none below zero"):
            anneal(zeros(fleet), oracle)

    def test_a_budget_below_the_first_stage(self, fleet: Fleet) -> None:
        with pytest.raises(BudgetError, match=r"budget of annealing: found 3,000 .* expected at least"):
            anneal(zeros(fleet), rollouts(fleet), how=Annealing(budget=3000))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"growth": 1.0}, "growth: found 1.0, expected a number between 1 and inf"),
            ({"grid": 1.0}, "grid: found 1.0, expected a number between 0 and 1"),
            ({"costs": 4}, "costs: found 4, expected 16 or more"),
            ({"start": "one"}, "start: found 'one', expected 'zero' or 'initial'"),
        ],
    )
    def test_options_out_of_range(self, options: dict[str, float], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Annealing(**options)  # type: ignore[arg-type]


def test_gains_given_by_the_setting_can_be_the_start(fleet: Fleet) -> None:
    near = 0.9 * fleet.initial_gains
    setting = Setting(near, NoSchedule())  # type: ignore[arg-type]
    oracle = moments(fleet)
    gains = Annealing(start="initial").gains(setting, oracle, Server(fleet.N))
    assert np.isfinite(fleet.costs(gains)).all()
    assert oracle.rollouts > 0
