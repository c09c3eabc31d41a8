"""Judge claims: the rules by which a finding supports or refutes, and the rows of verdicts.

A finding is an estimate with its 95 % interval and the p-value of the prediction; `AtMost`, `Agrees` and `Never` turn
it into a verdict.

*False refutation* is controlled over the whole table: the probability that any true claim is refuted is at most
α = 0.05.  The families of the table, two for each group, share α equally; one family is the primary claim of a group
alone, the other its secondary claims, which share their part by Holm's method.  Every negative control is judged by the
same rule as its claim with the same correction, and the claim's power is computed at the same level.  *False support*
is controlled for each claim: one that is false, or true by a hair only, is supported with a probability of at most
α/2 (`Rule.support`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pcpo import statistics
from pcpo.claims.contract import ALPHA, Claim, Finding, Tables, Verdict
from pcpo.claims.findings import law_of
from pcpo.errors import ConfigError, ResultsError

__all__ = [
    "ENOUGH_POWER",
    "VERDICT_COLUMNS",
    "Agrees",
    "AtMost",
    "Never",
    "check_claims",
    "holm",
    "judge",
    "require_controls",
]


@dataclass(frozen=True)
class AtMost:
    """Judge a bound: refuted if the estimate is significantly above `predicted`, supported if `high` is not."""

    @property
    def refuted_if(self) -> str:
        """Return the rule as a sentence."""
        return "the interval lies above the bound"

    def against(self, finding: Finding) -> float:
        """Return the p-value of the bound: 1 for an estimate that keeps it."""
        return finding.p_value if finding.estimate > finding.predicted else 1.0

    def support(self, finding: Finding) -> float:
        """Return the p-value of "the truth is the bound or above"."""
        return law_of(finding).below(finding.predicted)

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """Judge by the interval and the p-value."""
        if finding.estimate > finding.predicted and p_value < ALPHA:
            return Verdict.REFUTED
        return Verdict.SUPPORTED if finding.high <= finding.predicted else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Agrees:
    """Judge an equality: refuted if `predicted` is significantly missed, supported if the truth is near (equivalence).

    Args:
        margin: the whole interval must lie within this distance of `predicted` to support.
        relative: whether `margin` is relative to |predicted|.
    """

    margin: float
    relative: bool = False

    @property
    def refuted_if(self) -> str:
        """Return the rule as a sentence."""
        unit = " % of it" if self.relative else ""
        amount = f"{100 * self.margin:g}" if self.relative else f"{self.margin:g}"
        return f"the interval excludes the prediction (inconclusive unless all of it lies within {amount}{unit})"

    def _margin(self, finding: Finding) -> float:
        return self.margin * (abs(finding.predicted) if self.relative else 1.0)

    def against(self, finding: Finding) -> float:
        """Return the p-value of the prediction."""
        return finding.p_value

    def support(self, finding: Finding) -> float:
        """Return the p-value of "the truth is as far from the prediction as the margin, or farther"."""
        return statistics.distance(law_of(finding), finding.predicted).below(self._margin(finding))

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """Judge by the p-value and by the ends of the interval."""
        if p_value < ALPHA:
            return Verdict.REFUTED
        farthest = max(abs(finding.low - finding.predicted), abs(finding.high - finding.predicted))
        near = farthest <= self._margin(finding) and finding.low <= finding.predicted <= finding.high
        return Verdict.SUPPORTED if near else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Never:
    """Judge an inequality that always holds: one violation refutes, enough trials without one support.

    In the finding, `estimate` is the number of violations and `predicted` is 0.

    Args:
        least: independent trials (`n_runs`) that support: so many exclude a rate of violations of 1 − 0.025^(1/least).
    """

    least: int

    @property
    def refuted_if(self) -> str:
        """Return the rule as a sentence."""
        return f"one violation (inconclusive below {self.least:,} independent trials)"

    def against(self, finding: Finding) -> float:
        """Return 0 if anything was violated, else 1."""
        return finding.p_value

    def support(self, finding: Finding) -> float:
        """Return the p-value of "violations have the rate that `least` trials exclude, or a larger one"."""
        return 1.0 if finding.estimate > 0 else float(statistics.TAIL ** (finding.n_runs / self.least))

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """Judge by the number of violations."""
        if finding.estimate > 0:
            return Verdict.REFUTED
        return Verdict.SUPPORTED if finding.n_runs >= self.least else Verdict.INCONCLUSIVE


VERDICT_COLUMNS = [
    "group",
    "claim",
    "title",
    "source",
    "quantity",
    "statistic",
    "estimate",
    "ci_low",
    "ci_high",
    "predicted",
    "p_value",
    "p_adjusted",
    "n_runs",
    "trials",
    "interval",
    "p_support",
    "mode",
    "minibatch_scale",
    "population",
    "kind",
    "role",
    "control",
    "expected",
    "verdict",
    "refuted_if",
    "figure",
]

#: Power at which a check that supports is worth quoting.
ENOUGH_POWER = 0.8


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, running = [1.0] * len(p_values), 0.0
    for rank, k in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[k]))
        adjusted[k] = running
    return adjusted


def check_claims(name: str, claims: Sequence[Claim]) -> None:
    """Check the declarations of a group.

    Raises:
        ConfigError: for a claim without a negative control or with an id that occurs twice, and for a group without
            exactly one primary claim.
    """
    ids = [claim.id for claim in claims]
    for claim in claims:
        if not claim.controls:
            raise ConfigError(f"claim {claim.id!r}: found no negative control, expected at least one")
        if ids.count(claim.id) > 1:
            raise ConfigError(f"claim {claim.id!r}: found it twice in group {name!r}, expected distinct ids")
    primary = [claim.id for claim in claims if claim.primary]
    if len(primary) != 1:
        raise ConfigError(f"group {name!r}: found {len(primary)} primary claims, expected exactly one")


def judge(name: str, claims: Sequence[Claim], tables: Tables, *, families: int = 1) -> pd.DataFrame:
    """Judge the claims of a group on its tables.

    Role "claim" has the correction for all families, and Holm's among the secondary claims; role "negative_control"
    (expected "refuted") has the correction of its claim in the hardest place, as the smallest p-value of the family;
    role "sharp_control" is runs with the scatter of the claim's own whose estimate is the alternative of the power;
    role "power" is computed at that level.  A check that does not refute its negative controls proves nothing: then
    "supported" becomes "inconclusive".

    Args:
        name: of the group.
        claims: all claims of the group; the secondary ones are one family.
        tables: of the group's studies, by name.
        families: how many families share the level; 1 if the table is this one family, or to see a group by itself.

    Returns:
        A row for each claim, control and power, with the columns `VERDICT_COLUMNS`.
    """
    check_claims(name, claims)
    read = {claim.id: _Read(tables) for claim in claims}
    findings = {claim.id: claim.measure(read[claim.id]) for claim in claims}
    scales = {claim.id: read[claim.id].minibatch_scale for claim in claims}
    secondary = [claim.id for claim in claims if not claim.primary]
    against = {claim.id: claim.rule.against(findings[claim.id]) for claim in claims}
    adjusted = {**against, **dict(zip(secondary, holm([against[c] for c in secondary]), strict=True))}
    rows = []
    for claim in claims:
        found = findings[claim.id]
        own = _row(name, claim, found, min(1.0, families * adjusted[claim.id]))
        rows.append(own)
        sharing = families * (1 if claim.primary else len(secondary))
        for control in claim.controls:
            wrong = claim.measure(control.tables(tables))
            row = _row(name, claim, wrong, min(1.0, sharing * claim.rule.against(wrong)))
            rows.append({**row, "role": "negative_control", "control": control.what, "expected": Verdict.REFUTED.value})
            if row["verdict"] != Verdict.REFUTED and own["verdict"] == Verdict.SUPPORTED:
                own["verdict"] = Verdict.INCONCLUSIVE.value
        if claim.power.departure is not None:
            wrong = claim.power.departure(tables)
            row = _row(name, claim, wrong, min(1.0, sharing * claim.rule.against(wrong)))
            expected = {"role": "sharp_control", "control": claim.power.alternative, "expected": Verdict.REFUTED.value}
            rows.append({**row, **expected})
        rows.append(_power_row(name, claim, found, claim.power.value(tables, ALPHA / sharing), ALPHA / sharing))
    found_rows = pd.DataFrame(rows, columns=VERDICT_COLUMNS)
    found_rows["minibatch_scale"] = found_rows["claim"].map(scales)
    return found_rows


class _Read(Mapping[str, pd.DataFrame]):
    """Note which tables a measure reads.

    Args:
        tables: of the group's studies.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._names: list[str] = []

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a table, and note its name."""
        self._names.append(name)
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._tables)

    def __len__(self) -> int:
        """Return the number of tables."""
        return len(self._tables)

    @property
    def minibatch_scale(self) -> str:
        """Return κ_M of the runs read that are no controls, "least to most", or nothing if no table has it."""
        values: set[float] = set()
        for name in self._names:
            frame = self._tables[name]
            if "minibatch_scale" in frame:
                chosen = frame[frame["role"] == "grid"] if "role" in frame else frame
                values |= set(chosen["minibatch_scale"].unique().tolist())
        ends = sorted({f"{value:g}": value for value in values}.items(), key=lambda item: item[1])
        return " to ".join(dict.fromkeys([ends[0][0], ends[-1][0]])) if ends else ""


def require_controls(verdicts: pd.DataFrame) -> None:
    """Check that every claim has a negative control.

    Whether a control was refuted is shown beside the claim, whose verdict `judge` withholds if it was not.

    Raises:
        ResultsError: naming a claim without one.
    """
    controlled = set(verdicts.loc[verdicts["role"] == "negative_control", "claim"])
    bare = sorted(set(verdicts.loc[verdicts["role"] == "claim", "claim"]) - controlled)
    if bare:
        raise ResultsError(f"verdicts: found no negative control for claim {bare[0]!r}, expected at least one")


def _row(group: str, claim: Claim, found: Finding, p_adjusted: float) -> dict[str, object]:
    return {
        "group": group,
        "claim": claim.id,
        "title": claim.title,
        "source": claim.source,
        "quantity": claim.quantity,
        "statistic": found.statistic,
        "estimate": found.estimate,
        "ci_low": found.low,
        "ci_high": found.high,
        "predicted": found.predicted,
        "p_value": found.p_value,
        "p_adjusted": p_adjusted,
        "n_runs": found.n_runs,
        "trials": found.trials or found.n_runs,
        "interval": found.interval,
        "p_support": claim.rule.support(found),
        "mode": claim.mode,
        "population": claim.population,
        "kind": claim.kind,
        "role": "claim",
        "control": "",
        "expected": "",
        "verdict": claim.rule.verdict(found, p_adjusted).value,
        "refuted_if": claim.rule.refuted_if,
        "figure": claim.figure,
    }


def _power_row(group: str, claim: Claim, found: Finding, power: float, level: float) -> dict[str, object]:
    enough = math.isfinite(power) and power >= ENOUGH_POWER
    return {
        **_row(group, claim, found, found.p_value),
        "statistic": f"power at level {level:.3g} against: {claim.power.alternative}",
        "estimate": power,
        "ci_low": math.nan,
        "ci_high": math.nan,
        "predicted": ENOUGH_POWER,
        "p_value": math.nan,
        "p_adjusted": math.nan,
        "p_support": math.nan,
        "role": "power",
        "verdict": (Verdict.SUPPORTED if enough else Verdict.INCONCLUSIVE).value,
        "refuted_if": "",
    }
