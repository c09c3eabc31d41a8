"""Run IFCA, iterative federated clustering, with estimated costs for losses.

Ghosh, Chung, Yin, Ramchandran 2020, "An efficient framework for clustered federated learning".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.baselines.base import OneSequence, Progress, State, alone, given, nobody_else
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["IFCA", "farthest"]


@dataclass(frozen=True, eq=False)
class IFCA(OneSequence):
    """Move H candidate policies by the gradients of the agents that pick them.

    In a round all H candidates go to every agent, which estimates the cost of each, picks the cheapest and sends its
    gradient there; the server moves each candidate by the mean gradient of the agents that picked it.  2R_l rounds an
    epoch; the last minibatch is a final picking, whose costs are reported.

    Attributes:
        candidates: the first H, ``(H, m, n)``.  Ghosh et al. assume good ones; without them the first `warm_up`
            epochs are local PO, and the candidates are H local gains far apart.
        selection_share: part of every minibatch that goes into picking (at least one rollout per candidate).
    """

    candidates: FloatArray | None = None
    warm_up: int = 1
    selection_share: float = 0.25

    name = "ifca"
    uses = frozenset({"n_clusters"})

    def __post_init__(self) -> None:
        if not 0 < self.selection_share < 1:
            raise ConfigError(f"selection_share: found {self.selection_share}, expected a number between 0 and 1")
        if self.candidates is None and self.warm_up < 1:
            raise ConfigError(f"warm_up: found {self.warm_up}, expected 1 or more epochs, or candidates")

    def first_sets(self, setting: Setting) -> Neighbourhoods:
        """Return N_i = {i}, until agents pick."""
        return nobody_else(setting)

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Run local PO without candidates, and choose some at its end; otherwise run rounds."""
        H = given(state.setting, "n_clusters")
        if plan.epoch <= self.warm_up and self.candidates is None:
            X = alone(state.gains, 2 * plan.iterations + 1, plan, oracle)
            if plan.epoch < self.warm_up:
                return Progress(X)
            server.open_round()
            server.up(X)
            return Progress(X, memory=(farthest(X, H), np.ones(H, dtype=np.int64)))
        if plan.minibatch <= H:
            raise ConfigError(f"minibatch: found {plan.minibatch} rollouts, expected more than H = {H} for ifca")
        first = (np.asarray(self.candidates, dtype=np.float64), np.ones(H, dtype=np.int64))
        candidates, sizes = first if state.memory is None else state.memory
        for _ in range(2 * plan.iterations):
            candidates, sizes = self._round(candidates, sizes, plan, oracle, server)
        server.open_round()
        server.broadcast(candidates, sizes)
        choice, estimates = _pick(candidates, _shares(plan.minibatch, H), plan, oracle)
        server.up(choice)
        server.neighbourhoods = Neighbourhoods.partition(choice)
        return Progress(candidates[choice], estimates, memory=(candidates, np.bincount(choice, minlength=H)))

    def _round(
        self, candidates: FloatArray, sizes: IntArray, plan: EpochPlan, oracle: Oracle, server: Server
    ) -> tuple[FloatArray, IntArray]:
        """Return the candidates and the sizes of their groups after a round.

        Radii follow the sizes of the round before.
        """
        H = len(candidates)
        server.open_round()
        server.broadcast(candidates, sizes)
        each = max(1, int(self.selection_share * plan.minibatch) // H)
        choice, _ = _pick(candidates, [each] * H, plan, oracle)
        radii, _ = plan.radius_global(np.maximum(sizes, 1)[choice])
        M = plan.minibatch - H * each
        g = oracle.gradients(candidates[choice], M, radii, purpose=Purpose.GLOBAL, epoch=plan.epoch).values
        server.up(g, choice)
        moved = candidates.copy()
        for k in np.unique(choice):
            moved[k] -= plan.step_size * g[choice == k].mean(axis=0)
        return moved, np.bincount(choice, minlength=H)


def _pick(candidates: FloatArray, rollouts: list[int], plan: EpochPlan, oracle: Oracle) -> tuple[IntArray, FloatArray]:
    """Return the candidate of lowest estimated cost and that cost, for every agent."""
    costs = []
    for candidate, count in zip(candidates, rollouts, strict=True):
        gains = np.repeat(candidate[None], oracle.n_agents, axis=0)
        costs.append(oracle.costs(gains, count, purpose=Purpose.COST, epoch=plan.epoch).values)
    table = np.stack(costs)
    return np.argmin(table, axis=0), table.min(axis=0)


def _shares(total: int, parts: int) -> list[int]:
    """Divide a minibatch between picking and the gradient."""
    return [total // parts + (k < total % parts) for k in range(parts)]


def farthest(points: FloatArray, count: int) -> FloatArray:
    """Return `count` of the points ``(N, m, n)``.

    They are the first, then always the point farthest from those already taken.
    """
    flat, taken = points.reshape(len(points), -1), [0]
    while len(taken) < count:
        distances = np.linalg.norm(flat[:, None] - flat[None, taken], axis=2).min(axis=1)
        taken.append(int(np.argmax(distances)))
    return points[taken]
