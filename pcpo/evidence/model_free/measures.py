"""Measure the claims of the group "model_free"; a fleet is the unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError

__all__ = [
    "ANNEALING_FAILURE",
    "FACTORS",
    "FAILURE",
    "FALSE_SUCCESS",
    "PROBING",
    "WELL_CONDITIONED",
    "annealing_failures",
    "audited",
    "chosen",
    "constant",
    "failures",
    "false_successes",
    "gap_ratio",
    "probing",
    "typical_ratio",
    "wrong_guesses",
]

#: Conditions of the claims on failures, and the largest probability of one.
WELL_CONDITIONED, FAILURE = ("condition_3", "condition_10"), 0.05
#: Largest share of the rollouts that probing may take.
PROBING = 0.1
#: Factors within which constants must be estimated, for all agents of a fleet.
FACTORS = {"cost": 1.1, "sigma": 1.5, "mean_curvature": 1.5, "largest_curvature": 2.0, "radius": 1.5}
#: By how much the log of a gap may differ between moments and rollouts, mean over fleets.
_AUDIT_MARGIN = 0.3
_UNIT = ["condition", "seed"]
#: Largest probability that a fleet without a stabilising gain gets none, and that a system is wrongly said to have one.
ANNEALING_FAILURE, FALSE_SUCCESS = 0.15, 0.05


def chosen(tables: Tables, study: str, method: str, conditions: Sequence[str] = ()) -> pd.DataFrame:
    """Select the rows of a method, all conditions if none are given; ResultsError if there are none."""
    rows = tables[study]
    rows = rows[rows["method"] == method]
    if conditions:
        rows = rows[rows["condition"].isin(conditions)]
    if rows.empty:
        raise ResultsError(f"{study}: found no runs of {method!r} in {', '.join(conditions) or 'any condition'}")
    return rows


def failures(*conditions: str) -> Callable[[Tables], Finding]:
    """Return the measure "fraction of fleets on which pcpo_auto fails", over conditions in equal parts."""

    def measure(tables: Tables) -> Finding:
        rows = chosen(tables, "model_free_fleets", "auto", conditions)
        return findings.failures(int(rows["failed"].sum()), len(rows), FAILURE)

    return measure


def _paired(tables: Tables, column: str) -> pd.DataFrame:
    """Return a column of the main study, a row per fleet on which all methods ran, and a column per method."""
    return tables["model_free_fleets"].pivot(index=_UNIT, columns="method", values=column).dropna()


def gap_ratio(method: str, bound: float, column: str = "kept_gap") -> Callable[[Tables], Finding]:
    """Return the measure "mean gap of pcpo_auto over that of a method", a policy that is worse than K⁰ counts as K⁰."""

    def measure(tables: Tables) -> Finding:
        gaps = _paired(tables, column)
        auto, other = gaps["auto"].to_numpy(dtype=float), gaps[method].to_numpy(dtype=float)
        return findings.mean_ratio(auto, other, bound, f"mean gap over that of {method}")

    return measure


def typical_ratio(method: str, bound: float) -> Callable[[Tables], Finding]:
    """Return the measure "mean log of the ratio of gaps", over the fleets where both are finite."""

    def measure(tables: Tables) -> Finding:
        gaps = _paired(tables, "gap")[["auto", method]].to_numpy(dtype=float)
        finite = gaps[np.isfinite(gaps).all(axis=1)]
        ratios = np.log(finite[:, 0] / finite[:, 1])
        return findings.mean(ratios, float(np.log(bound)), f"mean log of the gap over that of {method}, both finite")

    return measure


def probing(tables: Tables) -> Finding:
    """Compare the mean share of rollouts that goes into probing, at the start and later, with its bound."""
    rows = chosen(tables, "model_free_fleets", "auto")
    return findings.mean((rows["probing"] / rows["spent"]).to_numpy(dtype=float), PROBING, "mean share of probing")


def wrong_guesses(tables: Tables) -> Finding:
    """Compare the larger fraction of failures of the two guesses that are wrong by 30 with the bound."""
    counts = {}
    for name in ("auto_guess_1_30", "auto_guess_30"):
        rows = chosen(tables, "model_free_guesses", name, WELL_CONDITIONED)
        counts[name] = int(rows["failed"].sum()), len(rows)
    return findings.worst_failures(counts, FAILURE, "a failure, told a Δ_0 that is wrong by 30")


def constant(name: str) -> Callable[[Tables], Finding]:
    """Return the measure "fraction of fleets with an agent whose constant is not within its factor of the truth"."""
    factor = float(np.log(FACTORS[name]))

    def measure(tables: Tables) -> Finding:
        rows = tables["model_free_constants"]
        rows = rows[rows["role"] == "grid"]
        off = ~(np.abs(np.log(rows[name].where(rows[name] > 0))) <= factor)
        fleets = off.groupby([rows["condition"], rows["seed"]]).any()
        return findings.failures(int(fleets.sum()), len(fleets), FAILURE)

    return measure


def audited(tables: Tables) -> Finding:
    """Compare the mean log of the gap by rollouts over that by moments with 0, within a margin."""
    rows = tables["model_free_audit"]
    gaps = rows.pivot(index=_UNIT, columns="oracle", values="kept_gap")
    ratios = np.log((gaps["rollouts"] / gaps["moments"]).to_numpy(dtype=float))
    return findings.mean_within(ratios, 0.0, _AUDIT_MARGIN, "mean log of gap by rollouts over gap by moments")


def _annealed(tables: Tables) -> pd.DataFrame:
    """Select the runs that begin with annealing; ResultsError if there are none."""
    rows = tables["model_free_annealing"]
    rows = rows[rows["phase"] == "annealed"]
    if rows.empty:
        raise ResultsError("model_free_annealing: found no runs of 'annealed', expected some")
    return rows


def annealing_failures(tables: Tables) -> Finding:
    """Compare the fraction of fleets in which an agent is left without a gain of finite cost with the bound."""
    rows = _annealed(tables)
    return findings.failures(int(rows["failed"].sum()), len(rows), ANNEALING_FAILURE)


def false_successes(tables: Tables) -> Finding:
    """Compare the fraction of systems with an agent that is wrongly said to have a gain of finite cost with the bound.

    The systems of a fleet are drawn independently and have streams of their own, so a system is the unit.
    """
    rows = _annealed(tables)
    found = findings.failures(int(rows["false_systems"].sum()), int(rows["systems"].sum()), FALSE_SUCCESS)
    return replace(found, statistic="fraction of systems")
