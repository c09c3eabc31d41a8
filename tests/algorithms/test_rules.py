"""Decisions by standard errors: who differs, whose gain is adopted, which radius, when gradients are zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.rollout_only import FunctionOracle, bowl, bowls
from support.small_fleets import forked_fleet

from pcpo.algorithms.model_free.probing import Curvature, Point
from pcpo.algorithms.model_free.rules import adopted, closed, dearer, grouped, radii, settled
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.oracles.rollout import ExactOracle, LedgerOracle
from pcpo.simulation.noise import Purpose, stream


def point(oracle: LedgerOracle, gains: FloatArray, noise: float, rollouts: int = 400) -> Point:
    costs = oracle.costs(gains, rollouts, purpose=Purpose.COST, epoch=1).values
    variance = np.full(len(gains), noise**2)
    return Point(gains, costs, np.sqrt(variance / rollouts), variance)


def test_the_closure_of_close_costs_is_a_partition_where_7_is_none() -> None:
    costs = np.array([1.0, 1.4, 1.8, 5.0])
    chain = np.abs(costs[:, None] - costs) <= 0.5
    assert not (chain[0] == chain[1]).all()  # (7) gives agents 0 and 1 other sets
    assert closed(costs, np.full(4, 0.5 / np.sqrt(2))).tolist() == [0, 0, 0, 1]
    assert closed(costs, np.full(4, 0.3 / np.sqrt(2))).tolist() == [0, 1, 2, 3]
    assert closed(np.array([np.inf, 1.0]), np.full(2, 0.1)).tolist() == [1, 0]


def test_costs_are_dearer_beyond_k_errors_only_and_whenever_they_are_no_number() -> None:
    costs, than = np.array([1.0, 2.0, np.inf, np.nan]), np.ones(4)
    error = np.full(4, 0.1)
    assert dearer(costs, error, than, error, 4.0).tolist() == [False, True, True, True]
    assert dearer(costs, 5 * error, than, error, 4.0).tolist() == [False, False, True, True]


def test_radii_fall_with_the_exponent_once_the_cap_is_left_and_not_before() -> None:
    bent = Curvature(np.array([2.0]), np.array([4.0]), np.array([0.3]))
    at = Point(np.zeros((1, 1, 2)), np.array([10.0]), np.array([0.1]), np.array([4.0]))
    step = np.array([0.1])

    def at_rollouts(M: float, exponent: float) -> float:
        return float(radii(bent, at, np.array([M]), step, exponent)[0])

    # M_ref = ηD²σ²h̄/(16·3·C²·0.15³)
    reference = 0.1 * 4 * 4.0 * 2.0 / (48 * 100 * 0.15**3)
    assert at_rollouts(reference / 2, 1 / 6) == 0.3
    for exponent in (1 / 6, 1 / 4):
        assert at_rollouts(64 * reference, exponent) == pytest.approx(0.3 * 64**-exponent)


def test_the_reference_minibatch_is_where_the_sum_of_both_gaps_is_smallest_at_the_cap() -> None:
    """Noise leaves n/ε and smoothing 3Cε²: at M_ref ε = 0.15 is best, elsewhere 0.15(M_ref/M)^(1/3)."""
    eta, D, variance, curvature, C = 0.1, 2, 4.0, 2.0, 10.0
    reference = eta * D**2 * variance * curvature / (48 * C**2 * 0.15**3)
    rises = np.linspace(0.005, 0.5, 100_000)
    for M in (reference, 8 * reference):
        noise = eta * variance * D**2 * curvature / (8 * C * M)
        best = rises[np.argmin(noise / rises + 3 * C * rises**2)]
        assert best == pytest.approx(0.15 * (reference / M) ** (1 / 3), rel=1e-3)


def test_gradients_of_mean_zero_are_settled_and_others_are_not() -> None:
    noise = stream(4).standard_normal((16, 2_000, 1, 3))
    share = settled(noise).mean()
    assert 0.9 < share < 1.0  # two standard errors of χ²_3: 95 %
    assert settled(noise + 2.0).mean() < 0.01


def test_tests_of_gains_group_agents_far_from_their_optima() -> None:
    """The costs at hand differ within the clusters by more than between them; under one gain they do not."""
    costs, starts, _ = bowls()
    oracle, server = FunctionOracle(costs, (1, 2)), Server(6)
    at = point(oracle, starts, 0.3)
    assert np.ptp(at.costs[:3]) > 0.5
    found = grouped(at, oracle, server, rollouts=2_000, epoch=1, k=4.0)
    assert found.labels.tolist() == [found.labels[0]] * 3 + [found.labels[3]] * 3
    assert found.labels[0] != found.labels[3]
    assert (found.distances < 4).all()
    assert (found.nearest[np.arange(6) // 3 != found.leaders.min() // 3] > 4).all()
    assert server.traffic.rounds == 2
    assert oracle.rollouts == 400 + 1_000 + 500
    # The costs alone, (7) with k standard errors, are no clusters here.
    assert len(set(closed(at.costs, 4 * at.errors).tolist())) > 2


def test_few_rollouts_join_what_they_cannot_tell_apart() -> None:
    costs, _, best = bowls()
    oracle = FunctionOracle([bowl(K, 2.0, 0.01 * np.eye(2)) for K in best], (1, 2))
    at = point(oracle, best, 0.3)
    assert len(set(grouped(at, oracle, Server(6), rollouts=16, epoch=1, k=4.0).labels.tolist())) == 1
    assert len(costs) == 6


def test_more_groups_than_tests_are_completed_by_costs() -> None:
    least = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0]
    oracle = FunctionOracle([bowl(np.zeros((1, 1)), c, np.eye(1)) for c in least], (1, 1))
    found = grouped(point(oracle, np.zeros((7, 1, 1)), 0.3), oracle, Server(7), rollouts=4_000, epoch=1, k=4.0)
    assert len(set(found.labels.tolist())) == 6
    assert found.labels[5] == found.labels[6]


def test_without_noise_equal_systems_and_gains_are_one_group() -> None:
    fleet = forked_fleet()
    oracle = ExactOracle(fleet)
    at = replace(point(oracle, fleet.initial_gains, 0.0), errors=np.zeros(fleet.N))
    labels = grouped(at, oracle, Server(fleet.N), rollouts=100, epoch=1, k=4.0).labels
    np.testing.assert_array_equal(labels[:, None] == labels, fleet.labels[:, None] == fleet.labels)


def test_a_gain_of_infinite_cost_is_refused_where_8_would_hand_it_over() -> None:
    """Clusters 0 and 1 of the forked fleet: one's optimal gain has infinite cost for the other."""
    fleet = forked_fleet()
    oracle, labels = ExactOracle(fleet), np.array([0, 0, 0, 0, 1])
    at = point(oracle, fleet.initial_gains, 0.0)
    handed = (
        fleet.initial_gains[[1, 1, 1, 1, 4]] if at.costs[1] <= at.costs[0] else fleet.initial_gains[[0, 0, 0, 0, 4]]
    )
    assert np.isinf(fleet.costs(handed)[2:4]).all()
    found = adopted(at, labels, oracle, Server(fleet.N), rollouts=10, epoch=1, k=4.0)
    assert np.isfinite(fleet.costs(fleet.initial_gains[found.leaders])).all()
    assert found.labels[0] == found.labels[1]
    assert len(set(found.labels[1:].tolist())) == 4
    np.testing.assert_array_equal(found.costs[2:4], at.costs[2:4])
