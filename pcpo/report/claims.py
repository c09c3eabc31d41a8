"""Show all claims in one table: a row each, which folds out to statement, rule, figure, controls and power.

A figure stands in the page once, where it is shown first; other claims point to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from pcpo.claims.contract import Claim, Group
from pcpo.report import sections, sentences
from pcpo.report.markup.formulas import prose
from pcpo.report.markup.html import anchor, badge, macro, unbroken
from pcpo.report.sentences import number
from pcpo.report.store import Store

__all__ = ["WORST_FIRST", "Shown", "claim_rows"]

#: Verdicts, the worst first: the table sorts them so, and a statement is as good as the worst of its checks.
WORST_FIRST = ("refuted", "inconclusive", "supported")


@dataclass
class Shown:
    """Remember which figures of evidence are in the page, and show each once."""

    store: Store
    places: dict[str, Markup] = field(default_factory=dict)

    def show(self, group: Group, name: str, where: Markup) -> Markup:
        """Show a figure, or where it is.

        Args:
            group: that draws it.
            name: its id.
            where: where it is shown if this is the first time, in words.
        """
        if name not in self.places:
            self.places[name] = where
            return sections.claim_figure(self.store, group, name)
        place = anchor("figure", name)
        there = self.store.figure_path(name).is_file()
        return macro("pointer", place if there else "", name, self.places[name])


def claim_rows(store: Store, shown: Shown) -> Iterator[dict[str, Any]]:
    """Yield what the template templates/claims.html.j2 needs, for each claim of all groups."""
    weak = sentences.alone(store.verdicts())
    for group in store.groups.values():
        for claim in group.claims:
            where = Markup("with the claim “{}”").format(prose(claim.title))
            yield {
                "id": anchor("claim", claim.id),
                "title": prose(claim.title),
                "group": group.name,
                "kind": claim.kind,
                **_verdict(store, group, claim, weak),
                **_controls(store, group, claim),
                "body": sections.claim_body(store, group, claim),
                "figure": shown.show(group, claim.figure, where),
            }


def _verdict(store: Store, group: Group, claim: Claim, weak: Collection[str]) -> dict[str, Any]:
    """Return the cells of the verdict; of a claim without one they are empty."""
    found = store.rows(group.name, claim.id, "claim")
    if not found:
        empty = dict.fromkeys(("found", "expected", "replicates", "runs"), "")
        return {**empty, "verdict": "missing", "rank": -1, "badge": badge("missing")}
    (row,) = found
    verdict = str(row["verdict"])
    return {
        "verdict": verdict,
        "rank": WORST_FIRST.index(verdict),
        "badge": badge(verdict) + (" *" if claim.id in weak else ""),
        "found": unbroken(sentences.estimated(row)),
        "expected": unbroken(sentences.expected(row)),
        "replicates": sentences.replicates(row).partition(" (")[0],
        "runs": f"{float(str(row['n_runs'])):.0f}",
    }


def _controls(store: Store, group: Group, claim: Claim) -> dict[str, Any]:
    """Return the cells of negative controls and power."""
    controls = store.rows(group.name, claim.id, "negative_control")
    right = sum(row["verdict"] == row["expected"] for row in controls)
    power = store.rows(group.name, claim.id, "power")
    return {
        "controls": macro("refuted_controls", right, len(controls)) if controls else badge("missing"),
        "refuted": f"{right / len(controls):.3f}" if controls else "",
        "power": number(float(str(power[0]["estimate"])), 2) if power else badge("missing"),
    }
