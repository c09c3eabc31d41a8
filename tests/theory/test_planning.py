"""Planning: the bits of a plain reference that tests every pair at every step, on all kinds of system; bounded work."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from support.small_fleets import scalar, three_clusters

from pcpo import lqr
from pcpo.errors import ConfigError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.simulation.noise import noise_law
from pcpo.theory import calibration
from pcpo.theory.calibration import LocalConstants, horizon_for, local_constants, region
from pcpo.theory.curvature import curvatures
from pcpo.theory.displaced import DisplacedGains
from pcpo.theory.printed import restricted_set
from pcpo.theory.truncation import longest_horizon, longest_horizon_of_pairs

SPHERE = noise_law("sphere")


def system(n: int, m: int, *, seed: int = 0, radius: float = 0.9, gamma: float = 0.8) -> LinearSystem:
    """A random system of that spectral radius."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A *= radius / np.abs(np.linalg.eigvals(A)).max()
    return LinearSystem(A, rng.standard_normal((n, m)), np.eye(n), np.eye(m), gamma)


def large_fleet(n: int, m: int) -> Fleet:
    """Four agents that start at zero."""
    return Fleet("large", (system(n, m),), np.zeros(4, dtype=np.int64), np.zeros((4, m, n)))


def starts_of(one: LinearSystem, count: int, rng: np.random.Generator) -> np.ndarray:
    """Different gains of finite cost about the optimum, at half the way to infinite cost or less."""
    K = lqr.riccati(one).K
    moves = rng.standard_normal((count, *K.shape))
    while not (finite := lqr.has_finite_cost(one, K + 2 * moves)).all():
        moves[~finite] *= 0.8
    return K + moves


def many_kinds() -> dict[str, Fleet]:
    """Stable and unstable open loops, closed loops of spectral radius above 1, Q of rank 1, a cross term."""
    shapes = [
        (1, 1, 0.9, 0.9), (1, 1, 1.3, 0.6), (1, 2, 0.5, 0.95), (2, 1, 0.7, 0.8), (2, 1, 1.2, 0.9), (2, 2, 1.0, 0.99),
        (3, 1, 1.5, 0.4), (3, 2, 0.9, 0.9), (4, 2, 1.1, 0.7), (5, 1, 0.8, 0.5),
    ]  # fmt: skip
    fleets = {}
    for k, (n, m, radius, gamma) in enumerate(shapes):
        of_clusters = [system(n, m, seed=10 * k + j, radius=radius, gamma=gamma) for j in range(2)]
        fleets[f"{n}, {m}, radius {radius}, gamma {gamma}"] = fleet_of(of_clusters, k)
    plain = system(3, 1, seed=7, radius=0.8)
    direction = np.array([[1.0], [0.5], [-1.0]])
    fleets["Q of rank 1"] = fleet_of([LinearSystem(plain.A, plain.B, direction @ direction.T, plain.R, 0.8)], 20)
    fleets["cross term"] = fleet_of([LinearSystem(plain.A, plain.B, plain.Q, plain.R, 0.8, 0.3 * direction)], 21)
    # An input so expensive that the best closed loop is unstable, and its cost finite by the discount only.
    costly = LinearSystem([[1.2, 0.1], [0.0, 0.9]], [[1.0], [0.5]], np.eye(2), [[1e4]], 0.6)
    assert lqr.spectral_radius(costly, lqr.riccati(costly).K) > 1.1
    fleets["unstable closed loop"] = fleet_of([costly], 22)
    return fleets


def fleet_of(systems: list[LinearSystem], seed: int) -> Fleet:
    """Four agents in each cluster, two of them with the same start."""
    rng = np.random.default_rng(seed)
    starts = [starts_of(one, 3, rng)[[0, 1, 2, 1]] for one in systems]
    return Fleet("kind", tuple(systems), np.repeat(np.arange(len(systems)), 4), np.concatenate(starts))


KINDS = many_kinds()


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return three_clusters()


def reference_radius(one: LinearSystem, points: np.ndarray, directions: np.ndarray) -> float:
    """Bisection on all pairs at once, with costs where eigenvalues say that they are finite."""
    limits = 2.0 * lqr.cost_array(one, points)

    def fits(radius: float) -> bool:
        return bool(np.all(lqr.cost_array(one, points[:, None] + radius * directions) <= limits[:, None]))

    low, high = 0.0, 1e-3
    while fits(high):
        low, high = high, 2 * high
    steps = 0
    while steps < 40 or low < (1 - 2.0**-20) * high:
        middle, steps = (low + high) / 2, steps + 1
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def directions_of(fleet: Fleet) -> np.ndarray:
    return calibration.regions_and_directions(fleet)[1]


def reference_constants(fleet: Fleet) -> LocalConstants:
    """Every constant from single gains."""
    found = []
    for j, one in enumerate(fleet.systems):
        points = region(fleet, j)
        h_min = [float(lqr.hessian_eigenvalues(one)[0])]
        for K in points[1:]:
            if (gap := lqr.suboptimality_gap(one, K)) > 0:
                h_min.append(float(np.sum(lqr.gradient(one, K) ** 2)) / (2 * gap))
        variances = [lqr.rollout_variance(one, K, SPHERE) for K in points]
        found.append((
            max(float(np.linalg.eigvalsh(lqr.hessian_at(one, K))[-1]) for K in points),
            min(h_min),
            max(lqr.cost(one, K) ** 2 + v for K, v in zip(points, variances, strict=True)),
            max(variances),
            reference_radius(one, points, directions_of(fleet)),
        ))  # fmt: skip
    h_max, h_min, V, variance, cap = zip(*found, strict=True)
    gaps = [lqr.suboptimality_gap(fleet.system_of(i), K) for i, K in enumerate(fleet.initial_gains)]
    return LocalConstants(max(h_max), min(h_min), max(V), max(variance), min(cap), max(*gaps, 1e-3))


@pytest.mark.parametrize("kind", KINDS)
def test_constants_are_those_of_the_reference(kind: str) -> None:
    """Radii to the bits: the bisection is the same; the others to rounding, which depends on the size of a stack."""
    found, wanted = local_constants(KINDS[kind], SPHERE, 1e-3), reference_constants(KINDS[kind])
    assert found.radius_cap == wanted.radius_cap
    for name in ("h_max", "h_min", "V", "variance", "Delta0_tilde"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-12), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_horizon_is_that_of_all_displaced_gains(kind: str) -> None:
    fleet = KINDS[kind]
    cap = local_constants(fleet, SPHERE, 1e-3).radius_cap
    directions = np.concatenate([np.zeros((1, fleet.m, fleet.n)), directions_of(fleet)])
    for j, one in enumerate(fleet.systems):
        displaced = DisplacedGains(one, region(fleet, j), directions)
        everything = (displaced.centres[:, None] + cap * directions).reshape(-1, fleet.m, fleet.n)
        for tolerance in (1e3, 1.0, 1e-4, 1e-9):
            found = longest_horizon_of_pairs(displaced, cap, tolerance)
            assert found == longest_horizon(one, everything, tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_separates_costs_that_differ_in_the_last_digits(kind: str) -> None:
    fleet = KINDS[kind]
    for j, one in enumerate(fleet.systems):
        displaced = DisplacedGains(one, region(fleet, j), directions_of(fleet))
        radius = 2 * local_constants(fleet, SPHERE, 1e-3).radius_cap
        for pair in range(0, len(displaced.centres) * len(displaced.directions), 29):
            cost = lqr.cost(one, displaced.gains(np.array([pair]), radius)[0])
            for limit, over in ((cost * (1 + 1e-10), False), (cost * (1 - 1e-10), True), (1e300, np.isinf(cost))):
                if np.isfinite(limit):
                    limits = np.full(len(displaced.centres), limit)
                    assert bool(displaced.costlier(np.array([pair]), radius, limits).size) == over


def test_the_worst_pair_is_found_wherever_it_is() -> None:
    """A gain at three quarters of the way to infinite cost among many at the optimum: it decides cap and horizon."""
    one = system(2, 1)
    near, rng = starts_of(one, 400, np.random.default_rng(3)), np.random.default_rng(4)
    K, U = lqr.riccati(one).K, directions_of(large_fleet(2, 1))
    near = K + 0.05 * (near - K)
    far = K + np.array([[1.0, 0.0]])
    while not lqr.has_finite_cost(one, K + (far - K) / 0.75):
        far = K + 0.9 * (far - K)
    alone = DisplacedGains(one, far[None], U)
    cap = calibration._radius_cap(one, far[None], U)
    horizon = longest_horizon_of_pairs(alone, cap, 1e-3)
    assert cap < 0.6 * calibration._radius_cap(one, near, U)
    assert horizon > longest_horizon_of_pairs(DisplacedGains(one, near, U), cap, 1e-3)
    for place in rng.integers(0, 400, 5):
        among = near.copy()
        among[place] = far
        assert calibration._radius_cap(one, among, U) == cap
        assert longest_horizon_of_pairs(DisplacedGains(one, among, U), cap, 1e-3) == horizon


def test_a_gain_in_tiny_units_has_a_cap_with_all_digits() -> None:
    """Inputs in units of 1e-12: the cap scales with them, far below the first radius that is tried."""
    caps = []
    for unit in (1.0, 1e12):
        one = LinearSystem([[0.9]], [[unit]], [[1.0]], [[1e-12 * unit**2]], 0.8)
        points = lqr.riccati(one).K[None]
        caps.append(unit * calibration._radius_cap(one, points, np.array([[[1.0]], [[-1.0]]])))
    assert caps[1] == pytest.approx(caps[0], rel=1e-5)


@pytest.mark.parametrize("absolute", [False, True])
def test_curvature_by_lanczos(absolute: bool) -> None:
    """The cross term of the second system is part of its Hessian."""
    plain = system(12, 6)
    crossed = LinearSystem(plain.A, plain.B, plain.Q, plain.R, 0.8, 0.2 * plain.B)
    for one in (plain, crossed):
        gains = np.stack([0.9 * lqr.riccati(one).K, lqr.riccati(one).K])
        exact = np.linalg.eigvalsh([lqr.hessian_at(one, K) for K in gains])
        wanted = np.abs(exact).max(axis=-1) if absolute else exact[:, -1]
        np.testing.assert_allclose(curvatures(one, gains, absolute=absolute), wanted, rtol=1e-6)
        if absolute:
            np.testing.assert_array_equal(restricted_set.curvature(one, gains), curvatures(one, gains, absolute=True))


def test_numbers_of_points_and_directions_are_bounded() -> None:
    for n in (2, 20, 50):
        one = system(n, 1)
        points = 1 + 4 * calibration._most_starts(one)
        assert 2 * calibration._pairs_of_directions(one, points) * points * n**3 <= 1.1e9
    one = scalar(0.9, 1.0, 10.0)
    gains = lqr.riccati(one).K + np.linspace(-0.1, 0.1, 10_000)[:, None, None]
    many = Fleet("many", (one,), np.zeros(10_000, dtype=np.int64), gains)
    assert len(region(many, 0)) == 1 + 4 * 10_000  # one state: all of them
    assert len(directions_of(many)) == 32


def test_a_cluster_too_large_for_all_directions_keeps_its_costliest_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    one = system(2, 2)
    starts = starts_of(one, 200, np.random.default_rng(5))
    fleet = Fleet("many", (one,), np.zeros(200, dtype=np.int64), starts)
    monkeypatch.setattr(calibration, "WORK", 801 * 128 * 8)
    assert (len(region(fleet, 0)), len(directions_of(fleet))) == (801, 128)
    monkeypatch.setattr(calibration, "WORK", 801 * 126 * 8)
    points, costliest = region(fleet, 0), np.argsort(lqr.cost_array(one, starts))[-calibration._most_starts(one) :]
    assert len(points) == 1 + 4 * len(costliest) < 801
    assert {K.tobytes() for K in points[1 : 1 + len(costliest)]} == {K.tobytes() for K in starts[costliest]}


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


def test_an_infinite_gap_ends_with_a_sentence() -> None:
    one = system(2, 1)
    with pytest.raises(ConfigError, match="gap: found inf"):
        restricted_set.at_gap(one, np.ones((1, 1, 2)), np.inf)


def test_chunks_change_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Experiment.calibrated(fleet, Delta0=12.0, epochs=2)
    monkeypatch.setattr("pcpo.theory.displaced._FIRST_CHUNK", 50)
    monkeypatch.setattr("pcpo.theory.displaced._CHUNK", 200)
    monkeypatch.setattr("pcpo.theory.truncation._CHUNK_ENTRIES", 100)
    monkeypatch.setattr("pcpo.theory.curvature._CHUNK_ENTRIES", 100)
    again = Experiment.calibrated(fleet, Delta0=12.0, epochs=2)
    assert (again.horizon, again.schedule.constants.c6) == (made.horizon, made.schedule.constants.c6)
    assert again.schedule.constants.c1 == pytest.approx(made.schedule.constants.c1, rel=1e-12)
    assert horizon_for(fleet, made.schedule, 2) == made.horizon
