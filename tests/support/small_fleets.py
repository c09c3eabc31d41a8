"""Fleets and schedules of the unit tests: scalar systems whose clusters can be worked out by hand."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from pcpo import lqr
from pcpo.algorithms.schedule import Constants, Schedule
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.random import FleetSpec, random_fleet, with_optimal_cost
from pcpo.simulation.noise import Purpose, stream

__all__ = ["assert_same", "experiment", "forked_fleet", "one_cluster", "scalar", "schedule_for", "three_clusters"]

THREE_CLUSTERS = FleetSpec(
    n=2, m=1, sizes=(3, 2, 2), gamma=0.85, optimal_cost=20.0, separation=3.0, condition_limit=6.0, initial_gap=1.0
)


def scalar(A: float, B: float, optimal_cost: float) -> LinearSystem:
    """x' = A x + B u + z with γ = .9, rescaled to the given C*."""
    return with_optimal_cost(LinearSystem([[A]], [[B]], [[1.0]], [[1.0]], 0.9), optimal_cost)


@functools.cache
def three_clusters() -> Fleet:
    """C* = 20, 23, 26; two states, one input; 3 + 2 + 2 agents, all with different starts."""
    return random_fleet(THREE_CLUSTERS, stream(26, Purpose.FLEET), "three clusters")


def forked_fleet(middle: float = 10.8) -> Fleet:
    """Clusters 0 and 1 are mirror images (B = ±1) with close costs, 10 and `middle`; cluster 2 costs 20.

    The optimal gain of cluster 0 has infinite cost for cluster 1, and the other way round.
    """
    systems = (scalar(1.0, 1.0, 10.0), scalar(1.0, -1.0, middle), scalar(0.5, 1.0, 20.0))
    labels = [0, 0, 1, 1, 2]
    offsets = np.array([0.05, -0.05, 0.04, -0.05, 0.05])[:, None, None]
    return Fleet("forked", systems, np.array(labels), np.stack([lqr.riccati(systems[j]).K for j in labels]) + offsets)


def one_cluster(offsets: Sequence[Sequence[float]]) -> Fleet:
    """One system with two states and one input; agent i starts at K* + offsets[i]."""
    system = LinearSystem([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8)
    gains = lqr.riccati(system).K + np.array(offsets)[:, None, :]
    return Fleet("one cluster", (system,), np.zeros(len(offsets), dtype=np.int64), gains)


def schedule_for(fleet: Fleet, *, Delta0: float, c2: float = 1.5, c4: float = 4000.0, c6: float = 0.15) -> Schedule:
    """Constants by hand, with η = 1/(4h) for the largest curvature h of any optimum."""
    h_max = max(float(lqr.hessian_eigenvalues(s)[-1]) for s in fleet.systems)
    constants = Constants("calibrated", c1=1 / (4 * h_max), c2=c2, c3=5.0 * Delta0, c4=c4, c5=2.0, c6=c6)
    return Schedule(constants, Delta0, 0.05, fleet.N, fleet.D)


def experiment(fleet: Fleet, *, epochs: int, Delta0: float, horizon: int = 60, **constants: float) -> Experiment:
    """A small experiment on simulated rollouts."""
    schedule = schedule_for(fleet, Delta0=Delta0, **constants)
    return Experiment(fleet, schedule, "signs", horizon, schedule.rollouts_for(epochs))


def assert_same(a: Fleet, b: Fleet) -> None:
    """Compare everything in two fleets, matrices and gains bit by bit."""
    assert (a.name, a.source, a.gamma, a.H) == (b.name, b.source, b.gamma, b.H)
    for x, y in zip(a.systems, b.systems, strict=True):
        assert all(getattr(x, k).tobytes() == getattr(y, k).tobytes() for k in "ABQRN")
    assert a.labels.tobytes() == b.labels.tobytes()
    assert a.initial_gains.tobytes() == b.initial_gains.tobytes()
