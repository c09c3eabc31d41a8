"""Make the experiments of the methods on a fleet, and say which methods there are.

The methods that read the model have Table 2 with constants of the true model, the right Δ_0 = Δ, and two epochs: sets
are right after L = 1 and the second epoch collaborates.  κ_M is the largest with which these fit the budget.  So they
are told everything that `pcpo_auto` has to find out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from pcpo.algorithms.baselines.local import Local
from pcpo.algorithms.baselines.oracle_clusters import OracleClusters
from pcpo.algorithms.model_free.auto import PCPOAuto
from pcpo.algorithms.pcpo import PCPO
from pcpo.algorithms.protocol import Algorithm
from pcpo.algorithms.schedule import Schedule
from pcpo.errors import BudgetError
from pcpo.evidence.model_free.population import NOISE, draw
from pcpo.experiments.experiment import Experiment, OracleName
from pcpo.fleets.fleet import Fleet
from pcpo.simulation.noise import noise_law
from pcpo.theory.calibration import LocalConstants, calibrated_constants, horizon_for, initial_gap, local_constants

__all__ = ["FACTORS", "METHODS", "SHARE_OF_PROBING", "Method", "experiment", "true_constants"]

#: δ, the failure probability of a run, and the epochs of a calibrated one.
_DELTA, _EPOCHS = 0.05, 2
_BISECTIONS = 60
_SMALLEST, _LARGEST = 1e-12, 1e6
#: Numbers of the fleets whose constants are used on others begin here.
_OTHERS = 1_000_000
#: Share of the budget that the control spends on probing, a fiftieth of the default.
SHARE_OF_PROBING = PCPOAuto().probe_share / 50
#: Factors by which Δ_0 is wrong.
FACTORS = (1 / 30, 1 / 10, 1 / 3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Method:
    """Describe how a method is run.

    Attributes:
        make: from the fleet, its condition and its number to the algorithm.
        factor: by which Δ_0 of a calibrated schedule is wrong; None for a method with a schedule of its own.
        title: its name in figures.
        least: smallest minibatch that its estimator can use: the two rollouts of a pair, or 1.
        look: the registered method as which figures draw it.
    """

    make: Callable[[Fleet, str, int], Algorithm]
    factor: float | None
    title: str
    least: int = 1
    look: str = "pcpo_auto"


def _plain(algorithm: Algorithm, title: str, factor: float | None = 1.0, look: str = "pcpo_auto") -> Method:
    """Return a method that is the same for every fleet."""
    least = 2 if getattr(algorithm, "estimator", "") == "two_point" else 1
    return Method(lambda fleet, condition, number: algorithm, factor, title, least, look)


def _auto(title: str, **fields: object) -> Method:
    """Return `pcpo_auto` with some fields changed."""
    return _plain(PCPOAuto(**fields), title, None)  # type: ignore[arg-type]


def _told(factor: float, fleet: Fleet, condition: str, number: int) -> Algorithm:
    """Return `pcpo_auto` with (7) and a guess Δ_0 = factor·Δ."""
    return PCPOAuto(sets="costs", Delta0=factor * separation(fleet))


def _of_another(fleet: Fleet, condition: str, number: int) -> Algorithm:
    """Return `pcpo_auto` with the true constants of another fleet of the same condition."""
    found = true_constants(draw(condition, number + _OTHERS))
    return PCPOAuto(constants=(found.radius_cap, found.h_max, found.variance))


def _factor(factor: float) -> str:
    """Return a factor as part of a name."""
    return f"{factor:g}" if factor >= 1 else f"1_{1 / factor:g}"


_CALIBRATED: Mapping[str, Method] = {
    "pcpo": _plain(PCPO(), "calibrated", look="pcpo"),
    "pcpo_two_point": _plain(PCPO(estimator="two_point"), "calibrated, two-point", look="pcpo_two_point"),
    "pcpo_centred": _plain(PCPO(estimator="centred"), "calibrated, centred", look="pcpo_centred"),
    "local": _plain(Local(), "local", look="local"),
    "local_two_point": _plain(Local(estimator="two_point"), "local, two-point", look="local"),
    "known": _plain(OracleClusters(estimator="two_point"), "known clusters, two-point", look="oracle_clusters"),
}
_AUTO: Mapping[str, Method] = {
    "auto": _auto("model-free"),
    "alone": _auto("model-free, alone", collaborate=False),
    "probing_once": _auto("probing at the start alone", reprobe=False),
    "curvature_trace": _auto("curvature from the trace", curvature="trace"),
    "curvature_spread": _auto("curvature from the spread", curvature="spread"),
    "stopping": _auto("with the stopping rule", stopping=True),
    "constant_steps": _auto("steps that stay as they are", cooling=False),
    "sets_by_costs": _auto("sets by (7)", sets="costs"),
    "unsafe": _auto("(7) and (8) as printed", sets="costs", safe=False),
    "exponent_paper": _auto(r"radius with $M^{-1/4}$", radius_exponent=0.25),
    "one_point": _auto("one-point estimator", estimator="one_point"),
    "centred": _auto("centred estimator", estimator="centred"),
    "little_probing": _auto("a fiftieth of the probing", probe_share=SHARE_OF_PROBING),
    "little_probing_once": _auto("a fiftieth, at the start alone", probe_share=SHARE_OF_PROBING, reprobe=False),
    "of_another": Method(_of_another, None, "constants of another fleet"),
}
#: Every method by its name in tables.
METHODS: Mapping[str, Method] = {
    **_AUTO,
    **_CALIBRATED,
    **{
        f"guess_{_factor(f)}": _plain(PCPO(estimator="centred"), f"calibrated, centred, Δ_0 = {f:.3g} Δ", f)
        for f in FACTORS
    },
    **{f"auto_guess_{_factor(f)}": Method(partial(_told, f), None, f"(7), Δ_0 = {f:.3g} Δ") for f in FACTORS},
}


@lru_cache(maxsize=64)
def true_constants(fleet: Fleet) -> LocalConstants:
    """Measure the constants of a fleet on the true model."""
    return local_constants(fleet, noise_law(NOISE), initial_gap(fleet))


@lru_cache(maxsize=64)
def _schedule(fleet: Fleet, scale: float, factor: float) -> Schedule:
    """Calibrate a schedule with κ_M = scale and Δ_0 = factor·Δ."""
    Delta0 = factor * separation(fleet)
    found = true_constants(fleet)
    found = replace(found, Delta0_tilde=max(found.Delta0_tilde, Delta0))
    constants = calibrated_constants(found, D=fleet.D, Delta0=Delta0, minibatch_scale=scale)
    return Schedule(constants, Delta0, _DELTA, fleet.N, fleet.D)


def separation(fleet: Fleet) -> float:
    """Return Δ of a fleet that has several clusters."""
    assert fleet.separation is not None
    return fleet.separation


@lru_cache(maxsize=64)
def _fitted_scale(fleet: Fleet, rollouts: int) -> float:
    """Return the largest κ_M with which two epochs with the right Δ_0 fit the budget, by bisection of its log.

    Raises:
        BudgetError: if they do not fit with minibatches of one rollout.
    """
    low, high = math.log(_SMALLEST), math.log(_LARGEST)
    if (fewest := _schedule(fleet, _SMALLEST, 1.0).rollouts_for(_EPOCHS)) > rollouts:
        raise BudgetError(f"rollouts: found {rollouts:,} per agent, expected at least {fewest:,} for {_EPOCHS} epochs")
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        fits = _schedule(fleet, math.exp(middle), 1.0).rollouts_for(_EPOCHS) <= rollouts
        low, high = (middle, high) if fits else (low, middle)
    return math.exp(low)


def experiment(fleet: Fleet, rollouts: int, factor: float | None, oracle: OracleName, least: int = 1) -> Experiment:
    """Make the experiment of a method.

    Args:
        fleet: the fleet.
        rollouts: T, per agent.
        factor: by which Δ_0 of the calibrated schedule is wrong; κ_M stays that of the right one, so the number of
            epochs changes.  None for a method that plans its epochs itself: then no schedule is read, and only the
            horizon is that of the right one.
        oracle: of the runs.
        least: smallest minibatch that the method can use.

    Raises:
        BudgetError: if a calibrated schedule does not reach the end of epoch 1 within the budget, or leaves minibatches
            that are too small.
    """
    scale = _fitted_scale(fleet, rollouts) if factor is not None else 1.0
    schedule = _schedule(fleet, scale, factor or 1.0)
    if factor is not None and not schedule.epochs_within(rollouts):
        raise BudgetError(f"rollouts: found {rollouts:,}, expected at least {schedule.rollouts_for(1):,} for one epoch")
    if factor is not None and schedule.plan(1).minibatch < least:
        raise BudgetError(f"rollouts: found {rollouts:,}, which leaves minibatches of 1, expected at least {least}")
    horizon = None if oracle == "moments" else horizon_for(fleet, _schedule(fleet, 1.0, 1.0), _EPOCHS)
    return Experiment(fleet, schedule, NOISE, horizon, rollouts, oracle)
