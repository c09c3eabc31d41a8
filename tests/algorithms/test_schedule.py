"""Table 2: hand-computed values, the identities of the schedule, and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pcpo.algorithms.schedule import Constants, ProblemConstants, Schedule, literal_constants
from pcpo.errors import ConfigError

UNIT = Constants(mode="calibrated", c1=0.1, c2=2.0, c3=10.0, c4=50.0, c5=3.0, c6=0.7)


def schedule(**changes: object) -> Schedule:
    return Schedule(**{"constants": UNIT, "Delta0": 4.0, "delta": 0.05, "n_agents": 6, "D": 2, **changes})


def test_second_epoch_by_hand() -> None:
    plan = schedule().plan(2)
    assert plan.Delta == 1.0
    assert plan.failure_probability == pytest.approx(0.05 / 8, rel=1e-15)
    assert plan.iterations == math.ceil(2 * math.log(60.0)) == 9
    assert plan.log_term == pytest.approx(math.log(8 * 2 * 6 * 9 * 8 / 0.05), rel=1e-15)
    assert plan.minibatch == math.ceil(50 * plan.log_term) == 592
    assert plan.radius_uncapped == pytest.approx((3 * math.sqrt(plan.log_term / 592)) ** 0.5, rel=1e-15)
    assert plan.rollouts == 19 * 592
    assert plan.step_size == 0.1


def test_literal_constants_by_hand() -> None:
    """λ = 2, φ = 4, ρ = 1/4, μ = 1/2, G∞ = 3, D = 2: every line of eq. (21) worked out on paper."""
    c = literal_constants(ProblemConstants(2.0, 4.0, 0.25, 0.5, 3.0), D=2, Delta0=1.0, Delta0_tilde=2.0)
    c8 = 3.0 + 2.0 * 0.125 + 4.0 * 0.03125
    c9 = 24 * c8 * 16
    c10 = 256 * c9**2 * 4
    assert c8 == 3.375
    assert c9 == 1296.0
    assert c.c1 == min(8.0, 1 / 16, 0.25 / 10.0) == 0.025
    assert c.c2 == pytest.approx(4 / (0.025 * 0.5), rel=1e-15)
    assert c.c4 == c10 == 1_719_926_784.0
    assert c.c3 == 2.0 * 10 * c10
    assert c.c5 == 3.375 * 2 / 4.0
    assert c.c6 == 0.25
    assert c.mode == "literal"


@pytest.mark.parametrize("epoch", [1, 2, 5, 9])
def test_radius_identity_the_logarithm_cancels(epoch: int) -> None:
    """r̃_l² = c5 Δ_l/√c4, up to the rounding up of M_l (relative error below 1/M_l)."""
    plan = schedule().plan(epoch)
    exact = UNIT.c5 * plan.Delta / math.sqrt(UNIT.c4)
    assert plan.radius_uncapped**2 == pytest.approx(exact, rel=1 / plan.minibatch)


def test_failure_probabilities_sum_below_half_delta() -> None:
    assert sum(schedule().plan(epoch).failure_probability / 2 for epoch in range(1, 40)) <= 0.05 / 2


def test_at_least_one_iteration() -> None:
    assert schedule(constants=Constants("calibrated", 0.1, 2.0, 1e-9, 50.0, 3.0, 0.7)).plan(1).iterations == 1


def test_global_radius_shrinks_with_the_fourth_root_of_the_set_and_is_capped() -> None:
    plan = schedule().plan(4)
    radii, capped = plan.radius_global(np.array([1, 16, 81]))
    np.testing.assert_allclose(radii, np.minimum(0.7, plan.radius_uncapped / np.array([1.0, 2.0, 3.0])), rtol=1e-15)
    assert not capped.any()
    wide = schedule().plan(1)
    assert wide.local_cap_active == (wide.radius_uncapped > 0.7)
    assert wide.radius_global(np.array([1]))[1].tolist() == [wide.local_cap_active]


def test_epochs_within_counts_whole_epochs_only() -> None:
    s = schedule()
    needed = s.rollouts_for(3)
    assert s.epochs_within(needed) == 3
    assert s.epochs_within(needed - 1) == 2
    assert s.epochs_within(s.rollouts_for(1) - 1) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Delta0": 0.0}, "Delta0"),
        ({"Delta0": math.nan}, "Delta0"),
        ({"delta": 1.0}, "delta"),
        ({"delta": 0.0}, "delta"),
    ],
)
def test_bad_values_are_named(change: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        schedule(**change)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_bad_constants_are_named(value: float) -> None:
    with pytest.raises(ConfigError, match="smoothness"):
        ProblemConstants(1.0, value, 1.0, 1.0, 1.0)
    with pytest.raises(ConfigError, match="c4"):
        Constants("calibrated", 1.0, 1.0, 1.0, value, 1.0, 1.0)


def test_epochs_count_from_one() -> None:
    with pytest.raises(ValueError, match="epoch"):
        schedule().plan(0)
