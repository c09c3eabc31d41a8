"""Studies `literal_table` and `literal_speed`: Table 2 in numbers for whole fleets, and how fast the engine is here.

The first is arithmetic: nothing is drawn, and all seeds have the same rows.  The second is a measurement of time, the
one table here that is not the same on every machine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..calibration import horizon_for
from ..engine import gradient_estimate
from ..errors import ConfigError
from ..randomness import Purpose, stream
from .contract import Study
from .literal_fleets import LAW, Literal, described, fleet_cells

__all__ = ["SPEED", "TABLE"]

#: Published fleets, at the Δ_0 of their scenarios.
_FLEETS: dict[str, Any] = {
    "example": {"fleet": {"file": "config/fleets/example.yaml"}, "Delta0": 24.0, "epochs": 4},
    "mirror": {"fleet": {"file": "config/fleets/mirror.yaml"}, "Delta0": 7.0, "epochs": 3},
    "toso2023": {"fleet": {"file": "config/fleets/toso2023.yaml"}, "Delta0": 4.0, "epochs": 3},
    "wang2023": {
        "fleet": {"file": "config/fleets/wang2023.yaml", "initial_gains": {"seed": 1, "rule": "per_agent", "gap": 2}},
        "Delta0": 12.0,
        "epochs": 3,
    },
}


def _constants(literal: Literal) -> dict[str, Any]:
    found, problem, c = literal.found, literal.problem, literal.schedule.constants
    values: dict[str, Any] = {}
    for letter, name in _LETTERS.items():
        values |= {letter: getattr(problem, name), f"{letter}_guarantee": found.guarantees[name].value}
    fixed = {f"c{k}": getattr(c, f"c{k}") for k in range(1, 7)}
    return values | fixed | {"Delta0_tilde": found.Delta0_tilde, "enlargement": found.enlargement}


_LETTERS = {
    "lambda": "lipschitz",
    "phi": "smoothness",
    "rho": "radius",
    "mu": "pl",
    "G": "rollout_bound",
}


def _rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    literal = described(cell["name"], cell["fleet"], cell["Delta0"])
    fleet, schedule, rows, total = literal.fleet, literal.schedule, [], 0
    sizes = np.array([1, *np.bincount(fleet.labels), fleet.N])
    for plan in map(schedule.plan, range(1, cell["epochs"] + 1)):
        total += plan.rollouts
        radii, capped = plan.radius_global(sizes)
        rows.append(
            {
                "fleet": cell["name"],
                "mode": schedule.mode,
                "states": fleet.n,
                "inputs": fleet.m,
                "agents": fleet.N,
                "epoch": plan.epoch,
                "Delta_l": plan.Delta,
                "delta_l": plan.failure_probability,
                "log_term": plan.log_term,
                "step_size": plan.step_size,
                "iterations": float(plan.iterations),
                "minibatch": float(plan.minibatch),
                "radius_uncapped": plan.radius_uncapped,
                "radius_local": plan.radius_local,
                "radius_global": float(radii[-1]),
                "cap_active": int(plan.local_cap_active or capped.any()),
                "rollouts": float(plan.rollouts),
                "total": float(total),
                **_constants(literal),
            }
        )
    return pd.concat([pd.DataFrame(rows).assign(seed=seed) for seed in seeds], ignore_index=True)


TABLE = Study(
    name="literal_table",
    title="Table 2 as printed, in numbers",
    cells=lambda options: fleet_cells("literal_table", options["fleets"]),
    simulate=_rows,
    columns={
        "seed": "of no consequence: nothing is drawn",
        "fleet": "name",
        "mode": "of the schedule",
        "states": "n",
        "inputs": "m",
        "agents": "N",
        "epoch": "l",
        "Delta_l": "Δ_l (cost units)",
        "delta_l": "δ_l",
        "log_term": "L_l = log(8DNR_l/δ_l)",
        "step_size": "η (gain units squared per cost unit)",
        "iterations": "R_l",
        "minibatch": "M_l (rollouts)",
        "radius_uncapped": "r̃_l (gain units)",
        "radius_local": "r_l^(loc) (gain units)",
        "radius_global": "r_l^(global) of an agent whose set is [N] (gain units)",
        "cap_active": "1 if c_(p,6) cuts the radius of a set of any size, else 0",
        "rollouts": "T_l (rollouts per agent)",
        "total": "T up to the end of the epoch (rollouts per agent)",
        **{name: f"{letter}" for name, letter in zip(_LETTERS, ("λ", "φ", "ρ", "μ", "G∞"), strict=True)},
        **{f"{name}_guarantee": f"what is known of {name}" for name in _LETTERS},
        **{f"c{k}": f"c_(p,{k})" for k in range(1, 7)},
        "Delta0_tilde": "Δ̃_0 (cost units)",
        "enlargement": "β: λ, φ, G∞ hold on {C − C* ≤ βΔ̃_0}",
    },
    key=("seed", "epoch"),
    defaults={"fleets": _FLEETS},
)


def _speed_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    rollouts = options["rollouts"]
    if isinstance(rollouts, bool) or not isinstance(rollouts, int) or not rollouts >= 1024:
        raise ConfigError(f"evidence.literal_speed.options.rollouts: found {rollouts!r}, expected at least 1024")
    cells = fleet_cells("literal_speed", options["fleets"])
    return {name: {**cell, "measured": rollouts} for name, cell in cells.items()}


def _speed(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """Seconds of one gradient estimate of the first cluster's system at K*, after one that is not timed."""
    literal = described(cell["name"], cell["fleet"], cell["Delta0"])
    fleet, schedule = literal.fleet, literal.schedule
    horizon = horizon_for(fleet, schedule, cell["epochs"])
    gain, radius, M = fleet.optimal_gains[0], schedule.plan(1).radius_local, cell["measured"]

    def estimate(seed: int, minibatch: int) -> float:
        directions, noise = (stream(seed, Purpose.EVALUATION, kind) for kind in (0, 1))
        start = time.thread_time()
        gradient_estimate(
            fleet.systems[0], gain, radius, minibatch, horizon=horizon, law=LAW, directions=directions, noise=noise
        )
        return time.thread_time() - start

    estimate(0, 1024)
    rows = [{"seed": seed, "seconds": estimate(seed, M)} for seed in seeds]
    return pd.DataFrame(rows).assign(fleet=cell["name"], horizon=horizon, measured=M, speed=lambda t: M / t["seconds"])


SPEED = Study(
    name="literal_speed",
    title="Rollouts per second of the engine, measured",
    cells=_speed_cells,
    simulate=_speed,
    columns={
        "seed": "repetition",
        "fleet": "name",
        "horizon": "h (stages of a rollout), for a bias below 1 % of Δ_L̄/8",
        "measured": "rollouts of the measurement",
        "seconds": "processor time it took, one core (s)",
        "speed": "rollouts per second of one core (1/s)",
    },
    defaults={"fleets": _FLEETS, "rollouts": 65536},
)
