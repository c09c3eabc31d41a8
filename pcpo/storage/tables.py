"""Write and read parquet files of results, with a note in their metadata.

A file that is missing, damaged or too large is reported in one sentence that names it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pcpo.errors import ResultsError
from pcpo.storage.files import replacing

__all__ = ["MAX_BYTES", "read_note", "read_table", "write_table"]

#: Largest file, and largest table in memory (eight bytes per entry).
MAX_BYTES = 2**31
_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)


def write_table(
    frame: pd.DataFrame, path: Path | str, key: bytes, note: object, schema: pa.Schema | None = None
) -> None:
    """Write a table atomically, with page checksums; equal tables and notes give equal bytes.

    Args:
        frame: the rows; the index is not written.
        path: the file, replaced if it is there.
        key: entry of the file's metadata that holds the note.
        note: anything that JSON can hold, such as the provenance.
        schema: types of the columns; by default those of the frame.
    """
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    table = table.replace_schema_metadata({key: json.dumps(note, sort_keys=True).encode()})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read_table(path: Path | str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the table in a file and verify its checksums.

    Raises:
        ResultsError: naming the file, if it is missing, damaged or larger than MAX_BYTES.
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
    """Read the JSON object under `key` in a file's metadata, of schema version `version`.

    Raises:
        ResultsError: naming the file, if it is missing, damaged, without such a note or of another version.
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
    """Say in one sentence why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return ResultsError(f"{path}: no such results file; run the workflow first")
    return ResultsError(f"{path}: not a readable results file, it may be truncated ({error})")
