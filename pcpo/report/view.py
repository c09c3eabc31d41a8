"""Offer notebooks what they call: every method returns something that Jupyter shows, made from results on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from pcpo.claims.contract import Group
from pcpo.errors import ConfigError, ResultsError
from pcpo.figures.registry import entries
from pcpo.report import comparison
from pcpo.report import sections as render
from pcpo.report.markup.formulas import prose
from pcpo.report.markup.html import Fragment, missing
from pcpo.report.store import Store, open_store

__all__ = ["View", "load"]


@dataclass(frozen=True)
class View:
    """Show results in a notebook.  Claims are named by their ids, "scaling.overlay"."""

    store: Store

    def introduction(self, group: str) -> Fragment:
        """Show what a group of claims is about."""
        return Fragment(Markup("<p>{}</p>").format(prose(self.store.group(group).introduction)))

    def studies(self, group: str) -> Fragment:
        """Show what was run for a group: conditions, seeds, rows, and what the columns hold."""
        return Fragment(render.studies_table(self.store, self.store.group(group)))

    def overview(self, group: str) -> Fragment:
        """Show the verdicts of a group with their negative controls and power."""
        if self.store.verdicts(group).empty:
            return Fragment(missing(f"verdicts of group {group} (results/verdicts/{group}.csv)"))
        return Fragment(render.overview(self.store, [self.store.group(group)]))

    def statement(self, claim: str) -> Fragment:
        """Show a claim in the paper's words and symbols."""
        _, found = self.store.find(claim)
        return Fragment(render.statement_paragraph(found))

    def refutation(self, claim: str) -> Fragment:
        """Show what is measured, what would have refuted the claim, and the negative controls."""
        group, found = self.store.find(claim)
        return Fragment(render.rule_paragraph(found) + render.controls_list(self.store, group, found))

    def result(self, claim: str) -> Fragment:
        """Show the verdict, estimate and interval, and the reason."""
        group, found = self.store.find(claim)
        return Fragment(render.result_paragraph(self.store, group, found))

    def figure(self, name: str) -> Fragment:
        """Show a figure by its id, or the figure of a claim."""
        if name in entries():
            return Fragment(comparison.picture_alone(self.store, name))
        for group in self.store.groups.values():
            if name in group.figures:
                return Fragment(render.claim_figure(self.store, group, name))
        group, claim = self.store.find(name)
        return Fragment(render.claim_figure(self.store, group, claim.figure))

    def numbers(self, group: str) -> Fragment:
        """Show the numbers drawn in the figures of a group, folded."""
        return Fragment(render.figure_numbers(self.store, self.store.group(group)))

    def figure_numbers(self, name: str) -> pd.DataFrame:
        """Return the numbers drawn in a figure, or in the figure of a claim."""
        known = {one for group in self.store.groups.values() for one in group.figures} | set(entries())
        return self.store.numbers(name if name in known else self.store.find(name)[1].figure)

    def claims(self, group: str) -> Fragment:
        """Show every claim of a group: statement, measure and rule, figure, verdict, controls."""
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
        """Return the rows of a study."""
        return self.store.table(study)

    def runs(self) -> pd.DataFrame:
        """Return the runs of all scenarios and methods: a row for each run, epoch and agent."""
        return self.store.runs()

    def verdict(self, claim: str) -> pd.Series:
        """Return the row of a claim in the table of verdicts; raises ResultsError if there is none."""
        group, found = self.store.find(claim)
        rows = self.store.verdicts(group.name)
        rows = rows[(rows["claim"] == found.id) & (rows["role"] == "claim")]
        if rows.empty:
            place = self.store.root / f"results/verdicts/{group.name}.csv"
            raise ResultsError(f"claim {claim}: found no verdict in {place}, expected one; run `make` or `make quick`")
        chosen: pd.Series = rows.iloc[0]
        return chosen

    def comparison(self, name: str) -> Fragment:
        """Show a figure of runs and its numbers."""
        if name not in entries():
            raise ConfigError(f"figure: found {name!r}, expected one of {', '.join(entries())}")
        return Fragment(comparison.picture(self.store, name))


def load(root: Path | str | None = None, groups: Mapping[str, Group] | None = None) -> View:
    """Load the results under `root`; by default of the current directory, of one above it, or of $PCPO_ROOT.

    Raises:
        ResultsError: saying what to do, if there are none.
    """
    return View(open_store(root, groups))
