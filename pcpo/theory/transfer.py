"""Compute the price of averaging over all clusters: plateaus of the gap that no number of rollouts lowers.

Where gradients are averaged over the whole fleet, all agents make the same steps: K_i = K_i⁰ + x, and x tends to
argmin Σ_i C_i(K_i⁰ + x) (`shifted_plateaus`), which exists whatever the systems, since the sum is finite at x = 0.
From a common first gain that is one policy for all, K̄ = argmin Σ_j |M_j| C_j(K), with the plateaus C_j(K̄) − C_j*
(`common_gain`); it exists only if some gain has finite cost for every cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.errors import FleetError
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.initial_gains import smallest_common_gap
from pcpo.lqr.system import LinearSystem

__all__ = ["CommonGain", "TransferStatus", "common_gain", "shifted_plateaus"]

_MOST_STEPS = 200
_MOST_HALVINGS = 60


class TransferStatus(StrEnum):
    """Say whether there is a common gain."""

    OK = "ok"
    NO_COMMON_GAIN = "no_common_gain"


@dataclass(frozen=True, eq=False)
class CommonGain:
    """Hold K̄ ``(m, n)`` and plateaus C_j(K̄) − C_j* ``(H,)``; NaN and infinite without a common gain."""

    status: TransferStatus
    gain: FloatArray
    plateaus: FloatArray


def common_gain(fleet: Fleet) -> CommonGain:
    """Search K̄ = argmin_K Σ_j |M_j| C_j(K) over the gains of finite cost for every cluster.

    By Newton's method with exact Hessians from the gain that is least bad for the worst cluster, from the K*_j and from
    their mean, whichever have finite cost for all; the best end counts.  The sum need not be convex, so this is the
    best minimum found, and a fleet without common gain is a fleet for which the search met none.
    """
    sizes = np.array([len(members) for members in fleet.clusters], dtype=np.float64)
    total = _Sum(fleet.systems, sizes, np.zeros((fleet.H, fleet.m, fleet.n)))
    ends = [total.descended(K) for K in _starts(fleet)]
    if not ends:
        nothing = np.full((fleet.m, fleet.n), np.nan)
        return CommonGain(TransferStatus.NO_COMMON_GAIN, nothing, np.full(fleet.H, np.inf))
    best = min(ends, key=total.value)
    plateaus = np.array([lqr.suboptimality_gap(system, best) for system in fleet.systems])
    return CommonGain(TransferStatus.OK, best, plateaus)


def shifted_plateaus(fleet: Fleet) -> FloatArray:
    """Return the mean gaps of each cluster at K_i⁰ + x, x = argmin Σ_i C_i(K_i⁰ + x), ``(H,)``, cost units.

    By Newton's method from x = 0, where a fleet's costs are finite; the sum need not be convex, so this is the minimum
    that the descent meets.
    """
    fleet.require_gains("the minimum of the sum")
    rows = np.column_stack([fleet.labels, fleet.initial_gains.reshape(fleet.N, -1)])
    distinct, weights = np.unique(rows, axis=0, return_counts=True)
    systems = [fleet.systems[int(label)] for label in distinct[:, 0]]
    total = _Sum(systems, weights.astype(np.float64), distinct[:, 1:].reshape(-1, fleet.m, fleet.n))
    x = total.descended(np.zeros((fleet.m, fleet.n)))
    gaps = fleet.gaps(fleet.initial_gains + x)
    return np.array([gaps[members].mean() for members in fleet.clusters])


def _starts(fleet: Fleet) -> list[FloatArray]:
    """Return gains of finite cost for every cluster, from which to descend."""
    candidates = [*fleet.optimal_gains, fleet.optimal_gains.mean(axis=0)]
    with suppress(FleetError):  # the search met no common gain; another candidate may be one
        candidates.append(smallest_common_gap(fleet.systems)[0])
    return [K for K in candidates if all(lqr.has_finite_cost(system, K) for system in fleet.systems)]


@dataclass(frozen=True, eq=False)
class _Sum:
    """Evaluate f(x) = Σ_k w_k C_k(K_k + x); systems and weights by term k, gains K_k ``(terms, m, n)``."""

    systems: Sequence[LinearSystem]
    weights: FloatArray
    gains: FloatArray

    def value(self, x: FloatArray) -> float:
        """Return f(x)."""
        terms = zip(self.weights, self.systems, self.gains, strict=True)
        return float(sum(w * lqr.cost(system, K + x) for w, system, K in terms))

    def descended(self, x: FloatArray) -> FloatArray:
        """Descend to rounding by Newton steps with |eigenvalues| of the Hessian, halved until the sum decreases."""
        value = self.value(x)
        for _ in range(_MOST_STEPS):
            terms = list(zip(self.weights, self.systems, self.gains + x, strict=True))
            gradient = np.sum([w * lqr.gradient(system, K) for w, system, K in terms], axis=0).ravel()
            h, V = np.linalg.eigh(np.sum([w * lqr.hessian_at(system, K) for w, system, K in terms], axis=0))
            step = -(V @ ((V.T @ gradient) / np.maximum(np.abs(h), 1e-12 * np.abs(h).max()))).reshape(x.shape)
            for _ in range(_MOST_HALVINGS):
                trial = self.value(x + step)
                if trial < value:
                    break
                step = step / 2
            else:
                return x
            x, value = x + step, trial
        return x
