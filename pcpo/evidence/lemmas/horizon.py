"""Read the horizon of simulated rollouts off their costs, and compare what it leaves out with what a plan allows.

The gain is such that A − BK = 0, and Q + KᵀRK is diagonal: with signs as noise every rollout of h stages then costs
exactly C_h, so one answer of an oracle shows after how many stages it stops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.lemmas import by_hand
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.fleets.random import draw_system
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.noise import Purpose, stream

__all__ = ["HORIZON", "STUDIES"]

_GAMMA = 0.7
_PROBES = {"1x1": 1, "2x2": 2, "3x3": 3}  # states and inputs
_LARGEST = 5.0  # norm of a gain with A − BK = 0
_FRACTIONS = (0.0, 0.5, 1.0)  # of the way from K* to the start
_READABLE = 1e-10  # share of a cost that is a million roundings of the cost
_TINY = 1e-13  # smoothing radius at which a rollout of a gradient shows the horizon, too


@dataclass(frozen=True)
class HorizonCell:
    """Describe a condition of `lemmas_horizon`.

    Args:
        size: states, and inputs.
        epochs: of the plan.
        Delta0: Δ_0 (units of cost).
    """

    size: int
    epochs: int
    Delta0: float


def _horizon_cells(options: Mapping[str, Any]) -> dict[str, HorizonCell]:
    """Make a cell for each size."""
    return {name: HorizonCell(n, int(options["epochs"]), float(options["Delta0"])) for name, n in _PROBES.items()}


def _probe(size: int, rng: np.random.Generator) -> tuple[LinearSystem, FloatArray]:
    """Draw a system and a gain with A − BK = 0 and Q + KᵀRK diagonal, at which C is 20."""
    while True:
        drawn = draw_system(size, size, _GAMMA, (0.6, 1.0), rng)
        K = np.linalg.solve(drawn.B, drawn.A)
        if np.linalg.norm(K) < _LARGEST:
            break
    inputs = K.T @ drawn.R @ K
    weight = np.diag((1 + rng.random(size)) * (0.5 + np.linalg.eigvalsh(inputs)[-1]))
    scale = 20 * (1 - _GAMMA) / (_GAMMA * np.trace(weight))
    return replace(drawn, Q=scale * (weight - inputs), R=scale * drawn.R), np.asarray(K)


def _stages(cost: float, whole_cost: float) -> float:
    """Return h of a rollout that costs C·(1 − γ^(h−1)); 0 if no whole h does, up to rounding.

    From the h on at which γ^(h−1) is `_READABLE` a cost in double precision does not show it: that h is returned then.
    """
    left = 1 - cost / whole_cost
    h = math.log(max(left, _READABLE)) / math.log(_GAMMA) + 1
    if left < _READABLE:
        return float(math.floor(h)) if left > -_READABLE else 0.0
    return float(round(h)) if abs(h - round(h)) < 0.1 else 0.0


def _worst_bias(gains: Sequence[tuple[LinearSystem, FloatArray]], horizon: int) -> float:
    """Return the largest C − C_h of some gains."""
    return max(by_hand.cost(system, K) - by_hand.truncated_cost(system, K, horizon) for system, K in gains)


def _horizon(cell: HorizonCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Plan rollouts on a fleet for each seed and read their horizon off the oracle; a row for each fleet."""
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.FLEET, cell.size)
        systems, starts = zip(*(_probe(cell.size, rng) for _ in range(2)), strict=True)
        fleet = Fleet("horizon", systems, np.arange(2), np.stack(starts))
        plan = Experiment.calibrated(fleet, Delta0=cell.Delta0, epochs=cell.epochs)
        oracle, K_0, purpose = plan.make_oracle(seed), fleet.initial_gains, Purpose.EVALUATION
        answers = [oracle.costs(K_0, 1, purpose=purpose, epoch=1).values]
        g = oracle.gradients(K_0, 1, np.full(2, _TINY), purpose=purpose, epoch=1).values
        answers.append(_TINY * np.linalg.norm(g, axis=(1, 2)) / fleet.D)
        read = [
            _stages(c, by_hand.cost(s, K)) for found in answers for c, s, K in zip(found, systems, starts, strict=True)
        ]
        gains = [
            (system, best + fraction * (start - best))
            for system, start in zip(systems, starts, strict=True)
            for best in [by_hand.best_gain(system)]
            for fraction in _FRACTIONS
        ]
        h, tolerance = int(min(read)), cell.Delta0 / 2**cell.epochs / 800
        biases = {
            name: _worst_bias(gains, max(1, stages)) / tolerance
            for name, stages in (("bias", h), ("bias_shorter", math.floor(0.85 * h)), ("bias_half", h // 2))
        }
        rows.append({"seed": seed, "horizon": h, "same": int(len(set(read)) == 1), **biases})
    return pd.DataFrame(rows)


HORIZON = Study(
    name="lemmas_horizon",
    title="Stages of the rollouts of a calibrated plan",
    cells=_horizon_cells,
    simulate=_horizon,
    columns={
        "seed": "run, and fleet",
        "horizon": "stages of a rollout, read off its cost; 65 and more are read as 65",
        "same": "1 if rollouts of costs and of gradients have the same stages, else 0",
        "bias": "largest C − C_h over 1 % of Δ_L̄/8",
        "bias_shorter": "the same with 0.85 h in place of h",
        "bias_half": "the same with h/2",
    },
    options={"epochs": whole(3), "Delta0": number(12.0)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_horizon": HORIZON,
}
