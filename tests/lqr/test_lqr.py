"""Exact quantities against certificates, finite differences and brute force; bounds hold and are not vacuous."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_discrete_lyapunov
from scipy.special import roots_jacobi

from pcpo import lqr
from pcpo.errors import FleetError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.lqr.cost import solve_stein
from pcpo.simulation.noise import NOISE_LAWS, Cube, NoiseLaw, Signs, Sphere

SHAPES = [(1, 1), (2, 1), (2, 2), (3, 2), (4, 3)]
SMALL = [(1, 1), (2, 1), (3, 1), (2, 2)]


def random_system(seed: int, n: int, m: int, gamma: float = 0.85) -> LinearSystem:
    rng = np.random.default_rng([seed, n, m])
    A = rng.standard_normal((n, n))
    A *= rng.uniform(0.5, 1.3) / np.abs(np.linalg.eigvals(A)).max()
    X, Y = rng.standard_normal((n, n)), rng.standard_normal((m, m))
    return LinearSystem(A, rng.standard_normal((n, m)), X @ X.T + np.eye(n), Y @ Y.T + np.eye(m), gamma)


def random_gain(system: LinearSystem, seed: int, size: float = 1.0) -> np.ndarray:
    """A gain of finite cost near K*: the offset is halved until C(K) ≤ 3 C*."""
    offset = size * np.random.default_rng([seed, 7]).standard_normal((system.m, system.n))
    best = lqr.riccati(system)
    while lqr.cost(system, best.K + offset) > 3.0 * best.cost:
        offset *= 0.5
    return best.K + offset


def simulate(system: LinearSystem, gains: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Costs of rollouts, step by step: gains (k, m, n), noise (k, T, n)."""
    x, total = np.zeros((len(noise), system.n)), np.zeros(len(noise))
    for t in range(noise.shape[1]):
        u = -np.einsum("kij,kj->ki", gains, x)
        stage = np.einsum("ki,ij,kj->k", x, system.Q, x) + np.einsum("ki,ij,kj->k", u, system.R, u)
        total += system.gamma**t * stage
        x = x @ system.A.T + u @ system.B.T + noise[:, t]
    return total


def quadratic_form(system: LinearSystem, gain: np.ndarray, horizon: int) -> np.ndarray:
    """M with C_h(K;Z) = zᵀMz, z the stacked noise (z_0, …, z_{h-1})."""
    n = system.n
    response, M = np.zeros((n, n * horizon)), np.zeros((n * horizon, n * horizon))
    for t in range(horizon):
        M += system.gamma**t * response.T @ lqr.stage_weight(system, gain) @ response
        response = lqr.closed_loop(system, gain) @ response
        response[:, n * t : n * (t + 1)] += np.eye(n)
    return M


@pytest.mark.parametrize(("n", "m"), SHAPES)
@pytest.mark.parametrize("seed", range(3))
class TestCertificates:
    def test_riccati_equation_and_optimality(self, seed: int, n: int, m: int) -> None:
        system = random_system(seed, n, m)
        best, g = lqr.riccati(system), system.gamma
        BPA = g * system.B.T @ best.P @ system.A
        G = system.R + g * system.B.T @ best.P @ system.B
        right = system.Q + g * system.A.T @ best.P @ system.A - BPA.T @ np.linalg.solve(G, BPA)
        assert np.linalg.norm(right - best.P) <= 1e-12 * np.linalg.norm(best.P)
        assert best.residual <= 1e-12
        assert best.cost == pytest.approx(lqr.cost(system, best.K), rel=1e-13)
        assert lqr.cost(system, random_gain(system, seed)) > best.cost
        assert np.linalg.norm(lqr.gradient(system, best.K)) <= 1e-11 * best.cost

    def test_lyapunov_equations_and_dual_cost(self, seed: int, n: int, m: int) -> None:
        system = random_system(seed, n, m)
        K = random_gain(system, seed)
        A_K, W, g = lqr.closed_loop(system, K), lqr.stage_weight(system, K), system.gamma
        P, S = lqr.value_matrix(system, K), lqr.state_gramian(system, K)
        assert np.linalg.norm(W + g * A_K.T @ P @ A_K - P) <= 1e-13 * np.linalg.norm(P)
        assert np.linalg.norm(np.eye(n) + g * A_K @ S @ A_K.T - S) <= 1e-13 * np.linalg.norm(S)
        assert g / (1 - g) * np.trace(W @ S) == pytest.approx(lqr.cost(system, K), rel=1e-12)

    def test_gradient_by_central_differences(self, seed: int, n: int, m: int) -> None:
        system = random_system(seed, n, m)
        K, h = random_gain(system, seed), 1e-5
        steps = h * np.eye(m * n).reshape(-1, m, n)
        numeric = (lqr.cost_array(system, K + steps) - lqr.cost_array(system, K - steps)) / (2 * h)
        exact = lqr.gradient(system, K)
        assert np.linalg.norm(exact) > 1e-3
        np.testing.assert_allclose(exact.ravel(), numeric, atol=1e-6 * np.linalg.norm(exact))

    def test_hessian_by_central_differences_of_the_gradient(self, seed: int, n: int, m: int) -> None:
        system = random_system(seed, n, m)
        K, h = random_gain(system, seed), 1e-5
        steps = h * np.eye(m * n).reshape(-1, m, n)
        numeric = (lqr.gradient(system, K + steps) - lqr.gradient(system, K - steps)).reshape(m * n, m * n) / (2 * h)
        H = lqr.hessian_at(system, K)
        np.testing.assert_allclose(H, numeric, atol=1e-6 * np.linalg.norm(H))

    def test_hessian_at_the_optimum_is_a_kronecker_product(self, seed: int, n: int, m: int) -> None:
        system = random_system(seed, n, m)
        best, c = lqr.riccati(system), lqr.cost_scale(system.gamma)
        kronecker, H = 2 * c * np.kron(best.G, best.S), lqr.hessian_at(system, best.K)
        np.testing.assert_allclose(H, kronecker, atol=1e-10 * np.linalg.norm(kronecker))
        np.testing.assert_allclose(lqr.hessian_eigenvalues(system), np.linalg.eigvalsh(H), rtol=1e-8)
        elsewhere = lqr.hessian_at(system, random_gain(system, seed))
        assert np.linalg.norm(elsewhere - kronecker) > 1e-3 * np.linalg.norm(kronecker)

    def test_gap_is_the_cost_difference_and_survives_tiny_offsets(self, seed: int, n: int, m: int) -> None:
        system = random_system(seed, n, m)
        best, K = lqr.riccati(system), random_gain(system, seed)
        difference = lqr.cost(system, K) - best.cost
        assert lqr.suboptimality_gap(system, K) == pytest.approx(difference, abs=1e-12 * lqr.cost(system, K))
        d = 1e-8 * (K - best.K).ravel()
        gap = lqr.suboptimality_gap(system, best.K + d.reshape(m, n))
        # K* + d is rounded to the grid of K*, about 1e-16 against |d| of about 1e-8
        assert gap == pytest.approx(0.5 * d @ lqr.hessian_at(system, best.K) @ d, rel=1e-5)

    def test_third_derivative_by_central_differences(self, seed: int, n: int, m: int) -> None:
        system = random_system(seed, n, m)
        K, h = lqr.riccati(system).K, 1e-4
        steps = h * np.eye(m * n).reshape(-1, m, n)
        numeric = [
            (np.trace(lqr.hessian_at(system, K + s)) - np.trace(lqr.hessian_at(system, K - s))) / (2 * h) for s in steps
        ]
        g3 = lqr.hessian_trace_gradient(system)
        np.testing.assert_allclose(g3.ravel(), numeric, atol=1e-4 * np.linalg.norm(g3))


@given(seed=st.integers(0, 10_000), n=st.integers(1, 8), radius=st.floats(0.05, 0.999))
def test_doubling_agrees_with_scipy(seed: int, n: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    M, W = rng.standard_normal((n, n)), rng.standard_normal((n, n))
    M *= radius / np.abs(np.linalg.eigvals(M)).max()
    W = W @ W.T
    X = solve_stein(M, W)
    np.testing.assert_allclose(X, solve_discrete_lyapunov(M.T, W), atol=1e-8 * np.abs(X).max())
    assert np.linalg.norm(W + M.T @ X @ M - X) <= 1e-10 * np.linalg.norm(X)


def test_batched_costs_and_gaps_agree_with_single_ones() -> None:
    systems = tuple(random_system(s, 3, 2) for s in range(3))
    labels = np.array([0, 2, 1, 1, 2])
    gains = np.stack([random_gain(systems[j], i) for i, j in enumerate(labels)])
    fleet = Fleet("x", systems, labels, gains)
    expected = [lqr.cost(systems[j], K) for j, K in zip(labels, gains, strict=True)]
    np.testing.assert_allclose(fleet.costs(gains), expected, rtol=1e-13)
    expected = [lqr.suboptimality_gap(systems[j], K) for j, K in zip(labels, gains, strict=True)]
    np.testing.assert_allclose(fleet.gaps(gains), expected, rtol=1e-11)
    gains = gains.copy()
    gains[2] = 1e9
    assert np.isinf(fleet.costs(gains)).tolist() == [False, False, True, False, False]
    assert np.isinf(fleet.gaps(gains)).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200, 50.0])
def test_gains_without_finite_cost_give_infinity_and_never_an_exception(bad: float) -> None:
    system = random_system(0, 2, 1)
    K = np.array([[bad, 0.0]])
    assert not lqr.has_finite_cost(system, K)
    assert lqr.cost(system, K) == lqr.suboptimality_gap(system, K) == np.inf
    assert np.isinf(lqr.value_matrix(system, K)).all()
    assert np.isinf(lqr.state_gramian(system, K)).all()
    assert np.isnan(lqr.gradient(system, K)).all()
    assert np.isnan(lqr.hessian_at(system, K)).all()
    assert lqr.rollout_variance(system, K, Signs()) == lqr.rollout_bound(system, K, Signs()) == np.inf
    assert lqr.truncation_bias(system, K, 10) == np.inf
    with pytest.raises(FleetError, match=r"gain 0: found infinite cost"):
        lqr.truncation_horizon(system, K, 1e-3)


def test_finite_cost_does_not_need_a_stable_closed_loop() -> None:
    system = LinearSystem([[1.2]], [[1.0]], [[1.0]], [[1.0]], 0.5)
    K = np.zeros((1, 1))
    assert lqr.spectral_radius(system, K) == pytest.approx(1.2)
    assert lqr.has_finite_cost(system, K)
    assert lqr.cost(system, K) == pytest.approx(1.0 / (1 - 0.5 * 1.44), rel=1e-14)  # c Q/(1 - γA²), c = 1
    edge = LinearSystem([[2.0]], [[1.0]], [[1.0]], [[1.0]], 0.25)
    assert not lqr.has_finite_cost(edge, K)
    assert lqr.cost(edge, K) == np.inf


def test_wrong_gain_shape_is_refused() -> None:
    with pytest.raises(FleetError, match=r"gain: found shape \(2, 1\), expected .* \(\.\.\., 1, 2\)"):
        lqr.cost(random_system(0, 2, 1), np.zeros((2, 1)))


class TestVariance:
    @pytest.mark.parametrize("n", [1, 2])
    def test_quadratic_form_by_enumerating_every_sign_path(self, n: int) -> None:
        system = random_system(3, n, 1)
        K, horizon = random_gain(system, 3), 12 // n
        M = quadratic_form(system, K, horizon)
        paths = np.array(list(product([-1.0, 1.0], repeat=n * horizon))).reshape(-1, horizon, n)
        costs = simulate(system, np.broadcast_to(K, (len(paths), *K.shape)), paths)
        assert costs.mean() == pytest.approx(lqr.truncated_cost(system, K, horizon), rel=1e-12)
        assert costs.var() == pytest.approx(2 * (np.sum(M**2) - np.sum(np.diag(M) ** 2)), rel=1e-11)

    @pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
    @pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (3, 2)])
    def test_closed_form_against_the_quadratic_form(self, law: NoiseLaw, n: int, m: int) -> None:
        system = random_system(4, n, m, gamma=0.6)
        K, horizon = random_gain(system, 4), 80
        M = quadratic_form(system, K, horizon)
        blocks = M.reshape(horizon, n, horizon, n).transpose(0, 2, 1, 3)
        own = np.array([blocks[t, t] for t in range(horizon)])
        crossed = 2 * (np.sum(M**2) - np.sum(own**2))
        fourth = {"signs": 1.0, "cube": 1.8}
        if law.name in fourth:  # independent coordinates: Var zᵀPz = 2(‖P‖² - Σ P_ii²) + (E z⁴ - 1) Σ P_ii²
            diagonal = np.sum(np.diagonal(own, axis1=1, axis2=2) ** 2)
            expected = crossed + 2 * (np.sum(own**2) - diagonal) + (fourth[law.name] - 1) * diagonal
        else:  # on the sphere E z_i²z_j² = n/(n+2), E z_i⁴ = 3n/(n+2)
            traces = np.trace(own, axis1=1, axis2=2)
            expected = crossed + np.sum(n / (n + 2) * (traces**2 + 2 * np.sum(own**2, axis=(1, 2))) - traces**2)
        assert lqr.rollout_variance(system, K, law) == pytest.approx(expected, rel=1e-9)

    def test_the_law_matters(self) -> None:
        system = random_system(4, 3, 2)
        K = random_gain(system, 4)
        values = {lqr.rollout_variance(system, K, law) for law in (Signs(), Sphere(), Cube())}
        assert min(abs(a - b) for a in values for b in values if a is not b) > 1e-3 * max(values)


class TestTruncation:
    @pytest.mark.parametrize(("n", "m"), SHAPES)
    @pytest.mark.parametrize("horizon", [0, 1, 2, 7, 40])
    def test_bias_is_the_cost_minus_the_truncated_cost(self, n: int, m: int, horizon: int) -> None:
        system = random_system(1, n, m)
        K = random_gain(system, 1)
        value = lqr.cost(system, K)
        direct = value - lqr.truncated_cost(system, K, horizon)
        assert lqr.truncation_bias(system, K, horizon) == pytest.approx(direct, abs=1e-12 * value)

    @settings(max_examples=40)
    @given(seed=st.integers(0, 500), exponent=st.floats(-9.0, 1.0))
    def test_horizon_is_the_smallest(self, seed: int, exponent: float) -> None:
        system = random_system(seed, 2, 1)
        gains, tolerance = np.stack([random_gain(system, seed), lqr.riccati(system).K]), 10.0**exponent
        h = lqr.truncation_horizon(system, gains, tolerance)
        assert max(lqr.truncation_bias(system, K, h) for K in gains) <= tolerance
        if h > 0:
            assert max(lqr.truncation_bias(system, K, h - 1) for K in gains) > tolerance

    def test_decay_rate_is_gamma_for_a_stable_loop(self) -> None:
        system = random_system(1, 3, 2)
        K = lqr.riccati(system).K
        assert lqr.spectral_radius(system, K) < 0.9
        ratio = lqr.truncation_bias(system, K, 101) / lqr.truncation_bias(system, K, 100)
        assert ratio == pytest.approx(system.gamma, rel=1e-6)

    def test_no_overflow_where_the_closed_loop_is_unstable(self) -> None:
        system = LinearSystem([[3.0]], [[1.0]], [[1.0]], [[1.0]], 0.1)
        h = lqr.truncation_horizon(system, np.zeros((1, 1)), 1e-30)
        assert 2 * h * np.log10(3.0) > 308.3  # A^2h itself is beyond float64
        assert 0.0 < lqr.truncation_bias(system, np.zeros((1, 1)), h) <= 1e-30

    @pytest.mark.parametrize("tolerance", [0.0, -1.0, np.nan, np.inf])
    def test_bad_tolerance(self, tolerance: float) -> None:
        with pytest.raises(FleetError, match="tolerance: found"):
            lqr.truncation_horizon(random_system(0, 1, 1), np.zeros((1, 1)), tolerance)

    @pytest.mark.parametrize("horizon", [-1, 2.5, True])
    def test_bad_horizon(self, horizon: object) -> None:
        with pytest.raises(FleetError, match="horizon: found"):
            lqr.truncated_cost(random_system(0, 1, 1), np.zeros((1, 1)), horizon)  # type: ignore[arg-type]


class TestBounds:
    @pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
    @pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (3, 2)])
    def test_rollout_bound_holds_on_rollouts(self, law: NoiseLaw, n: int, m: int) -> None:
        system = random_system(5, n, m)
        K = random_gain(system, 5)
        noise = law.sample(np.random.default_rng(5), (2000, 60), n)
        costs = simulate(system, np.broadcast_to(K, (2000, m, n)), noise)
        bound = lqr.rollout_bound(system, K, law)
        assert costs.max() < bound < 200 * lqr.cost(system, K)

    @pytest.mark.parametrize(("a", "gamma"), [(0.5, 0.9), (0.99, 0.5), (1.3, 0.55), (0.0, 0.9)])
    def test_rollout_bound_is_attained_in_one_dimension(self, a: float, gamma: float) -> None:
        """With x' = a x + z, 0 ≤ a, the path z = (1, 1, …) costs exactly the bound: it is the supremum."""
        system = LinearSystem([[a]], [[1.0]], [[2.0]], [[1.0]], gamma)
        K, steps = np.zeros((1, 1)), 400
        worst = simulate(system, np.zeros((1, 1, 1)), np.ones((1, steps, 1)))[0]
        bound = lqr.rollout_bound(system, K, Signs())
        assert worst <= bound * (1 + 1e-13)
        assert bound <= worst * (1 + 1e-8)
        assert lqr.rollout_bound(system, K, Cube()) == pytest.approx(Cube().bound(1) * bound, rel=1e-12)
        assert 3 * (1 - 2**-14) < Cube().bound(1) < 3

    @pytest.mark.parametrize(("n", "m"), SHAPES)
    def test_pl_inequality_holds_on_random_gains(self, n: int, m: int) -> None:
        for seed in range(20):
            system = random_system(seed, n, m)
            K, mu = random_gain(system, seed, size=0.1 + seed % 4), lqr.pl_constant(system)
            assert np.sum(lqr.gradient(system, K) ** 2) >= mu * lqr.suboptimality_gap(system, K)
            assert mu <= 2 * lqr.hessian_eigenvalues(system)[0] * (1 + 1e-12)

    def test_pl_constant_is_nearly_attained(self) -> None:
        """With A_K* small, S* is nearly I and μ is nearly 2 h_min: a third more would be false."""
        system = LinearSystem([[0.1, 0.02], [0.0, 0.1]], [[1.0], [0.5]], np.eye(2), np.eye(1), 0.9)
        best, mu = lqr.riccati(system), lqr.pl_constant(system)
        vectors = np.linalg.eigh(lqr.hessian_at(system, best.K))[1]
        K = best.K + 1e-4 * vectors[:, 0].reshape(1, 2)
        ratio = np.sum(lqr.gradient(system, K) ** 2) / lqr.suboptimality_gap(system, K)
        assert mu <= ratio < 1.33 * mu


class TestSmoothing:
    @pytest.mark.parametrize(("D", "order"), [(1, 4), (2, 4), (3, 4), (4, 5), (5, 4), (7, 4)])
    def test_sphere_rule_has_the_moments_of_the_sphere(self, D: int, order: int) -> None:
        U, w = lqr.sphere_rule(D, order)
        assert len(U) == (2 if D == 1 else 2 * order ** (D - 1))
        np.testing.assert_allclose(np.sum(U**2, axis=1), 1.0, rtol=1e-13)
        np.testing.assert_allclose(w @ U, 0.0, atol=1e-14)
        np.testing.assert_allclose((U.T * w) @ U, np.eye(D) / D, atol=1e-13)
        fourth = np.einsum("q,qi,qj->ij", w, U**2, U**2)
        np.testing.assert_allclose(fourth, (np.ones((D, D)) + 2 * np.eye(D)) / (D * (D + 2)), atol=1e-13)

    @pytest.mark.parametrize(("n", "m"), SMALL)
    def test_gradient_of_the_smoothed_cost_is_the_mean_gradient_over_the_ball(self, n: int, m: int) -> None:
        system = random_system(2, n, m)
        K, r, D = random_gain(system, 2), 0.1, m * n
        nodes, weights = lqr.sphere_rule(D, 9)
        x, radial = roots_jacobi(9, 0.0, D - 1.0)  # density ∝ s^(D-1) on [0, 1], s = (1 + x)/2
        expected = np.zeros((m, n))
        for s, v in zip((1 + x) / 2, radial / radial.sum(), strict=True):
            expected += v * np.tensordot(weights, lqr.gradient(system, K + r * s * nodes.reshape(-1, m, n)), 1)
        smoothed = lqr.smoothed_gradient(system, K, r)
        assert smoothed.method == "quadrature"
        assert smoothed.error < 1e-6 * np.linalg.norm(expected)
        assert np.linalg.norm(smoothed.value - expected) <= smoothed.error + 1e-10 * np.linalg.norm(expected)
        assert np.linalg.norm(lqr.gradient(system, K) - expected) > 100 * smoothed.error

    @pytest.mark.parametrize(("n", "m"), SMALL)
    def test_smoothing_bias_at_the_optimum_is_second_order(self, n: int, m: int) -> None:
        system, D, r = random_system(2, n, m), n * m, 0.01
        bias = lqr.smoothed_gradient(system, lqr.riccati(system).K, r).value
        leading = r**2 / (2 * (D + 2)) * lqr.hessian_trace_gradient(system)
        np.testing.assert_allclose(bias, leading, atol=5 * r * np.linalg.norm(leading))
        assert np.linalg.norm(bias) > 0.5 * np.linalg.norm(leading)

    def test_scalar_gradient_is_a_difference_quotient_also_when_truncated(self) -> None:
        system, r = random_system(6, 1, 1), 0.05
        K = random_gain(system, 6)
        quotient = (lqr.cost(system, K + r) - lqr.cost(system, K - r)) / (2 * r)
        assert lqr.smoothed_gradient(system, K, r).value.item() == pytest.approx(quotient, rel=1e-11)
        quotient = (lqr.truncated_cost(system, K + r, 9) - lqr.truncated_cost(system, K - r, 9)) / (2 * r)
        assert lqr.smoothed_gradient(system, K, r, horizon=9).value.item() == pytest.approx(quotient, rel=1e-11)

    def test_monte_carlo_in_high_dimension_agrees_with_quadrature(self) -> None:
        system, r = random_system(2, 3, 3), 0.05
        K, rng = random_gain(system, 2), np.random.default_rng(2)
        fine = lqr.smoothed_gradient(system, K, r, order=3)
        drawn = lqr.smoothed_gradient(system, K, r, rng=rng)
        assert (fine.method, drawn.method) == ("quadrature", "monte_carlo")
        assert np.linalg.norm(drawn.value - fine.value) <= 4 * drawn.error + fine.error
        assert drawn.error < 0.01 * np.linalg.norm(fine.value)
        V = lqr.second_moment(system, K, r, Signs(), order=3)
        V_drawn = lqr.second_moment(system, K, r, Signs(), rng=rng)
        assert abs(V.value - V_drawn.value) <= 4 * V_drawn.error + V.error
        with pytest.raises(FleetError, match="rng: found None"):
            lqr.smoothed_gradient(system, K, r)

    def test_second_moment_tends_to_its_value_without_smoothing(self) -> None:
        system = random_system(2, 2, 1)
        K = random_gain(system, 2)
        expected = lqr.cost(system, K) ** 2 + lqr.rollout_variance(system, K, Signs())
        assert lqr.second_moment(system, K, 1e-6, Signs()).value == pytest.approx(expected, rel=1e-8)
        assert lqr.second_moment(system, K, 0.1, Signs()).value > expected * (1 + 1e-4)

    @pytest.mark.statistical
    @pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1)])
    def test_moments_of_the_one_point_estimator_by_simulation(self, n: int, m: int) -> None:
        system, r, D, draws = random_system(2, n, m, gamma=0.7), 0.2, n * m, 40_000
        K, rng = random_gain(system, 2), np.random.default_rng(20)
        U = rng.standard_normal((draws, D))
        U /= np.linalg.norm(U, axis=1, keepdims=True)
        noise = Signs().sample(rng, (draws, 80), n)
        costs = simulate(system, K + r * U.reshape(-1, m, n), noise)
        g = D / r * costs[:, None] * U
        moments = lqr.estimator_moments(system, K, r, Signs())

        def z_score(samples: np.ndarray, expected: float) -> float:
            return float((samples.mean() - expected) / (samples.std(ddof=1) / np.sqrt(draws)))

        mean = moments.mean.ravel()
        scores = [z_score(costs**2, moments.second_moment)]
        scores += [z_score(g[:, i], mean[i]) for i in range(D)]
        centred = g - mean
        pairs = [(i, j) for i in range(D) for j in range(i + 1)]
        scores += [z_score(centred[:, i] * centred[:, j], moments.covariance[i, j]) for i, j in pairs]
        assert np.abs(scores).max() < 4.0
        # Power: the relative standard error is about 1.6 %, so an error of 15 % lies some 9 of them away.
        assert abs(z_score(costs**2, 1.15 * moments.second_moment)) > 4.0
        assert moments.second_moment == pytest.approx(lqr.second_moment(system, K, r, Signs()).value, rel=1e-12)

    def test_a_radius_that_leaves_the_finite_region_gives_nan_not_a_number_that_looks_fine(self) -> None:
        system = LinearSystem([[1.0]], [[1.0]], [[1.0]], [[1.0]], 0.9)
        K = lqr.riccati(system).K
        assert np.isnan(lqr.smoothed_gradient(system, K, 5.0).value).all()
        assert np.isnan(lqr.estimator_moments(system, K, 5.0, Signs()).mean).all()
        assert lqr.second_moment(system, K, 5.0, Signs()).value == np.inf

    @pytest.mark.parametrize("radius", [0.0, -1.0, np.nan, np.inf])
    def test_bad_radius(self, radius: float) -> None:
        with pytest.raises(FleetError, match="radius: found"):
            lqr.smoothed_gradient(random_system(0, 1, 1), np.zeros((1, 1)), radius)
