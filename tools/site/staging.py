"""Stage the pages of the site: those of the checkout with links that lead to pages, and the generated ones.

Staged pages keep their paths, so that relative links stay right; README.md is the first page, `index.md`.  A link to a
module leads to its place in the API, one to docs/reference to the gallery, one to any other file or folder to a page
that shows it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from pcpo.errors import ResultsError
from tools.site import api, gallery
from tools.site.markdown import menu

__all__ = ["SECTIONS", "relinked", "stage", "written"]

#: Sections of the site: title, what they are for, and their pages; the last also has the pages that none names.
SECTIONS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "guide": (
        "Guide",
        "From a clean checkout to your own fleet, method and plant; how to add to the package.",
        (
            *("docs/tutorial.md", "config/README.md", "docs/cluster.md", "docs/adding.md", "CONTRIBUTING.md"),
            *("benchmarks/README.md", "CHANGELOG.md"),
        ),
    ),
    "evidence": (
        "Paper and evidence",
        "Where each part of the paper is implemented and tested, and how the project reads what is ambiguous.",
        (
            *("docs/paper.md", "docs/reading.md", "docs/evidence.md", "docs/grid.md", "docs/oracles.md"),
            *("docs/beyond.md", "docs/equal_costs.md", "docs/soft_clusters.md", "docs/drift.md", "docs/scalar.md"),
            *("docs/nonlinear.md",),
            *("docs/fedlqr.md", "docs/hierarchical.md", "docs/coop_lsvi.md"),
        ),
    ),
}
#: Titles of pages in menus, where their own are too long or do not tell them apart.
_MENU = {"config/README.md": "Configurations", "benchmarks/README.md": "Benchmarks", "docs/methods.md": "Methods"}
#: The section that takes the pages that no section names.
_REST = "evidence"
#: The page of the methods, whose menu holds the pages of the folder of that name.
_METHODS = PurePosixPath("docs/methods.md")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".sh": "sh", ".cff": "yaml"}
#: A fenced block, which stays as it is, or the end of a link with its target.
_LINK = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)\s*?$|\]\((?P<target>[^)\s]+)\)", re.MULTILINE | re.DOTALL)


def stage(root: Path, folder: Path) -> None:
    """Write all pages of the site to a folder; files that are up to date stay untouched, others are removed.

    Raises:
        ResultsError: for a link that leads to no file of the checkout.
    """
    shown: dict[str, str] = {}
    texts = {_staged(page): relinked(root, page, shown) for page in written(root)}
    texts["gallery.md"] = gallery.page(root)
    texts |= api.pages(root)
    texts |= _sections(root)
    texts["index.md"] += "\n" + menu(["guide", _entry(str(_METHODS)), "evidence", "gallery", "api/index"])
    texts[str(_METHODS)] += "\n" + menu(f"methods/{page.stem}" for page in _methods(root))
    pictures = {str(path.relative_to(root)): path for path in (root / gallery.PICTURES).rglob("*.png")}
    wanted = {*texts, *shown, *pictures}
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for name, text in {**shown, **texts}.items():
        _write(folder / name, text)
    for name, path in pictures.items():
        if not (copy := folder / name).is_file() or copy.read_bytes() != path.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _write(path: Path, text: str) -> None:
    """Write a text if the file has another: Sphinx reads again what is younger."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _methods(root: Path) -> list[Path]:
    """List the pages of the methods, PCPO first, then in the order of their names."""
    return sorted((root / "docs/methods").glob("*.md"), key=lambda path: (path.stem != "pcpo", path.stem))


def written(root: Path) -> list[PurePosixPath]:
    """List the hand-written pages by their paths in the checkout."""
    named = [PurePosixPath("README.md"), *(PurePosixPath(page) for _, _, pages in SECTIONS.values() for page in pages)]
    found = [PurePosixPath(path.relative_to(root).as_posix()) for path in (*root.glob("docs/*.md"), *_methods(root))]
    return list(dict.fromkeys([*named, *found]))


def _staged(page: PurePosixPath) -> str:
    return "index.md" if page == PurePosixPath("README.md") else str(page)


def _sections(root: Path) -> dict[str, str]:
    """Return the pages of the sections, with menus of their pages."""
    named = {page for _, _, pages in SECTIONS.values() for page in pages} | {"README.md", str(_METHODS)}
    rest = [str(page) for page in written(root) if str(page) not in named and page.parent != _METHODS.with_suffix("")]
    made = {}
    for name, (title, purpose, pages) in SECTIONS.items():
        entries = [_entry(page) for page in (*pages, *(sorted(rest) if name == _REST else ()))]
        made[f"{name}.md"] = f"# {title}\n\n{purpose}\n\n{menu(entries, ':maxdepth: 2')}"
    return made


def _entry(page: str) -> str:
    """Return the line of a page in a menu."""
    document = page.removesuffix(".md")
    return f"{_MENU[page]} <{document}>" if page in _MENU else document


def relinked(root: Path, page: PurePosixPath, shown: dict[str, str]) -> str:
    """Return the text of a page with links to pages of the site.

    Args:
        root: the checkout.
        page: path of the page below it.
        shown: texts of pages that show files, by path; those that this page links to are added.

    Raises:
        ResultsError: for a link that leads to no file of the checkout.
    """
    known = {str(one) for one in written(root)}

    def replaced(match: re.Match[str]) -> str:
        target, hash_, fragment = (match["target"] or "").partition("#")
        if match["fence"] or not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = (root / page.parent / target).resolve()
        if not path.exists() or not path.is_relative_to(root.resolve()):
            raise ResultsError(f"{page}: found a link to {target}, expected a file of the checkout")
        name = path.relative_to(root.resolve()).as_posix()
        if name in known:
            name = _staged(PurePosixPath(name))
        elif path.suffix != ".png":
            name, hash_, fragment = _page_of(root, name, shown), "", ""
            if name.startswith("#"):
                return f"]({name})"
        return f"]({os.path.relpath(name, PurePosixPath(_staged(page)).parent)}{hash_}{fragment})"

    text = _LINK.sub(replaced, (root / page).read_text(encoding="utf-8"))
    return re.sub(r"^```mermaid$", "```text", text, flags=re.MULTILINE)  # code hosts draw these graphs, by a service


def _page_of(root: Path, name: str, shown: dict[str, str]) -> str:
    """Return the page of the site for a file or folder that is no page itself, or the label of a module."""
    path = root / name
    if folder := {str(gallery.PICTURES): "gallery.md", str(_METHODS.with_suffix("")): str(_METHODS)}.get(name):
        return folder
    if name.startswith("pcpo/") and (path.suffix == ".py" or (path / "__init__.py").is_file()):
        return "#" + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    page = f"files/{name}/index.md" if path.is_dir() else f"files/{name}.md"
    if page not in shown:
        shown[page] = "".join(_showing(root, name, shown))
    return page


def _showing(root: Path, name: str, shown: dict[str, str]) -> Iterator[str]:
    """Yield the parts of the page that shows a file, or the files of a folder."""
    path = root / name
    yield f"---\norphan: true\n---\n\n# `{name}`\n\n"
    if path.is_dir():
        for one in sorted(path.iterdir()):
            if one.is_file() and b"\0" not in one.read_bytes():
                page = _page_of(root, one.relative_to(root).as_posix(), shown)
                yield f"- [`{one.name}`]({os.path.relpath(page, f'files/{name}')})\n"
        return
    text = path.read_text(encoding="utf-8")
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    yield f"{fence}{_LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n{fence}\n"
