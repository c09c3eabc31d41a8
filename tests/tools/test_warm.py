"""Test that a command in a fork of the warm process is one in a fresh interpreter, but for the time that it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.warm import server

TELL = """
import json, os, sys
print(json.dumps([sys.argv, sys.path, os.getcwd(), dict(os.environ), __name__, sys.stdin.read()]))
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("pcpo", "support", "tools")))
print("to stderr", file=sys.stderr)
sys.exit(3)
"""


@pytest.mark.parametrize("path", ["one:two", None])
def test_it_is_as_in_a_fresh_interpreter(path: str | None, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OWN": "é"} if path is None else {"PYTHONPATH": path.replace("one", str(tmp_path))}
    (tmp_path / "told.py").write_text(TELL, encoding="utf-8")
    for arguments in (["-m", "told", "a", "b c"], ["-c", TELL, "a"]):
        fresh = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, input=""
        )
        assert server().run(arguments, tmp_path, environment, timeout=60) == (3, fresh.stdout, "to stderr\n")
        assert (fresh.returncode, fresh.stderr) == (3, "to stderr\n")


def test_a_command_changes_nothing_for_the_next_one(tmp_path: Path) -> None:
    change = "import os, sys, json; os.chdir('/'); os.environ['X'] = 'x'; sys.path.clear(); json.changed = True"
    ask = "import os, json; print(os.getcwd(), os.environ.get('X'), hasattr(json, 'changed'))"
    environment = {name: value for name, value in os.environ.items() if name != "X"}
    assert server().run(["-c", change], tmp_path, environment, timeout=60)[0] == 0
    assert server().run(["-c", ask], tmp_path, environment, timeout=60) == (0, f"{tmp_path} None False\n", "")


def test_an_exception_is_exit_code_1_and_a_traceback(tmp_path: Path) -> None:
    code, out, errors = server().run(["-c", "import no_such_module"], tmp_path, os.environ, timeout=60)
    assert (code, out) == (1, "")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in errors


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    program = "import subprocess, time; subprocess.Popen(['sh', '-c', 'sleep 2; touch late']); time.sleep(60)"
    begin = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        server().run(["-c", program], tmp_path, os.environ, timeout=1)
    assert time.monotonic() - begin < 30
    time.sleep(2)
    assert list(tmp_path.iterdir()) == []
