"""What the scaling claims measure: collaborative epochs of the cluster under study, by size |M| and epoch.

A replicate is a seed with all its fleets, and is resampled whole.  A collaborative ("clean") epoch has right sets
before and after it and no (8) at its end; whether it is one depends on the local sequences alone, so conditioning on it
does not bias the global gaps.  Epochs in which the cap c_(p,6) is active are left out: they follow another power.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.stats at its first use

from pcpo.arrays import FloatArray
from pcpo.claims import findings
from pcpo.claims.contract import ALPHA, Finding, Tables
from pcpo.errors import ResultsError
from pcpo.evidence.scaling.studies import PCPO
from pcpo.statistics import FEWEST

__all__ = [
    "Cells",
    "bound_failures",
    "collapse",
    "normal_power",
    "overlay_ratio",
    "paired_ratio",
    "plateau",
    "read_cells",
    "size_exponent",
    "total_exponent",
]

_CONFIDENCE = 0.95
#: A (size, epoch) is left out if fewer than this fraction of its runs were collaborative.
_ENOUGH = 0.5
Statistic = Callable[..., FloatArray]


@dataclass(frozen=True, eq=False)
class Cells:
    """Gaps of the cells (one size, one epoch) that count; C cells, n runs.

    shared, own: global and local gaps ``(n, C)``, mean over agents, 0 where `clean` ``(n, C)`` is False; size |M|,
    minibatch M_l, rollouts T_l per agent, overlays of both, all ``(C,)``.
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

    def finding(self, statistic: Statistic, predicted: float, name: str, *series: str) -> Finding:
        """Bootstrap over runs of a statistic of mean gaps, each ``(resamples, C)``: of those of the `series` "shared"
        (if none is named) and "own", in that order."""
        gaps: list[FloatArray] = [getattr(self, one) for one in series or ("shared",)]
        if self.clean.all():  # every mean is over all runs
            runs = np.stack(gaps, axis=1)
            return findings.bootstrap(runs, lambda drawn: statistic(*_series(drawn.mean(axis=1))), predicted, name)
        runs = np.stack([*gaps, self.clean], axis=1)
        whole = runs.sum(axis=0)
        fallback = whole[:-1] / whole[-1]  # for a resample without any clean run of a cell

        def of_means(drawn: FloatArray) -> FloatArray:
            sums = drawn.sum(axis=1)
            count = sums[:, -1:]
            return statistic(*_series(np.where(count > 0, sums[:, :-1] / np.maximum(count, 1), fallback)))

        return findings.bootstrap(runs, of_means, predicted, name)


def _series(means: FloatArray) -> list[FloatArray]:
    return list(np.moveaxis(means, 1, 0))


def read_cells(tables: Tables) -> Cells:
    """Cluster 0 under PCPO; raises ResultsError if no cell has enough collaborative runs."""
    frame = tables["scaling"]
    frame = frame[(frame["cluster"] == 0) & (frame["algorithm"] == PCPO)]
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
    """Mean over cells of (mean gap)/(overlay), against 1."""
    c = read_cells(tables)
    return c.finding(lambda g: (g / c.shared_overlay).mean(axis=-1), 1.0, "mean over cells of measured/overlay")


def _slope(x: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Least-squares slope on a regressor ``(C,)`` that is centred already, of ``(…, C)``."""
    weights = x / np.sum(x * x)
    return lambda y: np.asarray(y @ weights)


def total_exponent(tables: Tables) -> Finding:
    """Slope of log mean gap against log(M_l |M|) over all cells, against the overlay's at the same points."""
    c = read_cells(tables)
    x = np.log(c.minibatch * c.size)
    slope = _slope(x - x.mean())
    return c.finding(lambda g: slope(np.log(g)), float(slope(np.log(c.shared_overlay))), "slope in log(M|M|)")


def size_exponent(tables: Tables, predicted: float | None = None) -> Finding:
    """Slope of log mean gap against log|M| with a level for every epoch, so at fixed M_l; against the overlay's slope
    at the same points, or `predicted`."""
    c = read_cells(tables)
    x = np.log(c.size)
    within = x - np.array([x[c.epoch == epoch].mean() for epoch in c.epoch])
    if not np.any(within):
        raise ResultsError("scaling: found one cluster size in every epoch, expected at least two")
    slope = _slope(within)
    target = float(slope(np.log(c.shared_overlay))) if predicted is None else predicted
    return c.finding(lambda g: slope(np.log(g)), target, "slope in log|M| at fixed M")


def paired_ratio(tables: Tables) -> Finding:
    """√|M| (mean global gap)/(mean local gap), geometric mean over the cells with |M| > 1, against the overlay's."""
    c = read_cells(tables)
    many = c.size > 1

    def ratio(shared: FloatArray, own: FloatArray) -> FloatArray:
        logs = np.log(np.sqrt(c.size) * shared / own)[..., many]
        return np.asarray(np.exp(logs.mean(axis=-1)))

    return c.finding(
        ratio, float(ratio(c.shared_overlay, c.own_overlay)), "√|M|·global/local, geometric mean", "shared", "own"
    )


def plateau(tables: Tables) -> Finding:
    """Constant b added to the overlay, least squares with weights 1/overlay², in units of the smallest overlay."""
    c = read_cells(tables)
    weights = c.shared_overlay**-2.0
    weights /= weights.sum() * c.shared_overlay.min()
    return c.finding(lambda g: (g - c.shared_overlay) @ weights, 0.0, "added constant / smallest overlay")


def _scatter(c: Cells) -> tuple[float, FloatArray]:
    """(Σ_c (ρ_c − 1)²/v_c, v_c): ρ_c = mean gap/overlay, v_c its variance from the spread within all cells together."""
    n = c.clean.sum(axis=0)
    ratios = c.shared / c.shared_overlay
    mean = ratios.sum(axis=0) / n
    spread = float(np.sum(c.clean * (ratios - mean) ** 2) / max(np.sum(n - 1), 1))
    return float(np.sum((mean - 1) ** 2 * n) / spread), spread / n


def collapse(tables: Tables, limit: float) -> Finding:
    """Root mean square over cells of (mean gap)/(overlay) − 1 beyond sampling, against `limit`.

    X = Σ_c (ρ_c − 1)²/v_c is noncentral χ²_C; its noncentrality is C times the mean square in units of v, and the
    interval inverts the distribution.  A gap that is infinite gives an infinite scatter.
    """
    c, name = read_cells(tables), "rms deviation of cells from the overlay, noncentral χ² 95 %"
    n, C = len(c.shared), c.shared.shape[1]
    if not np.isfinite(c.shared).all():
        return Finding(name, np.inf, np.nan, np.inf, limit, 0.0, n)
    if n < FEWEST:
        return Finding(name, np.nan, np.nan, np.nan, limit, 1.0, n)
    X, v = _scatter(c)
    unit = float(1 / np.mean(1 / v))  # λ = C·(mean square)/unit

    def rms(noncentrality: float) -> float:
        return float(np.sqrt(max(noncentrality, 0.0) * unit / C))

    tail = (1 - _CONFIDENCE) / 2
    low, high = (rms(_noncentrality(X, C, q)) for q in (1 - tail, tail))
    upper = float(scipy.stats.ncx2.sf(X, C, C * limit**2 / unit))
    return Finding(name, rms(X - C), low, high, limit, min(1.0, 2 * min(upper, 1 - upper)), n)


def _noncentrality(X: float, C: int, quantile: float) -> float:
    """λ ≥ 0 with P(χ²_C(λ) ≤ X) = quantile, by bisection; 0 if there is none."""
    if scipy.stats.chi2.cdf(X, C) <= quantile:
        return 0.0
    low, high = 0.0, 4.0 * X + 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if scipy.stats.ncx2.cdf(X, C, middle) > quantile else (low, middle)
    return (low + high) / 2


def bound_failures(tables: Tables, failure_probability: float) -> Finding:
    """Runs (fleet × seed) in which an agent of any cluster has 8√|M|·gap/Δ_L̄ > 1 after the last epoch, against δ."""
    frame = tables["scaling"]
    frame = frame[frame["algorithm"] == PCPO]
    last = frame[frame["epoch"] == frame["epoch"].max()]
    broken = ~(8 * np.sqrt(last["size"]) * last["worst_global_gap"] / last["Delta"] <= 1)
    failed = broken.groupby([last["seed"], last["cell"]]).any()
    return findings.failures(int(failed.sum()), len(failed), failure_probability)


def normal_power(found: Finding, shift: float) -> float:
    """Power of the two-sided test against a true value `shift` off, from the width of the interval found."""
    error = (found.high - found.low) / (2 * scipy.stats.norm.isf((1 - _CONFIDENCE) / 2))
    if not error > 0:
        return float("nan")
    critical = scipy.stats.norm.isf(ALPHA / 2)
    return float(scipy.stats.norm.sf(critical - shift / error) + scipy.stats.norm.sf(critical + shift / error))
