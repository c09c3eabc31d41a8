"""Write pieces of Markdown that several generated pages have: text that stands for itself, and menus."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["escaped", "menu"]


def escaped(text: str, also: str = "") -> str:
    """Return text whose signs stand for themselves; `also` are signs beyond those of all pages, such as $."""
    return "".join(f"\\{sign}" if sign in f"\\*_|<>[]{also}" else sign for sign in text)


def menu(entries: Iterable[str], option: str = ":hidden:") -> str:
    """Return the directive that puts pages below this one; by default the page shows no list of them."""
    return "\n".join(["```{toctree}", option, "", *entries, "```", ""])
