"""Simulate zeroth-order estimates (5) at a fixed gain: their mean (16), and their deviations (19) and (20).

In `lemmas_mean` a run is one estimate by the package's estimator.  In `lemmas_estimates` a run has many averaged
estimates of M = 64 rollouts per agent.  They are assembled here from rollout costs, so that each control can break one
rule: directions that are not normalised, or agents that share their random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.lemmas.constants import LAW, constants, restricted_gap
from pcpo.fleets.examples import EDGE, SYSTEMS, TYPICAL, fixed_direction, shifted_optimum
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.estimators import gradient_estimate, rollout_costs
from pcpo.simulation.kernels import BLOCK
from pcpo.simulation.noise import Purpose, draw_directions, stream
from pcpo.theory.predictions import estimator_error
from pcpo.theory.printed.restricted_set import at_gap

__all__ = ["ESTIMATES", "MEAN", "STUDIES"]

_MINIBATCH = BLOCK  # M of `lemmas_estimates`: one block of the kernels
_EDGE_START = 1e-6  # Δ̃_0/C* of the system with A = 0
_TRUNCATION = 1e-4  # of C*: what the horizon may cut off, far below the standard error of a second moment
_INSIDE = 0.9  # r/ρ, so that r in (0, ρ)
_HALF = 0.5  # gap of K over the largest gap in the restricted set, so that K in G⁰


def _number_of_cell(name: str) -> int:
    """Return a stable integer for the random streams of a cell."""
    return sum(256**k * byte for k, byte in enumerate(name.encode()))


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
    """Simulate estimates (5) of M = 64 rollouts each: ``(count, D)``.

    Args:
        system: the system that is rolled out.
        K: the gain ``(m, n)``.
        r: smoothing radius.
        horizon: stages of a rollout.
        count: number of estimates.
        streams: of the directions and of the noise.
        normalised: unit directions; without it they have length √D, that of vectors with entries of unit variance.
    """
    U = np.empty((count, system.D, BLOCK))
    draw_directions(streams[0], U)
    if not normalised:
        U *= np.sqrt(system.D)
    noise = LAW.draw(streams[1], count, horizon - 1, system.n)
    costs, _ = rollout_costs(system, K, noise, law=LAW, directions=U, radius=r)
    return np.asarray(system.D / (r * BLOCK) * np.einsum("bl,bdl->bd", costs, U))


# --- mean -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MeanCell:
    """Describe a condition of `lemmas_mean`.

    Args:
        name: of the cell; part of its random streams.
        system: name of the example system.
        minibatch: M, rollouts of an estimate.
        radius: smoothing radius r (units of the gain), wide enough for ∇C_r and ∇C to differ visibly.
        offset: ‖K − K*‖ (units of the gain).
        horizon: stages of a rollout.
        normalised: unit directions; False in the control, whose directions have length √D.
    """

    name: str
    system: str
    minibatch: int
    radius: float
    offset: float
    horizon: int
    normalised: bool = True


def _mean_cells(options: Mapping[str, Any]) -> dict[str, MeanCell]:
    """Make a cell for each typical system, and the control."""
    M, r, offset, h = (options[key] for key in ("minibatch", "radius", "offset", "horizon"))
    cells = {name: MeanCell(name, name, int(M), float(r), float(offset), int(h)) for name in TYPICAL}
    control = replace(cells["two"], name="control:length", normalised=False)
    return {**cells, control.name: control}


def _mean(cell: MeanCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Estimate the gradient once in each run, at K* + offset·V; a row for each component of the gradient."""
    system, r, h = SYSTEMS[cell.system], cell.radius, cell.horizon
    K = shifted_optimum(cell.system, cell.offset)
    expected = lqr.smoothed_gradient(system, K, r, horizon=h).value.ravel()
    slope = lqr.gradient(system, K).ravel()
    frames = []
    for seed in seeds:
        streams = [stream(seed, Purpose.EVALUATION, _number_of_cell(cell.name), kind) for kind in (2, 3)]
        if cell.normalised:
            g = gradient_estimate(
                system, K, r, cell.minibatch, horizon=h, law=LAW, directions=streams[0], noise=streams[1]
            ).value.ravel()
        else:
            count = -(-cell.minibatch // BLOCK)
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


@dataclass(frozen=True)
class EstimatesCell:
    """Describe a condition of `lemmas_estimates`.

    Args:
        name: of the cell; part of its random streams.
        system: name of the example system.
        agents: |M|, agents whose estimates are averaged.
        start: Δ̃_0/C*.
        samples: averaged estimates in each run.
        shared: all agents use the random numbers of the first; a control.
        normalised: unit directions; False in a control, whose directions have length √D.
    """

    name: str
    system: str
    agents: int
    start: float
    samples: int
    shared: bool = False
    normalised: bool = True


def _estimates_cells(options: Mapping[str, Any]) -> dict[str, EstimatesCell]:
    """Make a cell for each system and number of agents, and the controls."""
    cells = {}
    for system in SYSTEMS:
        start = _EDGE_START if system == EDGE else float(options["start"])
        samples = int(options["edge_samples" if system == EDGE else "samples"])
        for agents in (1, 4) if system == EDGE else (1, 4, 16):
            name = f"{system}:{agents}"
            cells[name] = EstimatesCell(name, system, agents, start, samples)
    controls = (
        replace(cells["two:1"], name="control:length", normalised=False),
        replace(cells["two:4"], name="control:shared:4", shared=True),
        replace(cells["two:16"], name="control:shared:16", shared=True),
        replace(cells[f"{EDGE}:4"], name="control:shared:edge", shared=True),
    )
    return {**cells, **{control.name: control for control in controls}}


def _estimates(cell: EstimatesCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Average estimates over agents, at one gain of the restricted set; a row for each averaged estimate."""
    system, agents = SYSTEMS[cell.system], cell.agents
    known, gap = constants(system, cell.start), restricted_gap(system, cell.start)
    K = at_gap(system, fixed_direction(cell.system)[None], _HALF * gap)[0]
    r, D = _INSIDE * known.radius, system.D
    horizon = lqr.truncation_horizon(system, K, _TRUNCATION * lqr.riccati(system).cost)
    centre = lqr.smoothed_gradient(system, K, r, horizon=horizon).value.ravel()
    exact = estimator_error(system, K, r, _MINIBATCH, LAW)
    c8 = known.rollout_bound + known.lipschitz * known.radius / D + known.smoothness * known.radius**2 / D
    frames = []
    for seed in seeds:
        total = np.zeros((cell.samples, D))
        for agent in range(agents):
            source = 0 if cell.shared else agent
            key = (Purpose.EVALUATION, _number_of_cell(cell.name))
            streams = [stream(seed, *key, kind, source) for kind in (0, 1)]
            total += _blocks(system, K, r, horizon, cell.samples, streams, normalised=cell.normalised)
        square = np.sum((total / agents - centre) ** 2, axis=1)
        columns = {
            "seed": seed,
            "sample": np.arange(cell.samples),
            "agents": agents,
            "unknowns": D,
            "square": square / exact,
            "deviation": np.sqrt(square * _MINIBATCH * agents) * r / (D * c8),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


ESTIMATES = Study(
    name="lemmas_estimates",
    title="Deviations of averaged zeroth-order estimates",
    cells=_estimates_cells,
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


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_mean": MEAN,
    "lemmas_estimates": ESTIMATES,
}
