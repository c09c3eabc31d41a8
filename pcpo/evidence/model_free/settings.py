"""Make the experiment of a method on a fleet: its schedule and budget, from the true model or from nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from pcpo.algorithms.schedule import Schedule
from pcpo.errors import BudgetError
from pcpo.evidence.model_free.population import NOISE
from pcpo.experiments.experiment import Experiment
from pcpo.fleets.fleet import Fleet
from pcpo.simulation.noise import noise_law
from pcpo.theory.calibration import LocalConstants, calibrated_constants, initial_gap, local_constants

__all__ = ["DELTA", "EPOCHS", "calibrated", "true_constants"]

#: δ, the failure probability of a run.
DELTA = 0.05
#: Δ_0 of calibrated schedules in units of Δ, and their epochs: sets are right after L = 2, and one epoch collaborates.
_GUESS, EPOCHS = 1.0, 2
_BISECTIONS = 60
_SMALLEST, _LARGEST = 1e-12, 1e6


@lru_cache(maxsize=64)
def true_constants(fleet: Fleet) -> LocalConstants:
    """Measure the constants of a fleet on the true model."""
    return local_constants(fleet, noise_law(NOISE), initial_gap(fleet))


@lru_cache(maxsize=64)
def _schedule(fleet: Fleet, scale: float, factor: float) -> Schedule:
    """Calibrate a schedule with κ_M = scale and Δ_0 = factor · 2Δ."""
    Delta0 = factor * _GUESS * _separation(fleet)
    found = true_constants(fleet)
    found = replace(found, Delta0_tilde=max(found.Delta0_tilde, Delta0))
    constants = calibrated_constants(found, D=fleet.D, Delta0=Delta0, minibatch_scale=scale)
    return Schedule(constants, Delta0, DELTA, fleet.N, fleet.D)


def _separation(fleet: Fleet) -> float:
    """Return Δ of a fleet that has several clusters."""
    assert fleet.separation is not None
    return fleet.separation


@lru_cache(maxsize=64)
def _fitted_scale(fleet: Fleet, rollouts: int) -> float:
    """Return the largest κ_M with which `EPOCHS` epochs with the right Δ_0 fit the budget, by bisection of its log.

    Raises:
        BudgetError: if they do not fit with minibatches of one rollout.
    """
    low, high = math.log(_SMALLEST), math.log(_LARGEST)
    if (fewest := _schedule(fleet, _SMALLEST, 1.0).rollouts_for(EPOCHS)) > rollouts:
        raise BudgetError(f"rollouts: found {rollouts:,} per agent, expected at least {fewest:,} for {EPOCHS} epochs")
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        fits = _schedule(fleet, math.exp(middle), 1.0).rollouts_for(EPOCHS) <= rollouts
        low, high = (middle, high) if fits else (low, middle)
    return math.exp(low)


def calibrated(fleet: Fleet, rollouts: int, factor: float = 1.0) -> Experiment:
    """Calibrate an experiment on the true model; κ_M is the largest with which three epochs fit the budget.

    Args:
        fleet: the fleet.
        rollouts: T, per agent.
        factor: by which Δ_0 is wrong; κ_M stays that of the right one, so the number of epochs changes.

    Raises:
        BudgetError: if the budget does not reach the end of epoch 1.
    """
    schedule = _schedule(fleet, _fitted_scale(fleet, rollouts), factor)
    if not schedule.epochs_within(rollouts):
        raise BudgetError(f"rollouts: found {rollouts:,}, expected at least {schedule.rollouts_for(1):,} for one epoch")
    return Experiment(fleet, schedule, NOISE, None, rollouts, "moments")
