"""Run PCPO on random fleets over the grid, every method in some of its cells, and an audit by rollouts alone.

A seed is a fresh fleet of the cell's population with fresh noise.  Cells with the same shape, clusters, γ and open loop
draw the dynamics from the same stream, so that axes such as N and Δ are compared on the same systems; the noise of
their runs is independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.baselines.one_shot import OneShot
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Algorithm, SideInformation
from pcpo.algorithms.registry import ALGORITHMS, make_algorithm
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, several, whole
from pcpo.errors import ConfigError
from pcpo.evidence.grid.cells import AXES, Cell, cells_of_grid, control_cells
from pcpo.experiments import summaries
from pcpo.experiments.experiment import Experiment, OracleName
from pcpo.experiments.tuning import Candidate, scaled
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.population import Drawn, PopulationSpec, draw_fleet
from pcpo.fleets.random import condition, relative_distance
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.predictions import steady_state_gap

__all__ = ["ALONE", "STUDIES", "AuditCell", "MethodCell", "draw", "experiment", "run_seed"]

#: Name in the column `algorithm` of the runs of cluster 1 without the other clusters.
ALONE = "pcpo, without strangers"
#: Axes in whose cells cluster 1 also runs without strangers.
_WITHOUT_STRANGERS = ("base", "separation", "open_loop")

# ------------------------------------------------------------------------------------------------- fleets and runs


def draw(cell: Cell, seed: int) -> Drawn:
    """Draw the fleet of a seed; cells with the same population share it."""
    return _drawn(cell.population(), seed)


@lru_cache(maxsize=256)
def _drawn(population: PopulationSpec, seed: int) -> Drawn:
    """Draw the fleet of a seed from a population."""
    clusters, starts = stream(seed, Purpose.FLEET, 0), stream(seed, Purpose.FLEET, 1)
    return draw_fleet(population, clusters, starts, f"random fleet {seed}")


def experiment(cell: Cell, fleet: Fleet, *, oracle: OracleName | None = None, epochs: int | None = None) -> Experiment:
    """Calibrate the experiment of a cell on a fleet; `oracle` and `epochs` are those of the cell by default."""
    return Experiment.calibrated(
        fleet,
        Delta0=cell.guess * float(fleet.optimal_costs[0]),
        delta=cell.delta,
        minibatch_scale=cell.minibatch_scale,
        noise=cell.noise,
        epochs=cell.epochs if epochs is None else epochs,
        oracle=oracle or cell.oracle,
    )


def run_seed(cell: Cell, seed: int, *purpose: int) -> int:
    """Return the seed of the noise of a run: another one for every cell, fleet and purpose."""
    state = np.random.SeedSequence([seed, *purpose], spawn_key=cell.key()).generate_state(1, np.uint64)
    return int(state[0] >> 1)


def _settings(cell: Cell) -> dict[str, Any]:
    """Return the columns that say which condition a row is of."""
    return {
        "role": cell.role,
        "axis": cell.axis,
        "agents": cell.agents,
        "clusters": cell.clusters,
        "sizes": cell.sizes,
        "n": cell.shape[0],
        "m": cell.shape[1],
        "gamma": cell.gamma,
        "open_loop": cell.open_loop,
        "noise": cell.noise,
        "separation": cell.separation,
        "guess": cell.guess,
        "minibatch_scale": cell.minibatch_scale,
        "delta": cell.delta,
        "L": cell.L,
        "early": cell.early,
    }


_SETTINGS = {
    "seed": "number of the fleet, and seed of its run",
    "role": "grid (claims), sweep (smaller minibatches) or control:<name>",
    "axis": "the axis that the cell varies from the base cell",
    "agents": "N",
    "clusters": "H",
    "sizes": "how the agents are divided: equal, or one_large with half of them",
    "n": "states",
    "m": "inputs",
    "gamma": "γ",
    "open_loop": "stable, unstable (without a common gain) or mixed",
    "noise": "law of the noise",
    "separation": "Δ/C*_1",
    "guess": "Δ_0/C*_1",
    "minibatch_scale": "κ_M, the factor of the calibrated minibatches",
    "delta": "δ, failure probability of a run",
    "L": "min{l : Δ_l ≤ Δ/2}",
    "early": "min{l : Δ_l < 2Δ}, the first epoch in which exact costs separate the clusters",
}


def _population(drawn: Drawn, law: str) -> dict[str, Any]:
    """Describe a fleet by the numbers that its population is shown by."""
    fleet, rejected = drawn.fleet, drawn.rejected
    systems, labels = fleet.systems, fleet.labels
    gains = [lqr.riccati(system).K for system in systems]
    pairs = [relative_distance(K, other) for k, K in enumerate(gains) for other in gains[:k]]
    sigma = max(np.sqrt(lqr.rollout_variance(s, K, noise_law(law))) for s, K in zip(systems, gains, strict=True))
    count = {word: sum(n for reason, n in rejected.items() if word in reason) for word in _REJECTED}
    return {
        "rho": max(float(np.abs(np.linalg.eigvals(s.A)).max()) for s in systems),
        "discounted_rho": max(float(np.sqrt(s.gamma) * np.abs(np.linalg.eigvals(s.A)).max()) for s in systems),
        "start_ratio": float(np.mean(1 + fleet.gaps(fleet.initial_gains) / fleet.optimal_costs[labels])),
        "condition": max(condition(system) for system in systems),
        "gain_distance": min(pairs, default=np.nan),
        "noise_ratio": (fleet.separation or np.nan) / sigma,
        "common_gain": str(drawn.common),
        **{f"rejected_{name}": count[word] for word, name in _REJECTED.items()},
    }


#: What a reason of rejection contains → the column that counts it.
_REJECTED = {
    "condition at K*": "condition",
    "Riccati": "riccati",
    "within": "close",
    "common gain": "common",
    "a start": "starts",
    "such start": "unreachable",
}
_POPULATION = {
    "rho": "largest ρ(A) of the fleet",
    "discounted_rho": "largest √γ·ρ(A) of the fleet; K = 0 has infinite cost from 1 on",
    "start_ratio": "C(K⁰)/C*, mean over agents",
    "condition": "largest condition number of a Hessian at K*",
    "gain_distance": "smallest relative distance of two clusters' K*",
    "noise_ratio": "Δ/σ, σ the largest standard deviation of one rollout's cost at K*",
    "common_gain": "whether one gain has finite cost for all clusters: exists, excluded (certified) or not found",
    "rejected_condition": "systems rejected for the condition number at K*",
    "rejected_riccati": "systems rejected for want of a Riccati solution",
    "rejected_close": "systems rejected for being close to another cluster",
    "rejected_common": "fleets rejected since a common gain exists or is not excluded",
    "rejected_starts": "starts rejected for the curvature on their way to K*",
    "rejected_unreachable": "fleets rejected since hardly any start of a cluster fits",
}


def _predicted(setting: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """Return the predicted mean gaps of every epoch: of agents alone, and of agents in their true clusters."""
    fleet, law, rows = setting.fleet, noise_law(setting.noise), []
    sizes = np.bincount(fleet.labels)
    for epoch in table["epoch"]:
        plan = setting.schedule.plan(int(epoch))
        alone, shared = (
            np.array([
                steady_state_gap(
                    system,
                    radius=min(plan.radius_cap, plan.radius_uncapped / size**0.25),
                    step_size=plan.step_size,
                    minibatch=plan.minibatch * size,
                    law=law,
                ).gap
                for system, size in zip(fleet.systems, counted, strict=True)
            ])
            for counted in (np.ones_like(sizes), sizes)
        )  # fmt: skip
        mean = sizes / sizes.sum()
        rows.append(
            {
                "predicted_local_gap": float(alone @ mean),
                "predicted_gap": float(shared @ mean),
                "predicted_first_gap": float(shared[0]),
                "predicted_rounds": sum(setting.schedule.plan(k).iterations + 1 for k in range(1, int(epoch) + 1)),
            }
        )
    return pd.DataFrame(rows)


_PREDICTED = {
    "predicted_local_gap": "predicted mean gap of agents alone at the end of the epoch (cost units), closed form",
    "predicted_gap": "predicted mean gap of agents in their true clusters (cost units), closed form",
    "predicted_first_gap": "predicted_gap of cluster 1",
    "predicted_rounds": "Σ (R_k + 1) up to this epoch, the rounds of Corollary 3",
}


def _rows(setting: Experiment, algorithm: Algorithm, seed: int) -> pd.DataFrame:
    """Run once and return the row of every epoch, with predictions."""
    table = summaries.by_epoch(setting.fleet, setting.result(algorithm, seed=seed))
    return pd.concat([table, _predicted(setting, table)], axis=1)


# ------------------------------------------------------------------------------------------------------------- grid


def _simulate_grid(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run PCPO, or the variant of a control, on the fleet of every seed."""
    frames = []
    for seed in seeds:
        drawn = draw(cell, seed)
        setting = experiment(cell, drawn.fleet)
        runs = [_rows(setting, PCPO(**dict(cell.variant)), run_seed(cell, seed))]
        if cell.axis in _WITHOUT_STRANGERS or cell.role == "control:no_elimination":
            runs.append(_without_strangers(setting, run_seed(cell, seed, 1)))
        table = pd.concat(runs, ignore_index=True)
        known = {"seed": seed, "Delta": drawn.fleet.separation, "T_early": _spent(setting, cell.early),
                 "T_L": _spent(setting, cell.L), **_population(drawn, cell.noise)}  # fmt: skip
        frames.append(table.assign(**known))
    return pd.concat(frames, ignore_index=True).assign(**_settings(cell))[list(_GRID_COLUMNS)]


def _spent(setting: Experiment, epoch: int) -> float:
    """Return the rollouts per agent up to the end of an epoch."""
    return float(setting.schedule.rollouts_for(epoch))


def _without_strangers(setting: Experiment, seed: int) -> pd.DataFrame:
    """Run cluster 1 by itself, with the schedule of the whole fleet.

    (8) is applied in epoch 1, a named deviation: with one cluster no set ever changes, and agents that start apart
    would stay apart.
    """
    fleet = setting.fleet
    mine = fleet.labels == 0
    few = Fleet(f"{fleet.name}, cluster 1", fleet.systems[:1], fleet.labels[mine], fleet.initial_gains[mine])
    alone = replace(setting, fleet=few, known_thresholds=setting.thresholds)
    return _rows(alone, PCPO(synchronise_first=True), seed).assign(algorithm=ALONE)


_GRID_COLUMNS = {
    **_SETTINGS,
    **summaries.COLUMNS,
    **_PREDICTED,
    "Delta": "Δ (cost units)",
    "T_early": "rollouts per agent that the schedule spends up to epoch `early`",
    "T_L": "rollouts per agent that the schedule spends up to epoch L",
    **_POPULATION,
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

# ---------------------------------------------------------------------------------------------------------- methods


@dataclass(frozen=True)
class MethodCell:
    """Describe a cell in which methods are compared.

    Args:
        grid: the cell of the grid.
        algorithms: names of the methods.
        step_scales: factors of η among which every method is tuned, on other noise of the same fleet.
        wrong: factors by which the one-shot method is told a wrong Δ.
        identification: rollouts per agent that system identification gets.
    """

    grid: Cell
    algorithms: tuple[str, ...]
    step_scales: tuple[float, ...]
    wrong: tuple[float, ...]
    identification: int


_METHODS: Option = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "cells": several(["base", "open_loop_stable"], {"type": "string"}),
        "algorithms": several(
            "pcpo local oracle_clusters naive_average one_shot fedlqr ifca cfl maml_lqr cluster_sysid".split(),
            {"enum": list(ALGORITHMS)},
        ),
        "step_scales": several([1, 0.5], {"type": "number", "exclusiveMinimum": 0}),
        "wrong": several([0.25, 4], {"type": "number", "exclusiveMinimum": 0}, fewest=0),
        "identification": whole(10_000),
    },
    "default": {},
}


def _method_cells(options: Mapping[str, Any]) -> dict[str, MethodCell]:
    """Return the cells in which methods are compared; ConfigError for one that the grid does not have."""
    cells, given = cells_of_grid({axis: options[axis] for axis in AXES}), options["methods"]
    return {
        name: MethodCell(
            cell,
            tuple(given["algorithms"]),
            tuple(map(float, given["step_scales"])),
            tuple(map(float, given["wrong"])),
            int(given["identification"]),
        )
        for name, cell in _chosen(cells, given["cells"], "methods").items()
    }


def _chosen(cells: Mapping[str, Cell], names: Sequence[str], part: str) -> dict[str, Cell]:
    """Return cells of the grid by name; ConfigError, with the names there are, for another one."""
    for name in names:
        if name not in cells:
            raise ConfigError(f"grid.{part}.cells: found {name!r}, expected one of {', '.join(cells)}")
    return {name: cells[name] for name in names}


@dataclass(frozen=True)
class _ToldWrongly:
    """Run the one-shot method with a Δ that is `factor` times the true one."""

    factor: float
    inner: OneShot

    @property
    def name(self) -> str:
        """Return "one_shot" with the factor."""
        return f"one_shot, told {self.factor:g} Δ"

    @property
    def uses(self) -> frozenset[str]:
        """Return what the one-shot method uses."""
        return self.inner.uses

    def init(self, setting: Any) -> Any:
        """Start with the wrong Δ."""
        side: SideInformation = setting.side
        assert side.separation is not None
        return self.inner.init(replace(setting, side=replace(side, separation=self.factor * side.separation)))

    def next_rollouts(self, state: Any) -> int:
        """Return the rollouts of the next epoch."""
        return self.inner.next_rollouts(state)

    def step(self, state: Any, oracle: Any, server: Any) -> Any:
        """Run one epoch."""
        return self.inner.step(state, oracle, server)


def _simulate_methods(cell: MethodCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Tune and run every method on the fleet of every seed."""
    frames = []
    for seed in seeds:
        fleet = draw(cell.grid, seed).fleet
        setting = experiment(cell.grid, fleet)
        methods: list[Algorithm] = [make_algorithm(name) for name in cell.algorithms]
        if "one_shot" in cell.algorithms:
            methods += [_ToldWrongly(factor, OneShot()) for factor in cell.wrong]
        for method in methods:
            frames.append(_tuned_run(cell, setting, method, seed).assign(seed=seed))
    return pd.concat(frames, ignore_index=True).assign(**_settings(cell.grid))[list(_METHOD_COLUMNS)]


def _tuned_run(cell: MethodCell, setting: Experiment, method: Algorithm, seed: int) -> pd.DataFrame:
    """Choose the step of a method on other noise of the fleet, and run it; identification has a budget of its own.

    The step chosen is that of the smallest mean gap after the last epoch; infinite gaps are the largest, and of equal
    gaps the first counts.
    """
    if method.name in ALGORITHMS and ALGORITHMS[method.name].sees == "trajectories":
        few = _with_rollouts(setting, cell.identification)
        table = summaries.by_epoch(few.fleet, few.result(method, seed=run_seed(cell.grid, seed, 2)))
        return table.assign(step_scale=1.0)
    trials = []
    for k, scale in enumerate(cell.step_scales if len(cell.step_scales) > 1 else ()):
        tried = scaled(setting, Candidate(scale, 1.0)).result(method, seed=run_seed(cell.grid, seed, 3, k))
        trials.append(float(np.mean(setting.fleet.gaps(tried.epochs[-1].global_gains))))
    scale = cell.step_scales[int(np.argmin(trials))] if trials else cell.step_scales[0]
    final = scaled(setting, Candidate(scale, 1.0))
    result = final.result(method, seed=run_seed(cell.grid, seed, 2))
    return summaries.by_epoch(setting.fleet, result).assign(step_scale=scale, algorithm=method.name)


def _with_rollouts(setting: Experiment, rollouts: int) -> Experiment:
    """Return the experiment with minibatches that spend about so many rollouts per agent in one epoch, simulated."""
    c, plan = setting.schedule.constants, setting.schedule.plan(1)
    factor = rollouts / plan.rollouts
    schedule = replace(setting.schedule, constants=replace(c, c4=c.c4 * factor))
    budget = schedule.rollouts_for(1)
    return replace(setting, schedule=schedule, budget=budget, oracle="rollouts")


_METHOD_COLUMNS = {
    **_SETTINGS,
    **summaries.COLUMNS,
    "step_scale": "the factor of η that the tuning chose",
}

METHODS = Study(
    name="grid_methods",
    title="Every method on random fleets",
    cells=_method_cells,
    simulate=_simulate_methods,
    columns=_METHOD_COLUMNS,
    key=("seed", "algorithm", "epoch"),
    may_be_missing=frozenset({"margin", "estimate_margin"}),
    options={**AXES, "methods": _METHODS},
    place="grid",
)

# ------------------------------------------------------------------------------------------------------------ audit


@dataclass(frozen=True)
class AuditCell:
    """Describe a cell that is run twice, by `oracle: auto` and by rollouts throughout.

    Args:
        grid: the cell of the grid.
        minibatch_scale: κ_M, small enough for rollouts.
        epochs: epochs of a run.
    """

    grid: Cell
    minibatch_scale: float
    epochs: int


_AUDIT: Option = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "cells": several(["base", "open_loop_stable"], {"type": "string"}),
        "minibatch_scale": {"type": "number", "exclusiveMinimum": 0, "default": 0.003},
        "epochs": whole(2),
    },
    "default": {},
}


def _audit_cells(options: Mapping[str, Any]) -> dict[str, AuditCell]:
    """Return the cells of the audit; ConfigError for one that the grid does not have."""
    cells, given = cells_of_grid({axis: options[axis] for axis in AXES}), options["audit"]
    return {
        name: AuditCell(cell, float(given["minibatch_scale"]), int(given["epochs"]))
        for name, cell in _chosen(cells, given["cells"], "audit").items()
    }


def _simulate_audit(cell: AuditCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Run PCPO on the fleet of every seed by both oracles, with noise of their own."""
    frames = []
    for seed in seeds:
        small = replace(cell.grid, minibatch_scale=cell.minibatch_scale)
        fleet = draw(small, seed).fleet
        setting = experiment(small, fleet, epochs=cell.epochs)
        for k, oracle in enumerate(("auto", "rollouts")):
            chosen = setting if oracle == "auto" else replace(setting, oracle="rollouts", known_thresholds=())
            table = _rows(chosen, PCPO(), run_seed(small, seed, 4, k))
            frames.append(table.assign(seed=seed, oracle=oracle, drawn=_share_drawn(setting)))
    return pd.concat(frames, ignore_index=True).assign(**_settings(cell.grid))[list(_AUDIT_COLUMNS)]


def _share_drawn(setting: Experiment) -> float:
    """Return the share of the rollouts that `auto` draws from moments."""
    draws = setting.draws()
    return sum(d.drawn for d in draws) / sum(d.drawn + d.simulated for d in draws)


_AUDIT_COLUMNS = {
    **_SETTINGS,
    **summaries.COLUMNS,
    **_PREDICTED,
    "oracle": "auto, or rollouts throughout",
    "drawn": "share of the rollouts that auto draws from moments",
}

AUDIT = Study(
    name="grid_audit",
    title="The oracle of the grid against rollouts",
    cells=_audit_cells,
    simulate=_simulate_audit,
    columns=_AUDIT_COLUMNS,
    key=("seed", "oracle", "epoch"),
    options={**AXES, "audit": _AUDIT},
    place="grid",
)

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "grid": GRID,
    "grid_controls": CONTROLS,
    "grid_methods": METHODS,
    "grid_audit": AUDIT,
}
