"""Say what a run of `pcpo_auto` has found: clusters, gains, costs with intervals, rollouts by purpose, and doubts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.model_free.state import Known
from pcpo.arrays import FloatArray, IntArray

__all__ = ["Findings", "doubts"]

#: Standard errors from which a difference that was accepted is called doubtful, and by which a difference that was not
#: has to be beyond k.
_NEAR = 1.5
_NORMAL_95 = 1.959963984540054
#: Share of one batch of 16 in the variance of costs from which tails are called heavy; of normal means the largest is
#: above with probability 5e-5.
_HEAVY = 0.75


@dataclass(frozen=True)
class Findings:
    """Hold the outcome of a run, all of it from rollouts.

    Attributes:
        clusters: the agents of every cluster, ascending, the cluster of the cheapest gain first.
        gains: K̂_i, ``(N, m, n)``; equal within a cluster.
        costs: estimated cost of every agent's gain, ``(N,)``.
        errors: standard errors of these, ``(N,)``.
        resolution: the smallest difference of two agents' costs that k standard errors can show.
        rollouts: per agent, by purpose: initial, probing, local, costs, tests, global.
        warnings: sentences that name agents whose cluster the data leave in doubt.
    """

    clusters: Sequence[IntArray]
    gains: FloatArray
    costs: FloatArray
    errors: FloatArray
    resolution: float
    rollouts: Mapping[str, int]
    warnings: Sequence[str]

    @property
    def intervals(self) -> FloatArray:
        """Return intervals of 95 % for the costs, ``(N, 2)``."""
        return np.asarray(self.costs[:, None] + _NORMAL_95 * self.errors[:, None] * np.array([-1.0, 1.0]))

    def __str__(self) -> str:
        """Return the findings as a few lines of text."""
        lines = []
        for number, members in enumerate(self.clusters, 1):
            who, mean = ", ".join(map(str, members)), float(self.costs[members].mean())
            within = _NORMAL_95 * float(np.linalg.norm(self.errors[members])) / len(members)
            lines.append(
                f"cluster {number}: agents {who}; mean cost {mean:.4g} [{mean - within:.4g}, {mean + within:.4g}]"
            )
        spent = ", ".join(f"{purpose} {count:,}" for purpose, count in self.rollouts.items() if count)
        return "\n".join([*lines, f"rollouts per agent: {spent}", *self.warnings])


def doubts(known: Known, resolution: float, k: float) -> list[str]:
    """Return sentences that name the agents whose cluster is in doubt.

    Args:
        known: what the agents know at the end of a run.
        resolution: in units of cost.
        k: standard errors that separate two agents.
    """
    labels, before, distances, nearest = known.labels, known.labels_before, known.distances, known.nearest
    found = []
    same, was = labels[:, None] == labels, before[:, None] == before
    moved = np.flatnonzero((same != was).any(axis=1) & (before >= 0).all())
    if moved.size:
        found.append(f"the cluster of {_agents(moved)} changed in the last epoch: more rollouts may change it again")
    for i in np.flatnonzero((distances > k - _NEAR) & (distances <= k)):
        found.append(
            f"agent {i} is {distances[i]:.1f} standard errors from its cluster, {k:g} would separate it: "
            f"the data do not tell costs apart that differ by less than {resolution:.2g}"
        )
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(known.output_costs[members])]
        low, high = int(order[0]), int(order[-1])
        apart = known.output_costs[high] - known.output_costs[low]
        error = float(np.hypot(known.output_errors[low], known.output_errors[high]))
        if apart > (k - _NEAR / 2) * error:
            found.append(
                f"agents {min(low, high)} and {max(low, high)} share a gain whose costs for them differ by "
                f"{apart / max(error, 1e-300):.1f} standard errors: they may be two clusters"
            )
    for i in np.flatnonzero(known.worst > _HEAVY):
        found.append(
            f"the costs of agent {i} have heavy tails: one of 16 batches of rollouts has {known.worst[i]:.0%} of all "
            "variance; if the variance is infinite, intervals and tests mean nothing"
        )
    for i in np.flatnonzero(nearest < k + _NEAR):
        found.append(f"agent {i} is only {nearest[i]:.1f} standard errors from another cluster, {k:g} separate it")
    return found


def _agents(which: IntArray) -> str:
    """Name agents."""
    return f"agent{'s' if len(which) > 1 else ''} {', '.join(map(str, which))}"
