"""Declare the studies of Section 4, where agents share an MDP: regrets, propositions by enumeration, one front.

`coop_lsvi_pareto`: regrets of Algorithm 2 over random scalarisations.  `coop_lsvi_exact`: Propositions 1 and 2 against
all joint policies.  `coop_lsvi_front`: the points of one Pareto front, and the policies played on the way to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pcpo.arrays import FloatArray, IntArray
from pcpo.claims.contract import Study
from pcpo.claims.options import Option, number, several, whole
from pcpo.evidence.coop_lsvi.model.bounds import betas
from pcpo.evidence.coop_lsvi.model.draws import random_multi_agent
from pcpo.evidence.coop_lsvi.model.joint import (
    JointRun,
    bayes_regret,
    greedy_policy,
    joint_noise,
    never_greedy,
    pareto_optimal,
    recovered,
    run_joint,
    scalarised_optimum,
    simplex_points,
)
from pcpo.evidence.coop_lsvi.model.mdp import MultiAgentMDP, all_policies, policy_values, with_contrast
from pcpo.evidence.coop_lsvi.streams import CONTRASTS, at, checkpoints, instance_stream, noise_stream

__all__ = ["EXACT", "FRONT", "PARETO", "STUDIES"]

#: Options: sizes of the MDP, the scale of the calibrated β_t, and the number of scalarisations.
_SIZES: Mapping[str, Option] = {
    "states": whole(3),
    "horizon": whole(2),
    "dimension": whole(6, least=6),
    "scale": number(0.1),
    "points": whole(100),
}
#: Actions of each agent.
_ACTIONS = (2, 2)
_CHECKPOINTS = 11
#: Tolerance within which two values are equal.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class ExactCell:
    """Describe a condition of `coop_lsvi_exact`.

    Args:
        states, horizon, dimension: sizes of the MDP; d = d₁ + d₂ is halved.
        scale: factor of the calibrated β_t.
        points: number of scalarisations v.
        contrast: factor of the differences between rewards.
    """

    states: int
    horizon: int
    dimension: int
    scale: float
    points: int
    contrast: float


@dataclass(frozen=True)
class LearningCell(ExactCell):
    """Describe a condition of `coop_lsvi_pareto` or `coop_lsvi_front`, where Algorithm 2 learns.

    Args:
        states, horizon, dimension, scale, points, contrast: as in `ExactCell`.
        episodes: T.
        threshold: S, ∞ without communication.
    """

    episodes: int
    threshold: float


def _mdp(cell: ExactCell, seed: int) -> MultiAgentMDP:
    """Draw the MDP of a run."""
    d = cell.dimension
    drawn = random_multi_agent(instance_stream(seed), cell.states, _ACTIONS, cell.horizon, d - d // 2, d // 2)
    return with_contrast(drawn, cell.contrast)


def _learn(cell: LearningCell, seed: int, mdp: MultiAgentMDP) -> tuple[JointRun, FloatArray]:
    """Run Algorithm 2 and return the run with its β_t."""
    H, T, M = cell.horizon, cell.episodes, len(_ACTIONS)
    drawn = joint_noise(noise_stream(seed), T, M, H, cell.states)
    beta = betas("calibrated", T, M, H, cell.dimension, scale=cell.scale)
    return run_joint(mdp, drawn, beta, cell.threshold), beta


def _pareto_cells(options: Mapping[str, Any]) -> dict[str, LearningCell]:
    """Return a cell for each threshold and contrast, and those without communication."""
    common = {name: value for name, value in options.items() if name not in ("thresholds", "contrasts")}
    thresholds = [*options["thresholds"], math.inf]
    return {
        f"S_{S:g}_{g:g}": LearningCell(**common, threshold=float(S), contrast=float(g))
        for S in thresholds
        for g in options["contrasts"]
    }


def _pareto(cell: LearningCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each checkpoint of each run."""
    return pd.concat([_pareto_run(cell, seed) for seed in seeds], ignore_index=True)


def _pareto_run(cell: LearningCell, seed: int) -> pd.DataFrame:
    """Return a row for each checkpoint of one run."""
    mdp = _mdp(cell, seed)
    found, beta = _learn(cell, seed, mdp)
    points, episodes = simplex_points(len(_ACTIONS), cell.points), checkpoints(cell.episodes, _CHECKPOINTS)
    first = recovered(mdp, found.values, points)
    return pd.DataFrame(
        {
            "seed": seed,
            "episode": episodes,
            "threshold": cell.threshold if math.isfinite(cell.threshold) else np.nan,
            "contrast": cell.contrast,
            "beta": beta[episodes - 1],
            "agents": len(_ACTIONS),
            "regret": at(found.regret, episodes),
            "bayes": bayes_regret(mdp, found.values, points, episodes),
            "bayes_last": [bayes_regret(mdp, found.values[t - 1 : t], points, np.array([1]))[0] for t in episodes],
            "recovered": [float(np.mean((first > 0) & (first <= t))) for t in episodes],
            "rounds": np.searchsorted(found.rounds, episodes, side="right"),
        }
    )


PARETO = Study(
    name="coop_lsvi_pareto",
    title="CoopLSVI: regret over random scalarisations",
    cells=_pareto_cells,
    simulate=_pareto,
    columns={
        "seed": "run: MDP and noise",
        "episode": "episodes so far",
        "threshold": "S of Algorithm 2; NaN without communication",
        "contrast": "factor of the differences between rewards, no unit",
        "beta": "β_t, units of reward",
        "agents": "M",
        "regret": "R_C of (13) with the v_t drawn, units of reward",
        "bayes": "R_B of (12), units of reward",
        "bayes_last": "the same with the last policy alone in place of all policies so far",
        "recovered": "fraction of v for which a policy so far is as good as π*_v at every initial state",
        "rounds": "episodes with communication",
    },
    key=("seed", "episode"),
    may_be_missing=frozenset({"threshold"}),
    options={
        **_SIZES,
        "contrasts": CONTRASTS,
        "thresholds": several([2, 8, 32], number(above=1)),
        "episodes": whole(2048, least=2 ** (_CHECKPOINTS - 1)),
    },
)


def _exact(cell: ExactCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each instance."""
    return pd.DataFrame([_enumerated(cell, seed) for seed in seeds])


def _enumerated(cell: ExactCell, seed: int) -> dict[str, Any]:
    """Compare Propositions 1 and 2 with all deterministic joint policies of one instance."""
    mdp = _mdp(cell, seed)
    v = simplex_points(len(_ACTIONS), cell.points)
    H, S, A = mdp.r.shape[1:]
    values = policy_values(mdp.P, mdp.r, all_policies(H, S, A))  # (n, M, S)
    best = np.max(np.tensordot(v, values, axes=(1, 1)), axis=1)  # over policies, for every state
    Q, V = scalarised_optimum(mdp, v)
    greedy = policy_values(mdp.P, mdp.r, greedy_policy(Q))
    myopic = policy_values(mdp.P, mdp.r, greedy_policy(np.tensordot(v, mdp.r, axes=1)))
    reached = np.einsum("nm,nms->ns", v, myopic)
    contrary = policy_values(mdp.P, mdp.r, greedy_policy(-Q))
    even = np.full_like(mdp.phi[:1], 1 / mdp.phi.shape[-1])  # the reward of agent 1 does not depend on state and action
    idle = MultiAgentMDP(np.concatenate([even, mdp.phi[1:]]), mdp.common, mdp.theta, mdp.mu, mdp.actions)
    boundary = greedy_policy(scalarised_optimum(idle, np.eye(len(_ACTIONS))[:1])[0])
    idle_values = policy_values(idle.P, idle.r, all_policies(H, S, A))
    front = values[pareto_optimal(values)]
    return {
        "seed": seed,
        "tested": len(v),
        "policies": len(values),
        "front": _different(front),
        "supported": _different(greedy),
        "unsupported": _different(front[never_greedy(front, best, v, values)]),
        "unsupported_greedy": _different(greedy[never_greedy(greedy, best, v, values)]),
        "gap": float(np.abs(V[:, 0] - best).max()),
        "gap_myopic": float(np.abs(reached - best).max()),
        "dominated": int(np.sum(~pareto_optimal(greedy, values))),
        "dominated_contrary": int(np.sum(~pareto_optimal(contrary, values))),
        "dominated_boundary": int(np.sum(~pareto_optimal(policy_values(idle.P, idle.r, boundary), idle_values))),
    }


def _different(values: FloatArray) -> int:
    """Count the different values among V_1 ``(n, M, S)``."""
    return len({value.tobytes() for value in values.round(9) + 0.0})


EXACT = Study(
    name="coop_lsvi_exact",
    title="CoopLSVI: scalarised optima against all joint policies",
    cells=lambda options: {"all": ExactCell(**options, contrast=1.0)},
    simulate=_exact,
    columns={
        "seed": "instance",
        "tested": "scalarisations v, all inside the simplex",
        "policies": "deterministic joint policies, all of them",
        "front": "Pareto-optimal values among them",
        "supported": "different values of the greedy policies π*_v",
        "unsupported": "Pareto-optimal values that are proved to be those of no greedy policy, for any v",
        "unsupported_greedy": "the same proof for the values of greedy policies",
        "gap": "largest difference between V*_v of Proposition 1 and the best policy, units of reward",
        "gap_myopic": "the same for policies that are greedy for the immediate reward",
        "dominated": "greedy policies π*_v that some policy Pareto-dominates",
        "dominated_contrary": "the same for policies that take the action of the smallest Q*_v",
        "dominated_boundary": "1 if π*_v is dominated for v = (1, 0) and an agent 1 whose reward is constant",
    },
    options=_SIZES,
)


def _front(cell: LearningCell, seeds: Sequence[int]) -> pd.DataFrame:
    """Return a row for each point of each instance."""
    return pd.concat([_points(cell, seed) for seed in seeds], ignore_index=True)


def _points(cell: LearningCell, seed: int) -> pd.DataFrame:
    """Return the values, averaged over initial states, of all Pareto-optimal policies and of all policies played."""
    mdp = _mdp(cell, seed)
    values = policy_values(mdp.P, mdp.r, all_policies(*mdp.r.shape[1:]))
    _, first = np.unique(values.reshape(len(values), -1).round(9), axis=0, return_index=True)
    front = values[first][pareto_optimal(values[first], values)]
    points = simplex_points(len(_ACTIONS), cell.points)
    greedy = policy_values(mdp.P, mdp.r, greedy_policy(scalarised_optimum(mdp, points)[0]))
    played = np.swapaxes(_learn(cell, seed, mdp)[0].values, 1, 2)  # (T, M, S)
    episode = _first_equal(front, played)
    supported = _first_equal(front, greedy) > 0
    rows = [
        {"kind": "supported" if s else "front", "value_1": p[0].mean(), "value_2": p[1].mean(), "episode": int(e)}
        for p, s, e in zip(front, supported, episode, strict=True)
    ]
    _, kept = np.unique(played.reshape(len(played), -1).round(9), axis=0, return_index=True)
    rows += [
        {"kind": "played", "value_1": played[t, 0].mean(), "value_2": played[t, 1].mean(), "episode": int(t) + 1}
        for t in sorted(kept)
    ]
    return pd.DataFrame(rows).assign(seed=seed, point=np.arange(len(rows)))


def _first_equal(wanted: FloatArray, sequence: FloatArray) -> IntArray:
    """Return the position (from 1; 0: none) of the first value of the sequence that equals each wanted value."""
    flat = sequence.reshape(len(sequence), -1)
    found = []
    for value in wanted.reshape(len(wanted), -1):
        same = np.flatnonzero(np.all(np.abs(flat - value) <= _ROUNDING, axis=1))
        found.append(same[0] + 1 if len(same) else 0)
    return np.array(found)


FRONT = Study(
    name="coop_lsvi_front",
    title="CoopLSVI: one Pareto front",
    cells=lambda options: {"front": LearningCell(**options, contrast=1.0, threshold=2.0)},
    simulate=_front,
    columns={
        "seed": "instance and noise",
        "point": "number of the point",
        "kind": "front: Pareto-optimal; supported: value of a greedy π*_v as well; played: by Algorithm 2",
        "value_1": "V_1 of agent 1, mean over initial states, units of reward",
        "value_2": "the same of agent 2",
        "episode": "first episode in which Algorithm 2 played a policy of this value; 0: never",
    },
    key=("seed", "point"),
    options={**_SIZES, "episodes": whole(1024)},
)


#: Studies by the names that configurations use.
STUDIES: dict[str, Study] = {
    "coop_lsvi_pareto": PARETO,
    "coop_lsvi_exact": EXACT,
    "coop_lsvi_front": FRONT,
}
