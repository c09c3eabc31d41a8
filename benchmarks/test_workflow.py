"""Planning the whole full configuration, beside what Snakemake takes to start."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .table import Table

ROOT = Path(__file__).resolve().parents[1]


def timed(*arguments: str) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - start, done.stdout


def test_dry_run(benchmark: Any, table: Table) -> None:
    """Best of three each; `--forceall`, so that a finished tree is planned like a fresh one."""
    starts = [timed("--version")[0] for _ in range(3)]
    plans: list[tuple[float, str]] = []
    command = ("-n", "--forceall", "--quiet", "rules", "--configfile", "config/full.yaml")
    benchmark.pedantic(lambda: plans.append(timed(*command)), rounds=3)
    total = re.search(r"^total +(\d+)$", plans[0][1], re.MULTILINE)
    assert total is not None
    table.dry_run = (int(total[1]), min(seconds for seconds, _ in plans), min(starts))
