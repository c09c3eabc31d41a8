"""Studies in the workflow: a table is made, and rerun by changes of the code that it runs and by no others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.workspace import Workspace, edited

from pcpo.evidence.registry import GROUPS

#: A study without compiled kernels, by group.
CHEAP = {"hierarchical": "hierarchical_systems", "coop_lsvi": "coop_lsvi_exact"}
#: Files that no study of a companion runs.
OTHERS = (
    "pcpo/algorithms/baselines/ifca.py",
    "pcpo/algorithms/pcpo.py",
    "pcpo/evidence/fedlqr/model/algorithm.py",
    "pcpo/figures/style.py",
    "pcpo/claims/judging.py",
    "pcpo/statistics.py",
    "pcpo/report/page.py",
)
#: Files that every study runs, beside its own: what fills in defaults of options, and what writes tables.
COMMON = ("pcpo/schema.py", "pcpo/claims/options.py", "pcpo/storage/tables.py", "workflow/scripts/run_study.py")


def changed(workspace: Workspace, names: Sequence[str], table: str) -> set[str]:
    """Return the jobs that would run after a comment is added to some files; the files are restored."""
    contents = {workspace.root / name: (workspace.root / name).read_bytes() for name in names}
    for path, content in contents.items():
        path.write_bytes(content + (b"\n<!-- a comment -->\n" if path.suffix == ".md" else b"\n# a comment\n"))
    try:
        outcome = workspace.snakemake("-n", table)
    finally:
        for path, content in contents.items():
            path.write_bytes(content)
    assert outcome.code == 0, outcome.text
    return outcome.jobs


@pytest.mark.slow
@pytest.mark.parametrize("group", CHEAP)
def test_a_table_depends_on_the_code_that_it_runs_and_on_no_other(group: str, fresh: Workspace) -> None:
    fresh.configure(edited(evidence={study: {"count": 1} for study in GROUPS[group].studies}))
    table = f"build/tiny/results/evidence/{CHEAP[group]}/000000-000000.parquet"
    job = {f"Study {CHEAP[group]}, seeds 000000-000000"}
    made = fresh.snakemake("--cores", "1", table)
    assert made.code == 0, made.text
    assert made.jobs == job
    folder = Path("pcpo/evidence") / group
    idle = [*OTHERS, *(str(folder / name) for name in ("claims.py", "claims.md", "figures.py", "measures.py"))]
    idle += [f"pcpo/evidence/{other}/model/__init__.py" for other in set(CHEAP) - {group}]
    # All at once: where none of them counts, no one does.  Which one it was is looked for only if there is one.
    if changed(fresh, idle, table):
        assert {name: changed(fresh, [name], table) for name in idle} == {name: set() for name in idle}
        pytest.fail("files of which none counts alone count together")
    module = GROUPS[group].studies[CHEAP[group]].replace(".", "/")
    used = [*COMMON, f"{module}.py", str(folder / "model/__init__.py")]
    assert {name: changed(fresh, [name], table) for name in used} == {name: job for name in used}
