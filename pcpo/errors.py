"""Errors for people: each message names the key, file or matrix, what was found and what was expected.

This module imports nothing of its own package, so that every other module may use it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

__all__ = ["BudgetError", "ConfigError", "FleetError", "PcpoError", "ResultsError", "command"]

_Arguments = ParamSpec("_Arguments")


class PcpoError(ValueError):
    """Base class of every error that bad input can cause; the message is one sentence for a person."""


class FleetError(PcpoError):
    """A linear system, a fleet or a fleet file is not what it must be."""


class ConfigError(PcpoError):
    """A configuration key is unknown, mistyped, out of range or inconsistent with another one."""


class BudgetError(PcpoError):
    """The budget of rollouts does not reach the end of the first epoch."""


class ResultsError(PcpoError):
    """A results file is missing, truncated, of another schema version or inconsistent."""


def command(main: Callable[_Arguments, int]) -> Callable[_Arguments, int]:
    """Decorator of what a command line runs: a PcpoError is one sentence on stderr, and exit code 1."""

    @wraps(main)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except PcpoError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1

    return run
