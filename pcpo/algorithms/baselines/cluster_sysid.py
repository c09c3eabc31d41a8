"""Run clustered system identification, then certainty equivalence.

Toso, Wang, Anderson 2023, "Learning personalized models with clustered system identification", arXiv:2304.01395.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.baselines.base import Progress, State, given
from pcpo.algorithms.baselines.least_squares import KNOWN_COSTS, Identification, Regression, certainty_equivalent
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray, IntArray
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle

__all__ = ["ClusterSysID", "clustered"]

_MOST_ALTERNATIONS = 100


@dataclass(frozen=True)
class ClusterSysID(Identification):
    """Fit H models: every agent belongs to the model that fits its data best; models are fitted in turn.

    Toso et al. alternate the two with gradient steps at the agents.  Here each fit is exact: an agent sends Σzzᵀ and
    Σzx⁺ᵀ once an epoch and the server alternates until nothing changes.  They assume good first models; here the first
    models are agents' least-squares models that explain each other's data worst.
    """

    name = "cluster_sysid"
    uses = KNOWN_COSTS | {"n_clusters"}

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Identify, cluster in one round, and solve by certainty equivalence."""
        data = self.collect(state, plan, oracle)
        server.open_round()
        server.up(data.gram, data.cross)
        labels, models = clustered(data, given(state.setting, "n_clusters"))
        server.neighbourhoods = Neighbourhoods.partition(labels)
        server.down(models[labels])
        return Progress(certainty_equivalent(models[labels], state.setting), memory=data)


def clustered(data: Regression, count: int) -> tuple[IntArray, FloatArray]:
    """Return labels ``(N,)`` and pooled least-squares models ``(count, n, d)`` by alternation; the loss never rises."""
    own = data.models()
    taken = [0]
    while len(taken) < count:
        taken.append(int(np.argmax(_excess(data, own, own[taken]).min(axis=1))))
    models, labels = own[taken], np.full(len(own), -1)
    for _ in range(_MOST_ALTERNATIONS):
        fresh = np.argmin(_excess(data, own, models), axis=1)
        if np.array_equal(fresh, labels):
            break
        labels = fresh
        for k in np.unique(labels):
            mine = labels == k
            pooled = Regression(data.gram[mine].sum(axis=0)[None], data.cross[mine].sum(axis=0)[None])
            models[k] = pooled.models()[0]
    return labels, models


def _excess(data: Regression, own: FloatArray, models: FloatArray) -> FloatArray:
    """Return Σ‖x⁺ − Θ_k z‖² of agent i's data less that of its least-squares model Θ_i, ``(N, count)``.

    It is tr (Θ_k − Θ_i) G_i (Θ_k − Θ_i)ᵀ.
    """
    off = models[None] - own[:, None]
    excess: FloatArray = np.einsum("ikab,ibc,ikac->ik", off, data.gram, off)
    return excess
