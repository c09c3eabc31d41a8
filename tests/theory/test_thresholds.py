"""M* of a schedule: the minibatch at which a Kolmogorov-Smirnov test stops seeing that answers are not normal."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from support.small_fleets import one_cluster, schedule_for, three_clusters

from pcpo import lqr
from pcpo.fleets.examples import SYSTEMS, shifted_optimum
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.cumulants import cost_cumulants
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import NoiseLaw, noise_law
from pcpo.theory import thresholds
from pcpo.theory.calibration import horizon_for
from pcpo.theory.normality import directions, visible_below
from pcpo.theory.thresholds import (
    LEAST,
    LEVEL,
    SAMPLES,
    cost_threshold,
    gradient_thresholds,
    planned_thresholds,
    rounded_up,
)

AGENTS = 50
ESTIMATORS = ("one_point", "centred", "two_point")


def estimates(name: str, K: np.ndarray, radius: float, law: str, question: str, M: int, count: int) -> np.ndarray:
    """Ask the rollout oracle, and standardise along the fixed directions: ``(count, directions)``."""
    system = SYSTEMS[name]
    fleet = Fleet("same", (system,), np.zeros(AGENTS, dtype=np.int64), np.repeat(K[None], AGENTS, axis=0))
    oracle = RolloutOracle(fleet, seed=M, horizon=60, law=noise_law(law))
    baseline = np.full(AGENTS, lqr.cost(system, K)) if question == "centred" else None
    found = []
    for _ in range(count // AGENTS):
        if question == "cost":
            answer = oracle.costs(fleet.initial_gains, M, purpose=2, epoch=1)
        else:
            answer = oracle.gradients(
                fleet.initial_gains,
                M,
                np.full(AGENTS, radius),
                purpose=1,
                epoch=1,
                estimator="two_point" if question == "two_point" else "one_point",
                baseline=baseline,
            )
        found.append(answer.values.reshape(AGENTS, -1))
    values = np.concatenate(found)
    values = values @ directions(values.shape[1]).T
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0, ddof=1))


def at_one(system: LinearSystem, K: np.ndarray, radius: float, law: NoiseLaw) -> dict[str, float]:
    """Return M* of gradient estimates at one gain and radius."""
    return dict(zip(ESTIMATORS, gradient_thresholds(system, K[None], np.array([radius]), law)[0].tolist(), strict=True))


def smallest_p(z: np.ndarray) -> float:
    return min(1.0, z.shape[1] * min(float(stats.kstest(x, "norm").pvalue) for x in z.T))


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("name", "offset", "radius", "law", "question", "samples"),
    [
        ("three", 0.1, 0.0, "signs", "cost", 20_000),
        ("two", 0.1, 0.3, "signs", "one_point", 20_000),
        ("scalar", 0.1, 0.2, "cube", "one_point", 10_000),
        ("two", 0.1, 0.1, "signs", "two_point", 10_000),
        ("two", 0.1, 0.1, "signs", "centred", 10_000),
    ],
)
def test_a_test_sees_a_thirtieth_of_it_and_not_the_whole(
    name: str, offset: float, radius: float, law: str, question: str, samples: int
) -> None:
    """M* is for tests of 1,000 estimates: they reject no more often than in 2 % of cases, up to chance.

    The larger test of all estimates rejects M*/30, and does not reject M*, where the bound on the distance, .0035, is
    below its critical distance of .0115 at least.
    """
    K, system = shifted_optimum(name, offset), SYSTEMS[name]
    found = {"cost": cost_threshold(system, K[None], noise_law(law))}
    if question != "cost":
        found |= at_one(system, K, radius, noise_law(law))
    M = math.ceil(found[question])
    z = estimates(name, K, radius, law, question, M, samples)
    assert smallest_p(z) > LEVEL
    parts = z.reshape(-1, SAMPLES, z.shape[1])
    rejected = sum(float(stats.kstest(part[:, j], "norm").pvalue) < LEVEL for part in parts for j in range(z.shape[1]))
    assert rejected <= stats.binom.isf(1e-3, len(parts) * z.shape[1], 2 * LEVEL)
    assert smallest_p(estimates(name, K, radius, law, question, max(2, M // 30), samples)) < 1e-3


@pytest.mark.statistical
def test_a_lattice_of_two_values_counts() -> None:
    """At the optimum of the extreme system an estimate with one unknown is near ±C/r: Edgeworth's series is blind."""
    K, radius, law = lqr.riccati(SYSTEMS["edge"]).K, 0.02, noise_law("signs")
    M = at_one(SYSTEMS["edge"], K, radius, law)["one_point"]
    assert M > 1000 > 10 * visible_below(0.0, -2.0, SAMPLES, LEVEL)
    assert smallest_p(estimates("edge", K, radius, "signs", "one_point", math.ceil(M), 10_000)) > LEVEL
    assert smallest_p(estimates("edge", K, radius, "signs", "one_point", math.ceil(M / 30), 10_000)) < 1e-3


def test_without_a_lattice_the_search_makes_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """M* of Edgeworth's series has the largest distance that is allowed, up to rounding."""
    K, radii, law = shifted_optimum("scalar", 0.1), np.linspace(0.01, 0.3, 30), noise_law("cube")
    monkeypatch.setattr(thresholds, "lattice_distance", lambda span, *rest: 0.0 * span)
    found = gradient_thresholds(SYSTEMS["scalar"], np.tile(K, (30, 1, 1)), radii, law)
    monkeypatch.setattr(thresholds, "_FINER", 10.0)
    np.testing.assert_array_equal(gradient_thresholds(SYSTEMS["scalar"], np.tile(K, (30, 1, 1)), radii, law), found)


def test_estimates_without_variance_have_none() -> None:
    system = SYSTEMS["edge"]  # with signs every rollout under K* costs C*
    assert cost_threshold(system, lqr.riccati(system).K[None], noise_law("signs")) == 1.0
    assert cost_threshold(system, lqr.riccati(system).K[None], noise_law("cube")) > 10


def test_where_a_cost_is_infinite_no_minibatch_is_large_enough() -> None:
    system, law = SYSTEMS["scalar"], noise_law("signs")
    assert cost_threshold(system, np.array([[[0.5]], [[5.0]]]), law) == math.inf
    gains, radii = np.array([[[0.5]], [[0.5]], [[5.0]]]), np.array([0.1, 5.0, 0.1])
    found = gradient_thresholds(system, gains, radii, law)
    assert np.isfinite(found).tolist() == [[True] * 3, [False] * 3, [False] * 3]
    np.testing.assert_array_equal(found[0], gradient_thresholds(system, gains[:1], radii[:1], law)[0])
    assert rounded_up(math.inf) is None


def test_numbers_are_rounded_up() -> None:
    assert [rounded_up(x) for x in (3.0, 100.0, 101.0, 1234.5, 99_001.0)] == [LEAST, 100, 110, 1300, 100_000]


@pytest.mark.parametrize("law", ["signs", "cube", "sphere"])
def test_the_rule_on_the_sphere_is_as_good_as_one_of_many_nodes(law: str) -> None:
    """Compare M* of six unknowns at a wide radius with the moments by a product rule of 2·5^5 nodes."""
    system, K, radius = SYSTEMS["three"], shifted_optimum("three", 0.1), 0.3
    nodes, weights = lqr.sphere_rule(6, 5)
    fine = thresholds._Nodes(np.repeat(nodes[None], 4, axis=0), weights, nodes @ directions(6).T, np.array([0]))
    gains = K + radius * nodes.reshape(-1, 2, 3)
    mean, cumulants = lqr.cost_array(system, gains), cost_cumulants(system, gains, noise_law(law))
    scale = np.array([lqr.cost(system, K) ** 2])
    each = [
        thresholds._gradient_threshold(replace(fine, along=along), scale, mean[None, None], cumulants[:, None, None])[0]
        for along in fine.along.T
    ]
    assert at_one(system, K, radius, noise_law(law))["one_point"] == pytest.approx(max(each), rel=0.02)


def test_the_rule_integrates_polynomials_and_pairs_opposite_nodes() -> None:
    for D in (1, 2, 3, 8, 12, 20):
        rule = thresholds._nodes(D)
        np.testing.assert_allclose((rule.points**2).sum(axis=-1), 1.0, rtol=1e-12)
        np.testing.assert_allclose(rule.points[:, rule.opposite], -rule.points, atol=1e-12)
        chosen = directions(D, len(rule.points)) if D > 1 else np.ones((1, 1))
        np.testing.assert_allclose(np.einsum("uqd,ud->uq", rule.points, chosen) - rule.along, 0, atol=1e-12)
        assert rule.weights @ rule.along**4 == pytest.approx(3 / (D * (D + 2)) if D > 1 else 1.0)


def test_a_schedule_has_thresholds_for_every_epoch_and_wider_radii_have_larger_ones() -> None:
    fleet = three_clusters()
    schedule = schedule_for(fleet, Delta0=16.0, c6=0.3)
    found = planned_thresholds(fleet, schedule, noise_law("signs"), 3)
    assert [each.epoch for each in found] == [1, 2, 3]
    wide = planned_thresholds(fleet, replace(schedule, constants=replace(schedule.constants, c6=0.6, c5=8.0)),
                              noise_law("signs"), 1)[0]  # fmt: skip
    for one, other in ((found[0].local, wide.local), (found[0].everyone, wide.everyone)):
        for name in ESTIMATORS:
            assert getattr(one, name) <= getattr(other, name)
    assert wide.local.one_point > found[0].local.one_point
    assert wide.cost == found[0].cost
    for each in found:
        assert each.everyone.one_point >= each.local.one_point


def test_the_worst_start_decides_however_many_there_are() -> None:
    law, optimum = noise_law("signs"), one_cluster([[0.0, 0.0]])
    system, far = optimum.systems[0], [-0.5, -0.3]
    schedule = schedule_for(optimum, Delta0=16.0)
    worst = cost_threshold(system, one_cluster([far]).initial_gains, law)
    assert planned_thresholds(optimum, schedule, law, 1)[0].cost < worst
    for others in ([], [[0.001 * k, 0.0] for k in range(500)]):
        fleet = one_cluster([*others, far])
        assert len(thresholds._stated_gains(fleet, 0, law)) <= 4
        assert planned_thresholds(fleet, schedule, law, 1)[0].cost == rounded_up(worst)


def test_the_horizon_of_a_plan_does_not_matter() -> None:
    """M* of costs with the cumulants of rollouts cut by `horizon_for` is within 1 % of that of endless ones."""
    fleet, law = three_clusters(), noise_law("cube")
    schedule = schedule_for(fleet, Delta0=16.0)
    horizon = horizon_for(fleet, schedule, 2)
    for j, system in enumerate(fleet.systems):
        gains = thresholds._stated_gains(fleet, j, law)
        second, third, fourth = cost_cumulants(system, gains, law, horizon)
        shapes = zip(third / second**1.5, fourth / second**2, strict=True)
        cut = max(visible_below(skewness, kurtosis, SAMPLES, LEVEL) for skewness, kurtosis in shapes)
        assert cost_threshold(system, gains, law) == pytest.approx(cut, rel=0.01)
