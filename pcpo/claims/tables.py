"""Tables of studies on disk: one parquet file per cell and batch of seeds, validated when written and when read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ResultsError
from ..files import replacing
from .contract import Study

__all__ = ["SCHEMA_VERSION", "provenance_of", "read_tables", "write_table"]

SCHEMA_VERSION = "1"
_METADATA_KEY = b"pcpo-study"
_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)


def write_table(
    study: Study,
    cell: str,
    seeds: Iterable[int],
    frame: pd.DataFrame,
    path: Path | str,
    provenance: Mapping[str, object],
) -> None:
    """Write the rows of some seeds in one cell; raises ResultsError unless they are what the study declares."""
    frame = frame.assign(cell=cell)
    expected = ["cell", *study.columns]
    if sorted(frame.columns) != sorted(expected):
        raise ResultsError(f"study {study.name}: found columns {sorted(frame.columns)}, expected {sorted(expected)}")
    frame = frame[expected].reset_index(drop=True)
    _check(study, frame, f"study {study.name}, cell {cell}")
    wanted, found = sorted(seeds), sorted(frame["seed"].unique().tolist())
    if found != wanted:
        raise ResultsError(f"study {study.name}, cell {cell}: found seeds {found}, expected {wanted}")
    note = {"schema_version": SCHEMA_VERSION, "study": study.name, "cell": cell, "seeds": wanted, **provenance}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(note, sort_keys=True).encode()})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def provenance_of(path: Path | str) -> dict[str, object]:
    """What a table says of its origin; raises ResultsError if it is none of ours or of another schema version."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such results file; run the workflow first") from None
    except _DAMAGED as error:
        raise ResultsError(f"{path}: not a readable results file, it may be truncated ({error})") from None
    try:
        note: dict[str, object] = dict(json.loads(metadata[_METADATA_KEY]))
    except (KeyError, ValueError, TypeError):
        raise ResultsError(f"{path}: found a parquet file without provenance, expected a table of a study") from None
    if note.get("schema_version") != SCHEMA_VERSION:
        raise ResultsError(
            f"{path}: found schema version {note.get('schema_version')}, expected {SCHEMA_VERSION}; rerun the workflow"
        )
    return note


def read_tables(study: Study, paths: Iterable[Path | str]) -> pd.DataFrame:
    """All rows of a study; raises ResultsError, naming the file, for another study's table, another schema version,
    other columns, NaN where none may be, a seed of the file's note that is missing, or a row that occurs twice."""
    frames = [_read_one(study, Path(path)) for path in paths]
    if not frames:
        raise ResultsError(f"study {study.name}: no results files were given")
    frame = pd.concat(frames, ignore_index=True)
    key = ["cell", *study.key]
    if (twice := frame.duplicated(key)).any():
        found = frame[twice].iloc[0][key].to_dict()
        raise ResultsError(f"study {study.name}: {found} occurs more than once, expected each run in one file only")
    return frame


def _read_one(study: Study, path: Path) -> pd.DataFrame:
    note = provenance_of(path)
    if note.get("study") != study.name:
        raise ResultsError(f"{path}: found a table of study {note.get('study')!r}, expected {study.name!r}")
    try:
        frame: pd.DataFrame = pq.read_table(path, page_checksum_verification=True).to_pandas()
    except _DAMAGED as error:
        raise ResultsError(f"{path}: not a readable results file, it may be truncated ({error})") from None
    if list(frame.columns) != (expected := ["cell", *study.columns]):
        raise ResultsError(f"{path}: found columns {list(frame.columns)}, expected {expected}")
    _check(study, frame, str(path))
    if sorted(frame["seed"].unique().tolist()) != note.get("seeds"):
        raise ResultsError(f"{path}: found seeds {sorted(frame['seed'].unique())}, expected {note.get('seeds')}")
    return frame


def _check(study: Study, frame: pd.DataFrame, where: str) -> None:
    for column in frame.columns:
        if column not in study.may_be_missing and frame[column].isna().any():
            raise ResultsError(f"{where}: found NaN in column {column}, expected numbers")
