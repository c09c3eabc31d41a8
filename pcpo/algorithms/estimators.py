"""Say what all users of a gradient estimator share: the rollouts of a baseline."""

from __future__ import annotations

from math import isqrt

__all__ = ["baseline_rollouts"]


def baseline_rollouts(minibatch: int) -> int:
    """Return ⌊√M⌋, below M: how many rollouts of a centred estimate go into the baseline.

    That number balances the noise of the baseline and its price.
    """
    return min(isqrt(minibatch), minibatch - 1)
