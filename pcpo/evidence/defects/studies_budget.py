"""Compare PCPO with agents that learn alone and use all of their rollouts for it.

One cluster, a common start, simulated rollouts.  Δ_0 is so wide that no error of Ĉ_i eliminates an agent, so (8) never
fires, and all cluster sizes have the schedule of the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.baselines.base import Progress, State, alone
from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Algorithm, Setting
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.algorithms.server import Server
from pcpo.claims.contract import Study
from pcpo.claims.options import several, whole
from pcpo.experiments.driver import run
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import FleetSpec, random_fleet
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants

__all__ = ["STUDIES", "Cell"]

_DELTA0 = 40.0  # Δ_0, in units of cost
_NOISE = noise_law("signs")


@dataclass(frozen=True)
class _LocalWhole(Local):
    """Let every agent learn alone, in R_l iterations as in PCPO's local sequence, with all T_l rollouts.

    The minibatch is ⌊T_l/R_l⌋, about 2M_l, and the radius is that of Table 2 for this minibatch.
    """

    name = "local_whole"

    def advance(self, state: State, plan: Any, oracle: Oracle, server: Server) -> Progress:
        """Run R_l iterations; the remainder of T_l/R_l is not spent."""
        assert isinstance(plan, EpochPlan)
        M = plan.rollouts // plan.iterations
        larger = replace(plan, minibatch=M, radius_uncapped=plan.radius_uncapped * (plan.minibatch / M) ** 0.25)
        return Progress(alone(state.gains, plan.iterations, larger, oracle))


_ALGORITHMS: Mapping[str, Callable[[], Algorithm]] = {"pcpo": PCPO, "local_whole": _LocalWhole, "local": Local}


@dataclass(frozen=True)
class Cell:
    """Describe a condition: an algorithm of `_ALGORITHMS`, the cluster's size, and the largest size of the study."""

    algorithm: str
    size: int
    largest: int


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the conditions by name: PCPO with every size, and the largest cluster learning alone."""
    sizes = options["sizes"]
    largest = max(sizes)
    grid = {f"pcpo_{size}": Cell("pcpo", size, largest) for size in sizes}
    return grid | {name: Cell(name, largest, largest) for name in ("local_whole", "local")}


@lru_cache(maxsize=8)
def _prepared(size: int, largest: int) -> tuple[Fleet, Schedule, int]:
    """Return a cluster whose agents start together near K*, the schedule for the largest size, and the horizon.

    c_5 is a quarter of the calibrated value, which halves the radii: then the cap c_6 is inactive.
    """
    spec = FleetSpec(
        n=2, m=1, sizes=(size,), gamma=0.7, optimal_cost=20.0, condition_limit=2.0, initial="common", initial_gap=0.02
    )
    fleet = random_fleet(spec, stream(8, Purpose.FLEET), "one cluster")
    local = local_constants(fleet, _NOISE, _DELTA0)
    constants = calibrated_constants(local, D=fleet.D, Delta0=_DELTA0, minibatch_scale=2.0)
    schedule = Schedule(replace(constants, c5=constants.c5 / 4), _DELTA0, 0.05, largest, fleet.D)
    return fleet, schedule, horizon_for(fleet, schedule, 1)


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run the first epoch of a condition with every seed; return a row per run."""
    fleet, schedule, horizon = _prepared(cell.size, cell.largest)
    rows = []
    for seed in seeds:
        oracle = RolloutOracle(fleet, seed=seed, horizon=horizon, law=_NOISE)
        setting = Setting(fleet.initial_gains, schedule)
        last = run(_ALGORITHMS[cell.algorithm](), oracle, setting, schedule.rollouts_for(1)).final
        rows.append(
            {
                "seed": seed,
                "algorithm": cell.algorithm,
                "mode": schedule.mode,
                "size": cell.size,
                "iterations": last.plan.iterations,
                "minibatch": last.plan.minibatch,
                "rollouts": float(last.rollouts),
                "capped": int(last.plan.local_cap_active),
                "reinitialised": int(last.reinitialised),
                "gap": float(np.mean(fleet.gaps(last.global_gains))),
            }
        )
    return pd.DataFrame(rows)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "defects_budget": Study(
        name="defects_budget",
        title="PCPO against learning alone at an equal budget",
        cells=_cells,
        simulate=_simulate,
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
    ),
}
