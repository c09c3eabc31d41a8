"""Validate what people write (configurations, options, fleets) by a JSON schema, and fill in its defaults.

An error is one sentence that names the key, what was found and what was expected.  A subschema may say itself what was
expected, under the key "x-expected".
"""

from __future__ import annotations

import copy
import difflib
import math
import reprlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match, by_relevance
from jsonschema.validators import extend

from pcpo.errors import ConfigError, PcpoError

__all__ = ["MAX_INTEGER", "load_schema", "validated"]

#: The largest whole number of a table: seeds and counts are stored in 64 bits.
MAX_INTEGER = 2**63 - 1


#: From here on neighbouring floats differ by more than 1, so a whole number may have lost its last digits.
_ROUNDED = 2.0**53


def _is_integer(_: object, value: object) -> bool:
    """Return whether a value is a whole number, which may be written 2.0."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) < _ROUNDED
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: object, value: object) -> bool:
    """Return whether a value is a finite number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number})
_Validator: Any = extend(Draft202012Validator, type_checker=_TYPES)  # type: ignore[no-untyped-call]
#: Report a misspelt key rather than the required key that is therefore missing.
_RELEVANCE = by_relevance(strong=frozenset({"additionalProperties"}))
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120
_SHORT.maxlong, _SHORT.maxlevel = 40, 3


def load_schema(path: Path | str) -> dict[str, Any]:
    """Read a JSON schema written in YAML."""
    schema: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return schema


def validated(
    config: Mapping[str, Any],
    schema: Mapping[str, Any],
    *,
    error: type[PcpoError] = ConfigError,
    whole: str = "the configuration",
) -> dict[str, Any]:
    """Return a copy of the configuration with the schema's defaults, and 2 for 2.0 where a whole number is wanted.

    Args:
        config: what was written; anything but a mapping is an error as well.
        schema: a JSON schema (draft 2020-12).
        error: the class of the error raised.
        whole: what the sentence calls the configuration itself.

    Raises:
        PcpoError: of the class `error`; names the key, what was found and what was expected.
    """
    found = best_match(_Validator(schema).iter_errors(config), key=_RELEVANCE)
    if found is not None:
        raise error(_sentence(found, whole))
    filled = copy.deepcopy(dict(config))
    _fill_defaults(filled, schema, schema)
    for path, number in _infinite(filled, schema, schema, ()):
        raise error(f"{'.'.join(map(str, path))}: found {number}, expected a finite number")
    whole_numbers: dict[str, Any] = _with_integers(filled, schema, schema)
    return whole_numbers


def _resolve(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a subschema with the one that it refers to merged in."""
    if "$ref" not in node:
        return node
    target: Mapping[str, Any] = root
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **{k: v for k, v in node.items() if k != "$ref"}}


def _fill_defaults(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> None:
    """Add the defaults of missing keys to a mapping, in place and at every depth."""
    node = _resolve(node, root)
    if not isinstance(value, dict):
        return
    for key, child in node.get("properties", {}).items():
        child = _resolve(child, root)
        if key not in value and "default" in child:
            value[key] = copy.deepcopy(child["default"])
        if key in value:
            _fill_defaults(value[key], child, root)
    extra = node.get("additionalProperties")
    if isinstance(extra, Mapping):
        for key in value.keys() - node.get("properties", {}).keys():
            _fill_defaults(value[key], extra, root)


def _parts(
    value: Any, node: Mapping[str, Any], root: Mapping[str, Any]
) -> Iterator[tuple[Any, Any, Mapping[str, Any]]]:
    """Yield the keys or indices of a value, its parts and their subschemas: {} for a key that the schema leaves open.

    The items of a list without a subschema, such as a matrix, are left to whoever makes arrays of them.
    """
    if isinstance(value, dict):
        known, others = node.get("properties", {}), node.get("additionalProperties")
        for key, part in value.items():
            yield key, part, _resolve(known.get(key, others if isinstance(others, Mapping) else {}), root)
    elif isinstance(value, list) and isinstance(node.get("items"), Mapping):
        for index, part in enumerate(value):
            yield index, part, _resolve(node["items"], root)


def _infinite(
    value: Any, node: Mapping[str, Any], root: Mapping[str, Any], path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Yield infinite numbers and NaN, with their places, that no type of the schema has refused."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    for key, part, child in _parts(value, node, root):
        yield from _infinite(part, child, root, (*path, key))


def _with_integers(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Return a valid value with an integer for each whole float for which the schema wants an integer."""
    node = _resolve(node, root)
    if isinstance(value, float):
        kinds = {node["type"]} if isinstance(node.get("type"), str) else set(node.get("type", ()))
        listed = any(member == value and isinstance(member, int) for member in node.get("enum", ()))
        if listed or ("integer" in kinds and "number" not in kinds):
            return int(value)
    parts = {key: _with_integers(part, child, root) for key, part, child in _parts(value, node, root)}
    if parts:
        value = parts if isinstance(value, dict) else list(parts.values())
    branches = [*node.get("oneOf", ()), *node.get("anyOf", ()), *node.get("allOf", ())]
    for branch in [*branches, *(node[key] for key in ("if", "then", "else") if key in node)]:
        value = _with_integers(value, branch, root)
    return value


def _sentence(error: ValidationError, whole: str) -> str:
    """Say in one sentence which key is wrong, what was found and what was expected."""
    where = ".".join(str(part) for part in error.absolute_path) or whole
    schema, wanted = cast(dict[str, Any], error.schema), cast(Any, error.validator_value)
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        unknown = next(key for key in cast(dict[str, Any], error.instance) if key not in known)
        lower = {key.lower(): key for key in known}  # Delta0 and delta differ by more than their case
        near = difflib.get_close_matches(str(unknown).lower(), list(lower), n=1)
        hint = f"; did you mean {lower[near[0]]!r}?" if near else ""
        expected = f"one of {', '.join(known)}" if known else "none"
        return f"{where}: found the unknown key {unknown!r}, expected {expected}{hint}"
    if error.validator == "required":
        missing = next(key for key in wanted if key not in cast(dict[str, Any], error.instance))
        return f"{where}: found no key {missing!r}, which is required"
    if error.validator == "oneOf" and isinstance(error.instance, dict):
        kinds = " or ".join(repr(key) for key in _alternatives(error))
        return f"{where}: found the keys {sorted(error.instance)}, expected exactly one of {kinds}"
    return f"{where}: found {_SHORT.repr(error.instance)}, expected {_expectation(error)}"


def _alternatives(error: ValidationError) -> Iterator[str]:
    """Yield the keys of which exactly one is required."""
    for context in error.context or []:
        if context.validator == "required":
            yield from cast(list[str], context.validator_value)


_PHRASES = {
    "type": "a value of type {}",
    "boolean": "a value of type boolean, true or false",
    "enum": "one of {}",
    "exclusiveMinimum": "a number above {}",
    "minimum": "a number of at least {}",
    "exclusiveMaximum": "a number below {}",
    "maximum": "a number of at most {}",
    "pattern": "a text that matches {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} key(s)",
    "uniqueItems": "items that differ",
    "minLength": "a text of at least {} character(s)",
    "maxLength": "a text of at most {} characters",
}


def _expectation(error: ValidationError) -> str:
    """Say what was expected, in the schema's own words if it has some."""
    if "x-expected" in (schema := cast(dict[str, Any], error.schema)):
        return str(schema["x-expected"])
    if error.validator == "type" and isinstance(error.instance, int | float) and not isinstance(error.instance, bool):
        if not _is_number(None, error.instance):
            return "a finite number"
        if error.validator_value == "integer" and float(error.instance).is_integer():
            return "a whole number of this size to be written in digits alone"
    kind = "boolean" if error.validator_value == "boolean" else str(error.validator)
    return _PHRASES.get(kind, f"{error.validator} {{}}").format(error.validator_value)
