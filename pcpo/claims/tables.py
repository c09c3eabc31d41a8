"""Write and read the tables of studies: a parquet file for each batch of seeds, checked both times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import cells_of
from pcpo.errors import ResultsError
from pcpo.storage import tables
from pcpo.storage.checkpoints import StudyCheckpoint
from pcpo.storage.tables import read_note, read_table

__all__ = ["SCHEMA_VERSION", "provenance_of", "read_tables", "simulated", "tables_by_study", "write_table"]

SCHEMA_VERSION = "1"
_METADATA_KEY = b"pcpo-study"


def simulated(
    study: Study,
    options: Mapping[str, Any],
    seeds: Sequence[int],
    *,
    checkpoint: StudyCheckpoint | None = None,
    on_cell: Callable[[str, int, int], object] = lambda name, done, count: None,
) -> pd.DataFrame:
    """Simulate the rows of these seeds in every cell of the study; a cell for controls alone has fewer.

    Args:
        study: what to simulate.
        options: as a configuration gives them.
        seeds: the replicates.
        checkpoint: holds finished cells; a finished cell is read instead of simulated.
        on_cell: called after every cell with its name, the number of finished cells, and the number of cells.
    """
    cells = cells_of(study, options)
    frames = []
    for index, (name, cell) in enumerate(cells.items()):
        simulate = partial(study.simulate, cell, study.seeds_in(str(name), seeds))
        frame = simulate() if checkpoint is None else checkpoint.rows(index, str(name), simulate)
        frames.append(frame.assign(cell=name))
        on_cell(str(name), index + 1, len(cells))
    return pd.concat(frames, ignore_index=True)


def write_table(
    study: Study, seeds: Sequence[int], frame: pd.DataFrame, path: Path | str, provenance: Mapping[str, object]
) -> None:
    """Write the rows of some seeds in all cells; raises ResultsError unless they are what the study declares."""
    expected = ["cell", *study.columns]
    if sorted(frame.columns) != sorted(expected):
        raise ResultsError(f"study {study.name}: found columns {sorted(frame.columns)}, expected {sorted(expected)}")
    frame = frame[expected].reset_index(drop=True)
    note = {"schema_version": SCHEMA_VERSION, "study": study.name, "seeds": sorted(seeds), **provenance}
    note["cells"] = frame["cell"].drop_duplicates().tolist()
    _check(study, frame, note, f"study {study.name}")
    tables.write_table(frame, path, _METADATA_KEY, note)


def provenance_of(path: Path | str) -> dict[str, Any]:
    """Read the metadata of a table; raises ResultsError for a file of another kind or schema version."""
    return read_note(path, _METADATA_KEY, SCHEMA_VERSION)


def read_tables(study: Study, paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read all rows of a study.

    Raises:
        ResultsError: naming the file, for the table of another study or schema version, other columns, NaN where none
            may be, or a missing seed or cell; and for a row that occurs twice.
    """
    frames = [_read_one(study, Path(path)) for path in paths]
    if not frames:
        raise ResultsError(f"study {study.name}: no results files were given")
    frame = pd.concat(frames, ignore_index=True)
    key = ["cell", *study.key]
    if (twice := frame.duplicated(key)).any():
        found = frame[twice].iloc[0][key].to_dict()
        raise ResultsError(f"study {study.name}: {found} occurs more than once, expected each run in one file only")
    return frame


def tables_by_study(studies: Sequence[Study], paths: Iterable[Path | str]) -> dict[str, pd.DataFrame]:
    """Read the tables of some studies by name, from files of all of them in any order."""
    files: dict[str, list[Path | str]] = {study.name: [] for study in studies}
    for path in paths:
        name = str(provenance_of(path).get("study"))
        if name not in files:
            raise ResultsError(f"{path}: found a table of study {name!r}, expected one of {', '.join(files)}")
        files[name].append(path)
    return {study.name: read_tables(study, files[study.name]) for study in studies}


def _read_one(study: Study, path: Path) -> pd.DataFrame:
    note = provenance_of(path)
    if note.get("study") != study.name:
        raise ResultsError(f"{path}: found a table of study {note.get('study')!r}, expected {study.name!r}")
    frame: pd.DataFrame = read_table(path).to_pandas()
    if list(frame.columns) != (expected := ["cell", *study.columns]):
        raise ResultsError(f"{path}: found columns {list(frame.columns)}, expected {expected}")
    _check(study, frame, note, str(path))
    return frame


def _check(study: Study, frame: pd.DataFrame, note: Mapping[str, Any], where: str) -> None:
    for column in frame.columns:
        if column not in study.may_be_missing and frame[column].isna().any():
            raise ResultsError(f"{where}: found NaN in column {column}, expected numbers")
    seeds = {str(cell): sorted(part.unique().tolist()) for cell, part in frame.groupby("cell", sort=False)["seed"]}
    if sorted(seeds) != sorted(note["cells"]):
        raise ResultsError(f"{where}: found cells {sorted(seeds)}, expected {sorted(note['cells'])}")
    for cell, found in seeds.items():
        if found != (wanted := study.seeds_in(cell, note["seeds"])):
            raise ResultsError(f"{where}, cell {cell}: found seeds {found}, expected {wanted}")
    if (twice := frame.duplicated(["cell", *study.key])).any():
        row = frame[twice].iloc[0][["cell", *study.key]].to_dict()
        raise ResultsError(f"{where}: found {row} more than once, expected it once")
