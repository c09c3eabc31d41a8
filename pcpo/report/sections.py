"""Claims as HTML: the table of verdicts, a section per claim, figures; used by the report and by the notebooks."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from pcpo.claims.contract import Claim, Group
from pcpo.claims.judging import AtMost
from pcpo.report import sentences
from pcpo.report.formulas import prose
from pcpo.report.html import anchor, badge, figure, missing, table
from pcpo.report.sentences import interval, number
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
    "source",
    "estimate [95 % interval]",
    "predicted",
    "replicates",
    "mode",
    "verdict",
    "negative controls",
    "power",
]
_NUMERIC = (2, 3, 4, 8)


def overview(store: Store, groups: Iterable[Group], *, linked: bool) -> Markup:
    """The table of verdicts: a row per claim with its negative controls and its power.

    linked: whether titles lead to the claims' sections on the same page.
    """
    rows = [_row(store, group, claim, linked=linked) for group in groups for claim in group.claims]
    return table(_HEAD, rows, "verdicts", numeric=_NUMERIC)


def _row(store: Store, group: Group, claim: Claim, *, linked: bool) -> list[str | Markup]:
    title = prose(claim.title)
    if linked:
        title = Markup('<a href="#{}">{}</a>').format(anchor("claim", claim.id), title)
    found = store.rows(group.name, claim.id, "claim")
    if not found:
        return [title, prose(claim.source), *[""] * 4, badge("missing"), "", ""]
    (row,) = found
    power = store.rows(group.name, claim.id, "power")
    return [
        title,
        prose(claim.source),
        _interval(row),
        ("≤ " if isinstance(claim.rule, AtMost) else "") + number(_float(row["predicted"])),
        f"{_float(row['n_runs']):,.0f}",
        str(row["mode"]),
        badge(str(row["verdict"])),
        _controls(store, group, claim),
        number(_float(power[0]["estimate"]), 2) if power else badge("missing"),
    ]


def _interval(row: dict[str, object]) -> str:
    return interval(_float(row["estimate"]), _float(row["ci_low"]), _float(row["ci_high"]))


def _float(value: object) -> float:
    return float(str(value))


def _controls(store: Store, group: Group, claim: Claim) -> Markup:
    rows = store.rows(group.name, claim.id, "negative_control")
    if not rows:
        return badge("missing")
    right = sum(row["verdict"] == row["expected"] for row in rows)
    if right == len(rows):
        return Markup('<span class="good"><span aria-hidden="true">✓</span> {} of {} refuted</span>').format(
            right, len(rows)
        )
    return Markup('<span class="bad"><span aria-hidden="true">✗</span> only {} of {} refuted</span>').format(
        right, len(rows)
    )


def statement_paragraph(claim: Claim) -> Markup:
    """The claim in the paper's words and symbols, with its source."""
    return Markup('<blockquote class="statement"><p>{}</p><footer>{}</footer></blockquote>').format(
        prose(claim.statement), prose(claim.source)
    )


def rule_paragraph(claim: Claim) -> Markup:
    """What is measured, and what would refute."""
    return Markup("<dl><dt>Measured</dt><dd>{}</dd><dt>Refuted if</dt><dd>{}</dd></dl>").format(
        prose(claim.quantity), claim.rule.refuted_if
    )


def result_paragraph(store: Store, group: Group, claim: Claim) -> Markup:
    """Verdict and why."""
    found = store.rows(group.name, claim.id, "claim")
    if not found:
        return missing(f"verdict of claim {claim.id}")
    (row,) = found
    sentence = sentences.result_sentence(row, claim.rule)
    return Markup('<p class="result">{} {} <small>Mode: {}.</small></p>').format(
        badge(str(row["verdict"])), prose(sentence), row["mode"]
    )


def controls_list(store: Store, group: Group, claim: Claim) -> Markup:
    """Negative controls and power of a claim."""
    items = [
        Markup("<li><div>Negative control, {}: {}.</div></li>").format(
            prose(str(row["control"])), sentences.control_sentence(row)
        )
        for row in store.rows(group.name, claim.id, "negative_control")
    ] or [Markup("<li>{}</li>").format(missing(f"negative control of claim {claim.id}"))]
    items += [
        Markup("<li><div>Power: {}.</div></li>").format(prose(sentences.power_sentence(row)))
        for row in store.rows(group.name, claim.id, "power")
    ] or [Markup("<li>{}</li>").format(missing(f"power of claim {claim.id}"))]
    return Markup('<ul class="controls">{}</ul>').format(Markup("\n").join(items))


def claim_figure(store: Store, group: Group, name: str) -> Markup:
    """A figure of a group with its caption."""
    return figure(store.figure_path(name), name, group.title, group.figures[name].caption)


def claim_body(store: Store, group: Group, claim: Claim) -> Markup:
    """Everything of a claim but its title and figure."""
    return Markup("\n").join(
        [
            statement_paragraph(claim),
            rule_paragraph(claim),
            result_paragraph(store, group, claim),
            controls_list(store, group, claim),
        ]
    )


def figure_numbers(store: Store, group: Group, *, most: int = 12) -> Markup:
    """The numbers drawn in each figure of a group, folded away: the first rows, and how many there are."""
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
        parts.append(Markup("<details><summary>{}</summary>\n{}\n</details>").format(heading, made))
    return Markup("\n").join(parts)


def _cell(value: object) -> str:
    if isinstance(value, (bool, str)):
        return str(value)
    return number(float(value)) if isinstance(value, (int, float)) else str(value)


def studies_table(store: Store, group: Group) -> Markup:
    """What was run for a group: studies, conditions, seeds, rows, from the notes of the tables on disk."""
    rows: list[list[str | Markup]] = []
    for study in group.studies:
        size = store.study_size(study)
        counts = [f"{count:,}" for count in size] if size else [badge("missing")] * 3
        listed = Markup("; ").join(
            Markup("<code>{}</code> {}").format(name, prose(what)) for name, what in study.columns.items()
        )
        columns = Markup("<details><summary>{}</summary>{}</details>").format(f"{len(study.columns)} columns", listed)
        rows.append([prose(study.title), *counts, columns])
    return table(["study", "conditions", "seeds", "rows", "columns"], rows, "studies", numeric=(1, 2, 3))
