"""λ, φ, ρ, μ, G∞ of restricted sets: dense grids and sampled gains against exact and certified values; refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pcpo import lqr
from pcpo.algorithms.schedule import ProblemConstants
from pcpo.errors import ConfigError, FleetError
from pcpo.fleets.files import fleet_from
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.printed import certified_constants, restricted_set, scalar_constants
from pcpo.theory.printed.restricted_set import (
    Guarantee,
    at_gap,
    cluster_constants,
    curvature,
    fleet_constants,
    steepness,
    unit_directions,
)

LAW = noise_law("signs")
GRID = 4001
SCALARS = [
    LinearSystem([[a]], [[b]], [[q]], [[r]], gamma)
    for a, b, q, r, gamma in [(0.9, 1.0, 1.0, 1.0, 0.9), (-1.1, 0.4, 2.0, 0.3, 0.7), (0.0, -2.0, 1.0, 5.0, 0.5)]
]
MATRICES = [
    LinearSystem([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8),
    LinearSystem(
        [[0.9, 0.3, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]],
        [[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]],
        np.diag([1.0, 2.0, 0.5]),
        [[1.0, 0.2], [0.2, 2.0]],
        0.8,
    ),
]


def fleet_of(system: LinearSystem, agents: int = 3) -> Fleet:
    gains = np.repeat(lqr.riccati(system).K[None], agents, axis=0)
    return Fleet("one", (system,), np.zeros(agents, dtype=np.int64), gains)


def between(interval: tuple[float, float], points: int = GRID) -> np.ndarray:
    return np.linspace(*interval, points)[:, None, None]


@pytest.mark.parametrize("system", SCALARS)
@pytest.mark.parametrize("part", [0.01, 0.5, 30.0])
def test_scalar_sublevel_interval_ends_where_the_gap_does(system: LinearSystem, part: float) -> None:
    gap = part * lqr.riccati(system).cost
    ends = np.array(scalar_constants.sublevel_interval(system, gap))[:, None, None]
    found = [lqr.suboptimality_gap(system, K) for K in ends]
    np.testing.assert_allclose(found, gap, rtol=1e-9)


@pytest.mark.parametrize("system", SCALARS)
@pytest.mark.parametrize("part", [0.05, 1.0])
def test_scalar_extrema_against_a_dense_grid(system: LinearSystem, part: float) -> None:
    """The grid never exceeds the extremum and misses it by no more than a grid cell can hide: (step)² of its curve."""
    interval = scalar_constants.sublevel_interval(system, part * lqr.riccati(system).cost)
    gains = between(interval)
    pairs = [
        (scalar_constants.largest_slope(system, interval), steepness(system, gains)),
        (scalar_constants.largest_curvature(system, interval), curvature(system, gains)),
        (
            scalar_constants.largest_rollout(system, interval, LAW),
            np.array([lqr.rollout_bound(system, K, LAW) for K in between(interval, 21)]),
        ),
    ]
    for exact, values in pairs:
        hidden = np.abs(np.diff(values, 2)).max() if values.argmax() not in (0, len(values) - 1) else 0.0
        assert values.max() <= exact * (1 + 1e-8)  # rollout_bound bounds its own remainder, to 1e-10
        assert exact <= values.max() * (1 + 1e-8) + hidden


@pytest.mark.parametrize("system", SCALARS)
def test_scalar_pl_constant_is_the_infimum(system: LinearSystem) -> None:
    low, high = scalar_constants.finite_cost_interval(system)
    gains = between((low, high))[1:-1]
    gap = lqr.cost_array(system, gains) - lqr.riccati(system).cost
    far = gap > 1e-6 * lqr.riccati(system).cost
    ratios = steepness(system, gains[far]) ** 2 / gap[far]
    exact = scalar_constants.pl_infimum(system)
    assert lqr.pl_constant(system) <= exact * (1 + 1e-12)
    assert exact <= 2 * lqr.hessian_eigenvalues(system)[0] * (1 + 1e-12)
    assert exact <= ratios.min() * (1 + 1e-6)
    assert ratios.min() <= exact * 1.01


@pytest.mark.parametrize("system", [*SCALARS, *MATRICES])
@pytest.mark.parametrize("part", [1e-6, 0.5])
def test_certified_bounds_hold_inside_the_sublevel_set(system: LinearSystem, part: float) -> None:
    gap = part * lqr.riccati(system).cost
    bounds = certified_constants.bounds_on_sublevel(system, gap, LAW)
    rng = stream(11, Purpose.EVALUATION, system.n)
    V = unit_directions(system, 300, rng)
    gains = at_gap(system, V, gap * np.minimum(1.0, 1.3 * rng.random(300)))
    assert steepness(system, gains).max() <= bounds.slope
    assert curvature(system, gains).max() <= bounds.curvature
    assert np.trace(lqr.state_gramian(system, gains), axis1=1, axis2=2).max() <= bounds.trace * (1 + 1e-12)
    assert np.linalg.norm(lqr.value_matrix(system, gains), 2, axis=(1, 2)).max() <= bounds.value
    assert max(lqr.rollout_bound(system, K, LAW) for K in gains[:10]) <= bounds.rollout


@pytest.mark.parametrize("system", MATRICES)
def test_certified_bounds_are_sharp_near_the_optimum(system: LinearSystem) -> None:
    """As the gap goes to 0: tr S* exactly, and the slope within (tr S* − n + 1)/λ_max(S*) × √(condition) of √(2hg)."""
    bounds = certified_constants.bounds_on_sublevel(system, 1e-12, LAW)
    best = lqr.riccati(system)
    assert bounds.trace == pytest.approx(np.trace(best.S), rel=1e-5)
    assert bounds.curvature >= lqr.hessian_eigenvalues(system)[-1]
    loose = (np.trace(best.S) - system.n + 1) / np.linalg.eigvalsh(best.S)[-1]
    assert bounds.curvature <= 1.001 * loose * lqr.hessian_eigenvalues(system)[-1]


def test_a_bound_that_is_too_small_is_noticed() -> None:
    """Control: the same samples refute nine tenths of the curvature that the search finds."""
    system, gap = MATRICES[0], 0.75 * lqr.riccati(MATRICES[0]).cost
    found = cluster_constants(system, gap / 15, LAW, enlargement=15, method="sampled").smoothness
    gains = at_gap(system, unit_directions(system, 300, stream(12, Purpose.EVALUATION)), gap)
    assert found.guarantee is Guarantee.SAMPLED_BELOW
    assert curvature(system, gains).max() > 0.9 * found.value


@pytest.mark.parametrize("system", [SCALARS[0], SCALARS[1], *MATRICES])
def test_no_gain_within_the_radius_of_the_restricted_set_is_outside_the_enlarged_one(system: LinearSystem) -> None:
    scale = 0.1 * lqr.riccati(system).cost
    found = cluster_constants(system, scale, LAW, enlargement=14)
    V = unit_directions(system, 100, stream(13, Purpose.EVALUATION))
    edge = at_gap(system, V, 10 * scale)
    moved = np.concatenate([edge + found.radius.value * V, edge + found.radius.value * V[::-1]])
    gap = lqr.cost_array(system, moved) - lqr.riccati(system).cost
    assert gap.max() <= 14 * scale * (1 + 1e-6)  # at_gap meets its gap to 1e-6
    assert steepness(system, moved).max() <= found.lipschitz.value
    assert curvature(system, moved).max() <= found.smoothness.value


def test_guarantees_by_kind_of_system() -> None:
    scalar = fleet_constants(fleet_of(SCALARS[0]), LAW, 0.5)
    assert set(scalar.guarantees.values()) == {Guarantee.EXACT}
    certified = fleet_constants(fleet_of(MATRICES[0]), LAW, 0.5)
    assert certified.guarantees["smoothness"] is Guarantee.UPPER
    assert certified.guarantees["radius"] is Guarantee.LOWER
    sampled = fleet_constants(fleet_of(MATRICES[0]), LAW, 0.5, enlargement=certified.enlargement, method="sampled")
    assert sampled.guarantees["rollout_bound"] is Guarantee.SAMPLED_BELOW
    for name in ("lipschitz", "smoothness", "rollout_bound"):
        assert getattr(sampled.problem, name) <= getattr(certified.problem, name)
    assert sampled.problem.radius >= certified.problem.radius


def test_a_fleet_has_the_worst_of_its_clusters_and_the_cheapest_enlargement() -> None:
    source = {"random": {"seed": 5, "n": 1, "m": 1, "sizes": [1, 2], "gamma": 0.8, "optimal_cost": 20,
                         "separation": 0.5, "initial_gap": 0.3}}  # fmt: skip
    fleet = fleet_from("two", source)
    found = fleet_constants(fleet, LAW, 1.0)
    assert found.Delta0_tilde == 1.0
    assert found.problem.smoothness == max(c.smoothness.value for c in found.clusters)
    assert found.problem.radius == min(c.radius.value for c in found.clusters)
    assert found.problem.pl == min(c.pl.value for c in found.clusters)
    wide = fleet_constants(replace(fleet, name="again"), LAW, 0.1)
    assert wide.Delta0_tilde == pytest.approx(0.3, rel=1e-9)

    def first_epoch(problem: ProblemConstants) -> float:
        """M_1 R_1 by hand, up to factors that all β share."""
        c8 = problem.rollout_bound + problem.lipschitz * problem.radius + problem.smoothness * problem.radius**2
        w = max(problem.smoothness, 1 / problem.radius**2)
        eta = min(1 / (4 * problem.smoothness), problem.radius / (problem.lipschitz + 2 * math.sqrt(w)))
        c10 = 256 * (12 * c8 / problem.pl * w) ** 2
        R = 4 / (eta * problem.pl) * math.log(10 * c10 * fleet.N * 4)
        return c10 * R * math.log(8 * fleet.N * R * 40)

    best = first_epoch(found.problem)
    others = [first_epoch(fleet_constants(fleet, LAW, 1.0, enlargement=b).problem) for b in (10.5, 12.0, 15.0, 30.0)]
    assert best <= min(others) * 1.02  # R_l is rounded up in the schedule


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": 0.0}, "Delta0_tilde"),
        ({"scale": math.inf}, "Delta0_tilde"),
        ({"enlargement": 10.0}, "enlargement"),
        ({"method": "guessed"}, "method"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], words: str) -> None:
    arguments = {"scale": 1.0, "enlargement": 15.0, "method": "certified", **change}
    with pytest.raises(ConfigError, match=words):
        cluster_constants(MATRICES[0], arguments.pop("scale"), LAW, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("Delta0", [0.0, -1.0, math.nan, math.inf])
def test_no_restricted_set_without_a_positive_guess(Delta0: float) -> None:
    with pytest.raises(ConfigError, match="Delta0"):
        fleet_constants(fleet_of(SCALARS[0]), LAW, Delta0)
    with pytest.raises(ConfigError, match="gap"):
        scalar_constants.sublevel_interval(SCALARS[0], -1.0)


def test_an_infinite_initial_gap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Fleet refuses such gains itself; the constants do not rely on it."""
    with pytest.raises(FleetError, match="initial_gains"):
        replace(fleet_of(SCALARS[0]), initial_gains=np.full((3, 1, 1), 5.0))
    monkeypatch.setattr(restricted_set, "initial_gap", lambda fleet: math.inf)
    with pytest.raises(ConfigError, match="infinite cost"):
        fleet_constants(fleet_of(SCALARS[0]), LAW, 1.0)


def test_only_scalars_have_exact_constants_and_only_bounded_noise_a_bound() -> None:
    with pytest.raises(ConfigError, match="one state and one input"):
        scalar_constants.finite_cost_interval(MATRICES[0])

    class Unbounded(type(LAW)):  # type: ignore[misc]
        name = "heavy"

        def bound(self, n: int) -> float:
            return math.inf

    with pytest.raises(ConfigError, match="unbounded"):
        cluster_constants(SCALARS[0], 1.0, Unbounded(), enlargement=15)
