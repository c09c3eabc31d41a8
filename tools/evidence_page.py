"""Write the tables of docs/evidence.md, studies and claims of every group: `python -m tools.evidence_page`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pcpo.claims.contract import Group
from pcpo.evidence.registry import GROUPS, load_group
from pcpo.report.marks import renew

__all__ = ["PART", "PATH", "described", "main"]

PATH = Path("docs/evidence.md")
#: Name of the marks on the page.
PART = "evidence"


def described(groups: Sequence[Group]) -> str:
    """Describe groups in Markdown: studies with their options, claims with source, rule and negative controls."""
    return "\n".join(["", *(line for group in groups for line in _lines(group)), ""])


def _lines(group: Group) -> Iterator[str]:
    """Yield the lines of one group."""
    yield from (
        f"## {group.title}: `{group.name}`",
        "",
        "| study | what | options and their defaults |",
        "|---|---|---|",
    )
    for study in group.studies:
        options = ", ".join(f"`{key}: {value}`" for key, value in study.defaults.items()) or "none"
        if study.place:  # a key of its own, with a page of its own
            options = f"key [`{study.place}`]({study.place}.md)"
        yield _row(f"`{study.name}`", study.title, options)
    yield from ("", "| claim | kind | source | refuted if | negative controls |", "|---|---|---|---|---|")
    for claim in group.claims:
        name = f"`{claim.id}`{' (primary)' if claim.primary else ''}: {claim.title}"
        controls = "; ".join(control.what for control in claim.controls)
        yield _row(name, claim.kind, claim.source, claim.rule.refuted_if, controls)
    yield ""


def _row(*cells: str) -> str:
    """Return a row of a table, each cell on one line."""
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Renew the page of the working directory."""
    renew(PATH, PART, described([load_group(name) for name in GROUPS]))


if __name__ == "__main__":
    main()
