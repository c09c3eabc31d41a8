"""A cross term 2xᵀNu of the stage cost: every exact quantity, rollouts and estimates, in the user's own gains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from pcpo import lqr
from pcpo.algorithms.baselines.least_squares import certainty_equivalent
from pcpo.algorithms.protocol import Setting
from pcpo.errors import ConfigError
from pcpo.experiments.experiment import side_information
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.random import with_optimal_cost
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.protocol import Question
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.estimators import cost_estimate, gradient_estimate, rollout_costs
from pcpo.simulation.noise import Purpose, Signs, Sphere, stream
from pcpo.theory.printed import scalar_constants
from pcpo.theory.printed.restricted_set import cluster_constants

SHAPES = [(1, 1), (2, 1), (2, 2), (3, 2), (13, 1)]


def crossed(seed: int, n: int, m: int, gamma: float = 0.85) -> LinearSystem:
    """Make a system of stage cost [x; u]ᵀ W [x; u]; if n > 1, W and Q − N R⁻¹ Nᵀ are singular."""
    rng = np.random.default_rng([seed, n, m])
    A = rng.standard_normal((n, n))
    A *= rng.uniform(0.5, 1.0) / np.abs(np.linalg.eigvals(A)).max()
    F = rng.standard_normal((n + m, n + m - (n > 1)))
    W = F @ F.T
    return LinearSystem(A, rng.standard_normal((n, m)), W[:n, :n], W[n:, n:], gamma, W[:n, n:])


def near(system: LinearSystem, seed: int) -> np.ndarray:
    """Draw a gain of finite cost near K*."""
    best = lqr.riccati(system)
    offset = 0.3 * np.random.default_rng(seed).standard_normal(best.K.shape)
    while lqr.cost(system, best.K + offset) > 3.0 * best.cost + 1.0:
        offset *= 0.5
    return best.K + offset


def brute_force(system: LinearSystem, gains: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Costs of rollouts, step by step: gains (k, m, n), noise (k, T, n)."""
    x, total = np.zeros((len(noise), system.n)), np.zeros(len(noise))
    for t in range(noise.shape[1]):
        u = -np.einsum("kij,kj->ki", gains, x)
        stage = np.einsum("ki,ij,kj->k", x, system.Q, x) + np.einsum("ki,ij,kj->k", u, system.R, u)
        total += system.gamma**t * (stage + 2.0 * np.einsum("ki,ij,kj->k", x, system.N, u))
        x = x @ system.A.T + u @ system.B.T + noise[:, t]
    return total


def check_optimum(system: LinearSystem) -> None:
    """Compare with SciPy, which takes N as `s`."""
    root = np.sqrt(system.gamma)
    P = solve_discrete_are(root * system.A, root * system.B, system.Q, system.R, s=system.N)
    BtP = system.gamma * system.B.T @ P
    K = np.linalg.solve(system.R + BtP @ system.B, BtP @ system.A + system.N.T)
    best = lqr.riccati(system)
    np.testing.assert_allclose(best.P, P, atol=1e-8 * np.linalg.norm(P))
    np.testing.assert_allclose(best.K, K, atol=1e-8 * (1 + np.linalg.norm(K)))
    assert best.cost == pytest.approx(lqr.cost(system, best.K), rel=1e-11)
    assert np.linalg.norm(lqr.gradient(system, best.K)) <= 1e-9 * (1.0 + best.cost)


@pytest.mark.parametrize(("n", "m"), SHAPES)
@pytest.mark.parametrize("seed", range(3))
class TestExact:
    def test_optimum_agrees_with_scipy(self, seed: int, n: int, m: int) -> None:
        check_optimum(crossed(seed, n, m))

    def test_derivatives_by_central_differences(self, seed: int, n: int, m: int) -> None:
        system = crossed(seed, n, m)
        K, h = near(system, seed), 1e-5
        steps = h * np.eye(m * n).reshape(-1, m, n)
        slope = (lqr.cost_array(system, K + steps) - lqr.cost_array(system, K - steps)) / (2 * h)
        exact = lqr.gradient(system, K)
        np.testing.assert_allclose(exact.ravel(), slope, atol=1e-5 * (1 + np.linalg.norm(exact)))
        bend = (lqr.gradient(system, K + steps) - lqr.gradient(system, K - steps)).reshape(m * n, m * n) / (2 * h)
        H = lqr.hessian_at(system, K)
        np.testing.assert_allclose(H, bend, atol=1e-5 * np.linalg.norm(H))

    def test_gaps_and_the_standard_form(self, seed: int, n: int, m: int) -> None:
        system = crossed(seed, n, m)
        K = near(system, seed)
        shifted, standard = K - system.shift, system.standard
        assert not standard.crossed
        cost = lqr.cost(system, K)
        assert lqr.suboptimality_gap(system, K) == pytest.approx(
            cost - lqr.riccati(system).cost, abs=1e-10 * (1 + cost)
        )
        for function in (lqr.cost, lqr.spectral_radius, lqr.suboptimality_gap):
            assert function(system, K) == pytest.approx(function(standard, shifted), rel=1e-9, abs=1e-12)
        assert lqr.truncation_bias(system, K, 9) == pytest.approx(lqr.truncation_bias(standard, shifted, 9), rel=1e-9)
        variance = lqr.rollout_variance(system, K, Sphere())
        assert variance == pytest.approx(lqr.rollout_variance(standard, shifted, Sphere()), rel=1e-9, abs=1e-12)

    def test_rollouts_agree_with_brute_force(self, seed: int, n: int, m: int) -> None:
        system, horizon, rng = crossed(seed, n, m), 30, np.random.default_rng(seed)
        K, noise = near(system, seed), Signs().draw(rng, 2, horizon - 1, n)
        U = rng.standard_normal((2, m * n, 64))
        costs, saturated = rollout_costs(system, K, noise, directions=U, radius=0.01)
        gains = K + 0.01 * U.swapaxes(1, 2).reshape(-1, m, n)
        steps = Signs().reals(noise, n).swapaxes(2, 3).swapaxes(1, 2).reshape(-1, horizon - 1, n)
        steps = np.concatenate([steps, np.zeros_like(steps[:, :1])], axis=1)
        np.testing.assert_allclose(costs.ravel(), brute_force(system, gains, steps), rtol=1e-9, atol=1e-9)
        assert saturated == 0


def test_estimates_have_the_right_means() -> None:
    system, law, M, radius = crossed(1, 2, 1), Signs(), 40_000, 0.2
    K = near(system, 1)
    exact = lqr.estimator_moments(system, K, radius, law)
    one = gradient_estimate(
        system, K, radius, M, horizon=200, law=law, directions=stream(1, 0), noise=stream(1, 1)
    ).value.ravel()
    assert np.all(np.abs(one - exact.mean.ravel()) < 4 * np.sqrt(np.diag(exact.covariance) / M))
    cost = cost_estimate(system, K, M, horizon=200, law=law, noise=stream(1, 2)).value
    assert abs(cost - lqr.cost(system, K)) < 4 * np.sqrt(lqr.rollout_variance(system, K, law) / M)


def fleet() -> Fleet:
    """Two clusters with different cross terms, and one without."""
    systems = (crossed(1, 2, 1), crossed(2, 2, 1), replace(crossed(3, 2, 1), N=np.zeros((2, 1))))
    labels = [0, 1, 2, 0]
    return Fleet("crossed", systems, labels, np.stack([near(systems[j], 7) for j in labels]))


@pytest.mark.parametrize("horizon", [None, 40])
def test_the_moment_oracle_answers_in_the_users_gains(horizon: int | None) -> None:
    f, M, radii = fleet(), 10**14, np.full(4, 0.05)
    oracle = MomentOracle(f, seed=3, law=Signs(), horizon=horizon)
    question = Question(f.initial_gains, M, radii, Purpose.LOCAL, 1, "one_point", None)
    answers = oracle._gradients(question).values
    for i in range(4):
        expected = lqr.smoothed_gradient(f.system_of(i), f.initial_gains[i], 0.05, horizon=horizon).value
        np.testing.assert_allclose(answers[i], expected, atol=1e-4 * np.linalg.norm(expected) + 1e-4)
    costs = oracle._costs(f.initial_gains, M, Purpose.COST, 1).values
    exact = [
        lqr.cost(f.system_of(i), K) if horizon is None else lqr.truncated_cost(f.system_of(i), K, horizon)
        for i, K in enumerate(f.initial_gains)
    ]
    np.testing.assert_allclose(costs, exact, rtol=1e-5)
    found = oracle.iterate(f.initial_gains, 400, 0.002, M, radii, purpose=Purpose.LOCAL, epoch=2)
    assert np.all(f.gaps(found) < f.gaps(f.initial_gains))


def test_rollout_oracle_and_certainty_equivalence() -> None:
    f = fleet()
    oracle = RolloutOracle(f, seed=3, law=Signs(), horizon=60)
    values = oracle._costs(f.initial_gains, 20_000, Purpose.COST, 1).values
    for i, K in enumerate(f.initial_gains):
        spread = np.sqrt(lqr.rollout_variance(f.system_of(i), K, Signs()) / 20_000)
        assert abs(values[i] - lqr.truncated_cost(f.system_of(i), K, 60)) < 4.5 * spread
    models = np.concatenate([f.stacked.A, f.stacked.B], axis=2)
    gains = certainty_equivalent(models, Setting(f.initial_gains, None, side_information(f)))  # type: ignore[arg-type]
    np.testing.assert_allclose(gains, f.optimal_gains[f.labels], rtol=1e-12)


def test_fleet_costs_and_gaps_are_those_of_single_systems() -> None:
    f = fleet()
    np.testing.assert_allclose(
        f.costs(f.initial_gains), [lqr.cost(f.system_of(i), f.initial_gains[i]) for i in range(4)]
    )
    gaps = [lqr.suboptimality_gap(f.system_of(i), f.initial_gains[i]) for i in range(4)]
    np.testing.assert_allclose(f.gaps(f.initial_gains), gaps, rtol=1e-10)


def test_constants_of_sets_are_those_of_the_standard_form() -> None:
    W = np.array([[2.0, 0.5, 0.3], [0.5, 1.5, -0.2], [0.3, -0.2, 1.0]])
    system = LinearSystem([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], W[:2, :2], W[2:, 2:], 0.8, W[:2, 2:])
    certified, sampled = (
        cluster_constants(system, 0.5, Signs(), enlargement=12.0, method=method) for method in ("certified", "sampled")
    )
    assert sampled.lipschitz.value <= certified.lipschitz.value
    assert sampled.rollout_bound.value <= certified.rollout_bound.value
    scalar = LinearSystem([[0.9]], [[1.0]], [[1.0]], [[1.0]], 0.9, [[0.5]])
    exact = cluster_constants(scalar, 0.5, Signs(), enlargement=12.0)
    assert exact.pl.value == cluster_constants(scalar.standard, 0.5, Signs(), enlargement=12.0).pl.value
    with pytest.raises(ConfigError, match=r"N: found 0\.5, expected no cross term"):
        scalar_constants.finite_cost_interval(scalar)


def test_rescaling_keeps_the_cross_term_in_proportion() -> None:
    system = with_optimal_cost(crossed(1, 2, 1), 20.0)
    assert lqr.riccati(system).cost == pytest.approx(20.0, rel=1e-12)
    np.testing.assert_allclose(lqr.riccati(system).K, lqr.riccati(crossed(1, 2, 1)).K, rtol=1e-9)


def test_zeros_are_no_cross_term_and_change_no_bit() -> None:
    plain = replace(crossed(1, 3, 2), N=np.zeros((0, 0)))
    zero = replace(plain, N=-np.zeros((3, 2)))
    assert not zero.crossed
    assert zero.N.tobytes() == np.zeros((3, 2)).tobytes()
    assert zero.standard is zero
    K = near(plain, 0)
    assert lqr.riccati(plain).K.tobytes() == lqr.riccati(zero).K.tobytes()
    assert lqr.gradient(plain, K).tobytes() == lqr.gradient(zero, K).tobytes()
