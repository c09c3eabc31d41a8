"""Run CFL, clustered federated learning by recursive bipartition.

Sattler, Müller, Samek 2020, "Clustered federated learning: model-agnostic distributed multitask optimization under
privacy constraints".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.baselines.base import Averaging, Progress, State, descend, set_sizes
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle
from pcpo.simulation.noise import Purpose

__all__ = ["CFL", "bipartition"]


@dataclass(frozen=True)
class CFL(Averaging):
    """Descend by averages within every group, from one group of all, and split groups whose members disagree.

    A group near a stationary point whose members still pull apart is split by the cosine similarity of their gradients.
    The last minibatch of an epoch is for that test: gradients of two halves, which travel.  Their mean is the member's
    pull and their difference its noise.  A group splits if the mean pull is below stationarity·(largest pull), the
    test by ε1 and ε2 of Sattler et al. without units, and if a pull differs from the mean by noise_factor standard
    deviations of noise, which they do not need.  Sattler et al. start from a common gain; agents of one system that
    start apart pull apart, too, and a group of them may be split.
    """

    stationarity: float = 0.4
    noise_factor: float = 4.0

    method = "cfl"

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Descend, then test every group."""
        M, everyone = plan.minibatch, oracle.n_agents
        if M < 2:
            raise ConfigError(f"minibatch: found {M} rollouts, expected 2 or more for cfl")
        gains, minibatches = self.start(state, plan, oracle, server)
        gains = descend(gains, minibatches - 1, plan, oracle, server)
        radii, _ = plan.radius_global(np.ones(everyone, dtype=np.int64))
        halves = [
            oracle.gradients(gains, part, radii, purpose=Purpose.GLOBAL, epoch=plan.epoch).values.reshape(everyone, -1)
            for part in (M - M // 2, M // 2)
        ]
        server.open_round()
        server.up(*halves)
        server.neighbourhoods = self._split(halves[0], halves[1], server.neighbourhoods)
        server.down(set_sizes(server))
        return Progress(gains, reinitialised=self.begins(plan))

    def _split(self, first: FloatArray, second: FloatArray, sets: Neighbourhoods) -> Neighbourhoods:
        """Return the neighbourhoods after the test; first, second: gradients of the two halves, ``(N, D)``."""
        labels = sets.classes.copy()
        for group in range(labels.max() + 1):
            members = np.flatnonzero(labels == group)
            pulls = 0.5 * (first[members] + second[members])
            noise = float(np.sqrt(np.mean(np.sum((first[members] - second[members]) ** 2, axis=1)))) / 2
            if self._torn(pulls, noise):
                labels[members[bipartition(pulls) == 1]] = labels.max() + 1
        return Neighbourhoods.partition(labels)

    def _torn(self, pulls: FloatArray, noise: float) -> bool:
        """Return whether a group is stationary as a whole and not member by member, beyond noise and rounding."""
        mean = pulls.mean(axis=0)
        largest = float(np.linalg.norm(pulls, axis=1).max())
        apart = float(np.linalg.norm(pulls - mean, axis=1).max())
        stationary = float(np.linalg.norm(mean)) < self.stationarity * largest
        return stationary and apart > self.noise_factor * noise + 1e-9 * largest


def bipartition(pulls: FloatArray) -> IntArray:
    """Return labels 0 and 1 of the cut that minimises the largest cosine similarity across it; pulls ``(k, D)``, k ≥ 2.

    That cut is what agglomeration by largest similarity has left when two groups remain (Sattler et al., algorithm 1).
    """
    # Here, not above: half a second that no other algorithm needs, in every job that reads the registry.
    from scipy.cluster.hierarchy import fcluster, linkage

    lengths = np.linalg.norm(pulls, axis=1, keepdims=True)
    directions = pulls / np.where(lengths > 0, lengths, 1.0)
    distances = np.maximum(1 - directions @ directions.T, 0.0)
    upper = distances[np.triu_indices(len(pulls), k=1)]
    labels: IntArray = fcluster(linkage(upper, method="single"), 2, criterion="maxclust").astype(np.int64)
    return np.asarray(labels != labels[0], dtype=np.int64)
