"""Compiled cumulants: those of NumPy, gain by gain, for every size, law and discount."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo import lqr
from pcpo.errors import FleetError
from pcpo.fleets.examples import SYSTEMS
from pcpo.lqr.cost import solve_stein
from pcpo.lqr.cumulants import PLAIN, cost_cumulants
from pcpo.lqr.forms import FourthCumulant
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import NOISE_LAWS, noise_law
from pcpo.theory import cumulant_kernels
from pcpo.theory.cumulant_kernels import cumulants_of, mean_costs

LAWS = sorted(NOISE_LAWS)
SIZES = [(n, m) for n in range(1, 7) for m in (1, 2)]


def random_system(n: int, m: int, gamma: float, rng: np.random.Generator) -> LinearSystem:
    """Draw a system whose open loop has infinite cost."""
    A = rng.standard_normal((n, n))
    A *= 1.1 / np.sqrt(gamma) / np.abs(np.linalg.eigvals(A)).max()
    root = rng.standard_normal((n, n))
    B, Q = rng.standard_normal((n, m)) / np.sqrt(n), root @ root.T + 0.3 * np.eye(n)
    return LinearSystem(A, B, Q, np.eye(m), gamma, N=0.1 * B)


def gains_about(system: LinearSystem, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw gains near K*, and the last at zero, where the cost is infinite."""
    U = rng.standard_normal((count, system.m, system.n))
    K = lqr.riccati(system).K + 0.1 * rng.random((count, 1, 1)) * U
    K[-1] = 0.0
    return K


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_they_are_those_of_numpy(n: int, m: int) -> None:
    rng = np.random.default_rng(10 * n + m)
    for gamma in (0.8, 0.95):
        system = random_system(n, m, gamma, rng)
        gains = gains_about(system, 11, rng)  # two groups, the second not full
        np.testing.assert_allclose(mean_costs(system, gains), lqr.cost_array(system, gains), rtol=1e-12)
        found = {law: cumulants_of(system, gains, noise_law(law)) for law in LAWS}
        for law in LAWS:
            expected = cost_cumulants(system, gains, noise_law(law))
            assert np.isinf(found[law][:, -1]).all()
            assert np.isfinite(found[law]).any(axis=1).all()
            np.testing.assert_allclose(found[law], expected, rtol=1e-10)
            for other in set(LAWS) - {law}:  # the comparison tells the laws apart
                if n > 1 or "cube" in (law, other):
                    assert not np.allclose(found[other], expected, rtol=1e-3)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (-1.2, 0.0), (0.0, -0.9), (-1.2, 0.7)])
def test_the_sum_over_lags_for_any_fourth_cumulant(alpha: float, beta: float) -> None:
    rng = np.random.default_rng(5)
    A, P, Q = rng.standard_normal((3, 9, 4, 4))
    A *= rng.uniform(0.3, 1.05, (9, 1, 1)) / np.abs(np.linalg.eigvals(A)).max(axis=1)[:, None, None]
    P, Q = P @ P.transpose(0, 2, 1), Q @ Q.transpose(0, 2, 1)
    arguments = 0.9, A, P, Q
    found = cumulant_kernels._COMPILED.over_lags(*arguments, FourthCumulant(alpha, beta))
    np.testing.assert_allclose(found, PLAIN.over_lags(*arguments, FourthCumulant(alpha, beta)), rtol=1e-10)
    other = PLAIN.over_lags(*arguments, FourthCumulant(alpha + 0.01, beta - 0.01))
    assert np.abs(found / other - 1).min() > 1e-6


def test_a_stein_equation_without_a_solution_does_not_touch_its_neighbours() -> None:
    rng = np.random.default_rng(6)
    M, W = rng.standard_normal((10, 3, 3)), rng.standard_normal((10, 3, 3))
    radii = np.array([0.0, 0.5, 0.999, 1.0, 1.5, 1e6, 0.3, 0.9, 0.7, 1.01])
    M *= (radii / np.abs(np.linalg.eigvals(M)).max(axis=1))[:, None, None]
    found, solvable = cumulant_kernels._COMPILED.solve(M, W), radii < 1.0
    assert np.isinf(found[~solvable]).all()
    np.testing.assert_allclose(found[solvable], solve_stein(M[solvable], W[solvable]), rtol=1e-9)
    rest = found[solvable] - M[solvable].transpose(0, 2, 1) @ found[solvable] @ M[solvable]
    np.testing.assert_allclose(rest, W[solvable], atol=1e-9 * np.abs(found[solvable]).max())


def test_the_gains_of_a_group_do_not_depend_on_each_other() -> None:
    rng, law = np.random.default_rng(7), noise_law("cube")
    system = random_system(3, 1, 0.9, rng)
    gains = gains_about(system, 13, rng)
    whole = cumulants_of(system, gains, law)
    alone = np.concatenate([cumulants_of(system, K[None], law) for K in gains], axis=1)
    np.testing.assert_allclose(whole, alone, rtol=1e-13)


def test_no_loop_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcpo.lqr.cumulants.MOST_LAGS", 20)
    with pytest.raises(FleetError, match=r"gamma: found 0\.9, expected it further below 1: more than 20 lags"):
        cumulants_of(SYSTEMS["scalar"], np.zeros((1, 1, 1)), noise_law("signs"))


def test_large_systems_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    system, law = SYSTEMS["three"], noise_law("sphere")
    gains = lqr.riccati(system).K[None] + 0.1
    compiled = cumulants_of(system, gains, law)
    monkeypatch.setattr(cumulant_kernels, "_MOST_STATES", 2)
    for kernel in ("solve_kernel", "lags_kernel"):
        monkeypatch.setattr(cumulant_kernels, kernel, None)
    np.testing.assert_array_equal(cumulants_of(system, gains, law), cost_cumulants(system, gains, law))
    np.testing.assert_array_equal(mean_costs(system, gains), lqr.cost_array(system, gains))
    np.testing.assert_allclose(compiled, cost_cumulants(system, gains, law), rtol=1e-10)
