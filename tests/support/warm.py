"""Start Python without imports: in a fork of a process that has imported Snakemake and the libraries of the package.

Everything else is as in a fresh interpreter: a process of its own with its working directory and environment, the
package read from the given PYTHONPATH, what is written, and the exit code.  A dry run takes half of the time.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["Server", "server"]

#: What a command imports beside the package itself, which differs from workspace to workspace.
LIBRARIES = (
    *("snakemake.cli", "docutils.core", "nbformat", "requests", "jsonschema", "ruamel.yaml", "numba.extending"),
    *("matplotlib.font_manager", "pandas", "pyarrow.parquet", "scipy.io", "scipy.linalg", "scipy.sparse"),
)


class Server:
    """Hold the process that has imported the libraries; it runs one command after another."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__], env=bare, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.process.communicate)

    def run(
        self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """Do what `python` does with these arguments, which begin with -m or -c.

        Returns:
            Exit code, and what was written to stdout and to stderr.
        """
        request = {"arguments": [*arguments], "directory": str(directory), "environment": {**environment}}
        with self.lock:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(json.dumps({**request, "timeout": timeout}) + "\n")
            self.process.stdin.flush()
            code, out, errors = json.loads(self.process.stdout.readline())
        if code is None:
            raise subprocess.TimeoutExpired(["python", *arguments], timeout, out, errors)
        return code, out, errors


@functools.cache
def server() -> Server:
    """Return the one server of this process, which it starts when it is first asked for."""
    return Server()


def become(request: Mapping[str, Any], streams: Sequence[int], base: Sequence[str]) -> NoReturn:
    """Make this fork the command, in a process group of its own."""
    os.setsid()
    for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), *streams)):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    option, program, *arguments = request["arguments"]
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [request["directory"] if option == "-m" else "", *map(os.path.abspath, given), *base]
    sys.argv = [option, *arguments]
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(program, {"__name__": "__main__"})
    sys.exit()


def ended(process: int, timeout: float) -> int | None:
    """Wait for the fork and return its exit code; after the time is over, kill its group and return None."""
    until = time.monotonic() + timeout
    try:
        while time.monotonic() < until:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
    except KeyboardInterrupt:  # of the tests: the command ends with them
        os.killpg(process, signal.SIGKILL)
        sys.exit(130)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def serve() -> None:
    """Answer requests, one on each line, until there are no more."""
    base, answers = list(sys.path), os.fdopen(os.dup(1), "w")  # Snakemake adds a folder to the path
    for name in LIBRARIES:
        importlib.import_module(name)
    importlib.import_module("snakemake.cli").get_argument_parser()  # loads the plugins
    assert "pcpo" not in sys.modules
    while line := sys.stdin.readline():
        request = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            process = os.fork()
            if process == 0:
                become(request, (out.fileno(), errors.fileno()), base)
            code = ended(process, request["timeout"])
            for stream in (out, errors):
                stream.seek(0)
            answer = [code, *(stream.read().decode(errors="replace") for stream in (out, errors))]
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
