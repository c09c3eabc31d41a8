"""What the script of each kind of job loads before it knows what to do: nothing that it may not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow/scripts"
#: Each takes a noticeable part of a second.
SLOW = {
    "IPython",
    "matplotlib",
    "numba",
    "pandas",
    "pyarrow",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.stats",
    "seaborn",
}
TABLES = {"pandas", "pyarrow"}
KERNELS = {"numba", "scipy.linalg"}
MAY = {
    "draw_evidence": TABLES,
    "draw_figure": TABLES | KERNELS,
    "draw_film": TABLES | KERNELS,
    "join_verdicts": TABLES | KERNELS,
    "judge_group": TABLES,
    "make_fleet": KERNELS,
    "make_plan": TABLES | KERNELS,
    "make_report": TABLES | KERNELS,
    "run_notebook": TABLES | KERNELS,
    "run_seeds": TABLES | KERNELS,
    "run_study": TABLES,
    "tune": TABLES | KERNELS,
    "verify_run": TABLES,
}


def loaded(script: str) -> set[str]:
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import {script}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & SLOW


def test_every_script_is_listed() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(MAY)


@pytest.mark.parametrize("script", MAY)
def test_a_script_loads_nothing_slow_that_its_job_may_not_need(script: str) -> None:
    assert loaded(script) <= MAY[script]


def test_what_is_loaded_is_seen() -> None:
    assert loaded("run_seeds") >= KERNELS
