"""Jobs that are forks write what jobs of their own interpreters write, and are measured as they are."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.workspace import Outcome, Workspace

pytestmark = pytest.mark.slow


def memory(workspace: Workspace, rule: str) -> float:
    """Megabytes of a job by Snakemake's benchmark."""
    with (workspace.root / f"build/tiny/results/benchmarks/{rule}.tsv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    return float(row["max_rss"])


def results(workspace: Workspace) -> dict[str, bytes]:
    """Return all results; what is measured while a job runs, and when, is none."""
    measured = ("/benchmarks/", "/logs/", "/seals/")
    found = {name: content for name, content in workspace.files().items() if name.startswith("build/")}
    return {name: content for name, content in found.items() if not any(part in name for part in measured)}


def test_the_same_bits_with_and_without(
    finished: tuple[Workspace, Outcome], fresh: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PCPO_FORKS", "0")
    outcome = fresh.snakemake("--cores", "2")
    assert outcome.code == 0, outcome.text
    own, forked = results(fresh), results(finished[0])
    assert own.keys() == forked.keys()
    assert len(own) > 15
    assert [name for name in own if own[name] != forked[name]] == []


def test_a_benchmark_measures_the_fork(finished: tuple[Workspace, Outcome]) -> None:
    """The libraries alone take more than this; a process that only waits for the job takes less."""
    assert memory(finished[0], "figures/fleets") > 100


def test_forks_are_made_and_can_be_turned_off(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job tells by the libraries that are there before it imports any."""
    script = Path(clone.root / "workflow/scripts/make_fleet.py")
    told = "import sys\nprint('forked' if 'scipy.stats' in sys.modules else 'alone', file=sys.stderr)\n"
    script.write_text(told + script.read_text(encoding="utf-8"), encoding="utf-8")
    command = ("--cores", "1", "--force", *(f"build/tiny/results/fleets/{name}.yaml" for name in ("pair", "single")))
    few = clone.snakemake(*command)
    assert few.code == 0, few.text
    assert (few.text.count("forked"), few.text.count("alone")) == (0, 2), "two jobs are no reason to start a server"
    many = clone.snakemake("--cores", "1", "--forceall", "--until", "plan")
    assert many.code == 0, many.text
    assert (many.text.count("forked"), many.text.count("alone")) == (2, 0)
    monkeypatch.setenv("PCPO_FORKS", "0")
    off = clone.snakemake("--cores", "1", "--forceall", "--until", "plan")
    assert (off.text.count("forked"), off.text.count("alone")) == (0, 2), off.text
