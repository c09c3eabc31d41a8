"""Run `pcpo_auto` on fleets of unstable plants without a stabilising gain, and annealing with a part left out.

A run ends after its first epoch: by then its gains have finite cost or it is over, and what later epochs do is the
matter of the other studies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.model_free.annealing import Annealing
from pcpo.algorithms.model_free.auto import InitialPhase, PCPOAuto
from pcpo.algorithms.protocol import Setting
from pcpo.algorithms.server import Server
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import whole
from pcpo.errors import BudgetError
from pcpo.evidence.model_free.unstable import draw_unstable
from pcpo.experiments.experiment import Experiment, OracleName
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.protocol import Oracle

__all__ = ["PHASES", "STUDIES", "Phase"]

#: A bound that bounds nothing; rollouts of the control whose costs are infinite all around: more change nothing.
_NONE, _ENOUGH = 1e300, 20_000


@dataclass(frozen=True)
class Phase:
    """Describe an initial phase, the oracle that it asks, its name in figures, and whether epoch 1 follows."""

    how: Annealing
    oracle: OracleName
    title: str
    goes_on: bool = False


#: Initial phases by the names of cells.
PHASES: Mapping[str, Phase] = {
    "annealed": Phase(Annealing(), "rollouts", "annealing", goes_on=True),
    "undiscounted": Phase(Annealing(budget=_ENOUGH, discounted=False), "moments", "γ at once, exact costs"),
    "unbounded": Phase(Annealing(bound=_NONE, growth=_NONE, margin=_NONE), "rollouts", "stages, without a bound"),
}


@dataclass(frozen=True)
class Cell:
    """Describe a cell: a key of `PHASES`, rollouts per agent of a run, agents of each system, "grid" or "control"."""

    phase: str
    rollouts: int
    size: int
    role: str


@dataclass
class _Watched:
    """Run an initial phase and keep its gains.

    Attributes:
        phase: what is run.
        found: its gains ``(N, m, n)``; None before the end, or if it does not find any.
        spent: rollouts per agent.
    """

    phase: InitialPhase
    found: FloatArray | None = field(default=None, init=False)
    spent: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """Return the name of the phase."""
        return self.phase.name

    def rollouts(self, setting: Setting) -> int:
        """Return the most rollouts of the phase."""
        return self.phase.rollouts(setting)

    def gains(self, setting: Setting, oracle: Oracle, server: Server) -> FloatArray:
        """Return the gains of the phase."""
        before = oracle.rollouts
        try:
            self.found = self.phase.gains(setting, oracle, server)
        finally:
            self.spent = oracle.rollouts - before
        return self.found


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for every phase."""
    T, size = options["rollouts"], options["agents"]
    return {
        name if phase.goes_on else f"control:{name}": Cell(name, T, size, "grid" if phase.goes_on else "control")
        for name, phase in PHASES.items()
    }


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run the phase of a cell on every fleet; a row per fleet."""
    return pd.DataFrame([_row(cell, seed) for seed in seeds])[list(_COLUMNS)]


def _row(cell: Cell, seed: int) -> dict[str, Any]:
    """Return the row of a fleet."""
    phase, fleet = PHASES[cell.phase], draw_unstable(seed, cell.size)
    experiment = Experiment.model_free(fleet, rollouts=cell.rollouts, oracle=phase.oracle)
    oracle, server, watched = experiment.make_oracle(seed), Server(fleet.N), _Watched(phase.how)
    last = fleet.initial_gains
    setting = Setting(last, experiment.schedule, budget=cell.rollouts, gains_known=False)
    try:
        if phase.goes_on:
            algorithm = PCPOAuto(initial=watched)
            _, report = algorithm.step(algorithm.init(setting), oracle, server)
            last = report.global_gains
        else:
            with np.errstate(all="ignore"):  # costs that are infinite all around
                last = watched.gains(setting, oracle, server)
    except BudgetError:  # the phase says that it has not arrived
        pass
    return {
        "seed": seed, "role": cell.role, "phase": cell.phase, "oracle": phase.oracle, "n": fleet.n, "m": fleet.m,
        "mode": experiment.labelled(f"model-free, {watched.name} first"), "gamma": fleet.gamma, "agents": fleet.N,
        "budget": float(cell.rollouts), "initial": float(watched.spent), **_outcome(fleet, watched.found, last),
    }  # fmt: skip


def _outcome(fleet: Fleet, found: FloatArray | None, last: FloatArray) -> dict[str, Any]:
    """Return what became of a fleet: gains after the phase, None if it did not arrive, and those at the end."""
    lost = np.zeros(fleet.N, dtype=np.bool_) if found is None else np.isinf(fleet.costs(found))
    gaps = fleet.gaps(last) / fleet.optimal_costs[fleet.labels]
    infinite = ~np.isfinite(gaps)
    return {
        "systems": fleet.H,
        "arrived": int(found is not None),
        "false_systems": len(np.unique(fleet.labels[lost])),
        "infinite": int(infinite.sum()),
        "failed": int(infinite.any()),
        "gap": float(gaps.mean()),
    }


_COLUMNS = {
    "seed": "number of the fleet, and seed of its run",
    "role": "grid (claims) or control: annealing with a part left out",
    "phase": "annealed; undiscounted: all steps at γ; unbounded: discounts that may rise as far as costs are finite",
    "oracle": "moments, or rollouts",
    "mode": "mode of the run, and how the estimates were drawn",
    "n": "states",
    "m": "inputs",
    "gamma": "γ",
    "agents": "N",
    "systems": "systems of the fleet",
    "budget": "T, rollouts per agent of a run, of which the initial phase may take three quarters",
    "initial": "rollouts per agent that the initial phase spent",
    "arrived": "1 if the initial phase says that all agents have gains of finite cost, else 0",
    "false_systems": "systems with an agent whose gain then has infinite cost, although the phase says that it has not",
    "infinite": "agents with infinite cost after epoch 1; of controls, after the phase; all if it did not arrive",
    "failed": "1 if there is one, else 0",
    "gap": "C(K)/C* − 1 then, mean over agents; infinite if that of one agent is",
}

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "model_free_annealing": Study(
        name="model_free_annealing",
        title="Fleets without a stabilising gain",
        cells=_cells,
        simulate=_simulate,
        columns=_COLUMNS,
        key=("seed", "phase"),
        options={"rollouts": whole(200_000, least=25_000), "agents": whole(2, least=1)},
    ),
}
