"""Cells of the group "practice": tiny fleets, and calibrated schedules with one constant scaled at a time.

A factor changes one quantity and leaves the others alone, so M_l scales c4 by f and c5 by √f (r̃_l² = c5 Δ_l/√c4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from pcpo.algorithms.registry import ALGORITHMS
from pcpo.algorithms.schedule import Schedule
from pcpo.errors import BudgetError, ConfigError, FleetError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.initial_gains import draw_initial_gains
from pcpo.fleets.random import FleetSpec, random_fleet, with_optimal_cost
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import LocalConstants, calibrated_constants, horizon_for, initial_gap, local_constants

__all__ = ["CONDITIONS", "FLEETS", "NOISE", "cell_of", "experiment_of", "fleet_of", "resolved", "schedule_of"]

NOISE = "signs"
DELTA = 0.05
FLEETS = ("one", "pair", "mirror")
#: Condition → (value where a study says nothing, what it is).
CONDITIONS: dict[str, tuple[Any, str]] = {
    "condition": ("", "name of the condition"),
    "fleet": ("pair", "one: one cluster; pair: two random clusters; mirror: two that no gain suits"),
    "draw": (1, "number of the random fleet; -1: each seed has a fleet and a Δ of its own"),
    "agents": (6, "N"),
    "separation": (6.0, "Δ (cost units)"),
    "start": ("per_agent", "first gains: common or per_agent"),
    "start_gap": (1.0, "initial gap (cost units)"),
    "guess": ("fixed", "Δ_0: fixed, known (2Δ) or rule"),
    "guess_factor": (1.0, "multiple of that Δ_0"),
    "Delta0": (12.0, "Δ_0 (cost units)"),
    "kappa": (0.03, "κ_M"),
    "rollouts": (0, "budget per agent; 0: as many as the epochs need"),
    "epochs": (2, "epochs, where the budget is 0"),
    "algorithm": ("pcpo", "method"),
    "synchronise": (0, "1: (8) at the end of epoch 1 whatever the sets, a named deviation"),
    "step_factor": (1.0, "multiple of the calibrated η"),
    "radius_factor": (1.0, "multiple of the calibrated r_l, before the cap"),
    "cap_factor": (1.0, "multiple of the calibrated cap c6"),
    "minibatch_factor": (1.0, "multiple of the calibrated M_l"),
    "iterations_factor": (1.0, "multiple of the calibrated R_l"),
    "predict": ("", "mean gaps that are predicted: local, global, both or none"),
    "vary": ("", "condition that takes every one of the values"),
    "values": ("", "its values"),
}
_DRAWS = 50
_SEPARATIONS = (2.0, 8.0)


def cell_of(**conditions: Any) -> dict[str, Any]:
    """A cell, with the defaults of `CONDITIONS`; raises ConfigError for an unknown key, fleet or method."""
    if unknown := sorted(set(conditions) - set(CONDITIONS)):
        raise ConfigError(f"cell: found {', '.join(unknown)}, expected some of {', '.join(CONDITIONS)}")
    cell = {name: type(default)(conditions.get(name, default)) for name, (default, _) in CONDITIONS.items()}
    if cell["fleet"] not in FLEETS:
        raise ConfigError(f"fleet: found {cell['fleet']!r}, expected one of {', '.join(FLEETS)}")
    if cell["algorithm"] not in ALGORITHMS:
        raise ConfigError(f"algorithm: found {cell['algorithm']!r}, expected one of {', '.join(sorted(ALGORITHMS))}")
    if cell["guess"] not in ("fixed", "known", "rule"):
        raise ConfigError(f"guess: found {cell['guess']!r}, expected fixed, known or rule")
    return cell


def resolved(cell: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The cell as this seed meets it: draw = -1 becomes the seed, with Δ log-uniform on [2, 8] (C*_1 = 20)."""
    found = dict(cell)
    if cell["draw"] < 0:
        low, high = np.log(_SEPARATIONS)
        found |= {"draw": seed, "separation": float(np.exp(stream(seed, Purpose.FLEET, 9).uniform(low, high)))}
    return found


def fleet_of(cell: Mapping[str, Any]) -> Fleet:
    """The fleet of a cell."""
    return _fleet(*(cell[name] for name in ("fleet", "draw", "agents", "separation", "start", "start_gap")))


@lru_cache(maxsize=128)
def _fleet(kind: str, draw: int, agents: int, separation: float, start: str, gap: float) -> Fleet:
    half = (agents // 2, agents - agents // 2)
    if kind == "mirror":
        return _mirror(half, draw, separation, start, gap)
    spec = FleetSpec(
        n=2,
        m=1,
        sizes=half if kind == "pair" else (agents,),
        gamma=0.6,
        optimal_cost=20.0,
        separation=separation if kind == "pair" else None,
        condition_limit=3.0,
        gain_distance=0.7,
        initial=start,
        initial_gap=gap,
    )
    for attempt in range(_DRAWS):  # limits that one generator state cannot meet, another can
        try:
            return random_fleet(spec, stream(draw, Purpose.FLEET, attempt), kind)
        except FleetError as error:
            objection = error
    raise objection


def _mirror(sizes: tuple[int, int], draw: int, separation: float, start: str, gap: float) -> Fleet:
    """The dynamics of config/fleets/mirror.yaml: unstable, with opposite inputs; C* = 20 and 20 + Δ."""
    A, B = np.array([[1.3, 0.2], [0.0, 0.8]]), np.array([[1.0], [0.3]])
    systems = tuple(
        with_optimal_cost(LinearSystem(A, sign * B, np.eye(2), np.eye(1), 0.85), level)
        for sign, level in ((1.0, 20.0), (-1.0, 20.0 + separation))
    )
    labels = np.repeat([0, 1], sizes)
    gains = draw_initial_gains(systems, labels, start, gap, stream(draw, Purpose.FLEET))
    return Fleet("mirror", systems, labels, gains)


@lru_cache(maxsize=128)
def _local_constants(fleet: Fleet) -> LocalConstants:
    return local_constants(fleet, noise_law(NOISE), initial_gap(fleet))


def schedule_of(cell: Mapping[str, Any], Delta0: float, *, scaled: bool = True) -> Schedule:
    """The calibrated schedule of a cell; scaled=False: without its factors."""
    fleet = fleet_of(cell)
    found = _local_constants(fleet)
    found = replace(found, Delta0_tilde=max(found.Delta0_tilde, Delta0))
    k = calibrated_constants(found, D=fleet.D, Delta0=Delta0, minibatch_scale=cell["kappa"])
    if scaled:
        M = cell["minibatch_factor"]
        k = replace(
            k,
            c1=k.c1 * cell["step_factor"],
            c2=k.c2 * cell["iterations_factor"],
            c4=k.c4 * M,
            c5=k.c5 * float(np.sqrt(M)) * cell["radius_factor"] ** 2,
            c6=k.c6 * cell["cap_factor"],
        )
    return Schedule(k, Delta0, DELTA, fleet.N, fleet.D)


def experiment_of(cell: Mapping[str, Any], Delta0: float, spent: int = 0) -> Experiment:
    """The experiment of a cell, with `spent` rollouts of its budget gone already.

    Raises BudgetError if the rest does not reach the end of epoch 1.  The horizon is that of the unscaled constants: a
    radius beyond the finite-cost margin must not stretch it.
    """
    schedule = schedule_of(cell, Delta0)
    budget = cell["rollouts"] - spent if cell["rollouts"] else schedule.rollouts_for(cell["epochs"])
    last = schedule.epochs_within(budget)
    if last == 0:
        raise BudgetError(f"rollouts: found {budget:,}, expected at least {schedule.rollouts_for(1):,}")
    fleet = fleet_of(cell)
    horizon = _horizon(fleet, schedule_of(cell, Delta0, scaled=False), last)
    return Experiment(fleet, schedule, NOISE, horizon, budget)


@lru_cache(maxsize=256)
def _horizon(fleet: Fleet, schedule: Schedule, epochs: int) -> int:
    return horizon_for(fleet, schedule, epochs)
