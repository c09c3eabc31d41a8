"""Declare the study `coop_lsvi_heterogeneity`: agents whose MDPs differ by ξ (Section 3.4.1) or by κ(m) (3.4.2).

As in `coop_lsvi_regret` the claims take the contrast of rewards with the largest mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.bounds import betas, lemma_14
from pcpo.evidence.coop_lsvi.model.draws import random_contexts, random_mdp, random_twins
from pcpo.evidence.coop_lsvi.model.mdp import ParallelMDP, contextual, deviating, optimal, with_contrast
from pcpo.evidence.coop_lsvi.model.parallel import ALONE, noise, run
from pcpo.evidence.coop_lsvi.streams import CONTRASTS, SIZES, first_losses, instance_stream, noise_stream

__all__ = ["HETEROGENEITY", "STUDIES"]

_HETEROGENEITY = "coop_lsvi_heterogeneity"


@dataclass(frozen=True)
class HeterogeneityCell:
    """Describe a condition of `coop_lsvi_heterogeneity`.

    Args:
        kind: "xi" for small deviations, "chi" for contexts.
        amount: ξ or χ.
        algorithm: one of those in the study's columns.
        contrast: factor of the differences between rewards of the MDP that all agents share.
        agents: M.
        episodes: T.
        contexts: k, entries of a context.
        weight: w of the contexts in the features.
        states, actions, horizon, dimension: sizes of the MDPs.
        scale: factor of the calibrated β_t.
    """

    kind: Literal["xi", "chi"]
    amount: float
    algorithm: str
    contrast: float
    agents: int
    episodes: int
    contexts: int
    weight: float
    states: int
    actions: int
    horizon: int
    dimension: int
    scale: float


def _heterogeneity_cells(options: Mapping[str, Any]) -> dict[str, HeterogeneityCell]:
    """Return each algorithm at each ξ and each χ.

    Raises:
        ConfigError: for a χ above the number of agents or of contexts' entries.
    """
    common = {name: options[name] for name in (*SIZES, "agents", "episodes", "contexts", "weight")}
    chis, most = options["chis"], min(options["contexts"], options["agents"])
    if max(chis) > most:
        where = key_of(_HETEROGENEITY, "chis")
        raise ConfigError(f"{where}: found {max(chis)}, expected at most {most}: agents and contexts")
    wanted: list[tuple[Literal["xi", "chi"], float, str]] = []
    wanted += [("xi", xi, name) for xi in options["deviations"] for name in ("told", "untold", "alone")]
    wanted += [("chi", chi, name) for chi in chis for name in ("contexts", "ignored", "alone")]
    wanted += [("chi", 1, "plain")] if 1 in chis else []
    return {
        f"{kind}_{amount:g}_{name}_{g:g}": HeterogeneityCell(kind, float(amount), name, float(g), **common)
        for kind, amount, name in wanted
        for g in options["contrasts"]
    }


def _instance(cell: HeterogeneityCell, seed: int) -> ParallelMDP:
    """Draw the agents' MDPs: the same base for every ξ, the same ν and α for every χ."""
    S, H, rng, M, k = cell.states, cell.horizon, instance_stream(seed), cell.agents, cell.contexts
    base = with_contrast(random_mdp(rng, S, cell.actions, H, cell.dimension), cell.contrast)
    if cell.kind == "xi":
        return deviating(base, random_twins(rng, base, M), cell.amount)
    nu, alpha = rng.dirichlet(np.full(S, 0.1), (H, k)), rng.integers(0, 2, (H, k)).astype(np.float64)
    mdp = contextual(base, nu, alpha, random_contexts(rng, M, k, int(cell.amount)), cell.weight)
    if cell.algorithm == "plain":  # identical agents: φ of norm up to 1 carries the constants of the contexts too
        return ParallelMDP(base.phi, mdp.P, mdp.r)
    return mdp


def _heterogeneity(cell: HeterogeneityCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each run."""
    return pd.DataFrame([_heterogeneity_run(cell, seed) for seed in seeds])


def _heterogeneity_run(cell: HeterogeneityCell, seed: int) -> dict[str, Any]:
    """Run one algorithm once and return its row."""
    mdp, algorithm = _instance(cell, seed), cell.algorithm
    T, M, H, d = cell.episodes, mdp.M, mdp.H, mdp.phi.shape[-1]
    seen = mdp.averaged() if algorithm == "ignored" else mdp
    D = seen.features(use_contexts=True).shape[-1]
    xi = cell.amount if algorithm == "told" else 0.0
    beta = betas("calibrated", T, 1 if algorithm == "alone" else M, H, D, scale=cell.scale, xi=xi)
    drawn = noise(noise_stream(seed), T, M, H, mdp.phi.shape[0])
    found = run(seen, drawn, beta, ALONE if algorithm == "alone" else 1.0, use_contexts=True)
    Q, V = optimal(mdp.P, mdp.r)
    advantage = Q - V[..., None]
    return {
        "seed": seed,
        "kind": cell.kind,
        "amount": cell.amount,
        "algorithm": algorithm,
        "contrast": cell.contrast,
        "agents": M,
        "horizon": H,
        "dimension": d,
        "contexts": D - d if cell.kind == "chi" else 0,
        "rounds": len(found.rounds),
        "regret": float(found.regret.sum()),
        "late": float(found.regret[T // 2 :].mean()),
        "first": float(first_losses(mdp, drawn.starts)[T // 2 :].mean()),
        "variation": mdp.deviation[0],
        "chi": mdp.chi,
        "log_det": float(found.log_det.max()),
        "log_det_bound": lemma_14(T, M, d, mdp.chi),
        "log_det_bound_1": lemma_14(T, M, d, 1),
        "spread": float(np.abs(advantage - advantage[:1]).max()),
    }


HETEROGENEITY = Study(
    name=_HETEROGENEITY,
    title="CoopLSVI: heterogeneous parallel MDPs",
    cells=_heterogeneity_cells,
    simulate=_heterogeneity,
    columns={
        "seed": "run: MDPs and noise",
        "kind": "xi: small deviations; chi: contexts",
        "amount": "ξ or χ",
        "algorithm": "told: Algorithm 1 with ξ in β; untold: without; contexts: Algorithm 3; ignored: the same, the "
        "mean context in the place of each; plain: Algorithm 1 with φ, for identical agents; alone: no communication",
        "contrast": "factor of the differences between rewards of the MDP that all agents share, no unit",
        "agents": "M",
        "horizon": "H",
        "dimension": "d",
        "contexts": "k, entries of a context that the algorithm regresses on",
        "rounds": "episodes with communication",
        "regret": "group regret, units of reward",
        "late": "mean regret of an agent in an episode of the second half, units of reward",
        "first": "the same of agents that always take the first action",
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
        "contrasts": CONTRASTS,
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "coop_lsvi_heterogeneity": HETEROGENEITY,
}
