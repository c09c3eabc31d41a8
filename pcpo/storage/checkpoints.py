"""Save and load checkpoints: the state of a run after an epoch, and the finished cells of a study.

Every checkpoint carries a *key*, the hash of all that its job depends on.  A file that is missing, unreadable or of
another key counts as missing: the work is then repeated, which gives the same bits.  Files are replaced atomically.
They hold numbers and no code: nothing is pickled, and only dataclasses of modules that are loaded already are built.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from pcpo.errors import ResultsError
from pcpo.storage.files import discard, replacing
from pcpo.storage.tables import read_table, write_table

__all__ = ["Checkpoint", "StudyCheckpoint"]

_State = TypeVar("_State")
_NOTE = b"pcpo-part"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, pa.ArrowException)


@dataclass(frozen=True)
class Checkpoint:
    """Hold the latest state of a run in the .npz file `path`: arrays, and a JSON text that says how they are nested."""

    path: Path
    key: str

    def epochs(self) -> int | None:
        """Return how many epochs the saved run has finished, None without a usable checkpoint."""
        found = self._read(lambda content, archive: int(content["epochs"]))
        return found if isinstance(found, int) else None

    def read(self, kind: type[_State], known: Mapping[str, object]) -> _State | None:
        """Load the saved state.

        Args:
            kind: dataclass of the state; anything else in the file counts as missing.
            known: objects that the file only names, by the names under which `write` was given them.
        """
        found = self._read(lambda content, archive: _decoded(content["snapshot"], archive, known))
        return found if isinstance(found, kind) else None

    def write(self, state: object, epochs: int, known: Mapping[str, object]) -> None:
        """Save the state after `epochs` epochs in place of the previous one, atomically.

        Args:
            state: a dataclass of numbers, texts, arrays, tuples, lists, dicts and dataclasses.
            epochs: how many epochs the run has finished.
            known: objects in the state that need not be saved, by name: the reader has them.

        Raises:
            ResultsError: for a state with anything else in it; the previous file stays.
        """
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        encoded = _encoded(state, arrays, known)
        content = {"key": self.key, "epochs": epochs, "snapshot": encoded}
        text = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
        with replacing(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, content=text, **arrays)

    def discard(self) -> None:
        """Remove the file, if it exists, and its folder, if nothing else is in it."""
        discard(self.path)

    def _read(self, part: Callable[[Any, Mapping[str, Any]], object]) -> object:
        """Return a part of the file's content, None without a usable checkpoint."""
        with suppress(*_UNREADABLE), self.path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            content = json.loads(bytes(archive["content"]).decode())
            if content["key"] == self.key:
                return part(content, archive)
        return None


@dataclass(frozen=True)
class StudyCheckpoint:
    """Hold the finished cells of a study's job in `folder`, one parquet file for each, until its table is written."""

    folder: Path
    key: str

    def rows(self, index: int, cell: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return the rows of a cell; without a usable checkpoint, make and save them first.

        The rows are always those read from the file, so that a resumed job sees the same types as an uninterrupted one.

        Args:
            index: the cell's place in its study, which names the file.
            cell: the cell's name; a file of another cell counts as missing.
            make: simulates the cell.
        """
        path = self._path(index)
        if (frame := self._read(path, cell)) is None:
            write_table(make(), path, _NOTE, [self.key, cell])
            frame = self._read(path, cell)
        if frame is None:
            raise ResultsError(f"{path}: found nothing readable, expected the rows that were just written")
        return frame

    def discard(self, count: int) -> None:
        """Remove the files of `count` cells, and the folder if nothing else is in it."""
        discard(*(self._path(index) for index in range(count)))

    def _path(self, index: int) -> Path:
        """Return the file of a cell."""
        return self.folder / f"{index}.parquet"

    def _read(self, path: Path, cell: str) -> pd.DataFrame | None:
        """Load the rows of a cell, None without a usable checkpoint."""
        with suppress(*_UNREADABLE):
            table = read_table(path)
            if json.loads(table.schema.metadata[_NOTE]) == [self.key, cell]:
                frame: pd.DataFrame = table.to_pandas()
                return frame
        return None


def _encoded(value: Any, arrays: dict[str, np.ndarray[Any, Any]], known: Mapping[str, object]) -> Any:
    """Return the JSON form of a value; its arrays go to `arrays`."""
    for name, thing in known.items():
        if value is thing:
            return {"known": name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        name = f"a{len(arrays)}"
        arrays[name] = np.asarray(value)
        return {"array": name}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_encoded(item, arrays, known) for item in value]}
    if isinstance(value, dict):
        pairs = [[_encoded(key, arrays, known), _encoded(item, arrays, known)] for key, item in value.items()]
        return {"dict": pairs}
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        members = {f.name: _encoded(getattr(value, f.name), arrays, known) for f in fields(value)}
        return {"type": [kind.__module__, kind.__qualname__], "fields": members}
    found, expected = type(value).__name__, "numbers, texts, arrays, tuples, lists, dicts and dataclasses"
    raise ResultsError(f"checkpoint: found a {found}, expected {expected}")


def _decoded(content: Any, archive: Mapping[str, Any], known: Mapping[str, object]) -> Any:
    """Rebuild a value from its JSON form and the arrays of the file."""
    if not isinstance(content, dict):
        return content
    if "known" in content:
        return known[content["known"]]
    if "array" in content:
        return archive[content["array"]]
    if "type" in content:
        kind = _dataclass(*content["type"])
        return kind(**{name: _decoded(item, archive, known) for name, item in content["fields"].items()})
    if "dict" in content:
        return {_decoded(key, archive, known): _decoded(item, archive, known) for key, item in content["dict"]}
    ((name, items),) = content.items()
    return {"tuple": tuple, "list": list}[name](_decoded(item, archive, known) for item in items)


def _dataclass(module: str, name: str) -> Any:
    """Return a dataclass of a module that is loaded already; ResultsError for anything else."""
    found = getattr(sys.modules.get(module), name, None)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ResultsError(f"checkpoint: found a {module}.{name}, expected a dataclass of this program")
    return found
