"""Declare the studies of agents with an MDP each: regret, and heterogeneity.

`coop_lsvi_regret`: group regret of Algorithm 1 in homogeneous parallel MDPs against T, M and S.  A theorem for all MDPs
is tested on a worst one: the MDP of a run comes with rewards of several contrasts, which scale the gaps between
actions, and the claims take the contrast with the largest mean regret at each M and T.

`coop_lsvi_heterogeneity`: agents whose MDPs differ by ξ (Section 3.4.1) or by κ(m) (Section 3.4.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.bounds import betas, lemma_14, remark_2_threshold
from pcpo.evidence.coop_lsvi.model.mdp import (
    ParallelMDP,
    contextual,
    deviating,
    homogeneous,
    optimal,
    random_contexts,
    random_mdp,
    random_twins,
    with_contrast,
)
from pcpo.evidence.coop_lsvi.model.parallel import ALONE, EVERY_EPISODE, noise, run
from pcpo.evidence.coop_lsvi.streams import SIZES, at, checkpoints, instance_stream, noise_stream

__all__ = ["ALGORITHMS", "HETEROGENEITY", "REGRET", "STUDIES"]

_CHECKPOINTS = 5

#: Algorithms of `coop_lsvi_regret` by name; S is the threshold of (7).
ALGORITHMS = {
    "shared": "Algorithm 1 with S = 1",
    "remark": "Algorithm 1 with S = T log(MT)/(dM²), Remark 2",
    "every": "communication after every episode",
    "alone": "no communication",
    "pooled": "one LSVI-UCB agent that acts MT times",
    "proof": "Algorithm 1 with S = 1 and β of the proofs, c_β = 1",
    "theorem": "Algorithm 1 with S = 1 and β as the theorem states it, constant 1",
    "no_bonus": "Algorithm 1 with S = 1 and β = 0",
}


@dataclass(frozen=True)
class RegretCell:
    """Describe a condition of `coop_lsvi_regret`.

    Args:
        algorithm: one of `ALGORITHMS`.
        agents: M.
        contrast: factor of the differences between rewards.
        episodes: T.
        states, actions, horizon, dimension: sizes of the MDP.
        scale: factor of the calibrated β_t.
    """

    algorithm: str
    agents: int
    contrast: float
    episodes: int
    states: int
    actions: int
    horizon: int
    dimension: int
    scale: float


def _regret_cells(options: Mapping[str, Any]) -> dict[str, RegretCell]:
    """Return each algorithm at the numbers of agents and contrasts that the claims and the figure need."""
    common = {name: options[name] for name in (*SIZES, "episodes")}
    agents, contrasts = options["agents"], options["contrasts"]
    middle, many = contrasts[len(contrasts) // 2], max(agents)
    wanted = [(name, M, g) for name in ("shared", "remark", "alone") for M in agents for g in contrasts]
    wanted += [("pooled", many, g) for g in contrasts] + [("every", many, middle)]
    wanted += [(name, 4, contrasts[0]) for name in ("proof", "theorem", "no_bonus")]
    return {f"{name}_{M}_{g:g}": RegretCell(name, M, float(g), **common) for name, M, g in wanted}


def _threshold(cell: RegretCell) -> float:
    """Return the threshold S of a cell's algorithm."""
    if cell.algorithm in ("alone", "pooled"):
        return ALONE
    if cell.algorithm == "every":
        return EVERY_EPISODE
    if cell.algorithm == "remark":
        return remark_2_threshold(cell.episodes, cell.agents, cell.dimension)
    return 1.0


def _regret(cell: RegretCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each checkpoint of each run."""
    return pd.concat([_regret_run(cell, seed) for seed in seeds], ignore_index=True)


def _regret_run(cell: RegretCell, seed: int) -> pd.DataFrame:
    """Return a row for each checkpoint of one run.

    A pooled agent acts M times in what counts as one episode of the other algorithms.
    """
    S, H, d, M, T, algorithm = cell.states, cell.horizon, cell.dimension, cell.agents, cell.episodes, cell.algorithm
    mdp = with_contrast(random_mdp(instance_stream(seed), S, cell.actions, H, d), cell.contrast)
    acting, steps = (1, M * T) if algorithm == "pooled" else (M, T)
    mode = algorithm if algorithm in ("proof", "theorem") else "calibrated"
    known = 1 if algorithm == "alone" else acting  # without communication an agent knows of no other agents
    beta = betas(mode, steps, known, H, d, scale=0.0 if algorithm == "no_bonus" else cell.scale)
    threshold = _threshold(cell)
    found = run(homogeneous(mdp, acting), noise(noise_stream(seed), steps, acting, H, S), beta, threshold)
    episodes = checkpoints(T, _CHECKPOINTS)
    own = episodes * (steps // T)
    return pd.DataFrame(
        {
            "seed": seed,
            "episode": episodes,
            "algorithm": algorithm,
            "agents": M,
            "contrast": cell.contrast,
            "threshold": threshold if math.isfinite(threshold) else np.nan,
            "beta": beta[own - 1],
            "regret": at(found.regret, own),
            "rounds": np.searchsorted(found.rounds, own, side="right"),
            "pessimistic": at((found.pessimism > 0).astype(np.float64), own) / (own * acting),
            "bytes": found.traffic.bytes_up + found.traffic.bytes_down,
        }
    )


REGRET = Study(
    name="coop_lsvi_regret",
    title="CoopLSVI: group regret in homogeneous parallel MDPs",
    cells=_regret_cells,
    simulate=_regret,
    columns={
        "seed": "run: MDP and noise",
        "episode": "episodes so far, of each agent",
        "algorithm": "what was run: " + "; ".join(f"{name}: {what}" for name, what in ALGORITHMS.items()),
        "agents": "M",
        "contrast": "factor of the differences between rewards, no unit",
        "threshold": "S of (7); NaN without communication",
        "beta": "β_t, units of reward",
        "regret": "group regret, units of reward",
        "rounds": "episodes with communication",
        "pessimistic": "fraction of (episode, agent) with Q^t < Q* at some step, state and action",
        "bytes": "all bytes that passed the server in the whole run",
    },
    key=("seed", "episode"),
    may_be_missing=frozenset({"threshold"}),
    options={
        **SIZES,
        "agents": several([1, 2, 4, 8, 16], whole(most=1000)),
        "contrasts": several([0.5, 0.25, 0.125, 0.0625, 0.03125], number(most=1)),
        "episodes": whole(1000, least=2**_CHECKPOINTS),
    },
)


_HETEROGENEITY = "coop_lsvi_heterogeneity"


@dataclass(frozen=True)
class HeterogeneityCell:
    """Describe a condition of `coop_lsvi_heterogeneity`.

    Args:
        kind: "xi" for small deviations, "chi" for contexts.
        amount: ξ or χ.
        algorithm: "told", "untold", "contexts", "ignored" or "alone", as in the study's columns.
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
    cells: dict[str, HeterogeneityCell] = {}
    for xi in options["deviations"]:
        for algorithm in ("told", "untold", "alone"):
            cells[f"xi_{xi:g}_{algorithm}"] = HeterogeneityCell("xi", float(xi), algorithm, **common)
    for chi in chis:
        for algorithm in ("contexts", "ignored", "alone"):
            cells[f"chi_{chi:g}_{algorithm}"] = HeterogeneityCell("chi", float(chi), algorithm, **common)
    return cells


def _instance(cell: HeterogeneityCell, seed: int) -> ParallelMDP:
    """Draw the agents' MDPs: the same base for every ξ, the same ν and α for every χ."""
    S, H, rng, M, k = cell.states, cell.horizon, instance_stream(seed), cell.agents, cell.contexts
    base = random_mdp(rng, S, cell.actions, H, cell.dimension)
    if cell.kind == "xi":
        return deviating(base, random_twins(rng, base, M), cell.amount)
    nu, alpha = rng.dirichlet(np.full(S, 0.1), (H, k)), rng.integers(0, 2, (H, k)).astype(np.float64)
    return contextual(base, nu, alpha, random_contexts(rng, M, k, int(cell.amount)), cell.weight)


def _heterogeneity(cell: HeterogeneityCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each run."""
    return pd.DataFrame([_heterogeneity_run(cell, seed) for seed in seeds])


def _heterogeneity_run(cell: HeterogeneityCell, seed: int) -> dict[str, Any]:
    """Run one algorithm once and return its row."""
    mdp, algorithm = _instance(cell, seed), cell.algorithm
    T, M, H, d = cell.episodes, mdp.M, mdp.H, mdp.phi.shape[-1]
    use_contexts = algorithm == "contexts" or (algorithm == "alone" and cell.kind == "chi")
    D = mdp.features(use_contexts=use_contexts).shape[-1]
    xi = cell.amount if algorithm == "told" else 0.0
    beta = betas("calibrated", T, 1 if algorithm == "alone" else M, H, D, scale=cell.scale, xi=xi)
    threshold = ALONE if algorithm == "alone" else 1.0
    found = run(mdp, noise(noise_stream(seed), T, M, H, mdp.phi.shape[0]), beta, threshold, use_contexts=use_contexts)
    Q, V = optimal(mdp.P, mdp.r)
    advantage = Q - V[..., None]
    return {
        "seed": seed,
        "kind": cell.kind,
        "amount": cell.amount,
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
    name=_HETEROGENEITY,
    title="CoopLSVI: heterogeneous parallel MDPs",
    cells=_heterogeneity_cells,
    simulate=_heterogeneity,
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


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "coop_lsvi_regret": REGRET,
    "coop_lsvi_heterogeneity": HETEROGENEITY,
}
