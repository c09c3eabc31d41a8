"""Check that fleets of the population are what its law says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcpo import lqr
from pcpo.errors import FleetError
from pcpo.fleets import population
from pcpo.fleets.common_gain import CommonGain
from pcpo.fleets.population import Drawn, PopulationSpec, cluster_sizes, draw_clusters, draw_fleet
from pcpo.simulation.noise import noise_law, stream
from pcpo.theory.calibration import local_constants

BASE = PopulationSpec()


def drawn(spec: PopulationSpec, seed: int = 1) -> Drawn:
    return draw_fleet(spec, stream(seed, 0, 0), stream(seed, 0, 1))


@pytest.mark.parametrize("seed", range(4))
def test_unstable_fleets_have_no_common_gain_and_starts_in_range(seed: int) -> None:
    found = drawn(BASE, seed)
    fleet = found.fleet
    assert found.common == CommonGain.EXCLUDED
    for system in fleet.systems:
        assert 1.02 <= np.sqrt(0.9) * np.abs(np.linalg.eigvals(system.A)).max() <= 1.25 + 1e-12
        assert lqr.cost(system, np.zeros((1, 2))) == np.inf
    np.testing.assert_allclose(fleet.optimal_costs, [20.0, 22.0], rtol=1e-12)
    assert fleet.separation == pytest.approx(2.0, rel=1e-10)
    ratios = 1 + fleet.gaps(fleet.initial_gains) / fleet.optimal_costs[fleet.labels]
    assert ratios.min() >= 1.5 - 1e-9
    assert ratios.max() <= 5.0 + 1e-9
    assert len(np.unique(fleet.initial_gains, axis=0)) == fleet.N


@pytest.mark.parametrize("open_loop", ["unstable", "stable", "mixed"])
def test_ways_to_the_optimum_are_within_the_limit(open_loop: str) -> None:
    spec = replace(BASE, open_loop=open_loop)
    for seed in range(3):
        local = local_constants(drawn(spec, seed).fleet, noise_law("signs"), 12.0)
        # the calibration looks at the same ways, and the rate may be half of the smallest curvature
        # and the cost levels differ by 10 %
        assert local.h_max / local.h_min <= 1.1 * 2 * spec.path_limit * (1 + 1e-9)


def test_stable_and_mixed_open_loops() -> None:
    stable, mixed = drawn(replace(BASE, open_loop="stable")).fleet, drawn(replace(BASE, open_loop="mixed")).fleet
    radii = [[float(np.abs(np.linalg.eigvals(s.A)).max()) for s in f.systems] for f in (stable, mixed)]
    assert max(radii[0]) < 1
    assert radii[1][0] > 1 > radii[1][1]


@pytest.mark.parametrize("changed", [{"sizes": (16, 16)}, {"separation": 0.4}])
def test_sizes_and_separation_do_not_change_the_systems(changed: dict[str, object]) -> None:
    for seed in range(3):
        one, other = drawn(BASE, seed).fleet, drawn(replace(BASE, **changed), seed).fleet
        for a, b in zip(one.systems, other.systems, strict=True):
            assert np.array_equal(a.A, b.A)
            np.testing.assert_allclose(a.Q / a.Q[0, 0], b.Q / b.Q[0, 0], rtol=1e-12)


def test_clusters_that_were_drawn_before_give_the_same_fleet() -> None:
    clusters = draw_clusters(replace(BASE, sizes=(1, 1), separation=1.0), stream(1, 0, 0))
    again = draw_fleet(BASE, clusters, stream(1, 0, 1))
    assert np.array_equal(again.fleet.initial_gains, drawn(BASE).fleet.initial_gains)
    assert again.rejected == drawn(BASE).rejected


def test_the_same_streams_give_the_same_fleet_and_others_another() -> None:
    first, again, other = drawn(BASE), drawn(BASE), drawn(BASE, 2)
    assert np.array_equal(first.fleet.initial_gains, again.fleet.initial_gains)
    assert first.rejected == again.rejected
    assert not np.array_equal(first.fleet.systems[0].A, other.fleet.systems[0].A)


def test_what_is_rejected_is_counted_and_a_population_that_is_too_rare_ends_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sum(drawn(BASE).rejected.values()) > 0
    monkeypatch.setattr(population, "_MOST_FLEETS", 4)
    monkeypatch.setattr(population, "_MOST_CLUSTERS", 40)
    with pytest.raises(FleetError, match=r"population: found no .* rejected \(.*condition at K\* above 1\.0001: \d+"):
        drawn(replace(BASE, condition_limit=1.0001))
    with pytest.raises(FleetError, match=r"found no acceptable fleet in 4 draws, rejected \(a common gain"):
        drawn(replace(BASE, n=2, m=2))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sizes": ()}, "sizes"),
        ({"sizes": (3, 0)}, "sizes"),
        ({"n": 0}, "shape"),
        ({"gamma": 1.0}, "gamma"),
        ({"separation": 0.0}, "separation: found 0.0"),
        ({"separation": float("nan")}, "separation"),
        ({"start": (1.0, 2.0)}, "start"),
        ({"start": (3.0, 2.0)}, "start"),
        ({"open_loop": "wild"}, "open_loop: found 'wild'"),
        ({"sizes": (3,)}, "one cluster"),
    ],
)
def test_bad_populations_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        replace(BASE, **changed)


def test_cluster_sizes() -> None:
    assert cluster_sizes(8, 3) == (3, 3, 2)
    assert cluster_sizes(8, 3, "one_large") == (4, 2, 2)
    assert cluster_sizes(3, 3, "one_large") == (1, 1, 1)
    with pytest.raises(FleetError, match="agents: found 2, expected at least one for each of 3"):
        cluster_sizes(2, 3)
