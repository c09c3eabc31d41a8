"""Iterations to a precision: exact critics at many sizes (Figure 1, Theorem 2), and simulated agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..randomness import Purpose, stream
from ..studies.hierarchical.actor import actor_critic, exact_critic, least_squares_critic
from ..studies.hierarchical.complexity import counted, slowest, theorem_2
from ..studies.hierarchical.section6 import section6_instance
from .contract import Study
from .options import number, several, whole

__all__ = ["COMPLEXITY", "LEARNING"]

_LARGEST = 500


def _complexity_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sizes = {"printed": "sizes", "shrinking": "sizes", "control:undecomposed": "few_sizes", "control:slow": "few_sizes"}
    rest = {name: value for name, value in options.items() if name not in ("sizes", "few_sizes")}
    return {kind: {"kind": kind, "sizes": sorted(options[name]), **rest} for kind, name in sizes.items()}


def _complexity(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    kind, precision, most, frames = cell["kind"], float(cell["precision"]), int(cell["most"]), []
    for seed in seeds:
        instance = section6_instance(stream(seed, Purpose.EVALUATION, 5), max(_LARGEST, *cell["sizes"]))
        start = instance.gains()
        systems = [instance.system(size, shrinking=kind == "shrinking") for size in cell["sizes"]]
        factor = 0.01 if kind == "control:slow" else 1.0
        decomposed = kind != "control:undecomposed"
        found = counted(systems, start, precision, most, decomposed=decomposed, factor=factor)
        columns = {
            "size": cell["sizes"],
            "total": found.total,
            "per_agent": found.per_agent,
            "allowed": [theorem_2(system, start, precision) for system in systems],
            "per_factor": [1 / abs(np.log(slowest(system, start))) for system in systems],
            "tried": most,
        }
        frames.append(pd.DataFrame({"seed": seed, **columns}))
    return pd.concat(frames, ignore_index=True)


COMPLEXITY = Study(
    name="hierarchical_complexity",
    title="Iterations of Algorithm 2 with exact critics on instances of section 6",
    cells=_complexity_cells,
    simulate=_complexity,
    columns={
        "seed": "instance",
        "size": "|N^l|, both subpopulations",
        "total": "iterations until C(K) − C(K*) ≤ ε; −1 if more than were run",
        "per_agent": "iterations until [C(K) − C(K*)]/|N| ≤ ε; −1 if more than were run",
        "allowed": "number of Theorem 2",
        "per_factor": "iterations in which the slowest mode of the gap falls by a factor e, near the optimum",
        "tried": "iterations that were run at most",
    },
    key=("seed", "size"),
    options={
        "sizes": several([50, 100, 150, 200, 250, 300, 350, 400, 450, 500], whole(least=2), fewest=2),
        "few_sizes": several([10, 20, 40], whole(least=2), fewest=2),
        "precision": number(1e-5),
        "most": whole(600),
    },
)


def _learning_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    common = {name: options[name] for name in ("precision", "most")}
    sizes, steps = sorted(options["sizes"]), options["steps"]
    cells = {}
    for size in sizes:
        for kind, count in (("exact", 1), ("plain", 1), ("least_squares", steps)):
            cells[f"{kind}:{size}"] = {"kind": kind, "size": size, "steps": count, **common}
    return {
        **cells,
        "control:few": {"kind": "least_squares", "size": sizes[0], "steps": options["few_steps"], **common},
    }


def _learning(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    frames = []
    for seed in seeds:
        instance = section6_instance(stream(seed, Purpose.EVALUATION, 5))
        system, rng = instance.system(int(cell["size"])), stream(seed, Purpose.EVALUATION, 7, int(cell["size"]))
        exact = cell["kind"] != "least_squares"
        critic = exact_critic(system) if exact else least_squares_critic(system, int(cell["steps"]), rng)
        N, gaps = sum(system.sizes), []
        for gains in actor_critic(system, instance.gains(), critic, natural=cell["kind"] != "plain"):
            gaps.append(system.gap(gains) / N)
            if not float(cell["precision"]) < gaps[-1] < np.inf or len(gaps) > int(cell["most"]):
                break
        frames.append(pd.DataFrame({"seed": seed, "iteration": range(len(gaps)), "gap": gaps}))
    fixed = {"kind": cell["kind"], "size": int(cell["size"]), "precision": float(cell["precision"])}
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
