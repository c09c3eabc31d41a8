"""A kernel that starts in notebooks/ finds the tree that PCPO_ROOT names, or is told a path that works."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pcpo.errors import ResultsError
from pcpo.report.store import ROOT_VARIABLE, find_root


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with results under build/mine only, and notebooks/ as the working directory."""
    root = tmp_path / "checkout"
    for folder in ("notebooks", "build/mine/results", "build/empty"):
        (root / folder).mkdir(parents=True)
    (root / "Snakefile").touch()
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(root / "notebooks")
    return root


@pytest.mark.parametrize("named", ["build/mine", "./build/mine/", "../build/mine", "{root}/build/mine"])
def test_relative_and_absolute_names_lead_to_the_tree(
    named: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, named.format(root=checkout))
    assert find_root() == find_root(checkout / "notebooks") == checkout / "build/mine"


def test_the_working_directory_comes_first(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = checkout / "notebooks/build/mine"
    (own / "results").mkdir(parents=True)
    monkeypatch.setenv(ROOT_VARIABLE, "build/mine")
    assert find_root() == own


def test_results_of_make_quick_are_found_if_there_are_no_others(checkout: Path) -> None:
    (checkout / "build/quick/results").mkdir(parents=True)
    assert find_root() == checkout / "build/quick"
    (checkout / "results").mkdir()
    assert find_root() == checkout


def test_nothing_outside_the_checkout_is_taken(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout.parent / "build/other/results").mkdir(parents=True)
    for named in ("build/other", "../build/other"):
        monkeypatch.setenv(ROOT_VARIABLE, named)
        with pytest.raises(ResultsError, match=r"PCPO_ROOT: found .*, but no folder results in "):
            find_root()


def test_the_advice_works(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the messages advise for build/quick, followed for the tree that exists."""
    with pytest.raises(ResultsError, match=r"no folder results in .* or above it") as nothing:
        find_root()
    monkeypatch.setenv(ROOT_VARIABLE, "build/empty")
    with pytest.raises(ResultsError) as empty:
        find_root()
    tried = f"{checkout}/notebooks/build/empty or {checkout}/build/empty"
    assert str(empty.value).startswith(
        f"PCPO_ROOT: found 'build/empty', but no folder results in {tried}; run the work"
    )
    for error in (nothing, empty):
        (advised,) = re.findall(r"PCPO_ROOT=(\S+)$", str(error.value))
        monkeypatch.setenv(ROOT_VARIABLE, advised.replace("quick", "mine"))
        assert find_root(Path(os.sep)) == checkout / "build/mine"


def test_the_folder_results_itself_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, "build/mine/results")
    expected = f"PCPO_ROOT: found 'build/mine/results', expected the folder that holds it, {checkout}/build/mine"
    with pytest.raises(ResultsError, match=f"^{re.escape(expected)}$"):
        find_root()
