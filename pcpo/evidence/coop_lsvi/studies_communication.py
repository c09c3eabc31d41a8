"""Declare the study `coop_lsvi_communication`: episodes with communication against Lemmas 1 and 3, in T, S, M and d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pcpo.algorithms.protocol import Traffic
from pcpo.arrays import IntArray
from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.coop_lsvi.model.bounds import betas, lemma_1, lemma_3
from pcpo.evidence.coop_lsvi.model.joint import joint_noise, run_joint
from pcpo.evidence.coop_lsvi.model.mdp import homogeneous, random_mdp, random_multi_agent
from pcpo.evidence.coop_lsvi.model.parallel import EVERY_EPISODE, noise, run
from pcpo.evidence.coop_lsvi.streams import SIZES, instance_stream, noise_stream

__all__ = ["COMMUNICATION", "CONTROL", "STUDIES"]

#: Role of the control that communicates after every episode.
CONTROL = "every episode"


@dataclass(frozen=True)
class CommunicationCell:
    """Describe a condition of `coop_lsvi_communication`.

    Args:
        algorithm: "parallel" for Algorithm 1, "joint" for Algorithm 2.
        role: "trigger", or `CONTROL`.
        episodes: T.
        agents: M.
        dimension: d.
        threshold: S.
        states, actions, horizon: sizes of the MDP; under Algorithm 2 an agent has two actions.
        scale: factor of the calibrated β_t.
    """

    algorithm: Literal["parallel", "joint"]
    role: str
    episodes: int
    agents: int
    dimension: int
    threshold: float
    states: int
    actions: int
    horizon: int
    scale: float


def _communication_cells(options: Mapping[str, Any]) -> dict[str, CommunicationCell]:
    """Return cells that vary T, M, d and S one at a time around their middle values, and a control each."""
    common = {name: options[name] for name in ("states", "actions", "horizon", "scale")}
    cells: dict[str, CommunicationCell] = {}
    algorithms: tuple[Literal["parallel", "joint"], ...] = ("parallel", "joint")
    for algorithm in algorithms:
        own = {name: options[name] for name in ("episodes", "agents")}
        own |= {name: options[f"{algorithm}_{name}s"] for name in ("dimension", "threshold")}
        if algorithm == "joint":  # the joint actions of many agents are too many
            own["agents"] = [M for M in own["agents"] if M <= 4]
        base = {name: values[len(values) // 2] for name, values in own.items()}
        for name, values in own.items():
            for value in values:
                point = {**base, name: value}
                label = "_".join(f"{one}{point[one]:g}" for one in own)
                cells[f"{algorithm}_{label}"] = CommunicationCell(algorithm, "trigger", **point, **common)
        cells[f"{algorithm}_every"] = CommunicationCell(algorithm, CONTROL, **base, **common)
    return cells


def _communication(cell: CommunicationCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each run."""
    simulate, lemma = (_parallel, lemma_1) if cell.algorithm == "parallel" else (_joint, lemma_3)
    fixed = {
        "algorithm": cell.algorithm,
        "role": cell.role,
        "episodes": cell.episodes,
        "agents": cell.agents,
        "dimension": cell.dimension,
        "threshold": float(cell.threshold),
        "horizon": cell.horizon,
        "bound": lemma(cell.episodes, cell.agents, cell.horizon, cell.dimension, cell.threshold),
    }
    rows = []
    for seed in seeds:
        rounds, traffic = simulate(cell, seed)
        messages, total = traffic.messages_up + traffic.messages_down, traffic.bytes_up + traffic.bytes_down
        rows.append({"seed": seed, **fixed, "rounds": len(rounds), "messages": messages, "bytes": total})
    return pd.DataFrame(rows)


def _parallel(cell: CommunicationCell, seed: int) -> tuple[IntArray, Traffic]:
    """Run Algorithm 1 and return its rounds and traffic."""
    S, H, d, T, M = cell.states, cell.horizon, cell.dimension, cell.episodes, cell.agents
    mdp = homogeneous(random_mdp(instance_stream(seed), S, cell.actions, H, d), M)
    beta = betas("calibrated", T, M, H, d, scale=cell.scale)
    threshold = EVERY_EPISODE if cell.role == CONTROL else cell.threshold
    found = run(mdp, noise(noise_stream(seed), T, M, H, S), beta, threshold)
    return found.rounds, found.traffic


def _joint(cell: CommunicationCell, seed: int) -> tuple[IntArray, Traffic]:
    """Run Algorithm 2 with two actions an agent and return its rounds and traffic; d = d₁ + d₂ is halved."""
    S, H, d, T, M = cell.states, cell.horizon, cell.dimension, cell.episodes, cell.agents
    mdp = random_multi_agent(instance_stream(seed), S, (2,) * M, H, d - d // 2, d // 2)
    beta = betas("calibrated", T, M, H, d, scale=cell.scale)
    threshold = 1.0 if cell.role == CONTROL else cell.threshold
    found = run_joint(mdp, joint_noise(noise_stream(seed), T, M, H, S), beta, threshold)
    return found.rounds, found.traffic


COMMUNICATION = Study(
    name="coop_lsvi_communication",
    title="CoopLSVI: episodes with communication",
    cells=_communication_cells,
    simulate=_communication,
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
        **{name: option for name, option in SIZES.items() if name != "dimension"},
        "episodes": several([250, 1000, 4000], whole(least=10)),
        "agents": several([1, 4, 16], whole(most=1000)),
        "parallel_dimensions": several([2, 4, 8], whole(least=2)),
        "joint_dimensions": several([6, 8, 12], whole(least=6)),
        "parallel_thresholds": several([0.1, 1, 10, 100], number()),
        "joint_thresholds": several([1.5, 2, 8], number(above=1)),
    },
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "coop_lsvi_communication": COMMUNICATION,
}
