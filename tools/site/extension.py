"""Extend Sphinx: formulas become MathML as in the report, and docstrings are read as the prose that they are."""

from __future__ import annotations

import re
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import FunctionType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

import pcpo
from pcpo.report.markup.formulas import mathml
from tools.site import api

__all__ = ["escaped", "setup"]

#: Several fields with one description: Sphinx would take the first for the type of the second.
_FIELDS = re.compile(r"^ {4,}\w+(?:, \w+)+(?=: )")
#: Code, which stays as it is, or a sign that reStructuredText would take for markup.
_SIGNS = re.compile(r"(?P<code>``.+?``|:[\w:]+:`[^`]+`|`[^`]+`_?)|[\\|*]|(?<=\w)_(?!\w)")


def escaped(lines: list[str]) -> list[str]:
    """Return lines of a docstring as reStructuredText.

    |N|, x* and K_ stand for themselves, and full names of the package between backticks are links.  As in Markdown,
    what is indented by four after an empty line is a literal block, and rows between | are a table.  Literal blocks and
    the tables of reStructuredText stay.
    """
    made: list[str] = []
    literal: int | None = None  # the indentation of the paragraph before a literal block
    last = 0  # the indentation of the last line that is not empty
    for k, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None and (not line.strip() or indent > literal):
            made.append(line)
            continue
        literal = None
        if line.strip() and indent >= last + 4 and k > 0 and not lines[k - 1].strip():
            literal = last
            made += [f"{' ' * last}::", "", line]
            continue
        if _is_row(line) and (made_of := _table(lines[k:], before=lines[k - 1] if k else "")) is not None:
            made += made_of
            continue
        if line.rstrip().endswith("::"):
            literal = indent
        last = indent if line.strip() else last
        ruled = re.match(r"\s*[=+-]{3,}", line) is not None
        made.append(line if ruled else _plain(line))
    return made


def _plain(line: str) -> str:
    """Return a line whose signs stand for themselves; code between backticks stays."""
    line = _FIELDS.sub(lambda found: found[0].replace(", ", ","), line)
    return _SIGNS.sub(lambda found: _linked(found["code"]) if found["code"] else f"\\{found[0]}", line)


def _linked(code: str) -> str:
    """Return code as it stands, as a link if it is a full name of the package."""
    return f":py:obj:{code}" if re.fullmatch(r"`pcpo(\.\w+)+`", code) else code


def _is_row(line: str) -> bool:
    return re.fullmatch(r"\s*\|.*\|\s*", line) is not None


def _table(lines: list[str], before: str) -> list[str] | None:
    """Return the table that begins with these lines as a directive, [] for its other rows; None if there is none."""
    if _is_row(before):
        return []
    if len(lines) < 2 or re.fullmatch(r"\s*\|[-|: ]+\|\s*", lines[1]) is None:
        return None
    rows = list(takewhile(_is_row, lines))
    made = [".. list-table::", "   :header-rows: 1", ""]
    for row in (rows[0], *rows[2:]):
        cells = [_plain(cell.strip()) for cell in row.strip().strip("|").split("|")]
        made += [f"   {'  ' if k else '* '}- {cell}" for k, cell in enumerate(cells)]
    return [*made, ""]


def _docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = escaped(lines)
    if what in ("attribute", "data", "property"):  # napoleon would take "Return x: y" for a type and a text
        lines.insert(0, "")


def _prepared(app: Sphinx) -> None:
    """Put functions in the place of their compiled objects, which have no signature, and offer every name once.

    A module may offer a class or function of another one too; its place is the page of the module that defines it.
    """
    for module, _ in api.modules(Path(pcpo.__file__).parents[1]):
        if module == "pcpo":  # it imports what it offers late
            continue
        loaded = import_module(module)
        for name, other, there in api.imported_for_types(Path(str(loaded.__file__))):  # so that annotations can be read
            setattr(loaded, name, getattr(import_module(other), there))
        offered = {name: getattr(loaded, name) for name in getattr(loaded, "__all__", ())}
        offered = {name: getattr(value, "py_func", value) for name, value in offered.items()}
        for name, value in offered.items():
            setattr(loaded, name, value)
        own = [name for name, value in offered.items() if not _foreign(value, module)]
        loaded.__all__ = own  # type: ignore[attr-defined]


def _foreign(value: Any, module: str) -> bool:
    """Return whether a class or function is defined in another module of the package."""
    home = value.__module__ if isinstance(value, type | FunctionType) else module
    return home != module and home.startswith("pcpo.")


def _inline(translator: Any, node: nodes.Node) -> None:
    translator.body.append(str(mathml(node.astext())))
    raise nodes.SkipNode


def _display(translator: Any, node: nodes.Node) -> None:
    box = '<div class="math" role="group" tabindex="0" aria-label="formula">'
    translator.body.append(f"{box}{mathml(node.astext(), display=True)}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer and the reader; Sphinx calls this."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_display, None))
    app.connect("env-before-read-docs", lambda app, env, documents: _prepared(app))
    app.connect("autodoc-process-docstring", _docstring, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
