"""Follow a command by the records that Snakemake logs, and show its progress; Snakemake's plug-in `pcpo` starts it.

The estimate of the time to go is that of `make status`.  Nothing that goes wrong is left out: warnings, errors and the
logs of failed jobs are shown, and at the end one sentence for each of them.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from pcpo.pipeline.progress import Expected, Job, Progress, counted, duration, last_line, read_costs, read_judged
from pcpo.pipeline.screen import JobsUnderWay, Screen

__all__ = ["Display", "sentence"]

#: What Snakemake says of every command; its log has it.
_USUAL = re.compile(
    r"Building DAG of jobs|Using shell: |Conda environments: ignored|Singularity containers: ignored|Group jobs: inac|"
    r"Select jobs to execute|Assuming unrestricted shared filesystem|Elapsed time: |Rules with provenance triggered|"
    r"Some jobs were triggered by provenance|(?:Group job|Job) \S+ has been submitted |Submitted (?:array |group )?job "
)
_SILENT = {
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RESOURCES_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.SHELLCMD,
    LogEvent.GROUP_INFO,
    LogEvent.RULEGRAPH,
    LogEvent.DEBUG_DAG,
}
_LOGFILE = re.compile(r"Complete log\(s\): (.+)")
#: What Snakemake says after Ctrl-C, which ends the jobs under way; they have not failed.
_STOPPED = "Terminating processes on user request"
#: What Snakemake says once jobs have failed, each of which has its sentence.
_NOT_ALL = re.compile(r"Exiting because a job execution failed|WorkflowError:\s+At least one job did not complete")
#: How Snakemake says that a script ended with an error, which the log of the job says better.
_SCRIPT_ENDED = re.compile(r"RuleException:\s.*CalledProcessError.*returned non-zero exit status", re.DOTALL)
_NO_ERROR = "found no error in its log"
_ERROR = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b(?:: .*)?")
#: Lines of a failed job's log that are shown; the log of a long study has a line for each cell before its error.
_MOST_LINES = 100
#: Characters of a reason that a dry run shows.
_REASON = 160
_TICK = 0.5


def sentence(log: str) -> str:
    """Return the last line of a job's log that is an error, `ClassError: …`, or say that there is none."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = f", whose last line is: {lines[-1]}" if lines else ""
    return next((line for line in reversed(lines) if _ERROR.fullmatch(line)), f"{_NO_ERROR}{last}")


class Display:
    """Keep the progress of one command, and show it on a screen; records and drawing come from two threads."""

    def __init__(self, screen: Screen, *, dryrun: bool = False) -> None:
        self.progress = Progress()
        self._screen, self._dryrun = screen, dryrun
        self._expected, self._found = Expected(), Counter[str]()
        self._errors: dict[int, str] = {}
        self._outputs: dict[int, list[str]] = {}
        self._announced = dryrun
        self._logfile, self._stopped = "", False
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    def handle(self, record: logging.LogRecord) -> None:
        """Take a record of Snakemake's logger."""
        event, text = getattr(record, "event", None), record.getMessage()
        with self._lock:
            match event:
                case LogEvent.RUN_INFO:
                    self._begin(record)
                case LogEvent.JOB_INFO:
                    self._begun(record)
                case LogEvent.JOB_FINISHED:
                    self._finished(record)
                case LogEvent.PROGRESS:
                    self.progress.done, self.progress.steps = record.done, record.total  # type: ignore[attr-defined]
                case LogEvent.JOB_ERROR:
                    self._failed(record)
                case LogEvent.GROUP_ERROR:
                    self._failed_group(record)
                case _ if record.levelno >= logging.WARNING:
                    self._warn(text, "yellow" if record.levelno < logging.ERROR else "red")
                case None if match := _LOGFILE.fullmatch(text):
                    self._logfile = match[1]
                case _ if event not in _SILENT and text != "None" and not _USUAL.match(text):
                    self._stopped |= text.startswith(_STOPPED)
                    self._screen.say(text)

    def close(self) -> None:
        """End the drawing and say how the command ended; the second call does nothing."""
        if self._over.is_set():
            return
        self._over.set()
        if self._ticker is not None:
            self._ticker.join()
        self._screen.close()
        if self._ticker is None:  # a dry run, or nothing was to be done
            return
        progress, took = self.progress, ""
        if progress.begun is not None:
            took = f" in {duration((datetime.now() - progress.begun).total_seconds())}"
        for number, error in self._errors.items():
            if error:
                self._screen.say(f"failed: {progress.jobs[number].message}: {error}", "red")
        if others := [*self._errors.values()].count(""):
            self._screen.say(f"failed: {others} jobs without an error in their logs, in groups that failed", "red")
        found = f"; claims judged: {counted(self._found)}" if self._found else ""
        failed = f", {len(self._errors)} failed" if self._errors else ""
        failed += "; stopped: the same command resumes" if self._stopped else ""
        log = f"; Snakemake's own log: {self._logfile}" if self._logfile else ""
        style = "green" if progress.done == progress.steps else "red"
        self._screen.say(f"{progress.done} of {progress.steps} steps done{took}{failed}{found}{log}", style)

    def state(self) -> JobsUnderWay:
        """Return what there is to show now."""
        now, here = datetime.now(), Path()
        with self._lock:
            progress = self.progress
            left = progress.seconds_to_go(now, self._expected)
            jobs = sorted(progress.running, key=lambda job: job.begun)
            running = [(job.seconds(now), job.message, last_line(job, here) if job.log else "") for job in jobs]
            found = [f"claims judged: {counted(self._found)}"] if self._found else []
            found += [f"{len(self._errors)} failed"] if self._errors else []
            seconds = (now - progress.begun).total_seconds() if progress.begun else 0.0
            return JobsUnderWay(progress.done, progress.steps, seconds, str(left or ""), running, ", ".join(found))

    def _begin(self, record: logging.LogRecord) -> None:
        """Take the numbers of jobs by rule, which Snakemake gives before the first job, of a dry run at its end too."""
        counts = Counter[str](record.stats)  # type: ignore[attr-defined]
        steps = counts.pop("total", counts.total())
        rules = ", ".join(f"{count} {rule}" for rule, count in counts.most_common())
        if self._dryrun:
            self._announced = not self._announced
            if self._announced:
                self._screen.say(f"{steps} steps: {rules}")
            return
        self.progress.counts, self.progress.steps = counts, steps
        self.progress.begun = datetime.fromtimestamp(record.created)
        self._screen.say(f"{steps} steps: {rules}")
        if self._ticker is None:
            self._screen.begin(self.state)
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def _begun(self, record: logging.LogRecord) -> None:
        number, rule = record.jobid, record.rule_name  # type: ignore[attr-defined]
        message = record.rule_msg or rule  # type: ignore[attr-defined]
        if self._dryrun:
            reason = " ".join(record.reason.split())  # type: ignore[attr-defined]
            shown = f"{reason[:_REASON]}…" if len(reason) > _REASON else reason
            self._screen.say(f"Job {number}: {message}\n    {shown}")
            return
        log = Path(record.log[0]) if record.log else None  # type: ignore[attr-defined]
        self.progress.jobs[number] = Job(message, datetime.fromtimestamp(record.created), rule=rule, log=log)
        self.progress.failed.discard(number)  # a failed job that is tried again
        self._errors.pop(number, None)
        self._outputs[number] = [*record.output]  # type: ignore[attr-defined]
        if not self._expected.scenarios:
            self._read_costs(log)

    def _finished(self, record: logging.LogRecord) -> None:
        job = self.progress.jobs.get(record.job_id)  # type: ignore[attr-defined]
        if job is None:
            return
        job.ended = datetime.fromtimestamp(record.created)
        if job.rule == "plan":
            self._read_costs(job.log)
        if job.group:
            verdicts = read_judged(Path(self._outputs[record.job_id][0]))  # type: ignore[attr-defined]
            self._found += verdicts
            self._screen.say(f"group {job.group}: {counted(verdicts)}")

    def _failed(self, record: logging.LogRecord) -> None:
        """Show the log of a failed job; Snakemake names all jobs of a group that failed, also those that went well."""
        number, rule = record.jobid, record.rule_name  # type: ignore[attr-defined]
        now = datetime.fromtimestamp(record.created)
        job = self.progress.jobs.setdefault(number, Job(rule, now, rule=rule))
        self.progress.failed.add(number)
        if self._stopped:
            return
        texts = _read(record.log)  # type: ignore[attr-defined]
        found = sentence("\n".join(texts.values()))
        if getattr(record, "indent", False) and found.startswith(_NO_ERROR):
            self._errors[number] = ""
            return
        self._errors[number] = found
        self._screen.say(f"failed after {duration(job.seconds(now))}: {job.message}", "red")
        if record.rule_msg:  # type: ignore[attr-defined]
            self._screen.say(record.rule_msg, "red")  # type: ignore[attr-defined]
        self._show(texts)

    def _failed_group(self, record: logging.LogRecord) -> None:
        """Show the logs of a group that failed, which are those of the cluster."""
        count = len(record.job_error_info)  # type: ignore[attr-defined]
        self._screen.say(f"failed: group {record.groupid} of {count} jobs", "red")  # type: ignore[attr-defined]
        self._show(_read(record.aux_logs))  # type: ignore[attr-defined]

    def _show(self, texts: dict[str, str]) -> None:
        for path, text in texts.items():
            lines = text.splitlines()
            before = f" ({len(lines) - _MOST_LINES} lines before)" if len(lines) > _MOST_LINES else ""
            self._screen.say("\n".join([f"{path}:{before}", *(f"    {line}" for line in lines[-_MOST_LINES:])]))

    def _warn(self, text: str, style: str) -> None:
        """Show a warning or an error that is not of a job; what is said of a failed job anyhow is left out."""
        of_jobs = _SCRIPT_ENDED.match(text) or (self._stopped and text.startswith("RuleException"))
        if not of_jobs and not (self._errors and _NOT_ALL.match(text)):
            self._screen.say(text, style)

    def _read_costs(self, log: Path | None) -> None:
        """Read what plans expect, from the folder of results in which a job logs."""
        results = [parent.parent for parent in log.parents if parent.name == "logs"] if log else []
        if results:
            self._expected = read_costs(results[0])

    def _tick(self) -> None:
        while not self._over.wait(_TICK):
            self._screen.tick()


def _read(paths: Iterable[str]) -> dict[str, str]:
    """Read the logs that are there."""
    texts = {}
    for path in paths:
        with contextlib.suppress(OSError):
            texts[path] = Path(path).read_text(encoding="utf-8", errors="replace")
    return texts
