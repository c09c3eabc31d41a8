"""Convert Markdown to HTML for pages without a network: formulas as MathML, no dangling links."""

from __future__ import annotations

import re
from html import escape
from typing import Any, cast

import mistune
from markupsafe import Markup

from pcpo.report.formulas import mathml
from pcpo.report.html import anchor

__all__ = ["markdown"]

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
    box = '<div class="scroll" role="region" tabindex="0" aria-label="table">'
    return Markup(made.replace("<table>", f"{box}<table>").replace("</table>", "</table></div>"))
