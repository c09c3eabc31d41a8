"""Convert text with formulas to HTML when a page is built, so that readers need no network and no script.

LaTeX between $ becomes MathML; `markdown` converts whole pages and leaves no dangling links.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import Any, cast
from xml.etree import ElementTree

import mistune
from latex2mathml.converter import convert
from markupsafe import Markup

from pcpo.errors import ConfigError

__all__ = ["anchor", "markdown", "mathml", "plain", "prose"]

#: What the converter does not know or, without braces, marks with attributes that MathML Core has dropped.
_READ_AS: tuple[tuple[str, str], ...] = (
    (r"\\math(cal|bf|bb|scr|frak)\s+(\w)", r"\\math\1{\2}"),
    (r"\\math(cal|bf|bb|scr|frak)(?=\d)(\d)", r"\\math\1{\2}"),
    (r"\\mathrm\s*\{(\w)\}", r"\\text{\1}"),
    (r"\\arg(?![a-zA-Z])", r"\\operatorname{arg}"),
)
_BRACES = (r">\{<", ">{<"), (r">\}<", ">}<")
_NUMBERED = re.compile(r"&#x([0-9A-Fa-f]+);")
_CODE = re.compile(r"`([^`]+)`")


@lru_cache(maxsize=4096)
def mathml(formula: str, *, display: bool = False) -> Markup:
    """Convert a formula (LaTeX without dollars) to a MathML element.

    The converter passes unknown commands through as text, so a backslash that remains is an error here.

    Raises:
        ConfigError: naming the formula, if it cannot be converted.
    """
    source = formula.strip()
    if _depth(source) != 0:
        raise ConfigError(f"formula ${formula}$: found braces that do not match, expected as many {{ as }}")
    for pattern, replacement in _READ_AS:
        source = re.sub(pattern, replacement, source)
    try:
        made = convert(source, display="block" if display else "inline")
        for found, wanted in _BRACES:
            made = made.replace(found, wanted)
        ElementTree.fromstring(made)
    except Exception as error:  # the converter has no common base class for its errors
        raise ConfigError(f"formula ${formula}$: found LaTeX that is not known here ({error!r})") from None
    if unknown := re.search(r"\\[a-zA-Z]*", made):
        raise ConfigError(f"formula ${formula}$: found {unknown[0]}, expected a command of latex2mathml")
    return Markup(_shortened(made))


def _shortened(made: str) -> str:
    """Leave out what HTML does not need: the name space, the default display, and numbers in place of letters."""
    made = made.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "").replace(' display="inline"', "")
    return _NUMBERED.sub(lambda match: escape(chr(int(match[1], 16))), made)


def _depth(source: str) -> int:
    bare = re.sub(r"\\[{}\\]", "", source)
    return bare.count("{") - bare.count("}")


def prose(text: str) -> Markup:
    """Convert text with formulas between $ and code between ` to HTML; everything else is escaped.

    Raises:
        ConfigError: for an odd number of dollars, or a formula that cannot be converted.
    """
    parts = _parts(text)
    return Markup("").join(mathml(part) if k % 2 else _coded(part) for k, part in enumerate(parts))


def plain(text: str) -> str:
    """Return the same text without dollars and backticks, for alternative texts and terminals."""
    return "".join(_parts(text)).replace("`", "")


def _parts(text: str) -> list[str]:
    """Split a text into text, formula, text, …, text."""
    parts = text.split("$")
    if len(parts) % 2 == 0:
        raise ConfigError(f"text {text[:60]!r}…: found an odd number of $, expected formulas between two")
    return parts


def _coded(text: str) -> Markup:
    return Markup(_CODE.sub(r"<code>\1</code>", escape(text, quote=False)))


def anchor(*names: str) -> str:
    """Make the id of a place in the page from names: letters, digits, hyphens."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-") for name in names)


_FORMULA = r"\$\$(?P<display_formula>[^$]+?)\$\$|\$(?!\s)(?P<inline_formula>[^$]+?)(?<!\s)\$(?!\d)"


class _Renderer(mistune.HTMLRenderer):
    """Render headings with ids, lowered by `below` levels, and links within the project as text."""

    def __init__(self, prefix: str, below: int) -> None:
        super().__init__(escape=True)
        self.prefix, self.below = prefix, below

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        """Render `<h…>` with an id made from its words."""
        name = anchor(self.prefix, re.sub(r"<[^>]+>|&\w+;", "", text).lower())
        depth = min(6, level + self.below)
        return f'<h{depth} id="{name}">{text}</h{depth}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Render a web link as a link; a link to a file of the project becomes text, since the page stands alone."""
        if re.match(r"https?://", url):
            return f'<a href="{escape(url)}">{text}</a>'
        if url.startswith("#"):
            return f'<a href="#{escape(anchor(self.prefix, url[1:]))}">{text}</a>'
        return f"<cite>{text}</cite>"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Render an image as its words."""
        return f"<cite>{text}</cite>"


def _formula(inline: Any, match: re.Match[str], state: Any) -> int:
    display, formula = match.group("display_formula"), match.group("inline_formula")
    state.append_token({"type": "formula", "raw": display or formula, "attrs": {"display": display is not None}})
    return match.end()


def _with_formulas(parser: mistune.Markdown) -> None:
    parser.inline.register("formula", _FORMULA, _formula, before="emphasis")
    if parser.renderer is not None:
        parser.renderer.register("formula", lambda renderer, raw, display: str(mathml(raw, display=display)))


def markdown(text: str, prefix: str, *, below: int = 0) -> Markup:
    """Convert Markdown to HTML; raw HTML in the text is escaped.

    Args:
        text: Markdown with formulas between $ or $$.
        prefix: first part of the ids of headings.
        below: levels by which headings are lowered.

    Raises:
        ConfigError: for a formula that cannot be converted.
    """
    renderer = _Renderer(prefix, below)
    made = str(mistune.create_markdown(renderer=renderer, plugins=["table", cast("Any", _with_formulas)])(text))
    box = '<div class="scroll" role="group" tabindex="0" aria-label="table">'
    return Markup(made.replace("<table>", f"{box}<table>").replace("</table>", "</table></div>"))
