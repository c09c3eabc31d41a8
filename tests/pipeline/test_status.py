"""What `make status` reads in the log of a command that is under way, has failed jobs or has ended."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pcpo.pipeline.status import main, read_progress, told

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
    return list(told(read_progress(text.splitlines()), BEGUN + timedelta(seconds=seconds), directory))


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
