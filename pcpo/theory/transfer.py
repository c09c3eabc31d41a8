"""Compute the price of one policy for all clusters: K̄ = argmin Σ_j |M_j| C_j(K) and its gaps C_j(K̄) − C_j*.

Where gradients are averaged over the whole fleet, policies tend to K̄, and the gaps are a plateau that no number of
rollouts lowers (negative transfer).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.errors import FleetError
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.initial_gains import smallest_common_gap

__all__ = ["CommonGain", "TransferStatus", "common_gain"]

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
    ends = [_descended(fleet, sizes, K) for K in _starts(fleet)]
    if not ends:
        nothing = np.full((fleet.m, fleet.n), np.nan)
        return CommonGain(TransferStatus.NO_COMMON_GAIN, nothing, np.full(fleet.H, np.inf))
    best = min(ends, key=lambda K: _total(fleet, sizes, K))
    plateaus = np.array([lqr.suboptimality_gap(system, best) for system in fleet.systems])
    return CommonGain(TransferStatus.OK, best, plateaus)


def _starts(fleet: Fleet) -> list[FloatArray]:
    """Return gains of finite cost for every cluster, from which to descend."""
    candidates = [*fleet.optimal_gains, fleet.optimal_gains.mean(axis=0)]
    with suppress(FleetError):  # the search met no common gain; another candidate may be one
        candidates.append(smallest_common_gap(fleet.systems)[0])
    return [K for K in candidates if all(lqr.has_finite_cost(system, K) for system in fleet.systems)]


def _total(fleet: Fleet, sizes: FloatArray, K: FloatArray) -> float:
    """Return Σ_j |M_j| C_j(K)."""
    return float(sum(size * lqr.cost(system, K) for size, system in zip(sizes, fleet.systems, strict=True)))


def _descended(fleet: Fleet, sizes: FloatArray, K: FloatArray) -> FloatArray:
    """Descend to rounding by Newton steps with |eigenvalues| of the Hessian, halved until the sum decreases."""
    value = _total(fleet, sizes, K)
    for _ in range(_MOST_STEPS):
        pairs = list(zip(sizes, fleet.systems, strict=True))
        gradient = np.sum([size * lqr.gradient(system, K) for size, system in pairs], axis=0).ravel()
        h, V = np.linalg.eigh(np.sum([size * lqr.hessian_at(system, K) for size, system in pairs], axis=0))
        step = -(V @ ((V.T @ gradient) / np.maximum(np.abs(h), 1e-12 * np.abs(h).max()))).reshape(K.shape)
        for _ in range(_MOST_HALVINGS):
            trial = _total(fleet, sizes, K + step)
            if trial < value:
                break
            step = step / 2
        else:
            return K
        K, value = K + step, trial
    return K
