"""What a person sees while jobs run: on a terminal, elsewhere, of a dry run; and Snakemake's own log by a flag."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.warm import server
from support.workspace import SHOW, Workspace

TOY = """\
rule all:
    input: "one.txt", "results/verdicts/lemmas.csv", "bad.txt"
rule slow:
    output: "{name}.txt"
    log: "results/logs/study/{name}.log"
    message: "Study {wildcards.name}, seeds 0-4"
    shell: "echo cell 1/2 > {log}; echo beside one >&2; until test -e go; do sleep 0.1; done; touch {output}"
rule bad:
    output: "bad.txt"
    log: "results/logs/bad.log"
    message: "Study bad"
    shell: "printf 'cell 1/2\\\\nConfigError: studies.bad: found 3, expected 4\\\\n' > {log}; exit 1"
ruleorder: bad > slow
rule verdicts_of_group:
    output: "results/verdicts/{group}.csv"
    message: "Verdicts of group {wildcards.group}"
    shell: "printf 'role,verdict\\\\nclaim,supported\\\\npower,refuted\\\\n' > {output}"
"""
ARGUMENTS = ("-m", "snakemake", "--cores", "3", "--keep-going", "--logger", "pcpo")
FAILED = "failed: Study bad: ConfigError: studies.bad: found 3, expected 4"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A workflow of a job that waits for the file `go`, one that fails, and one that judges a group of claims."""
    (tmp_path / "Snakefile").write_text(TOY, encoding="utf-8")
    return tmp_path


def environment(repository: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(repository), "TERM": "xterm", **more}


def on_a_terminal(
    command: list[str], directory: Path, variables: dict[str, str], patterns: Sequence[str]
) -> tuple[int, str]:
    """Run a command on a terminal of 30 lines of 100 characters, with the file `go` once all patterns were shown.

    Returns:
        The exit code, and all that was written.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(
        command, cwd=directory, env=variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    written, shown, until = b"", "", time.monotonic() + 240
    while True:
        if all(re.search(pattern, shown) for pattern in patterns) or time.monotonic() > until:
            (directory / "go").touch()
        try:
            new = os.read(ours, 65536)
        except OSError:  # the last process with the terminal has ended
            break
        if not new:
            break
        written += new
        shown = ESCAPES.sub("", written.decode(errors="replace"))
    os.close(ours)
    return process.wait(timeout=60), written.decode(errors="replace")


def check_end(text: str) -> None:
    """Check that the error is shown in full, and that the sentences are at the end."""
    assert re.search(r"results/logs/bad.log:\r?\n    cell 1/2 *\r?\n    ConfigError: studies.bad", text)
    ended = text[text.rindex("failed: ") :]
    assert ended.startswith(FAILED)
    assert re.search(
        r"2 of 4 steps done in \d:\d\d:\d\d, 1 failed; claims judged: 1 supported; Snakemake's own log:", ended
    )


@pytest.mark.workflow
def test_without_a_terminal(toy: Path, repository: Path) -> None:
    (toy / "go").touch()
    code, out, text = server().run(list(ARGUMENTS), toy, environment(repository), 300)
    assert (code, out) == (1, "")
    assert re.search(r"^4 steps: (1 \w+, ){3}1 \w+$", text, re.MULTILINE)
    assert "group lemmas: 1 supported\n" in text
    assert "beside one\n" in text
    check_end(text)
    assert [word for word in ("Reason:", "Select jobs", "\x1b", "RuleException", "Job stats") if word in text] == []
    assert len([line for line in text.splitlines() if "; now: " not in line]) < 20
    (log,) = (toy / ".snakemake/log").glob("*.log")
    assert "Reason:" in log.read_text(encoding="utf-8")


@pytest.mark.workflow
def test_on_a_terminal(toy: Path, repository: Path) -> None:
    """What jobs write goes above the display, which shows the job under way with the last line of its log."""
    patterns = (
        r"━ 1 of 4 steps \(25 %\), about \d:\d\d:\d\d to go",
        r"\d:\d\d:\d\d Study one, seeds 0-4  cell 1/2",
        r"\d:\d\d:\d\d so far; claims judged: 1 supported, 1 failed",
    )
    code, raw = on_a_terminal([sys.executable, *ARGUMENTS], toy, environment(repository), patterns)
    text = ESCAPES.sub("", raw)
    assert code == 1
    assert [pattern for pattern in patterns if not re.search(pattern, text)] == []
    assert re.search(r"(\x1b\[2K|\x1b\[\?25l|\r|\n)beside one\r\n", raw), "torn by the display"
    assert raw.count("\x1b[?25h") >= 1, "the cursor is hidden for good"
    check_end(text.replace("\r\n", "\n"))


@pytest.mark.workflow
@pytest.mark.parametrize("option", [["--logger-pcpo-show", "snakemake"], ["--printshellcmds"], ["--verbose"]])
def test_a_flag_shows_snakemakes_own_log(toy: Path, repository: Path, option: list[str]) -> None:
    _, out, text = server().run([*ARGUMENTS, *option, "--dry-run"], toy, environment(repository), 300)
    assert (
        "Reason: Missing output files: one.txt" in out + text or "reason: Missing output files: one.txt" in out + text
    )


@pytest.mark.workflow
def test_a_dry_run(toy: Path, repository: Path) -> None:
    code, out, text = server().run([*ARGUMENTS, "--dry-run"], toy, environment(repository), 300)
    assert code == 0
    assert re.search(r"^Job \d: Study one, seeds 0-4\n    Missing output files: one.txt$", out, re.MULTILINE)
    assert out.count("4 steps: ") == 1
    assert "This was a dry-run" in out
    assert "Reason:" not in out + text


@pytest.mark.parametrize("profile", ["profiles/default", "profiles/slurm"])
def test_the_profiles_show_it_and_a_job_of_the_package_fails_in_one_sentence(fresh: Workspace, profile: str) -> None:
    fresh.write("fleets/single.yaml", "name: single\ngamma: 2\n")
    options = ["--executor", "local", "--cores", "1"] if "slurm" in profile else ["--cores", "1"]
    target = "build/tiny/results/fleets/single.yaml"
    outcome = fresh.snakemake("--workflow-profile", profile, *options, target, show="auto")
    assert outcome.code == 1
    *_, why, last = outcome.text.splitlines()
    assert re.fullmatch(r"failed: Fleet of scenario single: FleetError: .*fleets/single.yaml.*", why)
    assert re.match(r"0 of 1 steps done in \d:\d\d:\d\d, 1 failed; Snakemake's own log: ", last)
    assert "Reason:" not in outcome.text
    again = fresh.snakemake("--workflow-profile", profile, *options, target, "-n")
    assert "Reason:" in again.text, f"{SHOW} does not show Snakemake's own log"
