"""How the software and the paper are cited: CITATION.cff, and the short article with its bibliography."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

import pcpo
from pcpo.errors import ConfigError
from tools.version import with_version

#: Numbers that the article may have outside its citations: names of parts of the paper.
PARTS = r"(?:Algorithm|Theorem|Corollary|Lemma) \d+"
SECTIONS = ["Summary", "Statement of need", "What is replicated", "Design", "How it is verified", "References"]


@pytest.fixture(scope="module")
def citation(repository: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def article(repository: Path) -> str:
    return (repository / "paper/paper.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bibliography(repository: Path) -> dict[str, dict[str, str]]:
    """Read the entries by key; braces and TeX's accents stay."""
    text = (repository / "paper/paper.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{(\w+),\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL)
    assert len(entries) == text.count("@")
    return {key: dict(re.findall(r"^  (\w+) = \{(.*)\},$", body, re.MULTILINE)) for key, body in entries}


def validated(path: Path) -> Result:
    """Compare a file with the schema of the Citation File Format, which check-jsonschema brings along."""
    return CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", "vendor.citation-file-format", str(path)])


def test_citation_follows_its_format(repository: Path) -> None:
    done = validated(repository / "CITATION.cff")
    assert done.exit_code == 0, done.output


def test_a_citation_of_another_form_is_seen(repository: Path, tmp_path: Path) -> None:
    text = (repository / "CITATION.cff").read_text(encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text(text.replace("type: conference-paper", "type: talk"), encoding="utf-8")
    done = validated(tmp_path / "CITATION.cff")
    assert done.exit_code == 1
    assert "'talk' is not one of" in done.output


def test_version_of_the_citation_is_written_by_the_tool(repository: Path) -> None:
    text = (repository / "CITATION.cff").read_text(encoding="utf-8")
    assert with_version(text, pcpo.__version__) == text
    assert "version: 9.8.7\n" in with_version(text, "9.8.7")
    assert "cff-version: 1.2.0\n" in with_version(text, "9.8.7")
    with pytest.raises(ConfigError, match="found 0 lines that begin with 'version: ', expected one"):
        with_version("cff-version: 1.2.0\n", "9.8.7")


def test_the_version_is_typed_in_one_module_only(repository: Path) -> None:
    typed = rf"""["']{re.escape(pcpo.__version__)}["']"""
    found = [path for path in (repository / "pcpo").rglob("*.py") if re.search(typed, path.read_text(encoding="utf-8"))]
    assert found == [repository / "pcpo/__init__.py"]
    assert not re.search(typed, (repository / "pyproject.toml").read_text(encoding="utf-8"))


def test_versions_of_the_changelog_have_a_date_or_are_unreleased(repository: Path) -> None:
    text = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    stated = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) \((unreleased|\d{4}-\d\d-\d\d.*)\)", line) for line in headings]
    assert all(stated), headings
    numbers = [tuple(map(int, found.groups()[:3])) for found in stated if found]
    assert numbers == sorted(numbers, reverse=True)
    assert [found[4] for found in stated[1:] if found and found[4] == "unreleased"] == []


def test_the_paper_is_cited_as_in_the_proceedings(
    citation: dict[str, Any], bibliography: dict[str, dict[str, str]], repository: Path
) -> None:
    [paper] = citation["references"]
    assert (paper["volume"], paper["start"], paper["end"], paper["year"]) == (331, 1512, 1541, 2026)
    entry = bibliography["kanakeri2026"]
    assert entry["pages"] == f"{paper['start']}--{paper['end']}"
    assert (entry["volume"], entry["year"]) == (str(paper["volume"]), str(paper["year"]))
    assert entry["title"].replace("{", "").replace("}", "") == paper["title"]
    assert entry["series"] == paper["collection-title"]
    names = [f"{author['family-names']}, {author['given-names']}" for author in paper["authors"]]
    assert entry["author"] == " and ".join(names)
    assert [found["value"] for found in paper["identifiers"]] == [f"arXiv:{entry['eprint']}"]
    readme = (repository / "README.md").read_text(encoding="utf-8")
    assert f"{paper['volume']}:{paper['start']}–{paper['end']}" in readme


def test_the_article_cites_what_its_bibliography_has(article: str, bibliography: dict[str, dict[str, str]]) -> None:
    cited = set(re.findall(r"@(\w+)", article))
    assert cited == bibliography.keys()
    assert all({"author", "title"} <= entry.keys() for entry in bibliography.values())


def test_the_article_has_the_sections_of_its_form(article: str) -> None:
    _, front, body = article.split("---\n", 2)
    settings = yaml.safe_load(front)
    assert {"title", "tags", "authors", "bibliography"} <= settings.keys()
    assert re.findall(r"^# (.+)$", body, re.MULTILINE) == SECTIONS
    assert 250 < len(body.split()) < 1750, "the length of a short article, as its journal asks"


def numbers(article: str) -> list[str]:
    """List the numbers of the article's text, apart from keys of citations and names of parts of the paper."""
    body = re.sub(rf"@\w+|{PARTS}", "", article.split("---\n", 2)[2])
    return re.findall(r"\d[\d.,]*", body)


def test_the_article_has_no_number_that_a_run_would_change(article: str) -> None:
    assert numbers(article) == []
    assert numbers("---\n---\nTheorem 1 [@fazel2018] holds in 97 % of runs.") == ["97"]
