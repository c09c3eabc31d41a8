"""Test what `make test` and `make test-all` run: together nothing is left out."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.warm import server


def arguments_of(target: str, repository: Path) -> list[str]:
    """Return the arguments that a target of the Makefile gives to pytest."""
    make = ["make", "--dry-run", "--assume-old=requirements.lock", "--assume-old=pyproject.toml", target]
    # The make that started this test hands its variables on.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "PYTEST_ARGS"}
    done = subprocess.run(make, cwd=repository, env=plain, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if " -m pytest" in line]
    return shlex.split(line.partition(" -m pytest")[2])


def collected(arguments: list[str], repository: Path) -> tuple[set[str], int]:
    """Return the tests that pytest selects with some arguments, and how many it deselects."""
    command = ["-m", "pytest", *arguments, "-n", "0", "--collect-only", "--quiet"]
    code, out, errors = server().run(command, repository, os.environ, timeout=300)
    assert code == 0, out + errors
    deselected = re.search(r"\((\d+) deselected\)", out)
    return {line for line in out.splitlines() if "::" in line}, int(deselected[1]) if deselected else 0


def test_the_fast_tests_are_all_but_the_slow_ones(repository: Path) -> None:
    assert arguments_of("test", repository)[-2:] == ["-m", "not slow"]
    assert arguments_of("test", repository)[:-2] == arguments_of("test-all", repository)
    script = (repository / ".ci/run").read_text(encoding="utf-8")
    assert re.findall(r"\bstep make (test\S*)", script) == ["test-all", "test-all", "test"]
    named = re.findall(r"tests/\S+\.py", script)
    assert named
    assert [name for name in named if not (repository / name).is_file()] == []


@pytest.mark.slow
def test_counts_add_up(repository: Path) -> None:
    fast, left = collected(arguments_of("test", repository), repository)
    every, none = collected(arguments_of("test-all", repository), repository)
    slow, others = collected([*arguments_of("test-all", repository), "-m", "slow"], repository)
    assert fast | slow == every
    assert (len(fast) + left, none, len(slow) + others) == (len(every), 0, len(every))
    assert 0 < len(slow) < len(fast) / 5
