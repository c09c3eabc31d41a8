"""Make the pieces of HTML that report and notebooks are built from: badges, tables, figures.

The pieces are macros of templates/macros.html.j2; Jinja escapes every value that is not markup.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pcpo.report.markup.formulas import anchor, plain, prose
from pcpo.report.markup.pictures import embedded

__all__ = ["Fragment", "anchor", "badge", "figure", "macro", "missing", "table", "template", "unbroken"]

_SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}


@dataclass(frozen=True)
class Fragment:
    """Hold a piece of HTML that a notebook shows and a template inserts without escaping."""

    html: Markup

    def __html__(self) -> str:
        """Return the HTML for templates."""
        return str(self.html)

    def __str__(self) -> str:
        """Return the words without the tags, for a terminal."""
        spaced = re.sub(
            r"</(p|tr|h\d|li|figcaption|dd|dt)>|<br>", "\n", re.sub(r"<annotation.*?</annotation>", "", self.html)
        )
        words = re.sub(r"</t[dh]>", "  ", spaced)
        return re.sub(r"\n\s*\n+", "\n", unescape(re.sub(r"<[^>]+>", "", words))).strip()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what Jupyter shows."""
        return {"text/html": f'<div class="pcpo">{self.html}</div>', "text/plain": str(self)}


@functools.cache
def _environment() -> jinja2.Environment:
    """Return the templates of the report; an unknown name in a template is an error."""
    loader = jinja2.PackageLoader("pcpo.report", package_path="")
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "undefined": jinja2.StrictUndefined}
    return jinja2.Environment(loader=loader, autoescape=True, keep_trailing_newline=True, **options)


def template(name: str) -> jinja2.Template:
    """Return a template of this package; values are escaped unless they are markup."""
    return _environment().get_template(name)


def macro(name: str, *values: Any) -> Markup:
    """Fill a macro of templates/macros.html.j2 with values."""
    made: Markup = getattr(template("templates/macros.html.j2").module, name)(*values)
    return made


def badge(verdict: str) -> Markup:
    """Show a verdict as a coloured label with a sign and the word."""
    return macro("badge", verdict, _SIGNS.get(verdict, "·"), verdict)


def missing(what: str) -> Markup:
    """Show a visible note in place of something missing."""
    return macro("missing", what)


def unbroken(text: str) -> str:
    """Keep numbers in one line with their percent signs and with the ≤ before them."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%").replace("≤ ", "≤\N{NO-BREAK SPACE}")


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | Markup]], label: str, *, numeric: Iterable[int] = ()
) -> Markup:
    """Show a table that scrolls sideways in a box; plain texts are escaped, formulas in the head converted.

    Args:
        head: a heading for each column.
        rows: cells, as many as there are headings.
        label: what a screen reader calls the table.
        numeric: columns that are aligned on the right.
    """
    filled = [list(row) for row in rows]
    if wrong := [row for row in filled if len(row) != len(head)]:
        raise ValueError(f"table {label!r}: found a row of {len(wrong[0])} cells, expected {len(head)}")
    return macro("table", label, [prose(name) for name in head], filled, frozenset(numeric))


def figure(path: Path, name: str, title: str, caption: str, *, prefix: str = "figure") -> Markup:
    """Show a figure inside the page with alternative text and caption, or a note if its file is missing."""
    if not path.is_file():
        return missing(f"figure {name} ({path.name})")
    alternative = f"{plain(title)}. {plain(caption)}"
    return macro("figure", anchor(prefix, name), *embedded(path), alternative, name, prose(caption))
