"""Describe the conditions of the group "practice": small fleets, and calibrated schedules with a constant scaled.

A factor changes one quantity of the schedule and leaves the others alone; therefore a factor f of M_l scales c4 by f
and c5 by √f (r̃_l² = c5 Δ_l/√c4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.baselines.naive_average import NaiveAverage
from pcpo.algorithms.pcpo import PCPO, no_elimination
from pcpo.algorithms.protocol import Algorithm
from pcpo.algorithms.schedule import Schedule
from pcpo.errors import BudgetError, ConfigError, FleetError
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.fleets.initial_gains import draw_initial_gains
from pcpo.fleets.random import FleetSpec, random_fleet, with_optimal_cost
from pcpo.simulation.noise import Purpose, noise_law, stream
from pcpo.theory.calibration import LocalConstants, calibrated_constants, horizon_for, initial_gap, local_constants

__all__ = ["FLEETS", "METHODS", "NOISE", "Cell", "experiment_of", "fleet_of", "resolved", "schedule_of"]

NOISE = "signs"
_DELTA = 0.05
#: Kinds of fleets: a single cluster, two random clusters, and two clusters without a common gain.
FLEETS = ("one", "pair", "mirror")
#: What makes each method that a condition may name.
METHODS: Mapping[str, Callable[..., Algorithm]] = {
    "pcpo": PCPO,
    "pcpo_no_elimination": no_elimination,
    "naive_average": NaiveAverage,
    "naive_average_sync": partial(NaiveAverage, synchronise_first=True),
    "local": Local,
}
_GUESSES = ("fixed", "known", "rule")
_PREDICTED = ("", "local", "global", "both")
_DRAWS = 50
#: Fleets and their constants that are kept: more than the seeds of a job, which runs cell after cell.
_KEPT = 1024
_SEPARATIONS = (2.0, 8.0)


@dataclass(frozen=True)
class Cell:
    """Describe one condition of a study; a condition may vary, and then every seed runs with each of the values.

    Args:
        fleet: one of `FLEETS`.
        draw: number of the random fleet; −1: each seed draws a fleet, and a separation unless `keep_separation`.
        agents: N.
        separation: Δ (cost units).
        keep_separation: whether fleets that seeds draw have that Δ.
        start: initial gains, "common" or "per_agent".
        start_gap: initial gap (cost units).
        guess: how Δ_0 is chosen: "fixed" (as `Delta0`), "known" (2Δ) or "rule" (`guess_rule.initial_guess`).
        guess_factor: multiple of that Δ_0.
        Delta0: Δ_0 (cost units).
        kappa: κ_M.
        rollouts: budget per agent; 0: as many as the epochs need.
        epochs: number of epochs where the budget is 0.
        algorithm: a key of `METHODS`.
        synchronise: whether (8) is applied at the end of epoch 1 even if no set changed, a named deviation of PCPO.
        step_factor: multiple of the calibrated η.
        radius_factor: multiple of the calibrated r_l, before the cap.
        cap_factor: multiple of the calibrated cap c6.
        minibatch_factor: multiple of the calibrated M_l.
        iterations_factor: multiple of the calibrated R_l.
        predict: mean gaps that are predicted: "local", "global", "both" or "" for none.
        vary: field that takes each of the values in turn; "" for none.
        values: the values of that field.

    Raises:
        ConfigError: for an unknown fleet, method, choice of Δ_0 or prediction.
    """

    fleet: str = "pair"
    draw: int = 1
    agents: int = 6
    separation: float = 6.0
    keep_separation: bool = False
    start: str = "per_agent"
    start_gap: float = 1.0
    guess: str = "fixed"
    guess_factor: float = 1.0
    Delta0: float = 12.0
    kappa: float = 0.03
    rollouts: int = 0
    epochs: int = 2
    algorithm: str = "pcpo"
    synchronise: bool = False
    step_factor: float = 1.0
    radius_factor: float = 1.0
    cap_factor: float = 1.0
    minibatch_factor: float = 1.0
    iterations_factor: float = 1.0
    predict: str = ""
    vary: str = ""
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        known = {"fleet": FLEETS, "algorithm": sorted(METHODS), "guess": _GUESSES, "predict": _PREDICTED}
        for name, allowed in known.items():
            if (found := getattr(self, name)) not in allowed:
                raise ConfigError(f"{name}: found {found!r}, expected one of {', '.join(allowed)}")

    def at(self, value: float) -> Cell:
        """Return the cell with its varied field at a value."""
        kind = type(getattr(self, self.vary))  # a number of agents stays an integer
        return replace(self, **{self.vary: kind(value)})


def resolved(cell: Cell, seed: int) -> Cell:
    """Return the cell with what depends on the seed filled in.

    If every seed draws a fleet (draw = −1), the fleet's number is the seed and Δ, unless it is kept, is log-uniform on
    [2, 8], where C*_1 = 20 (cost units).
    """
    if cell.draw >= 0:
        return cell
    if cell.keep_separation:
        return replace(cell, draw=seed)
    low, high = np.log(_SEPARATIONS)
    separation = float(np.exp(stream(seed, Purpose.FLEET, 9).uniform(low, high)))
    return replace(cell, draw=seed, separation=separation)


def fleet_of(cell: Cell) -> Fleet:
    """Make the fleet of a cell."""
    return _fleet(cell.fleet, cell.draw, cell.agents, cell.separation, cell.start, cell.start_gap)


@lru_cache(maxsize=_KEPT)
def _fleet(kind: str, draw: int, agents: int, separation: float, start: str, gap: float) -> Fleet:
    """Make a fleet of `agents` agents, in two halves unless it is a single cluster."""
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
    for attempt in range(_DRAWS):  # if one state of the generator cannot meet the limits, the next may
        try:
            return random_fleet(spec, stream(draw, Purpose.FLEET, attempt), kind)
        except FleetError as error:
            objection = error
    raise objection


def _mirror(sizes: tuple[int, int], draw: int, separation: float, start: str, gap: float) -> Fleet:
    """Make two clusters with the dynamics of config/fleets/mirror.yaml: unstable, opposite inputs; C* = 20, 20 + Δ."""
    A, B = np.array([[1.3, 0.2], [0.0, 0.8]]), np.array([[1.0], [0.3]])
    systems = tuple(
        with_optimal_cost(LinearSystem(A, sign * B, np.eye(2), np.eye(1), 0.85), level)
        for sign, level in ((1.0, 20.0), (-1.0, 20.0 + separation))
    )
    labels = np.repeat([0, 1], sizes)
    gains = draw_initial_gains(systems, labels, start, gap, stream(draw, Purpose.FLEET))
    return Fleet("mirror", systems, labels, gains)


@lru_cache(maxsize=_KEPT)
def _local_constants(fleet: Fleet) -> LocalConstants:
    """Measure the constants of a fleet that its calibration starts from."""
    return local_constants(fleet, noise_law(NOISE), initial_gap(fleet))


def schedule_of(cell: Cell, Delta0: float, *, scaled: bool = True) -> Schedule:
    """Calibrate the schedule of a cell for an initial guess Δ_0 (cost units); scaled=False leaves out the factors."""
    fleet = fleet_of(cell)
    found = _local_constants(fleet)
    found = replace(found, Delta0_tilde=max(found.Delta0_tilde, Delta0))
    k = calibrated_constants(found, D=fleet.D, Delta0=Delta0, minibatch_scale=cell.kappa)
    if scaled:
        M = cell.minibatch_factor
        k = replace(
            k,
            c1=k.c1 * cell.step_factor,
            c2=k.c2 * cell.iterations_factor,
            c4=k.c4 * M,
            c5=k.c5 * float(np.sqrt(M)) * cell.radius_factor**2,
            c6=k.c6 * cell.cap_factor,
        )
    return Schedule(k, Delta0, _DELTA, fleet.N, fleet.D)


def experiment_of(cell: Cell, Delta0: float, spent: int = 0) -> Experiment:
    """Make the experiment of a cell.

    The horizon is that of the unscaled constants: a radius beyond the finite-cost margin must not stretch it.

    Args:
        cell: the condition.
        Delta0: Δ_0 (cost units).
        spent: rollouts per agent of the budget that the search for Δ_0 took.

    Raises:
        BudgetError: if the rest of the budget does not reach the end of epoch 1.
    """
    schedule = schedule_of(cell, Delta0)
    budget = cell.rollouts - spent if cell.rollouts else schedule.rollouts_for(cell.epochs)
    last = schedule.epochs_within(budget)
    if last == 0:
        raise BudgetError(f"rollouts: found {budget:,}, expected at least {schedule.rollouts_for(1):,}")
    fleet = fleet_of(cell)
    horizon = _horizon(fleet, schedule_of(cell, Delta0, scaled=False), last)
    return Experiment(fleet, schedule, NOISE, horizon, budget)


@lru_cache(maxsize=_KEPT)
def _horizon(fleet: Fleet, schedule: Schedule, epochs: int) -> int:
    """Return the horizon of a rollout (steps)."""
    return horizon_for(fleet, schedule, epochs)
