"""Runs of the FedLQR experiment on disk: parquet with provenance, checked when read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pcpo.errors import ResultsError
from pcpo.experiments.records import SCHEMA_VERSION, read_provenance
from pcpo.storage.files import replacing
from pcpo.storage.tables import read_table

__all__ = ["SCHEMA", "read", "write"]

SCHEMA = pa.schema(
    [
        ("condition", pa.string()),
        ("oracle", pa.string()),
        ("seed", pa.int64()),
        ("round", pa.int64()),
        ("own", pa.float64()),
        ("published", pa.float64()),
        ("rollouts", pa.int64()),
        ("nonfinite", pa.int64()),
        ("rounds", pa.int64()),
        ("messages_up", pa.int64()),
        ("messages_down", pa.int64()),
        ("bytes_up", pa.int64()),
        ("bytes_down", pa.int64()),
    ]
)


def write(frame: pd.DataFrame, path: Path | str, provenance: Mapping[str, object]) -> None:
    """Write runs with `provenance` in the file's metadata, whole or not at all."""
    table = pa.Table.from_pandas(frame, schema=SCHEMA, preserve_index=False)
    note = json.dumps({"schema_version": SCHEMA_VERSION, **provenance}, sort_keys=True)
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata({b"pcpo": note.encode()}), temporary, compression="zstd")


def read(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read and join files.  Raises ResultsError, naming the file, if one is missing, damaged or of another kind, holds
    NaN, or if runs of a condition do not all have the same rounds."""
    frames = []
    for path in map(Path, paths):
        read_provenance(path)
        table = read_table(path)
        if not table.schema.equals(SCHEMA):
            raise ResultsError(f"{path}: found columns {table.schema.names}, expected {SCHEMA.names}")
        frame: pd.DataFrame = table.to_pandas()
        if frame[["own", "published"]].isna().any(axis=None):
            raise ResultsError(f"{path}: found NaN among the gaps, expected numbers")
        per_run = frame.groupby(["condition", "oracle", "seed"])["round"].agg(tuple)
        if per_run.nunique() != 1:
            raise ResultsError(f"{path}: found runs with different rounds, expected the same in every run")
        frames.append(frame)
    if not frames:
        raise ResultsError("no results files were given")
    return pd.concat(frames, ignore_index=True)
