"""Check that generated parts of pages are replaced between their marks, and that the pages are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcpo.errors import ResultsError
from pcpo.report.marks import renew, renewed
from pcpo.report.reference import with_results
from tools import cost

PAGE = "# page\n\n<!-- a: begin (python -m tools.a) -->\nold\n<!-- a: end -->\n\nby hand\n"


def test_only_the_part_is_replaced() -> None:
    page = renewed(PAGE, "a", "new\n\\1\n")
    assert page == PAGE.replace("old\n", "new\n\\1\n")
    assert renewed(page, "a", "old\n") == PAGE


@pytest.mark.parametrize(
    "page", ["", PAGE + PAGE, PAGE.replace("a: end", "b: end"), PAGE.replace("a: begin", "b: begin")]
)
def test_marks_that_are_missing_or_twice_are_refused(page: str) -> None:
    with pytest.raises(ResultsError, match=r"a: found [02] pairs of marks, expected one"):
        renewed(page, "a", "new\n")


def test_a_file_without_marks_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("by hand\n", encoding="utf-8")
    with pytest.raises(ResultsError, match=r"page\.md: a: found 0 pairs of marks"):
        renew(tmp_path / "page.md", "a", "new\n")


def test_a_file_is_renewed(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    renew(path, "a", "new\n")
    assert path.read_text(encoding="utf-8") == PAGE.replace("old", "new")


def test_page_on_clusters_has_the_costs(repository: Path) -> None:
    page = (repository / cost.PATH).read_text(encoding="utf-8")
    assert renewed(page, cost.PART, cost.costs(repository)) == page, "run `python -m tools.cost`"


def test_pages_have_the_results_that_are_kept(repository: Path) -> None:
    for page, text in with_results(repository).items():
        assert page.read_text(encoding="utf-8") == text, "run `python -m tools.head`"


def test_one_command_runs_every_tool(repository: Path) -> None:
    modules = {path.stem for path in (repository / "tools").glob("*.py") if "\ndef main()" in path.read_text("utf-8")}
    recipe = (repository / "Makefile").read_text(encoding="utf-8").split("\npages: ")[1].split("\n\n")[0]
    assert len(modules) == 6
    assert {line.split("tools.")[1] for line in recipe.splitlines() if "tools." in line} == modules
    contributing = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in modules if f"`python -m tools.{name}`" not in contributing] == []
