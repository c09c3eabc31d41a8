"""Algorithm 2: agents in one MDP that share rewards at rare rounds and act for random scalarisations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...contracts import FloatArray, IntArray, Traffic
from ...errors import ConfigError
from ...server import Server
from .mdp import MultiAgentMDP
from .multi_kernels import Common, History, World, joint_episodes

__all__ = ["JointNoise", "JointRun", "joint_noise", "run_joint"]


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
