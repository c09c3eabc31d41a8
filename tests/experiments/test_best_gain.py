"""The best linear gain of a plant, against what is known where the plant is linear, and against a search."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo import CartPole, Pendulum, lqr
from pcpo.errors import ConfigError
from pcpo.experiments.best_gain import SampleCost, best_gain
from pcpo.lqr.cost import hessian_matrix


@pytest.mark.parametrize("plant", [Pendulum(input_cost=0.3), CartPole(dt=0.05, input_cost=0.05)])
def test_where_the_plant_is_linear_the_best_gain_is_that_of_the_riccati_equation(plant: Pendulum | CartPole) -> None:
    system = plant.linearised(0.8)
    optimum = lqr.riccati(system)
    found = best_gain(SampleCost(plant, 0.8, 60, 16_384, 1), 1.05 * optimum.K)
    gap = lqr.suboptimality_gap(system, found.gain)
    assert 0 < gap < 6 * found.gap_error
    assert found.gap_error < 1e-3 * optimum.cost
    assert abs(found.cost - optimum.cost) < 4 * found.error + found.gap_error
    exact = hessian_matrix(system, optimum.K[None])[0]
    assert np.abs(found.hessian - exact).max() < 0.15 * np.abs(exact).max()


def test_the_gap_that_the_choice_of_paths_leaves_is_as_stated() -> None:
    """Mean of 24 gaps over the mean of what is stated: χ² of 48 degrees of freedom over 48, four standard errors."""
    plant = Pendulum(input_cost=0.3)
    system = plant.linearised(0.8)
    start = lqr.riccati(system).K
    found = [best_gain(SampleCost(plant, 0.8, 60, 1024, seed), start) for seed in range(24)]
    ratio = np.mean([lqr.suboptimality_gap(system, one.gain) for one in found]) / np.mean(
        [one.gap_error for one in found]
    )
    assert abs(ratio - 1) < 4 * np.sqrt(2 / 48)


def test_no_gain_nearby_is_better_on_a_nonlinear_plant() -> None:
    plant = Pendulum(noise=0.3, limit=25.0, input_cost=0.3)
    cost, start = SampleCost(plant, 0.8, 42, 4096, 2), lqr.riccati(plant.linearised(0.8)).K
    found = best_gain(cost, start)
    size = np.sqrt(2 * found.cost / np.diag(found.hessian))
    around = found.gain + 0.1 * size * np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 2), axis=-1).reshape(-1, 1, 2)
    values = cost(around)
    assert values.min() >= found.cost * (1 - 1e-5)
    assert values.max() > found.cost * 1.005
    assert cost(start[None])[0] > found.cost * 1.01, "the gain of the linearised plant is not the best one"


def test_bad_starts_are_named() -> None:
    cost = SampleCost(Pendulum(), 0.8, 42, 64, 1)
    with pytest.raises(ConfigError, match=r"^start: found a gain of infinite cost, expected one of finite cost$"):
        best_gain(cost, np.full((1, 2), 1e200))
    with pytest.raises(ConfigError, match=r"^gains: found shape \(2, 2\), expected \(k, 1, 2\)$"):
        cost(np.zeros((2, 2)))
