"""What is measured on the counted runs: identities of rounds, messages and bytes, and growth in T, N and 1/Δ."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Finding, Tables
from pcpo.claims.findings import bootstrap, violations
from pcpo.claims.power import bounded
from pcpo.errors import ResultsError

__all__ = [
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
    "relabelled",
    "rounds",
]

STUDY = "communication"
_COUNTED = ("agents", "gap", "rollouts")
_DOUBLE = 8  # bytes of a number


def iterations_of(row: pd.Series) -> list[int]:
    """R_1 … R_l of Table 2, max{1, ⌈c2 log(c3 N/Δ_k²)⌉ }, from the constants of a row."""
    Deltas = [row["Delta0"] / 2.0**k for k in range(1, int(row["epoch"]) + 1)]
    return [max(1, math.ceil(row["c2"] * math.log(row["c3"] * row["agents"] / D**2))) for D in Deltas]


def counted(tables: Tables, sweeps: tuple[str, ...] = _COUNTED, study: str = STUDY) -> pd.DataFrame:
    """Rows of these sweeps; raises ResultsError if there is none."""
    frame = tables[study]
    found = frame[frame["sweep"].isin(sweeps)]
    if found.empty:
        raise ResultsError(f"study {study}: found no run of the sweeps {', '.join(sweeps)}, expected some")
    return found


def relabelled(sweep: str, new: str, study: str = STUDY) -> Callable[[Tables], Tables]:
    """Tables on which the runs of a control stand where the measurement looks for those of a claim."""

    def change(tables: Tables) -> Tables:
        return {**tables, study: counted(tables, (sweep,), study).assign(sweep=new)}

    return change


def _wrong_runs(frame: pd.DataFrame, wrong: Callable[[pd.Series], bool]) -> Finding:
    """Runs with an epoch that is wrong, among all runs."""
    flags = frame.apply(wrong, axis=1).groupby([frame["cell"], frame["seed"]]).any()
    return violations(int(flags.sum()), len(flags))


def rounds(tables: Tables) -> Finding:
    """Runs in which the rounds counted up to some epoch are not Σ_k (R_k + 1)."""
    return _wrong_runs(counted(tables), lambda row: row["rounds"] != sum(R + 1 for R in iterations_of(row)))


def messages(tables: Tables) -> Finding:
    """Runs in which not every agent has sent and received one message in every round."""

    def wrong(row: pd.Series) -> bool:
        expected = row["agents"] * row["rounds"]
        return bool(row["messages_up"] != expected or row["messages_down"] != expected)

    return _wrong_runs(counted(tables), wrong)


def bytes_(tables: Tables) -> Finding:
    """Runs in which the bytes are not 8N(D·ΣR_l + (D + 1)l) up and 8N(D·ΣR_l + l + D·reinitialisations) down."""

    def wrong(row: pd.Series) -> bool:
        D, epochs = row["unknowns"], row["epoch"]
        gradients = D * (row["rounds"] - epochs)
        up = _DOUBLE * row["agents"] * (gradients + (D + 1) * epochs)
        down = _DOUBLE * row["agents"] * (gradients + epochs + D * row["reinitialisations"])
        return bool(row["bytes_up"] != up or row["bytes_down"] != down)

    return _wrong_runs(counted(tables), wrong)


def _leading(x: FloatArray, degree: int) -> FloatArray:
    """Weights w with Σ w_k y_k the leading coefficient of the least-squares polynomial of y over x."""
    return np.asarray(np.linalg.pinv(np.vander(x, degree + 1))[0], dtype=np.float64)


def _rounded(weights: FloatArray, l_of: FloatArray, estimate: float) -> tuple[float, float]:
    """Interval of Σ w_k y_k without rounding, where y_k holds l_k numbers R_1 … that were rounded up, by 0 to 1 each.

    The same R_l occurs in every y_k with l_k ≥ l.
    """
    tails = np.array([weights[l_of >= k].sum() for k in range(1, int(l_of.max()) + 1)])
    return estimate - float(tails[tails > 0].sum()), estimate - float(tails[tails < 0].sum())


def _coefficient(frame: pd.DataFrame, x: str, name: str) -> Finding:
    """Coefficient of x² in the counted rounds, in units of c2·log 4/2; mean over runs."""
    ratios = []
    for _, run in frame.groupby("seed"):
        l_of = run["epoch"].to_numpy(dtype=np.float64)
        weights = _leading(run[x].to_numpy(dtype=np.float64), 2)
        estimate = float(weights @ run["rounds"].to_numpy(dtype=np.float64))
        unit = float(run["c2"].iloc[0]) * math.log(4) / 2
        ratios.append(np.array([estimate, *_rounded(weights, l_of, estimate)]) / unit)
    estimate, low, high = np.mean(ratios, axis=0).tolist()
    return bounded(f"{name}; interval: what rounding R_l up may do", estimate, low, high, 1.0, len(ratios))


def degree_two(tables: Tables, study: str = STUDY) -> Finding:
    """Coefficient of L̄² in rounds(L̄), fewest agents, in units of c2·log 4/2."""
    frame = counted(tables, ("agents",), study)
    return _coefficient(frame[frame["agents"] == frame["agents"].min()], "epoch", "coefficient of L̄²")


def gap_degree(tables: Tables) -> Finding:
    """Coefficient of (log2 1/Δ)² in the rounds until every set is the true cluster, in units of c2·log 4/2.

    A run in which some Δ is not separated has none: NaN, and refutes.
    """
    frame = counted(tables, ("gap",))
    first = frame[frame["separated"] == 1].sort_values("epoch").groupby(["cell", "seed"], as_index=False).first()
    if len(first) < frame.groupby(["cell", "seed"]).ngroups:
        return Finding("runs that never separate", math.nan, math.nan, math.nan, 1.0, 0.0, frame["seed"].nunique())
    first = first.assign(log_gap=np.log2(first["Delta0"] / first["separation"]))
    return _coefficient(first, "log_gap", "coefficient of (log2 1/Δ)²")


def agents_slope(tables: Tables) -> Finding:
    """Slope of the rounds in log N at the last common epoch, in units of c2·L̄; mean over runs."""
    frame = counted(tables, ("agents",))
    last = frame[frame["epoch"] == frame.groupby("cell")["epoch"].max().min()]
    ratios = []
    for _, run in last.groupby("seed"):
        weights = _leading(np.log(run["agents"].to_numpy(dtype=np.float64)), 1)
        L, c2 = float(run["epoch"].iloc[0]), float(run["c2"].iloc[0])
        estimate = float(weights @ run["rounds"].to_numpy(dtype=np.float64))
        spread = L * np.array([0.0, weights[weights > 0].sum(), weights[weights < 0].sum()])
        ratios.append((estimate - spread) / (c2 * L))
    estimate, low, high = np.mean(ratios, axis=0).tolist()
    return bounded("slope in log N; interval: what rounding R_l up may do", estimate, low, high, 1.0, len(ratios))


def gap_nothing(tables: Tables) -> Finding:
    """Pairs (run, epoch) in which the rounds differ between separations Δ."""
    frame = counted(tables, ("gap",))
    kinds = frame.groupby(["seed", "epoch"])["rounds"].agg(["nunique", "size"])
    several = kinds[kinds["size"] > 1]
    return violations(int((several["nunique"] > 1).sum()), len(several))


def local_exponents(run: pd.DataFrame) -> FloatArray:
    """d log(rounds)/d log T between epochs two apart, in the order of the epochs."""
    run = run.sort_values("epoch")
    x, y = np.log(run["rollouts"].to_numpy()), np.log(run["rounds"].to_numpy(dtype=np.float64))
    slopes: FloatArray = (y[2:] - y[:-2]) / (x[2:] - x[:-2])
    return slopes


def exponents(tables: Tables) -> Finding:
    """Last local exponent of the rounds in T over the first, mean over runs; a power of T has 1, a logarithm less."""
    frame = counted(tables, ("agents",))
    frame = frame[frame["agents"] == frame["agents"].min()]
    pairs = [local_exponents(run)[[0, -1]] for _, run in frame.groupby("seed")]
    return bootstrap(
        np.array(pairs), lambda x: np.asarray((x[..., 1] / x[..., 0]).mean(axis=1)), 0.5, "ratio of exponents of T"
    )


def per_minibatch(tables: Tables) -> Finding:
    """Runs of FedLQR with a constant minibatch M in which rounds·L·M < T at some epoch, L = 5 local steps."""
    frame = counted(tables, ("time",))
    runs = frame[frame["algorithm"].str.startswith("fedlqr") & (frame["schedule"] == "constant_minibatch")]
    first = runs.groupby(["cell", "seed"])["minibatch"].transform("first")
    return _wrong_runs(runs.assign(first=first), lambda row: row["rounds"] * 5 * row["first"] < row["rollouts"])


def fedlqr_rounds(tables: Tables) -> Finding:
    """Runs in which FedLQR, under Table 2, has counted more rounds than PCPO at the end of some epoch."""
    frame = counted(tables, ("time", "agents"))
    table2 = frame[(frame["schedule"] == "table2") & (frame["agents"] == frame["agents"].min())]
    by = table2.pivot_table(index=["seed", "epoch"], columns="sweep", values="rounds").dropna()
    worse = (by["time"] > by["agents"]).groupby("seed").any()
    return violations(int(worse.sum()), len(worse))
