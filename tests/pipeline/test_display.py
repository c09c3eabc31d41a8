"""What is shown of a command, from the records that Snakemake logs: steps, time to go, what was found, every error."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from pcpo.pipeline.display import Display, sentence
from pcpo.pipeline.progress import Expected
from pcpo.pipeline.screen import OFTEN, SELDOM, JobsUnderWay, Lines
from pcpo.pipeline.status import read_progress

BEGUN = datetime(2026, 3, 1, 12, 0, 0)


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Fed:
    """A display that writes lines into a list, and the records that are fed to it."""

    def __init__(self, *, dryrun: bool = False) -> None:
        self.lines: list[str] = []
        self.display = Display(Lines(self.lines.append), dryrun=dryrun)

    def log(
        self, event: LogEvent | None, seconds: float = 0, text: str = "", level: int = logging.INFO, **rest: Any
    ) -> None:
        record = logging.LogRecord("snakemake", level, "", 0, text, None, None)
        record.created = (BEGUN + timedelta(seconds=seconds)).timestamp()
        record.__dict__.update(rest, event=event)
        self.display.handle(record)

    def steps(self, **counts: int) -> None:
        self.log(LogEvent.RUN_INFO, stats={**counts, "total": sum(counts.values())})

    def job(self, number: int, rule: str, message: str, seconds: float = 0, **rest: Any) -> None:
        known = {"jobid": number, "rule_name": rule, "rule_msg": message, "reason": "Missing output files: x"}
        self.log(LogEvent.JOB_INFO, seconds, **{**known, "log": [], "output": [], **rest})

    def done(self, number: int, seconds: float, done: int, total: int) -> None:
        self.log(LogEvent.JOB_FINISHED, seconds, job_id=number)
        self.log(LogEvent.PROGRESS, seconds, done=done, total=total)

    def failed(self, number: int, rule: str, seconds: float, *logs: Path, indent: bool = False) -> None:
        rest = {"jobid": number, "rule_name": rule, "rule_msg": None, "log": [*map(str, logs)], "indent": indent}
        self.log(LogEvent.JOB_ERROR, seconds, "Error in rule", logging.ERROR, **rest)

    @property
    def text(self) -> str:
        return "".join(self.lines)


@pytest.fixture
def fed() -> Any:
    shown = Fed()
    yield shown
    shown.display.close()


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("cell 1/2\nConfigError: key: found 1, expected 2\n", "ConfigError: key: found 1, expected 2"),
        ("Traceback:\n  x\nnumpy.linalg.LinAlgError: singular\nclosing\n", "numpy.linalg.LinAlgError: singular"),
        ("Traceback:\nAssertionError\n", "AssertionError"),
        ("the Error: of no class\ncell 1/2\n", "found no error in its log, whose last line is: cell 1/2"),
        ("\n", "found no error in its log"),
    ],
)
def test_sentence_of_a_failed_job(log: str, expected: str) -> None:
    assert sentence(log) == expected


def test_an_error_is_shown_in_full_and_in_one_sentence_at_the_end(fed: Fed, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("cell 1/2\nConfigError: key: found 1, expected 2\n", encoding="utf-8")
    fed.steps(study=2)
    fed.job(1, "study", "Study one")
    fed.job(2, "study", "Study two")
    fed.log(LogEvent.ERROR, text="RuleException:\nCalledProcessError in x:\nreturned non-zero exit status 1.", level=40)
    fed.failed(1, "study", 5, log)
    fed.done(2, 5, 1, 2)
    fed.log(None, text="Complete log(s): /x/y.log")
    fed.log(LogEvent.ERROR, text="WorkflowError:\nAt least one job did not complete successfully.", level=40)
    fed.display.close()
    assert f"failed after 0:00:05: Study one\n{log}:\n    cell 1/2\n    ConfigError: key" in fed.text
    assert "RuleException" not in fed.text
    assert "WorkflowError" not in fed.text
    *_, why, last = fed.lines
    assert why == "failed: Study one: ConfigError: key: found 1, expected 2\n"
    assert last.startswith("1 of 2 steps done in ")
    assert last.endswith(", 1 failed; Snakemake's own log: /x/y.log\n")


def test_nothing_but_the_usual_is_left_out(fed: Fed) -> None:
    """Shown: a new message, a script that was killed, and the last error if no job has failed before it."""
    for text in (
        "Building DAG of jobs...",
        "Select jobs to execute...",
        "Job 3 has been submitted with x",
        "Something new.",
    ):
        fed.log(None, text=text)
    fed.log(None, text="a warning", level=logging.WARNING)
    killed = "RuleException:\nCalledProcessError in x:\nCommand died with <Signals.SIGKILL: 9>."
    for text in (killed, "WorkflowError:\nAt least one job did not complete successfully."):
        fed.log(LogEvent.ERROR, text=text, level=logging.ERROR)
    assert fed.lines[:3] == ["Something new.\n", "a warning\n", f"{killed}\n"]
    assert "WorkflowError" in fed.lines[3]
    assert len(fed.lines) == 4


def test_a_job_that_went_well_when_tried_again_has_not_failed(fed: Fed) -> None:
    fed.steps(study=1)
    fed.job(1, "study", "Study one")
    fed.failed(1, "study", 5)
    assert fed.display.progress.failed == {1}
    fed.job(1, "study", "Study one", 6)
    fed.done(1, 9, 1, 1)
    fed.display.close()
    assert "failed" not in fed.lines[-1]
    assert fed.display.progress.failed == set()


def test_of_a_group_that_failed_only_the_job_with_an_error_is_named(fed: Fed, tmp_path: Path) -> None:
    """Snakemake names all jobs of the group; the log of the cluster is shown with it."""
    logs = [tmp_path / f"{name}.log" for name in ("one", "two", "cluster")]
    for log, text in zip(logs, ("all well", "FleetError: A: found NaN", "slurmstepd: error"), strict=True):
        log.write_text(text, encoding="utf-8")
    fed.steps(study=2)
    for number in (1, 2):
        fed.job(number, "study", f"Study {number}")
    rest = {"groupid": "g", "aux_logs": [str(logs[2])], "job_error_info": [{}, {}]}
    fed.log(LogEvent.GROUP_ERROR, 5, "Error in group g", logging.ERROR, **rest)
    for number in (1, 2):
        fed.failed(number, "study", 5, logs[number - 1], indent=True)
    fed.display.close()
    assert f"failed: group g of 2 jobs\n{logs[2]}:\n    slurmstepd: error\n" in fed.text
    assert "failed: Study 2: FleetError: A: found NaN\n" in fed.lines
    assert "failed: 1 jobs without an error in their logs, in groups that failed\n" in fed.lines
    assert "Study 1" not in fed.text
    assert "0 of 2 steps done" in fed.lines[-1]


def test_jobs_that_were_under_way_at_ctrl_c_have_not_failed(fed: Fed) -> None:
    fed.steps(study=2)
    fed.job(1, "study", "Study one")
    fed.job(2, "study", "Study two")
    fed.failed(1, "study", 5)
    fed.log(None, text="Terminating processes on user request, this might take some time.")
    fed.log(LogEvent.ERROR, text="RuleException:\nCommand died with <Signals.SIGINT: 2>.", level=logging.ERROR)
    fed.failed(2, "study", 6)
    fed.display.close()
    assert "Study two" not in fed.text
    assert "SIGINT" not in fed.text
    assert "failed: Study one: found no error in its log\n" in fed.lines
    assert fed.lines[-1].endswith(", 1 failed; stopped: the same command resumes\n")


def test_verdicts_are_told_when_a_group_is_judged(fed: Fed, tmp_path: Path) -> None:
    table = tmp_path / "lemmas.csv"
    table.write_text("role,verdict\nclaim,supported\nclaim,refuted\nnegative_control,refuted\n", encoding="utf-8")
    fed.steps(verdicts_of_group=2)
    for number, group in ((1, "lemmas"), (2, "practice")):
        fed.job(number, "verdicts_of_group", f"Verdicts of group {group}", output=[str(table)])
    fed.done(1, 5, 1, 2)
    assert fed.lines[-1] == "group lemmas: 1 supported, 1 refuted\n"
    assert fed.display.state().found == "claims judged: 1 supported, 1 refuted"
    fed.display.close()
    assert "; claims judged: 1 supported, 1 refuted" in fed.lines[-1]


def test_the_estimate_is_that_of_make_status(fed: Fed) -> None:
    """The same command by its records and by its log; negative control: another second, another estimate."""

    def at(seconds: int) -> str:
        return f"[{BEGUN + timedelta(seconds=seconds):%a %b %e %H:%M:%S %Y}]\n"

    fed.steps(fleet=2, study=3)
    log = "job count\nfleet 2\nstudy 3\ntotal 5\n"
    for number, rule, message, begun, ended in [
        (1, "fleet", "Fleet of scenario a", 0, 2),
        (2, "study", "Study b, seeds 0-4", 2, 9),
        (3, "study", "Study c, seeds 0-4", 9, None),
    ]:
        fed.job(number, rule, message, begun)
        log += f"{at(begun)}Job {number}: {message}\nReason: x\n"
        if ended is not None:
            fed.done(number, ended, number, 5)
            log += f"{at(ended)}Finished jobid: {number} (Rule: {rule})\n{number} of 5 steps (1%) done\n"
    by_log, now = read_progress(log.splitlines()), BEGUN + timedelta(seconds=12)
    left = by_log.seconds_to_go(now, Expected())
    assert left is not None
    assert left.seconds > 5
    assert fed.display.progress.seconds_to_go(now, Expected()) == left
    assert fed.display.progress.seconds_to_go(now + timedelta(seconds=1), Expected()) != left


def test_a_dry_run_lists_jobs_with_short_reasons_and_counts_them_once() -> None:
    fed = Fed(dryrun=True)
    fed.steps(study=1)
    fed.job(1, "study", "Study one", reason=f"Missing output files: {'x, ' * 500}")
    fed.steps(study=1)
    fed.display.close()
    job, steps = fed.lines
    assert job.startswith("Job 1: Study one\n    Missing output files: x, x")
    assert len(job) < 200
    assert steps == "1 steps: 1 study\n"


def test_lines_come_seldom() -> None:
    """No line before `OFTEN`; then one if a step was done; without a step one after `SELDOM`."""
    clock, written, done = Clock(), [], 0
    shown = Lines(written.append, clock)
    shown.begin(
        lambda: JobsUnderWay(done, 4, clock(), "about 0:01:00 to go", [(1.0, f"Study {n}", "") for n in range(3)])
    )

    def lines_at(seconds: float) -> int:
        clock.now = seconds
        shown.tick()
        return len(written)

    done = 1
    assert [lines_at(OFTEN - 1), lines_at(OFTEN), lines_at(OFTEN + 1), lines_at(2 * OFTEN)] == [0, 1, 1, 1]
    assert written[0].endswith("  1 of 4 steps (25 %), about 0:01:00 to go; now: Study 0, Study 1 and 1 more\n")
    assert [lines_at(OFTEN + SELDOM), lines_at(OFTEN + SELDOM + 1)] == [2, 2]
    done = 2
    assert lines_at(2 * OFTEN + SELDOM) == 3


def test_a_reader_who_has_gone_ends_the_lines_alone() -> None:
    written: list[str] = []

    def gone(text: str) -> None:
        written.append(text)
        raise BrokenPipeError

    shown = Lines(gone)
    shown.say("one")
    shown.say("two")
    assert written == ["one\n"]
