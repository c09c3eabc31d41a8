"""Write the results of a run in Markdown: the few lines at the head of README.md, and the page docs/results.md."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pcpo.claims.contract import Verdict
from pcpo.evidence.registry import GROUPS
from pcpo.report.headlines import headlines, told_of
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
from pcpo.report.standing import standing, standing_sentence

__all__ = ["FIGURES", "readme_block", "results_page"]

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


def readme_block(verdicts: pd.DataFrame, provenance: Mapping[str, Any], methods: pd.DataFrame | None = None) -> str:
    """Write the results at the head of README.md: sentences, counts, a figure, and where they come from.

    Args:
        verdicts: of the run.
        provenance: of the run.
        methods: the table behind figure `baselines`, if it is kept.

    Returns:
        Whole lines.
    """
    counts = f"{summary_sentence(verdicts)} {standing_sentence(methods)}".strip()
    more = "All claims, those that are not supported first, and all methods: [docs/results.md](docs/results.md)."
    runs = "".join(f" Runs: {words}." for words in told_of(verdicts))
    lines = ["", f"Results of `config/{provenance['configuration']}.yaml`.{runs} {_WORDS}", ""]
    lines += [*headlines(verdicts), "", f"{counts} {more}", ""]
    lines += [*_pictures(list(FIGURES)[:1], provenance, "docs/reference"), _origin(provenance), ""]
    return "\n".join(lines) + "\n"


def results_page(verdicts: pd.DataFrame, provenance: Mapping[str, Any], methods: pd.DataFrame | None = None) -> str:
    """Write docs/results.md as a whole: what is not supported, the theorems, other methods, figures, all claims.

    Args:
        verdicts: of the run.
        provenance: of the run.
        methods: the table behind figure `baselines`, if it is kept.
    """
    return "\n".join(_page(verdicts, provenance, methods)) + "\n"


def _page(verdicts: pd.DataFrame, provenance: Mapping[str, Any], methods: pd.DataFrame | None) -> Iterator[str]:
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
    if later := _later(verdicts, provenance):
        yield f"Not in them: {', '.join(f'group `{name}`' for name in later)}, declared since."
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
