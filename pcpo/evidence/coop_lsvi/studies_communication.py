"""Declare the study `coop_lsvi_communication`: episodes with communication against Lemmas 1 and 3, in T, S, M and d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pcpo.claims.contract import Study
from pcpo.claims.options import number, several, whole
from pcpo.evidence.coop_lsvi.model.bounds import betas, lemma_1, lemma_1_counted, lemma_3, lemma_3_counted
from pcpo.evidence.coop_lsvi.model.draws import random_mdp, random_multi_agent
from pcpo.evidence.coop_lsvi.model.joint import JointRun, joint_noise, run_joint
from pcpo.evidence.coop_lsvi.model.mdp import homogeneous
from pcpo.evidence.coop_lsvi.model.parallel import EVERY_EPISODE, Run, noise, run
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
        short = {**base, "episodes": min(own["episodes"])}
        cells[f"{algorithm}_every"] = CommunicationCell(algorithm, CONTROL, **short, **common)
    return cells


def _communication(cell: CommunicationCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each run."""
    parallel, T, S = cell.algorithm == "parallel", cell.episodes, cell.threshold
    simulate, lemma = (_parallel, lemma_1) if parallel else (_joint, lemma_3)
    fixed = {
        "algorithm": cell.algorithm,
        "role": cell.role,
        "episodes": cell.episodes,
        "agents": cell.agents,
        "dimension": cell.dimension,
        "threshold": float(cell.threshold),
        "horizon": cell.horizon,
        "bound": lemma(T, cell.agents, cell.horizon, cell.dimension, S),
    }
    rows = []
    for seed in seeds:
        found = simulate(cell, seed)
        traffic = found.traffic
        rows.append(
            {
                "seed": seed,
                **fixed,
                "counted_bound": lemma_1_counted(found.log_det, T, S)
                if parallel
                else lemma_3_counted(found.log_det, S),
                "rounds": len(found.rounds),
                "messages": traffic.messages_up + traffic.messages_down,
                "bytes": traffic.bytes_up + traffic.bytes_down,
            }
        )
    return pd.DataFrame(rows)


def _parallel(cell: CommunicationCell, seed: int) -> Run:
    """Run Algorithm 1."""
    S, H, d, T, M = cell.states, cell.horizon, cell.dimension, cell.episodes, cell.agents
    mdp = homogeneous(random_mdp(instance_stream(seed), S, cell.actions, H, d), M)
    beta = betas("calibrated", T, M, H, d, scale=cell.scale)
    threshold = EVERY_EPISODE if cell.role == CONTROL else cell.threshold
    return run(mdp, noise(noise_stream(seed), T, M, H, S), beta, threshold)


def _joint(cell: CommunicationCell, seed: int) -> JointRun:
    """Run Algorithm 2 with two actions an agent; d = d₁ + d₂ is halved."""
    S, H, d, T, M = cell.states, cell.horizon, cell.dimension, cell.episodes, cell.agents
    mdp = random_multi_agent(instance_stream(seed), S, (2,) * M, H, d - d // 2, d // 2)
    beta = betas("calibrated", T, M, H, d, scale=cell.scale)
    threshold = 1.0 if cell.role == CONTROL else cell.threshold
    return run_joint(mdp, joint_noise(noise_stream(seed), T, M, H, S), beta, threshold)


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
        "counted_bound": "the bound of its proof with log det Λ_h of the run, without the lemma's further constants",
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
    controls_only=lambda cell: cell.endswith("_every"),
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "coop_lsvi_communication": COMMUNICATION,
}
