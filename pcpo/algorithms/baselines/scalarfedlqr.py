"""Run ScalarFedLQR, one policy for all from one scalar of every agent's gradient.

Rostami, Talebi and Kia 2026, "Scalar federated learning for linear quadratic regulator", arXiv:2604.05088.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import Averaging, Progress, State, descend
from pcpo.algorithms.projection import SharedDirections
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.oracles.protocol import Oracle

__all__ = ["ScalarFedLQR"]


@dataclass(frozen=True)
class ScalarFedLQR(Averaging):
    """Repeat K_i ← K_i − η′·(1/N)Σ_j D⟨v_j, g_j⟩v_j, g_j = ZO_j(K_j): their Algorithm 1 on PCPO's schedule.

    v_j has coordinates ±1/√D, D = mn, drawn anew for every agent and round.  Theirs sends the seed of v_j along
    with the scalar; here agents and server share a seed from the start, and v_j follows from it and from the
    numbers of agent and round.  Theirs starts from one gain of finite cost for all and sends the new gain down;
    here agents start from their own gains and receive the mean, a message of the same size.  η′ = min(1, 4/q)·η, q
    = 1 + (D − 1)/N, is theirs up to the choice of a constant (`pcpo.algorithms.projection`).  All 2R_l + 1
    minibatches of an epoch are iterations.
    """

    method = "scalarfedlqr"

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Iterate with all minibatches that are left."""
        gains, minibatches = self.start(state, plan, oracle, server)
        directions = SharedDirections(state.setting.shared_seed, plan.epoch, oracle.n_agents, oracle.gain_shape)
        moved = descend(gains, minibatches, plan, oracle, server, directions=directions)
        return Progress(moved, reinitialised=self.begins(plan))
