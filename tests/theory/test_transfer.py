"""K̄ and the plateaus of one policy for all: stationarity, hand-made cases, and fleets that have none."""

from __future__ import annotations

import numpy as np
import pytest
from support.small_fleets import forked_fleet, one_cluster, scalar, three_clusters

from pcpo import lqr
from pcpo.fleets.fleet import Fleet
from pcpo.theory.transfer import TransferStatus, common_gain, shifted_plateaus


def total(fleet: Fleet, K: np.ndarray) -> float:
    return sum(len(members) * lqr.cost(s, K) for members, s in zip(fleet.clusters, fleet.systems, strict=True))


@pytest.mark.parametrize("fleet", [three_clusters(), forked_fleet(), forked_fleet(15.0)], ids=["three", "fork", "wide"])
def test_the_sum_of_costs_is_least(fleet: Fleet) -> None:
    found = common_gain(fleet)
    assert found.status is TransferStatus.OK
    np.testing.assert_allclose(found.plateaus, [lqr.suboptimality_gap(s, found.gain) for s in fleet.systems])
    assert (found.plateaus > 0).all()
    rng = np.random.default_rng(1)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(20):
            V = rng.standard_normal(found.gain.shape)
            assert total(fleet, found.gain + size * V / np.linalg.norm(V)) > total(fleet, found.gain)


def test_one_cluster_pays_nothing() -> None:
    fleet = one_cluster([[0.0, 0.0], [0.1, 0.0]])
    found = common_gain(fleet)
    np.testing.assert_allclose(found.gain, lqr.riccati(fleet.systems[0]).K, atol=1e-7)
    assert found.plateaus == pytest.approx([0.0], abs=1e-12)


def test_the_larger_cluster_pays_less() -> None:
    systems = (scalar(0.9, 1.0, 10.0), scalar(0.5, 1.0, 12.0))

    def plateaus(sizes: tuple[int, int]) -> np.ndarray:
        labels = np.repeat([0, 1], sizes)
        return common_gain(
            Fleet("two", systems, labels, np.stack([lqr.riccati(systems[j]).K for j in labels]))
        ).plateaus

    few, many = plateaus((1, 3)), plateaus((5, 3))
    assert many[0] < few[0]
    assert many[1] > few[1]


def test_mirror_images_may_have_no_common_gain() -> None:
    """√γ|a − K| < 1 and √γ|a + K| < 1 need √γ a < 1: a = 1 has a common gain (above), a = 2 has none."""
    systems = (scalar(2.0, 1.0, 10.0), scalar(2.0, -1.0, 12.0))
    fleet = Fleet("mirror", systems, np.array([0, 1]), np.stack([lqr.riccati(s).K for s in systems]))
    found = common_gain(fleet)
    assert found.status is TransferStatus.NO_COMMON_GAIN
    assert np.isnan(found.gain).all()
    assert np.isinf(found.plateaus).all()


def test_from_a_common_start_the_shifted_plateaus_are_those_of_one_policy() -> None:
    found = common_gain(fleet := three_clusters())
    for start in (found.gain, found.gain + 0.05):
        common = Fleet("common", fleet.systems, fleet.labels, np.repeat(start[None], fleet.N, axis=0))
        np.testing.assert_allclose(shifted_plateaus(common), found.plateaus, atol=1e-8)


def test_own_starts_have_a_plateau_where_no_common_gain_exists() -> None:
    """C_i(K_i⁰ + x) on mirror images: a grid of x finds no smaller sum."""
    systems = (scalar(2.0, 1.0, 10.0), scalar(2.0, -1.0, 10.1))
    labels = np.array([0, 1])
    optima = np.stack([lqr.riccati(s).K for s in systems])
    offset = np.array([0.2, 0.15])[:, None, None]
    fleet = Fleet("mirror", systems, labels, optima + offset)
    plateaus = shifted_plateaus(fleet)
    assert np.isfinite(plateaus).all()
    assert (plateaus > 0).all()
    assert plateaus @ [1, 1] < fleet.gaps(fleet.initial_gains).sum()
    sums = [fleet.gaps(fleet.initial_gains + x).sum() for x in np.linspace(-0.5, 0.5, 2001)]
    assert min(sums) * (1 - 1e-4) < plateaus.sum() <= min(sums)
