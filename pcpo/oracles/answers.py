"""Check what a user's plant can be called with and what it answers: a fault is one sentence that names the plant."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError, PcpoError, one_line

__all__ = [
    "ORDINARY",
    "array_of",
    "called",
    "check_nan",
    "check_real",
    "check_takes",
    "kind_of",
    "numbers_of",
    "takes",
    "truth_of",
    "vector_length",
]

#: Numbers up to which a state or an action (in units of the process noise) overflows in no formula.
ORDINARY = 100.0


def called(where: str, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Call what a user has written; ConfigError with its exception and line if it fails."""
    try:
        return function(*args, **named)
    except PcpoError as error:
        if str(error).startswith("plant: "):
            raise
        raise ConfigError(f"{where}: {error}") from error
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        lines = [f" (line {frame.lineno} of {frame.filename})" for frame in frames if frame.lineno]
        own = [line for line in lines if "site-packages" not in line]
        raise ConfigError(
            f"{where}: found that it raises {one_line(error)}{(own or [''])[-1]}, expected an answer"
        ) from error


def takes(function: Callable[..., Any], *args: Any, **named: Any) -> bool:
    """Return whether a function can be called with these arguments, as far as its signature says."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # compiled code may have none
        return True
    try:
        signature.bind(*args, **named)
    except TypeError:
        return False
    return True


def check_takes(where: str, plant: object, method: str, expected: str, *args: Any, **named: Any) -> None:
    """Raise ConfigError unless a plant has a method that takes these arguments."""
    function = getattr(plant, method, None)
    if not callable(function):
        raise ConfigError(f"{where}: found no method {method}, expected {expected}")
    if not takes(function, *args, **named):
        raise ConfigError(f"{where}: found {method}{inspect.signature(function)}, expected {expected}")


def vector_length(where: str, env: object, name: str) -> int:
    """Return the length of the vectors in a space of an environment."""
    space = getattr(env, name, None)
    if space is None:
        raise ConfigError(f"{where}: found no {name}, expected a space of vectors")
    shape = getattr(space, "shape", None)
    if not isinstance(shape, tuple) or len(shape) != 1 or not isinstance(shape[0], int | np.integer) or shape[0] < 1:
        found = f"a {type(space).__name__} of shape {shape}"
        raise ConfigError(f"{where}, {name}: found {found}, expected a space of vectors, of shape (k,)")
    return int(shape[0])


def check_real(where: str, space: object) -> None:
    """Raise ConfigError for a space of integers or truth values."""
    kind = getattr(space, "dtype", None)
    try:
        wrong = kind is not None and np.dtype(kind).kind != "f"
    except TypeError:  # the dtype of another library
        return
    if wrong:
        raise ConfigError(f"{where}: found dtype {np.dtype(kind)}, expected real numbers, as −K x has")


def kind_of(answer: object) -> str:
    """Describe an answer of another form."""
    if answer is None:
        return "None"
    if isinstance(answer, tuple | list):
        return f"{len(answer)} values"
    shape = f" of shape {answer.shape}" if isinstance(answer, np.ndarray) else ""
    return f"a {type(answer).__name__}{shape}"


def numbers_of(where: str, what: str, value: object) -> FloatArray:
    """Return numbers as an array of floats, a copy; ConfigError for anything that is not a real number."""
    try:
        array = np.asarray(value)
    except Exception as error:  # any class may have a method __array__
        raise ConfigError(f"{where}: found {what} that is no array ({one_line(error)}), expected numbers") from error
    if array.dtype.kind not in "fiub":
        raise ConfigError(f"{where}: found dtype {array.dtype} of {what}, expected real numbers")
    return np.array(array, dtype=np.float64)


def array_of(where: str, what: str, value: object, shape: tuple[int, ...]) -> FloatArray:
    """Return numbers as an array, a copy; ConfigError if it has another shape."""
    array = numbers_of(where, what, value)
    if array.shape != shape:
        raise ConfigError(f"{where}: found shape {array.shape} of {what}, expected {shape}")
    return array


def truth_of(where: str, what: str, value: object) -> bool:
    """Return a truth value; ConfigError for anything else."""
    numbers = numbers_of(where, what, value)
    if numbers.size != 1 or numbers.item() not in (0.0, 1.0):
        raise ConfigError(f"{where}: found {value!r:.60} as {what}, expected True or False")
    return bool(numbers.item())


def check_nan(
    where: str, what: tuple[str, str], states: FloatArray, actions: FloatArray, after: FloatArray, costs: FloatArray
) -> None:
    """Raise ConfigError for NaN in next states or costs that follow a state and an action within ±`ORDINARY`."""
    if not (np.isnan(costs).any() or np.isnan(after).any()):
        return
    tame = (np.abs(states) <= ORDINARY).all(axis=1) & (np.abs(actions) <= ORDINARY).all(axis=1)
    for name, wrong in zip(what, (np.isnan(after).any(axis=1), np.isnan(costs)), strict=True):
        for k in np.flatnonzero(wrong & tame)[:1]:
            raise ConfigError(
                f"{where}: found NaN as the {name} at {states[k].tolist()} under the action {actions[k].tolist()}, "
                "expected a number, or an infinite cost to mark a failure"
            )
