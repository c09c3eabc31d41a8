"""Measure the counted runs: identities of rounds, messages and bytes, and the growth of rounds in T, N and 1/Δ."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import bounded, compared, mean, near, violated
from pcpo.errors import ResultsError
from pcpo.statistics import Interval, unknown
from pcpo.theory import rounds as theory

__all__ = [
    "SQUARE_MARGIN",
    "STUDY",
    "agents_slope",
    "bytes_",
    "counted",
    "degree_two",
    "exponents",
    "fedlqr_rounds",
    "gap_degree",
    "gap_nothing",
    "iterations_of",
    "local_exponents",
    "messages",
    "per_minibatch",
    "rounds",
    "smaller_square",
]

STUDY = "communication"
_COUNTED = ("agents", "gap", "rollouts")  # sweeps of PCPO under Table 2
#: How far the coefficient of (log_4 T)² may be from its limit at a finite T.
SQUARE_MARGIN = 0.15
_DOUBLE = 8  # bytes of a number
_LOCAL_STEPS = 5  # L of FedLQR


def iterations_of(row: pd.Series) -> list[int]:
    """Return R_1, …, R_l of Table 2, max{1, ⌈c_2 log(c_3 N/Δ_k²)⌉}, for the constants and the epoch l of a row."""
    Deltas = [row["Delta0"] / 2.0**k for k in range(1, int(row["epoch"]) + 1)]
    return [max(1, math.ceil(row["c2"] * math.log(row["c3"] * row["agents"] / D**2))) for D in Deltas]


def counted(tables: Tables, sweeps: tuple[str, ...] = _COUNTED) -> pd.DataFrame:
    """Select the rows of some sweeps; raises ResultsError if there are none."""
    frame = tables[STUDY]
    found = frame[frame["sweep"].isin(sweeps)]
    if found.empty:
        raise ResultsError(f"study {STUDY}: found no run of the sweeps {', '.join(sweeps)}, expected some")
    return found


def _wrong_runs(frame: pd.DataFrame, wrong: Callable[[pd.Series], bool]) -> Finding:
    """Count the seeds with a run of which some epoch is wrong."""
    return violated(frame.apply(wrong, axis=1), frame["seed"])


def rounds(tables: Tables) -> Finding:
    """Count the runs in which the rounds up to some epoch l are not Σ_(k ≤ l) (R_k + 1)."""
    return _wrong_runs(counted(tables), lambda row: row["rounds"] != sum(R + 1 for R in iterations_of(row)))


def messages(tables: Tables) -> Finding:
    """Count the runs in which not every agent sends and receives one message in every round."""

    def wrong(row: pd.Series) -> bool:
        expected = row["agents"] * row["rounds"]
        return bool(row["messages_up"] != expected or row["messages_down"] != expected)

    return _wrong_runs(counted(tables), wrong)


def bytes_(tables: Tables) -> Finding:
    """Count the runs in which the bytes up to some epoch l are not those of the protocol.

    These are 8N(D·ΣR_k + (D + 1)l) up and 8N(D·ΣR_k + l + D·reinitialisations) down, with 8 bytes a number.
    """

    def wrong(row: pd.Series) -> bool:
        D, epochs = row["unknowns"], row["epoch"]
        gradients = D * (row["rounds"] - epochs)
        up = _DOUBLE * row["agents"] * (gradients + (D + 1) * epochs)
        down = _DOUBLE * row["agents"] * (gradients + epochs + D * row["reinitialisations"])
        return bool(row["bytes_up"] != up or row["bytes_down"] != down)

    return _wrong_runs(counted(tables), wrong)


def _up_to_rounding(name: str, found: Interval, runs: int) -> Finding:
    """Compare a coefficient in units of its prediction with 1; the interval holds all that rounding R_l can do."""
    statistic = f"{name}; bound: what rounding R_l up may do"
    return bounded(statistic, found.estimate, found.low, found.high, 1.0, runs)


def degree_two(tables: Tables) -> Finding:
    """Compare the coefficient of (log_4 T)² in the rounds with 1, in units of c_2·log 4/2, T as counted.

    Runs with the fewest agents.  The interval of the distance holds all that rounding R_l can do.
    """
    frame = counted(tables, ("agents",))
    few = frame[frame["agents"] == frame["agents"].min()]
    name = "the coefficient of (log_4 T)², with rounding of R_l,"
    return near(name, theory.log_square(few), 1.0, SQUARE_MARGIN, few["seed"].nunique())


def smaller_square(tables: Tables) -> Tables:
    """Take a fifth of the term c_2·log 4/2·(log_4 T)² away from the rounds."""
    frame = counted(tables, ("agents",))
    square = frame["c2"] * math.log(4) / 2 * (np.log(frame["rollouts"]) / math.log(4)) ** 2
    return {**tables, STUDY: frame.assign(rounds=frame["rounds"] - 0.2 * square)}


def gap_degree(tables: Tables) -> Finding:
    """Fit the coefficient of (log2 1/Δ)² in the rounds until every set is the true cluster, in units of c_2·log 4/2.

    Runs that do not separate for some Δ have no such coefficient: the finding is NaN with p = 0, which refutes.
    """
    frame = counted(tables, ("gap",))
    first = frame[frame["separated"] == 1].sort_values("epoch").groupby(["cell", "seed"], as_index=False).first()
    if len(first) < frame.groupby(["cell", "seed"]).ngroups:
        never = unknown(math.inf, "none: runs that never separate", frame["seed"].nunique(), refutes=True)
        return compared(never, 1.0, "coefficient of (log2 1/Δ)²")
    first = first.assign(log_gap=np.log2(first["Delta0"] / first["separation"]))
    found = theory.degree_two(first, "log_gap")
    return _up_to_rounding("coefficient of (log2 1/Δ)²", found, first["seed"].nunique())


def agents_slope(tables: Tables) -> Finding:
    """Fit the slope of the rounds in log N at the last epoch that all N reach, in units of c_2·L̄."""
    frame = counted(tables, ("agents",))
    last = frame[frame["epoch"] == frame.groupby("cell")["epoch"].max().min()]
    return _up_to_rounding("slope in log N", theory.agents_slope(last), last["seed"].nunique())


def gap_nothing(tables: Tables) -> Finding:
    """Count the pairs (run, epoch) in which the rounds differ between separations Δ."""
    frame = counted(tables, ("gap",))
    kinds = frame.groupby(["seed", "epoch"])["rounds"].agg(["nunique", "size"])
    several = kinds[kinds["size"] > 1]
    return violated(several["nunique"] > 1, several.index.to_frame()["seed"])


def local_exponents(run: pd.DataFrame) -> FloatArray:
    """Return d log(rounds)/d log T between epochs that are two apart, ``(epochs − 2,)``, in the order of the epochs."""
    run = run.sort_values("epoch")
    x, y = np.log(run["rollouts"].to_numpy()), np.log(run["rounds"].to_numpy(dtype=np.float64))
    slopes: FloatArray = (y[2:] - y[:-2]) / (x[2:] - x[:-2])
    return slopes


def exponents(tables: Tables) -> Finding:
    """Compare the last exponent of T in the rounds over the first one with a bound, mean of their ratio over runs.

    Since log T grows linearly in l, a power of T has the ratio 1, and a power of log T has exponents in proportion to
    1/l, so the ratio 2/(L̄ − 1) of the epochs 2 and L̄ − 1 in the middle.  The bound is halfway between the two.
    """
    frame = counted(tables, ("agents",))
    frame = frame[frame["agents"] == frame["agents"].min()]
    pairs = np.array([local_exponents(run)[[0, -1]] for _, run in frame.groupby("seed")])
    bound = (1 + 2 / (float(frame["epoch"].max()) - 1)) / 2
    return mean(pairs[:, 1] / pairs[:, 0], bound, "ratio of exponents of T")


def per_minibatch(tables: Tables) -> Finding:
    """Count the runs of FedLQR with a constant minibatch M in which rounds·L·M < T at some epoch, L = 5 local steps."""
    frame = counted(tables, ("time",))
    runs = frame[frame["algorithm"].str.startswith("fedlqr") & (frame["schedule"] == "constant_minibatch")]
    first = runs.groupby(["cell", "seed"])["minibatch"].transform("first")
    return _wrong_runs(
        runs.assign(first=first), lambda row: row["rounds"] * _LOCAL_STEPS * row["first"] < row["rollouts"]
    )


def fedlqr_rounds(tables: Tables) -> Finding:
    """Count the runs in which FedLQR under Table 2 has more rounds than PCPO at the end of some epoch."""
    frame = counted(tables, ("time", "agents"))
    table2 = frame[(frame["schedule"] == "table2") & (frame["agents"] == frame["agents"].min())]
    by = table2.pivot_table(index=["seed", "epoch"], columns="sweep", values="rounds").dropna()
    return violated(by["time"] > by["agents"], by.index.to_frame()["seed"])
