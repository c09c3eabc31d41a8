"""Report the progress of the workflow at any time, from Snakemake's log and the logs of the jobs: `make status`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pcpo.errors import ResultsError, command

__all__ = ["Expected", "Job", "Progress", "described", "main", "newest_log", "read_expected", "read_progress"]

_TIME = re.compile(r"^\[(\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4})\]$")
_COUNT = re.compile(r"^(\w+) +(\d+)$")
_BEGUN = re.compile(r"^(?:Job (\d+): (.+)|localrule (\w+):)$")
_DONE = re.compile(r"^Finished jobid: (\d+) \(Rule: (\w+)\)$")
_FAILED = re.compile(r"^ +jobid: (\d+)$")
_STEPS = re.compile(r"^(\d+) of (\d+) steps")
_END = "Complete log"
_SCENARIO = re.compile(r"in scenario (\w+)(?:, seeds (\d+)-(\d+))?")
#: The rule of a job that has not finished, by the first words of its message; Snakemake's log does not name it.
_RULES = {
    "Runs of": "runs",
    "Tuning": "tune",
    "Study": "study",
    "FedLQR, condition": "fedlqr_runs",
    "Schedule and horizon": "plan",
    "Fleet of": "fleet",
}
#: Rules whose jobs are no measure of others, nor the others of them.
_LONG = ("runs", "tune", "study", "fedlqr_runs")
#: A job that has outlasted its estimate is taken to need this share of its time again.
_OVERDUE = 0.1
_START = 2.0  # seconds that a job takes to start


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

    @property
    def kind(self) -> str:
        """Return the rule, by the message if the job has not finished; empty if neither tells it."""
        return self.rule or next((rule for words, rule in _RULES.items() if self.message.startswith(words)), "")


@dataclass(frozen=True)
class Expected:
    """Hold what plans say that jobs of runs and of tuning take, by scenario (the JSON beside a plan's log)."""

    scenarios: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of_rule(self, rule: str) -> float | None:
        """Return the mean of core seconds of the jobs of a rule, over all scenarios with a plan."""
        runs, jobs = {"runs": ("runs", "run_jobs"), "tune": ("tuning", "tune_jobs")}.get(rule, ("", ""))
        count = sum(cost[jobs] for cost in self.scenarios.values()) if jobs else 0
        if not count:
            return None
        return _START + sum(cost["core_seconds"] * cost[runs] for cost in self.scenarios.values()) / count

    def of_job(self, job: Job) -> float | None:
        """Return the core seconds of a job, by the scenario and the seeds in its message."""
        named = _SCENARIO.search(job.message)
        if named is None or (cost := self.scenarios.get(named[1])) is None:
            return None
        if job.kind == "runs" and named[2]:
            return _START + cost["core_seconds"] * (int(named[3]) - int(named[2]) + 1)
        if job.kind == "tune" and cost["tune_jobs"]:
            return _START + cost["core_seconds"] * cost["tuning"] / cost["tune_jobs"]
        return None


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

    def seconds_to_go(self, now: datetime, expected: Expected) -> tuple[float, set[str], set[str]] | None:
        """Estimate the remaining time, by finished jobs of the same rule, else by what the plans expect.

        Returns:
            Seconds, the rules taken from the plans, and the rules of which nothing is known, which are not counted;
            None before any job has begun.
        """
        if self.begun is None or not self.jobs:
            return None
        finished = [job for job in self.jobs.values() if job.ended is not None]
        spent = {rule: [job.seconds(now) for job in finished if job.rule == rule] for rule in self.counts}
        short = [seconds for rule, of_rule in spent.items() if rule not in _LONG for seconds in of_rule]
        planned: set[str] = set()
        unknown: set[str] = set()

        def each(rule: str, by_plan: float | None) -> float:
            if spent.get(rule):
                took, plans = sum(spent[rule]), [expected.of_job(job) for job in finished if job.rule == rule]
                planned_for = sum(plan for plan in plans if plan is not None)
                if by_plan is not None and None not in plans:
                    return by_plan * took / planned_for
                return took / len(spent[rule])
            if by_plan is not None:
                planned.add(rule)
                return by_plan
            if rule in _LONG:
                unknown.add(rule)
            return sum(short) / len(short) if short and rule not in _LONG else 0.0

        left, begun = 0.0, Counter(job.kind for job in self.running)
        for job in self.running:
            wanted, so_far = each(job.kind, expected.of_job(job)), job.seconds(now)
            left += max(wanted - so_far, _OVERDUE * so_far)
        for rule, count in self.counts.items():
            if (waiting := count - len(spent[rule]) - begun[rule]) > 0:
                left += waiting * each(rule, expected.of_rule(rule))
        busy = sum(job.seconds(now) for job in [*finished, *self.running])
        at_once = busy / max(1.0, (now - self.begun).total_seconds())
        return left / max(at_once, 0.1 if finished else 1.0), planned, unknown


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
    share = f" ({100 * progress.done / progress.steps:.0f} %)" if progress.steps else ""
    state = "ended" if progress.ended else "under way, or killed"
    failed = f", {len(progress.failed)} failed" if progress.failed else ""
    yield f"{progress.done} of {progress.steps} steps done{share}{failed}; the command is {state}"
    if progress.ended:
        return
    for job in progress.running:
        yield f"  {_duration(job.seconds(now)):>9}  {job.message}{_last_line(job, directory)}"
    if (found := progress.seconds_to_go(now, read_expected(directory))) is not None:
        left, planned, unknown = found
        by = ["the finished jobs of each rule"] if progress.done else []
        by += [f"the expected cost of {' and '.join(sorted(planned))}"] if planned else []
        beside = f"; not counted: {', '.join(sorted(unknown))}, of which no job has finished" if unknown else ""
        if not (unknown and left < 1):
            yield f"about {_duration(left)} to go, by {' and '.join(by) or 'the time so far'}{beside}"
        else:
            yield f"no estimate of the time to go{beside}"


def read_expected(directory: Path) -> Expected:
    """Read what the plans of the newest results below a working directory expect; files that do not fit are skipped."""
    costs: dict[Path, dict[str, Any]] = {}
    for path in [*directory.glob("results/logs/plan/*.json"), *directory.glob("build/*/results/logs/plan/*.json")]:
        try:
            cost = json.loads(path.read_text(encoding="utf-8"))
            numbers = {key: float(cost[key]) for key in ("core_seconds", "runs", "run_jobs", "tuning", "tune_jobs")}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        costs.setdefault(path.parent.parent, {})[path.stem] = numbers
    if not costs:
        return Expected()
    newest = max(costs, key=lambda logs: max((path.stat().st_mtime for path in logs.rglob("*.log")), default=0.0))
    return Expected(costs[newest])


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(min(seconds, 1e12))))


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
    print("\n".join(described(read_progress(lines), datetime.now(), directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
