"""Report the progress of the workflow at any time, from Snakemake's log and the logs of the jobs: `make status`."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pcpo.errors import ResultsError, command

__all__ = ["Job", "Progress", "main", "newest_log", "read_progress", "told"]

_TIME = re.compile(r"^\[(\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4})\]$")
_COUNT = re.compile(r"^(\w+) +(\d+)$")
_BEGUN = re.compile(r"^(?:Job (\d+): (.+)|localrule (\w+):)$")
_DONE = re.compile(r"^Finished jobid: (\d+) \(Rule: (\w+)\)$")
_FAILED = re.compile(r"^ +jobid: (\d+)$")
_STEPS = re.compile(r"^(\d+) of (\d+) steps")
_END = "Complete log"


@dataclass
class Job:
    """Hold a job that has begun: its message and begin; its rule and end once it is finished."""

    message: str
    begun: datetime
    ended: datetime | None = None
    rule: str = ""

    def seconds(self, now: datetime) -> float:
        """Return how long the job took, or has been running."""
        return ((self.ended or now) - self.begun).total_seconds()


@dataclass
class Progress:
    """Hold the progress of one Snakemake command: jobs by number, jobs by rule, steps done and in all."""

    jobs: dict[int, Job] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    failed: set[int] = field(default_factory=set)
    done: int = 0
    steps: int = 0
    ended: bool = False
    begun: datetime | None = None

    @property
    def running(self) -> list[Job]:
        """Return the jobs that have begun and neither finished nor failed."""
        return [job for number, job in self.jobs.items() if job.ended is None and number not in self.failed]

    def seconds_to_go(self, now: datetime) -> float | None:
        """Estimate the remaining time by the mean of finished jobs of the same rule; None before any is finished."""
        finished = [job for job in self.jobs.values() if job.ended is not None]
        spent = {rule: [job.seconds(now) for job in finished if job.rule == rule] for rule in self.counts}
        all_seconds = [seconds for of_rule in spent.values() for seconds in of_rule]
        if not all_seconds or self.begun is None or not sum(all_seconds):
            return None
        mean = sum(all_seconds) / len(all_seconds)
        left = sum(
            (count - len(spent[rule])) * (sum(spent[rule]) / len(spent[rule]) if spent[rule] else mean)
            for rule, count in self.counts.items()
        )
        under_way = sum(job.seconds(now) for job in self.running)
        at_once = (sum(all_seconds) + under_way) / max(1.0, (now - self.begun).total_seconds())
        return max(0.0, left - under_way) / max(at_once, 0.1)


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


def told(progress: Progress, now: datetime, directory: Path) -> Iterator[str]:
    """Describe the progress in a few lines."""
    share = f" ({100 * progress.done / progress.steps:.0f} %)" if progress.steps else ""
    state = "ended" if progress.ended else "under way, or killed"
    failed = f", {len(progress.failed)} failed" if progress.failed else ""
    yield f"{progress.done} of {progress.steps} steps done{share}{failed}; the command is {state}"
    if progress.ended:
        return
    for job in progress.running:
        yield f"  {_duration(job.seconds(now)):>9}  {job.message}{_last_line(job, directory)}"
    if (left := progress.seconds_to_go(now)) is not None:
        yield f"about {_duration(left)} to go, by the finished jobs of each rule"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _last_line(job: Job, directory: Path) -> str:
    """Read the last line of a job's log: the newest log whose path has the names in the job's message."""
    words = set(re.split(r"[ ,]+", job.message))
    roots = [directory / "results/logs", *directory.glob("build/*/results/logs")]
    logs = [
        path
        for root in roots
        for path in root.rglob("*.log")
        if {*path.relative_to(root).parent.parts[1:], path.stem} <= words
        and path.stat().st_mtime >= job.begun.timestamp()
    ]
    lines = [
        line
        for path in sorted(logs, key=lambda path: path.stat().st_mtime)[-1:]
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    return f": {lines[-1]}" if lines else ""


@command
def main(arguments: list[str] | None = None) -> int:
    """Print the progress; exit code 1 and one sentence if nothing has been run."""
    parser = argparse.ArgumentParser(prog="python -m pcpo.pipeline.status", description="How far is the workflow?")
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), help="where Snakemake runs (default: here)")
    directory = parser.parse_args(arguments).directory
    lines = newest_log(directory).read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(told(read_progress(lines), datetime.now(), directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
