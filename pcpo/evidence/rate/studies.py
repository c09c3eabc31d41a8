"""Simulate PCPO with the paper's radius and with the best one, on random fleets whose clusters differ in size.

A seed draws a fleet: the numbers of states and inputs, the systems of all clusters, and which of them has which size.
All methods run on it with the same normal draws, so that they are compared pairwise.  Estimates are drawn from their
exact moments: minibatches of many millions cost no more than small ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo.algorithms.pcpo import PCPO, balanced, two_point
from pcpo.algorithms.schedule import EpochPlan
from pcpo.claims.contract import Study
from pcpo.claims.options import key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.experiments.experiment import Experiment, side_information
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import sized_fleet
from pcpo.simulation.noise import noise_law
from pcpo.theory.rates import GapLaw, gap_law

__all__ = ["METHODS", "REFERENCE", "STUDIES", "STUDY", "Cell", "draw_fleet", "experiment"]

#: The methods: the paper's, with its radius exponent and its estimator changed one at a time, and both together.
METHODS: Mapping[str, PCPO] = {
    method.name: method for method in (PCPO(), balanced(), two_point(), balanced(estimator="two_point"))
}
#: Rollouts M·|M| of the gap that is the unit of all gaps of a system: the smallest one of one-point estimates.
REFERENCE = 1e6
_LAW = "signs"
#: States and inputs of random systems.
_SHAPES = [(n, m) for n in range(1, 5) for m in (1, 2) if m <= n]


@dataclass(frozen=True)
class Cell:
    """Describe one condition: a method on random fleets.

    Args:
        algorithm: one of `METHODS`.
        sizes: agents of each cluster; every seed deals them out to its systems.
        epochs: how many the budget allows.
        separation: Δ (cost units), C* of the cheapest cluster being 20.
        Delta0: Δ_0 (cost units).
        minibatch_scale: κ_M.
    """

    algorithm: str
    sizes: tuple[int, ...]
    epochs: int
    separation: float
    Delta0: float
    minibatch_scale: float


def draw_fleet(seed: int, sizes: tuple[int, ...], separation: float | None, *, most: int = 8) -> Fleet:
    """Draw the fleet of a seed: dimensions, systems, and which cluster has which of the sizes.

    Args:
        seed: of the fleet.
        sizes: agents of each cluster.
        separation: Δ (cost units); None for one cluster.
        most: largest number D of unknowns.
    """
    return sized_fleet(seed, sizes, separation, [(n, m) for n, m in _SHAPES if n * m <= most])


@lru_cache(maxsize=1024)
def experiment(
    seed: int, sizes: tuple[int, ...], epochs: int, separation: float, Delta0: float, minibatch_scale: float
) -> Experiment:
    """Draw the fleet of a seed and calibrate its schedule, the same for all methods."""
    return Experiment.calibrated(
        draw_fleet(seed, sizes, separation),
        Delta0=Delta0,
        minibatch_scale=minibatch_scale,
        noise=_LAW,
        epochs=epochs,
        oracle="moments",
    )


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for every method."""
    sizes = tuple(sorted(options["sizes"]))
    if len(set(sizes)) < len(sizes):
        raise ConfigError(f"{key_of('rate', 'sizes')}: found {list(sizes)}, expected distinct sizes")
    numbers = {name: float(options[name]) for name in ("separation", "Delta0", "minibatch_scale")}
    return {name: Cell(name, sizes, options["epochs"], **numbers) for name in METHODS}


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Simulate a cell: a row per seed, cluster and epoch."""
    return pd.concat([_of_run(cell, int(seed)) for seed in seeds], ignore_index=True)[list(_COLUMNS)]


def _of_run(cell: Cell, seed: int) -> pd.DataFrame:
    """Run a method on the fleet of a seed, beside the closed form."""
    setting = experiment(seed, cell.sizes, cell.epochs, cell.separation, cell.Delta0, cell.minibatch_scale)
    runs = setting.run(METHODS[cell.algorithm], seed=seed, limits=None)
    frame = (
        runs.groupby(["epoch", "cluster"])
        .agg(
            size=("agent", "size"),
            minibatch=("minibatch", "first"),
            rollouts=("rollouts", "first"),
            radius=("radius_global", "mean"),
            capped=("global_cap_active", "any"),
            local_gap=("local_gap", "mean"),
            gap=("global_gap", "mean"),
            set_correct=("set_correct", "all"),
            reinitialised=("reinitialised", "any"),
        )
        .reset_index()
        .sort_values(["cluster", "epoch"])
    )
    before = frame.groupby("cluster")["set_correct"].shift(1, fill_value=False).astype(bool)
    frame["clean"] = before & frame["set_correct"] & ~frame["reinitialised"]
    system = setting.fleet.systems[0]
    named: dict[str, Any] = {"seed": seed, "algorithm": cell.algorithm, "mode": setting.short_mode}
    return frame.assign(
        **named,
        minibatch_scale=cell.minibatch_scale,
        n=system.n,
        m=system.m,
        relative=frame["minibatch"] * frame["size"] / _middle(setting, cell),
        **_closed_form(setting, cell, frame),
    )


def _middle(setting: Experiment, cell: Cell) -> float:
    """Return M·|M| in the middle of the epochs and sizes: the point that slopes are fitted about."""
    return float(_middle_plan(setting, cell).minibatch * _middle_size(cell))


def _middle_plan(setting: Experiment, cell: Cell) -> EpochPlan:
    """Return the paper's plan of the epoch in the middle of those after separation."""
    return setting.schedule.plan(1 + cell.epochs // 2)


def _middle_size(cell: Cell) -> int:
    return cell.sizes[len(cell.sizes) // 2]


def _closed_form(setting: Experiment, cell: Cell, frame: pd.DataFrame) -> dict[str, list[float]]:
    """Return for every row the gap of the closed form, and two units: its own in the middle, and the best at 10⁶."""
    laws = [gap_law(system, noise_law(_LAW)) for system in setting.fleet.systems]
    found: dict[str, list[float]] = {"predicted": [], "middle": [], "best": []}
    eta = setting.planned.constants.c1
    for cluster, epoch, size in frame[["cluster", "epoch", "size"]].to_numpy(np.int64).tolist():
        law, plan = laws[cluster], setting.schedule.plan(epoch)
        found["predicted"].append(_gap(law, setting, cell, plan, size))
        found["middle"].append(_gap(law, setting, cell, _middle_plan(setting, cell), _middle_size(cell)))
        found["best"].append(law.best_gap(REFERENCE, step_size=eta, spread=law.spread("one_point")))
    return found


def _gap(law: GapLaw, setting: Experiment, cell: Cell, plan: EpochPlan, size: int) -> float:
    """Return the closed form's gap of a method in a cluster of that size, with the paper's plan of an epoch."""
    method = METHODS[cell.algorithm]
    if "balances" in method.uses:
        balances = side_information(setting.fleet, noise_law(_LAW)).balances
        assert balances is not None
        plan = plan.balanced(balances[method.estimator])
    radius = float(plan.radius_global(np.array([size]))[0][0])
    spread = law.spread(method.estimator, plan.minibatch)
    return law.gap(radius, float(plan.minibatch) * size, step_size=plan.step_size, spread=spread)


_COLUMNS = {
    "seed": "seed of the fleet and of the run",
    "algorithm": "method",
    "mode": "mode of the schedule's constants, and the oracle",
    "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
    "n": "states of the fleet's systems",
    "m": "inputs of the fleet's systems",
    "epoch": "l",
    "cluster": "number of the cluster",
    "size": "|M|, agents",
    "minibatch": "M_l (rollouts)",
    "rollouts": "T up to the end of the epoch (rollouts per agent)",
    "radius": "r^(global), mean over agents (gain units)",
    "capped": "whether c_(p,6) cuts the radius of an agent",
    "gap": "C(K̂) − C*, mean over agents (cost units)",
    "local_gap": "C(X) − C*, mean over agents (cost units)",
    "clean": "right sets before and after the epoch, and no (8) at its end: a collaborative epoch",
    "relative": "M_l|M| over that of the middle epoch and size",
    "predicted": "mean gap of the closed form at this radius (cost units)",
    "middle": "the same in the middle epoch and size (cost units)",
    "best": "smallest mean gap of one-point estimates from 10⁶ rollouts (cost units)",
}

STUDY = Study(
    name="rate",
    title="Gaps with the paper's radius and with the best one",
    cells=_cells,
    simulate=_simulate,
    columns=_COLUMNS,
    key=("seed", "algorithm", "cluster", "epoch"),
    options={
        "sizes": several([1, 4, 16], whole(most=99), fewest=2),
        "epochs": whole(8, least=3),
        "separation": number(8.0),
        "Delta0": number(12.0),
        "minibatch_scale": number(2.0),
    },
)

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "rate": STUDY,
}
