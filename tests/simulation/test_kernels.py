"""The kernels against their plain NumPy twin, the count of operations, saturation and the sums."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcpo.simulation import reference as twin
from pcpo.simulation.kernels import (
    BLOCK,
    SATURATION,
    accumulate,
    flops_per_step,
    folded,
    rollout_kernel,
    saturate,
    step_formula,
)
from pcpo.simulation.noise import NOISE_LAWS, NoiseLaw, draw_directions, stream
from pcpo.simulation.noise_formulas import Kind, words_per_step
from pcpo.simulation.vector import compiled

SIZES = [(1, 1), (2, 1), (3, 2), (3, 3), (4, 2), (8, 4)]


class Counting:
    """Arithmetic on plain floats that counts multiplications and additions."""

    def __init__(self) -> None:
        self.flops: Counter[str] = Counter()

    def fma(self, a: float, b: float, c: float) -> float:
        self.flops.update(("multiplication", "addition"))
        return a * b + c

    def mul(self, a: float, b: float) -> float:
        self.flops.update(("multiplication",))
        return a * b


def random_problem(n: int, m: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = stream(seed, n, m)
    half_q, half_r = rng.standard_normal((n, n)), rng.standard_normal((m, m))
    return (
        rng.standard_normal((n, n)) / math.sqrt(n),
        rng.standard_normal((n, m)),
        half_q @ half_q.T + np.eye(n),
        half_r @ half_r.T + np.eye(m),
        0.2 * rng.standard_normal((m, n)),
    )


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_step_formula_and_its_flops(n: int, seed: int) -> None:
    rng, ops = stream(seed), Counting()
    a, w, x, z = rng.random((n, n)), rng.random((n, n)), rng.random(n), rng.random(n)
    w = w + w.T
    packed = [*a.ravel(), *(w[i, j] * (1 if i == j else 2) for i in range(n) for j in range(i, n))]
    new, cost = step_formula(ops, packed.__getitem__, list(x), z.__getitem__, 1.5)
    np.testing.assert_allclose(new, a @ x + z, rtol=1e-13)
    np.testing.assert_allclose(cost, 1.5 + (a @ x + z) @ w @ (a @ x + z), rtol=1e-13)
    assert ops.flops.total() == flops_per_step(n)


@pytest.mark.parametrize("law", NOISE_LAWS.values(), ids=lambda law: law.name)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_kernel_agrees_with_twin(law: NoiseLaw, n: int, m: int) -> None:
    problem, gamma, horizon, blocks = random_problem(n, m, 3), 0.9, 25, 3
    U = np.empty((blocks, m * n, BLOCK))
    draw_directions(stream(4), U)
    noise = law.draw(stream(5), blocks, horizon - 1, n)
    scale = math.sqrt(gamma) ** np.arange(1, horizon)
    found, expected, unperturbed = (np.empty((blocks, BLOCK)) for _ in range(3))
    reals = law.reals(noise, n)
    for radius, out, run, drawn in (
        (0.1, found, rollout_kernel(n, m, law.kind(n)), noise),
        (0.1, expected, twin.rollout_costs, reals),
        (0.0, unperturbed, twin.rollout_costs, reals),
    ):
        run(*problem, radius, U, drawn, scale, math.sqrt(gamma), out)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert not np.allclose(found, unperturbed, rtol=1e-3)  # the directions matter, so the agreement says something


def test_twin_is_the_sum_of_stage_costs() -> None:
    """C_h = Σ_{t<h} γᵗ(xᵀQx + uᵀRu), step by step, for one rollout and with the input written out."""
    A, B, Q, R, K = random_problem(3, 2, 8)
    z = NOISE_LAWS["cube"].sample(stream(9), (11,), 3)
    x, cost = np.zeros(3), 0.0
    for t in range(12):
        u = -K @ x
        cost += 0.8**t * (x @ Q @ x + u @ R @ u)
        if t < 11:
            x = A @ x + B @ u + z[t]
    found = twin.costs_of_rollouts(A, B, Q, R, K[None], z[:, None, :], 0.8)
    np.testing.assert_allclose(found, [cost], rtol=1e-12)


@pytest.mark.parametrize("kind", ["signs", "cube", "sphere", "reals"])
def test_horizon_one_costs_nothing(kind: Kind) -> None:
    noise = np.empty((2, 0, words_per_step(kind, 2)), np.uint64) if kind != "reals" else np.empty((2, 0, 2, BLOCK))
    costs = np.full((2, BLOCK), 7.0)
    rollout_kernel(2, 1, kind)(*random_problem(2, 1, 1), 0.1, np.ones((2, 2, BLOCK)), noise, np.empty(0), 0.9, costs)
    assert not costs.any()


def test_saturation_replaces_counts_and_ignores() -> None:
    costs = np.ones((2, BLOCK))
    costs[0, :6] = [np.nan, np.inf, -np.inf, 2 * SATURATION, SATURATION, -2 * SATURATION]
    costs[1, 10:] = np.nan
    assert saturate(costs, BLOCK + 10) == 5
    assert costs[0, :6].tolist() == [SATURATION] * 6
    assert np.all(costs[0, 6:] == 1)
    assert np.all(costs[1, :10] == 1)
    assert not costs[1, 10:].any()


@given(st.integers(1, 5), st.integers(0, 4), st.integers(0, 2**32))
def test_sums(blocks: int, D: int, seed: int) -> None:
    rng = stream(seed)
    costs, U, sums = rng.random((blocks, BLOCK)), rng.standard_normal((blocks, D, BLOCK)), np.zeros((D + 2, BLOCK))
    accumulate(costs, U, sums)
    expected = [*np.einsum("bl,bdl->d", costs, U), costs.sum(), np.sum(costs**2)]
    np.testing.assert_allclose(folded(sums), expected, rtol=1e-12, atol=1e-12)


def test_without_a_cache_directory_functions_still_compile() -> None:
    """Numba has no cache location for source that is in no file; a read-only installation raises the same error."""
    namespace: dict[str, Any] = {}
    exec("def double(x):\n    return 2 * x", namespace)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(namespace["double"])
    assert compiled(namespace["double"])(21) == 42


def test_sums_do_not_depend_on_the_split() -> None:
    rng = stream(1)
    costs, U = rng.random((9, BLOCK)), rng.standard_normal((9, 2, BLOCK))
    whole, parts = np.zeros((4, BLOCK)), np.zeros((4, BLOCK))
    accumulate(costs, U, whole)
    for first, last in ((0, 2), (2, 7), (7, 9)):
        accumulate(costs[first:last], U[first:last], parts)
    assert np.array_equal(whole, parts)
