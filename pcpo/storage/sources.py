"""Find the files that a module or script is made of: the closure of its imports inside the package.

A job depends on the code that it runs.  Instead of lists typed by hand, the workflow hashes the closure of the imports
of the job's script and of the modules that the job loads by name, and compiled kernels are cached under the hash of the
closure of their module.  Imports inside functions count; imports for type checking alone do not.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

import pcpo
from pcpo.errors import ConfigError

__all__ = ["PACKAGE", "closure", "declared_keys", "digest"]

#: Folder of the package.
PACKAGE = Path(__file__).resolve().parents[1]


def closure(*starts: str | Path) -> list[Path]:
    """List every file that the given modules or files are made of, themselves included.

    Followed are imports of modules of this package and, for a file outside the package, of Python files and packages
    in the same folder and in the working directory.  A file beside a module that the module names as a string
    ("claims.md", "table.npy") belongs to it; for a file outside the package, also one named from the working directory.

    Args:
        starts: dotted names of modules of the package ("pcpo.lqr.cost"), or paths of Python files.

    Returns:
        Absolute paths, sorted, each once.

    Raises:
        FileNotFoundError: for a module or file that is missing.
    """
    waiting = [_file_of(start) for start in starts]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [other for other in _made_of(path) if other not in found]
    return sorted(found)


def digest(paths: Iterable[Path], root: Path = PACKAGE.parent) -> str:
    """Return the SHA-256 of the files' contents and of their paths relative to `root`, whatever the order given."""
    whole = hashlib.sha256()
    for path in sorted({path.resolve() for path in paths}):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        whole.update(f"{name} {_content(path)}\n".encode())
    return whole.hexdigest()


@functools.cache
def _content(path: Path) -> str:
    """Return the SHA-256 of a file, read once: a file does not change while a workflow is planned."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _file_of(start: str | Path) -> Path:
    """Return the file of a module or the file given; FileNotFoundError if it is missing."""
    if isinstance(start, Path) or start.endswith(".py"):
        path = Path(start).resolve()
        if not path.is_file():
            raise FileNotFoundError(f"{start}: found no such file, expected a file of Python")
        return path
    if (found := _module(start)) is None:
        raise FileNotFoundError(f"{start}: found no such module, expected one of the package {PACKAGE.name}")
    return found


def _module(name: str) -> Path | None:
    """Return the file of a dotted name, None if it is no module of the package."""
    first, *rest = pcpo.moved.MOVED.get(name, name).split(".")
    if first != PACKAGE.name or not rest:
        return None
    place = PACKAGE.joinpath(*rest)
    return next((p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()), None)


@functools.cache
def _made_of(path: Path) -> tuple[Path, ...]:
    """Return what a file needs directly: packages, imported modules and texts that it names; a text needs nothing."""
    if path.suffix != ".py":
        return ()
    tree = ast.parse(path.read_bytes(), filename=str(path))
    inside = path.is_relative_to(PACKAGE)
    here = (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts) if inside else ()
    needed: dict[Path, None] = dict.fromkeys(_packages(".".join(here)))
    for name in _imported(tree, here):
        if (module := _module(name)) is not None:
            needed |= dict.fromkeys((*_packages(name), module))
        elif not inside and name.split(".")[0] != PACKAGE.name:
            needed |= dict.fromkeys(_outside(name, path.parent))
    needed |= dict.fromkeys(_texts(tree, path.parent))
    if not inside:
        needed |= dict.fromkeys(_texts(tree, Path.cwd()))
    needed.pop(path, None)
    return tuple(needed)


def _packages(name: str) -> Iterator[Path]:
    """Yield the __init__ files that are run when the module of this dotted name is imported.

    The __init__ of the whole package is left out: it offers names of other modules and computes nothing.
    """
    parts = name.split(".")
    for count in range(2, len(parts)):
        if (init := PACKAGE.joinpath(*parts[1:count], "__init__.py")).is_file():
            yield init


def _imported(tree: ast.AST, here: tuple[str, ...]) -> Iterator[str]:
    """Yield the dotted names of imported modules; `here`: parts of the module's own name, empty outside the package."""
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            yield base
            offered = pcpo.DOOR if base == PACKAGE.name else {}
            yield from (offered.get(alias.name, f"{base}.{alias.name}") for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under `if TYPE_CHECKING:`, which never run; what stands under its `else` does."""
    yield node
    for child in node.orelse if _for_types_alone(node) else ast.iter_child_nodes(node):
        yield from _running(child)


def _for_types_alone(node: ast.AST) -> TypeGuard[ast.If]:
    """Return whether a node is `if TYPE_CHECKING:` or `if typing.TYPE_CHECKING:`."""
    if not isinstance(node, ast.If):
        return False
    match node.test:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == "TYPE_CHECKING"
    return False


def _outside(name: str, folder: Path) -> Iterator[Path]:
    """Yield the files that a dotted name means to a file outside the package: beside it, or in the working directory.

    All that the name may load is listed: packages on the way, and the module itself; an attribute of a module is none.
    """
    parts = name.split(".")
    for place in dict.fromkeys([folder.resolve(), Path.cwd().resolve()]):
        for count in range(1, len(parts) + 1):
            module = place.joinpath(*parts[:count])
            yield from (path for path in (module.with_suffix(".py"), module / "__init__.py") if path.is_file())


def _texts(tree: ast.AST, folder: Path) -> Iterator[Path]:
    """Yield the files in or below the folder, Python apart, whose relative paths are strings of the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (name := _file_name(node.value)):
            path = folder / name
            if path.suffix not in (".py", ".pyc") and path.is_file():
                yield path.resolve()


def _file_name(text: str) -> str | None:
    """Return a string that may name a file, None for any other."""
    short = 0 < len(text) < 200 and text.isprintable() and "." in text
    return text if short else None


def declared_keys(path: Path, name: str) -> list[str]:
    """Read the keys of the dictionary that a file assigns to `name`, without importing the file.

    The assignment is annotated and its keys are plain strings: ``FIGURES: dict[str, Figure] = {"scaling": …}``.

    Raises:
        ConfigError: naming the file, if it has no such assignment.
    """
    for node in ast.parse(path.read_text(encoding="utf-8"), filename=str(path)).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.Dict(keys=keys)) if found == name:
                if all(isinstance(key, ast.Constant) for key in keys):
                    return [str(ast.literal_eval(key)) for key in keys if key is not None]
    raise ConfigError(f'{path}: found no {name}, expected `{name}: … = {{"name": …}}`')
