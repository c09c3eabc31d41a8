"""Random fleets: exact separation and initial gaps, clusters that really differ, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcpo.errors import FleetError
from pcpo.fleets.fleet import LinearSystem
from pcpo.fleets.initial_gains import smallest_common_gap
from pcpo.fleets.random import FleetSpec, random_fleet, relative_distance, with_optimal_cost
from pcpo.lqr import cost_array, hessian_eigenvalues, riccati, spectral_radius

GOOD: dict[str, Any] = {
    "n": 3, "m": 2, "sizes": (4, 2, 3), "gamma": 0.9, "initial_gap": 5.0, "separation": 2.0, "optimal_cost": 20.0,
}  # fmt: skip


def spec(**changes: Any) -> FleetSpec:
    return FleetSpec(**{**GOOD, **changes})


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from([(1, 1), (2, 1), (3, 2)]),
    separation=st.floats(1e-3, 50.0),
    first=st.floats(1.0, 1e4),
    gap=st.floats(1e-4, 1e4),
    initial=st.sampled_from(["per_agent", "per_cluster"]),
)
def test_separation_cost_level_and_initial_gap_are_exact(
    seed: int, shape: tuple[int, int], separation: float, first: float, gap: float, initial: str
) -> None:
    n, m = shape
    s = spec(n=n, m=m, separation=separation, optimal_cost=first, initial_gap=gap, initial=initial, gain_distance=0.1)
    fleet = random_fleet(s, rng(seed))
    levels = first + separation * np.arange(3)
    np.testing.assert_allclose(fleet.optimal_costs, levels, rtol=1e-13)
    assert fleet.separation == pytest.approx(separation, abs=1e-13 * levels[-1])
    np.testing.assert_allclose(fleet.gaps(fleet.initial_gains), gap, rtol=1e-9)
    assert fleet.labels.tolist() == [0] * 4 + [1] * 2 + [2] * 3


@pytest.mark.parametrize("seed", range(10))
def test_clusters_differ_in_dynamics_and_gains_not_in_the_cost_scale_alone(seed: int) -> None:
    s = spec(distance=0.5, gain_distance=0.4, condition_limit=20.0, spectral_radius=(0.7, 0.8))
    fleet = random_fleet(s, rng(seed))
    for i in range(fleet.H):
        h = hessian_eigenvalues(fleet.systems[i])
        assert h[-1] <= 20.0 * h[0] * (1 + 1e-9)
        rho = spectral_radius(fleet.systems[i], np.zeros((2, 3)))
        assert 0.7 - 1e-12 <= rho <= 0.8 + 1e-12
        for j in range(i):
            a, b = fleet.systems[i], fleet.systems[j]
            assert relative_distance(np.hstack([a.A, a.B]), np.hstack([b.A, b.B])) >= 0.5
            assert relative_distance(fleet.optimal_gains[i], fleet.optimal_gains[j]) >= 0.4


def test_the_distance_sees_through_a_change_of_cost_scale() -> None:
    """Negative control: clusters that differ in cost scale alone have distance 0 in K* and in (A, B)."""
    system = random_fleet(spec(), rng()).systems[0]
    other = with_optimal_cost(system, 1.5 * riccati(system).cost)
    assert riccati(other).cost == pytest.approx(1.5 * riccati(system).cost, rel=1e-14)
    assert relative_distance(riccati(system).K, riccati(other).K) < 1e-13
    assert relative_distance(system.A, other.A) == 0.0


def test_rules_of_the_first_gains() -> None:
    per_agent = random_fleet(spec(), rng())
    assert len({K.tobytes() for K in per_agent.initial_gains}) == 9
    per_cluster = random_fleet(spec(initial="per_cluster"), rng())
    assert [len({per_cluster.initial_gains[i].tobytes() for i in c}) for c in per_cluster.clusters] == [1, 1, 1]
    assert len({K.tobytes() for K in per_cluster.initial_gains}) == 3


@pytest.mark.parametrize("seed", range(5))
def test_common_first_gain_has_the_largest_gap_asked_for(seed: int) -> None:
    fleet = random_fleet(spec(initial="common", initial_gap=60.0), rng(seed))
    assert len({K.tobytes() for K in fleet.initial_gains}) == 1
    assert fleet.gaps(fleet.initial_gains).max() == pytest.approx(60.0, rel=1e-9)


def test_common_first_gain_out_of_reach_is_refused_with_the_smallest_reachable() -> None:
    with pytest.raises(FleetError, match=r"initial_gap: found 0\.01 .* expected at least (\d|\.)+") as caught:
        random_fleet(spec(initial="common", initial_gap=0.01), rng())
    smallest = float(str(caught.value).split("at least ")[1].split(",")[0])
    near = random_fleet(spec(initial="common", initial_gap=1.001 * smallest), rng())
    assert near.gaps(near.initial_gains).max() == pytest.approx(1.001 * smallest, rel=1e-9)


def test_smallest_common_gap_against_a_scan() -> None:
    """Two scalar systems: the minimax gap by brute force over a fine grid of gains."""
    systems = tuple(LinearSystem([[a]], [[1.0]], [[1.0]], [[1.0]], 0.9) for a in (0.3, 0.95))
    grid = np.linspace(riccati(systems[0]).K.item(), riccati(systems[1]).K.item(), 20_001)
    values = [cost_array(s, grid[:, None, None]) - riccati(s).cost for s in systems]
    expected = np.max(values, axis=0).min()
    assert smallest_common_gap(systems)[1] == pytest.approx(expected, rel=1e-3)


def test_no_common_gain_at_all_is_said() -> None:
    systems = tuple(LinearSystem([[3.0]], [[b]], [[1.0]], [[1.0]], 0.9) for b in (1.0, -1.0))
    with pytest.raises(FleetError, match="no gain of finite cost for every cluster"):
        smallest_common_gap(systems)


def test_one_seed_gives_one_fleet_and_shares_dynamics_across_separations() -> None:
    a, b, c = random_fleet(spec(), rng(3)), random_fleet(spec(), rng(3)), random_fleet(spec(separation=0.1), rng(3))
    assert a.initial_gains.tobytes() == b.initial_gains.tobytes()
    assert all(x.Q.tobytes() == y.Q.tobytes() for x, y in zip(a.systems, b.systems, strict=True))
    assert all(x.A.tobytes() == y.A.tobytes() for x, y in zip(a.systems, c.systems, strict=True))
    assert a.systems[0].Q.tobytes() == c.systems[0].Q.tobytes()
    assert a.systems[1].Q.tobytes() != c.systems[1].Q.tobytes()
    np.testing.assert_allclose(a.optimal_gains, c.optimal_gains, rtol=1e-10)


def test_spacing() -> None:
    fleet = random_fleet(spec(spacing=[3.0, 1.0]), rng())
    np.testing.assert_allclose(fleet.optimal_costs, [20.0, 26.0, 28.0], rtol=1e-13)


def test_one_cluster_and_a_drawn_cost_level() -> None:
    fleet = random_fleet(spec(sizes=(5,), separation=None, optimal_cost=None), rng())
    assert (fleet.N, fleet.H, fleet.separation) == (5, 1, np.inf)
    np.testing.assert_allclose(fleet.gaps(fleet.initial_gains), 5.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"separation": 0.0}, r"separation: found 0\.0, expected a positive"),
        ({"separation": -1.0}, r"separation: found -1\.0"),
        ({"separation": np.nan}, r"separation: found nan"),
        ({"separation": np.inf}, r"separation: found inf"),
        ({"separation": None}, r"separation: found None, expected a number, for H = 3"),
        ({"sizes": (3,)}, r"separation: found 2\.0, expected none, for one cluster"),
        ({"sizes": ()}, r"sizes: found \(\)"),
        ({"sizes": (3, 0)}, r"sizes\[1\]: found 0, expected an integer from 1"),
        ({"sizes": (9_000, 9_000)}, r"sizes: found 18000 agents, expected at most 10000"),
        ({"n": 0}, r"n: found 0, expected an integer from 1 to 50"),
        ({"n": 2.0}, r"n: found 2\.0"),
        ({"m": 51}, r"m: found 51, expected an integer from 1 to 50"),
        ({"gamma": 1.0}, r"gamma: found 1\.0, expected 0 < gamma < 1"),
        ({"gamma": np.nan}, r"gamma: found nan"),
        ({"gamma": None}, r"gamma: found None"),
        ({"initial_gap": 0.0}, r"initial_gap: found 0\.0"),
        ({"initial_gap": np.nan}, r"initial_gap: found nan"),
        ({"optimal_cost": -3.0}, r"optimal_cost: found -3\.0"),
        ({"condition_limit": 0.5}, r"condition_limit: found 0\.5"),
        ({"condition_limit": np.nan}, r"condition_limit: found nan"),
        ({"distance": 2.0}, r"distance: found 2\.0"),
        ({"gain_distance": True}, r"gain_distance: found True"),
        ({"spectral_radius": (0.9, 0.5)}, r"spectral_radius: found \(0\.9, 0\.5\)"),
        ({"spectral_radius": (0.1, np.nan)}, r"spectral_radius: found"),
        ({"spectral_radius": (0.5,)}, r"spectral_radius: found"),
        ({"spacing": (1.0,)}, r"spacing: found 1 multiples, expected H - 1 = 2"),
        ({"spacing": (2.0, 2.0)}, r"spacing: found \(2\.0, 2\.0\), expected .* smallest exactly 1"),
        ({"spacing": (1.0, np.nan)}, r"spacing: found"),
        ({"initial": "same"}, r"initial: found 'same', expected one of common, per_cluster, per_agent"),
    ],
)
def test_bad_specifications_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        spec(**change)


def test_limits_that_no_draw_meets_end_with_the_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcpo.fleets.random.MAX_ATTEMPTS", 20)
    with pytest.raises(
        FleetError, match=r"cluster 0: found no acceptable system in 20 draws \(Hessian condition.*: 20"
    ):
        random_fleet(spec(condition_limit=1.0), rng())
    with pytest.raises(FleetError, match=r"cluster 1: .*\(A, B\) within 1\.99 of another cluster"):
        random_fleet(spec(distance=1.99), rng())


@pytest.mark.parametrize("target", [0.0, -1.0, np.nan, np.inf])
def test_bad_cost_level(target: float) -> None:
    with pytest.raises(FleetError, match="optimal_cost: found"):
        with_optimal_cost(random_fleet(spec(), rng()).systems[0], target)
