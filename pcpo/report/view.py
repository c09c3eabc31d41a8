"""What a notebook calls: every method returns something that Jupyter shows, made from the results on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from pcpo.claims.contract import Group
from pcpo.errors import ConfigError
from pcpo.figures.registry import entries
from pcpo.report import comparison
from pcpo.report import sections as render
from pcpo.report.formulas import prose
from pcpo.report.html import Fragment, missing
from pcpo.report.store import Store, open_store

__all__ = ["View", "load"]


@dataclass(frozen=True)
class View:
    """Results to look at.  Claims are named by id, or by group/id where two groups have the same."""

    store: Store

    def introduction(self, group: str) -> Fragment:
        """What a group of claims is about."""
        return Fragment(Markup("<p>{}</p>").format(prose(self.store.group(group).introduction)))

    def studies(self, group: str) -> Fragment:
        """What was run for a group: conditions, seeds, rows, and what the columns hold."""
        return Fragment(render.studies_table(self.store, self.store.group(group)))

    def overview(self, group: str) -> Fragment:
        """The verdicts of a group with their negative controls and power."""
        if self.store.verdicts(group).empty:
            return Fragment(missing(f"verdicts of group {group} (results/verdicts/{group}.csv)"))
        return Fragment(render.overview(self.store, [self.store.group(group)], linked=False))

    def statement(self, claim: str) -> Fragment:
        """A claim in the paper's words and symbols."""
        _, found = self.store.find(claim)
        return Fragment(render.statement_paragraph(found))

    def refutation(self, claim: str) -> Fragment:
        """What is measured, and what would have refuted the claim; the controls show that the check can."""
        group, found = self.store.find(claim)
        return Fragment(render.rule_paragraph(found) + render.controls_list(self.store, group, found))

    def result(self, claim: str) -> Fragment:
        """Verdict, estimate, interval, and why."""
        group, found = self.store.find(claim)
        return Fragment(render.result_paragraph(self.store, group, found))

    def figure(self, name: str) -> Fragment:
        """A figure by its own name, or the one of a claim."""
        if name in entries():
            return Fragment(comparison.picture_alone(self.store, name))
        for group in self.store.groups.values():
            if name in group.figures:
                return Fragment(render.claim_figure(self.store, group, name))
        group, claim = self.store.find(name)
        return Fragment(render.claim_figure(self.store, group, claim.figure))

    def numbers(self, group: str) -> Fragment:
        """The numbers drawn in the figures of a group, folded away."""
        return Fragment(render.figure_numbers(self.store, self.store.group(group)))

    def figure_numbers(self, name: str) -> pd.DataFrame:
        """The numbers drawn in a figure, or in that of a claim."""
        known = {one for group in self.store.groups.values() for one in group.figures} | set(entries())
        return self.store.numbers(name if name in known else self.store.find(name)[1].figure)

    def claims(self, group: str) -> Fragment:
        """Every claim of a group from top to bottom: statement, measure and rule, figure, verdict, controls."""
        chosen = self.store.group(group)
        parts: list[Markup] = []
        shown: set[str] = set()
        for claim in chosen.claims:
            parts += [
                Markup("<h3>{}</h3>").format(prose(claim.title)),
                render.statement_paragraph(claim),
                render.rule_paragraph(claim),
                Markup("") if claim.figure in shown else render.claim_figure(self.store, chosen, claim.figure),
                render.result_paragraph(self.store, chosen, claim),
                render.controls_list(self.store, chosen, claim),
            ]
            shown.add(claim.figure)
        return Fragment(Markup("\n").join(parts))

    def table(self, study: str) -> pd.DataFrame:
        """The rows of a study."""
        return self.store.table(study)

    def comparison(self, name: str) -> Fragment:
        """A figure of the comparison and its numbers."""
        if name not in entries():
            raise ConfigError(f"figure: found {name!r}, expected one of {', '.join(entries())}")
        return Fragment(comparison.picture(self.store, name))


def load(root: Path | str | None = None, groups: Mapping[str, Group] | None = None) -> View:
    """The results under `root`; by default those of the current directory, of one above it, or of $PCPO_ROOT.

    Raises ResultsError with what to do if there are none.
    """
    return View(open_store(root, groups))
