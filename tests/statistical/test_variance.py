"""Centred and two-point estimates: mean ∇C_r, and the variance of `pcpo.theory.predictions`, from as many rollouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.judging import LEVEL, SYSTEMS, Array, consistent, gain_near, mean_p_value, z_score
from support.small_fleets import schedule_for

from pcpo import lqr
from pcpo.algorithms.baselines.base import estimator_options, iterate
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import noise_law, stream
from pcpo.theory.predictions import estimator_error, steady_state_gap, weight_moment

pytestmark = pytest.mark.statistical

systems = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
R, M, COUNT, HORIZON = 0.2, 64, 2500, 60
OPTIONS = {
    "raw": ("one_point", 0.0),
    "centred": ("one_point", 1.0),
    "half": ("one_point", 0.5),
    "pairs": ("two_point", 0.0),
}


def estimates(system: LinearSystem, K: Array, estimator: str, baseline: float, seed: int) -> Array:
    options = {"horizon": HORIZON, "law": noise_law("signs"), "directions": stream(seed, 0), "noise": stream(seed, 1)}
    found = [
        gradient_estimate(system, K, R, M, estimator=estimator, baseline=baseline, **options) for _ in range(COUNT)
    ]
    return np.stack([f.value.ravel() for f in found])


@systems
@pytest.mark.parametrize("kind", OPTIONS)
def test_mean_and_variance(system: LinearSystem, kind: str) -> None:
    """E g = ∇C_r and E‖g − ∇C_r‖² = (D²W_r/r² − ‖∇C_r‖²)/q; not another estimator's variance."""
    K, law = gain_near(system, 0.2), noise_law("signs")
    estimator, share = OPTIONS[kind]
    C = lqr.cost(system, K)
    g = estimates(system, K, estimator, share * C, seed=40)
    mean = lqr.smoothed_gradient(system, K, R, horizon=HORIZON).value.ravel()
    assert mean_p_value(g, mean) > LEVEL
    errors = np.sum((g - mean) ** 2, axis=1)
    assert consistent(z_score(errors, estimator_error(system, K, R, M, law, estimator=estimator, baseline=share * C)))
    if kind in ("centred", "pairs"):
        assert mean_p_value(g, 2 * mean) < LEVEL
        assert mean_p_value(g, np.zeros_like(mean)) < LEVEL
    wrong = [estimator_error(system, K, R, M, law, estimator=e, baseline=b * C) for e, b in OPTIONS.values()]
    for other, error in zip(OPTIONS, wrong, strict=True):
        if {kind, other} != {"centred", "pairs"} and kind != other:  # those two have the same leading term σ²/M
            assert not consistent(z_score(errors, error))
    for factor in (1.3, 1 / 1.3):
        assert not consistent(z_score(errors, factor * wrong[list(OPTIONS).index(kind)]))


@systems
def test_what_the_variance_is_made_of(system: LinearSystem) -> None:
    """Without simulation: V_r for b = 0; least at b = E C(K + rU); σ²/2 for pairs as r → 0, half the directions."""
    K, law = gain_near(system, 0.2), noise_law("signs")
    C, variance = lqr.cost(system, K), lqr.rollout_variance(system, K, law)
    assert weight_moment(system, K, R, law) == pytest.approx(lqr.second_moment(system, K, R, law).value, rel=1e-12)
    near = [weight_moment(system, K, R, law, baseline=b) for b in (0.9 * C, C, 1.2 * C)]
    assert near[1] < min(near[0], near[2]) < weight_moment(system, K, R, law)
    assert weight_moment(system, K, 1e-4, law, baseline=C) == pytest.approx(variance, rel=1e-3)
    assert weight_moment(system, K, 1e-4, law, estimator="two_point") == pytest.approx(variance / 2, rel=1e-3)
    assert weight_moment(system, K, 50.0, law, estimator="two_point") == np.inf


@systems
def test_plateau_of_two_point_descent(system: LinearSystem) -> None:
    """The mean gap of a long run of descent by pairs is that of `steady_state_gap`; not that of (5), nor half of it."""
    law, r, rollouts = noise_law("signs"), 0.1, 512
    step = 0.5 / float(lqr.hessian_eigenvalues(system)[-1])
    options = {"step_size": step, "radius": r, "minibatch": rollouts, "law": law}
    predicted = steady_state_gap(system, **options, estimator="two_point").gap
    streams = {"directions": stream(41, 0), "noise": stream(41, 1)}
    Y, gaps = lqr.riccati(system).K, []
    for _ in range(6000):
        g = gradient_estimate(system, Y, r, rollouts, horizon=HORIZON, law=law, estimator="two_point", **streams).value
        Y = Y - step * g
        gaps.append(lqr.suboptimality_gap(system, Y))
    batches = np.array(gaps[1000:]).reshape(25, -1).mean(axis=1)  # 200 steps each: many times the slowest mode's memory
    assert consistent(z_score(batches, predicted))
    assert not consistent(z_score(batches, steady_state_gap(system, **options).gap))
    assert not consistent(z_score(batches, predicted / 2))


def test_the_baseline_of_pcpo_is_paid_for_and_adds_its_own_noise() -> None:
    """PCPO's centred estimate: q = M − ⌊√M⌋ directions, and W_r is larger by the baseline's variance σ²/⌊√M⌋."""
    system, law, M = SYSTEMS["two_states"], noise_law("signs"), 100
    K = gain_near(system, 0.2)
    agents = 50
    fleet = Fleet("one", (system,), np.zeros(agents, dtype=np.int64), np.repeat(K[None], agents, axis=0))
    oracle = RolloutOracle(fleet, seed=42, horizon=HORIZON, law=law)
    plan = replace(schedule_for(fleet, Delta0=8.0).plan(1), minibatch=M, step_size=1.0)
    radii, parts = np.full(agents, R), 60
    options = estimator_options("centred", plan)
    assert options == {"aside": 10}
    steps = [K - iterate(fleet.initial_gains, 1, plan, oracle, radii, **options) for _ in range(parts)]
    assert oracle.rollouts == parts * M
    g = np.concatenate(steps).reshape(agents * parts, -1)
    mean = lqr.smoothed_gradient(system, K, R, horizon=HORIZON).value.ravel()
    assert mean_p_value(g, mean) > LEVEL
    errors = np.sum((g - mean) ** 2, axis=1)
    C, noise = lqr.cost(system, K), lqr.rollout_variance(system, K, law) / 10
    expected = estimator_error(system, K, R, M - 10, law, baseline=C) + system.D**2 / R**2 * noise / (M - 10)
    assert consistent(z_score(errors, expected))
    assert not consistent(z_score(errors, estimator_error(system, K, R, M, law, baseline=C)))  # as if C were known
