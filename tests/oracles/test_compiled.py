"""Plants with compiled dynamics: pendulums, carts with poles, and dynamics of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pcpo import CartPole, CompiledPlant, Pendulum, Plants, learn, lqr
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.experiments.best_gain import SampleCost
from pcpo.oracles.plant import PlantOracle
from pcpo.simulation.noise import Purpose, stream

PENDULUM: dict[str, Any] = {"mass": 0.7, "length": 1.3, "friction": 0.2, "limit": 4.0, "input_cost": 0.05}
CART: dict[str, Any] = {"mass": 0.8, "pole_mass": 0.2, "length": 0.4, "friction": 0.3, "limit": 9.0, "dt": 0.05}


class Plain:
    """Show the two methods of a compiled plant alone."""

    def __init__(self, plant: CompiledPlant) -> None:
        self.n, self.m = plant.n, plant.m
        self.reset, self.step = plant.reset, plant.step


def _oracle(plant: Any, gains: FloatArray, seed: int = 5) -> PlantOracle:
    plants = Plants([plant, plant], 0.8, gains)
    return PlantOracle(plants, lambda agents, agent: agents.plants[agent], seed=seed, horizon=30)


@pytest.mark.parametrize("plant", [Pendulum(**PENDULUM, noise=0.3), CartPole(**CART, noise=0.2), Pendulum(**PENDULUM)])
@pytest.mark.parametrize("estimator", ["one_point", "two_point"])
def test_the_kernel_and_the_plain_path_agree(plant: Any, estimator: Any) -> None:
    gain = lqr.riccati(plant.linearised(0.8)).K
    gains, radii = np.stack([gain, 0.9 * gain]), np.array([0.3, 0.2])
    answers = []
    for one in (plant, Plain(plant)):
        oracle = _oracle(one, gain)
        slope = oracle.gradients(gains, 330, radii, purpose=Purpose.LOCAL, epoch=1, estimator=estimator)
        costs = [oracle.costs(gains, size, purpose=Purpose.COST, epoch=1).values for size in (4161, 7)]
        answers.append((slope.values, *costs))
    for fast, plain in zip(*answers, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-9)
    again = _oracle(plant, gain).gradients(gains, 330, radii, purpose=Purpose.LOCAL, epoch=1, estimator=estimator)
    assert (again.values == answers[0][0]).all(), "the same seed, the same bits"
    other = _oracle(plant, gain, 6).costs(gains, 7, purpose=Purpose.COST, epoch=1).values
    assert (other != answers[0][2]).all()


def test_a_pendulum_is_its_equation() -> None:
    s, dt, g = 0.4, 0.1, 9.81
    plant = Pendulum(**PENDULUM, noise=s, state_cost=(2.0, 3.0))
    rng = np.random.default_rng(1)
    x, u = 4 * rng.standard_normal((200, 2)), 30 * rng.standard_normal((200, 1))
    m, length, b = PENDULUM["mass"], PENDULUM["length"], PENDULUM["friction"]
    torque = np.clip(s * u[:, 0], -4.0, 4.0)
    assert 20 < (np.abs(s * u[:, 0]) > 4).sum() < 180
    inertia = m * length**2
    theta, speed = s * x.T
    speed = speed + dt * (m * g * length * np.sin(theta) - b * speed + torque) / inertia
    after = np.stack([theta + dt * speed, speed], axis=1) / s
    found, costs = plant._at(x, u)
    np.testing.assert_allclose(found, after, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(costs, 2 * x[:, 0] ** 2 + 3 * x[:, 1] ** 2 + 0.05 * u[:, 0] ** 2, rtol=1e-12)
    stepped, same = plant.step(x, u, stream(1, 0))
    assert (same == costs).all()
    np.testing.assert_allclose(np.abs(stepped - found), 1.0, rtol=1e-12)


def test_a_cart_with_a_pole_is_its_equation() -> None:
    s, dt, g = 0.3, 0.05, 9.81
    plant = CartPole(**CART, noise=s, pole_friction=0.25, state_cost=(1.0, 2.0, 3.0, 4.0), input_cost=0.5)
    rng = np.random.default_rng(2)
    x, u = 3 * rng.standard_normal((200, 4)), 40 * rng.standard_normal((200, 1))
    cart, pole, half = CART["mass"], CART["pole_mass"], CART["length"]
    place, speed, theta, spin = s * x.T
    force = np.clip(s * u[:, 0], -9.0, 9.0)
    total = cart + pole
    push = (force - 0.3 * speed + pole * half * spin**2 * np.sin(theta)) / total
    turn = (g * np.sin(theta) - np.cos(theta) * push - 0.25 * spin) / (
        half * (4 / 3 - pole * np.cos(theta) ** 2 / total)
    )
    speed_after = speed + dt * (push - pole * half * turn * np.cos(theta) / total)
    spin_after = spin + dt * turn
    after = np.stack([place + dt * speed_after, speed_after, theta + dt * spin_after, spin_after], axis=1) / s
    found, costs = plant._at(x, u)
    np.testing.assert_allclose(found, after, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(costs, x**2 @ [1.0, 2.0, 3.0, 4.0] + 0.5 * u[:, 0] ** 2, rtol=1e-12)


@pytest.mark.parametrize(("make", "numbers"), [(Pendulum, PENDULUM), (CartPole, CART)])
def test_the_linearised_plant_is_the_derivative_and_the_limit(make: Any, numbers: dict[str, Any]) -> None:
    system = make(**numbers).linearised(0.8)
    n, e = system.n, 1e-6
    x = np.concatenate([e * np.eye(n), -e * np.eye(n), np.zeros((2, n))])
    u = np.concatenate([np.zeros((2 * n, 1)), [[e], [-e]]])
    after = make(**numbers, noise=1.0)._at(x, u)[0]
    np.testing.assert_allclose((after[:n] - after[n : 2 * n]).T / (2 * e), system.A, atol=1e-8)
    np.testing.assert_allclose((after[-2] - after[-1])[:, None] / (2 * e), system.B, atol=1e-8)
    rng = np.random.default_rng(3)
    x, u = 50 * rng.standard_normal((20, n)), 500 * rng.standard_normal((20, 1))
    after = make(**numbers)._at(x, u)[0]
    np.testing.assert_allclose(after, x @ system.A.T + u @ system.B.T, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("plant", [Pendulum(**PENDULUM), CartPole(**CART)])
def test_costs_without_nonlinearity_are_those_of_the_linear_system(plant: Any) -> None:
    system, paths = plant.linearised(0.8), 32_768
    gain = lqr.riccati(system).K
    means, spread = SampleCost(plant, 0.8, 30, paths, 4).moments(gain[None], np.eye(1))
    assert abs(means[0] - lqr.truncated_cost(system, gain, 30)) < 4 * np.sqrt(spread[0, 0] / paths)


def _cubic(x, u, p, after, costs):  # type: ignore[no-untyped-def]
    for k in range(x.shape[1]):
        after[0, k] = p[0] * x[0, k] - 0.01 * x[0, k] ** 3 + u[0, k]
        costs[k] = x[0, k] ** 2 + u[0, k] ** 2


def test_learning_on_dynamics_of_ones_own() -> None:
    plants = [CompiledPlant(1, 1, _cubic, [a], noise=0.3) for a in (0.5, 0.5, 0.9, 0.9)]
    found = learn(Plants(plants, 0.7), budget=20_000, seed=1)
    assert [sorted(cluster) for cluster in found.clusters] == [[0, 1], [2, 3]]


def _broken(x, u, p, after, costs):  # type: ignore[no-untyped-def]
    for k in range(x.shape[1]):
        after[0, k] = x[0, k]
        costs[k] = np.sqrt(x[0, k])


def _text(x, u, p, after, costs):  # type: ignore[no-untyped-def]
    after[0, 0] = "one"


def test_nan_at_an_ordinary_state_is_refused() -> None:
    oracle = _oracle(CompiledPlant(1, 1, _broken), np.zeros((1, 1)))
    with pytest.raises(
        ConfigError, match=r"plant: CompiledPlant of agent 0, step: found NaN as the stage cost at \[-1"
    ):
        oracle.costs(np.zeros((2, 1, 1)), 10, purpose=Purpose.COST, epoch=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pendulum(mass=0), "mass: found 0, expected a number above 0"),
        (lambda: Pendulum(noise=-1.0), "noise: found -1.0, expected a number, 0 or more"),
        (lambda: Pendulum(state_cost=(1.0, -1.0)), "state_cost: found (1.0, -1.0), expected 2 numbers, 0 or more"),
        (lambda: CartPole(limit=float("inf")), "limit: found inf, expected a number above 0"),
        (lambda: CompiledPlant(0, 1, _cubic), "n: found 0, expected a whole number, 1 or more"),
        (lambda: CompiledPlant(1, 1, "f"), "dynamics: found a str, expected a function"),  # type: ignore[arg-type]
        (lambda: CompiledPlant(1, 1, _cubic, [np.nan]), "parameters: found nan, expected finite numbers"),
        (lambda: CompiledPlant(1, 1, _cubic, [1.0], noise=-2.0), "noise: found -2, expected 0 or more"),
        (lambda: CompiledPlant(1, 1, _cubic, [np.inf]), "parameters: found inf, expected finite numbers"),
    ],
)
def test_bad_numbers_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == message


def test_dynamics_that_do_not_compile_are_named() -> None:
    with pytest.raises(ConfigError, match=r"^dynamics: found that they cannot be compiled: "):
        CompiledPlant(1, 1, _text)
