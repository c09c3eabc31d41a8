"""Plants that are the fleet's own linear systems: cost and gradient as computed, and a law like the engine's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from support.judging import LEVEL, TWO, consistent, gain_near, mean_p_value, simulated_costs, z_score
from support.linear_plants import linear_environment, linear_plant

from pcpo import lqr
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.plant import PlantFactory, PlantOracle
from pcpo.oracles.protocol import Estimator
from pcpo.simulation.noise import Purpose, noise_law, stream

pytestmark = pytest.mark.statistical

HORIZON = 25
K = gain_near(TWO, 0.2)


def fleet_of(system: LinearSystem) -> Fleet:
    return Fleet("one", (system,), np.zeros(1, dtype=np.int64), K[None])


def with_gamma(gamma: float) -> LinearSystem:
    return LinearSystem(TWO.A, TWO.B, TWO.Q, TWO.R, gamma)


def costs(make: PlantFactory, system: LinearSystem, count: int, seed: int = 70) -> np.ndarray:
    """Independent costs ``(count,)`` of single rollouts; a question has only their mean."""
    oracle = PlantOracle(fleet_of(system), make, seed=seed, horizon=HORIZON)
    found, lost = oracle._rollouts(oracle._plants[0], np.broadcast_to(K, (count, *K.shape)), stream(seed, 1))
    assert lost == 0
    return found.ravel()[:count]


@pytest.mark.parametrize(("make", "count"), [(linear_plant, 20_000), (linear_environment, 300)])
def test_costs(make: PlantFactory, count: int) -> None:
    """Mean C_h(K); not with another discount, nor with stages that are discounted once too often."""
    found = costs(make, TWO, count)
    exact = lqr.truncated_cost(TWO, K, HORIZON)
    assert consistent(z_score(found, exact))
    assert not consistent(z_score(costs(make, with_gamma(0.9), count), exact))
    assert not consistent(z_score(found, exact / TWO.gamma))


def test_a_question_has_the_mean_of_single_costs() -> None:
    """From the same streams, chunk by chunk; not from those of another purpose."""
    oracle = PlantOracle(fleet_of(TWO), linear_plant, seed=73, horizon=HORIZON)
    asked = oracle.costs(K[None], 300, purpose=Purpose.COST, epoch=1).values[0]
    same, other = (
        oracle._rollouts(oracle._plants[0], np.broadcast_to(K, (300, *K.shape)), stream(73, purpose, 1, 0, 1))[0].sum()
        for purpose in (Purpose.COST, Purpose.LOCAL)
    )
    assert asked == pytest.approx(same / 300, rel=1e-12)
    assert asked != pytest.approx(other / 300, rel=1e-3)


def test_costs_have_the_law_of_the_engine() -> None:
    """Two samples of single rollouts, Kolmogorov-Smirnov; another law of the noise is told apart."""
    drawn = {"horizon": HORIZON, "rollouts": 20_000, "seed": 71}
    engine, other = (simulated_costs(TWO, K, noise_law(law), **drawn)[0] for law in ("signs", "cube"))
    found = costs(linear_plant, TWO, 20_000)
    assert stats.ks_2samp(found, engine).pvalue > LEVEL
    assert stats.ks_2samp(found, other).pvalue < LEVEL


@pytest.mark.parametrize("estimator", ["one_point", "two_point"])
@pytest.mark.parametrize("centred", [False, True])
def test_mean_is_the_gradient_of_the_smoothed_cost(estimator: Estimator, centred: bool) -> None:
    """E g = ∇C_r at the same horizon, with a baseline or not; not without the factor D, nor the negative."""
    r, baseline = 0.3, np.array([lqr.truncated_cost(TWO, K, HORIZON)]) if centred else None
    oracle = PlantOracle(fleet_of(TWO), linear_plant, seed=72, horizon=HORIZON)
    g = np.stack([
        oracle.gradients(
            K[None], 500, np.array([r]), purpose=Purpose.LOCAL, epoch=1, estimator=estimator, baseline=baseline
        ).values[0].ravel()
        for _ in range(200)
    ])  # fmt: skip
    exact = lqr.smoothed_gradient(TWO, K, r, horizon=HORIZON)
    assert mean_p_value(g, exact.value.ravel()) > LEVEL
    for wrong in (exact.value / TWO.D, -exact.value):
        assert mean_p_value(g, wrong.ravel()) < LEVEL
