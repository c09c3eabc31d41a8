"""Simulate estimates of the rollout oracle and of the moment oracle at fixed gains, and standardise them exactly.

The table holds z = Σ^(−½)(g − ∇C_r)·√M of one-point gradient estimates, or (Ĉ − C)·√(M/Var C) of mean costs, with
moments at the horizon of the rollouts.  If the moment oracle is exact, z is standard normal.  Two controls standardise
the rollouts wrongly, from M = control_minibatch on: by ∇C, and by the isotropic covariance (D V_r/r²)·I.  The table
also has the exact skewness and kurtosis of an estimate with M = 1, which say how far from normal means of M are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pcpo import lqr
from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.fleets.examples import SYSTEMS, shifted_optimum
from pcpo.fleets.fleet import Fleet
from pcpo.lqr.cumulants import cost_cumulants
from pcpo.lqr.system import LinearSystem
from pcpo.oracles.moment import MomentOracle
from pcpo.oracles.protocol import Oracle
from pcpo.oracles.rollout import RolloutOracle
from pcpo.simulation.noise import NoiseLaw, Purpose, noise_law
from pcpo.theory.normality import answer_cumulants

__all__ = ["CONTROLS", "KINDS", "MOST_UNKNOWNS", "STUDIES", "SURROGATE"]

#: Question ("wide" and "narrow": a gradient at that radius; "cost") and example system of each kind of estimate.  At a
#: wide radius ∇C_r differs from ∇C, and the covariance from the isotropic one.
KINDS: dict[str, tuple[str, str]] = {
    "scalar": ("wide", "scalar"),
    "two": ("wide", "two"),
    "three": ("wide", "three"),
    "narrow": ("narrow", "two"),
    "cost": ("cost", "two"),
}
#: Wrong standardisations of the rollouts, as sources of the table: by ∇C, and by the isotropic covariance.
CONTROLS = ("control:gradient", "control:isotropic")
#: Components of z in the table.
MOST_UNKNOWNS = 6

_LAW: NoiseLaw = noise_law("signs")
_MANY_UNKNOWNS, _FEW_NODES = 4, 4  # beyond so many unknowns, the order of the quadrature on the sphere


@dataclass(frozen=True)
class Cell:
    """Describe a condition of the study.

    Args:
        kind: of estimate, a key of `KINDS`.
        minibatch: M, rollouts of an estimate.
        wide: smoothing radius of the kinds "scalar", "two" and "three" (units of the gain).
        narrow: smoothing radius of the kind "narrow" (units of the gain).
        offset: ‖K − K*‖ (units of the gain).
        horizon: stages of a rollout.
        rollouts: at most so many rollouts in a run.
        samples: at most so many estimates in a run.
        control_minibatch: smallest M at which the controls are made.
    """

    kind: str
    minibatch: int
    wide: float
    narrow: float
    offset: float
    horizon: int
    rollouts: int
    samples: int
    control_minibatch: int

    @property
    def question(self) -> str:
        """Return what the oracle is asked."""
        return KINDS[self.kind][0]

    @property
    def system(self) -> LinearSystem:
        """Return the example system."""
        return SYSTEMS[KINDS[self.kind][1]]

    @property
    def gain(self) -> FloatArray:
        """Return the gain K* + offset·V ``(m, n)``, with a fixed unit direction V."""
        return shifted_optimum(KINDS[self.kind][1], self.offset)

    @property
    def radius(self) -> float:
        """Return the smoothing radius; costs have none."""
        return self.narrow if self.question == "narrow" else self.wide

    @property
    def estimates(self) -> int:
        """Return the number of estimates in a run: what `rollouts` allow, but at least one."""
        return max(1, min(self.samples, self.rollouts // self.minibatch))


@dataclass(frozen=True)
class _Moments:
    """Hold the exact moments of an estimate with M = 1.

    Args:
        mean: ∇C_r ``(D,)``, or the cost ``(1,)``.
        slope: ∇C ``(D,)``, or the cost.
        covariance: ``(D, D)``, or ``(1, 1)``.
        isotropic: D V_r/r², or the variance.
    """

    mean: FloatArray
    slope: FloatArray
    covariance: FloatArray
    isotropic: float


@dataclass(frozen=True)
class _Shape:
    """Hold what is not normal in a standardised estimate with M = 1.

    Args:
        direction: index of the fixed direction with the largest skewness.
        skewness: along that direction.
        kurtosis: the largest excess kurtosis along any of the directions.
    """

    direction: int
    skewness: float
    kurtosis: float


def _cells(options: Mapping[str, Any]) -> dict[str, Cell]:
    """Make a cell for each kind of estimate and each minibatch."""
    rest = {name: value for name, value in options.items() if name != "minibatches"}
    return {f"{kind}:{M}": Cell(kind=kind, minibatch=M, **rest) for kind in KINDS for M in options["minibatches"]}


def _order(system: LinearSystem) -> int | None:
    """Return the order of the quadrature on the sphere, None for the default."""
    return _FEW_NODES if system.D > _MANY_UNKNOWNS else None


@lru_cache(maxsize=64)
def _moments(name: str, offset: float, radius: float, horizon: int) -> _Moments:
    """Return the moments of a gradient estimate."""
    system, K = SYSTEMS[name], shifted_optimum(name, offset)
    found = lqr.estimator_moments(system, K, radius, _LAW, horizon=horizon, order=_order(system))
    isotropic = system.D * found.second_moment / radius**2
    return _Moments(found.mean.ravel(), lqr.gradient(system, K).ravel(), found.covariance, isotropic)


def _cost_moments(system: LinearSystem, K: FloatArray, horizon: int) -> _Moments:
    """Return the moments of the cost of a rollout."""
    mean = np.array([lqr.truncated_cost(system, K, horizon)])
    covariance = lqr.truncated_variance_array(system, K[None], horizon, _LAW).reshape(1, 1)
    return _Moments(mean, mean, covariance, float(covariance[0, 0]))


@lru_cache(maxsize=64)
def _shape(kind: str, offset: float, radius: float, horizon: int) -> _Shape:
    """Return the exact skewness and kurtosis of a standardised estimate with M = 1."""
    question, name = KINDS[kind]
    system, K = SYSTEMS[name], shifted_optimum(name, offset)
    if question == "cost":
        second, third, fourth = cost_cumulants(system, K[None], _LAW, horizon).ravel()
        return _Shape(0, float(third / second**1.5), float(fourth / second**2))
    skewness, kurtosis = answer_cumulants(system, K, radius, _LAW, horizon, _order(system))
    worst = int(np.argmax(np.abs(skewness)))
    return _Shape(worst, float(skewness[worst]), float(kurtosis[np.argmax(np.abs(kurtosis))]))


def _standardised(values: FloatArray, mean: FloatArray, covariance: FloatArray, minibatch: int) -> FloatArray:
    """Standardise estimates by the Cholesky factor of their covariance: z ``(samples, D)``."""
    return np.asarray(np.linalg.solve(np.linalg.cholesky(covariance / minibatch), (values - mean).T).T)


def _answers(oracle: Oracle, cell: Cell) -> FloatArray:
    """Ask an oracle for gradient estimates ``(samples, D)`` or costs ``(samples, 1)``."""
    M, K, count = cell.minibatch, cell.gain, cell.estimates
    purpose, epoch = Purpose.EVALUATION, cell.minibatch
    if cell.question == "cost":
        return np.stack([oracle.costs(K[None], M, purpose=purpose, epoch=epoch).values for _ in range(count)])
    radii = np.array([cell.radius])
    answers = [oracle.gradients(K[None], M, radii, purpose=purpose, epoch=epoch) for _ in range(count)]
    return np.stack([answer.values.ravel() for answer in answers])


def _by_source(cell: Cell, exact: _Moments, seed: int) -> dict[str, FloatArray]:
    """Simulate one run: z ``(samples, D)`` of each source."""
    system, K, M, h = cell.system, cell.gain, cell.minibatch, cell.horizon
    fleet = Fleet("surrogate", (system,), np.zeros(1, dtype=np.int64), K[None])
    oracle_seed = 10 * seed + list(KINDS).index(cell.kind)  # kinds do not share random numbers
    simulated = _answers(RolloutOracle(fleet, seed=oracle_seed, horizon=h, law=_LAW), cell)
    drawn = _answers(MomentOracle(fleet, seed=oracle_seed, horizon=h, law=_LAW), cell)
    sources = {
        "rollouts": _standardised(simulated, exact.mean, exact.covariance, M),
        "moments": _standardised(drawn, exact.mean, exact.covariance, M),
    }
    if cell.question == "wide" and cell.control_minibatch <= M:
        wrong = exact.isotropic * np.eye(system.D)
        sources |= {
            CONTROLS[0]: _standardised(simulated, exact.slope, exact.covariance, M),
            CONTROLS[1]: _standardised(simulated, exact.mean, wrong, M),
        }
    return sources


def _simulate(cell: Cell, seeds: Sequence[int]) -> pd.DataFrame:
    """Compare the oracles in one condition; a row for each estimate of each source."""
    _, name = KINDS[cell.kind]
    if cell.question == "cost":
        exact = _cost_moments(cell.system, cell.gain, cell.horizon)
    else:
        exact = _moments(name, cell.offset, cell.radius, cell.horizon)
    shape = _shape(cell.kind, cell.offset, cell.radius, cell.horizon)
    frames = []
    for seed in seeds:
        for source, z in _by_source(cell, exact, seed).items():
            padded = np.full((len(z), MOST_UNKNOWNS), np.nan)
            padded[:, : z.shape[1]] = z
            columns = {f"z{d}": padded[:, d] for d in range(MOST_UNKNOWNS)}
            rows = pd.DataFrame({"seed": seed, "sample": np.arange(len(z)), "source": source, **columns})
            frames.append(rows.assign(kind=cell.kind, minibatch=cell.minibatch, unknowns=z.shape[1]))
    found = pd.concat(frames, ignore_index=True)
    return found.assign(direction=shape.direction, skewness=shape.skewness, kurtosis=shape.kurtosis)


SURROGATE = Study(
    name="surrogate",
    title="Minibatches by rollouts and by the moment oracle",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "run",
        "sample": "number of the estimate in the run",
        "source": "oracle that answered, or how rollouts were standardised wrongly on purpose",
        "kind": "kind of estimate: example system with a wide radius, two states with a narrow radius, or a cost",
        "minibatch": "M, rollouts of one estimate",
        "unknowns": "D, or 1 for a cost",
        "direction": "index of the fixed random direction with the largest skewness",
        "skewness": "exact skewness of a standardised estimate with M = 1 along it; with M rollouts it is 1/√M of this",
        "kurtosis": "exact excess kurtosis of an estimate with M = 1, the largest over the directions",
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
