"""Study `coop_lsvi_heterogeneity`: agents whose MDPs differ by ξ (Section 3.4.1) or by κ(m) (Section 3.4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ConfigError
from ..studies.coop_lsvi.bounds import betas, lemma_14
from ..studies.coop_lsvi.dynamic import optimal
from ..studies.coop_lsvi.generators import random_contexts, random_mdp, random_twins
from ..studies.coop_lsvi.mdp import ParallelMDP, contextual, deviating
from ..studies.coop_lsvi.parallel import ALONE, noise, run
from .contract import Study
from .coop_lsvi_common import SIZES, instance_stream, noise_stream
from .options import key_of, number, several, whole

__all__ = ["HETEROGENEITY"]

_NAME = "coop_lsvi_heterogeneity"
_TOLD, _UNTOLD, _CONTEXTS, _IGNORED, _LONELY = "told", "untold", "contexts", "ignored", "alone"


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    common = {name: options[name] for name in (*SIZES, "agents", "episodes", "contexts", "weight")}
    chis, most = options["chis"], min(options["contexts"], options["agents"])
    if max(chis) > most:
        raise ConfigError(f"{key_of(_NAME, 'chis')}: found {max(chis)}, expected at most {most}: agents and contexts")
    cells: dict[str, dict[str, Any]] = {}
    for xi in options["deviations"]:
        for algorithm in (_TOLD, _UNTOLD, _LONELY):
            cells[f"xi_{xi:g}_{algorithm}"] = {**common, "kind": "xi", "amount": float(xi), "algorithm": algorithm}
    for chi in chis:
        for algorithm in (_CONTEXTS, _IGNORED, _LONELY):
            cells[f"chi_{chi:g}_{algorithm}"] = {**common, "kind": "chi", "amount": float(chi), "algorithm": algorithm}
    return cells


def _instance(cell: Mapping[str, Any], seed: int) -> ParallelMDP:
    """The agents' MDPs: the same base for every ξ, the same ν, α for every χ."""
    S, A, H, d = (int(cell[name]) for name in ("states", "actions", "horizon", "dimension"))
    rng, M, k = instance_stream(seed), int(cell["agents"]), int(cell["contexts"])
    base = random_mdp(rng, S, A, H, d)
    if cell["kind"] == "xi":
        return deviating(base, random_twins(rng, base, M), cell["amount"])
    nu, alpha = rng.dirichlet(np.full(S, 0.1), (H, k)), rng.integers(0, 2, (H, k)).astype(np.float64)
    return contextual(base, nu, alpha, random_contexts(rng, M, k, int(cell["amount"])), cell["weight"])


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    return pd.DataFrame([_run(cell, seed) for seed in seeds])


def _run(cell: Mapping[str, Any], seed: int) -> dict[str, Any]:
    mdp, algorithm = _instance(cell, seed), str(cell["algorithm"])
    T, M, H, d = int(cell["episodes"]), mdp.M, mdp.H, mdp.phi.shape[-1]
    use_contexts = algorithm == _CONTEXTS or (algorithm == _LONELY and cell["kind"] == "chi")
    D = mdp.features(use_contexts=use_contexts).shape[-1]
    xi = cell["amount"] if algorithm == _TOLD else 0.0
    beta = betas("calibrated", T, 1 if algorithm == _LONELY else M, H, D, scale=cell["scale"], xi=xi)
    threshold = ALONE if algorithm == _LONELY else 1.0
    found = run(mdp, noise(noise_stream(seed), T, M, H, mdp.phi.shape[0]), beta, threshold, use_contexts=use_contexts)
    Q, V = optimal(mdp.P, mdp.r)
    advantage = Q - V[..., None]
    return {
        "seed": seed,
        "kind": cell["kind"],
        "amount": cell["amount"],
        "algorithm": algorithm,
        "agents": M,
        "horizon": H,
        "dimension": d,
        "rounds": len(found.rounds),
        "regret": float(found.regret.sum()),
        "late": float(found.regret[T // 2 :].mean()),
        "variation": mdp.deviation[0],
        "chi": mdp.chi,
        "log_det": float(found.log_det.max()),
        "log_det_bound": lemma_14(T, M, d, mdp.chi),
        "log_det_bound_1": lemma_14(T, M, d, 1),
        "spread": float(np.abs(advantage - advantage[:1]).max()),
    }


HETEROGENEITY = Study(
    name=_NAME,
    title="CoopLSVI: heterogeneous parallel MDPs",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "run: MDPs and noise",
        "kind": "xi: small deviations; chi: contexts",
        "amount": "ξ or χ",
        "algorithm": "told: Algorithm 1 with ξ in β; untold: without; contexts: Algorithm 3; ignored: Algorithm 1 "
        "without contexts; alone: no communication",
        "agents": "M",
        "horizon": "H",
        "dimension": "d",
        "rounds": "episodes with communication",
        "regret": "group regret, units of reward",
        "late": "mean regret of an agent in an episode of the second half, units of reward",
        "variation": "largest total variation between two agents' transitions",
        "chi": "rank of the contexts' Gram matrix; 0 without contexts",
        "log_det": "largest log det Λ_h of all agents' data over that of λI",
        "log_det_bound": "bound of Lemma 14",
        "log_det_bound_1": "the same for χ = 1",
        "spread": "largest difference between two agents' advantages Q* − V*, units of reward",
    },
    options={
        **SIZES,
        "agents": whole(8, least=2),
        "episodes": whole(1000, least=2),
        "deviations": several([0, 0.02, 0.05, 0.1, 0.2, 0.4], number(least=0, most=0.5)),
        "chis": several([1, 2, 4, 8], whole()),
        "contexts": whole(8),
        "weight": number(0.6, least=0, below=1),
    },
)
