"""What all users of a gradient estimator share."""

from __future__ import annotations

import pytest

from pcpo.algorithms.estimators import baseline_rollouts, named_after
from pcpo.algorithms.registry import make_algorithm


@pytest.mark.parametrize(
    ("minibatch", "expected"), [(1, 0), (2, 1), (3, 1), (4, 2), (99, 9), (100, 10), (10**18, 10**9)]
)
def test_a_baseline_has_the_root_of_the_rollouts_and_leaves_some(minibatch: int, expected: int) -> None:
    assert baseline_rollouts(minibatch) == expected


def test_names_tell_estimators_apart() -> None:
    assert [named_after("local", name) for name in ("one_point", "centred")] == ["local", "local_centred"]
    assert make_algorithm("oracle_clusters", estimator="two_point").name == "oracle_clusters_two_point"
    assert make_algorithm("local").name == "local"
