"""Run least squares and certainty equivalence: every agent alone identifies (A, B) and solves its Riccati equation.

The textbook model-based method (Mania, Tu, Recht 2019, "Certainty equivalence is efficient for linear quadratic
control").  It sees states and inputs and knows Q, R, N and γ, none of which the zeroth-order methods do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcpo.algorithms.baselines.base import OneSequence, Progress, State, given, nobody_else
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.schedule import EpochPlan
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError, FleetError
from pcpo.lqr.modes import controllable_dimension
from pcpo.lqr.optimum import riccati
from pcpo.lqr.system import LinearSystem
from pcpo.neighbourhoods import Neighbourhoods
from pcpo.oracles.protocol import Oracle, TrajectoryOracle
from pcpo.simulation.noise import Purpose

__all__ = ["KNOWN_COSTS", "Identification", "LeastSquares", "Regression", "certainty_equivalent"]

KNOWN_COSTS = frozenset({"state_costs", "input_costs", "cross_costs", "gamma"})
_NUMBERS_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class Regression:
    """Hold the sums of x⁺ = Θz + noise, z = (x, u), Θ = (A, B).

    They are Σ z zᵀ ``(N, d, d)`` and Σ z x⁺ᵀ ``(N, d, n)``, d = n + m.
    """

    gram: FloatArray
    cross: FloatArray

    def models(self) -> FloatArray:
        """Return least-squares Θ_i, ``(N, n, d)``; of smallest norm if the data do not determine it."""
        found = [np.linalg.lstsq(G, C, rcond=None)[0].T for G, C in zip(self.gram, self.cross, strict=True)]
        return np.stack(found)


@dataclass(frozen=True)
class Identification(OneSequence):
    """Collect T_l trajectories an epoch under u = −K_i⁰x + excitation·(random signs), added to those of earlier epochs.

    horizon: steps of a trajectory; no longer than the rollouts of the other methods, to be fair to them.
    """

    horizon: int = 10
    excitation: float = 1.0

    uses = KNOWN_COSTS

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ConfigError(f"horizon: found {self.horizon}, expected 1 or more steps")
        if not self.excitation > 0:
            raise ConfigError(f"excitation: found {self.excitation}, expected a positive number")

    def collect(self, state: State, plan: EpochPlan, oracle: Oracle) -> Regression:
        """Return all data up to the end of this epoch.

        A few trajectories are simulated at a time, so memory does not grow with T_l.
        """
        if not isinstance(oracle, TrajectoryOracle):
            raise ConfigError(f"{self.name}: found an oracle of costs only, expected one that shows trajectories")
        K0 = state.setting.initial_gains
        N, m, n = K0.shape
        before = state.memory or Regression(np.zeros((N, n + m, n + m)), np.zeros((N, n + m, n)))
        gram, cross = before.gram.copy(), before.cross.copy()
        most, left = max(1, _NUMBERS_AT_ONCE // (N * (self.horizon + 1) * (n + m))), plan.rollouts
        while left > 0:
            count = min(most, left)
            data = oracle.trajectories(
                K0, count, self.horizon, self.excitation, purpose=Purpose.TRAJECTORIES, epoch=plan.epoch
            )
            for t in range(self.horizon):
                z = np.concatenate([data.states[:, :, t], data.inputs[:, :, t]], axis=2).transpose(0, 2, 1)
                gram += z @ z.transpose(0, 2, 1)
                cross += z @ data.states[:, :, t + 1]
            left -= count
        return Regression(gram, cross)


@dataclass(frozen=True)
class LeastSquares(Identification):
    """Set K_i = K*(Â_i, B̂_i, Q_i, R_i, N_i, γ) from the agent's data alone; no message.

    An agent whose estimates have no Riccati solution stays at its initial gain.
    """

    name = "least_squares"

    def first_sets(self, setting: Setting) -> Neighbourhoods:
        """Return N_i = {i}."""
        return nobody_else(setting)

    def advance(self, state: State, plan: EpochPlan, oracle: Oracle, server: Server) -> Progress:
        """Identify and solve by certainty equivalence."""
        data = self.collect(state, plan, oracle)
        return Progress(certainty_equivalent(data.models(), state.setting), memory=data)


def _controllable(A: FloatArray, B: FloatArray) -> bool:
    """Return whether a model is finite and its input reaches every mode."""
    return bool(np.isfinite(A).all() and np.isfinite(B).all() and controllable_dimension(A, B) == len(A))


def certainty_equivalent(models: FloatArray, setting: Setting) -> FloatArray:
    """Return optimal gains ``(N, m, n)`` of the models Θ_i = (A_i, B_i) ``(N, n, n + m)``, or the initial gains.

    A model whose input does not reach every mode, as one from too little data, leaves the agent where it was.
    """
    Q, R, N, gamma = (given(setting, field) for field in ("state_costs", "input_costs", "cross_costs", "gamma"))
    gains, n = setting.initial_gains.copy(), models.shape[1]
    for i, model in enumerate(models):
        try:
            if not _controllable(model[:, :n], model[:, n:]):
                continue
            gains[i] = riccati(LinearSystem(model[:, :n], model[:, n:], Q[i], R[i], gamma, N[i])).K
        except FleetError:  # no solution: a bad model is no reason to stop the others
            continue
    return gains
