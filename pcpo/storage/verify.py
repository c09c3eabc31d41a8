"""Compare a run with the reference results, file by file: `python -m pcpo.storage.verify --root build/quick`.

The repository stores, for a configuration, a digest of the content of every file and, by column of numbers, how many
are finite, the sum of their magnitudes, their sum and their sum weighted by position.  Equal digests: the same bits.
Otherwise the largest change of a sum, relative to the magnitudes, measures the difference: another processor or library
changes the last bits only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pcpo.errors import ResultsError, command
from pcpo.storage.files import write_text
from pcpo.storage.provenance import environment_versions, git_commit, machine
from pcpo.storage.tables import read_table

__all__ = [
    "AGREEING",
    "TOLERANCE",
    "Fingerprint",
    "compared",
    "fingerprints",
    "main",
    "read_known",
    "summary",
    "write_known",
]

#: Largest change of a column's sum, relative to the sum of its magnitudes, that counts as last bits: far above the
#: 1e-16 of one rounding times the length of a run, far below the smallest difference that a digit of a figure shows.
TOLERANCE = 1e-9
#: Statuses of files that agree with the reference.
AGREEING = ("same bits", "last bits")
#: Tables of numbers, text and pictures; the rest of a tree (logs, benchmarks, pages) describes the run itself.
_TABLES = ("results/runs/**/*.parquet", "results/evidence/**/*.parquet", "results/fedlqr/**/*.parquet")
_TEXTS = ("results/fleets/*.yaml", "results/plans/*.json", "results/tuning/**/*.json")
_NUMBER = re.compile(r"[-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
_LISTS = ("results/verdicts.csv", "results/fedlqr/claims.csv", "figures/*.csv")


@dataclass(frozen=True)
class Fingerprint:
    """Hold the SHA-256 of a file's content and of all in it but floating-point numbers, its rows, and sums by column.

    sums: by column, how many numbers are finite, Σ|x_i|, Σ x_i and Σ x_i·i/n, which sees an exchange of two of them.
    """

    digest: str
    words: str
    rows: int
    sums: Mapping[str, tuple[int, float, float, float]]


def fingerprints(root: Path) -> dict[str, Fingerprint]:
    """Return the fingerprint of every table and text under `root`, by path.

    Raises:
        ResultsError: naming the file, if it cannot be read.
    """
    found = {}
    for reader, patterns in ((_of_table, _TABLES), (_of_list, _LISTS), (_of_text, _TEXTS)):
        for path in sorted({path for pattern in patterns for path in root.glob(pattern) if path.name[0] != "."}):
            try:
                found[path.relative_to(root).as_posix()] = reader(path)
            except (OSError, ValueError, pa.ArrowException) as error:
                raise ResultsError(f"{path}: not readable, it may be truncated ({error})") from None
    return dict(sorted(found.items()))


def _of_table(path: Path) -> Fingerprint:
    """Fingerprint a parquet file without the note in its metadata, which names commit and version."""
    return _of_content(read_table(path).replace_schema_metadata(None).combine_chunks())


def _of_list(path: Path) -> Fingerprint:
    """Fingerprint a CSV file."""
    return _of_content(pa.Table.from_pandas(pd.read_csv(path)).replace_schema_metadata(None))


def _of_content(table: pa.Table) -> Fingerprint:
    """Fingerprint a table."""
    numbers = {name: values for name in table.column_names if (values := _numbers(table[name])) is not None}
    words = table.drop_columns(list(numbers))
    sums = {name: _sums(values) for name, values in numbers.items()}
    return Fingerprint(_digest(table), _digest(words), table.num_rows, sums)


def _numbers(column: pa.ChunkedArray) -> Any:
    """Return the floating-point numbers of a column, or of the lists in it; None for a column of anything else."""
    flat = column.combine_chunks()
    if pa.types.is_list(flat.type):
        flat = flat.flatten()
    return flat.to_numpy(zero_copy_only=False) if pa.types.is_floating(flat.type) else None


def _digest(table: pa.Table) -> str:
    """Return the SHA-256 of a table's content."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _of_text(path: Path) -> Fingerprint:
    """Fingerprint a text; its numbers with a point or an exponent are one column."""
    text = path.read_text(encoding="utf-8")
    numbers = np.array([float(number) for number in _NUMBER.findall(text)])
    words = _NUMBER.sub("#", text)
    return Fingerprint(_sha(text), _sha(words), 0, {"numbers": _sums(numbers)})


def _sha(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _sums(values: Any) -> tuple[int, float, float, float]:
    """Return the four sums of a column."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    place = np.arange(1, len(finite) + 1) / max(1, len(finite))
    return len(finite), float(np.abs(finite).sum()), float(finite.sum()), float(finite @ place)


def compared(known: Mapping[str, Fingerprint], found: Mapping[str, Fingerprint]) -> pd.DataFrame:
    """Compare two sets of fingerprints: one row per file of either.

    Columns file, status ("same bits", "last bits", "differs", "missing", "not known"), column (the column that changed
    most), change (relative).  A text without the same bits differs, as it has no columns.
    """
    rows = [_row(name, known.get(name), found.get(name)) for name in sorted({*known, *found})]
    return pd.DataFrame(rows, columns=["file", "status", "column", "change"])


def _row(name: str, known: Fingerprint | None, found: Fingerprint | None) -> tuple[str, str, str, float]:
    """Compare the fingerprints of one file."""
    if known is None or found is None:
        return name, "missing" if found is None else "not known", "", np.nan
    if known.digest == found.digest:
        return name, "same bits", "", 0.0
    if known.rows != found.rows or known.sums.keys() != found.sums.keys():
        return name, "differs", "", np.inf
    if known.words != found.words:
        return name, "differs", "", np.inf
    changes = {column: _change(known.sums[column], found.sums[column]) for column in known.sums}
    worst = max(changes, key=lambda column: changes[column])
    return name, "last bits" if changes[worst] <= TOLERANCE else "differs", worst, changes[worst]


def _change(known: tuple[int, float, float, float], found: tuple[int, float, float, float]) -> float:
    """Return the largest change of a column's sums, relative to its magnitudes."""
    if known[0] != found[0]:
        return np.inf
    largest = max(abs(before - after) for before, after in zip(known[1:], found[1:], strict=True))
    return 0.0 if largest == 0 else largest / max(known[1], found[1])


def write_known(root: Path, path: Path) -> None:
    """Store the fingerprints of a finished run as the reference; ResultsError for a tree without any."""
    found = fingerprints(root)
    if not found:
        raise ResultsError(f"{root}: found no tables, expected a finished run")
    origin = {"commit": git_commit(), "versions": environment_versions(), "machine": machine()["cpu"]}
    files = {name: asdict(mark) for name, mark in found.items()}
    write_text(path, json.dumps({**origin, "files": files}, indent=1, ensure_ascii=False) + "\n")


def read_known(path: Path) -> dict[str, Fingerprint]:
    """Read the fingerprints that `write_known` stored; ResultsError for anything else."""
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {
            name: Fingerprint(
                mark["digest"], mark["words"], mark["rows"], {c: tuple(s) for c, s in mark["sums"].items()}
            )
            for name, mark in files.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{path}: found no fingerprints of a run ({error!r}), expected those of --write") from None


def summary(rows: pd.DataFrame) -> Iterable[str]:
    """Yield a line for every file that has other bits, and a line of counts."""
    for row in rows[rows["status"] != "same bits"].to_dict("records"):
        by = f": {row['column']} by {row['change']:.1e} of its magnitude" if row["column"] else ""
        yield f"{row['status']:10s} {row['file']}{by}"
    counts = ", ".join(f"{count} {status}" for status, count in rows["status"].value_counts().items())
    yield f"{len(rows)} files: {counts} (last bits: sums within {TOLERANCE:g} of the magnitudes)"


@command
def main(arguments: list[str] | None = None) -> int:
    """Compare, or store the reference.

    Exit code 1 if anything differs beyond the last bits, is missing or is not known.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pcpo.storage.verify", description="Compare a run with the known one."
    )
    parser.add_argument("--root", required=True, type=Path, help="directory of the run, with results/ and figures/")
    parser.add_argument("--known", required=True, type=Path, help="fingerprints of the known run (JSON)")
    parser.add_argument("--write", action="store_true", help="keep this run as the known one")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        write_known(chosen.root, chosen.known)
        return 0
    rows = compared(read_known(chosen.known), fingerprints(chosen.root))
    print("\n".join(summary(rows)))
    return 0 if rows["status"].isin(AGREEING).all() else 1


if __name__ == "__main__":
    sys.exit(main())
