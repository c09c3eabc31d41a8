"""Large systems: the bounded methods agree with the ones that test everything at once, and have bounded work."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from support.small_fleets import scalar, three_clusters

from pcpo import lqr
from pcpo.errors import ConfigError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.theory import calibration, restricted_set
from pcpo.theory.calibration import horizon_for, region, sampled_directions
from pcpo.theory.large import direction_pairs, exceeds, is_large, largest_curvature, most_starts, smallest_radius
from pcpo.theory.truncation import longest_horizon


def system(n: int, m: int) -> LinearSystem:
    """A random system with spectral radius 0.9."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((n, n))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    return LinearSystem(A, rng.standard_normal((n, m)), np.eye(n), np.eye(m), 0.8)


def large_fleet(n: int, m: int) -> Fleet:
    """Four agents that start at zero."""
    return Fleet("large", (system(n, m),), np.zeros(4, dtype=np.int64), np.zeros((4, m, n)))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


class TestRadius:
    def test_it_is_the_radius_of_the_bisection_over_all_pairs(self, fleet: Fleet) -> None:
        for j, of_cluster in enumerate(fleet.systems):
            points, U = region(fleet, j), sampled_directions(fleet)
            limits = calibration.COST_FACTOR * lqr.cost_array(of_cluster, points)
            assert not is_large(of_cluster, len(points), len(U))
            wanted = calibration._radius_cap(of_cluster, points, U)
            assert smallest_radius(of_cluster, points, limits, U) == pytest.approx(wanted, rel=1e-11)

    def test_costs_are_compared_without_eigenvalues(self, fleet: Fleet) -> None:
        rng = np.random.default_rng(1)
        gains = region(fleet, 0)[:1] + rng.standard_normal((500, fleet.m, fleet.n))
        costs = lqr.cost_array(fleet.systems[0], gains)
        assert 50 < np.isinf(costs).sum() < 450
        limits = np.full(500, float(np.median(costs[np.isfinite(costs)])))
        np.testing.assert_array_equal(exceeds(fleet.systems[0], gains, limits), costs > limits)

    def test_a_gain_in_tiny_units_has_a_cap_with_all_digits(self) -> None:
        """Inputs in units of 1e-12: the cap scales with them, far below the first radius that is tried."""
        caps = []
        for unit in (1.0, 1e12):
            one = LinearSystem([[0.9]], [[unit]], [[1.0]], [[1e-12 * unit**2]], 0.8)
            points = lqr.riccati(one).K[None]
            caps.append(unit * calibration._radius_cap(one, points, np.array([[[1.0]], [[-1.0]]])))
        assert caps[1] == pytest.approx(caps[0], rel=1e-5)


@pytest.mark.parametrize("absolute", [False, True])
def test_curvature_by_lanczos(absolute: bool) -> None:
    one = system(12, 6)
    gain = lqr.riccati(one).K * 0.9
    exact = np.linalg.eigvalsh(lqr.hessian_at(one, gain))
    wanted = np.abs(exact).max() if absolute else exact[-1]
    assert largest_curvature(one, gain, absolute=absolute) == pytest.approx(wanted, rel=1e-6)


def test_numbers_of_points_and_directions_are_bounded() -> None:
    for n in (2, 20, 50):
        one = system(n, 1)
        points = 1 + 4 * most_starts(one)
        assert 2 * direction_pairs(one, points, 10**6) * points * n**3 <= 1.1e9
    many = Fleet("many", (scalar(0.9, 1.0, 10.0),), np.zeros(5000, dtype=np.int64),
                 lqr.riccati(scalar(0.9, 1.0, 10.0)).K + np.linspace(-0.1, 0.1, 5000)[:, None, None])  # fmt: skip
    assert len(region(many, 0)) == 1 + 4 * 5000  # one state: still tested at once


class TestHorizon:
    def test_it_is_the_smallest(self, fleet: Fleet) -> None:
        for tolerance in (10.0, 1e-2, 1e-6):
            for j, of_cluster in enumerate(fleet.systems):
                gains = region(fleet, j)
                h = longest_horizon(of_cluster, gains, tolerance)
                costs = lqr.cost_array(of_cluster, gains)
                assert np.max(costs - lqr.truncated_cost_array(of_cluster, gains, h)) <= tolerance
                if h > 1:
                    assert np.max(costs - lqr.truncated_cost_array(of_cluster, gains, h - 1)) > tolerance

    def test_a_tolerance_below_rounding_has_an_answer(self) -> None:
        """Field: the search by differences of costs never ended."""
        one = scalar(0.9, 1.0, 1e7)
        gain = lqr.riccati(one).K[None]
        h = longest_horizon(one, gain, 1e-14)
        assert lqr.truncation_bias(one, gain[0], h) <= 1e-14 < lqr.truncation_bias(one, gain[0], h - 1)

    def test_a_discount_next_to_one(self) -> None:
        one = LinearSystem([[0.9]], [[1.0]], [[1.0]], [[1.0]], 1 - 1e-10)
        h = longest_horizon(one, lqr.riccati(one).K[None], 1.0)
        assert 1e10 < h < 1e12

    def test_gains_of_infinite_cost_are_skipped(self, fleet: Fleet) -> None:
        gains = region(fleet, 0)
        wanted = longest_horizon(fleet.systems[0], gains, 1e-3)
        far = np.concatenate([gains, gains + 1e3])
        assert longest_horizon(fleet.systems[0], far, 1e-3) == wanted

    def test_at_the_boundary_it_is_refused(self) -> None:
        one = LinearSystem([[0.9]], [[1.0]], [[1.0]], [[1.0]], 0.8)
        edge = np.array([[[0.9 - 1 / np.sqrt(0.8) + 1e-13]]])
        assert np.isfinite(lqr.cost_array(one, edge)).all()
        with pytest.raises(ConfigError, match="horizon: found a truncation bias above"):
            longest_horizon(one, edge, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(20, 3), (50, 50)])
def test_field_19_large_systems_are_planned(n: int, m: int, caplog: pytest.LogCaptureFixture) -> None:
    """Field: 949 s, and MemoryError."""
    with caplog.at_level(logging.INFO, logger="pcpo.planning"):
        made = Experiment.calibrated(large_fleet(n, m), Delta0=10.0, epochs=2, minibatch_scale=0.05)
    assert made.horizon is not None
    assert 50 < made.horizon < 1000
    stages = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert stages == ["cluster 1 of 1", "cluster 1 of 1", "horizon"]


def test_curvature_of_a_large_system_needs_no_hessians() -> None:
    one = system(12, 6)
    gains = np.stack([0.9 * lqr.riccati(one).K, lqr.riccati(one).K])
    exact = [np.abs(np.linalg.eigvalsh(lqr.hessian_at(one, K))).max() for K in gains]
    np.testing.assert_allclose(restricted_set.curvature(one, gains), exact, rtol=1e-6)


def test_an_infinite_gap_ends_with_a_sentence() -> None:
    one = system(2, 1)
    with pytest.raises(ConfigError, match="gap: found inf"):
        restricted_set.at_gap(one, np.ones((1, 1, 2)), np.inf)


def test_a_horizon_in_chunks_is_the_same(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Experiment.calibrated(fleet, Delta0=12.0, epochs=2)
    monkeypatch.setattr(calibration, "_CHUNK_ENTRIES", 500)
    monkeypatch.setattr("pcpo.theory.truncation._CHUNK_ENTRIES", 100)
    assert horizon_for(fleet, made.schedule, 2) == made.horizon
