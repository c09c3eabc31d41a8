"""Provenance: commits of real little repositories, and "unknown" wherever there is none to name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pcpo
from pcpo.storage import provenance
from pcpo.storage.provenance import UNKNOWN, environment_versions, git_commit, machine, package_version

HASH = re.compile(r"[0-9a-f]{40}")


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, and a place with a space in its name."""
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    root = tmp_path / "a check out"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / ".gitignore").write_text("ignored/\n")
    (root / "tracked.txt").write_text("first\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    return root


def test_clean_checkout_gives_the_full_hash(checkout: Path) -> None:
    commit = git_commit(checkout)
    assert HASH.fullmatch(commit)
    assert commit == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["tracked.txt", "new_module.py"])
def test_changed_or_untracked_file_is_dirty(checkout: Path, name: str) -> None:
    (checkout / name).write_text("second\n")
    assert git_commit(checkout) == git(checkout, "rev-parse", "HEAD") + "-dirty"


def test_ignored_file_is_not_dirty(checkout: Path) -> None:
    (checkout / "ignored").mkdir()
    (checkout / "ignored" / "output.csv").write_text("1\n")
    assert HASH.fullmatch(git_commit(checkout))


def test_package_inside_another_checkout_is_unknown(checkout: Path) -> None:
    nested = checkout / "ignored" / "site-packages"
    nested.mkdir(parents=True)
    assert git_commit(nested) == UNKNOWN
    assert git_commit(checkout) != UNKNOWN


def test_no_repository_or_no_commit_or_no_directory_is_unknown(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == UNKNOWN
    assert git_commit(tmp_path / "missing") == UNKNOWN
    git(tmp_path, "init", "--quiet")
    assert git_commit(tmp_path) == UNKNOWN


def test_no_git_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(checkout) == UNKNOWN


def test_git_variables_of_a_hook_do_not_mislead(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git_commit(checkout) == expected


def test_slow_command_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(30)"]
    monkeypatch.setattr(provenance, "_SECONDS", 0.2)
    assert provenance._output(command) is None


def test_default_is_this_package(repository: Path) -> None:
    assert git_commit() == git_commit(repository)
    if (repository / ".git").exists() and shutil.which("git"):
        assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", git_commit())


def test_versions() -> None:
    versions = environment_versions()
    assert package_version() == pcpo.__version__
    assert versions["numpy"] == np.__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert UNKNOWN not in versions.values()


def test_missing_distribution_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "MAIN_DEPENDENCIES", ("no-such-distribution-anywhere",))
    assert environment_versions()["no-such-distribution-anywhere"] == UNKNOWN


def test_machine_is_complete_and_fits_json() -> None:
    found = machine()
    assert set(found) == {"cpu", "cores", "os"}
    assert found["cpu"]
    assert isinstance(found["cores"], int)
    assert found["cores"] >= 1
    assert json.loads(json.dumps(found)) == found


def test_cpu_model_is_read_and_has_a_substitute(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel\t\t: 7\nmodel name\t: Fast Chip 9000: turbo\n")
    assert provenance._cpu_model(cpuinfo) == "Fast Chip 9000: turbo"
    assert provenance._cpu_model(tmp_path / "missing")
