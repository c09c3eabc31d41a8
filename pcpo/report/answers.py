"""Answer what a reader asks first: does PCPO do what the paper says, and what was not shown?

Every sentence is made from the rows of the table of verdicts, and is right whatever they say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from pcpo.claims.contract import Claim, Group
from pcpo.report import sentences
from pcpo.report.claims import WORST_FIRST, Shown
from pcpo.report.markup.formulas import prose
from pcpo.report.markup.html import anchor, badge, macro, unbroken
from pcpo.report.store import Store

__all__ = ["STATEMENTS", "Statement", "answer", "answers", "not_shown", "sentence"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Statement:
    """Say which claims answer for a statement of the paper.

    Args:
        name: of the statement.
        says: the statement in words.
        chosen: whether a claim is one of its checks.
        figure: id of the figure that shows the answer, if the configuration draws it.
        lead: id of the check that is quoted, if the configuration has it and no check is worse; else the first.
    """

    name: str
    says: str
    chosen: Callable[[Claim], bool]
    figure: str
    lead: str


def _stated(source: str) -> Callable[[Claim], bool]:
    """Return the test for claims of the paper's own whose source begins with an expression."""
    return lambda claim: claim.kind == "of the paper" and re.match(source, claim.source) is not None


STATEMENTS = (
    Statement(
        "Theorem 1",
        "every agent finds exactly the agents of its cluster",
        _stated("Theorem 1"),
        "phase_diagram",
        "grid.theorem_1_2",
    ),
    Statement(
        "Theorem 2",
        "the gap shrinks with rollouts and cluster size without bias from other clusters",
        _stated("(discussion of )?Theorem 2"),
        "population_scaling",
        "grid.theorem_2_bound",
    ),
    Statement(
        "Corollary 3",
        "little communication is enough",
        _stated("Corollary 3"),
        "rounds_grid",
        "grid.rounds_counted",
    ),
    Statement(
        "Comparison",
        "PCPO gains over learning alone and loses little against known clusters",
        lambda claim: claim.figure == "who_wins",
        "who_wins",
        "grid.better_than_local",
    ),
)


@dataclass(frozen=True)
class Check:
    """Hold a claim with its group and its row of the table of verdicts."""

    group: Group
    claim: Claim
    row: Row


def _checks(store: Store, role: Literal["claim", "negative_control", "sharp_control", "power"]) -> Iterator[Check]:
    for group in store.groups.values():
        for claim in group.claims:
            for row in store.rows(group.name, claim.id, role):
                yield Check(group, claim, row)


def _with(checks: list[Check], verdict: str) -> list[Check]:
    return [check for check in checks if check.row["verdict"] == verdict]


def sentence(says: str, verdicts: list[str]) -> str:
    """Say in one sentence what the checks of a statement found together.

    Args:
        says: the statement in words.
        verdicts: of its checks.
    """
    count = len(verdicts)
    good, bad, undecided = (verdicts.count(word) for word in ("supported", "refuted", "inconclusive"))
    every = "its one check" if count == 1 else f"all {count} checks"
    if not count:
        return f"Whether {says} has no verdict here."
    if count in (good, bad):
        return f"That {says} is {'supported' if good else 'refuted'} by {every}."
    if count == undecided:
        return f"Whether {says} is left open: {every} {'is' if count == 1 else 'are'} inconclusive."
    parts = [f"{n} {word}{'s' if n == 1 else ''} it" for n, word in ((bad, "refute"), (good, "support")) if n]
    parts += [f"{undecided} {'is' if undecided == 1 else 'are'} inconclusive"] if undecided else []
    return f"That {says} is {'not borne out' if bad else 'supported in part'}: of {count} checks {_listed(parts)}."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def answers(store: Store, shown: Shown) -> list[dict[str, Any]]:
    """Answer for the statements that the declared claims are about; what a card shows, each with its picture."""
    declared = [claim for group in store.groups.values() for claim in group.claims]
    return [answer(store, one, shown) for one in STATEMENTS if any(map(one.chosen, declared))]


def answer(store: Store, statement: Statement, shown: Shown) -> dict[str, Any]:
    """Return what the card of a statement shows: verdict, sentence, the check that is quoted, and a picture."""
    checks = [check for check in _checks(store, "claim") if statement.chosen(check.claim)]
    verdict = next((one for one in WORST_FIRST if _with(checks, one)), "missing")
    worst = _with(checks, verdict)
    lead = next((check for check in worst if check.claim.id == statement.lead), worst[0] if worst else None)
    drawn = {name: group for group in store.groups.values() for name in group.figures}
    figure = statement.figure if statement.figure in drawn else (lead.claim.figure if lead else None)
    return {
        "id": anchor("answer", statement.name),
        "name": statement.name,
        "badge": badge(verdict),
        "sentence": sentence(statement.says, [str(check.row["verdict"]) for check in checks]),
        "quoted": _quoted(lead) if lead else None,
        "enlarge": anchor("figure", figure) if figure and figure not in shown.places else None,
        "picture": shown.show(drawn[figure], figure, Markup("at the head of the page")) if figure else None,
        "checks": [Markup("{} {}").format(badge(str(check.row["verdict"])), _link(check)) for check in checks],
    }


def _link(check: Check) -> Markup:
    return macro("link", anchor("claim", check.claim.id), prose(check.claim.title))


def _quoted(check: Check) -> Markup:
    """Quote a check: its title, what was found, and what was expected."""
    return Markup("{}: {} (expected: {}).").format(
        _link(check), unbroken(sentences.estimated(check.row)), unbroken(sentences.expected(check.row))
    )


def not_shown(store: Store) -> list[dict[str, Any]]:
    """List what the run did not show: refuted, inconclusive, controls that were not refuted, checks without power."""
    claims = list(_checks(store, "claim"))
    negative, sharp = (
        [check for check in _checks(store, role) if check.row["verdict"] != check.row["expected"]]
        for role in ("negative_control", "sharp_control")
    )
    weak = [check for check in _checks(store, "power") if check.row["verdict"] != "supported"]
    return [
        _listing("Refuted claims", "refuted", [_found(check) for check in _with(claims, "refuted")]),
        _listing("Inconclusive claims", "inconclusive", [_found(check) for check in _with(claims, "inconclusive")]),
        _listing(
            "Negative controls that were not refuted, so that the check may be blind",
            "controls",
            map(_control, negative),
        ),
        _listing(
            "Sharp controls, at the alternative of the power, that were not refuted", "sharp", map(_control, sharp)
        ),
        _listing(
            f"Checks without power: below {sentences.number(_enough(store))} against their alternative",
            "power",
            [Markup("{}: {}").format(_link(check), prose(sentences.power_sentence(check.row))) for check in weak],
        ),
    ]


def _enough(store: Store) -> float:
    """Return the power that is asked for."""
    return next((float(check.row["predicted"]) for check in _checks(store, "power")), float("nan"))


def _listing(title: str, name: str, items: Any) -> dict[str, Any]:
    return {"title": title, "id": anchor("not-shown", name), "items": list(items)}


def _found(check: Check) -> Markup:
    return Markup("{} ({}; {}): {}, expected: {}").format(
        _link(check),
        check.group.name,
        check.claim.kind,
        unbroken(sentences.estimated(check.row)),
        unbroken(sentences.expected(check.row)),
    )


def _control(check: Check) -> Markup:
    return Markup("{}: {}: {}").format(
        _link(check), prose(str(check.row["control"])), unbroken(sentences.control_sentence(check.row))
    )
