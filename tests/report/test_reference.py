"""docs/reference: taken whole from one commit's results, and the pages show exactly what is kept there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.report_tree import TOY, toy_tree

from pcpo.errors import ResultsError
from pcpo.evidence.registry import GROUPS, load_group
from pcpo.report.reference import PAGE, main, pages_of, read_reference, write_reference
from pcpo.report.results import FIGURES, readme_block, results_page
from pcpo.report.standing import TABLE, read_standing, standing, standing_sentence

BEGIN, END = "<!-- reference: begin (by a tool) -->", "<!-- reference: end -->"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def tree(repository: Path, tmp_path: Path) -> Path:
    """Make a complete run of one commit, and a checkout to write to."""
    (tmp_path / "run").mkdir()
    root = toy_tree(tmp_path / "run")
    for path in root.rglob("*.parquet"):
        relabel(path, COMMIT)
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout/README.md").write_text(
        f"# toy\n\n{BEGIN}\nof an earlier run\n{END}\n\n## Run it\n", encoding="utf-8"
    )
    return tmp_path


def relabel(path: Path, commit: str) -> None:
    table = pq.read_table(path)
    notes = {key: value for key, value in table.schema.metadata.items()}
    (own,) = [key for key in notes if key in (b"pcpo", b"pcpo-study")]
    notes[own] = json.dumps({**json.loads(notes[own]), "commit": commit}).encode()
    pq.write_table(table.replace_schema_metadata(notes), path)


def test_reference_is_the_run(tree: Path) -> None:
    folder = write_reference(tree / "run", tree / "checkout", TOY)
    assert (folder / "verdicts.csv").read_bytes() == (tree / "run/results/verdicts.csv").read_bytes()
    verdicts, provenance = read_reference(folder)
    assert provenance["commit"] == COMMIT
    assert provenance["configuration"] == "run"
    for name, digest in provenance["figures_sha256"].items():
        assert hashlib.sha256((folder / f"{name}.png").read_bytes()).hexdigest() == digest
    page = (tree / "checkout/README.md").read_text(encoding="utf-8")
    methods = read_standing(folder)
    assert methods is not None
    assert (folder / TABLE).read_bytes() == (tree / "run/figures/baselines.csv").read_bytes()
    block, results = readme_block(verdicts, provenance, methods), results_page(verdicts, provenance, methods)
    assert page == f"# toy\n\n{BEGIN}\n{block}{END}\n\n## Run it\n"
    assert "Results of `config/run.yaml`" in page
    assert "of an earlier run" not in page
    assert (tree / "checkout" / PAGE).read_text(encoding="utf-8") == results
    assert "| The ratio is one | of the paper | Theorem 1, eq. (10) | **supported** |" in results
    assert "| ≤ 2.5 % |" in results
    for name in ("gone.png", "gone.csv", "kept.json"):
        (folder / name).write_text("of an earlier reference", encoding="utf-8")
    write_reference(tree / "run", tree / "checkout", TOY)
    assert (tree / "checkout/README.md").read_text(encoding="utf-8") == page
    assert [path.name for path in folder.iterdir() if path.stem in ("gone", "kept")] == ["kept.json"]


def _dirty(tree: Path) -> None:
    for path in (tree / "run").rglob("*.parquet"):
        relabel(path, f"{COMMIT}-dirty")


def _two_commits(tree: Path) -> None:
    runs = next((tree / "run/results/runs").rglob("*.parquet"))
    relabel(Path(shutil.copyfile(runs, runs.with_name("000002-000003.parquet"))), "f" * 40)


def _two_studies(tree: Path) -> None:
    relabel(next((tree / "run/results/evidence").rglob("*.parquet")), "f" * 40)


def _no_figure(tree: Path) -> None:
    (tree / "run/figures/toy_event.png").unlink()


def _no_comparison(tree: Path) -> None:
    (tree / "run/figures/baselines.png").unlink()


def _no_verdicts(tree: Path) -> None:
    (tree / "run/results/verdicts.csv").unlink()


def _no_marks(tree: Path) -> None:
    (tree / "checkout/README.md").write_text(f"# toy\n{END}\n{BEGIN}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_dirty, "found tables made at .*-dirty"),
        (_two_commits, "comparison: found tables of 2 commits"),
        (_two_studies, "found comparison of commit .* and toy of ffffffffffff, expected a run of one commit"),
        (_no_figure, "found no figure toy_event"),
        (_no_comparison, "found no figure baselines"),
        (_no_verdicts, "found no results/verdicts.csv"),
        (_no_marks, r"README\.md: reference: found 0 pairs of marks, expected one"),
    ],
)
def test_refusals_write_nothing(tree: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(tree)
    before = (tree / "checkout/README.md").read_bytes()
    with pytest.raises(ResultsError, match=message):
        write_reference(tree / "run", tree / "checkout", TOY)
    assert (tree / "checkout/README.md").read_bytes() == before
    assert not (tree / "checkout/docs").exists()


def test_command_line_says_what_is_missing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The declared groups are not in the toy run."""
    assert main(["--root", str(tree / "run"), "--repository", str(tree / "checkout")]) == 1
    assert "found" in capsys.readouterr().err


def shown(repository: Path, folder: Path) -> dict[Path, str]:
    """The pages of the repository with the results of a folder."""
    return pages_of(repository, *read_reference(folder), read_standing(folder))


def test_the_pages_show_the_reference(repository: Path) -> None:
    """Every number at the head of README.md and in docs/results.md is that of docs/reference/."""
    pages = shown(repository, repository / "docs/reference")
    assert set(pages) == {repository / "README.md", repository / PAGE}
    for page, text in pages.items():
        assert page.read_text(encoding="utf-8") == text, "run `python -m tools.head`"


def test_reference_is_of_the_declared_claims(repository: Path) -> None:
    """Every claim of the reference is still declared, in this order, and all figures are as they were made."""
    folder = repository / "docs/reference"
    verdicts, provenance = read_reference(folder)
    claims = verdicts[verdicts["role"] == "claim"]
    for name, rows in claims.groupby("group"):
        declared = [claim.id for claim in load_group(str(name)).claims]
        assert list(rows["claim"]) == [claim for claim in declared if claim in set(rows["claim"])]
    assert set(claims["group"]) <= set(GROUPS)
    assert len(provenance["commit"]) == 40
    assert provenance["judged_at"] == provenance["commit"]
    for name, digest in provenance["figures_sha256"].items():
        assert hashlib.sha256((folder / f"{name}.png").read_bytes()).hexdigest() == digest, name
    own = {f"{name}.png" for name in provenance["figures_sha256"]} | {"verdicts.csv", "provenance.json", TABLE}
    assert {path.name for path in folder.iterdir() if path.is_file()} == own


def test_a_changed_reference_is_noticed(repository: Path, tmp_path: Path) -> None:
    """Control of the comparison above: a verdict changed by hand no longer gives the texts of the pages."""
    folder = Path(shutil.copytree(repository / "docs/reference", tmp_path / "reference"))
    text = (folder / "verdicts.csv").read_text(encoding="utf-8")
    changed = text.replace(",supported,the interval", ",refuted,the interval", 1)
    assert changed != text
    (folder / "verdicts.csv").write_text(changed, encoding="utf-8")
    for page, expected in shown(repository, folder).items():
        assert page.read_text(encoding="utf-8") != expected


def test_the_page_begins_with_what_is_refuted_then_undecided(tree: Path) -> None:
    verdicts, provenance = read_reference(write_reference(tree / "run", tree / "checkout", TOY))
    verdicts.loc[verdicts["role"] == "claim", "verdict"] = ["inconclusive", "supported", "refuted", "supported"]
    first, rest = results_page(verdicts, provenance).split("\n## What is not supported\n")[1].split("\n## ", 1)
    assert [line.split(" | ")[3] for line in first.splitlines() if "**" in line] == ["**refuted**", "**inconclusive**"]
    table = rest.split("\n## All 4 claims\n")[1]
    assert table.count("| **") == 4
    verdicts["verdict"] = "supported"
    assert "\n## What is not supported\n\nNone.\n" in results_page(verdicts, provenance)


def test_figures_are_those_that_the_reference_has(tree: Path) -> None:
    """The toy run has none of them."""
    verdicts, provenance = read_reference(write_reference(tree / "run", tree / "checkout", TOY))
    assert "![" not in readme_block(verdicts, provenance) + results_page(verdicts, provenance)
    has = {**provenance, "figures_sha256": dict.fromkeys(FIGURES, "")}
    assert readme_block(verdicts, has).count("](docs/reference/") == 1
    assert results_page(verdicts, has).count("](reference/") == len(FIGURES) + 1


def test_the_head_says_how_pcpo_stands_from_the_numbers_of_the_figure() -> None:
    shared = {"title": "no common gain", "runs": 10}
    rows = [
        {"algorithm": "pcpo", "method": "PCPO", "gap": 0.5, "failed": 0},
        {"algorithm": "local", "method": "Local PO", "gap": 0.51, "failed": 0},
        {"algorithm": "ifca", "method": "IFCA", "gap": 0.1, "failed": 0},
        {"algorithm": "cluster_sysid", "method": "Clustered sys-ID", "gap": 5e-4, "failed": 0},
        {"algorithm": "fedlqr_sync", "method": "FedLQR, synchronised", "gap": np.inf, "failed": 10},
    ]
    table = pd.DataFrame([{**shared, **row} for row in rows])
    [line, empty] = standing(table)
    assert empty == ""
    assert "no common gain" in line
    assert "2 of 4 methods end below PCPO" in line
    assert standing_sentence(table) == (
        "Other methods whose mean gap ends below that of PCPO: 2 of 4 on *no common gain*."
    )
    assert line.endswith(
        "Clustered sys-ID (told H, sees trajectories) 0.001; IFCA (told H) 0.2; Local PO 1.02; "
        "FedLQR, synchronised ∞ (10 of 10 runs lost)."
    )
    changed = table.assign(gap=table["gap"].where(table["algorithm"] != "local", 0.25))
    assert "Local PO 0.5;" in next(iter(standing(changed)))
    assert standing_sentence(None) == ""
    assert list(standing(None)) == list(standing(table[table["algorithm"] == "local"])) == []
