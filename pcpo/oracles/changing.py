"""Answer as an oracle does whose systems change between epochs: each epoch has its own.

The streams of random numbers belong to (seed, purpose, epoch, agent), whatever the systems are: two runs of a seed with
different systems have the same draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pcpo.arrays import FloatArray
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.timetable import Timetable
from pcpo.oracles.protocol import Estimates, Estimator, IteratingOracle, Question, Trajectories
from pcpo.oracles.rollout import LedgerOracle

__all__ = ["ChangingOracle"]


class ChangingOracle(LedgerOracle):
    """Ask the oracle of the fleet that is true in the epoch of the question; the ledger is one for all.

    Args:
        timetable: which fleet is true in which epoch.
        make: makes the oracle of a fleet; at most once for each.
    """

    def __init__(self, timetable: Timetable, make: Callable[[Fleet], LedgerOracle]) -> None:
        fleet = timetable.fleet
        super().__init__(fleet.N, (fleet.m, fleet.n))
        self.discount = fleet.gamma
        self._timetable, self._make = timetable, make
        self._known: dict[int, LedgerOracle] = {}

    def gradients(
        self,
        gains: FloatArray,
        minibatch: int,
        radii: FloatArray,
        *,
        purpose: int,
        epoch: int,
        estimator: Estimator = "one_point",
        baseline: FloatArray | None = None,
        discounts: FloatArray | None = None,
    ) -> Estimates:
        """Ask for gradients."""
        asked: dict[str, Any] = {"purpose": purpose, "epoch": epoch, "estimator": estimator, "baseline": baseline}
        answer = self._in(epoch).gradients(gains, minibatch, radii, discounts=discounts, **asked)
        return self._book(answer, minibatch)

    def costs(
        self, gains: FloatArray, minibatch: int, *, purpose: int, epoch: int, discounts: FloatArray | None = None
    ) -> Estimates:
        """Ask for costs."""
        answer = self._in(epoch).costs(gains, minibatch, purpose=purpose, epoch=epoch, discounts=discounts)
        return self._book(answer, minibatch)

    def iterates(
        self, minibatch: int, *, purpose: int, epoch: int, estimator: Estimator = "one_point", aside: int = 0
    ) -> bool:
        """Return whether the oracle of the epoch runs such iterations itself."""
        oracle = self._in(epoch)
        asked: dict[str, Any] = {"purpose": purpose, "epoch": epoch, "estimator": estimator, "aside": aside}
        return isinstance(oracle, IteratingOracle) and oracle.iterates(minibatch, **asked)

    def iterate(
        self, gains: FloatArray, iterations: int, step_size: float, minibatch: int, radii: FloatArray, **asked: Any
    ) -> FloatArray:
        """Let the oracle of the epoch make the steps (`pcpo.oracles.protocol.IteratingOracle`)."""
        oracle = self._in(asked["epoch"])
        assert isinstance(oracle, IteratingOracle)
        before = oracle.nonfinite
        found = oracle.iterate(gains, iterations, step_size, minibatch, radii, **asked)
        self._spend(minibatch * iterations, oracle.nonfinite - before)
        return found

    def _in(self, epoch: int) -> LedgerOracle:
        """Return the oracle of an epoch."""
        fleet = self._timetable.at(epoch)
        if id(fleet) not in self._known:
            self._known[id(fleet)] = self._make(fleet)
        return self._known[id(fleet)]

    def _gradients(self, question: Question) -> Estimates:
        """Ask the oracle of the epoch, without a ledger."""
        return self._in(question.epoch)._gradients(question)

    def _costs(self, gains: FloatArray, minibatch: int, purpose: int, epoch: int) -> Estimates:
        """Ask the oracle of the epoch, without a ledger."""
        return self._in(epoch)._costs(gains, minibatch, purpose, epoch)

    def _trajectories(
        self, gains: FloatArray, count: int, horizon: int, excitation: float, purpose: int, epoch: int
    ) -> Trajectories:
        """Ask the oracle of the epoch, without a ledger."""
        return self._in(epoch)._trajectories(gains, count, horizon, excitation, purpose, epoch)
