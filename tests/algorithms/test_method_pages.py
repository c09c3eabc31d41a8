"""Check the pages of the methods: each has the same sections, and its names and options are those of the registry."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from pcpo.algorithms.registry import ALGORITHMS, make_algorithm

SECTIONS = ["Idea", "Equations", "Pseudocode", "Options", "When to use"]
PAGES = sorted((Path(__file__).resolve().parents[2] / "docs/methods").glob("*.md"))
#: A page whose methods are of the class of another page, which has the options.
SHARED = {"variants": "pcpo"}


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the rows of the table whose first cell of the head is `heading`, without backticks."""
    found = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)*)", text, re.MULTILINE)
    lines = found[1].splitlines() if found else []
    return [[cell.strip().replace("`", "") for cell in line.strip("| ").split("|")] for line in lines]


def names(text: str) -> dict[str, Any]:
    """Return the names of a page with the options that tell them apart."""
    return {row[0]: yaml.safe_load(f"{{{row[1] if len(row) > 1 else ''}}}") for row in rows(text, "name")}


def deviations(name: str) -> dict[str, Any]:
    """Return the options of a registered method that are not at the default of its class."""
    made = make_algorithm(name)
    return {key: value for key, value in vars(made).items() if value != defaults(name)[key]}


def defaults(name: str) -> dict[str, Any]:
    return {one.name: one.default for one in fields(make_algorithm(name))}  # type: ignore[arg-type]


def options(text: str) -> dict[str, Any]:
    """Return the options of a page with their defaults."""
    return {row[0]: yaml.safe_load(row[1]) for row in rows(text, "option")}


def test_every_method_has_one_page() -> None:
    listed = [name for page in PAGES for name in names(page.read_text(encoding="utf-8"))]
    assert sorted(listed) == sorted(ALGORITHMS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_sections(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    parts = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(
        len(part.split()) > (0 if title == "Options" else 10) for title, part in zip(SECTIONS, parts, strict=True)
    )
    assert "```text\n" in parts[2]
    assert "$$" in parts[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_and_options_are_those_of_the_registry(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert names(text) == {name: deviations(name) for name in names(text)}
    owner = SHARED.get(page.stem)
    expected = {} if owner else defaults(next(iter(names(text))))
    assert options(text) == expected
    assert not owner or f"({owner}.md)" in text.split("## Options")[1]


def test_a_wrong_table_is_seen() -> None:
    """Negative control: an option that is missing, one with another default, and a name with another option."""
    text = next(page for page in PAGES if page.stem == "cfl").read_text(encoding="utf-8")
    right = options(text)
    assert len(right) == 3
    assert options(re.sub(r"\| `stationarity`.*\n", "", text)) != right
    assert options(text.replace("`0.4`", "`0.5`")) != right
    assert names(text.replace("first: true", "first: false")) != {name: deviations(name) for name in names(text)}
