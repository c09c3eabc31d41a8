"""What all users of a gradient estimator share."""

from __future__ import annotations

import pytest

from pcpo.algorithms.estimators import baseline_rollouts


@pytest.mark.parametrize(
    ("minibatch", "expected"), [(1, 0), (2, 1), (3, 1), (4, 2), (99, 9), (100, 10), (10**18, 10**9)]
)
def test_a_baseline_has_the_root_of_the_rollouts_and_leaves_some(minibatch: int, expected: int) -> None:
    assert baseline_rollouts(minibatch) == expected
