"""Write the table of docs/beyond.md: which method in which situation, with what was measured and its figure.

Every number is of a row of the table of verdicts, a claim's or one of its negative controls; a number that no kept run
has is said to be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from pcpo.report.sentences import estimated

__all__ = ["SITUATIONS", "Measured", "Situation", "choice_table"]

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
class Situation:
    """Say in which situation which methods were measured; the first is the advice."""

    name: str
    measured: Sequence[Measured]


SITUATIONS: Sequence[Situation] = (
    Situation(
        "few rollouts, constants of the systems unknown",
        [
            Measured("pcpo_auto", "runs that lose a policy or end with wrong clusters", "model_free.failures"),
            Measured("pcpo_auto", "mean gap over that of `pcpo` with the true constants", "model_free.gap"),
            Measured("pcpo_auto", "mean gap over that of `local`, clusters of four and more", "model_free.below_local"),
        ],
    ),
    Situation(
        "no stabilising gain",
        [
            Measured("pcpo_auto", "runs that end without a gain of finite cost", "model_free.annealing"),
        ],
    ),
)


def choice_table(kept: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """Write the table in Markdown, whole lines.

    Args:
        kept: name of the folder below docs/reference, empty for the whole run, and its verdicts.
    """
    lines = ["", "| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    for situation in SITUATIONS:
        for place, one in enumerate(situation.measured):
            cells = [situation.name if place == 0 else "", *_cells(one, kept, advised=place == 0)]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""]) + "\n"


def _cells(one: Measured, kept: Sequence[tuple[str, pd.DataFrame]], *, advised: bool) -> Iterator[str]:
    """Yield the cells of a row after the situation."""
    yield f"**`{one.method}`**" if advised else f"`{one.method}`"
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
