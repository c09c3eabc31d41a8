"""Declare the options of studies as JSON schemas with defaults: the keys under evidence.<study>.options.

`whole`, `number`, `several` and `names` write such a schema, and `with_defaults` checks options by it.  Conditions that
relate several options are checked by the study's `cells`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pcpo.schema import MAX_INTEGER, validated

if TYPE_CHECKING:
    from pcpo.claims.contract import Study

__all__ = ["Option", "cells_of", "key_of", "names", "number", "several", "whole", "with_defaults"]

#: JSON schema of one option, with its default unless it describes an item of a list.
Option = Mapping[str, Any]


def _schema(kind: str, default: Any, **rest: Any) -> Option:
    given = {"type": kind, "default": default, **rest}
    return {key: value for key, value in given.items() if value is not None}


def whole(default: int | None = None, *, least: int = 1, most: int = MAX_INTEGER) -> Option:
    """Describe a whole number from `least` to `most`."""
    return _schema("integer", default, minimum=least, maximum=most)


def number(
    default: float | None = None,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> Option:
    """Describe a finite number between limits, above 0 if no lower limit is given."""
    if above is None and least is None:
        above = 0
    limits = {"exclusiveMinimum": above, "minimum": least, "exclusiveMaximum": below, "maximum": most}
    return _schema("number", default, **limits)


def several(default: Sequence[Any], item: Option, *, fewest: int = 1) -> Option:
    """Describe a list of different items."""
    return _schema("array", list(default), items=item, minItems=fewest, uniqueItems=True)


def names(default: Sequence[str]) -> Option:
    """Describe a choice of some of these names, all by default."""
    return several(default, {"enum": list(default)})


def with_defaults(study: Study, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the options of a study and fill in the defaults, in the order of the declaration.

    Raises:
        ConfigError: naming the key, for an unknown option or a value that is not valid.
    """
    schema: dict[str, Any] = {"properties": dict(study.options), "additionalProperties": False}
    path = study.place.split(".") if study.place else ["evidence", study.name, "options"]
    given: dict[str, Any] = dict(options)
    for part in reversed(path):
        schema, given = {"properties": {part: schema}}, {part: given}
    filled: Any = validated(given, schema)
    for part in path:
        filled = filled[part]
    return {name: filled[name] for name in study.options}


def key_of(study: str, name: str) -> str:
    """Return the key under which a configuration has an option."""
    return f"evidence.{study}.options.{name}"


def cells_of(study: Study, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the conditions of a study by name; raises ConfigError for options that are not valid."""
    return study.cells(with_defaults(study, options))
