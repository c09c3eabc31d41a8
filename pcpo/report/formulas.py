"""Convert LaTeX between $ to MathML when a page is built, so that readers need no network and no script."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markupsafe import Markup

from pcpo.errors import ConfigError

__all__ = ["mathml", "plain", "prose"]

#: What the converter does not know or, without braces, marks with attributes that MathML Core has dropped.
_READ_AS: tuple[tuple[str, str], ...] = (
    (r"\\math(cal|bf|bb|scr|frak)\s+(\w)", r"\\math\1{\2}"),
    (r"\\math(cal|bf|bb|scr|frak)(?=\d)(\d)", r"\\math\1{\2}"),
    (r"\\mathrm\s*\{(\w)\}", r"\\text{\1}"),
    (r"\\arg(?![a-zA-Z])", r"\\operatorname{arg}"),
)
_BRACES = (r">\{<", ">{<"), (r">\}<", ">}<")
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
    return Markup(made)


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
