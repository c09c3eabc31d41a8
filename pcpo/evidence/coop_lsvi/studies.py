"""Declare the study `coop_lsvi_regret`: group regret of Algorithm 1 in homogeneous parallel MDPs against T and M.

A theorem for all MDPs is tested on a worst one: the MDP of a run comes with rewards of several contrasts, which scale
the gaps between actions, and the claims take the contrast with the largest mean regret at each M and T.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.coop_lsvi.model.bounds import betas, remark_2_threshold
from pcpo.evidence.coop_lsvi.model.draws import random_mdp
from pcpo.evidence.coop_lsvi.model.mdp import homogeneous, with_contrast
from pcpo.evidence.coop_lsvi.model.parallel import ALONE, EVERY_EPISODE, noise, run
from pcpo.evidence.coop_lsvi.streams import SIZES, at, checkpoints, first_losses, instance_stream, noise_stream

__all__ = ["ALGORITHMS", "REGRET", "STUDIES"]

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
    "third": "the same with 0.3 times that β",
    "greedy": "the same with 0.01 times that β",
    "no_bonus": "the same with β = 0",
}
#: Scales of the theorem's β, where they are not the option's.
_SCALES = {"third": 0.3, "greedy": 0.01, "no_bonus": 0.0}
#: Algorithms whose runs are read by negative controls and figures alone.
_CONTROLS = ("every", "third", "greedy", "no_bonus")


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
    wanted += [(name, 4, contrasts[0]) for name in ("proof", "theorem", "third", "no_bonus")]
    wanted += [("greedy", M, contrasts[0]) for M in agents]
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
    beta = betas(mode, steps, known, H, d, scale=_SCALES.get(algorithm, cell.scale))
    threshold, agents = _threshold(cell), homogeneous(mdp, acting)
    drawn = noise(noise_stream(seed), steps, acting, H, S)
    found = run(agents, drawn, beta, threshold)
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
            "bonus": at(2 * beta[:, None] * found.width, own),
            "first": at(first_losses(agents, drawn.starts), own),
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
        "bonus": "twice the sum of β_t‖φ‖ along the way of all agents, the last term of (61), units of reward",
        "first": "group regret of agents that always take the first action, units of reward",
        "rounds": "episodes with communication",
        "pessimistic": "fraction of (episode, agent) with Q^t < Q* at some step, state and action",
        "bytes": "all bytes that passed the server in the whole run",
    },
    key=("seed", "episode"),
    may_be_missing=frozenset({"threshold"}),
    options={
        **SIZES,
        "agents": several([1, 2, 4, 8, 16], whole(most=1000)),
        "contrasts": several([1, 0.5, 0.25, 0.125, 0.0625], number(most=1)),
        "episodes": whole(1000, least=2**_CHECKPOINTS),
    },
    controls_only=lambda cell: cell.startswith(_CONTROLS),
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "coop_lsvi_regret": REGRET,
}
