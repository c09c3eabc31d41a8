"""Write the pages of the API: an overview of the layers in their order, and a page for every package."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.site.markdown import escaped, menu

__all__ = ["FOLDER", "imported_for_types", "layers", "modules", "pages"]

#: Where the pages stand below the staged folder.
FOLDER = "api"

_OVERVIEW = """# API

The package is a stack of layers. A layer imports only layers above it in this list; `make lint` checks that. The page
of a layer has its modules, each with its public names and their docstrings. Names in the *door* can be imported from
`pcpo` itself.

"""


def pages(root: Path) -> dict[str, str]:
    """Return the text of every page of the API by its path.

    Args:
        root: the checkout; sources are read and not imported.
    """
    found = dict(modules(root))
    lone = [f"pcpo.{layer}" for layer in layers(root)]
    own = [name for name in found if name != "pcpo" and (name in lone or _below(name, found))]
    made = {f"{FOLDER}/{name}.md": _page(name, found) for name in own}
    made[f"{FOLDER}/index.md"] = _overview(root, found)
    return made


def layers(root: Path) -> list[str]:
    """List the layers from the lowest up, as the contract of the imports in pyproject.toml declares them.

    The topmost, `__main__`, is the command and not a module to import, so it is left out.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    names = [name.strip() for level in reversed(contract["layers"]) for name in level.split("|")]
    return [name for name in names if name != "__main__"]


def modules(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the docstring of every public module and package."""
    for path in sorted((root / "pcpo").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
            yield ".".join(parts), ast.get_docstring(tree) or ""


def _below(name: str, docstrings: Mapping[str, str]) -> list[str]:
    """List the modules and packages right below a package; none below a module."""
    return [one for one in docstrings if one.rpartition(".")[0] == name]


def _page(name: str, docstrings: Mapping[str, str]) -> str:
    """Return the page of a package with its modules, or of a module that is a layer by itself."""
    below = _below(name, docstrings)
    packages = [one for one in below if _below(one, docstrings)]
    alone = [one for one in below if one not in packages]
    parts = [f"# `{name}`\n\n{_automodule(name, members=not below)}"]
    if below:
        parts += [_table(packages, docstrings, "{}.md") if packages else "", _table(alone, docstrings, "#{}")]
    parts += [f"## `{one}`\n\n{_automodule(one, members=True)}" for one in alone]
    return "\n".join([*parts, _tree(packages)])


def _automodule(name: str, *, members: bool) -> str:
    options = "   :members:\n" if members else ""
    return f"```{{eval-rst}}\n.. automodule:: {name}\n{options}```\n"


def _table(names: list[str], docstrings: Mapping[str, str], target: str) -> str:
    rows = [f"| [`{name}`]({target.format(name)}) | {_first(docstrings[name])} |" for name in names]
    return "\n".join(["| module | what it does |", "|---|---|", *rows, ""])


def _first(docstring: str) -> str:
    """Return the first sentence of a docstring as a cell of a Markdown table."""
    line = docstring.partition("\n\n")[0].replace("\n", " ").replace("`", "")
    return escaped(line, also="$")


def _tree(names: list[str]) -> str:
    """Return the directive that puts pages below this one; titles are the last parts of the names."""
    if not names:
        return ""
    return menu(f"{name.rpartition('.')[2]} <{name}>" for name in names)


def _overview(root: Path, docstrings: Mapping[str, str]) -> str:
    found = [f"pcpo.{layer}" for layer in layers(root)]
    rows = [f"| {k} | [`{name}`]({name}.md) | {_first(docstrings[name])} |" for k, name in enumerate(found, 1)]
    table = "\n".join(["| place | layer | what it does |", "|---|---|---|", *rows, ""])
    door = f"\n## The door\n\n{_automodule('pcpo', members=False)}\n"
    offered = sorted(imported_for_types(root / "pcpo/__init__.py"))
    door += "\n".join(f"- {{py:obj}}`pcpo.{name} <{module}.{there}>`" for name, module, there in offered) + "\n"
    return f"{_OVERVIEW}{table}{door}\n{_tree(found)}"


def imported_for_types(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield what a source file imports for type checkers alone: the name here, the module, the name there."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                if isinstance(line, ast.ImportFrom) and line.module:
                    yield from ((one.asname or one.name, line.module, one.name) for one in line.names)
