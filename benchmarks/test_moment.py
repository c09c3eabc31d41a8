"""Speed of the moment oracle, beside the simulation of a minibatch in the same run."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from benchmarks.table import Table
from benchmarks.test_engine import best
from pcpo import lqr
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law, stream

#: Calibrated schedules have 300 iterations an epoch and more from D = 6 on.
AGENTS, ITERATIONS = 4, 300
#: Rollouts of the minibatch that is simulated for comparison.
MINIBATCH = 1024


def fleet(n: int, m: int) -> Fleet:
    """One random system, and agents that start 15 % above C*, in different directions."""
    rng = stream(0, n, m)
    A = rng.standard_normal((n, n))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    system = LinearSystem(A, rng.standard_normal((n, m)) / np.sqrt(n), np.eye(n), np.eye(m), 0.85)
    best_gain = lqr.riccati(system)
    gains = []
    for _ in range(AGENTS):
        V = rng.standard_normal((m, n))
        low, high = 0.0, 10.0
        for _ in range(40):
            middle = (low + high) / 2
            inside = lqr.cost(system, best_gain.K + middle * V) < 1.15 * best_gain.cost
            low, high = (middle, high) if inside else (low, middle)
        gains.append(best_gain.K + low * V)
    return Fleet("benchmark", (system,), np.zeros(AGENTS, dtype=np.int64), np.stack(gains))


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 2), (6, 2), (10, 2), (20, 3)])
def test_moments(benchmark: Any, table: Table, n: int, m: int) -> None:
    """An epoch of 300 iterations from 15 % above C*, with all its anchors; and the simulation of 1,024 rollouts."""
    agents, law = fleet(n, m), noise_law("signs")
    step = 1 / (4 * max(float(np.linalg.norm(lqr.hessian_at(agents.systems[0], K), 2)) for K in agents.initial_gains))
    optimum = lqr.riccati(agents.systems[0])
    # The radius at which the cost in a mean direction is 1 % above C*: a sphere far from infinite costs.
    radii = np.full(
        AGENTS, np.sqrt(0.02) * np.sqrt(optimum.cost / float(np.mean(lqr.hessian_eigenvalues(agents.systems[0]))))
    )

    def epoch() -> None:
        oracle = MomentOracle(agents, seed=1, law=law)
        oracle.iterate(agents.initial_gains, ITERATIONS, step, 10**5, radii, purpose=Purpose.LOCAL, epoch=1)
        assert oracle.errors.anchors >= AGENTS
        assert not oracle.nonfinite.any()

    table.moments[n, m] = best(benchmark, epoch, 5) / (AGENTS * ITERATIONS)
    simulated = RolloutOracle(agents, seed=1, horizon=table.horizon, law=law)
    asked = (agents.initial_gains, MINIBATCH, radii)
    seconds = [timed(lambda: simulated.gradients(*asked, purpose=Purpose.LOCAL, epoch=1)) for _ in range(5)]
    table.minibatch[n, m] = min(seconds[1:]) / AGENTS


def timed(function: Any) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
