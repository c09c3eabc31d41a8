"""Test Algorithms 1, 2 and 3: kernels against plain Python, the trigger, traffic, and known limits."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.bounds import (
    betas,
    lemma_1,
    lemma_1_counted,
    lemma_3,
    lemma_3_counted,
    lemma_9,
    lemma_14,
    remark_2_threshold,
    remark_4,
)
from pcpo.evidence.coop_lsvi.model.draws import random_contexts, random_mdp, random_multi_agent
from pcpo.evidence.coop_lsvi.model.joint import joint_noise, run_joint
from pcpo.evidence.coop_lsvi.model.mdp import MultiAgentMDP, ParallelMDP, contextual, homogeneous, optimal
from pcpo.evidence.coop_lsvi.model.parallel import ALONE, EVERY_EPISODE, Noise, noise, run
from pcpo.evidence.coop_lsvi.streams import first_losses

S, A, H, D, M, T = 4, 3, 2, 3, 3, 40


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed))


def parallel(*, contexts: bool) -> ParallelMDP:
    draw = rng(1)
    base = random_mdp(draw, S, A, H, D)
    if not contexts:
        return homogeneous(base, M)
    kappa = random_contexts(draw, M, 2, 2)
    return contextual(base, draw.dirichlet(np.ones(S), (H, 2)), draw.random((H, 2)), kappa, 0.5)


def twin(
    mdp: ParallelMDP, drawn: Noise, beta: FloatArray, threshold: float, contexts: bool
) -> tuple[list[int], FloatArray]:
    """Run Algorithms 1 and 3 as printed, with lists of transitions, and return (rounds, regret)."""
    features = mdp.features(use_contexts=contexts)
    of = lambda m: m if contexts else 0  # noqa: E731
    known: list[list[list[tuple[int, int, int, int, float]]]] = [[[] for _ in range(H)] for _ in range(M)]
    unsent: list[list[list[tuple[int, int, int, int, float]]]] = [[[] for _ in range(H)] for _ in range(M)]
    V_star = optimal(mdp.P, mdp.r)[1]
    rounds, since, regret = [], 0, np.empty((len(beta), M))
    for t in range(len(beta)):
        synchronise = False
        for m in range(M):
            V, policy = np.zeros(features.shape[:2]), np.empty((H, S), dtype=np.int64)
            for h in reversed(range(H)):
                data = known[m][h] + unsent[m][h]
                phi = np.array([features[of(n), x, a] for n, x, a, _, _ in data]).reshape(-1, features.shape[-1])
                y = np.array([r + V[of(n), z] for n, _, _, z, r in data])
                inverse = np.linalg.inv(np.eye(phi.shape[1]) + phi.T @ phi)
                width = np.sqrt(np.einsum("nxai,ij,nxaj->nxa", features, inverse, features))
                Q = np.minimum(features @ (inverse @ (phi.T @ y)) + beta[t] * width, H - h)
                V, policy[h] = Q.max(axis=-1), Q[of(m)].argmax(axis=-1)
            x, value = int(drawn.starts[t, m]), np.zeros(S)
            for h in reversed(range(H)):
                value = np.array(
                    [mdp.r[m, h, s, policy[h, s]] + mdp.P[m, h, s, policy[h, s]] @ value for s in range(S)]
                )
            regret[t, m] = V_star[m, 0, x] - value[x]
            for h in range(H):
                a = int(policy[h, x])
                z = int(np.sum(drawn.uniforms[t, m, h] >= np.cumsum(mdp.P[m, h, x, a])[:-1]))
                unsent[m][h].append((m, x, a, z, float(mdp.r[m, h, x, a])))
                x = z
                dets = []
                for data in (known[m][h], known[m][h] + unsent[m][h]):
                    phi = np.array([features[of(n), s, b] for n, s, b, _, _ in data]).reshape(-1, features.shape[-1])
                    dets.append(np.linalg.slogdet(np.eye(phi.shape[1]) + phi.T @ phi)[1])
                synchronise |= bool(dets[1] - dets[0] >= threshold / (t + 1 - since))
        if synchronise:
            for h in range(H):
                union = [item for m in range(M) for item in unsent[m][h]]
                for m in range(M):
                    known[m][h], unsent[m][h] = known[m][h] + union, []
            rounds.append(t + 1)
            since = t + 1
    return rounds, regret


@pytest.mark.parametrize("contexts", [False, True])
@pytest.mark.parametrize("threshold", [0.7, ALONE])
def test_the_kernel_is_the_printed_algorithm(contexts: bool, threshold: float) -> None:
    mdp, drawn = parallel(contexts=contexts), noise(rng(2), T, M, H, S)
    beta = betas("calibrated", T, M, H, D, scale=0.05)
    found = run(mdp, drawn, beta, threshold, use_contexts=contexts)
    rounds, regret = twin(mdp, drawn, beta, threshold, contexts)
    assert found.rounds.tolist() == rounds
    assert bool(rounds) == (threshold != ALONE)
    np.testing.assert_allclose(found.regret, regret, atol=1e-10)
    assert found.regret.max() > 0.01
    assert found.regret.min() > -1e-12


def test_messages_are_counted_where_they_pass() -> None:
    drawn = noise(rng(3), T, M, H, S)
    found = run(parallel(contexts=False), drawn, np.ones(T), 0.7)
    n, last = len(found.rounds), int(found.rounds[-1])
    assert found.traffic.rounds == n
    assert found.traffic.messages_up == found.traffic.messages_down == n * M
    transitions = last * M * H  # three integers and a reward each, of the episodes up to the last round
    assert found.traffic.bytes_up == transitions * 32
    assert found.traffic.bytes_down == M * found.traffic.bytes_up
    assert run(parallel(contexts=False), drawn, np.ones(T), ALONE).traffic.rounds == 0
    assert run(parallel(contexts=False), drawn, np.ones(T), EVERY_EPISODE).rounds.tolist() == list(range(1, T + 1))


def test_one_agent_needs_no_server() -> None:
    """With M = 1 communication brings nothing: every threshold gives the same policies up to rounding."""
    mdp, drawn = homogeneous(random_mdp(rng(4), S, A, H, D), 1), noise(rng(5), T, 1, H, S)
    runs = [run(mdp, drawn, np.full(T, 0.3), S_).regret for S_ in (EVERY_EPISODE, 1.0, ALONE)]
    np.testing.assert_allclose(runs[0], runs[2], atol=1e-10)
    np.testing.assert_allclose(runs[1], runs[2], atol=1e-10)


def test_same_noise_same_bits_and_a_prefix_is_a_shorter_run() -> None:
    mdp, drawn, beta = parallel(contexts=False), noise(rng(6), T, M, H, S), np.full(T, 0.2)
    first, second = run(mdp, drawn, beta, 1.0), run(mdp, drawn, beta, 1.0)
    np.testing.assert_array_equal(first.regret, second.regret)
    short = run(mdp, Noise(drawn.starts[:20], drawn.uniforms[:20]), beta[:20], 1.0)
    np.testing.assert_array_equal(first.regret[:20], short.regret)


def test_widths_of_the_proofs_are_optimistic_and_never_leave_exploration() -> None:
    mdp, drawn = parallel(contexts=False), noise(rng(7), T, M, H, S)
    printed = run(mdp, drawn, betas("proof", T, M, H, D, scale=1.0), 1.0)
    assert printed.pessimism.max() <= 0
    assert run(mdp, drawn, np.zeros(T), 1.0).pessimism.max() > 0.1
    first = first_losses(mdp, drawn.starts)
    np.testing.assert_allclose(printed.regret, first, atol=1e-12)
    assert len(np.unique(first.round(9))) == S, "the regret of the first action depends on the initial state alone"
    assert run(mdp, drawn, np.zeros(T), 1.0).regret[T // 2 :].mean() < 0.5 * first.mean()


def test_widths_sum_to_less_than_lemma_9() -> None:
    """Sum ‖φ‖ over all agents and episodes; as a control, over agents that never communicate."""
    many, long = 16, 2000
    mdp, drawn = homogeneous(random_mdp(rng(8), S, A, 1, D), many), noise(rng(9), long, many, 1, S)
    beta = np.full(long, 0.2)
    found, lonely = run(mdp, drawn, beta, 1.0), run(mdp, drawn, beta, ALONE)
    bound = lemma_9(found.log_det, long, many, 1.0)[0]
    assert 0.1 * bound < found.width.sum() < bound
    assert lonely.width.sum() > 2 * found.width.sum()


def test_a_mean_context_changes_nothing_where_all_contexts_are_one() -> None:
    """Ignoring contexts is nothing at χ = 1 and something at χ = 4: it is no matter of widths or features."""
    drawn, beta = noise(rng(13), 400, 6, H, S), np.full(400, 0.3)
    lost = {1: 0.0, 4: 0.0}
    for seed in range(5):
        for chi in lost:
            draw = rng(20 + seed)
            base, nu = random_mdp(draw, S, A, H, D), draw.dirichlet(np.full(S, 0.1), (H, 4))
            alpha = draw.integers(0, 2, (H, 4)).astype(np.float64)
            mdp = contextual(base, nu, alpha, random_contexts(draw, 6, 4, chi), 0.6)
            known = run(mdp, drawn, beta, 1.0, use_contexts=True)
            ignored = run(mdp.averaged(), drawn, beta, 1.0, use_contexts=True)
            lost[chi] += ignored.regret.sum() - known.regret.sum()
            if chi == 1:
                np.testing.assert_allclose(ignored.regret, known.regret, atol=1e-9)
                assert ignored.rounds.tolist() == known.rounds.tolist()
    assert lost[1] == pytest.approx(0, abs=1e-6)
    assert abs(lost[4]) > 50
    with pytest.raises(ConfigError, match="contexts: found none, expected those of agents with contexts"):
        parallel(contexts=False).averaged()


@pytest.mark.parametrize("threshold", [0.5, 5.0])
def test_rounds_are_within_the_bounds_of_the_proofs(threshold: float) -> None:
    """The bound with the information of the run is below the lemma's, and twenty times the threshold breaks it."""
    many, long = 4, 400
    mdp, drawn = homogeneous(random_mdp(rng(8), S, A, H, D), many), noise(rng(9), long, many, H, S)
    found = run(mdp, drawn, np.full(long, 0.2), threshold)
    bound = lemma_1_counted(found.log_det, long, threshold)
    assert bound / 20 < len(found.rounds) <= bound < lemma_1(long, many, H, D, threshold)
    assert len(found.rounds) > lemma_1_counted(found.log_det, long, 100 * threshold)
    joint = random_multi_agent(rng(10), S, (2, 2), H, 3, 3)
    joint_found = run_joint(joint, joint_noise(rng(11), long, 2, H, S), np.full(long, 0.2), 1 + threshold)
    joint_bound = lemma_3_counted(joint_found.log_det, 1 + threshold)
    assert joint_bound / 4 < len(joint_found.rounds) <= joint_bound < lemma_3(long, 2, H, 6, 1 + threshold)
    assert len(joint_found.rounds) > lemma_3_counted(joint_found.log_det, (1 + threshold) ** 5)


def joint_twin(mdp: MultiAgentMDP, drawn, beta: FloatArray, threshold: float) -> tuple[list[int], FloatArray]:  # type: ignore[no-untyped-def]
    """Run Algorithm 2 as printed, with lists, and return (rounds, V_1^π of every episode)."""
    Phi = np.moveaxis(mdp.columns, 0, -1)  # (S, A, d, M)
    d, agents = Phi.shape[2:]
    seen: list[list[tuple[int, int, int]]] = [[] for _ in range(H)]
    Lambda = np.stack([np.eye(d)] * H)
    used, synced, rounds, values = 0, Lambda.copy(), [], np.empty((len(beta), S, agents))
    for t in range(len(beta)):
        v, V, policy = drawn.weights[t], np.zeros(S), np.empty((H, S), dtype=np.int64)
        for h in reversed(range(H)):
            inverse = np.linalg.inv(synced[h])
            U = sum((Phi[x, a] @ (mdp.r[:, h, x, a] + V[z]) for x, a, z in seen[h][:used]), np.zeros(d))
            mean = np.einsum("xadm,m,d->xa", Phi, v, inverse @ U)
            gram = np.einsum("xadm,de,xaen->xamn", Phi, inverse, Phi)
            Q = np.minimum(mean + beta[t] * np.sqrt(np.linalg.norm(gram, 2, axis=(-2, -1))), H - h)
            V, policy[h] = Q.max(axis=-1), Q.argmax(axis=-1)
        x, value = int(drawn.starts[t]), np.zeros((S, agents))
        for h in reversed(range(H)):
            value = np.array([mdp.r[:, h, s, policy[h, s]] + mdp.P[h, s, policy[h, s]] @ value for s in range(S)])
        values[t] = value
        for h in range(H):
            a = int(policy[h, x])
            z = int(np.sum(drawn.uniforms[t, h] >= np.cumsum(mdp.P[h, x, a])[:-1]))
            seen[h].append((x, a, z))
            Lambda[h] += Phi[x, a] @ Phi[x, a].T
            x = z
        if np.any(np.linalg.slogdet(Lambda)[1] - np.linalg.slogdet(synced)[1] >= np.log(threshold)):
            used, synced = t + 1, Lambda.copy()
            rounds.append(t + 1)
    return rounds, values


@pytest.mark.parametrize("threshold", [1.0, 1.7, np.inf])
def test_the_joint_kernel_is_the_printed_algorithm(threshold: float) -> None:
    mdp, drawn = random_multi_agent(rng(10), S, (2, 2), H, 3, 3), joint_noise(rng(11), T, 2, H, S)
    beta = betas("calibrated", T, 2, H, 6, scale=0.02)
    found = run_joint(mdp, drawn, beta, threshold)
    rounds, values = joint_twin(mdp, drawn, beta, threshold)
    assert found.rounds.tolist() == rounds
    assert len(rounds) == {1.0: T, 1.7: len(rounds), np.inf: 0}[threshold]
    np.testing.assert_allclose(found.values, values, atol=1e-10)
    best = optimal(np.broadcast_to(mdp.P, (T, *mdp.P.shape)), np.tensordot(drawn.weights, mdp.r, axes=1))[1][:, 0]
    scalar = np.einsum("txm,tm->tx", found.values, drawn.weights)
    np.testing.assert_allclose(found.regret, (best - scalar).max(axis=1), atol=1e-12)
    last = int(found.rounds[-1]) if rounds else 0
    assert found.traffic.bytes_up == last * H * 2 * 8
    assert found.traffic.bytes_down == 2 * found.traffic.bytes_up


def test_wrong_numbers_are_refused() -> None:
    mdp = random_multi_agent(rng(10), S, (2, 2), H, 3, 3)
    with pytest.raises(ConfigError, match="threshold: found 0, expected a number above 0"):
        run_joint(mdp, joint_noise(rng(0), 2, 2, H, S), np.ones(2), 0)
    with pytest.raises(ConfigError, match="beta: found 'x', expected one of calibrated, theorem, proof"):
        betas("x", 10, 1, 1, 1, scale=1.0)


def theorem_1(T: float, M: float, H: float, d: float, S: float, alpha: float = 0.05) -> float:
    """Return (64) with c_β = 1, the bound on group regret with probability at least 1 − α."""
    noise = np.sqrt(2 * H**3 * M * T * np.log(2 / alpha))
    width = 2 * d * H**2 * np.sqrt(2 * np.log(d * M * T * H / alpha))
    return float(noise + width * (2 * np.log(d * M * T) * M * np.sqrt(S) + 2 * np.sqrt(2 * d * M * T * np.log(M * T))))


def test_bounds_in_numbers() -> None:
    assert lemma_1(100, 1, 2, 4, 100) == pytest.approx(4 * np.sqrt(4 * np.log(100)) + 8)
    assert lemma_3(8, 1, 1, 8, 2) == pytest.approx(8 * 1 + 1)
    assert lemma_3(8, 1, 1, 8, 1.0) == 8
    assert lemma_14(np.e, 1, 2, 3) == pytest.approx(6)
    S_ = remark_2_threshold(1000, 4, 5)
    assert lemma_1(1000, 4, 2, 5, S_) == pytest.approx(2 * 2 * 5 * 4 + 8), "2HdM + 4H, not of order M³"
    # Lemmas 5 and 12 with c_β = 1, d = 4, H = 2, M = 4, T = 1,000, δ' = 0.05.
    assert betas("proof", 1000, 4, 2, 4, scale=9.0)[0] == pytest.approx(29.99, abs=0.01)
    told = betas("proof", 1000, 4, 2, 4, scale=9.0, xi=0.1)[0]
    assert told == pytest.approx(29.99 + 8 * 0.1 * np.sqrt(4 * 4 * 1000), abs=0.01)
    assert remark_4(4, 8) == pytest.approx(3 * np.sqrt(1.25))
    assert lemma_1_counted(np.array([4.0, 9.0]), 100, 25) == pytest.approx(4 + 6)
    assert lemma_3_counted(np.log([8.0, 4.0]), 2) == pytest.approx(5)
    assert betas("theorem", 5, 2, 3, 4, scale=9.0)[4] == pytest.approx(3 * np.sqrt(4 * np.log(30)))
    assert betas("calibrated", 5, 2, 3, 4, scale=0.5, xi=0.1)[4] == pytest.approx(
        0.5 * (3 * np.sqrt(4 * np.log(30)) + 0.1 * np.sqrt(40))
    )
    assert theorem_1(1000, 16, 2, 4, 1.0) > 16 * 1000 * 2, "vacuous at such sizes: above the largest regret MTH"
