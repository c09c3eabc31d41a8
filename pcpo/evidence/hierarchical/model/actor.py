"""Algorithms 1 and 2: critics for the L + 1 auxiliary systems, and updates of their gains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pcpo.arrays import FloatArray
from pcpo.evidence.hierarchical.model.critics import (
    LeastSquares,
    chain,
    gtd_estimates,
    gtd_radii,
    natural_direction,
    smat,
    stage_costs,
)
from pcpo.evidence.hierarchical.model.regulator import Regulator, operator_norm
from pcpo.evidence.hierarchical.model.simulation import simulated
from pcpo.evidence.hierarchical.model.system import ExchangeableSystem, Gains

__all__ = [
    "Critic",
    "Estimate",
    "actor_critic",
    "exact_critic",
    "gtd_critic",
    "least_squares_critic",
    "single_chain_critic",
    "steps_allowed",
]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Of E_K and of Σ_K, in one auxiliary system."""

    E: FloatArray
    Sigma: FloatArray


#: From the gains of an iteration to estimates for S_1, …, S_L and S̄.
Critic = Callable[[Gains], list[Estimate]]


def exact_critic(system: ExchangeableSystem) -> Critic:
    """E_K and Σ_K themselves."""

    def evaluate(gains: Gains) -> list[Estimate]:
        pairs = zip((*system.auxiliary, system.mean_field), (*gains.own, gains.mean_field), strict=True)
        return [Estimate(S.E(K), S.Sigma(K)) for S, K in pairs]

    return evaluate


def least_squares_critic(system: ExchangeableSystem, steps: int, rng: np.random.Generator, watched: int = 50) -> Critic:
    """Least-squares TD on `steps` steps of all agents: S_l from `watched` of its agents, S̄ from the means of all."""

    def evaluate(gains: Gains) -> list[Estimate]:
        pairs = zip((*system.auxiliary, system.mean_field), (*gains.own, gains.mean_field), strict=True)
        critics = [LeastSquares(K, S.Psi) for S, K in pairs]
        for seen in simulated(system, gains, steps, rng, watched):
            for critic, part in zip(critics, seen, strict=True):
                width = part.v.shape[-1]
                critic.add(part.v.reshape(-1, width), part.after.reshape(-1, width), part.costs.ravel())
        return [Estimate(critic.E(), critic.Sigma()) for critic in critics]

    return evaluate


#: From one auxiliary system, its gain, the gain of the start, v_0, …, v_T and the costs c_0, …, c_(T-1) to Δ̂_K.
_Evaluation = Callable[[Regulator, FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]


def gtd_critic(
    system: ExchangeableSystem,
    start: Gains,
    steps: int,
    rng: np.random.Generator,
    *,
    alpha: float = 0.1,
    power: float = 0.5,
) -> Critic:
    """Algorithm 3 with α_t = α/t^power and the sets (42) of the start, on one chain of every auxiliary system."""

    def evaluation(S: Regulator, K: FloatArray, K0: FloatArray, v: FloatArray, costs: FloatArray) -> FloatArray:
        del K
        return smat(gtd_estimates(v, costs, gtd_radii(S, K0), [steps], alpha=alpha, power=power)[0, 1:])

    return _chain_critic(system, start, steps, rng, evaluation)


def single_chain_critic(system: ExchangeableSystem, start: Gains, steps: int, rng: np.random.Generator) -> Critic:
    """Least-squares TD on the chains that `gtd_critic` sees with the same generator."""

    def evaluation(S: Regulator, K: FloatArray, K0: FloatArray, v: FloatArray, costs: FloatArray) -> FloatArray:
        del K0
        critic = LeastSquares(K, S.Psi)
        critic.add(v[:-1], v[1:], costs)
        return critic.Delta()

    return _chain_critic(system, start, steps, rng, evaluation)


def _chain_critic(
    system: ExchangeableSystem, start: Gains, steps: int, rng: np.random.Generator, evaluation: _Evaluation
) -> Critic:
    """One agent of each subpopulation, and the means in balanced coordinates, stationary from the first step.

    Noises of different auxiliary systems are independent, so that these are chains of their own: the other agents need
    not be simulated.
    """
    systems = (*system.auxiliary, system.balanced)
    first = (*start.own, system.balanced_gain(start.mean_field))
    x, u = system.roots

    def evaluate(gains: Gains) -> list[Estimate]:
        found = []
        for S, K, K0 in zip(systems, (*gains.own, system.balanced_gain(gains.mean_field)), first, strict=True):
            v = chain(S, K, steps, rng)
            Delta = evaluation(S, K, K0, v, stage_costs(v[:-1], S.Q, S.R))
            found.append(Estimate(natural_direction(Delta, K), v[:, : S.d].T @ v[:, : S.d] / len(v)))
        last = found.pop()
        return [*found, Estimate(u[:, None] * last.E * x, last.Sigma / np.outer(x, x))]

    return evaluate


def steps_allowed(system: ExchangeableSystem, start: Gains) -> list[float]:
    """η_1, …, η_L and η̄: the largest that Assumption 3 allows; raises FleetError for an unstable start."""
    system.require_stable(start)
    pairs = zip((*system.auxiliary, system.mean_field), (*start.own, start.mean_field), strict=True)
    return [S.step(K) for S, K in pairs]


def actor_critic(
    system: ExchangeableSystem, start: Gains, critic: Critic, *, natural: bool = True, factor: float = 1.0
) -> Iterator[Gains]:
    """The gains of iterations 0, 1, 2, …: K ← K − ηÊ_K (Algorithm 2), with η of Assumption 3 times `factor`.

    natural=False: K ← K − η'·2Ê_KΣ̂_K with η' = η/(2‖Σ_{K_0}‖), for which the paper gives no step.
    """
    steps = [factor * step for step in steps_allowed(system, start)]
    systems, gains = (*system.auxiliary, system.mean_field), (*start.own, start.mean_field)
    if not natural:
        steps = [step / _spread(S, K) for step, S, K in zip(steps, systems, gains, strict=True)]
    while True:
        current = Gains(gains[:-1], gains[-1])
        yield current
        moves = [found.E if natural else found.E @ found.Sigma for found in critic(current)]
        gains = tuple(K - step * move for K, step, move in zip(gains, steps, moves, strict=True))


def _spread(S: Regulator, K: FloatArray) -> float:
    """‖Σ_K‖."""
    return float(operator_norm(S.Sigma(K)))
