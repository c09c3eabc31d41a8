"""Compute the undiscounted, finite-horizon LQR with a random initial state: cost, gradient, best common gain.

x_{t+1} = (A − BK) x_t without noise, E x_0 x_0ᵀ = S, and C(K) = E Σ_{t=s}^{s+h−1} x_tᵀ(Q + KᵀRK) x_t.  The first
stage s is 0 in the definition, and 1 where the stage of x_0 is left out.  Every gain has finite cost; ρ(A − BK) < 1 is
not needed.  This is the setting of the experiment of Wang, Toso, Mitra and Anderson, arXiv:2308.11743 (FedLQR); its
cost is not (1) of PCPO.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.optimize at its first use

from pcpo.arrays import FloatArray
from pcpo.errors import FleetError, PcpoError
from pcpo.lqr.system import real_array

__all__ = ["FiniteHorizon", "best_common_gain", "costs", "gradients"]

_STATIONARY = 1e-9  # ‖∇C‖ at an optimum, relative to C


@dataclass(frozen=True, eq=False)
class FiniteHorizon:
    """Hold N systems with common costs.

    x_0 is standard normal in rollouts, so S = I there and in `gradients`; `costs` takes any S.

    Args:
        A: ``(N, n, n)``.
        B: ``(N, n, m)``.
        Q: ``(n, n)``, symmetric and positive semidefinite.
        R: ``(m, m)``, symmetric and positive semidefinite.
        horizon: h ≥ 1 stages.
        first_stage: s, 0 or 1.

    Raises:
        FleetError: naming the array, what was found and what was expected.
    """

    A: FloatArray
    B: FloatArray
    Q: FloatArray
    R: FloatArray
    horizon: int
    first_stage: int = 0

    def __post_init__(self) -> None:
        for name in ("A", "B", "Q", "R"):
            object.__setattr__(self, name, real_array(name, getattr(self, name)))
        if self.A.ndim != 3 or self.A.size == 0 or self.A.shape[1] != self.A.shape[2]:
            raise FleetError(f"A: found shape {self.A.shape}, expected (N, n, n)")
        if self.B.ndim != 3 or self.B.shape[:2] != self.A.shape[:2] or self.B.size == 0:
            raise FleetError(f"B: found shape {self.B.shape}, expected (N, n, m) with (N, n) = {self.A.shape[:2]}")
        for name, matrix, size in (("Q", self.Q, self.n), ("R", self.R, self.m)):
            if matrix.shape != (size, size):
                raise FleetError(f"{name}: found shape {matrix.shape}, expected {(size, size)}")
            if not np.array_equal(matrix, matrix.T) or np.linalg.eigvalsh(matrix)[0] < 0:
                raise FleetError(f"{name}: found {matrix.tolist()}, expected a symmetric positive semidefinite matrix")
        if type(self.horizon) is not int or self.horizon < 1:
            raise FleetError(f"horizon: found {self.horizon!r}, expected an integer of 1 or more stages")
        if self.first_stage not in (0, 1):
            raise FleetError(f"first_stage: found {self.first_stage}, expected 0 or 1")

    @property
    def N(self) -> int:
        """Return the number of agents."""
        return int(self.A.shape[0])

    @property
    def n(self) -> int:
        """Return the number of states."""
        return int(self.A.shape[1])

    @property
    def m(self) -> int:
        """Return the number of inputs."""
        return int(self.B.shape[2])

    def agent(self, index: int) -> FiniteHorizon:
        """Return the system of one agent, as a setting with N = 1."""
        part = slice(index, index + 1)
        return FiniteHorizon(self.A[part], self.B[part], self.Q, self.R, self.horizon, self.first_stage)


def _closed_loop(setting: FiniteHorizon, gains: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute F = A − BK and W = Q + KᵀRK, ``(…, N, n, n)``; raises PcpoError for gains of another shape."""
    if gains.shape[-3:] not in {(setting.N, setting.m, setting.n), (1, setting.m, setting.n)}:
        raise PcpoError(f"gains: found shape {gains.shape}, expected (…, N, m, n), N = {setting.N}, or (…, 1, m, n)")
    return setting.A - setting.B @ gains, setting.Q + gains.swapaxes(-1, -2) @ setting.R @ gains


def _moments(setting: FiniteHorizon, F: FloatArray, S: FloatArray | None) -> list[FloatArray]:
    """Compute Σ_t = E x_t x_tᵀ for t = 0 … s + h − 1: Σ_0 = S (I if not given), Σ_{t+1} = F Σ_t Fᵀ."""
    start = np.eye(setting.n) if S is None else np.asarray(S, dtype=np.float64)
    found = [np.broadcast_to(start, F.shape)]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(setting.first_stage + setting.horizon - 1):
            found.append(F @ found[-1] @ F.swapaxes(-1, -2))
    return found


def costs(setting: FiniteHorizon, gains: FloatArray, second_moment: FloatArray | None = None) -> FloatArray:
    """Compute C_i(K_i) = Σ_{t=s}^{s+h−1} tr(W Σ_t) of every agent.

    Args:
        setting: the systems.
        gains: ``(…, N, m, n)``, or ``(…, 1, m, n)`` for one gain of all agents.
        second_moment: S, ``(n, n)``; I if not given.

    Returns:
        ``(…, N)``; infinite where doubles overflow.

    Raises:
        PcpoError: for gains of another shape.
    """
    F, W = _closed_loop(setting, gains)
    with np.errstate(over="ignore", invalid="ignore"):
        total = sum(_moments(setting, F, second_moment)[setting.first_stage :])
        found: FloatArray = np.einsum("...ij,...ji->...", W, total)
    return np.where(np.isnan(found), np.inf, found)


def gradients(setting: FiniteHorizon, gains: FloatArray) -> FloatArray:
    """Compute ∇C_i(K_i) = 2 Σ_t [1{t ≥ s} R K − Bᵀ P_{t+1} F] Σ_t for S = I.

    P_t = 1{t ≥ s} W + Fᵀ P_{t+1} F gives the cost of the remaining stages at t, and P_{s+h} = 0.

    Args:
        setting: the systems.
        gains: as for `costs`.

    Returns:
        ``(…, N, m, n)``; not finite where doubles overflow.
    """
    F, W = _closed_loop(setting, gains)
    Ft, Bt = F.swapaxes(-1, -2), setting.B.swapaxes(-1, -2)
    remaining, counted, weighted = (np.zeros_like(F) for _ in range(3))
    with np.errstate(over="ignore", invalid="ignore"):
        for t, moment in reversed(list(enumerate(_moments(setting, F, None)))):
            pulled = Ft @ remaining  # its transpose is P_{t+1} F, since P is symmetric
            weighted += pulled.swapaxes(-1, -2) @ moment
            remaining = pulled @ F
            if t >= setting.first_stage:
                counted += moment
                remaining += W
        return 2.0 * (setting.R @ gains @ counted - Bt @ weighted)


def best_common_gain(setting: FiniteHorizon, start: FloatArray) -> FloatArray:
    """Find K̄ ``(m, n)``, a local minimiser of the mean cost (1/N) Σ_i C_i(K), by BFGS and a root of the gradient.

    The problem is not convex: the answer is certified to be stationary (‖∇‖ ≤ 1e-9·C) and no worse than the start.

    Args:
        setting: the systems.
        start: ``(m, n)``.

    Raises:
        PcpoError: if the certificate fails, or if the cost of the start overflows.
    """
    shape = (setting.m, setting.n)

    def cost(flat: FloatArray) -> float:
        return float(costs(setting, flat.reshape(1, *shape)).mean())

    def slope(flat: FloatArray) -> FloatArray:
        found: FloatArray = gradients(setting, flat.reshape(1, *shape)).mean(axis=0).ravel()
        return found

    if not np.isfinite(cost(np.ravel(start))):
        raise PcpoError("best common gain: found a start of infinite mean cost, expected a finite one")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # trial steps; the certificate judges the end
        near = scipy.optimize.minimize(cost, np.ravel(start), jac=slope, method="BFGS", options={"gtol": 1e-5}).x
        best: FloatArray = scipy.optimize.root(slope, near).x
    if not (np.linalg.norm(slope(best)) <= _STATIONARY * cost(best) and cost(best) <= cost(np.ravel(start))):
        raise PcpoError(
            f"best common gain: found a mean gradient of norm {np.linalg.norm(slope(best)):.3g} where the search "
            f"ended, expected at most {_STATIONARY * cost(best):.3g}; start from a gain nearer to the optimum"
        )
    return best.reshape(shape)
