"""Show the figures of runs: each with its caption and, where it is worth reading, the table of its numbers."""

from __future__ import annotations

from collections.abc import Collection

from markupsafe import Markup

from pcpo.figures.registry import entries, load_figure
from pcpo.report.html import figure, macro
from pcpo.report.store import Store
from pcpo.report.tables import NUMBERS

__all__ = ["picture", "picture_alone", "pictured", "title_of"]


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
