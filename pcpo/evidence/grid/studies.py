"""Run PCPO on random fleets over the grid, and variants of Algorithm 1 that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from pcpo.algorithms.pcpo import PCPO
from pcpo.claims.contract import Study
from pcpo.evidence.grid.cells import AXES, Cell, cells_of_grid, control_cells
from pcpo.evidence.grid.runs import (
    POPULATION,
    PREDICTED,
    SETTINGS,
    described,
    draw,
    experiment,
    rows_of,
    run_seed,
    settings_of,
)
from pcpo.experiments import summaries
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet

__all__ = ["ALONE", "CONTROLS", "GRID", "STUDIES"]

#: Name in the column `algorithm` of the runs of cluster 1 without the other clusters.
ALONE = "pcpo, without strangers"
#: Axes in whose cells cluster 1 also runs without strangers.
_WITHOUT_STRANGERS = ("base", "separation", "open_loop")


def _simulate_grid(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run PCPO, or the variant of a control, on the fleet of every seed."""
    frames = []
    for seed in seeds:
        drawn = draw(cell, seed)
        setting = experiment(cell, drawn.fleet)
        runs = [rows_of(setting, PCPO(**dict(cell.variant)), run_seed(cell, seed))]
        if cell.axis in _WITHOUT_STRANGERS or cell.role == "control:no_elimination":
            runs.append(_without_strangers(setting, run_seed(cell, seed, 1)))
        table = pd.concat(runs, ignore_index=True)
        known = {"seed": seed, "Delta": drawn.fleet.separation, "T_early": _spent(setting, cell.early),
                 "T_L": _spent(setting, cell.L), **described(drawn, cell.noise)}  # fmt: skip
        frames.append(table.assign(**known))
    return pd.concat(frames, ignore_index=True).assign(**settings_of(cell))[list(_GRID_COLUMNS)]


def _spent(setting: Experiment, epoch: int) -> float:
    """Return the rollouts per agent up to the end of an epoch."""
    return float(setting.planned.rollouts_for(epoch))


def _without_strangers(setting: Experiment, seed: int) -> pd.DataFrame:
    """Run cluster 1 by itself, with the schedule of the whole fleet.

    (8) is applied in epoch 1, a named deviation: with one cluster no set ever changes, and agents that start apart
    would stay apart.
    """
    fleet = setting.fleet
    mine = fleet.labels == 0
    few = Fleet(f"{fleet.name}, cluster 1", fleet.systems[:1], fleet.labels[mine], fleet.initial_gains[mine])
    alone = replace(setting, fleet=few, known_thresholds=setting.thresholds)
    return rows_of(alone, PCPO(synchronise_first=True), seed).assign(algorithm=ALONE)


_GRID_COLUMNS = {
    **SETTINGS,
    **summaries.COLUMNS,
    **PREDICTED,
    "Delta": "Δ (cost units)",
    "T_early": "rollouts per agent that the schedule spends up to epoch `early`",
    "T_L": "rollouts per agent that the schedule spends up to epoch L",
    **POPULATION,
}
_MISSING = frozenset({"margin", "estimate_margin", "gain_distance", "noise_ratio", "Delta"})

GRID = Study(
    name="grid",
    title="PCPO on random fleets over N × Δ × T",
    cells=cells_of_grid,
    simulate=_simulate_grid,
    columns=_GRID_COLUMNS,
    key=("seed", "algorithm", "epoch"),
    may_be_missing=_MISSING,
    options=AXES,
    place="grid",
)

CONTROLS = replace(
    GRID,
    name="grid_controls",
    title="Smaller minibatches, and variants of Algorithm 1 that are wrong",
    cells=control_cells,
)

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "grid": GRID,
    "grid_controls": CONTROLS,
}
