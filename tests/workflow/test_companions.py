"""Companion studies, which the quick job leaves out: the workflow makes their tables, from sources of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.workspace import Workspace, edited

from pcpo.evidence import GROUPS

#: A study without compiled kernels, by group.
CHEAP = {"hierarchical": "hierarchical_systems", "coop_lsvi": "coop_lsvi_exact"}


def append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n# a comment\n")


@pytest.mark.parametrize("group", CHEAP)
def test_a_table_is_made_and_depends_on_its_own_numerics(group: str, fresh: Workspace) -> None:
    fresh.configure(edited(evidence={study: {"count": 1} for study in GROUPS[group].studies}))
    table = f"build/tiny/results/evidence/{CHEAP[group]}/000000-000000.parquet"
    job = {f"Study {CHEAP[group]}, seeds 000000-000000"}
    made = fresh.snakemake("--cores", "1", table)
    assert made.code == 0, made.text
    assert made.jobs == job
    append(fresh.root / "pcpo/evidence/fedlqr/model/algorithm.py")
    for other in set(CHEAP) - {group}:
        append(fresh.root / f"pcpo/studies/{other}/__init__.py")
    assert fresh.snakemake("-n", table).jobs == set()
    append(fresh.root / f"pcpo/studies/{group}/__init__.py")
    assert fresh.snakemake("-n", table).jobs == job
