"""Predictions against a second computation by other means, and their limits and scalings."""

from __future__ import annotations

import numpy as np
import pytest
from support.small_fleets import schedule_for, three_clusters

from pcpo import lqr
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import LinearSystem
from pcpo.simulation.noise import noise_law
from pcpo.theory.predictions import (
    Plateau,
    SteadyStates,
    plan_gaps,
    steady_state_gap,
)

SYSTEM = LinearSystem([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8)
H = lqr.hessian_eigenvalues(SYSTEM)
ETA = float(0.5 / H[-1])
SIGNS = noise_law("signs")


def plateau(M: float, r: float, eta: float = ETA) -> Plateau:
    return steady_state_gap(SYSTEM, step_size=eta, radius=r, minibatch=M, law=SIGNS)


def by_differences(M: float, r: float) -> tuple[float, float]:
    """Noise and bias with V_r from equally spaced directions on the circle and g3 and H by differences of C."""
    K, D, s = lqr.riccati(SYSTEM).K, 2, 2e-3
    angles = np.arange(64) * 2 * np.pi / 64
    U = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None, :]
    V_r = np.mean(lqr.cost_array(SYSTEM, K + r * U) ** 2 + lqr.variance_array(SYSTEM, K + r * U, SIGNS))

    def hessian(K: np.ndarray) -> np.ndarray:
        E = s * np.eye(2)[:, None, :]
        steps = (E[:, None] + E[None, :], E[:, None] - E[None, :])
        plus, minus = (lqr.cost_array(SYSTEM, K + x) + lqr.cost_array(SYSTEM, K - x) for x in steps)
        return np.asarray((plus - minus) / (4 * s**2))

    g3 = [(np.trace(hessian(K + e)) - np.trace(hessian(K - e))) / (2 * s) for e in s * np.eye(2)[:, None, :]]
    h = np.linalg.eigvalsh(hessian(K))
    noise = ETA / 2 * D * V_r / (r**2 * M) * np.sum(1 / (2 - ETA * h))
    return float(noise), float(r**4 * np.array(g3) @ np.linalg.solve(hessian(K), g3) / (8 * (D + 2) ** 2))


@pytest.mark.parametrize("M", [1e3, 4e3, 16e3, 64e3])
def test_steady_state_gap_by_other_means(M: float) -> None:
    r = 0.3 * (M / 1000) ** -0.25
    found, (noise, bias) = plateau(M, r), by_differences(M, r)
    assert found.noise == pytest.approx(noise, rel=1e-4)
    assert found.bias == pytest.approx(bias, rel=1e-3)
    assert found.gap == found.noise + found.bias


def test_scalings() -> None:
    """Noise exactly 1/M and about 1/r², bias exactly r⁴ and free of M."""
    base, more, wider = plateau(1000, 0.02), plateau(4000, 0.02), plateau(1000, 0.04)
    assert more.noise == pytest.approx(base.noise / 4, rel=1e-14)
    assert more.bias == base.bias
    assert wider.bias == pytest.approx(16 * base.bias, rel=1e-12)
    assert wider.noise == pytest.approx(base.noise / 4, rel=0.01)
    assert wider.noise != pytest.approx(base.noise / 4, rel=1e-6)  # V_r depends on r


def test_small_steps_average_more() -> None:
    """E gap = (η/4)·D·(D V/(r²M)) to first order in η: halving a small step halves the gap."""
    one, half = plateau(1000, 0.02, 0.01 * ETA), plateau(1000, 0.02, 0.005 * ETA)
    assert half.noise == pytest.approx(one.noise / 2, rel=0.01)


@pytest.mark.parametrize("factor", [2.0, 3.0, 0.0, -1.0, np.nan])
def test_no_steady_state_without_stability(factor: float) -> None:
    with pytest.raises(ConfigError, match="step_size: found"):
        plateau(1000, 0.1, factor / float(H[-1]))


def test_collaboration_gains_the_root_of_the_size_of_the_cluster() -> None:
    """The plateau falls as |M|^(−1/2) with the paper's radii, up to the bias, and to V_r at two radii."""
    r, M = 0.01, 1000
    for size in (2, 4, 16):
        ratio = plateau(M * size, r / size**0.25).gap / plateau(M, r).gap
        assert ratio == pytest.approx(size**-0.5, rel=1e-3)


def test_plan_gaps_are_means_over_the_agents() -> None:
    """Local: own minibatch and radius; global: |M_j| times the minibatch, at the radius of a set of |M_j| agents."""
    fleet = three_clusters()
    schedule = schedule_for(fleet, Delta0=16.0)
    found, plan = plan_gaps(fleet, schedule, 3, SIGNS), schedule.plan(3)
    assert found["epoch"].tolist() == [1, 2, 3]
    local, shared = [], []
    for label in fleet.labels:
        size, common = int(np.sum(fleet.labels == label)), (fleet.systems[label], plan.step_size)
        radius = min(plan.radius_cap, plan.radius_uncapped / size**0.25)
        local.append(gap_at(*common, plan.radius_local, plan.minibatch))
        shared.append(gap_at(*common, radius, size * plan.minibatch))
    assert found["local"].iloc[2] == pytest.approx(np.mean(local), rel=1e-12)
    assert found["global"].iloc[2] == pytest.approx(np.mean(shared), rel=1e-12)
    assert np.mean(shared) < 0.8 * np.mean(local)


def gap_at(system: LinearSystem, eta: float, radius: float, minibatch: float) -> float:
    return steady_state_gap(system, step_size=eta, radius=radius, minibatch=minibatch, law=SIGNS).gap


@pytest.mark.parametrize("radius", [0.3, 0.2, 0.1, 0.01])
def test_many_steady_states_are_those_of_one_up_to_the_fourth_power_of_the_radius(radius: float) -> None:
    found = SteadyStates(SYSTEM, SIGNS, 0.3).gap(step_size=ETA, radius=radius, minibatch=1e4)
    # V_r varies by the square of the radius in all, so what is left out is of the order of that variation, squared.
    at_zero = lqr.riccati(SYSTEM).cost ** 2 + lqr.rollout_variance(SYSTEM, lqr.riccati(SYSTEM).K, SIGNS)
    widest = plateau(1e4, 0.3).noise / plateau(1e4, 1e-3).noise * (0.3 / 1e-3) ** 2 - 1
    assert at_zero > 0
    assert abs(found / plateau(1e4, radius).gap - 1) <= (widest * radius / 0.3) ** 2


def test_steady_states_refuse_steps_that_are_too_long() -> None:
    with pytest.raises(ConfigError, match="step_size"):
        SteadyStates(SYSTEM, SIGNS, 0.3).gap(step_size=2.1 / float(H[-1]), radius=0.1, minibatch=1e4)
