"""Say how PCPO stands against other methods, in Markdown; every number is from the table of figure `baselines`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.report.sentences import number

__all__ = ["TABLE", "read_standing", "standing", "standing_sentence"]

#: The table, beside the figure of that name and in docs/reference.
TABLE = "baselines.csv"
_PCPO = "pcpo"


def read_standing(folder: Path) -> pd.DataFrame | None:
    """Read the table from docs/reference or figures/; None where it is not kept."""
    path = folder / TABLE
    return pd.read_csv(path) if path.is_file() else None


def standing(methods: pd.DataFrame | None) -> Iterator[str]:
    """Yield lines: final gaps over PCPO's by method and scenario, best first, with what a method is given.

    A run that ends with an infinite cost makes its method's gap infinite; how many do is said beside it.
    """
    for title, rows in _compared(methods):
        yield (
            f"**PCPO against other methods, {title}**: mean gap at the end over that of PCPO at the same rollouts per "
            f"agent, {int(rows['runs'].max())} runs; {_better(rows)} of {len(rows)} methods end below PCPO. "
            + "; ".join(_words(row) for row in rows.to_dict("records"))
            + "."
        )
        yield ""


def standing_sentence(methods: pd.DataFrame | None) -> str:
    """Count in one sentence the methods that end below PCPO, by scenario; empty without a comparison."""
    counts = [f"{_better(rows)} of {len(rows)} on *{title}*" for title, rows in _compared(methods)]
    return f"Other methods whose mean gap ends below that of PCPO: {', '.join(counts)}." if counts else ""


def _compared(methods: pd.DataFrame | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield title and the rows of the other methods, best first, of the scenarios in which PCPO has a finite gap."""
    if methods is None:
        return
    for title, part in methods.groupby("title", sort=False):
        own = part.loc[part["algorithm"] == _PCPO, "gap"]
        if own.empty or not np.isfinite(own.iloc[0]):
            continue
        rows = part[part["algorithm"] != _PCPO]
        rows = rows.assign(ratio=rows["gap"] / own.iloc[0]).sort_values(["ratio", "algorithm"], kind="stable")
        if not rows.empty:
            yield str(title), rows


def _better(rows: pd.DataFrame) -> int:
    return int((rows["ratio"] < 1).sum())


def _words(row: Mapping[Any, Any]) -> str:
    """Write a method, what it is given, its ratio and its lost runs."""
    entry = ALGORITHMS.get(str(row["algorithm"]))
    given = []
    if entry is not None:
        known = {"n_clusters": "H", "separation": "Δ", "labels": "the clusters"}
        given += [f"told {known[name]}" for name in sorted(entry.uses) if name in known]
        given += ["sees trajectories"] if entry.sees == "trajectories" else []
    name = f"{row['method']} ({', '.join(given)})" if given else str(row["method"])
    lost = f" ({row['failed']} of {row['runs']} runs lost)" if row["failed"] else ""
    return f"{name} {number(row['ratio'])}{lost}"
