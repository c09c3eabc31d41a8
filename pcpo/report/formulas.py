"""LaTeX between $ as MathML, made when the page is built: a reader needs neither a network nor a script."""

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
    """A formula in LaTeX (without dollars) as a MathML element; raises ConfigError for one that cannot be converted.

    The converter passes unknown commands through as text, so whatever still has a backslash is an error here.
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
    """Text with formulas between $ and code between ` as HTML; all else is escaped.

    Raises ConfigError for an odd number of dollars.
    """
    parts = _parts(text)
    return Markup("").join(mathml(part) if k % 2 else _coded(part) for k, part in enumerate(parts))


def plain(text: str) -> str:
    """The same text without dollars and backticks, for alternative texts and terminals."""
    return "".join(_parts(text)).replace("`", "")


def _parts(text: str) -> list[str]:
    """Text, formula, text, …, text."""
    parts = text.split("$")
    if len(parts) % 2 == 0:
        raise ConfigError(f"text {text[:60]!r}…: found an odd number of $, expected formulas between two")
    return parts


def _coded(text: str) -> Markup:
    return Markup(_CODE.sub(r"<code>\1</code>", escape(text, quote=False)))
