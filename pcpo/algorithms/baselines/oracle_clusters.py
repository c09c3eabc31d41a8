"""Collaborate within the true clusters from the first epoch on: the upper limit of PCPO's global sequence."""

from __future__ import annotations

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import AnyEstimator, OneSequence, Progress, State, descend, given, synchronised
from pcpo.algorithms.estimators import named_after
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle

__all__ = ["OracleClusters"]


@dataclass(frozen=True)
class OracleClusters(OneSequence):
    """Apply (8) over the true clusters once, then PCPO's global updates within them, with its radii.

    (8) is line 14 of Algorithm 1, which applies it when the sets become the clusters; within a cluster every member's
    gain has finite cost for all.  2R_l iterations in epoch 1 and 2R_l + 1 in the others, where PCPO takes R_l.
    estimator: of the gradients, as in `PCPO`; all but "one_point" are deviations, named after the method.
    """

    estimator: AnyEstimator = "one_point"

    uses = frozenset({"labels"})

    @property
    def name(self) -> str:
        """Return "oracle_clusters", and the estimator after it if it is not that of (5)."""
        return named_after("oracle_clusters", self.estimator)

    def first_sets(self, setting: Setting) -> Neighbourhoods:
        """Return N_i = M_σ(i)."""
        return Neighbourhoods.partition(given(setting, "labels"))

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Iterate with all minibatches but that of (8)."""
        first = plan.epoch == 1
        gains = synchronised(state.gains, plan, oracle, server) if first else state.gains
        minibatches = 2 * plan.iterations + (not first)
        return Progress(descend(gains, minibatches, plan, oracle, server, self.estimator), reinitialised=first)
