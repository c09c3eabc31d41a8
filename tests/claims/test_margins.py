"""docs/margins.md gives a reason for every margin, with the value that the rules use."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from pcpo.claims.judging import Agrees
from pcpo.evidence.registry import GROUPS, load_claims

PAGE = "docs/margins.md"
ROW = re.compile(r"^\| `(?P<what>[^`]+)` \| (?P<rest>.+) \|$", re.MULTILINE)
#: A constant of a module that is a margin, and is not a table of columns.
CONSTANT = re.compile(r"^[A-Z_, ]*_(MARGIN|CURVE)\b[A-Z_, ]*(?== *[0-9])", re.MULTILINE)


@pytest.fixture(scope="module")
def rows(repository: Path) -> dict[str, list[str]]:
    """The cells of the tables by what stands in the first column."""
    found = ROW.findall((repository / PAGE).read_text(encoding="utf-8"))
    assert len({what for what, _ in found}) == len(found), "each once"
    return {what: re.split(r" (?<!\\)\| ", rest) for what, rest in found}


def amount(rule: Agrees) -> str:
    return f"{100 * rule.margin:g} %" if rule.relative else f"{rule.margin:g}"


def test_every_equality_has_its_margin_and_a_reason(rows: dict[str, list[str]]) -> None:
    margins = {
        claim.id: amount(claim.rule) for name in GROUPS for claim in load_claims(name) if isinstance(claim.rule, Agrees)
    }
    assert len(margins) > 20
    listed = {what: cells for what, cells in rows.items() if len(cells) == 2}
    assert {what: cells[0] for what, cells in listed.items()} == margins
    assert all(len(cells[1]) > 20 or cells[1].startswith("as ") for cells in listed.values())


def test_every_constant_that_is_a_margin_has_a_reason(rows: dict[str, list[str]], repository: Path) -> None:
    names = set()
    for path in sorted((repository / "pcpo/evidence").rglob("*.py")):
        place = ".".join(path.relative_to(repository / "pcpo/evidence").with_suffix("").parts)
        for match in CONSTANT.finditer(path.read_text(encoding="utf-8")):
            names |= {f"{place}.{name.strip()}" for name in match[0].split(",")}
    assert len(names) > 5
    assert names == {what for what, cells in rows.items() if len(cells) == 3}
    claims = {claim.id for name in GROUPS for claim in load_claims(name)}
    for what in names:
        module, _, name = what.rpartition(".")
        assert float(rows[what][0]) == getattr(import_module(f"pcpo.evidence.{module}"), name)
        assert set(re.findall(r"`([^`]+)`", rows[what][1])) <= claims
