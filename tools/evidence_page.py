"""`python -m pcpo.evidence`: the declarations as the tables of docs/evidence.md."""

from __future__ import annotations

from collections.abc import Iterator

from pcpo.claims.contract import Group
from pcpo.evidence import GROUPS, load_group

__all__ = ["described"]


def described() -> str:
    """All groups in Markdown: studies with their options, claims with source, rule and negative controls."""
    return "\n".join(line for name in GROUPS for line in _lines(load_group(name)))


def _lines(group: Group) -> Iterator[str]:
    yield from (
        f"## {group.title}: `{group.name}`",
        "",
        "| study | what | options and their defaults |",
        "|---|---|---|",
    )
    for study in group.studies:
        options = ", ".join(f"`{key}: {value}`" for key, value in study.defaults.items()) or "none"
        yield _row(f"`{study.name}`", study.title, options)
    yield from ("", "| claim | source | refuted if | negative controls |", "|---|---|---|---|")
    for claim in group.claims:
        name = f"`{claim.id}`{' (primary)' if claim.primary else ''}: {claim.title}"
        yield _row(name, claim.source, claim.rule.refuted_if, "; ".join(control.what for control in claim.controls))
    yield ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(described())
