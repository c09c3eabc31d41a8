"""Neighbourhood sets as intervals and blocks: every answer beside that of plain N × N matrices, on random sequences."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pcpo import neighbourhoods
from pcpo.algorithms.protocol import EpochReport, Traffic
from pcpo.algorithms.server import Server
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.storage.checkpoints import Checkpoint

LARGE = 10_000


@pytest.fixture(params=["lists", "blocks"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Sets as lists of agents, and as blocks of a tree however few the agents are."""
    if request.param == "blocks":
        monkeypatch.setattr(neighbourhoods, "_SMALL", 0)
        monkeypatch.setattr(neighbourhoods, "_LISTED", 0)
    return str(request.param)


def estimates(rng: np.random.Generator, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Draw estimates around the costs of clusters, with ties, saturated and lost ones, and Δ."""
    N = len(labels)
    costs = labels + rng.standard_normal(N) * rng.choice([0.0, 0.01, 0.3])
    if rng.random() < 0.3:
        costs = np.round(4 * costs) / 4  # ties, and differences of exactly Δ/2
    if rng.random() < 0.3:
        costs[rng.integers(0, N, 2)] = rng.choice([1e100, -1e100, 1.7e308])
    return costs, float(rng.choice([0.0, 0.1, 0.5, 1.0, 2.0, 3.0]))


def twin(sets: np.ndarray, costs: np.ndarray, Delta: float) -> np.ndarray:
    """Prune by (7) as it is printed."""
    with np.errstate(invalid="ignore", over="ignore"):
        return sets & (np.abs(costs[:, None] - costs[None, :]) <= Delta / 2)


def agree(found: Neighbourhoods, sets: np.ndarray, rng: np.random.Generator, labels: np.ndarray) -> None:
    N = len(sets)
    np.testing.assert_array_equal(found, sets)
    np.testing.assert_array_equal(found.sizes, sets.sum(axis=1))
    assert found.count == len(np.unique(sets, axis=0))
    assert all(np.array_equal(a, np.flatnonzero(b)) for a, b in zip(found.lists(), sets, strict=True))
    np.testing.assert_array_equal(found.correct(labels), (sets == (labels[:, None] == labels)).all(axis=1))
    pairs = [[sets[np.ix_(labels == a, labels == b)].sum() for b in range(labels.max() + 1)] for a in np.unique(labels)]
    np.testing.assert_array_equal(found.pairs(labels), pairs)
    if not sets.any(axis=1).all():
        with pytest.raises(ValueError, match=f"found an empty set for agent {np.argmin(sets.any(axis=1))}"):
            found.average(np.zeros((N, 1, 2)))
        return
    costs = np.round(3 * rng.standard_normal(N))
    np.testing.assert_array_equal(found.cheapest(costs), np.argmin(np.where(sets, costs, np.inf), axis=1))
    values = rng.standard_normal((N, 2, 2))
    averaged = found.average(values)
    np.testing.assert_allclose(averaged, np.stack([values[row].sum(axis=0) / row.sum() for row in sets]), atol=1e-13)
    for same in (np.flatnonzero((sets == sets[0]).all(axis=1)),):
        assert len({averaged[i].tobytes() for i in same}) == 1


@pytest.mark.parametrize("seed", range(60))
def test_every_answer_is_that_of_matrices(kind: str, seed: int) -> None:
    """Sequences of up to four epochs, between which sets may go through a matrix, as a user's do."""
    rng = np.random.default_rng(seed)
    N = int(rng.integers(1, 50))
    labels = np.unique(rng.integers(0, rng.integers(1, 5), N), return_inverse=True)[1]
    sets, found = np.ones((N, N), dtype=bool), Neighbourhoods.everyone(N)
    for _ in range(4):
        costs, Delta = estimates(rng, labels)
        sets, found = twin(sets, costs, Delta), found.pruned(costs, Delta)
        agree(found, sets, rng, labels)
        if rng.random() < 0.25:
            found = Neighbourhoods.of(sets)
            agree(found, sets, rng, labels)


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_lost_estimate_leaves_an_agent_without_a_set(kind: str, lost: float) -> None:
    """As (7) says of numbers that are none; the server then stops, with the agent's number."""
    rng, labels = np.random.default_rng(0), np.array([0, 0, 1, 1, 1])
    costs = np.array([1.0, 1.1, lost, 5.0, 5.1])
    found = Neighbourhoods.everyone(5).pruned(costs, 2.0)
    agree(found, twin(np.ones((5, 5), dtype=bool), costs, 2.0), rng, labels)
    everyone = Neighbourhoods.everyone(3).pruned(np.full(3, lost), 2.0)
    assert not everyone.dense().any()
    server, X = Server(5), np.zeros((5, 1, 1))
    with pytest.raises(ValueError, match="found an empty set for agent 2"):
        server.close_epoch(X, costs, X, 2.0)


def test_any_matrix_of_a_user_is_taken(kind: str) -> None:
    """Sets that are neither symmetric nor reflexive; pruned further, they are intersected."""
    rng, labels = np.random.default_rng(3), np.zeros(9, dtype=np.int64)
    matrix = rng.random((9, 9)) < 0.4
    matrix[:, 0] = True
    kept = matrix.copy()
    found = Neighbourhoods.of(matrix)
    matrix[:] = False  # what the user does to it later is nothing to the sets
    agree(found, kept, rng, labels)
    costs = rng.standard_normal(9)
    agree(found.pruned(costs, 2.0), twin(kept, costs, 2.0), rng, labels)
    server = Server(9)
    server.neighbourhoods = kept
    np.testing.assert_array_equal(server.neighbourhoods, kept)
    for wrong, words in (
        (kept.astype(float), "type float64"),
        (kept[:4], r"shape \(4, 9\)"),
        (kept[:4, :4], "found 4"),
    ):
        with pytest.raises(ValueError, match=words):
            server.neighbourhoods = wrong


def test_reports_take_matrices_too() -> None:
    N = 4
    given = np.eye(N, dtype=bool)
    names = ("plan", "local_gains", "global_gains", "cost_estimates", "radii_global", "global_cap_active", "nonfinite")
    report = EpochReport(
        **dict.fromkeys(names), neighbourhoods=given, reinitialised=False, rollouts=1, traffic=Traffic()
    )  # type: ignore[arg-type]
    np.testing.assert_array_equal(report.neighbourhoods.sizes, np.ones(N))


def overlapping(N: int, epochs: int, seed: int = 0) -> Neighbourhoods:
    """Return sets of agents in ten clusters that overlap: no partition, and nearly as many sets as agents."""
    rng = np.random.default_rng(seed)
    found, labels = Neighbourhoods.everyone(N), np.arange(N) % 10
    for k in range(epochs):
        found = found.pruned(labels + 0.5**k * 0.5 * rng.standard_normal(N), 4 * 0.5**k)
    return found


def test_an_enormous_gradient_changes_no_digit_of_other_sets() -> None:
    """A saturated agent, in a set of its own and in the sets of others.  Control: differences of prefix sums."""
    N = 2000
    rng = np.random.default_rng(1)
    costs = np.sort(rng.uniform(0, 10, N))
    costs[0] = 1e100
    found = Neighbourhoods.everyone(N).pruned(costs, 2.0)
    assert found.cover.inner > 0
    g = rng.standard_normal((N, 1, 2))
    before = found.average(g)
    g[0] = 1e200
    after = found.average(g)
    inside = found.dense()[:, 0]
    assert inside.sum() == 1
    np.testing.assert_array_equal(after[~inside], before[~inside])
    neighbour = int(np.argmin(np.abs(costs - 5)))
    g[neighbour] = 1e200
    touched = found.dense()[:, neighbour]
    assert 100 < touched.sum() < 500
    np.testing.assert_array_equal(found.average(g)[~touched], before[~touched] * ~inside[~touched, None, None]
                                  + after[~touched] * inside[~touched, None, None])  # fmt: skip
    assert (found.average(g)[touched] > 1e190).all()
    sums = np.concatenate([[0.0], np.cumsum(g[:, 0, 0])])
    last = np.flatnonzero(found.dense()[-1])
    assert abs((sums[last[-1] + 1] - sums[last[0]]) / len(last) - before[-1, 0, 0]) > 1e-3


def test_sums_of_blocks_are_as_exact_as_sums_of_agents() -> None:
    found = overlapping(1500, 2)
    assert found.cover.inner > 0
    values = np.random.default_rng(2).standard_normal((1500, 1, 2))
    exact = np.stack([values[members].astype(np.longdouble).mean(axis=0) for members in found.lists()])
    assert np.abs(found.average(values) - exact).max() < 4e-16


def test_ten_thousand_agents_take_seconds() -> None:
    """Nearly as many sets as agents, whose matrix would have 10^8 entries in every round."""
    start = time.process_time()
    found = overlapping(LARGE, 3)
    assert found.count > LARGE / 4
    assert len(found.cover.blocks) < 100 * LARGE
    values = np.random.default_rng(0).standard_normal((LARGE, 1, 2))
    for _ in range(10):
        found.average(values)
    agent = 4321
    np.testing.assert_allclose(found.average(values)[agent], values[found.members(agent)].mean(axis=0), atol=1e-13)
    assert time.process_time() - start < 20, "one second where it was measured"


def test_sets_survive_a_checkpoint_with_their_bits(tmp_path) -> None:  # type: ignore[no-untyped-def]
    checkpoint, found = Checkpoint(tmp_path / "x.npz", "key"), overlapping(700, 2)
    checkpoint.write(found, 1, {})
    kept = checkpoint.read(Neighbourhoods, {})
    assert kept is not None
    values = np.random.default_rng(0).standard_normal((700, 2, 1))
    np.testing.assert_array_equal(kept.average(values), found.average(values))
    np.testing.assert_array_equal(kept, found)
