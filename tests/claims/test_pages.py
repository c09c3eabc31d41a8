"""Claims that pages name are declared, or stand in the register as former ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pcpo.evidence.registry import GROUPS, load_claims

NAMED = re.compile(rf"`((?:{'|'.join(GROUPS)})\.[a-z0-9_]+)`")
REGISTER = "register.md"


@pytest.fixture(scope="module")
def declared() -> set[str]:
    return {claim.id for name in GROUPS for claim in load_claims(name)}


def unknown(text: str, declared: set[str], register: str) -> list[str]:
    """Return the claims that a text names, and that neither are declared nor stand in the register."""
    former = set(NAMED.findall(register)) | {
        f"{group}.{short}"
        for line in register.splitlines()
        for group in re.findall(r"`([a-z_]+)\.", line)
        for short in re.findall(r"`([a-z0-9_]+)`", line)
    }
    return sorted(set(NAMED.findall(text)) - declared - former)


def test_pages_name_claims_that_there_are(repository: Path, declared: set[str]) -> None:
    register = (repository / "docs" / REGISTER).read_text(encoding="utf-8")
    pages = sorted((repository / "docs").glob("*.md"))
    assert {"referee.md", "evidence.md"} <= {page.name for page in pages}
    named = 0
    for page in pages:
        if page.name == REGISTER:
            continue
        text = page.read_text(encoding="utf-8")
        named += len(set(NAMED.findall(text)) & declared)
        assert unknown(text, declared, register) == [], page.name
    assert named > len(declared)


def test_a_wrong_name_is_noticed(declared: set[str]) -> None:
    assert unknown("`grid.theorem_9` and `grid.theorem_1_1`", declared, "") == ["grid.theorem_9"]
    assert unknown("`lemmas.gone`", declared, "| `lemmas.gone` | became | why |") == []
