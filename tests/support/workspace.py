"""A copy of the workflow in a temporary directory, with a tiny configuration, and Snakemake run in it."""

from __future__ import annotations

import compileall
import copy
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from numba.core.caching import UserProvidedCacheLocator
from support.warm import server

#: Two scenarios of scalar systems: one generated, one from a file. A run takes milliseconds.
TINY: dict[str, Any] = {
    "name": "tiny",
    "featured": "pair",
    "report": False,
    "scenarios": {
        "pair": {
            "title": "two clusters",
            "fleet": {
                "random": {"seed": 3, "n": 1, "m": 1, "sizes": [1, 2], "gamma": 0.5, "separation": 4, "initial_gap": 1}
            },
            "schedule": {"mode": "calibrated", "Delta0": 12, "minibatch_scale": 0.05},
            "budget": {"epochs": 2},
            "seeds": {"first": 0, "count": 2, "per_job": 2},
        },
        "single": {
            "title": "one cluster",
            "fleet": {"file": "fleets/single.yaml"},
            "schedule": {"mode": "calibrated", "Delta0": 1, "minibatch_scale": 0.05},
            "budget": {"epochs": 1},
            "seeds": {"first": 5, "count": 1},
        },
    },
}

FLEET = """\
name: single
gamma: 0.5
clusters:
  - {size: 2, A: [[0.9]], B: [[1.0]], Q: identity, R: identity}
initial_gains: zero
"""

LOGGER = "snakemake_logger_plugin_pcpo"
PARTS = (
    "Snakefile",
    "environment.yml",
    "workflow",
    "config",
    "profiles",
    "pcpo",
    "notebooks",
    "docs",
    "examples",
    LOGGER,
)
#: The variable that says what is shown while jobs run.
SHOW = "SNAKEMAKE_LOGGER_PCPO_SHOW"
#: Snakemake's own records, logs and seals, which hold times: what a failed command may leave behind.
BOOKKEEPING = re.compile(r"^\.snakemake/|/logs/|/seals/|/__pycache__/")


@dataclass(frozen=True)
class Outcome:
    """What a Snakemake command ended with: exit code and everything that a person sees."""

    code: int
    text: str

    @property
    def jobs(self) -> set[str]:
        """Messages of the jobs that were run, or would be."""
        return {str(message) for message in re.findall(r"^Job \d+: (.*)$", self.text, re.MULTILINE)}


@dataclass(frozen=True)
class Workspace:
    """A directory that holds the workflow."""

    root: Path

    @classmethod
    def create(cls, repository: Path, root: Path) -> Workspace:
        """Copy the workflow of the checkout and write the tiny configuration."""
        root.mkdir(parents=True)
        for name in PARTS:
            source = repository / name
            if source.is_dir():
                shutil.copytree(source, root / name, symlinks=True)
            else:
                shutil.copy2(source, root / name)
        workspace = cls(root)
        workspace.write("fleets/single.yaml", FLEET)
        workspace.configure(TINY)
        return workspace

    @classmethod
    def compiled(cls, repository: Path, root: Path) -> Workspace:
        """Create a workspace to make others from, with the bytecode of the package and with the machine code of the
        checkout's kernels: the folders that hold it are links, so that whatever compiles a kernel does it for all.
        """
        workspace = cls.create(repository, root)
        shared = os.environ.get("NUMBA_CACHE_DIR")
        for folder in {path.parent for path in root.glob("pcpo/**/*kernels.py")}:
            source = repository / folder.relative_to(root)
            caches = source / "__pycache__"
            if shared is not None:
                caches = Path(shared) / UserProvidedCacheLocator.get_suitable_cache_subpath(str(source / "kernels.py"))
            caches.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder / "__pycache__", ignore_errors=True)
            (folder / "__pycache__").symlink_to(caches)
        compileall.compile_dir(root / "pcpo", quiet=1)
        return workspace

    def clone(self, root: Path) -> Workspace:
        """A copy with the same times of modification and the same records of Snakemake."""
        shutil.copytree(self.root, root, symlinks=True)
        return Workspace(root)

    def write(self, name: str, text: str) -> None:
        """Write a text file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def configure(self, config: dict[str, Any]) -> None:
        """Write tiny.yaml."""
        self.write("tiny.yaml", yaml.safe_dump(config, sort_keys=False))

    def snakemake(
        self,
        *arguments: str,
        configuration: str | None = "tiny.yaml",
        package: Path | None = None,
        directory: Path | None = None,
        timeout: float = 300,
        show: str = "snakemake",
    ) -> Outcome:
        """Run Snakemake, as a person would; `--cores` is among the arguments.

        configuration: what --configfile names; without one the option is left out.
        package: the directory of the package that jobs import, by default the copy of this workspace.
        directory: where the command is started, by default in this workspace.
        show: what is shown while jobs run, by default Snakemake's own log, in which tests find the jobs.
        """
        environment = {**os.environ, "PYTHONPATH": str(package or self.root), SHOW: show}
        if package is None:  # machine code is kept beside the package, as at a user's
            environment.pop("NUMBA_CACHE_DIR", None)
        configured = [] if configuration is None else ["--configfile", configuration]
        command = ["-m", "snakemake", *configured, "--nocolor", *arguments]
        code, out, errors = server().run(command, directory or self.root, environment, timeout)
        return Outcome(code, out + errors)

    def files(self) -> dict[str, bytes]:
        """Every file that is not bookkeeping, with its content."""
        paths = (path for path in self.root.rglob("*") if path.is_file())
        named = {path.relative_to(self.root).as_posix(): path for path in paths}
        return {name: path.read_bytes() for name, path in named.items() if not BOOKKEEPING.search(name)}


#: Jobs that one command of a test may run if the test is not marked slow; the tiny configuration has nine.
MOST_JOBS = 4


def check_few_jobs(arguments: Sequence[str], outcome: Outcome) -> None:
    """Refuse a command that ran a whole pipeline."""
    if len(outcome.jobs) > MOST_JOBS and not {"-n", "--dry-run"} & set(arguments):
        raise AssertionError(f"ran {len(outcome.jobs)} jobs, expected at most {MOST_JOBS}, or the marker slow")


#: Prepares a named workspace by a command, once for all workers of xdist.
Once = Callable[[str, Callable[[Workspace], Outcome]], tuple[Workspace, Outcome]]


def edited(**changes: Any) -> dict[str, Any]:
    """TINY with changes by dotted path, the dots written as two underscores: scenarios__pair__title="x"."""
    config = copy.deepcopy(TINY)
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = config
        for key in parents:
            node = node[key]
        node[last] = value
    return config
