"""Write results as sentences, every number of them from a row of the table of verdicts.

Numbers have three significant digits, intervals the digits that their width deserves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd

from pcpo.claims.contract import ALPHA, Kind, Rule
from pcpo.claims.judging import Agrees, AtMost, Never, holm
from pcpo.statistics import proportion

__all__ = [
    "NOTHING",
    "alone",
    "context",
    "control_sentence",
    "estimated",
    "expected",
    "interval",
    "kinds_sentence",
    "number",
    "p_text",
    "percent",
    "power_sentence",
    "replicates",
    "result_sentence",
    "sharp_text",
    "summary_sentence",
    "value",
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


def _counted(row: Row) -> bool:
    """Say whether the row counts violations of what must always hold."""
    return str(row["refuted_if"]).startswith("one violation")


def _rate(row: Row) -> bool:
    """Say whether the row estimates the probability of a failure from a count of runs."""
    return str(row["interval"]).startswith("Clopper-Pearson")


def percent(share: float) -> str:
    """Format a share with two significant digits: 4.5 %."""
    return f"{number(100 * share, 2)} %"


def value(row: Row, amount: float, digits: int = 3) -> str:
    """Format an amount in the row's unit: probabilities of failure in percent, everything else as a number."""
    return percent(amount) if _rate(row) else number(amount, digits)


def _fixed(row: Row) -> bool:
    """Say whether there is no chance in the row: all runs are equal, or the interval bounds an error of arithmetic."""
    kind = str(row["interval"])
    return bool(row["ci_low"] == row["ci_high"]) or kind.startswith("none: all runs") or kind.endswith("bound")


def estimated(row: Row) -> str:
    """Format what was found with the interval that it was judged by.

    Failures and violations are counts with the limits of their rate, "0 failures in 840 runs, at most 0.44 %"; a
    quantity without chance is the number alone.
    """
    if _counted(row):
        count, trials = round(float(row["estimate"])), round(float(row["n_runs"]))
        found = proportion(count, trials)
        return _count(count, trials, "violation", "", found.low, found.high) if trials else f"{count} violations in 0"
    if _rate(row):
        return _failures(row)
    if row["ci_low"] == row["ci_high"]:
        return number(row["estimate"], 4)
    return interval(row["estimate"], row["ci_low"], row["ci_high"])


def _failures(row: Row) -> str:
    """Format the share of runs that failed as a count, or in percent where it is of more than the independent runs."""
    low, high, trials = float(row["ci_low"]), float(row["ci_high"]), round(float(row["n_runs"]))
    count = round(float(row["estimate"]) * trials)
    if not math.isclose(count, float(row["estimate"]) * trials, abs_tol=1e-6):
        return f"{percent(row['estimate'])} [{percent(low)}, {percent(high)}]"
    unit = " learners" if "fraction of learners" in str(row["statistic"]) else " runs"
    if cells := _CELLS.search(str(row["interval"])):
        unit += f" of {'each' if count == 0 else 'the worst'} of {cells[1]} cells"
    return _count(count, trials, "failure", unit, low, high)


_CELLS = re.compile(r"largest of (\d+)")


def _count(count: int, trials: int, what: str, unit: str, low: float, high: float) -> str:
    """Format a count with the limits of its rate that say something."""
    found = f"{count:,} {what}{'' if count == 1 else 's'} in {trials:,}{unit}"
    if count == 0:
        return f"{found}, at most {percent(high)}"
    if count == trials:
        return f"{found}, at least {percent(low)}"
    return f"{found}: {percent(count / trials)} [{percent(low)}, {percent(high)}]"


def expected(row: Row) -> str:
    """Format the prediction, or the bound after ≤."""
    if _counted(row):
        return "never"
    return ("≤ " if row["refuted_if"] == AtMost().refuted_if else "") + value(row, row["predicted"])


def replicates(row: Row) -> str:
    """Format the number of independent replicates; where nothing is of chance, there are none."""
    if _fixed(row):
        return NOTHING
    looked_at = row["trials"]
    more = f" (of {looked_at:,.0f} looked at)" if looked_at > row["n_runs"] else ""
    return f"{row['n_runs']:,.0f}{more}"


def context(row: Row) -> str:
    """Say what the runs are of: mode, κ_M, population and the origin of the constants."""
    scale = f"κ_M = {row['minibatch_scale']}" if row["minibatch_scale"] else ""
    return "; ".join(part for part in (str(row["mode"]), scale, str(row["population"])) if part)


def result_sentence(row: Row, rule: Rule) -> str:
    """Say what was found, and why that is the verdict under the rule."""
    if isinstance(rule, Never):
        return f"{estimated(row)} (limits of the rate: Clopper-Pearson, 95 %): {_never(row, rule)}."
    of = "" if _fixed(row) else f"; n = {replicates(row)}"
    how = f"{row['statistic']}; {row['interval'] or '95 % interval'}{of}"
    return f"{estimated(row)} ({how}): {_because(row, rule)}{_p_values(row)}."


def _never(row: Row, rule: Never) -> str:
    if row["verdict"] == "refuted":
        return "one would refute"
    enough = f"the rule asks for {rule.least:,}"
    return f"{enough} without one" if row["verdict"] == "supported" else f"{enough}, so this is too few to support"


def _because(row: Row, rule: Rule) -> str:
    verdict, predicted = row["verdict"], value(row, row["predicted"])
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
    return f"; {raw}" if raw == adjusted or not adjusted else f"; {raw}, corrected for the table {adjusted}"


def control_sentence(row: Row) -> str:
    """Say what the same check finds on data for which the claim is false."""
    found = estimated(row)
    outcome = (
        "as it must be" if row["verdict"] == row["expected"] else f"expected {row['expected']}: the check is in doubt"
    )
    return f"{found}, compared with {value(row, row['predicted'])}: {row['verdict']}, {outcome}"


def sharp_text(row: Row) -> str:
    """Say what the check says of runs at the alternative of its power, and how far that is."""
    at = f"{value(row, row['estimate'])} for {value(row, row['predicted'])}" if not _counted(row) else "one violation"
    return f"{at}, {row['verdict']}"


def power_sentence(row: Row) -> str:
    """Say how large the power is, against which alternative, and whether it is enough."""
    enough = "enough" if row["verdict"] == "supported" else "not enough"
    return f"{number(row['estimate'])} ({row['statistic']}); {enough}, {number(row['predicted'])} is asked for"


def summary_sentence(verdicts: pd.DataFrame) -> str:
    """Say how many claims have which verdict, and how many controls were refuted."""
    claims = verdicts[verdicts["role"] == "claim"]
    counts = claims["verdict"].value_counts()
    listed = ", ".join(f"{counts.get(word, 0)} {word}" for word in _VERDICTS)
    controls = verdicts[verdicts["role"] == "negative_control"]
    right = int((controls["verdict"] == controls["expected"]).sum())
    sharp = verdicts[verdicts["role"] == "sharp_control"]
    seen = int((sharp["verdict"] == sharp["expected"]).sum())
    nearest = f"Of {len(sharp)} controls at the alternative of the power {seen} are. " if len(sharp) else ""
    powers = verdicts[verdicts["role"] == "power"]
    enough = int((powers["verdict"] == "supported").sum())
    return (
        f"{len(claims)} claims: {listed}. Of {len(controls)} negative controls {right} are refuted, as all must be. "
        f"{nearest}Of {len(powers)} checks {enough} have enough power."
    )


def kinds_sentence(verdicts: pd.DataFrame) -> str:
    """Count verdicts by what the claims are about; empty for a table that does not say."""
    claims = verdicts[(verdicts["role"] == "claim") & (verdicts["kind"] != "")]
    parts = []
    for kind in get_args(Kind):
        counts = claims.loc[claims["kind"] == kind, "verdict"].value_counts()
        if counts.sum():
            listed = ", ".join(f"{n} {word}" for word in _VERDICTS if (n := counts.get(word, 0)))
            parts.append(f"{counts.sum()} {_KINDS[kind]} ({listed})")
    return f"By kind: {'; '.join(parts)}." if parts else ""


#: What the kinds of claims are called in a count.
_KINDS: Mapping[Kind, str] = {
    "of the paper": "statements of the paper",
    "reading of ours": "readings and findings of ours about its method",
    "defect": "places where its text errs, where *supported* means that the error is there",
    "self-test": "self-tests of the tools",
    "companion": "statements of other papers",
}
_VERDICTS = ("supported", "refuted", "inconclusive")


def alone(verdicts: pd.DataFrame) -> frozenset[str]:
    """Return the supported claims whose support does not survive Holm's correction over all claims of the table.

    Each of them is supported with an error of at most α/2; of the others, the probability that any is false is at most
    α.  Empty for a table without p-values of support.
    """
    claims = verdicts[(verdicts["role"] == "claim") & verdicts["p_support"].notna()]
    strong = pd.Series(holm(claims["p_support"].tolist()), index=claims.index) < ALPHA
    return frozenset(claims.loc[~strong & (claims["verdict"] == "supported"), "claim"])
