"""Simulate all agents of a system together in the original coordinates, and return those of Definition 4."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.evidence.hierarchical.model.critics import stage_costs
from pcpo.evidence.hierarchical.model.kernels import run_agents
from pcpo.evidence.hierarchical.model.system import ExchangeableSystem, Gains

__all__ = ["Seen", "simulated", "transformed"]

#: Size of one portion of noise: agents × steps × entries.
_PORTION = 1_000_000


@dataclass(frozen=True, eq=False)
class Seen:
    """Hold some steps of one auxiliary system; the mean field S̄ counts as one agent.

    Args:
        v: v_t = vec(x, u) ``(steps, agents, d_l + k_l)``; vec(x̄, ū) of the mean field.
        after: v_(t+1), of the same shape.
        costs: ``(steps, agents)``; c̃^l of each agent, (8), or c̄ of the mean field, (9).
    """

    v: FloatArray
    after: FloatArray
    costs: FloatArray


def simulated(
    system: ExchangeableSystem, gains: Gains, steps: int, rng: np.random.Generator, watched: int = 50
) -> Iterator[list[Seen]]:
    """Simulate one trajectory of all agents from x_0 = 0, in portions that fit into memory.

    Noise and exploration are drawn agent by agent and step by step; time and memory of a step are linear in N.

    Args:
        system: the system.
        gains: gains of the policy.
        steps: length of the trajectory.
        rng: draws noise and exploration.
        watched: number of agents that are returned, the first of each subpopulation.

    Yields:
        For each portion the steps of S_1, …, S_L and S̄.
    """
    group = np.repeat(np.arange(len(system.sizes)), system.sizes)
    d, k, N = max(system.states), max(system.inputs), len(group)
    matrices = _padded(system, gains, d, k)
    roots = [np.linalg.cholesky(noise) for noise in system.noise]
    allowed = np.stack([np.arange(k) < width for width in system.inputs]) * system.exploration
    portion = max(1, _PORTION // (N * (d + k)))
    x0, first = np.zeros((N, d)), rng.standard_normal((1, N, k))
    done = 0
    while done < steps:
        T = min(portion, steps - done)
        noise = rng.standard_normal((T, N, d))
        for agents, root in zip(_agents(system), roots, strict=True):
            noise[:, agents, : len(root)] = noise[:, agents, : len(root)] @ root.T
            noise[:, agents, len(root) :] = 0.0
        z = np.concatenate([first, rng.standard_normal((T, N, k))])
        x, u = np.empty((T + 1, N, d)), np.empty((T + 1, N, k))
        x_bar, u_bar = (np.empty((T + 1, len(system.sizes), width)) for width in (d, k))
        x[0] = x0
        sizes = np.asarray(system.sizes, dtype=np.float64)
        run_agents(group, *matrices, sizes, noise, allowed[group] * z, x, u, x_bar, u_bar)
        yield transformed(system, x, u, x_bar, u_bar, watched)
        x0, first, done = x[-1], z[-1:], done + T


def _agents(system: ExchangeableSystem) -> list[slice]:
    """Return the numbers of the agents in N^1, …, N^L."""
    ends = np.cumsum(system.sizes)
    return [slice(int(end) - size, int(end)) for end, size in zip(ends, system.sizes, strict=True)]


def transformed(
    system: ExchangeableSystem, x: FloatArray, u: FloatArray, x_bar: FloatArray, u_bar: FloatArray, watched: int
) -> list[Seen]:
    """Change to the coordinates of Definition 4, with the costs (8) and (9).

    Args:
        system: the system.
        x: states ``(T + 1, N, d)``, padded to the largest d_l.
        u: inputs ``(T + 1, N, k)``, padded to the largest k_l.
        x_bar: means of x over N^l, ``(T + 1, L, d)``.
        u_bar: means of u over N^l, ``(T + 1, L, k)``.
        watched: number of agents of each subpopulation that are returned.
    """
    seen = []
    for group, (agents, S) in enumerate(zip(_agents(system), system.auxiliary, strict=True)):
        chosen = slice(agents.start, min(agents.start + watched, agents.stop))
        own = x[:, chosen, : S.d] - x_bar[:, None, group, : S.d]
        inputs = u[:, chosen, : S.k] - u_bar[:, None, group, : S.k]
        seen.append(_seen(np.concatenate([own, inputs], axis=2), S.Q, S.R))
    states = [x_bar[:, group, :width] for group, width in enumerate(system.states)]
    actions = [u_bar[:, group, :width] for group, width in enumerate(system.inputs)]
    v = np.concatenate([*states, *actions], axis=1)[:, None]
    return [*seen, _seen(v, system.mean_field.Q, system.mean_field.R)]


def _seen(v: FloatArray, Q: FloatArray, R: FloatArray) -> Seen:
    """Pair v_0, …, v_T ``(T + 1, agents, d + k)`` with the next step and the stage cost."""
    return Seen(v[:-1], v[1:], stage_costs(v[:-1], Q, R))


def _filled(matrix: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return a larger matrix of zeros with the given one in its upper left corner."""
    larger = np.zeros(shape)
    larger[: matrix.shape[0], : matrix.shape[1]] = matrix
    return larger


def _padded(system: ExchangeableSystem, gains: Gains, d: int, k: int) -> tuple[FloatArray, ...]:
    """Return A_l, B_l, |N^m|ă^{l,m}, |N^m|b̆^{l,m}, K_l and the blocks of K̄, padded to d states and k inputs."""
    L = system.groups
    own_A = np.stack([_filled(system.A.difference(a), (d, d)) for a in L])
    own_B = np.stack([_filled(system.B.difference(a), (d, k)) for a in L])
    pull_A, pull_B = (
        np.stack([[_filled(system.sizes[m] * blocks.across[a][m], (d, w)) for m in L] for a in L])
        for blocks, w in ((system.A, d), (system.B, k))
    )
    K = np.stack([_filled(gain, (k, d)) for gain in gains.own])
    rows = np.split(gains.mean_field, np.cumsum(system.inputs)[:-1])
    cut = np.cumsum(system.states)[:-1]
    K_bar = np.stack([[_filled(block, (k, d)) for block in np.split(row, cut, axis=1)] for row in rows])
    return own_A, own_B, pull_A, pull_B, K, K_bar
