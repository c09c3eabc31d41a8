"""Describe the grid: axes in the configuration, the cells that they make, and what a cell costs.

The first value of every axis makes the base cell.  The design "factors" varies one axis at a time from it, "product"
takes every combination; `cells` adds named cells, each the base cell with some values changed.

The separation Δ is in units of C*_1, and Δ_0 in units of the *base* separation: the agents do not know Δ, so where Δ
varies, Δ_0 does not.  L = min{l : Δ_l ≤ Δ/2} is the epoch of Theorem 1, and runs end `after` epochs after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, get_args

import numpy as np

from pcpo.claims.options import Option, number, several, whole
from pcpo.errors import ConfigError, FleetError
from pcpo.experiments.experiment import OracleName
from pcpo.fleets.fleet import MAX_AGENTS
from pcpo.fleets.population import SIZES, OpenLoop, PopulationSpec, cluster_sizes
from pcpo.simulation.noise import NOISE_LAWS

__all__ = ["AXES", "CONTROLS", "Cell", "cell_seconds", "cells_of_grid", "control_cells"]

_SHAPE: Option = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 50},
    "minItems": 2,
    "maxItems": 2,
}
_RANGE: Option = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 1}, "minItems": 2, "maxItems": 2}
_CLUSTERS: Option = {"type": "integer", "minimum": 1, "maximum": 1000}
_OPEN: Option = {"enum": list(get_args(OpenLoop))}
_LAW: Option = {"enum": sorted(NOISE_LAWS)}
_KIND: Option = {"enum": list(SIZES)}
_ONE: Mapping[str, Option] = {
    "agents": whole(most=MAX_AGENTS),
    "clusters": _CLUSTERS,
    "sizes": _KIND,
    "separation": number(),
    "shape": _SHAPE,
    "gamma": number(below=1),
    "open_loop": _OPEN,
    "noise": _LAW,
    "Delta0": number(),
    "minibatch_scale": number(),
}

#: The axes and settings under the key `grid`, each a JSON schema with its default.
AXES: Mapping[str, Option] = {
    "design": {"enum": ["factors", "product"], "default": "factors"},
    "agents": several([8, 4, 16, 32], _ONE["agents"]),
    "clusters": several([2, 4], _ONE["clusters"]),
    "sizes": several(["equal", "one_large"], _ONE["sizes"]),
    "separation": several([0.1, 0.05, 0.2], _ONE["separation"]),
    "shape": several([[2, 1], [1, 1], [3, 1]], _SHAPE),
    "gamma": several([0.9, 0.8], _ONE["gamma"]),
    "open_loop": several(["unstable", "stable", "mixed"], _OPEN),
    "noise": several(["signs"], _LAW),
    "Delta0": several([6, 3, 10], _ONE["Delta0"]),
    "minibatch_scale": several([1, 0.1, 0.01], _ONE["minibatch_scale"]),
    "cells": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,39}$"},
        "additionalProperties": {"type": "object", "properties": dict(_ONE), "additionalProperties": False},
        "default": {
            "two_inputs": {"shape": [3, 2], "open_loop": "mixed"},
            "large": {"shape": [4, 2], "open_loop": "mixed"},
        },
    },
    "after": whole(1, least=0, most=10),
    "delta": number(0.1, below=1),
    "start": {**_RANGE, "default": [1.5, 5.0]},
    "condition_limit": number(30.0, least=1),
    "path_limit": number(200.0, least=1),
    "rollouts": several([d * 10**k for k in range(8, 12) for d in (1, 3)], whole(), fewest=2),
}

_AXES = tuple(_ONE)
#: Where a variant of Algorithm 1 stands in for it, by the name of the control: fields of PCPO, and the factor of κ_M.
CONTROLS: Mapping[str, tuple[Mapping[str, Any], float]] = {
    "no_elimination": ({"last_elimination": 0}, 1.0),
    "wide": ({"threshold": 1.0}, 1.0),
    "narrow": ({"threshold": 0.25}, 1.0),
    "narrow_noisy": ({"threshold": 0.25}, 0.001),
    "memoryless": ({"remember": False}, 0.0001),
    "noisy": ({}, 0.0003),
    "noisier": ({}, 0.00001),
}


@dataclass(frozen=True)
class Cell:
    """Describe one condition of the grid.

    Args:
        role: "grid"; "sweep" for smaller minibatches; "control:<name>" for a negative control.
        oracle: of the runs.
        axis: the axis that the cell varies, "base" or "cells" or "product".
        variant: fields of `PCPO` that are not at their default, as items.
        agents, clusters, sizes: N, H, and how the agents are divided.
        shape: n and m.
        separation: Δ/C*_1.
        guess: Δ_0/C*_1.
        gamma, open_loop, noise, minibatch_scale, delta: of the fleet, the rollouts and the schedule.
        after: epochs beyond L.
        start, condition_limit, path_limit: of the population.
        checkpoints: budgets T (rollouts per agent) at which runs are looked at; no run depends on them.
    """

    role: str
    oracle: OracleName
    axis: str
    variant: tuple[tuple[str, Any], ...]
    agents: int
    clusters: int
    sizes: str
    shape: tuple[int, int]
    separation: float
    guess: float
    gamma: float
    open_loop: OpenLoop
    noise: str
    minibatch_scale: float
    delta: float
    after: int
    start: tuple[float, float]
    condition_limit: float
    path_limit: float
    checkpoints: tuple[float, ...]

    @property
    def L(self) -> int:
        """Return L = min{l : Δ_l ≤ Δ/2}; 1 for one cluster, whose separation is infinite."""
        return 1 if self.clusters == 1 else max(1, math.ceil(round(math.log2(2 * self.guess / self.separation), 9)))

    @property
    def early(self) -> int:
        """Return min{l ≥ 1 : Δ_l < 2Δ}, the first epoch in which exact costs separate the clusters by (7)."""
        if self.clusters == 1:
            return 1
        return max(1, math.floor(round(math.log2(self.guess / (2 * self.separation)), 9)) + 1)

    @property
    def epochs(self) -> int:
        """Return L̄, the epochs of a run."""
        return self.L + self.after

    def population(self) -> PopulationSpec:
        """Return the population that the cell draws its fleets from."""
        return PopulationSpec(
            n=self.shape[0],
            m=self.shape[1],
            sizes=cluster_sizes(self.agents, self.clusters, self.sizes),
            gamma=self.gamma,
            open_loop=self.open_loop,
            separation=self.separation,
            start=self.start,
            condition_limit=self.condition_limit,
            path_limit=self.path_limit,
        )

    def key(self) -> tuple[int, ...]:
        """Return integers that are the cell's own, for its streams of random numbers."""
        text = repr((self.variant, self.agents, self.clusters, self.sizes, self.shape, self.separation, self.guess,
                     self.gamma, self.open_loop, self.noise, self.minibatch_scale, self.delta, self.start))  # fmt: skip
        return tuple(int.from_bytes(text.encode()[k : k + 6], "big") for k in range(0, len(text), 6))


def cells_of_grid(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the cells that claims are about, by name: those of the design, and the named ones.

    Raises:
        ConfigError: naming the cell and what is wrong with it.
    """
    return {name: cell for name, cell in _every_cell(options).items() if cell.role == "grid"}


def control_cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the cells with smaller minibatches, and the negative controls of the base cell, by name.

    Their runs are drawn from moments at every minibatch: they show where a check begins to fail, and by how much.

    Raises:
        ConfigError: naming the cell and what is wrong with it.
    """
    cells = _every_cell(options)
    sweep = {name: cell for name, cell in cells.items() if cell.role == "sweep"}
    controls = {
        f"control_{name}": replace(
            cells["base"],
            role=f"control:{name}",
            axis="control",
            variant=tuple(fields.items()),
            minibatch_scale=cells["base"].minibatch_scale * factor,
        )
        for name, (fields, factor) in CONTROLS.items()
    }
    return {name: replace(cell, oracle="moments") for name, cell in (sweep | controls).items()}


def _every_cell(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Return all cells but the controls."""
    values = {axis: options[axis] for axis in _AXES}
    first = {axis: values[axis][0] for axis in _AXES}
    chosen: dict[str, tuple[str, dict[str, Any]]] = {"base": ("base", first)}
    if options["design"] == "factors":
        for axis in _AXES:
            chosen |= {f"{axis}_{_word(v)}": (axis, {**first, axis: v}) for v in values[axis][1:]}
    else:
        for point in product(*values.values()):
            given = dict(zip(_AXES, point, strict=True))
            if given != first:
                chosen["__".join(f"{a}_{_word(v)}" for a, v in given.items() if v != first[a])] = ("product", given)
    for name, changed in options["cells"].items():
        if name in chosen:
            raise ConfigError(f"grid.cells.{name}: found the name of a cell of the axes, expected another one")
        chosen[name] = ("cells", {**first, **changed})
    return {name: _cell(name, axis, given, options) for name, (axis, given) in chosen.items()}


def _cell(name: str, axis: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> Cell:
    """Make the cell of these values of the axes, and check that its population and schedule exist."""
    sweep = given["minibatch_scale"] != options["minibatch_scale"][0]
    made = Cell(
        role="sweep" if sweep else "grid",
        oracle="auto",
        axis=axis,
        variant=(),
        agents=int(given["agents"]),
        clusters=int(given["clusters"]),
        sizes=given["sizes"],
        shape=(int(given["shape"][0]), int(given["shape"][1])),
        separation=float(given["separation"]),
        guess=float(given["Delta0"]) * float(options["separation"][0]),
        gamma=float(given["gamma"]),
        open_loop=given["open_loop"],
        noise=given["noise"],
        minibatch_scale=float(given["minibatch_scale"]),
        delta=float(options["delta"]),
        after=int(options["after"]),
        start=(float(options["start"][0]), float(options["start"][1])),
        condition_limit=float(options["condition_limit"]),
        path_limit=float(options["path_limit"]),
        checkpoints=tuple(sorted(map(float, options["rollouts"]))),
    )
    try:
        made.population()
    except FleetError as error:
        raise ConfigError(f"grid, cell {name}: {error}") from None
    return made


def _word(value: Any) -> str:
    """Return a value of an axis as part of a name."""
    return "x".join(map(_word, value)) if isinstance(value, list | tuple) else f"{value}"


#: Core microseconds of an answer of the moment oracle by agent and iteration, for D = 1, 2, 4, 8 and more unknowns.
_ANSWER = {1: 1.0, 2: 2.0, 4: 3.0, 8: 5.0, 60: 300.0}
#: Core seconds of a draw and of a plan, for one state and by its square.
_DRAW, _PLAN = 0.15, 0.015


def cell_seconds(cell: Cell) -> float:
    """Estimate the core seconds of one run of a cell, from the limits of its population: no fleet is drawn.

    The schedule takes 2 R_l answers of every agent, R_l = c2 log(c3 N/Δ_l²) with c2 = 2 h_max/h_min at most
    2·path_limit/½, of which runs take about half.
    """
    n, D = cell.shape[0], cell.shape[0] * cell.shape[1]
    c2, iterations = 2 * cell.path_limit, 0.0
    for epoch in range(1, cell.epochs + 1):
        Delta = cell.guess / 2.0**epoch
        gap = max((cell.start[1] - 1) * (1 + cell.separation * cell.clusters), cell.guess)
        iterations += c2 * math.log(16 * gap * cell.guess * cell.agents / Delta**2)
    answer = float(np.interp(D, list(_ANSWER), list(_ANSWER.values())))
    return _DRAW * (1 + n * n / 8) + _PLAN * n * n + 5e-7 * iterations * cell.agents * answer
