"""Seals: an output that is not what its job wrote is found, whatever happened to it, and no other is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pcpo.pipeline.jobs import job
from pcpo.pipeline.seals import altered, set_aside

NAMES = ("build/mine/results/runs/logs/pcpo/0.parquet", "build/mine/figures/fleets.pdf")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two outputs of a job, in a scenario whose name could be taken for the folder of logs."""
    monkeypatch.chdir(tmp_path)
    with job("build/mine/results/logs/runs/logs/pcpo/0.log", NAMES):
        for name in NAMES:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(f"content of {name}", encoding="utf-8")
    return Path("build/mine/results")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def change_a_letter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"content", b"Content"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("alter", [truncate, empty, change_a_letter])
def test_an_altered_output_is_set_aside_and_no_other(alter: Callable[[Path], None], name: str, results: Path) -> None:
    path = Path(name)
    alter(path)
    content = path.read_bytes()
    (sentence,) = set_aside(dict(altered(results)))
    assert sentence.startswith(f"{name}: found ")
    assert sentence.endswith(f"renamed to {path.name}.altered, its job runs again")
    assert not path.exists()
    assert path.with_name(path.name + ".altered").read_bytes() == content
    assert [Path(other).exists() for other in NAMES if other != name] == [True]
    assert list(set_aside(dict(altered(results)))) == []


def touch(results: Path) -> None:
    for name in NAMES:
        os.utime(name)


def copy_elsewhere(results: Path) -> None:
    shutil.copytree("build", "copy")
    shutil.rmtree("build")
    shutil.move("copy", "build")


def remove_an_output(results: Path) -> None:
    Path(NAMES[0]).unlink()


def spoil_the_seals(results: Path) -> None:
    for path in (results / "seals").rglob("*.json"):
        path.write_text("[", encoding="utf-8")


@pytest.mark.parametrize("harmless", [touch, copy_elsewhere, remove_an_output, spoil_the_seals])
def test_what_is_no_alteration(harmless: Callable[[Path], None], results: Path) -> None:
    harmless(results)
    assert list(altered(results)) == []


def test_a_job_that_fails_seals_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_text("of an earlier run")
    with pytest.raises(SystemExit), job("results/logs/a.log", ["x"]):
        raise OSError(28, "No space left on device", "x")
    assert not Path("results/seals").exists()
    assert "OSError: [Errno 28] No space left on device: 'x'" in Path("results/logs/a.log").read_text(encoding="utf-8")
