"""Check the certificate that no gain has finite cost for several systems, against brute force and by search."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo.fleets.common_gain import CommonGain, common_gain, smallest_radius
from pcpo.fleets.files import read_fleet
from pcpo.fleets.random import draw_system
from pcpo.lqr.system import LinearSystem

GAMMA = 0.9


def scalar(a: float, b: float) -> LinearSystem:
    return LinearSystem(np.array([[a]]), np.array([[b]]), np.eye(1), np.eye(1), GAMMA)


def known(systems: list[LinearSystem]) -> CommonGain:
    return common_gain(systems, np.random.default_rng(0))


@pytest.mark.parametrize("b", [1.0, 0.2])
def test_scalar_systems_with_opposite_inputs_have_none(b: float) -> None:
    # |1.2 − bK| < 1/√γ and |1.2 + bK| < 1/√γ exclude each other since 1.2 > 1/√γ = 1.054.
    assert known([scalar(1.2, b), scalar(1.2, -b)]) == CommonGain.EXCLUDED
    assert known([scalar(1.0, b), scalar(1.0, -b)]) == CommonGain.EXISTS


def test_the_certificate_is_exact_near_its_edge_for_one_state() -> None:
    # K in (1.2 − r, 1.2 + r) and in (a − r, a + r) with r = 1/√γ: a common K exists iff |a − 1.2| < 2r.
    r = 1 / np.sqrt(GAMMA)
    for sign, expected in ((-1, CommonGain.EXISTS), (1, CommonGain.EXCLUDED)):
        assert known([scalar(1.2, 1.0), scalar(1.2 + 2 * r + sign * 1e-3, 1.0)]) == expected


def test_two_states_agree_with_a_grid_of_gains() -> None:
    rng, counted = np.random.default_rng(3), {CommonGain.EXISTS: 0, CommonGain.EXCLUDED: 0}
    values = np.linspace(-12, 12, 241)
    K = np.stack(np.meshgrid(values, values, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    for _ in range(40):
        systems = [draw_system(2, 1, GAMMA, (1.1, 1.3), rng) for _ in range(2)]
        finite = np.ones(len(K), dtype=bool)
        for s in systems:
            finite &= np.sqrt(GAMMA) * np.abs(np.linalg.eigvals(s.A - s.B @ K)).max(axis=1) < 1
        found = known(systems)
        if finite.any():
            assert found == CommonGain.EXISTS
        counted[found] += 1
    assert min(counted.values()) >= 5


@pytest.mark.parametrize("shape", [(3, 1), (2, 1)])
def test_the_search_never_finds_what_the_certificate_excludes(shape: tuple[int, int]) -> None:
    rng, excluded = np.random.default_rng(4), 0
    for _ in range(40):
        systems = [draw_system(*shape, GAMMA, (1.1, 1.3), rng) for _ in range(2)]
        if known(systems) == CommonGain.EXCLUDED:
            excluded += 1
            starts = [3 * rng.standard_normal((1, shape[0])) for _ in range(4)]
            assert smallest_radius(systems, starts) >= 1
    assert excluded >= 3


def test_the_search_finds_a_gain_for_two_inputs() -> None:
    rng = np.random.default_rng(5)
    found = [known([draw_system(3, 2, GAMMA, (1.1, 1.3), rng) for _ in range(2)]) for _ in range(10)]
    assert found.count(CommonGain.EXISTS) >= 8
    assert CommonGain.EXCLUDED not in found


def test_the_mirror_fleet_of_the_repository_has_none(repository: object) -> None:
    fleet = read_fleet(f"{repository}/config/fleets/mirror.yaml")
    assert known(list(fleet.systems)) in (CommonGain.EXCLUDED, CommonGain.NOT_FOUND)
