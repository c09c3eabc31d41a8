"""Whatever breaks a run off or spoils its files, the next command ends with the files of an undisturbed run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.workspace import Once, Workspace, edited

pytestmark = pytest.mark.slow

#: One run of four epochs, the last of which takes some seconds: time to be killed in.
SLOW = edited(
    scenarios__pair__schedule={"mode": "calibrated", "Delta0": 12, "minibatch_scale": 0.3},
    scenarios__pair__budget={"epochs": 4},
    scenarios__pair__seeds={"first": 0, "count": 1},
)
del SLOW["scenarios"]["single"]
TARGET = "build/tiny/figures/elimination.pdf"
RUNS = "build/tiny/results/runs/pair/pcpo/000000-000000.parquet"
LOG = "build/tiny/results/logs/runs/pair/pcpo/000000-000000.log"
CHECKPOINT = "build/tiny/results/checkpoints/pair/pcpo/0.npz"
PLAN = "build/tiny/results/plans/pair.json"
COMMAND = ("--cores", "2", TARGET)
FINAL = re.compile(r"^build/tiny/(figures|results/(fleets|plans|runs|checkpoints))/")


def final(workspace: Workspace) -> dict[str, bytes]:
    """Every file of results and figures, those that should not be there included; set-aside ones are the user's."""
    found = {name: content for name, content in workspace.files().items() if FINAL.match(name)}
    return {name: content for name, content in found.items() if not name.endswith(".altered")}


def needed(workspace: Workspace) -> dict[str, bytes]:
    """Those of them that TARGET needs."""
    stem = TARGET.removesuffix(".pdf")
    return {name: content for name, content in final(workspace).items() if "/figures/" not in name or stem in name}


def prepared(workspace: Workspace) -> Workspace:
    workspace.configure(SLOW)
    return workspace


@pytest.fixture(scope="session")
def undisturbed(once: Once) -> Workspace:
    workspace, outcome = once("undisturbed", lambda workspace: prepared(workspace).snakemake("--cores", "2"))
    assert outcome.code == 0, outcome.text
    return workspace


@pytest.fixture
def slow(fresh: Workspace) -> Workspace:
    return prepared(fresh)


def begun(workspace: Workspace) -> subprocess.Popen[str]:
    """The command as a process group of its own, as from a terminal, once a checkpoint of its run is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", "--nocolor", *COMMAND],
        cwd=workspace.root,
        env={**os.environ, "PYTHONPATH": str(workspace.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    waited = time.monotonic() + 120
    while not (workspace.root / CHECKPOINT).exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < waited, "no checkpoint within two minutes"
        time.sleep(0.02)
    assert not (workspace.root / RUNS).exists(), "the run is over before it can be disturbed"
    return process


def job_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The process that simulates: an interpreter of its script, or a fork that has its name."""
    children = psutil.Process(process.pid).children(recursive=True)
    return next(c for c in reversed(children) if any("run_seeds" in word for word in [c.name(), *c.cmdline()]))


def kill_the_job(process: subprocess.Popen[str]) -> None:
    job_of(process).send_signal(signal.SIGKILL)


def kill_snakemake_alone(process: subprocess.Popen[str]) -> None:
    """Its job lives on; it is gone before the next command, as after some minutes it would be."""
    job = job_of(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert job.is_running()
    job.wait(timeout=120)


def kill_everything(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C: the terminal tells the whole group."""
    os.killpg(process.pid, signal.SIGINT)


#: What is done, whether a lock remains, and whether the run resumes at its checkpoint.
BREAKS: dict[str, tuple[Callable[[subprocess.Popen[str]], None], bool, bool]] = {
    "the job is killed": (kill_the_job, False, True),
    "Snakemake is killed and its job is not": (kill_snakemake_alone, True, False),
    "everything is killed": (kill_everything, True, True),
    "Ctrl-C": (interrupt, False, True),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_command_broken_off_in_the_middle_of_a_run(name: str, slow: Workspace, undisturbed: Workspace) -> None:
    breaks, locked, resumed = BREAKS[name]
    process = begun(slow)
    breaks(process)
    text = process.communicate(timeout=120)[0]
    assert process.returncode != 0, text
    if locked:
        refused = slow.snakemake(*COMMAND)
        assert refused.code != 0
        assert "It can be removed with the --unlock argument" in refused.text
        assert slow.snakemake("--unlock", "--cores", "1").code == 0
    outcome = slow.snakemake(*COMMAND)
    assert outcome.code == 0, outcome.text
    assert final(slow) == needed(undisturbed)
    assert bool(re.search(r"^seed 0 resumes after epoch \d", (slow.root / LOG).read_text(), re.MULTILINE)) == resumed


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def removed(path: Path) -> None:
    path.unlink()


def one_bit_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


SPOILT = [(truncated, RUNS), (one_bit_flipped, TARGET), (removed, PLAN)]


@pytest.mark.parametrize(("spoil", "name"), SPOILT)
def test_a_spoilt_file_is_made_again(
    spoil: Callable[[Path], None], name: str, undisturbed: Workspace, tmp_path: Path
) -> None:
    clone = undisturbed.clone(tmp_path / "w")
    spoil(clone.root / name)
    assert final(clone) != final(undisturbed)
    outcome = clone.snakemake("--cores", "2")
    assert outcome.code == 0, outcome.text
    assert final(clone) == final(undisturbed)
    if spoil is not removed:
        assert f"{name}: found " in outcome.text
        assert (clone.root / f"{name}.altered").exists()


def test_a_dry_run_touches_nothing(undisturbed: Workspace, tmp_path: Path) -> None:
    clone = undisturbed.clone(tmp_path / "w")
    truncated(clone.root / RUNS)
    before = clone.files()
    assert clone.snakemake("-n", TARGET).code == 0
    assert clone.files() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB that is full but for what is freed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None and _mount(disk)
    if not mounted:
        pytest.skip("no small disk can be mounted here: that needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


def _mount(disk: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def fill(disk: Path, leave: int) -> Path:
    """A file that takes all room of the disk but `leave` bytes."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    ballast.write_bytes(b"\0" * (free - leave))
    return ballast


def test_a_full_disk(small_disk: Path, compiled: Path, undisturbed: Workspace) -> None:
    workspace = prepared(Workspace.create(compiled, small_disk / "w"))
    assert workspace.snakemake("--cores", "1", PLAN).code == 0
    ballast = fill(small_disk, leave=40960)
    full = workspace.snakemake(*COMMAND)
    assert full.code != 0, full.text
    assert "No space left on device" in full.text
    ballast.unlink()
    if "--unlock" in (outcome := workspace.snakemake(*COMMAND)).text:
        assert workspace.snakemake("--unlock", "--cores", "1").code == 0
        outcome = workspace.snakemake(*COMMAND)
    assert outcome.code == 0, outcome.text
    assert final(workspace) == needed(undisturbed)
