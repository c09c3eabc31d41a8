"""Hold what `pcpo_auto` knows between two epochs: gains, what was measured of them, and what it has spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pcpo.algorithms.model_free.probing import Curvature, Point
from pcpo.algorithms.protocol import Setting
from pcpo.arrays import FloatArray, IntArray

__all__ = ["PURPOSES", "AutoState", "Known"]

#: What rollouts are spent on, as findings list it.
PURPOSES = ("initial", "probing", "local", "costs", "tests", "global")


@dataclass(frozen=True)
class Known:
    """Hold what the agents know after an epoch, by agent ``(N,)``.

    Attributes:
        costs: Ĉ_i at X_i.
        errors: standard errors of Ĉ_i.
        variance: σ² of one rollout.
        curvature: at X_i.
        slower: factor of the local step sizes, below 1 after a return to an earlier gain.
        slower_output: factor of the global step sizes.
        labels: equal for agents of one group; −1 before any.
        labels_before: those of the epoch before.
        distances: of `Grouping`.
        nearest: of `Grouping`.
        output_costs: at K̂_i.
        output_errors: standard errors of these.
        worst: the largest share of one batch of 16 in the variance of the costs of any epoch.
    """

    costs: FloatArray
    errors: FloatArray
    variance: FloatArray
    curvature: Curvature
    slower: FloatArray
    slower_output: FloatArray
    labels: IntArray
    labels_before: IntArray
    distances: FloatArray
    nearest: FloatArray
    output_costs: FloatArray
    output_errors: FloatArray
    worst: FloatArray


@dataclass(frozen=True)
class AutoState:
    """Hold the state between epochs.

    Local gains X_i, global gains K̂_i (both ``(N, m, n)``), what is known, rollouts per agent by purpose, and how many
    epochs the budget is divided into (0: without a budget).
    """

    setting: Setting
    epoch: int
    epochs_planned: int
    local_gains: FloatArray
    global_gains: FloatArray
    known: Known
    spent: Mapping[str, int]

    @classmethod
    def start(cls, setting: Setting) -> AutoState:
        """Return the state before anything is measured."""
        gains = setting.initial_gains
        N = len(gains)
        nan, one, nobody = np.full(N, np.nan), np.ones(N), np.full(N, -1, dtype=np.int64)
        known = Known(
            nan, nan, nan, Curvature(nan, nan, nan), one, one, nobody, nobody, nan, nan, nan, nan, np.zeros(N)
        )
        return cls(setting, 0, 0, gains, gains, known, dict.fromkeys(PURPOSES, 0))

    def measured(self, at: Point, bent: Curvature, spent: Mapping[str, int], planned: int) -> AutoState:
        """Return the state with which epoch 1 begins."""
        known = replace(self.known, costs=at.costs, errors=at.errors, variance=at.variance, curvature=bent)
        known = replace(known, output_costs=at.costs, output_errors=at.errors)
        return replace(
            self, epochs_planned=planned, local_gains=at.gains, global_gains=at.gains, known=known, spent=spent
        )
