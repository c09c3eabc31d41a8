"""Critics: the error of Algorithm 3 against its iterations, and of least-squares TD against the size.

Algorithm 2 with critics that see one chain of every auxiliary system: Algorithm 3, and least squares beside it.

Iterations to a precision: exact critics at many sizes (Figure 1, Theorem 2), and simulated agents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

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
    single_chain_critic,
)
from pcpo.evidence.hierarchical.model.critics import LeastSquares, chain, gtd_estimates, gtd_radii, stage_costs, svec
from pcpo.evidence.hierarchical.model.instances import counted, section6_instance, slowest, theorem_2
from pcpo.evidence.hierarchical.model.regulator import Regulator, allowed_error, operator_norm
from pcpo.evidence.hierarchical.model.simulation import simulated
from pcpo.evidence.hierarchical.model.system import ExchangeableSystem, Gains
from pcpo.simulation.noise import Purpose, stream

__all__ = ["ACTORS", "COMPLEXITY", "CRITIC", "LEARNING", "SAMPLES", "STUDIES", "SYSTEM"]

_I = np.eye(1)
#: The system and the gain at which Algorithm 3 runs: well conditioned, so that its rate shows within 2^18 iterations.
SYSTEM, _GAIN = Regulator(0.5 * _I, 0.5 * _I, _I, _I, _I, _I), 0.3 * _I
_KINDS = {"gtd": (0.5, 1.0), "control:harmonic": (1.0, 1.0), "control:ball": (0.5, 0.5)}


def _critic_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kinds = {kind: {"power": power, "ball": ball, **options} for kind, (power, ball) in _KINDS.items()}
    return {**kinds, "least_squares": {"power": 0.0, "ball": 0.0, **options}}


def _critic_errors(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    S, K = SYSTEM, _GAIN
    steps = [2**j for j in range(int(cell["first"]), int(cell["last"]) + 1)]
    true, radii = svec(S.Delta(K)), gtd_radii(S, K)
    if cell["ball"] < 1:
        radii[1] = cell["ball"] * np.linalg.norm(true)
    frames = []
    for seed in seeds:
        v = chain(S, K, steps[-1], stream(seed, Purpose.EVALUATION, 4))
        costs = stage_costs(v[:-1], S.Q, S.R)
        if cell["power"]:
            found = gtd_estimates(v, costs, radii, steps, alpha=float(cell["alpha"]), power=float(cell["power"]))[:, 1:]
        else:
            found = np.array(list(_least_squares(S, K, v, costs, steps)))
        errors = np.sum((found - true) ** 2, axis=1) / np.sum(true**2)
        frames.append(pd.DataFrame({"seed": seed, "iterations": steps, "error": errors}))
    return pd.concat(frames, ignore_index=True)


def _least_squares(
    S: Regulator, K: FloatArray, v: FloatArray, costs: FloatArray, steps: Sequence[int]
) -> Iterator[FloatArray]:
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


def _samples(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    steps, rows = int(cell["steps"]), []
    for seed in seeds:
        instance = section6_instance(stream(seed, Purpose.EVALUATION, 5))
        gains = instance.gains()
        for size in cell["sizes"]:
            system, rng = instance.system(int(size)), stream(seed, Purpose.EVALUATION, 6, int(size))
            measure = _decomposed if cell["decomposed"] else _undecomposed
            rows.append({"seed": seed, "size": int(size), "error": measure(system, gains, steps, rng)})
    return pd.DataFrame(rows)


def _decomposed(system: ExchangeableSystem, gains: Gains, steps: int, rng: np.random.Generator) -> float:
    """‖Ê − E‖²_F/‖E‖²_F of the E_K of the whole system that the estimates for S_1, …, S_L and S̄ make up."""
    pairs = [*zip((*system.auxiliary, system.mean_field), (*gains.own, gains.mean_field), strict=True)]
    critics = [LeastSquares(K, S.Psi) for S, K in pairs]
    for seen in simulated(system, gains, steps, rng, watched=max(system.sizes)):
        for critic, part in zip(critics, seen, strict=True):
            width = part.v.shape[-1]
            critic.add(part.v.reshape(-1, width), part.after.reshape(-1, width), part.costs.ravel())
    true = [S.E(K) for S, K in pairs]
    weights = np.array([*(size - 1 for size in system.sizes), 1.0])
    # In the orthogonal coordinates x̃, √|N^l| x̄^l; the sizes are equal, so S̄'s E_K is there divided by the size.
    scale = [1.0] * len(system.sizes) + [1 / system.sizes[0]]
    off, norm = (
        sum(w * c**2 * float(np.sum(M**2)) for w, c, M in zip(weights, scale, matrices, strict=True))
        for matrices in ([critic.E() - E for critic, E in zip(critics, true, strict=True)], true)
    )
    return float(off / norm)


def _undecomposed(system: ExchangeableSystem, gains: Gains, steps: int, rng: np.random.Generator) -> float:
    """The same for one critic of the whole system."""
    S, K = system.full, system.full_gain(gains)
    v = chain(S, K, steps, rng)
    critic = LeastSquares(K, S.Psi)
    critic.add(v[:-1], v[1:], stage_costs(v[:-1], S.Q, S.R))
    true = S.E(K)
    return float(np.sum((critic.E() - true) ** 2) / np.sum(true**2))


SAMPLES = Study(
    name="hierarchical_samples",
    title="Error of least-squares TD on one trajectory against the size of the subpopulations",
    cells=lambda options: {
        name: {"decomposed": decomposed, **options}
        for name, decomposed in (("decomposed", True), ("control:undecomposed", False))
    },
    simulate=_samples,
    columns={
        "seed": "instance of section 6 and trajectory",
        "size": "|N^l|, both subpopulations",
        "error": "‖Ê_K − E_K‖²/‖E_K‖² (Frobenius), E_K of the whole system",
    },
    key=("seed", "size"),
    options={"sizes": several([2, 3, 4], whole(least=2), fewest=2), "steps": whole(2000)},
)


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


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "hierarchical_critic": CRITIC,
    "hierarchical_samples": SAMPLES,
    "hierarchical_complexity": COMPLEXITY,
    "hierarchical_learning": LEARNING,
    "hierarchical_actors": ACTORS,
}
