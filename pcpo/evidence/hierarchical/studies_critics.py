"""Declare the studies of critics at one gain.

`hierarchical_critic` follows the error of Algorithm 3 over its iterations; `hierarchical_samples` compares the error of
least-squares TD over sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.hierarchical.model.actor import least_squares_fits
from pcpo.evidence.hierarchical.model.critics import LeastSquares, chain, gtd_estimates, gtd_radii, stage_costs, svec
from pcpo.evidence.hierarchical.model.instances import section6_instance
from pcpo.evidence.hierarchical.model.regulator import Regulator
from pcpo.evidence.hierarchical.model.system import ExchangeableSystem, Gains
from pcpo.simulation.noise import Purpose, stream

__all__ = ["CRITIC", "SAMPLES", "STUDIES", "SYSTEM"]

_I = np.eye(1)
#: The system and the gain at which Algorithm 3 runs: well conditioned, so that its rate shows within 2^18 iterations.
SYSTEM, _GAIN = Regulator(0.5 * _I, 0.5 * _I, _I, _I, _I, _I), 0.3 * _I


@dataclass(frozen=True)
class CriticCell:
    """Describe a condition of `hierarchical_critic`.

    Args:
        first, last: checkpoints are at T = 2^first, …, 2^last.
        alpha: α of the step α/t^power of Algorithm 3.
        power: exponent of t in the step; None for least squares on the same trajectory.
        ball: Γ² relative to ‖δ*‖; None for Γ² of (42).
        drawn: whether system and gain are drawn for every seed, in place of `SYSTEM`.
    """

    first: int
    last: int
    alpha: float
    power: float | None
    ball: float | None = None
    drawn: bool = False


def _critic_cells(options: Mapping[str, Any]) -> dict[str, CriticCell]:
    """Return Algorithm 3 on one system and on drawn ones, its two controls, and least squares."""
    return {
        "gtd": CriticCell(**options, power=0.5),
        "control:harmonic": CriticCell(**options, power=1.0),
        "control:ball": CriticCell(**options, power=0.5, ball=0.5),
        "least_squares": CriticCell(**options, power=None),
        "drawn": CriticCell(**options, power=0.5, drawn=True),
    }


def _critic_errors(cell: CriticCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each checkpoint of each trajectory."""
    steps = [2**j for j in range(cell.first, cell.last + 1)]
    frames = []
    for seed in seeds:
        S, K = _drawn(stream(seed, Purpose.EVALUATION, 11)) if cell.drawn else (SYSTEM, _GAIN)
        true, radii = svec(S.Delta(K)), gtd_radii(S, K, K)
        if cell.ball is not None:
            radii[1] = cell.ball * np.linalg.norm(true)
        v = chain(S, K, steps[-1], stream(seed, Purpose.EVALUATION, 4))
        costs = stage_costs(v[:-1], S.Q, S.R)
        if cell.power is not None:
            found = gtd_estimates(v, costs, radii, steps, alpha=cell.alpha, power=cell.power)[:, 1:]
        else:
            found = np.array(list(_least_squares(S, K, v, costs, steps)))
        errors = np.sum((found - true) ** 2, axis=1) / np.sum(true**2)
        frames.append(pd.DataFrame({"seed": seed, "iterations": steps, "error": errors}))
    return pd.concat(frames, ignore_index=True)


def _drawn(rng: np.random.Generator) -> tuple[Regulator, FloatArray]:
    """Draw a well-conditioned system of two states and one input with ρ(A) = 1/2, and a gain near 0."""
    A = rng.standard_normal((2, 2))
    A *= 0.5 / np.abs(np.linalg.eigvals(A)).max()
    Q, R = np.diag(rng.uniform(0.5, 1.5, 2)), np.diag(rng.uniform(0.5, 1.5, 1))
    return Regulator(A, 0.5 * rng.standard_normal((2, 1)), Q, R, np.eye(2), _I), 0.1 * rng.standard_normal((1, 2))


def _least_squares(
    S: Regulator, K: FloatArray, v: FloatArray, costs: FloatArray, steps: Sequence[int]
) -> Iterator[FloatArray]:
    """Yield the estimate of δ* after each of the given numbers of steps."""
    critic = LeastSquares(K, S.Psi)
    for start, stop in zip([0, *steps], steps, strict=False):
        critic.add(v[start:stop], v[start + 1 : stop + 1], costs[start:stop])
        yield svec(critic.Delta())


CRITIC = Study(
    name="hierarchical_critic",
    title="Error of Algorithm 3 against its iterations",
    cells=_critic_cells,
    simulate=_critic_errors,
    columns={
        "seed": "trajectory",
        "iterations": "T",
        "error": "‖δ̂ − δ*‖²/‖δ*‖² after T iterations",
    },
    key=("seed", "iterations"),
    options={"first": whole(10), "last": whole(18), "alpha": number(0.1)},
)


@dataclass(frozen=True)
class SamplesCell:
    """Describe a condition of `hierarchical_samples`.

    Args:
        decomposed: whether the critic estimates the auxiliary systems, or the whole system at once.
        sizes: |N^l| of both subpopulations.
        steps: length of the trajectory.
    """

    decomposed: bool
    sizes: tuple[int, ...]
    steps: int


def _samples_cells(options: Mapping[str, Any]) -> dict[str, SamplesCell]:
    """Return the decomposed critic, and the critic of the whole system as a control, which needs small sizes."""
    sizes, few, steps = tuple(options["sizes"]), tuple(options["few_sizes"]), options["steps"]
    return {
        "decomposed": SamplesCell(True, sizes, steps),
        "control:undecomposed": SamplesCell(False, few, steps),
    }


def _samples(cell: SamplesCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each size of each instance."""
    rows = []
    for seed in seeds:
        instance = section6_instance(stream(seed, Purpose.EVALUATION, 5))
        gains = instance.gains()
        for size in cell.sizes:
            system, rng = instance.system(size), stream(seed, Purpose.EVALUATION, 6, size)
            measure = _decomposed if cell.decomposed else _undecomposed
            rows.append({"seed": seed, "size": size, "error": measure(system, gains, cell.steps, rng)})
    return pd.DataFrame(rows)


def _decomposed(system: ExchangeableSystem, gains: Gains, steps: int, rng: np.random.Generator) -> float:
    """Return ‖Ê − E‖²_F/‖E‖²_F of the whole system's E_K, made up of the estimates for S_1, …, S_L and S̄."""
    critics = least_squares_fits(system, gains, steps, rng, watched=max(system.sizes))
    true = [S.E(K) for S, K in system.pairs(gains)]
    weights = np.array([*(size - 1 for size in system.sizes), 1.0])
    # In the orthogonal coordinates x̃, √|N^l| x̄^l; the sizes are equal, so E_K of S̄ is there divided by the size.
    scale = [1.0] * len(system.sizes) + [1 / system.sizes[0]]
    off, norm = (
        sum(w * c**2 * float(np.sum(M**2)) for w, c, M in zip(weights, scale, matrices, strict=True))
        for matrices in ([critic.E() - E for critic, E in zip(critics, true, strict=True)], true)
    )
    return float(off / norm)


def _undecomposed(system: ExchangeableSystem, gains: Gains, steps: int, rng: np.random.Generator) -> float:
    """Return the same error for one critic of the whole system."""
    S, K = system.full, system.full_gain(gains)
    v = chain(S, K, steps, rng)
    critic = LeastSquares(K, S.Psi)
    critic.add(v[:-1], v[1:], stage_costs(v[:-1], S.Q, S.R))
    true = S.E(K)
    return float(np.sum((critic.E() - true) ** 2) / np.sum(true**2))


SAMPLES = Study(
    name="hierarchical_samples",
    title="Error of least-squares TD on one trajectory against the size of the subpopulations",
    cells=_samples_cells,
    simulate=_samples,
    columns={
        "seed": "instance of section 6 and trajectory",
        "size": "|N^l|, both subpopulations",
        "error": "‖Ê_K − E_K‖²/‖E_K‖² (Frobenius), E_K of the whole system",
    },
    key=("seed", "size"),
    options={
        "sizes": several([2, 4, 10, 30, 100], whole(least=2), fewest=2),
        "few_sizes": several([2, 3, 4], whole(least=2), fewest=2),
        "steps": whole(2000),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {"hierarchical_critic": CRITIC, "hierarchical_samples": SAMPLES}
