"""Keep checksums of finished outputs, so that files modified after their job are detected and rebuilt.

A job that succeeds writes size, time and SHA-256 of each of its outputs to a small file under results/seals.  Planning
reads them and reruns the jobs of modified outputs; when jobs start, the modified files are renamed and kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pcpo.storage.files import write_text

__all__ = ["SUFFIX", "altered", "seal", "sealed", "set_aside"]

#: Added to the name of an output that is not what was sealed.
SUFFIX = ".altered"
_FOLDER = "seals"


def seal(results: Path, outputs: Iterable[str | Path]) -> None:
    """Keep what the outputs of a job are now; results: the configuration's folder of results."""
    for output in map(Path, outputs):
        found = output.stat()
        content = {"size": found.st_size, "time": found.st_mtime_ns, "sha256": _digest(output)}
        write_text(_seal_of(results, output), json.dumps(content) + "\n")


def sealed(results: Path) -> list[Path]:
    """List the outputs that have a seal, whether they still exist or not, sorted."""
    folder = results / _FOLDER
    return [results.parent / note.relative_to(folder).with_suffix("") for note in sorted(folder.rglob("*.json"))]


def altered(results: Path) -> Iterator[tuple[Path, str]]:
    """Find outputs that exist and differ from what their job wrote; a touch alters nothing."""
    for output in sealed(results):
        try:
            kept, found = json.loads(_seal_of(results, output).read_text(encoding="utf-8")), output.stat()
            size, time, digest = kept["size"], kept["time"], kept["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # without an output, or without a seal that says anything, there is nothing to compare
        if found.st_size != size:
            yield output, f"found {found.st_size} bytes, expected {size}"
        elif found.st_mtime_ns != time and _digest(output) != digest:
            yield output, "found another content than the job wrote"


def set_aside(outputs: Mapping[Path, str]) -> Iterator[str]:
    """Rename altered outputs, so that nothing is lost when their jobs run again; yields a sentence for each.

    Args:
        outputs: what `altered` found.
    """
    for output, what in outputs.items():
        aside = output.with_name(output.name + SUFFIX)
        while aside.exists():  # of an earlier time: kept as well
            aside = aside.with_name(aside.name + SUFFIX)
        os.replace(output, aside)
        yield f"{output}: {what}; renamed to {aside.name}, its job runs again"


def _seal_of(results: Path, output: Path) -> Path:
    inside = Path(os.path.relpath(output, results.parent))
    return results / _FOLDER / inside.with_name(inside.name + ".json")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
