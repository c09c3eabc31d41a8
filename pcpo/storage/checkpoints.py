"""Checkpoints: what a run must remember at the end of an epoch, in a file that holds numbers and no code.

A file is an .npz archive of arrays and one JSON text that says how they make up the state.  Nothing is pickled; a
reader builds only dataclasses of modules that the program has loaded by itself.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pcpo.algorithms.protocol import EpochReport, Traffic
from pcpo.arrays import BoolArray, IntArray
from pcpo.errors import ResultsError
from pcpo.storage.files import discard, replacing

__all__ = ["Checkpoint", "Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """A run between two epochs: the algorithm's state, the server's sets and counts, the oracle's ledger, all reports.

    Streams of random numbers are not in it: they are keyed by epoch, so a new epoch opens new ones.
    """

    state: Any
    neighbourhoods: BoolArray
    traffic: Traffic
    rollouts: int
    nonfinite: IntArray
    epochs: Sequence[EpochReport]


@dataclass(frozen=True)
class Checkpoint:
    """The latest snapshot of one run in the file `path`.

    key: hash of all that the run depends on.  A file of another key, or one that cannot be read, counts as absent:
    the run then begins at its first epoch, which gives the same bits.
    """

    path: Path
    key: str

    def epochs(self) -> int | None:
        """How many epochs are kept; None without a file of this key."""
        found = self._read(lambda content, archive: int(content["epochs"]))
        return found if isinstance(found, int) else None

    def read(self, known: Mapping[str, object]) -> Snapshot | None:
        """The kept snapshot; known: objects of the reader by name, which the file only names."""
        found = self._read(lambda content, archive: _decoded(content["snapshot"], archive, known))
        return found if isinstance(found, Snapshot) else None

    def _read(self, part: Callable[[Any, Mapping[str, Any]], object]) -> object:
        """A part of the file's content; None for a file that is absent, of another key or damaged."""
        try:
            with self.path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                content = json.loads(bytes(archive["content"]).decode())
                return part(content, archive) if content["key"] == self.key else None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def write(self, snapshot: Snapshot, known: Mapping[str, object]) -> None:
        """Replace the kept snapshot, whole or not at all.

        Raises ResultsError for a state with anything but numbers, texts, arrays, tuples, lists, dicts and dataclasses.
        """
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        state = _encoded(snapshot, arrays, known)
        content = {"key": self.key, "epochs": len(snapshot.epochs), "snapshot": state}
        text = np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)
        with replacing(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, content=text, **arrays)

    def discard(self) -> None:
        """Remove the file, if there is one, and its folder, if nothing else is in it."""
        discard(self.path)


def _encoded(value: Any, arrays: dict[str, np.ndarray[Any, Any]], known: Mapping[str, object]) -> Any:
    """JSON of a value; its arrays go to `arrays`."""
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
    """Inverse of `_encoded`."""
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
    found = getattr(sys.modules.get(module), name, None)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ResultsError(f"checkpoint: found a {module}.{name}, expected a dataclass of this program")
    return found
