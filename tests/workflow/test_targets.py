"""A tiny configuration from end to end: everything is made, once, and the same bytes every time."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.workspace import Outcome, Workspace

from pcpo.experiments.records import read_runs
from pcpo.pipeline import status
from pcpo.storage.verify import write_known
from tools import legible

FIGURES = ("elimination", "elimination_single", "learning_curves", "fleets")
RUNS = {"pair/pcpo/000000-000001", "single/pcpo/000005-000005"}
COMPARED = (".parquet", ".csv", ".pdf", ".png", ".yaml", ".json")


def made(workspace: Workspace) -> dict[str, bytes]:
    """The results and figures of a workspace."""
    files = workspace.files()
    return {name: files[name] for name in files if name.startswith("build/tiny/") and name.endswith(COMPARED)}


def test_everything_is_made_under_build(finished: tuple[Workspace, Outcome]) -> None:
    workspace, outcome = finished
    assert outcome.code == 0, outcome.text
    figures = {f"build/tiny/figures/{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png", "csv")}
    runs = {f"build/tiny/results/runs/{name}.parquet" for name in RUNS}
    fleets = {f"build/tiny/results/fleets/{name}.yaml" for name in ("pair", "single")}
    plans = {f"build/tiny/results/plans/{name}.json" for name in ("pair", "single")}
    assert set(made(workspace)) == figures | runs | fleets | plans
    assert not (workspace.root / "results").exists()
    assert not (workspace.root / "figures").exists()


def test_the_figures_can_be_read(finished: tuple[Workspace, Outcome], capsys: pytest.CaptureFixture[str]) -> None:
    assert legible.main([str(finished[0].root / "build/tiny/figures")]) == 0
    assert capsys.readouterr().out == f"{len(FIGURES)} figures, 0 faults\n"


def test_only_the_scenarios_of_the_given_configuration_run(finished: tuple[Workspace, Outcome]) -> None:
    assert {job for job in finished[1].jobs if job.startswith("Fleet of")} == {
        "Fleet of scenario pair",
        "Fleet of scenario single",
    }


def test_runs_hold_a_row_per_seed_epoch_and_agent(finished: tuple[Workspace, Outcome]) -> None:
    frame = read_runs(sorted(finished[0].root.glob("build/tiny/results/runs/**/*.parquet")))
    rows = frame.groupby(["scenario", "seed"]).size().to_dict()
    assert rows == {("pair", 0): 2 * 3, ("pair", 1): 2 * 3, ("single", 5): 1 * 2}
    assert set(frame["mode"]) == {"calibrated"}


def test_a_second_command_does_nothing(clone: Workspace) -> None:
    before = clone.files()
    outcome = clone.snakemake("--cores", "1")
    assert outcome.code == 0
    assert "Nothing to be done" in outcome.text
    assert outcome.jobs == set()
    assert clone.files() == before


@pytest.mark.slow
def test_another_number_of_cores_and_another_directory_give_the_same_bytes(
    finished: tuple[Workspace, Outcome], tmp_path: Path
) -> None:
    other = Workspace.create(finished[0].root, tmp_path / "w")
    targets = [f"build/tiny/figures/{name}.pdf" for name in ("elimination", "learning_curves", "fleets")]
    outcome = other.snakemake("--cores", "1", *targets)
    assert outcome.code == 0, outcome.text
    first, second = made(finished[0]), made(other)
    assert {Path(name).suffix for name in second} == set(COMPARED)
    assert len(second) == 2 + 2 + 2 + 3 * len(targets)  # fleets, plans, runs, figures
    assert [name for name in second if first[name] != second[name]] == []


def test_corrupted_results_are_named_and_nothing_is_drawn(clone: Workspace) -> None:
    """Results without seals, as from another machine: nothing but their content tells that they are damaged."""
    name = "build/tiny/results/runs/single/pcpo/000005-000005.parquet"
    path = clone.root / name
    shutil.rmtree(clone.root / "build/tiny/results/seals")
    path.write_bytes(path.read_bytes()[:-100])
    outcome = clone.snakemake("--cores", "1", "build/tiny/figures/elimination_single.pdf")
    assert outcome.code != 0
    assert f"ResultsError: {name}: not a readable results file, it may be truncated" in outcome.text
    assert "Traceback" not in outcome.text
    assert not list(clone.root.glob("build/tiny/figures/elimination_single.*"))


def test_scenario_of_the_readme_is_planned(repository: Path, fresh: Workspace) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    fresh.write("tiny.yaml", snippet)
    outcome = fresh.snakemake("-n")
    assert outcome.code == 0, outcome.text
    assert {
        "Fleet of scenario example",
        "Runs of pcpo in scenario example, seeds 000000-000001",
        "Runs of pcpo in scenario example, seeds 000002-000003",
        "Figure elimination",
    } <= outcome.jobs


def test_status_of_a_finished_command(clone: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Snakemake's log has the form that `make status` reads: every job of it is found, with its rule and its end."""
    assert status.main([str(clone.root)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    progress = status.read_progress(status.newest_log(clone.root).read_text(encoding="utf-8").splitlines())
    assert line == f"{progress.steps} of {progress.steps} steps done (100 %); the command is ended"
    assert progress.steps == len(progress.jobs) == sum(progress.counts.values())
    assert Counter(job.rule for job in progress.jobs.values() if job.ended) == progress.counts


def test_verify_compares_with_what_is_known(clone: Workspace) -> None:
    """Nothing known; then the same bits; then a number changed by hand, its seal removed so that it is not remade."""
    known, target = clone.root / "docs/reference/known/tiny.json", ("--cores", "1", "verify")
    assert "verify: found no reference results of configuration 'tiny'" in clone.snakemake(*target).text
    write_known(clone.root / "build/tiny", known)
    outcome = clone.snakemake(*target)
    assert outcome.code == 0, outcome.text
    assert re.search(r"^\d+ files: \d+ same bits \(last bits: ", outcome.text, re.MULTILINE)
    shutil.rmtree(clone.root / "build/tiny/results/seals")
    path = clone.root / "build/tiny/figures/fleets.csv"
    path.write_text(re.sub(r"0\.\d+", "0.3", path.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    outcome = clone.snakemake(*target)
    assert outcome.code != 0
    assert re.search(r"^differs +figures/fleets\.csv: \w+ by \d\.\de-\d+ of its magnitude$", outcome.text, re.MULTILINE)
    assert "found other results than those of docs/reference/known/tiny.json, listed above" in outcome.text


#: Field case 18, "targets that are not there": target → what the sentence says of it, and what it offers first.
ABSENT = {
    "build/tiny/figures/elimination_singel.png": ("", "build/tiny/figures/elimination_single.png"),
    "build/tiny/results/fleets/singl.yaml": ("", "build/tiny/results/fleets/single.yaml"),
    "build/tiny/results/runs/pair/pcpo/000000-000007.parquet": (
        "",
        "build/tiny/results/runs/pair/pcpo/000000-000001.parquet",
    ),
    "build/tiny/results/runs/pair/local/000000-000001.parquet": (
        "",
        "build/tiny/results/runs/pair/pcpo/000000-000001.parquet",
    ),
    "build/tiny/figures/variance_reduction.png": (
        ", a figure that this configuration does not draw",
        "build/tiny/figures",
    ),
    "baselines": (", a figure that this configuration does not draw", "build/tiny/figures/"),
    "negative_transfer": (", a figure that this configuration does not draw", "build/tiny/figures/"),
    "verfy": ("", "verify"),
    "runs": (", a rule that makes many files", "all"),
    "tiny.yaml": (", a file that no rule makes (a configuration stands after --configfile)", "all"),
}


@pytest.mark.parametrize("target", ABSENT)
def test_a_target_that_is_not_there_ends_with_one_sentence(target: str, fresh: Workspace) -> None:
    what, first = ABSENT[target]
    before = fresh.files()
    outcome = fresh.snakemake("--cores", "1", target)
    assert outcome.code != 0
    (line,) = [line for line in outcome.text.splitlines() if "target: found" in line]
    assert line.startswith(f"Error: ConfigError: target: found {target!r}{what}, expected one of {first}"), line
    assert not re.search(r"Traceback|Exception|^ +File ", outcome.text, re.MULTILINE)
    assert fresh.files() == before


def test_commands_of_the_pages_name_a_configuration_and_nothing_else_after_configfile(repository: Path) -> None:
    """Field case 03: --configfile takes every word up to the next option for a file."""
    pages = [repository / "README.md", repository / "config/README.md", *sorted((repository / "docs").glob("*.md"))]
    found = [
        (path.name, words)
        for path in pages
        for command in re.findall(r"snakemake [^`\n]*--configfile [^`\n]*", path.read_text(encoding="utf-8"))
        for words in re.findall(r"--configfile ((?:[^-\s]\S*\s*)+)", command)
    ]
    assert len(found) > 5
    assert [(page, words) for page, words in found if not re.fullmatch(r"\S+\.yaml[.;:,]?\s*\\?(#.*)?", words)] == []


def test_a_film_is_made_when_it_is_asked_for(clone: Workspace) -> None:
    """It is no part of the default target, and later commands leave it where it is."""
    film = "build/tiny/figures/film_pair"
    outcome = clone.snakemake("--cores", "1", f"{film}.gif")
    assert outcome.code == 0, outcome.text
    assert outcome.jobs == {"Film of scenario pair"}
    files = clone.files()
    assert {f"{film}.{suffix}" for suffix in ("gif", "png", "pdf", "csv")} <= set(files)
    again = clone.snakemake("--cores", "1", "--force", "build/tiny/figures/fleets.pdf")
    assert again.code == 0, again.text
    assert clone.files()[f"{film}.gif"] == files[f"{film}.gif"]


def test_a_film_of_an_unknown_scenario_is_refused(clone: Workspace) -> None:
    outcome = clone.snakemake("-n", "build/tiny/figures/film_pear.gif")
    assert outcome.code == 1
    assert "film_pair.gif" in outcome.text
