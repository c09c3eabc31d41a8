"""Declare the studies with exact critics: identities, descent, and iterations against the size.

`hierarchical_systems` checks the decomposition (Lemma 1, Propositions 1 and 2); `hierarchical_formulas` Lemmas 2 and 6;
`hierarchical_descent` monotone decrease, contraction, rate and number of iterations (Theorem 3, Lemma 4);
`hierarchical_complexity` counts iterations on instances of section 6 (Figure 1, Theorem 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray
from pcpo.claims.contract import Study, named_control
from pcpo.claims.options import number, several, whole
from pcpo.evidence.hierarchical.model.formulas import formulas
from pcpo.evidence.hierarchical.model.identities import broken, residuals
from pcpo.evidence.hierarchical.model.instances import (
    LARGEST,
    Family,
    allowed_errors,
    counted,
    drawn_regulators,
    general_system,
    perturbed,
    section6_instance,
    slowest,
    theorem_2,
)
from pcpo.evidence.hierarchical.model.regulator import Regulator, stacked
from pcpo.evidence.hierarchical.model.system import Gains
from pcpo.simulation.noise import Purpose, stream

__all__ = ["COMPLEXITY", "DESCENT", "FORMULAS", "STUDIES", "SYSTEMS"]

#: Sizes, states and inputs of the subpopulations of a full system of twelve agents.
_SHAPES = ((3, 4, 5), (2, 3, 1), (1, 2, 2))


@dataclass(frozen=True)
class SystemsCell:
    """Describe the only condition of `hierarchical_systems`, which has no parameters."""


def _identities(cell: SystemsCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each identity of each random system."""
    del cell
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 0)
        system = general_system(rng, *_SHAPES)
        own = [perturbed(S, rng, float(S.cost(S.K_star))) for S in system.auxiliary]
        mean = perturbed(system.mean_field, rng, float(system.mean_field.cost(system.mean_field.K_star)))
        gains = Gains(own, mean)
        found, wrong, fewer = (
            residuals(system, full, gains, stream(seed, Purpose.EVALUATION, 1), missed=missed)
            for full, missed in ((system.full, 0), (broken(system.full), 0), (system.full, 1))
        )
        for right, off, short in zip(found, wrong, fewer, strict=True):
            row = {"residual": right.residual, "broken": off.residual, "fewer": short.residual}
            rows.append({"seed": seed, "identity": right.name, **row, "bound": right.bound})
    return pd.DataFrame(rows)


SYSTEMS = Study(
    name="hierarchical_systems",
    title="Identities of the decomposition on full systems of twelve agents",
    cells=lambda options: {"general": SystemsCell(**options)},
    simulate=_identities,
    columns={
        "seed": "system and gains",
        "identity": "lemma_1, lemma_1_cost, proposition_1, proposition_1_cost, definition_5, proposition_2 or optimum",
        "residual": "largest difference of the two sides (units of the state or of cost)",
        "broken": "the same if one agent is not exchangeable",
        "fewer": "the same with |N^l| − 1 agents in place of |N^l| in Proposition 2",
        "bound": "largest difference that rounding can make",
    },
    key=("seed", "identity"),
)


@dataclass(frozen=True)
class FormulasCell:
    """Describe the only condition of `hierarchical_formulas`, which has no parameters."""


def _formulas(cell: FormulasCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each formula of each regulator."""
    del cell
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 10)
        for place, S in enumerate(drawn_regulators("general", rng)):
            K = perturbed(S, rng, float(S.cost(S.K_star)))
            rows += [{"seed": seed, "regulator": place, **vars(one)} for one in formulas(S, K, rng)]
    return pd.DataFrame(rows).rename(columns={"name": "formula"})


FORMULAS = Study(
    name="hierarchical_formulas",
    title="Lemmas 2 and 6 and the natural gradient, beside sums over time and complex steps",
    cells=lambda options: {"general": FormulasCell(**options)},
    simulate=_formulas,
    columns={
        "seed": "system, gain, state and input",
        "regulator": "0, 1: the subpopulations, 2: the mean field",
        "formula": "cost, gradient, state_value, action_value or natural_gradient",
        "residual": "largest difference of the two sides",
        "wrong": "the same for a wrong formula: without the exploration, E_KΣ_K for the gradient, tr(P_KΦ_σ) in the "
        "state value, 2E_K for the natural gradient",
        "bound": "largest difference that rounding can make",
    },
    key=("seed", "regulator", "formula"),
)


#: Gaps, relative to the first gap, between which the final rate is measured.
_TAIL = (1e-12, 1e-16)
#: Relative rounding of a ratio of gaps: at 1e-16 of the first, K − K* is of order 1e-8 and known to 1e-16.
_ROUNDING = 1e-7


@dataclass(frozen=True)
class DescentCell:
    """Describe a condition of `hierarchical_descent`.

    Args:
        family: of the systems.
        factor: multiple of the step (15).
        start: first gap, as a multiple of C*.
        precision: gap that ends the count of iterations, relative to the first gap.
        most: largest number of iterations.
    """

    family: Family
    factor: float
    start: float
    precision: float
    most: int


def _descent_cells(options: Mapping[str, Any]) -> dict[str, DescentCell]:
    """Return a cell for each family with the step (15), and the controls with other steps."""
    return {
        "general": DescentCell("general", 1.0, **options),
        "section6": DescentCell("section6", 1.0, **options),
        "control:far": DescentCell("general", 20.0, **options),
        "control:short": DescentCell("section6", 0.01, **options),
    }


def _descent(cell: DescentCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each regulator of each random system."""
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 3)
        drawn = drawn_regulators(cell.family, rng)
        starts = [perturbed(S, rng, cell.start * float(S.cost(S.K_star))) for S in drawn]
        for systems, K in ((drawn[:2], starts[:2]), (drawn[2:], starts[2:])):
            steps = np.array([S.step(gain) for S, gain in zip(systems, K, strict=True)])
            gaps = _descended(systems, np.stack(K), cell.factor * steps, cell.most)
            for k, (S, step) in enumerate(zip(systems, steps, strict=True)):
                regulator = k if len(systems) == 2 else 2
                rows.append({"seed": seed, "regulator": regulator, **_summary(S, step, gaps[:, k], cell)})
    return pd.DataFrame(rows)


def _descended(systems: Sequence[Regulator], K: FloatArray, steps: FloatArray, most: int) -> FloatArray:
    """Return C(K_n) − C(K*) for n = 0, 1, …, until all are 1e-16 of the first: ``(iterations + 1, systems)``."""
    stack, gaps = stacked(systems), []
    for _ in range(most + 1):
        with np.errstate(all="ignore"):  # gains that are no longer stable have no cost
            gap = stack.gap(K)
        gaps.append(np.where(np.isfinite(gap) & (gap >= 0), gap, np.inf))
        if not np.isfinite(gaps[-1]).all() or (gaps[-1] <= _TAIL[1] * gaps[0]).all():
            break
        K = K - steps[:, None, None] * stack.E(K)
    return np.array(gaps)


def _summary(S: Regulator, step: float, gaps: FloatArray, cell: DescentCell) -> dict[str, float]:
    """Return a row's columns; `step` is η of (15), of which the run had `cell.factor` times."""
    relative = gaps / gaps[0]
    kept = gaps[: 1 + int(np.argmax(relative <= _TAIL[1]))] if (relative <= _TAIL[1]).any() else gaps
    ratios = kept[1:] / kept[:-1]
    target = relative <= cell.precision
    slowest_part = (1 - cell.factor * step * np.linalg.eigvalsh(S.G_star)) ** 2
    first, last = (int(np.argmax(relative <= level)) if (relative <= level).any() else -1 for level in _TAIL)
    measured = np.log(relative[last] / relative[first]) / (last - first) if 0 < first < last else np.nan
    return {
        "steps": float(len(ratios)),
        "increases": float(np.sum(~(ratios < 1))),
        "short": float(np.sum(~(ratios <= (1 - S.decrease(step)) * (1 + _ROUNDING)))),
        "iterations": float(np.argmax(target)) if target.any() else np.inf,
        "allowed": float(np.ceil(2 / S.decrease(step) * np.log(1 / cell.precision))),
        "tried": float(len(gaps) - 1),
        "rate": float(measured),
        "predicted": float(np.log(slowest_part.max())),
        "worst_case": float(np.log1p(-S.decrease(step))),
    }


DESCENT = Study(
    name="hierarchical_descent",
    title="Natural policy gradient with exact critics and the step (15)",
    controls_only=named_control,
    cells=_descent_cells,
    simulate=_descent,
    columns={
        "seed": "system and initial gains",
        "regulator": "0, 1: the subpopulations, 2: the mean field",
        "steps": "steps until the gap is 1e-16 of the first, or the last",
        "increases": "steps that did not lower the cost, or led to a gain that is not stable",
        "short": "steps that removed less of the gap than (20) promises",
        "iterations": "to a gap of `precision` times the first; ∞ if more than were run",
        "allowed": "number of Theorem 3",
        "tried": "iterations that were run",
        "rate": "mean log(gap_(n+1)/gap_n) between gaps of 1e-12 and 1e-16 of the first; NaN if not reached",
        "predicted": "2 log(1 − ησ_min(R + BᵀP*B)) (largest over eigenvalues)",
        "worst_case": "log of the factor in (20)",
    },
    key=("seed", "regulator"),
    may_be_missing=frozenset({"rate"}),
    options={"start": number(1.0), "precision": number(1e-5), "most": whole(600)},
)


@dataclass(frozen=True)
class ComplexityCell:
    """Describe a condition of `hierarchical_complexity`.

    Args:
        sizes: |N^l| of both subpopulations, ascending.
        precision: ε, in units of cost.
        most: largest number of iterations.
        shrinking: whether off-diagonal terms are proportional to 1/size.
        decomposed: False for natural gradient on the undecomposed problem.
        summed: whether Assumption 3 has the cost of a whole subpopulation.
        factor: multiple of the step of Assumption 3.
    """

    sizes: tuple[int, ...]
    precision: float
    most: int
    shrinking: bool = False
    decomposed: bool = True
    summed: bool = False
    factor: float = 1.0


def _complexity_cells(options: Mapping[str, Any]) -> dict[str, ComplexityCell]:
    """Return the cells with all sizes, and the controls with few sizes."""
    sizes, few = (tuple(sorted(options[name])) for name in ("sizes", "few_sizes"))
    rest = {"precision": options["precision"], "most": options["most"]}
    return {
        "printed": ComplexityCell(sizes, **rest),
        "shrinking": ComplexityCell(sizes, **rest, shrinking=True),
        "control:undecomposed": ComplexityCell(few, **rest, decomposed=False),
        "control:summed": ComplexityCell(few, **rest, summed=True),
        "control:slow": ComplexityCell(few, **rest, factor=0.01),
    }


def _complexity(cell: ComplexityCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each size of each instance."""
    frames = []
    for seed in seeds:
        instance = section6_instance(stream(seed, Purpose.EVALUATION, 5), max(LARGEST, *cell.sizes))
        start = instance.gains()
        systems = [instance.system(size, shrinking=cell.shrinking) for size in cell.sizes]
        way = cell.decomposed, cell.summed, cell.factor
        found = counted(systems, start, cell.precision, cell.most, *way)
        errors = [allowed_errors(system, start, cell.precision) for system in systems]
        columns = {
            "size": cell.sizes,
            "total": found.total,
            "per_agent": found.per_agent,
            "allowed": [theorem_2(system, start, cell.precision) for system in systems],
            "per_factor": [1 / abs(np.log(slowest(system, start))) for system in systems],
            "tried": cell.most,
            "error_printed": [printed for printed, _ in errors],
            "error_total": [total for _, total in errors],
        }
        frames.append(pd.DataFrame({"seed": seed, **columns}))
    return pd.concat(frames, ignore_index=True)


COMPLEXITY = Study(
    name="hierarchical_complexity",
    title="Iterations of Algorithm 2 with exact critics on instances of section 6",
    controls_only=named_control,
    cells=_complexity_cells,
    simulate=_complexity,
    columns={
        "seed": "instance",
        "size": "|N^l|, both subpopulations",
        "total": "iterations until C(K) − C(K*) ≤ ε; −1 if more than were run",
        "per_agent": "iterations until [C(K) − C(K*)]/|N| ≤ ε; −1 if more than were run",
        "allowed": "number of Theorem 2",
        "per_factor": "iterations in which the slowest mode of the gap falls by a factor e, near the optimum",
        "tried": "largest number of iterations",
        "error_printed": "smallest δ_{l,0} of Assumption 4 as printed, where S_l reaches ε/(L + 1) for one agent",
        "error_total": "the same where the subpopulation reaches ε/(L + 1), as ε on the total cost needs it",
    },
    key=("seed", "size"),
    options={
        "sizes": several([50, 100, 150, 200, 250, 300, 350, 400, 450, 500], whole(least=2), fewest=2),
        "few_sizes": several([10, 20, 40], whole(least=2), fewest=2),
        "precision": number(1e-5),
        "most": whole(600),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "hierarchical_systems": SYSTEMS,
    "hierarchical_formulas": FORMULAS,
    "hierarchical_descent": DESCENT,
    "hierarchical_complexity": COMPLEXITY,
}
