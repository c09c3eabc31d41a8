"""From tables to verdicts: every claim, its negative controls and its power, a row each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from pcpo.claims.contract import ALPHA, Claim, Finding, Group, Tables, Verdict
from pcpo.errors import ConfigError, ResultsError

__all__ = ["ENOUGH_POWER", "VERDICT_COLUMNS", "check_group", "holm", "judge", "require_controls"]

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
    """Holm's step-down adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, running = [1.0] * len(p_values), 0.0
    for rank, k in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[k]))
        adjusted[k] = running
    return adjusted


def check_group(group: Group) -> None:
    """Raises ConfigError for a claim without a negative control, an id that occurs twice, a figure that is not there,
    or a group without exactly one primary claim."""
    ids = [claim.id for claim in group.claims]
    for claim in group.claims:
        if not claim.controls:
            raise ConfigError(f"claim {claim.id!r}: found no negative control, expected at least one")
        if ids.count(claim.id) > 1:
            raise ConfigError(f"claim {claim.id!r}: found it twice in group {group.name!r}, expected distinct ids")
        if claim.figure not in group.figures:
            raise ConfigError(
                f"claim {claim.id!r}: found figure {claim.figure!r}, expected one of {', '.join(group.figures)}"
            )
    primary = [claim.id for claim in group.claims if claim.primary]
    if len(primary) != 1:
        raise ConfigError(f"group {group.name!r}: found {len(primary)} primary claims, expected exactly one")


def judge(group: Group, tables: Tables) -> pd.DataFrame:
    """Rows with `VERDICT_COLUMNS`: role "claim" with Holm's correction among the secondary claims, role
    "negative_control" (expected "refuted") with the correction that its claim has, role "power".

    A check that does not refute its negative controls proves nothing: then "supported" becomes "inconclusive".
    """
    check_group(group)
    findings = {claim.id: claim.measure(tables) for claim in group.claims}
    secondary = [claim.id for claim in group.claims if not claim.primary]
    adjusted = dict(zip(secondary, holm([findings[c].p_value for c in secondary]), strict=True))
    rows = []
    for claim in group.claims:
        found = findings[claim.id]
        rows.append(_row(group, claim, found, adjusted.get(claim.id, found.p_value)))
        own = rows[-1]
        family = 1 if claim.primary else len(secondary)
        for control in claim.controls:
            wrong = claim.measure(control.tables(tables))
            # As one of the family, and the smallest of its p-values: the hardest place for it to be refuted from.
            row = _row(group, claim, wrong, min(1.0, family * wrong.p_value))
            rows.append({**row, "role": "negative_control", "control": control.what, "expected": Verdict.REFUTED.value})
            if row["verdict"] != Verdict.REFUTED and own["verdict"] == Verdict.SUPPORTED:
                own["verdict"] = Verdict.INCONCLUSIVE.value
        rows.append(_power_row(group, claim, found, tables))
    return pd.DataFrame(rows, columns=VERDICT_COLUMNS)


def require_controls(verdicts: pd.DataFrame) -> None:
    """Raises ResultsError unless every claim has a negative control.  Whether a control was refuted is shown beside the
    claim, whose verdict `judge` withholds if it was not."""
    controlled = set(verdicts.loc[verdicts["role"] == "negative_control", "claim"])
    bare = sorted(set(verdicts.loc[verdicts["role"] == "claim", "claim"]) - controlled)
    if bare:
        raise ResultsError(f"verdicts: found no negative control for claim {bare[0]!r}, expected at least one")


def _row(group: Group, claim: Claim, found: Finding, p_adjusted: float) -> dict[str, object]:
    return {
        "group": group.name,
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


def _power_row(group: Group, claim: Claim, found: Finding, tables: Tables) -> dict[str, object]:
    power = claim.power.value(tables)
    enough = math.isfinite(power) and power >= ENOUGH_POWER
    return {
        **_row(group, claim, found, found.p_value),
        "statistic": f"power at level {ALPHA:g} against: {claim.power.alternative}",
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
