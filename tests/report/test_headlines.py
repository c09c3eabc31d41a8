"""The main results in sentences: right for every verdict, from made-up rows and from tables without newer columns."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from support.report_tree import made_up

from pcpo.claims.judging import AtMost
from pcpo.evidence.registry import load_group
from pcpo.report.kept.headlines import HEADLINES, Headline, headlines, sentence, told_of

LOST, *_, COLLABORATION, ROUNDS, COMPARED = HEADLINES


def row(one: Headline, **changes: Any) -> dict[str, Any]:
    """A made-up row of a claim: one failure in 80 runs of the worst of ten cells, 5 % allowed."""
    shown = {"claim": one.claim, "estimate": 0.0125, "ci_low": 3e-5, "ci_high": 0.0677, "predicted": 0.05}
    shown |= {"n_runs": 80.0, "trials": 800.0, "interval": "Clopper-Pearson, largest of 10", "verdict": "inconclusive"}
    return {**shown, **changes}


def ending(one: Headline, **changes: Any) -> str:
    """The sentence without its name and verdict."""
    return sentence(one, row(one, **changes)).partition(".** ")[2].removeprefix(one.found + " ")


def test_headlines_are_declared_claims_whose_rule_is_a_bound() -> None:
    declared = {claim.id: claim for claim in load_group("grid").claims}
    assert len({one.claim for one in HEADLINES}) == 6
    assert [one.claim for one in HEADLINES if not isinstance(declared[one.claim].rule, AtMost)] == []


@pytest.mark.parametrize("one", HEADLINES)
@pytest.mark.parametrize("verdict", ["supported", "refuted", "inconclusive"])
def test_the_verdict_is_said_and_only_the_undecided_is_called_so(one: Headline, verdict: str) -> None:
    said = sentence(one, row(one, verdict=verdict))
    assert said.startswith(f"**{one.name}: {verdict}.** {one.found} ")
    assert said.endswith("is allowed, so nothing is decided." if verdict == "inconclusive" else "is allowed.")


def test_fleets_are_counted() -> None:
    clean = {"estimate": 0.0, "ci_low": 0.0, "ci_high": 0.04506, "verdict": "supported"}
    assert ending(LOST, **clean) == "in 0 of 80 fleets of any cell: at most 4.5 %, where 5 % is allowed."
    assert ending(LOST) == (
        "in 1 of 80 fleets of the worst cell: at most 6.8 %, where 5 % is allowed, so nothing is decided."
    )
    bad = {"estimate": 0.25, "ci_low": 0.16, "ci_high": 0.36, "verdict": "refuted"}
    assert ending(LOST, **bad) == "in 20 of 80 fleets of the worst cell: at least 16 %, where 5 % is allowed."
    one_cell = {"interval": "Clopper-Pearson", "estimate": 7 / 48, "n_runs": 48.0, "ci_low": 0.0607, "ci_high": 0.2776}
    assert ending(COMPARED, **one_cell, predicted=0.5, verdict="supported") == (
        "in 7 of 48 fleets: at most 28 %, where 50 % is allowed."
    )
    assert ending(COMPARED, **one_cell, predicted=0.2) == (
        "in 7 of 48 fleets: between 6.1 % and 28 %, where 20 % is allowed, so nothing is decided."
    )


def test_an_estimate_that_is_no_count_of_these_runs_is_a_share() -> None:
    """Tables of before count all runs in n_runs, and do not say how an interval was made."""
    older = {"interval": "", "trials": math.nan, "n_runs": 2800.0, "verdict": "supported"}
    assert ending(LOST, **older, estimate=0.0, ci_low=0.0, ci_high=0.0324) == (
        "in 0 % of the fleets of any cell: at most 3.2 %, where 5 % is allowed."
    )
    assert "of 2,800" not in ending(LOST, **older)
    assert ending(LOST, estimate=0.0131).startswith("in 1.3 % of the fleets of the worst cell")


def test_differences_and_exponents_are_said_in_their_units() -> None:
    off = {"estimate": 0.0338, "ci_low": 0.0, "ci_high": 0.0822, "predicted": 0.15, "interval": "jackknife-t"}
    assert ending(COLLABORATION, **off, verdict="supported") == "3.4 %: at most 8.2 %, where 15 % is allowed."
    grown = {"estimate": 0.31, "ci_low": 0.294, "ci_high": 0.326, "predicted": 0.5, "interval": "jackknife-t"}
    assert ending(ROUNDS, **grown, verdict="supported") == "T^0.31: at most T^0.326, where T^0.5 is allowed."
    sharp = {**grown, "ci_high": 0.3101}
    assert ending(ROUNDS, **sharp, verdict="supported") == "T^0.31, where T^0.5 is allowed."


def test_a_claim_that_its_controls_or_its_runs_leave_open_says_why() -> None:
    kept = {"ci_high": 0.04, "verdict": "inconclusive"}
    assert ending(LOST, **kept).endswith(
        "but data for which the claim is false pass the same check, so nothing is decided."
    )
    few = {"ci_low": math.nan, "ci_high": math.nan}
    assert ending(COLLABORATION, **few, estimate=0.86).startswith("86 %: no interval from so few runs, where 5 %")


def test_a_claim_that_the_results_do_not_have_is_named() -> None:
    assert sentence(LOST, None) == (
        "**Theorem 1, no partner is lost: not judged.** These results have no claim `grid.theorem_1_1`."
    )


def test_a_table_gives_a_sentence_for_each_and_explains_its_mark() -> None:
    """Every claim is made up as inconclusive; then all are supported, one headline and all others barely."""
    table = made_up(load_group("grid"))
    lines = list(headlines(table))
    assert len(lines) == 6
    assert all(": inconclusive.** " in line for line in lines)
    of_claims = table["role"] == "claim"
    table.loc[of_claims, ["verdict", "p_support"]] = ["supported", 1e-9]
    assert [line for line in headlines(table) if "\\*" in line] == []
    others = {one.claim for one in HEADLINES if one is not LOST}
    table.loc[of_claims & ~table["claim"].isin(others), "p_support"] = 0.02
    *sentences, empty, note = headlines(table)
    assert ["supported \\*.**" in line for line in sentences] == [True] + [False] * 5
    assert empty == ""
    assert note.startswith("\\* This support holds taken alone")
    [runs] = told_of(table)
    assert runs.startswith("calibrated, oracle auto; κ_M = 1; random fleets of the population")
    without = pd.DataFrame(table[table["claim"] != LOST.claim])
    assert next(headlines(without)) == f"- {sentence(LOST, None)}"
