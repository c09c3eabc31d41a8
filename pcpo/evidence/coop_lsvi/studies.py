"""What the studies of CoopLSVI share: the sizes of their MDPs, their noise, and running totals.

Study `coop_lsvi_regret`: group regret of Algorithm 1 in homogeneous parallel MDPs against T, M and S.

A theorem for all MDPs is tested on a worst one: the MDP of a run comes with rewards of several contrasts, which scale
the gaps between actions, and the claims take the contrast with the largest mean regret at each M and T.

Study `coop_lsvi_communication`: episodes with communication against Lemmas 1 and 3, in T, S, M and d.

Study `coop_lsvi_heterogeneity`: agents whose MDPs differ by ξ (Section 3.4.1) or by κ(m) (Section 3.4.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, key_of, number, several, whole
from pcpo.errors import ConfigError
from pcpo.evidence.coop_lsvi.model.bounds import betas, lemma_1, lemma_3, lemma_14, remark_2_threshold
from pcpo.evidence.coop_lsvi.model.joint import joint_noise, run_joint
from pcpo.evidence.coop_lsvi.model.mdp import (
    ParallelMDP,
    contextual,
    deviating,
    homogeneous,
    optimal,
    random_contexts,
    random_mdp,
    random_multi_agent,
    random_twins,
    with_contrast,
)
from pcpo.evidence.coop_lsvi.model.parallel import ALONE, EVERY_EPISODE, noise, run
from pcpo.simulation.noise import Purpose, stream

__all__ = [
    "ALGORITHMS",
    "COMMUNICATION",
    "CONTROL",
    "HETEROGENEITY",
    "REGRET",
    "SIZES",
    "STUDIES",
    "at",
    "checkpoints",
    "instance_stream",
    "noise_stream",
]

#: Sizes of random MDPs, and the scale of the calibrated β_t.
SIZES: Mapping[str, Option] = {
    "states": whole(5),
    "actions": whole(3),
    "horizon": whole(2),
    "dimension": whole(4),
    "scale": number(0.1),
}


def instance_stream(seed: int) -> np.random.Generator:
    """Draws the MDP of a run: the same in every cell."""
    return stream(seed, int(Purpose.FLEET))


def noise_stream(seed: int) -> np.random.Generator:
    """Draws the initial states, transitions and scalarisations of a run: the same in cells of the same sizes."""
    return stream(seed, int(Purpose.TRAJECTORIES))


def checkpoints(T: int, count: int, ratio: int = 2) -> IntArray:
    """T, T/ratio, …: `count` numbers of episodes at most, in order."""
    return np.unique([T // ratio**k for k in range(count) if T // ratio**k])


def at(values: FloatArray, episodes: IntArray) -> FloatArray:
    """Running totals of `values` ``(T, ...)`` over time and agents after these numbers of episodes."""
    return np.asarray(np.cumsum(values.reshape(len(values), -1).sum(axis=1))[episodes - 1])


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


def _regret_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
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


def _regret_simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    frames = [_regret_run(cell, seed) for seed in seeds]
    return pd.concat(frames, ignore_index=True)


def _regret_run(cell: Mapping[str, Any], seed: int) -> pd.DataFrame:
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
    cells=_regret_cells,
    simulate=_regret_simulate,
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


CONTROL = "every episode"
_SIZES = {name: option for name, option in SIZES.items() if name != "dimension"}


def _communication_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
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


def _communication_simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
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
    cells=_communication_cells,
    simulate=_communication_simulate,
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


_NAME = "coop_lsvi_heterogeneity"
_TOLD, _UNTOLD, _CONTEXTS, _IGNORED, _LONELY = "told", "untold", "contexts", "ignored", "alone"


def _heterogeneity_cells(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
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


def _heterogeneity_simulate(cell: Mapping[str, Any], seeds: Sequence[int]) -> pd.DataFrame:
    return pd.DataFrame([_heterogeneity_run(cell, seed) for seed in seeds])


def _heterogeneity_run(cell: Mapping[str, Any], seed: int) -> dict[str, Any]:
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
    cells=_heterogeneity_cells,
    simulate=_heterogeneity_simulate,
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
    "coop_lsvi_communication": COMMUNICATION,
    "coop_lsvi_heterogeneity": HETEROGENEITY,
}
