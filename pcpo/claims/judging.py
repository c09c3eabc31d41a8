"""Judge claims: the rules by which a finding supports or refutes, and the rows of verdicts.

A finding is an estimate with its 95 % interval and the p-value of the prediction; `AtMost`, `Agrees` and `Never` turn
it into a verdict.  The primary claim of a group is tested at level α = 0.05; the secondary ones share α by Holm's
method.  Every negative control is judged by the same rule as its claim, and the claim's power is computed at the same
level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pcpo.claims.contract import ALPHA, Claim, Finding, Tables, Verdict
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

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """Judge by the interval and the p-value."""
        if finding.estimate > finding.predicted and p_value < ALPHA:
            return Verdict.REFUTED
        return Verdict.SUPPORTED if finding.high <= finding.predicted else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Agrees:
    """Judge an equality: refuted if `predicted` is significantly missed, supported if it is met with enough precision.

    Args:
        precision: the largest half-width of the interval that supports.
        relative: whether `precision` is relative to |predicted|.
    """

    precision: float
    relative: bool = False

    @property
    def refuted_if(self) -> str:
        """Return the rule as a sentence."""
        unit = " % of the prediction" if self.relative else ""
        amount = f"{100 * self.precision:g}" if self.relative else f"{self.precision:g}"
        return f"the interval excludes the prediction (inconclusive while its half-width is above {amount}{unit})"

    def verdict(self, finding: Finding, p_value: float) -> Verdict:
        """Judge by the p-value and the half-width."""
        if p_value < ALPHA:
            return Verdict.REFUTED
        width = (finding.high - finding.low) / 2
        limit = self.precision * (abs(finding.predicted) if self.relative else 1.0)
        precise = math.isfinite(width) and width <= limit and finding.low <= finding.predicted <= finding.high
        return Verdict.SUPPORTED if precise else Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Never:
    """Judge an inequality that always holds: one violation refutes, enough trials without one support.

    In the finding, `estimate` is the number of violations and `predicted` is 0.

    Args:
        least: trials (`n_runs`) that support.
    """

    least: int

    @property
    def refuted_if(self) -> str:
        """Return the rule as a sentence."""
        return f"one violation (inconclusive below {self.least:,} trials)"

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
    "mode",
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


def judge(name: str, claims: Sequence[Claim], tables: Tables) -> pd.DataFrame:
    """Judge the claims of a group on its tables.

    Role "claim" has Holm's correction among the secondary claims; role "negative_control" (expected "refuted") has the
    correction of its claim in the hardest place, as the smallest p-value of the family; role "power" is computed at
    that level.  A check that does not refute its negative controls proves nothing: then "supported" becomes
    "inconclusive".

    Args:
        name: of the group.
        claims: all claims of the group; the secondary ones are one family.
        tables: of the group's studies, by name.

    Returns:
        A row for each claim, control and power, with the columns `VERDICT_COLUMNS`.
    """
    check_claims(name, claims)
    findings = {claim.id: claim.measure(tables) for claim in claims}
    secondary = [claim.id for claim in claims if not claim.primary]
    adjusted = dict(zip(secondary, holm([findings[c].p_value for c in secondary]), strict=True))
    rows = []
    for claim in claims:
        found = findings[claim.id]
        own = _row(name, claim, found, adjusted.get(claim.id, found.p_value))
        rows.append(own)
        family = 1 if claim.primary else len(secondary)
        for control in claim.controls:
            wrong = claim.measure(control.tables(tables))
            row = _row(name, claim, wrong, min(1.0, family * wrong.p_value))
            rows.append({**row, "role": "negative_control", "control": control.what, "expected": Verdict.REFUTED.value})
            if row["verdict"] != Verdict.REFUTED and own["verdict"] == Verdict.SUPPORTED:
                own["verdict"] = Verdict.INCONCLUSIVE.value
        rows.append(_power_row(name, claim, found, claim.power.value(tables, ALPHA / family), ALPHA / family))
    return pd.DataFrame(rows, columns=VERDICT_COLUMNS)


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
        "mode": claim.mode,
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
        "role": "power",
        "verdict": (Verdict.SUPPORTED if enough else Verdict.INCONCLUSIVE).value,
        "refuted_if": "",
    }
