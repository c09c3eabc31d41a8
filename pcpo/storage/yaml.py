"""Read YAML 1.2 (and JSON, which is part of it) as people write it: the only reader of configurations and fleets.

Every value is read as YAML 1.2 has it, whatever a library of YAML 1.1 would make of it:

    10, 010, 1e1, 10.       the number ten (a leading zero means nothing)
    0x1F, 0o17              31 and 15
    .5, -.5, +.5e0, 5E-1    numbers
    true, false             truth values; yes, no, on and off are texts
    1:30, 1_000, 2020-02-02, 1d-3, "4"    texts, which are refused wherever a number is expected

Keys are texts, and none may occur twice in a mapping.  Nothing is executed: tags beyond those of plain YAML are
refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from pcpo.errors import PcpoError
from pcpo.storage.files import read_limited

__all__ = ["MAX_DEPTH", "plain_scalar", "read_mapping", "read_yaml"]

#: Levels of nesting, and size, of a configuration.
MAX_DEPTH = 20
MAX_FILE_BYTES = 4 * 2**20
#: How many values a document with aliases may have when every alias is written out.
MAX_ALIASED_VALUES = 100_000
#: Python itself reads at most 4300.
MAX_DIGITS = 1000

_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + text: float(f"{sign}inf") for sign in ("", "+", "-") for text in (".inf", ".Inf", ".INF")},
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CORE = "tag:yaml.org,2002:"
#: What the value of an explicit tag of plain YAML must be; a whole number will do for !!float.
_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}


def plain_scalar(text: str) -> Any:
    """Return the value of text without quotation marks: a number, a truth value, None or the text itself.

    Raises:
        ValueError: for a whole number of more than MAX_DIGITS digits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _DECIMAL.fullmatch(text) or _BASED.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"found a whole number of {len(text)} digits, expected at most {MAX_DIGITS}")
        return int(text, 0 if text[:2] in ("0x", "0o") else 10)
    return float(text) if _FLOAT.fullmatch(text) else text


def read_mapping(path: str | os.PathLike[str], *, error: type[PcpoError]) -> dict[str, Any]:
    """Read a configuration file, which may have aliases and merge keys.

    Raises:
        PcpoError: of the class `error`; names the file, line and column, if the file is missing, too large or no
            mapping of YAML 1.2 or JSON.
    """
    data = read_limited(path, MAX_FILE_BYTES, error)
    try:
        content = read_yaml(data, error=error, max_depth=MAX_DEPTH, aliases=True)
    except PcpoError as found:
        raise error(f"{path}: {found}") from found
    if not isinstance(content, dict):
        raise error(f"{path}: found {content!r:.60}, expected keys with values")
    return content


def read_yaml(
    data: bytes | str, *, error: type[PcpoError], max_depth: int = 10, aliases: bool = False, whole: str = "the file"
) -> Any:
    """Read one document of YAML 1.2 or JSON.

    Args:
        data: UTF-8 bytes, or text.
        error: the class of the error raised.
        max_depth: how deeply lists and mappings may be nested.
        aliases: allow aliases (*name) and merge keys (<<), up to MAX_ALIASED_VALUES values.
        whole: what the sentences call the document.

    Returns:
        Texts, numbers, truth values and None in lists and mappings; None for an empty document.  Values of aliases are
        shared, not copied.

    Raises:
        PcpoError: of the class `error`; names the line and column, what was found and what was expected.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return _Document(text, error, max_depth, aliases, whole).value()
    except UnicodeDecodeError as found:
        raise error(f"found bytes that are not UTF-8 text at offset {found.start}") from found
    except YAMLError as found:
        raise error(_syntax(found, text)) from found
    except PcpoError:
        raise
    except (ValueError, AssertionError) as found:  # the parser's own: an escape beyond U+10FFFF, a version like 1.3
        raise error(f"not valid YAML: {found}") from found


def _syntax(found: YAMLError, text: str) -> str:
    """Say in one sentence where a document is not YAML, and why."""
    if isinstance(found, MarkedYAMLError) and found.problem_mark is not None:
        start = found.context_mark
        opened = f" {found.context} that starts in line {start.line + 1}" if start and found.context else ""
        return f"{_place(found.problem_mark)}: not valid YAML: {' '.join(str(found.problem).split())}{opened}"
    if isinstance(found, ReaderError):
        before = text[: found.position]
        place = f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
        return f"{place}: not valid YAML: found the character U+{ord(text[found.position]):04X}, expected text"
    return f"not valid YAML: {' '.join(str(found).split())}"


def _place(mark: Any) -> str:
    """Name the line and column of a mark."""
    return f"line {mark.line + 1}, column {mark.column + 1}"


class _Document:
    """Build the value of a document from the events of the parser."""

    def __init__(self, text: str, error: type[PcpoError], max_depth: int, aliases: bool, whole: str) -> None:
        """Start to parse; nothing is read yet."""
        self.error, self.max_depth, self.aliases, self.whole = error, max_depth, aliases, whole
        self.events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0

    def refuse(self, event: Any, sentence: str) -> PcpoError:
        """Return the error for an event."""
        return self.error(f"{_place(event.start_mark)}: {sentence}")

    def value(self) -> Any:
        """Read the only document of the text."""
        value = None
        documents = 0
        for event in self.events:
            if isinstance(event, StreamStartEvent | DocumentEndEvent | StreamEndEvent):
                continue
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refuse(event, f"found a second document, expected one in {self.whole}")
                if event.version not in (None, (1, 2)):
                    raise self.refuse(event, "found the directive of another version of YAML, expected YAML 1.2")
            else:
                value = self.node(event, 0)
        return value

    def node(self, event: Any, depth: int) -> Any:
        """Build the value that starts with an event, inside `depth` lists and mappings."""
        before = self.count
        self.count += 1
        if isinstance(event, AliasEvent):
            return self.alias(event)
        if isinstance(event, ScalarEvent):
            value = self.scalar(event)
        elif depth == self.max_depth:
            raise self.refuse(event, f"found more than {self.max_depth} levels of nesting")
        elif isinstance(event, SequenceStartEvent):
            value = self.sequence(event, depth + 1)
        else:
            value = self.mapping(event, depth + 1)
        if event.anchor:
            self.anchors[event.anchor] = value, self.count - before
        return value

    def alias(self, event: AliasEvent) -> Any:
        """Return the value of an alias."""
        if not self.aliases:
            raise self.refuse(event, "found an alias, expected values written out")
        if event.anchor not in self.anchors:
            raise self.refuse(event, f"found the alias *{event.anchor}, expected &{event.anchor} before it")
        value, size = self.anchors[event.anchor]
        self.count += size
        if self.count > MAX_ALIASED_VALUES:
            raise self.refuse(event, f"found more than {MAX_ALIASED_VALUES} values with those of aliases")
        return value

    def sequence(self, start: SequenceStartEvent, depth: int) -> list[Any]:
        """Build a list."""
        self.check_tag(start, "seq")
        items = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self.node(event, depth))
        return items

    def mapping(self, start: MappingStartEvent, depth: int) -> dict[str, Any]:
        """Build a mapping, whose keys are texts that differ."""
        self.check_tag(start, "map")
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self.key(event)
            if key in lines:
                first = f"the first is in line {lines[key]}"
                raise self.refuse(event, f"found the key {key!r} twice, expected it once; {first}")
            lines[key] = event.start_mark.line + 1
            following = next(self.events)
            if start.flow_style and ":" in key and event.style is None and _is_missing(following):
                raise self.refuse(event, f"found {key!r} without a value, expected a space after the colon")
            value = self.node(following, depth)
            if key == "<<" and event.style is None:
                merged = self.merged(following, value)
            else:
                mapping[key] = value
        return {**merged, **mapping} if merged else mapping

    def key(self, event: Any) -> str:
        """Return the text of a key as it is written."""
        merges = isinstance(event, ScalarEvent) and event.value == "<<" and event.style is None
        if not isinstance(event, ScalarEvent) or event.tag not in (None, "!", f"{_CORE}str"):
            raise self.refuse(event, "found a key that is not plain text")
        if merges and not self.aliases:
            raise self.refuse(event, "found a key that is not plain text, but merges mappings")
        self.count += 1
        return self.text(event)

    def merged(self, event: Any, value: Any) -> dict[str, Any]:
        """Return what a merge key adds: one mapping or a list of them, of which earlier ones go first."""
        mappings = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in mappings):
            raise self.refuse(event, f"<<: found {value!r:.60}, expected a mapping or a list of mappings")
        return {key: value for one in reversed(mappings) for key, value in one.items()}

    def check_tag(self, event: Any, kind: str) -> None:
        """Refuse a list or mapping with a tag that is not its own."""
        if event.tag not in (None, "!", _CORE + kind):
            raise self.refuse(event, f"not valid YAML: found the tag {event.tag!r:.60}, expected none")

    def scalar(self, event: ScalarEvent) -> Any:
        """Return the value of a scalar: text if it is quoted, else what the text says."""
        kind = None if event.tag is None else event.tag.removeprefix(_CORE)
        if kind in ("!", "str") or (kind is None and event.style is not None):
            return self.text(event)
        try:
            value = plain_scalar(event.value)
        except ValueError as found:
            raise self.refuse(event, str(found)) from None
        if kind is None:
            return self.text(event) if isinstance(value, str) else value
        if kind not in _KINDS:
            raise self.refuse(event, f"not valid YAML: found the tag {event.tag!r:.60}, expected none")
        if type(value) not in _KINDS[kind]:
            raise self.refuse(event, f"found {event.value!r:.60}, expected a value of its tag !!{kind}")
        return float(value) if kind == "float" else value

    def text(self, event: ScalarEvent) -> str:
        """Return a text; JSON writes characters beyond U+FFFF as two escapes, which are joined."""
        text = str(event.value)
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self.refuse(event, "found half of a character (a lone surrogate), expected text") from None


def _is_missing(event: Any) -> bool:
    """Return whether a value is not written at all."""
    return isinstance(event, ScalarEvent) and event.value == "" and event.style is None and event.tag is None
