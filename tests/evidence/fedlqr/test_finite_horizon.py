"""The finite-horizon setting: exact cost and gradient, the best common gain, the kernel and its twin, the oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcpo.arrays import FloatArray
from pcpo.errors import FleetError, PcpoError
from pcpo.evidence.fedlqr.model.finite_horizon import FiniteHorizon, best_common_gain, costs, gradients
from pcpo.evidence.fedlqr.model.kernels import rollout_costs_twin, rollout_kernel
from pcpo.evidence.fedlqr.model.oracles import ExactFiniteHorizonOracle, FiniteHorizonOracle
from pcpo.simulation.kernels import SATURATION
from pcpo.simulation.noise import Purpose

SHAPES = [(1, 1, 1), (3, 2, 1), (2, 3, 3), (4, 2, 3)]


def random_setting(
    N: int, n: int, m: int, *, seed: int = 0, horizon: int = 6, first: int = 0
) -> tuple[FiniteHorizon, FloatArray]:
    """A setting and gains ``(N, m, n)``."""
    rng = np.random.default_rng(seed)
    root, R = rng.standard_normal((n, n)), rng.standard_normal((m, m))
    A, B = 0.7 * rng.standard_normal((N, n, n)), rng.standard_normal((N, n, m))
    setting = FiniteHorizon(A, B, root @ root.T, R @ R.T + np.eye(m), horizon, first)
    return setting, 0.3 * rng.standard_normal((N, m, n))


shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
stages = pytest.mark.parametrize("first", [0, 1])


@stages
@given(seed=st.integers(0, 1000), horizon=st.integers(1, 8))
def test_cost_is_the_sum_over_the_unit_vectors_as_starts(first: int, seed: int, horizon: int) -> None:
    """E over x_0 with E x_0x_0ᵀ = I is the sum over the columns of I, whatever the law: by the twin's recursion."""
    setting, gains = random_setting(2, 3, 2, seed=seed, horizon=horizon, first=first)
    starts, found = np.repeat(np.eye(3)[None], 2, axis=0), np.empty((2, 3))
    matrices = setting.A, setting.B, setting.Q, setting.R
    rollout_costs_twin(*matrices, gains, np.zeros(2), np.zeros((2, 3, 6)), starts, first, first + horizon, found)
    np.testing.assert_allclose(costs(setting, gains), found.sum(axis=1), rtol=1e-12)


def test_scalar_cost_is_the_geometric_series() -> None:
    setting = FiniteHorizon([[[0.9]]], [[[1.0]]], [[2.0]], [[3.0]], 4)
    gain, f = np.array([[[0.4]]]), 0.5
    series = (2.0 + 3.0 * 0.4**2) * (1 + f**2 + f**4 + f**6)
    assert costs(setting, gain)[0] == pytest.approx(series, rel=1e-14)
    assert costs(setting, gain, np.array([[5.0]]))[0] == pytest.approx(5 * series, rel=1e-14)


@shapes
@stages
def test_gradient_is_the_derivative_of_the_cost(shape: tuple[int, int, int], first: int) -> None:
    """Central differences: the error is O(e²) + O(eps/e); halving e would not hide a wrong term."""
    setting, gains = random_setting(*shape, first=first)
    N, n, m = shape
    exact, e = gradients(setting, gains), 1e-5
    scale = np.abs(costs(setting, gains)).max()
    for a in range(m):
        for j in range(n):
            step = np.zeros((m, n))
            step[a, j] = e
            slope = (costs(setting, gains + step) - costs(setting, gains - step)) / (2 * e)
            np.testing.assert_allclose(exact[:, a, j], slope, rtol=1e-6, atol=1e-7 * scale)
    assert len(exact) == N


def test_best_common_gain_is_a_stationary_minimum_of_the_mean_cost() -> None:
    A = np.array([[[1.2, 0.3], [0.0, 0.8]], [[0.9, 0.1], [0.2, 1.1]]])
    setting = FiniteHorizon(A, np.repeat(np.eye(2)[None], 2, 0), np.eye(2), np.eye(2), 15)
    best = best_common_gain(setting, 0.5 * np.eye(2))
    mean = costs(setting, best[None]).mean()
    rng = np.random.default_rng(1)
    for step in 0.05 * rng.standard_normal((20, 2, 2)):
        assert costs(setting, (best + step)[None]).mean() > mean
    alone = [best_common_gain(setting.agent(i), 0.5 * np.eye(2)) for i in range(2)]
    assert np.linalg.norm(alone[0] - alone[1]) > 0.1
    for i in range(2):
        assert costs(setting.agent(i), alone[i][None])[0] < costs(setting, best[None])[i]


def test_best_common_gain_refuses_where_the_search_fails() -> None:
    """Where the cost overflows; and on a plateau far from the optimum, where the search does not get to the bottom."""
    setting = FiniteHorizon([[[1.2]]], [[[1.0]]], [[1.0]], [[1.0]], 40)
    grid = np.linspace(0.5, 1.5, 1001)
    lowest = grid[np.argmin(costs(setting, grid[:, None, None, None])[:, 0])]
    assert best_common_gain(setting, np.array([[1.0]]))[0, 0] == pytest.approx(lowest, abs=0.001)
    with pytest.raises(PcpoError, match="found a start of infinite mean cost"):
        best_common_gain(setting, np.array([[1e6]]))
    with pytest.raises(PcpoError, match="start from a gain nearer to the optimum"):
        best_common_gain(setting, np.array([[1e3]]))


@shapes
@stages
def test_kernel_and_twin_agree(shape: tuple[int, int, int], first: int) -> None:
    """To rounding, which grows with the number of steps; and not if the kernel sees another first stage."""
    setting, gains = random_setting(*shape, horizon=9, first=first)
    N, n, m = shape
    rng = np.random.default_rng(4)
    matrices = tuple(np.array(x) for x in (setting.A, setting.B, setting.Q, setting.R))
    arrays = gains, np.linspace(0.1, 0.4, N), rng.standard_normal((N, 7, m * n)), rng.standard_normal((N, 7, n))
    found, expected, other = (np.empty((N, 7)) for _ in range(3))
    rollout_kernel(n, m)(*matrices, *arrays, first, first + 9, found)
    rollout_costs_twin(*matrices, *arrays, first, first + 9, expected)
    rollout_costs_twin(*matrices, *arrays, 1 - first, first + 9, other)
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    assert not np.allclose(found, other, rtol=1e-6)


def ask(oracle: Any, setting: FiniteHorizon, gains: FloatArray, M: int, *, purpose: int = 3, epoch: int = 0) -> bytes:
    answer = oracle.gradients(gains, M, np.full(setting.N, 0.1), purpose=purpose, epoch=epoch)
    return bytes(answer.values.tobytes())


def test_oracle_agrees_with_the_oracle_on_the_twin() -> None:
    setting, gains = random_setting(3, 2, 2)
    fast, plain = (FiniteHorizonOracle(setting, seed=1, kernel=kernel) for kernel in (None, rollout_costs_twin))
    found, expected = (
        o.gradients(gains, 33, np.full(3, 0.2), purpose=Purpose.GLOBAL, epoch=0).values for o in (fast, plain)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    costs_found, costs_expected = (o.costs(gains, 8, purpose=Purpose.COST, epoch=0).values for o in (fast, plain))
    np.testing.assert_allclose(costs_found, costs_expected, rtol=1e-11)


def test_same_seed_same_bits_and_nothing_else_matters() -> None:
    """Another purpose asked in between, another split into minibatches of the same stream, more agents."""
    setting, gains = random_setting(3, 2, 1)
    first, second = (FiniteHorizonOracle(setting, seed=5) for _ in range(2))
    ask(second, setting, gains, 9, purpose=Purpose.LOCAL)
    answers = [[ask(oracle, setting, gains, 700) for _ in range(4)] for oracle in (first, second)]
    assert answers[0] == answers[1]
    assert len(set(answers[0])) == 4
    assert ask(FiniteHorizonOracle(setting, seed=6), setting, gains, 700) != answers[0][0]
    assert ask(FiniteHorizonOracle(setting, seed=5), setting, gains, 700, epoch=1) != answers[0][0]
    alone = FiniteHorizonOracle(setting.agent(0), seed=5)
    assert ask(alone, setting.agent(0), gains[:1], 700) == answers[0][0][: len(answers[0][0]) // 3]


def test_random_numbers_do_not_depend_on_how_they_are_split() -> None:
    """2100 rollouts as 21 minibatches or 3: the means of the costs agree, so no rollout is skipped or repeated."""
    setting, gains = random_setting(2, 2, 1)
    many, few = (FiniteHorizonOracle(setting, seed=2) for _ in range(2))
    a = np.mean([many.costs(gains, 100, purpose=2, epoch=0).values for _ in range(21)], axis=0)
    b = np.mean([few.costs(gains, 700, purpose=2, epoch=0).values for _ in range(3)], axis=0)
    np.testing.assert_allclose(a, b, rtol=1e-12)
    assert not np.allclose(a, many.costs(gains, 2100, purpose=2, epoch=0).values, rtol=1e-6)


@pytest.mark.parametrize("make", [lambda s: FiniteHorizonOracle(s, seed=1), ExactFiniteHorizonOracle])
def test_ledger(make: Any) -> None:
    setting, gains = random_setting(3, 2, 1)
    oracle = make(setting)
    ask(oracle, setting, gains, 5)
    oracle.costs(gains, 4, purpose=Purpose.COST, epoch=0)
    assert oracle.rollouts == 9
    np.testing.assert_array_equal(oracle.nonfinite, np.zeros(3))
    with pytest.raises(PcpoError, match="gains"):
        ask(oracle, setting, gains[:2], 5)
    with pytest.raises(PcpoError, match="minibatch"):
        ask(oracle, setting, gains, 0)


def test_saturated_rollouts_are_cut_and_counted() -> None:
    setting = FiniteHorizon([[[1e4]], [[0.5]]], np.ones((2, 1, 1)), [[1.0]], [[1.0]], 15)
    gains, oracle = np.zeros((2, 1, 1)), FiniteHorizonOracle(setting, seed=1)
    assert oracle.costs(gains, 6, purpose=Purpose.COST, epoch=0).values[0] == pytest.approx(SATURATION)
    assert np.all(np.isfinite(oracle.gradients(gains, 6, np.full(2, 0.1), purpose=3, epoch=0).values))
    np.testing.assert_array_equal(oracle.nonfinite, [12, 0])


def test_exact_oracle_answers_with_gradient_and_cost() -> None:
    over = ExactFiniteHorizonOracle(FiniteHorizon([[[1e12]]], [[[1.0]]], [[1.0]], [[1.0]], 15))
    assert over.gradients(np.zeros((1, 1, 1)), 4, np.ones(1), purpose=3, epoch=0).values == 0.0
    assert over.costs(np.zeros((1, 1, 1)), 4, purpose=2, epoch=0).values == SATURATION
    assert over.nonfinite == 8
    setting, gains = random_setting(3, 2, 2)
    oracle = ExactFiniteHorizonOracle(setting)
    found = oracle.gradients(gains, 1, np.ones(3), purpose=3, epoch=0).values
    np.testing.assert_array_equal(found, gradients(setting, gains))
    np.testing.assert_array_equal(oracle.costs(gains, 1, purpose=2, epoch=0).values, costs(setting, gains))


GOOD: dict[str, Any] = {
    "A": np.ones((2, 3, 3)), "B": np.ones((2, 3, 1)), "Q": np.eye(3), "R": np.eye(1), "horizon": 5, "first_stage": 0,
}  # fmt: skip
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "A flat": ({"A": np.ones((3, 3))}, r"A: found shape \(3, 3\), expected \(N, n, n\)"),
    "A oblong": ({"A": np.ones((2, 3, 2))}, "A: found shape"),
    "A nan": ({"A": np.full((2, 3, 3), np.nan)}, "A: found nan"),
    "B for another N": ({"B": np.ones((1, 3, 1))}, "B: found shape"),
    "Q": ({"Q": np.eye(2)}, r"Q: found shape \(2, 2\), expected \(3, 3\)"),
    "R negative": ({"R": -np.eye(1)}, "R: found .* positive semidefinite"),
    "Q unsymmetric": ({"Q": np.eye(3) + np.eye(3, k=1)}, "Q: found .* symmetric"),
    "horizon": ({"horizon": 0}, "horizon: found 0"),
    "horizon bool": ({"horizon": True}, "horizon: found True"),
    "first_stage": ({"first_stage": 2}, "first_stage: found 2, expected 0 or 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_setting(case: str) -> None:
    changes, message = BAD[case]
    FiniteHorizon(**GOOD)
    with pytest.raises(FleetError, match=message):
        FiniteHorizon(**(GOOD | changes))


def test_gains_of_another_shape_are_refused() -> None:
    setting, gains = random_setting(3, 2, 1)
    with pytest.raises(PcpoError, match="gains: found shape"):
        costs(setting, gains[:2])
