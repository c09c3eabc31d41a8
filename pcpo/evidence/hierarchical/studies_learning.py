"""Declare the studies of Algorithms 1 and 2 with estimated critics.

`hierarchical_learning` runs the actors on simulated agents; `hierarchical_actors` runs Algorithm 2 with critics that
see one chain of every auxiliary system: Algorithm 3, and least squares beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.hierarchical.model.actor import (
    Critic,
    Estimate,
    actor_critic,
    disturbed_critic,
    exact_critic,
    gtd_critic,
    least_squares_critic,
    single_chain_critic,
)
from pcpo.evidence.hierarchical.model.instances import LARGEST, section6_instance
from pcpo.evidence.hierarchical.model.regulator import allowed_error, operator_norm
from pcpo.evidence.hierarchical.model.system import ExchangeableSystem, Gains
from pcpo.simulation.noise import Purpose, stream

__all__ = ["ACTORS", "LEARNING", "STUDIES"]

#: Share of δ_n that the errors of critics with errors have; below 1, so that Assumption 4 holds.
_ALLOWED = 0.9


@dataclass(frozen=True)
class LearningCell:
    """Describe a condition of `hierarchical_learning`.

    Args:
        kind: "exact" critics, "plain" gradients with exact critics, "least_squares" critics, or exact critics with
            errors that Assumption 4 allows ("allowed"), or four times as large as E_K ("blind").
        size: |N^l| of both subpopulations.
        steps: length of the trajectory that a least-squares critic sees in each iteration.
        precision: ε per agent, which ends a run.
        most: largest number of iterations.
    """

    kind: Literal["exact", "plain", "least_squares", "allowed", "blind"]
    size: int
    steps: int
    precision: float
    most: int


def _learning_cells(options: Mapping[str, Any]) -> dict[str, LearningCell]:
    """Return each kind at each size, and two controls: critics from short trajectories, and errors of 4‖E_K‖."""
    end = {"precision": float(options["precision"]), "most": options["most"]}
    sizes, steps = sorted(options["sizes"]), options["steps"]
    cells = {}
    for size in sizes:
        cells[f"exact:{size}"] = LearningCell("exact", size, 1, **end)
        cells[f"plain:{size}"] = LearningCell("plain", size, 1, **end)
        cells[f"least_squares:{size}"] = LearningCell("least_squares", size, steps, **end)
        cells[f"allowed:{size}"] = LearningCell("allowed", size, 1, **end)
    return {
        **cells,
        "control:few": LearningCell("least_squares", sizes[0], options["few_steps"], **end),
        "control:blind": LearningCell("blind", sizes[0], 1, **end),
    }


def _learning(cell: LearningCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each iteration of each run."""
    frames = []
    for seed in seeds:
        instance = section6_instance(stream(seed, Purpose.EVALUATION, 5))
        system, start = instance.system(cell.size), instance.gains()
        N, gaps = sum(system.sizes), []
        seen: list[_Compared] = []
        precision = min(1.0, N * cell.precision)
        critic = _agents_critic(cell, system, start, precision, seed)
        if cell.kind not in ("exact", "plain"):
            critic = _compared(critic, system, start, seen)
        for gains in actor_critic(system, start, critic, natural=cell.kind != "plain"):
            gaps.append(system.gap(gains) / N)
            if not cell.precision < gaps[-1] < np.inf or len(gaps) > cell.most:
                break
        frame = pd.DataFrame({"seed": seed, "iteration": range(len(gaps)), "gap": gaps})
        for name, column in (("missed", "missed"), ("own", "missed_own")):
            frame[column] = pd.Series([getattr(one, name) / precision for one in seen], dtype=np.float64)
        frames.append(frame)
    fixed = {"kind": cell.kind, "size": cell.size, "precision": cell.precision}
    return pd.concat(frames, ignore_index=True).assign(**fixed)


def _agents_critic(cell: LearningCell, system: ExchangeableSystem, start: Gains, precision: float, seed: int) -> Critic:
    """Make the critic of a cell; `precision` is ε ≤ 1 on the total cost."""
    rng = stream(seed, Purpose.EVALUATION, 7, cell.size)
    if cell.kind == "least_squares":
        return least_squares_critic(system, cell.steps, rng)
    if cell.kind == "allowed":
        share = _ALLOWED * precision / (1 + len(start.own))
        return disturbed_critic(system, start, lambda S, K, K0: allowed_error(S, K, K0, share), rng)
    if cell.kind == "blind":
        return disturbed_critic(system, start, lambda S, K, _: 4 * float(operator_norm(S.E(K))), rng)
    return exact_critic(system)


LEARNING = Study(
    name="hierarchical_learning",
    title="Algorithms 1 and 2 on simulated agents",
    cells=_learning_cells,
    simulate=_learning,
    columns={
        "seed": "instance",
        "iteration": "n",
        "gap": "[C(K_n) − C(K*)]/|N| (units of cost); ∞ if a gain is not stable",
        "missed": "largest ‖Ê_K − E_K‖ over its δ_n of Assumption 4; NaN for exact critics, and in the last iteration, "
        "which has no critic",
        "missed_own": "the same over S_1, …, S_L alone, without the mean field",
        "kind": "exact: Algorithm 2 with exact critics; plain: with gradients in place of natural ones; least_squares; "
        "allowed: exact with errors of 0.9 δ_n; blind: with errors of 4‖E_K‖",
        "size": "|N^l|, both subpopulations",
        "precision": "ε: a run ends at the first gap that is not above it",
    },
    key=("seed", "iteration"),
    may_be_missing=frozenset({"missed", "missed_own"}),
    options={
        "sizes": several([50, 500], whole(least=2), fewest=2),
        "steps": whole(2000),
        "few_steps": whole(50),
        "precision": number(1e-3),
        "most": whole(60),
    },
)


@dataclass(frozen=True)
class ActorsCell:
    """Describe a condition of `hierarchical_actors`.

    Args:
        kind: "gtd", "least_squares" or "exact", by critic; "exact_gtd" or "exact_least_squares" for the exact critic
            with the precision of that critic.
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
    for kind, lengths in (("gtd", steps), ("least_squares", steps), ("exact", steps[-1:])):
        for T in lengths:
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
    seen: list[_Compared] = []
    rng = stream(seed, Purpose.EVALUATION, 8, size, cell.steps)
    critic = _compared(_critic(cell, system, start, rng), system, start, seen)
    for gains in islice(actor_critic(system, start, critic), cell.most + 1):
        gaps.append(system.gap(gains) / N)
        if not precision < gaps[-1] < np.inf:
            break
    late = np.log(np.maximum(gaps[(len(gaps) + 1) // 2 :], np.finfo(np.float64).tiny))
    errors = np.log10([one.missed for one in seen[: len(gaps) - 1]])
    lowered = errors[np.diff(gaps) < 0] - np.log10(min(1.0, N * precision) or np.nan)
    return {
        "needed": len(gaps) - 1 if gaps[-1] <= precision else -1,
        "gap": float(np.exp(late.mean())),
        "error": float(lowered.mean()) if len(lowered) else np.nan,
        "length": float(np.median([one.lengths for one in seen])) if seen else np.nan,
    }


def _critic(cell: ActorsCell, system: ExchangeableSystem, start: Gains, rng: np.random.Generator) -> Critic:
    """Make the critic of a cell."""
    if cell.kind == "gtd":
        return gtd_critic(system, start, cell.steps, rng, alpha=cell.alpha)
    return single_chain_critic(system, start, cell.steps, rng) if cell.kind == "least_squares" else exact_critic(system)


@dataclass(frozen=True)
class _Compared:
    """Hold what a critic's estimates of an iteration are beside E_K.

    Args:
        missed: largest ‖Ê − E‖ over δ_n of Assumption 4 at ε = 1; an error below rounding counts as rounding.
        own: the same over S_1, …, S_L alone.
        lengths: ⟨Ê, E⟩/‖E‖² of S_1, …, S_L.
    """

    missed: float
    own: float
    lengths: tuple[float, ...]


def _compared(critic: Critic, system: ExchangeableSystem, start: Gains, seen: list[_Compared]) -> Critic:
    """Make a critic that also appends to `seen` how its estimates compare with E_K."""
    first = (*start.own, start.mean_field)

    def evaluate(gains: Gains) -> list[Estimate]:
        found = critic(gains)
        ratios, lengths = [], []
        for (S, K), K0, estimate in zip(system.pairs(gains), first, found, strict=True):
            E = S.E(K)
            error = max(float(operator_norm(estimate.E - E)), np.finfo(np.float64).eps * float(operator_norm(E)))
            ratios.append(error * len(first) / allowed_error(S, K, K0, 1.0))
            lengths.append(float(np.sum(estimate.E * E) / np.sum(E * E)))
        seen.append(_Compared(max(ratios), max(ratios[:-1]), tuple(lengths[:-1])))
        return found

    return evaluate


ACTORS = Study(
    name="hierarchical_actors",
    title="Algorithm 2 with Algorithm 3 as its critic, and with least squares on the same chains",
    cells=_actors_cells,
    simulate=_actors,
    columns={
        "seed": "instance of section 6 and chains",
        "kind": "gtd: Algorithm 3; least_squares; exact; exact_gtd, exact_least_squares: exact to their precision",
        "size": "|N^l|, both subpopulations",
        "steps": "T: steps of every auxiliary system in an iteration",
        "precision": "ε per agent; 0: a fixed number of iterations",
        "needed": "iterations until [C(K) − C(K*)]/|N| ≤ ε; −1 if more than were run",
        "gap": "[C(K_n) − C(K*)]/|N|, geometric mean over the later half of the run; ∞ if a gain is not stable",
        "error": "log10 of the largest ‖Ê_K − E_K‖ over its δ_n of Assumption 4, mean over steps that lowered "
        "the cost; NaN without ε",
        "length": "⟨Ê_K, E_K⟩/‖E_K‖², median over iterations and S_1, …, S_L: 1 without error, above 1 for steps that "
        "are too long; NaN for a run that ended at K_0",
        "tried": "largest number of iterations",
    },
    may_be_missing=frozenset({"error", "length"}),
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
STUDIES: dict[str, Study] = {"hierarchical_learning": LEARNING, "hierarchical_actors": ACTORS}
