"""Read the texts of a group of claims: one Markdown file that a person can proof-read from top to bottom.

The file begins with the group's title and introduction, what the claims are about (`pcpo.claims.contract.Kind`), and
the population of their runs, with the origin of the constants::

    # Collaboration

    Theorem 2 promises …

    **Kind.** of the paper

    **Population.** one random fleet of two clusters; constants from the true model

Then each claim has a section, with a **Kind.** or **Population.** of its own where it differs from the group's::

    ## `overlay` The mean gap is what the theory predicts

    **Source.** Theorem 2, eqs. (9) and (11)

    **Statement.** The gap falls as $1/\\sqrt{|\\mathcal{M}|T}$ …

    **Measured.** mean over epochs of (gap)/(overlay), dimensionless

Formulas are LaTeX between $; lines may be broken anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from pcpo.errors import ConfigError

if TYPE_CHECKING:
    from pcpo.claims.contract import Kind

__all__ = ["ClaimText", "GroupText", "read_texts"]

_SECTION = re.compile(r"^## `(?P<id>[a-z0-9_]+)` (?P<title>.+)$", re.MULTILINE)
_FIELD = re.compile(r"^\*\*(?P<name>\w+)\.\*\*\s+(?P<text>.+?)(?=^\*\*\w+\.\*\*\s|\Z)", re.MULTILINE | re.DOTALL)
_FIELDS, _SHARED = ("Source", "Statement", "Measured"), ("Kind", "Population")


@dataclass(frozen=True)
class ClaimText:
    """Hold the texts of a claim, each on one line."""

    title: str
    source: str
    statement: str
    quantity: str
    kind: Kind
    population: str


@dataclass(frozen=True)
class GroupText:
    """Hold title and introduction of a group, and the texts of its claims by id."""

    title: str
    introduction: str
    claims: Mapping[str, ClaimText]


def read_texts(path: Path) -> GroupText:
    """Read a group's texts.

    Raises:
        ConfigError: naming the file and the claim, for a missing title, introduction or field, an unknown field or
            kind, or an id that occurs twice.
    """
    content = path.read_text(encoding="utf-8")
    head, *sections = re.split(r"(?m)^(?=## )", content)
    title, _, rest = head.strip().partition("\n")
    shared = {field["name"]: _one_line(field["text"]) for field in _FIELD.finditer(rest)}
    introduction = rest.partition("**Kind.**")[0]
    if not title.startswith("# ") or not introduction.strip():
        raise ConfigError(f"{path}: found no title with an introduction, expected '# title' and a paragraph")
    if tuple(shared) != _SHARED:
        raise ConfigError(f"{path}: found the fields {', '.join(shared) or 'none'}, expected {', '.join(_SHARED)}")
    claims: dict[str, ClaimText] = {}
    for section in sections:
        if (found := _SECTION.match(section)) is None:
            raise ConfigError(f"{path}: found the heading {section.splitlines()[0]!r}, expected '## `id` title'")
        if found["id"] in claims:
            raise ConfigError(f"{path}: found claim {found['id']!r} twice, expected distinct ids")
        where = f"{path}: claim {found['id']!r}"
        claims[found["id"]] = _claim(found["title"], section[found.end() :].strip(), shared, where)
    return GroupText(title.removeprefix("# ").strip(), _one_line(introduction), claims)


def _claim(title: str, body: str, shared: Mapping[str, str], where: str) -> ClaimText:
    from pcpo.claims.contract import Kind  # the workflow reads names of groups without loading what claims need

    fields = {field["name"]: _one_line(field["text"]) for field in _FIELD.finditer(body)}
    if tuple(name for name in fields if name not in _SHARED) != _FIELDS:
        raise ConfigError(f"{where}: found the fields {', '.join(fields) or 'none'}, expected {', '.join(_FIELDS)}")
    found = {**shared, **fields}
    if found["Kind"] not in (kinds := get_args(Kind)):
        raise ConfigError(f"{where}: found the kind {found['Kind']!r}, expected one of {', '.join(kinds)}")
    kind = cast("Kind", found["Kind"])
    return ClaimText(title.strip(), found["Source"], found["Statement"], found["Measured"], kind, found["Population"])


def _one_line(text: str) -> str:
    return " ".join(text.split())
