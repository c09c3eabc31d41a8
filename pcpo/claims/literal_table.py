"""Study `literal_table`: Table 2 in numbers for whole fleets.  Nothing is drawn: all seeds have the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .contract import Study
from .literal_fleets import Literal, described, fleet_cells, fleet_option

__all__ = ["FLEETS", "TABLE"]

#: Published fleets, at the Δ_0 of their scenarios.
FLEETS: dict[str, Any] = {
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
    cells=fleet_cells,
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
    options={"fleets": fleet_option(FLEETS)},
)
