"""A baseline of one's own in one file: half of every epoch averaged over everybody, the other half alone.

Averaging over strangers goes to a compromise; the second half is meant to bring every agent from there to its own
optimum.  It spends the rollouts of every other method and needs no clusters.
"""

from dataclasses import dataclass

from pcpo.algorithms.baselines.base import OneSequence, Progress, alone, descend
from pcpo.algorithms.registry import Entry


@dataclass(frozen=True)
class TogetherThenAlone(OneSequence):
    """Of the 2R_l + 1 minibatches of an epoch the first R_l are averaged over [N], the rest are local."""

    name = "together_then_alone"

    def advance(self, state, plan, oracle, server):
        """One epoch of the schedule; spends exactly its rollouts."""
        compromise = descend(state.gains, plan.iterations, plan, oracle, server)
        return Progress(alone(compromise, plan.iterations + 1, plan, oracle))


ENTRIES = [Entry("together_then_alone", TogetherThenAlone, "Together, then alone", "one's own", estimates_costs=False)]
