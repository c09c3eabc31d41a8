"""The workflow from another directory than the checkout: field case 16."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.workspace import Workspace

FLEET = "build/tiny/results/fleets/single.yaml"
MODULE = """\
configfile: "tiny.yaml"
module pcpo:
    snakefile: "{snakefile}"
    config: config
use rule * from pcpo as pcpo_*
"""


@pytest.fixture
def place(fresh: Workspace, tmp_path: Path) -> Path:
    """Return a directory with a configuration and a fleet, which are no longer in the checkout."""
    place = tmp_path / "else where"
    place.mkdir()
    for name in ("tiny.yaml", "fleets"):
        shutil.move(fresh.root / name, place / name)
    return place


def inside(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_snakefile_by_its_path(fresh: Workspace, place: Path) -> None:
    before = fresh.files()
    outcome = fresh.snakemake("-s", str(fresh.root / "Snakefile"), "--cores", "1", directory=place)
    assert outcome.code == 0, outcome.text
    assert {FLEET, "build/tiny/figures/elimination.pdf"} <= inside(place)
    assert fresh.files() == before
    assert "Nothing to be done" in fresh.snakemake("-s", str(fresh.root / "Snakefile"), "-n", directory=place).text


@pytest.mark.slow
def test_another_working_directory(fresh: Workspace, place: Path) -> None:
    configuration = str(place / "tiny.yaml")
    outcome = fresh.snakemake("-d", str(place), "--cores", "1", FLEET, configuration=configuration)
    assert outcome.code == 0, outcome.text
    assert FLEET in inside(place)


@pytest.mark.slow
def test_the_configuration_and_the_fleets_of_the_checkout_are_the_default(fresh: Workspace, place: Path) -> None:
    arguments = ("-s", str(fresh.root / "Snakefile"), "--cores", "1", "results/fleets/toso2023.yaml")
    outcome = fresh.snakemake(*arguments, configuration=None, directory=place)
    assert outcome.code == 0, outcome.text
    assert "results/fleets/toso2023.yaml" in inside(place)


def test_a_module_of_another_snakefile(fresh: Workspace, place: Path) -> None:
    (place / "Snakefile").write_text(MODULE.format(snakefile=fresh.root / "Snakefile"), encoding="utf-8")
    outcome = fresh.snakemake("--cores", "1", FLEET, configuration=None, directory=place)
    assert outcome.code == 0, outcome.text
    assert "Job 0: Fleet of scenario single" in outcome.text
    assert FLEET in inside(place)
    wrong = fresh.snakemake("-n", FLEET.replace("single", "singel"), configuration=None, directory=place)
    assert wrong.code != 0
    assert f"expected one of {FLEET}" in wrong.text
