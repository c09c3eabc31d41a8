"""Read and write fleets as JSON: the keys of `pcpo.fleets.yaml`, for programs that write JSON."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pcpo.errors import FleetError
from pcpo.fleets.assembly import Draw
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.yaml import MAX_DEPTH, document_of, fleet_of_document

__all__ = ["dumps", "loads"]


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a mapping; FleetError for a key that occurs twice."""
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise FleetError(f"found key {key!r} twice, expected it once")
        mapping[key] = value
    return mapping


def _constant(word: str) -> NoReturn:
    """Refuse NaN and infinities, which are not JSON."""
    raise FleetError(f"found {word}, which is not JSON, expected finite numbers")


def _check_depth(text: str) -> None:
    """Refuse deep nesting, which recurses, before anything is built; brackets inside texts do not count."""
    depth, quoted, escaped = 0, False, False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise FleetError(f"found more than {MAX_DEPTH} levels of nesting")
        elif character in "]}":
            depth -= 1


def loads(data: bytes, draw: Draw | None = None) -> Fleet:
    """Read a fleet from JSON text; `draw` as in `pcpo.fleets.assembly.assembled`.

    Raises:
        FleetError: naming the key, what was found and what was expected.
    """
    try:
        text = data.decode("utf-8-sig")
        _check_depth(text)
        document = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except FleetError:
        raise
    except UnicodeDecodeError as error:
        raise FleetError(f"found bytes that are not UTF-8 text at offset {error.start}") from error
    except json.JSONDecodeError as error:
        raise FleetError(f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except ValueError as error:  # an integer of thousands of digits
        raise FleetError(f"found a value that cannot be read ({error})") from error
    return fleet_of_document(document, draw)


def dumps(fleet: Fleet) -> bytes:
    """Return the JSON text of a fleet: every float in the shortest form that reads back bit by bit."""
    entries = [f"  {json.dumps(key)}: {_entry(value)}" for key, value in document_of(fleet).items()]
    return ("{\n" + ",\n".join(entries) + "\n}\n").encode("utf-8")


def _entry(value: Any) -> str:
    """Return a value on one line, or a list of mappings with a line for each."""
    if isinstance(value, list) and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n  ]"
    return json.dumps(value, ensure_ascii=False)
