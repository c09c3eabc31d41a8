"""Show claims as HTML: the table of verdicts, a section for each claim, figures; for the report and the notebooks."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from markupsafe import Markup

from pcpo.claims.contract import Claim, Group
from pcpo.report import sentences
from pcpo.report.markup.formulas import prose
from pcpo.report.markup.html import badge, figure, macro, missing, table
from pcpo.report.sentences import number
from pcpo.report.store import Store

__all__ = [
    "claim_body",
    "claim_figure",
    "controls_list",
    "figure_numbers",
    "overview",
    "result_paragraph",
    "rule_paragraph",
    "statement_paragraph",
    "studies_table",
]

_HEAD = [
    "claim",
    "kind",
    "source",
    "estimate [limits]",
    "limits",
    "expected",
    "n",
    "runs",
    "verdict",
    "negative controls",
    "power",
]
_NUMERIC = (3, 5, 6, 10)


def overview(store: Store, groups: Iterable[Group]) -> Markup:
    """Show the table of verdicts: a row for each claim with its negative controls and its power.

    Args:
        store: where the verdicts are.
        groups: whose claims are listed.
    """
    weak = sentences.alone(store.verdicts())
    rows = [_row(store, group, claim, weak) for group in groups for claim in group.claims]
    return table(_HEAD, rows, "verdicts", numeric=_NUMERIC)


def _row(store: Store, group: Group, claim: Claim, weak: Collection[str]) -> list[str | Markup]:
    title = prose(claim.title)
    found = store.rows(group.name, claim.id, "claim")
    if not found:
        return [title, claim.kind, prose(claim.source), *[""] * 5, badge("missing"), "", ""]
    (row,) = found
    power = store.rows(group.name, claim.id, "power")
    return [
        title,
        claim.kind,
        prose(claim.source),
        sentences.estimated(row),
        str(row["interval"]),
        sentences.expected(row),
        sentences.replicates(row),
        prose(sentences.context(row)),
        badge(str(row["verdict"])) + (" *" if claim.id in weak else ""),
        _controls(store, group, claim),
        number(_float(power[0]["estimate"]), 2) if power else badge("missing"),
    ]


def _float(value: object) -> float:
    return float(str(value))


def _controls(store: Store, group: Group, claim: Claim) -> Markup:
    rows = store.rows(group.name, claim.id, "negative_control")
    if not rows:
        return badge("missing")
    shown = macro("refuted_controls", sum(row["verdict"] == row["expected"] for row in rows), len(rows))
    for row in store.rows(group.name, claim.id, "sharp_control"):
        shown += Markup("; sharpest: {}").format(sentences.sharp_text(row))
    return shown


def statement_paragraph(claim: Claim) -> Markup:
    """Show a claim in the paper's words and symbols, with its source."""
    return macro("statement", prose(claim.statement), prose(claim.source))


def rule_paragraph(claim: Claim) -> Markup:
    """Show what is measured, and what would refute the claim."""
    return macro("rule", prose(claim.quantity), claim.rule.refuted_if)


def result_paragraph(store: Store, group: Group, claim: Claim) -> Markup:
    """Show the verdict and the reason for it."""
    found = store.rows(group.name, claim.id, "claim")
    if not found:
        return missing(f"verdict of claim {claim.id}")
    (row,) = found
    sentence = prose(sentences.result_sentence(row, claim.rule))
    return macro("result", badge(str(row["verdict"])), sentence, prose(sentences.context(row)), claim.kind)


def controls_list(store: Store, group: Group, claim: Claim) -> Markup:
    """List the negative controls and the power of a claim."""
    controls = [
        (prose(str(row["control"])), sentences.control_sentence(row))
        for row in store.rows(group.name, claim.id, "negative_control")
    ]
    controls += [
        (Markup("sharpest, {}").format(prose(str(row["control"]))), sentences.control_sentence(row))
        for row in store.rows(group.name, claim.id, "sharp_control")
    ]
    powers = [prose(sentences.power_sentence(row)) for row in store.rows(group.name, claim.id, "power")]
    return macro("controls", controls, powers, claim.id)


def claim_figure(store: Store, group: Group, name: str) -> Markup:
    """Show a figure of a group with its caption."""
    entry = group.figures[name]
    return figure(store.figure_path(name), name, entry.title, entry.caption)


def claim_body(store: Store, group: Group, claim: Claim) -> Markup:
    """Show a claim without its title and figure."""
    return Markup("\n").join(
        [
            statement_paragraph(claim),
            rule_paragraph(claim),
            result_paragraph(store, group, claim),
            controls_list(store, group, claim),
        ]
    )


def figure_numbers(store: Store, group: Group, *, most: int = 12) -> Markup:
    """Show the numbers drawn in each figure of a group, folded: the first rows, and how many there are."""
    parts = []
    for name in group.figures:
        path = store.root / f"figures/{name}.csv"
        if not path.is_file():
            parts.append(missing(f"numbers of figure {name} (figures/{name}.csv)"))
            continue
        numbers = store.numbers(name)
        rows = [[_cell(value) for value in row] for row in numbers.head(most).itertuples(index=False, name=None)]
        heading = f"Figure {name}: {min(most, len(numbers))} of {len(numbers):,} rows"
        made = table([str(column) for column in numbers.columns], rows, f"numbers of figure {name}")
        parts.append(macro("folded", heading, made))
    return Markup("\n").join(parts)


def _cell(value: object) -> str:
    if isinstance(value, (bool, str)):
        return str(value)
    return number(float(value)) if isinstance(value, (int, float)) else str(value)


def studies_table(store: Store, group: Group) -> Markup:
    """Show what was run for a group: studies, conditions, seeds, rows, from the metadata of the tables on disk."""
    rows: list[list[str | Markup]] = []
    for study in group.studies:
        size = store.study_size(study)
        counts = [f"{count:,}" for count in size] if size else [badge("missing")] * 3
        columns = macro("columns", len(study.columns), [(name, prose(what)) for name, what in study.columns.items()])
        rows.append([prose(study.title), *counts, columns])
    return table(["study", "conditions", "seeds", "rows", "columns"], rows, "studies", numeric=(1, 2, 3))
