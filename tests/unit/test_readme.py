"""What README.md shows happens: its script finds the clusters, its scenario is valid, its links lead somewhere."""

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

from pcpo.config import load_schema, validated
from pcpo.fleet_io import read_fleet

PAGES = ("README.md", "CONTRIBUTING.md", "config/README.md")
PAGES += tuple(f"docs/{name}.md" for name in ("cluster", "evidence", "methods", "reading", "tutorial"))


def block(repository: Path, language: str) -> str:
    """The only fenced block of that language in README.md."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_script_prints_the_true_clusters(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block(repository, "python")],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr, "the progress bar has not reached its end"
    fleet = read_fleet(repository / "config/fleets/example.yaml")
    truth = sorted(tuple(members.tolist()) for members in fleet.clusters)
    first, *agents = done.stdout.splitlines()
    assert ast.literal_eval(first.removeprefix("clusters found: ")) == truth
    gaps = [float(line.split("gap ")[1].split(",")[0]) for line in agents]
    assert len(gaps) == fleet.N
    assert all(0 <= gap < fleet.separation for gap in gaps)


def test_example_fleet_is_not_in_the_order_of_its_clusters(repository: Path) -> None:
    """Otherwise the script above would find contiguous clusters, which a default order gives as well."""
    labels = read_fleet(repository / "config/fleets/example.yaml").labels
    assert np.any(np.diff(labels) < 0)


def test_scenario_is_valid(repository: Path) -> None:
    config = yaml.safe_load(block(repository, "yaml"))
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
    shown = set(re.findall(r"^make ([a-z]+)", (repository / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    known = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"test", "quick"} <= shown <= known
