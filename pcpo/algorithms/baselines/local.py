"""Run zeroth-order policy gradient for every agent alone, the local half of PCPO.

Malik et al. 2020, "Derivative-free methods for policy optimization: guarantees for linear quadratic systems".
"""

from __future__ import annotations

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import AnyEstimator, OneSequence, Progress, State, alone, nobody_else
from pcpo.algorithms.estimators import named_after
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle

__all__ = ["Local"]


@dataclass(frozen=True)
class Local(OneSequence):
    """Repeat K_i ← K_i − η·ZO_i(K_i, M_l, r_l^(loc)): all 2R_l + 1 minibatches of an epoch are iterations.

    No message is sent.  estimator: of the gradients, as in `PCPO`; all but "one_point" are deviations, named after it.
    """

    estimator: AnyEstimator = "one_point"

    @property
    def name(self) -> str:
        """Return "local", and the estimator after it if it is not that of (5)."""
        return named_after("local", self.estimator)

    def first_sets(self, setting: Setting) -> Neighbourhoods:
        """Return N_i = {i}."""
        return nobody_else(setting)

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Run 2R_l + 1 iterations."""
        return Progress(alone(state.gains, 2 * plan.iterations + 1, plan, oracle, self.estimator))
