"""One finished run of the tiny configuration for all tests of this directory, whichever worker of xdist has them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from support.workspace import Once, Outcome, Workspace

#: Fixtures that run Snakemake.
RUNNING = {"fresh", "finished", "refused", "undisturbed"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that runs Snakemake."""
    for item in items:
        if RUNNING & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.workflow)


@pytest.fixture(scope="session")
def once(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Prepare a workspace once for all workers: the first one to come does it, the others wait and read what it got."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def prepare(name: str, command: Callable[[Workspace], Outcome]) -> tuple[Workspace, Outcome]:
        root, note = common / name, common / f"{name}.json"
        with (common / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not note.exists():
                note.write_text(json.dumps(asdict(command(Workspace.create(repository, root)))), encoding="utf-8")
        return Workspace(root), Outcome(**json.loads(note.read_text(encoding="utf-8")))

    return prepare


@pytest.fixture(scope="session")
def finished(once: Once) -> tuple[Workspace, Outcome]:
    """A workspace after a successful command on two cores: to be cloned, never changed."""
    return once("finished", lambda workspace: workspace.snakemake("--cores", "2"))


@pytest.fixture
def clone(finished: tuple[Workspace, Outcome], tmp_path: Path) -> Workspace:
    """A copy of the finished workspace, free to be changed."""
    return finished[0].clone(tmp_path / "w")


@pytest.fixture
def fresh(repository: Path, tmp_path: Path) -> Workspace:
    """A workspace in which nothing has run."""
    return Workspace.create(repository, tmp_path / "w")
