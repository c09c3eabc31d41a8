"""Exact natural policy gradient: monotone decrease, contraction, rate and number of iterations (Theorem 3, Lemma 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import FloatArray
from ..randomness import Purpose, stream
from ..studies.hierarchical.regulator import Regulator
from ..studies.hierarchical.section6 import perturbed
from ..studies.hierarchical.stacks import stacked
from .contract import Study
from .hierarchical_systems import drawn_regulators
from .options import number, whole

__all__ = ["DESCENT"]

#: Gaps, relative to the first one, between which the final rate is measured.
_TAIL = (1e-12, 1e-16)
#: Relative rounding of a ratio of gaps: at 1e-16 of the first, K − K* is of order 1e-8 and known to 1e-16.
_ROUNDING = 1e-7


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kinds = {"general": ("general", 1.0), "section6": ("section6", 1.0)}
    kinds |= {"control:far": ("general", 20.0), "control:short": ("section6", 0.01)}
    return {name: {"family": family, "factor": factor, **options} for name, (family, factor) in kinds.items()}


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    rows = []
    for seed in seeds:
        rng = stream(seed, Purpose.EVALUATION, 3)
        drawn = drawn_regulators(cell["family"], rng)
        starts = [perturbed(S, rng, float(cell["start"]) * float(S.cost(S.K_star))) for S in drawn]
        for systems, K in ((drawn[:2], starts[:2]), (drawn[2:], starts[2:])):
            steps = np.array([S.step(gain) for S, gain in zip(systems, K, strict=True)])
            gaps = _descended(systems, np.stack(K), float(cell["factor"]) * steps, int(cell["most"]))
            for k, (S, step) in enumerate(zip(systems, steps, strict=True)):
                regulator = k if len(systems) == 2 else 2
                rows.append({"seed": seed, "regulator": regulator, **_summary(S, step, gaps[:, k], cell)})
    return pd.DataFrame(rows)


def _descended(systems: Sequence[Regulator], K: FloatArray, steps: FloatArray, most: int) -> FloatArray:
    """C(K_n) − C(K*) for n = 0, 1, …, ``(iterations + 1, systems)``, until all are as small as can be told."""
    stack, gaps = stacked(systems), []
    for _ in range(most + 1):
        with np.errstate(all="ignore"):  # gains that left the stable ones have no cost
            gap = stack.gap(K)
        gaps.append(np.where(np.isfinite(gap) & (gap >= 0), gap, np.inf))
        if not np.isfinite(gaps[-1]).all() or (gaps[-1] <= _TAIL[1] * gaps[0]).all():
            break
        K = K - steps[:, None, None] * stack.E(K)
    return np.array(gaps)


def _summary(S: Regulator, step: float, gaps: FloatArray, cell: Mapping[str, Any]) -> dict[str, float]:
    """step: η of (15); the run had `factor` times that."""
    relative = gaps / gaps[0]
    kept = gaps[: 1 + int(np.argmax(relative <= _TAIL[1]))] if (relative <= _TAIL[1]).any() else gaps
    ratios = kept[1:] / kept[:-1]
    target = relative <= float(cell["precision"])
    slowest = (1 - float(cell["factor"]) * step * np.linalg.eigvalsh(S.G_star)) ** 2
    first, last = (int(np.argmax(relative <= level)) if (relative <= level).any() else -1 for level in _TAIL)
    measured = np.log(relative[last] / relative[first]) / (last - first) if 0 < first < last else np.nan
    return {
        "steps": float(len(ratios)),
        "increases": float(np.sum(~(ratios < 1))),
        "short": float(np.sum(~(ratios <= (1 - S.decrease(step)) * (1 + _ROUNDING)))),
        "iterations": float(np.argmax(target)) if target.any() else np.inf,
        "allowed": float(np.ceil(2 / S.decrease(step) * np.log(1 / float(cell["precision"])))),
        "tried": float(len(gaps) - 1),
        "rate": float(measured),
        "predicted": float(np.log(slowest.max())),
        "worst_case": float(np.log1p(-S.decrease(step))),
    }


DESCENT = Study(
    name="hierarchical_descent",
    title="Natural policy gradient with exact critics and the step (15)",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "system and start",
        "regulator": "0, 1: the subpopulations, 2: the mean field",
        "steps": "steps until the gap is 1e-16 of the first, or the last",
        "increases": "steps that did not lower the cost, or left the stable gains",
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
