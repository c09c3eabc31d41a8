"""A job says in one line what was wrong with its input, and crashes as loudly as ever for anything else."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pcpo.errors import BudgetError, ConfigError, FleetError, PcpoError, ResultsError
from pcpo.pipeline.jobs import config_hash, job, job_provenance


@pytest.mark.parametrize("error", [PcpoError, FleetError, ConfigError, BudgetError, ResultsError])
def test_bad_input_ends_the_job_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: type[PcpoError]
) -> None:
    log = tmp_path / "logs" / "a.log"

    def fail() -> None:
        with job(log) as logger:
            logger.info("begun")
            raise error("horizon: found 0, expected 1 or more")

    with pytest.raises(SystemExit) as caught:
        fail()
    assert caught.value.code == 1
    line = f"{error.__name__}: horizon: found 0, expected 1 or more\n"
    assert capsys.readouterr().err == line
    assert log.read_text(encoding="utf-8") == "begun\n" + line


def test_a_job_that_goes_well_logs_to_its_file_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with job(tmp_path / "a.log") as logger:
        logger.info("seed %d: Δ = 3", 7)
    assert (tmp_path / "a.log").read_text(encoding="utf-8") == "seed 7: Δ = 3\n"
    assert capsys.readouterr().err == ""


def test_other_errors_are_not_caught(tmp_path: Path) -> None:
    """Their traceback is in the log too, which is what is shown of a failed job."""
    with pytest.raises(ZeroDivisionError), job(tmp_path / "a.log"):
        raise ZeroDivisionError
    first, *_, last = (tmp_path / "a.log").read_text(encoding="utf-8").splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "ZeroDivisionError")


def test_no_handler_stays_behind_and_a_log_is_begun_anew(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with job(tmp_path / "a.log") as logger:
            logger.info(word)
    assert logging.getLogger("pcpo.job").handlers == []
    assert (tmp_path / "a.log").read_text() == "second\n"


def test_the_exit_code_of_the_process_is_one_and_there_is_no_traceback(tmp_path: Path, repository: Path) -> None:
    program = (
        "import sys\nfrom pcpo.errors import FleetError\nfrom pcpo.pipeline.jobs import job\n"
        "with job(sys.argv[1]):\n    raise FleetError('A: found shape (2, 3), expected (2, 2)')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.log")],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(repository)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "FleetError: A: found shape (2, 3), expected (2, 2)\n")


def test_the_hash_depends_on_the_settings_and_not_on_their_order() -> None:
    assert config_hash({"a": 1, "b": [1, 2]}) == config_hash({"b": [1, 2], "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
    assert config_hash({"b": [1, 2]}) != config_hash({"b": [2, 1]})


def test_provenance_names_settings_version_and_commit() -> None:
    found = job_provenance({"a": 1})
    assert set(found) == {"config_hash", "version", "commit"}
    assert re.fullmatch("[0-9a-f]{64}", str(found["config_hash"]))
