"""Check that docs/evidence.md lists what the groups of claims declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcpo.evidence.registry import GROUPS, load_group
from pcpo.report.marks import renewed
from tools.evidence_page import PART, PATH, described


@pytest.fixture(scope="module")
def tables() -> str:
    return described([load_group(name) for name in GROUPS])


def test_the_page_lists_the_declarations(tables: str, repository: Path) -> None:
    page = (repository / PATH).read_text(encoding="utf-8")
    assert renewed(page, PART, tables) == page, "run `python -m tools.evidence_page`, or `make pages` for all pages"


def test_every_claim_is_listed_once(tables: str) -> None:
    claims = [claim.id for name in GROUPS for claim in load_group(name).claims]
    assert len(claims) > 100
    assert {claim: tables.count(f"| `{claim}`") for claim in claims} == dict.fromkeys(claims, 1)
