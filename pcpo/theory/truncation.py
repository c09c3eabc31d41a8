"""Find the horizon at which the truncation bias of every gain of a list is below a tolerance, in O(log h) products.

Of very many gains, most are settled by a bound: with w_k = tr(A_K^kᵀ W A_K^k), C − C_h = Σ_k a_k w_k/(1 − γ), where
a_k = γ^max(h, k+1) ≤ γ^h θ^(k+1−h) for every θ between γ and 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.arrays import BoolArray, FloatArray, IntArray
from pcpo.errors import ConfigError
from pcpo.lqr.cost import closed_loop, cost_scale, transpose, value_matrix
from pcpo.lqr.moments import MAX_HORIZON
from pcpo.lqr.system import LinearSystem
from pcpo.theory.displaced import DisplacedGains

__all__ = ["longest_horizon", "longest_horizon_of_pairs"]

_CHUNK_ENTRIES = 2**18  # entries of one stack of matrices: the ladder of powers takes about 80 such stacks

_BOUNDS = (0.0, 0.25, 0.5, 0.75)  # log θ / log γ of the bounds that are tried
_SAMPLE = 64  # gains, or an eighth of those left, that are solved exactly before the bounds are tried again
_LARGEST_LOG = 700.0  # below the largest of the floating-point numbers


@dataclass(frozen=True)
class _Truncated:
    """Hold gains cut after h stages: P_K and C(K), and M^h, T_h = γ^h Σ_h and γ^h with M = √γ A_K, Σ_h = Cov x_h."""

    values: FloatArray
    costs: FloatArray
    power: FloatArray
    gramian: FloatArray
    discount: float

    def beyond(self, tolerance: float) -> BoolArray:
        """Return where C − C_h = γ^h C + tr(P_K T_h) is not within the tolerance."""
        bias = self.discount * self.costs + np.sum(self.values * self.gramian, axis=(-1, -2))
        return np.asarray(~(bias <= tolerance))

    def only(self, keep: BoolArray) -> _Truncated:
        """Return some of the gains."""
        return _Truncated(self.values[keep], self.costs[keep], self.power[keep], self.gramian[keep], self.discount)

    def after(self, step: _Truncated) -> _Truncated:
        """Return the same gains cut after h + k stages, k those of `step`: T_{h+k} = γ^k T_h + M^h T_k M^hᵀ."""
        gramian = step.discount * self.gramian + self.power @ step.gramian @ transpose(self.power)
        return _Truncated(self.values, self.costs, self.power @ step.power, gramian, self.discount * step.discount)


def longest_horizon(system: LinearSystem, gains: FloatArray, tolerance: float) -> int:
    """Return the smallest h ≥ 1 with C(K) − C_h(K) ≤ tolerance (units of cost) for all gains ``(k, m, n)``.

    Gains of infinite cost are skipped.  The bias is taken from its closed form rather than from a difference of costs,
    so that a tolerance below the rounding of the costs has an answer too.

    Raises:
        ConfigError: if no horizon up to 2^40 reaches the tolerance.
    """
    found, size = 1, max(1, _CHUNK_ENTRIES // system.n**2)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for first in range(0, len(gains), size):
            found = max(found, _of_chunk(system, gains[first : first + size], tolerance))
    return found


def _of_chunk(system: LinearSystem, gains: FloatArray, tolerance: float) -> int:
    """Double h until every gain fits, then add powers of two while some gain does not; gains that fit are dropped."""
    values = value_matrix(system, gains)
    costs = cost_scale(system.gamma) * np.trace(values, axis1=-2, axis2=-1)
    step = np.sqrt(system.gamma) * closed_loop(system, gains)
    start = np.broadcast_to(system.gamma * np.eye(system.n), step.shape)
    state = _Truncated(values, costs, step, start, system.gamma).only(np.isfinite(costs))
    ladder: list[_Truncated] = []

    while (beyond := state.beyond(tolerance)).any():
        if 2 ** len(ladder) >= MAX_HORIZON:
            raise ConfigError(
                f"horizon: found a truncation bias above {tolerance:.3g} (1 % of the last separation over 8) at "
                f"{MAX_HORIZON:.2g} steps, expected a policy that is further from infinite cost, or fewer epochs"
            )
        ladder = [rung.only(beyond) for rung in ladder] + [state.only(beyond)]
        state = ladder[-1].after(ladder[-1])
    if not ladder:
        return 1
    horizon = 1 << (len(ladder) - 1)
    state = ladder.pop()
    while ladder:
        rung = ladder.pop()
        further = state.after(rung)
        if (beyond := further.beyond(tolerance)).any():
            horizon += 1 << len(ladder)
            state = further.only(beyond)
            ladder = [smaller.only(beyond) for smaller in ladder]
    return horizon + 1


def longest_horizon_of_pairs(displaced: DisplacedGains, radius: float, tolerance: float) -> int:
    """Return `longest_horizon` of the gains K + rU of all pairs of centres and directions.

    Raises:
        ConfigError: as `longest_horizon`.
    """
    found = 1
    for pairs in displaced.chunks(np.arange(len(displaced.centres))):
        while (pairs := _unsettled(displaced, pairs, radius, found, tolerance)).size:
            chosen = np.zeros(len(pairs), dtype=bool)
            chosen[:: min(8, -(-len(pairs) // _SAMPLE))] = True
            gains = displaced.gains(pairs[chosen], radius)
            found, pairs = max(found, longest_horizon(displaced.system, gains, tolerance)), pairs[~chosen]
    return found


def _unsettled(displaced: DisplacedGains, pairs: IntArray, radius: float, horizon: int, tolerance: float) -> IntArray:
    """Return the pairs of which no bound says that the bias at a horizon is within the tolerance."""
    gamma = displaced.system.gamma
    for share in _BOUNDS:
        log_theta = share * np.log(gamma)
        log_limit = np.log(tolerance) + np.log1p(-gamma) - horizon * np.log(gamma) + (horizon - 1) * log_theta
        limits = np.full(len(displaced.centres), np.exp(min(log_limit, _LARGEST_LOG)))
        pairs = displaced.exceeding(pairs, radius, limits, float(np.exp(log_theta)))
    return pairs
