"""Simulate FedLQR's experiment: the published conditions, the controls added to them, and the gaps of every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import solve_discrete_are

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, key_of, names, whole
from pcpo.errors import ConfigError
from pcpo.evidence.fedlqr.model.algorithm import FedLQR, run
from pcpo.evidence.fedlqr.model.finite_horizon import FiniteHorizon, best_common_gain, costs
from pcpo.evidence.fedlqr.model.oracles import ExactFiniteHorizonOracle, FiniteHorizonOracle
from pcpo.simulation.noise import Purpose, stream

__all__ = [
    "CONDITIONS",
    "INITIAL_GAIN",
    "MEASURES",
    "STUDIES",
    "Condition",
    "cells",
    "floor_of",
    "normalised_gaps",
    "setting_of",
    "simulate",
]

#: Published: nominal system, costs, initial gain, rollout length (arXiv:2308.11743).
A0 = np.array([[1.2, 0.5, 0.4], [0.01, 0.75, 0.3], [0.1, 0.02, 1.5]])
B0, Q, R = np.eye(3), 2.0 * np.eye(3), 0.5 * np.eye(3)
INITIAL_GAIN = 1.62 * np.eye(3)
HORIZON = 15
_BY_NUMBER, _LEVEL_A, _LEVEL_B = 0.01, np.diag([3.5, 1.0, 0.1]), np.diag([1.5, 0.1, 1.0])


@dataclass(frozen=True)
class Condition:
    """Describe a fleet and the step of the server.

    Args:
        group: "number" and "level" are published; "copies" are M copies of agent 1, a control that the paper lacks.
        agents: M.
        eps: size ε of the differences between agents.
        server_step: η_g.
    """

    group: str
    agents: int
    eps: float
    server_step: float


CONDITIONS: dict[str, Condition] = {
    "number_1": Condition("number", 1, _BY_NUMBER, 2e-2),
    "number_10": Condition("number", 10, _BY_NUMBER, 2e-2),
    "number_50": Condition("number", 50, _BY_NUMBER, 2e-2),
    "copies_10": Condition("copies", 10, 0.0, 2e-2),
    "copies_50": Condition("copies", 50, 0.0, 2e-2),
    "level_0": Condition("level", 10, 0.0, 1e-2),
    "level_0.1": Condition("level", 10, 0.1, 1e-2),
    "level_0.5": Condition("level", 10, 0.5, 1e-2),
}


def setting_of(wanted: Condition, *, fleet_seed: int, first_stage: int = 0) -> FiniteHorizon:
    """Build the fleet of a condition; agent 1 is the nominal system in every fleet, since gaps are measured on it.

    Groups "number" and "copies": A0 + ε·i·I and B0 + ε·i·I for i ≥ 2.  Group "level": A0 + ε·u_i·diag(3.5, 1, 0.1) and
    B0 + ε·u_i·diag(1.5, 0.1, 1), where u_i is uniform on [0, 1] and drawn once for all levels and runs.

    Args:
        wanted: the condition.
        fleet_seed: seed of the u_i.
        first_stage: first stage of a rollout that costs, 0 or 1.
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
    """Hold a cost of the nominal system by which gains are judged, and the cost of the gain taken for optimal."""

    cost: Callable[[FloatArray], FloatArray]
    reference: float


def _measures() -> dict[str, _Measure]:
    """Return both measures by name."""
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


#: The measures of a gain.  own: C_1 over stages 0 … 14, relative to its minimum, whatever the first stage of rollouts
#: (from stage 1 on the deadbeat gain B⁻¹A costs nothing, so that there is nothing to normalise by).  published: the
#: evaluation of the authors' programs, 100 stages from x_0 = (1, 1, 1), relative to the Riccati gain.
MEASURES = ("own", "published")


def normalised_gaps(gains: FloatArray) -> dict[str, FloatArray]:
    """Compute (C_1(K) − C_1(K_1*))/C_1(K_1*) on the nominal system, by each of `MEASURES`.

    Args:
        gains: K, ``(…, m, n)``.

    Returns:
        Measure → gaps ``(…,)``, dimensionless.
    """
    found = _measures().items()
    return {name: measure.cost(gains[..., None, :, :]) / measure.reference - 1.0 for name, measure in found}


def floor_of(wanted: Condition, *, fleet_seed: int) -> dict[str, float]:
    """Compute the normalised gap of K̄ = argmin (1/M) Σ C_i by each measure: the bias that no step size removes."""
    best = best_common_gain(setting_of(wanted, fleet_seed=fleet_seed), A0 / 1.2)
    return {measure: float(gap) for measure, gap in normalised_gaps(best).items()}


OPTIONS: Mapping[str, Option] = {
    "conditions": names(list(CONDITIONS)),
    "rounds": whole(5000),
    "every": whole(10),
    "first_stage": whole(0, least=0, most=1),
    "fleet_seed": whole(6000, least=0),
}

COLUMNS: Mapping[str, str] = {
    "seed": "run: draws directions and initial states of all rollouts",
    "group": "number or level (published), copies (identical agents)",
    "agents": "M",
    "eps": "ε, size of the differences between agents",
    "round": "round t",
    **{measure: f"normalised gap of the common gain, measure {measure}" for measure in MEASURES},
    **{f"{measure}_noise_free": f"the same of the recursion with exact gradients, {measure}" for measure in MEASURES},
    **{f"{measure}_floor": f"the same of the best common gain, {measure}" for measure in MEASURES},
    "rollouts": "rollouts per agent in the whole run",
    "nonfinite": "saturated rollouts of all agents in the whole run",
    "rounds": "rounds of communication in the whole run, counted at the server",
    "messages_up": "messages from agents in the whole run",
    "messages_down": "messages to agents in the whole run",
    "bytes_up": "bytes from agents in the whole run",
    "bytes_down": "bytes to agents in the whole run",
}


def cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the conditions asked for, by name; raises ConfigError unless `every` divides `rounds`."""
    if options["rounds"] % options["every"]:
        raise ConfigError(
            f"{key_of('fedlqr', 'every')}: found {options['every']}, expected a divisor of rounds = {options['rounds']}"
        )
    common = {key: options[key] for key in ("rounds", "every", "first_stage", "fleet_seed")}
    return {name: {"condition": name, **common} for name in CONDITIONS if name in options["conditions"]}


def simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """Run one condition: a row per seed and recorded round, beside the recursion without noise and the floor."""
    wanted = CONDITIONS[cell["condition"]]
    setting = setting_of(wanted, fleet_seed=cell["fleet_seed"], first_stage=cell["first_stage"])
    algorithm, rounds, every = FedLQR(server_step=wanted.server_step), cell["rounds"], cell["every"]
    quiet = run(algorithm, ExactFiniteHorizonOracle(setting), INITIAL_GAIN, rounds, every=every)
    common: dict[str, Any] = {"group": wanted.group, "agents": wanted.agents, "eps": wanted.eps}
    common |= {f"{measure}_noise_free": gaps for measure, gaps in normalised_gaps(quiet.gains).items()}
    floors = floor_of(wanted, fleet_seed=cell["fleet_seed"])
    common |= {f"{measure}_floor": floor for measure, floor in floors.items()}
    frames = []
    for seed in seeds:
        done = run(algorithm, FiniteHorizonOracle(setting, seed=seed), INITIAL_GAIN, rounds, every=every)
        counted = {"rollouts": done.rollouts, "nonfinite": done.nonfinite, **vars(done.traffic)}
        row = {"seed": seed, "round": done.rounds.astype(np.int64), **common, **normalised_gaps(done.gains), **counted}
        frames.append(pd.DataFrame(row))
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


#: Studies by name; the key `fedlqr` of a configuration says how this study is run.
STUDIES: dict[str, Study] = {
    "fedlqr": Study(
        name="fedlqr",
        title="FedLQR with the published fleets, steps and initial gain",
        cells=cells,
        simulate=simulate,
        columns=COLUMNS,
        key=("seed", "round"),
        options=OPTIONS,
    ),
}
