"""Systems and fleets: what is refused, in which words, and what a fleet knows of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcpo.errors import FleetError
from pcpo.fleets.fleet import MAX_AGENTS, Fleet, LinearSystem
from pcpo.lqr import riccati
from pcpo.lqr.modes import controllable_dimension

GOOD: dict[str, Any] = {
    "A": [[0.9, 0.3], [0.0, 0.8]],
    "B": [[0.0], [1.0]],
    "Q": [[1.0, 0.0], [0.0, 1.0]],
    "R": [[1.0]],
    "gamma": 0.8,
}


def system(**changes: Any) -> LinearSystem:
    return LinearSystem(**{**GOOD, **changes})


def fleet(**changes: Any) -> Fleet:
    other = system(A=[[0.5, 0.3], [0.1, 0.2]])
    fields = {"name": "two", "systems": (system(), other), "labels": [0, 1, 1], "initial_gains": np.zeros((3, 1, 2))}
    return Fleet(**{**fields, **changes})


def test_arrays_are_read_only_contiguous_copies() -> None:
    A = np.asfortranarray(np.array(GOOD["A"]))
    s = system(A=A)
    A[0, 0] = 7.0
    assert s.A[0, 0] == 0.9
    assert s.A.dtype == np.float64
    assert s.A.flags.c_contiguous
    assert (s.n, s.m, s.D) == (2, 1, 2)
    with pytest.raises(ValueError, match="read-only"):
        s.A[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        riccati(s).K[0, 0] = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"A": [[0.9, 0.3]]}, r"A: found shape \(1, 2\), expected \(1, 1\)"),
        ({"A": [0.9, 0.3]}, r"A: found shape \(2,\), expected a matrix"),
        ({"A": [[0.9, 0.3], [0.0]]}, r"A: found rows of unequal length"),
        ({"A": np.zeros((0, 0))}, r"A: found shape \(0, 0\)"),
        ({"A": [["0.9", "0.3"], ["0", "0.8"]]}, r"A: found entries of type <U3, expected real numbers"),
        ({"A": [[1j, 0.3], [0.0, 0.8]]}, r"A: found entries of type complex128"),
        ({"A": [[True, False], [False, True]]}, r"A: found entries of type bool"),
        ({"A": [[0.9, np.nan], [0.0, 0.8]]}, r"A: found nan at index \(0, 1\), expected finite"),
        ({"B": [[0.0], [np.inf]]}, r"B: found inf at index \(1, 0\)"),
        ({"A": [[1e13, 0.3], [0.0, 0.8]]}, r"A: found an entry of size 1e\+13"),
        ({"B": [[1.0]]}, r"B: found shape \(1, 1\), expected \(2, 1\)"),
        ({"Q": [[1.0]]}, r"Q: found shape \(1, 1\), expected \(2, 2\)"),
        ({"R": [[1.0, 0.0], [0.0, 1.0]]}, r"R: found shape \(2, 2\), expected \(1, 1\)"),
        ({"Q": [[1.0, 0.5], [0.4, 1.0]]}, r"Q: found entries that differ from the transpose by 0\.1, .*symmetric"),
        ({"Q": [[1.0, 2.0], [2.0, 1.0]]}, r"Q: found smallest eigenvalue -1, expected a positive semidefinite"),
        ({"Q": [[1.0, 1.0], [1.0, 1.0 - 1e-11]]}, r"Q: found smallest eigenvalue -5e-12, expected a positive semidef"),
        ({"Q": [[1.0, 0.5], [0.5 + 2e-6, 1.0]]}, r"Q: found entries that differ from the transpose by 2e-06"),
        ({"R": [[0.0]]}, r"R: found smallest eigenvalue 0, expected"),
        ({"R": [[-1.0]]}, r"R: found smallest eigenvalue -1, expected"),
        ({"gamma": 0.0}, r"gamma: found 0\.0, expected 0 < gamma < 1"),
        ({"gamma": 1.0}, r"gamma: found 1\.0, expected 0 < gamma < 1"),
        ({"gamma": np.nan}, r"gamma: found nan, expected"),
        ({"gamma": "0.8"}, r"gamma: found '0\.8', expected a number"),
        ({"gamma": True}, r"gamma: found True, expected a number"),
        (
            {"A": [[0.9, 0.3], [0.0, 1.2]], "B": [[1.0], [0.0]]},
            r"\(A, B\): found the mode 1\.2 of A, sqrt\(gamma\)·\|mode\| = 1\.07\d+, which no input reaches, "
            r"expected a stabilisable pair",
        ),
        (
            {"A": [[0.5, 2.0], [-2.0, 0.5]], "B": [[0.0], [0.0]]},
            r"\(A, B\): found the mode 0\.5[+-]2j of A, .* which no input reaches",
        ),
        (
            {"A": [[1.2, 0.3], [0.0, 0.8]], "Q": [[0.0, 0.0], [0.0, 1.0]]},
            r"\(A, Q\): found the mode 1\.2 of A, sqrt\(gamma\)·\|mode\| = 1\.07\d+, which costs nothing, expected a "
            r"detectable pair",
        ),
        ({"N": [[1.0]]}, r"N: found shape \(1, 1\), expected \(2, 1\) \(the shape of B"),
        ({"N": [[0.0], [np.nan]]}, r"N: found nan at index \(1, 0\)"),
        (
            {"N": [[2.0], [0.0]]},
            r"Q - N R\^-1 N', the cost of the state under the best input: found smallest eigenvalue -3, expected",
        ),
        (
            {"A": [[0.9, 0.3], [0.0, 1.2]], "B": [[1.0], [0.0]], "N": [[0.1], [0.0]]},
            r"with A - B R\^-1 N' for A .*: \(A, B\): found the mode 1\.2",
        ),
        ({"A": np.eye(60), "B": np.eye(60), "Q": np.eye(60), "R": np.eye(60)}, r"found n = 60 states .* at most 50"),
    ],
)
def test_bad_systems_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        system(**change)


class TestControllability:
    @given(seed=st.integers(0, 2000), n=st.integers(2, 6), scale=st.sampled_from([1e-8, 1.0, 1e8]))
    def test_hidden_uncontrollable_mode_is_found(self, seed: int, n: int, scale: float) -> None:
        """A block that B does not reach, in random coordinates; with a double eigenvalue across the two blocks."""
        rng = np.random.default_rng(seed)
        A, B = rng.standard_normal((n, n)), rng.standard_normal((n, 1))
        A[n - 1, : n - 1], B[n - 1] = 0.0, 0.0
        A[n - 1, n - 1] = np.linalg.eigvals(A[: n - 1, : n - 1])[0].real
        V, _ = np.linalg.qr(rng.standard_normal((n, n)))
        assert controllable_dimension(V @ A @ V.T, scale * (V @ B)) == n - 1

    @given(seed=st.integers(0, 2000), n=st.integers(1, 6), scale=st.sampled_from([1e-8, 1.0, 1e8]))
    def test_generic_pairs_pass_whatever_their_units(self, seed: int, n: int, scale: float) -> None:
        rng = np.random.default_rng(seed)
        A, B = rng.standard_normal((n, n)), scale * rng.standard_normal((n, 1))
        assert controllable_dimension(A, B) == n

    def test_a_jordan_chain_is_controllable_from_its_end_only(self) -> None:
        A = 0.5 * np.eye(8) + np.diag(np.ones(7), 1)
        assert controllable_dimension(A, np.eye(8)[:, 7:]) == 8
        assert controllable_dimension(A, np.eye(8)[:, :1]) == 1

    def test_zero_dynamics(self) -> None:
        assert controllable_dimension(np.zeros((2, 2)), np.eye(2)) == 2
        assert controllable_dimension(np.zeros((2, 2)), np.zeros((2, 1))) == 0


def test_what_a_fleet_knows_of_itself() -> None:
    f = fleet()
    assert (f.N, f.H, f.n, f.m, f.D, f.gamma) == (3, 2, 2, 1, 2, 0.8)
    assert [c.tolist() for c in f.clusters] == [[0], [1, 2]]
    assert f.system_of(2) is f.systems[1]
    assert f.optimal_costs.tolist() == [riccati(s).cost for s in f.systems]
    assert f.optimal_gains.shape == (2, 1, 2)
    assert f.separation == abs(f.optimal_costs[0] - f.optimal_costs[1]) > 0
    np.testing.assert_array_equal(f.stacked.A[2], f.systems[1].A)
    assert not f.labels.flags.writeable
    assert not f.initial_gains.flags.writeable


def test_separation_is_the_smallest_of_the_pairs() -> None:
    systems = tuple(system(Q=q * np.eye(2), R=[[q]]) for q in (1.0, 4.0, 3.5))
    f = fleet(systems=systems, labels=[0, 1, 2])
    assert f.separation == pytest.approx(0.5 * riccati(systems[0]).cost, rel=1e-12)


def test_one_cluster_has_infinite_separation() -> None:
    assert fleet(systems=(system(),), labels=[0, 0, 0]).separation == np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " "}, r"name: found no text"),
        ({"name": 3}, r"name: found int, expected text"),
        ({"source": "x" * 10_001}, r"source: found str, expected text, at most 10000"),
        ({"systems": ()}, r"systems: found none"),
        ({"systems": (system(), "x")}, r"cluster 1: found a str, expected a LinearSystem"),
        ({"systems": (system(), system(gamma=0.9))}, r"cluster 1: found gamma = 0\.9, expected 0\.8"),
        (
            {"systems": (system(), LinearSystem([[0.5]], [[1.0]], [[1.0]], [[1.0]], 0.8))},
            r"cluster 1: found \(n, m\) = \(1, 1\), expected \(2, 1\)",
        ),
        ({"labels": [0, 1, 2]}, r"labels: found 2 for agent 2, expected 0 to 1"),
        ({"labels": [0, -1, 1]}, r"labels: found -1 for agent 1"),
        ({"labels": [0, 0, 0]}, r"labels: found no agent in cluster 1"),
        ({"labels": [0.0, 1.0, 1.0]}, r"labels: found shape \(3,\) of type float64"),
        ({"labels": []}, r"labels: found shape \(0,\)"),
        ({"labels": np.zeros(MAX_AGENTS + 1, dtype=int)}, r"labels: found 10001 agents, expected at most 10000"),
        ({"initial_gains": np.zeros((2, 1, 2))}, r"initial_gains: found shape \(2, 1, 2\), expected .* \(3, 1, 2\)"),
        ({"initial_gains": np.full((3, 1, 2), np.nan)}, r"initial_gains: found nan"),
        (
            {"initial_gains": np.array([[[0.0, 0.0]], [[0.0, 0.0]], [[0.0, -1.5]]])},
            r"found sqrt\(gamma\) rho\(A - BK\) = 1\.5\d+ for agent 2 of cluster 1, expected less than 1",
        ),
        ({"systems": (system(), system())}, "clusters 0 and 1: found the same system twice, expected one cluster"),
    ],
)
def test_bad_fleets_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        fleet(**change)


def test_too_many_gain_entries_are_refused_before_anything_is_stacked() -> None:
    big = LinearSystem(0.5 * np.eye(40), np.eye(40), np.eye(40), np.eye(40), 0.9)
    with pytest.raises(FleetError, match="N m n = 16000000, expected at most 4000000"):
        Fleet("big", (big,), np.zeros(10_000, dtype=int), np.zeros((1, 40, 40)))


def test_equal_costs_by_similarity_are_named_and_a_small_difference_is_not() -> None:
    """Other dynamics, same cost: a rotation of the state. A relative difference of 1e-8 is a separation."""
    s, angle = system(), 0.7
    V = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    rotated = LinearSystem(V @ s.A @ V.T, V @ s.B, np.eye(2), s.R, 0.8)
    equal = fleet(systems=(s, rotated))
    assert equal.equal_costs == (0, 1)
    found = r"clusters 0 and 1: found equal optimal costs 16\.76\d+ and 16\.76\d+, expected .* for pcpo, which tells"
    with pytest.raises(FleetError, match=found):
        equal.require_separation("pcpo")
    scaled = LinearSystem(V @ s.A @ V.T, V @ s.B, (1 + 1e-8) * np.eye(2), (1 + 1e-8) * s.R, 0.8)
    apart = fleet(systems=(s, scaled))
    assert apart.equal_costs is None
    apart.require_separation("pcpo")
    assert apart.separation == pytest.approx(1e-8 * riccati(s).cost, rel=1e-5)
