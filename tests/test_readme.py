"""Check README.md and the other pages: scripts do what is shown, the scenario is valid, links lead to files."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from pcpo.fleets.files import read_fleet
from pcpo.schema import load_schema, validated

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "config/README.md", *(f"docs/{page.name}" for page in ROOT.glob("docs/*.md")))
#: A reader who has never seen the project reads the first page to its end.
MOST_LINES = 150


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def block(page: Path, language: str) -> str:
    """Return the only fenced block of a language."""
    (found,) = blocks(page, language)
    return found


def executed(repository: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script of a page in a separate process, where a warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_readme_is_short_and_begins_with_what_it_is_and_how_to_start(repository: Path) -> None:
    lines = (repository / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    headings = [line for line in lines if line.startswith("#")]
    assert headings[:3] == ["# pcpo", "## Quick start", "## What was found"]
    first, *_ = blocks(repository / "README.md", "sh")
    commands = [line.split("#")[0].strip() for line in first.splitlines()]
    assert len(commands) == 4
    assert commands[2:] == ["make", "make test"]


def test_every_page_is_linked_from_the_readme(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert [page for page in PAGES if page != "README.md" and f"]({page}" not in text] == []


def test_script_prints_the_true_clusters(repository: Path) -> None:
    done = executed(repository, block(repository / "README.md", "python"))
    assert "100%" in done.stderr, "the progress bar has not reached its end"
    fleet = read_fleet(repository / "config/fleets/example.yaml")
    truth = sorted(tuple(members.tolist()) for members in fleet.clusters)
    first, *agents = done.stdout.splitlines()
    assert ast.literal_eval(first.removeprefix("clusters found: ")) == truth
    gaps = [float(line.split("gap ")[1].split(",")[0]) for line in agents]
    assert len(gaps) == fleet.N
    assert all(0 <= gap < fleet.separation for gap in gaps)


@pytest.mark.parametrize("name", ["coop_lsvi", "hierarchical"])
def test_script_of_a_page_prints_what_the_page_says(name: str, repository: Path) -> None:
    page = repository / f"docs/{name}.md"
    assert executed(repository, block(page, "python")).stdout == block(page, "text")


def test_example_fleet_is_not_in_the_order_of_its_clusters(repository: Path) -> None:
    """Check that the order is no default: contiguous clusters would be found by a script that does nothing."""
    labels = read_fleet(repository / "config/fleets/example.yaml").labels
    assert np.any(np.diff(labels) < 0)


def test_scenario_is_valid(repository: Path) -> None:
    config = yaml.safe_load(block(repository / "README.md", "yaml"))
    schema = load_schema(repository / "workflow/schemas/config.schema.yaml")
    checked = validated(config, schema)
    assert checked["featured"] in checked["scenarios"]
    assert all((repository / s["fleet"]["file"]).is_file() for s in checked["scenarios"].values())


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str, repository: Path) -> None:
    path = repository / page
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert page != "README.md" or local
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_make_targets_exist(repository: Path) -> None:
    pages = "".join((repository / page).read_text(encoding="utf-8") for page in ("README.md", "docs/running.md"))
    shown = set(re.findall(r"^make ([a-z-]+)", pages, re.MULTILINE))
    known = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"test", "test-all", "quick"} <= shown <= known


def swallowed(text: str) -> list[str]:
    """List the commands in which a target follows the file of --configfile, which would take it for another file."""
    commands = text.replace("\\\n", " ")
    return re.findall(r"snakemake [^`\n]*--configfile [\w./<>]+ +(?![-#&|\\])[\w./<>]+[^`\n]*", commands)


@pytest.mark.parametrize("page", PAGES)
def test_targets_stand_before_configuration_files(page: str, repository: Path) -> None:
    assert swallowed((repository / page).read_text(encoding="utf-8")) == []


def test_a_target_after_a_configuration_file_is_found() -> None:
    assert swallowed("snakemake --cores all --configfile a.yaml verify\n") != []
    assert swallowed("snakemake --cores all \\\n  --configfile a.yaml \\\n  verify\n") != []
    assert swallowed("snakemake --cores all verify --configfile a.yaml --unlock\n`--configfile a.yaml` says\n") == []
