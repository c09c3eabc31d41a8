"""Test exchangeable systems: blocks, coordinates, Propositions 1 and 2, exact quantities, and invalid input."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from pcpo.errors import FleetError
from pcpo.evidence.hierarchical.model.actor import actor_critic, exact_critic, steps_allowed
from pcpo.evidence.hierarchical.model.formulas import fisher, formulas
from pcpo.evidence.hierarchical.model.identities import broken, residuals
from pcpo.evidence.hierarchical.model.instances import (
    Instance,
    allowed_errors,
    counted,
    general_system,
    perturbed,
    section6_instance,
    slowest,
    theorem_2,
    undecomposed_step,
)
from pcpo.evidence.hierarchical.model.regulator import (
    Regulator,
    allowed_change,
    allowed_error,
    mended_error,
    stacked,
)
from pcpo.evidence.hierarchical.model.system import Blocks, ExchangeableSystem, Gains, extracted, from_matrices
from pcpo.evidence.hierarchical.studies_gains import perturbation

EPS = float(np.finfo(np.float64).eps)


@pytest.fixture(scope="module")
def system() -> ExchangeableSystem:
    return general_system(np.random.default_rng(1), (3, 2, 4), (2, 3, 1), (1, 2, 2))


@pytest.fixture(scope="module")
def instance() -> Instance:
    return section6_instance(np.random.default_rng(2))


def some_gains(system: ExchangeableSystem) -> Gains:
    rng = np.random.default_rng(3)
    K, *rest = (perturbed(S, rng, float(S.cost(S.K_star))) for S in (system.mean_field, *system.auxiliary))
    return Gains(rest, K)


def exchange(M: np.ndarray, i: int, j: int, d: int) -> np.ndarray:
    """Exchange rows and columns of agents i and j, where all agents have d coordinates."""
    order = np.arange(len(M) // d)
    order[[i, j]] = j, i
    at = (order[:, None] * d + np.arange(d)).ravel()
    return np.asarray(M[np.ix_(at, at)])


def test_exchanging_agents_of_a_subpopulation_changes_nothing(instance: Instance) -> None:
    full = instance.system(3).full
    for letter in ("A", "B", "Q", "R", "Phi"):
        M = getattr(full, letter)
        np.testing.assert_array_equal(exchange(M, 0, 2, 2), M)
        np.testing.assert_array_equal(exchange(M, 3, 4, 2), M)
    assert not np.array_equal(exchange(full.A, 2, 3, 2), full.A)


def test_full_matrices_give_the_system_back(instance: Instance) -> None:
    system = instance.system(3)
    S = system.full
    again = from_matrices((3, 3), S.A, S.B, S.Q, S.R, S.Phi, 1.0)
    for letter in ("A", "B", "Q", "R", "Phi", "Psi"):
        np.testing.assert_allclose(getattr(again.mean_field, letter), getattr(system.mean_field, letter), rtol=4 * EPS)
        for one, other in zip(again.auxiliary, system.auxiliary, strict=True):
            np.testing.assert_allclose(getattr(one, letter), getattr(other, letter), rtol=4 * EPS)


def test_a_system_without_exchangeable_agents_is_refused(instance: Instance) -> None:
    S = instance.system(3).full
    for letter, at in (("A", (0, 0)), ("Q", (8, 6))):
        wrong = getattr(S, letter).copy()
        wrong[at] *= 1.001
        parts = {name: getattr(S, name) for name in ("A", "B", "Q", "R", "Phi")} | {letter: wrong}
        with pytest.raises(FleetError, match=rf"{letter}: found that the block of agents \d and \d is not that of"):
            from_matrices((3, 3), **parts, exploration=1.0)
    shared = S.Phi + 0.1
    with pytest.raises(FleetError, match="Phi: found noise that two agents share"):
        from_matrices((3, 3), S.A, S.B, S.Q, S.R, shared, 1.0)
    with pytest.raises(FleetError, match=re.escape("A: found shape (3, 3), expected (12, 12)")):
        extracted("A", np.eye(3), (3, 3), (2, 2), (2, 2))


def test_costs_that_are_not_definite_are_refused(instance: Instance) -> None:
    system = instance.system(3)
    own, across = system.R.own, system.R.across
    flat = Blocks([across[0][0], own[1]], across)
    with pytest.raises(FleetError, match=r"R_1: found the eigenvalue .*, expected a positive definite matrix"):
        replace(system, R=flat)
    coupled = [[-np.eye(2)] * 2] * 2
    for letter in ("Q", "R"):
        negative = Blocks([matrix - np.eye(2) for matrix in getattr(system, letter).own], coupled)
        with pytest.raises(FleetError, match=f"{letter} of the mean field: found the eigenvalue"):
            replace(system, **{letter: negative})
    with pytest.raises(FleetError, match="Q_1: found a matrix that is not symmetric"):
        replace(system, Q=Blocks([np.array([[1, 0.5], [0, 1]]), system.Q.own[1]], system.Q.across))
    with pytest.raises(FleetError, match="sizes: found a subpopulation of 1"):
        replace(system, sizes=(1, 3))


def test_an_unstable_start_is_refused(instance: Instance) -> None:
    system = instance.system(3)
    start = Gains([K + 100 for K in instance.start], system.optimal_gains().mean_field)
    with pytest.raises(FleetError, match=r"initial gain of subpopulation 1: found ρ\(A − BK\) = .*, expected less"):
        steps_allowed(system, start)


def test_identities_hold_to_rounding_and_the_check_sees_what_is_wrong(system: ExchangeableSystem) -> None:
    gains = some_gains(system)
    found = residuals(system, system.full, gains, np.random.default_rng(4))
    assert all(one.residual <= one.bound < 1e-6 for one in found), found
    wrong = residuals(system, broken(system.full), gains, np.random.default_rng(4))
    assert all(one.residual > one.bound for one in wrong), wrong
    fewer = residuals(system, system.full, gains, np.random.default_rng(4), missed=1)
    assert [one.name for one in fewer if one.residual > one.bound] == ["proposition_2"]
    assert np.isclose(system.gap(gains), system.cost(gains) - system.cost(system.optimal_gains()), rtol=1e-9)


def test_exact_quantities_by_other_means(system: ExchangeableSystem) -> None:
    """Solve Lyapunov's equation by SciPy, and take central differences (error of order h², rounding of order eps/h)."""
    S, K = system.balanced, system.optimal_gains().mean_field
    K = perturbed(S, np.random.default_rng(5), float(S.cost(S.K_star)))
    closed = S.A - S.B @ K
    np.testing.assert_allclose(S.Sigma(K), solve_discrete_lyapunov(closed, S.Phi_sigma), rtol=1e-9)
    h, cost = 1e-5, float(S.cost(K))
    numeric = np.zeros_like(K)
    for at in np.ndindex(*K.shape):
        step = np.zeros_like(K)
        step[at] = h
        numeric[at] = (S.cost(K + step) - S.cost(K - step)) / (2 * h)
    scale = float(np.abs(S.gradient(K)).max())
    np.testing.assert_allclose(S.gradient(K), numeric, atol=1e-4 * scale)
    assert np.isclose(float(S.gap(K)), cost - float(S.cost(S.K_star)), rtol=1e-9)
    Delta, d = S.Delta(K), S.d
    np.testing.assert_allclose(Delta[d:, d:] @ K - Delta[d:, :d], S.E(K), atol=1e-12 * scale)
    assert float(S.gap(K + 1e3)) == np.inf
    np.testing.assert_allclose(np.abs(S.E(S.K_star)).max(), 0, atol=1e-12 * scale)


def test_balanced_coordinates_keep_the_cost(instance: Instance) -> None:
    """For equal sizes the gain is the same in both coordinates, and the step of Assumption 3 is |N^l| times as long."""
    system, K = instance.system(50), instance.gains().mean_field
    assert np.isclose(system.balanced.cost(K), system.mean_field.cost(K), rtol=1e-12)
    assert np.isclose(system.balanced.step(K), 50 * system.mean_field.step(K), rtol=1e-12)


def test_stacks_are_the_single_regulators(instance: Instance) -> None:
    systems: list[Regulator] = list(instance.system(50).auxiliary)
    K = np.stack(instance.start)
    stack = stacked(systems)
    for k, S in enumerate(systems):
        np.testing.assert_allclose(stack.E(K)[k], S.E(K[k]), rtol=1e-12, atol=1e-15)
        assert np.isclose(stack.gap(K)[k], S.gap(K[k]), rtol=1e-12)


def test_the_undecomposed_problem_without_its_matrices(instance: Instance) -> None:
    """Compare the recursion in orthogonal coordinates with natural gradient on the full matrices."""
    system, start = instance.system(3), instance.gains()
    S, K = system.full, system.full_gain(start)
    step = undecomposed_step(system, start)
    assert np.isclose(step, S.step(K), rtol=1e-12)
    found = counted([system], start, 1e-5, 3000, decomposed=False)
    gaps = []
    while not gaps or gaps[-1] > 1e-5:
        gaps.append(float(S.gap(K)))
        K = K - step * S.E(K)
    assert found.total == [len(gaps) - 1]


def test_counted_iterations_are_those_of_algorithm_2(instance: Instance) -> None:
    system, start = instance.system(50), instance.gains()
    found = counted([system, instance.system(100)], start, 1e-5, 3000)
    path = actor_critic(system, start, exact_critic(system))
    n = next(n for n, gains in enumerate(path) if system.gap(gains) <= 1e-5)
    assert found.total[0] == n <= theorem_2(system, start, 1e-5)
    assert found.per_agent[0] <= found.total[0]
    assert 0 < slowest(system, start) < 1
    assert counted([system], start, 1e-5, 1).total == [-1]


def test_which_cost_assumption_3_means(instance: Instance) -> None:
    """With the cost of a whole subpopulation, steps are shorter and iterations more; δ falls like the agents."""
    S, K = instance.system(50).auxiliary[0], instance.start[0]
    rest = float(np.linalg.norm(S.R, 2))
    assert np.isclose(1 / S.step(K, 50) - rest, 50 * (1 / S.step(K) - rest), rtol=1e-12)
    systems, start = [instance.system(size) for size in (10, 40)], instance.gains()
    one, all_agents = (counted(systems, start, 1e-5, 20000, summed=summed).per_agent for summed in (False, True))
    assert all_agents[1] > 2 * all_agents[0] > 2 * one[0]
    (few, few_total), (many, many_total) = (allowed_errors(system, start, 1e-5) for system in systems)
    assert np.isclose(few / few_total, 10)
    assert np.isclose(many / many_total, 40)
    assert np.isclose(few, many, rtol=0.5)


def test_the_error_that_assumption_4_allows() -> None:
    """Evaluate (31) to (39) by hand for the scalars a = b = k = 1/2 with unit costs and noises."""
    half, one = 0.5 * np.eye(1), np.eye(1)
    S = Regulator(half, half, one, one, one, one)
    closed = 0.5 - 0.25
    P = 1.25 / (1 - closed**2)
    cost = P * 1.25 + 1
    step = 1 / (1 + 0.25 * cost)
    E = (1 + 0.25 * cost) * 0.5 + 0.25 * cost
    a, k = 0.5 + 0.25 + step * 0.5 * E, 0.5 + step * E
    ratio = 1 / float(S.Sigma_star.item())
    polynomial = ratio * 4 * (1 + a) * 0.5 * cost + 6 * 1.25 * cost * k * (0.5 * k * a + 0.5 * k + 1)
    assert np.isclose(float(S.cost(half)), cost, rtol=1e-12)
    assert np.isclose(allowed_change(S, half, 0.1), 0.05 * step * ratio, rtol=1e-12)
    assert np.isclose(allowed_error(S, half, half, 0.1), 0.05 * step * ratio / polynomial, rtol=1e-12)


ONE = np.eye(1)


@pytest.mark.parametrize(("weight", "ratio"), [(1.0, 0.225), (10.0, 3.01), (1000.0, 309.4)])
def test_lemma_15_has_no_q(weight: float, ratio: float) -> None:
    """The scalars of docs/hierarchical.md: A = .9, B = R = Φ = σ = 1, K = .3."""
    assert np.isclose(perturbation(Regulator(0.9 * ONE, ONE, weight * ONE, ONE, ONE, ONE), 0.3 * ONE), ratio, rtol=2e-3)


@pytest.mark.parametrize(("R", "ratio"), [(1.0, 0.00065), (1e-3, 1.27), (1e-4, 12.7), (1e-5, 127.3)])
def test_the_proof_of_lemma_5_allows_too_much_where_r_is_small(R: float, ratio: float) -> None:
    """The same scalars with Q = 1, an error of the allowed size; the mended Λ allows less."""
    S, K = Regulator(0.9 * ONE, ONE, ONE, R * ONE, ONE, ONE), 0.3 * ONE
    precision, step, E = min(1.0, float(S.gap(K))), S.step(K), S.E(K)

    def change(error: float) -> float:
        exact = float(S.gap(K - step * E))
        changes = [abs(float(S.gap(K - step * (E + sign * error))) - exact) for sign in (1, -1)]
        return max(changes) / allowed_change(S, K, precision)

    assert np.isclose(change(allowed_error(S, K, K, precision)), ratio, rtol=1e-2)
    assert change(mended_error(S, K, K, precision)) < 0.01


def test_formulas_hold_and_wrong_ones_do_not(system: ExchangeableSystem) -> None:
    for S, K in system.pairs(some_gains(system)):
        found = formulas(S, K, np.random.default_rng(6))
        assert all(one.residual <= one.bound < 1e-3 * one.wrong for one in found), found


def test_the_fisher_matrix_by_scores_that_are_drawn() -> None:
    """Compare E[ssᵀ] = Ψ⁻¹Σ_K with 20,000 drawn scores, by the standard error of their mean; ΨΣ_K is excluded."""
    S, K = Regulator(0.5 * ONE, 0.5 * ONE, ONE, ONE, ONE, 0.25 * ONE), 0.3 * ONE
    rng = np.random.default_rng(7)
    Sigma = float(S.Sigma(K).item())
    squares = (rng.normal(0, 0.5, 20000) * rng.normal(0, np.sqrt(Sigma), 20000) / 0.25) ** 2
    error = squares.std() / np.sqrt(20000)
    assert abs(squares.mean() - float(fisher(S, K).item())) < 4.5 * error
    assert np.isclose(float(fisher(S, K).item()), 4 * Sigma, rtol=1e-12)
    assert abs(squares.mean() - Sigma / 4) > 4.5 * error


def test_the_natural_gradient_of_the_mean_field_has_another_direction_for_unequal_sizes() -> None:
    system = general_system(np.random.default_rng(1), (3, 30), (2, 2), (1, 1))
    S, K = system.mean_field, some_gains(system).mean_field
    E, natural = S.E(K).ravel(), (2 * S.Psi @ S.E(K)).ravel()
    assert E @ natural < 0.99 * np.linalg.norm(E) * np.linalg.norm(natural)
