"""One finished run of the tiny configuration for all tests of this directory, whichever worker of xdist has them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.workspace import Once, Outcome, Workspace, check_few_jobs

#: Fixtures that run Snakemake.
RUNNING = {"fresh", "finished", "refused", "undisturbed"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that runs Snakemake."""
    for item in items:
        if RUNNING & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.workflow)


def first(root: Path, make: Callable[[Path], Outcome]) -> tuple[Workspace, Outcome]:
    """Have the first worker that comes make a workspace; the others wait for it and read what it got."""
    note = root.with_suffix(".json")
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            note.write_text(json.dumps(asdict(make(root))), encoding="utf-8")
    return Workspace(root), Outcome(**json.loads(note.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder that all workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def compiled(repository: Path, common: Path) -> Path:
    """A copy of the workflow with bytecode and machine code, from which the workspaces are made."""

    def make(root: Path) -> Outcome:
        Workspace.compiled(repository, root)
        return Outcome(0, "")

    return first(common / "compiled", make)[0].root


@pytest.fixture(scope="session")
def once(compiled: Path, common: Path) -> Once:
    """Prepare a named workspace by a command, once for all workers."""
    return lambda name, command: first(common / name, lambda root: command(Workspace.create(compiled, root)))


@pytest.fixture(autouse=True)
def few_jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that runs a whole pipeline of its own and is not marked slow; what is shared was run before."""
    run = Workspace.snakemake

    def counted(self: Workspace, *arguments: str, **options: Any) -> Outcome:
        outcome = run(self, *arguments, **options)
        check_few_jobs(arguments, outcome)
        return outcome

    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(Workspace, "snakemake", counted)


@pytest.fixture(scope="session")
def finished(once: Once) -> tuple[Workspace, Outcome]:
    """A workspace after a successful command on two cores: to be cloned, never changed."""
    return once("finished", lambda workspace: workspace.snakemake("--cores", "2"))


@pytest.fixture
def clone(finished: tuple[Workspace, Outcome], tmp_path: Path) -> Workspace:
    """A copy of the finished workspace, free to be changed."""
    return finished[0].clone(tmp_path / "w")


@pytest.fixture
def fresh(compiled: Path, tmp_path: Path) -> Workspace:
    """A workspace in which nothing has run."""
    return Workspace.create(compiled, tmp_path / "w")
