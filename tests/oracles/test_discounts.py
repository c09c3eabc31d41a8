"""Questions that carry discounts: every oracle answers with the cost and gradient of the system with that discount."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.linear_plants import linear_environment, linear_plant
from support.small_fleets import three_clusters

from pcpo import lqr
from pcpo.errors import PcpoError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.auto import AutoOracle
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.plant import PlantOracle
from pcpo.oracles.protocol import Estimates, Estimator
from pcpo.oracles.rollout import ExactOracle, LedgerOracle, RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law, stream

SIGNS = noise_law("signs")
HORIZON, RADIUS = 60, 0.1
Make = Callable[[Fleet], LedgerOracle]
SAMPLED: dict[str, Make] = {
    "rollouts": lambda fleet: RolloutOracle(fleet, seed=4, horizon=HORIZON, law=SIGNS),
    "auto": lambda fleet: AutoOracle(fleet, seed=4, horizon=HORIZON, law=SIGNS, thresholds=()),
    "moments": lambda fleet: MomentOracle(fleet, seed=4, law=SIGNS),
    "truncated moments": lambda fleet: MomentOracle(fleet, seed=4, law=SIGNS, horizon=HORIZON),
    "plant": lambda fleet: PlantOracle(fleet, linear_plant, seed=4, horizon=HORIZON),
}
MAKERS: dict[str, Make] = {**SAMPLED, "exact": ExactOracle}


def fleet_of(n: int, m: int) -> Fleet:
    """Three agents of two systems, halfway to their optimal gains."""
    rng = stream(n, Purpose.FLEET, m)
    made = []
    for _ in range(2):
        A = rng.standard_normal((n, n))
        A *= 0.95 / np.abs(np.linalg.eigvals(A)).max()
        made.append(LinearSystem(A, rng.standard_normal((n, m)), np.eye(n), np.eye(m), 0.85))
    gains = np.stack([0.5 * lqr.riccati(made[j]).K for j in (0, 0, 1)])
    return Fleet("discounts", tuple(made), np.array([0, 0, 1]), gains)


def systems(fleet: Fleet, discounts: np.ndarray) -> list[LinearSystem]:
    return [replace(fleet.system_of(i), gamma=float(g)) for i, g in enumerate(discounts)]


def costs_and_gradients(
    make: Make, fleet: Fleet, M: int, discounts: np.ndarray | None, estimator: Estimator = "two_point"
) -> tuple[Estimates, Estimates]:
    oracle, K = make(fleet), fleet.initial_gains
    g = oracle.gradients(
        K, M, np.full(fleet.N, RADIUS), purpose=Purpose.LOCAL, epoch=1, estimator=estimator, discounts=discounts
    )
    return oracle.costs(K, M, purpose=Purpose.COST, epoch=1, discounts=discounts), g


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (4, 2)])
@pytest.mark.parametrize("name", SAMPLED)
def test_the_mean_answer_is_the_closed_form_at_the_discount(name: str, n: int, m: int) -> None:
    """Within 4.5 standard errors; the controls, cost and gradient at γ itself, are far outside."""
    fleet, discounts, M = fleet_of(n, m), np.array([0.3, 0.55, 0.7]), 40_000
    costs, gradients = costs_and_gradients(SAMPLED[name], fleet, M, discounts)
    own = lqr.cost_array(fleet.stacked, fleet.initial_gains)
    for i, system in enumerate(systems(fleet, discounts)):
        K = fleet.initial_gains[i]
        cost, variance = lqr.cost(system, K), lqr.rollout_variance(system, K, SIGNS)
        assert abs(costs.values[i] - cost) < 4.5 * np.sqrt(variance / M)
        assert abs(costs.values[i] - own[i]) > 20 * np.sqrt(variance / M)
        expected = lqr.smoothed_gradient(system, K, RADIUS, rng=stream(1, 1)).value
        # Of a pair: (D²/r²) E w², where w² is half the variance of a rollout and the square of the slope along U.
        square = system.D**2 * (0.5 * variance / RADIUS**2 + np.sum(expected**2))
        error = np.sqrt(square / (M / 2))
        wrong = lqr.smoothed_gradient(fleet.system_of(i), K, RADIUS, rng=stream(1, 1)).value
        assert np.linalg.norm(gradients.values[i] - expected) < 4.5 * error
        assert np.linalg.norm(gradients.values[i] - wrong) > 15 * error


@pytest.mark.parametrize(
    ("n", "m", "horizon"), [(1, 1, None), (2, 1, None), (3, 2, None), (9, 1, None), (1, 1, 120), (2, 1, 120)]
)
@pytest.mark.parametrize("estimator", ["one_point", "two_point"])
def test_moments_without_noise_are_closed_forms(n: int, m: int, horizon: int | None, estimator: Estimator) -> None:
    fleet, discounts = fleet_of(n, m), np.array([0.2, 0.5, 0.8])

    def make(fleet: Fleet) -> LedgerOracle:
        return MomentOracle(fleet, seed=4, law=SIGNS, horizon=horizon)

    costs, gradients = costs_and_gradients(make, fleet, 10**20, discounts, estimator)
    for i, system in enumerate(systems(fleet, discounts)):
        K = fleet.initial_gains[i]
        assert costs.values[i] == pytest.approx(lqr.cost(system, K), rel=1e-9)
        smooth = lqr.smoothed_gradient(system, K, RADIUS, rng=stream(1, 1)).value
        np.testing.assert_allclose(gradients.values[i], smooth, atol=2e-3 * float(np.linalg.norm(smooth)))


def test_exact_answers_are_closed_forms_and_own_discounts_change_nothing() -> None:
    fleet, discounts = three_clusters(), np.linspace(0.2, 0.9, 7)
    costs, gradients = costs_and_gradients(ExactOracle, fleet, 5, discounts)
    for i, system in enumerate(systems(fleet, discounts)):
        assert costs.values[i] == pytest.approx(lqr.cost(system, fleet.initial_gains[i]), rel=1e-12)
        np.testing.assert_allclose(gradients.values[i], lqr.gradient(system, fleet.initial_gains[i]), rtol=1e-12)


@pytest.mark.parametrize("name", SAMPLED)
@pytest.mark.parametrize("estimator", ["one_point", "two_point"])
def test_the_fleets_own_discount_gives_the_bits_of_a_question_without(name: str, estimator: Estimator) -> None:
    fleet = three_clusters()
    plain = costs_and_gradients(SAMPLED[name], fleet, 130, None, estimator)
    given = costs_and_gradients(SAMPLED[name], fleet, 130, np.full(fleet.N, fleet.gamma), estimator)
    for a, b in zip(plain, given, strict=True):
        assert a.values.tobytes() == b.values.tobytes()
        np.testing.assert_array_equal(a.nonfinite, b.nonfinite)


def test_agents_have_discounts_and_streams_of_their_own() -> None:
    """An answer does not depend on the others' discounts, and later questions go on in the same streams."""
    fleet = three_clusters()
    for make in SAMPLED.values():
        one, other, plain = make(fleet), make(fleet), make(fleet)
        keys = {"purpose": Purpose.COST, "epoch": 1}
        a = one.costs(fleet.initial_gains, 64, discounts=np.linspace(0.2, 0.8, 7), **keys).values
        b = other.costs(fleet.initial_gains, 64, discounts=np.r_[0.2, np.full(6, 0.6)], **keys).values
        assert a[0] == b[0]
        assert (a[[1, 2, 3, 5, 6]] != b[[1, 2, 3, 5, 6]]).all()
        plain.costs(fleet.initial_gains, 64, **keys)
        after = [o.costs(fleet.initial_gains, 64, **keys).values for o in (one, plain)]
        np.testing.assert_array_equal(*after)


def test_environments_are_asked_with_the_discount() -> None:
    fleet = three_clusters()
    discounts = np.full(fleet.N, 0.4)
    single = PlantOracle(fleet, linear_environment, seed=1, horizon=HORIZON)
    found = single.costs(fleet.initial_gains, 80, purpose=Purpose.COST, epoch=1, discounts=discounts).values
    for value, system, K in zip(found, systems(fleet, discounts), fleet.initial_gains, strict=True):
        assert abs(value - lqr.cost(system, K)) < 4.5 * np.sqrt(lqr.rollout_variance(system, K, SIGNS) / 80)


@pytest.mark.parametrize("name", MAKERS)
def test_questions_with_discounts_are_in_the_ledger(name: str) -> None:
    fleet = three_clusters()
    oracle = MAKERS[name](fleet)
    discounts = np.full(fleet.N, 0.5)
    gains = fleet.initial_gains.copy()
    gains[2] = 1e8
    oracle.gradients(gains, 30, np.full(7, 0.1), purpose=Purpose.LOCAL, epoch=1, discounts=discounts)
    oracle.costs(gains, 5, purpose=Purpose.COST, epoch=1, discounts=discounts)
    assert oracle.rollouts == 35
    np.testing.assert_array_equal(oracle.nonfinite, [0, 0, 35, 0, 0, 0, 0])


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("wrong", [np.full(6, 0.5), np.full(7, 1.0), np.full(7, 0.0), np.full(7, np.nan)])
def test_discounts_that_are_none_are_refused(name: str, wrong: np.ndarray) -> None:
    fleet = three_clusters()
    with pytest.raises(PcpoError, match=r"discounts: found .* expected 7 numbers between 0 and 1"):
        MAKERS[name](fleet).costs(fleet.initial_gains, 5, purpose=Purpose.COST, epoch=1, discounts=wrong)


def test_an_oracle_of_one_discount_refuses_others() -> None:
    class Other(ExactOracle):
        def __init__(self, fleet: Fleet) -> None:
            super().__init__(fleet)
            self.discount = None

    fleet = three_clusters()
    with pytest.raises(PcpoError, match="discounts: found a Other, expected an oracle whose questions may carry"):
        Other(fleet).costs(fleet.initial_gains, 5, purpose=Purpose.COST, epoch=1, discounts=np.full(7, 0.5))
