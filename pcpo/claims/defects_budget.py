"""PCPO against agents that learn alone and spend their whole budget well: rollouts, one cluster, a common start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from .. import lqr
from ..algorithms import make_algorithm
from ..algorithms.common import Progress, State, alone
from ..algorithms.local import Local
from ..calibration import calibrated_constants, horizon_for, local_constants
from ..contracts import Algorithm, Oracle, Setting
from ..driver import run
from ..fleet import Fleet
from ..generators import FleetSpec, random_fleet
from ..oracles import RolloutOracle
from ..randomness import Purpose, noise_law, stream
from ..schedule import EpochPlan, Schedule
from ..server import Server
from .contract import Study
from .options import several, whole

__all__ = ["BUDGET", "expected_ratio"]

_DELTA0 = 40.0  # Δ_0, in units of cost: so wide that no noise of Ĉ_i eliminates anybody, and (8) never fires
_NOISE = noise_law("signs")


@dataclass(frozen=True)
class _LocalWhole(Local):
    """Every agent alone, R_l iterations as PCPO's local half, but all T_l rollouts in them: M = ⌊T_l/R_l⌋, about
    2M_l, and the radius that Table 2 has for that M."""

    name = "local_whole"

    def advance(self, state: State, plan: Any, oracle: Oracle, server: Server) -> Progress:
        """R_l iterations; the rest of the division is not spent."""
        assert isinstance(plan, EpochPlan)
        M = plan.rollouts // plan.iterations
        larger = replace(plan, minibatch=M, radius_uncapped=plan.radius_uncapped * (plan.minibatch / M) ** 0.25)
        return Progress(alone(state.gains, plan.iterations, larger, oracle))


def expected_ratio(iterations: float) -> float:
    """√|M|·E gap_PCPO/E gap_alone = √(T_l/(R_l M_l)) = √(2 + 1/R_l): both gaps go as the effective minibatch to −½."""
    return float(np.sqrt(2 + 1 / iterations))


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sizes = options["sizes"]
    largest = max(sizes)
    grid = {f"pcpo_{size}": {"algorithm": "pcpo", "size": size, "largest": largest} for size in sizes}
    for name in ("local_whole", "local"):
        grid[name] = {"algorithm": name, "size": largest, "largest": largest}
    return grid


@lru_cache(maxsize=8)
def _prepared(size: int, largest: int) -> tuple[Fleet, Schedule, int]:
    """One system, all agents at one start near K*; the schedule of the largest cluster for all sizes.

    c5 is a quarter of the calibrated one, so that the cap c6 cuts no radius: radii are half as large.
    """
    spec = FleetSpec(
        n=2, m=1, sizes=(size,), gamma=0.7, optimal_cost=20.0, condition_limit=2.0, initial="common", initial_gap=0.02
    )
    fleet = random_fleet(spec, stream(8, Purpose.FLEET), "one cluster")
    local = local_constants(fleet, _NOISE, _DELTA0)
    constants = calibrated_constants(local, D=fleet.D, Delta0=_DELTA0, minibatch_scale=2.0)
    schedule = Schedule(replace(constants, c5=constants.c5 / 4), _DELTA0, 0.05, largest, fleet.D)
    return fleet, schedule, horizon_for(fleet, schedule, 1)


def _rows(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    fleet, schedule, horizon = _prepared(cell["size"], cell["largest"])
    rows = []
    for seed in seeds:
        algorithm: Algorithm = (
            _LocalWhole() if cell["algorithm"] == "local_whole" else make_algorithm(cell["algorithm"])
        )
        oracle = RolloutOracle(fleet, seed=seed, horizon=horizon, law=_NOISE)
        last = run(algorithm, oracle, Setting(fleet.initial_gains, schedule), schedule.rollouts_for(1)).final
        rows.append(
            {
                "seed": seed,
                "algorithm": cell["algorithm"],
                "mode": schedule.mode,
                "size": cell["size"],
                "iterations": last.plan.iterations,
                "minibatch": last.plan.minibatch,
                "rollouts": float(last.rollouts),
                "capped": int(last.plan.local_cap_active),
                "reinitialised": int(last.reinitialised),
                "gap": float(np.mean(lqr.gaps(fleet, last.global_gains))),
            }
        )
    return pd.DataFrame(rows)


BUDGET = Study(
    name="defects_budget",
    title="PCPO against learning alone at an equal budget",
    cells=_cells,
    simulate=_rows,
    columns={
        "seed": "run: seed of the rollouts",
        "algorithm": "pcpo; local_whole: R_l iterations with all rollouts; local: 2R_l + 1 iterations with M_l",
        "mode": "mode of the schedule's constants",
        "size": "|M|: agents of the one cluster",
        "iterations": "R_1",
        "minibatch": "M_1, rollouts",
        "rollouts": "rollouts per agent spent",
        "capped": "1 if the cap c6 cuts the local radius",
        "reinitialised": "1 if (8) was applied",
        "gap": "mean over agents of the exact gap after epoch 1, in units of cost",
    },
    options={"sizes": several([1, 2, 4], whole())},
)
