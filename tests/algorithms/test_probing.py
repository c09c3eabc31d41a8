"""Constants from rollouts: estimators against closed forms, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.rollout_only import Cost, FunctionOracle, bowl
from support.small_fleets import three_clusters

from pcpo import lqr
from pcpo.algorithms.model_free.probing import (
    RISE,
    Point,
    bounds_of_moments,
    curvature,
    design,
    fewest_rollouts,
    hessians,
    measured,
    probe,
    second_differences,
)
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.lqr.cost import hessian_matrix
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.rollout import ExactOracle
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.curvature import curvatures


def exact_point(oracle: ExactOracle, gains: FloatArray) -> Point:
    costs = oracle.costs(gains, 1, purpose=Purpose.PROBING, epoch=1).values
    return Point(gains, costs, np.zeros(len(gains)), np.zeros(len(gains)))


@pytest.mark.parametrize("D", [1, 2, 3, 5])
def test_a_hessian_is_found_from_its_quadratic_forms(D: int) -> None:
    raw = stream(1, D).standard_normal((4, D, D))
    H = raw + raw.swapaxes(1, 2)
    U = design(D, 0, 1, every_entry=True)
    assert len(U) == D**2
    np.testing.assert_allclose(np.linalg.norm(U, axis=1), 1)
    np.testing.assert_allclose(hessians(np.einsum("ki,nij,kj->kn", U, H, U), D), H, atol=1e-12)


def test_all_directions_serve_for_the_diagonal() -> None:
    """The diagonal of a noisy fit has a smaller variance than the differences along the axes alone have."""
    D, noise = 4, stream(2).standard_normal((16, 20_000))
    diagonal = hessians(noise, D)[:, np.arange(D), np.arange(D)]
    assert diagonal.var() < 0.8 * noise.var()
    assert diagonal.var() == pytest.approx(7 / 16, abs=0.02)  # a diagonal entry of (2I + 11ᵀ/2)⁻¹


@pytest.mark.parametrize("fleet_hessian", [True, False], ids=["full", "spread"])
def test_curvatures_without_noise_are_those_of_the_model(fleet_hessian: bool) -> None:
    fleet = three_clusters()
    oracle, gains = ExactOracle(fleet), fleet.optimal_gains[fleet.labels]
    at, radii = exact_point(oracle, gains), np.full(fleet.N, 1e-3)
    found = curvature(oracle, at, radii, 100, epoch=1, rule="full" if fleet_hessian else "spread")
    largest = np.array([curvatures(fleet.system_of(i), gains[i : i + 1])[0] for i in range(fleet.N)])
    trace = np.array([np.trace(hessian_matrix(fleet.system_of(i), gains[i])) for i in range(fleet.N)])
    np.testing.assert_allclose(found.mean * fleet.D, trace, rtol=1e-3)
    np.testing.assert_allclose(found.largest, largest, rtol=1e-3 if fleet_hessian else 0.35)
    # The radius may double; with a rise of 15 % from curvature alone it would be that of the square law.
    np.testing.assert_allclose(found.radius, np.minimum(2e-3, np.sqrt(2 * RISE * at.costs / found.mean)))


def test_the_bound_from_two_moments_is_attained_if_all_other_eigenvalues_are_equal() -> None:
    for values in ([5.0, 1.0, 1.0], [5.0, 2.0, 0.5]):
        trace, frobenius = sum(values), sum(v**2 for v in values)
        square = (trace**2 + 2 * frobenius) / (3 * 5)
        bound = bounds_of_moments(np.array([trace / 3]), np.array([square]), 3)[0]
        assert bound == pytest.approx(5.0) if values[1] == values[2] else 5.0 < bound < trace


def test_the_variance_of_a_rollout_is_found_from_means_of_batches() -> None:
    fleet = three_clusters()
    oracle = MomentOracle(fleet, seed=3, law=noise_law("signs"))
    found = measured(oracle, fleet.initial_gains, 64_000, purpose=Purpose.PROBING, epoch=1, batches=400)
    costs, variances = zip(
        *(
            lqr.cost_and_variance(fleet.system_of(i), fleet.initial_gains[i], noise_law("signs"))
            for i in range(fleet.N)
        ),
        strict=True,
    )
    np.testing.assert_allclose(found.variance, np.array(variances).ravel(), rtol=0.3)  # 4 standard errors of χ²_399
    assert (np.abs(found.mean - np.array(costs).ravel()) < 4 * found.errors).all()
    assert found.rollouts == oracle.rollouts == 64_000


def test_probing_finds_the_radius_at_which_the_mean_cost_is_a_sixth_up() -> None:
    fleet = three_clusters()
    oracle = MomentOracle(fleet, seed=1, law=noise_law("signs"))
    at, bent = probe(oracle, fleet.initial_gains, 8_000, epoch=1, rule="full")
    assert oracle.rollouts <= 8_000
    U = stream(9).standard_normal((2_000, fleet.m, fleet.n))
    U /= np.linalg.norm(U, axis=(1, 2), keepdims=True)
    for i in range(fleet.N):
        there = lqr.cost_array(fleet.system_of(i), fleet.initial_gains[i] + bent.radius[i] * U)
        rise = np.mean(there) / lqr.cost_array(fleet.system_of(i), fleet.initial_gains[i]) - 1
        assert RISE / 2 < rise < 2.5 * RISE
        H = hessian_matrix(fleet.system_of(i), fleet.initial_gains[i])
        assert 0.6 < bent.largest[i] / np.linalg.eigvalsh(H)[-1] < 1.7
    assert (np.abs(at.costs - fleet.costs(fleet.initial_gains)) < 5 * at.errors).all()


def test_a_fiftieth_of_the_rollouts_finds_no_such_curvature() -> None:
    """A negative control: the test above can fail."""
    fleet = three_clusters()
    oracle = MomentOracle(fleet, seed=1, law=noise_law("signs"))
    _, bent = probe(oracle, fleet.initial_gains, 160, epoch=1, rule="full")
    exact = np.array(
        [np.linalg.eigvalsh(hessian_matrix(fleet.system_of(i), fleet.initial_gains[i]))[-1] for i in range(fleet.N)]
    )
    assert (np.abs(np.log(bent.largest / exact)) > np.log(1.7)).any()


def test_unknown_scales_do_not_matter() -> None:
    """Gains in other units, and costs in other units: radii follow the former and curvatures both."""
    found = []
    for unit in (1.0, 1e-3):
        H = np.array([[4.0, 1.0], [1.0, 2.0]]) / unit**2
        oracle = FunctionOracle([bowl(np.zeros((1, 2)), 2.0, H)], (1, 2))
        found.append(probe(oracle, unit * np.array([[[0.3, 0.4]]]), 4_000, epoch=1, rule="full")[1])
    np.testing.assert_allclose(found[1].radius, 1e-3 * found[0].radius, rtol=0.3)
    np.testing.assert_allclose(found[1].largest, 1e6 * found[0].largest, rtol=0.3)


def test_second_differences_of_many_unknowns_need_no_square_of_them() -> None:
    assert len(design(60, 60, 1, every_entry=False)) == 60
    assert fewest_rollouts(60) < 60**2
    U = design(5, 12, 1, every_entry=False)
    np.testing.assert_allclose(U[:5] @ U[:5].T, np.eye(5), atol=1e-12)


def refused(cost: Cost, match: str) -> None:
    oracle = FunctionOracle([bowl(np.zeros((1, 1)), 1.0, np.eye(1)), cost], (1, 1))
    with pytest.raises(ConfigError, match=match):
        probe(oracle, np.full((2, 1, 1), 0.5), 4_000, epoch=1, rule="full")


def test_costs_that_do_not_depend_on_the_gain_are_refused() -> None:
    refused(lambda K, rng: 1 + 0.1 * rng.standard_normal(len(K)), "costs of agent 1: found that they do not rise")
    refused(lambda K, rng: np.ones(len(K)), "constant costs cannot be optimised")


def test_costs_without_a_finite_variance_are_refused() -> None:
    refused(
        lambda K, rng: 1 + K[:, 0, 0] ** 2 + rng.pareto(0.3, len(K)), "costs of agent 1: found that one of 32 batches"
    )


@pytest.mark.parametrize(
    ("law", "least", "most"),
    [
        (lambda rng, count: np.abs(rng.standard_cauchy(count)), 14, 20),
        (lambda rng, count: rng.standard_normal(count) ** 2, 0, 0),
        (lambda rng, count: rng.standard_exponential(count), 0, 0),
    ],
    ids=["Cauchy", "chi-square", "exponential"],
)
def test_tails_are_told_from_skewness(
    law: Callable[[np.random.Generator, int], FloatArray], least: int, most: int
) -> None:
    found = 0
    for seed in range(20):
        oracle = FunctionOracle([lambda K, rng: K[:, 0, 0] ** 2 + law(rng, len(K))], (1, 1), seed)
        try:
            probe(oracle, np.full((1, 1, 1), 2.0), 8_000, epoch=1, rule="full")
        except ConfigError as error:
            found += "expected costs of finite variance" in str(error)
    assert least <= found <= most


def test_costs_that_are_no_number_are_refused() -> None:
    refused(lambda K, rng: np.full(len(K), np.nan), "costs of agent 1: found NaN, expected a number")


def test_a_first_gain_of_infinite_cost_is_refused_and_names_what_helps() -> None:
    fleet = three_clusters()
    gains = fleet.initial_gains.copy()
    gains[3] += 1e3
    oracle = MomentOracle(fleet, seed=0, law=noise_law("signs"))
    with pytest.raises(ConfigError, match=r"initial gain of agent 3: .*diverge.*anneals the discount"):
        probe(oracle, gains, 4_000, epoch=1, rule="full")


def test_second_differences_of_a_bowl_are_its_quadratic_form() -> None:
    H = np.array([[4.0, 1.0], [1.0, 2.0]])
    oracle = FunctionOracle([bowl(np.zeros((1, 2)), 2.0, H, noise=0.0)], (1, 2))
    gains, U = np.array([[[0.3, 0.4]]]), design(2, 0, 1, every_entry=True)
    q, used, noise = second_differences(oracle, exact_point(oracle, gains), np.array([0.1]), U, 2, 1)
    np.testing.assert_allclose(q[:, 0], np.einsum("ki,ij,kj->k", U, H, U))
    assert used == 0.1
    assert noise == 0


def test_one_direction_of_infinite_cost_does_not_make_a_curvature_infinite() -> None:
    """A bowl with an edge, as closed loops have: within it the curvature is found, and beyond it is finite."""
    smooth = bowl(np.zeros((1, 2)), 1.0, np.eye(2), noise=0.0)

    def edged(K: FloatArray, rng: np.random.Generator) -> FloatArray:
        return np.where(K[:, 0, 0] > 0.4, 1e30, smooth(K, rng))

    oracle = FunctionOracle([edged, smooth], (1, 2))
    at = exact_point(oracle, np.full((2, 1, 2), 0.3))
    U = design(2, 0, 1, every_entry=True)
    q, used, _ = second_differences(oracle, at, np.array([0.2, 0.2]), U, 10, 1)
    np.testing.assert_allclose(used, [0.05, 0.2])
    np.testing.assert_allclose(q, np.ones((4, 2)))
    for r, expected in ((0.2, 1.0), (8.0, 2 * 10 * 1.09 / 2.0**2)):
        bent = curvature(oracle, at, np.array([r, 0.2]), 80, epoch=1, rule="full")
        assert bent.largest[1] == pytest.approx(1.0)
        assert expected / 2 < bent.largest[0] < 2 * expected
        assert bent.radius[0] <= r / 2
    unguarded = (1e30 - at.costs[0]) / 0.2**2
    assert unguarded > 1e31
