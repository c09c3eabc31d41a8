"""Oracles that know no model: a plain function of gains and a generator answers for every agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.oracles.protocol import Estimates, Question
from pcpo.oracles.rollout import LedgerOracle
from pcpo.simulation.noise import stream

__all__ = ["Cost", "FunctionOracle", "NoSchedule", "bowl", "bowls"]

#: Costs ``(count,)`` of independent rollouts under gains ``(count, m, n)``.
Cost = Callable[[FloatArray, np.random.Generator], FloatArray]


class NoSchedule:
    """Stand for the schedule of the other methods: reading anything of it is an error."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the schedule of the setting was read: {name}")


class FunctionOracle(LedgerOracle):
    """Ask one function per agent; streams are keyed by (seed, purpose, epoch, agent), as those of rollouts."""

    def __init__(self, costs: Sequence[Cost], gain_shape: tuple[int, int], seed: int = 0) -> None:
        super().__init__(len(costs), gain_shape)
        self._asked, self._seed = list(costs), seed
        self._open: dict[int, tuple[int, list[np.random.Generator]]] = {}

    def _rngs(self, purpose: int, epoch: int) -> list[np.random.Generator]:
        if purpose not in self._open or self._open[purpose][0] != epoch:
            fresh = [stream(self._seed, purpose, epoch, agent) for agent in range(self.n_agents)]
            self._open[purpose] = (epoch, fresh)
        return self._open[purpose][1]

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        rngs = self._rngs(purpose, epoch)
        values = [
            float(np.mean(ask(np.repeat(K[None], minibatch, axis=0), rng)))
            for ask, K, rng in zip(self._asked, gains, rngs, strict=True)
        ]
        return Estimates(np.array(values), np.zeros(self.n_agents, dtype=np.int64))

    def _gradients(self, question: Question) -> Estimates:
        pairs = question.estimator == "two_point"
        count, found = question.minibatch // (1 + pairs), []
        for i, (ask, rng) in enumerate(zip(self._asked, self._rngs(question.purpose, question.epoch), strict=True)):
            K, r = question.gains[i], question.radii[i]
            U = rng.standard_normal((count, *K.shape))
            U /= np.linalg.norm(U, axis=(1, 2), keepdims=True)
            w = ask(K + r * U, rng) - (0.0 if question.baseline is None else question.baseline[i])
            if pairs:
                w = 0.5 * (w - ask(K - r * U, rng))
            found.append(K.size / r * (w[:, None, None] * U).mean(axis=0))
        return Estimates(np.array(found), np.zeros(self.n_agents, dtype=np.int64))


def bowl(best: FloatArray, least: float, hessian: FloatArray, noise: float = 0.3) -> Cost:
    """Return ½(K − K*)ᵀH(K − K*) above `least`, with normal noise of that standard deviation."""

    def cost(gains: FloatArray, rng: np.random.Generator) -> FloatArray:
        d = (gains - best).reshape(len(gains), -1)
        exact = least + 0.5 * np.einsum("ki,ij,kj->k", d, hessian, d)
        return np.asarray(exact + noise * rng.standard_normal(len(gains)))

    return cost


def bowls() -> tuple[list[Cost], FloatArray, FloatArray]:
    """Return two clusters of three agents: their costs, their starts ``(6, 1, 2)`` and their best gains."""
    best = np.array([[[0.5, -0.2]]] * 3 + [[[-0.4, 0.3]]] * 3)
    H = np.array([[4.0, 1.0], [1.0, 2.0]])
    costs = [bowl(K, least, H) for K, least in zip(best, [2.0] * 3 + [2.5] * 3, strict=True)]
    offsets = stream(5, 0).standard_normal((6, 1, 2))
    return costs, best + 0.5 * offsets, best
