"""docs/evidence.md lists what pcpo/claims/ declares: `python -m pcpo.evidence` prints its tables."""

from __future__ import annotations

from pathlib import Path

from tools.evidence_page import described


def test_the_page_lists_the_declarations(repository: Path) -> None:
    page = (repository / "docs/evidence.md").read_text(encoding="utf-8")
    assert page.endswith("\n" + described() + "\n"), "append the output of `python -m pcpo.evidence` to the page"
