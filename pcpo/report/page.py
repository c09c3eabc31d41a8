"""Build the report: one page that needs no network, made of the files that the workflow has written.

Equal inputs give equal bytes: the page has no date.  What depends on the machine (time, memory, processor) is a block
that can be left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pcpo.claims.contract import Group
from pcpo.figures.registry import entries
from pcpo.report import comparison
from pcpo.report import sections as render
from pcpo.report.answers import answers, not_shown
from pcpo.report.claims import Shown, claim_rows
from pcpo.report.markup.formulas import markdown, prose
from pcpo.report.markup.html import anchor, badge, missing, table, template
from pcpo.report.origin import origin_of, rollouts_by_kind, time_spent
from pcpo.report.sentences import kinds_sentence, number, summary_sentence
from pcpo.report.store import Store, check_joined, open_store
from pcpo.storage.files import write_text
from pcpo.storage.provenance import environment_versions, git_commit, machine

__all__ = ["build_report", "style"]

_READING = Path(__file__).resolve().parents[2] / "docs/reading.md"


def style() -> Markup:
    """Return the style sheet of report and notebooks, to be put inside the page."""
    return Markup(resources.files(__package__).joinpath("templates/report.css").read_text(encoding="utf-8"))


def _script() -> Markup:
    return Markup(resources.files(__package__).joinpath("templates/report.js").read_text(encoding="utf-8"))


def build_report(
    root: Path | str | None = None,
    output: Path | str | None = None,
    *,
    groups: Mapping[str, Group] | None = None,
    figures: Sequence[str] | None = None,
    reading: Path = _READING,
    spent: bool = True,
    runs: Sequence[Path] = (),
    titles: Mapping[str, str] | None = None,
) -> Path:
    """Write the report (results/report.html under `root`) and return its path.

    groups: all declared ones by default, none for a page without verdicts; figures: those of the comparison that the
    configuration draws, all by default; reading: the deviations from the paper, in Markdown; spent: whether the page
    says what time it took on which machine; runs: files of runs to be put in a table, with the titles of their
    scenarios.  What is not there is named at the top of the page and in its place.
    Raises ResultsError, naming the file, for files that are not what they must be.
    """
    store = open_store(root, groups)
    joined = store.root / "results/verdicts.csv"
    if store.groups and joined.is_file():
        check_joined(joined, {name: rows for name in store.groups if len(rows := store.verdicts(name))})
    names = list(entries()) if figures is None else list(figures)
    shown = Shown(store)
    page = template("templates/report.html.j2").render(
        style=style(),
        script=_script(),
        missing=_missing(store, names, reading),
        summary=summary_sentence(store.verdicts()),
        by_kind=kinds_sentence(store.verdicts()).replace("*", ""),
        answers=answers(store, shown),
        not_shown=not_shown(store),
        claims=list(claim_rows(store, shown)),
        sections=[_section(store, group, shown) for group in store.groups.values()],
        runs=comparison.runs_table(runs, titles or {}) if runs else None,
        comparison=_comparison(store, names),
        reading=_reading(reading),
        defects=_defects(store),
        origin=_origin(store),
        spent=_spent(store.root) if spent else None,
    )
    path = store.root / "results/report.html" if output is None else Path(output)
    write_text(path, page)
    return path


def _missing(store: Store, figures: Sequence[str], reading: Path) -> list[str]:
    notes = store.missing()
    notes += [f"figure {name} (figures/{name}.png)" for name in figures if not store.figure_path(name).is_file()]
    names = [*store.groups, "comparison"]
    notes += [f"notebook {name} (results/{_notebook(name)})" for name in names if not _has_notebook(store, name)]
    if not reading.is_file():
        notes.append(f"deviations from the paper (docs/{reading.name})")
    if not store.sources:
        notes.append("tables of runs, and with them the provenance (results/**/*.parquet)")
    return notes


def _notebook(name: str) -> str:
    return f"notebooks/{name}.html"


def _has_notebook(store: Store, name: str) -> bool:
    return (store.root / "results" / _notebook(name)).is_file()


def _section(store: Store, group: Group, shown: Shown) -> dict[str, Any]:
    """Show what a group is about, the figures that no claim shows, and what was run."""
    return {
        "id": anchor("group", group.name),
        "name": group.name,
        "title": prose(group.title),
        "introduction": prose(group.introduction),
        "count": len(group.claims),
        "figures": [render.claim_figure(store, group, name) for name in group.figures if name not in shown.places],
        "studies": render.studies_table(store, group),
        "notebook": _notebook(group.name) if _has_notebook(store, group.name) else None,
    }


def _comparison(store: Store, names: Sequence[str]) -> dict[str, Any]:
    pictures = [
        {
            "id": anchor("comparison", name),
            "title": comparison.title_of(name),
            "body": comparison.picture(store, name),
        }
        for name in comparison.pictured(names)
    ]
    return {
        "pictures": pictures,
        "notebook": _notebook("comparison") if _has_notebook(store, "comparison") else None,
    }


def _reading(path: Path) -> Markup:
    if not path.is_file():
        return missing(f"deviations from the paper (docs/{path.name})")
    text = path.read_text(encoding="utf-8")
    body = text.split("\n", 1)[1] if text.startswith("# ") else text
    return markdown(body, "reading", below=1)


def _defects(store: Store) -> list[Markup]:
    """List the claims of group "defects" with their verdicts."""
    if "defects" not in store.groups:
        return []
    group = store.groups["defects"]
    items = []
    for claim in group.claims:
        rows = store.rows(group.name, claim.id, "claim")
        verdict = str(rows[0]["verdict"]) if rows else "missing"
        place = anchor("claim", claim.id)
        items.append(Markup('{} <a href="#{}">{}</a>').format(badge(verdict), place, prose(claim.title)))
    return items


def _origin(store: Store) -> Markup:
    found = origin_of(store.sources)
    rows: list[list[str | Markup]] = [
        ["settings of all tables, SHA-256", Markup("<code>{}</code>").format(found.settings)],
        ["tables of runs and studies", f"{found.files:,}"],
        ["version of pcpo: tables made with it", _counts(found.versions)],
        ["git commit: tables made at it", _counts(found.commits)],
    ]
    rows += [[name, version] for name, version in environment_versions().items()]
    made = table(["what", "value"], rows, "provenance")
    simulated = rollouts_by_kind(store.root, store.sources)
    if simulated.empty:
        return made + missing("rollouts simulated (no tables of runs with a row per agent)")
    counts: list[list[str | Markup]] = [
        [row["kind"], f"{row['files']:,}", number(row["rollouts"])] for row in simulated.to_dict("records")
    ]
    counts.append(["together", f"{simulated['files'].sum():,}", number(float(simulated["rollouts"].sum()))])
    return made + table(
        ["tables of runs, a row per agent", "files", "rollouts simulated by all agents"],
        counts,
        "rollouts",
        numeric=(1, 2),
    )


def _counts(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in values.items()) or "unknown"


def _spent(root: Path) -> Markup:
    """Show the time by kind of job, and the machine that built the page."""
    here: list[list[str | Markup]] = [["page built at commit", git_commit()]]
    here += [[name, str(value)] for name, value in machine().items()]
    made = table(["machine", "value"], here, "machine")
    found = time_spent(root)
    if found.empty:
        return made + missing("time spent (results/benchmarks)")
    rows: list[list[str | Markup]] = [
        [row["kind"], f"{row['jobs']:,}", *(number(row[k]) for k in ("seconds", "cpu_seconds", "memory"))]
        for row in found.to_dict("records")
    ]
    totals = [number(float(found[k].sum())) for k in ("seconds", "cpu_seconds")]
    rows.append(["together", f"{found['jobs'].sum():,}", *totals, number(float(found["memory"].max()))])
    head = ["jobs of kind", "jobs", "seconds", "processor seconds", "largest memory, MB"]
    return made + table(head, rows, "time spent", numeric=(1, 2, 3, 4))
