"""What is measured on the defects: a run violates a claim where the defect, or what is said of it, is absent."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import bootstrap, violations
from pcpo.errors import ResultsError
from pcpo.evidence.defects.studies import expected_ratio

__all__ = [
    "adoption",
    "break_even",
    "gaussian",
    "inseparable",
    "local_output",
    "no_partition",
    "no_progress",
    "offsets",
    "plateau",
    "printed_delta",
    "repaired",
    "runs_of",
    "swapped",
]

RUNS = "defects_runs"
_ROUNDING = 1e-12  # of offsets, relative: a few hundred steps of one rounding (1.1e-16) each
_CONVERGED = 1e-6  # relative; after four epochs gradient descent has long converged


def runs_of(tables: Tables, *cells: str, study: str = RUNS) -> pd.DataFrame:
    """Rows of these cells; raises ResultsError if one is missing."""
    frame = tables[study]
    missing = sorted(set(cells) - set(frame["cell"]))
    if missing:
        raise ResultsError(f"study {study}: found no cell {missing[0]}, expected {', '.join(cells)}")
    return frame[frame["cell"].isin(cells)]


def swapped(study: str, **instead: str) -> Callable[[Tables], Tables]:
    """Tables in which the rows of other cells stand in for those of the named ones: claim's cell = control's cell."""

    def change(tables: Tables) -> Tables:
        frames = [runs_of(tables, other, study=study).assign(cell=cell) for cell, other in instead.items()]
        return {**tables, study: pd.concat(frames, ignore_index=True)}

    return change


def _among(flags: pd.Series) -> Finding:
    return violations(int(flags.sum()), len(flags))


def offsets(tables: Tables) -> Finding:
    """Runs in which an offset Y_i − Y_j changes by more than rounding, with exact answers or with rollouts."""
    frame = runs_of(tables, "single", "single_rollouts")
    return _among(frame.groupby(["cell", "seed"])["offset_change"].max() > _ROUNDING)


def _by_run(frame: pd.DataFrame, column: str) -> FloatArray:
    """``(runs, epochs)``."""
    wide = frame.pivot(index="seed", columns="epoch", values=column)
    return np.asarray(wide.to_numpy(dtype=np.float64))


def plateau(tables: Tables) -> Finding:
    """Runs whose final mean gap is not min_x of the mean gap of K* + x + d_i, to a millionth; exact answers."""
    frame = runs_of(tables, "single")
    last = frame[frame["epoch"] == frame["epoch"].max()]
    return _among((last["gap"] / last["plateau"] - 1).abs() > _CONVERGED)


def no_progress(tables: Tables) -> Finding:
    """Runs whose mean gap falls by more than 1 % from epoch 2 to the last, exact answers."""
    gaps = _by_run(runs_of(tables, "single"), "gap")
    return _among(pd.Series(gaps[:, -1] < 0.99 * gaps[:, 1]))


def first_correct(frame: pd.DataFrame) -> pd.Series:
    """Epoch L̃ from which on every set is right, by run; infinite if there is none."""
    wrong = frame[frame["separated"] == 0].groupby(["cell", "seed"])["epoch"].max()
    runs = frame.groupby(["cell", "seed"])["epoch"].max()
    last_wrong = wrong.reindex(runs.index, fill_value=0)
    return (last_wrong + 1.0).where(last_wrong < runs, math.inf)


def _with_first(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.join(first_correct(frame).rename("first"), on=["cell", "seed"])


def adoption(tables: Tables) -> Finding:
    """Runs in which event (22) holds throughout and (8) never hands out a policy of infinite cost, before L̃."""
    frame = _with_first(runs_of(tables, "forked"))
    good = frame.groupby(["cell", "seed"])["event"].max() <= 1
    handed = (frame["reinitialised"] == 1) & (frame["destabilised"] > 0) & (frame["epoch"] < frame["first"])
    return _among(~(handed.groupby([frame["cell"], frame["seed"]]).any() & good))


def repaired(tables: Tables) -> Finding:
    """Runs with a policy of infinite cost at some epoch l ≥ L̃, or a rollout under one at some l > L̃."""
    frame = _with_first(runs_of(tables, "forked"))
    bad = (frame["epoch"] >= frame["first"]) & (frame["destabilised"] > 0)
    bad |= (frame["epoch"] > frame["first"]) & (frame["saturated"] > 0)
    return _among(bad.groupby([frame["cell"], frame["seed"]]).any())


def no_partition(tables: Tables) -> Finding:
    """Runs in which the sets are always a partition, or not always symmetric."""
    by = runs_of(tables, "chain").groupby(["cell", "seed"])
    return _among((by["transitive"].min() == 1) | (by["symmetric"].min() == 0))


def inseparable(tables: Tables) -> Finding:
    """Runs in which clusters of equal cost are separated at some epoch."""
    return _among(runs_of(tables, "equal").groupby(["cell", "seed"])["separated"].max() == 1)


def local_output(tables: Tables) -> Finding:
    """Runs on rollouts in which the policies of epoch L̃ are not all somebody's local ones; runs that reach L̃ only."""
    frame = _with_first(runs_of(tables, "pair_rollouts"))
    at = frame[frame["epoch"] == frame["first"]]
    if at.empty:
        return Finding("number of violations; no run has separated", 0.0, math.nan, math.nan, 0.0, 1.0, 0)
    return violations(int((at["local_output"] == 0).sum()), len(at))


def printed_delta(tables: Tables) -> Finding:
    """Values of δ for which Σ_l δ_l/2 does not exceed δ/2, or Π(1 − δ_l/2) does not fall below 1 − δ/2."""
    frame = runs_of(tables, "algorithm", study="defects_readings")
    last = frame[frame["epoch"] == frame["epoch"].max()]
    return _among((last["union_exceeds"] == 0) | (last["product_exceeds"] == 0))


def gaussian(tables: Tables) -> Finding:
    """d max‖z‖²/d log(draws) between the fewest and the most draws, mean over runs, n = 2."""
    largest = runs_of(tables, "gaussian", study="defects_noise").pivot(index="seed", columns="draws", values="largest")
    ends = np.asarray(largest.to_numpy(dtype=np.float64))[:, [0, -1]]
    draws = largest.columns.to_numpy(dtype=np.float64)
    span = math.log(draws[-1] / draws[0])
    return bootstrap(
        ends, lambda x: np.asarray((x[..., 1] - x[..., 0]).mean(axis=1) / span), 2.0, "growth of the largest ‖z‖²"
    )


def break_even(tables: Tables) -> Finding:
    """√|M|·(mean gap of PCPO)/(mean gap of learning alone), mean over |M|, against √(2 + 1/R_1)."""
    frame = tables["defects_budget"]
    shared = frame[frame["algorithm"] == "pcpo"].pivot(index="seed", columns="size", values="gap")
    own = runs_of(tables, "local_whole", study="defects_budget").set_index("seed")["gap"].reindex(shared.index)
    scaled = shared.to_numpy(dtype=np.float64) * np.sqrt(shared.columns.to_numpy(dtype=np.float64))
    columns = np.concatenate([scaled, own.to_numpy(dtype=np.float64)[:, None]], axis=1)

    def ratio(x: FloatArray) -> FloatArray:
        means = x.mean(axis=1)
        return np.asarray(means[:, :-1].mean(axis=1) / means[:, -1])

    predicted = expected_ratio(float(frame["iterations"].iloc[0]))
    return bootstrap(columns, ratio, predicted, "√|M|·gap of PCPO over gap alone")
