"""Read files up to a size, and write them atomically: to a temporary name in the same folder, then renamed."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pcpo.errors import PcpoError

__all__ = ["discard", "read_limited", "replacing", "write_text"]


def read_limited(
    path: str | os.PathLike[str], most: int, error: type[PcpoError], *, expected: str = "at most that", key: str = ""
) -> bytes:
    """Read a file of at most `most` bytes; a larger one is not read whole.

    Args:
        path: the file.
        most: largest size, in bytes.
        error: the class of the error raised.
        expected: what the sentence about a larger file expects.
        key: the key of the configuration that names the file, if the sentences should name it.

    Raises:
        PcpoError: of the class `error`; names the key and the file, if it cannot be read or is larger.
    """
    where = f"{key}: {path}" if key else f"{path}"
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as found:
        raise error(f"{where}: cannot be read ({found.strerror or found})") from found
    if len(data) > most:
        raise error(f"{where}: found more than {most} bytes, expected {expected}")
    return data


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
