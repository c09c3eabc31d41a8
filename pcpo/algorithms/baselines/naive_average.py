"""Run one policy for all: gradients averaged over the whole fleet for ever, N_i = [N].

The lower limit of clustering: it goes to K̄ = argmin Σ_j |M_j| C_j(K) (`pcpo.theory.transfer`), if a gain of finite
cost for all clusters exists, and its gap there is the price of averaging over different systems.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import OneSequence, Progress, State, descend, start_together
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.oracles.protocol import Oracle

__all__ = ["NaiveAverage"]


@dataclass(frozen=True)
class NaiveAverage(OneSequence):
    """Apply (8) over [N] once, then K ← K − η·(1/N)Σ_i ZO_i(K): 2R_l iterations in epoch 1, 2R_l + 1 in the others."""

    name = "naive_average"

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Iterate with all minibatches but that of (8)."""
        gains, minibatches = start_together(state, plan, oracle, server)
        return Progress(descend(gains, minibatches, plan, oracle, server), reinitialised=plan.epoch == 1)
