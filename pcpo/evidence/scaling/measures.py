"""Measure the scaling claims on the collaborative epochs of the cluster under study, by size |M| and epoch.

A replicate is a seed with all its fleets, and is resampled whole.  An epoch is collaborative (column `clean`) if the
sets are right before and after it and (8) is not applied at its end.  Whether an epoch is collaborative depends on the
local sequences alone, so conditioning on it does not bias the global gaps; it also keeps strangers' gradients out.
Epochs in which the cap c_(p,6) is active are left out: their gaps follow another power law.

A cell is one size and one epoch; the overlay is the gap that `pcpo.theory.linearised.epoch_gaps` predicts for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import Finding, Tables
from pcpo.errors import ResultsError
from pcpo.evidence.scaling.studies import PCPO_NAME
from pcpo.statistics import FEWEST

__all__ = [
    "Cells",
    "bound_failures",
    "collapse",
    "overlay_ratio",
    "paired_ratio",
    "plateau",
    "read_cells",
    "scatter",
    "size_exponent",
    "total_exponent",
]

_CONFIDENCE = 0.95
#: A cell is left out if fewer than this fraction of its runs were collaborative.
_ENOUGH = 0.5
Statistic = Callable[..., FloatArray]


@dataclass(frozen=True, eq=False)
class Cells:
    """Hold the gaps of the cells that count; C cells, n runs.

    Args:
        shared: global gaps ``(n, C)``, mean over agents, cost units; 0 where `clean` is.
        own: local gaps ``(n, C)``, likewise.
        clean: 1 where the epoch of the run is collaborative, else 0, ``(n, C)``.
        size: |M| of each cell, ``(C,)``.
        epoch: l, ``(C,)``.
        minibatch: M_l, ``(C,)``.
        rollouts: T up to the end of the epoch, per agent, ``(C,)``.
        shared_overlay: predicted mean global gap, ``(C,)``, cost units.
        own_overlay: predicted mean local gap, ``(C,)``, cost units.
    """

    shared: FloatArray
    own: FloatArray
    clean: FloatArray
    size: FloatArray
    epoch: FloatArray
    minibatch: FloatArray
    rollouts: FloatArray
    shared_overlay: FloatArray
    own_overlay: FloatArray

    def finding(
        self, statistic: Statistic, predicted: float, name: str, *series: str, logarithm: bool = False
    ) -> Finding:
        """Estimate a statistic of mean gaps over runs, by the jackknife.

        Args:
            statistic: maps the mean gaps of every series, each ``(C,)``, to a number.
            predicted: what the statistic is compared with.
            name: of the statistic, in the finding.
            series: "shared" (the default) and "own", in the order of the statistic's arguments.
            logarithm: whether the interval is that of the logarithm; for positive statistics.
        """
        gaps: list[FloatArray] = [getattr(self, one) for one in series or ("shared",)]
        runs = np.stack([*gaps, self.clean], axis=1)

        def of_means(some: FloatArray) -> float:
            sums = some.sum(axis=0)
            return float(statistic(*(sums[:-1] / sums[-1])))

        return findings.jackknife(runs, of_means, predicted, name, logarithm=logarithm)


def read_cells(tables: Tables) -> Cells:
    """Read the cells of cluster 0 under PCPO.

    Raises:
        ResultsError: if no cell has enough collaborative runs.
    """
    frame = tables["scaling"]
    frame = frame[(frame["cluster"] == 0) & (frame["algorithm"] == PCPO_NAME)]
    frame = frame.assign(used=frame["clean"] & ~frame["local_cap_active"] & ~frame["global_cap_active"])
    by_cell = frame.groupby(["size", "epoch"])
    kept = by_cell["used"].mean() >= _ENOUGH
    cells = by_cell.first()[kept]
    if cells.empty:
        raise ResultsError("scaling: found no size and epoch with collaborative runs, expected some; run more epochs")

    def wide(column: str) -> FloatArray:
        values = frame.pivot(index="seed", columns=["size", "epoch"], values=column)[cells.index]
        return np.asarray(values.to_numpy(), dtype=np.float64)

    def of(column: str) -> FloatArray:
        return np.asarray(cells.reset_index()[column].to_numpy(), dtype=np.float64)

    clean = wide("used")
    shared, own = (np.where(clean > 0, wide(column), 0.0) for column in ("global_gap", "local_gap"))
    columns = ("size", "epoch", "minibatch", "rollouts", "global_overlay", "local_overlay")
    return Cells(shared, own, clean, *(of(column) for column in columns))


def overlay_ratio(tables: Tables) -> Finding:
    """Compare the mean over cells of (mean global gap)/(overlay) with 1."""
    c = read_cells(tables)
    name = "mean over cells of measured/overlay"
    return c.finding(lambda g: (g / c.shared_overlay).mean(axis=-1), 1.0, name, logarithm=True)


def _slope(x: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return the function that maps ``(…, C)`` to least-squares slopes on a centred regressor ``(C,)``."""
    weights = x / np.sum(x * x)
    return lambda y: np.asarray(y @ weights)


def total_exponent(tables: Tables) -> Finding:
    """Compare the slope of log mean global gap in log(M_l|M|) with the overlay's slope at the same points."""
    c = read_cells(tables)
    x = np.log(c.minibatch * c.size)
    slope = _slope(x - x.mean())
    return c.finding(lambda g: slope(np.log(g)), float(slope(np.log(c.shared_overlay))), "slope in log(M|M|)")


def size_exponent(tables: Tables, predicted: float | None = None) -> Finding:
    """Compare the slope of log mean global gap in log|M| with `predicted`, by default the overlay's slope.

    Every epoch has an intercept, so that M_l is fixed.

    Raises:
        ResultsError: for cells of one size only.
    """
    c = read_cells(tables)
    x = np.log(c.size)
    within = x - np.array([x[c.epoch == epoch].mean() for epoch in c.epoch])
    if not np.any(within):
        raise ResultsError("scaling: found one cluster size in every epoch, expected at least two")
    slope = _slope(within)
    target = float(slope(np.log(c.shared_overlay))) if predicted is None else predicted
    return c.finding(lambda g: slope(np.log(g)), target, "slope in log|M| at fixed M")


def paired_ratio(tables: Tables) -> Finding:
    """Compare √|M| (mean global gap)/(mean local gap), geometric mean over cells with |M| > 1, with the overlay's."""
    c = read_cells(tables)
    many = c.size > 1

    def ratio(shared: FloatArray, own: FloatArray) -> FloatArray:
        logs = np.log(np.sqrt(c.size) * shared / own)[..., many]
        return np.asarray(np.exp(logs.mean(axis=-1)))

    target, name = float(ratio(c.shared_overlay, c.own_overlay)), "√|M|·global/local, geometric mean"
    return c.finding(ratio, target, name, "shared", "own", logarithm=True)


def plateau(tables: Tables) -> Finding:
    """Compare the constant added to the overlay, in units of the smallest overlay, with 0.

    The constant is fitted by least squares with weights 1/overlay².
    """
    c = read_cells(tables)
    weights = c.shared_overlay**-2.0
    weights /= weights.sum() * c.shared_overlay.min()
    return c.finding(lambda g: (g - c.shared_overlay) @ weights, 0.0, "added constant / smallest overlay")


def scatter(c: Cells) -> tuple[float, FloatArray]:
    """Compute how far the cells are from the overlay, in units of sampling.

    Returns:
        X = Σ_c (ρ_c − 1)²/v_c, and v ``(C,)``: ρ_c = (mean gap)/(overlay) has the variance v_c, from the spread within
        all cells together.
    """
    n = c.clean.sum(axis=0)
    ratios = c.shared / c.shared_overlay
    mean = ratios.sum(axis=0) / n
    spread = float(np.sum(c.clean * (ratios - mean) ** 2) / max(np.sum(n - 1), 1))
    return float(np.sum((mean - 1) ** 2 * n) / spread), spread / n


def collapse(tables: Tables, limit: float) -> Finding:
    """Compare the root mean square over cells of ρ − 1 beyond sampling with a limit, ρ = (mean gap)/(overlay).

    X of `scatter` is noncentral χ²_C; its noncentrality is C times the mean square in units of v, and the interval
    inverts the distribution.  An infinite gap gives an infinite root mean square.
    """
    c, name = read_cells(tables), "rms deviation of cells from the overlay, noncentral χ² 95 %"
    n, C = len(c.shared), c.shared.shape[1]
    if not np.isfinite(c.shared).all():
        return Finding(name, np.inf, np.nan, np.inf, limit, 0.0, n)
    if n < FEWEST:
        return Finding(name, np.nan, np.nan, np.nan, limit, 1.0, n)
    X, v = scatter(c)
    unit = float(1 / np.mean(1 / v))  # λ = C·(mean square)/unit

    def rms(noncentrality: float) -> float:
        return float(np.sqrt(max(noncentrality, 0.0) * unit / C))

    tail = (1 - _CONFIDENCE) / 2
    low, high = (rms(_noncentrality(X, C, q)) for q in (1 - tail, tail))
    upper = float(scipy.stats.ncx2.sf(X, C, C * limit**2 / unit))
    return Finding(name, rms(X - C), low, high, limit, min(1.0, 2 * min(upper, 1 - upper)), n)


def _noncentrality(X: float, C: int, quantile: float) -> float:
    """Find λ ≥ 0 with P(χ²_C(λ) ≤ X) = quantile by bisection; 0 if there is none."""
    if scipy.stats.chi2.cdf(X, C) <= quantile:
        return 0.0
    low, high = 0.0, 4.0 * X + 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if scipy.stats.ncx2.cdf(X, C, middle) > quantile else (low, middle)
    return (low + high) / 2


def bound_failures(tables: Tables, failure_probability: float) -> Finding:
    """Compare the fraction of runs (fleet × seed) above the bound of Theorem 2 with δ.

    A run is above it if an agent of any cluster has 8√|M|·gap/Δ_L̄ > 1 after the last epoch.
    """
    frame = tables["scaling"]
    frame = frame[frame["algorithm"] == PCPO_NAME]
    last = frame[frame["epoch"] == frame["epoch"].max()]
    broken = ~(8 * np.sqrt(last["size"]) * last["worst_global_gap"] / last["Delta"] <= 1)
    failed = broken.groupby([last["seed"], last["cell"]]).any()
    return findings.failures(int(failed.sum()), len(failed), failure_probability)
