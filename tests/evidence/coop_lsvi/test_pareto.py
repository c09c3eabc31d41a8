"""Test Pareto fronts, scalarised optima and the two Bayes regrets against plain definitions."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo.evidence.coop_lsvi.model.bounds import betas
from pcpo.evidence.coop_lsvi.model.draws import random_multi_agent
from pcpo.evidence.coop_lsvi.model.joint import (
    bayes_regret,
    greedy_policy,
    joint_noise,
    never_greedy,
    pareto_optimal,
    recovered,
    run_joint,
    scalarised_optimum,
    simplex_points,
)
from pcpo.evidence.coop_lsvi.model.mdp import all_policies, policy_values

S, H = 2, 2


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed))


def plain_front(values: np.ndarray) -> list[bool]:
    return [not any((other >= one).all() and (other > one).any() for other in values) for one in values]


@pytest.mark.parametrize("seed", range(4))
def test_the_front_is_the_definition(seed: int) -> None:
    values = rng(seed).integers(0, 4, (60, 2, 2)).astype(np.float64)  # with ties and equal rows
    found = pareto_optimal(values)
    assert found.tolist() == plain_front(values.reshape(60, -1)) == pareto_optimal(values, values).tolist()
    assert 0 < found.sum() < 60
    assert not pareto_optimal(values[:1] - 1, values)[0]


def test_greedy_policies_are_on_the_front_and_the_best_for_their_weights() -> None:
    mdp = random_multi_agent(rng(1), S, (2, 2), H, 3, 3)
    values = policy_values(mdp.P, mdp.r, all_policies(H, S, 4))
    v = simplex_points(2, 25)
    Q, V = scalarised_optimum(mdp, v)
    greedy = policy_values(mdp.P, mdp.r, greedy_policy(Q))
    assert pareto_optimal(greedy, values).all()
    np.testing.assert_allclose(np.einsum("nm,nms->ns", v, greedy), V[:, 0], atol=1e-13)
    np.testing.assert_allclose(np.tensordot(v, values, axes=(1, 1)).max(axis=1), V[:, 0], atol=1e-13)
    assert not pareto_optimal(policy_values(mdp.P, mdp.r, greedy_policy(-Q)), values).all()


def test_policies_proved_to_be_greedy_for_no_weights_are_so_on_a_fine_grid() -> None:
    mdp = random_multi_agent(rng(1), S, (2, 2), H, 3, 3)
    values = policy_values(mdp.P, mdp.r, all_policies(H, S, 4))
    front, v, fine = values[pareto_optimal(values)], simplex_points(2, 40), simplex_points(2, 4000)
    best = scalarised_optimum(mdp, v)[1][:, 0]
    proved = never_greedy(front, best, v, values)
    missed = scalarised_optimum(mdp, fine)[1][:, :1] - np.einsum("km,nms->kns", fine, front)
    assert 0 < proved.sum() < len(front)
    assert missed.max(axis=-1).min(axis=0)[proved].min() > 1e-6
    # Greedy for a v between the midpoints: no proof, though at every midpoint its value is missed.
    between = policy_values(mdp.P, mdp.r, greedy_policy(scalarised_optimum(mdp, fine)[0]))
    assert not never_greedy(between, best, v, values).any()


def test_regrets_are_their_definitions() -> None:
    mdp, T = random_multi_agent(rng(2), S, (2, 2), H, 3, 3), 60
    found = run_joint(mdp, joint_noise(rng(3), T, 2, H, S), betas("calibrated", T, 2, H, 6, scale=0.05), 2.0)
    v, at = simplex_points(2, 7), np.array([1, 10, T])
    V = scalarised_optimum(mdp, v)[1][:, 0]
    plain = [
        np.mean([max(V[k, x] - max(found.values[t, x] @ v[k] for t in range(n)) for x in range(S)) for k in range(7)])
        for n in at
    ]
    bayes = bayes_regret(mdp, found.values, v, at)
    np.testing.assert_allclose(bayes, plain, atol=1e-13)
    assert bayes[0] > bayes[-1] >= -1e-13
    first = recovered(mdp, found.values, v)
    for k, episode in enumerate(first):
        good = [bool(np.all(found.values[t] @ v[k] >= V[k] - 1e-10)) for t in range(T)]
        assert episode == (good.index(True) + 1 if any(good) else 0)
    assert (first > 0).any()


def test_points_stand_for_the_uniform_distribution() -> None:
    for M in (2, 3):
        points = simplex_points(M, 400)
        np.testing.assert_allclose(points.sum(axis=1), 1, atol=1e-12)
        assert points.min() > 0
        variance = (M - 1) / (M**2 * (M + 1))
        assert np.abs(points.mean(axis=0) - 1 / M).max() < 4 * np.sqrt(variance / 400)
