"""The workflow's own code: what every rule has, what no rule does, and what Snakemake makes of it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from support.warm import server
from support.workspace import Outcome, Workspace, check_few_jobs

from pcpo.pipeline.jobs import COMPUTED
from pcpo.report.marks import renewed
from tools import captions, rulegraph

DIRECTIVES = ("log:", "benchmark:", "conda:", "message:", "script:")


def rules(repository: Path) -> dict[str, str]:
    """Text of every rule but `all`, by name."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((repository / "workflow/rules").glob("*.smk"))]
    parts = [part for text in texts for part in re.split(r"^ *rule (?=\w+:)", text, flags=re.MULTILINE)[1:]]
    return {part.split(":", 1)[0]: part for part in parts}


def test_every_rule_has_a_log_a_benchmark_and_an_environment_and_is_a_script(repository: Path) -> None:
    found = rules(repository)
    assert {"fleet", "runs", "study", "report", "verify"} <= found.keys()
    lacking = {(name, directive) for name, text in found.items() for directive in DIRECTIVES if directive not in text}
    assert lacking == set()


def test_no_rule_runs_code_of_its_own_or_a_shell(repository: Path) -> None:
    """So nothing of a configuration is ever put into a command line."""
    words = [word for text in rules(repository).values() for word in re.findall(r"^ *(\w+):$", text, re.MULTILINE)]
    assert set(words) & {"script", "run", "shell", "wrapper"} == {"script"}


def test_every_wildcard_is_constrained(repository: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (repository / "workflow/rules").glob("*.smk"))
    used = set(re.findall(r"\{\{(\w+)\}\}", text)) | set(re.findall(r"drawn\(\"[^\"]*\{(\w+)\}", text))
    constrained = set(re.findall(r"^ *(\w+)=.*,$", text, re.MULTILINE))
    assert {"scenario", "algorithm", "batch", "study"} <= used <= constrained


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "cluster"])
def test_plan_of_a_large_configuration(name: str, compiled: Path, tmp_path: Path) -> None:
    """How long it takes is measured in benchmarks/."""
    workspace = Workspace.create(compiled, tmp_path / "w")
    outcome = workspace.snakemake("-n", "--configfile", f"config/{name}.yaml")
    assert outcome.code == 0, outcome.text
    total = re.search(r"^total +(\d+)$", outcome.text, re.MULTILINE)
    assert total is not None
    assert 100 < int(total[1]) < 2000


def test_rulegraph_of_the_page(repository: Path) -> None:
    code, out, errors = server().run(rulegraph.COMMAND, repository, os.environ, timeout=120)
    assert code == 0, errors
    page = (repository / rulegraph.PATH).read_text(encoding="utf-8")
    edges = rulegraph.edges_of(out)
    assert ("runs", "figure") in edges
    assert renewed(page, rulegraph.PART, rulegraph.drawn(edges)) == page, "run `python -m tools.rulegraph`"


def test_an_arrow_that_others_imply_is_not_drawn() -> None:
    edges = {("a", "b"), ("b", "c"), ("a", "c"), ("c", "all"), ("a", "d")}
    assert rulegraph.drawn(edges).splitlines()[2:-1] == ["  a --> b", "  a --> d", "  b --> c"]


def test_captions_are_those_of_the_figures(repository: Path) -> None:
    written = (repository / captions.PATH).read_text(encoding="utf-8")
    assert written == captions.template(), "run `python -m tools.captions`"


def test_report_of_snakemake_has_captions_and_categories(clone: Workspace) -> None:
    outcome = clone.snakemake("--report", "report.html")
    assert outcome.code == 0, outcome.text
    page = (clone.root / "report.html").read_text(encoding="utf-8")
    titles = {name: captions.captions()[name].split(".")[0] for name in ("fleets", "learning_curves", "elimination")}
    assert [title for title in titles.values() if f"<p>{title}. " not in page] == []
    assert "Fleets, runs and comparisons" in page
    assert json.dumps("elimination_single") in page


def test_catalogue_entry(repository: Path) -> None:
    entry = yaml.safe_load((repository / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert entry["usage"]["report"] is True


def test_only_slow_tests_may_run_a_whole_pipeline(finished: tuple[Workspace, Outcome]) -> None:
    """What the other tests of this directory are checked by, on a command that ran one."""
    with pytest.raises(AssertionError, match=r"ran \d+ jobs, expected at most 4, or the marker slow"):
        check_few_jobs(("--cores", "2"), finished[1])
    check_few_jobs(("--cores", "2", "-n"), finished[1])


def test_what_people_see_while_it_runs(finished: tuple[Workspace, Outcome]) -> None:
    """What runs, how far; and in the log of the runs, every epoch with rollouts, gap and sizes of the sets."""
    workspace, outcome = finished
    assert re.search(r"^\d+ of \d+ steps \(\d+%\) done$", outcome.text, re.MULTILINE)
    log = workspace.root / "build/tiny/results/logs/runs/pair/pcpo/000000-000001.log"
    line = r"seed \d epoch \d/2: \d+ rollouts per agent, mean gap [\d.e+-]+, sets of \d to \d agents(, reinitialised)?"
    cost, *lines, computed = log.read_text(encoding="utf-8").splitlines()
    assert COMPUTED.fullmatch(computed)
    assert re.fullmatch(r"2 seeds of pcpo: \d+ rollouts per agent of \d+ steps, .* core seconds in one run", cost)
    assert [bool(re.fullmatch(line, text)) for text in lines] == [True] * 4
