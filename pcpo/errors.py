"""Define the errors that people see: each message names the key, file or matrix, what was found and what was expected.

This module imports nothing of the package, so that every other module may use it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

__all__ = ["BudgetError", "ConfigError", "FleetError", "PcpoError", "ResultsError", "command", "one_line"]

_Arguments = ParamSpec("_Arguments")


class PcpoError(ValueError):
    """Report what bad input can cause: the base class of all errors here; the message is one sentence for a person."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows under a cell in place of a traceback: the sentence alone."""
        return [f"{type(self).__name__}: {self}"]


class FleetError(PcpoError):
    """Report a linear system, a fleet or a fleet file that is not valid."""


class ConfigError(PcpoError):
    """Report a configuration key that is unknown, mistyped, out of range or inconsistent with another."""


class BudgetError(PcpoError):
    """Report a budget of rollouts that does not reach the end of the first epoch, or that takes too long to run."""


class ResultsError(PcpoError):
    """Report a results file that is missing, truncated, of another schema version or inconsistent."""


def command(main: Callable[_Arguments, int]) -> Callable[_Arguments, int]:
    """Decorate the function of a command line: a PcpoError becomes one sentence on stderr and exit code 1."""

    @wraps(main)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except PcpoError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1

    return run


def one_line(error: BaseException) -> str:
    """Return an exception, also of a user's class, as one line of at most 300 characters: its class and its text."""
    try:
        text = str(error)
    except Exception:
        text = "an error without a text"
    return " ".join(f"{type(error).__name__}: {text}".split())[:300]
