"""Choose Δ_0, which the paper leaves open, from the spread of the agents' first cost estimates.

Too small a Δ_0 makes epoch 1 expensive (M_1 ∝ Δ_0⁻²) and leaves no epoch after the separation, so nobody collaborates.
Too large a Δ_0 is worse: epoch 1 promises gaps of Δ_1/8 only, and where Δ_1/8 exceeds the margin by which a cost may
rise before it is infinite, the policies are lost for good.  (The printed c_(p,4) ≥ Δ_0² prevents it at the price of
T ∝ Δ_0²; the calibrated c4 has no such term.)  Between the two, all earlier epochs together cost at most a third of the
rollouts of the last epoch, Σ 4⁻ᵏ = 4/3.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError

__all__ = ["EPOCHS_NEEDED", "FIRST_ROLLOUTS", "initial_guess"]

#: Rollouts per agent at K_i⁰ for the first estimates.
FIRST_ROLLOUTS = 200
#: One epoch to separate and one to collaborate.
EPOCHS_NEEDED = 2
_LOW, _HIGH = 1e-6, 1e6
_BISECTIONS = 40


def initial_guess(estimates: FloatArray, epochs: Callable[[float], int]) -> float:
    """Choose Δ_0 = min{mean Ĉ, max{2(max Ĉ − min Ĉ), Δ_T}}, in cost units.

    Δ_T is the smallest Δ_0 that leaves `EPOCHS_NEEDED` epochs in the budget.  If Δ_T > mean Ĉ, Δ_0 is the smallest
    guess that leaves a single epoch (the finest such epoch), but at most mean Ĉ.  The spread is about Δ or more when
    initial gains are equally good; the mean is a cost that the initial gains have, so Δ_1/8 is a small fraction of it.

    Args:
        estimates: Ĉ_i at K_i⁰, ``(N,)``, cost units.
        epochs: maps Δ_0 to the number of epochs that the budget allows, which must not decrease in Δ_0.

    Raises:
        ConfigError: unless the estimates are finite and positive.
    """
    mean, spread = float(estimates.mean()), float(estimates.max() - estimates.min())
    if not (math.isfinite(mean) and mean > 0):
        raise ConfigError(f"estimates: found a mean of {mean}, expected finite positive costs")
    several = _smallest(lambda guess: epochs(guess) >= EPOCHS_NEEDED, mean)
    if several <= mean:
        return min(mean, max(2 * spread, several))
    return min(mean, _smallest(lambda guess: epochs(guess) >= 1, mean))


def _smallest(enough: Callable[[float], bool], scale: float) -> float:
    """Find the smallest Δ_0 that is enough, by bisection of its logarithm about a scale."""
    low, high = _LOW * scale, _HIGH * scale
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
