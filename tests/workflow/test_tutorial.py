"""Execute docs/tutorial.md from top to bottom, and check what it says of reruns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.workspace import SHOW, Once, Outcome, Workspace

BLOCK = re.compile(r"(?:`([\w./]+)`[^`\n]*:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MADE = "build/mine"

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def execute(workspace: Workspace, language: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run a block as a user would, with the commands of this interpreter; a warning in Python is an error."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(workspace.root), "PATH": path, SHOW: "snakemake"}
    command = {"python": [sys.executable, "-W", "error", "-c", code], "sh": ["sh", "-eu", "-c", code]}[language]
    return subprocess.run(
        command, cwd=workspace.root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def follow(workspace: Workspace) -> Outcome:
    """Write every block that is a file and run every other block; stop at the first that fails."""
    said = ""
    for name, language, code in BLOCK.findall((workspace.root / "docs/tutorial.md").read_text(encoding="utf-8")):
        if name:
            workspace.write(name, code)
            continue
        done = execute(workspace, language, code)
        said += f"$ {code}{done.stdout}{done.stderr}"
        if done.returncode:
            return Outcome(done.returncode, said)
    return Outcome(0, said)


@pytest.fixture(scope="session")
def followed(once: Once) -> tuple[Workspace, Outcome]:
    """Return a workspace at the end of the tutorial and the output of its commands."""
    return once("tutorial", follow)


def test_every_block_works(followed: tuple[Workspace, Outcome]) -> None:
    workspace, outcome = followed
    assert outcome.code == 0, outcome.text
    for suffix in ("yaml", "npz", "mat"):
        assert f"{suffix} 4 agents, optimal costs" in outcome.text
    of_files = {line.partition(" ")[2] for line in outcome.text.splitlines() if " agents, optimal costs" in line}
    assert len(of_files) == 1, "the three files hold different fleets"
    assert "model-free, plant saturating" in outcome.text
    assert "cluster 2: agents" in outcome.text
    drawn = re.findall(r"^Job \d+: Figure learning_curves$", outcome.text, re.MULTILINE)
    assert len(drawn) == 2, "made once, and once more by itself"
    assert {p.name for p in workspace.root.iterdir()} >= {"mine", "mine.yaml", "build"}
    assert not (workspace.root / "results").exists()


def test_the_report_is_about_the_scenarios_of_the_tutorial(followed: tuple[Workspace, Outcome]) -> None:
    page = (followed[0].root / MADE / "results/report.html").read_text(encoding="utf-8")
    assert "This report is partial" not in page
    assert "missing:" not in page
    for word in ("two motors", "saturating motors", "halfway", "model-free, plant saturating", "no claim is tested"):
        assert word in page
    assert 'id="verdicts"' not in page
    shown = ("fleets", "elimination", "elimination_saturating", "learning_curves", "baselines")
    assert set(re.findall(r'id="figure-(\w+)"', page)) == set(shown)
    notebook = (followed[0].root / MADE / "results/notebooks/comparison.html").read_text(encoding="utf-8")
    assert "missing:" not in notebook
    assert "baselines" in notebook
    assert "Negative transfer" not in notebook
    drawn = pd.read_csv(followed[0].root / MADE / "figures/baselines.csv")
    assert set(drawn["method"]) == {"PCPO", "Together, then alone"}


REPORT = {"Notebook comparison", "Report"}
HALFWAY = {"Tuning halfway in scenario motors", "Runs of halfway in scenario motors, seeds 000000-000001"}
SATURATING = {"Runs of pcpo_auto in scenario saturating, seeds 000000-000001"}
CHANGES = {
    "mine/halfway.py": HALFWAY | {"Figure baselines"} | REPORT,
    "mine/saturating.py": SATURATING | {"Figure elimination_saturating", "Figure learning_curves"} | REPORT,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_reruns_what_it_made_and_nothing_else(
    name: str, followed: tuple[Workspace, Outcome], tmp_path: Path
) -> None:
    workspace = followed[0].clone(tmp_path / "w")
    with (workspace.root / name).open("a", encoding="utf-8") as stream:
        stream.write("\n# a comment\n")
    done = execute(workspace, "sh", "snakemake --configfile mine.yaml --nocolor --dry-run")
    assert Outcome(done.returncode, done.stdout + done.stderr).jobs == CHANGES[name], done.stdout + done.stderr
