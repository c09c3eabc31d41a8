"""Check docs/paper.md: every file that it links exists and holds the names beside the link; every claim exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pcpo.evidence.registry import GROUPS

PAGE = "docs/paper.md"
#: A link to a module, then names in backticks.
PLACE = re.compile(r"\[[^\]]+\]\((?P<path>[^)]+\.py)\)(?P<names>(?: `[\w.]+`)*)")
HEADING = re.compile(r"^## `(\w+)` ", re.MULTILINE)
CLAIM = re.compile(rf"`((?:{'|'.join(GROUPS)})\.\w+)`")


def names_in(path: Path) -> set[str]:
    """Collect the names that a module defines at its top level, and the members of its classes ("Class.member")."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        found |= _defined(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for member in node.body for name in _defined(member)}
    return found


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def missing_places(page: Path) -> list[str]:
    """List the links of a page without a file, without a name beside them, or whose file lacks the name."""
    missing = []
    for place in PLACE.finditer(page.read_text(encoding="utf-8")):
        path, names = page.parent / place["path"], re.findall(r"`([\w.]+)`", place["names"])
        if not path.is_file() or not names:
            missing.append(place[0])
            continue
        missing += [f"{place['path']}: {name}" for name in names if name not in names_in(path)]
    return missing


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def claims(repository: Path) -> dict[str, set[str]]:
    """Ids of the claims by group, from the headings of each claims.md."""
    texts = {group: repository / "pcpo/evidence" / group / "claims.md" for group in GROUPS}
    headings = {group: HEADING.findall(path.read_text(encoding="utf-8")) for group, path in texts.items()}
    return {group: {f"{group}.{claim}" for claim in found} for group, found in headings.items()}


def test_every_linked_file_holds_the_names_beside_the_link(repository: Path) -> None:
    assert len(PLACE.findall((repository / PAGE).read_text(encoding="utf-8"))) > 40
    assert missing_places(repository / PAGE) == []


def test_a_missing_name_is_seen(repository: Path, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("class C:\n    x: int = 0\n\n    def f(self): ...\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text("[a](module.py) `C.f` `C.x` `C.g` [b](module.py), [c](none.py) `C`", encoding="utf-8")
    assert missing_places(page) == ["module.py: C.g", "[b](module.py)", "[c](none.py) `C`"]


def test_every_claim_named_is_declared(page: str, claims: dict[str, set[str]]) -> None:
    named = set(CLAIM.findall(page))
    assert len(named) > 50
    assert named - set().union(*claims.values()) == set()


@pytest.mark.parametrize("group", ["clustering", "scaling", "lemmas"])
def test_every_claim_on_the_paper_s_statements_is_named(group: str, page: str, claims: dict[str, set[str]]) -> None:
    assert claims[group] - set(CLAIM.findall(page)) == set()


def test_the_parts_are_complete(page: str) -> None:
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE))
    assert {int(number) for number in re.findall(r"\((\d+)\)", rows)} >= {*range(1, 25)}
    assert {f"c_(p,{k})" for k in (1, 6, 8, 9, 10, 11, 12, 13)} <= set(re.findall(r"c_\(p,\d+\)", rows))
    for part in ("Theorem 1", "Theorem 2", "Corollary 3", *(f"Lemma {k}" for k in (4, 5, 6, 7, 9)), "Corollary 8"):
        assert part in rows
    lines = page.split("## Algorithm 1")[1].split("## Equations")[0]
    covered: set[int] = set()
    for numbers in re.findall(r"^\| ([\d, –]+) \|", lines, re.MULTILINE):
        first, last = (int(n) for n in (re.findall(r"\d+", numbers) * 2)[:2]) if "," not in numbers else (0, -1)
        covered |= set(range(first, last + 1)) | {int(n) for n in re.findall(r"\d+", numbers)}
    assert covered == set(range(1, 16))
