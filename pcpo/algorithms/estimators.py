"""Say what all users of a gradient estimator share: the rollouts of a baseline, and names of methods."""

from __future__ import annotations

from math import isqrt

__all__ = ["baseline_rollouts", "named_after"]


def baseline_rollouts(minibatch: int) -> int:
    """Return ⌊√M⌋, below M: how many rollouts of a centred estimate go into the baseline.

    That number balances the noise of the baseline and its price.
    """
    return min(isqrt(minibatch), minibatch - 1)


def named_after(method: str, estimator: str) -> str:
    """Return the name of a method with this estimator, which appears in it if it is not that of (5)."""
    return method if estimator == "one_point" else f"{method}_{estimator}"
