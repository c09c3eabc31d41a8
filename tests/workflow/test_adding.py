"""Follow docs/adding.md literally in a copy of the checkout: everything that it adds is found and works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.workspace import SHOW, Once, Outcome, Workspace

#: A fenced block, with the words before it that name a file: "In `file`:" or "In `file`, after the line `…`:".
BLOCK = re.compile(
    r"(?:[Ii]n\s`(?P<file>[\w./]+)`"
    r"(?:, (?P<where>before|after) the line (?:``(?P<quoted>.+?)``|`(?P<line>[^`\n]+)`))?:\n\n)?"
    r"^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

CHECK = """
import numpy as np

from pcpo.algorithms.extensions import load_extensions
from pcpo.algorithms.registry import make_algorithm
from pcpo.claims.judging import judge
from pcpo.claims.tables import simulated
from pcpo.evidence.registry import load_figure as evidence_figure
from pcpo.evidence.registry import load_group
from pcpo.figures.registry import Results, load_figure
from pcpo import Experiment, read_fleet

group = load_group("noise")
assert [claim.id for claim in group.claims] == ["noise.bounded", "noise.covariance"]
[study] = group.studies
tables = {"noise": simulated(study, {"draws": 400}, range(40))}
verdicts = judge(group.name, group.claims, tables)
by_role = verdicts.groupby("role")["verdict"].agg(list)
assert by_role["claim"] == ["supported", "supported"], verdicts
assert by_role["negative_control"] == ["refuted", "refuted"], verdicts
assert by_role["power"] == ["supported", "supported"], verdicts
for name in ("noise", "noise_norms"):
    entry = evidence_figure(name)
    assert entry.draw(entry.table(tables)).axes

fleet = read_fleet("config/fleets/two_motors.yaml")
experiment = Experiment.calibrated(fleet, Delta0=8, minibatch_scale=0.02, epochs=2)
load_extensions(["mine/mostly_alone.py"])
runs = {name: experiment.run(name, seed=0) for name in ("pcpo", "halfway", "mostly_alone")}
assert make_algorithm("halfway").name == "halfway"
assert len({int(frame["rollouts"].max()) for frame in runs.values()}) == 1

entry = load_figure("histogram")
results = Results({"motors": "two motors"})
results.__dict__["runs"] = runs["pcpo"]
numbers = entry.table(results)
assert len(numbers) == fleet.N
assert entry.draw(numbers).axes
"""

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def execute(workspace: Workspace, *command: str) -> Outcome:
    """Run a command in the copy, with the copy's package and this interpreter's programs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(workspace.root), "PATH": path, SHOW: "snakemake"}
    done = subprocess.run(
        command, cwd=workspace.root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    return Outcome(done.returncode, done.stdout + done.stderr)


def inserted(text: str, where: str, line: str, code: str) -> str:
    """Put a block before or after the only line that reads so, as far in as the block's new neighbours."""
    lines = text.splitlines(keepends=True)
    [index] = [k for k, found in enumerate(lines) if found.strip() == line]
    opens = where == "after" and line.endswith(("(", "[", "{"))
    margin = " " * (len(lines[index]) - len(lines[index].lstrip()) + 4 * opens)
    block = [margin + row if row.strip() else row for row in code.splitlines(keepends=True)]
    at = index + (where == "after")
    return "".join([*lines[:at], *block, *lines[at:]])


def follow(workspace: Workspace) -> Outcome:
    """Write every block that names a file, and run every other one; stop at the first that fails."""
    said = ""
    for found in BLOCK.finditer((workspace.root / "docs/adding.md").read_text(encoding="utf-8")):
        code = found["code"]
        if found["file"] and found["where"]:
            path = workspace.root / found["file"]
            line = found["quoted"] or found["line"]
            workspace.write(found["file"], inserted(path.read_text(encoding="utf-8"), found["where"], line, code))
        elif found["file"]:
            assert not (workspace.root / found["file"]).exists(), found["file"]
            workspace.write(found["file"], code)
        else:
            assert found["language"] == "sh", f"a block without a file's name:\n{code}"
            done = execute(workspace, "sh", "-eu", "-c", code)
            said += f"$ {code}{done.text}"
            if done.code:
                return Outcome(done.code, said)
    return Outcome(0, said)


@pytest.fixture(scope="session")
def added(once: Once) -> tuple[Workspace, Outcome]:
    """A copy of the checkout after everything on the page, and all that its commands said."""
    return once("adding", follow)


def test_every_block_is_used(repository: Path) -> None:
    page = (repository / "docs/adding.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^```\w+$", page, re.MULTILINE)) == len(list(BLOCK.finditer(page))) == 19


def test_the_dry_run_lists_what_was_added(added: tuple[Workspace, Outcome]) -> None:
    outcome = added[1]
    assert outcome.code == 0, outcome.text
    assert outcome.jobs >= {
        "Figure histogram",
        "Figure noise",
        "Figure noise_norms",
        "Study noise, seeds 000000-000019",
        "Verdicts of group noise",
        "Notebook noise",
        "Runs of halfway in scenario motors, seeds 000000-000001",
        "Runs of mostly_alone in scenario motors, seeds 000000-000001",
    }, outcome.text


def test_what_was_added_works(added: tuple[Workspace, Outcome]) -> None:
    done = execute(added[0], sys.executable, "-W", "error", "-c", CHECK)
    assert done.code == 0, done.text


def test_what_was_added_is_in_the_style_of_the_package(added: tuple[Workspace, Outcome]) -> None:
    root = added[0].root
    places = ["pcpo/figures/histogram.py", "pcpo/evidence/noise", "pcpo/algorithms/baselines/halfway.py"]
    done = execute(added[0], sys.executable, "-m", "ruff", "check", "--line-length", "120", *places)
    assert done.code == 0, done.text
    done = execute(added[0], sys.executable, "-m", "ruff", "format", "--check", "--line-length", "120", *places)
    assert done.code == 0, done.text
    assert (root / "pcpo/evidence/noise").is_dir()
