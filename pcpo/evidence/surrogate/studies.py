"""Estimates of the rollout oracle and of the moment oracle at fixed gains, standardised by their exact moments.

One table: z = Σ^(−½)(g − ∇C_r)·√M of one-point gradient estimates, or (Ĉ − C)·√(M/Var C) of mean costs, at the same
horizon.  If the surrogate is exact, z is standard normal.  Two controls standardise the rollouts wrongly: by ∇C, and by
the isotropic covariance (D V_r/r²)·I; from M = control_minibatch on.  Beside z stand the exact skewness and kurtosis of
one rollout's answer, which say how far from normal means of M are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.lemmas.studies import LAW, SYSTEMS, number_of, unit_directions
from pcpo.evidence.surrogate.cumulants import answer_cumulants, cost_cumulants
from pcpo.fleets.fleet import Fleet
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import Purpose, stream

__all__ = ["CONTROLS", "KINDS", "MOST_UNKNOWNS", "STUDIES", "SURROGATE"]

#: Question and system of each series.  A wide radius is one where ∇C_r, ∇C and the isotropic covariance differ.
KINDS: dict[str, tuple[str, str]] = {
    "scalar": ("wide", "scalar"),
    "two": ("wide", "two"),
    "three": ("wide", "three"),
    "narrow": ("narrow", "two"),
    "cost": ("cost", "two"),
}
#: Wrong standardisations of the rollouts, as sources of the table.
CONTROLS = ("control:gradient", "control:isotropic")
MOST_UNKNOWNS = 6
_FEW_NODES = 4  # order of the sphere rule for six unknowns


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    numbers = {name: value for name, value in options.items() if name != "minibatches"}
    return {f"{kind}:{M}": {"kind": kind, "minibatch": M, **numbers} for kind in KINDS for M in options["minibatches"]}


@lru_cache(maxsize=64)
def _gain(name: str, offset: float) -> FloatArray:
    """K* + offset·V, V a fixed unit direction."""
    system = SYSTEMS[name]
    fixed = unit_directions(system, 1, stream(0, Purpose.CALIBRATION, number_of(name), 9))[0]
    return np.asarray(lqr.riccati(system).K + offset * fixed)


@lru_cache(maxsize=64)
def _moments(name: str, offset: float, radius: float, horizon: int) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """∇C_r and ∇C, ``(D,)``, the covariance of one estimate and its isotropic part D V_r/r²."""
    system, K = SYSTEMS[name], _gain(name, offset)
    order = _FEW_NODES if system.D > 4 else None
    found = lqr.estimator_moments(system, K, radius, LAW, horizon=horizon, order=order)
    isotropic = system.D * found.second_moment / radius**2
    return found.mean.ravel(), lqr.gradient(system, K).ravel(), found.covariance, isotropic


@lru_cache(maxsize=64)
def _cumulants(kind: str, offset: float, radius: float, horizon: int) -> tuple[int, float, float]:
    """Direction of the largest skewness of one standardised answer, that skewness, and the largest kurtosis."""
    question, name = KINDS[kind]
    system, K = SYSTEMS[name], _gain(name, offset)
    if question == "cost":
        second, third, fourth = cost_cumulants(system, K[None], horizon).ravel()
        return 0, float(third / second**1.5), float(fourth / second**2)
    skewness, kurtosis = answer_cumulants(system, K, radius, horizon, _FEW_NODES if system.D > 4 else None)
    worst = int(np.argmax(np.abs(skewness)))
    return worst, float(skewness[worst]), float(kurtosis[np.argmax(np.abs(kurtosis))])


def _standardised(values: FloatArray, mean: FloatArray, covariance: FloatArray, minibatch: int) -> FloatArray:
    """z ``(samples, D)`` of estimates, by the Cholesky factor."""
    return np.asarray(np.linalg.solve(np.linalg.cholesky(covariance / minibatch), (values - mean).T).T)


def _answers(oracle: Oracle, cell: Mapping[str, Any], K: FloatArray, radius: float, samples: int) -> FloatArray:
    """``(samples, D)`` gradient estimates, or ``(samples, 1)`` costs."""
    M = epoch = int(cell["minibatch"])
    purpose, radii = Purpose.EVALUATION, np.array([radius])
    if cell["kind"] == "cost":
        return np.stack([oracle.costs(K[None], M, purpose=purpose, epoch=epoch).values for _ in range(samples)])
    answers = [oracle.gradients(K[None], M, radii, purpose=purpose, epoch=epoch) for _ in range(samples)]
    return np.stack([answer.values.ravel() for answer in answers])


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    question, name = KINDS[cell["kind"]]
    system, K, h, M = SYSTEMS[name], _gain(name, float(cell["offset"])), int(cell["horizon"]), int(cell["minibatch"])
    radius = float(cell["narrow" if question == "narrow" else "wide"])
    if question == "cost":
        mean = slope = np.array([lqr.truncated_cost(system, K, h)])
        covariance = lqr.truncated_variance_array(system, K[None], h, LAW).reshape(1, 1)
        isotropic = float(covariance[0, 0])
    else:
        mean, slope, covariance, isotropic = _moments(name, float(cell["offset"]), radius, h)
    fleet = Fleet("surrogate", (system,), np.zeros(1, dtype=np.int64), K[None])
    samples = max(1, min(int(cell["samples"]), int(cell["rollouts"]) // M))
    direction, skewness, kurtosis = _cumulants(cell["kind"], float(cell["offset"]), radius, h)
    frames = []
    for seed in seeds:
        own = 10 * seed + list(KINDS).index(cell["kind"])  # of the oracles: kinds do not share random numbers
        simulated = _answers(RolloutOracle(fleet, seed=own, horizon=h, law=LAW), cell, K, radius, samples)
        drawn = _answers(MomentOracle(fleet, seed=own, horizon=h, law=LAW), cell, K, radius, samples)
        sources = {
            "rollouts": _standardised(simulated, mean, covariance, M),
            "moments": _standardised(drawn, mean, covariance, M),
        }
        if question == "wide" and int(cell["control_minibatch"]) <= M:
            wrong = isotropic * np.eye(system.D)
            sources |= {
                CONTROLS[0]: _standardised(simulated, slope, covariance, M),
                CONTROLS[1]: _standardised(simulated, mean, wrong, M),
            }
        for source, z in sources.items():
            padded = np.full((samples, MOST_UNKNOWNS), np.nan)
            padded[:, : z.shape[1]] = z
            columns = {f"z{d}": padded[:, d] for d in range(MOST_UNKNOWNS)}
            own_rows = pd.DataFrame({"seed": seed, "sample": np.arange(samples), "source": source, **columns})
            frames.append(own_rows.assign(kind=cell["kind"], minibatch=M, unknowns=z.shape[1]))
    found = pd.concat(frames, ignore_index=True)
    return found.assign(direction=direction, skewness=skewness, kurtosis=kurtosis)


SURROGATE = Study(
    name="surrogate",
    title="Minibatches by rollouts and by the moment oracle",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "run",
        "sample": "estimate of the run",
        "source": "oracle that answered, or how rollouts were standardised wrongly on purpose",
        "kind": "system and radius, or that it is a cost",
        "minibatch": "M, rollouts of one estimate",
        "unknowns": "D, or 1 for a cost",
        "direction": "of the fixed random directions, the one of the largest skewness",
        "skewness": "exact skewness of one rollout's standardised answer along it; that of a mean of M is 1/√M of it",
        "kurtosis": "exact excess kurtosis of one rollout's answer, the largest over the directions",
        **{f"z{d}": f"component {d} of the standardised estimate; NaN from D on" for d in range(MOST_UNKNOWNS)},
    },
    key=("seed", "sample", "source"),
    may_be_missing=frozenset(f"z{d}" for d in range(1, MOST_UNKNOWNS)),
    options={
        "minibatches": several([10**k for k in range(8)], whole()),
        "wide": number(0.4),
        "narrow": number(0.001),
        "offset": number(0.1),
        "horizon": whole(20, least=2),
        "rollouts": whole(4_000_000),
        "samples": whole(100),
        "control_minibatch": whole(100),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "surrogate": SURROGATE,
}
