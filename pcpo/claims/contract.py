"""Claims as data: what a paper states, how it is measured, what would refute it, and data for which it must be refuted.

A *study* makes a table: cells (conditions) × seeds (runs).  A *group* has studies, the claims that their tables test,
and figures.  A claim is measured on the tables of its group and never looks at anything else; its negative controls are
other tables, for which the same measurement under the same rule must say "refuted".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ALPHA",
    "Agrees",
    "AtMost",
    "Claim",
    "Control",
    "FigureSpec",
    "Finding",
    "Group",
    "Never",
    "Power",
    "Rule",
    "Study",
    "Tables",
    "Verdict",
]

#: Level of every test; secondary claims of a group share it by Holm's method.
ALPHA = 0.05

Tables = Mapping[str, pd.DataFrame]
Mode = Literal["literal", "literal, moment oracle", "calibrated", "exact"]


class Verdict(StrEnum):
    """What the data say of a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Finding:
    """An estimate with its 95 % interval [low, high], what it is compared with, and the runs behind it.

    statistic: what was computed and how the interval was made; predicted: the value or bound of the claim;
    p_value: probability, were the claim true, of data at least as much against it (two-sided; 0 or 1 where a single
    violation decides).
    """

    statistic: str
    estimate: float
    low: float
    high: float
    predicted: float
    p_value: float
    n_runs: int


class Rule(Protocol):
    """When a finding supports or refutes a claim; fixed before the runs."""

    @property
    def refuted_if(self) -> str:
        """The refutation rule as a sentence."""

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """Verdict for a finding, with its p-value after the correction for multiplicity."""


@dataclass(frozen=True)
class AtMost:
    """For bounds: refuted if the estimate is significantly above `predicted`, supported if `high` is not above it."""

    @property
    def refuted_if(self) -> str:
        """The rule as a sentence."""
        return "the interval lies above the bound"

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """By the interval and the p-value."""
        if finding.estimate > finding.predicted and p_value < ALPHA:
            return Verdict.REFUTED
        return Verdict.SUPPORTED if finding.high <= finding.predicted else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Agrees:
    """For equalities: refuted if `predicted` is significantly missed, supported if it is met with enough precision.

    precision: the largest half-width of the interval that supports, relative to |predicted| if relative=True.
    """

    precision: float
    relative: bool = False

    @property
    def refuted_if(self) -> str:
        """The rule as a sentence."""
        unit = " % of the prediction" if self.relative else ""
        amount = f"{100 * self.precision:g}" if self.relative else f"{self.precision:g}"
        return f"the interval excludes the prediction (inconclusive while its half-width is above {amount}{unit})"

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """By the p-value and the half-width."""
        if p_value < ALPHA:
            return Verdict.REFUTED
        width = (finding.high - finding.low) / 2
        limit = self.precision * (abs(finding.predicted) if self.relative else 1.0)
        precise = math.isfinite(width) and width <= limit and finding.low <= finding.predicted <= finding.high
        return Verdict.SUPPORTED if precise else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Never:
    """For inequalities that hold always: refuted by one violation, supported by `least` trials (n_runs) without one.

    estimate: number of violations; predicted: 0; low, high may bound the probability of one.
    """

    least: int

    @property
    def refuted_if(self) -> str:
        """The rule as a sentence."""
        return f"one violation (inconclusive below {self.least:,} trials)"

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """By the number of violations."""
        if finding.estimate > 0:
            return Verdict.REFUTED
        return Verdict.SUPPORTED if finding.n_runs >= self.least else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Control:
    """A negative control: tables on which the claim is false, and has to be refuted.

    tables: from the group's tables (which hold control cells too) to those that the claim is then measured on.
    """

    name: str
    what: str
    tables: Callable[[Tables], Tables]


@dataclass(frozen=True)
class Power:
    """How probably the check refutes, with the runs there are, if the truth is the stated alternative."""

    alternative: str
    value: Callable[[Tables], float]


@dataclass(frozen=True)
class Claim:
    """One statement under test.

    id: short and stable; source: theorem, equation or lemma of the paper; statement: the paper's words and symbols
    (LaTeX between $); quantity: the estimand in words, with units; primary: one per group, the others share the level
    by Holm's method.  mode: of the runs behind it ("exact": closed forms and quadrature, no schedule).
    figure: id of the figure that shows it.
    """

    id: str
    title: str
    source: str
    statement: str
    quantity: str
    measure: Callable[[Tables], Finding]
    rule: Rule
    controls: Sequence[Control]
    power: Power
    figure: str
    mode: Mode = "calibrated"
    primary: bool = False


@dataclass(frozen=True)
class Study:
    """Where a table comes from.

    cells(options): conditions by name, each a flat mapping of numbers and texts, from all `options`, each valid by its
    schema; raises ConfigError for options that do not fit together.
    simulate(cell, seeds): the rows of these seeds in one condition; the same rows whatever other seeds there are.
    columns: every column → what it holds, with its unit; a study's tables also have `cell` and `seed`, which the
    workflow adds (cell) or the study (seed).  key: columns that name a row within a cell.
    may_be_missing: columns where NaN means "not applicable".  options: what a configuration may set, each a JSON schema
    with its default (pcpo/claims/options.py).
    """

    name: str
    title: str
    cells: Callable[[Mapping[str, Any]], dict[str, dict[str, Any]]]
    simulate: Callable[[Mapping[str, Any], Sequence[int]], pd.DataFrame]
    columns: Mapping[str, str]
    key: Sequence[str] = ("seed",)
    may_be_missing: frozenset[str] = frozenset()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, Any]:
        """Options and their values where a configuration does not set them."""
        return {name: deepcopy(option["default"]) for name, option in self.options.items()}


@dataclass(frozen=True)
class FigureSpec:
    """A figure: (tables) → the numbers drawn → Figure, and a caption that names intervals and units."""

    table: Callable[[Tables], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    caption: str


@dataclass(frozen=True)
class Group:
    """Claims that belong together: one notebook, one section of the report.  introduction: a paragraph of LaTeX-and-
    text for a graduate student; figures by id."""

    name: str
    title: str
    introduction: str
    studies: Sequence[Study]
    claims: Sequence[Claim]
    figures: Mapping[str, FigureSpec]
