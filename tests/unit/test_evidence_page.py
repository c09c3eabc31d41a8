"""docs/evidence.md lists what pcpo/claims/ declares: `python -m pcpo.claims` prints its tables."""

from __future__ import annotations

from pathlib import Path

from pcpo.claims.__main__ import described


def test_the_page_lists_the_declarations(repository: Path) -> None:
    page = (repository / "docs/evidence.md").read_text(encoding="utf-8")
    assert page.endswith("\n" + described() + "\n"), "append the output of `python -m pcpo.claims` to the page"
