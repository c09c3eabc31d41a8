"""Log trajectories of local policy optimisation, K ← K − ηg: the recursion (29) and Lemma 9.

The gradient estimate g has three sources.  "rollouts": the package's estimator with calibrated constants.  "moments":
the constants of (21) as printed, whose minibatches are too large to simulate, so g is normal with the exact mean and
covariance of a minibatch (a mean of 10¹⁰ and more terms).  "adversary": g = (1 − t)∇C, the worst case of (29) for an
error of that size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.schedule import Schedule, literal_constants
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.lemmas.constants import LAW, constants, restricted_gap
from pcpo.fleets.examples import SYSTEMS, TYPICAL, number_of
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.system import LinearSystem
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import Purpose, stream, unit_directions
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants
from pcpo.theory.printed.restricted_set import at_gap

__all__ = ["DESCENT", "STUDIES"]

_ADVERSARY_STEPS = 6
_START, _ADVERSARY_START = 10, 1000  # largest gap in the restricted set over the initial gap


@dataclass(frozen=True)
class Cell:
    """Describe a condition of `lemmas_descent`.

    Args:
        system: name of the example system.
        source: where gradient estimates come from, a key of `_PLANS`.
        start: Δ̃_0/C*.
        delta: δ'R, the probability with which Lemma 9 may fail.
        learners: learners in each run.
        scale: factor of the minibatch in the calibrated constants.
        literal_steps: R of the source "moments".
        step_factor: factor of the step size; not 1 in controls.
        minibatch_factor: factor of the minibatch; not 1 in controls.
    """

    system: str
    source: str
    start: float
    delta: float
    learners: int
    scale: float
    literal_steps: int
    step_factor: float = 1.0
    minibatch_factor: float = 1.0


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for each source and system, and the controls."""

    def cell(source: str, system: str) -> Cell:
        learners = int(options["literal_learners" if source == "moments" else "learners"])
        start, delta, scale = (float(options[key]) for key in ("start", "delta", "scale"))
        return Cell(system, source, start, delta, learners, scale, int(options["literal_steps"]))

    systems = {"rollouts": TYPICAL, "moments": TYPICAL[:2], "adversary": TYPICAL}
    cells = {f"{source}:{system}": cell(source, system) for source, names in systems.items() for system in names}
    return {
        **cells,
        "control:step": replace(cells["rollouts:two"], step_factor=10.0, minibatch_factor=0.1),
        "control:minibatch": replace(cells["rollouts:two"], minibatch_factor=1 / 300),
    }


@dataclass(frozen=True)
class _Plan:
    """Hold what a learner does.

    Args:
        step_size: η.
        iterations: R.
        slope: μ of (29) (units of the Hessian).
        estimate: from a gain ``(m, n)`` and the learner's streams to a gradient estimate ``(m, n)``.
        bound: from S_0 to the right-hand side of (24).
    """

    step_size: float
    iterations: int
    slope: float
    estimate: Callable[[FloatArray, Sequence[np.random.Generator]], FloatArray]
    bound: Callable[[float], float]


def _calibrated(cell: Cell, system: LinearSystem, K0: FloatArray) -> _Plan:
    """Plan the first epoch with Δ_0 = 2Δ̃_0 and one agent, by the constants of `pcpo.theory.calibration`.

    In (24) the factor (1 − ημ/4)^R becomes Δ_1²/(16 Δ̃_0 Δ_0), for which R_1 is chosen, and the other term becomes
    Δ_1/16, for which M_1 is chosen.
    """
    Delta0 = 2 * cell.start * lqr.riccati(system).cost
    fleet = Fleet("one", (system,), np.zeros(1, dtype=np.int64), K0[None])
    local = local_constants(fleet, LAW, Delta0)
    fixed = calibrated_constants(local, D=system.D, Delta0=Delta0, minibatch_scale=cell.scale)
    # Lemma 9 may fail with probability δ'R = δ_1/4, and δ_1 = δ/2 for the run's δ.
    schedule = Schedule(fixed, Delta0, 8 * cell.delta, 1, system.D)
    plan, horizon = schedule.plan(1), horizon_for(fleet, schedule, 1)
    M = max(1, round(plan.minibatch * cell.minibatch_factor))

    def estimate(K: FloatArray, streams: Sequence[np.random.Generator]) -> FloatArray:
        return gradient_estimate(
            system, K, plan.radius_local, M, horizon=horizon, law=LAW, directions=streams[0], noise=streams[1]
        ).value

    def bound(S0: float) -> float:
        return plan.Delta**2 / (16 * local.Delta0_tilde * Delta0) * S0 + plan.Delta / 16

    return _Plan(plan.step_size * cell.step_factor, plan.iterations, 2 * local.h_min, estimate, bound)


def _literal(cell: Cell, system: LinearSystem, K0: FloatArray) -> _Plan:
    """Plan R steps by (21) as printed with Δ_0 = Δ̃_0, and the smallest M and the r of Lemma 9; δ' = δ/R.

    R is far below R_1 of Table 2, so Lemma 9 is not tested on them: the bound is infinite.
    """
    known, star = constants(system, cell.start), lqr.riccati(system).cost
    Delta0, R, D = cell.start * star, cell.literal_steps, system.D
    c = literal_constants(known, D=D, Delta0=Delta0, Delta0_tilde=Delta0)
    log_term = math.log(2 * D * R / cell.delta)
    M = c.c4 / Delta0**2 * log_term
    r = min(c.c6, math.sqrt(c.c5 * math.sqrt(log_term / M)))

    def estimate(K: FloatArray, streams: Sequence[np.random.Generator]) -> FloatArray:
        moments = lqr.estimator_moments(system, K, r, LAW)
        noise = np.linalg.cholesky(moments.covariance / M) @ streams[0].standard_normal(D)
        return np.asarray(moments.mean + noise.reshape(K.shape))

    return _Plan(c.c1 * cell.step_factor, R, known.pl, estimate, lambda S0: math.inf)


def _adversary(cell: Cell, system: LinearSystem, K0: FloatArray) -> _Plan:
    """Plan steps with the error e = −t∇C, t uniform on [1, 2], and η = 1/(4h_max) at K*, the largest that (29) allows.

    Lemma 9 is not tested on them: the bound is infinite.
    """

    def estimate(K: FloatArray, streams: Sequence[np.random.Generator]) -> FloatArray:
        return np.asarray(-streams[0].random() * lqr.gradient(system, K))

    eta = 1 / (4 * float(lqr.hessian_eigenvalues(system)[-1]))
    h_min = float(lqr.hessian_eigenvalues(system)[0])
    return _Plan(eta, _ADVERSARY_STEPS, 2 * h_min, estimate, lambda S0: math.inf)


#: The sources of gradient estimates; their order is part of the random streams.
_PLANS: dict[str, Callable[[Cell, LinearSystem, FloatArray], _Plan]] = {
    "rollouts": _calibrated,
    "moments": _literal,
    "adversary": _adversary,
}


def _trajectory(
    plan: _Plan, system: LinearSystem, K: FloatArray, streams: Sequence[np.random.Generator]
) -> pd.DataFrame:
    """Run one learner from K and log S_k, S_{k+1} and ‖e_k‖² of every step, until the cost is infinite."""
    S = lqr.suboptimality_gap(system, K)
    log: dict[str, list[float]] = {"gap": [], "next_gap": [], "error": []}
    for _ in range(plan.iterations):
        slope = lqr.gradient(system, K)
        g = plan.estimate(K, streams)
        K = K - plan.step_size * g
        log["gap"].append(S)
        log["error"].append(float(np.sum((g - slope) ** 2)))
        S = lqr.suboptimality_gap(system, K)
        log["next_gap"].append(S)
        if not math.isfinite(S):
            break
    return pd.DataFrame(log)


def _trajectories(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Log the steps of every learner; each starts in a random direction at the same gap."""
    system = SYSTEMS[cell.system]
    limit = restricted_gap(system, cell.start)
    first = limit / (_ADVERSARY_START if cell.source == "adversary" else _START)
    frames = []
    for seed in seeds:
        for learner in range(cell.learners):
            key = (Purpose.LOCAL, number_of(cell.system), list(_PLANS).index(cell.source), learner)
            K0 = at_gap(system, unit_directions(system, 1, stream(seed, *key, 0)), first)[0]
            plan = _PLANS[cell.source](cell, system, K0)
            log = _trajectory(plan, system, K0, [stream(seed, *key, k) for k in (1, 2)])
            log = log.assign(seed=seed, learner=learner, step=np.arange(len(log)), limit=limit)
            log = log.assign(iterations=plan.iterations, bound=plan.bound(float(log["gap"].iloc[0])))
            frames.append(log.assign(step_size=plan.step_size, slope=plan.slope, allowed=cell.delta))
    return pd.concat(frames, ignore_index=True)


DESCENT = Study(
    name="lemmas_descent",
    title="Trajectories of local policy optimisation",
    cells=_cells,
    simulate=_trajectories,
    columns={
        "seed": "run",
        "learner": "learner of the run, with a start and noise of its own",
        "step": "iteration k",
        "iterations": "R",
        "gap": "S_k = C(K_k) − C* (units of cost)",
        "next_gap": "S_{k+1}; infinite if the cost is (units of cost)",
        "error": "‖e_k‖², e_k = g_k − ∇C(K_k) (units of the gradient, squared)",
        "step_size": "η (units of gain per unit of gradient)",
        "slope": "μ of (29) (units of the Hessian)",
        "limit": "10 Δ̃_0, the gap that bounds the restricted set (units of cost)",
        "allowed": "δ'R, the probability with which Lemma 9 may fail",
        "bound": "right-hand side of (24); infinite where the lemma is not tested (units of cost)",
    },
    key=("seed", "learner", "step"),
    options={
        "start": number(0.05),
        "delta": number(0.1, below=1),
        "learners": whole(1),
        "scale": number(1.0),
        "literal_learners": whole(2),
        "literal_steps": whole(25),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "lemmas_descent": DESCENT,
}
