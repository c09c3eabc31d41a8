"""Run FedLQR, federated averaging of policies with local steps.

Wang, Toso, Mitra, Anderson 2023, "Model-free learning with heterogeneous dynamical systems: a federated LQR approach",
arXiv:2308.11743.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.baselines.base import Averaging, Progress, State, set_sizes
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["FedLQR"]


@dataclass(frozen=True)
class FedLQR(Averaging):
    """Run rounds of L local steps, K_i ← K_i − η·ZO_i(K_i), and average what they changed.

    K_i ← K_i − server_step·η·(mean of the agents' summed gradients).  Wang et al. start all agents from one K of finite
    cost for every one of them; then, and for server_step = 1, this is the mean of the policies.  Agents that start
    apart keep their offsets.  Every local step is a minibatch.  The last round of an epoch has fewer steps if L does
    not divide their number.  Radii are those of averages over N agents, r_(i,l)^(global): with L = 1 it is naive
    averaging.
    """

    local_steps: int = 5
    server_step: float = 1.0

    method = "fedlqr"

    def __post_init__(self) -> None:
        if self.local_steps < 1:
            raise ConfigError(f"local_steps: found {self.local_steps}, expected 1 or more")
        if not self.server_step > 0:
            raise ConfigError(f"server_step: found {self.server_step}, expected a positive number")

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Run ⌈minibatches/L⌉ rounds."""
        K, left = self.start(state, plan, oracle, server)
        while left > 0:
            steps = min(self.local_steps, left)
            total = self._local(K, steps, plan, oracle, server)
            K = K - self.server_step * plan.step_size * server.average(total)
            left -= steps
        return Progress(K, reinitialised=self.begins(plan))

    def _local(self, K: FloatArray, steps: int, plan: EpochPlan, oracle: Oracle, server: Server) -> FloatArray:
        """Return the sum of the gradients of `steps` local steps."""
        total, (radii, _) = np.zeros_like(K), plan.radius_global(set_sizes(server))
        for _ in range(steps):
            here = K - plan.step_size * total
            total = (
                total + oracle.gradients(here, plan.minibatch, radii, purpose=Purpose.GLOBAL, epoch=plan.epoch).values
            )
        return total
