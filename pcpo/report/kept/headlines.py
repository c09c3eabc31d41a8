"""Say the main results in sentences of a researcher, from the table of verdicts, whatever the verdicts are.

Each sentence is about one claim whose rule is a bound (`AtMost`): of a share of fleets, of a relative difference, or of
an exponent.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pcpo.claims.contract import Verdict
from pcpo.report.sentences import alone, context, number, percent

__all__ = ["HEADLINES", "Headline", "headlines", "sentence", "told_of"]

#: Below this fraction of the upper limit, the lower limit of an interval says no more than zero does.
_NEGLIGIBLE = 0.01


@dataclass(frozen=True)
class Headline:
    """Declare how the result of a claim is told.

    Args:
        claim: id of the claim; its rule is a bound.
        name: the part of the paper that the result is of.
        found: what was found; the value follows.
        unit: what the estimate is: a share of fleets, a relative difference, or the exponent of T.
    """

    claim: str
    name: str
    found: str
    unit: Literal["fleets", "difference", "exponent"]


HEADLINES = (
    Headline(
        "grid.theorem_1_1",
        "Theorem 1, no partner is lost",
        "An agent dropped a member of its own cluster",
        "fleets",
    ),
    Headline(
        "grid.theorem_1_2",
        "Theorem 1, the clusters are found",
        "From epoch L on, where the theorem promises the true clusters, a set was another one",
        "fleets",
    ),
    Headline(
        "grid.theorem_2_bound",
        "Theorem 2, the bound holds",
        "An agent ended above the bound on its gap to the optimal cost",
        "fleets",
    ),
    Headline(
        "grid.collaboration",
        "Theorem 2, collaboration pays",
        "In a cluster of |M| agents the gap was that of learning alone divided by √|M|, up to a difference of",
        "difference",
    ),
    Headline(
        "grid.rounds_few",
        "Corollary 3, rounds stay few",
        "With the rollouts T the rounds of communication grew like",
        "exponent",
    ),
    Headline(
        "grid.better_than_local",
        "Comparison, PCPO beats learning alone",
        "With the same rollouts for both, in clusters of four agents or more, PCPO did not end below learning alone",
        "fleets",
    ),
)


def headlines(verdicts: pd.DataFrame) -> Iterator[str]:
    """Yield the results in Markdown, an item of a list for each of `HEADLINES`, then what a mark * means.

    Args:
        verdicts: of the run.
    """
    claims = verdicts[verdicts["role"] == "claim"].set_index("claim", drop=False)
    weak = alone(verdicts) & {one.claim for one in HEADLINES}
    for one in HEADLINES:
        row = claims.loc[one.claim].to_dict() if one.claim in claims.index else None
        yield f"- {sentence(one, row, weak)}"
    if weak:
        yield ""
        yield (
            "\\* This support holds taken alone, with an error of at most 2.5 %, and not after the correction over all "
            "claims of the table."
        )


def told_of(verdicts: pd.DataFrame) -> list[str]:
    """List what the runs behind the results are of: mode, κ_M, population; once if it is the same for all."""
    claims = verdicts[(verdicts["role"] == "claim") & verdicts["claim"].isin([one.claim for one in HEADLINES])]
    rows: Sequence[Mapping[Any, Any]] = claims.to_dict("records")
    return sorted({context(row) for row in rows})


def sentence(headline: Headline, row: Mapping[Any, Any] | None, weak: Collection[str] = ()) -> str:
    """Say what was found for a claim: the verdict, the value, its limit, and what is allowed.

    Args:
        headline: how it is told.
        row: of the claim in the table of verdicts; None if the table has none.
        weak: the claims whose support is marked *.
    """
    if row is None:
        return f"**{headline.name}: not judged.** These results have no claim `{headline.claim}`."
    mark = r" \*" if headline.claim in weak else ""
    found = f"{headline.found} {_value(headline, row)}"
    return f"**{headline.name}: {row['verdict']}{mark}.** {found}{_limits(headline, row)}."


def _value(headline: Headline, row: Mapping[Any, Any]) -> str:
    """Write the estimate: of fleets as a count, if the table says of how many independent ones it is."""
    if headline.unit != "fleets":
        return _amount(headline, row["estimate"])
    failed = row["estimate"] * row["n_runs"]
    kind = str(row["interval"])
    where = ("any cell" if failed == 0 else "the worst cell") if "largest of" in kind or not kind else ""
    of = f" of {where}" if where else ""
    if kind.startswith("Clopper-Pearson") and math.isclose(failed, round(failed), abs_tol=1e-6):
        return f"in {round(failed):,} of {row['n_runs']:,.0f} fleets{of}"
    return f"in {_amount(headline, row['estimate'])} of the fleets{of}"


def _amount(headline: Headline, value: float) -> str:
    return f"T^{number(value)}" if headline.unit == "exponent" else percent(value)


def _limits(headline: Headline, row: Mapping[Any, Any]) -> str:
    """Write the limits that the verdict rests on, what is allowed, and why nothing is decided if nothing is."""
    low, high, most = row["ci_low"], row["ci_high"], _amount(headline, row["ci_high"])
    allowed = f"where {_amount(headline, row['predicted'])} is allowed"
    if math.isnan(low) or math.isnan(high):
        return f": no interval from so few runs, {allowed}, so nothing is decided"
    if row["verdict"] == Verdict.REFUTED:
        return f": at least {_amount(headline, low)}, {allowed}"
    if row["verdict"] == Verdict.SUPPORTED:
        exactly = most == _amount(headline, row["estimate"])
        return f", {allowed}" if exactly else f": at most {most}, {allowed}"
    if high <= row["predicted"]:
        why = "but data for which the claim is false pass the same check, so nothing is decided"
        return f": at most {most}, {allowed}, {why}"
    between = low > _NEGLIGIBLE * high
    limits = f"between {_amount(headline, low)} and {most}" if between else f"at most {most}"
    return f": {limits}, {allowed}, so nothing is decided"
