"""Algorithms: PCPO and its variants, the schedule (Table 2), the server ((6) to (8)), baselines and the registry."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """Load the registry's names when they are used: version 0.1 had them here."""
    if name in ("ALGORITHMS", "Entry", "make_algorithm"):
        return getattr(import_module(f"{__name__}.registry"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
