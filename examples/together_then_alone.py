"""Define a baseline outside the package: half of every epoch is averaged over all agents, the other half is local.

Averaging over strangers leads to a compromise; the second half is meant to bring every agent from there to the optimum
of its system.  The method spends as many rollouts as all other methods and needs no clusters.
"""

from dataclasses import dataclass

from pcpo import Entry, OneSequence, Progress, alone, descend


@dataclass(frozen=True)
class TogetherThenAlone(OneSequence):
    """Average the first R_l of the 2R_l + 1 minibatches of an epoch over [N]; use the rest locally."""

    name = "together_then_alone"

    def advance(self, state, plan, oracle, server):
        """Run one epoch and spend exactly its rollouts."""
        compromise = descend(state.gains, plan.iterations, plan, oracle, server)
        return Progress(alone(compromise, plan.iterations + 1, plan, oracle))


ENTRIES = [Entry("together_then_alone", TogetherThenAlone, "Together, then alone", "examples", estimates_costs=False)]
