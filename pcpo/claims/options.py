"""Options of a study as JSON schemas with defaults: what a configuration may say under evidence.<study>.options.

`whole`, `number`, `several` and `names` write such a schema; `with_defaults` checks by it what was given.  What an
option has to be beside another one is for the study's `cells` to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pcpo.errors import ConfigError
from pcpo.schema import validated

if TYPE_CHECKING:
    from pcpo.claims.contract import Study

__all__ = ["Option", "cells_of", "key_of", "names", "number", "several", "whole", "with_defaults"]

#: JSON schema of one option, with its default unless it describes an item of a list.
Option = Mapping[str, Any]


def _schema(kind: str, default: Any, **rest: Any) -> Option:
    given = {"type": kind, "default": default, **rest}
    return {key: value for key, value in given.items() if value is not None}


def whole(default: int | None = None, *, least: int = 1, most: int | None = None) -> Option:
    """A whole number from `least` to `most`."""
    return _schema("integer", default, minimum=least, maximum=most)


def number(
    default: float | None = None,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> Option:
    """A finite number between limits, above 0 if none is given below."""
    if above is None and least is None:
        above = 0
    limits = {"exclusiveMinimum": above, "minimum": least, "exclusiveMaximum": below, "maximum": most}
    return _schema("number", default, **limits)


def several(default: Sequence[Any], item: Option, *, fewest: int = 1) -> Option:
    """A list of different items."""
    return _schema("array", list(default), items=item, minItems=fewest, uniqueItems=True)


def names(default: Sequence[str]) -> Option:
    """Some of these names, all by default."""
    return several(default, {"enum": list(default)})


def with_defaults(study: Study, options: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a study, in its order; raises ConfigError for one that it does not have or that is not valid."""
    schema: dict[str, Any] = {"properties": dict(study.options), "additionalProperties": False}
    path = ("evidence", study.name, "options")
    given: dict[str, Any] = dict(options)
    for part in reversed(path):
        schema, given = {"properties": {part: schema}}, {part: given}
    filled: Any = validated(given, schema)
    for part in path:
        filled = filled[part]
    return {name: _exact(filled[name], option, key_of(study.name, name)) for name, option in study.options.items()}


def _exact(value: Any, option: Option, key: str) -> Any:
    """The value with whole numbers as integers: 4.0 is one to a schema; infinity and NaN are numbers, and refused."""
    if isinstance(value, dict):
        known, others = option.get("properties", {}), option.get("additionalProperties") or {}
        return {name: _exact(one, known.get(name, others), f"{key}.{name}") for name, one in value.items()}
    if isinstance(value, list):
        return [_exact(one, option.get("items", {}), f"{key}.{index}") for index, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key}: found {value}, expected a finite number")
    return int(value) if option.get("type") == "integer" else value


def key_of(study: str, name: str) -> str:
    """Where a configuration has an option."""
    return f"evidence.{study}.options.{name}"


def cells_of(study: Study, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The conditions of a study by name; raises ConfigError for options that are not valid."""
    return study.cells(with_defaults(study, options))
