"""Pieces of HTML that report and notebooks are made of: badges, tables that scroll, figures that hold their image."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from markupsafe import Markup

from pcpo.errors import ResultsError
from pcpo.report.formulas import plain, prose

__all__ = ["Fragment", "anchor", "badge", "embedded", "figure", "missing", "table"]

_SIGNS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
_PNG = b"\x89PNG\r\n\x1a\n"
_END = b"IEND\xaeB`\x82"
_PIXELS_PER_INCH, _CSS_PIXELS = 300, 96 * 1.2  # figures are drawn for paper; a screen is read from farther away


@dataclass(frozen=True)
class Fragment:
    """A piece of HTML that a notebook shows and a template takes as it is."""

    html: Markup

    def __html__(self) -> str:
        """For templates: no escaping."""
        return str(self.html)

    def __str__(self) -> str:
        """The words without the tags, for a terminal."""
        spaced = re.sub(
            r"</(p|tr|h\d|li|figcaption|dd|dt)>|<br>", "\n", re.sub(r"<annotation.*?</annotation>", "", self.html)
        )
        words = re.sub(r"</t[dh]>", "  ", spaced)
        return re.sub(r"\n\s*\n+", "\n", unescape(re.sub(r"<[^>]+>", "", words))).strip()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What Jupyter shows."""
        return {"text/html": f'<div class="pcpo">{self.html}</div>', "text/plain": str(self)}


def anchor(*names: str) -> str:
    """An id for a place in the page, from names: letters, digits, hyphens."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-") for name in names)


def badge(verdict: str) -> Markup:
    """A verdict as a coloured label that also has a sign and the word."""
    return Markup('<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>').format(
        verdict, _SIGNS.get(verdict, "·"), verdict
    )


def missing(what: str) -> Markup:
    """A visible note in place of something that is not there."""
    return Markup('<p class="missing">missing: {}</p>').format(what)


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | Markup]], label: str, *, numeric: Iterable[int] = ()
) -> Markup:
    """A table that scrolls sideways in a box of its own; plain texts are escaped, formulas in the head converted.

    numeric: columns set to the right.
    """
    right = set(numeric)

    def cells(tag: str, row: Sequence[str | Markup]) -> Markup:
        kinds = (Markup(' class="number"') if k in right else "" for k in range(len(row)))
        scope = Markup(' scope="col"') if tag == "th" else ""
        return Markup("").join(
            Markup("<{0}{1}{2}>{3}</{0}>").format(Markup(tag), scope, kind, cell)
            for kind, cell in zip(kinds, row, strict=True)
        )

    body = Markup("\n").join(Markup("<tr>{}</tr>").format(cells("td", row)) for row in rows)
    return Markup(
        '<div class="scroll" role="region" tabindex="0" aria-label="{}">\n<table>\n<thead><tr>{}</tr></thead>\n'
        "<tbody>\n{}\n</tbody>\n</table>\n</div>"
    ).format(label, cells("th", [prose(name) for name in head]), body)


def embedded(path: Path) -> tuple[str, int, int]:
    """A PNG as a data URI, with its width and height in CSS pixels.

    Raises ResultsError, naming the file, if it is no whole PNG.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror}), expected a PNG figure") from None
    if not content.startswith(_PNG) or len(content) < 33 or not content.rstrip(b"\n").endswith(_END):
        raise ResultsError(f"{path}: found no whole PNG image, it may be truncated; draw the figure again")
    width, height = struct.unpack(">II", content[16:24])
    scale = _CSS_PIXELS / _PIXELS_PER_INCH
    uri = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return uri, round(width * scale), round(height * scale)


def figure(path: Path, name: str, title: str, caption: str, *, prefix: str = "figure") -> Markup:
    """The image of a figure inside the page, with alternative text and caption; a note if the file is not there."""
    if not path.is_file():
        return missing(f"figure {name} ({path.name})")
    uri, width, height = embedded(path)
    return Markup(
        '<figure id="{}">\n<img src="{}" width="{}" height="{}" alt="{}">\n'
        "<figcaption><b>Figure {}.</b> {}</figcaption>\n</figure>"
    ).format(anchor(prefix, name), uri, width, height, f"{plain(title)}. {plain(caption)}", name, prose(caption))
