"""Find what leads nowhere in a built site, and what it would ask of a network."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["dangling", "foreign"]

#: Attributes that make a browser load something at once, by element.
_LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}


class _Page(HTMLParser):
    """Collect the ids of a page, where its links lead, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        found = {name: value for name, value in attrs if value}
        self.ids |= {found[name] for name in ("id", "name") if name in found and tag != "meta"}
        where = found.get(_LOADED.get(tag, "href"))
        if where is None:
            return
        self.targets.append(where)
        if tag in _LOADED and not (tag == "link" and found.get("rel") in ("canonical", "next", "prev", "search")):
            self.loaded.append(where)


def _read(site: Path) -> dict[Path, _Page]:
    """Read all pages; the theme keeps a template of its own, which is none, in _static."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.relative_to(site).parts:
            continue
        pages[path] = _Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


def dangling(site: Path) -> Iterator[tuple[str, str]]:
    """Yield (page, target) of every link or file within the site that leads to no file, or to no id of a page."""
    site = site.resolve()
    pages = _read(site)
    for path, page in pages.items():
        for target in dict.fromkeys(page.targets):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            name = unquote(parts.fragment)
            known = pages.get(aim)
            if not aim.is_file() or (name and known is not None and name not in known.ids):
                yield str(path.relative_to(site)), target


def foreign(site: Path) -> Iterator[tuple[str, str]]:
    """Yield (page, address) of everything that a page would load from a network; plain links are none of it."""
    site = site.resolve()
    for path, page in _read(site).items():
        for target in page.loaded:
            parts = urlsplit(target)
            if parts.scheme not in ("", "data") or parts.netloc:
                yield str(path.relative_to(site)), target
