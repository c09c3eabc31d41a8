"""Critics: the error of Algorithm 3 against its iterations, and of least-squares TD against the size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..contracts import FloatArray
from ..randomness import Purpose, stream
from ..studies.hierarchical.critics import LeastSquares, chain, gtd_estimates, gtd_radii, stage_costs, svec
from ..studies.hierarchical.regulator import Regulator
from ..studies.hierarchical.section6 import section6_instance
from ..studies.hierarchical.simulation import simulated
from ..studies.hierarchical.system import ExchangeableSystem, Gains
from .contract import Study
from .options import number, several, whole

__all__ = ["CRITIC", "SAMPLES", "SYSTEM"]

_I = np.eye(1)
#: The system and the gain at which Algorithm 3 runs: well conditioned, so that its rate shows within 2^18 iterations.
SYSTEM, _GAIN = Regulator(0.5 * _I, 0.5 * _I, _I, _I, _I, _I), 0.3 * _I
_KINDS = {"gtd": (0.5, 1.0), "control:harmonic": (1.0, 1.0), "control:ball": (0.5, 0.5)}


def _critic_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kinds = {kind: {"power": power, "ball": ball, **options} for kind, (power, ball) in _KINDS.items()}
    return {**kinds, "least_squares": {"power": 0.0, "ball": 0.0, **options}}


def _critic(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
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
    simulate=_critic,
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
