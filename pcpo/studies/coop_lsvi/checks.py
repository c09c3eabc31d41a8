"""What a linear MDP must satisfy; each refusal names what was found and where."""

from __future__ import annotations

import numpy as np

from ...contracts import FloatArray
from ...errors import ConfigError

__all__ = ["require_bounded", "require_probabilities", "require_rewards", "require_shape"]

#: Sums of products of numbers of order one: some hundred roundings.
_ROUNDING = 1e-12


def require_shape(name: str, array: FloatArray, expected: tuple[int, ...]) -> None:
    """Raises ConfigError unless the array has this shape and finite entries."""
    if array.shape != expected:
        raise ConfigError(f"{name}: found shape {array.shape}, expected {expected}")
    if not np.all(np.isfinite(array)):
        raise ConfigError(f"{name}: found an entry that is not finite, expected numbers")


def require_bounded(name: str, features: FloatArray) -> None:
    """‖φ‖₂ ≤ 1 along the last axis (Definition 1); raises ConfigError."""
    norms = np.linalg.norm(features, axis=-1)
    if norms.max() > 1 + _ROUNDING:
        where = _where(norms, int(np.argmax(norms)))
        raise ConfigError(f"{name}{where}: found norm {norms.max():.6g}, expected at most 1")


def require_probabilities(name: str, P: FloatArray) -> None:
    """Every P(·|x, a) along the last axis is a probability; raises ConfigError."""
    if P.min() < -_ROUNDING:
        where = _where(P, int(np.argmin(P)))
        raise ConfigError(f"{name}{where}: found probability {P.min():.6g}, expected features that define none below 0")
    off = np.abs(P.sum(axis=-1) - 1)
    if off.max() > _ROUNDING * P.shape[-1]:
        where, total = _where(off, int(np.argmax(off))), P.sum(axis=-1).ravel()[np.argmax(off)]
        raise ConfigError(f"{name}{where}: found probabilities that sum to {total:.6g}, expected 1")


def require_rewards(name: str, r: FloatArray) -> None:
    """Rewards in [0, 1]; raises ConfigError."""
    outside = np.maximum(-r, r - 1)
    if outside.max() > _ROUNDING:
        k = int(np.argmax(outside))
        raise ConfigError(f"{name}{_where(r, k)}: found reward {r.ravel()[k]:.6g}, expected one in [0, 1]")


def _where(array: FloatArray, k: int) -> str:
    return str([int(i) for i in np.unravel_index(k, array.shape)])
