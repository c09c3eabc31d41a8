"""Hold the progress of one Snakemake command, and estimate the time to go: for `make status` and for the display."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = [
    "Estimate",
    "Expected",
    "Job",
    "Progress",
    "counted",
    "duration",
    "last_line",
    "read_costs",
    "read_expected",
    "read_judged",
    "roots_below",
]

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
_GROUP = re.compile(r"Verdicts of group (\w+)")
#: Bytes at the end of a job's log in which its last line is looked for.
_TAIL = 2000


@dataclass
class Job:
    """Hold a job that has begun: its message and begin; its end once it is finished; its rule and log where known."""

    message: str
    begun: datetime
    ended: datetime | None = None
    rule: str = ""
    log: Path | None = None

    def seconds(self, now: datetime) -> float:
        """Return how long the job took, or has been running."""
        return ((self.ended or now) - self.begun).total_seconds()

    @property
    def kind(self) -> str:
        """Return the rule, by the message if the job has not finished; empty if neither tells it."""
        return self.rule or next((rule for words, rule in _RULES.items() if self.message.startswith(words)), "")

    @property
    def group(self) -> str:
        """Return the group of claims that the job judges; empty for other jobs."""
        match = _GROUP.fullmatch(self.message)
        return match[1] if match else ""


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


@dataclass(frozen=True)
class Estimate:
    """Hold the seconds to go, the rules taken from the plans, and those not counted, of which nothing is known."""

    seconds: float
    planned: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        """Say whether all that is left is of rules of which nothing is known."""
        return bool(self.unknown) and self.seconds < 1

    def __str__(self) -> str:
        """Return the estimate in a few words."""
        if self.nothing:
            return "time to go not known yet"
        return f"about {duration(self.seconds)} to go" + (
            f" without {', '.join(sorted(self.unknown))}" * bool(self.unknown)
        )


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

    def seconds_to_go(self, now: datetime, expected: Expected) -> Estimate | None:
        """Estimate the remaining time, by finished jobs of the same rule, else by what the plans expect.

        Returns:
            The estimate; None before any job has begun.
        """
        if self.begun is None or not self.jobs:
            return None
        finished = [job for job in self.jobs.values() if job.ended is not None]
        spent = {rule: [job.seconds(now) for job in finished if job.rule == rule] for rule in self.counts}
        short = [seconds for rule, of_rule in spent.items() if rule not in _LONG for seconds in of_rule]
        planned: set[str] = set()
        unknown: set[str] = set()

        def each(rule: str, by_plan: float | None) -> float | None:
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
                return None
            return sum(short) / len(short) if short else 0.0

        left, begun = 0.0, Counter(job.kind for job in self.running)
        for job in self.running:
            wanted, so_far = each(job.kind, expected.of_job(job)), job.seconds(now)
            left += 0.0 if wanted is None else max(wanted - so_far, _OVERDUE * so_far)
        for rule, count in self.counts.items():
            if (waiting := count - len(spent[rule]) - begun[rule]) > 0:
                left += waiting * (each(rule, expected.of_rule(rule)) or 0.0)
        busy = sum(job.seconds(now) for job in [*finished, *self.running])
        at_once = busy / max(1.0, (now - self.begun).total_seconds())
        return Estimate(left / max(at_once, 0.1 if finished else 1.0), frozenset(planned), frozenset(unknown))


def duration(seconds: float) -> str:
    """Write a duration as hours, minutes and seconds."""
    return str(timedelta(seconds=round(min(seconds, 1e12))))


def share(done: int, steps: int) -> str:
    """Write the share of the steps that are done, " (44 %)", to follow their numbers; nothing without steps."""
    return f" ({100 * done / steps:.0f} %)" if steps else ""


def roots_below(directory: Path) -> list[Path]:
    """List the folders of results below a working directory: of the main job and of other configurations."""
    return [directory / "results", *directory.glob("build/*/results")]


def read_costs(results: Path) -> Expected:
    """Read what the plans of a folder of results expect; files that do not fit are skipped."""
    costs: dict[str, dict[str, float]] = {}
    for path in results.glob("logs/plan/*.json"):
        try:
            cost: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            numbers = {key: float(cost[key]) for key in ("core_seconds", "runs", "run_jobs", "tuning", "tune_jobs")}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        costs[path.stem] = numbers
    return Expected(costs)


def read_expected(directory: Path) -> Expected:
    """Read what the plans of the newest results below a working directory expect, by their jobs' logs."""
    found = {results: costs for results in roots_below(directory) if (costs := read_costs(results)).scenarios}
    if not found:
        return Expected()

    def last(results: Path) -> float:
        return max((path.stat().st_mtime for path in results.glob("logs/**/*.log")), default=0.0)

    return found[max(found, key=last)]


def read_judged(table: Path) -> Counter[str]:
    """Count the verdicts on the claims of a group, without its controls; a table that cannot be read has none."""
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            return Counter(row["verdict"] for row in csv.DictReader(lines) if row["role"] == "claim")
    except (OSError, ValueError, KeyError, csv.Error):
        return Counter()


def counted(verdicts: Mapping[str, int]) -> str:
    """Write numbers of verdicts in words: those that the data settle first."""
    known = ("supported", "refuted", "inconclusive")
    return ", ".join(f"{verdicts[name]} {name}" for name in known if verdicts.get(name)) or "none"


def last_line(job: Job, directory: Path) -> str:
    """Read the last line of a job's log, if it is of this job; the log is looked for where it is not known."""
    path = job.log or _log_of(job, directory)
    try:
        if path is None or path.stat().st_mtime < job.begun.timestamp():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _log_of(job: Job, directory: Path) -> Path | None:
    """Find the newest log whose path has the names in the job's message, written since the job began."""
    words, roots = set(re.split(r"[ ,]+", job.message)), [results / "logs" for results in roots_below(directory)]
    logs = [
        path
        for root in roots
        for path in root.rglob("*.log")
        if {*path.relative_to(root).parent.parts[1:], path.stem} <= words
        and path.stat().st_mtime >= job.begun.timestamp()
    ]
    return max(logs, key=lambda path: path.stat().st_mtime, default=None)
