"""Simulated zeroth-order estimates (5) at a fixed gain: their mean (16), and their deviations (19), (20).

In `lemmas_mean` a run is one estimate of the package's engine.  In `lemmas_estimates` a run has many averaged estimates
of M = 64 rollouts per agent, made here from single rollouts, so that the controls can break one rule at a time:
directions that are not normalised, or agents that share their random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import lqr
from ..contracts import FloatArray
from ..engine import gradient_estimate, rollout_costs
from ..fleet import LinearSystem
from ..kernels import BLOCK
from ..predictions import estimator_error
from ..randomness import Purpose, draw_directions, stream
from .contract import Study
from .lemmas_constants import (
    EDGE,
    EDGE_START,
    LAW,
    SYSTEMS,
    at_gap,
    constants,
    number_of,
    restricted_gap,
    unit_directions,
)
from .options import number, whole

__all__ = ["ESTIMATES", "MEAN", "MINIBATCH"]

MINIBATCH = BLOCK  # M of `lemmas_estimates`: one block of the engine
_TRUNCATION = 1e-4  # of C*: what the horizon may cut off, far below the standard error of a second moment
_INSIDE = 0.9  # r/ρ and, of the gap, half of the restricted set's: "K in G⁰, r in (0, ρ)"


def _number(cell: str) -> int:
    """A stable integer for the streams of a cell."""
    return sum(256**k * byte for k, byte in enumerate(cell.encode()))


# --- the mean -------------------------------------------------------------------------------------------------------


def _mean_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    cells = {name: {"system": name, "length": 1, "name": name, **options} for name in SYSTEMS if name != EDGE}
    return {**cells, "control:length": {**cells["two"], "length": 0, "name": "control:length"}}


def _mean(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    """A row per run and component: at K* + offset·V with the engine's own estimator, wide r so that the bias shows."""
    system, r, h = SYSTEMS[cell["system"]], float(cell["radius"]), int(cell["horizon"])
    fixed = unit_directions(system, 1, stream(0, Purpose.CALIBRATION, number_of(cell["system"]), 9))[0]
    K = lqr.riccati(system).K + float(cell["offset"]) * fixed
    expected = lqr.smoothed_gradient(system, K, r, horizon=h).value.ravel()
    slope = lqr.gradient(system, K).ravel()
    frames = []
    for seed in seeds:
        streams = [stream(seed, Purpose.EVALUATION, _number(cell["name"]), kind) for kind in (2, 3)]
        if cell["length"]:
            g = gradient_estimate(
                system, K, r, int(cell["minibatch"]), horizon=h, law=LAW, directions=streams[0], noise=streams[1]
            ).value.ravel()
        else:
            count = -(-int(cell["minibatch"]) // BLOCK)
            g = _blocks(system, K, r, h, count, streams, normalised=False).mean(axis=0)
        columns = {"seed": seed, "component": np.arange(system.D), "estimate": g}
        frames.append(pd.DataFrame({**columns, "smoothed": expected, "gradient": slope}))
    return pd.concat(frames, ignore_index=True)


MEAN = Study(
    name="lemmas_mean",
    title="Mean of the zeroth-order estimate",
    cells=_mean_cells,
    simulate=_mean,
    columns={
        "seed": "run",
        "component": "component of the gradient, row-major",
        "estimate": "g, one minibatch (units of the gradient)",
        "smoothed": "∇C_r at the same horizon, by quadrature (units of the gradient)",
        "gradient": "∇C (units of the gradient)",
    },
    key=("seed", "component"),
    options={"minibatch": whole(100_000), "radius": number(0.2), "offset": number(0.1), "horizon": whole(40, least=2)},
)

# --- deviations -----------------------------------------------------------------------------------------------------


def _estimate_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    rare = {"start": EDGE_START, "samples": options["edge_samples"]}
    typical = {"start": options["start"], "samples": options["samples"]}
    cells: dict[str, dict[str, Any]] = {}

    def add(name: str, system: str, agents: int, **more: Any) -> None:
        own = rare if system == EDGE else typical
        cells[name] = {"name": name, "system": system, "agents": agents, "shared": 0, "length": 1, **own, **more}

    for system in SYSTEMS:
        for agents in (1, 4) if system == EDGE else (1, 4, 16):
            add(f"{system}:{agents}", system, agents)
    add("control:length", "two", 1, length=0)
    add("control:shared:4", "two", 4, shared=1)
    add("control:shared:16", "two", 16, shared=1)
    add("control:shared:edge", EDGE, 4, shared=1)
    return cells


def _blocks(
    system: LinearSystem,
    K: FloatArray,
    r: float,
    horizon: int,
    count: int,
    streams: Sequence[np.random.Generator],
    *,
    normalised: bool = True,
) -> FloatArray:
    """Estimates (5) of M = 64 rollouts each, ``(count, D)``; streams: of directions, of noise.

    normalised=False: directions of length √D, that of vectors with entries of unit variance.
    """
    U = np.empty((count, system.D, BLOCK))
    draw_directions(streams[0], U)
    if not normalised:
        U *= np.sqrt(system.D)
    costs, _ = rollout_costs(system, K, LAW.draw(streams[1], count, horizon - 1, system.n), directions=U, radius=r)
    return np.asarray(system.D / (r * BLOCK) * np.einsum("bl,bdl->bd", costs, U))


def _estimates(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    system, start, agents = SYSTEMS[cell["system"]], float(cell["start"]), int(cell["agents"])
    known, gap = constants(system, start), restricted_gap(system, start)
    fixed = unit_directions(system, 1, stream(0, Purpose.CALIBRATION, number_of(cell["system"]), 9))
    K, r, D = at_gap(system, fixed, 0.5 * gap)[0], _INSIDE * known.radius, system.D
    horizon = lqr.truncation_horizon(system, K, _TRUNCATION * lqr.riccati(system).cost)
    centre = lqr.smoothed_gradient(system, K, r, horizon=horizon).value.ravel()
    exact = estimator_error(system, K, r, MINIBATCH, LAW)
    c8 = known.rollout_bound + known.lipschitz * known.radius / D + known.smoothness * known.radius**2 / D
    frames = []
    for seed in seeds:
        total = np.zeros((int(cell["samples"]), D))
        for agent in range(agents):
            own = 0 if cell["shared"] else agent
            streams = [stream(seed, Purpose.EVALUATION, _number(cell["name"]), kind, own) for kind in (0, 1)]
            total += _blocks(system, K, r, horizon, len(total), streams, normalised=bool(cell["length"]))
        square = np.sum((total / agents - centre) ** 2, axis=1)
        columns = {
            "seed": seed,
            "sample": np.arange(len(total)),
            "agents": agents,
            "unknowns": D,
            "square": square / exact,
            "deviation": np.sqrt(square * MINIBATCH * agents) * r / (D * c8),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


ESTIMATES = Study(
    name="lemmas_estimates",
    title="Deviations of averaged zeroth-order estimates",
    cells=_estimate_cells,
    simulate=_estimates,
    columns={
        "seed": "run",
        "sample": "number of the estimate",
        "agents": "|M|, agents averaged",
        "unknowns": "D = mn",
        "square": "‖G − ∇C_r‖² over its exact mean for one agent, (D²V_r/r² − ‖∇C_r‖²)/M",
        "deviation": "‖G − ∇C_r‖·r·√(M|M|)/(c8·D)",
    },
    key=("seed", "sample"),
    options={"start": number(0.01), "samples": whole(50, least=2), "edge_samples": whole(500, least=2)},
)
