"""Results as sentences, every number of them from a row of the table of verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..claims.contract import Agrees, AtMost, Never, Rule
from .numbers import interval, number, p_text

__all__ = ["control_sentence", "power_sentence", "result_sentence", "summary_sentence"]

Row = Mapping[str, Any]


def result_sentence(row: Row, rule: Rule) -> str:
    """What was found, and why that is the verdict under `rule`."""
    if isinstance(rule, Never):
        return f"{number(row['estimate'])} violations in {row['n_runs']:,.0f} trials: {_never(row, rule)}."
    found = interval(row["estimate"], row["ci_low"], row["ci_high"])
    return f"{found} ({row['statistic']}; {row['n_runs']:,.0f} replicates): {_because(row, rule)}{_p_values(row)}."


def _never(row: Row, rule: Never) -> str:
    if row["verdict"] == "refuted":
        return "one would refute"
    enough = f"the rule asks for {rule.least:,}"
    return f"{enough} without one" if row["verdict"] == "supported" else f"{enough}, so this is too few to support"


def _because(row: Row, rule: Rule) -> str:
    verdict, predicted = row["verdict"], number(row["predicted"])
    if isinstance(rule, AtMost):
        return {
            "supported": f"the interval does not reach above the bound {predicted}",
            "refuted": f"the estimate is significantly above the bound {predicted}",
            "inconclusive": f"the interval reaches above the bound {predicted}, too little or too wide to decide",
        }[verdict]
    if isinstance(rule, Agrees):
        if verdict != "inconclusive":
            ending = "is met, with enough precision" if verdict == "supported" else "is significantly missed"
            return f"the prediction {predicted} {ending}"
        within = row["ci_low"] <= row["predicted"] <= row["ci_high"]
        ending = "is in the interval, which is too wide to support" if within else "is missed, but not significantly"
        return f"the prediction {predicted} {ending}"
    return f"compared with {predicted}"


def _p_values(row: Row) -> str:
    raw, adjusted = p_text(row["p_value"]), p_text(row["p_adjusted"])
    if not raw:
        return ""
    return f"; {raw}" if raw == adjusted or not adjusted else f"; {raw}, after Holm's correction {adjusted}"


def control_sentence(row: Row) -> str:
    """What the same check says of data on which the claim is false."""
    found = interval(row["estimate"], row["ci_low"], row["ci_high"])
    outcome = (
        "as it must be" if row["verdict"] == row["expected"] else f"expected {row['expected']}: the check is in doubt"
    )
    return f"{found}, compared with {number(row['predicted'])}: {row['verdict']}, {outcome}"


def power_sentence(row: Row) -> str:
    """The power, what against, and whether it is enough."""
    enough = "enough" if row["verdict"] == "supported" else "not enough"
    return f"{number(row['estimate'])} ({row['statistic']}); {enough}, {number(row['predicted'])} is asked for"


def summary_sentence(verdicts: pd.DataFrame) -> str:
    """How many claims have which verdict, and how many controls came out as they must."""
    claims = verdicts[verdicts["role"] == "claim"]
    counts = claims["verdict"].value_counts()
    listed = ", ".join(f"{counts.get(word, 0)} {word}" for word in ("supported", "refuted", "inconclusive"))
    controls = verdicts[verdicts["role"] == "negative_control"]
    right = int((controls["verdict"] == controls["expected"]).sum())
    powers = verdicts[verdicts["role"] == "power"]
    enough = int((powers["verdict"] == "supported").sum())
    return (
        f"{len(claims)} claims: {listed}. Of {len(controls)} negative controls {right} are refuted, as all must be. "
        f"Of {len(powers)} checks {enough} have enough power."
    )
