"""Load a user's algorithms and plants: Python files outside the package that the configuration names.

A file defines `ENTRIES`, a list of `pcpo.algorithms.registry.Entry`, or `PLANTS`, a mapping of names to factories of
plants (`pcpo.oracles.plant.PlantFactory`), or both.  Loading a file runs it, with all the rights of whoever runs the
workflow: name only files that you would run yourself.  Results depend on the content of the file and of the Python
files beside it that it imports.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pcpo.algorithms.registry import register
from pcpo.errors import ConfigError, PcpoError, one_line
from pcpo.oracles.plant import PLANTS, check_plants
from pcpo.storage.files import read_limited

__all__ = ["Extension", "extensions_of", "load_extension", "load_extensions"]

_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Extension:
    """Hold the path of a loaded file, as it was given, and the names of what the file defines."""

    path: str
    algorithms: frozenset[str]
    plants: frozenset[str]


_LOADED: dict[tuple[Path, str], Extension] = {}


def load_extensions(paths: Iterable[str]) -> None:
    """Load each file once."""
    for path in paths:
        load_extension(path)


def load_extension(path: str) -> Extension:
    """Run a file and register what it defines in `ALGORITHMS` and `PLANTS`, all or nothing; a second time is a no-op.

    Raises:
        ConfigError: naming the file, if it is missing, is not Python, fails when it is run, defines neither ENTRIES nor
            PLANTS, or a name that exists already.
    """
    content = read_limited(path, _MAX_BYTES, ConfigError, expected="a file of Python", key="extensions")
    key = (Path(path).resolve(), hashlib.sha256(content).hexdigest())
    if key not in _LOADED:
        name = f"pcpo_extension_{key[1][:16]}"
        try:
            _LOADED[key] = _entered(_run(name, path, content), path)
        except BaseException as error:
            sys.modules.pop(name, None)
            if isinstance(error, PcpoError):
                raise ConfigError(f"extensions: {path}: {error}") from None
            raise
    return _LOADED[key]


def extensions_of(*, algorithms: Iterable[str] = (), plants: Iterable[str] = ()) -> list[str]:
    """List the paths of the loaded files that define any of these."""
    wanted, built = set(algorithms), set(plants)
    return sorted({e.path for e in _LOADED.values() if e.algorithms & wanted or e.plants & built})


def _run(name: str, path: str, content: bytes) -> ModuleType:
    """Run the file as a module, compiled from the very bytes that were hashed, without leaving a cache beside it."""
    try:
        code = compile(content, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(f"found what is not Python ({line}), expected a file of Python") from None
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(code, vars(module))  # noqa: S102  # the file is one that its owner chose to run
    except PcpoError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"found that it ends with {one_line(error)}, expected a file that runs") from error
    return module


def _entered(module: ModuleType, path: str) -> Extension:
    """Register what a module defines; ConfigError if it defines nothing or something that cannot be registered."""
    entries, plants = _defined(module, "ENTRIES", list, tuple), _defined(module, "PLANTS", Mapping)
    if not entries and not plants:
        raise ConfigError("found neither ENTRIES nor PLANTS, expected a list of algorithms or a mapping of plants")
    check_plants(plants)
    try:
        register(entries, module.__name__)
    except PcpoError:
        raise
    except Exception as error:
        raise ConfigError(f"found that an algorithm cannot be made: {one_line(error)}") from error
    PLANTS.update(plants)
    return Extension(path, frozenset(entry.name for entry in entries), frozenset(plants))


def _defined(module: ModuleType, name: str, *kinds: Any) -> Any:
    """Return what the file calls `name`, empty if nothing."""
    if name not in vars(module):
        return {}
    value = vars(module)[name]
    if not isinstance(value, kinds):
        raise ConfigError(f"{name}: found a {type(value).__name__}, expected a {kinds[0].__name__.lower()}")
    return value
