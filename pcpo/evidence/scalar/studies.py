"""Simulate PCPO with whole and with projected gradients, on random fleets whose clusters differ in size.

All methods run on the fleet of a seed with the same normal draws.  Estimates are drawn from their exact moments.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.pcpo import PCPO, scalar
from pcpo.algorithms.projection import step_factor
from pcpo.algorithms.protocol import EpochReport
from pcpo.algorithms.schedule import EpochPlan, Schedule
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study, named_control
from pcpo.claims.options import key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.evidence.scalar.fleets import NOISE, draw_fleet
from pcpo.evidence.scalar.studies_rounds import STUDY as ROUNDS
from pcpo.experiments.experiment import Experiment
from pcpo.experiments.records import evaluate
from pcpo.simulation.noise import noise_law
from pcpo.theory.projected import ProjectedLaw, projected_law
from pcpo.theory.rates import GapLaw, gap_law

__all__ = ["METHODS", "MORE", "PLAIN", "SCALAR", "STUDIES", "STUDY", "Cell"]

#: Cells: Algorithm 1; with projected gradients; the same with D times the rollouts in every minibatch.
PLAIN, SCALAR, MORE = "pcpo", "pcpo_scalar", "pcpo_scalar_more"
METHODS: Mapping[str, PCPO] = {
    PLAIN: PCPO(),
    SCALAR: scalar(),
    MORE: scalar(),
    "control:one_sequence": scalar(two_sequences=False),
}


@dataclass(frozen=True)
class Cell:
    """Describe one condition: a method on random fleets.

    Args:
        method: one of `METHODS`.
        sizes: agents of each cluster; every seed deals them out to its systems.
        epochs: how many the budget allows.
        separation: Δ (cost units), C* of the cheapest cluster being 20.
        Delta0: Δ_0 (cost units).
        minibatch_scale: κ_M.
    """

    method: str
    sizes: tuple[int, ...]
    epochs: int
    separation: float
    Delta0: float
    minibatch_scale: float


@dataclass(frozen=True)
class _Enlarged(Schedule):
    """Plan as `Schedule` does, with minibatches larger by a factor, and everything else the same, radii too."""

    factor: int = 1

    def plan(self, epoch: int) -> EpochPlan:
        """Return the plan of an epoch."""
        plan = super().plan(epoch)
        return replace(plan, minibatch=self.factor * plan.minibatch)


@lru_cache(maxsize=256)
def _experiment(
    seed: int, sizes: tuple[int, ...], epochs: int, separation: float, Delta0: float, minibatch_scale: float, more: bool
) -> Experiment:
    """Draw the fleet of a seed and calibrate its schedule; with `more`, minibatches are D times as large."""
    if more:
        made = _experiment(seed, sizes, epochs, separation, Delta0, minibatch_scale, False)
        s, D = made.planned, made.fleet.D
        enlarged = _Enlarged(s.constants, s.Delta0, s.delta, s.n_agents, s.D, D)
        return Experiment(made.fleet, enlarged, NOISE, None, D * made.budget, "moments")
    return Experiment.calibrated(
        draw_fleet(seed, sizes, separation),
        Delta0=Delta0,
        minibatch_scale=minibatch_scale,
        noise=NOISE,
        epochs=epochs,
        oracle="moments",
    )


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for every method and every control."""
    sizes = tuple(sorted(options["sizes"]))
    if sum(sizes) > 62:
        raise ConfigError(f"{key_of('scalar', 'sizes')}: found {sum(sizes)} agents, expected 62 or fewer")
    numbers = {name: float(options[name]) for name in ("separation", "Delta0", "minibatch_scale")}
    return {name: Cell(name, sizes, options["epochs"], **numbers) for name in METHODS}


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Simulate a cell: a row per seed, cluster and epoch."""
    return pd.concat([_of_run(cell, int(seed)) for seed in seeds], ignore_index=True)[list(_COLUMNS)]


def _of_run(cell: Cell, seed: int) -> pd.DataFrame:
    """Run a method on the fleet of a seed, beside the closed form."""
    setting = _experiment(
        seed, cell.sizes, cell.epochs, cell.separation, cell.Delta0, cell.minibatch_scale, cell.method == MORE
    )
    result = setting.result(METHODS[cell.method], seed=seed)
    runs = evaluate(setting.fleet, result, scenario="", seed=seed)
    frame = (
        runs.groupby(["epoch", "cluster"])
        .agg(
            size=("agent", "size"),
            iterations=("iterations", "first"),
            rollouts=("rollouts", "first"),
            radius=("radius_global", "mean"),
            gap=("global_gap", "mean"),
            local_gap=("local_gap", "mean"),
            set_correct=("set_correct", "all"),
            reinitialised=("reinitialised", "any"),
            rounds=("rounds", "first"),
            messages_up=("messages_up", "first"),
            bytes_up=("bytes_up", "first"),
            bytes_down=("bytes_down", "first"),
        )
        .reset_index()
        .sort_values(["cluster", "epoch"])
    )
    before = frame.groupby("cluster")["set_correct"].shift(1, fill_value=False).astype(bool)
    frame["clean"] = before & frame["set_correct"] & ~frame["reinitialised"]
    digests = {report.plan.epoch: _digests(report) for report in result.epochs}
    fleet = setting.fleet
    named: dict[str, Any] = {
        "seed": seed,
        "mode": setting.short_mode,
        "minibatch_scale": cell.minibatch_scale,
        "n": fleet.n,
        "m": fleet.m,
        "agents": fleet.N,
    }
    return frame.assign(
        **named,
        sets=[digests[epoch][0] for epoch in frame["epoch"]],
        local_state=[digests[epoch][1] for epoch in frame["epoch"]],
        **_closed_form(setting, cell, frame),
    )


def _digests(report: EpochReport) -> tuple[int, int]:
    """Return checksums of the sets, and of the local gains and cost estimates that they are made of."""
    sets = zlib.crc32(np.packbits(report.neighbourhoods.dense()).tobytes())
    return sets, zlib.crc32(report.local_gains.tobytes() + report.cost_estimates.tobytes())


def _closed_form(setting: Experiment, cell: Cell, frame: pd.DataFrame) -> dict[str, list[float]]:
    """Return for every row the gap of the closed form with the cell's gradients, and with whole ones of as many."""
    laws = [(gap_law(s, noise_law(NOISE)), projected_law(s)) for s in setting.fleet.systems]
    found: dict[str, list[float]] = {"predicted": [], "whole": []}
    for cluster, epoch, size in frame[["cluster", "epoch", "size"]].to_numpy(np.int64).tolist():
        (law, projected), plan = laws[cluster], setting.schedule.plan(epoch)
        found["whole"].append(_gap(law, None, plan, size))
        found["predicted"].append(_gap(law, projected if METHODS[cell.method].projected else None, plan, size))
    return found


def _gap(law: GapLaw, projected: ProjectedLaw | None, plan: EpochPlan, size: int) -> float:
    """Return the mean gap of the closed form in a cluster of that size; None stands for whole gradients."""
    radius = float(plan.radius_global(np.array([size]))[0][0])
    spread, rollouts = law.spread("one_point"), float(plan.minibatch)
    if projected is None:
        return law.gap(radius, rollouts * size, step_size=plan.step_size, spread=spread)
    D = len(law.curvatures)
    factor: FloatArray = step_factor(D, np.array([size]))
    noise = projected.noise_gap(float(factor[0]) * plan.step_size, D * spread / (radius**2 * rollouts), agents=size)
    return noise + law.bias * radius**4


_COLUMNS = {
    "seed": "seed of the fleet and of the run",
    "mode": "mode of the schedule's constants, and the oracle",
    "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
    "n": "states of the fleet's systems",
    "m": "inputs of the fleet's systems",
    "agents": "N",
    "epoch": "l",
    "cluster": "number of the cluster",
    "size": "|M|, agents",
    "iterations": "R_l",
    "rollouts": "T up to the end of the epoch (rollouts per agent)",
    "radius": "r^(global), mean over agents (gain units)",
    "gap": "C(K̂) − C*, mean over agents (cost units)",
    "local_gap": "C(X) − C*, mean over agents (cost units)",
    "clean": "right sets before and after the epoch, and no (8) at its end: a collaborative epoch",
    "rounds": "rounds up to the end of the epoch",
    "messages_up": "messages from all agents up to the end of the epoch",
    "bytes_up": "bytes from all agents up to the end of the epoch",
    "bytes_down": "bytes to all agents up to the end of the epoch",
    "sets": "checksum of the neighbourhood sets of all agents at the end of the epoch",
    "local_state": "checksum of the local gains and cost estimates of all agents at the end of the epoch",
    "predicted": "mean gap of the closed form (cost units)",
    "whole": "the same for whole gradients of as many rollouts (cost units)",
}

STUDY = Study(
    name="scalar",
    title="Gaps and traffic with whole and with projected gradients",
    cells=_cells,
    simulate=_simulate,
    columns=_COLUMNS,
    key=("seed", "cluster", "epoch"),
    options={
        "sizes": several([1, 4, 12], whole(most=60), fewest=2),
        "epochs": whole(4, least=3),
        "separation": number(8.0),
        "Delta0": number(12.0),
        "minibatch_scale": number(2.0),
    },
    controls_only=named_control,
)

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "scalar": STUDY,
    "scalar_rounds": ROUNDS,
}
