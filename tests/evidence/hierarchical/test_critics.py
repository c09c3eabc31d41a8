"""Test critics and simulated agents: stationary moments, Algorithm 3 line by line, least squares, and both actors."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from pcpo.errors import ConfigError
from pcpo.evidence.hierarchical.model.actor import (
    Estimate,
    actor_critic,
    disturbed_critic,
    exact_critic,
    gtd_critic,
    least_squares_critic,
    single_chain_critic,
)
from pcpo.evidence.hierarchical.model.critics import (
    LeastSquares,
    chain,
    features,
    gtd_estimates,
    gtd_radii,
    natural_direction,
    smat,
    stage_costs,
    svec,
)
from pcpo.evidence.hierarchical.model.instances import Instance, general_system, section6_instance
from pcpo.evidence.hierarchical.model.kernels import gtd
from pcpo.evidence.hierarchical.model.regulator import Regulator
from pcpo.evidence.hierarchical.model.simulation import simulated
from pcpo.evidence.hierarchical.model.system import Gains

I1 = np.eye(1)
SCALAR, GAIN = Regulator(0.5 * I1, 0.5 * I1, I1, I1, I1, I1), 0.3 * I1


@pytest.fixture(scope="module")
def instance() -> Instance:
    return section6_instance(np.random.default_rng(2))


def test_svec_and_its_inverse() -> None:
    rng = np.random.default_rng(0)
    X, Y = (M + M.T for M in rng.standard_normal((2, 4, 4)))
    assert np.isclose(svec(X) @ svec(Y), np.sum(X * Y))
    np.testing.assert_allclose(smat(svec(X)), X)


def test_a_chain_has_the_stationary_covariance() -> None:
    """Compare Lemma 17 with the last pairs of 500 independent chains, by the standard error of their mean."""
    rng = np.random.default_rng(1)
    ends = np.stack([chain(SCALAR, GAIN, 3, rng)[-1] for _ in range(500)])
    products = ends[:, :, None] * ends[:, None]
    error = products.std(axis=0) / np.sqrt(len(ends))
    assert (np.abs(products.mean(axis=0) - SCALAR.joint(GAIN)) < 4.5 * error).all()
    assert not (np.abs(products.mean(axis=0) - SCALAR.joint(3 * GAIN)) < 4.5 * error).all()


def _algorithm_3(v: np.ndarray, costs: np.ndarray, radii: np.ndarray, T: int, alpha: float) -> np.ndarray:
    """Run Algorithm 3 with matrices and projections written out."""
    phi = svec(v[:, :, None] * v[:, None])
    gamma, xi = np.zeros(1 + phi.shape[1]), np.zeros(1 + phi.shape[1])
    total, average = 0.0, np.zeros_like(gamma)
    for t in range(1, T + 1):
        step, now, change, c = alpha / np.sqrt(t), phi[t - 1], phi[t - 1] - phi[t], costs[t - 1]
        slope = np.concatenate([[xi[0] + now @ xi[1:]], (now @ xi[1:]) * change])
        rise = np.concatenate([[gamma[0] - c - xi[0]], (gamma[0] + change @ gamma[1:] - c) * now - xi[1:]])
        gamma, xi = gamma - step * slope, xi + step * rise
        gamma[0], xi[0] = np.clip(gamma[0], 0, radii[0]), np.clip(xi[0], -radii[2], radii[2])
        gamma[1:] *= min(1.0, radii[1] / np.linalg.norm(gamma[1:])) if gamma[1:].any() else 1.0
        xi[1:] *= min(1.0, radii[3] / np.linalg.norm(xi[1:])) if xi[1:].any() else 1.0
        total, average = total + step, average + step * gamma
    return average / total


@pytest.mark.parametrize("shrink", [1.0, 0.05])
def test_algorithm_3_line_by_line(shrink: float) -> None:
    v = chain(SCALAR, GAIN, 300, np.random.default_rng(2))
    costs, radii = stage_costs(v[:-1], SCALAR.Q, SCALAR.R), shrink * gtd_radii(SCALAR, GAIN, GAIN)
    found = gtd_estimates(v, costs, radii, [100, 300], alpha=0.1)
    for row, T in zip(found, (100, 300), strict=True):
        np.testing.assert_allclose(row, _algorithm_3(v, costs, radii, T, 0.1), rtol=1e-10, atol=1e-14)
    unset = np.full((1, 4), np.nan)  # the result does not depend on the initial contents
    gtd(features(v), costs, 0.1, 0.5, radii, np.array([300]), unset)
    np.testing.assert_array_equal(unset[0], found[1])


def test_the_sets_hold_the_solution() -> None:
    """Check Lemma 7: C(K) ≤ Γ¹ and ‖δ*‖ ≤ Γ²; and the dual optimum at the corners of the box of γ."""
    radii = gtd_radii(SCALAR, GAIN, GAIN)
    assert float(SCALAR.cost(GAIN)) <= radii[0] == radii[2]
    assert np.linalg.norm(svec(SCALAR.Delta(GAIN))) <= radii[1]
    assert radii[3] > radii[1]
    moved = gtd_radii(SCALAR, GAIN, 2 * GAIN)  # Ξ² has the current gain, the others only the initial one
    np.testing.assert_array_equal(moved[:3], radii[:3])
    assert moved[3] > radii[3]


def test_least_squares_is_unbiased_enough_and_knows_its_limits() -> None:
    """Over 20 trajectories the mean error of E is within 4.5 standard errors of 0; its spread decreases with T."""
    errors = {}
    for T in (2000, 8000):
        rng, found = np.random.default_rng(T), []
        for _ in range(20):
            v = chain(SCALAR, GAIN, T, rng)
            critic = LeastSquares(GAIN, SCALAR.Psi)
            for part in (slice(0, T // 3), slice(T // 3, T)):
                critic.add(v[:-1][part], v[1:][part], stage_costs(v[:-1][part], SCALAR.Q, SCALAR.R))
            found.append(float((critic.E() - SCALAR.E(GAIN)).item()))
        errors[T] = np.array(found)
        assert abs(errors[T].mean()) < 4.5 * errors[T].std() / np.sqrt(20)
    assert errors[8000].std() < errors[2000].std()
    np.testing.assert_allclose(natural_direction(SCALAR.Delta(GAIN), GAIN), SCALAR.E(GAIN))
    with pytest.raises(ConfigError, match="steps: found 0 pairs, expected at least one for each of 3 unknowns"):
        LeastSquares(GAIN, SCALAR.Psi).Delta()


def test_agents_move_as_the_auxiliary_systems_do() -> None:
    """Subpopulations of different shapes are padded: x̃' − A_l x̃ − B_l ũ sums to zero over N^l; S̄ has its noise."""
    system = general_system(np.random.default_rng(1), (3, 2, 4), (2, 3, 1), (1, 2, 2))
    gains = system.optimal_gains()
    seen = next(iter(simulated(system, gains, 40, np.random.default_rng(3), watched=10)))
    for part, S in zip(seen[:-1], system.auxiliary, strict=True):
        noise = part.after[..., : S.d] - part.v[..., : S.d] @ S.A.T - part.v[..., S.d :] @ S.B.T
        assert np.abs(noise.sum(axis=1)).max() < 1e-12
        exploration = part.v[..., S.d :] + part.v[..., : S.d] @ gains.own[system.auxiliary.index(S)].T
        assert np.abs(exploration.sum(axis=1)).max() < 1e-12
    S, part = system.mean_field, seen[-1]
    noise = (part.after[..., : S.d] - part.v[..., : S.d] @ S.A.T - part.v[..., S.d :] @ S.B.T)[:, 0]
    error = np.sqrt(2 * np.outer(np.diag(S.Phi), np.diag(S.Phi)) / len(noise))
    assert (np.abs(noise.T @ noise / len(noise) - S.Phi) < 4.5 * error).all()


def test_portions_and_seeds(instance: Instance) -> None:
    """A trajectory does not depend on how many of its agents are watched, and is continuous over portions."""
    system, gains = instance.system(200), instance.gains()
    few, many = ([*simulated(system, gains, 700, np.random.default_rng(4), watched=w)] for w in (2, 5))
    assert len(few) == len(many) > 1
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one[0].v, other[0].v[:, :2])
        np.testing.assert_array_equal(one[-1].v, other[-1].v)
    np.testing.assert_array_equal(few[0][-1].after[-1], few[1][-1].v[0])
    assert sum(len(part[-1].costs) for part in few) == 700


def test_actors(instance: Instance) -> None:
    """With exact critics both actors lower the cost; with least squares the gap differs by at most a tenth."""
    system, start = instance.system(20), instance.gains()
    for natural in (True, False):
        path = islice(actor_critic(system, start, exact_critic(system), natural=natural), 6)
        gaps = [system.gap(gains) for gains in path]
        assert all(np.diff(gaps) < 0)
        estimated = least_squares_critic(system, 1000, np.random.default_rng(5))
        *_, last = islice(actor_critic(system, start, estimated, natural=natural), 3)
        assert abs(system.gap(last) - gaps[2]) < 0.1 * gaps[0]


def test_critics_on_chains_estimate_what_the_exact_one_knows() -> None:
    """Relative errors of E_K and Σ_K fall with T, for subpopulations of different sizes.

    Least squares is closer than Algorithm 3 on the same chains; a wrong change of coordinates would leave an error.
    """
    system = general_system(np.random.default_rng(1), (3, 6), (2, 2), (1, 1))
    gains = Gains([0 * S.K_star for S in system.auxiliary], 0 * system.mean_field.K_star)
    exact = exact_critic(system)(gains)

    def errors(found: list[Estimate]) -> np.ndarray:
        pairs = [
            (getattr(one, name), getattr(true, name))
            for name in ("E", "Sigma")
            for one, true in zip(found, exact, strict=True)
        ]
        return np.array([np.linalg.norm(one - true) / np.linalg.norm(true) for one, true in pairs])

    few, many = (errors(single_chain_critic(system, gains, T, np.random.default_rng(2))(gains)) for T in (2000, 200000))
    assert (many < 0.1).all()
    assert many.sum() < few.sum()
    primal_dual = errors(gtd_critic(system, gains, 200000, np.random.default_rng(2))(gains))
    np.testing.assert_array_equal(primal_dual[3:], many[3:])
    assert many[:3].sum() < primal_dual[:3].sum() < 3.0


def test_a_critic_with_errors_has_errors_of_the_size_that_was_asked_for(instance: Instance) -> None:
    system, start = instance.system(5), instance.gains()
    rng = np.random.default_rng(8)
    first, second = (disturbed_critic(system, start, lambda S, K, K0: 0.1 * S.d, rng)(start) for _ in range(2))
    for (S, _), one, other, true in zip(system.pairs(start), first, second, exact_critic(system)(start), strict=True):
        assert np.isclose(np.linalg.norm(one.E - true.E, 2), 0.1 * S.d)
        assert not np.allclose(one.E, other.E)
        np.testing.assert_array_equal(one.Sigma, true.Sigma)
