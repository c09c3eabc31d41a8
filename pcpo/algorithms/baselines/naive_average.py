"""Run one policy for all: gradients averaged over the whole fleet for ever, N_i = [N].

The lower limit of clustering: K_i = K_i⁰ + x with x = argmin Σ_i C_i(K_i⁰ + x) at the end (`pcpo.theory.transfer`), and
the gap there is the price of averaging over different systems.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import Averaging, Progress, State, descend
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.oracles.protocol import Oracle

__all__ = ["NaiveAverage"]


@dataclass(frozen=True)
class NaiveAverage(Averaging):
    """Repeat K_i ← K_i − η·(1/N)Σ_j ZO_j(K_j): all 2R_l + 1 minibatches of an epoch are iterations."""

    method = "naive_average"

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Iterate with all minibatches that are left."""
        gains, minibatches = self.start(state, plan, oracle, server)
        return Progress(descend(gains, minibatches, plan, oracle, server), reinitialised=self.begins(plan))
