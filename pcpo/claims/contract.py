"""Declare claims as data: what a paper states, how it is measured, what would refute it, and where it must fail.

A *study* makes a table: cells (conditions) × seeds (runs).  A *group* has studies, the claims that their tables test,
and figures.  A claim is measured on the tables of its group and never looks at anything else; its negative controls are
other tables, for which the same measurement under the same rule must say "refuted".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pcpo.statistics import Estimate

__all__ = [
    "ALPHA",
    "CONTROL_SEEDS",
    "CONTROL_SHARE",
    "Claim",
    "Control",
    "EvidenceFigure",
    "Finding",
    "Group",
    "Kind",
    "Power",
    "Rule",
    "Study",
    "Tables",
    "Verdict",
    "named_control",
]

#: Level of every test; secondary claims of a group share it by Holm's method.
ALPHA = 0.05

#: A cell for negative controls alone has so many of the seeds of a batch, and one in so many of the others.
CONTROL_SEEDS, CONTROL_SHARE = 10, 5

Tables = Mapping[str, pd.DataFrame]
#: What a claim is about: the paper's own statement; a reading or a finding of ours about its method; a place where its
#: text errs, where "supported" means that the error is there; the tools of this package; another paper.
Kind = Literal["of the paper", "reading of ours", "defect", "self-test", "companion"]
Mode = Literal[
    "literal",
    "literal, moment oracle",
    "calibrated",
    "calibrated, moment oracle",
    "calibrated, oracle auto",
    "model-free, moment oracle",
    "model-free, annealed first",
    "model-free, rollouts",
    "exact",
]


class Verdict(StrEnum):
    """Name what the data say of a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Finding:
    """Hold an estimate with its 95 % interval [low, high], what it is compared with, and the runs behind it.

    Args:
        statistic: what was computed.
        estimate, low, high: the estimate and its interval; of violations, their number and the interval of their rate.
        predicted: the value or bound of the claim.
        p_value: probability, if the claim were true, of data at least as much against it (two-sided; 0 or 1 where a
            single violation decides).
        n_runs: the independent runs or trials that the interval is of.
        interval: how the interval was made.
        trials: how many things were looked at, if they are more than the independent ones; else 0.
        law: the estimate behind it, which knows other levels; without one the interval is taken for normal.
    """

    statistic: str
    estimate: float
    low: float
    high: float
    predicted: float
    p_value: float
    n_runs: int
    interval: str = "normal"
    trials: int = 0
    law: Estimate | None = field(default=None, compare=False, repr=False)


class Rule(Protocol):
    """Decide when a finding supports or refutes a claim."""

    @property
    def refuted_if(self) -> str:
        """Return the refutation rule as a sentence."""

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """Return the verdict for a finding, with its p-value after the correction for multiplicity."""

    def against(self, finding: Finding) -> float:
        """Return the p-value of "the claim is true", which refutes if it is small."""

    def support(self, finding: Finding) -> float:
        """Return the p-value of "the claim is false, or just so", which supports if it is at most ALPHA/2."""


@dataclass(frozen=True)
class Control:
    """Declare a negative control: tables on which the claim is false and must be refuted.

    Args:
        name: short.
        what: what is wrong with the tables, in words.
        tables: from the group's tables, which hold control cells too, to those that the claim is then measured on.
    """

    name: str
    what: str
    tables: Callable[[Tables], Tables]


@dataclass(frozen=True)
class Power:
    """State how probably the check refutes, with the runs there are, if the truth is the stated alternative.

    Args:
        alternative: in words.
        value: from the tables and the level at which the judge refutes to that probability.
        departure: from the tables to the finding of runs like them that are at the alternative: the sharpest negative
            control, made without simulating anything; None where the alternative says more than one number.
    """

    alternative: str
    value: Callable[[Tables, float], float]
    departure: Callable[[Tables], Finding] | None = None


@dataclass(frozen=True)
class Claim:
    """Declare one statement under test.

    The texts (title, source, statement, quantity) of a group's claims stand in the group's claims.md, under the claim's
    id; `pcpo.evidence.registry.load_group` fills them in and puts the group's name before the id: "scaling.overlay".

    Args:
        id: short and stable, of lower-case letters, digits and _.
        measure: from the group's tables to the finding.
        rule: when a finding supports or refutes.
        controls: data for which the same check must refute; at least one.
        power: against the alternative that the check promises to see.
        figure: id of the figure that shows the claim.
        mode: of the runs behind it ("exact": closed forms and quadrature, no schedule).
        primary: exactly one claim of a group is; the others share the level by Holm's method.
        title: a few words.
        source: theorem, equation or lemma of the paper.
        statement: the paper's words and symbols (LaTeX between $).
        quantity: the estimand in words, with units.
        kind: what the claim is about.
        population: what the runs are of: fleets, and where the constants come from.
    """

    id: str
    measure: Callable[[Tables], Finding]
    rule: Rule
    controls: Sequence[Control]
    power: Power
    figure: str
    mode: Mode = "calibrated"
    primary: bool = False
    title: str = ""
    source: str = ""
    statement: str = ""
    quantity: str = ""
    kind: Kind = "of the paper"
    population: str = ""


def named_control(cell: str) -> bool:
    """Say whether a cell is named "control:…"."""
    return cell.startswith("control:")


@dataclass(frozen=True)
class Study:
    """Declare where a table comes from.

    Args:
        name: the name that configurations use.
        title: a few words.
        cells: from all `options`, each valid by its schema, to the conditions by name, each a frozen dataclass; raises
            ConfigError for options that do not fit together.
        simulate: from a condition and seeds to the rows of these seeds; the rows of a seed do not depend on the others.
        columns: every column → what it holds, with its unit.  The table also has `cell`, which the framework adds.
        key: columns that name a row within a cell.
        may_be_missing: columns where NaN means "not applicable".
        options: what a configuration may set, each a JSON schema with its default (`pcpo.claims.options`).
        place: key of the configuration under which the options stand; by default evidence.<name>.options.
        controls_only: from the name of a cell to whether it is read by negative controls and figures alone; such a cell
            has fewer seeds (`seeds_in`).  Not for controls that need the runs to be refuted.
    """

    name: str
    title: str
    cells: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    simulate: Callable[[Any, Sequence[int]], pd.DataFrame]
    columns: Mapping[str, str]
    key: Sequence[str] = ("seed",)
    may_be_missing: frozenset[str] = frozenset()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    place: str = ""
    controls_only: Callable[[str], bool] = lambda cell: False

    def seeds_in(self, cell: str, seeds: Sequence[int]) -> list[int]:
        """Return the seeds, of those of a batch, with which a cell is run.

        A cell for controls alone has the first `CONTROL_SEEDS` of the batch and every `CONTROL_SHARE`-th other.
        """
        ordered = sorted(seeds)
        if not self.controls_only(cell):
            return ordered
        return [seed for k, seed in enumerate(ordered) if k < CONTROL_SEEDS or k % CONTROL_SHARE == 0]

    @property
    def defaults(self) -> dict[str, Any]:
        """Return the options with their values where a configuration does not set them."""
        return {name: deepcopy(option["default"]) for name, option in self.options.items()}


@dataclass(frozen=True)
class EvidenceFigure:
    """Declare a figure in one entry.

    Args:
        title: a few words.
        caption: what is drawn, with units and the kind of the intervals (LaTeX between $).
        inputs: studies whose tables it reads; by default all studies of its group.
        table: from the tables to the numbers drawn, which are written beside the picture.
        draw: from the numbers to the picture.
    """

    title: str
    caption: str
    table: Callable[[Tables], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    inputs: Sequence[str] = ()


@dataclass(frozen=True)
class Group:
    """Hold claims that belong together: one notebook, one section of the report.

    Args:
        name: short; part of paths and of the claims' ids.
        title: a few words.
        introduction: a paragraph for a graduate student (LaTeX between $).
        studies: what makes the tables.
        claims: what is tested on them.
        figures: what is drawn from them, by id.
    """

    name: str
    title: str
    introduction: str
    studies: Sequence[Study]
    claims: Sequence[Claim]
    figures: Mapping[str, EvidenceFigure]
