"""Algorithm 2 with critics that see one chain of every auxiliary system: Algorithm 3, and least squares beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from ..randomness import Purpose, stream
from ..studies.hierarchical.actor import (
    Critic,
    Estimate,
    actor_critic,
    exact_critic,
    gtd_critic,
    single_chain_critic,
)
from ..studies.hierarchical.perturbation import allowed_error
from ..studies.hierarchical.regulator import operator_norm
from ..studies.hierarchical.section6 import section6_instance
from ..studies.hierarchical.system import ExchangeableSystem, Gains
from .contract import Study
from .options import number, several, whole

__all__ = ["ACTORS"]

_LARGEST = 500
#: Steps α/t^power of Algorithm 3.
_POWERS = {"gtd": 0.5, "control:harmonic": 1.0}


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Against T at the smallest size, a fixed number of iterations; against the size at the largest T, to a precision.

    Algorithm 3 stops at a coarser precision than least squares, each beside the exact critic.
    """
    sizes, steps = sorted(options["sizes"]), sorted(options["steps"])
    cells = {}
    for kind in ("gtd", "least_squares", "control:harmonic"):
        for T in steps:
            own = {"kind": kind, "size": sizes[0], "steps": T, "precision": 0.0, "most": options["iterations"]}
            cells[f"{kind}:T={T}"] = {**own, "alpha": options["alpha"]}
    for kind, precision in (("gtd", "precision"), ("least_squares", "fine_precision")):
        for size in sizes:
            own = {"size": size, "steps": steps[-1], "precision": options[precision], "most": options["most"]}
            cells[f"{kind}:N={size}"] = {"kind": kind, **own, "alpha": options["alpha"]}
            cells[f"exact_{kind}:N={size}"] = {"kind": f"exact_{kind}", **own, "alpha": options["alpha"]}
    return cells


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    names = ("kind", "size", "steps", "precision", "most")
    rows = pd.DataFrame([{"seed": seed, **_run(cell, seed)} for seed in seeds])
    return rows.assign(**{name: cell[name] for name in names}).rename(columns={"most": "tried"})


def _run(cell: Mapping[str, Any], seed: int) -> dict[str, float]:
    size, T, precision = int(cell["size"]), int(cell["steps"]), float(cell["precision"])
    instance = section6_instance(stream(seed, Purpose.EVALUATION, 5), max(_LARGEST, size))
    system, start = instance.system(size), instance.gains()
    N, gaps = sum(system.sizes), []
    errors: list[float] = []
    critic = _compared(
        _critic(cell, system, start, stream(seed, Purpose.EVALUATION, 8, size, T)), system, start, errors
    )
    for gains in islice(actor_critic(system, start, critic), int(cell["most"]) + 1):
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


def _critic(cell: Mapping[str, Any], system: ExchangeableSystem, start: Gains, rng: np.random.Generator) -> Critic:
    kind, T = str(cell["kind"]), int(cell["steps"])
    if kind in _POWERS:
        return gtd_critic(system, start, T, rng, alpha=float(cell["alpha"]), power=_POWERS[kind])
    return single_chain_critic(system, start, T, rng) if kind == "least_squares" else exact_critic(system)


def _compared(critic: Critic, system: ExchangeableSystem, start: Gains, errors: list[float]) -> Critic:
    """The critic, noting how many times the δ_n of Assumption 4 at ε = 1 the largest of the L + 1 errors ‖Ê − E‖ is.

    An error below rounding counts as rounding.
    """
    systems, first = (*system.auxiliary, system.mean_field), (*start.own, start.mean_field)

    def evaluate(gains: Gains) -> list[Estimate]:
        found = critic(gains)
        ratios = []
        for S, K, K0, estimate in zip(systems, (*gains.own, gains.mean_field), first, found, strict=True):
            E = S.E(K)
            error = max(float(operator_norm(estimate.E - E)), np.finfo(np.float64).eps * float(operator_norm(E)))
            ratios.append(error * len(systems) / allowed_error(S, K, K0, 1.0))
        errors.append(max(ratios))
        return found

    return evaluate


ACTORS = Study(
    name="hierarchical_actors",
    title="Algorithm 2 with Algorithm 3 as its critic, and with least squares on the same chains",
    cells=_cells,
    simulate=_simulate,
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
        "tried": "iterations that were run at most",
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
