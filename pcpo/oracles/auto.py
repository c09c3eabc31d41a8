"""Answer by rollouts where the minibatch is below M*, and by exact moments from M* on.

M* is the minibatch from which a test of a thousand estimates cannot tell the two apart (`pcpo.theory.thresholds`, which
computes it before anything runs).  It belongs to an epoch and to what is asked: costs, local gradients, global
gradients, and the estimator of the gradients.  Each question is answered by a `RolloutOracle` or by a `MomentOracle`,
whose streams of random numbers are apart, so an answer depends on the seed and on what was asked of the same one before
in that epoch for that purpose.  The ledger counts every rollout as if all were simulated.
Questions that carry discounts are always simulated: M* is that of γ.

Rollouts end after h stages; moments are those of C itself, whose distance from C_h is under 1 % of Δ_L̄/8 in a
calibrated plan (`pcpo.theory.calibration.horizon_for`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pcpo.arrays import BoolArray, FloatArray
from pcpo.fleets.fleet import Fleet
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.moment import DRIFT as MOST_DRIFT
from pcpo.oracles.moment import Errors, MomentOracle
from pcpo.oracles.protocol import Estimates, Estimator, Question, Trajectories
from pcpo.oracles.rollout import LedgerOracle, RolloutOracle
from pcpo.simulation.noise import NoiseLaw, Purpose

__all__ = ["DRIFT", "AutoOracle", "EpochThresholds", "GradientThresholds", "drift_with", "from_moments"]

#: Relative change of C at which moments are computed anew, with M* rollouts.  There gains wander far in one epoch, and
#: a mean that is off in the same direction for many steps moves them: at ten times this, gaps with two unknowns were
#: 9 % too large.  With more rollouts they wander less, and `drift_with` allows more.
DRIFT = 0.005


@dataclass(frozen=True)
class GradientThresholds:
    """Hold M* of gradient estimates by estimator; None where rollouts answer at every M.

    Attributes:
        one_point: of equation (5) of the paper.
        centred: of (5) with a baseline subtracted from the costs.
        two_point: of differences; M counts both rollouts of a pair.
    """

    one_point: int | None
    centred: int | None
    two_point: int | None


@dataclass(frozen=True)
class EpochThresholds:
    """Hold M* of one epoch: of costs, of gradients with r^(loc), and of gradients with any r^(global) of that epoch."""

    epoch: int
    cost: int | None
    local: GradientThresholds
    everyone: GradientThresholds

    def of_gradients(self, purpose: int, estimator: Estimator, *, centred: bool = False) -> int | None:
        """Return M* of a question for gradients; any purpose but the local one may have any radius of the epoch."""
        found = self.local if purpose == Purpose.LOCAL else self.everyone
        if estimator == "two_point":
            return found.two_point
        return found.centred if centred else found.one_point

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for a JSON file."""
        return {"epoch": self.epoch, "cost": self.cost, "local": vars(self.local), "global": vars(self.everyone)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EpochThresholds:
        """Rebuild what `to_dict` returned; KeyError or TypeError for a key that is missing or unknown."""
        local, everyone = (GradientThresholds(**data[key]) for key in ("local", "global"))
        return cls(data["epoch"], data["cost"], local, everyone)


def from_moments(minibatch: int, threshold: int | None) -> bool:
    """Return whether a minibatch is drawn from its moments."""
    return threshold is not None and minibatch >= threshold


def drift_with(minibatch: int, threshold: int | None) -> float:
    """Return the relative change of C at which moments are computed anew: 0.005 √(M/M*), at most 0.05."""
    return DRIFT if threshold is None else min(MOST_DRIFT, DRIFT * math.sqrt(max(1.0, minibatch / threshold)))


class AutoOracle(LedgerOracle):
    """Answer each question by rollouts or by moments, as its minibatch and the thresholds of its epoch say.

    Args:
        fleet: the agents' systems.
        seed: the run's.
        horizon: h of a rollout (steps).
        law: law of the noise.
        thresholds: M* by epoch; in any other epoch rollouts answer.

    Raises:
        PcpoError: for more unknowns D than `MomentOracle` offers.
    """

    def __init__(
        self, fleet: Fleet, *, seed: int, horizon: int, law: NoiseLaw, thresholds: Sequence[EpochThresholds]
    ) -> None:
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self.discount = fleet.gamma
        self._thresholds = {found.epoch: found for found in thresholds}
        self._rollouts = RolloutOracle(fleet, seed=seed, horizon=horizon, law=law)
        self._moments = MomentOracle(fleet, seed=seed, law=law)

    @property
    def errors(self) -> Errors:
        """Return the largest errors of the moments so far."""
        return self._moments.errors

    def iterates(
        self, minibatch: int, *, purpose: int, epoch: int, estimator: Estimator = "one_point", aside: int = 0
    ) -> bool:
        """Return whether these iterations are drawn from moments, baselines too, all in one call."""
        gradients = self._of_gradients(purpose, epoch, estimator, centred=aside > 0)
        baselines = aside == 0 or from_moments(aside, self._of_costs(epoch))
        return baselines and from_moments(minibatch - aside, gradients)

    def iterate(
        self,
        gains: FloatArray,
        iterations: int,
        step_size: float,
        minibatch: int,
        radii: FloatArray,
        *,
        purpose: int,
        epoch: int,
        sets: Neighbourhoods | BoolArray | None = None,
        estimator: Estimator = "one_point",
        aside: int = 0,
    ) -> FloatArray:
        """Make all steps by moments (`pcpo.oracles.protocol.IteratingOracle`), where `iterates` says so."""
        before = self._moments.nonfinite
        threshold = self._of_gradients(purpose, epoch, estimator, centred=aside > 0)
        self._moments.drift = drift_with(minibatch - aside, threshold)
        found = self._moments.iterate(
            gains, iterations, step_size, minibatch, radii, purpose=purpose, epoch=epoch, sets=sets,
            estimator=estimator, aside=aside,
        )  # fmt: skip
        self._spend(minibatch * iterations, self._moments.nonfinite - before)
        return found

    def _of_gradients(self, purpose: int, epoch: int, estimator: Estimator, *, centred: bool) -> int | None:
        """Return M* of a question for gradients."""
        known = self._thresholds.get(epoch)
        return None if known is None else known.of_gradients(purpose, estimator, centred=centred)

    def _of_costs(self, epoch: int) -> int | None:
        """Return M* of a question for costs."""
        known = self._thresholds.get(epoch)
        return None if known is None else known.cost

    def _gradients(self, question: Question) -> Estimates:
        """Ask one of the two for gradients."""
        threshold = self._of_gradients(
            question.purpose, question.epoch, question.estimator, centred=question.baseline is not None
        )
        return self._answering(question.minibatch, threshold)._gradients(question)

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Ask one of the two for costs."""
        return self._answering(minibatch, self._of_costs(epoch))._costs(gains, minibatch, purpose, epoch)

    def _alone(self, agent: int, discount: float) -> LedgerOracle:
        """Simulate: thresholds are those of γ."""
        return self._rollouts._alone(agent, discount)

    def _answering(self, minibatch: int, threshold: int | None) -> LedgerOracle:
        """Return the one that answers."""
        if not from_moments(minibatch, threshold):
            return self._rollouts
        self._moments.drift = drift_with(minibatch, threshold)
        return self._moments

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        """Simulate: moments show no states."""
        return self._rollouts._trajectories(gains, count, horizon, excitation, purpose, epoch)
