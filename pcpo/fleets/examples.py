"""Define small systems on which lemmas and oracles are checked: one to three states, gains with one to six entries.

Studies refer to a system by its name.  The number of a system is part of random streams, so the order of `SYSTEMS` is
part of every result: append new systems, never reorder them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pcpo.arrays import FloatArray
from pcpo.lqr.optimum import riccati
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream, unit_directions

__all__ = ["EDGE", "SYSTEMS", "TYPICAL", "fixed_direction", "number_of", "shifted_optimum"]


def _system(A: ArrayLike, B: ArrayLike, Q: ArrayLike, R: ArrayLike, gamma: float) -> LinearSystem:
    """Make a system from nested lists or arrays of numbers."""
    A, B, Q, R = (np.asarray(X, dtype=np.float64) for X in (A, B, Q, R))
    return LinearSystem(A, B, Q, R, gamma)


#: The systems by name, with D = 1, 2, 6 and 1 entries of the gain.
SYSTEMS: dict[str, LinearSystem] = {
    "scalar": _system([[0.9]], [[1.0]], [[1.0]], [[1.0]], 0.9),
    "two": _system([[0.9, 0.3], [0.0, 0.8]], [[0.0], [1.0]], np.eye(2), np.eye(1), 0.8),
    "three": _system(
        [[0.9, 0.3, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]],
        [[0.0, 1.0], [1.0, 0.0], [0.5, 0.2]],
        np.diag([1.0, 2.0, 0.5]),
        [[1.0, 0.2], [0.2, 2.0]],
        0.8,
    ),
    "edge": _system([[0.0]], [[1.0]], [[1.0]], [[1.0]], 0.9),
}
#: The extreme system: A = 0, so K* = 0, and with signs as noise every rollout under K* costs exactly C*.
EDGE = "edge"
#: The systems without special structure.
TYPICAL: tuple[str, ...] = tuple(name for name in SYSTEMS if name != EDGE)

_FIXED = 9  # last key of the streams of fixed directions


def number_of(name: str) -> int:
    """Return the stable number of a system, for the keys of random streams."""
    return list(SYSTEMS).index(name)


def fixed_direction(name: str) -> FloatArray:
    """Return a direction ``(m, n)`` of unit Frobenius norm, the same at every call, for the gains of a system."""
    drawn = unit_directions(SYSTEMS[name], 1, stream(0, Purpose.CALIBRATION, number_of(name), _FIXED))
    return np.asarray(drawn[0])


def shifted_optimum(name: str, offset: float) -> FloatArray:
    """Return K* + offset·V ``(m, n)``, a gain near the optimum; V is the system's `fixed_direction`."""
    return np.asarray(riccati(SYSTEMS[name]).K + offset * fixed_direction(name))
