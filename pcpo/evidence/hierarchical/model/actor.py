"""Run Algorithms 1 and 2: critics for the L + 1 auxiliary systems, and updates of their gains."""

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
    "disturbed_critic",
    "exact_critic",
    "gtd_critic",
    "least_squares_critic",
    "least_squares_fits",
    "single_chain_critic",
    "steps_allowed",
]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Hold a critic's estimates of E_K ``(k, d)`` and Σ_K ``(d, d)`` in one auxiliary system."""

    E: FloatArray
    Sigma: FloatArray


#: From the gains of an iteration to estimates for S_1, …, S_L and S̄.
Critic = Callable[[Gains], list[Estimate]]

#: From an auxiliary system, its gain, its initial gain, v_0, …, v_T and the costs c_0, …, c_(T-1) to Δ̂_K.
_Evaluation = Callable[[Regulator, FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]


def exact_critic(system: ExchangeableSystem) -> Critic:
    """Make a critic that returns E_K and Σ_K without error."""

    def evaluate(gains: Gains) -> list[Estimate]:
        return [Estimate(S.E(K), S.Sigma(K)) for S, K in system.pairs(gains)]

    return evaluate


def disturbed_critic(
    system: ExchangeableSystem,
    start: Gains,
    size: Callable[[Regulator, FloatArray, FloatArray], float],
    rng: np.random.Generator,
) -> Critic:
    """Make a critic with errors in E_K of a given norm and random directions, and none in Σ_K.

    Args:
        system: the system.
        start: initial gains.
        size: from an auxiliary system, its gain and its initial gain to ‖Ê_K − E_K‖.
        rng: draws the directions.
    """
    first = (*start.own, start.mean_field)

    def evaluate(gains: Gains) -> list[Estimate]:
        found = []
        for (S, K), K0 in zip(system.pairs(gains), first, strict=True):
            U = rng.standard_normal(K.shape)
            found.append(Estimate(S.E(K) + size(S, K, K0) * U / operator_norm(U), S.Sigma(K)))
        return found

    return evaluate


def least_squares_fits(
    system: ExchangeableSystem, gains: Gains, steps: int, rng: np.random.Generator, watched: int = 50
) -> list[LeastSquares]:
    """Fit least-squares TD to one simulated trajectory of all agents.

    Args:
        system: the system.
        gains: gains of the policy.
        steps: length of the trajectory.
        rng: draws noise and exploration.
        watched: number of agents of each subpopulation whose data S_l uses; S̄ uses the means of all agents.

    Returns:
        The fits for S_1, …, S_L and S̄.
    """
    critics = [LeastSquares(K, S.Psi) for S, K in system.pairs(gains)]
    for seen in simulated(system, gains, steps, rng, watched):
        for critic, part in zip(critics, seen, strict=True):
            width = part.v.shape[-1]
            critic.add(part.v.reshape(-1, width), part.after.reshape(-1, width), part.costs.ravel())
    return critics


def least_squares_critic(system: ExchangeableSystem, steps: int, rng: np.random.Generator, watched: int = 50) -> Critic:
    """Make a critic of `least_squares_fits`, on a new trajectory in every iteration."""

    def evaluate(gains: Gains) -> list[Estimate]:
        critics = least_squares_fits(system, gains, steps, rng, watched)
        return [Estimate(critic.E(), critic.Sigma()) for critic in critics]

    return evaluate


def gtd_critic(
    system: ExchangeableSystem,
    start: Gains,
    steps: int,
    rng: np.random.Generator,
    *,
    alpha: float = 0.1,
    power: float = 0.5,
) -> Critic:
    """Make the critic of Algorithm 3, on one chain of every auxiliary system.

    Args:
        system: the system.
        start: initial gains, which set the radii (42) together with the current ones.
        steps: T, length of a chain.
        rng: draws the chains.
        alpha: α of the step α_t = α/t^power.
        power: exponent of t in the step.
    """

    def evaluation(S: Regulator, K: FloatArray, K0: FloatArray, v: FloatArray, costs: FloatArray) -> FloatArray:
        return smat(gtd_estimates(v, costs, gtd_radii(S, K0, K), [steps], alpha=alpha, power=power)[0, 1:])

    return _chain_critic(system, start, steps, rng, evaluation)


def single_chain_critic(system: ExchangeableSystem, start: Gains, steps: int, rng: np.random.Generator) -> Critic:
    """Make a critic of least-squares TD on the same chains as those of `gtd_critic` with an equal generator."""

    def evaluation(S: Regulator, K: FloatArray, K0: FloatArray, v: FloatArray, costs: FloatArray) -> FloatArray:
        del K0
        critic = LeastSquares(K, S.Psi)
        critic.add(v[:-1], v[1:], costs)
        return critic.Delta()

    return _chain_critic(system, start, steps, rng, evaluation)


def _chain_critic(
    system: ExchangeableSystem, start: Gains, steps: int, rng: np.random.Generator, evaluation: _Evaluation
) -> Critic:
    """Make a critic that evaluates one stationary chain of every auxiliary system.

    The chains are those of one agent of each subpopulation, and of the means in balanced coordinates.  Noises of
    different auxiliary systems are independent, so that these chains are independent Markov chains and the other agents
    need not be simulated.
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
    """Return η_1, …, η_L and η̄, the largest steps that Assumption 3 allows.

    Raises:
        FleetError: for initial gains that are not stable.
    """
    system.require_stable(start)
    return [S.step(K) for S, K in system.pairs(start)]


def actor_critic(
    system: ExchangeableSystem, start: Gains, critic: Critic, *, natural: bool = True, factor: float = 1.0
) -> Iterator[Gains]:
    """Yield the gains of iterations 0, 1, 2, … of Algorithm 2: K ← K − ηÊ_K.

    Args:
        system: the system.
        start: initial gains.
        critic: estimates E_K and Σ_K.
        natural: False for plain gradients, K ← K − η'·2Ê_KΣ̂_K with η' = η/(2‖Σ_{K_0}‖), for which the paper gives no
            step.
        factor: multiple of the steps η of Assumption 3.

    Raises:
        FleetError: for initial gains that are not stable.
    """
    steps = [factor * step for step in steps_allowed(system, start)]
    if not natural:
        spreads = [float(operator_norm(S.Sigma(K))) for S, K in system.pairs(start)]
        steps = [step / spread for step, spread in zip(steps, spreads, strict=True)]
    gains = (*start.own, start.mean_field)
    while True:
        current = Gains(gains[:-1], gains[-1])
        yield current
        moves = [found.E if natural else found.E @ found.Sigma for found in critic(current)]
        gains = tuple(K - step * move for K, step, move in zip(gains, steps, moves, strict=True))
