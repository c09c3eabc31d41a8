"""Collect what a result was made with: package version, git commit, versions of the dependencies, machine.

Nothing here raises: a result without git or outside a checkout is still a result, with "unknown" written in its place.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import pcpo

__all__ = ["MAIN_DEPENDENCIES", "UNKNOWN", "environment_versions", "git_commit", "machine", "package_version"]

UNKNOWN = "unknown"

#: The distributions that can change a number or a figure.
MAIN_DEPENDENCIES = ("numpy", "scipy", "numba", "llvmlite", "pandas", "pyarrow", "matplotlib", "snakemake")

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_SECONDS = 10.0


def package_version() -> str:
    """Return the version of the code that runs, from `pcpo.__version__` (an installed copy's metadata can be older)."""
    return pcpo.__version__


def git_commit(root: Path | None = None) -> str:
    """Return the full hash of the commit checked out at `root`, with "-dirty" after it if the tree differs from it.

    A file that is neither tracked nor ignored counts as a difference: an uncommitted module can change a result.

    Args:
        root: the top of a work tree; by default the directory that contains this package.

    Returns:
        The hash; "unknown" if `root` is not itself the top of a work tree with a commit (for example a package
        installed *inside* some other project's checkout), or if git is missing, refuses, or does not answer.
    """
    root = _PACKAGE_PARENT if root is None else root.resolve()
    top = _output(["git", "-C", str(root), "rev-parse", "--show-toplevel"])
    if top is None or Path(top).resolve() != root:
        return UNKNOWN
    commit = _output(["git", "-C", str(root), "rev-parse", "--verify", "HEAD"])
    changes = _output(["git", "-C", str(root), "status", "--porcelain"])
    if commit is None or changes is None:
        return UNKNOWN
    return f"{commit}-dirty" if changes else commit


def environment_versions() -> dict[str, str]:
    """Return the version of Python and of each of `MAIN_DEPENDENCIES`; "unknown" if it is not installed."""
    return {"python": platform.python_version()} | {name: _installed(name) for name in MAIN_DEPENDENCIES}


def machine() -> dict[str, str | int]:
    """Return the processor's model name (`cpu`), the cores for this process (`cores`) and the system (`os`)."""
    return {"cpu": _cpu_model(), "cores": _usable_cores(), "os": platform.platform()}


def _output(command: list[str]) -> str | None:
    """Return what `command` prints, stripped; None if it cannot be run, fails or takes longer than `_SECONDS`."""
    # GIT_DIR and its like, set inside a git hook, would point at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=True, timeout=_SECONDS, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _installed(name: str) -> str:
    """Return the installed version of a package, or "unknown"."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return UNKNOWN


def _usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: a container or a scheduler may allow fewer cores than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model name, or "unknown"."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    sysctl = _output(["sysctl", "-n", "machdep.cpu.brand_string"]) if platform.system() == "Darwin" else None
    return sysctl or platform.processor() or platform.machine() or UNKNOWN
