"""Parts of a study's job: the cells that are done, kept until the job's table is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pcpo.errors import ResultsError
from pcpo.storage.files import discard, replacing

__all__ = ["Parts"]

_METADATA_KEY = b"pcpo-part"


@dataclass(frozen=True)
class Parts:
    """One parquet file per finished cell in `folder`.

    key: hash of all that the job depends on.  A file of another key or cell, or one that cannot be read, counts as
    absent: the cell is then simulated again, which gives the same bits.
    """

    folder: Path
    key: str

    def kept(self, index: int, cell: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The rows of a cell, made and kept if they are not yet; index: the cell's place in its study.

        Always as read from the file, so that what was kept earlier and what was just made have the same types.
        """
        if (frame := self._read(index, cell)) is None:
            self._write(index, cell, make())
            frame = self._read(index, cell)
        if frame is None:
            raise ResultsError(f"{self._path(index)}: found nothing readable, expected the rows that were just written")
        return frame

    def _read(self, index: int, cell: str) -> pd.DataFrame | None:
        try:
            table = pq.read_table(self._path(index), page_checksum_verification=True)
            note = json.loads(table.schema.metadata[_METADATA_KEY])
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
            return None
        frame: pd.DataFrame = table.to_pandas()
        return frame if note == [self.key, cell] else None

    def _write(self, index: int, cell: str, frame: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        note = {**(table.schema.metadata or {}), _METADATA_KEY: json.dumps([self.key, cell]).encode()}
        with replacing(self._path(index)) as temporary:
            pq.write_table(table.replace_schema_metadata(note), temporary, write_page_checksum=True)

    def discard(self, count: int) -> None:
        """Remove the files of `count` cells, and the folder if nothing else is in it."""
        discard(*(self._path(index) for index in range(count)))

    def _path(self, index: int) -> Path:
        return self.folder / f"{index}.parquet"
