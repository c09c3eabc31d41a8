"""Reading results: what is missing, damaged or too large is one sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcpo.errors import ResultsError
from pcpo.storage import tables as parquet
from pcpo.storage.tables import read_table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small file with a large content: one number, 100,000 times."""
    found = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": np.zeros(100_000), "y": np.ones(100_000)}), found, write_page_checksum=True)
    assert found.stat().st_size < 20_000
    return found


def test_a_table_or_some_of_its_columns(path: Path) -> None:
    assert read_table(path).shape == (100_000, 2)
    assert read_table(path, ["y"]).column_names == ["y"]


def test_a_small_file_with_a_large_content_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 2 * 100_000 * 8
    monkeypatch.setattr(parquet, "MAX_BYTES", size)
    assert read_table(path).num_rows == 100_000
    monkeypatch.setattr(parquet, "MAX_BYTES", size - 1)
    with pytest.raises(ResultsError, match=rf"x\.parquet: found {size} bytes, expected at most {size - 1}"):
        read_table(path)


def test_missing_truncated_and_flipped(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    with pytest.raises(ResultsError, match=r"x\.parquet: not a readable results file, it may be truncated"):
        read_table(path)
    flipped = bytearray(content)
    flipped[len(content) // 4] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(ResultsError, match=r"x\.parquet: not a readable results file, it may be truncated"):
        read_table(path)
    path.unlink()
    with pytest.raises(ResultsError, match=r"x\.parquet: no such results file; run the workflow first"):
        read_table(path)
