"""The first screen of the report: sentences that are right whatever the verdicts say, and what was not shown."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from support.report_tree import TOY, toy_tables, toy_tree, write_verdicts

from pcpo.claims.judging import judge
from pcpo.evidence.registry import load_group
from pcpo.report.answers import STATEMENTS, answers, not_shown, sentence
from pcpo.report.claims import Shown, claim_rows
from pcpo.report.markup.html import Fragment
from pcpo.report.store import Store, open_store


@pytest.fixture(scope="module")
def tree(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete tree of toy claims."""
    return toy_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """The toy claims' verdicts, free to be changed."""
    return {name: judge(name, group.claims, toy_tables()) for name, group in TOY.items()}


def shown_by(tree: Path, frames: dict[str, pd.DataFrame]) -> Store:
    write_verdicts(tree, frames)
    return open_store(tree, TOY)


def words(markup: object) -> str:
    return " ".join(str(Fragment(markup)).split())  # type: ignore[arg-type]


S, R, U = "supported", "refuted", "inconclusive"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([S, S, S], "That it rains is supported by all 3 checks."),
        ([S], "That it rains is supported by its one check."),
        ([R, R], "That it rains is refuted by all 2 checks."),
        ([R], "That it rains is refuted by its one check."),
        ([U, U], "Whether it rains is left open: all 2 checks are inconclusive."),
        ([U], "Whether it rains is left open: its one check is inconclusive."),
        ([S, U, U], "That it rains is supported in part: of 3 checks 1 supports it and 2 are inconclusive."),
        ([S, S, R], "That it rains is not borne out: of 3 checks 1 refutes it and 2 support it."),
        ([S, R, R, U], "That it rains is not borne out: of 4 checks 2 refute it, 1 supports it and 1 is inconclusive."),
        ([R, U], "That it rains is not borne out: of 2 checks 1 refutes it and 1 is inconclusive."),
        ([], "Whether it rains has no verdict here."),
    ],
)
def test_a_sentence_is_right_for_any_verdicts(verdicts: list[str], expected: str) -> None:
    assert sentence("it rains", verdicts) == expected
    assert sentence("it rains", verdicts[::-1]) == expected


def test_a_statement_is_as_good_as_the_worst_of_its_checks(tree: Path, frames: dict[str, pd.DataFrame]) -> None:
    """All toy claims are sourced from Theorem 1 and of the paper; the other statements are not about them."""
    [card] = answers(store := shown_by(tree, frames), Shown(store))
    assert card["name"] == "Theorem 1"
    assert 'class="badge inconclusive"' in card["badge"], "toy_defect"
    assert "of 4 checks 3 support it and 1 is inconclusive" in card["sentence"]
    assert 'id="figure-toy_defect"' in card["picture"], "of the check that is quoted"
    changed = frames["clustering"]
    chosen = (changed["claim"] == "clustering.toy_never") & (changed["role"] == "claim")
    changed.loc[chosen, ["verdict", "estimate"]] = ["refuted", 3.0]
    [card] = answers(store := shown_by(tree, frames), Shown(store))
    assert 'class="badge refuted"' in card["badge"]
    assert "not borne out: of 4 checks 1 refutes it" in card["sentence"]
    assert words(card["quoted"]).startswith("Never above: 3 violations in 150: 2 % [")
    assert "2\N{NO-BREAK SPACE}% [" in card["quoted"]
    assert "(expected: never)" in words(card["quoted"])


def test_what_was_not_shown_is_listed(tree: Path, frames: dict[str, pd.DataFrame]) -> None:
    lists = {one["id"]: one for one in not_shown(shown_by(tree, frames))}
    before = {name: len(one["items"]) for name, one in lists.items()}
    assert before == {f"not-shown-{name}": n for name, n in (("refuted", 0), ("inconclusive", 1), ("controls", 0))} | {
        "not-shown-sharp": 0,
        "not-shown-power": 0,
    }
    changed = frames["clustering"]
    row = changed["claim"] == "clustering.toy_ratio"
    for role, verdict in (("claim", "refuted"), ("negative_control", "inconclusive"), ("power", "inconclusive")):
        changed.loc[row & (changed["role"] == role), "verdict"] = verdict
    after = {one["id"]: one["items"] for one in not_shown(shown_by(tree, frames))}
    for name in ("refuted", "controls", "power"):
        [item] = after[f"not-shown-{name}"]
        assert "#claim-clustering.toy_ratio" in item
        assert words(item).startswith("The ratio is one")
    assert "expected refuted: the check is in doubt" in words(after["not-shown-controls"][0])
    assert "0.97" in words(after["not-shown-power"][0])


def test_every_statement_has_checks_and_a_figure() -> None:
    """The declared claims answer for all statements; none of another paper is among them."""
    groups = [load_group(name) for name in ("grid", "literal", "communication", "hierarchical")]
    claims = [claim for group in groups for claim in group.claims]
    figures = {name for group in groups for name in group.figures}
    for statement in STATEMENTS:
        chosen = [claim.id for claim in claims if statement.chosen(claim)]
        assert statement.lead in chosen
        assert statement.figure in figures
        assert not [name for name in chosen if name.startswith("hierarchical")]
    assert any(re.match("Theorem 2", claim.source) for claim in groups[-1].claims), "negative control"


def test_a_figure_stands_in_the_page_once(tree: Path, frames: dict[str, pd.DataFrame]) -> None:
    store = shown_by(tree, frames)
    rows = {row["id"]: row for row in claim_rows(store, Shown(store))}
    first, second = (rows[f"claim-clustering.toy_{name}"]["figure"] for name in ("event", "ratio"))
    assert 'id="figure-toy_event"' in first
    assert 'data-figure="figure-toy_event"' in second
    assert "<img" not in second
    assert "with the claim “The good event" in words(second)
    assert all(row["verdict"] in {"supported", "refuted", "inconclusive"} for row in rows.values())
