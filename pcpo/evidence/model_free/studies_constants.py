"""Measure constants from rollouts at the initial gains of random fleets, beside those of the true model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.model_free.auto import PCPOAuto
from pcpo.algorithms.model_free.probing import RISE, probe
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import names, whole
from pcpo.errors import ConfigError
from pcpo.evidence.model_free.population import CONDITIONS, NOISE, draw, stratum
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.cost import cost_array, hessian_matrix
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.moment import MomentOracle
from pcpo.simulation.noise import Purpose, noise_law, stream

__all__ = ["CONSTANTS", "STUDIES"]

#: Columns of ratios estimate/truth, with what each is.
CONSTANTS: Mapping[str, str] = {
    "cost": "C(K⁰)",
    "sigma": "σ, standard deviation of one rollout's cost at K⁰",
    "mean_curvature": "tr H/D at K⁰",
    "largest_curvature": "the largest eigenvalue of H at K⁰",
    "radius": f"the radius at which the mean cost over the sphere is {100 * RISE:g} % above C(K⁰)",
}
_DIRECTIONS, _BISECTIONS, _DOUBLINGS = 64, 30, 60
#: Share of the rollouts of probing that the control has.
_LITTLE = 50


@dataclass(frozen=True)
class Cell:
    """Describe a condition: a key of `population.CONDITIONS`, and the rollouts per agent that are spent on probing."""

    condition: str
    rollouts: int
    role: str = "grid"


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for every condition, and another with a fiftieth of the rollouts."""
    T = int(PCPOAuto().probe_share * options["rollouts"])
    full = {name: Cell(name, T) for name in options["conditions"]}
    return full | {f"control:{name}": Cell(name, T // _LITTLE, "control") for name in options["conditions"]}


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Probe every fleet; a row per agent."""
    frames = [_ratios(cell, draw(cell.condition, seed), seed) for seed in seeds]
    return pd.concat(frames, ignore_index=True)[list(_COLUMNS)]


def _ratios(cell: Cell, fleet: Fleet, seed: int) -> pd.DataFrame:
    """Return the ratios of all agents of a fleet."""
    oracle = MomentOracle(fleet, seed=seed, law=noise_law(NOISE))
    found: dict[str, FloatArray] = dict.fromkeys(CONSTANTS, np.full(fleet.N, np.nan))
    truth = _truth(fleet)
    try:
        at, bent = probe(oracle, fleet.initial_gains, cell.rollouts, epoch=1, rule=PCPOAuto().curvature)
    except ConfigError:  # what too few rollouts show is no cost that could be optimised
        pass
    else:
        measured = (at.costs, np.sqrt(at.variance), bent.mean, bent.largest, bent.radius)
        found = {name: value / truth[name] for name, value in zip(CONSTANTS, measured, strict=True)}
    described = {"seed": seed, "role": cell.role, "condition": cell.condition, "agent": np.arange(fleet.N)}
    described |= {"ratio": stratum(cell.condition, seed).ratio, "unknowns": fleet.D, "spent": float(oracle.rollouts)}
    return pd.DataFrame({**described, **found, **{f"true_{name}": truth[name] for name in CONSTANTS}})


def _truth(fleet: Fleet) -> dict[str, FloatArray]:
    """Return the constants of every agent at its initial gain, from the true model, ``(N,)`` each."""
    law, values = noise_law(NOISE), {name: np.empty(fleet.N) for name in CONSTANTS}
    for i, (label, gain) in enumerate(zip(fleet.labels, fleet.initial_gains, strict=True)):
        system = fleet.systems[label]
        H = hessian_matrix(system, gain[None])[0]
        eigenvalues = np.linalg.eigvalsh(0.5 * (H + H.T))
        cost = float(cost_array(system, gain[None])[0])
        values["cost"][i] = cost
        values["sigma"][i] = np.sqrt(lqr.rollout_variance(system, gain, law))
        values["mean_curvature"][i], values["largest_curvature"][i] = eigenvalues.mean(), eigenvalues[-1]
        values["radius"][i] = _radius(system, gain, cost)
    return values


def _radius(system: LinearSystem, gain: FloatArray, cost: float) -> float:
    """Return the radius at which the mean cost over 128 fixed directions is 15 % up, by bisection."""
    raw = stream(0, Purpose.CALIBRATION, gain.size, 1).standard_normal((_DIRECTIONS, *gain.shape))
    unit = raw / np.linalg.norm(raw, axis=(1, 2), keepdims=True)
    unit = np.concatenate([unit, -unit])

    def beyond(r: float) -> bool:
        return not float(cost_array(system, gain + r * unit).mean()) <= (1 + RISE) * cost

    high = 1e-4
    for _ in range(_DOUBLINGS):
        if beyond(high):
            break
        high *= 2
    low = 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return low


_COLUMNS = {
    "seed": "number of the fleet, and seed of its probing",
    "role": "grid (claims) or control: a fiftieth of the rollouts",
    "condition": "range of the largest condition number of a cluster's Hessian at K*, by name",
    "agent": "agent",
    "ratio": "Δ/σ",
    "unknowns": "D",
    "spent": "rollouts per agent that probing spent",
    **{name: f"estimate over truth of {what}; NaN where probing refused" for name, what in CONSTANTS.items()},
    **{f"true_{name}": f"{what}, from the true model" for name, what in CONSTANTS.items()},
}

#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "model_free_constants": Study(
        name="model_free_constants",
        title="Constants from rollouts",
        cells=_cells,
        simulate=_simulate,
        columns=_COLUMNS,
        key=("seed", "agent"),
        may_be_missing=frozenset(CONSTANTS),
        options={"conditions": names(list(CONDITIONS)), "rollouts": whole(100_000, least=5_000)},
    ),
}
