"""Logged trajectories of local policy optimisation, K ← K − ηg: the recursion (29) and Lemma 9.

Three sources of g.  "rollouts": the package's engine with calibrated constants.  "moments": the constants of (21) as
printed, whose minibatches are beyond simulation, so g is normal with the exact mean and covariance of a minibatch (a
mean of 10¹⁰ and more terms).  "adversary": g = (1 − t)∇C, the worst that an error of its size can do to (29).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.algorithms.schedule import Schedule, literal_constants
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, whole
from pcpo.evidence.lemmas.studies import (
    EDGE,
    LAW,
    SYSTEMS,
    at_gap,
    constants,
    number_of,
    restricted_gap,
    unit_directions,
)
from pcpo.fleets.fleet import Fleet, LinearSystem
from pcpo.simulation.estimators import gradient_estimate
from pcpo.simulation.noise import Purpose, stream
from pcpo.theory.calibration import calibrated_constants, horizon_for, local_constants

__all__ = ["DESCENT", "STUDIES"]

_ADVERSARY_STEPS = 6


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    plain = {"step_factor": 1.0, "minibatch_factor": 1.0, **options}
    names = [name for name in SYSTEMS if name != EDGE]
    cells = {f"rollouts:{name}": {"system": name, "source": "rollouts", **plain} for name in names}
    cells |= {f"moments:{name}": {"system": name, "source": "moments", **plain} for name in names[:2]}
    cells |= {f"adversary:{name}": {"system": name, "source": "adversary", **plain} for name in names}
    cells["control:step"] = {**cells["rollouts:two"], "step_factor": 10.0, "minibatch_factor": 0.1}
    cells["control:minibatch"] = {**cells["rollouts:two"], "minibatch_factor": 1 / 300}
    cells["control:literal"] = {**cells["moments:two"], "step_factor": 1000.0}
    return cells


@dataclass(frozen=True)
class _Plan:
    """η, R and the source of g; slope: the μ of (29); bound: from S_0 to the right-hand side of (24)."""

    step_size: float
    iterations: int
    slope: float
    estimate: Callable[[FloatArray, Sequence[np.random.Generator]], FloatArray]
    bound: Callable[[float], float]


def _calibrated(cell: Mapping[str, Any], system: LinearSystem, K0: FloatArray) -> _Plan:
    """The first epoch with Δ_0 = 2Δ̃_0 and one agent: rate and tolerance of (24) by `pcpo.theory.calibration`.

    (1 − ημ/4)^R becomes Δ_1²/(16 Δ̃_0 Δ_0), what R_1 is for, and the other term Δ_1/16, what M_1 is for.
    """
    Delta0 = 2 * float(cell["start"]) * lqr.riccati(system).cost
    fleet = Fleet("one", (system,), np.zeros(1, dtype=np.int64), K0[None])
    local = local_constants(fleet, LAW, Delta0)
    fixed = calibrated_constants(local, D=system.D, Delta0=Delta0, minibatch_scale=float(cell["scale"]))
    # δ' R = δ_1/4 is the probability that Lemma 9 gives up; δ_1 = δ/2 for the run's δ.
    schedule = Schedule(fixed, Delta0, 8 * float(cell["delta"]), 1, system.D)
    plan, horizon = schedule.plan(1), horizon_for(fleet, schedule, 1)
    M = max(1, round(plan.minibatch * float(cell["minibatch_factor"])))

    def estimate(K: FloatArray, streams: Sequence[np.random.Generator]) -> FloatArray:
        return gradient_estimate(
            system, K, plan.radius_local, M, horizon=horizon, law=LAW, directions=streams[0], noise=streams[1]
        ).value

    def bound(S0: float) -> float:
        return plan.Delta**2 / (16 * local.Delta0_tilde * Delta0) * S0 + plan.Delta / 16

    step = plan.step_size * float(cell["step_factor"])
    return _Plan(step, plan.iterations, 2 * local.h_min, estimate, bound)


def _literal(cell: Mapping[str, Any], system: LinearSystem, K0: FloatArray) -> _Plan:
    """(21) as printed with Δ_0 = Δ̃_0, the smallest M and the r of Lemma 9, for a number of steps R; δ' = δ/R."""
    known, star = constants(system, float(cell["start"])), lqr.riccati(system).cost
    Delta0, R, D = float(cell["start"]) * star, int(cell["literal_steps"]), system.D
    c = literal_constants(known, D=D, Delta0=Delta0, Delta0_tilde=Delta0)
    log_term = math.log(2 * D * R / float(cell["delta"]))
    M = c.c4 / Delta0**2 * log_term
    r = min(c.c6, math.sqrt(c.c5 * math.sqrt(log_term / M)))
    # c5 = c8 D/φ, and c9 = (12 c8/μ) max{√φ, 1/ρ}².
    c9 = 12 * (c.c5 * known.smoothness / D) / known.pl * max(math.sqrt(known.smoothness), 1 / known.radius) ** 2

    def estimate(K: FloatArray, streams: Sequence[np.random.Generator]) -> FloatArray:
        moments = lqr.estimator_moments(system, K, r, LAW)
        noise = np.linalg.cholesky(moments.covariance / M) @ streams[0].standard_normal(D)
        return np.asarray(moments.mean + noise.reshape(K.shape))

    def bound(S0: float) -> float:
        return (1 - c.c1 * known.pl / 4) ** R * S0 + c9 * D * math.sqrt(log_term / M)

    return _Plan(c.c1 * float(cell["step_factor"]), R, known.pl, estimate, bound)


def _adversary(cell: Mapping[str, Any], system: LinearSystem, K0: FloatArray) -> _Plan:
    """e = −t∇C with t from [1, 2] for every learner; η = 1/(4h_max) at K*, the largest that (29) allows there."""

    def estimate(K: FloatArray, streams: Sequence[np.random.Generator]) -> FloatArray:
        return np.asarray(-streams[0].random() * lqr.gradient(system, K))

    eta = 1 / (4 * float(lqr.hessian_eigenvalues(system)[-1]))
    h_min = float(lqr.hessian_eigenvalues(system)[0])
    return _Plan(eta, _ADVERSARY_STEPS, 2 * h_min, estimate, lambda S0: math.inf)


_PLANS = {"rollouts": _calibrated, "moments": _literal, "adversary": _adversary}


def _trajectory(
    plan: _Plan, system: LinearSystem, K: FloatArray, streams: Sequence[np.random.Generator]
) -> dict[str, list[float]]:
    """S_k, S_{k+1} and ‖e_k‖² of every step, until the cost is infinite."""
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
    return log


def _descent(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    system, start, source = SYSTEMS[cell["system"]], float(cell["start"]), str(cell["source"])
    limit = restricted_gap(system, start)
    learners = int(cell["literal_learners" if source == "moments" else "learners"])
    first = limit / 10 if source != "adversary" else limit / 1000
    frames = []
    for seed in seeds:
        for learner in range(learners):
            key = (number_of(cell["system"]), list(_PLANS).index(source), learner)
            V = unit_directions(system, 1, stream(seed, Purpose.LOCAL, *key, 0))
            K0 = at_gap(system, V, first)[0]
            plan = _PLANS[source](cell, system, K0)
            log = pd.DataFrame(_trajectory(plan, system, K0, [stream(seed, Purpose.LOCAL, *key, k) for k in (1, 2)]))
            log = log.assign(seed=seed, learner=learner, step=np.arange(len(log)), limit=limit)
            log = log.assign(iterations=plan.iterations, bound=plan.bound(float(log["gap"].iloc[0])))
            frames.append(log.assign(step_size=plan.step_size, slope=plan.slope, allowed=float(cell["delta"])))
    return pd.concat(frames, ignore_index=True)


DESCENT = Study(
    name="lemmas_descent",
    title="Trajectories of local policy optimisation",
    cells=_cells,
    simulate=_descent,
    columns={
        "seed": "run",
        "learner": "learner of the run: its own start and its own noise",
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
