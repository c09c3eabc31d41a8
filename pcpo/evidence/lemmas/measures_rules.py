"""Measure whether PCPO does what Algorithm 1 says, and whether its rollouts are independent ones of (5)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import jackknife, mean, violated
from pcpo.evidence.lemmas.draws import DRAWS
from pcpo.evidence.lemmas.horizon import HORIZON
from pcpo.evidence.lemmas.measures import paper_cells
from pcpo.evidence.lemmas.rules import RULES

__all__ = ["AGENTS", "ANSWERS", "USES", "horizon", "iterates", "rollouts", "rule_7", "rule_8", "table_2"]

_DIFFERENCES = 1e-4  # relative: what central differences leave
_ROUNDING = 1e-9
_TABLE_2 = ["step_size", "iterations", "minibatch", "radius_local", "radius_global"]

#: Columns of `lemmas_draws` with the mean 0 if agents draw independently, if the uses of rollouts do, and what the
#: answers' own means are.
AGENTS = {"cluster_noise": 0.0, "cluster_direction": 0.0, "fleet_noise": 0.0, "fleet_direction": 0.0}
USES = {
    "sequences_noise": 0.0,
    "sequences_direction": 0.0,
    "cost_local_noise": 0.0,
    "cost_global_noise": 0.0,
    "successive_noise": 0.0,
    "successive_direction": 0.0,
    "epochs_noise": 0.0,
}
ANSWERS = {"local_mean": 0.0, "global_mean": 0.0, "cost_mean": 0.0, "square": 1.0, "direction": 0.0}


def _fleets(frame: pd.DataFrame, wrong: pd.Series[bool]) -> Finding:
    """Count the seeds of which some row of some fleet is wrong; fleets of a seed share random numbers."""
    return violated(wrong, frame["seed"])


def table_2(tables: Tables) -> Finding:
    """Count the fleets on which η, R_l, M_l or a radius is off Table 2 by hand in some epoch, by a part in 10⁴."""
    frame = paper_cells(tables, RULES.name)
    return _fleets(frame, (frame[_TABLE_2] > _DIFFERENCES).any(axis=1))


def iterates(tables: Tables) -> Finding:
    """Count the fleets on which an iterate is off K − ηg, or K − η·(mean of g over N_i^(l−1)), by 10⁻⁹ of a step."""
    frame = paper_cells(tables, RULES.name)
    return _fleets(frame, frame["moved"] > _ROUNDING)


def rule_7(tables: Tables) -> Finding:
    """Count the fleets on which some set is not that of (7) in some epoch."""
    frame = paper_cells(tables, RULES.name)
    return _fleets(frame, frame["sets"] > 0)


def rule_8(tables: Tables) -> Finding:
    """Count the fleets on which some agent does not go on from the gain of (8) if a set changed, or some does else."""
    frame = paper_cells(tables, RULES.name)
    return _fleets(frame, frame["adopted"] > _ROUNDING)


def horizon(tables: Tables) -> Finding:
    """Count the fleets whose rollouts are cut where more than 1 % of Δ_L̄/8 is missing, or not all at one stage."""
    frame = paper_cells(tables, HORIZON.name)
    return _fleets(frame, (frame["bias"] > 1) | (frame["same"] == 0))


def rollouts(tables: Tables, expected: dict[str, float], name: str) -> Finding:
    """Estimate the mean over the columns of `lemmas_draws` less what is expected, over runs of all cells.

    The p-value is the smallest of all columns, Student's t, times their number (Bonferroni).

    Args:
        tables: of the group.
        expected: value of every column under the claim.
        name: of the estimate.
    """
    frame = paper_cells(tables, DRAWS.name)
    by_seed = frame.groupby("seed")[list(expected)].mean()  # cells share random numbers
    off = by_seed.to_numpy(dtype=np.float64) - np.array(list(expected.values()))
    found = mean(off.mean(axis=1), 0.0, name)
    p = min(jackknife(column, lambda runs: float(runs.mean()), 0.0, name).p_value for column in off.T)
    label = f"{found.statistic}; p of the worst of {len(expected)} means, Bonferroni"
    return Finding(label, found.estimate, found.low, found.high, 0.0, min(1.0, len(expected) * p), found.n_runs)
