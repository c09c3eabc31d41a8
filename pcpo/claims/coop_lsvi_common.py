"""What the studies of CoopLSVI share: the sizes of their MDPs, their noise, and running totals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..contracts import FloatArray, IntArray
from ..randomness import Purpose, stream
from .options import Option, number, whole

__all__ = ["SIZES", "at", "checkpoints", "instance_stream", "noise_stream"]

#: Sizes of random MDPs, and the scale of the calibrated β_t.
SIZES: Mapping[str, Option] = {
    "states": whole(5),
    "actions": whole(3),
    "horizon": whole(2),
    "dimension": whole(4),
    "scale": number(0.1),
}


def instance_stream(seed: int) -> np.random.Generator:
    """Draws the MDP of a run: the same in every cell."""
    return stream(seed, int(Purpose.FLEET))


def noise_stream(seed: int) -> np.random.Generator:
    """Draws the initial states, transitions and scalarisations of a run: the same in cells of the same sizes."""
    return stream(seed, int(Purpose.TRAJECTORIES))


def checkpoints(T: int, count: int, ratio: int = 2) -> IntArray:
    """T, T/ratio, …: `count` numbers of episodes at most, in order."""
    return np.unique([T // ratio**k for k in range(count) if T // ratio**k])


def at(values: FloatArray, episodes: IntArray) -> FloatArray:
    """Running totals of `values` ``(T, ...)`` over time and agents after these numbers of episodes."""
    return np.asarray(np.cumsum(values.reshape(len(values), -1).sum(axis=1))[episodes - 1])
