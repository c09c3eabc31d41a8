"""Start scripts of local jobs as forks of a process that has loaded the libraries and the package.

Which jobs run, in which order, and what they write is as without; only the seconds in which every interpreter imports
the same libraries are saved.  The environment variable PCPO_FORKS=0 turns it off.  Forks are made on Linux, by the main
process of a command, of scripts of this workflow on one thread without conda, container or shadow directory; all else,
and everything once the server has failed, starts as Snakemake starts it.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript
from snakemake.shell import shell

__all__ = ["SWITCH", "Server", "start_warm"]

#: The environment variable that turns it off, as "0".
SWITCH = "PCPO_FORKS"
#: Fewer jobs are done before the server has loaded the libraries.
_WORTH = 4
_MESSAGE = 1 << 16
_SERVER = Path(__file__).with_name("forks.py")
_PACKAGE = __name__.partition(".")[0]
#: As Snakemake sets them for a job of one thread; libraries read them when they are loaded.
_THREADS = dict.fromkeys(
    (
        "OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    ),
    "1",
)  # fmt: skip


class Server:
    """Hold the process of which jobs are forks; it starts with the first job."""

    def __init__(self, package: str = _PACKAGE) -> None:
        self._package = package
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failed = False

    def run(
        self, script: str, directory: str, environment: dict[str, str], started: Callable[[int], Any]
    ) -> int | None:
        """Run a script in a fork and wait for its end.

        Args:
            script: path of a Python file.
            directory: the working directory.
            environment: all environment variables.
            started: from the process id to a context manager that is open while the script runs.

        Returns:
            The exit code, negative for a signal; None if there is no server, and nothing was run.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs, self._lock:
                try:
                    request = {"script": script, "directory": directory, "environment": environment}
                    socket.send_fds(self._ready(), [json.dumps(request).encode()], [theirs.fileno()])
                except OSError:
                    self.close()
                    return None
            if not (answer := ours.recv(_MESSAGE)):
                self.close()
                return None
            pid = json.loads(answer)["pid"]
            handle = os.pidfd_open(pid)
            try:
                with started(pid):
                    ours.send(b"begin")
                    return _end(ours, handle)
            finally:
                os.close(handle)

    def close(self) -> None:
        """End the server; no job is a fork any longer."""
        self._failed = True
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if self._process is not None:
            self._process.wait()

    def _ready(self) -> socket.socket:
        """Return the connection to the server, started if needed; OSError if it has failed or was closed."""
        if self._failed:
            raise OSError("there is no server of forks any longer")
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-P", str(_SERVER), str(theirs.fileno()), self._package]
                environment = {**os.environ, **_THREADS}
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)
            if not ours.recv(_MESSAGE):
                ours.close()
                raise OSError("the server of forks did not start")
            self._control = ours
        return self._control


def _end(answers: socket.socket, handle: int) -> int:
    """Wait for the exit code; a fork whose server is gone is killed, since nobody would learn how it ended."""
    if answer := answers.recv(_MESSAGE):
        code: int = json.loads(answer)["code"]
        return code
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    select.select([handle], [], [])
    return -signal.SIGKILL


def start_warm(folder: Path, jobs: int) -> None:
    """Let Snakemake's main process start the scripts of a folder as forks.

    Args:
        folder: the folder of the scripts.
        jobs: how many jobs the command is going to run; for few of them it stays as it is.
    """
    if os.environ.get(SWITCH) == "0" or sys.platform != "linux" or jobs < _WORTH or not hasattr(os, "pidfd_open"):
        return
    cold, server = PythonScript.execute_script, Server()
    atexit.register(server.close)

    @functools.wraps(cold)
    def execute_script(script: Any, fname: str, edit: bool = False) -> None:
        code = None
        if not edit and _plain(script, folder):
            code = server.run(fname, os.getcwd(), _environment(script), lambda pid: _measured(pid, script.bench_record))
        if code is None:
            cold(script, fname, edit)
        elif code:
            raise subprocess.CalledProcessError(code, f"{sys.executable} {fname}")

    PythonScript.execute_script = execute_script


def _plain(script: Any, folder: Path) -> bool:
    """Say whether a script is of the folder and is started by this interpreter, in this environment, on one thread."""
    changed = (script.conda_env, script.container_img, script.env_modules, script.shadow_dir, shell._process_prefix)
    elsewhere = any(changed) or script.threads != 1 or script.resources.get("shell_exec") is not None
    path = Path(script.path.get_path_or_uri(secret_free=True))
    return not elsewhere and path.resolve().parent == folder.resolve()


def _environment(script: Any) -> dict[str, str]:
    """Return the environment that Snakemake gives a job."""
    folder = script.resources.get("tmpdir")
    return {**os.environ, **_THREADS, **(dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), folder) if folder else {})}


@contextlib.contextmanager
def _measured(pid: int, record: Any) -> Iterator[None]:
    """Measure a fork as Snakemake's benchmark does any job."""
    with benchmarked(pid, record) if record is not None else contextlib.nullcontext():
        yield
