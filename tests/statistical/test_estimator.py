"""The one-point estimator of the engine: mean ∇C_r, bias O(r²), covariance D·V/(r²M)·I, and the gain of averaging."""

from __future__ import annotations

import numpy as np
import pytest
from support.judging import LEVEL, SYSTEMS, TWO, Array, consistent, gain_near, mean_p_value, z_score

from pcpo import lqr
from pcpo.algorithms.server import Server
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import NOISE_LAWS, NoiseLaw, Purpose, noise_law, stream

pytestmark = pytest.mark.statistical

systems = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
laws = pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)


def minibatches(
    system: LinearSystem, K: Array, r: float, M: int, count: int, *, horizon: int, law: NoiseLaw, seed: int
) -> Array:
    """Independent estimates g ``(count, D)``."""
    streams = {"directions": stream(seed, 0), "noise": stream(seed, 1)}
    found = [gradient_estimate(system, K, r, M, horizon=horizon, law=law, **streams) for _ in range(count)]
    return np.stack([f.value.ravel() for f in found])


@systems
@laws
def test_mean_is_the_gradient_of_the_smoothed_cost(system: LinearSystem, law: NoiseLaw) -> None:
    """E g = ∇C_r at the same horizon (PCPO, eq. (16)); not without the factor D, nor the negative, nor by columns."""
    K, r, horizon = gain_near(system, 0.2), 0.3, 25
    g = minibatches(system, K, r, 500, 400, horizon=horizon, law=law, seed=30)
    expected = lqr.smoothed_gradient(system, K, r, horizon=horizon)
    assert expected.error < 0.1 * float(np.min(g.std(axis=0))) / np.sqrt(len(g))
    assert mean_p_value(g, expected.value.ravel()) > LEVEL
    wrong = [expected.value / system.D, -expected.value]
    wrong += [expected.value.reshape(system.n, system.m).T] if system.m > 1 else []
    for mean in wrong:
        assert mean_p_value(g, mean.ravel()) < LEVEL


@systems
def test_mean_at_the_optimum_is_the_smoothing_bias_and_not_zero(system: LinearSystem) -> None:
    """At K* all of E g is bias: near r²g3/(2(D + 2)) while r is small, and of the higher orders too at r = .4."""
    K, r, horizon = lqr.riccati(system).K, 0.4, 40
    g = minibatches(system, K, r, 4000, 400, horizon=horizon, law=noise_law("signs"), seed=33)
    exact = lqr.smoothed_gradient(system, K, r, horizon=horizon)
    assert mean_p_value(g, exact.value.ravel()) > LEVEL
    assert mean_p_value(g, np.zeros(system.D)) < LEVEL
    assert mean_p_value(g, lqr.smoothed_gradient(system, K, r / 2, horizon=horizon).value.ravel()) < LEVEL


@systems
@pytest.mark.parametrize("size", [0.0, 0.2])
def test_smoothing_bias_is_of_second_order(system: LinearSystem, size: float) -> None:
    """‖∇C_r − ∇C‖ = c r²(1 + O(r²)): the exponent fitted over [.01, .04] is 2 to about r²."""
    K, radii = gain_near(system, size), np.array([0.01, 0.02, 0.04])
    exact = lqr.gradient(system, K)

    def exponent(gradients: list[Array]) -> float:
        biases = [np.linalg.norm(g - exact) for g in gradients]
        return float(np.polyfit(np.log(radii), np.log(biases), 1)[0])

    assert exponent([lqr.smoothed_gradient(system, K, r).value for r in radii]) == pytest.approx(2.0, abs=0.02)
    aside = np.ones_like(K) / np.sqrt(system.D)
    assert exponent([lqr.gradient(system, K + r * aside) for r in radii]) == pytest.approx(1.0, abs=0.2)


@systems
@laws
def test_covariance_at_the_optimum(system: LinearSystem, law: NoiseLaw) -> None:
    """Exact covariance entry by entry, and E‖g − ∇C_r‖² = (D²V_r/r² − ‖∇C_r‖²)/M."""
    K, r, M, D = lqr.riccati(system).K, 0.1, 64, system.D
    g = minibatches(system, K, r, M, 4000, horizon=60, law=law, seed=31)
    moments = lqr.estimator_moments(system, K, r, law)
    centred = g - moments.mean.ravel()
    pairs = [(i, j) for i in range(D) for j in range(i + 1)]
    scores = [z_score(M * centred[:, i] * centred[:, j], moments.covariance[i, j]) for i, j in pairs]
    total = D**2 * moments.second_moment / r**2 - np.sum(moments.mean**2)
    errors = np.sum(centred**2, axis=1)
    assert consistent(*scores, z_score(errors, total / M))
    for factor in (1 / D, 1.3, 1 / 1.3):
        assert not consistent(z_score(errors, factor * total / M))
    # Rollout noise alone would explain a small part: the second moment is mostly C*².
    assert not consistent(z_score(errors, D**2 * lqr.rollout_variance(system, K, law) / r**2 / M))


@systems
def test_leading_order_of_the_covariance(system: LinearSystem) -> None:
    """(D·V/r²)·I to O(r²), V = C*² + σ_C², of which C*² is most: without simulation, by quadrature."""
    K, law, D = lqr.riccati(system).K, noise_law("signs"), system.D
    C2, variance = lqr.cost(system, K) ** 2, lqr.rollout_variance(system, K, law)

    def deviation(r: float) -> float:
        leading = D * (C2 + variance) / r**2 * np.eye(D)
        return float(np.linalg.norm(lqr.estimator_moments(system, K, r, law).covariance - leading, 2) * r**2 / D / C2)

    assert deviation(0.02) < 0.01
    assert deviation(0.02) / deviation(0.01) == pytest.approx(4.0, rel=0.05)
    assert C2 / (C2 + variance) > 0.8


@pytest.mark.parametrize("agents", [4, 16])
def test_averaging_divides_the_covariance_by_the_size_of_the_set(agents: int) -> None:
    """Through oracle and server: agents of one cluster have independent streams, so the covariance falls as 1/|M|."""
    K, r, M, count, D = lqr.riccati(TWO).K, 0.1, 64, 600, TWO.D
    fleet = Fleet("one", (TWO,), np.zeros(agents, dtype=np.int64), np.repeat(K[None], agents, axis=0))
    oracle, server = RolloutOracle(fleet, seed=32, horizon=60, law=noise_law("signs")), Server(agents)
    radii = np.full(agents, r)
    averaged = np.empty((count, D))
    for k in range(count):
        g = oracle.gradients(fleet.initial_gains, M, radii, purpose=Purpose.GLOBAL, epoch=1).values
        averaged[k] = server.average(g)[0].ravel()
    moments = lqr.estimator_moments(TWO, K, r, noise_law("signs"))
    errors = np.sum((averaged - moments.mean.ravel()) ** 2, axis=1)
    total = float(np.trace(moments.covariance)) / M
    assert consistent(z_score(errors, total / agents))
    for wrong in (1.0, agents**-0.5, agents**-2.0):
        assert not consistent(z_score(errors, total * wrong))
