"""The server: eqs (6), (7), (8) on hand-made cases, and messages counted where they pass."""

from __future__ import annotations

import numpy as np
import pytest

from pcpo.algorithms.protocol import Traffic
from pcpo.algorithms.server import Server
from pcpo.neighbourhoods import Neighbourhoods


def sets(*rows: str) -> np.ndarray:
    return np.array([[c == "x" for c in row] for row in rows])


def test_average_is_the_mean_over_each_agents_own_set() -> None:
    gradients = np.arange(6.0).reshape(3, 1, 2)
    averaged = Neighbourhoods.of(sets("xx.", "xxx", "..x")).average(gradients)
    np.testing.assert_array_equal(averaged[:, 0], [[1.0, 2.0], [2.0, 3.0], [4.0, 5.0]])


def test_equal_sets_get_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((7, 2, 3)) * 10.0 ** rng.integers(-8, 8, (7, 1, 1))
    averaged = Neighbourhoods.of(np.ones((7, 7), dtype=bool)).average(gradients)
    assert all(np.array_equal(averaged[0], other) for other in averaged[1:])


def test_pruning_keeps_a_difference_of_exactly_half_delta() -> None:
    pruned = Neighbourhoods.everyone(3).pruned(np.array([0.0, 1.0, 1.0 + 1e-12]), Delta=2.0)
    np.testing.assert_array_equal(pruned, sets("xx.", "xxx", ".xx"))


def test_pruning_is_symmetric_but_not_transitive() -> None:
    pruned = Neighbourhoods.everyone(3).pruned(np.array([0.0, 0.9, 1.8]), Delta=2.0)
    np.testing.assert_array_equal(pruned, sets("xx.", "xxx", ".xx"))
    np.testing.assert_array_equal(pruned.dense(), pruned.dense().T)


def test_an_eliminated_agent_never_comes_back() -> None:
    before = sets("x.", ".x")
    np.testing.assert_array_equal(Neighbourhoods.of(before).pruned(np.array([1.0, 1.0]), Delta=2.0), before)


def test_reinitialisation_takes_the_cheapest_and_breaks_ties_by_lowest_index() -> None:
    best = Neighbourhoods.of(sets("xxx.", "xxx.", "..x.", "xxxx")).cheapest(np.array([3.0, 1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(best, [1, 1, 2, 3])


def closing_arguments() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X = np.array([[[10.0]], [[20.0]], [[30.0]]])
    return X, np.array([5.0, 4.0, 9.0]), -X


def test_one_changed_set_reinitialises_every_agent_over_the_new_sets() -> None:
    server = Server(3)
    X, C, K = closing_arguments()
    closing = server.close_epoch(X, C, K, Delta=4.0)
    assert closing.reinitialised
    np.testing.assert_array_equal(server.neighbourhoods, sets("xx.", "xx.", "..x"))
    np.testing.assert_array_equal(closing.global_gains[:, 0, 0], [20.0, 20.0, 30.0])
    np.testing.assert_array_equal(closing.set_sizes, [2, 2, 1])


def test_touched_agents_alone_take_the_policy_if_asked() -> None:
    """Agents 0 and 1 stay together and 2 leaves 3: an agent is touched if its set holds one whose set changed."""
    server = Server(4)
    server.neighbourhoods = sets("xx..", "xx..", "..xx", "..xx")
    X = np.arange(4.0).reshape(4, 1, 1)
    closing = server.close_epoch(X, np.array([0.0, 0.1, 5.0, 9.0]), -X - 1, Delta=2.0, reset="touched")
    assert closing.reinitialised
    assert closing.global_gains.ravel().tolist() == [-1.0, -2.0, 2.0, 3.0]
    server.neighbourhoods = sets("xx..", "xxx.", ".xxx", "..xx")  # 1 leaves 2, which touches 0 and 3 too
    closing = server.close_epoch(X, np.array([0.0, 0.1, 5.0, 5.1]), -X - 1, Delta=2.0, reset="touched")
    assert closing.global_gains.ravel().tolist() == [0.0, 0.0, 2.0, 2.0]


def test_the_server_averages_over_the_sets_that_it_holds() -> None:
    server = Server(3)
    server.neighbourhoods = Neighbourhoods.of(sets("xx.", "xx.", "..x"))
    averaged = server.average(np.array([[[1.0]], [[3.0]], [[7.0]]]))
    np.testing.assert_array_equal(averaged[:, 0, 0], [2.0, 2.0, 7.0])


def test_the_server_remembers_who_was_eliminated_unless_told_otherwise() -> None:
    X, C, K = closing_arguments()
    for remember, after in ((True, sets("xx.", "xx.", "..x")), (False, sets("xxx", "xxx", "xxx"))):
        server = Server(3)
        server.close_epoch(X, C, K, Delta=4.0)
        closing = server.close_epoch(X, C, K, Delta=100.0, remember=remember)
        np.testing.assert_array_equal(server.neighbourhoods, after)
        assert closing.reinitialised is not remember


def test_without_a_change_the_global_gains_stay_unless_synchronised() -> None:
    X, C, K = closing_arguments()
    closing = Server(3).close_epoch(X, C, K, Delta=100.0)
    assert not closing.reinitialised
    np.testing.assert_array_equal(closing.global_gains, K)
    synchronised = Server(3).close_epoch(X, C, K, Delta=100.0, synchronise=True)
    assert synchronised.reinitialised
    np.testing.assert_array_equal(synchronised.global_gains[:, 0, 0], [20.0, 20.0, 20.0])


def test_before_separation_an_agent_can_be_handed_another_clusters_policy() -> None:
    """The mechanism of the destabilisation before separation: (8) minimises over a set that is not yet a cluster."""
    server = Server(3)
    X, C, K = np.array([[[1.0]], [[2.0]], [[3.0]]]), np.array([1.0, 1.4, 9.0]), np.zeros((3, 1, 1))
    closing = server.close_epoch(X, C, K, Delta=1.0)
    np.testing.assert_array_equal(closing.global_gains[:, 0, 0], [1.0, 1.0, 3.0])


def test_messages_and_bytes_are_counted_as_they_pass() -> None:
    server = Server(3)
    server.average(np.zeros((3, 2, 4)))
    assert server.traffic == Traffic(rounds=1, messages_up=3, messages_down=3, bytes_up=3 * 64, bytes_down=3 * 64)
    X, C, K = np.zeros((3, 2, 4)), np.zeros(3), np.zeros((3, 2, 4))
    server.close_epoch(X, C, K, Delta=1.0)
    assert server.traffic == Traffic(2, 6, 6, 3 * 64 + 3 * (64 + 8), 3 * 64 + 3 * 8)
    server.close_epoch(X, np.array([0.0, 0.0, 5.0]), K, Delta=1.0)
    assert server.traffic.bytes_down == 3 * 64 + 3 * 8 + 3 * (8 + 64)


def test_a_payload_needs_one_row_per_agent() -> None:
    with pytest.raises(ValueError, match=r"found 2 rows, expected one per agent \(3\)"):
        Server(3).up(np.zeros((2, 4)))


def test_a_broadcast_is_one_message_per_agent_with_the_whole_content() -> None:
    server = Server(4)
    server.broadcast(np.zeros((3, 1, 2)), np.zeros(3, dtype=np.int64))
    assert server.traffic == Traffic(messages_down=4, bytes_down=4 * (3 * 16 + 3 * 8))


def test_the_cheapest_gain_of_each_set_is_adopted() -> None:
    server = Server(3)
    server.neighbourhoods = Neighbourhoods.partition(np.array([7, 7, 2]))
    np.testing.assert_array_equal(server.neighbourhoods, sets("xx.", "xx.", "..x"))
    X, C, _ = closing_arguments()
    np.testing.assert_array_equal(server.adopt_cheapest(X, C).ravel(), [20.0, 20.0, 30.0])
    assert server.traffic == Traffic(1, 3, 3, 3 * 16, 3 * 8)


def test_an_epoch_may_close_without_elimination_or_without_reinitialisation() -> None:
    X, C, K = closing_arguments()
    kept, pruned = Server(3), Server(3)
    closing = kept.close_epoch(X, C, K, Delta=4.0, eliminate=False)
    assert kept.neighbourhoods.dense().all()
    assert not closing.reinitialised
    closing = pruned.close_epoch(X, C, K, Delta=4.0, reinitialise=False)
    np.testing.assert_array_equal(pruned.neighbourhoods, sets("xx.", "xx.", "..x"))
    assert not closing.reinitialised
    assert np.array_equal(closing.global_gains, K)
    np.testing.assert_array_equal(closing.set_sizes, [2, 2, 1])
