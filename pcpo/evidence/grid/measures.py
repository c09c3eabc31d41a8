"""Measure the claims on the grid, and change its tables so that claims are false on them.

The replicate is a fleet: a fresh draw of the population with fresh noise.  Probabilities are the largest over the cells
of the grid; means are over all cells of a fleet first, then over fleets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.cells import Bound, Failed, failure_probability, grid, share_of_delta
from pcpo.claims.contract import Control, Finding, Mode, Tables
from pcpo.errors import ResultsError
from pcpo.evidence.grid.studies import ALONE
from pcpo.experiments.margins import worst_by_run

__all__ = [
    "BAD_CELL",
    "HALF_DELTA",
    "MODE",
    "NOISY",
    "NO_ELIMINATION",
    "TRIALS",
    "audit_ratio",
    "cell_probability",
    "collaboration",
    "control",
    "exceeds",
    "exponents",
    "final_gaps",
    "five_percent",
    "from_controls",
    "implication",
    "per_method",
    "per_run",
    "pooled",
    "prediction",
    "rollouts_slope",
    "rounds_exponent",
    "strangers",
    "violated_runs",
    "with_lost_member",
]

_MARGINS = ["margin", "gap_margin", "estimate_margin"]
#: Mode of the runs behind the claims.
MODE: Mode = "calibrated, oracle auto"
#: Theorem 1 allows δ/2 of the runs to fail.
HALF_DELTA = share_of_delta(0.5)
#: Fraction of failing runs in one cell that the checks of probabilities are meant to see.
BAD_CELL = 0.3
#: Seeds that support what must always hold; cells share the fleets of a seed.
TRIALS = 60


def per_run(rows: pd.DataFrame) -> pd.DataFrame:
    """Reduce the runs of PCPO, from a row per epoch, to a row per cell and seed.

    Returns:
        The largest margins of all epochs; lost and grew, 1 if ever; misclustered, 1 if a set was wrong in an epoch
        l ≥ L; settled, L̃, infinite if the last sets were wrong; at_once, 1 if the sets were exact after epoch
        1; bound_margin and infinite of the last epoch; spent, Σ δ_l; miscounted, 1 if the rounds were ever other
        than predicted; and role, delta, L, early.
    """
    rows = rows[rows["algorithm"] != ALONE]
    last, first = _last_epoch(rows), rows["epoch"] == 1
    rows = rows.assign(
        at_once=((rows["exact"] == 1) & first).astype(int),
        miscounted=(rows["rounds"] != rows["predicted_rounds"]).astype(int),
        bound_margin=rows["bound_margin"].where(last, -np.inf),
        infinite=rows["infinite"].where(last, 0),
    )
    largest = [*_MARGINS, "grew", "at_once", "miscounted", "bound_margin", "infinite"]
    found = worst_by_run(rows, largest, ("role", "delta", "L", "early"))
    spent = rows.groupby(["cell", "seed"])["failure_probability"].sum()
    return found.merge(spent.rename("spent").reset_index(), on=["cell", "seed"])


def _last_epoch(rows: pd.DataFrame) -> pd.Series[bool]:
    """Return whether a row is of the last epoch of its run."""
    found: pd.Series[bool] = rows["epoch"] == rows.groupby(["cell", "seed", "algorithm"])["epoch"].transform("max")
    return found


def pooled(tables: Tables, failed: Callable[[pd.DataFrame], pd.Series], share: float) -> Finding:
    """Compare the probability that a run fails, over the cells of the grid with equal weights, with share·δ.

    One run of every fleet counts, of the cell whose number is that of the fleet modulo the number of cells: so runs are
    independent, though cells share fleets.
    """
    runs = per_run(grid(tables, "grid"))
    cells = {cell: k for k, cell in enumerate(sorted(runs["cell"].unique()))}
    chosen = runs[runs["cell"].map(cells) == runs["seed"] % len(cells)]
    return findings.failures(int(failed(chosen).sum()), len(chosen), share * float(runs["delta"].max()))


def violated_runs(tables: Tables, wrong: Callable[[pd.DataFrame], pd.Series[bool]]) -> Finding:
    """Count the seeds with a run of the grid that violates what must always hold; cells share fleets."""
    runs = per_run(grid(tables, "grid"))
    return findings.violated(wrong(runs), runs["seed"])


def implication(tables: Tables) -> Finding:
    """Count the runs that lost a member, or had a wrong set at l ≥ L, although (22) held in every epoch.

    Runs with smaller minibatches count too.
    """
    controls = tables["grid_controls"]
    runs = per_run(pd.concat([grid(tables, "grid"), controls[controls["role"] == "sweep"]]))
    held = runs[runs["margin"] <= 1]
    return findings.violated((held["lost"] == 1) | (held["misclustered"] == 1), held["seed"])


def five_percent(rows: pd.DataFrame) -> float:
    """Allow 5 % of the runs of a cell to fail."""
    return 0.05


def cell_probability(failed: Failed, what: str, bound: Bound = HALF_DELTA) -> Callable[[Tables], Finding]:
    """Return the measure "probability of failure at the worst cell of the grid"."""
    return failure_probability("grid", per_run, failed, what, bound)


def exceeds(column: str) -> Failed:
    """Say whether a margin was above 1."""
    return lambda runs: runs[column] > 1.0


# ---------------------------------------------------------------------------------------------------------- theorem 2


def _clean(tables: Tables) -> pd.DataFrame:
    """Return the collaborative epochs of PCPO in which no radius is cut."""
    rows = grid(tables, "grid")
    found = rows[(rows["algorithm"] != ALONE) & (rows["clean"] == 1) & (rows["capped"] == 0)]
    if found.empty:
        raise ResultsError("study grid: found no collaborative epoch, expected some; run more epochs after L")
    return found


def _by_seed(rows: pd.DataFrame, values: pd.Series[float], columns: str) -> tuple[FloatArray, list[Any]]:
    """Return means of values as ``(seeds, columns)`` and the names of the columns; seeds that miss one are left out."""
    wide = values.groupby([rows["seed"], rows[columns]]).mean().unstack().dropna()
    return wide.to_numpy(dtype=np.float64), list(wide.columns)


def prediction(tables: Tables, margin: float) -> Finding:
    """Compare measured/predicted mean gap, over collaborative epochs and cells, with 1 up to a margin."""
    rows = _clean(tables)
    by_fleet = (rows["gap"] / rows["predicted_gap"]).groupby([rows["seed"], rows["cell"]]).mean().groupby("seed").mean()
    return findings.mean_within(by_fleet.to_numpy(), 1.0, margin, "mean of measured/predicted over fleets")


def _log(values: pd.Series[float]) -> pd.Series[float]:
    """Return natural logarithms."""
    return pd.Series(np.log(values.to_numpy()), index=values.index)


def _slope(x: FloatArray, y: Any) -> float:
    """Return the least-squares slope of y on x."""
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def _slope_of_means(x: FloatArray, runs: FloatArray) -> float:
    """Return the slope of the log of means over runs ``(n, k)`` on x ``(k,)``."""
    return _slope(x, np.log(runs.mean(axis=0)))


def _steps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the collaborative epochs with the number of each, from 0, and levels relative to the first of the run."""
    rows = rows.sort_values("epoch")
    runs = rows.groupby(["cell", "seed"], sort=False)
    first = {column: runs[column].transform("first") for column in ("predicted_gap", "minibatch", "rollouts")}
    return rows.assign(
        step=runs.cumcount(),
        level=rows["gap"] / first["predicted_gap"],
        expected=rows["predicted_gap"] / first["predicted_gap"],
        log_minibatch=np.log(rows["minibatch"] / first["minibatch"]),
        log_rollouts=np.log(rows["rollouts"] / first["rollouts"]),
    )


def exponents(tables: Tables, which: str, margin: float = 0.0) -> Finding:
    """Compare an exponent of the mean gap with that of the prediction at the same points.

    Args:
        which: "rollouts" in T, with all cells that have as many collaborative epochs as most; "size" in |M|, with the
            cells of the axis of N and gaps relative to those predicted for agents alone; "equal" for the exponent in
            M_l minus that in |M|, predicted 0.
        margin: of "rollouts", within which the exponent is that of the prediction.
    """
    in_time = _steps(_clean(tables))
    count = in_time.groupby(["cell", "seed"])["step"].transform("max")
    in_time = in_time[count == count.mode().iloc[0]]
    levels, steps = _by_seed(in_time, in_time["level"], "step")
    rows = _clean(tables)
    sized = rows[rows["axis"].isin(["agents", "base"])]
    sized = sized.assign(size=sized["agents"] / sized["clusters"])
    gaps, sizes = _by_seed(sized, sized["gap"] / sized["predicted_local_gap"], "size")
    if len(steps) < 2 or len(sizes) < 2:
        raise ResultsError(f"study grid: found {len(steps)} steps and {len(sizes)} sizes, expected two of each")
    means = in_time.groupby("step")[["expected", "log_minibatch", "log_rollouts"]].mean()
    log_T, log_M = means["log_rollouts"].to_numpy(), means["log_minibatch"].to_numpy()
    log_size = np.log(np.array(sizes, dtype=np.float64))
    expected = _log(sized["predicted_gap"] / sized["predicted_local_gap"]).groupby(sized["size"]).mean().to_numpy()
    if which == "rollouts":
        target = _slope(log_T, np.log(means["expected"].to_numpy()))
        in_T = partial(_slope_of_means, log_T)
        return findings.within(levels, in_T, target, margin, "exponent of T")
    if which == "size":
        target = _slope(log_size, expected)
        return findings.jackknife(gaps, partial(_slope_of_means, log_size), target, "exponent of |M|")
    n, k = min(len(levels), len(gaps)), len(steps)
    both = np.concatenate([levels[:n], gaps[:n]], axis=1)

    def difference(r: FloatArray) -> float:
        means = np.log(r.mean(axis=0))
        return _slope(log_M, means[:k]) - _slope(log_size, means[k:])

    return findings.jackknife(both, difference, 0.0, "exponent of M minus exponent of |M|")


def collaboration(tables: Tables, margin: float) -> Finding:
    """Compare √|M| (mean global gap)/(mean local gap), geometric mean over the sizes |M| > 1, with 1 up to a margin."""
    rows = _clean(tables)
    rows = rows[rows["axis"].isin(["agents", "base"]) & (rows["agents"] > rows["clusters"])]
    rows = rows.assign(size=rows["agents"] / rows["clusters"])
    shared, sizes = _by_seed(rows, rows["gap"] / rows["predicted_local_gap"], "size")
    own, _ = _by_seed(rows, rows["local_gap"] / rows["predicted_local_gap"], "size")
    half = 0.5 * float(np.mean(np.log(np.array(sizes, dtype=np.float64))))

    def ratio(r: FloatArray) -> float:
        return float(np.exp(half + np.mean(np.log(r[:, 0].mean(axis=0) / r[:, 1].mean(axis=0)))))

    return findings.within(np.stack([shared, own], axis=1), ratio, 1.0, margin, "√|M|·global/local")


def strangers(tables: Tables) -> Finding:
    """Compare the bias by strangers with 0: (gap of cluster 1 with strangers − without)/predicted, epochs l ≥ L.

    Unconditional: every run counts, whatever its sets were.
    """
    rows = grid(tables, "grid")
    rows = rows[rows["cell"].isin(rows.loc[rows["algorithm"] == ALONE, "cell"].unique()) & (rows["epoch"] >= rows["L"])]
    level = rows["first_gap"] / rows["predicted_first_gap"]
    wide = level.groupby([rows["seed"], rows["cell"], rows["algorithm"] == ALONE]).mean().unstack()
    with np.errstate(invalid="ignore"):
        bias = (wide[False] - wide[True]).groupby("seed").mean()
    return findings.mean(bias.to_numpy(), 0.0, "(with − without)/predicted")


# ------------------------------------------------------------------------------------------- rollouts, rounds, audit


def rollouts_slope(tables: Tables, bound: float | None = None) -> Finding:
    """Compare the slope of log rollouts until the sets stay exact on log Δ, by fleets, with the schedule's.

    With a bound, that is compared instead.
    """
    rows = grid(tables, "grid")
    rows = rows[rows["axis"].isin(["base", "separation"]) & (rows["algorithm"] != ALONE)]
    settled = per_run(rows).set_index(["cell", "seed"])["settled"]
    rows = rows.set_index(["cell", "seed"])
    reached = rows[rows["epoch"] == settled.reindex(rows.index)]
    spent, deltas = _by_seed(reached.reset_index(), _log(reached["rollouts"]).reset_index(drop=True), "separation")
    if len(deltas) < 2:
        raise ResultsError(f"study grid: found {len(deltas)} separations, expected at least two")
    x = np.log(np.array(deltas, dtype=np.float64))
    planned = _log(rows["T_early"]).groupby(rows["separation"]).mean().reindex(deltas).to_numpy()
    target = _slope(x, planned) if bound is None else bound
    return findings.jackknife(spent, lambda r: _slope(x, r.mean(axis=0)), target, "slope of log rollouts in log Δ")


def rounds_exponent(tables: Tables, bound: float) -> Finding:
    """Compare the exponent of T in the rounds over the last epoch, a mean over runs, with a bound."""
    rows = grid(tables, "grid")
    rows = rows[rows["algorithm"] != ALONE].sort_values(["cell", "seed", "epoch"])
    runs = rows.groupby(["cell", "seed"], sort=False)
    growth = {c: _log(rows[c]) - _log(runs[c].shift(1)) for c in ("rounds", "rollouts")}
    last = _last_epoch(rows)
    by_fleet = (growth["rounds"] / growth["rollouts"])[last].groupby(rows.loc[last, "seed"]).mean()
    values = np.asarray(by_fleet.to_numpy(), dtype=np.float64)
    return findings.mean(values, bound, "exponent of T in the rounds")


def audit_ratio(tables: Tables, margin: float) -> Finding:
    """Compare log((local gap by oracle auto)/(by rollouts)), mean over cells and epochs, with 0 to log(1 + margin).

    The replicate is a fleet with both of its runs.
    """
    rows = tables["grid_audit"]
    logs = _log(rows["local_gap"]).groupby([rows["seed"], rows["oracle"]]).mean().unstack()
    by_fleet = (logs["auto"] - logs["rollouts"]).to_numpy()
    return findings.within(by_fleet, lambda r: float(r.mean()), 0.0, float(np.log1p(margin)), "log(auto/rollouts)")


# ---------------------------------------------------------------------------------------------------------- methods


def final_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean gap over agents after the last epoch: a row per cell and seed, a column per method."""
    last = rows[_last_epoch(rows)]
    wide: pd.DataFrame = last.pivot(index=["cell", "seed"], columns="algorithm", values="gap")
    return wide


def per_method(failed: Callable[[pd.DataFrame], pd.Series]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return the reduction of the study `grid_methods` to a row per cell and seed with the column `failed`."""

    def reduce(rows: pd.DataFrame) -> pd.DataFrame:
        gaps = final_gaps(rows)
        return gaps.assign(failed=failed(gaps)).reset_index()

    return reduce


# --------------------------------------------------------------------------------------------------------- controls


def from_controls(role: str, edit: Mapping[str, float] | None = None) -> Callable[[Tables], Tables]:
    """Return tables where the runs of a control stand in for the grid, with some columns set to a number."""

    def apply(tables: Tables) -> Tables:
        controls = tables["grid_controls"]
        chosen = controls[controls["role"] == f"control:{role}"]
        if chosen.empty:
            raise ResultsError(f"study grid_controls: found no run with role 'control:{role}', expected control cells")
        return {**tables, "grid": chosen.assign(role="grid", **(edit or {}))}

    return apply


def control(role: str, what: str) -> Control:
    """Return the control in which the runs of a control cell stand in for the grid."""
    return Control(role, what, from_controls(role))


NOISY = control("noisy", "minibatches 0.0003 of the calibrated ones")
NO_ELIMINATION = control("no_elimination", "PCPO without the elimination (7)")


def with_lost_member(tables: Tables) -> Tables:
    """Let an agent lose a member of its true cluster in the last epoch of the run with the smallest margin."""
    table = tables["grid"].copy()
    runs = per_run(grid(tables, "grid"))
    first = runs.sort_values("margin").iloc[0]
    mine = (table["cell"] == first["cell"]) & (table["seed"] == first["seed"]) & (table["algorithm"] != ALONE)
    last = mine & (table["epoch"] == table.loc[mine, "epoch"].max())
    table.loc[last, ["lost", "exact"]] = [1, 0]
    return {**tables, "grid": table}
