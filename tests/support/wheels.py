"""Build a wheel of the checkout, in a copy: a build leaves files behind, and takes along those of an earlier one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["build", "copied"]

#: What a wheel is built from. `config` and `LICENSE` are linked and named by `pyproject.toml`.
PARTS = ("pcpo", "config", "pyproject.toml", "README.md", "LICENSE")


def copied(repository: Path, target: Path) -> Path:
    """Copy what a wheel is built from, links as links, and return the target."""
    target.mkdir(parents=True)
    for name in PARTS:
        if (repository / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(repository / name, target / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(repository / name, target / name)
    return target


def build(source: Path, target: Path) -> Path:
    """Build the wheel of a copy with the backend of pyproject.toml, and return its path."""
    target.mkdir(parents=True, exist_ok=True)
    code = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1]
