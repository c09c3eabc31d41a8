"""Check the example systems: their numbers are part of random streams, and their gains stay where they are."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo import lqr
from pcpo.fleets.examples import EDGE, SYSTEMS, TYPICAL, fixed_direction, number_of, shifted_optimum


def test_numbers_of_systems_never_change() -> None:
    assert {name: number_of(name) for name in SYSTEMS} == {"scalar": 0, "two": 1, "three": 2, "edge": 3}
    assert [SYSTEMS[name].D for name in SYSTEMS] == [1, 2, 6, 1]
    assert TYPICAL == ("scalar", "two", "three")


def test_the_extreme_system_is_optimal_without_control() -> None:
    star = lqr.riccati(SYSTEMS[EDGE])
    assert float(np.abs(star.K).max()) == 0.0
    assert star.cost == pytest.approx(0.9 / 0.1)


@pytest.mark.parametrize("name", SYSTEMS)
def test_shifted_optima_are_at_the_given_distance_and_of_finite_cost(name: str) -> None:
    system = SYSTEMS[name]
    assert fixed_direction(name).shape == (system.m, system.n)
    np.testing.assert_array_equal(fixed_direction(name), fixed_direction(name))
    K = shifted_optimum(name, 0.1)
    assert np.linalg.norm(K - lqr.riccati(system).K) == pytest.approx(0.1)
    assert lqr.suboptimality_gap(system, K) > 0
    assert np.isfinite(lqr.cost(system, K))
