"""The workflow's configuration: validated by a JSON schema, defaults filled in, one clear message if it is wrong."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from pcpo.errors import ConfigError

__all__ = ["load_schema", "validated"]


def load_schema(path: Path | str) -> dict[str, Any]:
    """Read a JSON schema written in YAML."""
    schema: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return schema


def validated(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the schema's defaults.

    Raises ConfigError naming the key, what was found and what was expected.
    """
    validator = Draft202012Validator(schema)
    error = best_match(validator.iter_errors(config))
    if error is not None:
        raise ConfigError(_sentence(error))
    filled = copy.deepcopy(dict(config))
    _fill_defaults(filled, schema, schema)
    return filled


def _resolve(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in node:
        return node
    target: Mapping[str, Any] = root
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **{k: v for k, v in node.items() if k != "$ref"}}


def _fill_defaults(value: Any, node: Mapping[str, Any], root: Mapping[str, Any]) -> None:
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


def _where(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "the configuration"


def _sentence(error: ValidationError) -> str:
    """One sentence: key, found, expected."""
    where, schema, wanted = _where(error), cast(dict[str, Any], error.schema), cast(Any, error.validator_value)
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
    return f"{where}: found {error.instance!r}, expected {_expectation(error)}"


def _alternatives(error: ValidationError) -> Iterator[str]:
    for context in error.context or []:
        if context.validator == "required":
            yield from cast(list[str], context.validator_value)


_PHRASES = {
    "type": "a value of type {}",
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
    return _PHRASES.get(str(error.validator), f"{error.validator} {{}}").format(error.validator_value)
