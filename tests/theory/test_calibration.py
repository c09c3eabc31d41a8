"""Calibrated constants on scalar systems, where every one of them can be written down."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from support.small_fleets import scalar, three_clusters

from pcpo import lqr
from pcpo.algorithms.schedule import Schedule
from pcpo.errors import ConfigError
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.simulation.noise import NOISE_LAWS, NoiseLaw, noise_law
from pcpo.theory.calibration import (
    LocalConstants,
    calibrated_constants,
    horizon_for,
    initial_gap,
    local_constants,
    region,
    regions_and_directions,
)

GAMMA = 0.9
c = GAMMA / (1 - GAMMA)


def at_optimum(*systems: LinearSystem) -> Fleet:
    """One agent per system, at its optimum: the region is one point."""
    return Fleet("scalar", systems, np.arange(len(systems)), np.stack([lqr.riccati(s).K for s in systems]))


def P(system: LinearSystem, K: float) -> float:
    """P_K = (Q + RK²)/(1 − γ(A − BK)²), the scalar Lyapunov equation."""
    A, B, Q, R = (float(x[0, 0]) for x in (system.A, system.B, system.Q, system.R))
    return (Q + R * K**2) / (1 - GAMMA * (A - B * K) ** 2)


@pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=NOISE_LAWS)
@pytest.mark.parametrize(("A", "B"), [(0.9, 1.0), (1.2, 0.5)])
def test_one_scalar_system_by_hand(A: float, B: float, law: NoiseLaw) -> None:
    system = scalar(A, B, 10.0)
    found = local_constants(at_optimum(system), law, 0.5)
    K = float(lqr.riccati(system).K[0, 0])
    a, p = A - B * K, P(system, K)
    h = 2 * c * (float(system.R[0, 0]) + GAMMA * B**2 * p) / (1 - GAMMA * a**2)
    d = {"signs": 0.0, "sphere": 0.0, "cube": (0.8 - 2.4 / (2**32 - 1)) * p**2}[law.name]
    variance = GAMMA**2 / (1 - GAMMA**2) * (d + 4 * p**2 * GAMMA**2 * a**2 / (1 - GAMMA**2 * a**2))
    assert c * p == pytest.approx(10.0, rel=1e-12)
    assert (found.h_max, found.h_min) == pytest.approx((h, h), rel=1e-10)
    assert found.variance == pytest.approx(variance, rel=1e-10)
    assert found.V - variance == pytest.approx(100.0, rel=1e-10)
    assert found.Delta0_tilde == 0.5
    doubled = [
        brentq(
            lambda r, s=s: P(system, K + s * r) - 2 * p, 0.0, (1 / np.sqrt(GAMMA) + s * a * np.sign(B)) / abs(B) - 1e-9
        )
        for s in (-1.0, 1.0)
    ]
    assert found.radius_cap == pytest.approx(min(doubled), rel=1e-9)


def test_constants_are_the_worst_over_the_clusters() -> None:
    systems, law = (scalar(0.9, 1.0, 10.0), scalar(1.2, 0.5, 14.0)), noise_law("signs")
    one, other = (local_constants(at_optimum(s), law, 0.5) for s in systems)
    both = local_constants(at_optimum(*systems), law, 0.5)
    assert both == LocalConstants(
        h_max=max(one.h_max, other.h_max),
        h_min=min(one.h_min, other.h_min),
        V=max(one.V, other.V),
        variance=max(one.variance, other.variance),
        radius_cap=min(one.radius_cap, other.radius_cap),
        Delta0_tilde=0.5,
    )
    assert one.h_max != other.h_max


def test_far_starts_only_make_the_constants_worse() -> None:
    near, law = at_optimum(scalar(0.9, 1.0, 10.0)), noise_law("signs")
    far = Fleet("far", near.systems, near.labels, near.initial_gains + 0.6)
    small, large = local_constants(near, law, 0.5), local_constants(far, law, 0.5)
    assert large.h_max > 1.2 * small.h_max
    assert large.h_min <= small.h_min
    assert large.V > 1.2 * small.V
    assert large.radius_cap < small.radius_cap
    assert large.Delta0_tilde == pytest.approx(initial_gap(far), rel=1e-15)
    assert initial_gap(far) > 0.5 > initial_gap(near)


def test_the_region_holds_the_optimum_and_the_starts() -> None:
    fleet = three_clusters()
    for j, members in enumerate(fleet.clusters):
        points = region(fleet, j)
        assert np.isfinite(lqr.cost_array(fleet.systems[j], points)).all()
        for wanted in (fleet.optimal_gains[j], *fleet.initial_gains[members]):
            assert any(np.array_equal(point, wanted) for point in points)


def test_at_the_cap_the_worst_cost_doubles() -> None:
    """On every sampled direction C(K + rU) ≤ 2C(K) for r up to the cap, and for no r beyond it."""
    fleet = three_clusters()
    cap, U = local_constants(fleet, noise_law("signs"), 16.0).radius_cap, regions_and_directions(fleet)[1]
    np.testing.assert_allclose(np.linalg.norm(U, axis=(1, 2)), 1.0, rtol=1e-14)
    np.testing.assert_array_equal(U[: len(U) // 2], -U[len(U) // 2 :])

    def worst(radius: float) -> float:
        ratios = [
            lqr.cost_array(s, region(fleet, j)[:, None] + radius * U) / lqr.cost_array(s, region(fleet, j))[:, None]
            for j, s in enumerate(fleet.systems)
        ]
        return max(float(ratio.max()) for ratio in ratios)

    assert worst(cap) == pytest.approx(2.0, rel=1e-6)
    assert worst(cap * (1 + 1e-6)) > 2.0
    assert worst(0.9 * cap) < 2.0


class TestConstants:
    LOCAL = LocalConstants(h_max=5.0, h_min=2.0, V=9.0, variance=1.0, radius_cap=0.3, Delta0_tilde=4.0)

    def test_by_hand(self) -> None:
        found = calibrated_constants(self.LOCAL, D=2, Delta0=3.0)
        assert found.mode == "calibrated"
        assert (found.c1, found.c2, found.c3) == pytest.approx((0.05, 5.0, 192.0), rel=1e-15)
        assert (found.c4, found.c5, found.c6) == pytest.approx((144.0, 1.2, 0.3), rel=1e-15)

    def test_rollout_noise_can_decide_the_minibatch(self) -> None:
        noisy = LocalConstants(h_max=5.0, h_min=2.0, V=9.0, variance=2.0, radius_cap=0.3, Delta0_tilde=4.0)
        assert calibrated_constants(noisy, D=2, Delta0=3.0).c4 == 256.0

    def test_the_knob_scales_the_minibatch_and_nothing_else(self) -> None:
        full, tenth = (calibrated_constants(self.LOCAL, D=2, Delta0=3.0, minibatch_scale=k) for k in (1.0, 0.1))
        assert tenth.c4 == pytest.approx(full.c4 / 10, rel=1e-15)
        assert (tenth.c1, tenth.c2, tenth.c3, tenth.c5, tenth.c6) == (full.c1, full.c2, full.c3, full.c5, full.c6)

    @pytest.mark.parametrize("scale", [0.0, -1.0, np.nan])
    def test_bad_knob(self, scale: float) -> None:
        with pytest.raises(ConfigError, match="minibatch_scale: found"):
            calibrated_constants(self.LOCAL, D=2, Delta0=3.0, minibatch_scale=scale)


class TestHorizon:
    SCALARS = at_optimum(scalar(0.9, 1.0, 10.0), scalar(1.2, 0.5, 14.0))

    @pytest.mark.parametrize(("fleet", "epochs"), [(SCALARS, 1), (SCALARS, 4), (three_clusters(), 3)])
    def test_it_fits_and_one_less_does_not(self, fleet: Fleet, epochs: int) -> None:
        """The bias by its closed form, which the search does not use."""
        local = local_constants(fleet, noise_law("signs"), 8.0)
        schedule = Schedule(calibrated_constants(local, D=fleet.D, Delta0=8.0), 8.0, 0.05, fleet.N, fleet.D)
        h, radius = horizon_for(fleet, schedule, epochs), schedule.plan(1).radius_local

        def worst(horizon: int) -> float:
            biases = [
                lqr.truncation_bias(s, K + radius * U, horizon)
                for j, s in enumerate(fleet.systems)
                for K in region(fleet, j)
                for U in (np.zeros_like(K), *regions_and_directions(fleet)[1])
            ]
            return max(b for b in biases if np.isfinite(b))

        tolerance = 0.01 * 8.0 / 2**epochs / 8
        assert worst(h) <= tolerance < worst(h - 1)

    def test_more_epochs_need_longer_rollouts(self) -> None:
        fleet = at_optimum(scalar(0.9, 1.0, 10.0))
        local = local_constants(fleet, noise_law("signs"), 8.0)
        schedule = Schedule(calibrated_constants(local, D=1, Delta0=8.0), 8.0, 0.05, 1, 1)
        horizons = [horizon_for(fleet, schedule, epochs) for epochs in (1, 3, 5)]
        assert horizons == sorted(set(horizons))
