"""Write results as sentences, every number of them from a row of the table of verdicts.

Numbers have three significant digits, intervals the digits that their width deserves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pcpo.claims.contract import Rule
from pcpo.claims.judging import Agrees, AtMost, Never

__all__ = [
    "NOTHING",
    "control_sentence",
    "interval",
    "number",
    "p_text",
    "power_sentence",
    "result_sentence",
    "summary_sentence",
]

#: Stands for a number that is not there.
NOTHING = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """Format a number with some significant digits: 0.0123, 1,230, 4.56 × 10⁻⁷, ∞, – for NaN."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if size < -3 or size > 6:
        mantissa = _short(f"{value / 10.0**size:.{digits - 1}f}")
        return f"{mantissa} × 10{str(size).translate(_SUPERSCRIPT)}".replace("-", "−")
    if size >= digits or value == int(value):
        return f"{value:,.0f}".replace("-", "−")
    return _short(f"{value:.{max(0, digits - 1 - size)}f}").replace("-", "−")


def _short(text: str) -> str:
    """Drop the zeros at the end of decimals."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def interval(estimate: float, low: float, high: float) -> str:
    """Format `estimate [low, high]` with the decimals that give the half-width two digits or more."""
    ends = (estimate, low, high)
    if not all(map(math.isfinite, ends)) or low == high:
        return f"{number(estimate)} [{number(low)}, {number(high)}]"
    decimals = 1 - math.floor(math.log10((high - low) / 2))
    largest = max(map(abs, ends))
    if largest >= 1e7 or decimals > 6:
        return f"{number(estimate)} [{number(low)}, {number(high)}]"
    texts = ["0" if value == 0 else f"{value:,.{max(0, decimals)}f}".replace("-", "−") for value in ends]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def p_text(p_value: float) -> str:
    """Format a p-value: `p = 0.012`, `p < 0.001` below a thousandth, nothing for NaN."""
    if math.isnan(p_value):
        return ""
    return "p < 0.001" if p_value < 0.001 else f"p = {number(p_value, 2)}"


Row = Mapping[str, Any]


def result_sentence(row: Row, rule: Rule) -> str:
    """Say what was found, and why that is the verdict under the rule."""
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
    """Say what the same check finds on data for which the claim is false."""
    found = interval(row["estimate"], row["ci_low"], row["ci_high"])
    outcome = (
        "as it must be" if row["verdict"] == row["expected"] else f"expected {row['expected']}: the check is in doubt"
    )
    return f"{found}, compared with {number(row['predicted'])}: {row['verdict']}, {outcome}"


def power_sentence(row: Row) -> str:
    """Say how large the power is, against which alternative, and whether it is enough."""
    enough = "enough" if row["verdict"] == "supported" else "not enough"
    return f"{number(row['estimate'])} ({row['statistic']}); {enough}, {number(row['predicted'])} is asked for"


def summary_sentence(verdicts: pd.DataFrame) -> str:
    """Say how many claims have which verdict, and how many controls were refuted."""
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
