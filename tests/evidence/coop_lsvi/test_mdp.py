"""Test finite linear MDPs: invalid input, promises of the generators, dynamic programming against enumeration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.draws import random_contexts, random_mdp, random_multi_agent, random_twins
from pcpo.evidence.coop_lsvi.model.mdp import (
    LinearMDP,
    MultiAgentMDP,
    all_policies,
    contextual,
    deviating,
    homogeneous,
    optimal,
    policy_values,
    with_contrast,
)

S, A, H, D = 4, 3, 2, 3


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed))


def small(seed: int = 0) -> LinearMDP:
    return random_mdp(rng(seed), S, A, H, D)


def test_transitions_and_rewards_are_linear_and_proper() -> None:
    mdp = small()
    np.testing.assert_allclose(mdp.P.sum(axis=-1), 1, atol=1e-12)
    assert mdp.P.min() >= 0
    assert 0 <= mdp.r.min() <= mdp.r.max() <= 1
    np.testing.assert_allclose(mdp.r[1, 2, 0], mdp.phi[2, 0] @ mdp.theta[1], atol=1e-15)


def test_features_that_define_no_probability_are_refused() -> None:
    mdp = small()
    mu = mdp.mu.copy()
    mu[0, 0, 0] += 0.1
    with pytest.raises(ConfigError, match=r"P\[\d, \d, \d\]: found probabilities that sum to 1\.\d+, expected 1"):
        replace(mdp, mu=mu)
    mu = mdp.mu.copy()
    mu[0, :, 0], mu[0, :, 1] = -0.1, mu[0, :, 1] + mu[0, :, 0] + 0.1
    with pytest.raises(ConfigError, match=r"P\[0, \d, \d, 0\]: found probability -0\.1, expected features"):
        replace(mdp, mu=mu)


def test_long_features_are_refused() -> None:
    mdp = small()
    phi = mdp.phi.copy()
    phi[1, 2] *= 2 / np.linalg.norm(phi[1, 2])
    with pytest.raises(ConfigError, match=r"phi\[1, 2\]: found norm 2, expected at most 1"):
        replace(mdp, phi=phi)


def test_long_weights_are_refused() -> None:
    """Features half as long and weights twice as large are the same MDP, outside of Definitions 1, 2 and 5."""
    mdp = small()
    with pytest.raises(ConfigError, match=r"mu\(S\)\[0\]: found norm 3\.4641, expected at most √3 = 1\.73205"):
        LinearMDP(mdp.phi / 2, 2 * mdp.mu, 2 * mdp.theta)
    many = random_multi_agent(rng(1), S, (2, 3), H, 3, 4)
    with pytest.raises(ConfigError, match=r"mu\(S\)\[0\]: found norm 4, expected at most √4 = 2"):
        replace(many, common=many.common / 2, mu=2 * many.mu)
    with pytest.raises(ConfigError, match=r"theta\[\d\]: found norm \d\.\d+, expected at most √3"):
        replace(many, phi=many.phi / 4, theta=4 * many.theta)
    draw = rng(4)
    nu, alpha, kappa = draw.dirichlet(np.ones(S), (H, 5)), draw.random((H, 5)), random_contexts(draw, 6, 5, 2)
    with pytest.raises(ConfigError, match=r"nu\(S\)\[\d\]: found norm 4\.47214, expected at most √5"):
        contextual(mdp, 2 * nu, alpha, kappa, 0.4)
    with pytest.raises(ConfigError, match=r"alpha\[\d\]: found norm \d\.\d+, expected at most √5"):
        contextual(mdp, nu, 4 * alpha, kappa, 0.4)


@pytest.mark.parametrize(("weight", "found"), [(1.5, "1.5"), (-0.5, "-0.5")])
def test_rewards_outside_the_unit_interval_are_refused(weight: float, found: str) -> None:
    mdp = small()
    with pytest.raises(ConfigError, match=rf"r\[\d, \d, \d\]: found reward {found}, expected one in \[0, 1\]"):
        replace(mdp, theta=np.full_like(mdp.theta, weight))


def test_wrong_shapes_and_infinite_numbers_are_refused() -> None:
    mdp = small()
    with pytest.raises(ConfigError, match=r"mu: found shape \(1, 3, 4\), expected \(2, 3, 4\)"):
        replace(mdp, mu=mdp.mu[:1])
    with pytest.raises(ConfigError, match="theta: found an entry that is not finite"):
        replace(mdp, theta=np.full_like(mdp.theta, np.nan))
    with pytest.raises(ConfigError, match=r"phi, theta: found shapes"):
        replace(mdp, phi=mdp.phi[0])


def test_a_multi_agent_mdp_is_checked_too() -> None:
    mdp = random_multi_agent(rng(1), S, (2, 3), H, 3, 4)
    assert mdp.columns.shape == (2, S, 6, 7)
    assert np.linalg.norm(mdp.columns, axis=-1).max() <= 1 + 1e-12
    assert mdp.joint(np.array([1, 2])) == 5
    with pytest.raises(ConfigError, match=r"actions: found \(2, 2\), expected 2 numbers with product 6"):
        replace(mdp, actions=(2, 2))
    with pytest.raises(ConfigError, match="found norm"):
        replace(mdp, phi=2 * mdp.phi)
    with pytest.raises(ConfigError, match="found reward"):
        replace(mdp, theta=mdp.theta + 1)
    with pytest.raises(ConfigError, match="probabilities that sum to"):
        replace(mdp, mu=0.5 * mdp.mu)
    assert isinstance(mdp, MultiAgentMDP)


def test_deviations_are_exact() -> None:
    base = small()
    for xi in (0.0, 0.05, 0.3):
        mdp = deviating(base, random_twins(rng(2), base, 3), xi)
        np.testing.assert_allclose(mdp.deviation, xi, rtol=1e-12, atol=1e-15)
    with pytest.raises(ConfigError, match=r"xi: found 1\.5, expected a number from 0 to 0\.\d+"):
        deviating(base, random_twins(rng(2), base, 3), 1.5)


@pytest.mark.parametrize("chi", [1, 2, 5])
def test_contexts_have_the_rank_asked_for_and_change_no_advantage(chi: int) -> None:
    base, draw = small(3), rng(4)
    kappa = random_contexts(draw, 6, 5, chi)
    mdp = contextual(base, draw.dirichlet(np.ones(S), (H, 5)), draw.random((H, 5)), kappa, 0.4)
    assert mdp.chi == chi
    assert (mdp.deviation[0] > 0.01) == (chi > 1)
    features = mdp.features(use_contexts=True)
    assert features.shape == (6, S, A, D + 5)
    # Definition 2 holds: one weight vector for all agents gives their rewards.
    flat, r = features.reshape(-1, D + 5), np.stack([mdp.r[m, 0] for m in range(6)]).ravel()
    weights = np.linalg.lstsq(flat, r, rcond=None)[0]
    np.testing.assert_allclose(flat @ weights, r, atol=1e-12)
    Q, V = optimal(mdp.P, mdp.r)
    advantage = Q - V[..., None]
    np.testing.assert_allclose(advantage, np.broadcast_to(advantage[:1], advantage.shape), atol=1e-12)
    apart = deviating(base, random_twins(draw, base, 6), 0.1)
    Q, V = optimal(apart.P, apart.r)
    assert np.abs((Q - V[..., None])[1] - (Q - V[..., None])[0]).max() > 1e-3
    with pytest.raises(ConfigError, match="weight: found 1"):
        contextual(base, draw.dirichlet(np.ones(S), (H, 5)), draw.random((H, 5)), kappa, 1.0)


def test_dynamic_programming_finds_the_best_of_all_policies() -> None:
    mdp = random_mdp(rng(5), 2, 3, 2, D)
    policies = all_policies(2, 2, 3)
    assert len(np.unique(policies.reshape(81, -1), axis=0)) == 81
    values = policy_values(mdp.P, mdp.r, policies)
    _, V = optimal(mdp.P, mdp.r)
    np.testing.assert_allclose(values.max(axis=0), V[0], rtol=1e-13)
    with pytest.raises(ConfigError, match=r"found 10\^\(4·2\) = 100,000,000, expected at most 1,000,000"):
        all_policies(2, 4, 10)


def test_values_agree_with_simulated_returns() -> None:
    mdp, draw, runs = small(6), rng(7), 4000
    policy = draw.integers(0, A, (1, H, S))
    value = policy_values(mdp.P, mdp.r, policy)[0, 1]
    total = np.zeros(runs)
    state = np.ones(runs, dtype=np.int64)
    for h in range(H):
        a = policy[0, h, state]
        total += mdp.r[h, state, a]
        state = (draw.random((runs, 1)) >= np.cumsum(mdp.P[h, state, a], axis=-1)).sum(axis=-1)
    assert abs(total.mean() - value) < 4 * total.std(ddof=1) / np.sqrt(runs)


def test_contrast_scales_gaps() -> None:
    mdp = small(8)
    np.testing.assert_allclose(with_contrast(mdp, 0.25).r - 0.375, 0.25 * mdp.r, atol=1e-15)
    assert homogeneous(mdp, 3).deviation == (0.0, 0.0)
    assert homogeneous(mdp, 1).deviation == (0.0, 0.0)
    assert homogeneous(mdp, 3).chi == 0
