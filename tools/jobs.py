"""Say what the jobs of a finished run spent their seconds on: `python -m tools.jobs [results]`.

Seconds are those of Snakemake's benchmarks, on a clock; how long after its start a job computed is in its log.
Simulating and judging is what lies between; the rest is start, reading, writing, drawing and pages.
"""

from __future__ import annotations

import csv
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from pcpo.errors import ResultsError, command
from pcpo.pipeline.jobs import COMPUTED

__all__ = ["Job", "jobs_of", "main", "summary"]


@dataclass(frozen=True)
class Job:
    """Hold a job's kind, its seconds, and when it computed after its start; None for a job that only writes or draws.

    Args:
        kind: the folder of its benchmark: runs, tune, evidence, fedlqr, verdicts, figures, notebooks, ….
        seconds: from start to end.
        start, end: seconds from the start to the beginning and the end of the computation.
    """

    kind: str
    seconds: float
    start: float | None = None
    end: float | None = None

    @property
    def computed(self) -> float:
        """Return the seconds of simulating or judging."""
        return 0.0 if self.start is None or self.end is None else self.end - self.start


def jobs_of(results: Path) -> list[Job]:
    """Read benchmarks and logs of all finished jobs; raises ResultsError if there are none."""
    found = []
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        name = path.relative_to(results / "benchmarks")
        with path.open(encoding="utf-8", newline="") as file:
            seconds = sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        log = (results / "logs" / name).with_suffix(".log")
        said = COMPUTED.search(log.read_text(encoding="utf-8")) if log.is_file() else None
        times = (float(said["start"]), float(said["end"])) if said else (None, None)
        found.append(Job(name.parts[0].removesuffix(".tsv"), seconds, *times))
    if not found:
        raise ResultsError(f"{results}: found no benchmarks, expected those of a finished run")
    return found


def summary(jobs: list[Job]) -> list[str]:
    """Return lines: all jobs, every kind from large to small, starts, and the share of simulating and judging."""
    whole = sum(job.seconds for job in jobs)
    lines = [
        f"{len(jobs)} jobs, median {statistics.median(job.seconds for job in jobs):.2f} s, {whole:.0f} job seconds"
    ]
    kinds = {job.kind: [other for other in jobs if other.kind == job.kind] for job in jobs}
    for kind, members in sorted(kinds.items(), key=lambda item: -sum(job.seconds for job in item[1])):
        seconds, computed = (sum(getattr(job, name) for job in members) for name in ("seconds", "computed"))
        lines.append(f"  {kind}: {len(members)} jobs, {seconds:.1f} s, of which {computed:.1f} s computing")
    if starts := [job.start for job in jobs if job.start is not None]:
        lines.append(f"start: median {statistics.median(starts):.2f} s, at most {max(starts):.2f} s")
    lines.append(f"simulating and judging: {sum(job.computed for job in jobs) / whole:.1%} of all job seconds")
    return lines


@command
def main(arguments: list[str] | None = None) -> int:
    """Print the summary of a folder of results, by default that of the main job."""
    given = sys.argv[1:] if arguments is None else arguments
    print(*summary(jobs_of(Path(given[0] if given else "results"))), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
