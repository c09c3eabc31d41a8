"""Cost against the number of agents, 10 to 10,000: a random fleet, its sets, and four epochs of PCPO by moments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from benchmarks.table import Table
from pcpo.algorithms.schedule import Schedule
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import calibrated_constants, local_constants

AGENTS = (10, 100, 1000, 10_000)
CLUSTERS = 5
DELTA0, DELTA = 16.0, 0.05


def fleet_of(agents: int) -> Fleet:
    """Draw n, m = 2, 1: five clusters whose systems are the same for every number of agents."""
    spec = FleetSpec(
        n=2, m=1, sizes=(agents // CLUSTERS,) * CLUSTERS, gamma=0.8, initial_gap=0.5, separation=4.0,
        optimal_cost=20.0, condition_limit=4.0, distance=0.1, gain_distance=0.1,
    )  # fmt: skip
    return random_fleet(spec, stream(1, Purpose.FLEET), "benchmark")


@cache
def experiment(agents: int) -> Experiment:
    """Plan on ten agents: planning has a benchmark of its own."""
    small = fleet_of(10)
    constants = calibrated_constants(local_constants(small, noise_law("signs"), DELTA0), D=small.D, Delta0=DELTA0)
    fleet = fleet_of(agents)
    schedule = Schedule(constants, DELTA0, DELTA, fleet.N, fleet.D)
    return Experiment(fleet, schedule, "signs", None, schedule.rollouts_for(4), "moments")


def overlapping(agents: int) -> Neighbourhoods:
    """Prune twice to sets that overlap, nearly as many as agents: the dearest that (7) leaves."""
    rng, labels = np.random.default_rng(0), np.arange(agents) % CLUSTERS
    first = Neighbourhoods.everyone(agents).pruned(labels + 0.5 * rng.standard_normal(agents), 4.0)
    return first.pruned(labels + 0.25 * rng.standard_normal(agents), 2.0)


def best(benchmark: Any, function: Callable[[], object], rounds: int) -> float:
    """Seconds of processor time of the fastest call."""
    seconds = []

    def timed() -> None:
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)

    benchmark.pedantic(timed, rounds=rounds)
    return min(seconds)


agents_of = pytest.mark.parametrize("agents", AGENTS)


@agents_of
def test_random_fleet(benchmark: Any, table: Table, agents: int) -> None:
    table.by_agents["random fleet", agents] = best(benchmark, lambda: fleet_of(agents), 2)


@agents_of
def test_sets(benchmark: Any, table: Table, agents: int) -> None:
    """Two epochs of (7)."""
    table.by_agents["sets of two epochs", agents] = best(benchmark, lambda: overlapping(agents).cover, 2)


@agents_of
def test_average(benchmark: Any, table: Table, agents: int) -> None:
    """One round of (6) over those sets."""
    sets, g = overlapping(agents), np.random.default_rng(1).standard_normal((agents, 1, 2))
    sets.average(g)
    table.by_agents["round over them", agents] = best(benchmark, lambda: sets.average(g), 5)


@agents_of
def test_run(benchmark: Any, table: Table, agents: int) -> None:
    """Four epochs of PCPO with the moment oracle, evaluated by cluster; a small run first, which compiles."""
    made = experiment(agents)
    short = replace(made, budget=made.schedule.rollouts_for(1))
    if agents == AGENTS[0]:
        short.run(seed=1, rows="clusters")
    run = lambda: made.run(seed=1, rows="clusters", limits=None)  # noqa: E731
    table.by_agents["four epochs by moments", agents] = best(benchmark, run, 1)
