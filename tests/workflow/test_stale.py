"""What is shown as a result belongs to the present configuration, files and versions: judged by values."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.workspace import FLEET, Workspace, edited

from pcpo.experiments.records import read_runs
from pcpo.fleets.files import read_fleet
from pcpo.storage.sources import closure

RESULTS = "build/tiny/results"
BATCH = "runs/pair/pcpo/000000-000001.parquet"
ASIDE = "build/tiny/abandoned/results"


def seeds_read(workspace: Workspace) -> dict[str, set[int]]:
    """Read the folder of runs as a script would, and return the seeds of every scenario."""
    frame = read_runs(sorted((workspace.root / RESULTS / "runs").rglob("*.parquet")))
    return {str(name): set(rows["seed"]) for name, rows in frame.groupby("scenario")}


@pytest.mark.slow
def test_a_fleet_file_with_another_content_and_an_older_date(clone: Workspace) -> None:
    """As `cp -p`, rsync, unzip and git leave it."""
    path, fleet = clone.root / "fleets/single.yaml", f"{RESULTS}/fleets/single.yaml"
    old = read_fleet(clone.root / fleet).optimal_costs
    clone.write("fleets/single.yaml", FLEET.replace("0.9", "0.2"))
    os.utime(path, (1, 1))
    assert clone.snakemake("--cores", "1", fleet).code == 0
    found = read_fleet(clone.root / fleet).optimal_costs
    assert (found == read_fleet(path).optimal_costs).all()
    assert (found != old).all()


MISSING: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": ({"scenarios__single__fleet": {"file": "fleets/singel.yaml"}}, "fleets/singel.yaml"),
    "deleted": ({}, "fleets/single.yaml"),
    "a folder": ({"scenarios__single__fleet": {"file": "folder.yaml"}}, "folder.yaml"),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_fleet_file_that_is_missing_after_a_finished_run(case: str, clone: Workspace) -> None:
    """Field case 01."""
    changes, name = MISSING[case]
    clone.configure(edited(**changes))
    (clone.root / "folder.yaml").mkdir()
    if case == "deleted":
        (clone.root / name).unlink()
    before = clone.files()
    for arguments in (["-n"], ["--cores", "1"]):
        outcome = clone.snakemake(*arguments)
        assert outcome.code != 0
        (line,) = [line for line in outcome.text.splitlines() if name in line]
        assert line.startswith(f"Error: ConfigError: scenarios.single.fleet.file: {name}: found ")
        assert "Nothing to be done" not in outcome.text
    assert clone.files() == before


@pytest.mark.parametrize("name", ["docs/reading.md", "notebooks/comparison.ipynb"])
def test_a_page_of_the_report_that_is_missing(name: str, fresh: Workspace) -> None:
    fresh.configure(edited(report=True))
    (fresh.root / name).unlink()
    outcome = fresh.snakemake("-n")
    assert outcome.code != 0
    assert f"{name}: found no such file" in outcome.text


@pytest.mark.slow
def test_batches_of_an_earlier_number_of_seeds_are_moved_aside(clone: Workspace) -> None:
    """Field case 13: the tutorial's script reads the whole folder after more seeds were asked for."""
    before = (clone.root / RESULTS / BATCH).read_bytes()
    clone.configure(edited(scenarios__pair__seeds={"first": 0, "count": 3, "per_job": 3}))
    files = clone.files()
    assert clone.snakemake("-n").code == 0
    assert clone.files() == files, "planning moves nothing"
    outcome = clone.snakemake("--cores", "2")
    assert outcome.code == 0, outcome.text
    assert seeds_read(clone) == {"pair": {0, 1, 2}, "single": {5}}
    assert (clone.root / ASIDE / BATCH).read_bytes() == before
    assert not (clone.root / RESULTS / "benchmarks" / BATCH).with_suffix(".tsv").exists()
    said = f"{RESULTS}/{BATCH} is of an earlier configuration and no longer asked for: moved to build/tiny/abandoned"
    assert said in outcome.text
    clone.configure(edited())
    back = clone.snakemake("-n")
    assert "`cp -pRn build/tiny/abandoned/. build/tiny/`" in back.text
    shutil.copytree(clone.root / "build/tiny/abandoned", clone.root / "build/tiny", dirs_exist_ok=True)
    again = clone.snakemake("-n", f"{RESULTS}/{BATCH}")
    assert "Nothing to be done" in again.text, again.text


@pytest.mark.slow
def test_results_of_a_scenario_of_another_name(clone: Workspace) -> None:
    """Without the report and with all other files made, nothing else would run."""
    config = edited()
    del config["scenarios"]["single"]
    clone.configure(config)
    assert clone.snakemake("--cores", "2").code == 0
    assert seeds_read(clone) == {"pair": {0, 1}}
    left = [name for name in clone.files() if name.startswith(("build/tiny/results", "build/tiny/figures"))]
    assert [name for name in left if "single" in name and "/benchmarks/" not in name] == []
    assert (clone.root / "build/tiny/abandoned/figures/elimination_single.png").is_file()
    assert (clone.root / ASIDE / "runs/single/pcpo/000005-000005.parquet").is_file()


@pytest.mark.slow
def test_a_file_of_a_user_among_the_results_stays(clone: Workspace) -> None:
    clone.write(f"{RESULTS}/notes.txt", "mine")
    clone.write("build/tiny/figures/mine.png", "mine")
    clone.configure(edited(scenarios__pair__seeds={"first": 0, "count": 2, "per_job": 1}))
    assert clone.snakemake("--cores", "2").code == 0
    assert seeds_read(clone) == {"pair": {0, 1}, "single": {5}}
    assert (clone.root / RESULTS / "notes.txt").is_file()
    assert (clone.root / "build/tiny/figures/mine.png").is_file()


def test_an_extension_is_made_of_the_files_that_it_imports_and_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine/parts").mkdir(parents=True)
    text = (
        "import helper\nfrom parts import inner\nfrom mine.other import f\nA = 'gains.npy', 'mine/table.csv', 'x.y'\n"
    )
    (tmp_path / "mine/own.py").write_text(text, encoding="utf-8")
    names = ["helper.py", "parts/__init__.py", "parts/inner.py", "other.py", "gains.npy", "table.csv"]
    for name in names:
        (tmp_path / "mine" / name).write_text("", encoding="utf-8")
    found = {path.relative_to(tmp_path / "mine").as_posix() for path in closure(tmp_path / "mine/own.py")}
    assert found == {"own.py", *names}
