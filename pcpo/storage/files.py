"""Write files atomically: to a temporary name in the same folder, then renamed."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["discard", "replacing", "write_text"]


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix), renamed to it if the block succeeds and removed if it fails.

    A killed process cannot remove its temporary file; the next process that writes `path` on that machine does.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = f".{path.stem}.{platform.node()}-"
    _sweep(path, mark)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{mark}{os.getpid()}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(path: Path, mark: str) -> None:
    """Remove temporary files of `path` whose process, named in the file name, has ended."""
    for entry in os.scandir(path.parent):
        if entry.name.startswith(mark) and entry.name.endswith(path.suffix):
            owner = entry.name.removeprefix(mark).partition("-")[0]
            if owner.isdigit() and not _alive(int(owner)):
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)


def _alive(process: int) -> bool:
    """Return whether a process exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def discard(*paths: Path) -> None:
    """Remove files that may exist, all of one folder, and the folder if nothing else is in it."""
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        with suppress(OSError):
            folder.rmdir()


def write_text(path: Path | str, text: str) -> None:
    """Write `text` in UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
