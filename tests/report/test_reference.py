"""docs/reference: taken whole from one commit's results, and the pages show exactly what is kept there."""

from __future__ import annotations

import hashlib
import json
import re
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
from pcpo.report.kept.choice import SITUATIONS, Compared, Measured, Situation, choice_table
from pcpo.report.kept.results import FIGURES, readme_block, results_page
from pcpo.report.kept.standing import TABLE, read_standing, standing, standing_sentence
from pcpo.report.reference import (
    CHOICE_PAGE,
    PAGE,
    kept_parts,
    main,
    pages_of,
    read_reference,
    with_results,
    write_part,
    write_reference,
)
from pcpo.report.sentences import number
from pcpo.report.store import read_verdicts

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
    """The pages of the repository with the results of a folder in place of those of docs/reference."""
    return pages_of(repository, *read_reference(folder), read_standing(folder), kept_parts(repository))


def test_the_pages_show_the_reference(repository: Path) -> None:
    """Every number at the head of README.md and in docs/results.md is that of docs/reference/."""
    pages = with_results(repository)
    assert set(pages) == {repository / "README.md", repository / PAGE, repository / CHOICE_PAGE}
    for page, text in pages.items():
        assert page.read_text(encoding="utf-8") == text, "run `python -m tools.head`"


def test_reference_is_of_the_declared_claims(repository: Path) -> None:
    """Every kept claim is still declared, in this order, and all figures are as they were made."""
    folder = repository / "docs/reference"
    seen: list[str] = []
    for name in ["", *(part.name for part in kept_parts(repository))]:
        verdicts, provenance = read_reference(folder / name)
        claims = verdicts[verdicts["role"] == "claim"]
        for group, rows in claims.groupby("group"):
            declared = [claim.id for claim in load_group(str(group)).claims]
            assert list(rows["claim"]) == [claim for claim in declared if claim in set(rows["claim"])]
        assert set(claims["group"]) <= set(GROUPS)
        seen += claims["group"].unique().tolist()
        assert len(provenance["commit"]) == 40
        assert len(provenance["judged_at"]) == 40
        assert name or provenance["judged_at"] == provenance["commit"]
        for figure, digest in provenance["figures_sha256"].items():
            assert hashlib.sha256((folder / name / f"{figure}.png").read_bytes()).hexdigest() == digest, figure
        own = {f"{figure}.png" for figure in provenance["figures_sha256"]} | {"verdicts.csv", "provenance.json"}
        assert {path.name for path in (folder / name).iterdir() if path.is_file()} - {TABLE} == own
    assert len(seen) == len(set(seen)), "a group is kept twice"


def test_a_changed_reference_is_noticed(repository: Path, tmp_path: Path) -> None:
    """Control of the comparison above: a verdict changed by hand no longer gives the texts of the pages."""
    folder = Path(shutil.copytree(repository / "docs/reference", tmp_path / "reference"))
    text = (folder / "verdicts.csv").read_text(encoding="utf-8")
    changed = text.replace(",supported,the interval", ",refuted,the interval", 1)
    assert changed != text
    (folder / "verdicts.csv").write_text(changed, encoding="utf-8")
    changed_pages = shown(repository, folder)
    for page in (repository / "README.md", repository / PAGE):
        assert page.read_text(encoding="utf-8") != changed_pages[page]


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


@pytest.fixture
def kept(tree: Path) -> Path:
    """Keep the toy run whole, as a group of another name, so that a part can stand beside it."""
    folder = write_reference(tree / "run", tree / "checkout", TOY)
    text = (folder / "verdicts.csv").read_text(encoding="utf-8")
    (folder / "verdicts.csv").write_text(
        re.sub("^defects,", "scaling,", re.sub("^clustering,", "grid,", text, flags=re.M), flags=re.M), encoding="utf-8"
    )
    return tree


def test_a_part_stands_beside_the_whole_run(kept: Path) -> None:
    before = read_reference(kept / "checkout/docs/reference")
    folder = write_part(kept / "run", kept / "checkout", "younger", TOY)
    assert folder == kept / "checkout/docs/reference/younger"
    [part] = kept_parts(kept / "checkout")
    assert (part.name, part.groups, part.provenance["commit"]) == ("younger", list(TOY), COMMIT)
    pd.testing.assert_frame_equal(part.verdicts, read_verdicts(kept / "run/results/verdicts.csv"))
    assert {path.stem for path in folder.glob("*.png")} == {name for one in TOY.values() for name in one.figures}
    assert not (folder / TABLE).exists()
    after = read_reference(kept / "checkout/docs/reference")
    assert after[1] == before[1]
    pd.testing.assert_frame_equal(after[0], before[0])
    page = (kept / "checkout" / PAGE).read_text(encoding="utf-8")
    assert page.count(f"Tables of commit `{COMMIT[:12]}`") == 2
    assert (
        page.count("| The ratio is one |") == page.split("\n## A run of its own")[0].count("| The ratio is one |") + 1
    )
    again = write_part(kept / "run", kept / "checkout", "younger", TOY)  # renewing a part is no repetition
    assert again == folder


def test_the_next_whole_run_takes_the_place_of_a_part(kept: Path) -> None:
    folder = write_part(kept / "run", kept / "checkout", "younger", TOY)
    write_reference(kept / "run", kept / "checkout", TOY)
    assert not folder.exists()
    assert "A run of its own" not in (kept / "checkout" / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Younger", "part: found the name 'Younger', expected lower-case letters"),
        ("../out", "part: found the name '../out'"),
        ("known", "part: found the name 'known'"),
    ],
)
def test_a_part_has_a_name_of_its_own(kept: Path, name: str, message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        write_part(kept / "run", kept / "checkout", name, TOY)
    assert kept_parts(kept / "checkout") == []


def test_no_group_is_kept_twice(tree: Path) -> None:
    write_reference(tree / "run", tree / "checkout", TOY)
    with pytest.raises(ResultsError, match="part 'younger': found group 'clustering' in the whole run too"):
        write_part(tree / "run", tree / "checkout", "younger", TOY)
    assert kept_parts(tree / "checkout") == []


def test_a_part_of_an_unfinished_run_is_refused(kept: Path) -> None:
    _no_figure(kept)
    page = (kept / "checkout" / PAGE).read_bytes()
    with pytest.raises(ResultsError, match="found no figure toy_event"):
        write_part(kept / "run", kept / "checkout", "younger", TOY)
    assert kept_parts(kept / "checkout") == []
    assert (kept / "checkout" / PAGE).read_bytes() == page


def test_every_number_of_the_choice_is_of_a_declared_claim_or_control() -> None:
    for situation in SITUATIONS:
        for one in (row for row in situation.measured if isinstance(row, Measured)):
            group = load_group(one.claim.partition(".")[0])
            [claim] = [claim for claim in group.claims if claim.id == one.claim]
            assert not one.control or one.control in {control.what for control in claim.controls}


def test_the_choice_quotes_the_table_of_verdicts(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    verdicts = read_verdicts(tree / "run/results/verdicts.csv")
    row = verdicts[verdicts["role"] == "claim"].iloc[0]
    control = verdicts[(verdicts["role"] == "negative_control") & (verdicts["claim"] == row["claim"])].iloc[0]
    measured = [
        Measured("pcpo", "a ratio", row["claim"]),
        Measured("local", "the same", row["claim"], control["control"]),
        Measured("pcpo", "another", "clustering.unknown"),
    ]
    monkeypatch.setattr("pcpo.report.kept.choice.SITUATIONS", [Situation("few | rollouts", measured)])
    lines = choice_table([("", verdicts[:0]), ("younger", verdicts)]).splitlines()
    assert lines[3].startswith(r"| few \| rollouts | **`pcpo`** | a ratio | ")
    assert lines[3].endswith(
        f"| {row['verdict']} | `{row['claim']}` | [{row['figure']}](reference/younger/{row['figure']}.png) |"
    )
    assert lines[4].startswith("|  | `local` | the same | ")
    assert f"| control, {control['verdict']} |" in lines[4]
    assert lines[3].split(" | ")[3] != lines[4].split(" | ")[3]
    assert "not in the kept runs" in lines[5]


def test_the_choice_quotes_the_comparison_of_methods(repository: Path) -> None:
    methods = read_standing(repository / "docs/reference")
    assert methods is not None
    for situation in SITUATIONS:
        for one in (row for row in situation.measured if isinstance(row, Compared)):
            gaps = methods[methods["scenario"] == one.scenario].set_index("algorithm")["gap"]
            assert f"| {number(gaps[one.method] / gaps['pcpo'])} (" in choice_table([], methods)
    assert "not in the kept runs" in choice_table([], None)
