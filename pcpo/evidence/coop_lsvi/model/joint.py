"""Run Algorithm 2, and compute scalarised optima, Pareto fronts and Bayes regrets.

In Algorithm 2 the agents of one MDP share rewards in rare rounds and act for random scalarisations.  Pareto fronts are
found by enumeration (Definition 4).
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
    "never_greedy",
    "pareto_optimal",
    "recovered",
    "run_joint",
    "scalarised_optimum",
    "simplex_points",
]


#: Tolerance of values, which are sums of H terms of order one.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class JointNoise:
    """Hold initial states ``(T,)``, uniforms behind the transitions ``(T, H)``, and v_t in the simplex ``(T, M)``."""

    starts: IntArray
    uniforms: FloatArray
    weights: FloatArray


def joint_noise(rng: np.random.Generator, T: int, M: int, H: int, S: int) -> JointNoise:
    """Draw initial states uniform over S, uniform numbers, and scalarisations uniform over the simplex."""
    return JointNoise(rng.integers(0, S, T), rng.random((T, H)), rng.dirichlet(np.ones(M), T))


@dataclass(frozen=True)
class JointRun:
    """Hold the results of a run.

    Args:
        regret: max_x [V*_{v_t} − V_{v_t}^{π_t}] ``(T,)``.
        values: V_1^{π_t} ``(T, S, M)``.
        rounds: episodes after which the agents communicated, ``(rounds,)``.
        log_det: log det Λ_h − log det λI with all data, ``(H,)``.
        traffic: messages and bytes that the server counted.
    """

    regret: FloatArray
    values: FloatArray
    rounds: IntArray
    log_det: FloatArray
    traffic: Traffic


def run_joint(
    mdp: MultiAgentMDP, noise: JointNoise, betas: FloatArray, threshold: float, *, lam: float = 1.0
) -> JointRun:
    """Run Algorithm 2.

    Args:
        mdp: the agents' MDP.
        noise: of T episodes.
        betas: β_t ``(T,)``.
        threshold: S; agents communicate once det Λ_h is S times that of the last round, after every episode if S ≤ 1,
            and never if S = ∞.
        lam: λ.

    Raises:
        ConfigError: for S ≤ 0.
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
    for h, Phi in enumerate(_features(columns, history.moves[since:])):
        Lambda[h] += Phi.T @ Phi
    log_det = np.linalg.slogdet(Lambda)[1] - d * np.log(lam)
    return JointRun(history.regret, history.values, np.array(rounds, np.int64), log_det, server.traffic)


def _features(columns: FloatArray, moves: IntArray) -> list[FloatArray]:
    """Return the columns of Φ of all agents in some episodes, ``(M · episodes, d)`` for each step."""
    return [
        columns[:, x, a].reshape(-1, columns.shape[-1]) for x, a in zip(moves[..., 0].T, moves[..., 1].T, strict=True)
    ]


def _exchange(
    server: Server, mdp: MultiAgentMDP, moves: IntArray, common: Common, columns: FloatArray, Lambda: FloatArray
) -> None:
    """Exchange rewards in one round: r_{m,h} since the last round up, those of all agents down.

    States and actions are common knowledge.  Updates `Lambda` ``(H, d, d)`` and `common` in place.
    """
    steps = np.arange(moves.shape[1])
    rewards = np.ascontiguousarray(mdp.r[:, steps, moves[:, :, 0], moves[:, :, 1]])  # (M, episodes, H)
    server.open_round()
    server.up(rewards)
    server.broadcast(rewards)
    for h, Phi in enumerate(_features(columns, moves)):
        Lambda[h] += Phi.T @ Phi
        common.b[h] += rewards[:, :, h].ravel() @ Phi
        np.add.at(common.C[h].T, moves[:, h, 2], Phi.reshape(len(columns), -1, Phi.shape[-1]).sum(axis=0))
    _refresh(common, columns, Lambda)


def _refresh(common: Common, columns: FloatArray, Lambda: FloatArray) -> None:
    """Recompute Λ⁻¹ and the bonus √‖ΦᵀΛ⁻¹Φ‖₂ of all states and actions in `common`, and reset the trigger."""
    inverse = np.linalg.inv(Lambda)
    inverse = (inverse + np.swapaxes(inverse, 1, 2)) / 2
    Phi = np.moveaxis(columns, 0, 2)  # (S, A, M, d)
    gram = (Phi @ inverse[:, None, None]) @ np.swapaxes(Phi, -1, -2)
    common.inverse[:], common.running[:] = inverse, inverse
    common.bonus[:] = np.sqrt(np.linalg.eigvalsh(gram)[..., -1])
    common.growth[:] = 0.0


def scalarised_optimum(mdp: MultiAgentMDP, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute Q*_v ``(n, H, S, A)`` and V*_v ``(n, H, S)`` by Proposition 1 with V*_{v,h+1}.

    Args:
        mdp: the agents' MDP.
        weights: v ``(n, M)``.
    """
    r = np.tensordot(weights, mdp.r, axes=1)
    return optimal(np.broadcast_to(mdp.P, (len(weights), *mdp.P.shape)), r)


def greedy_policy(Q: FloatArray) -> IntArray:
    """Return the first greedy action of Q ``(..., H, S, A)`` at every state: policies ``(..., H, S)``."""
    return np.asarray(np.argmax(Q, axis=-1), dtype=np.int64)


def pareto_optimal(values: FloatArray, among: FloatArray | None = None) -> BoolArray:
    """Find the values that no other value dominates.

    π' dominates π if it is nowhere worse, for no agent and at no initial state, and somewhere better.  As printed,
    Definition 4 does not ask for the latter, and every policy would dominate itself.

    Args:
        values: V_1^π ``(n, M, S)``.
        among: values ``(k, M, S)`` to compare with, by default `values`.

    Returns:
        True for values on the front, ``(n,)``.
    """
    flat = values.reshape(len(values), -1)
    if among is not None:
        others = among.reshape(len(among), -1)
        different, which = np.unique(flat, axis=0, return_inverse=True)
        return np.array([not _dominated(v, others) for v in different])[which.reshape(-1)]
    # A dominating value has a larger sum: of the values left, that with the largest sum is on the front.
    optimal_ones, left = np.zeros(len(flat), dtype=np.bool_), np.argsort(-flat.sum(axis=1), kind="stable")
    while len(left):
        best, left = left[0], left[1:]
        optimal_ones[best] = True
        left = left[~_dominates(flat[best], flat[left])]
    return optimal_ones


def _dominates(value: FloatArray, others: FloatArray) -> BoolArray:
    """Return of which others a value is nowhere worse and somewhere better."""
    nowhere_worse = np.all(value >= others - _ROUNDING, axis=1)
    return np.asarray(nowhere_worse & np.any(value > others + _ROUNDING, axis=1))


def _dominated(value: FloatArray, others: FloatArray) -> bool:
    """Return whether one of the others is nowhere worse and somewhere better."""
    return bool(np.any(np.all(others >= value - _ROUNDING, axis=1) & np.any(others > value + _ROUNDING, axis=1)))


def never_greedy(values: FloatArray, best: FloatArray, weights: FloatArray, among: FloatArray) -> BoolArray:
    """Prove of values of two agents that they are those of no greedy policy π*_v, for any v of the simplex (Remark 6).

    A greedy policy has vᵀV = V*_v at every initial state.  Both sides are Lipschitz in v, so that it is enough to miss
    V*_v at each midpoint by more than the constant times half the distance between midpoints.

    Args:
        values: V_1^π ``(n, 2, S)``.
        best: V*_v ``(k, S)`` at the midpoints.
        weights: v at the midpoints of k equal parts, `simplex_points` ``(k, 2)``.
        among: values of all policies ``(policies, 2, S)``.

    Returns:
        True where it is proved, ``(n,)``; False says nothing.
    """
    ahead = among[:, 0] - among[:, 1]  # the derivative of vᵀV in v_1
    steepest = ahead.max(axis=0) - ahead.min(axis=0)
    missed = best[:, None] - np.einsum("km,nms->kns", weights, values) - steepest / (2 * len(weights))
    return np.asarray(missed.max(axis=-1).min(axis=0) > _ROUNDING)


def simplex_points(M: int, count: int) -> FloatArray:
    """Return points ``(count, M)`` that represent the uniform distribution: midpoints for M = 2, else fixed draws."""
    if M == 2:
        first = (np.arange(count) + 0.5) / count
        return np.stack([first, 1 - first], axis=1)
    return np.random.default_rng(np.random.SeedSequence(M)).dirichlet(np.ones(M), count)


def bayes_regret(mdp: MultiAgentMDP, values: FloatArray, weights: FloatArray, at: IntArray) -> FloatArray:
    """Compute R_B(T) of (12), the mean over v of max_x [V*_v(x) − max_{t ≤ T} vᵀV^{π_t}(x)].

    Args:
        mdp: the agents' MDP.
        values: V_1^{π_t} of the policies played, ``(episodes, S, M)``.
        weights: v ``(n, M)``.
        at: numbers of episodes T, ``(k,)``.

    Returns:
        R_B(T) at each of them, ``(k,)``.
    """
    best = scalarised_optimum(mdp, weights)[1][:, 0]
    total = np.zeros(len(at))
    for v, optimum in zip(weights, best, strict=True):
        reached = np.maximum.accumulate(values @ v, axis=0)[at - 1]
        total += (optimum - reached).max(axis=1)
    return np.asarray(total / len(weights))


def recovered(mdp: MultiAgentMDP, values: FloatArray, weights: FloatArray) -> IntArray:
    """Find the first episode with a policy as good as π*_v at every initial state, for each v.

    Args:
        mdp: the agents' MDP.
        values: V_1^{π_t} of the policies played, ``(T, S, M)``.
        weights: v ``(n, M)``.

    Returns:
        Numbers of episodes from 1, 0 for never, ``(n,)``.
    """
    best = scalarised_optimum(mdp, weights)[1][:, 0]
    first = np.zeros(len(weights), dtype=np.int64)
    for k, (v, optimum) in enumerate(zip(weights, best, strict=True)):
        reached = np.flatnonzero(np.all(values @ v >= optimum - _ROUNDING, axis=1))
        first[k] = reached[0] + 1 if len(reached) else 0
    return first
