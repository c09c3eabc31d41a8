"""Seconds of planning, by the size of the systems and of the fleet; planning with oracle auto beside a run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.conftest import processor_seconds
from benchmarks.table import Table
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import PopulationSpec, draw_fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.simulation.noise import stream, unit_directions
from pcpo.theory.printed.restricted_set import at_gap

SIZES = [*((2, 1, agents) for agents in (10, 14, 100, 300, 1000, 10_000)), (3, 2, 14), (4, 2, 14), (20, 3, 14)]
CLUSTERS, GAP = 3, 8.0


def fleet_of(n: int, m: int, agents: int) -> Fleet:
    """Three random clusters, and starts at the same gap in all directions."""
    spec = FleetSpec(n, m, (1,) * CLUSTERS, 0.9, GAP, separation=4.0, optimal_cost=20.0, condition_limit=1e4)
    systems = random_fleet(spec, stream(0, n, m)).systems
    labels = np.sort(np.arange(agents) % CLUSTERS)
    rng = stream(1, n, m)
    starts = [at_gap(s, unit_directions(s, int(np.sum(labels == j)), rng), GAP) for j, s in enumerate(systems)]
    return Fleet("benchmark", systems, labels, np.concatenate(starts))


@pytest.mark.parametrize(("n", "m", "agents"), SIZES)
def test_planning(table: Table, n: int, m: int, agents: int) -> None:
    fleet = fleet_of(n, m, agents)
    Experiment.calibrated(fleet_of(1, 1, 3), Delta0=16.0, epochs=1)  # compiles
    table.planning[n, m, agents] = processor_seconds(
        lambda: Experiment.calibrated(fleet, Delta0=16.0, epochs=3), 1 if n == 20 or agents == 10_000 else 3
    )


def test_planning_with_oracle_auto(table: Table) -> None:
    """One random fleet of eight agents: its thresholds, and a run of its five epochs."""
    fleet = draw_fleet(PopulationSpec(path_limit=200.0), stream(0, 2, 1), stream(1, 2, 1)).fleet
    plan = lambda: Experiment.calibrated(fleet, Delta0=6 * fleet.separation, epochs=5, oracle="auto")  # noqa: E731
    made = plan()  # compiles
    made.run(seed=1, limits=None)  # compiles
    table.auto = processor_seconds(plan, 5), processor_seconds(lambda: made.run(seed=1, limits=None), 3)
