"""Measure the defects: a run violates a claim where the defect, or what the claim says of it, is absent."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import jackknife, mean, near, violated
from pcpo.errors import ResultsError
from pcpo.theory.rounds import log_square

__all__ = [
    "BUDGET",
    "NOISE",
    "PROOFS",
    "ROUNDS",
    "RUNS",
    "adoption",
    "break_even",
    "early_lemma_5",
    "expected_ratio",
    "first_correct",
    "gaussian",
    "inseparable",
    "late_reset",
    "local_output",
    "log_squared",
    "no_partition",
    "no_progress",
    "offsets",
    "plateau",
    "repaired",
    "rows_of",
    "whole_epochs",
    "wrong_side",
]

RUNS, ROUNDS, BUDGET = "defects_runs", "defects_rounds", "defects_budget"
PROOFS, NOISE = "defects_proofs", "defects_noise"
_ROUNDING = 1e-12  # of offsets, relative: a few hundred steps with a rounding error of 1.1e-16 each
_SQUARE_MARGIN = 0.15  # of the coefficient of (log_4 T)² from its limit, at a finite T
_CONVERGED = 1e-6  # relative; after four epochs gradient descent has long converged


def rows_of(tables: Tables, study: str, *cells: str) -> pd.DataFrame:
    """Select the rows of some cells of a study; raises ResultsError if a cell is missing."""
    frame = tables[study]
    missing = sorted(set(cells) - set(frame["cell"]))
    if missing:
        raise ResultsError(f"study {study}: found no cell {missing[0]}, expected {', '.join(cells)}")
    return frame[frame["cell"].isin(cells)]


def offsets(tables: Tables) -> Finding:
    """Count the runs in which an offset Y_i − Y_j changes by more than rounding, with exact answers or rollouts."""
    frame = rows_of(tables, RUNS, "single", "single_rollouts")
    return violated(frame["offset_change"] > _ROUNDING, frame["seed"])


def plateau(tables: Tables) -> Finding:
    """Count the runs whose final mean gap is off min_x of the mean gap of K* + x + d_i by more than a millionth."""
    frame = rows_of(tables, RUNS, "single")
    last = frame[frame["epoch"] == frame["epoch"].max()]
    return violated((last["gap"] / last["plateau"] - 1).abs() > _CONVERGED, last["seed"])


def no_progress(tables: Tables) -> Finding:
    """Count the runs whose mean gap falls by more than 1 % from epoch 2 to the last epoch, with exact answers."""
    wide = rows_of(tables, RUNS, "single").pivot(index="seed", columns="epoch", values="gap")
    return violated(wide.iloc[:, -1] < 0.99 * wide.iloc[:, 1], wide.index.to_series())


def first_correct(frame: pd.DataFrame) -> pd.Series:
    """Find the epoch L̃ from which on every set is right; infinite if there is none, indexed by (cell, seed)."""
    wrong = frame[frame["separated"] == 0].groupby(["cell", "seed"])["epoch"].max()
    runs = frame.groupby(["cell", "seed"])["epoch"].max()
    last_wrong = wrong.reindex(runs.index, fill_value=0)
    return (last_wrong + 1.0).where(last_wrong < runs, math.inf)


def _with_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a column `first` with L̃ of every run."""
    return frame.join(first_correct(frame).rename("first"), on=["cell", "seed"])


def _of_runs(flags: pd.Series[bool]) -> Finding:
    """Count the seeds with a violating run, of runs by cell and seed."""
    return violated(flags, flags.index.to_frame()["seed"])


def adoption(tables: Tables) -> Finding:
    """Count the runs in which event (22) fails, or (8) hands out no policy of infinite cost before L̃."""
    frame = _with_first(rows_of(tables, RUNS, "forked"))
    good = frame.groupby(["cell", "seed"])["event"].max() <= 1
    handed = (frame["reinitialised"] == 1) & (frame["destabilised"] > 0) & (frame["epoch"] < frame["first"])
    return _of_runs(~(handed.groupby([frame["cell"], frame["seed"]]).any() & good))


def repaired(tables: Tables) -> Finding:
    """Count the runs with a policy of infinite cost at some epoch l ≥ L̃, or a rollout under one at some l > L̃."""
    frame = _with_first(rows_of(tables, RUNS, "forked"))
    bad = (frame["epoch"] >= frame["first"]) & (frame["destabilised"] > 0)
    bad |= (frame["epoch"] > frame["first"]) & (frame["saturated"] > 0)
    return violated(bad, frame["seed"])


def no_partition(tables: Tables) -> Finding:
    """Count the runs in which the sets are a partition at every epoch, or are not symmetric at some epoch."""
    by = rows_of(tables, RUNS, "chain").groupby(["cell", "seed"])
    return _of_runs((by["transitive"].min() == 1) | (by["symmetric"].min() == 0))


def inseparable(tables: Tables) -> Finding:
    """Count the runs in which clusters of equal cost are separated at some epoch."""
    frame = rows_of(tables, RUNS, "equal")
    return violated(frame["separated"] == 1, frame["seed"])


def local_output(tables: Tables) -> Finding:
    """Count the runs in which some policy at L̃ is no agent's local policy, among runs on rollouts that reach L̃."""
    frame = _with_first(rows_of(tables, RUNS, "pair_rollouts"))
    at = frame[frame["epoch"] == frame["first"]]
    return violated(at["local_output"] == 0, at["seed"])


def log_squared(tables: Tables) -> Finding:
    """Compare the coefficient of (log_4 T)² in the counted rounds with 1, in units of c_2·log 4/2, T as counted."""
    frame = rows_of(tables, ROUNDS, "agents_4")
    name = "the coefficient of (log_4 T)², with rounding of R_l,"
    return near(name, log_square(frame), 1.0, _SQUARE_MARGIN, frame["seed"].nunique())


def late_reset(tables: Tables) -> Finding:
    """Count the runs in which the first cluster is not given local policies at the L̃ of the others.

    Only runs count in which its sets were right in the epoch before.
    """
    frame = _with_first(rows_of(tables, RUNS, "late")).sort_values(["seed", "epoch"])
    before = frame.groupby(["cell", "seed"])["first_separated"].shift(fill_value=0)
    at = frame[(frame["epoch"] == frame["first"]) & (before == 1)]
    return violated(at["first_local"] == 0, at["seed"])


def wrong_side(tables: Tables) -> Finding:
    """Count the fleets for which the T of the last line of Appendix C leads beyond epoch L."""
    frame = tables[PROOFS]
    return violated(frame["reached"] > frame["L"], frame["cell"], frame["seed"])


def whole_epochs(tables: Tables) -> Finding:
    """Count the fleets for which a budget cannot be four times what its finished epochs take."""
    frame = tables[PROOFS]
    return violated(frame["leftover"] < 4, frame["cell"], frame["seed"])


def early_lemma_5(tables: Tables) -> Finding:
    """Count the scalar systems in which no step of length ρ out of G⁰ violates (14)."""
    frame = tables[PROOFS].dropna(subset=["turn"])
    return violated(frame["turn"] <= 1, frame["cell"], frame["seed"])


def gaussian(tables: Tables) -> Finding:
    """Compare the mean of d max‖z‖²/d log(draws), from the fewest to the most draws, with 2, its limit for n = 2."""
    largest = rows_of(tables, NOISE, "gaussian").pivot(index="seed", columns="draws", values="largest")
    ends = np.asarray(largest.to_numpy(dtype=np.float64))[:, [0, -1]]
    draws = largest.columns.to_numpy(dtype=np.float64)
    span = math.log(draws[-1] / draws[0])
    return mean((ends[:, 1] - ends[:, 0]) / span, 2.0, "growth of the largest ‖z‖²")


def expected_ratio(iterations: float) -> float:
    """Return √|M|·E gap_PCPO/E gap_alone = √(T_l/(R_l M_l)) = √(2 + 1/R_l).

    Both gaps are proportional to the effective minibatch to the power −½.

    Args:
        iterations: R_l.
    """
    return float(np.sqrt(2 + 1 / iterations))


def break_even(tables: Tables) -> Finding:
    """Compare √|M|·(mean gap of PCPO)/(mean gap of learning alone), mean over |M|, with `expected_ratio`."""
    frame = tables[BUDGET]
    shared = frame[frame["algorithm"] == "pcpo"].pivot(index="seed", columns="size", values="gap")
    alone = rows_of(tables, BUDGET, "local_whole").set_index("seed")["gap"].reindex(shared.index)
    scaled = shared.to_numpy(dtype=np.float64) * np.sqrt(shared.columns.to_numpy(dtype=np.float64))
    columns = np.concatenate([scaled, alone.to_numpy(dtype=np.float64)[:, None]], axis=1)

    def ratio(runs: FloatArray) -> float:
        means = runs.mean(axis=0)
        return float(means[:-1].mean() / means[-1])

    predicted = expected_ratio(float(frame["iterations"].iloc[0]))
    return jackknife(columns, ratio, predicted, "√|M|·gap of PCPO over gap alone", logarithm=True)
