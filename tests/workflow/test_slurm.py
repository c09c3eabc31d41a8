"""The quick configuration through a real Slurm of one node, with profiles/slurm: the same bytes as without it.

`PCPO_QUICK_RUN` names the directory of a local run of this very checkout (build/quick) to compare with, which may end
later than the one through Slurm; then a part of the configuration, with a job of most rules, goes through Slurm.
Without it the test makes the local run, and all of the configuration goes.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support.slurm_node import MARK, asked, is_foreign, node, obstacle
from support.trees import compared, differences
from support.workspace import Outcome, Workspace

from pcpo.report.page import build_report

QUICK = "config/quick.yaml"
#: The part: two scenarios' runs with a figure of them, and two groups of claims.
PART = ("figures/elimination.pdf", "figures/learning_curves.pdf", "results/verdicts/communication.csv")
PART += ("results/notebooks/scaling.html", "figures/scaling.pdf")
#: What one machine has otherwise than a cluster: no late files, no accounts, an answer at once.
HERE = ("--latency-wait", "5", "--slurm-status-command", "squeue")
HERE += ("--slurm-init-seconds-before-status-checks", "1")
#: Two Slurm jobs at each of three levels, one for each core: the plugin looks after 1, 12, 33, 64 … seconds.
HERE += ("--group-components", "simulate=3", "present=6")
PROFILE = Path(__file__).parents[2] / "profiles/slurm/config.yaml"
GROUPS = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))["groups"]
HERE += ("--groups", *(f"{rule}={'simulate' if group == 'prepare' else group}" for rule, group in GROUPS.items()))


def run_quick(repository: Path, root: Path, *arguments: str) -> tuple[Path, Outcome]:
    """The quick configuration in a copy of the workflow; the package is the checkout's own, compiled or not."""
    workspace = Workspace.create(repository, root)
    outcome = workspace.snakemake(*arguments, configuration=QUICK, package=repository, timeout=1800)
    return root / "build/quick", outcome


@pytest.fixture(scope="module")
def local(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished local run."""
    if given := os.environ.get("PCPO_QUICK_RUN"):
        ends = time.monotonic() + 1800
        while not (Path(given) / "results/report.html").exists() and time.monotonic() < ends:
            time.sleep(1)
        return Path(given)
    root, outcome = run_quick(repository, tmp_path_factory.mktemp("quick") / "local", "--cores", "2")
    assert outcome.code == 0, outcome.text
    return root


@pytest.mark.slow
@pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))
def test_through_slurm_the_quick_configuration_makes_the_same_bytes(
    repository: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    part = [f"build/quick/{name}" for name in PART] if os.environ.get("PCPO_QUICK_RUN") else []
    with node(tmp_path / "slurm", cpus=2):
        root, outcome = run_quick(repository, tmp_path / "remote", *part, "--workflow-profile", "profiles/slurm", *HERE)
        states = asked("squeue", "--noheader", "--states=all", "--format=%A %T").splitlines()
    assert outcome.code == 0, outcome.text
    submitted = re.findall(r"submitted with SLURM jobid (\d+)", outcome.text)
    assert sorted(states) == sorted(f"{number} COMPLETED" for number in submitted)
    (planned,) = {int(total) for total in re.findall(r"^total +(\d+)$", outcome.text, re.MULTILINE)}
    assert 0 < len(submitted) <= planned / 2, "jobs are not grouped"
    assert outcome.jobs == set(), "what is in no group stands at the beginning of a line"
    local: Path = request.getfixturevalue("local")
    assert len(compared(local)) > 50
    assert len(compared(root)) > (15 if part else 50)
    assert [line for line in differences(local, root) if not (part and line.endswith(f"only in {local}"))] == []
    if part:
        return
    pages = (build_report(run, tmp_path / f"{number}.html", spent=False) for number, run in enumerate((local, root)))
    assert len({page.read_bytes() for page in pages}) == 1


def _one_byte(root: Path) -> str:
    path = root / "results/a.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    return "results/a.parquet: differs"


def _one_less(root: Path) -> str:
    (root / "figures/b.png").unlink()
    return "figures/b.png: only in {other}"


def _one_more(root: Path) -> str:
    (root / "figures/c.png").touch()
    return "figures/c.png: only in {root}"


@pytest.mark.parametrize("damage", [_one_byte, _one_less, _one_more])
def test_comparison_sees_a_change(damage: Callable[[Path], str], tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for name in ("results/a.parquet", "figures/b.png", "results/logs/a.log", "results/benchmarks/a.tsv"):
        (first / name).parent.mkdir(parents=True, exist_ok=True)
        (first / name).write_bytes(name.encode() + b"\0")
    shutil.copytree(first, second)
    for name in ("results/logs/a.log", "results/benchmarks/a.tsv"):
        (second / name).write_text("another time", encoding="utf-8")
    assert differences(first, second) == []
    line = damage(second).format(root=second, other=first)
    assert differences(first, second) == [line]
    assert differences(second, first) == [line]


def test_a_foreign_configuration_of_slurm_is_left_alone(tmp_path: Path) -> None:
    configuration = tmp_path / "slurm.conf"
    configuration.write_text("ClusterName=production\n", encoding="utf-8")
    with pytest.raises(RuntimeError), node(tmp_path / "state", cpus=2, configuration=configuration):
        pass
    assert configuration.read_text(encoding="utf-8") == "ClusterName=production\n"
    assert is_foreign(configuration)
    configuration.write_text(f"{MARK}ClusterName=one\n", encoding="utf-8")
    assert not is_foreign(configuration)
