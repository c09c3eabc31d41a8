"""Policy gradient with simulated rollouts against the predictions without fitted parameter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import solve_discrete_lyapunov
from support.judging import LEVEL, THREE, TWO, Array, consistent, ratio_z_score, z_score

from pcpo import lqr
from pcpo.fleets.fleet import LinearSystem
from pcpo.lqr.optimum import gap_array
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import noise_law, stream
from pcpo.theory.predictions import steady_state_gap

pytestmark = pytest.mark.statistical

LAW = noise_law("signs")


def step_size(system: LinearSystem) -> float:
    return float(0.5 / lqr.hessian_eigenvalues(system)[-1])


def gaps_of(system: LinearSystem, gains: Array) -> Array:
    best = lqr.riccati(system)
    return gap_array(system, best.G, best.K, gains)


def iterates(
    system: LinearSystem, start: Array, *, radius: float, minibatch: int, runs: int, steps: int, seed: int
) -> Iterator[Array]:
    """Gains ``(runs, m, n)`` of independent runs Y ← Y − ηg after each step."""
    eta, horizon = step_size(system), lqr.truncation_horizon(system, start, 1e-4 * lqr.cost(system, start))
    streams = [{"directions": stream(seed, k, 0), "noise": stream(seed, k, 1)} for k in range(runs)]
    Y = np.repeat(start[None], runs, axis=0)
    for _ in range(steps):
        g = [
            gradient_estimate(system, y, radius, minibatch, horizon=horizon, law=LAW, **s).value
            for y, s in zip(Y, streams, strict=True)
        ]
        Y = Y - eta * np.stack(g)
        yield Y


def settled_gaps(system: LinearSystem, *, radius: float, minibatch: int, runs: int, steps: int, seed: int) -> Array:
    """Gap averaged over the later half of each run, ``(runs,)``: one number per run, for its steps are correlated."""
    path = iterates(
        system, lqr.riccati(system).K, radius=radius, minibatch=minibatch, runs=runs, steps=steps, seed=seed
    )
    gaps = np.stack([gaps_of(system, Y) for Y in path])
    return gaps[steps // 2 :].mean(axis=0)


def linearised_gap(system: LinearSystem, radius: float, minibatch: float) -> float:
    """The steady state to all orders in r: linearised at the minimiser K_r of C_r, with ∇²C_r and the exact covariance.

    `steady_state_gap` is its leading order in r.  Both neglect the same powers of the noise.
    """
    K, D, eta, shape = lqr.riccati(system).K, system.D, step_size(system), (system.m, system.n)

    def gradient(K: Array) -> Array:
        return np.asarray(lqr.smoothed_gradient(system, K, radius, order=4).value.ravel())

    def hessian(K: Array, e: float = 1e-4) -> Array:
        steps = e * np.eye(D).reshape(D, *shape)
        columns = [(gradient(K + v) - gradient(K - v)) / (2 * e) for v in steps]
        return np.asarray(0.5 * (np.stack(columns) + np.stack(columns).T))

    for _ in range(4):
        K = K - np.linalg.solve(hessian(K), gradient(K)).reshape(shape)
    S = lqr.estimator_moments(system, K, radius, LAW, order=4).covariance / minibatch
    spread = solve_discrete_lyapunov(np.eye(D) - eta * hessian(K), eta**2 * S)
    return float(lqr.suboptimality_gap(system, K) + 0.5 * np.trace(lqr.hessian_at(system, K) @ spread))


def leading_gap(system: LinearSystem, radius: float, minibatch: float) -> float:
    return steady_state_gap(system, step_size=step_size(system), radius=radius, minibatch=minibatch, law=LAW).gap


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "minibatch", "radius", "runs"),
    [(TWO, 4000, 0.3 * 4**-0.25, 80), (TWO, 16000, 0.15, 40), (TWO, 8000, 0.1, 40), (THREE, 16000, 0.2, 40)],
    ids=["two-4000", "two-16000", "two-8000-narrow", "three-16000"],
)
def test_steady_state_gap(system: LinearSystem, minibatch: int, radius: float, runs: int) -> None:
    found = settled_gaps(system, radius=radius, minibatch=minibatch, runs=runs, steps=60, seed=40)
    predicted = linearised_gap(system, radius, minibatch)
    assert consistent(z_score(found, predicted))
    assert not consistent(z_score(found, linearised_gap(system, radius, 2 * minibatch)))
    assert not consistent(z_score(found, leading_gap(system, 2.5 * radius, minibatch)))
    assert not consistent(z_score(found, predicted / system.D))
    assert float(found.std(ddof=1) / found.mean() / np.sqrt(runs)) < 0.08


@pytest.mark.parametrize(("system", "radius"), [(TWO, 0.2), (THREE, 0.1)], ids=["two_states", "three_states"])
def test_the_closed_form_is_the_leading_order_in_the_radius(system: LinearSystem, radius: float) -> None:
    """On M ∝ r^(−4) the closed form lies O(r²) above: its relative excess halves as r² does."""
    radii = radius * 2.0 ** (-0.5 * np.arange(3))
    excess = [leading_gap(system, r, 10 / r**4) / linearised_gap(system, r, 10 / r**4) - 1 for r in radii]
    assert 0 < excess[0] < 0.15
    assert excess[1] / excess[0] == pytest.approx(0.5, abs=0.1)
    assert excess[2] / excess[1] == pytest.approx(0.5, abs=0.05)


def test_plateau_needs_both_noise_and_bias() -> None:
    """At r = .2 and M = 16 000 the r⁴ term is more than half of the gap."""
    radius, minibatch = 0.2, 16000
    found = settled_gaps(TWO, radius=radius, minibatch=minibatch, runs=40, steps=60, seed=41)
    parts = steady_state_gap(TWO, step_size=step_size(TWO), radius=radius, minibatch=minibatch, law=LAW)
    assert consistent(z_score(found, linearised_gap(TWO, radius, minibatch)))
    assert not consistent(z_score(found, parts.noise))
    assert not consistent(z_score(found, parts.bias))


def test_gap_is_a_weighted_sum_of_squares() -> None:
    """Gap = Σ_i w_i χ²_1 with w_i = ηs/(2(2 − ηh_i)), s = D V_r/(r²M): Kolmogorov-Smirnov over independent runs."""
    radius, minibatch, eta = 0.1, 5000, step_size(TWO)
    path = iterates(TWO, lqr.riccati(TWO).K, radius=radius, minibatch=minibatch, runs=500, steps=20, seed=45)
    found = gaps_of(TWO, list(path)[-1])
    V_r = lqr.second_moment(TWO, lqr.riccati(TWO).K, radius, LAW).value
    weights = eta * TWO.D * V_r / (radius**2 * minibatch) / (2 * (2 - eta * lqr.hessian_eigenvalues(TWO)))
    squares = stream(46, 0).chisquare(1, (400_000, TWO.D))

    def p_value(weights: Array) -> float:
        return float(stats.ks_2samp(found, squares[:, : len(weights)] @ weights).pvalue)

    assert p_value(weights) > LEVEL
    assert p_value(weights[:1] + weights[1:]) < LEVEL  # χ²_1 of the same mean
    assert p_value(1.4 * weights) < LEVEL
    assert p_value(weights / 1.4) < LEVEL


@pytest.mark.slow
def test_collaboration_gains_the_root_of_the_size_of_the_cluster() -> None:
    """Paper's radii, r_glob = r_loc/|M|^¼ and minibatch M|M|: E gap_global/E gap_local = |M|^(−½), uncapped."""
    cluster, radius, minibatch = 4, 0.1, 8000
    local = settled_gaps(TWO, radius=radius, minibatch=minibatch, runs=40, steps=50, seed=43)
    shared = settled_gaps(TWO, radius=radius / cluster**0.25, minibatch=minibatch * cluster, runs=40, steps=50, seed=44)
    assert consistent(z_score(local, leading_gap(TWO, radius, minibatch)))
    assert consistent(ratio_z_score(shared, local, cluster**-0.5))
    for wrong in (1.0, cluster**-0.25, cluster**-1.0):
        assert not consistent(ratio_z_score(shared, local, wrong))
