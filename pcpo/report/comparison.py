"""Show the figures of runs with the tables of their numbers, and the table of how all runs end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from pcpo.errors import ResultsError
from pcpo.experiments.comparison import final_table
from pcpo.experiments.records import read_runs
from pcpo.figures.registry import entries, load_figure
from pcpo.report.markup.html import figure, macro, table
from pcpo.report.sentences import interval, number
from pcpo.report.store import Store

__all__ = ["NUMBERS", "Numbers", "picture", "picture_alone", "pictured", "runs_table", "title_of"]

Row = dict[Any, Any]
Cells = list[str | Markup]


@dataclass(frozen=True)
class Numbers:
    """Describe how the CSV beside a figure becomes a table.

    Args:
        head: headings.
        columns: columns that the CSV must have.
        cells: from a row of the CSV to texts, one for each heading.
        chosen: selects the rows that are shown.
    """

    head: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Callable[[Row], Cells]
    chosen: Callable[[pd.DataFrame], pd.DataFrame]

    def html(self, path: Path, label: str) -> Markup:
        """Show the table; raises ResultsError, naming the file, if it is unreadable or lacks columns."""
        try:
            numbers = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path}: not a readable table of numbers drawn ({error})") from None
        if lacking := sorted(set(self.columns) - set(numbers.columns)):
            raise ResultsError(f"{path}: found no columns {lacking}, expected the numbers drawn in {label}")
        return table(self.head, [self.cells(row) for row in self.chosen(numbers).to_dict("records")], label)


def _interval(row: Row, estimate: str = "gap", low: str = "ci_low", high: str = "ci_high") -> str:
    return interval(float(row[estimate]), float(row[low]), float(row[high]))


def _method(row: Row) -> Cells:
    """Return a row of `comparison.final_table` as texts."""
    return [
        row["title"],
        row["method"],
        _interval(row),
        f"{row['failed']} of {row['runs']}",
        number(row["rollouts"]),
        number(row["rounds"]),
        number(row["kilobytes"]),
        row["mode"],
    ]


def _plateau(row: Row) -> Cells:
    return [
        row["title"],
        number(row["cluster"]),
        row["method"],
        _interval(row),
        number(row["plateau"]),
        f"{row['diverged']:.0f} of {row['runs']:.0f}",
    ]


def _last_of_curves(numbers: pd.DataFrame) -> pd.DataFrame:
    lines = numbers[numbers["kind"] == "curve"]
    return lines[lines["epoch"] == lines.groupby(["scenario", "algorithm", "cluster"])["epoch"].transform("max")]


def _ratio(row: Row) -> Cells:
    return [
        row["method"],
        number(row["epoch"]),
        number(row["rollouts"]),
        _interval(row, "ratio", "ratio_low", "ratio_high"),
        number(row["predicted_ratio"]),
        f"{row['runs']:.0f}",
    ]


#: Final gaps, failures and communication of the methods.
METHODS = Numbers(
    (
        *("scenario", "method", "gap, cost units [95 % interval]", "failed runs", "rollouts per agent"),
        *("rounds", "kilobytes, all agents", "mode"),
    ),
    ("title", "method", "gap", "ci_low", "ci_high", "failed", "runs", "rollouts", "rounds", "kilobytes", "mode"),
    _method,
    lambda numbers: numbers,
)

#: The last epoch of every curve, beside the plateau that averaging over everybody must reach.
TRANSFER = Numbers(
    ("scenario", "cluster", "method", "last gap, cost units [95 % interval]", "predicted plateau", "diverged"),
    (
        *("kind", "scenario", "title", "algorithm", "cluster", "epoch", "method", "gap", "ci_low", "ci_high"),
        *("plateau", "diverged", "runs"),
    ),
    _plateau,
    _last_of_curves,
)

#: Gap relative to plain PCPO's at equal rollouts, by method and epoch.
RATIOS = Numbers(
    ("method", "epoch", "rollouts per agent", "gap relative to PCPO [95 % interval]", "predicted", "runs"),
    ("algorithm", "method", "epoch", "rollouts", "ratio", "ratio_low", "ratio_high", "predicted_ratio", "runs"),
    _ratio,
    lambda numbers: numbers[numbers["algorithm"] != "pcpo"],
)

#: Tables shown below figures of runs, by figure.
NUMBERS = {
    "baselines": METHODS,
    "ablations": METHODS,
    "negative_transfer": TRANSFER,
    "variance_reduction": RATIOS,
}


def runs_table(paths: Sequence[Path], titles: Mapping[str, str]) -> Markup:
    """Show what every algorithm ends with in every scenario, in the order of `titles`."""
    found = final_table(read_runs(paths)).sort_values(
        "scenario", key=lambda s: s.map(list(titles).index), kind="stable"
    )
    rows: list[Cells] = [
        [
            titles[row["scenario"]],
            row["algorithm"],
            _interval(row),
            f"{100 * row['correct']:.0f} %",
            f"{row['failed']} of {row['runs']}",
            number(row["rollouts"]),
            number(row["rounds"]),
            row["mode"],
        ]
        for row in found.to_dict("records")
    ]
    head = ["scenario", "algorithm", "gap, cost units [95 % interval]", "agents whose set is their cluster"]
    head += ["failed runs", "rollouts per agent", "rounds", "mode"]
    return table(head, rows, "runs at the end of their budget", numeric=(2, 3, 4, 5, 6))


def title_of(name: str) -> str:
    """Return a figure's title; elimination_<scenario> is `elimination` of another scenario."""
    entry, (first, _, scenario) = load_figure(name), name.partition("elimination_")
    return f"Elimination: {scenario}" if scenario and not first else entry.title


def pictured(figures: Collection[str]) -> list[str]:
    """Return those of the figures that are figures of runs, in the order of the report."""
    chosen: list[str] = []
    for name in entries():
        chosen += [name] if name in figures else []
        chosen += [one for one in figures if one.startswith("elimination_")] if name == "elimination" else []
    return chosen


def picture_alone(store: Store, name: str) -> Markup:
    """Show a figure with its caption."""
    return figure(store.figure_path(name), name, title_of(name), load_figure(name).caption)


def picture(store: Store, name: str) -> Markup:
    """Show a figure, and the table of its numbers, folded away, if it has one on disk."""
    numbers, path = NUMBERS.get(name), store.root / f"figures/{name}.csv"
    if numbers is None or not path.is_file():
        return picture_alone(store, name)
    made = numbers.html(path, f"figure {name}")
    return picture_alone(store, name) + macro("folded", "The numbers", made)
