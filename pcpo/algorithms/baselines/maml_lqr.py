"""Run MAML-LQR: one meta-policy, adapted by every agent with one gradient step.

Toso, Zhan, Anderson, Wang 2024, "Meta-learning linear quadratic regulators: a policy gradient MAML approach for
model-free LQR", arXiv:2401.14534.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import Averaging, Progress, State, set_sizes
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["MAMLLQR"]


@dataclass(frozen=True)
class MAMLLQR(Averaging):
    """Repeat K ← K − η·(1/N)Σ_i g_i(K − η_in·g_i(K)); the answer of agent i is K − η_in·g_i(K).

    This is first-order MAML: Toso et al. multiply the outer gradient by I − η_in·∇²C_i(K), with a zeroth-order estimate
    of the Hessian; that factor is left out, so it goes to Σ_i ∇C_i(K − η_in ∇C_i(K)) = 0.  η_in = inner_scale·η.
    Radii are r_(i,l)^(global) for N agents.  A meta-iteration is two minibatches; the last one or two of an epoch are
    the adaptation.  Toso et al. start from one K of finite cost for all agents; agents that start apart keep their
    offsets from each other.  The reports hold the adapted policies.
    """

    inner_scale: float = 1.0

    method = "maml_lqr"

    def __post_init__(self) -> None:
        if not self.inner_scale >= 0:
            raise ConfigError(f"inner_scale: found {self.inner_scale}, expected a number >= 0")

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Run meta-iterations, then the adaptation."""
        K, left = self.start(state, plan, oracle, server)
        radii, _ = plan.radius_global(set_sizes(server))
        if state.memory is not None:
            K = state.memory
        for _ in range((left - 1) // 2):
            adapted = self._adapted(K, 1, radii, plan, oracle)
            outer = _gradients(adapted, plan.minibatch, radii, Purpose.GLOBAL, plan, oracle)
            K = K - plan.step_size * server.average(outer)
        adapted = self._adapted(K, 2 - left % 2, radii, plan, oracle)
        return Progress(adapted, reinitialised=self.begins(plan), memory=K)

    def _adapted(
        self, K: FloatArray, minibatches: int, radii: FloatArray, plan: EpochPlan, oracle: Oracle
    ) -> FloatArray:
        """Return K_i − η_in·g_i(K_i)."""
        g = _gradients(K, minibatches * plan.minibatch, radii, Purpose.LOCAL, plan, oracle)
        return K - self.inner_scale * plan.step_size * g


def _gradients(
    K: FloatArray, rollouts: int, radii: FloatArray, purpose: int, plan: EpochPlan, oracle: Oracle
) -> FloatArray:
    """Estimate gradients from a number of rollouts of every agent."""
    return oracle.gradients(K, rollouts, radii, purpose=purpose, epoch=plan.epoch).values
