"""Make negative controls as changes of tables: rows or columns that stand in for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from pcpo.claims.contract import Tables
from pcpo.errors import ResultsError

__all__ = ["exchanged", "relabelled", "replaced", "scaled", "swapped"]


def swapped(study: str, control: str, cell: str, column: str = "cell") -> Callable[[Tables], Tables]:
    """Return tables where the rows of a control cell stand in for those of `cell`; by another column, of methods."""

    def apply(tables: Tables) -> Tables:
        frame = tables[study]
        wrong = frame[frame[column] == control].assign(**{column: cell})
        return {**tables, study: pd.concat([frame[frame[column] != cell], wrong], ignore_index=True)}

    return apply


def exchanged(study: str, pairs: Mapping[str, str]) -> Callable[[Tables], Tables]:
    """Return tables where the rows of methods go by other names, by old name: the runs of others on the same fleets."""
    return replaced(study, "method", lambda tables: tables[study]["method"].map(lambda name: pairs.get(name, name)))


def replaced(study: str, column: str, new: Callable[[Tables], pd.Series[Any]]) -> Callable[[Tables], Tables]:
    """Return tables with a column of a study replaced."""

    def apply(tables: Tables) -> Tables:
        frame = tables[study].copy()
        frame[column] = new(tables)
        return {**tables, study: frame}

    return apply


def scaled(study: str, column: str, factor: float, source: str = "") -> Callable[[Tables], Tables]:
    """Return tables with a column of a study replaced by `factor` times `source`, by default itself."""
    return replaced(study, column, lambda tables: factor * tables[study][source or column])


def relabelled(study: str, role: str) -> Callable[[Tables], Tables]:
    """Return tables where the cells of a control's role stand in for the grid, and nothing else is left.

    Raises ResultsError if the study has no such cells.
    """

    def apply(tables: Tables) -> Tables:
        frame = tables[study]
        chosen = frame[frame["role"] == role]
        if chosen.empty:
            raise ResultsError(f"study {study}: found no run with role {role!r}, expected control cells")
        return {**tables, study: chosen.assign(role="grid")}

    return apply
