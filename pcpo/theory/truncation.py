"""Find the horizon at which the truncation bias of every gain of a list is below a tolerance, in O(log h) products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.arrays import BoolArray, FloatArray
from pcpo.errors import ConfigError
from pcpo.lqr.cost import closed_loop, cost_scale, transpose, value_matrix
from pcpo.lqr.moments import MAX_HORIZON
from pcpo.lqr.system import LinearSystem

__all__ = ["longest_horizon"]

_CHUNK_ENTRIES = 2**18  # entries of one stack of matrices: the ladder of powers takes about 80 such stacks


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
