"""Write the results of a run in Markdown: the few lines at the head of README.md, and the page docs/results.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pcpo.claims.contract import Verdict
from pcpo.evidence.registry import GROUPS
from pcpo.report.kept.headlines import headlines, told_of
from pcpo.report.kept.standing import standing, standing_sentence
from pcpo.report.sentences import (
    alone,
    context,
    estimated,
    expected,
    kinds_sentence,
    number,
    replicates,
    summary_sentence,
)

__all__ = ["FIGURES", "Part", "readme_block", "results_page"]

#: The figures of the page, the first of which is in README.md: what each shows.
FIGURES = {
    "phase_diagram": "How often all neighbourhood sets are the true clusters, over the rollouts per agent and the "
    "separation Δ, and over the number of agents: random fleets. The lines are from theory: where exact costs part the "
    "clusters (solid), and where Theorem 1 promises them (dashed).",
    "population_scaling": "The gap of every random fleet over a prediction with nothing fitted, and mean gaps against "
    "cluster size times rollouts (Theorem 2).",
    "who_wins": "The gap of every method over that of PCPO, with the same rollouts, by cell.",
}
#: The groups whose claims are the paper's theorems.
_THEOREMS = ("grid",)
_HEAD = ("claim", "kind", "source", "verdict", "estimate [limits]", "limits", "expected", "n", "runs")
_WORDS = (
    "*Allowed* is what the claim allows, *at most* and *at least* are the ends of 95 % intervals, and a *cell* is a "
    "kind of fleet, of which each run draws a fresh one ([the cells](docs/grid.md))."
)
_NOTE = (
    "*Limits* says how they were made: 95 % intervals, or bounds without chance; *n* counts what is independent. "
    "*Runs* says of what: mode, factor κ_M of the minibatches, population, origin of the constants. The probability "
    "that any true claim of the table is refuted is at most 5 %. A false claim is supported with a probability of at "
    "most 2.5 %; without the mark *, also the probability that any of the supports is false is at most 5 % "
    "([how](evidence.md))."
)


#: A part: its name, its verdicts and its provenance.
Part = tuple[str, pd.DataFrame, Mapping[str, Any]]


def readme_block(
    verdicts: pd.DataFrame,
    provenance: Mapping[str, Any],
    methods: pd.DataFrame | None = None,
    parts: Sequence[Part] = (),
) -> str:
    """Write the results at the head of README.md: sentences, counts, a figure, and where they come from.

    Args:
        verdicts: of the run.
        provenance: of the run.
        methods: the table behind figure `baselines`, if it is kept.
        parts: groups that are younger than the run, each kept from a run of its own.

    Returns:
        Whole lines.
    """
    counts = f"{summary_sentence(verdicts)} {standing_sentence(methods)}".strip()
    more = "All claims, those that are not supported first, and all methods: [docs/results.md](docs/results.md)."
    runs = "".join(f" Runs: {words}." for words in told_of(verdicts))
    lines = ["", f"Results of `config/{provenance['configuration']}.yaml`.{runs} {_WORDS}", ""]
    lines += [*headlines(verdicts), "", f"{counts} {more}", ""]
    if parts:
        lines += ["Groups kept from runs of their own: " + "; ".join(map(_part_sentence, parts)) + ".", ""]
    lines += [*_pictures(list(FIGURES)[:1], provenance, "docs/reference"), _origin(provenance), ""]
    return "\n".join(lines) + "\n"


def results_page(
    verdicts: pd.DataFrame,
    provenance: Mapping[str, Any],
    methods: pd.DataFrame | None = None,
    parts: Sequence[Part] = (),
) -> str:
    """Write docs/results.md as a whole: what is not supported, the theorems, other methods, figures, all claims.

    Args:
        verdicts: of the run.
        provenance: of the run.
        methods: the table behind figure `baselines`, if it is kept.
        parts: groups that are younger than the run, each kept from a run of its own.
    """
    lines = [*_page(verdicts, provenance, methods, parts), *(line for part in parts for line in _part(part))]
    return "\n".join(lines) + "\n"


def _page(
    verdicts: pd.DataFrame, provenance: Mapping[str, Any], methods: pd.DataFrame | None, parts: Sequence[Part]
) -> Iterator[str]:
    claims = verdicts[verdicts["role"] == "claim"]
    weak = alone(verdicts)
    yield from ("# Results", "")
    yield (
        f"The results of `config/{provenance['configuration']}.yaml` that the repository keeps in "
        "[reference/](reference/): the table with its negative controls, all figures, and the provenance. The command "
        "`python -m tools.head` writes this page from them. What the words mean, and how a verdict is decided: "
        "[evidence.md](evidence.md)."
    )
    yield from ("", summary_sentence(verdicts))
    apart = {group for _, rows, _ in parts for group in rows["group"]}
    if apart:
        yield f"Kept from runs of their own, at the end of this page: {_groups(apart)}."
    if later := [name for name in _later(verdicts, provenance) if name not in apart]:
        yield f"Not in them: {_groups(later)}, declared since."
    if by_kind := kinds_sentence(verdicts):
        yield by_kind
    yield from ("", _origin(provenance), "")
    yield from ("## What is not supported", "")
    yield from _table(
        claims[claims["verdict"] != Verdict.SUPPORTED].sort_values("verdict", ascending=False, kind="stable"), weak
    )
    yield from ("", "## Theorems 1 and 2, and Corollary 3", "")
    stated = claims["source"].str.match(r"(Theorem [12]|Corollary 3)") & claims["group"].isin(_THEOREMS)
    yield from _table(claims[stated], weak)
    yield from ("", *([_NOTE, ""] if verdicts["p_support"].notna().any() else []))
    if compared := list(standing(methods)):
        yield from ("## PCPO against other methods", "", *compared)
    yield from ("## Figures", "")
    yield from _pictures(list(FIGURES), provenance, "reference")
    yield from (f"## All {len(claims)} claims", "")
    yield from _table(claims, weak)


def _part(part: Part) -> Iterator[str]:
    """Yield the section of a part: counts, origin, all of its claims."""
    _, verdicts, provenance = part
    claims = verdicts[verdicts["role"] == "claim"]
    yield from ("", f"## A run of its own: {_groups(verdicts['group'])}", "")
    yield f"With the sizes and seeds of `config/full.yaml`. {summary_sentence(verdicts)}"
    yield from ("", _origin(provenance), "")
    yield from _table(claims.sort_values("verdict", key=_order, kind="stable"), alone(verdicts))


def _order(verdicts: pd.Series) -> pd.Series:
    """Put what is refuted first, then what is not decided."""
    return verdicts.map({Verdict.REFUTED: 0, Verdict.INCONCLUSIVE: 1}).fillna(2)


def _part_sentence(part: Part) -> str:
    """Say the counts of a part."""
    _, verdicts, _ = part
    found = verdicts[verdicts["role"] == "claim"]["verdict"].value_counts()
    counts = ", ".join(f"{found[verdict]} {verdict}" for verdict in Verdict if verdict in found.index)
    return f"{_groups(verdicts['group'])}, {found.sum()} claims ({counts})"


def _groups(names: Iterable[str]) -> str:
    """Name groups, each once, in the order of the registry."""
    return ", ".join(f"group `{name}`" for name in GROUPS if name in set(names))


def _later(verdicts: pd.DataFrame, provenance: Mapping[str, Any]) -> list[str]:
    """Find the groups that were declared after the results were made."""
    drawn = set(provenance["figures_sha256"])
    judged = {name for name, entry in GROUPS.items() if drawn & set(entry.figures)} | set(verdicts["group"])
    return [name for name in GROUPS if name not in judged]


def _pictures(names: Sequence[str], provenance: Mapping[str, Any], folder: str) -> Iterator[str]:
    """Yield figures with their captions; a figure that the results do not have is left out."""
    for name in names:
        if name in provenance["figures_sha256"]:
            words = FIGURES[name]
            yield from (f"![{words.partition('.')[0]}]({folder}/{name}.png)", "", f"*{words}*", "")


def _table(claims: pd.DataFrame, weak: Collection[str]) -> Iterator[str]:
    if claims.empty:
        yield "None."
        return
    yield "| " + " | ".join(_HEAD) + " |"
    yield "|" + "---|" * len(_HEAD)
    for row in claims.to_dict("records"):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(row, weak)) + " |"


def _cells(row: Mapping[Any, Any], weak: Collection[str]) -> tuple[str, ...]:
    verdict = f"**{row['verdict']}**" + (r" \*" if row["claim"] in weak else "")
    kinds = (row["title"], str(row["kind"]), row["source"], verdict)
    return (*kinds, estimated(row), str(row["interval"]), expected(row), replicates(row), context(row))


def _origin(provenance: Mapping[str, Any]) -> str:
    place = f"{provenance['machine']['cores']} cores of {provenance['machine']['cpu']}"
    return (
        f"Tables of commit `{provenance['commit'][:12]}`, judged at `{provenance['judged_at'][:12]}`: "
        f"{provenance['jobs']:,} jobs of together {number(provenance['job_hours'])} hours ({place})."
    )
