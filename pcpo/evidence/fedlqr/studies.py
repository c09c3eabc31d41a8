"""The conditions of FedLQR's experiment, the controls added to it, and one condition's runs as a tidy table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import solve_discrete_are

from pcpo.arrays import FloatArray
from pcpo.errors import ConfigError
from pcpo.evidence.fedlqr.model.algorithm import FedLQR, run
from pcpo.evidence.fedlqr.model.finite_horizon import FiniteHorizon, best_common_gain, costs
from pcpo.evidence.fedlqr.model.oracles import ExactFiniteHorizonOracle, FiniteHorizonOracle
from pcpo.oracles.rollout import LedgerOracle
from pcpo.simulation.noise import Purpose, stream

__all__ = ["CONDITIONS", "INITIAL_GAIN", "MEASURES", "Condition", "condition", "floors", "run_condition", "setting_of"]

#: Published: nominal system, costs, initial gain, rollout length (arXiv:2308.11743).
A0 = np.array([[1.2, 0.5, 0.4], [0.01, 0.75, 0.3], [0.1, 0.02, 1.5]])
B0, Q, R = np.eye(3), 2.0 * np.eye(3), 0.5 * np.eye(3)
INITIAL_GAIN = 1.62 * np.eye(3)
HORIZON = 15
_BY_NUMBER, _LEVEL_A, _LEVEL_B = 0.01, np.diag([3.5, 1.0, 0.1]), np.diag([1.5, 0.1, 1.0])


@dataclass(frozen=True)
class Condition:
    """Fleet and server step.  group: "number", "level" (both published) or "copies" (ours: identical agents)."""

    group: str
    agents: int
    eps: float
    server_step: float


CONDITIONS: dict[str, Condition] = {
    **{f"number_{M}": Condition("number", M, _BY_NUMBER, 2e-2) for M in (1, 10, 50)},
    **{f"copies_{M}": Condition("copies", M, 0.0, 2e-2) for M in (10, 50)},
    **{f"level_{eps:g}": Condition("level", 10, eps, 1e-2) for eps in (0.0, 0.1, 0.5)},
}


def condition(name: str) -> Condition:
    """The condition of that name; ConfigError, listing the known ones, if there is none."""
    if name not in CONDITIONS:
        raise ConfigError(f"condition: found {name!r}, expected one of {', '.join(CONDITIONS)}")
    return CONDITIONS[name]


def setting_of(wanted: Condition, *, fleet_seed: int, first_stage: int = 0) -> FiniteHorizon:
    """The fleet: agent 1 is the nominal system in every condition, since the others are measured against it.

    number: A0 + ε·i·I and B0 + ε·i·I for i ≥ 2; level: A0 + ε·u_i·diag(3.5, 1, 0.1) and B0 + ε·u_i·diag(1.5, 0.1, 1),
    u_i uniform on [0, 1], drawn once for all levels and runs.
    """
    index = np.arange(1, wanted.agents + 1)
    if wanted.group == "level":
        u = stream(fleet_seed, Purpose.FLEET).random(wanted.agents)
        directions = _LEVEL_A, _LEVEL_B
    else:
        u, directions = index.astype(np.float64), (np.eye(3), np.eye(3))
    size = np.where(index == 1, 0.0, wanted.eps * u)[:, None, None]
    return FiniteHorizon(A0 + size * directions[0], B0 + size * directions[1], Q, R, HORIZON, first_stage)


@dataclass(frozen=True)
class _Measure:
    """A cost of the nominal system by which a gain is judged, and the gain whose cost is its reference."""

    cost: Callable[[FloatArray], FloatArray]
    reference: float


def _measures() -> dict[str, _Measure]:
    nominal = FiniteHorizon(A0[None], B0[None], Q, R, HORIZON)
    P = solve_discrete_are(A0, B0, Q, R)
    riccati = np.linalg.solve(R + B0.T @ P @ B0, B0.T @ P @ A0)
    long = FiniteHorizon(A0[None], B0[None], Q, R, 100)

    def own(gains: FloatArray) -> FloatArray:
        return costs(nominal, gains)[..., 0]

    def published(gains: FloatArray) -> FloatArray:
        return costs(long, gains, np.ones((3, 3)))[..., 0]

    best = best_common_gain(nominal, riccati)
    return {
        "own": _Measure(own, float(own(best[None]))),
        "published": _Measure(published, float(published(riccati[None]))),
    }


#: own: C_1 over stages 0 … 14, relative to its minimum, whatever the first stage of rollouts (from stage 1 on the
#: deadbeat gain B⁻¹A costs nothing, so that there is nothing to normalise by).
#: published: the evaluation of the authors' programs, 100 stages from x_0 = (1, 1, 1), relative to the Riccati gain.
MEASURES = ("own", "published")


def normalised_gaps(gains: FloatArray) -> dict[str, FloatArray]:
    """(C_1(K) − C_1(K_1*))/C_1(K_1*) of gains ``(…, m, n)`` on the nominal system, by each of `MEASURES`: ``(…,)``."""
    found = _measures().items()
    return {name: measure.cost(gains[..., None, :, :]) / measure.reference - 1.0 for name, measure in found}


def floors(*, fleet_seed: int) -> pd.DataFrame:
    """By condition, the normalised gap of K̄, the best common gain: the bias that no step size removes.  No rollouts."""
    rows = []
    for name, wanted in CONDITIONS.items():
        best = best_common_gain(setting_of(wanted, fleet_seed=fleet_seed), A0 / 1.2)
        gaps = normalised_gaps(best)
        rows += [{"condition": name, "measure": measure, "floor": float(gap)} for measure, gap in gaps.items()]
    return pd.DataFrame(rows)


def run_condition(
    name: str, seeds: Iterable[int], *, rounds: int, every: int, fleet_seed: int, first_stage: int = 0
) -> pd.DataFrame:
    """Runs of one condition: a row per (oracle, seed, round), with the normalised gap by each measure.

    oracle "rollouts": one run per seed; oracle "exact", seed −1: the same recursion with exact gradients, no noise.
    """
    wanted = condition(name)
    setting = setting_of(wanted, fleet_seed=fleet_seed, first_stage=first_stage)
    oracles: list[tuple[str, int, LedgerOracle]] = [("exact", -1, ExactFiniteHorizonOracle(setting))]
    oracles += [("rollouts", seed, FiniteHorizonOracle(setting, seed=seed)) for seed in seeds]
    frames = []
    for kind, seed, oracle in oracles:
        done = run(FedLQR(server_step=wanted.server_step), oracle, INITIAL_GAIN, rounds, every=every)
        columns = {"condition": name, "oracle": kind, "seed": seed, "round": done.rounds.astype(np.int64)}
        gaps = normalised_gaps(done.gains)
        last = {"rollouts": done.rollouts, "nonfinite": done.nonfinite, **vars(done.traffic)}
        frames.append(pd.DataFrame({**columns, **gaps, **last}))
    return pd.concat(frames, ignore_index=True)
