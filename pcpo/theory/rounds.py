"""Fit the growth of counted rounds, with intervals for the rounding of R_l.

Epoch l has R_l + 1 rounds, R_l = ⌈c_2 log(c_3 N/Δ_l²)⌉ with Δ_l = Δ_0/2^l (Table 2).  Without the rounding, the rounds
of L̄ epochs are a polynomial of degree two in L̄ with the leading coefficient (c_2 log 4)/2, and at a given L̄ they are
linear in log N with the slope c_2 L̄.  Rounding adds between 0 and 1 to every R_l.  A coefficient that is fitted to
counted rounds by least squares is a weighted sum of them.  Its value without rounding is therefore known up to an
interval; nothing in this interval is random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.statistics import Interval

__all__ = ["agents_slope", "degree_two", "leading_weights", "log_square"]


def degree_two(frame: pd.DataFrame, x: str) -> Interval:
    """Fit a polynomial of degree two to the counted rounds of each run.

    Args:
        frame: rows of runs at several values of x: `seed`, `epoch` (the number of epochs so far), `rounds`, `c2`.
        x: column of the abscissa: L̄, or the base-2 logarithm of a separation that takes one epoch more per halving.

    Returns:
        The coefficient of x² in units of (c_2 log 4)/2, mean over runs, and the interval of its value without rounding.
    """
    ratios = []
    for _, run in frame.groupby("seed"):
        epochs = run["epoch"].to_numpy(dtype=np.float64)
        weights = leading_weights(run[x].to_numpy(dtype=np.float64), 2)
        estimate = float(weights @ run["rounds"].to_numpy(dtype=np.float64))
        unit = float(run["c2"].iloc[0]) * math.log(4) / 2
        ratios.append(np.array([estimate, *_without_rounding(weights, epochs, estimate)]) / unit)
    return _mean(ratios)


def log_square(frame: pd.DataFrame) -> Interval:
    """Fit a polynomial of degree two in log_4 T to the counted rounds of each run, T the rollouts that were counted.

    log_4 T is L̄ and slowly growing terms: the logarithms of R_l and of the union bounds.  So the coefficient of
    (log_4 T)² is below that of L̄², and reaches it as T grows.

    Args:
        frame: rows of runs at several epochs: `seed`, `epoch`, `rollouts`, `rounds`, `c2`.

    Returns:
        As `degree_two`.
    """
    return degree_two(frame.assign(log_rollouts=np.log(frame["rollouts"]) / math.log(4)), "log_rollouts")


def agents_slope(frame: pd.DataFrame) -> Interval:
    """Fit a line in log N to the counted rounds of each run.

    Args:
        frame: rows of runs with several numbers of agents at the same epoch: `seed`, `agents`, `epoch`, `rounds`, `c2`.

    Returns:
        The slope in units of c_2 L̄, mean over runs, and the interval of its value without rounding.
    """
    ratios = []
    for _, run in frame.groupby("seed"):
        weights = leading_weights(np.log(run["agents"].to_numpy(dtype=np.float64)), 1)
        L, c2 = float(run["epoch"].iloc[0]), float(run["c2"].iloc[0])
        estimate = float(weights @ run["rounds"].to_numpy(dtype=np.float64))
        spread = L * np.array([0.0, weights[weights > 0].sum(), weights[weights < 0].sum()])
        ratios.append((estimate - spread) / (c2 * L))
    return _mean(ratios)


def leading_weights(x: FloatArray, degree: int) -> FloatArray:
    """Return w ``(k,)`` for which Σ w_k y_k is the leading coefficient of the least-squares polynomial of y over x.

    Args:
        x: abscissae ``(k,)``.
        degree: of the polynomial.
    """
    return np.asarray(np.linalg.pinv(np.vander(x, degree + 1))[0], dtype=np.float64)


def _without_rounding(weights: FloatArray, epochs: FloatArray, estimate: float) -> tuple[float, float]:
    """Return the interval of Σ w_k y_k without rounding, where y_k holds R_1, …, R_(l_k), each 0 to 1 too large.

    The same R_l occurs in every y_k with l_k ≥ l, so its weight is the sum of those w_k.

    Args:
        weights: w ``(k,)``.
        epochs: l_k ``(k,)``.
        estimate: Σ w_k y_k.
    """
    tails = np.array([weights[epochs >= epoch].sum() for epoch in range(1, int(epochs.max()) + 1)])
    return estimate - float(tails[tails > 0].sum()), estimate - float(tails[tails < 0].sum())


def _mean(ratios: Sequence[FloatArray]) -> Interval:
    """Return the mean over runs of estimates and limits, each run ``(estimate, low, high)``."""
    estimate, low, high = np.mean(ratios, axis=0).tolist()
    return Interval(estimate, low, high)
