"""What a wheel holds, and what can be done with it outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.wheels import build, copied

import pcpo
from pcpo.experiments.records import read_provenance, read_runs
from pcpo.fleets.files import example_names, read_fleet

RUN = ["run", "example", "--Delta0", "24"]


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    return build(copied(repository, place / "source"), place)


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "unpacked")
    return wheel.parent / "unpacked"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def expected(repository: Path) -> set[str]:
    """List the files of the package in the checkout, those behind links included."""
    package = repository / "pcpo"
    found = {path.relative_to(repository).as_posix() for path in package.rglob("*") if path.is_file()}
    found |= {f"pcpo/fleets/published/{path.name}" for path in (repository / "config/fleets").glob("*.yaml")}
    return {name for name in found if "__pycache__" not in name}


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path, repository: Path) -> None:
    found = {name for name in names(wheel) if ".dist-info/" not in name}
    assert found == expected(repository)
    assert {
        "pcpo/py.typed",
        "pcpo/evidence/lemmas/claims.md",
        "pcpo/report/templates/report.css",
        "pcpo/fleets/published/example.yaml",
    } <= found


def test_a_wheel_without_its_data_is_seen(repository: Path, tmp_path: Path) -> None:
    source = copied(repository, tmp_path / "source")
    settings = (source / "pyproject.toml").read_text(encoding="utf-8")
    lines = [line for line in settings.splitlines(keepends=True) if not line.startswith('pcpo = ["py.typed"')]
    (source / "pyproject.toml").write_text("".join(lines), encoding="utf-8")
    left_out = expected(repository) - names(build(source, tmp_path))
    assert {Path(name).suffix for name in left_out} == {".md", ".j2", ".css", ".js", ".yaml"}


def test_metadata_of_the_wheel(wheel: Path, repository: Path) -> None:
    [entry_points] = [name for name in names(wheel) if name.endswith("entry_points.txt")]
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_string(archive.read(entry_points.replace("entry_points.txt", "METADATA")).decode())
        assert archive.read(entry_points).decode().split() == ["[console_scripts]", "pcpo", "=", "pcpo.__main__:main"]
    assert metadata["Name"] == "pcpo"
    assert metadata["Version"] == pcpo.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert any(name.endswith("licenses/LICENSE") for name in names(wheel))
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    always = {canonicalize_name(entry.name): str(entry.specifier) for entry in needed if entry.marker is None}
    assert always == {
        canonicalize_name(entry.name): str(entry.specifier) for entry in map(Requirement, project["dependencies"])
    }


def outside(python: Sequence[str | Path], directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory that is no checkout, without what the environment says of Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = list(map(str, python))
    return subprocess.run(
        command, cwd=directory, env={**kept, **variables}, capture_output=True, text=True, check=False, timeout=600
    )


def test_the_command_of_an_unpacked_wheel(unpacked: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return outside([sys.executable, "-m", "pcpo", *arguments], tmp_path, PYTHONPATH=str(unpacked))

    code = "import pcpo; print(pcpo.__file__, pcpo.example_fleet('mirror').N)"
    place = outside([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(unpacked)).stdout.split()
    assert place == [str(unpacked / "pcpo/__init__.py"), "6"]
    assert [line.split()[0] for line in run("fleets").stdout.splitlines()[1:]] == example_names()
    cost = run("cost", "mine.yaml")
    assert cost.returncode == 1
    wanted = f"found no docs/reference/provenance.json in {tmp_path}, expected a checkout of pcpo"
    assert cost.stderr == f"ResultsError: repository: {wanted}\n"


@pytest.mark.slow
def test_an_installed_wheel_in_a_new_environment(wheel: Path, repository: Path, tmp_path: Path) -> None:
    """Install the wheel with its dependencies, in the versions of the lock, and learn outside the checkout."""
    lock = (repository / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9_.-]+==\S+(?: ; [^\\\n]+?)?) *\\?$", lock, re.MULTILINE)
    (tmp_path / "constraints.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=300)
    python = tmp_path / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    done = outside([*pip, "--constraint", tmp_path / "constraints.txt", wheel], tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "work").mkdir()

    def run(*arguments: str) -> str:
        done = outside([tmp_path / "venv/bin/pcpo", *arguments], tmp_path / "work")
        assert done.returncode == 0, done.stderr
        return done.stdout

    code = "import pcpo, sys; print(pcpo.__file__); import numpy; print(numpy.__file__)"
    assert all(
        line.startswith(str(tmp_path / "venv")) for line in outside([python, "-c", code], tmp_path).stdout.split()
    )
    assert run("--version") == f"pcpo {pcpo.__version__}\n"
    assert "], the true clusters\n" in run(*RUN, "--output", "runs.parquet", "--figure", "elimination")
    runs = read_runs([tmp_path / "work/runs.parquet"])
    assert runs["agent"].nunique() == read_fleet(repository / "config/fleets/example.yaml").N
    assert read_provenance(tmp_path / "work/runs.parquet")["commit"] == "unknown"
    assert (tmp_path / "work/elimination.pdf").read_bytes().startswith(b"%PDF")
