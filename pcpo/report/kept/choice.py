"""Write the table of docs/beyond.md: which method in which situation, with what was measured and its figure.

Every number is of a row of the table of verdicts, a claim's or one of its negative controls; a number that no kept run
has is said to be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from pcpo.report.sentences import estimated, number

__all__ = ["SITUATIONS", "Compared", "Measured", "Situation", "choice_table"]

#: Folder of the kept runs, seen from docs/.
_FOLDER = "reference"
_HEAD = ("situation", "method", "what was measured", "value [limits]", "verdict", "claim", "figure")


@dataclass(frozen=True)
class Measured:
    """Name the row of the table of verdicts that shows how a method does.

    Args:
        method: what configurations call it, or words.
        what: the quantity, in words.
        claim: id of the claim, with its group.
        control: what the row is a negative control of, as the table of verdicts has it; empty for the claim itself.
    """

    method: str
    what: str
    claim: str
    control: str = ""


@dataclass(frozen=True)
class Compared:
    """Name a method of the table behind figure `baselines`: its final gap over that of PCPO at the same rollouts.

    Args:
        method: what configurations call it.
        scenario: what the comparison calls the fleet.
    """

    method: str
    scenario: str


@dataclass(frozen=True)
class Situation:
    """Say in which situation which methods were measured; the first is the advice."""

    name: str
    measured: Sequence[Measured | Compared]


#: What the choice of soft clusters is measured by.
_WORST = "gap over the best of alone, known clusters and everyone, worst distance"
_COSTS_ALONE = "PCPO: sets pruned by costs alone, (7)"

#: The situations of the table, in its order.
SITUATIONS: Sequence[Situation] = (
    Situation(
        "the paper's: clusters of different cost, constants of the systems known",
        [
            Measured("pcpo", "fleets with a wrong set from epoch L on, worst cell", "grid.theorem_1_2"),
            Measured(
                "pcpo", "fleets with over three times the gap of known clusters, worst cell", "grid.as_known_clusters"
            ),
            Measured("local", "fleets with no larger gap than PCPO, worst cell", "grid.better_than_local"),
        ],
    ),
    Situation(
        "Δ known as well",
        [
            Compared("one_shot", "shared_gain"),
            Compared("one_shot", "no_shared_gain"),
            Measured("pcpo", "fleets where one-shot told 4Δ is no worse, worst cell", "grid.better_than_one_shot_far"),
        ],
    ),
    Situation(
        "clusters of equal cost",
        [
            Measured("pcpo_gains", "fleets with a wrong set from epoch L′ on", "equal_costs.exact"),
            Measured("pcpo_gains", "gap over that of known clusters", "equal_costs.known"),
            Measured("pcpo_gains", "gap over that of `local`", "equal_costs.below_local"),
            Measured("pcpo", "fleets with a wrong set from epoch L′ on", "equal_costs.exact", _COSTS_ALONE),
            Measured("pcpo", "gap over that of known clusters", "equal_costs.known", _COSTS_ALONE),
        ],
    ),
    Situation(
        "costs of clusters .4 % apart",
        [
            Measured("pcpo_gains", "fleets with a wrong set from epoch L′ on", "equal_costs.close"),
            Measured("pcpo", "fleets with a wrong set from epoch L′ on", "equal_costs.close", _COSTS_ALONE),
        ],
    ),
    Situation(
        "clusters too close to be told apart, or Δ → 0",
        [
            Measured("pcpo_soft", _WORST, "soft_clusters.near_best"),
            Measured("pcpo_sync", _WORST, "soft_clusters.near_best", "PCPO, synchronised first: sets by (7) alone"),
            Measured("local", _WORST, "soft_clusters.near_best", "every agent learns alone"),
            Measured(
                "naive_average_sync", _WORST, "soft_clusters.near_best", "everyone in one set, however far clusters are"
            ),
        ],
    ),
    Situation(
        "systems that change",
        [
            Measured("pcpo_alarm", "runs with a wrong set after an agent has changed its cluster", "drift.again"),
            Measured("pcpo_alarm", "runs without a change that have an alarm", "drift.false_alarms"),
            Measured("pcpo_alarm", "gap of the other agents over that of an undisturbed run", "drift.others"),
            Measured("pcpo", "runs with a wrong set after the change", "drift.again", "PCPO, which has no alarm"),
        ],
    ),
    Situation(
        "systems that are not linear",
        [
            Measured("pcpo_auto", "fleets with a wrong set, worst level of nonlinearity", "nonlinear.sets"),
            Measured("pcpo_auto", "log of gap over that of local learning, at 20 %", "nonlinear.below_local"),
            Measured(
                "pcpo_auto", "log of gap over that of the linearised optimum, at 20 %", "nonlinear.below_linearised"
            ),
            Measured(
                "pcpo_auto",
                "fleets with a wrong set, clusters of equal cost",
                "nonlinear.sets",
                "plants tuned to equal cost of their best gains",
            ),
        ],
    ),
    Situation(
        "few rollouts, constants of the systems unknown",
        [
            Measured("pcpo_auto", "fleets that lose a policy or end with wrong sets", "model_free.failures"),
            Measured("pcpo_auto", "mean gap over that of `pcpo` with the true constants", "model_free.gap"),
            Measured("pcpo_auto", "the same, both with the two-point estimator", "model_free.gap_same_estimator"),
            Measured("pcpo_auto", "mean gap over that of `local`, clusters of four and more", "model_free.below_local"),
        ],
    ),
    Situation(
        "no stabilising gain",
        [
            Measured("pcpo_auto", "fleets that end without a gain of finite cost", "model_free.annealing"),
            Measured("pcpo_auto", "systems wrongly said to have one", "model_free.annealing_false"),
            Measured(
                "steps at γ from the start",
                "fleets that end without a gain of finite cost",
                "model_free.annealing",
                "all steps at γ, exact costs",
            ),
        ],
    ),
    Situation(
        "what agents send is dear",
        [
            Measured("pcpo_scalar", "runs whose gradients do not take exactly 1/mn of the bytes up", "scalar.bytes"),
            Measured("pcpo_scalar", "distance of its gap, over the closed form's price, from 1", "scalar.price"),
            Measured("pcpo_scalar", "rounds over those of `pcpo`, no noise, four agents and more", "scalar.table_step"),
        ],
    ),
)


def choice_table(kept: Sequence[tuple[str, pd.DataFrame]], methods: pd.DataFrame | None = None) -> str:
    """Write the table in Markdown, whole lines.

    Args:
        kept: name of the folder below docs/reference, empty for the whole run, and its verdicts.
        methods: the table behind figure `baselines`, if it is kept.
    """
    lines = ["", "| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    for situation in SITUATIONS:
        for place, one in enumerate(situation.measured):
            method = f"**`{one.method}`**" if one.method == situation.measured[0].method else f"`{one.method}`"
            found = _measured(one, kept) if isinstance(one, Measured) else _compared(one, methods)
            cells = [situation.name if place == 0 else "", method, *found]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""]) + "\n"


def _measured(one: Measured, kept: Sequence[tuple[str, pd.DataFrame]]) -> Iterator[str]:
    """Yield quantity, value, verdict, claim and figure of a row of the table of verdicts."""
    yield one.what
    found = [(folder, row) for folder, verdicts in kept for row in _rows(one, verdicts)]
    if not found:
        yield from ("not in the kept runs", "", f"`{one.claim}`", "")
        return
    folder, row = found[0]
    yield estimated(row)
    yield str(row["verdict"]) if not one.control else f"control, {row['verdict']}"
    yield f"`{one.claim}`"
    picture = f"{folder}/{row['figure']}" if folder else str(row["figure"])
    yield f"[{row['figure']}]({_FOLDER}/{picture}.png)"


def _rows(one: Measured, verdicts: pd.DataFrame) -> list[dict[str, object]]:
    """Return the rows of a claim, or of its negative control, as mappings."""
    role = "negative_control" if one.control else "claim"
    rows = verdicts[(verdicts["claim"] == one.claim) & (verdicts["role"] == role)]
    if one.control:
        rows = rows[rows["control"] == one.control]
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]


def _compared(one: Compared, methods: pd.DataFrame | None) -> Iterator[str]:
    """Yield quantity, value, verdict, claim and figure of a method of the comparison; it has no claim."""
    rows = pd.DataFrame(columns=["scenario"]) if methods is None else methods
    rows = rows[rows["scenario"] == one.scenario]
    title = rows["title"].iloc[0] if len(rows) else one.scenario
    yield f"mean gap over that of `pcpo`, scenario *{title}*"
    if rows.empty:
        yield from ("not in the kept runs", "", "", "")
        return
    gaps, runs = rows.set_index("algorithm")["gap"], rows["runs"].max()
    yield f"{number(gaps[one.method] / gaps['pcpo'])} ({runs} runs)"
    yield from ("no claim", "", f"[baselines]({_FOLDER}/baselines.png)")
