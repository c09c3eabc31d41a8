"""Study `coop_lsvi_regret`: group regret of Algorithm 1 in homogeneous parallel MDPs against T, M and S.

A theorem for all MDPs is tested on a worst one: the MDP of a run comes with rewards of several contrasts, which scale
the gaps between actions, and the claims take the contrast with the largest mean regret at each M and T.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..studies.coop_lsvi.bounds import betas, remark_2_threshold
from ..studies.coop_lsvi.generators import random_mdp, with_contrast
from ..studies.coop_lsvi.mdp import homogeneous
from ..studies.coop_lsvi.parallel import ALONE, EVERY_EPISODE, noise, run
from .contract import Study
from .coop_lsvi_common import SIZES, at, checkpoints, instance_stream, noise_stream
from .options import number, several, whole

__all__ = ["ALGORITHMS", "REGRET"]

_CHECKPOINTS = 5

#: Algorithms by name: how they are run.  Thresholds S: of (7), or "remark" for that of Remark 2.
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


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    common = {name: options[name] for name in (*SIZES, "episodes")}
    agents, contrasts = options["agents"], options["contrasts"]
    middle, many = contrasts[len(contrasts) // 2], max(agents)
    wanted = [(name, M, g) for name in ("shared", "remark", "alone") for M in agents for g in contrasts]
    wanted += [("pooled", many, g) for g in contrasts] + [("every", many, middle)]
    wanted += [(name, 4, contrasts[0]) for name in ("proof", "theorem", "no_bonus")]
    return {
        f"{name}_{M}_{g:g}": {**common, "algorithm": name, "agents": M, "contrast": float(g)} for name, M, g in wanted
    }


def _threshold(cell: Mapping[str, Any]) -> float:
    if cell["algorithm"] in ("alone", "pooled"):
        return ALONE
    if cell["algorithm"] == "every":
        return EVERY_EPISODE
    if cell["algorithm"] == "remark":
        return remark_2_threshold(cell["episodes"], cell["agents"], cell["dimension"])
    return 1.0


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    frames = [_run(cell, seed) for seed in seeds]
    return pd.concat(frames, ignore_index=True)


def _run(cell: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """One run, a row per checkpoint.  A pooled agent acts M times in an "episode" of the others."""
    S, A, H, d = (int(cell[name]) for name in ("states", "actions", "horizon", "dimension"))
    M, T, algorithm = int(cell["agents"]), int(cell["episodes"]), str(cell["algorithm"])
    mdp = with_contrast(random_mdp(instance_stream(seed), S, A, H, d), cell["contrast"])
    acting, steps = (1, M * T) if algorithm == "pooled" else (M, T)
    mode = algorithm if algorithm in ("proof", "theorem") else "calibrated"
    known = 1 if algorithm == "alone" else acting  # an agent alone knows of no others
    beta = betas(mode, steps, known, H, d, scale=0.0 if algorithm == "no_bonus" else cell["scale"])
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
            "contrast": cell["contrast"],
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
    cells=_cells,
    simulate=_simulate,
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
