"""Share what the studies of CoopLSVI have in common: option schemas of sizes, random streams, and running totals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.options import Option, number, whole
from pcpo.simulation.noise import Purpose, stream

__all__ = ["SIZES", "at", "checkpoints", "instance_stream", "noise_stream"]

#: Options: sizes of random MDPs, and the scale of the calibrated β_t.
SIZES: Mapping[str, Option] = {
    "states": whole(5),
    "actions": whole(3),
    "horizon": whole(2),
    "dimension": whole(4),
    "scale": number(0.1),
}


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
