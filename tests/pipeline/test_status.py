"""What `make status` reads in the log of a command that is under way, has failed jobs or has ended."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pcpo.pipeline.status import described, main, read_progress

BEGUN = datetime(2026, 3, 1, 12, 0, 0)
HEAD = """\
Building DAG of jobs...
Provided cores: 2
Job stats:
job      count
-----  -------
fleet        2
runs         4
all          1
total        7

Select jobs to execute...
"""


def at(seconds: int) -> str:
    return f"[{BEGUN + timedelta(seconds=seconds):%a %b %e %H:%M:%S %Y}]\n"


def begun(number: int, message: str, seconds: int) -> str:
    return f"{at(seconds)}Job {number}: {message}\nReason: Missing output files: x\n"


def finished(number: int, rule: str, seconds: int, done: int) -> str:
    return f"{at(seconds)}Finished jobid: {number} (Rule: {rule})\n{done} of 7 steps (1%) done\n"


UNDER_WAY = (
    HEAD
    + begun(5, "Fleet of scenario one", 0)
    + begun(6, "Fleet of scenario two", 0)
    + finished(5, "fleet", 2, 1)
    + finished(6, "fleet", 4, 2)
    + begun(1, "Runs of pcpo in scenario one, seeds 000000-000004", 4)
    + begun(2, "Runs of local in scenario one, seeds 000000-000004", 4)
    + finished(2, "runs", 14, 3)
    + begun(3, "Runs of pcpo in scenario two, seeds 000000-000004", 14)
)


def lines(text: str, seconds: int, directory: Path) -> list[str]:
    return list(described(read_progress(text.splitlines()), BEGUN + timedelta(seconds=seconds), directory))


def test_what_runs_how_far_and_how_long_to_go(tmp_path: Path) -> None:
    """Left at 24 s: a run of 10 s; 2 s and 1 s of those that have outlasted it; `all`, 3 s as fleets; 46 s took 24."""
    log = tmp_path / "build/mine/results/logs/runs/two/pcpo/000000-000004.log"
    log.parent.mkdir(parents=True)
    log.write_text("seed 0 epoch 1/3: gap 1\nseed 0 epoch 2/3: gap 0.5\n", encoding="utf-8")
    now = (BEGUN + timedelta(seconds=20)).timestamp()
    os.utime(log, (now, now))
    assert lines(UNDER_WAY, 24, tmp_path) == [
        "3 of 7 steps done (43 %); the command is under way, or killed",
        "    0:00:20  Runs of pcpo in scenario one, seeds 000000-000004",
        "    0:00:10  Runs of pcpo in scenario two, seeds 000000-000004: seed 0 epoch 2/3: gap 0.5",
        "about 0:00:08 to go, by the finished jobs of each rule",
    ]


def test_a_log_from_before_the_job_is_not_its_own(tmp_path: Path) -> None:
    log = tmp_path / "results/logs/runs/one/pcpo/000000-000004.log"
    log.parent.mkdir(parents=True)
    log.write_text("of an earlier command\n", encoding="utf-8")
    os.utime(log, (BEGUN.timestamp(), BEGUN.timestamp()))
    assert "earlier" not in "".join(lines(UNDER_WAY, 24, tmp_path))


def test_failed_and_ended(tmp_path: Path) -> None:
    text = UNDER_WAY + "Error in rule runs:\n    message: None\n    jobid: 1\nComplete log(s): x\n"
    assert lines(text, 30, tmp_path) == ["3 of 7 steps done (43 %), 1 failed; the command is ended"]


def test_nothing_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(HEAD, 0, tmp_path) == ["0 of 7 steps done (0 %); the command is under way, or killed"]
    assert main([str(tmp_path)]) == 1
    assert "found no log, expected one: nothing has been run here" in capsys.readouterr().err


def plan_says(directory: Path, scenario: str, core_seconds: float, **counts: int) -> None:
    """Write what the job of a plan writes beside its log."""
    path = directory / f"results/logs/plan/{scenario}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = {"runs": 20, "run_jobs": 4, "tuning": 0, "tune_jobs": 0, **counts}
    path.write_text(json.dumps({"core_seconds": core_seconds, **numbers}), encoding="utf-8")


FIRST_RUNS = (
    HEAD
    + begun(5, "Fleet of scenario one", 0)
    + finished(5, "fleet", 2, 1)
    + begun(6, "Fleet of scenario two", 2)
    + finished(6, "fleet", 4, 2)
    + begun(1, "Runs of pcpo in scenario one, seeds 000000-000004", 4)
)


def test_field_05_hours_to_go_before_any_run_has_finished(tmp_path: Path) -> None:
    """Four jobs of five seeds of an hour; 4 s and 6 s of one core have gone."""
    plan_says(tmp_path, "one", 3600.0)
    assert lines(FIRST_RUNS, 10, tmp_path)[-1] == (
        "about 20:00:04 to go, by the finished jobs of each rule and the expected cost of runs"
    )


def test_without_a_plan_nothing_is_promised(tmp_path: Path) -> None:
    plan_says(tmp_path, "one", 1.0)
    (tmp_path / "results/logs/plan/one.json").write_text("{", encoding="utf-8")
    assert lines(FIRST_RUNS, 5, tmp_path)[-1] == (
        "about 0:00:02 to go, by the finished jobs of each rule; not counted: runs, of which no job has finished"
    )


def test_a_run_that_outlasts_its_estimate_is_never_nearly_done(tmp_path: Path) -> None:
    """A job that took 10 s says little of a scenario that is a thousand times as long."""
    plan_says(tmp_path, "one", 0.4)
    plan_says(tmp_path, "two", 4000.0)
    text = FIRST_RUNS + finished(1, "runs", 8, 3) + begun(2, "Runs of pcpo in scenario two, seeds 000000-000004", 8)
    assert "5:33:" in lines(text.replace("runs         4", "runs         2"), 10, tmp_path)[-1]
    late = lines(text.replace("runs         4", "runs         2"), 40_000, tmp_path)[-1]
    assert late.startswith("about 1:06:")


def test_a_study_is_not_measured_by_fleets(tmp_path: Path) -> None:
    text = HEAD.replace("runs         4", "study        4").replace("all          1\n", "")
    text += begun(5, "Fleet of scenario one", 0) + finished(5, "fleet", 2, 1)
    text += begun(6, "Fleet of scenario two", 2) + finished(6, "fleet", 4, 2) + begun(1, "Study scaling, seeds 0-4", 4)
    for seconds in (5, 5000):
        assert lines(text, seconds, tmp_path)[-1] == (
            "no estimate of the time to go; not counted: study, of which no job has finished"
        )


def test_claims_are_counted_once_their_group_is_judged_by_this_command(tmp_path: Path) -> None:
    """Negative controls: a control is no claim; a table from before the job, or of a job under way, does not count."""
    table = "role,verdict\nclaim,supported\nclaim,supported\nclaim,inconclusive\nnegative_control,refuted\n"
    for group in ("lemmas", "practice", "old"):
        path = tmp_path / f"build/mine/results/verdicts/{group}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table, encoding="utf-8")
        written = (BEGUN + timedelta(seconds=-9 if group == "old" else 9)).timestamp()
        os.utime(path, (written, written))
    judging = begun(7, "Verdicts of group lemmas", 4) + begun(8, "Verdicts of group old", 4)
    judging += begun(9, "Verdicts of group practice", 4)
    done = finished(7, "verdicts_of_group", 10, 3) + finished(8, "verdicts_of_group", 10, 4)
    assert "claims judged" not in "".join(lines(HEAD + judging, 12, tmp_path))
    assert lines(HEAD + judging + done, 12, tmp_path)[1] == "claims judged by it: 2 supported, 1 inconclusive"
