"""Declare the studies with estimated critics, and Algorithms 1 and 2 on simulated agents.

`hierarchical_critic` follows the error of Algorithm 3 over its iterations; `hierarchical_samples` compares the error of
least-squares TD over sizes; `hierarchical_learning` runs the actors on simulated agents; `hierarchical_actors` runs
Algorithm 2 with critics that see one chain of every auxiliary system: Algorithm 3, and least squares beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.hierarchical.model.actor import (
    Critic,
    Estimate,
    actor_critic,
    exact_critic,
    gtd_critic,
    least_squares_critic,
    least_squares_fits,
    single_chain_critic,
)
from pcpo.evidence.hierarchical.model.critics import LeastSquares, chain, gtd_estimates, gtd_radii, stage_costs, svec
from pcpo.evidence.hierarchical.model.instances import LARGEST, section6_instance
from pcpo.evidence.hierarchical.model.regulator import Regulator, allowed_error, operator_norm
from pcpo.evidence.hierarchical.model.system import ExchangeableSystem, Gains
from pcpo.simulation.noise import Purpose, stream

__all__ = ["ACTORS", "CRITIC", "LEARNING", "SAMPLES", "STUDIES", "SYSTEM"]

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
    """

    first: int
    last: int
    alpha: float
    power: float | None
    ball: float | None = None


def _critic_cells(options: Mapping[str, Any]) -> dict[str, CriticCell]:
    """Return Algorithm 3, its two controls, and least squares."""
    return {
        "gtd": CriticCell(**options, power=0.5),
        "control:harmonic": CriticCell(**options, power=1.0),
        "control:ball": CriticCell(**options, power=0.5, ball=0.5),
        "least_squares": CriticCell(**options, power=None),
    }


def _critic_errors(cell: CriticCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each checkpoint of each trajectory."""
    S, K = SYSTEM, _GAIN
    steps = [2**j for j in range(cell.first, cell.last + 1)]
    true, radii = svec(S.Delta(K)), gtd_radii(S, K)
    if cell.ball is not None:
        radii[1] = cell.ball * np.linalg.norm(true)
    frames = []
    for seed in seeds:
        v = chain(S, K, steps[-1], stream(seed, Purpose.EVALUATION, 4))
        costs = stage_costs(v[:-1], S.Q, S.R)
        if cell.power is not None:
            found = gtd_estimates(v, costs, radii, steps, alpha=cell.alpha, power=cell.power)[:, 1:]
        else:
            found = np.array(list(_least_squares(S, K, v, costs, steps)))
        errors = np.sum((found - true) ** 2, axis=1) / np.sum(true**2)
        frames.append(pd.DataFrame({"seed": seed, "iterations": steps, "error": errors}))
    return pd.concat(frames, ignore_index=True)


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
    """Return the decomposed critic, and the critic of the whole system as a control."""
    sizes, steps = tuple(options["sizes"]), options["steps"]
    return {
        "decomposed": SamplesCell(True, sizes, steps),
        "control:undecomposed": SamplesCell(False, sizes, steps),
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
    options={"sizes": several([2, 3, 4], whole(least=2), fewest=2), "steps": whole(2000)},
)


@dataclass(frozen=True)
class LearningCell:
    """Describe a condition of `hierarchical_learning`.

    Args:
        kind: "exact" critics, "plain" gradients with exact critics, or "least_squares" critics.
        size: |N^l| of both subpopulations.
        steps: length of the trajectory that a least-squares critic sees in each iteration.
        precision: ε per agent, which ends a run.
        most: largest number of iterations.
    """

    kind: Literal["exact", "plain", "least_squares"]
    size: int
    steps: int
    precision: float
    most: int


def _learning_cells(options: Mapping[str, Any]) -> dict[str, LearningCell]:
    """Return each kind at each size, and critics from too short trajectories as a control."""
    end = {"precision": float(options["precision"]), "most": options["most"]}
    sizes, steps = sorted(options["sizes"]), options["steps"]
    cells = {}
    for size in sizes:
        cells[f"exact:{size}"] = LearningCell("exact", size, 1, **end)
        cells[f"plain:{size}"] = LearningCell("plain", size, 1, **end)
        cells[f"least_squares:{size}"] = LearningCell("least_squares", size, steps, **end)
    return {**cells, "control:few": LearningCell("least_squares", sizes[0], options["few_steps"], **end)}


def _learning(cell: LearningCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each iteration of each run."""
    frames = []
    for seed in seeds:
        instance = section6_instance(stream(seed, Purpose.EVALUATION, 5))
        system, rng = instance.system(cell.size), stream(seed, Purpose.EVALUATION, 7, cell.size)
        exact = cell.kind != "least_squares"
        critic = exact_critic(system) if exact else least_squares_critic(system, cell.steps, rng)
        N, gaps = sum(system.sizes), []
        for gains in actor_critic(system, instance.gains(), critic, natural=cell.kind != "plain"):
            gaps.append(system.gap(gains) / N)
            if not cell.precision < gaps[-1] < np.inf or len(gaps) > cell.most:
                break
        frames.append(pd.DataFrame({"seed": seed, "iteration": range(len(gaps)), "gap": gaps}))
    fixed = {"kind": cell.kind, "size": cell.size, "precision": cell.precision}
    return pd.concat(frames, ignore_index=True).assign(**fixed)


LEARNING = Study(
    name="hierarchical_learning",
    title="Algorithms 1 and 2 on simulated agents",
    cells=_learning_cells,
    simulate=_learning,
    columns={
        "seed": "instance",
        "iteration": "n",
        "gap": "[C(K_n) − C(K*)]/|N| (units of cost); ∞ if a gain is not stable",
        "kind": "exact: Algorithm 2 with exact critics; plain: with gradients in place of natural ones; least_squares",
        "size": "|N^l|, both subpopulations",
        "precision": "ε: a run ends at the first gap that is not above it",
    },
    key=("seed", "iteration"),
    options={
        "sizes": several([50, 500], whole(least=2), fewest=2),
        "steps": whole(2000),
        "few_steps": whole(50),
        "precision": number(1e-3),
        "most": whole(60),
    },
)


#: Exponents of t in the step of Algorithm 3, by kind.
_POWERS = {"gtd": 0.5, "control:harmonic": 1.0}


@dataclass(frozen=True)
class ActorsCell:
    """Describe a condition of `hierarchical_actors`.

    Args:
        kind: "gtd", "control:harmonic" or "least_squares", by critic; "exact_gtd" or "exact_least_squares" for the
            exact critic with the precision of that critic.
        size: |N^l| of both subpopulations.
        steps: T, steps of every auxiliary system in an iteration.
        precision: ε per agent; 0 for a fixed number of iterations.
        most: largest number of iterations.
        alpha: α of the step of Algorithm 3.
    """

    kind: str
    size: int
    steps: int
    precision: float
    most: int
    alpha: float


def _actors_cells(options: Mapping[str, Any]) -> dict[str, ActorsCell]:
    """Return runs of a fixed number of iterations over T, and runs to a precision over the size.

    The first have the smallest size, the second the largest T.  Algorithm 3 stops at a coarser precision than least
    squares; beside each runs the exact critic to the same precision.
    """
    sizes, steps, alpha = sorted(options["sizes"]), sorted(options["steps"]), float(options["alpha"])
    cells = {}
    for kind in ("gtd", "least_squares", "control:harmonic"):
        for T in steps:
            cells[f"{kind}:T={T}"] = ActorsCell(kind, sizes[0], T, 0.0, options["iterations"], alpha)
    for name, option in (("gtd", "precision"), ("least_squares", "fine_precision")):
        precision = float(options[option])
        for size in sizes:
            for kind in (name, f"exact_{name}"):
                cells[f"{kind}:N={size}"] = ActorsCell(kind, size, steps[-1], precision, options["most"], alpha)
    return cells


def _actors(cell: ActorsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each run."""
    rows = pd.DataFrame([{"seed": seed, **_run(cell, seed)} for seed in seeds])
    return rows.assign(kind=cell.kind, size=cell.size, steps=cell.steps, precision=cell.precision, tried=cell.most)


def _run(cell: ActorsCell, seed: int) -> dict[str, float]:
    """Run Algorithm 2 once and return the columns that differ between runs."""
    size, precision = cell.size, cell.precision
    instance = section6_instance(stream(seed, Purpose.EVALUATION, 5), max(LARGEST, size))
    system, start = instance.system(size), instance.gains()
    N, gaps = sum(system.sizes), []
    errors: list[float] = []
    rng = stream(seed, Purpose.EVALUATION, 8, size, cell.steps)
    critic = _compared(_critic(cell, system, start, rng), system, start, errors)
    for gains in islice(actor_critic(system, start, critic), cell.most + 1):
        gaps.append(system.gap(gains) / N)
        if not precision < gaps[-1] < np.inf:
            break
    late = np.log(np.maximum(gaps[(len(gaps) + 1) // 2 :], np.finfo(np.float64).tiny))
    lowered = np.log10(errors[: len(gaps) - 1])[np.diff(gaps) < 0] - np.log10(min(1.0, N * precision) or np.nan)
    return {
        "needed": len(gaps) - 1 if gaps[-1] <= precision else -1,
        "gap": float(np.exp(late.mean())),
        "error": float(lowered.mean()) if len(lowered) else np.nan,
    }


def _critic(cell: ActorsCell, system: ExchangeableSystem, start: Gains, rng: np.random.Generator) -> Critic:
    """Make the critic of a cell."""
    if cell.kind in _POWERS:
        return gtd_critic(system, start, cell.steps, rng, alpha=cell.alpha, power=_POWERS[cell.kind])
    return single_chain_critic(system, start, cell.steps, rng) if cell.kind == "least_squares" else exact_critic(system)


def _compared(critic: Critic, system: ExchangeableSystem, start: Gains, errors: list[float]) -> Critic:
    """Make a critic that also appends its error to `errors`, relative to what Assumption 4 allows at ε = 1.

    That is the largest ‖Ê − E‖ over δ_n of the L + 1 auxiliary systems.  An error below rounding counts as rounding.
    """
    first = (*start.own, start.mean_field)

    def evaluate(gains: Gains) -> list[Estimate]:
        found = critic(gains)
        ratios = []
        for (S, K), K0, estimate in zip(system.pairs(gains), first, found, strict=True):
            E = S.E(K)
            error = max(float(operator_norm(estimate.E - E)), np.finfo(np.float64).eps * float(operator_norm(E)))
            ratios.append(error * len(first) / allowed_error(S, K, K0, 1.0))
        errors.append(max(ratios))
        return found

    return evaluate


ACTORS = Study(
    name="hierarchical_actors",
    title="Algorithm 2 with Algorithm 3 as its critic, and with least squares on the same chains",
    cells=_actors_cells,
    simulate=_actors,
    columns={
        "seed": "instance of section 6 and chains",
        "kind": "gtd: Algorithm 3; least_squares; exact_gtd, exact_least_squares: exact, to the precision of each",
        "size": "|N^l|, both subpopulations",
        "steps": "T: steps of every auxiliary system in an iteration",
        "precision": "ε per agent; 0: a fixed number of iterations",
        "needed": "iterations until [C(K) − C(K*)]/|N| ≤ ε; −1 if more than were run",
        "gap": "[C(K_n) − C(K*)]/|N|, geometric mean over the later half of the run; ∞ if a gain is not stable",
        "error": "log10 of the largest ‖Ê_K − E_K‖ over its δ_n of Assumption 4, mean over steps that lowered "
        "the cost; NaN without ε",
        "tried": "largest number of iterations",
    },
    may_be_missing=frozenset({"error"}),
    options={
        "sizes": several([50, 150, 500], whole(least=2), fewest=2),
        "steps": several([1000, 10000, 100000], whole(least=2), fewest=2),
        "alpha": number(0.1),
        "iterations": whole(10),
        "precision": number(1e-3),
        "fine_precision": number(1e-5),
        "most": whole(60),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "hierarchical_critic": CRITIC,
    "hierarchical_samples": SAMPLES,
    "hierarchical_learning": LEARNING,
    "hierarchical_actors": ACTORS,
}
