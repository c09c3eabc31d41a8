"""Systems as `dlqr` takes them, beyond Q > 0 and controllable pairs: accepted by values, refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from pcpo import lqr
from pcpo.errors import ConfigError, FleetError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.simulation.estimators import cost_estimate
from pcpo.simulation.noise import Signs, stream
from pcpo.theory.calibration import local_constants
from pcpo.theory.printed.certified_constants import bounds_on_sublevel
from pcpo.theory.printed.restricted_set import cluster_constants, fleet_constants

GAMMA = 0.9


def output_weighted() -> LinearSystem:
    """Q = CᵀC with one output: its smallest eigenvalue is a zero that rounding made negative."""
    A = [[0.06286511054669665, -0.06605243164565094], [0.32021132522164103, 0.052450058576519853]]
    C = np.array([[-100.0, 1.0]])
    return LinearSystem(A, [[-0.535669373161111], [0.36159505490948474]], C.T @ C, [[1.0]], GAMMA)


def test_positive_semidefinite_Q() -> None:
    system = output_weighted()
    best = lqr.riccati(system)
    assert best.cost == pytest.approx(90009.2629642, rel=1e-12)
    assert lqr.cost(system, best.K) == pytest.approx(best.cost, rel=1e-13)
    assert not system.definite
    assert LinearSystem([[0.5]], [[1.0]], [[1e-300]], [[1.0]], GAMMA).definite


@pytest.mark.parametrize("seed", range(8))
def test_optimum_agrees_with_scipy(seed: int) -> None:
    """Q of rank 1 in four states, of any scale; a pair with a mode of the input that decays beside."""
    rng = np.random.default_rng(seed)
    A, B, C = rng.standard_normal((4, 4)) * 0.7, rng.standard_normal((4, 2)), rng.standard_normal((1, 4))
    A[3, :3], B[3] = 0.0, 0.0
    A[3, 3] = 1.02  # √γ·1.02 < 1
    T, scale = np.linalg.qr(rng.standard_normal((4, 4)))[0], 10.0 ** (3 * (seed - 4))
    A, B, C = T @ A @ T.T, T @ B, C @ T.T
    system = LinearSystem(A, B, scale * C.T @ C, scale * np.eye(2), GAMMA)
    # SciPy itself loses digits at weights of 1e-12, so the scale is applied to its solution.
    P = scale * solve_discrete_are(np.sqrt(GAMMA) * A, np.sqrt(GAMMA) * B, C.T @ C, np.eye(2))
    best = lqr.riccati(system)
    np.testing.assert_allclose(best.P, P, atol=1e-8 * np.linalg.norm(P))
    assert lqr.spectral_radius(system, best.K) * np.sqrt(GAMMA) < 1.0
    assert np.linalg.norm(lqr.gradient(system, best.K)) <= 1e-9 * best.cost
    K = best.K + 0.05 * rng.standard_normal((2, 4))
    while not lqr.has_finite_cost(system, K):
        K = 0.5 * (K + best.K)
    gap = lqr.suboptimality_gap(system, K)
    assert gap == pytest.approx(lqr.cost(system, K) - best.cost, abs=1e-9 * best.cost)
    assert np.sum(lqr.gradient(system, K) ** 2) >= lqr.optimum.pl_constant(system) * gap


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_eigenvalues_that_rounding_makes_negative_count_as_zero_whatever_the_units(scale: float) -> None:
    A, B = np.diag([0.9, 0.5]), [[1.0], [1.0]]
    kept = LinearSystem(A, B, scale * np.diag([1.0, -0.9e-12]), [[scale]], GAMMA)
    assert kept.Q[1, 1] == -0.9e-12 * scale
    rounded = LinearSystem(A, B, scale * np.diag([1.0, 0.0]), [[scale]], GAMMA)
    assert lqr.riccati(kept).cost == pytest.approx(lqr.riccati(rounded).cost, rel=1e-9)
    with pytest.raises(FleetError, match=r"Q: found smallest eigenvalue .*, expected a positive semidefinite matrix"):
        LinearSystem(A, B, scale * np.diag([1.0, -1.1e-12]), [[scale]], GAMMA)


def test_a_mode_that_costs_nothing_must_decay_by_the_discounted_pair() -> None:
    """1.05 grows, but √0.9·1.05 < 1; 1.06 does not decay even discounted. Rounding in Q hides nothing."""
    for rounding in (0.0, 1e-16, -1e-14):
        Q = np.diag([rounding, 1.0])
        good = LinearSystem(np.diag([1.05, 0.5]), [[1.0], [1.0]], Q, [[1.0]], GAMMA)
        assert np.isfinite(lqr.riccati(good).cost)
        with pytest.raises(
            FleetError, match=r"\(A, Q\): found the mode 1\.06 of A, .* = 1\.00\d+, which costs nothing"
        ):
            LinearSystem(np.diag([1.06, 0.5]), [[1.0], [1.0]], Q, [[1.0]], GAMMA)


def test_a_mode_that_no_input_reaches_must_decay_by_the_discounted_pair() -> None:
    good = LinearSystem(np.diag([1.05, 0.5]), [[0.0], [1.0]], np.eye(2), [[1.0]], GAMMA)
    alone = (
        1.0 / (1.0 - GAMMA * 1.05**2) + lqr.riccati(LinearSystem([[0.5]], [[1.0]], [[1.0]], [[1.0]], GAMMA)).P.item()
    )
    assert lqr.riccati(good).cost == pytest.approx(GAMMA / (1 - GAMMA) * alone, rel=1e-12)
    with pytest.raises(FleetError, match=r"\(A, B\): found the mode 1\.06 of A, .* = 1\.00\d+, which no input reaches"):
        LinearSystem(np.diag([1.06, 0.5]), [[0.0], [1.0]], np.eye(2), [[1.0]], GAMMA)


def test_rollouts_and_their_bound() -> None:
    system = output_weighted()
    K = lqr.riccati(system).K + 0.1
    found = cost_estimate(system, K, 4000, horizon=200, law=Signs(), noise=stream(0, 1))
    error = np.sqrt(lqr.rollout_variance(system, K, Signs()) / 4000)
    assert abs(found.value - lqr.cost(system, K)) < 4 * error < 0.1 * found.value
    bound = lqr.rollout_bound(system, K, Signs())
    assert lqr.cost(system, K) < bound < np.inf


def test_theory_that_needs_a_definite_Q_says_so() -> None:
    system = output_weighted()
    fleet = Fleet("one", (system,), [0], lqr.riccati(system).K[None] + 0.1)
    assert local_constants(fleet, Signs(), 1.0).h_min > 0
    with pytest.raises(ConfigError, match=r"Q: found smallest eigenvalue .*, expected a positive definite .*'sampled'"):
        bounds_on_sublevel(system, 1.0, Signs())
    with pytest.raises(ConfigError, match=r"Q: found smallest eigenvalue"):
        fleet_constants(fleet, Signs(), 1.0)
    sampled = cluster_constants(system, 1.0, Signs(), enlargement=11.0, method="sampled")
    assert np.isfinite([sampled.smoothness.value, sampled.rollout_bound.value]).all()


def test_no_cost_at_all() -> None:
    """Q = 0 is a system, with K* = 0 and C* = 0; no smoothing radius can be calibrated for it."""
    system = LinearSystem([[0.5]], [[1.0]], [[0.0]], [[1.0]], GAMMA)
    assert (lqr.riccati(system).cost, lqr.riccati(system).K.item(), lqr.riccati(system).residual) == (0.0, 0.0, 0.0)
    assert np.isfinite(cluster_constants(system, 1.0, Signs(), enlargement=11.0).pl.value)
    with pytest.raises(ConfigError, match=r"cluster 0: found an optimal cost of 0, expected a positive one"):
        local_constants(Fleet("none", (system,), [0], [[[0.1]]]), Signs(), 1.0)


def test_matrices_of_single_precision_are_symmetrised() -> None:
    Q = np.array([[1.0, 0.3], [0.3 * (1 + 1e-7), 2.0]])
    system = LinearSystem(np.diag([0.9, 0.5]), [[1.0], [1.0]], Q, [[1.0]], GAMMA)
    np.testing.assert_array_equal(system.Q, 0.5 * (Q + Q.T))
    assert system.symmetrised == {"Q": pytest.approx(1.5e-8)}
    rounded = np.array([[1.0, 0.3], [0.3 * (1 + 1e-15), 2.0]])
    kept = LinearSystem(np.diag([0.9, 0.5]), [[1.0], [1.0]], rounded, [[1.0]], GAMMA)
    assert (kept.Q.tobytes(), kept.symmetrised) == (rounded.tobytes(), {})
