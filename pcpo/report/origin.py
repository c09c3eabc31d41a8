"""Collect where results come from: settings, versions and commits of the files; rollouts and time spent."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pcpo.claims.tables import provenance_of
from pcpo.errors import ResultsError
from pcpo.experiments.records import read_provenance
from pcpo.storage.tables import read_table

__all__ = ["Origin", "Source", "core_seconds", "origin_of", "read_sources", "rollouts_by_kind", "time_spent"]

_READERS = {b"pcpo": read_provenance, b"pcpo-study": provenance_of}
_BENCHMARK_COLUMNS = {"s", "cpu_time", "max_rss"}


@dataclass(frozen=True)
class Source:
    """Hold the path of a parquet file of results, relative to the root, and its metadata."""

    path: str
    note: Mapping[str, object]


@dataclass(frozen=True)
class Origin:
    """Summarise the metadata of many files.

    Args:
        files: how many.
        settings: SHA-256 over path and settings' hash of every file.
        versions: version of the package → number of files.
        commits: git commit → number of files.
    """

    files: int
    settings: str
    versions: Mapping[str, int]
    commits: Mapping[str, int]


def read_sources(root: Path) -> list[Source]:
    """Read the metadata of all parquet files under results/, in order.

    Files that are being written, and checkpoints of interrupted jobs, are skipped.

    Raises:
        ResultsError: naming the file, for a parquet file without metadata of this package.
    """
    sources = []
    for path in sorted((root / "results").rglob("[!.]*.parquet")):
        if (root / "results/checkpoints") in path.parents:
            continue
        try:
            metadata = pq.read_schema(path).metadata or {}
        except (pa.ArrowException, OSError) as error:
            raise ResultsError(f"{path}: not a readable results file, it may be truncated ({error})") from None
        readers = [reader for key, reader in _READERS.items() if key in metadata]
        if not readers:
            raise ResultsError(f"{path}: found a parquet file without provenance, expected a table of this project")
        sources.append(Source(path.relative_to(root).as_posix(), readers[0](path)))
    return sources


def origin_of(sources: Sequence[Source]) -> Origin:
    """Count versions and commits, and hash all settings together."""
    lines = "".join(f"{source.path} {source.note.get('config_hash', '')}\n" for source in sources)
    versions = Counter(str(source.note.get("version", "unknown")) for source in sources)
    commits = Counter(str(source.note.get("commit", "unknown")) for source in sources)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return Origin(len(sources), digest, dict(sorted(versions.items())), dict(sorted(commits.items())))


def rollouts_by_kind(root: Path, sources: Sequence[Source]) -> pd.DataFrame:
    """Count the rollouts simulated by all agents, by folder under results/.

    Within a run the column `rollouts` counts up, so its largest value is summed over agents.  Rows per
    cluster count for all its agents.  Tables of neither, as those of the studies, are skipped.

    Returns:
        Columns kind, files, rollouts.
    """
    found: dict[str, list[float]] = {}
    for source in sources:
        names = set(pq.read_schema(root / source.path).names)
        if "rollouts" not in names or not names & {"agent", "agents"}:
            continue
        kind = Path(source.path).parts[1]
        found.setdefault(kind, []).append(_rollouts(root / source.path))
    rows = [{"kind": kind, "files": len(counts), "rollouts": float(np.sum(counts))} for kind, counts in found.items()]
    return pd.DataFrame(rows, columns=["kind", "files", "rollouts"])


def _rollouts(path: Path) -> float:
    names = pq.read_schema(path).names
    member = ["agents", "cluster"] if "agents" in names else ["agent"]
    by = [key for key in ("scenario", "algorithm", "condition", "oracle", "seed", *member) if key in names]
    spent = read_table(path, [*by, "rollouts"]).to_pandas().groupby(by)["rollouts"].max()
    return float((spent * spent.index.get_level_values("agents") if "agents" in names else spent).sum())


def time_spent(root: Path) -> pd.DataFrame:
    """Sum Snakemake's benchmarks by folder.

    Benchmarks of the report and of the notebooks are skipped: they are written after the page.

    Returns:
        Columns kind, jobs, seconds, cpu_seconds, memory (largest, MB); NaN where a job was too short to be measured.

    Raises:
        ResultsError: naming the file, for a benchmark with other columns.
    """
    rows = [{"kind": _kind(path), **row} for path, row in _benchmarks(root)]
    if not rows:
        return pd.DataFrame(columns=["kind", "jobs", "seconds", "cpu_seconds", "memory"])
    grouped = pd.DataFrame(rows).groupby("kind", sort=True)
    return grouped.agg(
        jobs=("s", "size"), seconds=("s", "sum"), cpu_seconds=("cpu_time", "sum"), memory=("max_rss", "max")
    ).reset_index()


def core_seconds(root: Path) -> dict[str, float]:
    """Sum the processor seconds of every study, scenario and tuning, with keys as "evidence/<study>".

    Other jobs are summed by their folder; skips and errors are those of `time_spent`.
    """
    spent: dict[str, float] = {}
    for path, row in _benchmarks(root):
        part = f"{_kind(path)}/{path.parts[1]}" if path.parts[0] in ("evidence", "runs", "tune") else _kind(path)
        spent[part] = spent.get(part, 0.0) + float(np.nan_to_num(row["cpu_time"]))
    return {part: round(seconds, 1) for part, seconds in sorted(spent.items())}


def _kind(path: Path) -> str:
    """Return the folder of a benchmark, or its name if it is in none."""
    return path.parts[0] if len(path.parts) > 1 else path.stem


def _benchmarks(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every benchmark, relative to results/benchmarks, with its row."""
    top = root / "results/benchmarks"
    for path in sorted(top.rglob("*.tsv")):
        relative = path.relative_to(top)
        if relative.parts[0].startswith(("report", "notebook")):
            continue
        try:
            one = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path}: not a readable benchmark file ({error})") from None
        if not set(one.columns) >= _BENCHMARK_COLUMNS:
            raise ResultsError(f"{path}: found columns {list(one.columns)}, expected {sorted(_BENCHMARK_COLUMNS)} too")
        for row in one[sorted(_BENCHMARK_COLUMNS)].to_dict("records"):
            yield relative, {str(name): value for name, value in row.items()}
