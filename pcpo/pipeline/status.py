"""Report the progress of the workflow at any time, from Snakemake's log and the logs of the jobs: `make status`."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pcpo.errors import ResultsError, command
from pcpo.pipeline.progress import (
    Job,
    Progress,
    counted,
    duration,
    last_line,
    read_expected,
    read_judged,
    roots_below,
    share,
)

__all__ = ["described", "main", "newest_log", "read_progress"]

_TIME = re.compile(r"^\[(\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4})\]$")
_COUNT = re.compile(r"^(\w+) +(\d+)$")
_BEGUN = re.compile(r"^(?:Job (\d+): (.+)|localrule (\w+):)$")
_DONE = re.compile(r"^Finished jobid: (\d+) \(Rule: (\w+)\)$")
_FAILED = re.compile(r"^ +jobid: (\d+)$")
_STEPS = re.compile(r"^(\d+) of (\d+) steps")
_END = "Complete log"


def newest_log(directory: Path) -> Path:
    """Find the log of the last command in a working directory; raises ResultsError if there was none."""
    logs = sorted((directory / ".snakemake/log").glob("*.snakemake.log"))
    if not logs:
        raise ResultsError(f"{directory / '.snakemake/log'}: found no log, expected one: nothing has been run here")
    return logs[-1]


def read_progress(lines: Iterable[str]) -> Progress:
    """Read the lines of Snakemake's log; lines of other kinds are skipped."""
    found, now = Progress(), datetime.min
    for line in lines:
        if match := _TIME.match(line):
            now = datetime.strptime(match[1], "%a %b %d %H:%M:%S %Y")
            found.begun = found.begun or now
        elif not found.jobs and (match := _COUNT.match(line)):
            found.counts[match[1]] = int(match[2])
        elif match := _BEGUN.match(line):
            if match[1]:
                found.jobs[int(match[1])] = Job(match[2], now)
        elif match := _DONE.match(line):
            job = found.jobs.setdefault(int(match[1]), Job(match[2], now))
            job.ended, job.rule = now, match[2]
        elif (match := _FAILED.match(line)) and int(match[1]) in found.jobs:
            found.failed.add(int(match[1]))
        elif match := _STEPS.match(line):
            found.done, found.steps = int(match[1]), int(match[2])
        elif line.startswith(_END):
            found.ended = True
    found.steps = found.steps or found.counts["total"]
    del found.counts["total"]
    return found


def described(progress: Progress, now: datetime, directory: Path) -> Iterator[str]:
    """Describe the progress in a few lines."""
    state = "ended" if progress.ended else "under way, or killed"
    failed = f", {len(progress.failed)} failed" if progress.failed else ""
    done = f"{progress.done} of {progress.steps} steps done{share(progress.done, progress.steps)}"
    yield f"{done}{failed}; the command is {state}"
    if judged := _judged(progress, directory):
        yield f"claims judged by it: {counted(judged)}"
    if progress.ended:
        return
    for job in progress.running:
        line = last_line(job, directory)
        yield f"  {duration(job.seconds(now)):>9}  {job.message}{': ' if line else ''}{line}"
    if (left := progress.seconds_to_go(now, read_expected(directory))) is not None:
        by = ["the finished jobs of each rule"] if progress.done else []
        by += [f"the expected cost of {' and '.join(sorted(left.planned))}"] if left.planned else []
        beside = (
            f"; not counted: {', '.join(sorted(left.unknown))}, of which no job has finished" if left.unknown else ""
        )
        if left.nothing:
            yield f"no estimate of the time to go{beside}"
        else:
            yield f"about {duration(left.seconds)} to go, by {' and '.join(by) or 'the time so far'}{beside}"


def _judged(progress: Progress, directory: Path) -> Counter[str]:
    """Count the verdicts of the groups that the command has judged, in the newest table of each."""
    judged: Counter[str] = Counter()
    for job in progress.jobs.values():
        if job.group and job.ended:
            tables = [
                table for root in roots_below(directory) if (table := root / f"verdicts/{job.group}.csv").exists()
            ]
            newest = max(tables, key=lambda table: table.stat().st_mtime, default=None)
            if newest is not None and newest.stat().st_mtime >= job.begun.timestamp():
                judged += read_judged(newest)
    return judged


@command
def main(arguments: list[str] | None = None) -> int:
    """Print the progress; exit code 1 and one sentence if nothing has been run."""
    parser = argparse.ArgumentParser(prog="python -m pcpo.pipeline.status", description="How far is the workflow?")
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), help="where Snakemake runs (default: here)")
    directory = parser.parse_args(arguments).directory
    lines = newest_log(directory).read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(described(read_progress(lines), datetime.now(), directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
