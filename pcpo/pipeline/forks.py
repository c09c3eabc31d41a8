"""Serve forks: a process with the libraries of all jobs loaded, of which every job of the main process is a fork.

Started by `pcpo.pipeline.warm` as a script of its own, `python -P forks.py <descriptor> <package>`, it imports the
libraries and the modules of the package.  Files of the package may be edited while jobs run: a fork that finds one
changed forgets all modules of the package and imports them itself, as a fresh interpreter would.  The server ends when
the process that started it does; forks that run then run on.

Messages are JSON: for each job a request (script, directory, environment) with one end of a pair of sockets; over that
pair the process id of the fork, a word to begin, and at the end the exit code.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: What jobs import of libraries, in order of their need; one that is missing is left to the job that needs it.
LIBRARIES = (
    "numpy",
    "snakemake.iocontainers",
    "snakemake.logging",
    "numba",
    "scipy.linalg",
    "scipy.special",
    "pandas",
    "pyarrow.parquet",
    "psutil",
    "yaml",
    "ruamel.yaml",
    "jsonschema",
    "tqdm",
    "scipy.stats",
    "scipy.optimize",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.ticker",
    "matplotlib.mathtext",
    "fontTools.subset",
    "nbformat",
    "jinja2",
    "latex2mathml.converter",
)
#: Parts of the package that jobs do not need: what only Snakemake's main process runs, and commands.
SKIPPED = ("pipeline", "moved", "__main__")
_MESSAGE = 1 << 20
#: Threads that libraries start again in a fork: that of jemalloc, which pyarrow brings.
_HARMLESS = {"jemalloc_bg_thd"}


def load() -> None:
    """Import the libraries, and make ready what Numba makes at its first use: its compiler."""
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    if numba := sys.modules.get("numba"):
        numba.njit("float64(float64)")(_nothing)


def load_package(name: str) -> None:
    """Import the modules of a package; one that cannot be imported is left to the job that needs it."""
    try:
        package = importlib.import_module(name)
    except (ImportError, SyntaxError):
        return
    for found in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not set(found.name.split(".")) & set(SKIPPED):
            with contextlib.suppress(ImportError, SyntaxError):
                importlib.import_module(found.name)


def files_of(name: str) -> dict[str, tuple[str, int, int]]:
    """Return file, time of the last change (ns) and size for every imported module of a package; 0, 0 if missing."""
    state = {}
    for module, loaded in list(sys.modules.items()):
        if module.partition(".")[0] == name and (file := getattr(loaded, "__file__", None)):
            try:
                found = os.stat(file)
                state[module] = (file, found.st_mtime_ns, found.st_size)
            except OSError:
                state[module] = (file, 0, 0)
    return state


def forget(name: str) -> None:
    """Remove all modules of a package, so that they are imported anew."""
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]
    importlib.invalidate_caches()


def _nothing(number: float) -> float:
    return number


def serve(control: socket.socket, package: str) -> dict[str, Any] | None:
    """Fork for every request until the other end of `control` is closed.

    Returns:
        In a fork what it is to run; None in the server, at its end.
    """
    loaded = files_of(package)
    waiting = selectors.DefaultSelector()
    waiting.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is not control:
                waiting.unregister(key.fd)
                os.close(key.fd)
                pid, answers = key.data
                _answer(answers, {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})
                answers.close()
                continue
            message, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 1)
            if not message:
                return None
            answers = socket.socket(fileno=descriptors[0])
            if (pid := os.fork()) == 0:
                waiting.close()
                control.close()
                if files_of(package) != loaded:
                    forget(package)
                return _begun(answers, json.loads(message))
            _answer(answers, {"pid": pid})
            waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answers))


def _answer(answers: socket.socket, what: dict[str, int]) -> None:
    """Send an answer; the asking process may be gone."""
    with contextlib.suppress(OSError):
        answers.send(json.dumps(what).encode())


def _begun(answers: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    """Wait in a fork for the word to begin, and become what a fresh interpreter of the script would be."""
    begin = answers.recv(_MESSAGE)
    answers.close()
    if not begin:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["script"]]
    sys.path.insert(0, str(Path(request["script"]).resolve().parent))
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(Path(request["script"]).name.split(".", 1)[-1][:15], encoding="utf-8")
    return request


def _threads() -> Iterator[Path]:
    """Yield the files with the names of the threads beside the main one."""
    tasks = Path("/proc/self/task")
    return (path / "comm" for path in tasks.iterdir() if path.name != str(os.getpid()))


def main() -> dict[str, Any] | None:
    """Load, say so, and serve; the exit code is 0, or that of a fork's script."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the jobs; the server ends with Snakemake
    package = sys.argv[2]
    load()
    begun = time.time_ns()
    load_package(package)
    if any(changed >= begun for _, changed, _ in files_of(package).values()):
        forget(package)  # edited while it was loaded: which of the two contents was loaded is unknown
    if threads := {path.read_text(encoding="utf-8").strip() for path in _threads()} - _HARMLESS:
        raise SystemExit(f"{__file__}: found threads {threads}, which forks would lose, expected none")
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    return serve(control, package)


if __name__ == "__main__":
    request = main()
    if request is not None:
        import runpy

        runpy.run_path(request["script"], run_name="__main__")
