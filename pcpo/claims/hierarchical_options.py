"""Options of the studies on hierarchical actor-critic: checked the same way for all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError

__all__ = ["checked"]


def checked(study: str, defaults: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options over the defaults, each a number above 0, or at least two ascending whole numbers where the default
    is a list, and whole where the default is; raises ConfigError for others and for unknown names."""
    for name, value in options.items():
        key = f"evidence.{study}.options.{name}"
        if name not in defaults:
            raise ConfigError(f"{key}: found it, expected one of {', '.join(defaults)}")
        if isinstance(defaults[name], list):
            good = isinstance(value, list) and len(value) > 1 and all(_is_whole(v) and v > 1 for v in value)
            if not good or sorted(set(value)) != value:
                raise ConfigError(f"{key}: found {value!r}, expected two or more ascending whole numbers from 2 on")
        elif isinstance(defaults[name], int):
            if not _is_whole(value) or value < 1:
                raise ConfigError(f"{key}: found {value!r}, expected a whole number from 1 on")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ConfigError(f"{key}: found {value!r}, expected a positive number")
    return {**defaults, **options}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
