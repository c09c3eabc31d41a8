"""What the studies of CoopLSVI share: the sizes of their MDPs, their noise, and checks of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..contracts import FloatArray, IntArray
from ..errors import ConfigError
from ..randomness import Purpose, stream

__all__ = ["SIZES", "at", "checkpoints", "instance_stream", "integer", "noise_stream", "numbers", "sizes"]

#: Sizes of random MDPs, and the scale of the calibrated β_t.
SIZES: dict[str, Any] = {"states": 5, "actions": 3, "horizon": 2, "dimension": 4, "scale": 0.1}


def instance_stream(seed: int) -> np.random.Generator:
    """Draws the MDP of a run: the same in every cell."""
    return stream(seed, int(Purpose.FLEET))


def noise_stream(seed: int) -> np.random.Generator:
    """Draws the initial states, transitions and scalarisations of a run: the same in cells of the same sizes."""
    return stream(seed, int(Purpose.TRAJECTORIES))


def numbers(study: str, options: Mapping[str, Any], name: str, low: float, high: float) -> list[float]:
    """A list of numbers from low to high; raises ConfigError."""
    given = options[name]
    good = isinstance(given, list) and given and all(_number(one) and low <= one <= high for one in given)
    if not good or len(set(given)) < len(given):
        raise ConfigError(
            f"evidence.{study}.options.{name}: found {given!r}, expected distinct numbers from {low:g} to {high:g}"
        )
    return list(given)


def integer(study: str, options: Mapping[str, Any], name: str, least: int) -> int:
    """An integer from `least` on; raises ConfigError."""
    given = options[name]
    if not _number(given) or given != int(given) or given < least:
        raise ConfigError(f"evidence.{study}.options.{name}: found {given!r}, expected an integer from {least} on")
    return int(given)


def sizes(study: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that are in `SIZES`; raises ConfigError."""
    whole = [name for name in SIZES if name != "scale" and name in options]
    found: dict[str, Any] = {name: integer(study, options, name, 1) for name in whole}
    if not _number(options["scale"]) or not options["scale"] > 0:
        raise ConfigError(f"evidence.{study}.options.scale: found {options['scale']!r}, expected a number above 0")
    return {**found, "scale": float(options["scale"])}


def checkpoints(T: int, count: int, ratio: int = 2) -> IntArray:
    """T, T/ratio, …: `count` numbers of episodes at most, in order."""
    return np.unique([T // ratio**k for k in range(count) if T // ratio**k])


def at(values: FloatArray, episodes: IntArray) -> FloatArray:
    """Running totals of `values` ``(T, ...)`` over time and agents after these numbers of episodes."""
    return np.asarray(np.cumsum(values.reshape(len(values), -1).sum(axis=1))[episodes - 1])


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
