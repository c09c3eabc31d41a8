"""Study `coop_lsvi_communication`: episodes with communication against Lemmas 1 and 3, in T, S, M and d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..studies.coop_lsvi.bounds import betas, lemma_1, lemma_3
from ..studies.coop_lsvi.generators import random_mdp, random_multi_agent
from ..studies.coop_lsvi.mdp import homogeneous
from ..studies.coop_lsvi.multi import joint_noise, run_joint
from ..studies.coop_lsvi.parallel import EVERY_EPISODE, noise, run
from .contract import Study
from .coop_lsvi_common import SIZES, instance_stream, noise_stream
from .options import number, several, whole

__all__ = ["COMMUNICATION", "CONTROL"]

CONTROL = "every episode"
_SIZES = {name: option for name, option in SIZES.items() if name != "dimension"}


def _cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    common = {name: options[name] for name in _SIZES}
    cells: dict[str, dict[str, Any]] = {}
    for algorithm in ("parallel", "joint"):
        own = {name: options[name] for name in ("episodes", "agents")}
        own |= {name: options[f"{algorithm}_{name}s"] for name in ("dimension", "threshold")}
        if algorithm == "joint":  # the joint actions of many agents are too many
            own["agents"] = [M for M in own["agents"] if M <= 4]
        base = {name: values[len(values) // 2] for name, values in own.items()}
        for name, values in own.items():
            for value in values:
                point = {**base, name: value}
                label = "_".join(f"{one}{point[one]:g}" for one in own)
                cells[f"{algorithm}_{label}"] = {**common, **point, "algorithm": algorithm, "role": "trigger"}
        cells[f"{algorithm}_every"] = {**common, **base, "algorithm": algorithm, "role": CONTROL}
    return cells


def _simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    one = _parallel if cell["algorithm"] == "parallel" else _joint
    rows = []
    for seed in seeds:
        T, M, d, S = (cell[name] for name in ("episodes", "agents", "dimension", "threshold"))
        H = int(cell["horizon"])
        rounds, sent, total = one(cell, seed)
        bound = (lemma_1 if cell["algorithm"] == "parallel" else lemma_3)(T, M, H, d, S)
        sized = {"episodes": int(T), "agents": int(M), "dimension": int(d), "threshold": float(S), "horizon": H}
        row = {"seed": seed, "algorithm": cell["algorithm"], "role": cell["role"], **sized}
        rows.append({**row, "rounds": rounds, "bound": bound, "messages": sent, "bytes": total})
    return pd.DataFrame(rows)


def _parallel(cell: Mapping[str, Any], seed: int) -> tuple[int, int, int]:
    """Rounds, messages and bytes of Algorithm 1."""
    S, A, H, d = (int(cell[name]) for name in ("states", "actions", "horizon", "dimension"))
    T, M = int(cell["episodes"]), int(cell["agents"])
    mdp = homogeneous(random_mdp(instance_stream(seed), S, A, H, d), M)
    beta = betas("calibrated", T, M, H, d, scale=cell["scale"])
    threshold = EVERY_EPISODE if cell["role"] == CONTROL else cell["threshold"]
    found = run(mdp, noise(noise_stream(seed), T, M, H, S), beta, threshold)
    return _counted(found.rounds, found.traffic)


def _joint(cell: Mapping[str, Any], seed: int) -> tuple[int, int, int]:
    """Rounds, messages and bytes of Algorithm 2 with two actions an agent; d is d₁ + d₂, halved between them."""
    S, H, d = (int(cell[name]) for name in ("states", "horizon", "dimension"))
    T, M = int(cell["episodes"]), int(cell["agents"])
    mdp = random_multi_agent(instance_stream(seed), S, (2,) * M, H, d - d // 2, d // 2)
    beta = betas("calibrated", T, M, H, d, scale=cell["scale"])
    threshold = 1.0 if cell["role"] == CONTROL else cell["threshold"]
    found = run_joint(mdp, joint_noise(noise_stream(seed), T, M, H, S), beta, threshold)
    return _counted(found.rounds, found.traffic)


def _counted(rounds: np.ndarray[Any, Any], traffic: Any) -> tuple[int, int, int]:
    return len(rounds), traffic.messages_up + traffic.messages_down, traffic.bytes_up + traffic.bytes_down


COMMUNICATION = Study(
    name="coop_lsvi_communication",
    title="CoopLSVI: episodes with communication",
    cells=_cells,
    simulate=_simulate,
    columns={
        "seed": "run: MDP and noise",
        "algorithm": "parallel: Algorithm 1; joint: Algorithm 2",
        "role": "trigger, or communication after every episode",
        "episodes": "T",
        "agents": "M",
        "dimension": "d",
        "threshold": "S",
        "horizon": "H",
        "rounds": "episodes with communication",
        "bound": "Lemma 1 or Lemma 3, episodes",
        "messages": "messages that passed the server",
        "bytes": "bytes that passed the server",
    },
    options={
        **_SIZES,
        "episodes": several([250, 1000, 4000], whole(least=10)),
        "agents": several([1, 4, 16], whole(most=1000)),
        "parallel_dimensions": several([2, 4, 8], whole(least=2)),
        "joint_dimensions": several([6, 8, 12], whole(least=6)),
        "parallel_thresholds": several([0.1, 1, 10, 100], number()),
        "joint_thresholds": several([1.5, 2, 8], number(above=1)),
    },
)
