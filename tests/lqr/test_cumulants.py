"""Cumulants of a rollout: those of every value of the noise, by exact rules of summation for each law."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pcpo import lqr
from pcpo.errors import FleetError
from pcpo.fleets.examples import SYSTEMS
from pcpo.lqr.cumulants import cost_cumulants
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import NOISE_LAWS, noise_law

LAWS = sorted(NOISE_LAWS)


def one_step(law: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors z and weights with the moments of a law up to degree 9, which κ_4 of a quadratic form needs."""
    if law == "sphere":
        nodes, weights = lqr.sphere_rule(n, 5)
        return np.sqrt(n) * nodes, weights
    points, of_point = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    if law == "cube":
        # Gauss's rule for 2^16 equispaced points of variance 1, by the recurrence of their orthogonal polynomials.
        j, N = np.arange(1.0, 5.0), 2.0**16
        off = np.sqrt(3 / (N**2 - 1) * j**2 * (N**2 - j**2) / (4 * j**2 - 1))
        points, vectors = np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))
        of_point = vectors[0] ** 2
    index = np.array(list(itertools.product(range(len(points)), repeat=n)))
    return points[index], of_point[index].prod(axis=1)


def cumulants(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    d = x - weights @ x
    second = weights @ d**2
    return np.array([second, weights @ d**3, weights @ d**4 - 3 * second**2])


def simulated(system: LinearSystem, K: np.ndarray, law: str, h: int) -> np.ndarray:
    """Simulate every sequence of noise vectors."""
    z, weights = one_step(law, system.n)
    index = np.array(list(itertools.product(range(len(z)), repeat=h - 1)))
    x, total = np.zeros((len(index), system.n)), np.zeros(len(index))
    for t in range(h):
        u = -x @ K.T
        stage = ((x @ system.Q) * x).sum(axis=1) + ((u @ system.R) * u).sum(axis=1)
        total += system.gamma**t * (stage + 2 * ((x @ system.N) * u).sum(axis=1))
        if t < h - 1:
            x = x @ system.A.T + u @ system.B.T + z[index[:, t]]
    return cumulants(total, weights[index].prod(axis=1))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("name", "h"), [("scalar", 8), ("two", 4), ("three", 3)])
def test_cumulants_are_those_of_all_sequences_of_noise(name: str, h: int, law: str) -> None:
    system = SYSTEMS[name]
    gains = lqr.riccati(system).K + np.array([0.0, 0.1])[:, None, None]
    expected = np.stack([simulated(system, K, law, h) for K in gains], axis=1)
    found = cost_cumulants(system, gains, noise_law(law), h)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    for other in set(LAWS) - {law}:  # the comparison tells the laws apart
        if system.n > 1 or "cube" in (law, other):
            assert not np.allclose(cost_cumulants(system, gains, noise_law(other), h), expected, rtol=1e-3)


def test_cumulants_with_a_cross_term_of_the_stage_cost() -> None:
    plain = SYSTEMS["two"]
    system = LinearSystem(plain.A, plain.B, plain.Q, plain.R, plain.gamma, N=np.array([[0.2], [-0.1]]))
    K = lqr.riccati(system).K + 0.1
    found = cost_cumulants(system, K[None], noise_law("signs"), 6)[:, 0]
    np.testing.assert_allclose(found, simulated(system, K, "signs", 6), rtol=1e-9)


@pytest.mark.parametrize("law", LAWS)
def test_moments_of_a_form_are_those_of_its_law(law: str) -> None:
    rng = np.random.default_rng(3)
    P = rng.standard_normal((4, 3, 3))
    P = P + P.transpose(0, 2, 1)
    z, weights = one_step(law, 3)
    found, fourth = noise_law(law).form_moments(P), noise_law(law).fourth_cumulant(3)
    for k, matrix in enumerate(P):
        form = ((z @ matrix) * z).sum(axis=1)
        np.testing.assert_allclose(
            [found.second[k], found.third[k], found.fourth[k]], cumulants(form, weights), rtol=1e-10
        )
        centred = (form - np.trace(matrix)) ** 2
        square = np.einsum("q,qi,qj->ij", weights * centred, z, z) - (weights @ centred) * np.eye(3)
        np.testing.assert_allclose(found.square[k], square, atol=1e-10 * np.abs(square).max())
        tensor = np.einsum("q,qi,qj->ij", weights * form, z, z) - np.trace(matrix) * np.eye(3) - 2 * matrix
        np.testing.assert_allclose(fourth.contracted(matrix), tensor, atol=1e-10)
        assert fourth.product(matrix, P[0]) == pytest.approx(np.sum(tensor * P[0]), abs=1e-9)
        along = z @ matrix
        kappa = np.einsum("q,qa,qb,qc,qd->abcd", weights, along, along, along, along)
        kappa -= sum(np.einsum(f"{s},{t}->abcd", matrix @ matrix, matrix @ matrix) for s, t in PAIRS)
        own = np.einsum("q,qa,qb,qc,qd->abcd", weights, z, z, z, z)
        own -= sum(np.einsum(f"{s},{t}->abcd", np.eye(3), np.eye(3)) for s, t in PAIRS)
        assert fourth.carried(matrix) == pytest.approx(np.sum(kappa * own), rel=1e-9)
    np.testing.assert_allclose(found.second, noise_law(law).quartic_term(P), rtol=1e-12)


PAIRS = (("ab", "cd"), ("ac", "bd"), ("ad", "bc"))


@pytest.mark.parametrize("law", LAWS)
def test_without_an_end_they_are_those_of_long_rollouts(law: str) -> None:
    for name in ("scalar", "two", "three", "edge"):
        system = SYSTEMS[name]
        K = lqr.riccati(system).K[None] + 0.1
        endless, long = cost_cumulants(system, K, noise_law(law)), cost_cumulants(system, K, noise_law(law), 300)
        np.testing.assert_allclose(endless, long, rtol=1e-9)
        assert endless[0, 0] == pytest.approx(lqr.rollout_variance(system, K[0], noise_law(law)), rel=1e-10)


def test_a_closed_loop_that_grows_more_slowly_than_it_is_discounted() -> None:
    """ρ(A_K) = 1.03 and √γ ρ(A_K) = .95: states grow, costs do not."""
    system = LinearSystem([[1.03, 0.1], [0.0, 0.9]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.85)
    K = np.zeros((1, 1, 2))
    found = cost_cumulants(system, K, noise_law("cube"))
    np.testing.assert_allclose(found, cost_cumulants(system, K, noise_law("cube"), 400), rtol=1e-8)


def test_infinite_where_the_cost_is_and_refused_where_no_loop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    system = SYSTEMS["scalar"]
    gains = np.array([[[0.5]], [[5.0]]])
    found = cost_cumulants(system, gains, noise_law("signs"))
    assert np.isfinite(found[:, 0]).all()
    assert np.isinf(found[:, 1]).all()
    monkeypatch.setattr("pcpo.lqr.cumulants.MOST_LAGS", 20)
    with pytest.raises(FleetError, match=r"gamma: found 0\.9, expected it further below 1: more than 20 lags"):
        cost_cumulants(system, np.zeros((1, 1, 1)), noise_law("signs"))


def test_the_gains_of_a_stack_do_not_depend_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    system = SYSTEMS["three"]
    gains = lqr.riccati(system).K + np.linspace(0, 0.1, 7)[:, None, None]
    whole = cost_cumulants(system, gains, noise_law("signs"))
    monkeypatch.setattr("pcpo.lqr.cumulants._CHUNK_ENTRIES", 18)
    np.testing.assert_allclose(cost_cumulants(system, gains, noise_law("signs")), whole, rtol=1e-10)
