"""Say which answers of each epoch of Algorithm 1 are simulated, and which are drawn from their moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pcpo.algorithms.schedule import EpochPlan
from pcpo.oracles.auto import EpochThresholds, from_moments
from pcpo.simulation.noise import Purpose

__all__ = ["EpochDraws", "draws_of", "in_epochs", "least_minibatches"]


@dataclass(frozen=True)
class EpochDraws:
    """Hold whether the local gradients, the costs and the global gradients of an epoch are drawn from moments."""

    plan: EpochPlan
    local: bool
    cost: bool
    everyone: bool

    @property
    def moment_answers(self) -> int:
        """Return how many answers of each agent are drawn from moments."""
        return self.plan.iterations * (self.local + self.everyone) + self.cost

    @property
    def drawn(self) -> int:
        """Return how many rollouts per agent are drawn from moments."""
        return self.plan.minibatch * self.moment_answers

    @property
    def simulated(self) -> int:
        """Return how many rollouts per agent are simulated."""
        return self.plan.rollouts - self.drawn

    @property
    def kind(self) -> str:
        """Return "rollouts", "moments" or "both"."""
        found = {self.local, self.cost, self.everyone}
        return "both" if len(found) > 1 else _named(self.local)

    def to_dict(self) -> dict[str, str]:
        """Return how each question is answered, for a JSON file."""
        return {"local": _named(self.local), "cost": _named(self.cost), "global": _named(self.everyone)}


def _named(moments: bool) -> str:
    """Return the name of what answers."""
    return "moments" if moments else "rollouts"


def draws_of(plan: EpochPlan, oracle: str, thresholds: Sequence[EpochThresholds]) -> EpochDraws:
    """Return how an oracle of `Experiment` answers Algorithm 1 in an epoch; `thresholds` are those of "auto"."""
    known = {found.epoch: found for found in thresholds}.get(plan.epoch)
    if oracle != "auto" or known is None:
        every = oracle == "moments"
        return EpochDraws(plan, every, every, every)
    local, everyone = (known.of_gradients(purpose, "one_point") for purpose in (Purpose.LOCAL, Purpose.GLOBAL))
    M = plan.minibatch
    return EpochDraws(plan, from_moments(M, local), from_moments(M, known.cost), from_moments(M, everyone))


def least_minibatches(thresholds: Sequence[EpochThresholds]) -> str:
    """Say M* of every epoch in one line: of local gradients, costs and global gradients, as Algorithm 1 asks them."""
    parts = []
    for found in thresholds:
        numbers = (found.local.one_point, found.cost, found.everyone.one_point)
        parts.append(f"{found.epoch}: " + ", ".join("none" if M is None else f"{M}" for M in numbers))
    return f"M* by epoch (local, costs, global): {'; '.join(parts)}"


def in_epochs(draws: Sequence[EpochDraws]) -> str:
    """Say in which epochs answers are simulated, drawn from moments, or both."""
    parts = []
    for kind, found in groupby(draws, key=lambda each: each.kind):
        epochs = [each.plan.epoch for each in found]
        where = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
        parts.append(f"{kind} in {where}")
    return ", ".join(parts)
