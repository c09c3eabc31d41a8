"""Show in numbers the slips of the paper that docs/coop_lsvi.md lists, each beside what holds instead."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo.evidence.coop_lsvi.model.bounds import lemma_1, lemma_9, remark_2_threshold
from pcpo.evidence.coop_lsvi.model.draws import random_mdp, random_multi_agent
from pcpo.evidence.coop_lsvi.model.joint import (
    bayes_regret,
    greedy_policy,
    scalarised_optimum,
    simplex_points,
)
from pcpo.evidence.coop_lsvi.model.mdp import homogeneous, policy_values
from pcpo.evidence.coop_lsvi.model.parallel import EVERY_EPISODE, Noise, Run, noise, run

S, A, D = 4, 3, 3


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed))


def learnt(M: int, T: int, H: int, threshold: float) -> Run:
    mdp = homogeneous(random_mdp(rng(1), S, A, H, D), M)
    return run(mdp, noise(rng(2), T, M, H, S), np.full(T, 0.2), threshold)


def test_a_threshold_below_proportion_gives_no_constant_number_of_rounds() -> None:
    """Below Lemma 1: "when S = o(T) … only in a constant number of episodes, regardless of T"."""
    M, H, times = 4, 2, (250, 1000, 4000)
    slow = [len(learnt(M, T, H, np.sqrt(T)).rounds) for T in times]  # S = √T is o(T)
    fast = [len(learnt(M, T, H, T * np.log(M * T) / 100).rounds) for T in times]
    assert slow[0] < slow[1] < slow[2], "the rounds grow with T"
    assert slow[2] > 1.8 * slow[0]
    assert max(fast) <= min(fast) + 2, "S proportional to T log(MT) keeps them nearly constant"
    bounds = [lemma_1(T, M, H, D, T * np.log(M * T) / 100) for T in times]
    assert bounds == pytest.approx([bounds[0]] * 3), "as Lemma 1 says"
    assert lemma_1(4000, M, H, D, np.sqrt(4000)) > 2 * lemma_1(250, M, H, D, np.sqrt(250))


def test_a_constant_threshold_is_not_communication_in_every_round() -> None:
    """Remark 2: "If the agents communicate every round, i.e., S = O(1)"."""
    T = 1000
    assert len(learnt(4, T, 2, 1.0).rounds) < T / 10
    assert len(learnt(4, T, 2, EVERY_EPISODE).rounds) == T
    assert 2 * 2 * D * 4 < lemma_1(T, 4, 2, D, remark_2_threshold(T, 4, D)) < 2 * D * 4**3 * 2, "HdM, not dHM³"


def test_a_single_agents_trigger_does_not_bound_the_data_of_all() -> None:
    """(57): Δ·log(det Λ̄_σk/det Λ̄_σ(k−1)) ≤ S "from the synchronization criterion", which knows one agent's data."""
    M, T, threshold = 16, 200, 10.0
    mdp, drawn = homogeneous(random_mdp(rng(1), S, A, 1, D), M), noise(rng(2), T, M, 1, S)
    beta = np.full(T, 0.2)
    first = int(run(mdp, drawn, beta, threshold).rounds[0])

    def until(t: int) -> float:
        """Return Δ times the growth of log det Λ̄ of all agents in the first interval, cut after t episodes."""
        return t * float(run(mdp, Noise(drawn.starts[:t], drawn.uniforms[:t]), beta[:t], threshold).log_det[0])

    assert first > 2
    assert until(first) > threshold
    assert until(first - 1) > 1.5 * threshold, "even before the episode that triggers"


def test_the_sum_over_steps_is_lost() -> None:
    """(63): the second term of (62) is a sum over H steps, and has no H any more."""
    M, T, H = 2, 400, 12
    found = learnt(M, T, H, EVERY_EPISODE)
    printed = 2 * np.sqrt(2 * D * M * T * np.log(M * T))  # S → 0: the first term vanishes
    assert found.width.sum() > 1.2 * printed
    assert found.width.sum() < lemma_9(found.log_det, T, M, 0.0).sum() <= H * printed


def test_a_fresh_scalarisation_is_not_one_that_was_played() -> None:
    """(128): the expectation over a fresh v becomes the mean over v_1, …, v_T, for which the policies were chosen."""
    mdp = random_multi_agent(rng(3), S, (2, 2), 2, 3, 3)
    played = np.array([[0.05, 0.95]])  # v_1, T = 1
    Q, V = scalarised_optimum(mdp, played)
    values = np.swapaxes(policy_values(mdp.P, mdp.r, greedy_policy(Q)), 1, 2)  # V of π*_{v_1}, (1, S, M)
    assert np.abs(V[0, 0] - values[0] @ played[0]).max() < 1e-12, "the mean over v_t is 0"
    assert bayes_regret(mdp, values, simplex_points(2, 50), np.array([1]))[0] > 0.01, "over a fresh v it is not"
