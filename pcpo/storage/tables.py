"""Reading parquet files of results, and the note in them: one sentence for what is missing, damaged or too large."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pcpo.errors import ResultsError

__all__ = ["MAX_BYTES", "read_note", "read_table"]

#: Largest file, and largest table in memory (eight bytes per entry).
MAX_BYTES = 2**31
_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a file, its checksums verified.

    Raises ResultsError, naming the file, if it is missing, damaged or larger than MAX_BYTES.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            # Not the size that the file declares: a column of one value is a few bytes there, whatever its length.
            size = max(Path(path).stat().st_size, 8 * file.metadata.num_rows * file.metadata.num_columns)
            if size > MAX_BYTES:
                raise ResultsError(f"{path}: found {size} bytes, expected at most {MAX_BYTES}")
            return file.read(columns=None if columns is None else list(columns))
    except _DAMAGED as error:
        raise _unreadable(path, error) from None


def read_note(path: Path | str, key: bytes, version: str) -> dict[str, Any]:
    """The JSON object under `key` in a file's metadata, of schema version `version`.

    Raises ResultsError, naming the file, if it is missing, damaged, without such a note or of another version.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    if key not in metadata:
        raise ResultsError(f"{path}: found a parquet file without provenance, expected one written by pcpo")
    try:
        note: dict[str, Any] = dict(json.loads(metadata[key]))
    except (ValueError, TypeError) as error:
        raise ResultsError(f"{path}: found provenance that is not a JSON object, expected one ({error})") from None
    if note.get("schema_version") != version:
        raise ResultsError(
            f"{path}: found schema version {note.get('schema_version')}, expected {version}; rerun the workflow"
        )
    return note


def _unreadable(path: Path | str, error: Exception) -> ResultsError:
    if isinstance(error, FileNotFoundError):
        return ResultsError(f"{path}: no such results file; run the workflow first")
    return ResultsError(f"{path}: not a readable results file, it may be truncated ({error})")
