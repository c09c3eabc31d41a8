"""Algorithm 2: agents in one MDP that share rewards at rare rounds and act for random scalarisations.

Scalarised optima, the Pareto front by enumeration (Definition 4), and the two Bayes regrets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.protocol import Traffic
from pcpo.algorithms.server import Server
from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.kernels import Common, History, World, joint_episodes
from pcpo.evidence.coop_lsvi.model.mdp import MultiAgentMDP, optimal

__all__ = [
    "JointNoise",
    "JointRun",
    "bayes_regret",
    "greedy_policy",
    "joint_noise",
    "pareto_optimal",
    "recovered",
    "run_joint",
    "scalarised_optimum",
    "simplex_points",
]


@dataclass(frozen=True)
class JointNoise:
    """Initial states ``(T,)``, uniforms behind the transitions ``(T, H)``, and v_t in the simplex ``(T, M)``."""

    starts: IntArray
    uniforms: FloatArray
    weights: FloatArray


def joint_noise(rng: np.random.Generator, T: int, M: int, H: int, S: int) -> JointNoise:
    """Initial states uniform over S, scalarisations uniform over the simplex."""
    return JointNoise(rng.integers(0, S, T), rng.random((T, H)), rng.dirichlet(np.ones(M), T))


@dataclass(frozen=True)
class JointRun:
    """regret: max_x [V*_{v_t} − V_{v_t}^{π_t}] ``(T,)``; values: V_1^{π_t} ``(T, S, M)``; rounds: episodes after which
    the agents communicated; traffic: what the server counted."""

    regret: FloatArray
    values: FloatArray
    rounds: IntArray
    traffic: Traffic


def run_joint(
    mdp: MultiAgentMDP, noise: JointNoise, betas: FloatArray, threshold: float, *, lam: float = 1.0
) -> JointRun:
    """T episodes with β_t ``(T,)`` and threshold S: communication once det Λ_h is S times that of the last round.

    S ≤ 1 communicates after every episode, S = ∞ never.  Raises ConfigError for S ≤ 0.
    """
    if not threshold > 0:
        raise ConfigError(f"threshold: found {threshold}, expected a number above 0")
    (T, H), (M, S, A, d) = noise.uniforms.shape, mdp.columns.shape
    columns = np.ascontiguousarray(mdp.columns)
    world = World(mdp.P, np.cumsum(mdp.P, axis=-1), mdp.r)
    Lambda = np.repeat(lam * np.eye(d)[None], H, axis=0)
    shapes = ((H, d, d), (H, d, d), (H, d), (H, d, S), (H, S, A), (H,))
    common, server = Common(*(np.zeros(shape) for shape in shapes)), Server(M)
    history = History(np.empty((T, H, 3), np.int64), np.empty(T), np.empty((T, S, M)))
    _refresh(common, columns, Lambda)
    since, t, rounds, log_S = 0, 0, [], float(np.log(threshold))
    while t < T:
        t, held = joint_episodes(
            columns, world, common, history, noise.weights, noise.starts, noise.uniforms, betas, log_S, since, T
        )
        if held:
            _exchange(server, mdp, history.moves[since:t], common, columns, Lambda)
            rounds.append(t)
            since = t
    return JointRun(history.regret, history.values, np.array(rounds, np.int64), server.traffic)


def _exchange(
    server: Server, mdp: MultiAgentMDP, moves: IntArray, common: Common, columns: FloatArray, Lambda: FloatArray
) -> None:
    """One round: r_{m,h} of all steps since the last one up, all of them down; states and actions are common knowledge.

    Raises nothing; `Lambda` ``(H, d, d)`` and `common` are brought up to date in place.
    """
    steps = np.arange(moves.shape[1])
    rewards = np.ascontiguousarray(mdp.r[:, steps, moves[:, :, 0], moves[:, :, 1]])  # (M, episodes, H)
    server.open_round()
    server.up(rewards)
    server.broadcast(rewards)
    for h in range(len(common.b)):
        x, a, y = moves[:, h].T
        Phi = columns[:, x, a]  # (M, episodes, d)
        flat = Phi.reshape(-1, Phi.shape[-1])
        Lambda[h] += flat.T @ flat
        common.b[h] += rewards[:, :, h].ravel() @ flat
        np.add.at(common.C[h].T, y, Phi.sum(axis=0))
    _refresh(common, columns, Lambda)


def _refresh(common: Common, columns: FloatArray, Lambda: FloatArray) -> None:
    """Λ⁻¹ and the bonus √‖ΦᵀΛ⁻¹Φ‖₂ of all states and actions."""
    inverse = np.linalg.inv(Lambda)
    inverse = (inverse + np.swapaxes(inverse, 1, 2)) / 2
    Phi = np.moveaxis(columns, 0, 2)  # (S, A, M, d)
    gram = (Phi @ inverse[:, None, None]) @ np.swapaxes(Phi, -1, -2)
    common.inverse[:], common.running[:] = inverse, inverse
    common.bonus[:] = np.sqrt(np.linalg.eigvalsh(gram)[..., -1])
    common.growth[:] = 0.0


#: Values are sums of H terms of order one.
_ROUNDING = 1e-10


def scalarised_optimum(mdp: MultiAgentMDP, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Q*_v ``(n, H, S, A)`` and V*_v ``(n, H, S)`` for weights v ``(n, M)``, by Proposition 1 with V*_{v,h+1}."""
    r = np.tensordot(weights, mdp.r, axes=1)
    return optimal(np.broadcast_to(mdp.P, (len(weights), *mdp.P.shape)), r)


def greedy_policy(Q: FloatArray) -> IntArray:
    """First greedy action of Q ``(..., A)``; a policy ``(..., H, S)``."""
    return np.asarray(np.argmax(Q, axis=-1), dtype=np.int64)


def pareto_optimal(values: FloatArray, among: FloatArray | None = None) -> BoolArray:
    """Which of the values V_1^π ``(n, M, S)`` no other of `among` dominates, ``(n,)``.

    π' dominates π if it is nowhere worse, for no agent and at no initial state, and somewhere better.  As printed,
    Definition 4 does not ask for the latter, and every policy would dominate itself.
    """
    flat = values.reshape(len(values), -1)
    if among is not None:
        others = among.reshape(len(among), -1)
        return np.array([not _dominated(v, others) for v in flat])
    # What dominates has the larger sum, and is itself on the front or dominated by what is.
    front, size, optimal_ones = np.empty_like(flat), 0, np.zeros(len(flat), dtype=np.bool_)
    for k in np.argsort(-flat.sum(axis=1), kind="stable"):
        if not _dominated(flat[k], front[:size]):
            front[size], optimal_ones[k] = flat[k], True
            size += 1
    return optimal_ones


def _dominated(value: FloatArray, others: FloatArray) -> bool:
    """Whether one of the others is nowhere worse and somewhere better."""
    return bool(np.any(np.all(others >= value - _ROUNDING, axis=1) & np.any(others > value + _ROUNDING, axis=1)))


def simplex_points(M: int, count: int) -> FloatArray:
    """Points ``(count, M)`` that stand for the uniform distribution: midpoints for M = 2, else fixed draws."""
    if M == 2:
        first = (np.arange(count) + 0.5) / count
        return np.stack([first, 1 - first], axis=1)
    return np.random.default_rng(np.random.SeedSequence(M)).dirichlet(np.ones(M), count)


def bayes_regret(mdp: MultiAgentMDP, values: FloatArray, weights: FloatArray, at: IntArray) -> FloatArray:
    """R_B of (12) after `at` episodes ``(k,)``: mean over v of max_x [V*_v(x) − max_{t ≤ T} vᵀV^{π_t}(x)], ``(k,)``.

    values: V_1^{π_t} ``(T, S, M)``; weights: v ``(n, M)``.
    """
    best = scalarised_optimum(mdp, weights)[1][:, 0]
    total = np.zeros(len(at))
    for v, optimum in zip(weights, best, strict=True):
        reached = np.maximum.accumulate(values @ v, axis=0)[at - 1]
        total += (optimum - reached).max(axis=1)
    return np.asarray(total / len(weights))


def recovered(mdp: MultiAgentMDP, values: FloatArray, weights: FloatArray) -> IntArray:
    """First episode (from 1; 0: never) that had a policy as good as π*_v at every state, for each v ``(n,)``."""
    best = scalarised_optimum(mdp, weights)[1][:, 0]
    first = np.zeros(len(weights), dtype=np.int64)
    for k, (v, optimum) in enumerate(zip(weights, best, strict=True)):
        reached = np.flatnonzero(np.all(values @ v >= optimum - _ROUNDING, axis=1))
        first[k] = reached[0] + 1 if len(reached) else 0
    return first
