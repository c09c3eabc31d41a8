"""Share what the studies of CoopLSVI have in common: option schemas, random streams, running totals, a floor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.options import Option, number, several, whole
from pcpo.evidence.coop_lsvi.model.mdp import ParallelMDP, optimal, policy_values
from pcpo.simulation.noise import Purpose, stream

__all__ = ["CONTRASTS", "SIZES", "at", "checkpoints", "first_losses", "instance_stream", "noise_stream"]

#: Options: sizes of random MDPs, and the scale of the calibrated β_t.
SIZES: Mapping[str, Option] = {
    "states": whole(5),
    "actions": whole(3),
    "horizon": whole(2),
    "dimension": whole(4),
    "scale": number(0.1),
}
#: Option: factors of the differences between rewards, of which a claim takes the worst.
CONTRASTS: Option = several([1, 0.25], number(most=1))


def instance_stream(seed: int) -> np.random.Generator:
    """Return the generator of a run's MDP, the same in every cell."""
    return stream(seed, int(Purpose.FLEET))


def noise_stream(seed: int) -> np.random.Generator:
    """Return the generator of a run's initial states, transitions and scalarisations.

    It is the same in every cell, so that cells of the same sizes have the same noise.
    """
    return stream(seed, int(Purpose.TRAJECTORIES))


def checkpoints(T: int, count: int, ratio: int = 2) -> IntArray:
    """Return the numbers of episodes T, T/ratio, …, ascending, at most `count` of them."""
    return np.unique([T // ratio**k for k in range(count) if T // ratio**k])


def at(values: FloatArray, episodes: IntArray) -> FloatArray:
    """Return running totals over time and agents of `values` ``(T, ...)``, after the given numbers of episodes."""
    return np.asarray(np.cumsum(values.reshape(len(values), -1).sum(axis=1))[episodes - 1])


def first_losses(mdp: ParallelMDP, starts: IntArray) -> FloatArray:
    """Compute the regret of agents that always take the first action, which learn nothing, by episode and agent.

    Args:
        mdp: the agents' MDPs.
        starts: initial states ``(T, M)``.

    Returns:
        V*_1 − V_1 ``(T, M)``.
    """
    first = np.zeros((1, mdp.H, mdp.phi.shape[0]), dtype=np.int64)
    values = np.concatenate([policy_values(P, r, first) for P, r in zip(mdp.P, mdp.r, strict=True)])
    return np.asarray((optimal(mdp.P, mdp.r)[1][:, 0] - values)[np.arange(mdp.M), starts])
