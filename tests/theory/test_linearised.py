"""Test the linearised iteration: the two predictions that rest on it agree where both apply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcpo import lqr
from pcpo.algorithms.schedule import EpochPlan
from pcpo.fleets.fleet import LinearSystem
from pcpo.simulation.noise import noise_law
from pcpo.theory.linearised import Averaging, run_of_means, stationary

SYSTEM = LinearSystem([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8)
BEST = lqr.riccati(SYSTEM).K
RADIUS = 0.1
PLAN = EpochPlan(
    epoch=1,
    Delta=1.0,
    failure_probability=0.01,
    log_term=1.0,
    iterations=9,
    minibatch=20_000,
    radius_uncapped=RADIUS,
    radius_cap=1.0,
    step_size=float(0.5 / lqr.hessian_eigenvalues(SYSTEM)[-1]),
)
LAW = noise_law("signs")
ALONE = Averaging([SYSTEM], np.ones(1), 1, BEST)


def gap_after(case: Averaging, plan: EpochPlan, iterations: int) -> float:
    """Predict the mean gap some iterations after the gain 0.9 K*."""
    return float(run_of_means(case, 0.9 * BEST[None], [RADIUS], [iterations], [plan], LAW)[0])


def test_a_long_run_ends_in_the_steady_state() -> None:
    settled = stationary(SYSTEM, step_size=PLAN.step_size, radius=RADIUS, minibatch=float(PLAN.minibatch), law=LAW)
    spread = 0.5 * np.trace(lqr.hessian_at(SYSTEM, settled.mean) @ settled.covariance)
    expected = float(lqr.suboptimality_gap(SYSTEM, settled.mean) + spread)
    assert gap_after(ALONE, PLAN, 2000) == pytest.approx(expected, rel=1e-3)
    assert gap_after(ALONE, PLAN, 1) != pytest.approx(expected, rel=0.1)


def test_agents_with_equal_systems_are_one_agent_with_more_rollouts() -> None:
    four = Averaging([SYSTEM, SYSTEM], np.array([0.25, 0.75]), 4, BEST)
    more = replace(PLAN, minibatch=4 * PLAN.minibatch)
    assert gap_after(four, PLAN, 50) == pytest.approx(gap_after(ALONE, more, 50), rel=1e-9)
