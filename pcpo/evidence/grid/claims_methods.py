"""Declare the claims that compare methods over the grid, and the audit of the oracle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.claims.cells import failing_cell, failure_probability
from pcpo.claims.contract import Claim, Control, Finding, Tables
from pcpo.claims.controls import replaced
from pcpo.claims.judging import AtMost
from pcpo.claims.power import shift
from pcpo.evidence.grid.measures import MODE, audit_ratio, per_method

__all__ = ["COMPARISON"]


def _most(rows: pd.DataFrame) -> float:
    """Allow half of the fleets of a cell to fail."""
    return 0.5


def _at_least(method: str, factor: float = 1.0) -> Callable[[Tables], Finding]:
    """Return the measure "share of fleets in which PCPO's final gap is not below factor × the method's"."""
    reduce = per_method(lambda gaps: ~(gaps["pcpo"] < factor * gaps[method]))
    what = f"PCPO's gap not below that of {method}" + ("" if factor == 1 else f" times {factor:g}")
    return failure_probability("grid_methods", reduce, lambda runs: runs["failed"].astype(bool), what, _most)


def _renamed(names: dict[str, str]) -> Callable[[Tables], Tables]:
    """Return tables where methods have each other's names."""

    def apply(tables: Tables) -> Tables:
        rows = tables["grid_methods"]
        return {**tables, "grid_methods": rows.assign(algorithm=rows["algorithm"].replace(names))}

    return apply


def _exchanged(method: str) -> Control:
    return Control("exchanged", "the two methods exchanged", _renamed({"pcpo": method, method: "pcpo"}))


_FLEETS = failing_cell("grid_methods", 0.9, _most)


def _better(claim: str, method: str) -> Claim:
    """Return the claim that PCPO ends with the smaller gap in most fleets of every cell compared."""
    return Claim(claim, _at_least(method), AtMost(), [_exchanged(method)], _FLEETS, "who_wins", MODE)


def _four_times(tables: Tables) -> Tables:
    """Return tables where PCPO's gaps are four times those of known clusters."""
    rows = tables["grid_methods"].copy()
    known = rows[rows["algorithm"] == "oracle_clusters"].set_index(["cell", "seed", "epoch"])["gap"]
    mine = rows["algorithm"] == "pcpo"
    index = pd.MultiIndex.from_frame(rows.loc[mine, ["cell", "seed", "epoch"]])
    rows.loc[mine, "gap"] = 4.0 * known.reindex(index).to_numpy()
    return {**tables, "grid_methods": rows}


#: By how much auto/rollouts may be above 1, or rollouts/auto, if the two agree.
_AUDIT_MARGIN = 0.3


def _audited(tables: Tables) -> Finding:
    return audit_ratio(tables, _AUDIT_MARGIN)


def _audit_scaled(factor: float) -> Callable[[Tables], Tables]:
    """Return tables with the local gaps of the oracle auto multiplied."""

    def other(tables: Tables) -> pd.Series[float]:
        rows = tables["grid_audit"]
        return rows["local_gap"] * np.where(rows["oracle"] == "auto", factor, 1.0)

    return replaced("grid_audit", "local_gap", other)


COMPARISON: list[Claim] = [
    _better("better_than_local", "local"),
    _better("better_than_one_shot_far", "one_shot, told 4 Δ"),
    _better("better_than_one_shot_near", "one_shot, told 0.25 Δ"),
    Claim(
        "as_known_clusters",
        _at_least("oracle_clusters", 3.0),
        AtMost(),
        [Control("four_times", "four times the gap of known clusters", _four_times)],
        _FLEETS,
        "who_wins",
        MODE,
    ),
    Claim(
        "oracle_audit",
        _audited,
        AtMost(),
        [
            Control("noisier", "gaps by auto twice too large", _audit_scaled(2.0)),
            Control("quieter", "gaps by auto half too small", _audit_scaled(0.5)),
        ],
        shift(_audited, float(np.log(1.6 / (1 + _AUDIT_MARGIN))), "gaps 1.6 times as large"),
        "population_scaling",
        "calibrated",
    ),
]
