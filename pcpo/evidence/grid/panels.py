"""Reduce tables of the grid: cells that differ from the base cell in chosen axes, their names, last epochs, modes."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from pcpo.errors import ResultsError

__all__ = [
    "BASE",
    "PCPO",
    "Row",
    "base_of",
    "base_words",
    "budgets",
    "cell_words",
    "fleets_words",
    "last_epochs",
    "like_base",
    "mode_of",
    "number_words",
    "pcpo_runs",
    "power_words",
]

#: A row of a figure's table.
Row = dict[str, Any]

BASE, PCPO = "base", "pcpo"

#: Columns that say which condition a cell is, and how a value is written.
_WORDS = {
    "agents": "$N={agents}$",
    "clusters": "$H={clusters}$",
    "sizes": "{sizes}",
    "n": "$(n,m)=({n},{m})$",
    "m": "$(n,m)=({n},{m})$",
    "gamma": r"$\gamma={gamma:g}$",
    "open_loop": "{open_loop}",
    "noise": "noise {noise}",
    "separation": r"$\Delta={separation:g}\,C^*$",
    "guess": r"$\Delta_0={times:.3g}\,\Delta$",
    "minibatch_scale": r"$\kappa_M={minibatch_scale:g}$",
    "delta": r"$\delta={delta:g}$",
}
_SHOWN_OF_BASE = ("agents", "clusters", "n", "open_loop", "separation", "guess")


def budgets(frame: pd.DataFrame) -> list[float]:
    """Return the checkpoints T of the option `rollouts` (rollouts per agent)."""
    return [float(T) for T in base_of(frame)["checkpoints"].split()]


def pcpo_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of PCPO on whole fleets."""
    found: pd.DataFrame = frame[frame["algorithm"] == PCPO]
    return found


def base_of(frame: pd.DataFrame) -> pd.Series:
    """Return a row of the base cell, for its settings; ResultsError if the table has none."""
    rows = frame[frame["cell"] == BASE]
    if rows.empty:
        raise ResultsError(f"grid: found the cells {', '.join(map(str, frame['cell'].unique()))}, expected {BASE!r}")
    return rows.iloc[0]


def like_base(frame: pd.DataFrame, *free: str) -> pd.DataFrame:
    """Return the rows of all cells that differ from the base cell in the columns `free` at most."""
    base = base_of(frame)
    held = [column for column in _WORDS if column not in free]
    found: pd.DataFrame = frame[(frame[held] == base[held]).all(axis=1)]
    return found


def cell_words(row: pd.Series, base: pd.Series) -> str:
    """Name a cell by what differs from the base cell."""
    changed = [_written(_WORDS[column], row) for column in _WORDS if row[column] != base[column]]
    return ", ".join(dict.fromkeys(changed)) or str(row["cell"]).replace("_", " ")


def base_words(base: pd.Series) -> str:
    """Describe the cell that the others are compared with."""
    return f"{base['cell']}: ".replace("_", " ") + ", ".join(
        _written(_WORDS[column], base) for column in _SHOWN_OF_BASE
    )


def _written(words: str, row: pd.Series) -> str:
    """Fill in the values of a cell."""
    values = {str(name): value for name, value in row.items()} | {"times": row["guess"] / row["separation"]}
    return words.format(**values).replace("one_large", "one large cluster")


def last_epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the last epoch of every run."""
    return frame.loc[frame.groupby(["cell", "seed", "algorithm"], sort=False)["epoch"].idxmax()]


def mode_of(frame: pd.DataFrame) -> str:
    """Join the modes of the runs; runs that are alike in every one of their epochs have one mode, however long."""
    ends = last_epochs(frame)
    found = {
        re.sub(rf"in epochs? (1 to )?{epoch}$", "in all epochs", mode)
        for mode, epoch in zip(ends["mode"], ends["epoch"], strict=True)
    }
    return "; ".join(sorted(found))


def fleets_words(counts: pd.Series) -> str:
    """Say how many fleets stand behind each number."""
    low, high = int(counts.min()), int(counts.max())
    return f"{low} fleets" if low == high else f"{low} to {high} fleets"


def number_words(value: float) -> str:
    """Write a number with two digits, with a minus sign, and without an exponent from 0.001 to 9,999."""
    size = abs(value)
    if not size or 1e-3 <= size < 1e4:
        return (f"{value:,.0f}" if size >= 10 else f"{value:.2g}").replace("-", "−")
    return power_words(value)


def power_words(value: float) -> str:
    """Write a positive number as a power of ten."""
    digits, _, exponent = f"{value:.1e}".partition("e")
    return rf"${digits}\times10^{{{int(exponent)}}}$"
